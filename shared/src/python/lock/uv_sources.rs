//! Where what a project requires comes from, in one spelling for `pyproject.toml` and `uv.lock`:
//! `[tool.uv.sources]` of the project or of the root of its workspace, each source perhaps for some
//! places only, else a URL in the requirement, else an index.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pep440_rs::{Operator, Version, VersionSpecifiers};
use toml::{Table, Value};
use url::Url;

use super::place::joined;
use super::selection::at;
use super::uv::{RawRequirement, Uv};
use crate::error::Result;
use crate::python::{Marker, Name, Requirement};

/// Where a requirement is met from. uv does not repeat its versions where that is no index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    Index { versions: BTreeSet<(String, Version)>, index: Option<String> },
    Git { url: String, details: BTreeSet<(String, String)> },
    Url { url: String, subdirectory: String },
    Here { path: PathBuf, editable: bool },
}

/// The sources of one project, and what the lock has where these leave something open.
pub(super) struct Sources<'a> {
    lock: &'a Uv,
    /// Of the project, and of the root of its workspace, each with its folder.
    tables: Vec<(&'a Table, &'a Path)>,
    then: &'a [RawRequirement],
}

/// An origin, and where it counts.
#[derive(Debug)]
pub(super) struct Placed {
    pub origin: Origin,
    /// Where this holds, if it is for some places.
    pub here: Option<Marker>,
    /// Where none of these does, since others count there.
    pub elsewhere: Vec<Marker>,
}

/// For what a requirement stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Within<'a> {
    pub extra: Option<&'a Name>,
    pub group: Option<&'a Name>,
}

impl<'a> Sources<'a> {
    pub(super) fn new(
        lock: &'a Uv,
        own: (&'a Table, &'a Path),
        root: Option<(&'a Table, &'a Path)>,
        then: &'a [RawRequirement],
    ) -> Self {
        Self { lock, tables: std::iter::once(own).chain(root).collect(), then }
    }

    /// Each origin of a requirement, with the markers of where it counts.
    pub(super) fn origins(&self, wanted: &Requirement, within: Within<'_>) -> Result<Vec<Placed>> {
        let mut origins = Vec::new();
        let mut covered = Vec::new();
        for (source, dir) in self.of(&wanted.name) {
            let Some(source) = source.as_table() else { continue };
            let asked =
                |key: &str| source.get(key).and_then(Value::as_str).and_then(|n| n.parse::<Name>().ok());
            let elsewhere =
                |key: &str, here: Option<&Name>| asked(key).is_some_and(|name| here != Some(&name));
            if elsewhere("extra", within.extra) || elsewhere("group", within.group) {
                continue;
            }
            let marker = source.get("marker").and_then(Value::as_str).map(Marker::parse).transpose()?;
            let Some(origin) = self.origin(wanted, source, dir) else { continue };
            match marker {
                Some(marker) => {
                    let here = Some(marker.clone());
                    origins.push(Placed { origin, here, elsewhere: Vec::new() });
                    covered.push(marker);
                }
                None => return Ok(vec![Placed { origin, here: None, elsewhere: Vec::new() }]),
            }
        }
        let rest = match &wanted.url {
            Some(url) => of_url(url, &self.lock.place.dir),
            None => Origin::Index { versions: clauses(wanted.specifiers.as_ref()), index: None },
        };
        origins.push(Placed { origin: rest, here: None, elsewhere: covered });
        Ok(origins)
    }

    /// The sources that are named for a distribution, with the folder that their paths are relative to.
    fn of(&self, name: &Name) -> Vec<(&'a Value, &'a Path)> {
        let ignored = |table: &Table| {
            let packages = at(table, "tool.uv.no-sources-package").and_then(Value::as_array);
            let mut packages = packages.into_iter().flatten().filter_map(Value::as_str);
            at(table, "tool.uv.no-sources").and_then(Value::as_bool) == Some(true)
                || packages.any(|package| package.parse().is_ok_and(|package: Name| package == *name))
        };
        if self.tables.iter().any(|(table, _)| ignored(table)) {
            return Vec::new();
        }
        let named = self.tables.iter().find_map(|(table, dir)| {
            let sources = at(table, "tool.uv.sources")?.as_table()?;
            let (_, value) =
                sources.iter().find(|(key, _)| key.parse().is_ok_and(|key: Name| key == *name))?;
            Some((value, *dir))
        });
        let Some((value, dir)) = named else { return Vec::new() };
        match value {
            Value::Array(list) => list.iter().map(|value| (value, dir)).collect(),
            value => vec![(value, dir)],
        }
    }

    fn origin(&self, wanted: &Requirement, source: &Table, dir: &Path) -> Option<Origin> {
        let text = |key: &str| source.get(key).and_then(Value::as_str);
        let editable = || source.get("editable").and_then(Value::as_bool);
        if let Some(url) = text("git") {
            let keys = ["tag", "branch", "rev", "subdirectory"];
            let mut details: BTreeSet<_> =
                keys.iter().filter_map(|key| Some(((*key).to_owned(), text(key)?.to_owned()))).collect();
            if source.get("lfs").and_then(Value::as_bool) == Some(true) {
                details.insert(("lfs".into(), "true".into()));
            }
            return Some(Origin::Git { url: plain_url(url), details });
        }
        if let Some(url) = text("url") {
            let subdirectory = text("subdirectory").unwrap_or_default().to_owned();
            return Some(Origin::Url { url: plain_url(url), subdirectory });
        }
        if let Some(path) = text("path") {
            return Some(Origin::Here { path: joined(dir, path), editable: editable().unwrap_or(false) });
        }
        if source.get("workspace").and_then(Value::as_bool) == Some(true) {
            return self.member(&wanted.name, editable());
        }
        let index = text("index")?;
        let url = self.index(index).or_else(|| self.locked_index(&wanted.name));
        Some(Origin::Index { versions: clauses(wanted.specifiers.as_ref()), index: url })
    }

    /// A member of the workspace, which is editable where it is a package: that the lock tells.
    fn member(&self, name: &Name, editable: Option<bool>) -> Option<Origin> {
        use crate::python::Source;
        let entries = self.lock.entries.iter().filter(|entry| entry.package.name == *name);
        let path = entries.into_iter().find_map(|entry| match &entry.package.source {
            Source::Directory { path, .. } => Some(path.clone()),
            _ => None,
        })?;
        let locked = self.then.iter().filter(|raw| is(raw, name)).any(|raw| raw.editable.is_some());
        Some(Origin::Here { path, editable: editable.unwrap_or(locked) })
    }

    /// The URL of an index that the project names.
    fn index(&self, wanted: &str) -> Option<String> {
        self.tables.iter().find_map(|(table, dir)| {
            let list = at(table, "tool.uv.index")?.as_array()?;
            let named = |index: &&Value| index.get("name").and_then(Value::as_str) == Some(wanted);
            let url = list.iter().find(named)?.get("url")?.as_str()?;
            Some(index_url(url, dir))
        })
    }

    fn locked_index(&self, name: &Name) -> Option<String> {
        let mut named = self.then.iter().filter(|raw| is(raw, name));
        named.find_map(|raw| raw.index.as_deref()).map(|url| index_url(url, &self.lock.place.dir))
    }
}

/// Where the lock has a requirement from.
pub(super) fn locked(raw: &RawRequirement, specifiers: Option<&VersionSpecifiers>, dir: &Path) -> Origin {
    let subdirectory = raw.subdirectory.clone().unwrap_or_default();
    if let Some(git) = &raw.git {
        return of_git(git, "");
    }
    if let Some(url) = &raw.url {
        return Origin::Url { url: plain_url(url), subdirectory };
    }
    let paths = [&raw.editable, &raw.path, &raw.directory, &raw.r#virtual];
    if let Some(path) = paths.into_iter().flatten().next() {
        return Origin::Here { path: joined(dir, path), editable: raw.editable.is_some() };
    }
    let index = raw.index.as_deref().map(|url| index_url(url, dir));
    Origin::Index { versions: clauses(specifiers), index }
}

fn is(raw: &RawRequirement, name: &Name) -> bool {
    raw.name.parse().is_ok_and(|raw: Name| raw == *name)
}

/// The clauses, without their order and without the zeros that do not count.
fn clauses(specifiers: Option<&VersionSpecifiers>) -> BTreeSet<(String, Version)> {
    let clauses = specifiers.into_iter().flat_map(|all| all.iter());
    let one = |clause: &pep440_rs::VersionSpecifier| {
        // In `~=1.0` and `==1.0.*` each number counts.
        let counts = matches!(
            clause.operator(),
            Operator::TildeEqual | Operator::EqualStar | Operator::NotEqualStar | Operator::ExactEqual
        );
        let numbers = if counts { clause.version().release().len().to_string() } else { String::new() };
        (format!("{:?}{numbers}", clause.operator()), clause.version().clone())
    };
    clauses.map(one).collect()
}

/// `git+https://host/x@REF#subdirectory=y`, an archive's URL or a file's.
fn of_url(text: &str, dir: &Path) -> Origin {
    let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
    let subdirectory = fragment.split('&').find_map(|part| part.strip_prefix("subdirectory="));
    let subdirectory = subdirectory.unwrap_or_default();
    if let Some(git) = address.strip_prefix("git+") {
        return match with_reference(git) {
            Some((url, commit)) => {
                let mut origin = of_git(url, subdirectory);
                if let Origin::Git { details, .. } = &mut origin {
                    details.insert(("rev".into(), commit.to_owned()));
                }
                origin
            }
            None => of_git(git, subdirectory),
        };
    }
    match Url::parse(address)
        .ok()
        .filter(|url| url.scheme() == "file")
        .and_then(|url| url.to_file_path().ok())
    {
        Some(path) => Origin::Here { path: joined(dir, &path.to_string_lossy()), editable: false },
        None => Origin::Url { url: plain_url(address), subdirectory: subdirectory.to_owned() },
    }
}

/// A repository and what is named of it, which may have slashes: an `@` before a host belongs to a user.
fn with_reference(text: &str) -> Option<(&str, &str)> {
    let host = text.find("://")? + 3;
    let path = host + text.get(host..)?.find('/')?;
    let at = path + text.get(path..)?.rfind('@')?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// `https://host/x?rev=REF&subdirectory=y`, as locks write it.
fn of_git(text: &str, subdirectory: &str) -> Origin {
    let (url, query) = text.split_once('?').unwrap_or((text, ""));
    let query = query.split('#').next().unwrap_or_default();
    let mut details: BTreeSet<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    if !subdirectory.is_empty() {
        details.insert(("subdirectory".into(), subdirectory.to_owned()));
    }
    Origin::Git { url: plain_url(url), details }
}

/// A URL without what does not tell places apart: a login, a fragment, the slash at its end.
fn plain_url(text: &str) -> String {
    let text = text.strip_prefix("git+").unwrap_or(text);
    let Ok(mut url) = Url::parse(text) else { return text.to_owned() };
    url.set_fragment(None);
    // Both fail only for URLs that cannot have a user at all.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.as_str().trim_end_matches('/').to_owned()
}

fn index_url(text: &str, dir: &Path) -> String {
    match Url::parse(text) {
        Ok(url) if url.scheme() == "file" => {
            url.to_file_path().map_or_else(|()| text.to_owned(), |path| path.display().to_string())
        }
        Ok(_) => plain_url(text),
        Err(_) => joined(dir, text).display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_may_have_slashes_and_a_user_is_none() {
        for (text, lock) in [
            ("git+https://h.example/r.git@feat/x-y", "https://h.example/r.git?rev=feat%2Fx-y"),
            ("git+ssh://git@h.example/r", "ssh://git@h.example/r"),
            ("git+ssh://git@h.example/r@v1#subdirectory=py", "ssh://h.example/r?subdirectory=py&rev=v1"),
        ] {
            assert_eq!(of_url(text, Path::new("/")), of_git(lock, ""), "{text}");
        }
    }
}
