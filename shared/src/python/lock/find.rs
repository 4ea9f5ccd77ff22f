//! Which lock a project has.

use std::path::{Path, PathBuf};

use toml::Table;

use super::LockKind;
use super::selection::at;
use crate::error::{Context, Error, Result};
use crate::read;

/// The lock of a project, and why it is this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file, absolute.
    pub path: PathBuf,
    /// Its format.
    pub kind: LockKind,
    /// Other locks that were passed over: a `requirements.txt` only where it pins what it names.
    pub others: Vec<PathBuf>,
    /// Why it was chosen among them; for people.
    pub reason: String,
}

/// The files by order of preference, where `pyproject.toml` names no tool.
const ORDER: [(&str, LockKind); 5] = [
    ("uv.lock", LockKind::Uv),
    ("poetry.lock", LockKind::Poetry),
    ("pdm.lock", LockKind::Pdm),
    ("pylock.toml", LockKind::Pylock),
    ("requirements.txt", LockKind::Requirements),
];

/// The tables that name a tool.
const TOOLS: [(&str, LockKind); 3] =
    [("poetry", LockKind::Poetry), ("uv", LockKind::Uv), ("pdm", LockKind::Pdm)];

/// Finds the lock of the project in `dir`.
///
/// Of several locks, the one of the tool that `pyproject.toml` has a table of wins
/// (`[tool.poetry]`, then `[tool.uv]`, then `[tool.pdm]`); after that `uv.lock`, `poetry.lock`,
/// `pdm.lock`, `pylock.toml`, `requirements.txt`. A folder without any of the first four may be
/// a member of a workspace: then it is the `uv.lock` of the nearest folder above whose
/// `pyproject.toml` has `[tool.uv.workspace]`. A `requirements.txt` is the last resort.
///
/// # Errors
/// When a folder cannot be looked into.
pub fn find(dir: &Path, pyproject: Option<&Table>) -> Result<Option<Found>> {
    let dir = std::path::absolute(dir).context(|| format!("{} is not a valid path", dir.display()))?;
    let mut present = Vec::new();
    for (name, kind) in ORDER {
        let path = dir.join(name);
        if path.try_exists().context(|| format!("cannot look for {}", path.display()))? {
            present.push((path, kind));
        }
    }
    if present.first().is_none_or(|(_, kind)| *kind == LockKind::Requirements)
        && let Some(path) = workspace_lock(&dir)
    {
        present.insert(0, (path, LockKind::Uv));
    }
    let named = TOOLS.iter().find_map(|(tool, kind)| {
        at(pyproject?, &format!("tool.{tool}"))?;
        let place = present.iter().position(|(_, present)| present == kind)?;
        Some((place, format!("pyproject.toml has [tool.{tool}]")))
    });
    if present.is_empty() {
        return Ok(None);
    }
    let (place, reason) = named.unwrap_or_else(|| match present.len() {
        1 => (0, "it is the only lock".into()),
        _ => (0, "it comes first where no tool is named".into()),
    });
    let (path, kind) = present.remove(place);
    // What a lock was made from is no other lock.
    present.retain(|(path, kind)| *kind != LockKind::Requirements || pins(path));
    Ok(Some(Found { path, kind, others: present.into_iter().map(|(path, _)| path).collect(), reason }))
}

/// The format of a lock that is named, by its name.
///
/// # Errors
/// Usage: no lock has such a name.
pub fn kind_of(path: &Path) -> Result<LockKind> {
    let is_text = path.extension().is_some_and(|extension| extension == "txt");
    LockKind::of(path).or_else(|| is_text.then_some(LockKind::Requirements)).ok_or_else(|| {
        Error::usage(format!("{} is not the name of a lock file", path.display())).hint(
            "locks are uv.lock, poetry.lock, pdm.lock, pylock.NAME.toml and requirements files such as api.txt",
        )
    })
}

/// Whether each requirement of a `requirements.txt` looks pinned; a file that cannot be read does not.
fn pins(path: &Path) -> bool {
    let Ok(text) = super::requirements_text_of(path) else { return false };
    let requirements =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '-']));
    requirements.into_iter().all(|line| line.contains("==") || line.contains('@'))
}

/// The `uv.lock` of the workspace that `dir` may be a member of.
fn workspace_lock(dir: &Path) -> Option<PathBuf> {
    for folder in dir.ancestors().skip(1) {
        let Ok(text) = read::text(&folder.join("pyproject.toml"), read::DOCUMENT) else { continue };
        let Ok(pyproject) = toml::from_str::<Table>(&text) else { continue };
        if at(&pyproject, "tool.uv.workspace").is_some() {
            let lock = folder.join("uv.lock");
            return lock.is_file().then_some(lock);
        }
    }
    None
}
