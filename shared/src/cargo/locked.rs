//! What Cargo.lock says of packages, and of what they need.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use toml::Table;

use crate::read;

/// The packages of a Cargo.lock.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Lock {
    package: Vec<Locked>,
    /// Where checksums stood before version 2.
    metadata: Table,
}

/// A package that it pins.
#[derive(Debug, Deserialize)]
pub(super) struct Locked {
    pub(super) name: String,
    pub(super) version: String,
    /// In cargo's words, with the revision of a repository; `None` for what lies on this machine.
    pub(super) source: Option<String>,
    /// The SHA-256 of what a registry has of it, in hexadecimal digits.
    pub(super) checksum: Option<String>,
    /// What it needs, each as [`Need::read`] takes it.
    #[serde(default)]
    pub(super) dependencies: Vec<String>,
    /// What stands in its place, likewise.
    replace: Option<String>,
}

/// A line that says which package is needed: `NAME`, with the version and the source where more than one has the name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need<'a> {
    pub(super) name: &'a str,
    version: Option<&'a str>,
    source: Option<&'a str>,
}

impl<'a> Need<'a> {
    /// Reads a line; `None` for an empty one.
    pub(super) fn read(line: &'a str) -> Option<Self> {
        let mut words = line.split(' ');
        let name = words.next().filter(|name| !name.is_empty())?;
        let (version, source) = (words.next(), words.next());
        Some(Self { name, version, source: source.map(|source| source.trim_matches(['(', ')'])) })
    }

    /// Whether this package is meant.
    pub(super) fn is(&self, name: &str, version: &str, source: Option<&str>) -> bool {
        self.name == name
            && self.version.is_none_or(|wanted| wanted == version)
            && self.source.is_none_or(|wanted| source == Some(wanted))
    }
}

impl Lock {
    /// Reads the Cargo.lock in the folder `root`; `None` where none is that can be read.
    pub(super) fn read(root: &Path) -> Option<Self> {
        toml::from_str(&read::text(&root.join("Cargo.lock"), read::LOCK).ok()?).ok()
    }

    /// The package of this name, version and source, as a manifest has the source or as the lock has it.
    pub(super) fn find(&self, name: &str, version: &str, source: Option<&str>) -> Option<&Locked> {
        let same = |locked: &&Locked| locked.name == name && locked.version == version;
        let from = |locked: &&Locked| match (locked.source.as_deref(), source) {
            // A lock has the revision behind what a manifest says.
            (Some(locked), Some(source)) => locked == source || locked.split('#').next() == Some(source),
            (locked, source) => locked.is_none() && source.is_none(),
        };
        self.package.iter().find(|locked| same(locked) && from(locked))
    }

    /// The checksum of a package, wherever this version of the format has it.
    pub(super) fn checksum<'a>(&'a self, of: &'a Locked) -> Option<&'a str> {
        let older = || {
            let source = of.source.as_deref()?;
            self.metadata.get(&format!("checksum {} {} ({source})", of.name, of.version))?.as_str()
        };
        of.checksum.as_deref().or_else(older)
    }

    /// The package of this name and version that lies on this machine, and all that it needs, directly or not, but for
    /// what `is_left_out` says of a package and the name of what it needs.
    pub(super) fn closure(
        &self,
        (name, version): (&str, &str),
        is_left_out: impl Fn(&Locked, &str) -> bool,
    ) -> Vec<&Locked> {
        let place = |need: Need<'_>| {
            let is_meant = |of: &Locked| need.is(&of.name, &of.version, of.source.as_deref());
            self.package.iter().position(is_meant)
        };
        let root = |of: &Locked| of.name == name && of.version == version && of.source.is_none();
        let mut next: Vec<usize> = self.package.iter().position(root).into_iter().collect();
        let mut found = BTreeSet::new();
        while let Some(at) = next.pop() {
            if found.insert(at) {
                let of = &self.package[at];
                let needs = of.dependencies.iter().chain(&of.replace).filter_map(|line| Need::read(line));
                next.extend(needs.filter(|need| !is_left_out(of, need.name)).filter_map(place));
            }
        }
        found.into_iter().map(|at| &self.package[at]).collect()
    }
}
