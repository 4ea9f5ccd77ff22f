//! The crates that a program was really built from.
//!
//! Cargo's messages name every unit of a build, fresh or not: so exactly those crates are known that the
//! features, the target and the kinds of dependencies asked for. How they need one another stands in
//! Cargo.lock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::DependencyKind;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::Project;
use super::locked::{Lock, Need};
use super::messages::{self, Unit};
use crate::read;
use crate::redact;

/// The source of crates.io, as cargo names it whatever protocol or mirror it uses.
pub const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A crate of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crate {
    /// The package's name.
    pub name: String,
    /// Its version, in full: `1.0.219`.
    pub version: String,
    /// Where it came from, in cargo's words without a login, with the revision if that is a git repository; `None` for
    /// what lies on this machine.
    pub source: Option<String>,
    /// The SHA-256 of what the registry has of it, in hexadecimal digits.
    pub checksum: Option<String>,
    /// What its Cargo.toml says about its licence.
    pub licence: Option<String>,
    /// Whether its code is in the program. Procedural macros and build scripts with what they need are not.
    pub is_in_program: bool,
    /// Whether it is the program's own package.
    pub is_root: bool,
    /// Which of the other crates it needs, as places in the list.
    pub needs: Vec<usize>,
}

/// The crates of which units were compiled for a program, by their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compiled(BTreeMap<String, Known>);

/// What is known of one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    /// Whether its code is in the program.
    is_in_program: bool,
    /// Its Cargo.toml.
    manifest: PathBuf,
}

impl Compiled {
    /// Those of `units` that are for `target` or for this machine. A call builds for all `targets` at once; the
    /// results for each lie in a folder of its name below one of the `folders` that cargo fills.
    pub(super) fn of(units: &[Unit], folders: &[&Path], targets: &[String], target: &str) -> Self {
        let mut found = BTreeMap::new();
        for unit in units.iter().filter(|unit| !unit.target.is("custom-build")) {
            let place = if unit.target.is("proc-macro") { None } else { place(unit, folders, targets) };
            if place.is_none_or(|place| place == target) {
                let known: &mut Known = found.entry(unit.package_id.clone()).or_default();
                known.is_in_program |= place.is_some();
                known.manifest.clone_from(&unit.manifest_path);
            }
        }
        Self(found)
    }
}

/// The one of `targets` that a unit is for; `None` for this machine, whose results lie beside the targets'.
fn place<'t>(unit: &Unit, folders: &[&Path], targets: &'t [String]) -> Option<&'t str> {
    let is_for = |target: &&String| {
        unit.filenames.iter().any(|file| match folders.iter().find_map(|dir| file.strip_prefix(dir).ok()) {
            Some(below) => below.starts_with(target.as_str()),
            None => file.components().any(|part| part.as_os_str() == target.as_str()),
        })
    };
    targets.iter().find(is_for).map(String::as_str)
}

/// The crates of the program of package `root`, in the order of their names.
pub fn crates(project: &Project, root: &str, compiled: &Compiled) -> Vec<Crate> {
    let lock = Lock::read(&project.workspace_root).unwrap_or_default();
    let mut found: Vec<(Crate, &[String])> = Vec::new();
    for (id, known) in &compiled.0 {
        let Some((name, version, source)) = parts(id) else { continue };
        let locked = lock.find(name, version, source);
        let made = Crate {
            name: name.to_owned(),
            version: version.to_owned(),
            source: locked.and_then(|locked| locked.source.clone()).or_else(|| source.map(str::to_owned)),
            checksum: locked.and_then(|locked| lock.checksum(locked)).map(str::to_owned),
            licence: licence(&known.manifest),
            is_in_program: known.is_in_program,
            is_root: id == root,
            needs: Vec::new(),
        };
        found.push((made, locked.map(|locked| &locked.dependencies[..]).unwrap_or_default()));
    }
    found.sort_by(|(a, _), (b, _)| (&a.name, &a.version, &a.source).cmp(&(&b.name, &b.version, &b.source)));
    let only_for_tests = only_for_tests(project);
    let needs = |of: &Crate, lines: &[String]| {
        let is_test = |name: &str| only_for_tests.contains(&(of.name.as_str(), name));
        let place = |line: &String| {
            let wanted = Need::read(line)?;
            let is_meant = |(other, _): &(Crate, &[String])| {
                wanted.is(&other.name, &other.version, other.source.as_deref())
            };
            found.iter().position(is_meant).filter(|_| of.source.is_some() || !is_test(wanted.name))
        };
        lines.iter().filter_map(place).collect::<BTreeSet<usize>>().into_iter().collect()
    };
    let all_needs: Vec<Vec<usize>> = found.iter().map(|(of, lines)| needs(of, lines)).collect();
    let with_needs = |((made, _), needs): ((Crate, _), _)| {
        // Only now: lines of the lock name sources as they are.
        let source = made.source.as_deref().map(|source| redact::clean(source).into_owned());
        Crate { needs, source, ..made }
    };
    found.into_iter().zip(all_needs).map(with_needs).collect()
}

/// The licence that a manifest states; one that a workspace shares is not followed.
fn licence(manifest: &Path) -> Option<String> {
    let table: Table = read::text(manifest, read::DOCUMENT).ok()?.parse().ok()?;
    table.get("package")?.get("license")?.as_str().map(str::to_owned)
}

/// Members of the workspace, each with what it needs for its tests alone: a lock does not tell that apart.
pub(super) fn only_for_tests(project: &Project) -> BTreeSet<(&str, &str)> {
    let mut tests = BTreeSet::new();
    for package in &project.metadata.packages {
        let of_kind = |is_test: bool| {
            let all = package.dependencies.iter();
            let is_kind = move |dependency: &&cargo_metadata::Dependency| {
                (dependency.kind == DependencyKind::Development) == is_test
            };
            all.filter(is_kind).map(|dependency| dependency.name.as_str()).collect::<BTreeSet<&str>>()
        };
        let others = of_kind(false);
        tests.extend(of_kind(true).difference(&others).map(|name| (package.name.as_str(), *name)));
    }
    tests
}

/// Name, version and source of a package id: `SOURCE#NAME@VERSION`, `SOURCE/NAME#VERSION`, or, of cargo before 1.77,
/// `NAME VERSION (SOURCE)`.
fn parts(id: &str) -> Option<(&str, &str, Option<&str>)> {
    let (name, version, source) = match id.strip_suffix(')').and_then(|id| id.split_once(" (")) {
        Some((named, source)) => {
            let (name, version) = named.split_once(' ')?;
            (name, version, source.split('#').next().unwrap_or(source))
        }
        None => {
            let (source, _) = id.rsplit_once('#')?;
            let (name, version) = messages::parts(id);
            (name, version, source)
        }
    };
    let is_local = source.starts_with("path+");
    (!name.is_empty()).then_some((name, version, (!is_local).then_some(source)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cargo::Project;

    const LOCK: &str = r#"
version = 4
[[package]]
name = "app"
version = "1.0.0"
dependencies = ["forked", "rand 0.8.0", "serde", "cc", "tester"]
[[package]]
name = "cc"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "cc00"
[[package]]
name = "forked"
version = "0.1.0"
source = "git+https://you:pa55word@example.com/forked?branch=main#0123456789abcdef0123456789abcdef01234567"
dependencies = ["rand 0.9.0"]
[[package]]
name = "rand"
version = "0.8.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
[[package]]
name = "rand"
version = "0.9.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
[[package]]
name = "serde"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "5e00"
dependencies = ["serde_derive", "windows-only"]
[[package]]
name = "serde_derive"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
[[package]]
name = "tester"
version = "1.0.0"
[[package]]
name = "windows-only"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
"#;

    fn unit(id: &str, kind: &str, file: &str) -> Unit {
        let json = serde_json::json!({"package_id": id, "target": {"name": "x", "kind": [kind]}, "filenames": [file]});
        serde_json::from_value(json).expect("unit")
    }

    fn project(dir: &Path) -> Project {
        let needs = |name: &str, kind: serde_json::Value| {
            serde_json::json!({"name": name, "req": "*", "kind": kind, "optional": false,
                "uses_default_features": true, "features": []})
        };
        let package = serde_json::json!({"name": "app", "version": "1.0.0", "id": "app", "targets": [], "features": {},
            "dependencies": [needs("serde", serde_json::Value::Null), needs("tester", "dev".into())],
            "manifest_path": dir.join("Cargo.toml")});
        let metadata = serde_json::json!({"workspace_members": ["app"], "workspace_default_members": ["app"],
            "packages": [package], "target_directory": "/w/target", "version": 1, "workspace_root": dir});
        Project::from_metadata(
            cargo_metadata::MetadataCommand::parse(metadata.to_string()).expect("metadata"),
        )
    }

    #[test]
    fn what_was_compiled_is_there_and_nothing_else() {
        let folder = tempfile::tempdir().expect("folder");
        fs::write(folder.path().join("Cargo.lock"), LOCK).expect("lock");
        let crates_io = |name: &str| format!("{CRATES_IO}#{name}");
        let musl = "/w/target/x86_64-unknown-linux-musl/release/deps/lib.rlib";
        let arm = "/w/target/aarch64-unknown-linux-musl/release/deps/lib.rlib";
        let here = "/w/target/release/deps/lib.rlib";
        let units = [
            unit("path+file:///w/app#1.0.0", "bin", "/w/target/x86_64-unknown-linux-musl/release/app"),
            unit("git+https://you:pa55word@example.com/forked?branch=main#0.1.0", "lib", musl),
            unit(&crates_io("rand@0.8.0"), "lib", arm),
            unit(&crates_io("rand@0.9.0"), "lib", musl),
            unit(&crates_io("serde@1.0.0"), "custom-build", here),
            unit(&crates_io("serde@1.0.0"), "lib", musl),
            unit(&crates_io("serde@1.0.0"), "lib", here),
            unit(&crates_io("serde_derive@1.0.0"), "proc-macro", here),
            unit(&crates_io("cc@1.0.0"), "lib", here),
            unit("path+file:///w/tester#1.0.0", "lib", musl),
        ];
        let target = Path::new("/w/target");
        let targets = ["x86_64", "aarch64"].map(|arch| format!("{arch}-unknown-linux-musl"));
        let compiled = Compiled::of(&units, &[target], &targets, &targets[0]);
        let found = crates(&project(folder.path()), "path+file:///w/app#1.0.0", &compiled);
        let shown: Vec<String> = found
            .iter()
            .map(|found| {
                format!("{} {} {} {:?}", found.name, found.version, found.is_in_program, found.needs)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "app 1.0.0 true [1, 2, 4]",
                "cc 1.0.0 false []",
                "forked 0.1.0 true [3]",
                "rand 0.9.0 true []",
                "serde 1.0.0 true [5]",
                "serde_derive 1.0.0 false []",
                "tester 1.0.0 true []",
            ],
            "no rand 0.8.0, which is for another target, and no need that is for tests alone"
        );
        assert!(found[0].is_root && found[0].source.is_none());
        assert_eq!(found[1].checksum.as_deref(), Some("cc00"));
        assert!(
            found[2]
                .source
                .as_deref()
                .is_some_and(|source| source.ends_with("#0123456789abcdef0123456789abcdef01234567")
                    && !source.contains("pa55word"))
        );
    }

    #[test]
    fn without_a_lock_the_names_are_known_all_the_same() {
        let folder = tempfile::tempdir().expect("folder");
        let id = format!("{CRATES_IO}#serde@1.0.0");
        let compiled =
            Compiled(BTreeMap::from([(id, Known::default()), ("nonsense".into(), Known::default())]));
        for lock in ["", "package = 7", "[[package]]\nname = 'serde'"] {
            fs::write(folder.path().join("Cargo.lock"), lock).expect("lock");
            let found = crates(&project(folder.path()), "app", &compiled);
            assert_eq!(found.len(), 1, "{lock}");
            assert_eq!((found[0].name.as_str(), found[0].source.as_deref()), ("serde", Some(CRATES_IO)));
        }
    }

    #[test]
    fn ids_of_all_cargos_are_understood() {
        assert_eq!(parts("path+file:///w/app#1.0.0"), Some(("app", "1.0.0", None)));
        assert_eq!(parts("registry+https://x/i#a@1.0.0"), Some(("a", "1.0.0", Some("registry+https://x/i"))));
        let old = "a 1.0.0 (git+https://x/a?rev=1#0123)";
        assert_eq!(parts(old), Some(("a", "1.0.0", Some("git+https://x/a?rev=1"))));
        assert_eq!(parts("a 1.0.0 (path+file:///w/a)"), Some(("a", "1.0.0", None)));
        assert_eq!(parts("a"), None);
    }
}
