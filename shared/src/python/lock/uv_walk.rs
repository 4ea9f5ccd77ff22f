//! What a target needs of a `uv.lock`: from the project's entry along the dependencies.

use std::collections::{BTreeMap, BTreeSet};

use super::Selection;
use super::place::joined;
use super::uv::{Dependency, Entry, Uv};
use crate::error::{Error, Result};
use crate::python::{Interpreter, Markers, Name, Package, Source};

struct Walk<'a> {
    lock: &'a Uv,
    markers: Markers,
    by_name: BTreeMap<&'a Name, Vec<usize>>,
    /// What conflict markers call the extras and groups that are active.
    active: BTreeSet<Name>,
    /// Each package that is needed, with the extras of it that are.
    needed: BTreeMap<usize, BTreeSet<Name>>,
    /// Those whose dependencies are to be looked at, perhaps again with more extras.
    open: Vec<usize>,
}

/// The packages that a target needs.
pub(super) fn select(lock: &Uv, selection: &Selection<'_>, target: &Interpreter) -> Result<Vec<Package>> {
    let (root, walk) = walked(lock, selection, target)?;
    let entries = walk.entries().filter(|(at, entry)| *at != root && !entry.is_virtual);
    Ok(entries.map(|(_, entry)| entry.package.clone()).collect())
}

/// The folders that a target needs, the project itself left out.
pub(super) fn folders<'a>(
    lock: &'a Uv,
    selection: &Selection<'_>,
    target: &Interpreter,
) -> Result<Vec<&'a Entry>> {
    let (root, walk) = walked(lock, selection, target)?;
    let is_folder = |entry: &Entry| matches!(entry.package.source, Source::Directory { .. });
    let entries = walk.entries().filter(|(at, entry)| *at != root && is_folder(entry));
    Ok(entries.map(|(_, entry)| entry).collect())
}

/// All that a target needs, with the place of the project's own entry.
fn walked<'a>(lock: &'a Uv, selection: &Selection<'_>, target: &Interpreter) -> Result<(usize, Walk<'a>)> {
    let (root, entry) = root(lock, selection)?;
    let mut groups: BTreeSet<Name> = entry.groups.keys().cloned().collect();
    for group in entry.metadata.iter().flat_map(|metadata| metadata.requires_dev.keys()) {
        groups.insert(lock.place.name(group)?);
    }
    selection.check(&lock.place.shown(), &groups, &entry.extras.keys().cloned().collect())?;
    let mut active = BTreeSet::new();
    loop {
        let mut walk = Walk::new(lock, target, active.clone());
        walk.start(root, entry, selection)?;
        // With conflicts, what is active decides which edges hold, and the edges what is active.
        let now = walk.now_active(root, &selection.added_groups())?;
        if !lock.has_conflicts || now.is_subset(&active) {
            return Ok((root, walk));
        }
        active.extend(now);
    }
}

/// The entry of the project: the one whose folder is the project's.
fn root<'a>(lock: &'a Uv, selection: &Selection<'_>) -> Result<(usize, &'a Entry)> {
    let dir = joined(&lock.place.dir, &selection.project.dir.to_string_lossy());
    let is_root = |entry: &Entry| match &entry.package.source {
        Source::Directory { path, .. } => *path == dir,
        _ => false,
    };
    lock.entries.iter().enumerate().find(|(_, entry)| is_root(entry)).ok_or_else(|| {
        let members: Vec<&str> = lock
            .entries
            .iter()
            .filter(|entry| matches!(entry.package.source, Source::Directory { .. }))
            .map(|entry| entry.package.name.as_str())
            .collect();
        let what = format!("it has no project in {}", dir.display());
        match members.is_empty() {
            true => lock.place.wrong(what),
            false => {
                lock.place.wrong(what).hint(format!("choose the folder of one of {}", members.join(", ")))
            }
        }
    })
}

impl<'a> Walk<'a> {
    fn new(lock: &'a Uv, target: &Interpreter, active: BTreeSet<Name>) -> Self {
        let mut by_name: BTreeMap<&Name, Vec<usize>> = BTreeMap::new();
        for (at, entry) in lock.entries.iter().enumerate() {
            by_name.entry(&entry.package.name).or_default().push(at);
        }
        let markers = Markers::of(target);
        Self { lock, markers, by_name, active, needed: BTreeMap::new(), open: Vec::new() }
    }

    fn start(&mut self, root: usize, entry: &'a Entry, selection: &Selection<'_>) -> Result<()> {
        self.needed.insert(root, selection.extras.clone());
        self.open.push(root);
        for group in selection.added_groups() {
            self.need_all(entry.groups.get(&group).into_iter().flatten())?;
        }
        // Extras only ever grow, so this ends whatever the dependencies look like.
        while let Some(at) = self.open.pop() {
            let lock = self.lock;
            let Some(entry) = lock.entries.get(at) else { continue };
            let extras: Vec<Name> = self.needed.get(&at).into_iter().flatten().cloned().collect();
            let added = extras.iter().filter_map(|extra| entry.extras.get(extra)).flatten();
            self.need_all(entry.dependencies.iter().chain(added))?;
        }
        Ok(())
    }

    fn need_all(&mut self, dependencies: impl Iterator<Item = &'a Dependency>) -> Result<()> {
        let active: Vec<Name> = self.active.iter().cloned().collect();
        for dependency in dependencies {
            let marker = dependency.marker.as_ref();
            if marker.is_none_or(|marker| marker.holds(&self.markers, &active, &[])) {
                self.need(dependency)?;
            }
        }
        Ok(())
    }

    fn need(&mut self, dependency: &Dependency) -> Result<()> {
        let at = self.find(dependency)?;
        let known = self.needed.contains_key(&at);
        let extras = self.needed.entry(at).or_default();
        let before = extras.len();
        extras.extend(dependency.extras.iter().cloned());
        if !known || extras.len() > before {
            self.open.push(at);
        }
        Ok(())
    }

    /// The entry that a dependency means. Version and source are given where the name alone
    /// does not tell; then entries of one name may still differ in where they are meant.
    fn find(&self, dependency: &Dependency) -> Result<usize> {
        let named = self.by_name.get(&dependency.name).into_iter().flatten();
        let entries = named.filter_map(|at| Some((*at, self.lock.entries.get(*at)?)));
        let meant = entries.filter(|(_, entry)| {
            let version = dependency.version.as_ref();
            version.is_none_or(|version| entry.package.version.as_ref() == Some(version))
                && dependency.source.as_ref().is_none_or(|source| *source == entry.source)
        });
        let meant: Vec<(usize, &Entry)> = meant.collect();
        if let [(only, _)] = meant.as_slice() {
            return Ok(*only);
        }
        let here = |entry: &Entry| {
            entry.places.is_empty() || entry.places.iter().any(|place| place.holds(&self.markers, &[], &[]))
        };
        let here: Vec<usize> = meant.iter().filter(|(_, entry)| here(entry)).map(|(at, _)| *at).collect();
        match here.as_slice() {
            [only] => Ok(*only),
            [] => Err(self.wrong(dependency, "it is needed, but not in the lock")),
            _ => Err(self.wrong(dependency, "the lock has several, and does not say which one to use")),
        }
    }

    fn wrong(&self, dependency: &Dependency, what: &str) -> Error {
        self.lock.place.wrong_package(&dependency.name, what)
    }

    /// The names that uv gives active extras and groups in conflict markers.
    fn now_active(&self, root: usize, groups: &BTreeSet<Name>) -> Result<BTreeSet<Name>> {
        let coded = |kind: &str, package: &Name, what: &Name| {
            format!("{kind}-{}-{package}-{what}", package.as_str().len()).parse::<Name>()
        };
        let mut active = BTreeSet::new();
        for (at, extras) in &self.needed {
            let Some(entry) = self.lock.entries.get(*at) else { continue };
            let package = &entry.package.name;
            for extra in extras {
                active.insert(coded("extra", package, extra)?);
            }
            if *at == root {
                active.insert(format!("project-{}-{package}", package.as_str().len()).parse()?);
                for group in groups {
                    active.insert(coded("group", package, group)?);
                }
            }
        }
        Ok(active)
    }

    fn entries(&self) -> impl Iterator<Item = (usize, &'a Entry)> {
        let lock = self.lock;
        self.needed.keys().filter_map(|at| Some((*at, lock.entries.get(*at)?)))
    }
}
