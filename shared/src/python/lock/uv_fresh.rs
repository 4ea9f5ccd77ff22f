//! Whether a `uv.lock` fits the project. It has no digest, but repeats what the project
//! required when it was locked; that is compared with what it requires now.
//!
//! uv rewrites markers, so they are not compared as text: what counts is what would be required
//! on Linux with each version of CPython, for each extra and group.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::selection::{ProjectFacts, at};
use super::uv::{Entry, RawRequirement, Uv};
use super::{LockKind, stale};
use crate::error::Result;
use crate::oci::Platform;
use crate::python::{Interpreter, Libc, Marker, Markers, Name, PythonVersion, Requirement, Source};

/// A requirement without its marker, in one spelling.
type Plain = (Name, BTreeSet<Name>, Option<BTreeSet<String>>);

/// Some requirements, each with where it holds.
type Listed = Vec<(Plain, Option<Marker>)>;

pub(super) fn check(lock: &Uv, project: &ProjectFacts<'_>, pyproject: &Table) -> Result<()> {
    let Some(entry) = project_entry(lock, project) else {
        let because = "the project is not in it";
        return Err(stale(LockKind::Uv, &lock.place.path, Some(because)));
    };
    let Some(metadata) = &entry.metadata else {
        // uv writes none where a project requires nothing.
        let nothing = required(pyproject, &BTreeMap::new())?.is_empty() && groups(pyproject).is_empty();
        return if nothing { Ok(()) } else { Err(stale(LockKind::Uv, &lock.place.path, None)) };
    };
    if !is_dynamic(pyproject) {
        let sourced = sourced(&metadata.requires_dist);
        let now = required(pyproject, &sourced)?;
        let then = locked(lock, &metadata.requires_dist)?;
        let extras = extra_names(pyproject)
            .into_iter()
            .chain(metadata.provides_extras.iter().filter_map(|extra| extra.parse().ok()));
        compare(lock, &now, &then, &extras.collect())?;
    }
    let now = groups(pyproject);
    let names: BTreeSet<Name> = metadata
        .requires_dev
        .keys()
        .filter_map(|group| group.parse().ok())
        .chain(now.keys().cloned())
        .collect();
    for group in names {
        let raw = metadata.requires_dev.iter().find(|(name, _)| name.parse().is_ok_and(|n: Name| n == group));
        let raw = raw.map(|(_, list)| list.as_slice()).unwrap_or_default();
        let texts = expand(&now, &group, &mut BTreeSet::new());
        let now = parse_all(texts.iter().map(String::as_str), &sourced(raw))?;
        compare(lock, &now, &locked(lock, raw)?, &BTreeSet::new())?;
    }
    Ok(())
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
    let list = at(pyproject, "project.dynamic").and_then(Value::as_array);
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

/// The groups with their lists.
fn groups(pyproject: &Table) -> BTreeMap<Name, Vec<&Value>> {
    let mut groups: BTreeMap<Name, Vec<&Value>> = BTreeMap::new();
    let table = pyproject.get("dependency-groups").and_then(Value::as_table);
    for (group, list) in table.into_iter().flatten() {
        let Ok(name) = group.parse() else { continue };
        groups.entry(name).or_default().extend(list.as_array().into_iter().flatten());
    }
    // What uv had before there was a standard; it is the group `dev`.
    if let Some(list) = at(pyproject, "tool.uv.dev-dependencies").and_then(Value::as_array)
        && let Ok(dev) = "dev".parse()
    {
        groups.entry(dev).or_default().extend(list);
    }
    groups
}

/// The requirements of a group and of those that it includes.
fn expand(groups: &BTreeMap<Name, Vec<&Value>>, group: &Name, seen: &mut BTreeSet<Name>) -> Vec<String> {
    if !seen.insert(group.clone()) {
        return Vec::new();
    }
    let mut texts = Vec::new();
    for value in groups.get(group).into_iter().flatten() {
        match value {
            Value::String(text) => texts.push(text.clone()),
            Value::Table(table) => {
                let included = table.get("include-group").and_then(Value::as_str);
                if let Some(included) = included.and_then(|name| name.parse().ok()) {
                    texts.extend(expand(groups, &included, seen));
                }
            }
            _ => {}
        }
    }
    texts
}

fn compare(lock: &Uv, now: &Listed, then: &Listed, extras: &BTreeSet<Name>) -> Result<()> {
    let choices: Vec<Vec<Name>> =
        std::iter::once(Vec::new()).chain(extras.iter().map(|extra| vec![extra.clone()])).collect();
    for target in targets() {
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
            return Err(stale(LockKind::Uv, &lock.place.path, Some(&because)));
        }
    }
    Ok(())
}

fn holding<'a>(listed: &'a Listed, markers: &Markers, extras: &[Name]) -> BTreeSet<&'a Plain> {
    let holds = |marker: &Option<Marker>| marker.as_ref().is_none_or(|m| m.holds(markers, extras, &[]));
    listed.iter().filter(|(_, marker)| holds(marker)).map(|(plain, _)| plain).collect()
}

/// Enough targets to tell markers apart.
fn targets() -> impl Iterator<Item = Interpreter> {
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
