//! `poetry.lock`, versions 1.0 and 1.1 (Poetry 1.0 to 1.2), 2.0 (Poetry 1.3 to 1.8) and 2.1 (Poetry 2).
//!
//! Before 2.0 the files of all packages are in one table, by the packages' names.
//!
//! Since 2.1 each package says which groups it is for and where; before, the answer has to be
//! found by walking the dependencies, see [`super::poetry_walk`].

use std::collections::{BTreeMap, BTreeSet};

use pep440_rs::Version;
use serde::Deserialize;
use toml::Value;

use super::place::{FileWords, GitRest, Place, short};
use super::{Selection, unsupported};
use crate::error::Result;
use crate::python::{Constraint, DistFile, Interpreter, Marker, Markers, Name, Package, Source};

/// A `poetry.lock`.
#[derive(Debug, Clone)]
pub(super) struct Poetry {
    pub place: Place,
    pub entries: Vec<Entry>,
    pub extras: BTreeSet<Name>,
    pub content_hash: Option<String>,
    /// Whether packages say their groups.
    pub(super) has_groups: bool,
    /// The version of Poetry that wrote it, if it says so.
    pub written_by: Option<Version>,
}

/// A package.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub package: Package,
    pub python: Constraint,
    /// The groups that it is for, each with where it is wanted.
    groups: BTreeMap<Name, Option<Marker>>,
    /// As the file has them; only a walk needs them.
    pub dependencies: BTreeMap<String, Value>,
    /// Its extras, and the names of what each adds.
    pub extras: BTreeMap<Name, BTreeSet<Name>>,
}

#[derive(Deserialize)]
struct RawLock {
    #[serde(default)]
    package: Vec<RawPackage>,
    #[serde(default)]
    extras: BTreeMap<String, Vec<String>>,
    metadata: RawMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawMetadata {
    lock_version: Option<String>,
    python_versions: Option<String>,
    content_hash: Option<String>,
    /// Before 2.0: of which package each file is, but not of which of its versions.
    files: Option<BTreeMap<String, Vec<RawFile>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawPackage {
    name: String,
    version: String,
    python_versions: Option<String>,
    groups: Option<Vec<String>>,
    markers: Option<RawMarkers>,
    #[serde(default)]
    files: Vec<RawFile>,
    #[serde(default)]
    develop: bool,
    #[serde(default)]
    dependencies: BTreeMap<String, Value>,
    #[serde(default)]
    extras: BTreeMap<String, Vec<String>>,
    source: Option<RawSource>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawMarkers {
    Everywhere(String),
    ByGroup(BTreeMap<String, String>),
}

#[derive(Clone, Deserialize)]
struct RawFile {
    file: String,
    hash: String,
    url: Option<String>,
    size: Option<u64>,
}

#[derive(Deserialize)]
struct RawSource {
    #[serde(rename = "type")]
    kind: String,
    url: String,
    reference: Option<String>,
    resolved_reference: Option<String>,
    subdirectory: Option<String>,
}

/// Reads the text of a `poetry.lock`, and what it says of Python.
pub(super) fn read(place: &Place, text: &str) -> Result<(Poetry, Option<Constraint>)> {
    let mut raw: RawLock = place.toml(text)?;
    let version = raw.metadata.lock_version.as_deref().unwrap_or("none");
    let has_groups = match version.split_once('.') {
        Some(("1", _)) if raw.metadata.files.is_none() => {
            let version = format!("{version} without the hashes of files");
            return Err(unsupported(place, &version, READ));
        }
        Some(("1", "0" | "1") | ("2", "0")) => false,
        Some(("2", minor)) if minor.parse::<u32>().is_ok() => true,
        _ => return Err(unsupported(place, version, READ)),
    };
    if let Some(files) = raw.metadata.files.take() {
        hand_out(&files, &mut raw.package);
    }
    let entries: Vec<Entry> =
        raw.package.iter().map(|package| entry(place, package, has_groups)).collect::<Result<_>>()?;
    let extras = raw.extras.keys().map(|extra| place.name(extra)).collect::<Result<_>>()?;
    let python = raw.metadata.python_versions.as_deref().map(|text| place.constraint(text)).transpose()?;
    let lock = Poetry {
        place: place.clone(),
        entries,
        extras,
        content_hash: raw.metadata.content_hash,
        has_groups,
        written_by: writer(text),
    };
    Ok((lock, python))
}

/// What is read.
const READ: &str = "1.0, 1.1, 2.0 and 2.1";

/// Gives each package its files out of the table of all. Where it has several versions there, their names tell.
fn hand_out(files: &BTreeMap<String, Vec<RawFile>>, packages: &mut [RawPackage]) {
    // What is no name is refused with its package.
    let plain = |name: &str| name.parse::<Name>().ok();
    let files: BTreeMap<Option<Name>, &Vec<RawFile>> =
        files.iter().map(|(name, list)| (plain(name), list)).collect();
    let mut names: BTreeMap<Option<Name>, usize> = BTreeMap::new();
    for package in packages.iter() {
        *names.entry(plain(&package.name)).or_default() += 1;
    }
    for package in packages.iter_mut().filter(|package| package.files.is_empty()) {
        let name = plain(&package.name);
        let all = files.get(&name).into_iter().copied().flatten();
        let version = format!("-{}", package.version);
        let is_of_it = |file: &&RawFile| {
            let rest = file.file.split_once(&version).map(|(_, rest)| rest);
            names.get(&name) == Some(&1)
                || rest.is_some_and(|rest| {
                    let digit = |c: char| c.is_ascii_digit();
                    rest.starts_with('-')
                        || rest.strip_prefix('.').is_some_and(|rest| !rest.starts_with(digit))
                })
        };
        package.files = all.filter(is_of_it).cloned().collect();
    }
}

/// The first line says `# This file is automatically @generated by Poetry 2.5.1 and ...`.
fn writer(text: &str) -> Option<Version> {
    let (_, after) = text.lines().next()?.split_once("Poetry ")?;
    after.split_whitespace().next()?.parse().ok()
}

fn entry(place: &Place, raw: &RawPackage, has_groups: bool) -> Result<Entry> {
    let name = place.name(&raw.name)?;
    let files = raw.files.iter().map(|file| dist_file(place, &name, file)).collect::<Result<Vec<_>>>()?;
    let package = package(place, &name, raw, files)?;
    let python = place.constraint(raw.python_versions.as_deref().unwrap_or("*"))?;
    let mut extras = BTreeMap::new();
    for (extra, added) in &raw.extras {
        // An extra of somebody's metadata need not have a proper name; then nobody can ask for it.
        let Ok(extra) = extra.parse::<Name>() else { continue };
        let added = added.iter().filter_map(|text| leading_name(text));
        extras.entry(extra).or_insert_with(BTreeSet::new).extend(added);
    }
    let groups = match (&raw.groups, has_groups) {
        (Some(groups), _) => by_group(place, &name, groups, raw.markers.as_ref())?,
        (None, true) => return Err(place.wrong_package(&name, "it lists no groups")),
        (None, false) => BTreeMap::new(),
    };
    Ok(Entry { package, python, groups, dependencies: raw.dependencies.clone(), extras })
}

/// The name that a requirement such as `colorama (>=0.4)` begins with.
fn leading_name(text: &str) -> Option<Name> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'));
    text.get(..end.unwrap_or(text.len()))?.parse().ok()
}

fn by_group(
    place: &Place,
    name: &Name,
    groups: &[String],
    markers: Option<&RawMarkers>,
) -> Result<BTreeMap<Name, Option<Marker>>> {
    let marker = |text: &String| place.marker(name, text);
    let mut found = BTreeMap::new();
    for group in groups {
        let where_wanted = match markers {
            None => None,
            Some(RawMarkers::Everywhere(text)) => Some(marker(text)?),
            Some(RawMarkers::ByGroup(by_group)) => by_group.get(group).map(marker).transpose()?,
        };
        found.insert(place.name(group)?, where_wanted);
    }
    Ok(found)
}

fn dist_file(place: &Place, name: &Name, raw: &RawFile) -> Result<DistFile> {
    place.dist_file(
        name,
        FileWords {
            filename: Some(&raw.file),
            url: raw.url.as_deref(),
            hash: Some(&raw.hash),
            size: raw.size,
        },
    )
}

fn package(place: &Place, name: &Name, raw: &RawPackage, mut files: Vec<DistFile>) -> Result<Package> {
    let version = Some(place.version(name, &raw.version)?);
    let source = match &raw.source {
        None => Source::Index { url: None },
        Some(source) => from_elsewhere(place, name, source, raw.develop)?,
    };
    match &source {
        Source::Index { .. } if files.is_empty() => {
            return Err(place.wrong_package(name, "it has no files to choose from"));
        }
        Source::Url { url, .. } => {
            if let Some(only) = files.first_mut() {
                only.url = Some(url.clone());
            }
        }
        Source::Directory { .. } | Source::Git { .. } => files.clear(),
        Source::Index { .. } | Source::File { .. } => {}
    }
    Ok(Package { name: name.clone(), version, source, files, identities: Vec::new() })
}

fn from_elsewhere(place: &Place, name: &Name, raw: &RawSource, editable: bool) -> Result<Source> {
    let subdirectory =
        || raw.subdirectory.as_deref().map(|folder| place.inner_folder(name, folder)).transpose();
    Ok(match raw.kind.as_str() {
        "legacy" => Source::Index { url: Some(place.url(name, &raw.url)?) },
        "git" => {
            let commit = raw.resolved_reference.as_deref().unwrap_or_default();
            let rest =
                GitRest { requested: raw.reference.as_deref(), subdirectory: raw.subdirectory.as_deref() };
            place.git(name, &raw.url, commit, rest)?
        }
        "url" => Source::Url { url: place.url(name, &raw.url)?, subdirectory: subdirectory()? },
        "directory" => Source::Directory { path: place.folder(name, &raw.url)?, editable },
        "file" => Source::File { path: place.folder(name, &raw.url)? },
        other => {
            return Err(
                place.wrong_package(name, format!("its source is of the unknown kind {:?}", short(other)))
            );
        }
    })
}

/// The packages that a target needs, by the groups that each of them says.
pub(super) fn by_groups(
    lock: &Poetry,
    selection: &Selection<'_>,
    target: &Interpreter,
) -> Result<Vec<Package>> {
    let markers = Markers::of(target);
    let extras: Vec<Name> = selection.extras.iter().cloned().collect();
    let mut groups = selection.added_groups();
    groups.insert(lock.place.name("main")?);
    let wanted = |entry: &&Entry| {
        entry.groups.iter().any(|(group, marker)| {
            groups.contains(group) && marker.as_ref().is_none_or(|m| m.holds(&markers, &extras, &[]))
        })
    };
    Ok(lock.entries.iter().filter(wanted).map(|entry| entry.package.clone()).collect())
}

/// The groups of the lock and of the project; one that holds nothing is only in the latter.
pub(super) fn known_groups(lock: &Poetry, selection: &Selection<'_>) -> BTreeSet<Name> {
    let mut known: BTreeSet<Name> =
        lock.entries.iter().flat_map(|entry| entry.groups.keys().cloned()).collect();
    for path in ["tool.poetry.group", "dependency-groups"] {
        let table = selection.project.at(path).and_then(Value::as_table);
        known.extend(table.into_iter().flatten().filter_map(|(group, _)| group.parse().ok()));
    }
    if selection.project.at("tool.poetry.dev-dependencies").is_some() {
        known.extend("dev".parse::<Name>());
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::lock::{LockKind, ProjectFacts, check_fresh, read, select};
    use crate::python::{Libc, PythonVersion};

    const PYPROJECT: &str = "[tool.poetry]\nname = 'old'\n[tool.poetry.dependencies]\npython = '^3.9'\nclick = '^8.0'\n\
                             importlib-metadata = [{ version = '<5', python = '<3.10' }, { version = '>=5', python = '>=3.10' }]\n\
                             [tool.poetry.dev-dependencies]\npytest = '^7'\n";

    /// As Poetry 1.1 writes it.
    fn lock(files: &str) -> String {
        let package = |name: &str, version: &str, more: &str| {
            format!(
                "[[package]]\nname = '{name}'\nversion = '{version}'\ndescription = ''\ncategory = 'main'\noptional = false\n\
                 python-versions = '>=3.7'\n{more}\n"
            )
        };
        [
            package("click", "8.0.1", "[package.dependencies]\ncolorama = { version = '*', markers = \"platform_system == 'Windows'\" }"),
            package("colorama", "0.4.4", ""),
            package("importlib-metadata", "4.6.4", ""),
            package("importlib-metadata", "4.6.4.1", ""),
            package("pytest", "7.0.0", ""),
            "[metadata]\nlock-version = '1.1'\npython-versions = '^3.9'\ncontent-hash = 'HASH'\n".into(),
            files.to_owned(),
        ]
        .concat()
        .replace("'4.6.4.1'", "'5.0.0'")
    }

    const FILES: &str = "[metadata.files]\nclick = [{ file = 'click-8.0.1-py3-none-any.whl', hash = 'sha256:00' }]\n\
                         colorama = [{ file = 'colorama-0.4.4-py2.py3-none-any.whl', hash = 'sha256:00' }]\n\
                         importlib-metadata = [\n{ file = 'importlib_metadata-4.6.4-py3-none-any.whl', hash = 'sha256:00' },\n\
                         { file = 'importlib_metadata-5.0.0-py3-none-any.whl', hash = 'sha256:00' },\n\
                         { file = 'importlib_metadata-5.0.0.tar.gz', hash = 'sha256:00' },\n]\n\
                         pytest = [{ file = 'pytest-7.0.0-py3-none-any.whl', hash = 'sha256:00' }]\n";

    #[test]
    fn locks_of_old_poetrys_are_read_where_they_have_hashes() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("poetry.lock");
        let pyproject: toml::Table = PYPROJECT.parse().expect("TOML");
        let write = |files: &str| {
            let text = lock(files).replace("'sha256:00'", &format!("'sha256:{}'", "0".repeat(64)));
            std::fs::write(&path, text).expect("written");
            read(&path, LockKind::Poetry)
        };
        let lock = write(FILES).expect("it is read");
        let project = ProjectFacts { dir: dir.path(), pyproject: Some(&pyproject), members: None };
        let chosen = |minor: u32| -> Vec<String> {
            let target = Interpreter {
                path: String::new(),
                version: PythonVersion { major: 3, minor, micro: 0 },
                libc: Libc::Glibc { major: 2, minor: 36 },
                platform: "linux/amd64".parse().expect("a platform"),
            };
            let selection = Selection { groups: BTreeSet::new(), extras: BTreeSet::new(), project };
            let packages = select(&lock, &selection, &target).expect("chosen");
            packages.into_iter().flat_map(|package| package.files).map(|file| file.filename).collect()
        };
        assert_eq!(chosen(9), ["click-8.0.1-py3-none-any.whl", "importlib_metadata-4.6.4-py3-none-any.whl"]);
        assert_eq!(
            chosen(12),
            [
                "click-8.0.1-py3-none-any.whl",
                "importlib_metadata-5.0.0-py3-none-any.whl",
                "importlib_metadata-5.0.0.tar.gz"
            ]
        );
        assert!(check_fresh(&lock, &project).is_err(), "its hash is another one");
        let refused = write("").expect_err("nothing vouches for the files");
        assert!(refused.to_string().contains("1.1 without the hashes of files"), "{refused}");
        assert!(refused.hint_text().is_some_and(|hint| hint.contains("poetry lock")), "{refused:?}");
    }
}
