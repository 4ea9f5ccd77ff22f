//! What a lock pins differently from before, as values.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::base::lock::LockedPackages;
use crate::oci::{Digest, Platform};
use crate::redact::tame_word;

/// All that a lock pins differently from before.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Moved {
    /// The bases with other digests, or with one for the first time.
    pub bases: Vec<MovedBase>,
    /// The sets of Debian packages that were chosen differently, or for the first time.
    pub debian: Vec<MovedPackages>,
}

impl Moved {
    /// Whether everything is pinned as it was.
    pub fn is_empty(&self) -> bool {
        self.bases.is_empty() && self.debian.is_empty()
    }
}

/// A base whose name leads to another digest than before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MovedBase {
    /// Its full name.
    pub name: String,
    /// Where its name led before, if it was pinned.
    pub from: Option<Digest>,
    /// Where its name leads now.
    pub to: Digest,
    /// What changed in its images, for the platforms that the call is about; empty where it was not pinned.
    pub platforms: Vec<MovedPlatform>,
}

/// What changed in one image of a base.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MovedPlatform {
    /// What the image runs on.
    #[serde(serialize_with = "crate::oci::as_text")]
    pub platform: Platform,
    /// Whether it is the same image as before: only the index around it is another.
    pub same: bool,
    /// The versions that its maker gives it, where these differ.
    pub version: Option<VersionChange>,
    /// The packages of its distribution that changed, by name; `None` where neither image has a database of packages.
    pub packages: Option<Vec<PackageChange>>,
    /// Why this cannot be told, if it cannot.
    pub unknown: Option<String>,
}

/// Debian packages that are chosen for a base now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MovedPackages {
    /// The base, as it is named.
    pub base: String,
    /// What the base runs on.
    pub platform: String,
    /// Whether others were pinned before.
    pub pinned: bool,
    /// What changed, by name; empty where the same versions come from elsewhere, or for other reasons.
    pub packages: Vec<PackageChange>,
}

/// Another value, where there was one before and is one now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionChange {
    /// Before.
    pub from: Option<String>,
    /// Now.
    pub to: Option<String>,
}

impl VersionChange {
    /// `None` where nothing changed.
    pub(super) fn between(from: Option<String>, to: Option<String>) -> Option<Self> {
        (from != to).then_some(Self { from, to })
    }
}

/// A package of which another version is there than before, or which is new or gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// Its name, in the words of the distribution.
    pub name: String,
    /// Its version; of those that are there in several, all of them.
    #[serde(flatten)]
    pub version: VersionChange,
}

/// What changed between two lists of names and versions, by name.
pub(super) fn changes<'a>(
    before: impl IntoIterator<Item = (&'a str, &'a str)>,
    now: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<PackageChange> {
    let (before, now) = (versions(before), versions(now));
    let names: BTreeSet<&str> = before.keys().chain(now.keys()).copied().collect();
    let change = |name: &str| {
        let (from, to) = (before.get(name), now.get(name));
        // Compared as they are: what is shown of two may be the same.
        let version = (from != to).then(|| VersionChange { from: shown(from), to: shown(to) })?;
        Some(PackageChange { name: tame_word(name), version })
    };
    names.into_iter().filter_map(change).collect()
}

fn versions<'a>(
    packages: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut versions = BTreeMap::<_, BTreeSet<_>>::new();
    packages.into_iter().for_each(|(name, version)| _ = versions.entry(name).or_default().insert(version));
    versions
}

fn shown(versions: Option<&BTreeSet<&str>>) -> Option<String> {
    Some(tame_word(&versions?.iter().copied().collect::<Vec<_>>().join(", ")))
}

/// What a set of Debian packages changes of the one that was pinned; `None` where it is the same.
pub(super) fn repinned(before: Option<&LockedPackages>, now: &LockedPackages) -> Option<MovedPackages> {
    fn listed(set: &LockedPackages) -> impl Iterator<Item = (&str, &str)> {
        set.packages.iter().map(|package| (&*package.name, &*package.version))
    }
    if before == Some(now) {
        return None;
    }
    let packages = changes(before.into_iter().flat_map(listed), listed(now));
    let (base, platform) = (now.base.clone(), now.platform.clone());
    Some(MovedPackages { base, platform, pinned: before.is_some(), packages })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str, from: Option<&str>, to: Option<&str>) -> PackageChange {
        let text = |version: Option<&str>| version.map(str::to_owned);
        PackageChange { name: name.to_owned(), version: VersionChange { from: text(from), to: text(to) } }
    }

    #[test]
    fn packages_move_come_and_go() {
        let before = [("a", "1"), ("b", "1"), ("kernel", "5"), ("kernel", "6"), ("same", "1")];
        let now = [("same", "1"), ("a", "2"), ("c", "3"), ("kernel", "6")];
        let expected = [
            change("a", Some("1"), Some("2")),
            change("b", Some("1"), None),
            change("c", None, Some("3")),
            change("kernel", Some("5, 6"), Some("6")),
        ];
        assert_eq!(changes(before, now), expected);
        assert_eq!(changes(now, now), []);
    }

    #[test]
    fn a_set_that_is_chosen_for_another_reason_has_moved_without_packages() {
        let set = |state: &[u8]| LockedPackages {
            base: "debian:12".into(),
            platform: "linux/amd64".into(),
            wanted: vec!["x".into()],
            state: Digest::of(state),
            packages: Vec::new(),
        };
        let (one, other) = (set(b"1"), set(b"2"));
        assert_eq!(repinned(Some(&one), &one), None);
        let moved = repinned(Some(&one), &other).expect("moved");
        assert!(moved.pinned && moved.packages.is_empty());
        assert!(!repinned(None, &one).expect("new").pinned);
    }
}
