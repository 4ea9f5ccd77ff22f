//! `uv.lock`, version 1: what it holds. [`super::uv_walk`] finds what a target needs of it.

use std::collections::{BTreeMap, BTreeSet};

use pep440_rs::Version;
use serde::Deserialize;
use toml::Value;
use url::Url;

use super::place::{FileWords, GitRest, Place, is_archive, joined};
use super::unsupported;
use crate::error::Result;
use crate::python::{Constraint, DistFile, Marker, Name, Package, Source};

/// A `uv.lock`.
#[derive(Debug, Clone)]
pub(super) struct Uv {
    pub place: Place,
    pub entries: Vec<Entry>,
    /// Whether extras and groups exclude each other; markers then name those that are active.
    pub has_conflicts: bool,
    pub conflicts: Option<Value>,
    /// The environments that it is for, and those that it must be for.
    pub supported_markers: Vec<String>,
    pub required_markers: Vec<String>,
    /// The members of the workspace; none where the project is alone.
    pub members: BTreeSet<Name>,
    /// What the root of the workspace asked of the resolution.
    pub manifest: RawManifest,
    pub options: RawOptions,
    revision: Option<i64>,
}

impl Uv {
    /// Whether the lock lists extras that add nothing, which it does since its revision 1.
    pub(super) fn tells_extras(&self) -> bool {
        self.revision.is_some_and(|revision| revision >= 1)
    }
}

/// A package.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub package: Package,
    /// The source as the lock writes it, by which dependencies name it.
    pub source: BTreeMap<String, String>,
    /// A project without a build system: never installed, but its dependencies are.
    pub is_virtual: bool,
    /// Where this entry is meant, if several have its name; none is everywhere.
    pub places: Vec<Marker>,
    pub dependencies: Vec<Dependency>,
    pub extras: BTreeMap<Name, Vec<Dependency>>,
    pub groups: BTreeMap<Name, Vec<Dependency>>,
    /// What the project required when it was locked.
    pub metadata: Option<RawPackageMetadata>,
}

/// An edge to another package.
#[derive(Debug, Clone)]
pub(super) struct Dependency {
    pub name: Name,
    pub version: Option<Version>,
    pub source: Option<BTreeMap<String, String>>,
    pub extras: Vec<Name>,
    pub marker: Option<Marker>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawLock {
    version: Option<Value>,
    revision: Option<i64>,
    requires_python: Option<String>,
    conflicts: Option<Value>,
    #[serde(default)]
    supported_markers: Vec<String>,
    #[serde(default)]
    required_markers: Vec<String>,
    #[serde(default)]
    manifest: RawManifest,
    #[serde(default)]
    options: RawOptions,
    #[serde(default)]
    package: Vec<RawPackage>,
}

/// What the root of a workspace asks of the resolution.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RawManifest {
    #[serde(default)]
    members: Vec<String>,
    #[serde(default)]
    pub constraints: Vec<RawRequirement>,
    #[serde(default)]
    pub overrides: Vec<RawRequirement>,
    #[serde(default)]
    pub build_constraints: Vec<RawRequirement>,
    #[serde(default)]
    pub excludes: Vec<String>,
    #[serde(default)]
    pub dependency_metadata: Vec<Value>,
}

/// How versions were chosen, where that is not as usual.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RawOptions {
    pub resolution_mode: Option<String>,
    pub prerelease_mode: Option<String>,
    pub fork_strategy: Option<String>,
    pub exclude_newer: Option<Value>,
    pub exclude_newer_span: Option<Value>,
    #[serde(default)]
    pub exclude_newer_package: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawPackage {
    name: String,
    version: Option<String>,
    source: BTreeMap<String, String>,
    #[serde(default)]
    resolution_markers: Vec<String>,
    #[serde(default)]
    dependencies: Vec<RawDependency>,
    #[serde(default)]
    optional_dependencies: BTreeMap<String, Vec<RawDependency>>,
    #[serde(default, alias = "dependency-groups")]
    dev_dependencies: BTreeMap<String, Vec<RawDependency>>,
    metadata: Option<RawPackageMetadata>,
    sdist: Option<RawFile>,
    #[serde(default)]
    wheels: Vec<RawFile>,
}

#[derive(Deserialize)]
struct RawDependency {
    name: String,
    version: Option<String>,
    source: Option<BTreeMap<String, String>>,
    #[serde(default)]
    extra: Vec<String>,
    marker: Option<String>,
}

#[derive(Deserialize)]
struct RawFile {
    url: Option<String>,
    path: Option<String>,
    filename: Option<String>,
    hash: Option<String>,
    size: Option<u64>,
}

/// What a project required when it was locked.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RawPackageMetadata {
    #[serde(default)]
    pub requires_dist: Vec<RawRequirement>,
    #[serde(default)]
    pub provides_extras: Vec<String>,
    #[serde(default)]
    pub requires_dev: BTreeMap<String, Vec<RawRequirement>>,
}

/// One requirement of it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct RawRequirement {
    pub name: String,
    #[serde(default)]
    pub extras: Vec<String>,
    pub specifier: Option<String>,
    pub marker: Option<String>,
    pub index: Option<String>,
    pub url: Option<String>,
    pub subdirectory: Option<String>,
    pub git: Option<String>,
    pub path: Option<String>,
    pub directory: Option<String>,
    pub editable: Option<String>,
    pub r#virtual: Option<String>,
}

/// Reads the text of a `uv.lock`, and what it says of Python.
pub(super) fn read(place: &Place, text: &str) -> Result<(Uv, Option<Constraint>)> {
    let raw: RawLock = match place.toml(text) {
        Ok(raw) => raw,
        // A version that is not known may look different.
        Err(error) => {
            check_version(place, place.toml::<toml::Table>(text)?.get("version"))?;
            return Err(error);
        }
    };
    check_version(place, raw.version.as_ref())?;
    let python = raw.requires_python.as_deref().map(|text| place.constraint(text)).transpose()?;
    let entries = raw.package.iter().map(|package| entry(place, package)).collect::<Result<_>>()?;
    let has_conflicts = raw.conflicts.is_some();
    let members = raw.manifest.members.iter().map(|name| place.name(name)).collect::<Result<_>>()?;
    let lock = Uv {
        place: place.clone(),
        entries,
        has_conflicts,
        conflicts: raw.conflicts,
        supported_markers: raw.supported_markers,
        required_markers: raw.required_markers,
        members,
        manifest: raw.manifest,
        options: raw.options,
        revision: raw.revision,
    };
    Ok((lock, python))
}

fn check_version(place: &Place, version: Option<&Value>) -> Result<()> {
    match version.and_then(Value::as_integer) {
        Some(1) => Ok(()),
        Some(other) => Err(unsupported(place, &other.to_string(), "1")),
        None => Err(unsupported(place, "none", "1")),
    }
}

fn entry(place: &Place, raw: &RawPackage) -> Result<Entry> {
    let name = place.name(&raw.name)?;
    let markers = raw.resolution_markers.iter().map(|text| place.marker(&name, text));
    let table = |table: &BTreeMap<String, Vec<RawDependency>>| -> Result<BTreeMap<Name, Vec<Dependency>>> {
        table.iter().map(|(key, list)| Ok((place.name(key)?, dependencies(place, &name, list)?))).collect()
    };
    Ok(Entry {
        package: package(place, &name, raw)?,
        source: raw.source.clone(),
        is_virtual: raw.source.contains_key("virtual"),
        places: markers.collect::<Result<_>>()?,
        dependencies: dependencies(place, &name, &raw.dependencies)?,
        extras: with_empty(place, raw, table(&raw.optional_dependencies)?)?,
        groups: table(&raw.dev_dependencies)?,
        metadata: raw.metadata.clone(),
    })
}

/// Extras that add nothing are only named.
fn with_empty(
    place: &Place,
    raw: &RawPackage,
    mut extras: BTreeMap<Name, Vec<Dependency>>,
) -> Result<BTreeMap<Name, Vec<Dependency>>> {
    for extra in raw.metadata.iter().flat_map(|metadata| &metadata.provides_extras) {
        extras.entry(place.name(extra)?).or_default();
    }
    Ok(extras)
}

fn dependencies(place: &Place, of: &Name, list: &[RawDependency]) -> Result<Vec<Dependency>> {
    let one = |raw: &RawDependency| {
        Ok(Dependency {
            name: place.name(&raw.name)?,
            version: raw.version.as_deref().map(|text| place.version(of, text)).transpose()?,
            source: raw.source.clone(),
            extras: raw.extra.iter().map(|extra| place.name(extra)).collect::<Result<_>>()?,
            marker: raw.marker.as_deref().map(|text| place.marker(of, text)).transpose()?,
        })
    };
    list.iter().map(one).collect()
}

fn package(place: &Place, name: &Name, raw: &RawPackage) -> Result<Package> {
    let version = raw.version.as_deref().map(|text| place.version(name, text)).transpose()?;
    let source = source(place, name, &raw.source)?;
    let local = raw.source.get("registry").filter(|registry| !registry.contains("://"));
    let listed = raw.sdist.iter().chain(&raw.wheels);
    let files: Vec<DistFile> = match &source {
        Source::Directory { .. } | Source::Git { .. } => Vec::new(),
        Source::File { path } => {
            let filename = path.file_name().unwrap_or_default().to_string_lossy();
            let words = |file: &'_ RawFile| {
                place.dist_file(
                    name,
                    FileWords {
                        filename: Some(&filename),
                        hash: file.hash.as_deref(),
                        size: file.size,
                        url: None,
                    },
                )
            };
            listed.map(words).collect::<Result<_>>()?
        }
        Source::Url { url, .. } => {
            let words = |file: &'_ RawFile| {
                place.dist_file(
                    name,
                    FileWords {
                        url: Some(url.expose()),
                        hash: file.hash.as_deref(),
                        size: file.size,
                        filename: None,
                    },
                )
            };
            listed.map(words).collect::<Result<_>>()?
        }
        Source::Index { .. } => listed
            .map(|file| dist_file(place, name, file, local.map(String::as_str)))
            .collect::<Result<_>>()?,
    };
    if matches!(source, Source::Index { .. }) && files.is_empty() {
        return Err(place.wrong_package(name, "it has no files to choose from"));
    }
    Ok(Package { name: name.clone(), version, source, files, identities: Vec::new() })
}

/// A file of an index, or of a folder of files, `local`.
fn dist_file(place: &Place, name: &Name, raw: &RawFile, local: Option<&str>) -> Result<DistFile> {
    let words = FileWords {
        filename: raw.filename.as_deref(),
        url: raw.url.as_deref(),
        hash: raw.hash.as_deref(),
        size: raw.size,
    };
    let (Some(path), Some(folder)) = (&raw.path, local) else { return place.dist_file(name, words) };
    let path = joined(&place.folder(name, folder)?, path);
    let filename = path.file_name().unwrap_or_default().to_string_lossy();
    let mut file = place.dist_file(name, FileWords { filename: Some(&filename), url: None, ..words })?;
    file.url = Some(place.file_url(name, &path)?);
    Ok(file)
}

fn source(place: &Place, name: &Name, raw: &BTreeMap<String, String>) -> Result<Source> {
    let get = |key: &str| raw.get(key).map(String::as_str);
    let subdirectory = get("subdirectory").map(|folder| place.inner_folder(name, folder)).transpose()?;
    if let Some(registry) = get("registry") {
        let url = match registry.contains("://") {
            true => place.url(name, registry)?,
            false => place.file_url(name, &place.folder(name, registry)?)?,
        };
        return Ok(Source::Index { url: Some(url) });
    }
    if let Some(git) = get("git") {
        return from_git(place, name, git);
    }
    if let Some(url) = get("url") {
        return Ok(Source::Url { url: place.url(name, url)?, subdirectory });
    }
    if let Some(path) = get("path") {
        let path = place.folder(name, path)?;
        return Ok(match is_archive(&path) {
            true => Source::File { path },
            false => Source::Directory { path, editable: false },
        });
    }
    if let Some(folder) = get("editable") {
        return Ok(Source::Directory { path: place.folder(name, folder)?, editable: true });
    }
    match get("directory").or_else(|| get("virtual")) {
        Some(folder) => Ok(Source::Directory { path: place.folder(name, folder)?, editable: false }),
        None => {
            let kinds: BTreeSet<&String> = raw.keys().collect();
            Err(place.wrong_package(name, format!("its source is of an unknown kind: {kinds:?}")))
        }
    }
}

/// `https://host/repository?tag=v1&subdirectory=x#commit`.
fn from_git(place: &Place, name: &Name, text: &str) -> Result<Source> {
    let mut url =
        Url::parse(text).map_err(|e| place.wrong_package(name, "its repository has no URL").because(e))?;
    let pairs: BTreeMap<String, String> =
        url.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
    let get = |key: &str| pairs.get(key).map(String::as_str);
    let commit = url.fragment().unwrap_or_default().to_owned();
    url.set_query(None);
    url.set_fragment(None);
    let rest = GitRest {
        requested: get("tag").or_else(|| get("branch")).or_else(|| get("rev")),
        subdirectory: get("subdirectory"),
    };
    place.git(name, url.as_str(), &commit, rest)
}
