//! Whether the Python distributions of an image have all others that they need, by what their metadata say: what
//! `pip check` tells of an environment.
//!
//! A requirement may be of a part that is never used, and a resolver may have been told otherwise. So what is
//! missing is a warning.

use std::collections::{BTreeMap, BTreeSet};

use super::python::Python;
use super::start::Started;
use super::{Finding, Image, Kind, Report, Severity};
use crate::facts::details::{Detail, Metadata};
use crate::oci::Platform;
use crate::python::closed::{Present, unmet};
use crate::python::{Interpreter, Libc, Markers, Name, PythonVersion};
use crate::words;
use crate::words::Command;

/// Newer than any: what a bug of an early release alone needs is needed by none that people have.
const MICRO: u32 = 99;

/// Examines the distributions that the interpreter of the image finds.
pub(super) fn examine(image: &Image<'_>, started: &Started, report: &mut Report) {
    let Some(python) = started.python.clone().or_else(|| Python::of(image)) else { return };
    let found = installed(image, &python);
    let examined: BTreeSet<String> =
        found.values().filter(|(_, own)| *own || image.all_own).map(|(one, _)| one.shown()).collect();
    if examined.is_empty() {
        return;
    }
    let all: Vec<Present> = found.into_values().map(|(one, _)| one).collect();
    for one in unmet(&all, &[], &markers(image, &python)) {
        if !examined.contains(&one.through) {
            continue;
        }
        let how = match &one.instead {
            None => "which is not in the image".to_owned(),
            Some(version) => format!("but the image has {} {version}", one.name),
        };
        report.add(Finding {
            severity: Severity::Warning,
            kind: Kind::MissingDistribution,
            message: format!("{} needs {}, {how}", one.through, one.needed),
            library: None,
            through: Vec::new(),
            fix: Some(words!(
                "lock everything that is needed; for requirements without a lock, run `{lock}`",
                lock = Command::LOCK
            )),
        });
    }
}

/// The distributions on the search path, by name, and whether each is in a layer of what is checked. Of two with
/// one name the first on the path is found.
fn installed(image: &Image<'_>, python: &Python) -> BTreeMap<Name, (Present, bool)> {
    let folders = python.search_path(image).folders;
    let folders: Vec<String> = folders.iter().filter_map(|folder| image.fs.contents.follow(folder)).collect();
    let mut found: BTreeMap<Name, (usize, Present, bool)> = BTreeMap::new();
    for (path, detail, own) in image.fs.details() {
        let Detail::Metadata(metadata) = detail else { continue };
        let site = path.rsplit_once('/').and_then(|(info, _)| info.rsplit_once('/')).map(|(site, _)| site);
        let Some(place) = folders.iter().position(|folder| Some(folder.as_str()) == site) else { continue };
        let Some((name, one)) = present(metadata) else { continue };
        if found.get(&name).is_none_or(|(other, ..)| place < *other) {
            found.insert(name, (place, one, own));
        }
    }
    found.into_iter().map(|(name, (_, one, own))| (name, (one, own))).collect()
}

fn present(metadata: &Metadata) -> Option<(Name, Present)> {
    let name: Name = metadata.name.parse().ok()?;
    let version = metadata.version.parse().ok();
    Some((name.clone(), Present::of(name, version, metadata.requires.iter().map(String::as_str))))
}

fn markers(image: &Image<'_>, python: &Python) -> Markers {
    let platform = Platform { variant: image.config.variant.clone(), ..Platform::linux(image.machine) };
    // Markers do not ask for the C library.
    let libc = Libc::Glibc { major: 2, minor: 17 };
    let version = PythonVersion { major: 3, minor: python.minor, micro: MICRO };
    Markers::of(&Interpreter { path: python.path.clone(), version, libc, platform })
}
