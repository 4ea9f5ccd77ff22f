//! What cargo's configuration and the environment say that changes a program.

use std::path::Path;

use toml::{Table, Value};

use crate::cargo::Cargo;
use crate::cargo::settings::Settings;
use crate::error::Result;
use crate::oci::to_json;
use crate::read;

/// Tables of cargo's configuration that decide about what is compiled (the Cargo book, "Configuration").
const TABLES: [&str; 8] = ["build", "env", "host", "patch", "profile", "resolver", "target", "unstable"];

/// Keys of `[build]` that say where and how fast, and those that are told by the compiler and its flags.
const OF_THE_PLACE: [&str; 10] = [
    "build-dir",
    "dep-info-basedir",
    "jobs",
    "rustc",
    "rustc-wrapper",
    "rustc-workspace-wrapper",
    "rustdoc",
    "rustflags",
    "target",
    "target-dir",
];

/// Beginnings of variables that stand for such keys.
const VARIABLES: [&str; 5] =
    ["CARGO_PROFILE_", "CARGO_BUILD_", "CARGO_UNSTABLE_", "CARGO_HOST_", "CARGO_RESOLVER_"];

/// Other variables that change what is compiled.
const MORE_VARIABLES: [&str; 2] = ["CARGO_INCREMENTAL", "RUSTC_BOOTSTRAP"];

/// Tables of the workspace's Cargo.toml that concern all packages.
const OF_THE_WORKSPACE: [&str; 4] = ["patch", "profile", "replace", "cargo-features"];

/// The configuration that counts, as one text.
pub(super) fn configuration(cargo: &Cargo, settings: &Settings) -> Result<Vec<u8>> {
    let tables = settings.tables().map(|table| {
        let mut table = table.clone();
        table.retain(|key, _| TABLES.contains(&key));
        if let Some(build) = table.get_mut("build").and_then(Value::as_table_mut) {
            build.retain(|key, _| !OF_THE_PLACE.contains(&key));
        }
        table.retain(|_, value| value.as_table().is_none_or(|table| !table.is_empty()));
        table
    });
    let tables: Vec<Table> = tables.filter(|table| !table.is_empty()).collect();
    let mut variables: Vec<(&str, &str)> = Vec::new();
    for (name, value) in cargo.environment().iter() {
        let Some(name) = name.to_str() else { continue };
        let counts = VARIABLES.iter().any(|begin| name.starts_with(begin)) || MORE_VARIABLES.contains(&name);
        if counts && !is_of_the_place(name) {
            variables.push((name, value.to_str().unwrap_or_default()));
        }
    }
    to_json(&(tables, variables, cargo.unstable(), cargo.build_flags()))
}

fn is_of_the_place(name: &str) -> bool {
    let key = name.strip_prefix("CARGO_BUILD_").map(|key| key.to_lowercase().replace('_', "-"));
    key.is_some_and(|key| OF_THE_PLACE.contains(&key.as_str()))
}

/// What a workspace's Cargo.toml says for all of its packages.
pub(super) struct OfWorkspace {
    /// As one text.
    pub(super) text: Vec<u8>,
    /// Whether what is for tests alone decides about features too (the Cargo book, "Resolver versions").
    pub(super) tests_decide: bool,
}

/// Reads it; `None` where that is not possible.
pub(super) fn of_workspace(manifest: &Path) -> Option<OfWorkspace> {
    let mut table: Table = read::text(manifest, read::DOCUMENT).ok()?.parse().ok()?;
    let text = |name: &str, key: &str| {
        let value = table.get(name)?.as_table()?.get(key)?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let resolver = text("workspace", "resolver").or_else(|| text("package", "resolver"));
    // An edition that is inherited may be any.
    let edition = text("package", "edition").filter(|edition| edition.starts_with("20"));
    let is_later = edition.is_some_and(|edition| edition.as_str() >= "2021");
    let tests_decide = resolver.as_ref().map_or(!is_later, |resolver| resolver == "1");
    table.retain(|key, _| OF_THE_WORKSPACE.contains(&key));
    Some(OfWorkspace { text: to_json(&(table, resolver, is_later)).ok()?, tests_decide })
}

/// What a member's Cargo.toml comes to with what it inherits from the workspace, without what is of this machine.
pub(super) fn of_member(package: &cargo_metadata::Package) -> Option<Vec<u8>> {
    let mut value = serde_json::to_value(package).ok()?;
    let fields = value.as_object_mut()?;
    // The files of the package say where the sources are.
    for of_machine in ["id", "manifest_path", "metadata", "targets"] {
        fields.remove(of_machine);
    }
    for dependency in
        fields.get_mut("dependencies").and_then(serde_json::Value::as_array_mut).into_iter().flatten()
    {
        dependency.as_object_mut().map(|fields| fields.remove("path"));
    }
    to_json(&value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(variables: &[(&str, &str)], overrides: &[&str]) -> Vec<u8> {
        let overrides = overrides.iter().map(|&text| text.into()).collect();
        let cargo = Cargo::new("/nowhere", variables.iter().copied().collect()).with_config(overrides);
        configuration(&cargo, &Settings::read(&cargo)).expect("text")
    }

    #[test]
    fn what_changes_the_program_counts_and_where_it_is_built_does_not() {
        let plain = said(&[], &[]);
        for (name, value) in [
            ("CARGO_PROFILE_RELEASE_LTO", "fat"),
            ("CARGO_BUILD_WARNINGS", "deny"),
            ("RUSTC_BOOTSTRAP", "1"),
            ("CARGO_INCREMENTAL", "1"),
        ] {
            assert_ne!(plain, said(&[(name, value)], &[]), "{name}");
        }
        for name in
            ["CARGO_BUILD_JOBS", "CARGO_BUILD_TARGET_DIR", "CARGO_HOME", "TERM", "CARGO_BUILD_RUSTC_WRAPPER"]
        {
            assert_eq!(plain, said(&[(name, "x")], &[]), "{name}");
        }
        for text in ["profile.release.lto = true", "env.A = 'b'", "target.x.linker = 'l'"] {
            assert_ne!(plain, said(&[], &[text]), "{text}");
        }
        for text in ["build.jobs = 3", "net.offline = true", "registries.x.token = 'secret'"] {
            assert_eq!(plain, said(&[], &[text]), "{text}");
        }
    }

    #[test]
    fn a_workspaces_profiles_concern_all_and_its_members_do_not() {
        let folder = tempfile::tempdir().expect("folder");
        let said = |text: &str| {
            std::fs::write(folder.path().join("Cargo.toml"), text).expect("file");
            of_workspace(&folder.path().join("Cargo.toml")).expect("text")
        };
        let decide = |text: &str| said(text).tests_decide;
        assert!(
            decide("[workspace]") && decide("[package]\nname = 'a'") && decide("[workspace]\nresolver = '1'")
        );
        assert!(!decide("[workspace]\nresolver = '2'") && !decide("[package]\nedition = '2024'"));
        let said = |text: &str| said(text).text;
        let plain = said("[workspace]\nmembers = ['a']");
        assert_eq!(plain, said("[workspace]\nmembers = ['a', 'b']\n[workspace.metadata.x]\ny = 1"));
        assert_ne!(plain, said("[workspace]\nmembers = ['a']\nresolver = '3'"));
        assert_ne!(plain, said("[workspace]\nmembers = ['a']\n[profile.release]\nlto = true"));
    }
}
