//! `pdm.lock`, versions 4.4 and 4.5. Each package says its groups and where it is wanted (the
//! strategy `inherit_metadata`, the default since PDM 2.11); where they do not,
//! [`super::pdm_walk`] finds what a target needs.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::pdm_groups::parsed;
use super::place::{FileWords, GitRest, Place, is_archive};
use super::{Selection, unsupported};
use crate::error::{Error, Result};
use crate::python::{Constraint, DistFile, Interpreter, Marker, Markers, Name, Package, Requirement, Source};

/// A `pdm.lock`.
#[derive(Debug, Clone)]
pub(super) struct Pdm {
    pub place: Place,
    pub(super) groups: BTreeSet<Name>,
    targets: Vec<Target>,
    pub entries: Vec<Entry>,
    /// Whether the packages say their groups.
    pub(super) inherits: bool,
    pub content_hash: Option<String>,
    /// Newer locks may have the inputs themselves instead of a digest of them.
    pub lock_inputs: Option<toml::Value>,
}

/// A kind of environment that the lock was made for.
#[derive(Debug, Clone)]
struct Target {
    python: Constraint,
    platform: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub package: Package,
    /// The extras that it stands for: there is an entry for each set of them.
    pub extras: BTreeSet<Name>,
    pub python: Option<Constraint>,
    groups: BTreeSet<Name>,
    pub marker: Option<Marker>,
    /// What it requires; read only where it is asked for.
    pub dependencies: Vec<Requirement>,
}

#[derive(Deserialize)]
struct RawLock {
    metadata: RawMetadata,
    #[serde(default)]
    package: Vec<RawPackage>,
}

#[derive(Deserialize)]
struct RawMetadata {
    lock_version: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    strategy: Vec<String>,
    content_hash: Option<String>,
    lock_inputs: Option<toml::Value>,
    #[serde(default)]
    targets: Vec<RawTarget>,
}

#[derive(Deserialize)]
struct RawTarget {
    requires_python: Option<String>,
    platform: Option<String>,
}

#[derive(Deserialize)]
struct RawPackage {
    name: String,
    version: Option<String>,
    #[serde(default)]
    extras: Vec<String>,
    requires_python: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    marker: Option<String>,
    #[serde(default)]
    files: Vec<RawFile>,
    git: Option<String>,
    r#ref: Option<String>,
    revision: Option<String>,
    hg: Option<String>,
    svn: Option<String>,
    url: Option<String>,
    path: Option<String>,
    #[serde(default)]
    editable: bool,
    subdirectory: Option<String>,
}

#[derive(Deserialize)]
struct RawFile {
    file: Option<String>,
    url: Option<String>,
    hash: String,
}

/// Reads the text of a `pdm.lock`.
pub(super) fn read(place: &Place, text: &str) -> Result<Pdm> {
    let raw: RawLock = place.toml(text)?;
    let version = raw.metadata.lock_version.as_deref().unwrap_or("none");
    let mut numbers = version.split('.');
    match (numbers.next(), numbers.next()) {
        (Some("4"), Some("4" | "5")) => {}
        _ => return Err(unsupported(place, version, "4.4 and 4.5")),
    }
    let inherits = raw.metadata.strategy.iter().any(|strategy| strategy == "inherit_metadata");
    let targets = raw.metadata.targets.iter().map(|raw| {
        let python = place.constraint(raw.requires_python.as_deref().unwrap_or("*"))?;
        Ok(Target { python, platform: raw.platform.clone() })
    });
    Ok(Pdm {
        place: place.clone(),
        groups: raw.metadata.groups.iter().map(|group| place.name(group)).collect::<Result<_>>()?,
        targets: targets.collect::<Result<_>>()?,
        entries: raw.package.iter().map(|package| entry(place, package, inherits)).collect::<Result<_>>()?,
        inherits,
        content_hash: raw.metadata.content_hash,
        lock_inputs: raw.metadata.lock_inputs,
    })
}

fn entry(place: &Place, raw: &RawPackage, inherits: bool) -> Result<Entry> {
    let name = place.name(&raw.name)?;
    let source = source(place, &name, raw)?;
    let version = raw.version.as_deref().map(|text| place.version(&name, text)).transpose()?;
    let files = match &source {
        Source::Index { .. } => {
            let files = raw.files.iter().map(|file| dist_file(place, &name, file, None));
            files.collect::<Result<Vec<_>>>()?
        }
        Source::Url { url, .. } => raw
            .files
            .iter()
            .map(|file| dist_file(place, &name, file, Some(url.expose())))
            .collect::<Result<_>>()?,
        Source::File { path } => {
            let filename = path.file_name().unwrap_or_default().to_string_lossy();
            let words = |file: &RawFile| {
                let hash = Some(file.hash.as_str());
                place.dist_file(&name, FileWords { filename: Some(&filename), hash, ..FileWords::default() })
            };
            raw.files.iter().map(words).collect::<Result<_>>()?
        }
        Source::Git { .. } | Source::Directory { .. } => Vec::new(),
    };
    if matches!(source, Source::Index { .. }) && files.is_empty() {
        return Err(place.wrong_package(&name, "it has no files to choose from"));
    }
    let python = raw.requires_python.as_deref().map(|text| place.constraint(text)).transpose();
    let dependencies = raw.dependencies.iter().filter(|_| !inherits).map(|text| {
        let wrong = |e| place.wrong_package(&name, "its requirements cannot be read").because(e);
        parsed(text).map_err(wrong)
    });
    Ok(Entry {
        extras: raw.extras.iter().map(|extra| place.name(extra)).collect::<Result<_>>()?,
        // What authors write there is not always what it should be, and only tells several apart.
        python: python.ok().flatten(),
        dependencies: dependencies.collect::<Result<_>>()?,
        groups: raw.groups.iter().map(|group| place.name(group)).collect::<Result<_>>()?,
        marker: raw.marker.as_deref().map(|text| place.marker(&name, text)).transpose()?,
        package: Package { name, version, source, files, identities: Vec::new() },
    })
}

/// A file; where the package is a URL, that is the file's URL.
fn dist_file(place: &Place, name: &Name, raw: &RawFile, url: Option<&str>) -> Result<DistFile> {
    let url = url.or(raw.url.as_deref());
    place.dist_file(name, FileWords { filename: raw.file.as_deref(), url, hash: Some(&raw.hash), size: None })
}

fn source(place: &Place, name: &Name, raw: &RawPackage) -> Result<Source> {
    if raw.hg.is_some() || raw.svn.is_some() {
        let error = place.wrong_package(name, "it is in a repository that is not git");
        return Err(error.hint("only git repositories can be read"));
    }
    if let Some(git) = &raw.git {
        let rest = GitRest { requested: raw.r#ref.as_deref(), subdirectory: raw.subdirectory.as_deref() };
        return place.git(name, git, raw.revision.as_deref().unwrap_or_default(), rest);
    }
    if let Some(path) = &raw.path {
        let path = place.folder(name, path)?;
        return Ok(match is_archive(&path) {
            true => Source::File { path },
            false => Source::Directory { path, editable: raw.editable },
        });
    }
    match &raw.url {
        Some(url) => local_url(place, name, url, raw),
        None => Ok(Source::Index { url: None }),
    }
}

/// PDM writes folders of the project as `file:///${PROJECT_ROOT}/near`.
fn local_url(place: &Place, name: &Name, url: &str, raw: &RawPackage) -> Result<Source> {
    let inside = url.strip_prefix("file:///${PROJECT_ROOT}").map(|rest| rest.trim_start_matches('/'));
    if let Some(inside) = inside {
        let path = place.folder(name, if inside.is_empty() { "." } else { inside })?;
        return Ok(match is_archive(&path) {
            true => Source::File { path },
            false => Source::Directory { path, editable: raw.editable },
        });
    }
    let subdirectory =
        raw.subdirectory.as_deref().map(|inner| place.inner_folder(name, inner)).transpose()?;
    Ok(Source::Url { url: place.url(name, url)?, subdirectory })
}

/// The packages that a target needs, by the groups that each of them says.
pub(super) fn by_groups(lock: &Pdm, selection: &Selection<'_>, target: &Interpreter) -> Result<Vec<Package>> {
    let markers = Markers::of(target);
    let mut groups = selection.added_groups();
    groups.extend(selection.extras.iter().cloned());
    groups.insert(lock.place.name("default")?);
    let wanted = |entry: &&Entry| {
        !entry.groups.is_disjoint(&groups)
            && entry.marker.as_ref().is_none_or(|marker| marker.holds(&markers, &[], &[]))
    };
    Ok(lock.entries.iter().filter(wanted).map(|entry| entry.package.clone()).collect())
}

/// Refuses a target that the lock was not made for.
pub(super) fn check_target(lock: &Pdm, target: &Interpreter) -> Result<()> {
    if lock.targets.is_empty() {
        return Ok(());
    }
    let here = |platform: &String| {
        let linux = ["linux", "manylinux", "musllinux"].iter().any(|start| platform.starts_with(start));
        let machine = match target.platform.architecture.as_str() {
            "amd64" => ["amd64", "x86_64"],
            "arm64" => ["arm64", "aarch64"],
            other => [other, other],
        };
        // `linux` alone is the machine that asked.
        linux && (platform == "linux" || machine.iter().any(|machine| platform.ends_with(machine)))
    };
    let fits =
        |known: &Target| known.python.allows_python(target) && known.platform.as_ref().is_none_or(here);
    if lock.targets.iter().any(fits) {
        return Ok(());
    }
    let known: Vec<String> = lock
        .targets
        .iter()
        .map(|known| match &known.platform {
            Some(platform) => format!("Python {} on {platform}", known.python),
            None => format!("Python {}", known.python),
        })
        .collect();
    let asked = format!("Python {} on {}", target.version, target.platform);
    Err(Error::usage(format!("{} is for {}, not for {asked}", lock.place.shown(), known.join(" or ")))
        .hint("choose a base with that Python, or add a target with `pdm lock --append`"))
}
