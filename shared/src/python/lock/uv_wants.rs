//! What a project requires, now and when `uv.lock` was made, in one form: each requirement with where it
//! comes from, and the markers of where it is wanted.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::selection::at;
use super::uv::{RawRequirement, Uv};
use super::uv_sources::{self, Origin, Placed, Sources, Within};
use crate::error::Result;
use crate::python::{Marker, Name, Requirement};

/// A requirement without its marker, in one spelling.
pub(super) type Plain = (Name, BTreeSet<Name>, Origin);

/// Some requirements, each with where it holds.
pub(super) type Listed = Vec<(Plain, Option<Marker>)>;

/// A requirement of a project, with the extra that it is of and the markers that must hold all.
#[derive(Debug, Clone)]
struct Wanted {
    requirement: Requirement,
    extra: Option<Name>,
    markers: Vec<Marker>,
}

/// What the project requires now, extras included. With `flat` its own extras that it requires are
/// replaced by what is in them, as uv does where a version is left to the build.
pub(super) fn required(pyproject: &Table, sources: &Sources<'_>, flat: bool) -> Result<Listed> {
    let mut all = Vec::new();
    for requirement in texts(at(pyproject, "project.dependencies")) {
        all.push(wanted(requirement, None)?);
    }
    let extras = at(pyproject, "project.optional-dependencies").and_then(Value::as_table);
    for (extra, list) in extras.into_iter().flatten() {
        let Ok(extra) = extra.parse::<Name>() else { continue };
        for requirement in texts(Some(list)) {
            all.push(wanted(requirement, Some(extra.clone()))?);
        }
    }
    let project = at(pyproject, "project.name").and_then(|name| name.as_str()?.parse::<Name>().ok());
    if let Some(project) = project.filter(|_| flat) {
        all = flattened(&all, &project);
    }
    let mut listed = Vec::new();
    for Wanted { requirement, extra, markers } in all {
        let within = Within { extra: extra.as_ref(), group: None };
        let own = extra.as_ref().map(|extra| Marker::parse(&format!("extra == '{extra}'"))).transpose()?;
        let markers: Vec<Marker> = markers.into_iter().chain(own).collect();
        lower(&requirement, &markers, sources, within, &mut listed)?;
    }
    Ok(listed)
}

/// What a list of the project requires, as its constraints.
pub(super) fn plainly(list: Option<&Value>, sources: &Sources<'_>) -> Result<Listed> {
    let mut listed = Vec::new();
    for text in texts(list) {
        let Wanted { requirement, markers, .. } = wanted(text, None)?;
        lower(&requirement, &markers, sources, Within::default(), &mut listed)?;
    }
    Ok(listed)
}

fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn wanted(text: &str, extra: Option<Name>) -> Result<Wanted> {
    let requirement: Requirement = text.parse()?;
    let markers = requirement.marker.iter().filter_map(Marker::of_versions).collect();
    Ok(Wanted { requirement, extra, markers })
}

/// The requirements with each of the project's own extras replaced by what is in it.
fn flattened(all: &[Wanted], project: &Name) -> Vec<Wanted> {
    let is_own = |one: &&Wanted| one.requirement.name == *project && !one.requirement.extras.is_empty();
    let mut flat: Vec<Wanted> = all.iter().filter(|one| !is_own(one)).cloned().collect();
    let mut open: Vec<Wanted> = all.iter().filter(is_own).cloned().collect();
    let mut seen = BTreeSet::new();
    while let Some(own) = open.pop() {
        for extra in &own.requirement.extras {
            let within: BTreeSet<String> = own.markers.iter().map(ToString::to_string).collect();
            if !seen.insert((own.extra.clone(), extra.clone(), within.clone())) {
                continue;
            }
            for inner in all.iter().filter(|inner| inner.extra.as_ref() == Some(extra)) {
                let new = inner.markers.iter().filter(|marker| !within.contains(&marker.to_string()));
                let markers = own.markers.iter().chain(new).cloned().collect();
                let one = Wanted { extra: own.extra.clone(), markers, ..inner.clone() };
                match is_own(&&one) {
                    true => open.push(one),
                    false => flat.push(one),
                }
            }
        }
    }
    flat
}

/// Adds a requirement, once for each place that it comes from.
fn lower(
    requirement: &Requirement,
    markers: &[Marker],
    sources: &Sources<'_>,
    within: Within<'_>,
    listed: &mut Listed,
) -> Result<()> {
    for Placed { origin, here, elsewhere } in sources.origins(requirement, within)? {
        let plain = (requirement.name.clone(), requirement.extras.clone(), origin);
        let holding: Vec<&Marker> = markers.iter().chain(&here).collect();
        listed.push((plain, Marker::all_but(&holding, &elsewhere.iter().collect::<Vec<_>>())));
    }
    Ok(())
}

/// What was required when the lock was made.
pub(super) fn locked(lock: &Uv, list: &[RawRequirement]) -> Result<Listed> {
    list.iter()
        .map(|raw| {
            let name = lock.place.name(&raw.name)?;
            let text = format!("{name} {}", raw.specifier.as_deref().unwrap_or_default());
            let wrong = |e| lock.place.wrong_package(&name, "its requirements cannot be read").because(e);
            let requirement: Requirement = text.parse().map_err(wrong)?;
            let extras = raw.extras.iter().map(|extra| lock.place.name(extra)).collect::<Result<_>>()?;
            let origin = uv_sources::locked(raw, requirement.specifiers.as_ref(), &lock.place.dir);
            let marker = raw.marker.as_deref().map(|text| lock.place.marker(&name, text)).transpose()?;
            Ok(((name, extras, origin), marker))
        })
        .collect()
}

/// The groups of a project.
pub(super) struct Groups<'a> {
    lists: BTreeMap<Name, Vec<&'a Value>>,
    /// The versions of Python that a group is for, as markers.
    markers: BTreeMap<Name, Marker>,
}

impl<'a> Groups<'a> {
    pub(super) fn of(pyproject: &'a Table) -> Result<Self> {
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
            let python = python.map(python_marker).filter(|text| !text.is_empty());
            if let (Ok(name), Some(python)) = (group.parse(), python) {
                markers.insert(name, Marker::parse(&python)?);
            }
        }
        Ok(Self { lists, markers })
    }

    /// The names of all groups.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.lists.keys()
    }

    /// What a group and those that it includes require.
    pub(super) fn required(&self, group: &Name, sources: &Sources<'_>) -> Result<Listed> {
        let mut listed = Vec::new();
        self.add(group, sources, &[], &mut BTreeSet::new(), &mut listed)?;
        Ok(listed)
    }

    fn add(
        &self,
        group: &Name,
        sources: &Sources<'_>,
        outer: &[Marker],
        seen: &mut BTreeSet<(Name, BTreeSet<String>)>,
        listed: &mut Listed,
    ) -> Result<()> {
        let within: BTreeSet<String> = outer.iter().map(ToString::to_string).collect();
        let new = self.markers.get(group).filter(|marker| !within.contains(&marker.to_string()));
        let limits: Vec<Marker> = outer.iter().chain(new).cloned().collect();
        // One that includes itself is refused by uv; what comes in on several ways is the same.
        if !seen.insert((group.clone(), within)) {
            return Ok(());
        }
        for value in self.lists.get(group).into_iter().flatten() {
            if let Some(text) = value.as_str() {
                let Wanted { requirement, markers, .. } = wanted(text, None)?;
                let markers: Vec<Marker> = markers.into_iter().chain(limits.iter().cloned()).collect();
                lower(&requirement, &markers, sources, Within { group: Some(group), extra: None }, listed)?;
            } else if let Some(included) = value.get("include-group").and_then(Value::as_str)
                && let Ok(included) = included.parse()
            {
                self.add(&included, sources, &limits, seen, listed)?;
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extra_that_asks_for_itself_ends() {
        let all = [
            wanted("a[x] ; python_version > '3'", Some("x".parse().expect("name"))).expect("requirement"),
            wanted("b ; python_version > '3'", Some("x".parse().expect("name"))).expect("requirement"),
        ];
        let flat = flattened(&all, &"a".parse().expect("name"));
        assert!(flat.iter().all(|one| one.requirement.name.to_string() == "b" && one.markers.len() == 1));
    }
}
