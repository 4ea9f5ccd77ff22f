//! `requirements.txt`, where each line pins an exact version.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use pep440_rs::{Operator, Version};

use super::Indexes;
use super::place::{Place, decoded, is_archive, joined, short};
use super::requirements_line::{Line, logical_lines, parse};
use super::requirements_url::{Elsewhere, from_url, hash_in};
use crate::error::{Error, Result};
use crate::python::requirements_text::{expand, unset};
use crate::python::{Hash, Marker, Name, Requirement, Source};
use crate::read;
use crate::system::System;
use crate::words;
use crate::words::Command;

mod select;

pub(super) use select::select;

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
    Local { path: String, editable: bool, name: Option<Name>, hash: Option<Hash> },
    /// An archive or a repository by its URL.
    Elsewhere(Elsewhere),
}

/// More files than any project includes.
pub(super) const MOST_FILES: usize = 200;

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
            .because("the file is outside the project, so its content is not shown")
            .hint(hint)
    }
}

struct Reader<'a> {
    place: &'a Place,
    variables: &'a BTreeMap<String, String>,
    found: Requirements,
    /// The files that are being read, the outermost first.
    open: Vec<PathBuf>,
    files: usize,
}

/// Reads the text of a requirements file, and the files that it includes.
pub(super) fn read(place: &Place, text: &str, variables: &BTreeMap<String, String>) -> Result<Requirements> {
    let found = lines(place, text, variables)?;
    for pin in &found.pins {
        check_pinned(&found, pin)?;
    }
    check_hashes(&found)?;
    Ok(found)
}

/// The indexes that a requirements file names, and those that it includes do.
pub(super) fn indexes(place: &Place, text: &str, variables: &BTreeMap<String, String>) -> Result<Indexes> {
    lines(place, text, variables).map(|found| found.indexes)
}

/// What the lines say, whether or not it is enough.
fn lines(place: &Place, text: &str, variables: &BTreeMap<String, String>) -> Result<Requirements> {
    let found = Requirements {
        place: place.clone(),
        pins: Vec::new(),
        constraints: Vec::new(),
        indexes: Indexes::default(),
    };
    let mut reader = Reader { place, variables, found, open: vec![place.path.clone()], files: 1 };
    reader.read_file(&place.path, text, false)?;
    Ok(reader.found)
}

/// Each name has an exact version: its own, that of another line, or a constraint's.
fn check_pinned(found: &Requirements, pin: &Pin) -> Result<()> {
    let Wanted::Named(requirement) = &pin.wanted else { return Ok(()) };
    let constrained = found
        .constraints
        .iter()
        .any(|constraint| constraint.name == requirement.name && exact(constraint).is_some());
    // An extra may stand on a line of its own, beside the one that pins the name.
    let elsewhere = || found.pins.iter().any(|other| other.pins(&requirement.name));
    if exact(requirement).is_some() || constrained || elsewhere() {
        return Ok(());
    }
    let name = if pin.at.quotable { requirement.name.as_str() } else { "the requirement" };
    Err(Error::usage(format!("{}: {name} has no exact version", pin.at)).hint(words!(
        "pin everything with `{}`, `uv pip compile --generate-hashes` or `pip-compile`",
        Command::LOCK
    )))
}

/// As for pip: if one has a digest, all must have.
fn check_hashes(found: &Requirements) -> Result<()> {
    let needs = |pin: &&Pin| !matches!(pin.wanted, Wanted::Local { .. });
    if found.pins.iter().all(|pin| pin.hashes.is_empty()) {
        return Ok(());
    }
    match found.pins.iter().filter(needs).find(|pin| pin.hashes.is_empty() && !pin.is_proven()) {
        None => Ok(()),
        Some(bare) => Err(Error::usage(format!("{}: it has no digest, but others have one", bare.at))
            .hint("`uv pip compile --generate-hashes` writes them all")),
    }
}

impl Pin {
    /// Whether it leaves one choice for a name.
    fn pins(&self, name: &Name) -> bool {
        match &self.wanted {
            Wanted::Named(requirement) => requirement.name == *name && exact(requirement).is_some(),
            Wanted::Local { name: own, .. } => own.as_ref() == Some(name),
            Wanted::Elsewhere(elsewhere) => elsewhere.name == *name,
        }
    }

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

    /// The names of all that it pins, as far as they are told.
    pub(super) fn names(&self) -> BTreeSet<Name> {
        let name = |pin: &Pin| match &pin.wanted {
            Wanted::Named(requirement) => Some(requirement.name.clone()),
            Wanted::Local { name, .. } => name.clone(),
            Wanted::Elsewhere(elsewhere) => Some(elsewhere.name.clone()),
        };
        self.pins.iter().filter_map(name).collect()
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
        if let Some(name) = unset(line, self.variables) {
            let error = Error::usage(format!("{at} uses the variable {name}, which is not set"));
            return Err(error.hint(format!("set {name}, or write its value instead")));
        }
        let expanded = expand(line, self.variables);
        if expanded == line {
            return parse(line)
                .map_err(wrong)?
                .into_iter()
                .try_for_each(|said| self.take(path, at, said, constraints));
        }
        // What a variable holds may be a secret, so no message repeats it.
        let discreet = |e: Error| {
            let hint = e.hint_text().unwrap_or("check the values of its variables").to_owned();
            Error::new(e.kind(), format!("{at} cannot be read: {}", short(line))).hint(hint)
        };
        let said = parse(&expanded).map_err(discreet)?;
        let written = parse(line).unwrap_or_default();
        let same = said.len() == written.len();
        for (place, said) in said.into_iter().enumerate() {
            let written = written.get(place).filter(|_| same).cloned();
            self.take(path, at, said.or_written(written), constraints).map_err(discreet)?;
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
            Line::TrustedHost(host) => indexes.trusted_hosts.push(host),
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
                .hint("only local files can be included"));
        }
        let path = joined(file.parent().unwrap_or(file), name);
        self.files += 1;
        if self.open.contains(&path) {
            return Err(Error::usage(format!("{at} includes {name}, which includes this file")));
        }
        if self.files > MOST_FILES {
            return Err(Error::usage(format!("{at}: more than {MOST_FILES} files are included")));
        }
        let text = super::requirements_text_of(&path)
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
                Error::integrity(format!("{at}: {:?} is not a strong digest", short(text)))
                    .hint("use sha256, sha384 or sha512")
            })
        };
        let hashes = hashes.iter().map(read).collect::<Result<_>>()?;
        Ok(Pin { at: at.clone(), wanted, marker, hashes })
    }

    fn wanted(&self, text: &str, editable: bool) -> Result<(Wanted, Option<Marker>)> {
        // A semicolon with nothing behind it says nothing.
        let text = if is_url(text) { text } else { text.strip_suffix(';').map_or(text, str::trim_end) };
        let split = |sign: &str| match text.split_once(sign) {
            Some((bare, marker)) => (bare.trim(), Some(marker)),
            None => (text, None),
        };
        // A URL may hold a semicolon.
        let (bare, marker) = if is_url(text) { split("; ") } else { split(";") };
        if is_url(bare) {
            let marker = marker.map(Marker::parse).transpose()?;
            return Ok((self.elsewhere(None, bare, editable)?, marker));
        }
        if !names_url(text) && (editable || is_path(bare)) {
            let marker = marker.map(Marker::parse).transpose()?;
            let path = without_extras(bare).to_owned();
            return Ok((Wanted::Local { path, editable, name: None, hash: None }, marker));
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
            let hash = hash_in(self.place, name.as_ref(), url)?;
            let path = decoded(path.split('#').next().unwrap_or(path));
            let path = path.strip_prefix("//").unwrap_or(&path);
            let path = path.strip_prefix("localhost").unwrap_or(path);
            let path = System::HERE.path_in_url(path);
            return Ok(Wanted::Local { path: without_extras(path).to_owned(), editable, name, hash });
        }
        from_url(self.place, name, url).map(Wanted::Elsewhere)
    }
}

fn address(at: &At, text: &str) -> Result<String> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "https" | "http") => Ok(text.to_owned()),
        _ => Err(Error::usage(format!("{at}: {} is not the address of an index", short(text)))
            .hint("only https:// and http:// are supported")),
    }
}

fn is_url(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-');
    !scheme.is_empty() && scheme.chars().all(good) && (text.contains("://") || scheme == "file")
}

/// Whether it is `name @ URL` or `name[extra]@URL`.
fn names_url(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let rest = text.trim_start_matches(good);
    let rest = if rest.len() < text.len() { rest.trim_start() } else { "" };
    let rest = match rest.strip_prefix('[') {
        Some(extras) => extras.split_once(']').map_or("", |(_, rest)| rest).trim_start(),
        None => rest,
    };
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && rest.starts_with('@')
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

#[cfg(test)]
mod pip_tests;
