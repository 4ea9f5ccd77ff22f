//! What a target needs of a requirements file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::super::place::{is_archive, joined};
use super::super::requirements_url::name_of_archive;
use super::super::{ProjectFacts, Selection};
use super::{Pin, Requirements, Wanted, exact};
use crate::error::{Error, Result};
use crate::python::{DistFile, Hash, Interpreter, Marker, Markers, Name, Package, Requirement, Source};
use crate::read;

/// The packages that a target needs.
pub(in crate::python::lock) fn select(
    lock: &Requirements,
    selection: &Selection<'_>,
    target: &Interpreter,
) -> Result<Vec<Package>> {
    selection.check(&lock.place.shown(), &BTreeSet::new(), &BTreeSet::new())?;
    let markers = Markers::of(target);
    let holds = |marker: Option<&Marker>| marker.is_none_or(|marker| marker.holds(&markers, &[], &[]));
    let constraints: Vec<&Requirement> =
        lock.constraints.iter().filter(|constraint| holds(constraint.marker.as_ref())).collect();
    let mut found: BTreeMap<usize, Package> = BTreeMap::new();
    let here: Vec<(usize, &Pin)> =
        lock.pins.iter().enumerate().filter(|(_, pin)| holds(pin.marker.as_ref())).collect();
    for (at, pin) in &here {
        let at = *at;
        let package = match &pin.wanted {
            Wanted::Named(requirement) => {
                let others = here.iter().map(|(_, other)| *other);
                named(pin, requirement, &constraints, others)?
            }
            Wanted::Local { path, editable, name, hash } => {
                local(pin, selection, path, *editable, name.as_ref(), hash.as_ref())?
            }
            Wanted::Elsewhere(elsewhere) => Some(elsewhere.package(&lock.place, &pin.hashes)?),
        };
        found.extend(package.map(|package| (at, package)));
    }
    Ok(found.into_values().collect())
}

/// A distribution of an index; `None` where another line says where it is from.
fn named<'a>(
    pin: &Pin,
    requirement: &Requirement,
    constraints: &[&Requirement],
    others: impl Iterator<Item = &'a Pin>,
) -> Result<Option<Package>> {
    let name = &requirement.name;
    let mut lines = Vec::new();
    for other in others {
        match &other.wanted {
            Wanted::Named(other) if other.name == *name => lines.push(other),
            _ if other.pins(name) => return Ok(None),
            _ => {}
        }
    }
    let mine = || {
        constraints.iter().copied().filter(|constraint| constraint.name == *name).chain(lines.iter().copied())
    };
    let version = exact(requirement).or_else(|| mine().find_map(exact));
    let Some(version) = version else {
        return Err(Error::usage(format!("{}: {name} has no exact version here", pin.at)));
    };
    let refused = mine().find(|constraint| !constraint.allows(&version));
    if let Some(refused) = refused.or_else(|| Some(requirement).filter(|r| !r.allows(&version))) {
        return Err(Error::usage(format!("{}: {name} {version} is not what {refused} allows", pin.at)));
    }
    // Which digest is which file's, the format does not say: one entry each, without a name.
    let files = pin.hashes.iter().map(|hash| DistFile {
        filename: String::new(),
        url: None,
        size: None,
        hashes: vec![hash.clone()],
        yanked: false,
    });
    Ok(Some(Package {
        name: name.clone(),
        version: Some(version),
        source: Source::Index { url: None },
        files: files.collect(),
        identities: Vec::new(),
    }))
}

/// A path; `None` for the project itself.
fn local(
    pin: &Pin,
    selection: &Selection<'_>,
    path: &str,
    editable: bool,
    name: Option<&Name>,
    hash: Option<&Hash>,
) -> Result<Option<Package>> {
    let dir = std::path::absolute(selection.project.dir).map_err(|e| {
        Error::usage(format!("{} is not a valid path", selection.project.dir.display())).because(e)
    })?;
    let dir = joined(&dir, ".");
    let path = joined(&dir, path);
    if path == dir {
        return Ok(None);
    }
    let nameless = || {
        Error::usage(format!("{}: the package in {} has no name", pin.at, path.display()))
            .hint("write it as name @ file:///path")
    };
    if is_archive(&path) {
        let filename = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = name.cloned().or_else(|| name_of_archive(&filename)).ok_or_else(nameless)?;
        let hashes: Vec<Hash> = pin.hashes.iter().chain(hash).cloned().collect();
        let files = if hashes.is_empty() {
            Vec::new()
        } else {
            vec![DistFile { filename, url: None, size: None, hashes, yanked: false }]
        };
        return Ok(Some(Package {
            name,
            version: None,
            source: Source::File { path },
            files,
            identities: Vec::new(),
        }));
    }
    let name = name.cloned().or_else(|| name_of_folder(&path)).ok_or_else(nameless)?;
    let source = Source::Directory { path, editable };
    Ok(Some(Package { name, version: None, source, files: Vec::new(), identities: Vec::new() }))
}

/// The name that a project's `pyproject.toml` gives it.
fn name_of_folder(path: &Path) -> Option<Name> {
    let text = read::text(&path.join("pyproject.toml"), read::DOCUMENT).ok()?;
    let table: toml::Table = toml::from_str(&text).ok()?;
    ProjectFacts { dir: path, pyproject: Some(&table), members: None }.name()
}
