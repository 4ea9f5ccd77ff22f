//! What an installer would write for a wheel, as entries of a layer.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use super::record::{self, FileHash, Row};
use super::{DirectUrl, FileContent, Place, Venv, Wheel, WheelFile};
use crate::error::{Context, Error, Result};
use crate::layer::{Content, Entry, Zipped};
use crate::oci::Mode;

/// Who vouches for the contents of a wheel's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouched {
    /// The digest of the archive, which was checked when it was fetched.
    ByArchive,
    /// RECORD as well: the digest of each file is checked when it is packed, which costs a second
    /// pass of hashing.
    ByRecord,
}

/// The entries of `wheel` in `environment`, sorted by path: its files, a command for each of its
/// scripts, INSTALLER, direct_url.json for what `origin` says, and RECORD. Parent directories are
/// left to [`crate::layer`].
///
/// Nothing is read: the entries depend on the arguments alone.
///
/// # Errors
/// Integrity: two files would go to one place, or one to a place that is the environment's or
/// another distribution's. Usage: the environment or a hash function does not serve.
pub fn install(
    wheel: &Wheel,
    venv: &Venv,
    origin: Option<&DirectUrl>,
    vouched: Vouched,
) -> Result<Vec<Entry>> {
    venv.check()?;
    let mut installer = Installer { wheel, venv, vouched, entries: Vec::new(), rows: Vec::new() };
    installer.run(origin).context(|| format!("cannot install {} {}", wheel.name, wheel.version))?;
    Ok(installer.entries)
}

struct Installer<'a> {
    wheel: &'a Wheel,
    venv: &'a Venv,
    vouched: Vouched,
    entries: Vec<Entry>,
    rows: Vec<Row>,
}

impl Installer<'_> {
    fn run(&mut self, origin: Option<&DirectUrl>) -> Result<()> {
        let wheel = self.wheel;
        let scripts: HashSet<&str> = wheel.scripts.iter().map(|script| script.name.as_str()).collect();
        for file in &wheel.files {
            // Old packers put in both an entry point and a script for it; only the former knows this
            // interpreter.
            if file.place != Place::Scripts || !scripts.contains(file.path.as_str()) {
                self.file(file)?;
            }
        }
        for script in &wheel.scripts {
            let path = self.venv.path(Place::Scripts, &wheel.name, &script.name);
            self.written(path, script.program(&self.venv.interpreter).into(), Mode(0o755));
        }
        self.written(self.described("INSTALLER"), "containerize\n".into(), Mode(0o644));
        if let Some(origin) = origin {
            self.written(self.described("direct_url.json"), origin.text().into(), Mode(0o644));
        }
        self.record();
        self.entries.sort_by(|a, b| a.path.cmp(&b.path));
        self.check()
    }

    fn described(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.venv.site_packages(), self.wheel.dist_info)
    }

    fn file(&mut self, file: &WheelFile) -> Result<()> {
        let path = self.venv.path(file.place, &self.wheel.name, &file.path);
        let mode = if file.executable || file.place == Place::Scripts { Mode(0o755) } else { Mode(0o644) };
        match &file.content {
            FileContent::Zipped { offset, method, compressed, size, crc32 } => {
                let zipped = Zipped {
                    archive: self.wheel.archive.clone(),
                    archive_digest: self.wheel.digest,
                    offset: *offset,
                    method: *method,
                    compressed: *compressed,
                    size: *size,
                    crc32: *crc32,
                    digest: self.digest(file)?,
                };
                self.rows.push(Row {
                    path: self.venv.relative(&path),
                    hash: Some(file.hash.clone()),
                    size: Some(*size),
                });
                self.entries.push(Entry::file(
                    path,
                    Content::Zipped(Arc::new(zipped)),
                    mode,
                    self.venv.owner,
                ));
            }
            FileContent::Script(rest) => {
                let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
                let interpreter = &self.venv.interpreter;
                self.venv.check_line(&format!("{interpreter}{}", String::from_utf8_lossy(line)))?;
                let script = [b"#!", interpreter.as_bytes(), rest].concat();
                self.written(path, script.into(), mode);
            }
        }
        Ok(())
    }

    /// What a file must hash to when it is packed.
    fn digest(&self, file: &WheelFile) -> Result<Option<crate::oci::Digest>> {
        match (self.vouched, &file.hash) {
            (Vouched::ByArchive, _) => Ok(None),
            (Vouched::ByRecord, FileHash::Sha256(digest)) => Ok(Some(*digest)),
            (Vouched::ByRecord, FileHash::Other(_)) => {
                Err(Error::usage(format!("RECORD lists {} with a hash other than SHA-256", file.path))
                    .hint("rely on the hash of the archive, which was checked"))
            }
        }
    }

    fn written(&mut self, path: String, content: Bytes, mode: Mode) {
        self.rows.push(Row {
            path: self.venv.relative(&path),
            hash: Some(FileHash::of(&content)),
            size: Some(content.len() as u64),
        });
        self.entries.push(Entry::file(path, Content::Bytes(content), mode, self.venv.owner));
    }

    fn record(&mut self) {
        let path = self.described("RECORD");
        let mut rows = std::mem::take(&mut self.rows);
        rows.push(Row { path: self.venv.relative(&path), hash: None, size: None });
        let content = Content::Bytes(record::write(rows).into());
        self.entries.push(Entry::file(path, content, Mode(0o644), self.venv.owner));
    }

    /// Refuses entries that take the place of each other or of something else.
    fn check(&self) -> Result<()> {
        let modules = format!("{}/", self.venv.site_packages());
        let mut paths = BTreeSet::new();
        for Entry { path, .. } in &self.entries {
            self.venv.check_own(path)?;
            let top = path.strip_prefix(&modules).and_then(|path| path.split('/').next());
            if top.is_some_and(|top| top.ends_with(".dist-info") && top != self.wheel.dist_info) {
                return Err(Error::integrity(format!("/{path} is in the metadata of another distribution")));
            }
            if !paths.insert(path.as_str()) {
                return Err(Error::integrity(format!("two files of it go to /{path}")));
            }
        }
        for path in &paths {
            let mut parents = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
            if let Some(parent) = parents.find(|parent| paths.contains(parent)) {
                return Err(Error::integrity(format!("/{path} goes below /{parent}, which is a file")));
            }
        }
        Ok(())
    }
}
