//! The packages that are compiled from where they lie: members, path dependencies and patches.
//!
//! `cargo metadata` without dependencies tells the members and their path dependencies; what
//! those depend on in turn, and what `[patch]` names, is read from the manifests themselves.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use toml::{Table, Value};

use super::Project;
use crate::read;
use crate::redact::holds_login;

/// The tables of a manifest that name packages by paths.
const DEPENDENCIES: &[&str] = &["dependencies", "build-dependencies", "dev-dependencies"];

/// The local packages of `project`: folders with a Cargo.toml, absolute, and the packages' names. `configured` are
/// the folders that cargo's configuration puts in place of others.
pub fn packages(project: &Project, configured: Vec<PathBuf>) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut next = configured;
    for package in &project.packages {
        found.insert(plain(package.dir()), package.name.clone());
    }
    for package in &project.metadata.packages {
        next.extend(package.dependencies.iter().filter_map(|d| d.path.clone()).map(Into::into));
    }
    let root = &project.workspace_root;
    if let Some(manifest) = manifest_in(root) {
        next.extend(patches(&manifest).map(|path| root.join(path)));
    }
    while let Some(folder) = next.pop() {
        let folder = plain(&folder);
        if found.contains_key(&folder) {
            continue;
        }
        let Some(manifest) = manifest_in(&folder) else { continue };
        let name = manifest.get("package").and_then(|package| package.get("name")?.as_str());
        let Some(name) = name else { continue };
        found.insert(folder.clone(), name.to_owned());
        next.extend(dependencies(&manifest).map(|path| folder.join(path)));
        // What a member of another workspace takes from there.
        let shared = folder.ancestors().find_map(|dir| Some((dir, manifest_in(dir)?.remove("workspace")?)));
        if let Some((dir, Value::Table(workspace))) = shared {
            next.extend(paths(workspace.get("dependencies")).map(|path| dir.join(path)));
        }
    }
    found
}

/// Whether a dependency's address holds a login, which cargo would repeat.
pub(super) fn names_logins(project: &Project) -> bool {
    let dependencies = project.metadata.packages.iter().flat_map(|package| &package.dependencies);
    let lock = read::text(&project.workspace_root.join("Cargo.lock"), read::LOCK).unwrap_or_default();
    dependencies
        .filter_map(|dependency| dependency.source.as_ref())
        .any(|source| holds_login(&source.to_string()))
        || holds_login(&lock)
}

fn manifest_in(folder: &Path) -> Option<Table> {
    read::text(&folder.join("Cargo.toml"), read::DOCUMENT).ok()?.parse().ok()
}

/// The paths that a manifest's own dependencies name.
fn dependencies(manifest: &Table) -> impl Iterator<Item = &str> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = targets.filter_map(Value::as_table).chain([manifest]);
    tables.flat_map(|table| DEPENDENCIES.iter().flat_map(|key| paths(table.get(*key))))
}

/// The paths that `[patch]` and `[replace]` of a manifest or a configuration name.
pub(super) fn patches(manifest: &Table) -> impl Iterator<Item = &str> {
    let patch = manifest.get("patch").and_then(Value::as_table).into_iter().flat_map(Table::values);
    patch.chain(manifest.get("replace")).flat_map(|table| paths(Some(table)))
}

fn paths(dependencies: Option<&Value>) -> impl Iterator<Item = &str> {
    let dependencies = dependencies.and_then(Value::as_table).into_iter().flat_map(Table::values);
    dependencies.filter_map(|dependency| dependency.get("path")?.as_str())
}

/// A path without `.` and `..`, as cargo has it.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cargo::Cargo;
    use crate::cargo::settings::Settings;

    #[test]
    fn paths_are_followed_through_manifests_workspaces_and_patches() {
        let folder = tempfile::tempdir().expect("folder");
        let files = [
            ("app/Cargo.toml", "[workspace]\n[package]\nname='app'\n[patch.crates-io]\np={path='../p'}\n"),
            ("app/.cargo/config.toml", "paths=['../o']\n[patch.x]\nc={path='../c'}\n"),
            (
                "l/Cargo.toml",
                "[package]\nname='l'\n[target.'cfg(unix)'.dependencies]\nm={path='../other/m'}\n",
            ),
            ("other/Cargo.toml", "[workspace.dependencies]\nn={path='n'}\n"),
            (
                "other/m/Cargo.toml",
                "[package]\nname='m'\n[dependencies]\nn.workspace=true\nl={path='../../l'}",
            ),
            ("other/n/Cargo.toml", "[package]\nname='n'\n"),
            ("p/Cargo.toml", "[package]\nname='p'\n"),
            ("o/Cargo.toml", "[package]\nname='o'\n"),
            ("c/Cargo.toml", "[package]\nname='c'\n"),
        ];
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
            fs::write(path, text).expect("write");
        }
        let app = folder.path().join("app");
        let dependency = serde_json::json!({"name": "l", "req": "*", "kind": null, "optional": false,
            "uses_default_features": true, "features": [], "path": folder.path().join("l")});
        let package = serde_json::json!({"name": "app", "version": "1.0.0", "id": "app", "dependencies": [dependency],
            "targets": [], "features": {}, "manifest_path": app.join("Cargo.toml")});
        let metadata = serde_json::json!({"workspace_members": ["app"], "workspace_default_members": ["app"],
            "packages": [package], "target_directory": app.join("target"), "version": 1, "workspace_root": app});
        let metadata = cargo_metadata::MetadataCommand::parse(metadata.to_string()).expect("metadata");
        let settings = Settings::read(&Cargo::new(&app, Default::default()));
        let found = packages(&Project::from_metadata(metadata), settings.local_paths());
        let names: Vec<&str> = found.values().map(String::as_str).collect();
        assert_eq!(names, ["app", "c", "l", "o", "m", "n", "p"], "{found:?}");
    }
}
