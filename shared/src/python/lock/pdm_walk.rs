//! What a target needs of a `pdm.lock`. Packages that do not say their groups (without the strategy
//! `inherit_metadata`) are found from the project's requirements along those of the packages.

use std::collections::BTreeSet;

use toml::Value;

use super::Selection;
use super::pdm::{self, Entry, Pdm};
use super::pdm_groups::PdmGroups;
use super::selection::at;
use crate::error::{Error, Result};
use crate::python::{Interpreter, Markers, Name, Package, Requirement};

/// The packages that a target needs. PDM's groups and extras share one list of names.
pub(super) fn select(lock: &Pdm, selection: &Selection<'_>, target: &Interpreter) -> Result<Vec<Package>> {
    selection.check(&lock.place.shown(), &lock.groups, &lock.groups)?;
    pdm::check_target(lock, target)?;
    if lock.inherits {
        pdm::by_groups(lock, selection, target)
    } else {
        by_requirements(lock, selection, target)
    }
}

/// The same of a lock whose packages do not say their groups.
fn by_requirements(lock: &Pdm, selection: &Selection<'_>, target: &Interpreter) -> Result<Vec<Package>> {
    let dynamic = |key: &str| {
        let list = selection.project.at("project.dynamic").and_then(Value::as_array);
        list.is_some_and(|keys| keys.iter().any(|name| name.as_str() == Some(key)))
    };
    let said = |table: &&toml::Table| {
        table.contains_key("project") && !dynamic("dependencies") && !dynamic("optional-dependencies")
    };
    let Some(pyproject) = selection.project.pyproject.filter(said) else {
        return Err(lock
            .place
            .wrong("its packages do not say which groups they are for, nor does [project]")
            .hint("run `pdm lock --strategy inherit_metadata` to record them"));
    };
    let excludes = at(pyproject, "tool.pdm.resolution.excludes").and_then(Value::as_array);
    let excludes = excludes.into_iter().flatten().filter_map(|name| name.as_str()?.parse().ok()).collect();
    let mut walk =
        Walk { lock, target, markers: Markers::of(target), excludes, needed: BTreeSet::new(), open: vec![] };
    let groups = PdmGroups::of(pyproject);
    let mut wanted = selection.added_groups();
    wanted.extend(selection.extras.iter().cloned());
    wanted.insert(lock.place.name("default")?);
    for group in &wanted {
        for requirement in groups.required(group)? {
            walk.need(&requirement)?;
        }
    }
    while let Some(at) = walk.open.pop() {
        for requirement in lock.entries.get(at).into_iter().flat_map(|entry| &entry.dependencies) {
            walk.need(requirement)?;
        }
    }
    let needed = walk.needed.iter().filter_map(|at| lock.entries.get(*at));
    Ok(needed.map(|entry| entry.package.clone()).collect())
}

struct Walk<'a> {
    lock: &'a Pdm,
    target: &'a Interpreter,
    markers: Markers,
    /// What the project forbids, whoever requires it.
    excludes: BTreeSet<Name>,
    needed: BTreeSet<usize>,
    /// Those whose dependencies are to be looked at.
    open: Vec<usize>,
}

impl Walk<'_> {
    fn need(&mut self, wanted: &Requirement) -> Result<()> {
        let holds = wanted.marker.as_ref().is_none_or(|marker| marker.holds(&self.markers, &[], &[]));
        if !holds || self.excludes.contains(&wanted.name) {
            return Ok(());
        }
        let at = self.find(wanted)?;
        if self.needed.insert(at) {
            self.open.push(at);
        }
        Ok(())
    }

    /// The entry that is meant: one for each set of extras, and where the lock has several, the one
    /// whose version will do.
    fn find(&self, wanted: &Requirement) -> Result<usize> {
        let entries = self.lock.entries.iter().enumerate();
        let named: Vec<(usize, &Entry)> = entries
            .filter(|(_, entry)| entry.package.name == wanted.name && entry.extras == wanted.extras)
            .collect();
        if let [(only, _)] = named.as_slice() {
            return Ok(*only);
        }
        let fits = |entry: &Entry| {
            let python = entry.python.as_ref();
            entry.package.version.as_ref().is_none_or(|version| wanted.allows(version))
                && python.is_none_or(|python| python.allows_python(self.target))
                && entry.marker.as_ref().is_none_or(|marker| marker.holds(&self.markers, &[], &[]))
        };
        let here: Vec<usize> = named.iter().filter(|(_, entry)| fits(entry)).map(|(at, _)| *at).collect();
        match here.as_slice() {
            [only] => Ok(*only),
            [] => Err(self.wrong(wanted, "it is needed, but not in the lock")),
            _ => Err(self.wrong(wanted, "the lock has several, and does not say which one to use")),
        }
    }

    fn wrong(&self, wanted: &Requirement, what: &str) -> Error {
        let error = self.lock.place.wrong_package(&wanted.name, what);
        error.hint("run `pdm lock --strategy inherit_metadata` to record where packages are needed")
    }
}
