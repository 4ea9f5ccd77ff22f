//! `requirements.txt`, where each line pins an exact version.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use pep440_rs::{Operator, Version};

use super::place::{Place, decoded, is_archive, joined, short};
use super::requirements_line::{Line, logical_lines, parse};
use super::requirements_url::{Elsewhere, from_url, name_of_archive};
use super::{Indexes, Selection};
use crate::error::{Error, Result};
use crate::python::{DistFile, Hash, Interpreter, Marker, Markers, Name, Package, Requirement, Source};
use crate::read;

/// A requirements file with all that it includes.
#[derive(Debug, Clone)]
pub(super) struct Requirements {
    place: Place,
    pins: Vec<Pin>,
    constraints: Vec<Requirement>,
    pub indexes: Indexes,
}

/// One requirement.
#[derive(Debug, Clone)]
struct Pin {
    /// `requirements.txt line 3`.
    at: At,
    wanted: Wanted,
    marker: Option<Marker>,
    hashes: Vec<Hash>,
}

#[derive(Debug, Clone)]
enum Wanted {
    /// A distribution of an index.
    Named(Requirement),
    /// A path, which is relative to the project, and a name where one is given.
    Local { path: String, editable: bool, name: Option<Name> },
    /// An archive or a repository by its URL.
    Elsewhere(Elsewhere),
}

/// More files than any project includes.
const MOST_FILES: usize = 200;

/// A line of a file, for messages.
#[derive(Debug, Clone)]
struct At {
    line: String,
    /// Whether the file is the project's own. What `-r /etc/shadow` leads to is not shown.
    quotable: bool,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl At {
    /// The error, without any of its words where they may hold what the file does.
    fn discreet(&self, error: Error) -> Error {
        if self.quotable {
            return error;
        }
        let hint = error.hint_text().unwrap_or("each line is a requirement with an exact version").to_owned();
        Error::new(error.kind(), format!("{self} cannot be read"))
            .because("the file is outside of the project, so what it says is not shown")
            .hint(hint)
    }
}

struct Reader<'a> {
    place: &'a Place,
    found: Requirements,
    /// The files that are being read, the outermost first.
    open: Vec<PathBuf>,
    files: usize,
}

/// Reads the text of a requirements file, and the files that it includes.
pub(super) fn read(place: &Place, text: &str) -> Result<Requirements> {
    let found = collect(place, text)?;
    for pin in &found.pins {
        check_pinned(&found, pin)?;
    }
    check_hashes(&found)?;
    Ok(found)
}

/// What a file and those that it includes say, pinned or not.
fn collect(place: &Place, text: &str) -> Result<Requirements> {
    let found = Requirements {
        place: place.clone(),
        pins: Vec::new(),
        constraints: Vec::new(),
        indexes: Indexes::default(),
    };
    let mut reader = Reader { place, found, open: vec![place.path.clone()], files: 1 };
    reader.read_file(&place.path, text, false)?;
    Ok(reader.found)
}

/// The indexes that a requirements file names, and those that it includes do.
pub(super) fn indexes(place: &Place, text: &str) -> Result<Indexes> {
    collect(place, text).map(|found| found.indexes)
}

/// Each name has an exact version, its own or a constraint's.
fn check_pinned(found: &Requirements, pin: &Pin) -> Result<()> {
    let Wanted::Named(requirement) = &pin.wanted else { return Ok(()) };
    let constrained = found
        .constraints
        .iter()
        .any(|constraint| constraint.name == requirement.name && exact(constraint).is_some());
    if exact(requirement).is_some() || constrained {
        return Ok(());
    }
    let name = if pin.at.quotable { requirement.name.as_str() } else { "the requirement" };
    Err(Error::usage(format!("{}: {name} has no exact version", pin.at))
        .hint("pin everything: containerize lock, or uv pip compile --generate-hashes, or pip-compile"))
}

/// As for pip: if one has a digest, all must have.
fn check_hashes(found: &Requirements) -> Result<()> {
    let needs = |pin: &&Pin| !matches!(pin.wanted, Wanted::Local { .. });
    if found.pins.iter().all(|pin| pin.hashes.is_empty()) {
        return Ok(());
    }
    match found.pins.iter().filter(needs).find(|pin| pin.hashes.is_empty() && !pin.is_proven()) {
        None => Ok(()),
        Some(bare) => Err(Error::usage(format!("{}: it has no digest, and others have", bare.at))
            .hint("uv pip compile --generate-hashes writes them all")),
    }
}

impl Pin {
    /// Whether what it names proves itself: a commit, a digest in the URL.
    fn is_proven(&self) -> bool {
        match &self.wanted {
            Wanted::Elsewhere(elsewhere) => {
                elsewhere.hash.is_some() || matches!(elsewhere.source, Source::Git { .. })
            }
            Wanted::Named(_) | Wanted::Local { .. } => false,
        }
    }
}

impl Requirements {
    /// What it asks for by name, with extras.
    pub(super) fn wanted(&self) -> Vec<Requirement> {
        let named = |pin: &Pin| match &pin.wanted {
            Wanted::Named(requirement) => Some(requirement.clone()),
            Wanted::Local { .. } | Wanted::Elsewhere(_) => None,
        };
        self.pins.iter().filter_map(named).collect()
    }

    /// The digests of what it names.
    pub(super) fn pinned_hashes(&self) -> BTreeMap<Name, BTreeSet<Hash>> {
        let mut found = BTreeMap::<Name, BTreeSet<Hash>>::new();
        for pin in self.pins.iter().filter(|pin| !pin.hashes.is_empty()) {
            if let Wanted::Named(requirement) = &pin.wanted {
                found.entry(requirement.name.clone()).or_default().extend(pin.hashes.iter().cloned());
            }
        }
        found
    }

    /// What the user should know.
    pub(super) fn note(&self) -> Option<String> {
        let bare =
            self.pins.iter().filter(|pin| matches!(pin.wanted, Wanted::Named(_)) && pin.hashes.is_empty());
        let bare = bare.count();
        (bare > 0).then(|| {
            format!(
                "{} has no digests for {bare} of its lines, so the index's are trusted",
                self.place.shown()
            )
        })
    }
}

impl Reader<'_> {
    fn read_file(&mut self, path: &Path, text: &str, constraints: bool) -> Result<()> {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let quotable = read::may_be_quoted(path, &self.place.dir);
        for (number, line) in logical_lines(text) {
            let at = At { line: format!("{file} line {number}"), quotable };
            self.read_line(path, &at, &line, constraints).map_err(|error| at.discreet(error))?;
        }
        Ok(())
    }

    fn read_line(&mut self, path: &Path, at: &At, line: &str, constraints: bool) -> Result<()> {
        let wrong = |e: Error| Error::usage(format!("{at} cannot be read: {}", short(line))).because(e);
        if line.contains("${") && line.contains('}') {
            let error = Error::usage(format!("{at} asks for a variable of the environment"));
            return Err(error.hint("write the value, or give indexes and credentials to containerize itself"));
        }
        for said in parse(line).map_err(wrong)? {
            self.take(path, at, said, constraints)?;
        }
        Ok(())
    }

    fn take(&mut self, file: &Path, at: &At, line: Line, constraints: bool) -> Result<()> {
        let indexes = &mut self.found.indexes;
        match line {
            Line::Include(name) => return self.include(file, at, &name, constraints),
            Line::Constrain(name) => return self.include(file, at, &name, true),
            Line::Index(url) => indexes.index = Some(address(at, &url)?.into()),
            Line::ExtraIndex(url) => indexes.extra.push(address(at, &url)?.into()),
            Line::NoIndex => indexes.no_index = true,
            Line::NoBinary(words) => indexes.no_binary.push(words),
            Line::OnlyBinary(words) => indexes.only_binary.push(words),
            Line::FindLinks(text) => {
                let is_url = text.contains("://");
                let folder = file.parent().unwrap_or(file);
                let link =
                    if is_url { address(at, &text)? } else { joined(folder, &text).display().to_string() };
                indexes.find_links.push(link.into());
            }
            Line::Editable(text) => {
                let pin = self.pin(at, &text, Vec::new(), true)?;
                self.found.pins.push(pin);
            }
            Line::Requirement { text, .. } if constraints => {
                // A constraint may be a URL as well; those bind nothing that is pinned here.
                self.found.constraints.extend(text.parse::<Requirement>().ok());
            }
            Line::Requirement { text, hashes } => {
                let pin = self.pin(at, &text, hashes, false)?;
                self.found.pins.push(pin);
            }
        }
        Ok(())
    }

    fn include(&mut self, file: &Path, at: &At, name: &str, constraints: bool) -> Result<()> {
        if name.contains("://") {
            return Err(Error::usage(format!("{at} includes {}, which is not on this machine", short(name)))
                .hint("only files are included"));
        }
        let path = joined(file.parent().unwrap_or(file), name);
        self.files += 1;
        if self.open.contains(&path) {
            return Err(Error::usage(format!("{at} includes {name}, which includes this file")));
        }
        if self.files > MOST_FILES {
            return Err(Error::usage(format!("{at}: more than {MOST_FILES} files are included")));
        }
        let text = super::read_text(&path)
            .map_err(|e| Error::usage(format!("{at} includes {name}, which cannot be read")).because(e))?;
        self.open.push(path.clone());
        self.read_file(&path, &text, constraints)?;
        self.open.pop();
        Ok(())
    }

    fn pin(&self, at: &At, text: &str, hashes: Vec<String>, editable: bool) -> Result<Pin> {
        let wrong = |e: Error| Error::usage(format!("{at} cannot be read: {}", short(text))).because(e);
        let (wanted, marker) = self.wanted(text, editable).map_err(wrong)?;
        let read = |text: &String| {
            Hash::parse(text).ok_or_else(|| {
                Error::integrity(format!("{at}: {:?} is no digest to rely on", short(text)))
                    .hint("sha256, sha384 and sha512 are digests to rely on")
            })
        };
        let hashes = hashes.iter().map(read).collect::<Result<_>>()?;
        Ok(Pin { at: at.clone(), wanted, marker, hashes })
    }

    fn wanted(&self, text: &str, editable: bool) -> Result<(Wanted, Option<Marker>)> {
        let (bare, marker) = match text.split_once(" ;").or_else(|| text.split_once("; ")) {
            Some((bare, marker)) => (bare.trim(), Some(marker)),
            None => (text, None),
        };
        if is_url(bare) {
            let marker = marker.map(Marker::parse).transpose()?;
            return Ok((self.elsewhere(None, bare, editable)?, marker));
        }
        if editable || is_path(bare) {
            let marker = marker.map(Marker::parse).transpose()?;
            let path = without_extras(bare).to_owned();
            return Ok((Wanted::Local { path, editable, name: None }, marker));
        }
        let requirement: Requirement = text.parse()?;
        let marker = requirement.marker.clone();
        match requirement.url.clone() {
            Some(url) => Ok((self.elsewhere(Some(requirement.name), &url, editable)?, marker)),
            None => Ok((Wanted::Named(requirement), marker)),
        }
    }

    fn elsewhere(&self, name: Option<Name>, url: &str, editable: bool) -> Result<Wanted> {
        if let Some(path) = url.strip_prefix("file:") {
            let path = decoded(path.split('#').next().unwrap_or(path));
            let path = path.strip_prefix("//").unwrap_or(&path);
            let path = path.strip_prefix("localhost").unwrap_or(path);
            return Ok(Wanted::Local { path: without_extras(path).to_owned(), editable, name });
        }
        from_url(self.place, name, url).map(Wanted::Elsewhere)
    }
}

fn address(at: &At, text: &str) -> Result<String> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "https" | "http") => Ok(text.to_owned()),
        _ => Err(Error::usage(format!("{at}: {} is no address of an index", short(text)))
            .hint("only https:// and http:// are asked")),
    }
}

fn is_url(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-');
    !scheme.is_empty() && scheme.chars().all(good) && (text.contains("://") || scheme == "file")
}

fn is_path(text: &str) -> bool {
    let path =
        text.starts_with(['.', '/']) || (text.contains('/') && !text.contains(" @") && !text.contains('@'));
    path || (is_archive(Path::new(text)) && !text.contains("==") && !text.contains("://"))
}

/// `./folder[extra]` without the extras.
fn without_extras(text: &str) -> &str {
    match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        Some((path, _)) => path,
        None => text,
    }
}

/// The version that a requirement leaves as the only one.
fn exact(requirement: &Requirement) -> Option<Version> {
    let clauses = requirement.specifiers.iter().flat_map(|all| all.iter());
    let is_exact = |operator: &Operator| matches!(operator, Operator::Equal | Operator::ExactEqual);
    let mut exact = clauses.filter(|clause| is_exact(clause.operator()));
    exact.next().map(|clause| clause.version().clone())
}

/// The packages that a target needs.
pub(super) fn select(
    lock: &Requirements,
    selection: &Selection<'_>,
    target: &Interpreter,
) -> Result<Vec<Package>> {
    selection.check(&lock.place.shown(), &BTreeSet::new(), &BTreeSet::new())?;
    let markers = Markers::of(target);
    let holds = |marker: Option<&Marker>| marker.is_none_or(|marker| marker.holds(&markers, &[], &[]));
    let constraints: Vec<&Requirement> =
        lock.constraints.iter().filter(|constraint| holds(constraint.marker.as_ref())).collect();
    let mut found: BTreeMap<usize, Package> = BTreeMap::new();
    for (at, pin) in lock.pins.iter().enumerate().filter(|(_, pin)| holds(pin.marker.as_ref())) {
        let package = match &pin.wanted {
            Wanted::Named(requirement) => Some(named(pin, requirement, &constraints)?),
            Wanted::Local { path, editable, name } => local(pin, selection, path, *editable, name.as_ref())?,
            Wanted::Elsewhere(elsewhere) => Some(elsewhere.package(&lock.place, &pin.hashes)?),
        };
        found.extend(package.map(|package| (at, package)));
    }
    Ok(found.into_values().collect())
}

fn named(pin: &Pin, requirement: &Requirement, constraints: &[&Requirement]) -> Result<Package> {
    let name = &requirement.name;
    let mine = || constraints.iter().filter(|constraint| constraint.name == *name);
    let version = exact(requirement).or_else(|| mine().find_map(|constraint| exact(constraint)));
    let Some(version) = version else {
        return Err(Error::usage(format!("{}: {name} has no exact version here", pin.at)));
    };
    let refused = mine().find(|constraint| !constraint.allows(&version));
    if let Some(refused) = refused.copied().or_else(|| Some(requirement).filter(|r| !r.allows(&version))) {
        return Err(Error::usage(format!("{}: {name} {version} is not what {refused} allows", pin.at)));
    }
    // Which digest is which file's, the format does not say: one entry each, without a name.
    let files = pin.hashes.iter().map(|hash| DistFile {
        filename: String::new(),
        url: None,
        size: None,
        hashes: vec![hash.clone()],
        yanked: false,
    });
    Ok(Package {
        name: name.clone(),
        version: Some(version),
        source: Source::Index { url: None },
        files: files.collect(),
    })
}

/// A path; `None` for the project itself.
fn local(
    pin: &Pin,
    selection: &Selection<'_>,
    path: &str,
    editable: bool,
    name: Option<&Name>,
) -> Result<Option<Package>> {
    let dir = std::path::absolute(selection.project.dir)
        .map_err(|e| Error::usage(format!("{} is no path", selection.project.dir.display())).because(e))?;
    let dir = joined(&dir, ".");
    let path = joined(&dir, path);
    if path == dir {
        return Ok(None);
    }
    let nameless = || {
        Error::usage(format!("{}: what is in {} has no name", pin.at, path.display()))
            .hint("write it as name @ file:///path")
    };
    if is_archive(&path) {
        let filename = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = name.cloned().or_else(|| name_of_archive(&filename)).ok_or_else(nameless)?;
        let file = DistFile { filename, url: None, size: None, hashes: pin.hashes.clone(), yanked: false };
        let files = if pin.hashes.is_empty() { Vec::new() } else { vec![file] };
        return Ok(Some(Package { name, version: None, source: Source::File { path }, files }));
    }
    let name = name.cloned().or_else(|| name_of_folder(&path)).ok_or_else(nameless)?;
    let source = Source::Directory { path, editable };
    Ok(Some(Package { name, version: None, source, files: Vec::new() }))
}

/// The name that a project's `pyproject.toml` gives it.
fn name_of_folder(path: &Path) -> Option<Name> {
    let text = read::text(&path.join("pyproject.toml"), read::DOCUMENT).ok()?;
    let table: toml::Table = toml::from_str(&text).ok()?;
    super::ProjectFacts { dir: path, pyproject: Some(&table) }.name()
}
