//! Which packages are missing: the closure of Depends and Pre-Depends over what the base has,
//! chosen as `apt-get install --no-install-recommends` would.
//!
//! Apt takes of each package the highest version. It goes through the dependencies in their order,
//! leaves what is satisfied, and of alternatives takes the first that can be had, preferring one
//! that is only to be upgraded. Of several packages that provide a name it takes the most
//! important one.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::control::Paragraph;
use super::index::{Indexes, Record, Relations};
use super::relation::Relation;
use super::version::compare;
use crate::error::{Error, Result};

/// A package that the base has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) relations: Relations,
}

impl Installed {
    /// Reads the paragraph that dpkg keeps of it; `None` when it makes no sense.
    pub fn parse(text: &str) -> Option<Self> {
        let paragraph = Paragraph::parse(text);
        Some(Self {
            name: paragraph.get("Package")?.to_owned(),
            version: paragraph.get("Version")?.to_owned(),
            // What is wrong with them has not kept it from being installed.
            relations: Relations::of(&paragraph).unwrap_or_default(),
        })
    }
}

/// What is to be added to a base.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Resolution {
    /// By name.
    pub(super) packages: Vec<Rc<Record>>,
}

/// Finds what `wanted` (`NAME` or `NAME=VERSION`) needs beyond `installed`.
///
/// # Errors
/// Usage when a package is not there, or cannot be added to the base.
pub(super) fn resolve(
    indexes: &mut Indexes,
    installed: &[Installed],
    wanted: &[String],
) -> Result<Resolution> {
    let installed = installed.iter().map(|package| (package.name.as_str(), package)).collect();
    let mut solver =
        Solver { indexes, installed, pinned: BTreeMap::new(), chosen: BTreeMap::new(), path: Vec::new() };
    let mut names = Vec::new();
    for wish in wanted {
        let (name, version) = match wish.split_once('=') {
            Some((name, version)) => (name, Some(version)),
            None => (wish.as_str(), None),
        };
        let name = solver.real_name(name)?;
        solver.pinned.extend(version.map(|version| (name.clone(), version.to_owned())));
        names.push(name);
    }
    for name in names {
        let candidate = solver.candidate(&name)?.ok_or_else(|| solver.unknown(&name))?;
        let newer = solver.installed.get(name.as_str()).is_none_or(|there| {
            solver.pinned.contains_key(&name) && there.version != candidate.version
                || compare(&there.version, &candidate.version).is_lt()
        });
        if newer {
            solver.take(candidate)?;
        }
    }
    Ok(Resolution { packages: solver.chosen.into_values().collect() })
}

struct Solver<'a> {
    indexes: &'a mut Indexes,
    installed: BTreeMap<&'a str, &'a Installed>,
    /// Versions that were asked for.
    pinned: BTreeMap<String, String>,
    chosen: BTreeMap<String, Rc<Record>>,
    /// Who needs whom, down to what is looked at now.
    path: Vec<String>,
}

impl Solver<'_> {
    /// The package that a wish means: the one of the name, or the only one that provides it.
    fn real_name(&mut self, name: &str) -> Result<String> {
        if !self.indexes.versions(name)?.is_empty() {
            return Ok(name.to_owned());
        }
        match self.indexes.providers(name)?.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(self.unknown(name)),
            several => Err(Error::usage(format!("{name} is provided by {}", several.join(", ")))
                .hint("choose one of them")),
        }
    }

    fn unknown(&self, name: &str) -> Error {
        let version = self.pinned.get(name).map(|version| format!(" {version}")).unwrap_or_default();
        Error::usage(format!("there is no Debian package {name}{version} in the base's sources"))
            .hint("check the name on https://packages.debian.org, or set debian.suite to one that has it")
    }

    /// The version that apt would take; `None` where there is none, or only one that is not newer
    /// than the base's.
    fn candidate(&mut self, name: &str) -> Result<Option<Rc<Record>>> {
        let versions = self.indexes.versions(name)?;
        Ok(match self.pinned.get(name) {
            Some(pinned) => versions.into_iter().find(|record| record.version == *pinned),
            None => versions.into_iter().next(),
        })
    }

    /// Whether what the base has and what was chosen satisfies a relation.
    fn has(&self, relation: &Relation) -> bool {
        self.chosen.values().any(|r| r.relations.answers(&r.name, &r.version, relation))
            || self.remaining().any(|i| i.relations.answers(&i.name, &i.version, relation))
    }

    /// What stays of the base.
    fn remaining(&self) -> impl Iterator<Item = &Installed> {
        self.installed.values().copied().filter(|package| !self.chosen.contains_key(&package.name))
    }

    /// Adds a package and what it needs.
    fn take(&mut self, record: Rc<Record>) -> Result<()> {
        if self.chosen.contains_key(&record.name) {
            return Ok(());
        }
        let name = record.name.clone();
        self.path.push(name.clone());
        let upgrade = self.installed.contains_key(name.as_str());
        self.chosen.insert(name.clone(), Rc::clone(&record));
        self.clear_conflicts(&record)?;
        for group in &record.relations.depends {
            self.satisfy(group, &name)?;
        }
        if upgrade {
            self.mend(&name)?;
        }
        self.path.pop();
        Ok(())
    }

    /// Upgrades what of the base needs the version of `name` that it had.
    fn mend(&mut self, name: &str) -> Result<()> {
        let concerns = |group: &&Vec<Relation>| group.iter().any(|relation| relation.name == name);
        let needs: Vec<(String, Vec<Relation>)> = self
            .remaining()
            .flat_map(|package| {
                let groups = package.relations.depends.iter().filter(concerns);
                groups.map(|group| (package.name.clone(), group.clone()))
            })
            .collect();
        for (package, group) in needs {
            if self.chosen.contains_key(&package) || group.iter().any(|relation| self.has(relation)) {
                continue;
            }
            match self.candidate(&package)? {
                Some(record) => self.take(record)?,
                None => self.satisfy(&group, &package)?,
            }
        }
        Ok(())
    }

    /// Refuses a package that does not go together with what is there, unless upgrading that
    /// helps.
    fn clear_conflicts(&mut self, record: &Rc<Record>) -> Result<()> {
        let against = |relations: &Relations, name: &str, version: &str, other: &Record| {
            name != other.name
                && other.relations.conflicts.iter().any(|c| relations.answers(name, version, c))
        };
        for other in self.chosen.values() {
            if against(&other.relations, &other.name, &other.version, record)
                || against(&record.relations, &record.name, &record.version, other)
            {
                return Err(Error::usage(format!(
                    "{} and {} conflict with each other",
                    record.name, other.name
                )));
            }
        }
        let hit = |package: &&Installed| {
            let theirs = package.relations.conflicts.iter();
            package.name != record.name
                && (against(&package.relations, &package.name, &package.version, record)
                    || theirs.clone().any(|c| record.relations.answers(&record.name, &record.version, c)))
        };
        let hits: Vec<Installed> = self.remaining().filter(hit).cloned().collect();
        for package in hits {
            let better = self.candidate(&package.name)?.filter(|newer| {
                compare(&newer.version, &package.version).is_gt()
                    && !against(&newer.relations, &newer.name, &newer.version, record)
                    && !against(&record.relations, &record.name, &record.version, newer)
            });
            let Some(better) = better else {
                return Err(Error::usage(format!(
                    "{} conflicts with {} {} of the base",
                    record.name, package.name, package.version
                ))
                .hint("use a base without it; nothing is ever removed from a base"));
            };
            self.take(better)?;
        }
        Ok(())
    }

    fn satisfy(&mut self, group: &[Relation], needed_by: &str) -> Result<()> {
        if group.iter().any(|relation| self.has(relation)) {
            return Ok(());
        }
        let possible = self.possible(group)?;
        let mut refused = None;
        let depth = self.path.len();
        for record in possible {
            let before = self.chosen.clone();
            match self.take(record) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    self.chosen = before;
                    self.path.truncate(depth);
                    refused = refused.or(Some(error));
                }
            }
        }
        let shown: Vec<String> = group.iter().map(ToString::to_string).collect();
        let error = Error::usage(format!("{needed_by} needs {}, which is not available", shown.join(" or ")));
        let error = match self.path.first().filter(|first| *first != needed_by) {
            Some(_) => error.hint(format!("it is needed by {}", self.path.join(" -> "))),
            None => error,
        };
        Err(match refused {
            Some(cause) => error.because(cause),
            None => error,
        })
    }

    /// The packages that would satisfy a group, in the order of apt's preference.
    fn possible(&mut self, group: &[Relation]) -> Result<Vec<Rc<Record>>> {
        let mut found: Vec<Rc<Record>> = Vec::new();
        for relation in group.iter().filter(|relation| !relation.foreign) {
            let mut names = self.indexes.providers(&relation.name)?;
            names.insert(0, relation.name.clone());
            let mut fitting = Vec::new();
            for name in names {
                let Some(record) = self.candidate(&name)? else { continue };
                let fits = record.relations.answers(&record.name, &record.version, relation);
                if fits && !found.iter().chain(&fitting).any(|other| other.name == record.name) {
                    fitting.push(record);
                }
            }
            fitting.sort_by_key(|record| (record.name != relation.name, record.priority, record.place));
            found.extend(fitting);
        }
        found.sort_by_key(|record| !self.installed.contains_key(record.name.as_str()));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debian::fakes::indexes;

    fn solve(index: &str, base: &str, wanted: &[&str]) -> Result<Vec<String>> {
        let installed: Vec<Installed> = base.split("\n\n").filter_map(Installed::parse).collect();
        let wanted: Vec<String> = wanted.iter().map(|&name| name.to_owned()).collect();
        let found = resolve(&mut indexes(&[index]), &installed, &wanted)?;
        Ok(found.packages.iter().map(|record| format!("{} {}", record.name, record.version)).collect())
    }

    const INDEX: &str =
        "Package: app\nVersion: 2\nDepends: lib (>= 1), mail | other\nPre-Depends: pre\nRecommends: more\n
Package: lib\nVersion: 3\nDepends: app\n
Package: pre\nVersion: 1\n
Package: more\nVersion: 1\n
Package: other\nVersion: 1\n
Package: exim\nVersion: 1\nProvides: mail\nPriority: optional\n
Package: postfix\nVersion: 1\nProvides: mail\nPriority: standard\n
Package: strict\nVersion: 2\nDepends: sibling (= 2)\n
Package: sibling\nVersion: 2\n
Package: breaker\nVersion: 1\nBreaks: sibling (<< 2)\n
Package: enemy\nVersion: 1\nConflicts: pre\n
Package: lost\nVersion: 1\nDepends: nowhere\n
Package: either\nVersion: 1\nDepends: lost | pre\n";

    #[test]
    fn the_closure_is_minimal_and_circles_end() {
        assert_eq!(solve(INDEX, "", &["app"]).expect("solved"), ["app 2", "lib 3", "postfix 1", "pre 1"]);
    }

    #[test]
    fn what_the_base_has_is_not_added() {
        let base = "Package: lib\nVersion: 1\n\nPackage: mta\nVersion: 1\nProvides: mail\n";
        assert_eq!(solve(INDEX, base, &["app"]).expect("solved"), ["app 2", "pre 1"]);
        let old = "Package: lib\nVersion: 0\n\nPackage: other\nVersion: 1\n\nPackage: pre\nVersion: 1\n";
        assert_eq!(solve(INDEX, old, &["app"]).expect("solved"), ["app 2", "lib 3"], "too old is upgraded");
        assert_eq!(solve(INDEX, "Package: pre\nVersion: 1\n", &["pre"]).expect("solved"), [""; 0]);
        assert_eq!(solve(INDEX, "Package: pre\nVersion: 0.9\n", &["pre"]).expect("solved"), ["pre 1"]);
    }

    #[test]
    fn what_needed_the_old_version_is_upgraded_with_it() {
        let base = "Package: strict\nVersion: 1\nDepends: sibling (= 1)\n\nPackage: sibling\nVersion: 1\n";
        assert_eq!(solve(INDEX, base, &["sibling"]).expect("solved"), ["sibling 2", "strict 2"]);
        assert_eq!(solve(INDEX, base, &["breaker"]).expect("solved"), ["breaker 1", "sibling 2", "strict 2"]);
    }

    #[test]
    fn nothing_of_the_base_is_removed() {
        let error = solve(INDEX, "Package: pre\nVersion: 1\n", &["enemy"]).expect_err("refused");
        assert_eq!(error.to_string(), "enemy conflicts with pre 1 of the base");
        let error = solve(INDEX, "", &["enemy", "pre"]).expect_err("refused");
        assert_eq!(error.to_string(), "pre and enemy conflict with each other");
    }

    #[test]
    fn an_alternative_is_taken_where_the_first_leads_nowhere() {
        assert_eq!(solve(INDEX, "", &["either"]).expect("solved"), ["either 1", "pre 1"]);
        let error = solve(INDEX, "", &["lost"]).expect_err("refused");
        assert_eq!(error.to_string(), "lost needs nowhere, which is not available");
    }

    #[test]
    fn wishes_may_be_virtual_or_of_a_version() {
        assert!(solve(INDEX, "", &["mail"]).expect_err("refused").to_string().contains("exim, postfix"));
        assert_eq!(solve(INDEX, "", &["nothing"]).expect_err("refused").kind(), crate::Kind::Usage);
        assert_eq!(solve(INDEX, "", &["pre=1"]).expect("solved"), ["pre 1"]);
        assert!(solve(INDEX, "", &["pre=2"]).is_err());
    }
}
