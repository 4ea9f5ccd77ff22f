//! Whether a `uv.lock` fits the project. It has no digest, but repeats what the project
//! required when it was locked; that is compared with what it requires now.
//!
//! uv rewrites markers, so they are not compared as text: what counts is what would be required
//! on Linux with each version of CPython, for each extra and group.

use std::collections::{BTreeMap, BTreeSet};

use pep440_rs::Version;
use toml::{Table, Value};

use super::selection::{ProjectFacts, at};
use super::uv::{Entry, RawRequirement, Uv};
use super::{LockKind, Selection, stale, uv_sources, uv_walk};
use crate::error::{Error, Result};
use crate::oci::Platform;
use crate::python::{
    Constraint, Interpreter, Libc, Marker, Markers, Name, PythonVersion, Requirement, Source,
};
use crate::read;

/// A requirement without its marker, in one spelling.
type Plain = (Name, BTreeSet<Name>, Option<BTreeSet<String>>);

/// Some requirements, each with where it holds.
type Listed = Vec<(Plain, Option<Marker>)>;

/// Compares the project's own entry, and the versions of Python that the lock is for.
pub(super) fn check(
    lock: &Uv,
    python: Option<&Constraint>,
    project: &ProjectFacts<'_>,
    pyproject: &Table,
) -> Result<()> {
    let Some(entry) = project_entry(lock, project) else {
        let because = "the project is not in it";
        return Err(stale(LockKind::Uv, &lock.place.path, Some(because)));
    };
    let comparison = Comparison { lock, python };
    comparison.requires_python(pyproject, entry)?;
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
        if let Some(pyproject) = pyproject_of(entry) {
            Comparison { lock, python }.project(entry, &pyproject)?;
        }
    }
    Ok(())
}

/// The `pyproject.toml` of a folder, where it has one that can be read.
fn pyproject_of(entry: &Entry) -> Option<Table> {
    let Source::Directory { path, .. } = &entry.package.source else { return None };
    read::text(&path.join("pyproject.toml"), read::DOCUMENT).ok()?.parse().ok()
}

struct Comparison<'a> {
    lock: &'a Uv,
    /// What the lock is for: elsewhere nothing has to be the same.
    python: Option<&'a Constraint>,
}

impl Comparison<'_> {
    fn stale(&self, entry: &Entry, because: &str) -> Error {
        let is_root = |path: &std::path::Path| path == self.lock.place.dir;
        let because = match &entry.package.source {
            Source::Directory { path, .. } if !is_root(path) => format!("{}: {because}", entry.package.name),
            _ => because.to_owned(),
        };
        stale(LockKind::Uv, &self.lock.place.path, Some(&because))
    }

    /// uv locks for the versions that all members of the workspace allow.
    fn requires_python(&self, pyproject: &Table, project: &Entry) -> Result<()> {
        let Some(locked) = self.python else { return Ok(()) };
        let members = self.lock.entries.iter().filter(|entry| {
            let is_folder = matches!(entry.package.source, Source::Directory { .. });
            is_folder && entry.source != project.source && self.lock.members.contains(&entry.package.name)
        });
        let Some(tables) = members.map(pyproject_of).collect::<Option<Vec<Table>>>() else { return Ok(()) };
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

    /// What a project requires, extras included.
    fn project(&self, entry: &Entry, pyproject: &Table) -> Result<()> {
        if is_dynamic(pyproject) {
            return Ok(());
        }
        let Some(metadata) = &entry.metadata else {
            // uv writes none where a project requires nothing.
            let nothing = required(pyproject, &BTreeMap::new())?.is_empty();
            return if nothing { Ok(()) } else { Err(self.stale(entry, "it lacks all that is required")) };
        };
        let sourced = sourced(&metadata.requires_dist);
        let now = required(pyproject, &sourced)?;
        let then = locked(self.lock, &metadata.requires_dist)?;
        let extras = extra_names(pyproject)
            .into_iter()
            .chain(metadata.provides_extras.iter().filter_map(|extra| extra.parse().ok()));
        self.compare(entry, &now, &then, &extras.collect())?;
        let is_root =
            matches!(&entry.package.source, Source::Directory { path, .. } if *path == self.lock.place.dir);
        let is_member = is_root || self.lock.members.contains(&entry.package.name);
        let root: Option<Table> = is_member.then(|| self.root()).flatten();
        match uv_sources::moved(metadata, pyproject, root.as_ref()) {
            Some(name) => Err(self.stale(entry, &format!("{name} comes from elsewhere now"))),
            None => Ok(()),
        }
    }

    /// The `pyproject.toml` beside the lock, whose sources are those of all members.
    fn root(&self) -> Option<Table> {
        read::text(&self.lock.place.dir.join("pyproject.toml"), read::DOCUMENT).ok()?.parse().ok()
    }

    /// What the groups of the project require.
    fn groups(&self, entry: &Entry, pyproject: &Table) -> Result<()> {
        let none = BTreeMap::new();
        let then = entry.metadata.as_ref().map_or(&none, |metadata| &metadata.requires_dev);
        let now = Groups::of(pyproject);
        let names: BTreeSet<Name> =
            then.keys().filter_map(|group| group.parse().ok()).chain(now.lists.keys().cloned()).collect();
        for group in names {
            let raw = then.iter().find(|(name, _)| name.parse().is_ok_and(|n: Name| n == group));
            let raw = raw.map(|(_, list)| list.as_slice()).unwrap_or_default();
            let now = now.required(&group, &sourced(raw), &mut BTreeSet::new())?;
            self.compare(entry, &now, &locked(self.lock, raw)?, &BTreeSet::new())?;
        }
        Ok(())
    }

    fn compare(&self, entry: &Entry, now: &Listed, then: &Listed, extras: &BTreeSet<Name>) -> Result<()> {
        let choices: Vec<Vec<Name>> =
            std::iter::once(Vec::new()).chain(extras.iter().map(|extra| vec![extra.clone()])).collect();
        let wanted = |target: &Interpreter| self.python.is_none_or(|python| python.allows_python(target));
        for target in targets().filter(wanted) {
            let markers = Markers::of(&target);
            for extras in &choices {
                let (now, then) = (holding(now, &markers, extras), holding(then, &markers, extras));
                let Some(odd) = now.symmetric_difference(&then).next() else { continue };
                let because = match (now.contains(odd), then.iter().any(|locked| locked.0 == odd.0)) {
                    (true, false) => format!("it lacks {}", odd.0),
                    (false, _) if !now.iter().any(|wanted| wanted.0 == odd.0) => {
                        format!("{} is not required any more", odd.0)
                    }
                    _ => format!("{} is required differently", odd.0),
                };
                return Err(self.stale(entry, &because));
            }
        }
        Ok(())
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

/// The names whose versions a source replaces: uv does not repeat those.
fn sourced(list: &[RawRequirement]) -> BTreeMap<Name, bool> {
    let from_elsewhere = |raw: &RawRequirement| {
        let places = [&raw.url, &raw.git, &raw.path, &raw.directory, &raw.editable, &raw.r#virtual];
        places.iter().any(|place| place.is_some())
    };
    list.iter().filter_map(|raw| Some((raw.name.parse().ok()?, from_elsewhere(raw)))).collect()
}

/// What the project requires now, extras included.
fn required(pyproject: &Table, sourced: &BTreeMap<Name, bool>) -> Result<Listed> {
    let texts = |value: Option<&Value>| -> Vec<String> {
        let list = value.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let main = texts(at(pyproject, "project.dependencies"));
    let mut all = parse_all(main.iter().map(String::as_str), sourced)?;
    let extras = at(pyproject, "project.optional-dependencies").and_then(Value::as_table);
    for (extra, list) in extras.into_iter().flatten() {
        for text in texts(Some(list)) {
            let requirement: Requirement = text.parse()?;
            let within = requirement.marker.as_ref().map(|m| format!("({m}) and ")).unwrap_or_default();
            let marker = Marker::parse(&format!("{within}extra == '{extra}'"))?;
            all.push((plain(&requirement, sourced), Some(marker)));
        }
    }
    Ok(all)
}

fn parse_all<'a>(texts: impl Iterator<Item = &'a str>, sourced: &BTreeMap<Name, bool>) -> Result<Listed> {
    texts
        .map(|text| {
            let requirement: Requirement = text.parse()?;
            Ok((plain(&requirement, sourced), requirement.marker))
        })
        .collect()
}

fn plain(requirement: &Requirement, sourced: &BTreeMap<Name, bool>) -> Plain {
    let elsewhere = requirement.url.is_some() || sourced.get(&requirement.name).copied().unwrap_or(false);
    let clauses = requirement.specifiers.iter().flat_map(|all| all.iter()).map(ToString::to_string).collect();
    (requirement.name.clone(), requirement.extras.clone(), (!elsewhere).then_some(clauses))
}

/// What it required when it was locked.
fn locked(lock: &Uv, list: &[RawRequirement]) -> Result<Listed> {
    let sourced = sourced(list);
    list.iter()
        .map(|raw| {
            let name = lock.place.name(&raw.name)?;
            let text = format!("{name} {}", raw.specifier.as_deref().unwrap_or_default());
            let wrong = |e| lock.place.wrong_package(&name, "what requires it cannot be read").because(e);
            let mut requirement: Requirement = text.parse().map_err(wrong)?;
            for extra in &raw.extras {
                requirement.extras.insert(lock.place.name(extra)?);
            }
            let marker = raw.marker.as_deref().map(|text| lock.place.marker(&name, text)).transpose()?;
            Ok((plain(&requirement, &sourced), marker))
        })
        .collect()
}

/// The groups of a project.
struct Groups<'a> {
    lists: BTreeMap<Name, Vec<&'a Value>>,
    /// The versions of Python that a group is for, as markers.
    markers: BTreeMap<Name, String>,
}

impl<'a> Groups<'a> {
    fn of(pyproject: &'a Table) -> Self {
        let mut lists: BTreeMap<Name, Vec<&Value>> = BTreeMap::new();
        let table = pyproject.get("dependency-groups").and_then(Value::as_table);
        for (group, list) in table.into_iter().flatten() {
            let Ok(name) = group.parse() else { continue };
            lists.entry(name).or_default().extend(list.as_array().into_iter().flatten());
        }
        // What uv had before there was a standard; it is the group `dev`.
        if let Some(list) = at(pyproject, "tool.uv.dev-dependencies").and_then(Value::as_array)
            && let Ok(dev) = "dev".parse()
        {
            lists.entry(dev).or_default().extend(list);
        }
        let mut markers = BTreeMap::new();
        let settings = at(pyproject, "tool.uv.dependency-groups").and_then(Value::as_table);
        for (group, settings) in settings.into_iter().flatten() {
            let python = settings.get("requires-python").and_then(Value::as_str);
            if let (Ok(name), Some(python)) = (group.parse(), python) {
                markers.insert(name, python_marker(python));
            }
        }
        Self { lists, markers }
    }

    /// What a group and those that it includes require.
    fn required(
        &self,
        group: &Name,
        sourced: &BTreeMap<Name, bool>,
        seen: &mut BTreeSet<Name>,
    ) -> Result<Listed> {
        let mut all = Vec::new();
        if !seen.insert(group.clone()) {
            return Ok(all);
        }
        for value in self.lists.get(group).into_iter().flatten() {
            match value {
                Value::String(text) => {
                    let requirement: Requirement = text.parse()?;
                    let marker = self.limited(group, requirement.marker.as_ref())?;
                    all.push((plain(&requirement, sourced), marker));
                }
                Value::Table(table) => {
                    let included = table.get("include-group").and_then(Value::as_str);
                    if let Some(included) = included.and_then(|name| name.parse().ok()) {
                        for (plain, marker) in self.required(&included, sourced, seen)? {
                            let marker = self.limited(group, marker.as_ref())?;
                            all.push((plain, marker));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(all)
    }

    /// A marker within the versions of Python that a group is for.
    fn limited(&self, group: &Name, marker: Option<&Marker>) -> Result<Option<Marker>> {
        match (self.markers.get(group).filter(|text| !text.is_empty()), marker) {
            (None, marker) => Ok(marker.cloned()),
            (Some(limit), None) => Marker::parse(limit).map(Some),
            (Some(limit), Some(marker)) => Marker::parse(&format!("({marker}) and {limit}")).map(Some),
        }
    }
}

/// `>=3.12,<4` as a marker.
fn python_marker(specifiers: &str) -> String {
    let clauses = specifiers.split(',').map(str::trim).filter(|clause| !clause.is_empty());
    let clauses = clauses.map(|clause| {
        let (sign, version) = clause.split_at(clause.find(|c| !"~=!<>".contains(c)).unwrap_or(clause.len()));
        format!("python_full_version {sign} '{}'", version.trim())
    });
    clauses.collect::<Vec<_>>().join(" and ")
}

fn holding<'a>(listed: &'a Listed, markers: &Markers, extras: &[Name]) -> BTreeSet<&'a Plain> {
    let holds = |marker: &Option<Marker>| marker.as_ref().is_none_or(|m| m.holds(markers, extras, &[]));
    listed.iter().filter(|(_, marker)| holds(marker)).map(|(plain, _)| plain).collect()
}

/// Enough targets to tell markers apart.
pub(super) fn targets() -> impl Iterator<Item = Interpreter> {
    let minors = (8..=16).flat_map(|minor| [0, 4, 20].map(|micro| (minor, micro)));
    minors.flat_map(|(minor, micro)| {
        ["amd64", "arm64"].map(|architecture| Interpreter {
            path: String::new(),
            version: PythonVersion { major: 3, minor, micro },
            libc: Libc::Glibc { major: 2, minor: 36 },
            platform: Platform::linux(architecture),
        })
    })
}

/// Enough versions to tell limits apart.
pub(super) fn versions() -> impl Iterator<Item = Version> {
    (0..=24).flat_map(|minor| (0..=24).map(move |micro| Version::new([3, minor, micro]))).chain([
        Version::new([2, 7, 18]),
        Version::new([3, 9, 99]),
        Version::new([4, 0, 0]),
        Version::new([5, 0, 0]),
    ])
}
