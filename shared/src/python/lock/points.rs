//! Markers compared by where they hold, since tools rewrite them: two lists say the same if each
//! requirement is wanted in the same places.

use std::collections::{BTreeMap, BTreeSet};

use pep440_rs::Version;

use crate::oci::Platform;
use crate::python::marker::{Markers, System};
use crate::python::{Constraint, Interpreter, Libc, Marker, Name, PythonVersion};

/// Where markers are compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Points<'a> {
    /// The versions of Python that count.
    pub python: Option<&'a Constraint>,
    /// The extras that markers may name.
    pub extras: &'a BTreeSet<Name>,
}

impl Points<'_> {
    /// Something that is wanted in one place by the one list, and not by the other.
    pub(super) fn odd<'b, T: Ord>(
        &self,
        now: &'b [(T, Option<Marker>)],
        then: &'b [(T, Option<Marker>)],
    ) -> Option<&'b T> {
        let (now, then) = (grouped(now), grouped(then));
        let wanted: BTreeSet<&T> = now.keys().chain(then.keys()).copied().collect();
        let none = Vec::new();
        wanted.into_iter().find(|what| {
            let (now, then) = (now.get(what).unwrap_or(&none), then.get(what).unwrap_or(&none));
            !self.agree(now, then)
        })
    }

    /// Whether each marker of either list has one in the other that holds in the same places. One that
    /// holds nowhere says nothing.
    fn agree(&self, now: &[Option<&Marker>], then: &[Option<&Marker>]) -> bool {
        let texts = |list: &[Option<&Marker>]| -> BTreeSet<Option<String>> {
            list.iter().map(|marker| marker.map(|marker| marker.as_str().to_owned())).collect()
        };
        if texts(now) == texts(then) {
            return true;
        }
        let all = || now.iter().chain(then).filter_map(|marker| *marker);
        // Names have several spellings.
        let plain = |marker: &Marker| marker.as_str().to_ascii_lowercase().replace(['_', '.'], "-");
        let texts: Vec<String> = all().map(plain).filter(|text| text.contains("extra")).collect();
        let named = self.extras.iter().filter(|extra| texts.iter().any(|text| text.contains(extra.as_str())));
        let choices: Vec<Vec<Name>> =
            std::iter::once(Vec::new()).chain(named.map(|extra| vec![extra.clone()])).collect();
        let targets: Vec<Markers> = places(all().map(Marker::as_str))
            .filter(|(target, _)| self.counts(target))
            .map(|(target, system)| Markers::of(&target).on(system))
            .collect();
        let spans = |list: &[Option<&Marker>]| -> BTreeSet<Vec<bool>> {
            let span = |marker: &Option<&Marker>| -> Vec<bool> {
                let holds = |target: &Markers, extras: &Vec<Name>| {
                    marker.is_none_or(|marker| marker.holds(target, extras, &[]))
                };
                targets
                    .iter()
                    .flat_map(|target| choices.iter().map(move |extras| holds(target, extras)))
                    .collect()
            };
            list.iter().map(span).filter(|span| span.contains(&true)).collect()
        };
        spans(now) == spans(then)
    }

    fn counts(&self, target: &Interpreter) -> bool {
        self.python.is_none_or(|python| python.allows_python(target))
    }
}

fn grouped<T: Ord>(list: &[(T, Option<Marker>)]) -> BTreeMap<&T, Vec<Option<&Marker>>> {
    let mut groups: BTreeMap<&T, Vec<Option<&Marker>>> = BTreeMap::new();
    for (what, marker) in list {
        groups.entry(what).or_default().push(marker.as_ref());
    }
    groups
}

/// Enough targets to tell markers apart, with the versions that they name.
fn places<'a>(markers: impl Iterator<Item = &'a str>) -> impl Iterator<Item = (Interpreter, System)> {
    let mut versions: BTreeSet<(u32, u32)> =
        (7..=16).flat_map(|minor| [0, 4, 20].map(|micro| (minor, micro))).collect();
    for text in markers {
        for word in text.split(|c: char| !c.is_ascii_digit() && c != '.') {
            let Ok(version) = word.trim_matches('.').parse::<PythonVersion>() else { continue };
            if version.major == 3 && version.minor < 100 {
                let micros =
                    [version.micro.saturating_sub(1), version.micro, version.micro.saturating_add(1)];
                versions.extend(micros.map(|micro| (version.minor, micro)));
            }
        }
    }
    let systems = [
        ("amd64", System::Linux),
        ("arm64", System::Linux),
        ("arm64", System::Mac),
        ("amd64", System::Mac),
        ("amd64", System::Windows),
    ];
    versions.into_iter().flat_map(move |(minor, micro)| {
        systems.map(|(architecture, system)| (target(minor, micro, architecture), system))
    })
}

fn target(minor: u32, micro: u32, architecture: &str) -> Interpreter {
    Interpreter {
        path: String::new(),
        version: PythonVersion { major: 3, minor, micro },
        libc: Libc::Glibc { major: 2, minor: 36 },
        platform: Platform::linux(architecture),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> Vec<((), Option<Marker>)> {
        texts.iter().map(|text| ((), Some(Marker::parse(text).expect(text)))).collect()
    }

    fn same(now: &[&str], then: &[&str]) -> bool {
        let python = Constraint::parse(">=3.10").expect("a constraint");
        let extras = ["a", "b-c"].iter().map(|name| name.parse().expect("a name")).collect();
        Points { python: Some(&python), extras: &extras }.odd(&list(now), &list(then)).is_none()
    }

    #[test]
    fn markers_are_the_same_where_they_hold_in_the_same_places() {
        for (now, then) in [
            (&["python_version < '3.12'"][..], &["python_full_version < '3.12'"][..]),
            (&["python_version >= '3.8'"], &["python_version >= '3'"]),
            (&["sys_platform == 'win32'"], &["os_name == 'nt'"]),
            (&["extra == 'b_c'", "extra == 'a'"], &["extra == 'a'", "extra == 'b-c'"]),
            (&["python_version < '3.9'"], &[]),
        ] {
            assert!(same(now, then), "{now:?} {then:?}");
        }
        for (now, then) in [
            (&["python_version < '3.12'"][..], &["python_version < '3.13'"][..]),
            (&["python_full_version < '3.11.7'"], &["python_full_version < '3.11.8'"]),
            (&["sys_platform == 'win32'"], &["sys_platform == 'darwin'"]),
            (&["platform_machine == 'x86_64'"], &["platform_machine == 'aarch64'"]),
            (&["extra == 'a'"], &["extra == 'b-c'"]),
        ] {
            assert!(!same(now, then), "{now:?} {then:?}");
        }
    }
}
