//! Whether Cargo.lock is what the manifests ask for.

use std::path::Path;
use std::process::Stdio;

use cargo_metadata::semver::Version;

use super::inputs::seen_from;
use super::settings::Settings;
use super::{Cargo, Locking, Project, local};
use crate::oci::Digest;
use crate::process::Program;
use crate::read;
use crate::store::{Store, Table};

/// Lets cargo bring Cargo.lock in line with the manifests now, as the build would do later.
/// Returns whether it has changed. What cargo has once found in order is remembered in `store`;
/// what it refuses, it will refuse again, and say it, when it builds. Dropping the future ends
/// cargo.
pub async fn settle(
    cargo: &Cargo,
    project: &Project,
    locking: Locking,
    triples: &[&str],
    store: &Store,
) -> bool {
    let lock = project.workspace_root.join("Cargo.lock");
    let before = read::bytes(&lock, read::LOCK).ok();
    if locking.is_locked() {
        return false;
    }
    let key = key(cargo, project, before.as_deref());
    if before.is_some() && store.recall(Table::Settled, &key) == Some(true) {
        return false;
    }
    if !fetch(cargo, &project.root_manifest(), locking, triples).await {
        return read::bytes(&lock, read::LOCK).ok() != before;
    }
    let after = read::bytes(&lock, read::LOCK).ok();
    store.remember(Table::Settled, &self::key(cargo, project, after.as_deref()), &true);
    after != before
}

/// The oldest version of the package `name` that the project has, as far as its lock tells. Without
/// a lock it will be a new one.
pub fn oldest(project: &Project, name: &str) -> Option<Version> {
    let Ok(text) = read::text(&project.workspace_root.join("Cargo.lock"), read::LOCK) else {
        return Some(Version::new(u64::MAX, 0, 0));
    };
    let lock: toml::Table = text.parse().ok()?;
    let packages = lock.get("package")?.as_array()?.iter();
    let named = packages.filter(|package| package.get("name").and_then(|n| n.as_str()) == Some(name));
    named.filter_map(|package| package.get("version")?.as_str()?.parse().ok()).min()
}

/// Fetching what the build will need settles the lock first.
async fn fetch(cargo: &Cargo, manifest: &Path, locking: Locking, triples: &[&str]) -> bool {
    let mut command = cargo.command(cargo.program());
    command.args(["fetch", "--quiet", "--manifest-path"]).arg(manifest).args(locking.flags());
    command.args(triples.iter().flat_map(|triple| ["--target", triple]));
    command.args(cargo.overrides().iter().flat_map(|text| ["--config", text]));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(running) = Program::new(command).start() else { return false };
    running.wait().await.is_ok_and(|status| status.success())
}

/// Everything that decides about the lock.
fn key(cargo: &Cargo, project: &Project, lock: Option<&[u8]>) -> String {
    let settings = Settings::read(cargo);
    let mut key = format!("2 {}", Digest::of(lock.unwrap_or_default()));
    let root = (project.workspace_root.clone(), String::new());
    for (folder, _) in local::packages(project, settings.local_paths()).into_iter().chain([root]) {
        let manifest = read::bytes(&folder.join("Cargo.toml"), read::DOCUMENT).unwrap_or_default();
        let name = seen_from(&project.workspace_root, &folder);
        key.push_str(&format!("\n{name} {}", Digest::of(&manifest)));
    }
    settings.tables().for_each(|table| key.push_str(&format!("\n{table}")));
    key
}
