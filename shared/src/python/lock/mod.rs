//! Lock files: which one a project has, what it pins, and what of it a target needs.
//!
//! Five formats become one answer, a list of [`Package`]s: `poetry.lock`, `uv.lock`,
//! `pylock.toml` (PEP 751), `pdm.lock` and pinned `requirements.txt`. Each is read by its own
//! module, which checks all that it reads: a lock can be somebody else's.
//!
//! ```text
//! find -> read -> check_fresh -> select
//! ```

mod content_hash;
mod find;
mod made;
mod pdm;
mod pdm_fresh;
mod pdm_groups;
mod pdm_walk;
mod place;
mod poetry;
mod poetry_walk;
mod points;
mod pylock;
mod requirements;
mod requirements_line;
mod requirements_url;
mod selection;
mod uv;
mod uv_conflicts;
mod uv_fresh;
mod uv_settings;
mod uv_sources;
mod uv_walk;
mod uv_wants;

use crate::words;
use crate::words::{Command, Words, flag};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::python::{Constraint, Hash, Interpreter, Name, Package, Requirement, Source, requirements_text};
use crate::read;
use crate::redact::Address;

pub use find::{Found, find, kind_of};
pub use made::Made;
pub use selection::{ProjectFacts, Selection};

use place::Place;

/// The formats of locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockKind {
    /// `poetry.lock`, versions 1.0 to 2.1.
    Poetry,
    /// `uv.lock`, version 1.
    Uv,
    /// `pylock.toml`, version 1.0 (PEP 751).
    Pylock,
    /// `pdm.lock`, versions 4.4 and 4.5.
    Pdm,
    /// `requirements.txt` with exact versions.
    Requirements,
}

impl LockKind {
    /// What a file is by its name. `None` for other names.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        Some(match name {
            "poetry.lock" => Self::Poetry,
            "uv.lock" => Self::Uv,
            "pdm.lock" => Self::Pdm,
            "pylock.toml" => Self::Pylock,
            _ if name.starts_with("pylock.") && name.ends_with(".toml") => Self::Pylock,
            _ if name.contains("requirements") && name.ends_with(".txt") => Self::Requirements,
            _ => return None,
        })
    }

    /// How to lock again.
    fn remake_hint(self) -> Words {
        match self {
            Self::Poetry => "run `poetry lock`".into(),
            Self::Uv => "run `uv lock`".into(),
            Self::Pdm => "run `pdm lock`".into(),
            Self::Pylock => words!("run `{}`", Command::LOCK),
            Self::Requirements => "run `uv pip compile --generate-hashes`".into(),
        }
    }
}

/// A lock that has been read and checked.
#[derive(Debug, Clone)]
pub struct Lock {
    /// Its file, absolute.
    pub path: PathBuf,
    /// Its format.
    pub kind: LockKind,
    /// The versions of Python that it is for, where it says so.
    pub requires_python: Option<Constraint>,
    /// Where to look for files, where it says so.
    pub indexes: Indexes,
    /// What the user should be told about it.
    pub notes: Vec<String>,
    /// Whether a resolver made it, which vouches for what it leaves out.
    pub resolved: bool,
    /// What `containerize lock` made it with, if that made it.
    pub made: Option<Made>,
    content: Content,
}

/// Indexes that a requirements file names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Indexes {
    /// Instead of the default one.
    pub index: Option<Address>,
    /// Beside it.
    pub extra: Vec<Address>,
    /// URLs, or absolute paths, of pages and folders of files.
    pub find_links: Vec<Address>,
    /// Whether no index may be asked at all.
    pub no_index: bool,
    /// What is never taken as a wheel, in pip's words.
    pub no_binary: Vec<String>,
    /// What is never built, in pip's words.
    pub only_binary: Vec<String>,
    /// Hosts that may be spoken to without TLS.
    pub trusted_hosts: Vec<String>,
}

#[derive(Debug, Clone)]
enum Content {
    Poetry(poetry::Poetry),
    Uv(Box<uv::Uv>),
    Pylock(pylock::Pylock),
    Pdm(pdm::Pdm),
    Requirements(requirements::Requirements),
}

/// Reads a lock and checks all of it.
///
/// # Errors
/// When it cannot be read, is of an unknown version, or says anything that no tool would have
/// written: improper names and versions, weak digests, addresses that are none.
pub fn read(path: &Path, kind: LockKind) -> Result<Lock> {
    read_with(path, kind, &BTreeMap::new())
}

/// As [`read()`], with the variables of the environment that a requirements file may name.
///
/// # Errors
/// As [`read()`], and when one that it names has no value.
pub fn read_with(path: &Path, kind: LockKind, variables: &BTreeMap<String, String>) -> Result<Lock> {
    let place = Place::new(path, kind)?;
    let text = match kind {
        LockKind::Requirements => requirements_text_of(path)?,
        _ => read_text(path)?,
    };
    let mut indexes = Indexes::default();
    let mut notes = Vec::new();
    let mut resolved = true;
    let mut made = None;
    let (content, requires_python) = match kind {
        LockKind::Poetry => {
            let (lock, python) = poetry::read(&place, &text)?;
            (Content::Poetry(lock), python)
        }
        LockKind::Uv => {
            let (lock, python) = uv::read(&place, &text)?;
            (Content::Uv(Box::new(lock)), python)
        }
        LockKind::Pylock => {
            let (lock, python) = pylock::read(&place, &text)?;
            resolved = lock.resolved;
            made = lock.made.clone();
            if let Some(made) = &made {
                indexes = of_inputs(&place, made, variables).unwrap_or_default();
            }
            (Content::Pylock(lock), python)
        }
        LockKind::Pdm => (Content::Pdm(pdm::read(&place, &text)?), None),
        LockKind::Requirements => {
            let lock = requirements::read(&place, &text, variables)?;
            resolved = says_resolver(&text);
            indexes = lock.indexes.clone();
            notes.extend(lock.note());
            (Content::Requirements(lock), None)
        }
    };
    Ok(Lock { path: place.path, kind, requires_python, indexes, notes, resolved, made, content })
}

/// The indexes that the requirements files name that a lock was made from: its files may be behind a login
/// that only they know.
fn of_inputs(place: &Place, made: &Made, variables: &BTreeMap<String, String>) -> Result<Indexes> {
    let files = made.from.iter().map(|file| place.dir.join(file));
    let mut files = files.filter(|path| LockKind::of(path) == Some(LockKind::Requirements));
    let Some(path) = files.find(|path| path.is_file()) else { return Ok(Indexes::default()) };
    // Whether it is pinned matters no more.
    requirements::indexes(
        &Place::new(&path, LockKind::Requirements)?,
        &requirements_text_of(&path)?,
        variables,
    )
}

/// Whether the head of a requirements file names a resolver that wrote all that is needed.
fn says_resolver(text: &str) -> bool {
    let head = text.lines().take(20).take_while(|line| line.trim().is_empty() || line.starts_with('#'));
    let head = head.collect::<Vec<_>>().join("\n").to_lowercase();
    let tools = [
        "autogenerated by uv",
        "autogenerated by pip-compile",
        "@generated by pdm",
        "autogenerated by pipenv",
    ];
    tools.iter().any(|tool| head.contains(tool)) && !head.contains("--no-deps")
}

impl Lock {
    /// What it asks for, where that says more than what it pins: extras of distributions.
    pub fn wanted(&self) -> Vec<Requirement> {
        match &self.content {
            Content::Requirements(content) => content.wanted(),
            _ => Vec::new(),
        }
    }

    /// The names of all that it pins, for whatever target.
    pub fn names(&self) -> BTreeSet<Name> {
        match &self.content {
            Content::Poetry(content) => names(content.entries.iter().map(|entry| &entry.package)),
            Content::Uv(content) => names(content.entries.iter().map(|entry| &entry.package)),
            Content::Pylock(content) => names(content.packages()),
            Content::Pdm(content) => names(content.entries.iter().map(|entry| &entry.package)),
            Content::Requirements(content) => content.names(),
        }
    }

    /// The digests that requirements pin, by the distribution's name.
    pub fn pinned_hashes(&self) -> BTreeMap<Name, BTreeSet<Hash>> {
        match &self.content {
            Content::Requirements(content) => content.pinned_hashes(),
            _ => BTreeMap::new(),
        }
    }
}

fn names<'p>(packages: impl Iterator<Item = &'p Package>) -> BTreeSet<Name> {
    packages.map(|package| package.name.clone()).collect()
}

/// The text of a requirements file, whose encoding may be one of several.
fn requirements_text_of(path: &Path) -> Result<String> {
    let what = || format!("cannot read {}", path.display());
    let bytes = read::bytes(path, read::LOCK).map_err(|error| unreadable(what(), error))?;
    requirements_text::decode(&bytes)
        .map_err(|why| Error::usage(what()).because(why).hint("save it in UTF-8"))
}

fn read_text(path: &Path) -> Result<String> {
    let what = format!("cannot read {}", path.display());
    read::text(path, read::LOCK).map_err(|error| unreadable(what, error))
}

fn unreadable(what: String, error: std::io::Error) -> Error {
    use std::io::ErrorKind;
    let ours =
        matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::FileTooLarge);
    if ours { Error::usage(what).because(error) } else { Error::build(what).because(error) }
}

/// The distributions that the environment of `target` holds, ordered by name. The project
/// itself is not among them.
///
/// # Errors
/// When the lock is not for this Python, knows a wanted group or extra not, lacks a dependency,
/// or asks for two versions of one distribution.
pub fn select(lock: &Lock, selection: &Selection<'_>, target: &Interpreter) -> Result<Vec<Package>> {
    if let Some(python) = lock.requires_python.as_ref().filter(|python| !python.allows_python(target)) {
        let file = lock.path.file_name().unwrap_or_default().to_string_lossy();
        let how = match lock.kind {
            LockKind::Pylock => {
                let python = flag("python").of(target.version.short().to_string());
                words!(" with `{}`", Command::LOCK.with([python]))
            }
            _ => Words::default(),
        };
        return Err(Error::usage(format!(
            "{file} is for Python {python}, but the image has Python {}",
            target.version
        ))
        .hint(words!("choose a base with that Python, or lock for this one{how}")));
    }
    let packages = match &lock.content {
        Content::Poetry(content) => poetry_walk::select(content, selection, target)?,
        Content::Uv(content) => uv_walk::select(content, selection, target)?,
        Content::Pylock(content) => pylock::select(content, selection, target)?,
        Content::Pdm(content) => pdm_walk::select(content, selection, target)?,
        Content::Requirements(content) => requirements::select(content, selection, target)?,
    };
    one_of_each(lock, selection, packages)
}

/// Leaves out the project itself, and refuses a second version of anything.
fn one_of_each(lock: &Lock, selection: &Selection<'_>, packages: Vec<Package>) -> Result<Vec<Package>> {
    let place = Place::new(&lock.path, lock.kind)?;
    let root = selection.project.name();
    let dir = place::joined(&place.dir, &selection.project.dir.to_string_lossy());
    let mut chosen: BTreeMap<Name, Package> = BTreeMap::new();
    for package in packages {
        let is_root = match &package.source {
            Source::Directory { path, .. } => *path == dir,
            _ => root.as_ref() == Some(&package.name),
        };
        if is_root {
            continue;
        }
        let Some(other) = chosen.insert(package.name.clone(), package.clone()) else { continue };
        if other.version != package.version || other.source != package.source {
            let what =
                format!("the target would have it twice: {} and {}", described(&other), described(&package));
            return Err(place.wrong_package(&package.name, what));
        }
        // The same distribution in two entries: files of both are good.
        if let Some(kept) = chosen.get_mut(&package.name) {
            kept.files.extend(other.files);
            kept.files.sort_by(|a, b| a.filename.cmp(&b.filename));
            kept.files.dedup();
            // A file of one entry must not pass for one of the other's publisher.
            if !kept.identities.is_empty()
                && !other.identities.is_empty()
                && kept.identities != other.identities
            {
                let what = "two of its entries name other publishers".to_owned();
                return Err(place.wrong_package(&package.name, what));
            }
            if kept.identities.is_empty() {
                kept.identities = other.identities;
            }
        }
    }
    Ok(chosen.into_values().collect())
}

fn described(package: &Package) -> String {
    let from = match &package.source {
        Source::Index { url: None } => String::new(),
        Source::Index { url: Some(url) } | Source::Url { url, .. } | Source::Git { url, .. } => {
            format!(" from {url}")
        }
        Source::Directory { path, .. } | Source::File { path } => format!(" from {}", path.display()),
    };
    format!("{}{from}", package.version.as_ref().map_or_else(|| "some version".into(), ToString::to_string))
}

/// Refuses a lock that was made for other dependencies than the project has now: by the digest
/// or inputs that `poetry.lock` and `pdm.lock` carry, by the requirements that `uv.lock` repeats, by the
/// record of what `containerize lock` made a `pylock.toml` from. Others carry nothing.
///
/// # Errors
/// When the lock is stale. The hint is the command that refreshes it.
pub fn check_fresh(lock: &Lock, project: &ProjectFacts<'_>) -> Result<()> {
    if let Some(made) = &lock.made {
        let dir = lock.path.parent().unwrap_or(project.dir);
        return match made.outdated_by(dir)? {
            None => Ok(()),
            Some(file) => Err(unlike(lock, &format!("no longer matches {file}"))),
        };
    }
    let Some(pyproject) = project.pyproject else { return Ok(()) };
    let fresh = match &lock.content {
        Content::Poetry(content) => content_hash::poetry_is_fresh(content, pyproject),
        Content::Pdm(content) => pdm_fresh::is_fresh(content, project, pyproject),
        Content::Uv(content) => {
            return uv_fresh::check(content, lock.requires_python.as_ref(), project, pyproject);
        }
        Content::Pylock(_) | Content::Requirements(_) => true,
    };
    if fresh {
        return Ok(());
    }
    Err(stale(lock.kind, &lock.path, None))
}

/// As [`check_fresh`] for another member of a workspace whose lock has passed that with one of them.
///
/// # Errors
/// As [`check_fresh`].
pub fn check_member_fresh(lock: &Lock, project: &ProjectFacts<'_>) -> Result<()> {
    match (&lock.content, project.pyproject) {
        (Content::Uv(content), Some(pyproject)) => {
            uv_fresh::check_member(content, lock.requires_python.as_ref(), project, pyproject)
        }
        _ => check_fresh(lock, project),
    }
}

/// Refuses a lock that was made for other dependencies than the folders have now that `target`
/// needs beside the project: members of the workspace, and path dependencies. Only `uv.lock` says
/// what those required.
///
/// # Errors
/// As [`select`] and [`check_fresh`].
pub fn check_folders_fresh(lock: &Lock, selection: &Selection<'_>, target: &Interpreter) -> Result<()> {
    match &lock.content {
        Content::Uv(content) => {
            uv_fresh::check_folders(content, lock.requires_python.as_ref(), selection, target)
        }
        _ => Ok(()),
    }
}

fn stale(kind: LockKind, path: &Path, because: Option<&str>) -> Error {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let because = because.map(|text| format!(": {text}")).unwrap_or_default();
    Error::usage(format!("{file} no longer matches pyproject.toml{because}")).hint(kind.remake_hint())
}

/// Refuses a lock that `containerize lock` made with other extras or groups than are asked for, which it cannot
/// take apart.
///
/// # Errors
/// Usage: in which way it is another one. The hint is `command`, which makes the right one.
pub fn check_made_with(
    lock: &Lock,
    extras: &BTreeSet<Name>,
    groups: &BTreeSet<Name>,
    command: &Command,
) -> Result<()> {
    let Some((how, flag)) = lock.made.as_ref().and_then(|made| made.differs(extras, groups)) else {
        return Ok(());
    };
    let hint = match flag {
        None => words!("run `{command}`"),
        Some(flag) => words!("run `{command}`, or request it with {flag} or in the settings"),
    };
    Err(unlike(lock, &how).hint(hint))
}

/// The lock is not the one that is needed, and `containerize lock` makes it.
fn unlike(lock: &Lock, how: &str) -> Error {
    let file = lock.path.file_name().unwrap_or_default().to_string_lossy();
    Error::usage(format!("{file} {how}")).hint(words!("run `{}`", Command::LOCK))
}

fn unsupported(place: &Place, version: &str, known: &str) -> Error {
    let version = place::short(version);
    place.wrong(format!("its format version is {version}, but only {known} can be read"))
}

#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod made_tests;
#[cfg(test)]
mod tests;
