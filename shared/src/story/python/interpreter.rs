//! Which Python: the one that a base holds, or the one that a default base should hold.

use pep440_rs::Version;

use super::bundled;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::facts::python::find_python;
use crate::oci::Platform;
use crate::python::lock::{self, Lock, Selection};
use crate::python::{BundledPython, Interpreter, Libc, Project, PythonVersion, Tags, WheelPolicy};
use crate::story::workshop::Base;
use crate::words;
use crate::words::{Words, flag};

/// The versions that a default base is looked for in, the first choice first: those that get at
/// least security updates.
const MINORS: [u32; 5] = [14, 13, 12, 11, 10];

/// What a Python of this machine is bundled onto where no base is named.
pub(super) const BARE: &str = "debian:trixie-slim";

/// The C library of Python's own slim images (Debian 13).
pub(super) const SLIM: Libc = Libc::Glibc { major: 2, minor: 41 };

/// What a lock pins for an image, and in which form it may be taken.
pub(super) struct Locked<'a> {
    pub(super) lock: &'a Lock,
    pub(super) policy: WheelPolicy,
    pub(super) selection: Selection<'a>,
}

/// The version for the default base, and why: what was asked for; what `.python-version` says;
/// else the highest that the project allows and for which every locked wheel has a file.
///
/// # Errors
/// Usage: no version fits.
pub(super) fn choose(
    project: &Project,
    locked: Option<&Locked<'_>>,
    settings: &Settings,
) -> Result<(String, &'static str)> {
    if let Some(text) = &settings.python.version {
        return Ok((text.parse::<PythonVersion>()?.short(), "--python"));
    }
    if let Some(text) = &project.python_version_file {
        return Ok((text.parse::<PythonVersion>()?.short(), ".python-version"));
    }
    let mut refused = None;
    for minor in MINORS {
        let version = PythonVersion { major: 3, minor, micro: 99 };
        match settings.platforms.iter().try_for_each(|platform| fits(project, locked, version, platform)) {
            Ok(()) => return Ok((version.short(), "the newest Python that all locked wheels support")),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    let error = Error::usage(format!("no Python from 3.{} to 3.{} fits the lock", MINORS[4], MINORS[0]))
        .hint(words!(
            "choose a version with {python}, or a base with {base}",
            python = flag("python"),
            base = flag("base")
        ));
    Err(match refused {
        Some(cause) => error.because(cause),
        None => error,
    })
}

/// The oldest of the versions that a default base may have and that the project allows.
pub(super) fn oldest(project: &Project) -> Option<PythonVersion> {
    let minor = MINORS.into_iter().rev().find(|minor| allows(project, *minor))?;
    Some(PythonVersion { major: 3, minor, micro: 0 })
}

/// Whether the project allows any of the versions 3.`minor`.
fn allows(project: &Project, minor: u32) -> bool {
    let mut versions = (0..=30).map(|micro| Version::new([3, u64::from(minor), micro]));
    project.requires_python.as_ref().is_none_or(|required| versions.any(|version| required.allows(&version)))
}

/// Refuses a version that an image would have by the name of its base or by the settings, of which no more than the
/// minor version may be known. What is to be locked for it would be for nothing.
///
/// # Errors
/// Usage: the project allows no such version.
pub(super) fn check_minor(project: &Project, version: PythonVersion, asked: AskedBy) -> Result<()> {
    if version.major == 3 && allows(project, version.minor) {
        return Ok(());
    }
    Err(refused(project, version).hint(advice(project, asked)))
}

/// What may say which Python an image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AskedBy {
    /// The base: its name, or what is in it.
    Base,
    /// The setting `python`, with a version.
    Setting,
    /// The Python of this machine that is bundled.
    Bundled,
    /// The file `.python-version`.
    File,
}

/// What to type for a Python that the project allows.
fn advice(project: &Project, asked: AskedBy) -> Words {
    let newest = MINORS.into_iter().find(|minor| allows(project, *minor));
    match (asked, newest) {
        (AskedBy::Base, Some(minor)) => words!(
            "choose a base with a Python that fits, such as {base}",
            base = flag("base").of(format!("python:3.{minor}-slim"))
        ),
        (AskedBy::Base, None) => words!("choose another base with {base}", base = flag("base")),
        (AskedBy::Setting | AskedBy::File, Some(minor)) => {
            words!("choose {python}, or a base with it", python = flag("python").of(format!("3.{minor}")))
        }
        (AskedBy::Setting | AskedBy::File, None) => {
            words!("choose another version with {python}", python = flag("python"))
        }
        (AskedBy::Bundled, _) => "set python = { prefix = ... } to another Python of this machine".into(),
    }
}

fn fits(
    project: &Project,
    locked: Option<&Locked<'_>>,
    version: PythonVersion,
    platform: &Platform,
) -> Result<()> {
    let interpreter = Interpreter {
        path: "/usr/local/bin/python3".into(),
        version,
        libc: SLIM,
        platform: platform.clone(),
    };
    check_requires(project, &interpreter)?;
    let Some(Locked { lock, policy, selection }) = locked else { return Ok(()) };
    let tags = Tags::of(&interpreter);
    for package in lock::select(lock, selection, &interpreter)? {
        let wheels: Vec<_> = package.files.iter().filter(|file| file.is_wheel()).cloned().collect();
        if policy.allows_wheel(&package.name) && !wheels.is_empty() && tags.best(&wheels).is_none() {
            let name = &package.name;
            return Err(Error::usage(format!("{name} has no wheel for Python {}", version.short()))
                .because(tags.why_not(&wheels)));
        }
    }
    Ok(())
}

/// The interpreter of an open base.
///
/// # Errors
/// The base has none, or another than was asked for or than the project allows.
pub(super) fn of_base(
    project: &Project,
    bundled: Option<&BundledPython>,
    settings: &Settings,
    name: &str,
    base: &Base,
    platform: &Platform,
) -> Result<Interpreter> {
    if let Some(bundled) = bundled {
        let interpreter = bundled::interpreter(bundled, name, base, platform)?;
        check_requires(project, &interpreter).map_err(|e| e.hint(advice(project, AskedBy::Bundled)))?;
        return Ok(interpreter);
    }
    let found = find_python(&base.contents, &base.image.config).ok_or_else(|| {
        Error::usage(format!("the base {name} has no Python interpreter"))
            .hint("use one that has, such as python:3.13-slim; add Debian's with debian = [\"python3\"]; or bundle this machine's with python = { prefix = \"/usr/local\" }")
    })?;
    let interpreter = Interpreter {
        path: found.path,
        version: found.version,
        libc: found.libc,
        platform: platform.clone(),
    };
    if let Some(text) = &settings.python.version {
        let asked: PythonVersion = text.parse()?;
        if !asked.is_minor_of(found.version) {
            return Err(Error::usage(format!(
                "python ({}) is {}, but the base {name} has {}",
                settings.origins.describe("python"),
                asked.short(),
                interpreter.version
            ))
            .hint(words!(
                "remove one of them, or use {}",
                flag("base").of(format!("python:{}-slim", asked.short()))
            )));
        }
    }
    check_requires(project, &interpreter).map_err(|e| e.hint(advice(project, AskedBy::Base)))?;
    Ok(interpreter)
}

/// The project must run on this version.
fn check_requires(project: &Project, interpreter: &Interpreter) -> Result<()> {
    let Some(required) = &project.requires_python else { return Ok(()) };
    if required.allows_python(interpreter) {
        return Ok(());
    }
    Err(refused(project, interpreter.version))
}

fn refused(project: &Project, version: PythonVersion) -> Error {
    let required = project.requires_python.as_ref().map(ToString::to_string).unwrap_or_default();
    Error::usage(format!("{} requires Python {required}, not {}", project.name, version.short()))
}
