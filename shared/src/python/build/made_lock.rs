//! What is done with a lock that a tool has made, before it takes its place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use toml::{Table, Value};
use url::Url;

use crate::error::{Context, Error, Result};
use crate::oci::Platform;
use crate::python::lock::{self, Lock, LockKind, Made, ProjectFacts, Selection};
use crate::python::{Hash, Interpreter, Libc, Name, Package, PythonVersion};
use crate::read;
use crate::system::places;

/// Reads the lock back, takes the project itself out of it, and files with other digests than the pins ask
/// for, and counts its packages.
pub(super) fn check(
    path: &Path,
    pins: Option<&Lock>,
) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
    let text = read::text(path, read::LOCK)?;
    let mut lock: Table = text.parse()?;
    let version = lock.get("lock-version").and_then(Value::as_str).unwrap_or_default();
    if version.split('.').next() != Some("1") {
        return Err(Error::build(format!("its lock-version is {version:?}, not 1.0")).into());
    }
    let before = lock.clone();
    let packages = match lock.get_mut("packages") {
        Some(Value::Array(packages)) => packages,
        None => return Ok(0),
        Some(_) => return Err(Error::build("its packages are not a list").into()),
    };
    packages.retain(|package| !is_itself(package));
    let hashes = pins.map(Lock::pinned_hashes).unwrap_or_default();
    let dir = path.parent().unwrap_or(path);
    for package in packages.iter_mut() {
        check_hashes(package)?;
        keep_pinned(package, &hashes)?;
        files_of(package).for_each(|file| file_as_path(file, dir));
    }
    let left = packages.len();
    if lock != before {
        fs::write(path, lock.to_string())?;
    }
    Ok(left)
}

/// pip locks the project with what it needs; the folder that the lock is in, or a parent.
fn is_itself(package: &Value) -> bool {
    let path = package.get("directory").and_then(|directory| directory.get("path")?.as_str());
    path.is_some_and(|path| matches!(path, "." | "./" | ""))
}

fn name_of(package: &Value) -> &str {
    package.get("name").and_then(Value::as_str).unwrap_or("?")
}

/// All files of a package.
fn files_of(package: &mut Value) -> impl Iterator<Item = &mut Value> {
    let parts = package.as_table_mut().into_iter().flatten();
    parts.flat_map(|(key, value)| match (key.as_str(), value) {
        ("wheels", Value::Array(wheels)) => wheels.iter_mut().collect::<Vec<_>>(),
        ("sdist" | "archive", file) => vec![file],
        _ => Vec::new(),
    })
}

/// A file of this machine, which uv names by a URL that no other machine could fetch: PEP 751 has paths for it,
/// relative to the lock where it is below its folder.
fn file_as_path(file: &mut Value, dir: &Path) {
    let Some(table) = file.as_table_mut() else { return };
    let url = table.get("url").and_then(Value::as_str).and_then(|url| Url::parse(url).ok());
    let Some(path) = url.filter(|url| url.scheme() == "file").and_then(|url| url.to_file_path().ok()) else {
        return;
    };
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let below = path.strip_prefix(&dir).ok().and_then(places::below);
    let path = below.unwrap_or_else(|| path.display().to_string());
    table.remove("url");
    table.insert("path".to_owned(), Value::String(path));
}

/// What is fetched from an index must be known by its hash.
fn check_hashes(package: &Value) -> Result<()> {
    let name = name_of(package);
    let wheels = package.get("wheels").and_then(Value::as_array).into_iter().flatten();
    for file in wheels.chain(package.get("sdist")).chain(package.get("archive")) {
        let hashes = file.get("hashes").and_then(Value::as_table);
        if hashes.is_none_or(Table::is_empty) {
            return Err(Error::build(format!("a file of {name} has no hash in it"))
                .hint("its package index must list SHA-256 digests"));
        }
    }
    Ok(())
}

/// Leaves the files whose digests are pinned, where some are.
fn keep_pinned(package: &mut Value, pinned: &BTreeMap<Name, BTreeSet<Hash>>) -> Result<()> {
    let name = name_of(package).to_owned();
    let Some(allowed) = name.parse::<Name>().ok().and_then(|name| pinned.get(&name)) else { return Ok(()) };
    let Some(table) = package.as_table_mut() else { return Ok(()) };
    let is_pinned = |file: &Value| {
        let hashes = file.get("hashes").and_then(Value::as_table).into_iter().flatten();
        let mut hashes = hashes.filter_map(|(kind, hex)| Hash::parse(&format!("{kind}:{}", hex.as_str()?)));
        hashes.any(|hash| allowed.contains(&hash))
    };
    let mut left = 0;
    if let Some(Value::Array(wheels)) = table.get_mut("wheels") {
        wheels.retain(is_pinned);
        left += wheels.len();
    }
    for key in ["sdist", "archive"] {
        match table.get(key).map(is_pinned) {
            Some(true) => left += 1,
            Some(false) => drop(table.remove(key)),
            None => {}
        }
    }
    if left == 0 && !table.contains_key("vcs") && !table.contains_key("directory") {
        return Err(Error::integrity(format!("no file of {name} has a digest that the requirements pin"))
            .hint("its package index has other files than those the digests are for; make new digests"));
    }
    Ok(())
}

/// Whether the new lock of the project in `dir` has nothing that the pins do not have. Looked at for one platform: what others need
/// beside it is for none of the images.
pub(super) fn adds_nothing(path: &Path, dir: &Path, pins: &Lock, version: PythonVersion) -> Result<bool> {
    let target = Interpreter {
        path: "/usr/bin/python3".into(),
        version,
        libc: Libc::Glibc { major: 2, minor: 41 },
        platform: Platform::linux("amd64"),
    };
    let project = ProjectFacts { dir, pyproject: None, members: None };
    let selection = Selection { groups: BTreeSet::new(), extras: BTreeSet::new(), project };
    let names = |lock: &Lock| -> Result<BTreeSet<Name>> {
        let packages: Vec<Package> = lock::select(lock, &selection, &target)?;
        Ok(packages.into_iter().map(|package| package.name).collect())
    };
    let new = lock::read(path, LockKind::Pylock)?;
    Ok(names(&new)?.is_subset(&names(pins)?))
}

/// Writes into the lock what it was made with.
pub(super) fn sign(path: &Path, made: &Made) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let mut text = read::text(path, read::LOCK).context(failed)?;
    let record: Table = [("containerize".to_owned(), made.table()?)].into_iter().collect();
    let mut lock: Table =
        text.parse().map_err(|e: toml::de::Error| Error::bug("a lock is not valid TOML").because(e))?;
    match lock.get_mut("tool").and_then(Value::as_table_mut) {
        Some(tool) => {
            tool.extend(record);
            text = lock.to_string();
        }
        // What the tool wrote stays as it is.
        None => {
            let tool: Table = [("tool".to_owned(), Value::Table(record))].into_iter().collect();
            text = format!("{}\n\n{tool}", text.trim_end());
        }
    }
    fs::write(path, text).context(failed)
}
