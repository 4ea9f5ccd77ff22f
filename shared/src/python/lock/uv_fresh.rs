//! Whether a `uv.lock` fits the project. It has no digest, but repeats what the project
//! required when it was locked; that is compared with what it requires now.
//!
//! uv rewrites markers, so they are not compared as text: what counts is what would be required
//! with each version of CPython on each system, for each extra and group.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::points::{Points, versions};
use super::selection::{ProjectFacts, at};
use super::uv::{Entry, RawRequirement, Uv};
use super::uv_settings as settings;
use super::uv_sources::{Origin, Sources};
use super::uv_wants::{Groups, Listed, Plain, locked, plainly, required};
use super::{LockKind, Selection, stale, uv_conflicts, uv_walk};
use crate::error::{Error, Result};
use crate::python::{Constraint, Interpreter, Name, Source};
use crate::read;

/// Compares the project's own entry, and the versions of Python that the lock is for.
pub(super) fn check(
    lock: &Uv,
    python: Option<&Constraint>,
    project: &ProjectFacts<'_>,
    pyproject: &Table,
) -> Result<()> {
    let (comparison, entry) = comparison(lock, python, project, pyproject)?;
    comparison.requires_python(pyproject, entry)?;
    comparison.project(entry, pyproject)?;
    comparison.groups(entry, pyproject)?;
    comparison.settings(entry)?;
    comparison.workspace(entry, project, pyproject)
}

/// Compares the project's own entry, and nothing that is asked of the workspace as a whole.
pub(super) fn check_member(
    lock: &Uv,
    python: Option<&Constraint>,
    project: &ProjectFacts<'_>,
    pyproject: &Table,
) -> Result<()> {
    let (comparison, entry) = comparison(lock, python, project, pyproject)?;
    comparison.project(entry, pyproject)?;
    comparison.groups(entry, pyproject)
}

/// Compares the entries of the folders that a target needs: members of the workspace and other
/// folders. What has no `[project]` of its own cannot be told.
pub(super) fn check_folders(
    lock: &Uv,
    python: Option<&Constraint>,
    selection: &Selection<'_>,
    target: &Interpreter,
) -> Result<()> {
    for entry in uv_walk::folders(lock, selection, target)? {
        let Source::Directory { path, .. } = &entry.package.source else { continue };
        if let Some(pyproject) = pyproject_in(path) {
            Comparison { lock, python, dir: path, root: root(lock) }.project(entry, &pyproject)?;
        }
    }
    Ok(())
}

/// A lock without the project: the root of a workspace need not be one.
fn not_in_it(lock: &Uv, project: &ProjectFacts<'_>, pyproject: &Table) -> Error {
    let members: Vec<String> = lock
        .entries
        .iter()
        .filter_map(|entry| match &entry.package.source {
            Source::Directory { path, .. } => {
                Some(path.strip_prefix(&lock.place.dir).ok()?.display().to_string())
            }
            _ => None,
        })
        .collect();
    let is_root = project.dir == lock.place.dir && !pyproject.contains_key("project");
    let Some(first) = members.first().filter(|_| is_root) else {
        return stale(LockKind::Uv, &lock.place.path, Some("the project is not in it"));
    };
    let what = format!("{} is the root of a workspace and has no [project]", project.dir.display());
    let error = Error::usage(what).because(match members.len() {
        1 => format!("its only member is {first}"),
        _ => format!("its members are {}", members.join(", ")),
    });
    error.hint(format!("give the folder of a member: -C {first}"))
}

/// The `pyproject.toml` of a folder, where it has one that can be read.
fn pyproject_in(dir: &Path) -> Option<Table> {
    read::text(&dir.join("pyproject.toml"), read::DOCUMENT).ok()?.parse().ok()
}

/// The `pyproject.toml` beside the lock, whose sources are those of all members.
fn root(lock: &Uv) -> Option<Table> {
    pyproject_in(&lock.place.dir)
}

struct Comparison<'a> {
    lock: &'a Uv,
    /// What the lock is for: elsewhere nothing has to be the same.
    python: Option<&'a Constraint>,
    /// The folder of what is compared.
    dir: &'a Path,
    root: Option<Table>,
}

/// What the project is compared with, and its entry.
fn comparison<'a>(
    lock: &'a Uv,
    python: Option<&'a Constraint>,
    project: &ProjectFacts<'a>,
    pyproject: &Table,
) -> Result<(Comparison<'a>, &'a Entry)> {
    let entry = project_entry(lock, project).ok_or_else(|| not_in_it(lock, project, pyproject))?;
    Ok((Comparison { lock, python, dir: project.dir, root: root(lock) }, entry))
}

impl Comparison<'_> {
    fn stale(&self, entry: &Entry, because: &str) -> Error {
        let is_root = |path: &Path| path == self.lock.place.dir;
        let because = match &entry.package.source {
            Source::Directory { path, .. } if !is_root(path) => format!("{}: {because}", entry.package.name),
            _ => because.to_owned(),
        };
        stale(LockKind::Uv, &self.lock.place.path, Some(&because))
    }

    /// uv locks for the versions that all members of the workspace allow.
    fn requires_python(&self, pyproject: &Table, project: &Entry) -> Result<()> {
        let Some(locked) = self.python else { return Ok(()) };
        let members = self.lock.entries.iter().filter_map(|entry| match &entry.package.source {
            Source::Directory { path, .. } if entry.source != project.source => {
                self.lock.members.contains(&entry.package.name).then_some(path)
            }
            _ => None,
        });
        let tables = members.map(|path| pyproject_in(path)).collect::<Option<Vec<Table>>>();
        let Some(tables) = tables else { return Ok(()) };
        let texts: Vec<&str> = tables
            .iter()
            .chain([pyproject])
            .filter_map(|table| at(table, "project.requires-python")?.as_str())
            .collect();
        let wanted: Vec<Constraint> = texts.iter().filter_map(|text| Constraint::parse(text).ok()).collect();
        // Where nobody says it, uv takes the Python at hand.
        if wanted.is_empty() || wanted.len() < texts.len() {
            return Ok(());
        }
        let odd = versions().find(|version| {
            locked.allows(version) != wanted.iter().all(|constraint| constraint.allows(version))
        });
        match odd {
            None => Ok(()),
            Some(_) => Err(self.stale(project, &format!("it is for Python {locked}"))),
        }
    }

    /// The sources of what is compared: those of the root count for members of its workspace.
    fn sources<'b>(&'b self, entry: &Entry, pyproject: &'b Table, then: &'b [RawRequirement]) -> Sources<'b> {
        let is_member = self.lock.members.contains(&entry.package.name) && self.dir != self.lock.place.dir;
        let root = self.root.as_ref().filter(|_| is_member);
        let root = root.map(|table| (table, self.lock.place.dir.as_path()));
        Sources::new(self.lock, (pyproject, self.dir), root, then)
    }

    /// What a project requires, extras included.
    fn project(&self, entry: &Entry, pyproject: &Table) -> Result<()> {
        if is_dynamic(pyproject) {
            return Ok(());
        }
        let none = Vec::new();
        let then = entry.metadata.as_ref().map_or(&none, |metadata| &metadata.requires_dist);
        let sources = self.sources(entry, pyproject, then);
        let now = required(pyproject, &sources, false)?;
        if entry.metadata.is_none() && !now.is_empty() {
            return Err(self.stale(entry, "it lacks the requirements"));
        }
        let then = locked(self.lock, then)?;
        let (own, provided) = (extra_names(pyproject), provided(entry));
        let extras: BTreeSet<Name> = own.iter().chain(&provided).cloned().collect();
        // A version that is left to the build leaves no entry but the flat one.
        let is_flat = entry.package.version.is_none();
        let is_same =
            is_flat && self.compare(entry, &required(pyproject, &sources, true)?, &then, &extras).is_ok();
        if !is_same {
            self.compare(entry, &now, &then, &extras)?;
        }
        match own.symmetric_difference(&provided).next().filter(|_| self.lock.tells_extras()) {
            Some(extra) if own.contains(extra) => {
                Err(self.stale(entry, &format!("it lacks the extra {extra}")))
            }
            Some(extra) => Err(self.stale(entry, &format!("the extra {extra} no longer exists"))),
            None => Ok(()),
        }
    }

    /// What the groups of the project require.
    fn groups(&self, entry: &Entry, pyproject: &Table) -> Result<()> {
        let none = std::collections::BTreeMap::new();
        let then = entry.metadata.as_ref().map_or(&none, |metadata| &metadata.requires_dev);
        let now = Groups::of(pyproject)?;
        let names: BTreeSet<Name> =
            then.keys().filter_map(|group| group.parse().ok()).chain(now.names().cloned()).collect();
        for group in names {
            let raw = then.iter().find(|(name, _)| name.parse().is_ok_and(|n: Name| n == group));
            let raw = raw.map(|(_, list)| list.as_slice()).unwrap_or_default();
            let now = now.required(&group, &self.sources(entry, pyproject, raw))?;
            self.compare(entry, &now, &locked(self.lock, raw)?, &BTreeSet::new())?;
        }
        Ok(())
    }

    /// What `[tool.uv]` beside the lock asks of the resolution.
    fn settings(&self, entry: &Entry) -> Result<()> {
        let Some(root) = &self.root else { return Ok(()) };
        let dir = self.lock.place.dir.as_path();
        let manifest = &self.lock.manifest;
        for (key, then) in [
            ("tool.uv.constraint-dependencies", &manifest.constraints),
            ("tool.uv.override-dependencies", &manifest.overrides),
            ("tool.uv.build-constraint-dependencies", &manifest.build_constraints),
        ] {
            let sources = Sources::new(self.lock, (root, dir), None, then);
            let now = plainly(at(root, key), &sources)?;
            self.compare(entry, &now, &locked(self.lock, then)?, &BTreeSet::new())?;
        }
        let options = &self.lock.options;
        for (key, then, usual) in [
            ("resolution", &options.resolution_mode, "highest"),
            ("prerelease", &options.prerelease_mode, "if-necessary-or-explicit"),
            ("fork-strategy", &options.fork_strategy, "requires-python"),
        ] {
            let now = at(root, &format!("tool.uv.{key}")).and_then(Value::as_str);
            // Without a word here it may be the user's own setting.
            if now.is_some_and(|now| now != then.as_deref().unwrap_or(usual)) {
                return Err(self.stale(entry, &format!("{key} has changed")));
            }
        }
        Ok(())
    }

    /// What the members of the workspace require, and what the workspace as a whole asks.
    fn workspace(&self, entry: &Entry, project: &ProjectFacts<'_>, pyproject: &Table) -> Result<()> {
        let Some(members) = project.members else { return Ok(()) };
        let top = self.lock.place.dir.as_path();
        let folders = members.iter().map(PathBuf::as_path).chain([top]);
        let folders: BTreeSet<&Path> = folders.filter(|dir| *dir != project.dir).collect();
        let others = folders.into_iter().filter_map(|dir| Some((dir.to_owned(), pyproject_in(dir)?)));
        let own = (project.dir.to_owned(), pyproject.clone());
        let projects: settings::Projects =
            others.chain([own]).filter(|(_, table)| table.contains_key("project")).collect();
        let none = BTreeSet::new();
        let points = Points { python: self.python, extras: &none };
        let of_root = match &self.root {
            Some(root) => settings::environments(self.lock, root, points)?
                .or_else(|| settings::age(&self.lock.options, root))
                .or_else(|| settings::left_out(self.lock, root)),
            None => None,
        };
        let because = settings::members(self.lock, &projects)
            .or_else(|| settings::packages(self.lock, &projects))
            .or_else(|| uv_conflicts::conflicts(self.lock, &projects))
            .or(of_root);
        if let Some(because) = because {
            return Err(self.stale(entry, &because));
        }
        for (dir, table) in projects.iter().filter(|(dir, _)| dir != project.dir) {
            let facts = ProjectFacts { dir, pyproject: Some(table), members: None };
            let Some(entry) = project_entry(self.lock, &facts) else { continue };
            let member = Comparison { lock: self.lock, python: self.python, dir, root: self.root.clone() };
            member.project(entry, table)?;
            member.groups(entry, table)?;
        }
        Ok(())
    }

    fn compare(&self, entry: &Entry, now: &Listed, then: &Listed, extras: &BTreeSet<Name>) -> Result<()> {
        let points = Points { python: self.python, extras };
        match points.odd(now, then) {
            Some(odd) => Err(self.stale(entry, &difference(odd, now, then))),
            None => Ok(()),
        }
    }
}

/// What differs, in words.
fn difference(odd: &Plain, now: &Listed, then: &Listed) -> String {
    let (name, _, origin) = odd;
    let of = |list: &Listed| -> Vec<Origin> {
        list.iter().filter(|(plain, _)| plain.0 == *name).map(|(plain, _)| plain.2.clone()).collect()
    };
    let (now, then) = (of(now), of(then));
    let is_index = |origin: &Origin| matches!(origin, Origin::Index { .. });
    match (now.is_empty(), then.is_empty()) {
        (_, true) => format!("it lacks {name}"),
        (true, _) => format!("{name} is no longer required"),
        _ if !is_index(origin) || !now.iter().chain(&then).all(is_index) => {
            format!("{name} now comes from elsewhere")
        }
        _ => format!("the requirement for {name} has changed"),
    }
}

fn project_entry<'a>(lock: &'a Uv, project: &ProjectFacts<'_>) -> Option<&'a Entry> {
    let dir = super::place::joined(&lock.place.dir, &project.dir.to_string_lossy());
    lock.entries.iter().find(|entry| match &entry.package.source {
        Source::Directory { path, .. } => *path == dir,
        _ => false,
    })
}

/// Whether a build backend makes up the dependencies, so that the file does not say them.
fn is_dynamic(pyproject: &Table) -> bool {
    let Some(project) = pyproject.get("project").and_then(Value::as_table) else { return true };
    let list = project.get("dynamic").and_then(Value::as_array);
    let mut names = list.into_iter().flatten().filter_map(Value::as_str);
    names.any(|name| matches!(name, "dependencies" | "optional-dependencies"))
}

fn extra_names(pyproject: &Table) -> BTreeSet<Name> {
    let extras = at(pyproject, "project.optional-dependencies").and_then(Value::as_table);
    extras.into_iter().flatten().filter_map(|(extra, _)| extra.parse().ok()).collect()
}

/// The extras that the lock has.
fn provided(entry: &Entry) -> BTreeSet<Name> {
    let listed = entry.metadata.iter().flat_map(|metadata| &metadata.provides_extras);
    listed.filter_map(|extra| extra.parse().ok()).chain(entry.extras.keys().cloned()).collect()
}
