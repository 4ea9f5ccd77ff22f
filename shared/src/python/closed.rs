//! Whether distributions have all that they need: each requirement in the metadata of each is met by
//! another one that is there, in a version that fits. What `pip check` says of an environment.

use std::collections::{BTreeMap, BTreeSet};

use pep440_rs::Version;
use serde::{Deserialize, Serialize};

use super::{Markers, Name, Requirement};

/// A distribution that is there, and what it says that it needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Present {
    /// Its normalised name (PEP 503).
    pub name: Name,
    /// Its version; `None` where it has none that could be compared.
    pub version: Option<Version>,
    /// What it needs: itself, and with its extras.
    pub requires: Vec<Requirement>,
}

/// A requirement that nothing meets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unmet {
    /// The name of what is needed.
    pub name: String,
    /// The same with its versions: `werkzeug>=3.1`.
    pub needed: String,
    /// What needs it: `flask 3.1.2`.
    pub through: String,
    /// The version that is there instead; `None` where there is none at all.
    pub instead: Option<String>,
}

impl Present {
    /// The distribution of this name, whose metadata has these requirements. Those that cannot be read are
    /// left out, as installers do with what was written before there were rules.
    pub fn of<'a>(name: Name, version: Option<Version>, requires: impl IntoIterator<Item = &'a str>) -> Self {
        let requires = requires.into_iter().filter_map(|text| text.parse().ok()).collect();
        Self { name, version, requires }
    }

    /// Name and version, for sentences.
    pub fn shown(&self) -> String {
        self.version
            .as_ref()
            .map_or_else(|| self.name.to_string(), |version| format!("{} {version}", self.name))
    }
}

/// What `all` need on a target and do not have. `wanted` are requirements of somebody who is not among them:
/// the extras that these name count.
pub fn unmet(all: &[Present], wanted: &[Requirement], target: &Markers) -> Vec<Unmet> {
    let by_name: BTreeMap<&Name, usize> = all.iter().enumerate().map(|(at, one)| (&one.name, at)).collect();
    let mut extras: Vec<BTreeSet<Name>> = vec![BTreeSet::new(); all.len()];
    for requirement in wanted.iter().filter(|requirement| holds(requirement, &BTreeSet::new(), target)) {
        if let Some(&at) = by_name.get(&requirement.name) {
            extras[at].extend(requirement.extras.iter().cloned());
        }
    }
    // An extra that somebody asks for may ask for further extras.
    let mut open: Vec<usize> = (0..all.len()).collect();
    while let Some(at) = open.pop() {
        let active = extras[at].clone();
        for requirement in all[at].requires.iter().filter(|one| !one.extras.is_empty()) {
            let Some(&other) = by_name.get(&requirement.name) else { continue };
            let news = !requirement.extras.is_subset(&extras[other]);
            if news && holds(requirement, &active, target) {
                extras[other].extend(requirement.extras.iter().cloned());
                open.push(other);
            }
        }
    }
    let mut found = BTreeSet::new();
    for (one, extras) in all.iter().zip(&extras) {
        for requirement in one.requires.iter().filter(|requirement| holds(requirement, extras, target)) {
            let there = by_name.get(&requirement.name).map(|&at| &all[at]);
            found.extend(lacking(requirement, there).map(|instead| Unmet {
                name: requirement.name.to_string(),
                needed: without_marker(requirement),
                through: one.shown(),
                instead,
            }));
        }
    }
    found.into_iter().collect()
}

/// What is there instead of what is required; `None` where that is met.
fn lacking(requirement: &Requirement, there: Option<&Present>) -> Option<Option<String>> {
    let Some(there) = there else { return Some(None) };
    let version = there.version.as_ref().filter(|version| !requirement.allows(version))?;
    Some(Some(version.to_string()))
}

fn holds(requirement: &Requirement, extras: &BTreeSet<Name>, target: &Markers) -> bool {
    let extras: Vec<Name> = extras.iter().cloned().collect();
    requirement.marker.as_ref().is_none_or(|marker| marker.holds(target, &extras, &[]))
}

fn without_marker(requirement: &Requirement) -> String {
    Requirement { marker: None, ..requirement.clone() }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Platform;
    use crate::python::{Interpreter, Libc, PythonVersion};

    fn target(minor: u32) -> Markers {
        Markers::of(&Interpreter {
            path: "/usr/bin/python3".into(),
            version: PythonVersion { major: 3, minor, micro: 2 },
            libc: Libc::Glibc { major: 2, minor: 36 },
            platform: Platform::linux("amd64"),
        })
    }

    /// `name version: requirement; requirement`, with `|` for the semicolon of a marker.
    fn present(text: &str) -> Present {
        let (head, requires) = text.split_once(':').unwrap_or((text, ""));
        let (name, version) = head.split_once(' ').unwrap_or((head, ""));
        let requires: Vec<String> = requires.split(';').map(|one| one.replace('|', ";")).collect();
        let name = name.parse().expect("a name");
        Present::of(name, version.parse().ok(), requires.iter().map(|one| one.trim()))
    }

    fn found(all: &[&str], wanted: &[&str]) -> Vec<String> {
        let all: Vec<Present> = all.iter().map(|text| present(text)).collect();
        let wanted: Vec<Requirement> = wanted.iter().map(|text| text.parse().expect("wanted")).collect();
        let shown =
            |one: Unmet| format!("{}: {} ({})", one.through, one.needed, one.instead.unwrap_or_default());
        unmet(&all, &wanted, &target(13)).into_iter().map(shown).collect()
    }

    #[test]
    fn what_is_not_there_or_does_not_fit_is_named_with_who_needs_it() {
        let flask = "flask 3.1.2: werkzeug>=3.1,<4; click";
        assert_eq!(found(&[flask, "click 8"], &[]), ["flask 3.1.2: werkzeug>=3.1,<4 ()"]);
        assert_eq!(found(&[flask, "Click 8", "werkzeug 3.0"], &[]), ["flask 3.1.2: werkzeug>=3.1,<4 (3.0)"]);
        assert_eq!(found(&[flask, "click 8", "werkzeug 3.1.0rc1.post1"], &[]).len(), 1);
        assert!(found(&[flask, "click 8", "werkzeug 3.2.dev1"], &[]).is_empty(), "pre-releases count");
        assert!(
            found(&[flask, "click 8", "werkzeug"], &[]).is_empty(),
            "of a folder nobody knows the version"
        );
    }

    #[test]
    fn markers_are_those_of_the_target() {
        let one = "a 1: b| sys_platform == 'win32'; c| python_version >= '3.13'; d| python_version < '3.13'";
        assert_eq!(found(&[one], &[]), ["a 1: c ()"]);
    }

    #[test]
    fn extras_count_where_somebody_asks_for_them_and_lead_on() {
        let all = ["a 1: b[x]", "b 1: c[y]| extra == 'x'; e| extra == 'z'", "c 1: d>1| extra == \"Y\""];
        assert_eq!(found(&all, &[]), ["c 1: d>1 ()"]);
        assert!(found(&all[1..], &[]).is_empty());
        assert_eq!(found(&all[1..], &["b[z]"]), ["b 1: e ()"]);
        assert!(found(&all[1..], &["b[z] ; python_version < '3'"]).is_empty());
        assert!(found(&all[1..], &["elsewhere[z]"]).is_empty(), "who wants it says so");
    }

    #[test]
    fn an_extra_of_itself_is_no_circle() {
        let all = ["a 1: a[b,c]| extra == 'all'; x| extra == 'b'; a[all]| extra == 'c'"];
        assert_eq!(found(&all, &["a[all]"]), ["a 1: x ()"]);
    }

    #[test]
    fn what_no_rule_allows_is_left_out() {
        assert!(found(&["a 1: b (>dev); c @ ; >=1"], &[]).is_empty());
        assert_eq!(found(&["a 1: b @ https://host/b.zip"], &[]), ["a 1: b @ https://host/b.zip ()"]);
        assert!(found(&["a 1: b @ https://host/b.zip", "b 0"], &[]).is_empty());
    }
}
