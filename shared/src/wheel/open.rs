//! Opening a wheel: everything about it that can be checked without unpacking it.

use std::collections::HashMap;
use std::path::Path;

use bytes::Bytes;

use super::filename::Filename;
use super::record::{FileHash, Row};
use super::zip::{Archive, Member};
use super::{FileContent, Place, Wheel, WheelFile, entry_points, metadata, record};
use crate::error::{Context, Error, Result};
use crate::oci::Digest;

/// The most that a file may have that is read into memory, in bytes.
const MOST_METADATA: u64 = 16 * 1024 * 1024;
const MOST_RECORD: u64 = 64 * 1024 * 1024;

/// What all scripts of a wheel that are kept in memory may have together, in bytes.
const MOST_SCRIPTS: u64 = 16 * 1024 * 1024;

/// The beginning of scripts whose interpreter is still to be named.
const PLACEHOLDER: &[u8] = b"#!python";

/// Files of `.dist-info` that are about an archive or an installation, not about the distribution. What
/// a wheel says there about its own installation is not true of ours.
const NOT_INSTALLED: [&str; 6] =
    ["RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json"];

/// RECORD cannot list its own hash, nor those of its signatures.
const UNHASHED: [&str; 3] = ["RECORD", "RECORD.jws", "RECORD.p7s"];

impl Wheel {
    /// Opens the wheel at `path`, whose file name is `filename` wherever it is kept, and whose
    /// bytes are known to have `digest`: that is not checked here.
    ///
    /// # Errors
    /// Build: it cannot be read. Usage: it needs what this program or an image does not have.
    /// Integrity: it is not sound; nothing of it should be used.
    pub fn open(path: &Path, filename: &str, digest: Digest) -> Result<Self> {
        open(path, filename, digest).context(|| format!("cannot use the wheel {filename}"))
    }
}

fn open(path: &Path, filename: &str, digest: Digest) -> Result<Wheel> {
    let filename = Filename::parse(filename)?;
    let mut archive = Archive::open(path)?;
    let members: Vec<Member> = archive.members.iter().filter(|member| !member.directory).cloned().collect();
    let dist_info = dist_info(&archive.members, &filename)?;
    let mut reader = Reader {
        members: members.iter().map(|member| (member.name.as_str(), member)).collect(),
        archive: &mut archive,
        rows: HashMap::new(),
        dist_info: &dist_info,
    };
    let record = reader.described("RECORD", MOST_RECORD)?;
    reader.rows = record::parse(&record.ok_or_else(|| missing("RECORD"))?)?;
    reader.check_rows()?;

    let wheel = reader.described("WHEEL", MOST_METADATA)?.ok_or_else(|| missing("WHEEL"))?;
    let facts = metadata::wheel(&wheel)?;
    let metadata = reader.described("METADATA", MOST_METADATA)?.ok_or_else(|| missing("METADATA"))?;
    let metadata = metadata::metadata(&metadata, &filename)?;
    let scripts = match reader.described("entry_points.txt", MOST_METADATA)? {
        Some(text) => entry_points::parse(&text)?,
        None => Vec::new(),
    };
    let files = reader.files(&members)?;
    Ok(Wheel {
        name: filename.name,
        version: filename.version,
        root_is_purelib: facts.root_is_purelib,
        tags: facts.tags,
        scripts,
        requires_dist: metadata.requires_dist,
        requires_python: metadata.requires_python,
        files,
        archive: path.to_owned(),
        digest,
        dist_info,
    })
}

fn missing(what: &str) -> Error {
    Error::integrity(format!("it has no {what}"))
}

/// The one folder of metadata, which must be this distribution's.
fn dist_info(members: &[Member], filename: &Filename) -> Result<String> {
    let mut found: Option<&str> = None;
    for member in members {
        let (top, _) = member.name.split_once('/').unwrap_or((&member.name, ""));
        if !top.ends_with(".dist-info") {
            continue;
        }
        match found {
            Some(other) if other != top => {
                return Err(Error::integrity(format!("it has two folders of metadata, {other} and {top}")));
            }
            _ => found = Some(top),
        }
    }
    let found = found.ok_or_else(|| Error::integrity("it has no .dist-info folder"))?;
    if !found.strip_suffix(".dist-info").is_some_and(|stem| filename.is_meant_by(stem)) {
        return Err(Error::integrity(format!(
            "its metadata are in {found}, and its file name says {} {}",
            filename.name, filename.version
        )));
    }
    Ok(found.to_owned())
}

struct Reader<'a> {
    archive: &'a mut Archive,
    members: HashMap<&'a str, &'a Member>,
    rows: HashMap<String, Row>,
    dist_info: &'a str,
}

impl Reader<'_> {
    /// A file of the metadata folder, if it is there.
    fn described(&mut self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let path = format!("{}/{name}", self.dist_info);
        match self.members.get(path.as_str()) {
            None => Ok(None),
            Some(member) => self.vouched(member, limit).map(Some),
        }
    }

    /// The content of a file, which must be what RECORD says if it says something.
    fn vouched(&mut self, member: &Member, limit: u64) -> Result<Vec<u8>> {
        let content = self.archive.read(member, limit)?;
        let hash = self.rows.get(&member.name).and_then(|row| row.hash.as_ref());
        if hash.and_then(|hash| hash.fits(&content)) == Some(false) {
            return Err(Error::integrity(format!("{} does not match its hash in RECORD", member.name)));
        }
        Ok(content)
    }

    /// RECORD and the archive must list the same files, with the same sizes, and hashes where hashes can be.
    fn check_rows(&self) -> Result<()> {
        let refuse = |what: String| Err(Error::integrity(what));
        for member in self.members.values() {
            let unhashed = self.within_dist_info(&member.name).is_some_and(|name| UNHASHED.contains(&name));
            let Some(row) = self.rows.get(&member.name) else {
                if unhashed {
                    continue;
                }
                return refuse(format!("RECORD does not list {}", member.name));
            };
            if row.hash.is_none() && !unhashed {
                return refuse(format!("RECORD has no hash for {}", member.name));
            }
            if row.size.is_some_and(|size| size != member.size) {
                return refuse(format!("{} has a different size than RECORD says", member.name));
            }
        }
        // The least one, so that the message does not depend on the order of a hash table.
        match self.rows.keys().filter(|path| !self.members.contains_key(path.as_str())).min() {
            Some(path) => refuse(format!("RECORD lists {path:?}, which is not in the wheel")),
            None => Ok(()),
        }
    }

    fn within_dist_info<'b>(&self, path: &'b str) -> Option<&'b str> {
        path.strip_prefix(self.dist_info)?.strip_prefix('/')
    }

    fn files(&mut self, members: &[Member]) -> Result<Vec<WheelFile>> {
        let stem = self.dist_info.strip_suffix(".dist-info").unwrap_or(self.dist_info);
        let data = format!("{stem}.data");
        let mut files = Vec::with_capacity(members.len());
        let mut in_memory = 0;
        for member in members {
            if self.within_dist_info(&member.name).is_some_and(|name| NOT_INSTALLED.contains(&name)) {
                continue;
            }
            let Some(hash) = self.rows.get(&member.name).and_then(|row| row.hash.clone()) else { continue };
            let (place, path) = place(&member.name, &data)?;
            let file = self.file(member, place, path.to_owned(), hash)?;
            if let FileContent::Script(rest) = &file.content {
                in_memory += rest.len() as u64;
            }
            if in_memory > MOST_SCRIPTS {
                return Err(Error::usage(format!("its scripts have more than {MOST_SCRIPTS} bytes")));
            }
            files.push(file);
        }
        Ok(files)
    }

    fn file(&mut self, member: &Member, place: Place, path: String, hash: FileHash) -> Result<WheelFile> {
        let Member { offset, method, compressed, size, crc32, .. } = *member;
        let mut content = FileContent::Zipped { offset, method, compressed, size, crc32 };
        if place == Place::Scripts && self.archive.start_of(member, PLACEHOLDER.len() as u64)? == PLACEHOLDER
        {
            content = FileContent::Script(after_interpreter(&self.vouched(member, MOST_SCRIPTS)?));
        }
        let name = member.name.clone();
        Ok(WheelFile { name, place, path, executable: member.executable, content, hash })
    }
}

/// What follows the interpreter's name in a script. A carriage return at the end of the first line
/// would be part of the interpreter's name to Linux, so it goes.
fn after_interpreter(script: &[u8]) -> Bytes {
    let end = script.iter().position(u8::is_ascii_whitespace).unwrap_or(script.len());
    let (first, rest) =
        script.split_at(script.iter().position(|byte| *byte == b'\n').unwrap_or(script.len()));
    let first = first.strip_suffix(b"\r").unwrap_or(first);
    let arguments = first.get(end..).unwrap_or_default();
    Bytes::from([arguments, rest].concat())
}

/// Where a file of the archive goes, and its path there.
fn place<'a>(name: &'a str, data: &str) -> Result<(Place, &'a str)> {
    let Some((top, rest)) = name.split_once('/') else { return Ok((Place::SitePackages, name)) };
    if top != data {
        if top.ends_with(".data") {
            // Installers do not agree on what these are.
            return Err(Error::integrity(format!("{name} is in a .data folder that is not {data}")));
        }
        return Ok((Place::SitePackages, name));
    }
    let (key, path) = rest.split_once('/').unwrap_or((rest, ""));
    let place = match key {
        "purelib" | "platlib" => Place::SitePackages,
        "scripts" => Place::Scripts,
        "headers" => Place::Headers,
        "data" => Place::Prefix,
        _ => {
            return Err(Error::integrity(format!("{name} is in an unknown folder of .data")));
        }
    };
    if path.is_empty() {
        return Err(Error::integrity(format!("{name} is a file where a folder belongs")));
    }
    if place == Place::Scripts && path.contains('/') {
        return Err(Error::integrity(format!("{name} is a script in a folder of its own")));
    }
    Ok((place, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_a_first_line_stay() {
        for (script, rest) in [
            ("#!python\nx\r\n", "\nx\r\n"),
            ("#!pythonw -E\r\nx", " -E\nx"),
            ("#!python3", ""),
            ("#!python\r\n", "\n"),
            ("#!python -s -E", " -s -E"),
        ] {
            assert_eq!(after_interpreter(script.as_bytes()), rest, "{script:?}");
        }
    }

    #[test]
    fn places_follow_the_data_folder() {
        let place = |name| place(name, "a-1.data").map_err(|e| e.to_string());
        assert_eq!(place("a/b.py"), Ok((Place::SitePackages, "a/b.py")));
        assert_eq!(place("a.data"), Ok((Place::SitePackages, "a.data")));
        assert_eq!(place("a-1.data/platlib/b/c.so"), Ok((Place::SitePackages, "b/c.so")));
        assert_eq!(place("a-1.data/data/share/x"), Ok((Place::Prefix, "share/x")));
        assert_eq!(place("a-1.data/headers/x.h"), Ok((Place::Headers, "x.h")));
        assert_eq!(place("a-1.data/scripts/x"), Ok((Place::Scripts, "x")));
        for name in ["a-1.data/scripts", "a-1.data/other/x", "b-1.data/scripts/x", "a-1.data/scripts/x/y"] {
            assert!(place(name).is_err(), "{name}");
        }
    }
}
