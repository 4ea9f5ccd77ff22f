//! What of a lock is wanted, and what the project declares.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::python::Name;

/// What of a lock is wanted: the main dependencies always, and what is named here.
#[derive(Debug, Clone)]
pub struct Selection<'a> {
    /// Dependency groups to add. `main` and `default` name the main dependencies themselves.
    pub groups: BTreeSet<Name>,
    /// Extras of the project to add.
    pub extras: BTreeSet<Name>,
    /// The project that the lock is for.
    pub project: ProjectFacts<'a>,
}

/// What a selection needs to know of a project.
#[derive(Debug, Clone, Copy)]
pub struct ProjectFacts<'a> {
    /// Its folder, absolute.
    pub dir: &'a Path,
    /// Its `pyproject.toml`, where it has one.
    pub pyproject: Option<&'a Table>,
    /// The folders of the other members of its workspace, where that has one lock for all; `None` where nobody knows.
    pub members: Option<&'a [PathBuf]>,
}

impl<'a> ProjectFacts<'a> {
    /// A table or value by its dotted path.
    pub(super) fn at(&self, path: &str) -> Option<&'a Value> {
        at(self.pyproject?, path)
    }

    /// The project's name, normalised.
    pub fn name(&self) -> Option<Name> {
        let name = self.at("project.name").or_else(|| self.at("tool.poetry.name"))?;
        name.as_str()?.parse().ok()
    }
}

/// A value by its dotted path.
pub(super) fn at<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('.');
    let mut value = table.get(parts.next()?)?;
    for part in parts {
        value = value.as_table()?.get(part)?;
    }
    Some(value)
}

impl Selection<'_> {
    /// The groups beside the main one.
    pub(super) fn added_groups(&self) -> BTreeSet<Name> {
        let main = |name: &&Name| !matches!(name.as_str(), "main" | "default");
        self.groups.iter().filter(main).cloned().collect()
    }

    /// Refuses groups and extras that are not among the known.
    pub(super) fn check(&self, file: &str, groups: &BTreeSet<Name>, extras: &BTreeSet<Name>) -> Result<()> {
        let added = self.added_groups();
        if let Some(unknown) = added.iter().find(|group| !groups.contains(*group)) {
            return Err(unknown_name(file, "dependency group", unknown, groups));
        }
        match self.extras.iter().find(|extra| !extras.contains(*extra)) {
            Some(unknown) => Err(unknown_name(file, "extra", unknown, extras)),
            None => Ok(()),
        }
    }
}

fn unknown_name(file: &str, what: &str, name: &Name, known: &BTreeSet<Name>) -> Error {
    let near = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(candidate.as_str(), name.as_str()), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match (near, known.is_empty()) {
        (Some((_, near)), _) => format!("did you mean {near}?"),
        (None, true) => format!("it has no {what}s at all"),
        (None, false) => {
            let names: Vec<&str> = known.iter().map(Name::as_str).collect();
            format!("it has {}", names.join(", "))
        }
    };
    Error::usage(format!("{file} has no {what} {name}")).hint(hint)
}
