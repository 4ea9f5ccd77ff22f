//! The same answers as Python's own `packaging`, to thousands of questions. Its answers are in
//! `tests/fixtures/python-oracle`, with the script that asked for them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::specifier::Clause;
use super::{Interpreter, Libc, Marker, Markers, Name, Requirement, Tags, WheelName};
use crate::oci::{Digest, Platform};

const VERSIONS: &str = include_str!("../../../tests/fixtures/python-oracle/versions.json");
const MARKERS: &str = include_str!("../../../tests/fixtures/python-oracle/markers.json");
const TAGS: &str = include_str!("../../../tests/fixtures/python-oracle/tags.json");
const REQUIREMENTS: &str = include_str!("../../../tests/fixtures/python-oracle/requirements.json");

/// A letter for each answer, as the fixtures have them.
fn letters(answers: impl Iterator<Item = bool>) -> String {
    answers.map(|answer| if answer { 'T' } else { 'F' }).collect()
}

/// Fails with the differences, of which the first ones tell enough.
fn none(differences: &[String]) {
    let shown = differences.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} differences:\n{shown}", differences.len());
}

#[test]
fn clauses_allow_what_packaging_allows() {
    #[derive(Deserialize)]
    struct Oracle {
        versions: Vec<String>,
        clauses: Vec<(String, String)>,
    }
    let oracle: Oracle = serde_json::from_str(VERSIONS).expect("a fixture");
    let mut differences = Vec::new();
    for (text, expected) in &oracle.clauses {
        let found = match Clause::parse(text) {
            Some(clause) => letters(oracle.versions.iter().map(|version| clause.allows(version))),
            None => "E".into(),
        };
        if found != *expected {
            let which = oracle.versions.iter().zip(found.chars().zip(expected.chars()));
            let which: Vec<_> = which.filter(|(_, (a, b))| a != b).map(|(version, _)| version).collect();
            differences.push(format!("{text}: {which:?}\n  {found}\n  {expected}"));
        }
    }
    assert!(oracle.clauses.len() > 500);
    none(&differences);
}

#[derive(Deserialize)]
struct Environment {
    platform_machine: String,
    python_version: String,
    python_full_version: String,
    platform_release: String,
    extra: String,
    groups: Vec<String>,
}

impl Environment {
    fn holds(&self, marker: &Marker) -> bool {
        let target = Markers {
            platform_machine: self.platform_machine.clone(),
            python_version: self.python_version.clone(),
            python_full_version: self.python_full_version.clone(),
            platform_release: self.platform_release.clone(),
            system: super::marker::System::Linux,
        };
        let extras: Vec<Name> = self.extra.parse().into_iter().collect();
        let groups: Vec<Name> = self.groups.iter().filter_map(|group| group.parse().ok()).collect();
        marker.holds(&target, &extras, &groups)
    }
}

#[test]
fn markers_hold_where_packaging_says_so() {
    #[derive(Deserialize)]
    struct Oracle {
        environments: Vec<Environment>,
        markers: Vec<(String, String)>,
    }
    let oracle: Oracle = serde_json::from_str(MARKERS).expect("a fixture");
    let mut differences = Vec::new();
    for (text, expected) in &oracle.markers {
        let found = match Marker::parse(text) {
            Ok(marker) => letters(oracle.environments.iter().map(|environment| environment.holds(&marker))),
            Err(_) => "E".into(),
        };
        if found != *expected {
            differences.push(format!("{text}\n  {found}\n  {expected}"));
        }
    }
    assert!(oracle.markers.len() > 2500);
    none(&differences);
}

fn tags(version: &str, libc: &str, platform: &str) -> Tags {
    let (kind, numbers) = libc.split_once(' ').expect("a kind and a version");
    let (major, minor) = numbers.split_once('.').expect("two numbers");
    let (major, minor) = (major.parse().expect("a number"), minor.parse().expect("a number"));
    Tags::of(&Interpreter {
        path: "/usr/bin/python3".into(),
        version: version.parse().expect("a version"),
        libc: if kind == "musl" { Libc::Musl { major, minor } } else { Libc::Glibc { major, minor } },
        platform: platform.parse::<Platform>().expect("a platform"),
    })
}

#[test]
fn tags_and_their_order_are_those_of_packaging() {
    #[derive(Deserialize)]
    struct Oracle {
        targets: Vec<(String, String, String, usize, String)>,
    }
    let oracle: Oracle = serde_json::from_str(TAGS).expect("a fixture");
    assert!(oracle.targets.len() > 10);
    for (version, libc, platform, count, sha256) in &oracle.targets {
        let all: Vec<String> = tags(version, libc, platform).iter().collect();
        let digest = Digest::of(all.join("\n").as_bytes()).to_string();
        let found = (all.len(), digest.trim_start_matches("sha256:"));
        assert_eq!(found, (*count, sha256.as_str()), "{version} {libc} {platform}: {all:#?}");
    }
}

#[test]
fn wheels_rank_as_packaging_ranks_them() {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Wheel {
        Good(String, String, BTreeMap<String, u32>),
        Refused(String, ()),
    }
    #[derive(Deserialize)]
    struct Oracle {
        targets: Vec<(String, String, String, usize, String)>,
        wheels: Vec<Wheel>,
    }
    let oracle: Oracle = serde_json::from_str(TAGS).expect("a fixture");
    let targets = oracle.targets.iter().map(|(version, libc, platform, ..)| tags(version, libc, platform));
    let targets: Vec<Tags> = targets.collect();
    let mut differences = Vec::new();
    for wheel in &oracle.wheels {
        let (text, expected) = match wheel {
            Wheel::Good(text, words, ranks) => (text, Some((words.clone(), ranks.clone()))),
            Wheel::Refused(text, ()) => (text, None),
        };
        let found = WheelName::parse(text).ok().map(|wheel| {
            let ranks = targets.iter().enumerate();
            let ranks = ranks.filter_map(|(n, tags)| Some((n.to_string(), tags.rank(&wheel)?))).collect();
            let build = wheel.build.as_ref().map(|(number, rest)| format!("{number},{rest}"));
            (format!("{} {} {}", wheel.name, wheel.version, build.unwrap_or_default()), ranks)
        });
        if found != expected {
            differences.push(format!("{text}\n  {found:?}\n  {expected:?}"));
        }
    }
    assert!(oracle.wheels.len() > 1000);
    none(&differences);
}

#[test]
fn requirements_are_read_as_packaging_reads_them() {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Row {
        Good(String, String, String, String, String, bool),
        Refused(String, ()),
    }
    #[derive(Deserialize)]
    struct Oracle {
        versions: Vec<pep440_rs::Version>,
        requirements: Vec<Row>,
    }
    let oracle: Oracle = serde_json::from_str(REQUIREMENTS).expect("a fixture");
    let read = |text: &str| {
        let found: Requirement = text.parse().ok()?;
        let extras: Vec<&str> = found.extras.iter().map(Name::as_str).collect();
        let allowed = letters(oracle.versions.iter().map(|version| found.allows(version)));
        let url = found.url.clone().unwrap_or_default();
        Some((found.name.to_string(), extras.join(","), url, allowed, found.marker.is_some()))
    };
    let mut differences = Vec::new();
    for row in &oracle.requirements {
        let (text, expected) = match row {
            Row::Good(text, name, extras, url, allowed, marker) => {
                (text, Some((name.clone(), extras.clone(), url.clone(), allowed.clone(), *marker)))
            }
            Row::Refused(text, ()) => (text, None),
        };
        let found = read(text);
        if found != expected {
            differences.push(format!("{text:?}\n  {found:?}\n  {expected:?}"));
        }
    }
    assert!(oracle.requirements.len() > 600);
    none(&differences);
}
