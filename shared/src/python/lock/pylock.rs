//! `pylock.toml`, version 1.0, as PEP 751 and the specification "pylock.toml" of packaging.python.org
//! define it.

use crate::words;
use crate::words::Command;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::place::{FileWords, GitRest, Place, joined, short};
use super::{Made, Selection, unsupported};
use crate::error::{Error, Result};
use crate::python::{Constraint, DistFile, Hash, Interpreter, Marker, Markers, Name, Package, Source};
use crate::redact::Address;

/// A `pylock.toml`.
#[derive(Debug, Clone)]
pub(super) struct Pylock {
    place: Place,
    /// Where the lock was made for; empty for everywhere.
    environments: Vec<Marker>,
    extras: BTreeSet<Name>,
    groups: BTreeSet<Name>,
    default_groups: BTreeSet<Name>,
    entries: Vec<Entry>,
    /// Whether a resolver made it, for all platforms.
    pub(super) resolved: bool,
    /// What `containerize lock` made it with.
    pub(super) made: Option<Made>,
}

impl Pylock {
    /// All that it pins, for whatever target.
    pub(super) fn packages(&self) -> impl Iterator<Item = &Package> {
        self.entries.iter().map(|entry| &entry.package)
    }
}

/// What makes locks of all that is needed, wherever it runs. pip is none of them: its locks are for its own
/// Python and platform alone, and nothing in them says for which.
const RESOLVERS: [&str; 8] = ["uv", "pdm", "poetry", "pipenv", "hatch", "pip-tools", "pixi", "containerize"];

#[derive(Debug, Clone)]
struct Entry {
    package: Package,
    marker: Option<Marker>,
    python: Option<Constraint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawLock {
    lock_version: String,
    created_by: Option<String>,
    tool: Option<toml::Table>,
    #[serde(default)]
    environments: Vec<String>,
    requires_python: Option<String>,
    #[serde(default)]
    extras: Vec<String>,
    #[serde(default)]
    dependency_groups: Vec<String>,
    #[serde(default)]
    default_groups: Vec<String>,
    #[serde(default)]
    packages: Vec<RawPackage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawPackage {
    name: String,
    version: Option<String>,
    marker: Option<String>,
    requires_python: Option<String>,
    vcs: Option<RawVcs>,
    directory: Option<RawDirectory>,
    archive: Option<RawFile>,
    index: Option<String>,
    sdist: Option<RawFile>,
    #[serde(default)]
    wheels: Vec<RawFile>,
    #[serde(default)]
    attestation_identities: Vec<toml::Table>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawVcs {
    #[serde(rename = "type")]
    kind: String,
    url: Option<String>,
    path: Option<String>,
    requested_revision: Option<String>,
    commit_id: String,
    subdirectory: Option<String>,
}

#[derive(Deserialize)]
struct RawDirectory {
    path: String,
    #[serde(default)]
    editable: bool,
    subdirectory: Option<String>,
}

#[derive(Deserialize)]
struct RawFile {
    name: Option<String>,
    url: Option<String>,
    path: Option<String>,
    size: Option<u64>,
    hashes: BTreeMap<String, String>,
    subdirectory: Option<String>,
}

/// Reads the text of a `pylock.toml`, and what it says of Python.
pub(super) fn read(place: &Place, text: &str) -> Result<(Pylock, Option<Constraint>)> {
    let raw: RawLock = place.toml(text)?;
    if raw.lock_version.split('.').next() != Some("1") {
        return Err(unsupported(place, &raw.lock_version, "1.0"));
    }
    let names = |list: &[String]| list.iter().map(|name| place.name(name)).collect::<Result<BTreeSet<_>>>();
    let environment = |text: &String| {
        Marker::parse(text).map_err(|e| place.wrong("an environment of it cannot be read").because(e))
    };
    let python = raw.requires_python.as_deref().map(|text| place.constraint(text)).transpose()?;
    let lock = Pylock {
        place: place.clone(),
        environments: raw.environments.iter().map(environment).collect::<Result<_>>()?,
        extras: names(&raw.extras)?,
        groups: names(&raw.dependency_groups)?,
        default_groups: names(&raw.default_groups)?,
        entries: raw.packages.iter().map(|package| entry(place, package)).collect::<Result<_>>()?,
        resolved: raw.created_by.as_deref().is_some_and(|tool| RESOLVERS.contains(&tool)),
        made: Made::of(raw.tool.as_ref()),
    };
    Ok((lock, python))
}

fn entry(place: &Place, raw: &RawPackage) -> Result<Entry> {
    let name = place.name(&raw.name)?;
    let version = raw.version.as_deref().map(|text| place.version(&name, text)).transpose()?;
    let (source, files) = origin(place, &name, raw)?;
    Ok(Entry {
        marker: raw.marker.as_deref().map(|text| place.marker(&name, text)).transpose()?,
        python: raw.requires_python.as_deref().map(|text| place.constraint(text)).transpose()?,
        package: Package { name, version, source, files, identities: identities(raw) },
    })
}

/// Who must have published. A value that is not a text is kept as TOML writes it, which matches no publisher.
fn identities(raw: &RawPackage) -> Vec<BTreeMap<String, String>> {
    let texts = |table: &toml::Table| {
        let text = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        table.iter().map(|(key, value)| (key.clone(), text(value))).collect()
    };
    raw.attestation_identities.iter().map(texts).collect()
}

/// A package is a repository, a folder, an archive or files of an index, and only one of them.
fn origin(place: &Place, name: &Name, raw: &RawPackage) -> Result<(Source, Vec<DistFile>)> {
    let listed: Vec<&RawFile> = raw.sdist.iter().chain(&raw.wheels).collect();
    match (&raw.vcs, &raw.directory, &raw.archive, listed.as_slice()) {
        (Some(vcs), None, None, []) => Ok((repository(place, name, vcs)?, Vec::new())),
        (None, Some(directory), None, []) => {
            let path = place.folder(name, &directory.path)?;
            let path = match &directory.subdirectory {
                Some(inner) => joined(&path, &place.inner_folder(name, inner)?),
                None => path,
            };
            Ok((Source::Directory { path, editable: directory.editable }, Vec::new()))
        }
        (None, None, Some(archive), []) => from_archive(place, name, archive),
        (None, None, None, [_, ..]) => {
            let url = raw.index.as_deref().map(|url| place.url(name, url)).transpose()?;
            let files = listed.iter().map(|file| dist_file(place, name, file)).collect::<Result<_>>()?;
            Ok((Source::Index { url }, files))
        }
        (None, None, None, []) => Err(place.wrong_package(name, "it has no files to choose from")),
        _ => Err(place.wrong_package(name, "it is from several places at once")),
    }
}

fn repository(place: &Place, name: &Name, raw: &RawVcs) -> Result<Source> {
    if raw.kind != "git" {
        let what = format!("it is in a repository of the kind {:?}", short(&raw.kind));
        return Err(place.wrong_package(name, what).hint("only git repositories can be read"));
    }
    let url = match (&raw.url, &raw.path) {
        (Some(url), _) => Address::new(url.as_str()),
        (None, Some(path)) => place.file_url(name, &place.folder(name, path)?)?,
        (None, None) => return Err(place.wrong_package(name, "its repository has neither URL nor path")),
    };
    let rest =
        GitRest { requested: raw.requested_revision.as_deref(), subdirectory: raw.subdirectory.as_deref() };
    place.git(name, url.expose(), &raw.commit_id, rest)
}

fn from_archive(place: &Place, name: &Name, raw: &RawFile) -> Result<(Source, Vec<DistFile>)> {
    let file = dist_file(place, name, raw)?;
    let subdirectory =
        raw.subdirectory.as_deref().map(|inner| place.inner_folder(name, inner)).transpose()?;
    let source = match (&raw.url, &raw.path) {
        (Some(url), _) => Source::Url { url: place.url(name, url)?, subdirectory },
        (None, path) => Source::File { path: place.folder(name, path.as_deref().unwrap_or_default())? },
    };
    Ok((source, vec![file]))
}

fn dist_file(place: &Place, name: &Name, raw: &RawFile) -> Result<DistFile> {
    let words =
        FileWords { filename: raw.name.as_deref(), url: raw.url.as_deref(), hash: None, size: raw.size };
    let mut file = match (&raw.url, &raw.path) {
        (None, Some(path)) => {
            let path = place.folder(name, path)?;
            let last = path.file_name().unwrap_or_default().to_string_lossy();
            let filename = words.filename.unwrap_or(&last);
            let mut file = place.dist_file(name, FileWords { filename: Some(filename), ..words })?;
            file.url = Some(place.file_url(name, &path)?);
            file
        }
        _ => place.dist_file(name, words)?,
    };
    file.hashes = hashes(place, name, &raw.hashes)?;
    Ok(file)
}

/// All digests that are worth something. Weak ones beside them may stay unread.
fn hashes(place: &Place, name: &Name, raw: &BTreeMap<String, String>) -> Result<Vec<Hash>> {
    let strong = |algorithm: &str| matches!(algorithm, "sha256" | "sha384" | "sha512");
    let read = |(algorithm, hex): (&String, &String)| place.hash(name, &format!("{algorithm}:{hex}"));
    let found: Vec<Hash> =
        raw.iter().filter(|(algorithm, _)| strong(algorithm)).map(read).collect::<Result<_>>()?;
    match (found.is_empty(), raw.iter().next()) {
        (false, _) => Ok(found),
        (true, Some(weak)) => read(weak).map(|hash| vec![hash]),
        (true, None) => Err(place.wrong_package(name, "a file of it has no digest")),
    }
}

/// The packages that a target needs.
pub(super) fn select(lock: &Pylock, selection: &Selection<'_>, target: &Interpreter) -> Result<Vec<Package>> {
    // One that was made here has no extras to choose from, and all that it was made with; see `check_made_with`.
    if lock.made.is_none() {
        selection.check(&lock.place.shown(), &lock.groups, &lock.extras).map_err(|error| {
            let known = error.hint_text().unwrap_or_default().to_owned();
            // What has none at all was made for one choice of them.
            match known.ends_with("at all") {
                true => error.hint(words!(
                    "{known}; run `{lock}` to make one with what is wanted",
                    lock = Command::LOCK
                )),
                false => error,
            }
        })?;
    }
    let markers = Markers::of(target);
    let extras: Vec<Name> = selection.extras.iter().cloned().collect();
    let groups = selection.added_groups();
    let groups: Vec<Name> = groups.union(&lock.default_groups).cloned().collect();
    let holds = |marker: &Marker| marker.holds(&markers, &extras, &groups);
    if !lock.environments.is_empty() && !lock.environments.iter().any(holds) {
        let known: Vec<&str> = lock.environments.iter().map(Marker::as_str).collect();
        let what = format!("{} was made for {}", lock.place.shown(), known.join(" or "));
        return Err(Error::usage(format!("{what}, and not for {target}", target = described(target)))
            .hint("make the lock for this platform too"));
    }
    let mut found = Vec::new();
    for entry in lock.entries.iter().filter(|entry| entry.marker.as_ref().is_none_or(holds)) {
        if let Some(python) = entry.python.as_ref().filter(|python| !python.allows_python(target)) {
            let what = format!("it needs Python {python}, but the image has Python {}", target.version);
            return Err(lock.place.wrong_package(&entry.package.name, what));
        }
        found.push(entry.package.clone());
    }
    Ok(found)
}

fn described(target: &Interpreter) -> String {
    format!("Python {} on {}", target.version, target.platform)
}
