//! Packages that were added, removed or changed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::packages::{Package, PackageKind};
use super::sides::{Change, Counts, Side, Sides};
use crate::inspect::laid::Laid;

/// No more of them are listed.
const MOST_PACKAGES: usize = 2000;
/// No more versions of one package are told.
const MOST_VERSIONS: usize = 5;

/// What differs in the packages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PackageChanges {
    /// All of them.
    #[serde(flatten)]
    pub counts: Counts,
    /// The only image that a bill of materials is attached to. Packages that leave no files, and licences, are not
    /// compared then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_sbom: Option<Side>,
    /// The largest first, as many as are kept.
    pub list: Vec<PackageChange>,
}

/// A package that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PackageChange {
    /// Whose it is.
    pub kind: PackageKind,
    /// In the words of its makers.
    pub name: String,
    /// How it differs: by its versions, or by its licence.
    pub change: Change,
    /// What there is of it in each image.
    #[serde(flatten)]
    pub installed: Sides<Option<Installed>>,
}

/// What there is of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Installed {
    /// The version; of those that are there in several, all that the other image does not have, or not as often.
    pub version: String,
    /// Bytes of its files, unpacked.
    pub size: u64,
    /// As a bill of materials says it, if all versions have the same one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

pub(super) fn changes(sides: Sides<&Laid>) -> PackageChanges {
    let only_sbom = match (sides.from.has_bill, sides.to.has_bill) {
        (true, false) => Some(Side::From),
        (false, true) => Some(Side::To),
        _ => None,
    };
    let mut groups: BTreeMap<(PackageKind, String), Sides<Vec<&Package>>> = BTreeMap::new();
    for (side, laid) in [(Side::From, sides.from), (Side::To, sides.to)] {
        for package in laid.packages.iter().filter(|one| only_sbom.is_none() || !one.only_in_sbom) {
            let key = (package.kind, package.kind.plain_name(&package.name));
            groups.entry(key).or_default().of(side).push(package);
        }
    }
    let all = groups.into_iter().filter_map(|((kind, _), group)| change(kind, group, only_sbom.is_none()));
    let mut list: Vec<PackageChange> = all.collect();
    let counts = list.iter().map(|one| one.change).collect();
    list.sort_by(|a, b| {
        let by = |one: &PackageChange| std::cmp::Reverse(one.size());
        (by(a), a.kind, &a.name).cmp(&(by(b), b.kind, &b.name))
    });
    list.truncate(MOST_PACKAGES);
    PackageChanges { counts, only_sbom, list }
}

impl PackageChange {
    /// Bytes of it in each image.
    pub fn sizes(&self) -> Sides<u64> {
        self.installed.as_ref().map(|one| one.as_ref().map_or(0, |one| one.size))
    }

    /// Those of the larger one.
    fn size(&self) -> u64 {
        let Sides { from, to } = self.sizes();
        from.max(to)
    }
}

/// How the packages of one name differ, if they do.
fn change(kind: PackageKind, group: Sides<Vec<&Package>>, compares_licences: bool) -> Option<PackageChange> {
    let there = group.as_ref().map(|all| by_version(all));
    let is_same = |version: &str| match (there.from.get(version), there.to.get(version)) {
        (Some((from, copies)), Some((to, others))) => {
            let (from, to) = (&from.licence, &to.licence);
            copies == others && (!compares_licences || from.is_none() || to.is_none() || from == to)
        }
        _ => false,
    };
    let others = group.as_ref().map(|all| {
        all.iter().copied().filter(|package| !is_same(&package.version)).collect::<Vec<&Package>>()
    });
    let name = others.to.first().or(others.from.first())?.name.clone();
    let installed = others.map(|all| installed(&all, compares_licences));
    // One version more or less of a package that is there in others is a change of it.
    let is_in = group.map(|all| !all.is_empty());
    let change = if is_in.from && is_in.to { Change::Changed } else { installed.change() };
    Some(PackageChange { kind, name, change, installed })
}

/// One of each version, and how many there are: several architectures, or copies in several folders.
fn by_version<'p>(all: &[&'p Package]) -> BTreeMap<&'p str, (&'p Package, usize)> {
    let mut versions: BTreeMap<&str, (&Package, usize)> = BTreeMap::new();
    for package in all {
        versions.entry(&package.version).or_insert((package, 0)).1 += 1;
    }
    versions
}

fn installed(all: &[&Package], tells_licences: bool) -> Option<Installed> {
    let first = all.first()?;
    let versions = by_version(all);
    let shown = |(version, (_, copies)): (&&str, &(&Package, usize))| match copies {
        1 => (*version).to_owned(),
        copies => format!("{version} ({copies} copies)"),
    };
    let told: Vec<String> = versions.iter().take(MOST_VERSIONS).map(shown).collect();
    let more = versions.len().checked_sub(MOST_VERSIONS).filter(|more| *more > 0);
    let more = more.map(|more| format!(" and {more} more")).unwrap_or_default();
    let is_common = all.iter().all(|package| package.licence == first.licence);
    Some(Installed {
        version: format!("{}{more}", told.join(", ")),
        size: all.iter().map(|package| package.size).sum(),
        licence: first.licence.clone().filter(|_| tells_licences && is_common),
    })
}
