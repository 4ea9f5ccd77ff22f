//! What of a `uv.lock` hangs on the settings of a workspace: its members, what excludes each other, the
//! environments that it is for, and how new a distribution may be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::{Span, Timestamp};
use toml::{Table, Value};

use super::points::Points;
use super::selection::at;
use super::uv::{RawOptions, Uv};
use crate::error::Result;
use crate::python::{Marker, Name, Source};

/// The folders of a workspace's projects with their `pyproject.toml`, the root's among them where it is a project.
pub(super) type Projects = Vec<(PathBuf, Table)>;

/// Which member the lock lacks or has too much.
pub(super) fn members(lock: &Uv, projects: &Projects) -> Option<String> {
    let name = |table: &Table| at(table, "project.name")?.as_str()?.parse::<Name>().ok();
    let now: BTreeMap<Name, &Path> =
        projects.iter().filter_map(|(dir, table)| Some((name(table)?, dir.as_path()))).collect();
    // A project that is alone is not listed.
    let alone = now.keys().filter(|_| lock.members.is_empty() && now.len() == 1);
    let then: BTreeSet<&Name> = lock.members.iter().chain(alone).collect();
    if let Some(new) = now.keys().find(|name| !then.contains(name)) {
        return Some(format!("it lacks the member {new}"));
    }
    if let Some(gone) = then.iter().find(|name| !now.contains_key(**name)) {
        return Some(format!("{gone} is no longer a member"));
    }
    lock.entries.iter().find_map(|entry| match &entry.package.source {
        Source::Directory { path, .. } if lock.members.contains(&entry.package.name) => {
            let moved = now.get(&entry.package.name).is_some_and(|dir| dir != path);
            moved.then(|| format!("the member {} has moved to another folder", entry.package.name))
        }
        _ => None,
    })
}

/// A member that is to be a package now, and was none.
pub(super) fn packages(lock: &Uv, projects: &Projects) -> Option<String> {
    projects.iter().find_map(|(dir, table)| {
        let is_package = at(table, "tool.uv.package").and_then(Value::as_bool) == Some(true);
        let was_none = |entry: &&super::uv::Entry| {
            entry.is_virtual && matches!(&entry.package.source, Source::Directory { path, .. } if path == dir)
        };
        let entry = lock.entries.iter().find(was_none).filter(|_| is_package)?;
        Some(format!("{} is now a package", entry.package.name))
    })
}

/// Whether the lock is for other environments.
///
/// # Errors
/// Usage: a marker cannot be understood.
pub(super) fn environments(lock: &Uv, root: &Table, points: Points<'_>) -> Result<Option<String>> {
    for (key, then) in
        [("environments", &lock.supported_markers), ("required-environments", &lock.required_markers)]
    {
        let now: Vec<&str> = match at(root, &format!("tool.uv.{key}")) {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let then: Vec<&str> = then.iter().map(String::as_str).collect();
        if points.odd(&placed(&now, points)?, &placed(&then, points)?).is_some() {
            return Ok(Some(format!("{key} have changed")));
        }
    }
    Ok(None)
}

/// The markers by their place, without those that hold everywhere, which uv leaves out.
fn placed(texts: &[&str], points: Points<'_>) -> Result<Vec<(usize, Option<Marker>)>> {
    let markers = texts.iter().map(|text| Marker::parse(text)).collect::<Result<Vec<_>>>()?;
    let says_something = |marker: &Marker| points.odd(&[(0, None)], &[(0, Some(marker.clone()))]).is_some();
    Ok(markers.into_iter().filter(says_something).map(Some).enumerate().collect())
}

/// Whether distributions may be of another age now. Without a word in the project it may be the user's own setting.
pub(super) fn age(options: &RawOptions, root: &Table) -> Option<String> {
    let locked = |moment: Option<&Value>, span: Option<&Value>| match span {
        Some(span) => Age::of(span.as_str()?),
        None => Age::of(moment?.as_str()?),
    };
    let differs = |now: &Value, then: Option<Age>| match (now.as_str().and_then(Age::of), then) {
        // Nobody knows what it says.
        (None, _) => false,
        (Some(now), then) => then != Some(now),
    };
    if let Some(now) = at(root, "tool.uv.exclude-newer")
        && differs(now, locked(options.exclude_newer.as_ref(), options.exclude_newer_span.as_ref()))
    {
        return Some("exclude-newer has changed".into());
    }
    let packages = at(root, "tool.uv.exclude-newer-package").and_then(Value::as_table);
    let other = packages.into_iter().flatten().find(|(name, now)| {
        let is_it = |(key, _): &(&String, &Value)| key.parse::<Name>().ok() == name.parse().ok();
        let then = options.exclude_newer_package.iter().find(is_it).map(|(_, value)| value);
        let then = then.and_then(|value| match value {
            Value::Table(table) => locked(table.get("timestamp"), table.get("span")),
            value => locked(Some(value), None),
        });
        differs(now, then)
    });
    other.map(|(name, _)| format!("exclude-newer-package has changed for {name}"))
}

/// A moment, or how long ago it is.
#[derive(Debug, PartialEq)]
enum Age {
    At(Timestamp),
    Ago(jiff::SpanFieldwise),
}

impl Age {
    fn of(text: &str) -> Option<Self> {
        if let Ok(moment) = text.parse::<Timestamp>() {
            return Some(Self::At(moment));
        }
        // A day counts to its end, where the user is.
        if let Ok(day) = text.parse::<Date>() {
            let next = day.tomorrow().ok()?.to_zoned(jiff::tz::TimeZone::system()).ok()?;
            return Some(Self::At(next.timestamp()));
        }
        text.parse::<Span>().ok().map(|span| Self::Ago(span.fieldwise()))
    }
}

/// Whether other dependencies are left out, or replaced by what the project says of them.
pub(super) fn left_out(lock: &Uv, root: &Table) -> Option<String> {
    let names = |texts: Vec<&str>| -> BTreeSet<String> {
        let spelled =
            |text: &str| text.parse::<Name>().map_or_else(|_| text.to_owned(), |name| name.to_string());
        texts.into_iter().map(spelled).collect()
    };
    let list = |key: &str| at(root, key).and_then(Value::as_array).into_iter().flatten();
    let now = names(list("tool.uv.exclude-dependencies").filter_map(Value::as_str).collect());
    if now != names(lock.manifest.excludes.iter().map(String::as_str).collect()) {
        return Some("exclude-dependencies have changed".into());
    }
    let told = list("tool.uv.dependency-metadata").filter_map(|value| value.get("name")?.as_str());
    let then = lock.manifest.dependency_metadata.iter();
    let then = then.filter_map(|value| value.get("name")?.as_str());
    (names(told.collect()) != names(then.collect()))
        .then(|| "dependency-metadata is now for other packages".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_compared_and_not_their_spelling() {
        let same = |a: &str, b: &str| Age::of(a).is_some() && Age::of(a) == Age::of(b);
        assert!(same("2030-01-01T00:00:00Z", "2030-01-01T02:00:00+02:00"));
        assert!(same("1 week", "P1W") && !same("1 week", "P2W") && !same("P1W", "2030-01-01"));
        assert_eq!(Age::of("some time"), None);
    }
}
