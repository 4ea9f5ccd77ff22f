//! A package's file (deb(5)): an `ar` archive with two tars, what the package is and what it
//! holds. It is taken for hostile, signed or not.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;
use tar::EntryType;

use super::archive::XZ_MEMORY;
use super::scripts::does_something;
use crate::error::{Context, Error, Result};
use crate::layer::Content;
use crate::oci::{HashingWriter, Mode, Owner};
use crate::read;

/// Bytes of all that says what a package is.
const MOST_CONTROL: u64 = 32 << 20;
/// Bytes of all files together.
const MOST_DATA: u64 = 64 << 30;
/// Files of one package. The largest of Debian have some ten thousand.
const MOST_FILES: usize = 1_000_000;
/// Linux's PATH_MAX, in bytes.
const MOST_PATH: usize = 4096;
/// Files up to this size in bytes are held in memory.
const SMALL: u64 = 16 * 1024;

/// What a package says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Control {
    /// The fields, as they are in the package.
    pub(super) fields: String,
    pub(super) md5sums: String,
    pub(super) conffiles: Vec<String>,
    /// Scripts of which an installation would run something that matters.
    pub(super) scripts: Vec<String>,
}

/// A path of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Without a leading slash.
    pub(super) path: String,
    pub(super) kind: MemberKind,
    pub(super) mode: Mode,
    pub(super) owner: Owner,
}

/// What a path of a package is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MemberKind {
    Directory,
    File(Content),
    Symlink(String),
    /// To a file of the package.
    Hardlink(String),
}

/// Reads a package; the content of the paths that `wanted` wants goes into the folder `scratch`.
///
/// # Errors
/// Integrity when it is no sound package; build when the disk fails.
pub(super) fn read(
    path: &Path,
    scratch: &Path,
    wanted: impl Fn(&str) -> bool,
) -> Result<(Control, Vec<Member>)> {
    let file = read::file(path).context(|| format!("cannot open {}", path.display()))?;
    let mut archive = ar::Archive::new(file);
    let (mut control, mut members) = (None, None);
    let mut first = true;
    while let Some(entry) = archive.next_entry() {
        let mut entry = entry.map_err(unreadable)?;
        let name = String::from_utf8_lossy(entry.header().identifier()).trim_end_matches('/').to_owned();
        if std::mem::take(&mut first) {
            let mut version = String::new();
            entry.by_ref().take(16).read_to_string(&mut version).map_err(unreadable)?;
            if name != "debian-binary" || !version.starts_with("2.") {
                return Err(Error::integrity("it is not a Debian package of version 2"));
            }
        } else if let Some(compression) = name.strip_prefix("control.tar") {
            control = Some(read_control(unpacked(entry, compression)?.take(MOST_CONTROL))?);
        } else if let Some(compression) = name.strip_prefix("data.tar") {
            members = Some(read_data(unpacked(entry, compression)?.take(MOST_DATA), scratch, &wanted)?);
        }
    }
    match (control, members) {
        (Some(control), Some(members)) => Ok((control, members)),
        _ => Err(Error::integrity("it is not a complete Debian package")),
    }
}

fn unpacked<'a>(reader: impl Read + 'a, ending: &str) -> Result<Box<dyn Read + 'a>> {
    Ok(match ending {
        "" => Box::new(reader),
        ".gz" => Box::new(MultiGzDecoder::new(reader)),
        ".xz" => Box::new(XzReader::new_mem_limit(io::BufReader::new(reader), true, XZ_MEMORY)),
        ".zst" => Box::new(zstd::Decoder::new(reader).context(|| "cannot start a zstd decoder".into())?),
        _ => return Err(Error::integrity(format!("its compression is not supported: {ending}"))),
    })
}

fn read_control(reader: impl Read) -> Result<Control> {
    let mut control = Control::default();
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        if entry.header().entry_type() != EntryType::Regular {
            continue;
        }
        let name = normal(&entry.path_bytes())?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(unreadable)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match name.as_str() {
            "control" => control.fields = text,
            "md5sums" => control.md5sums = text,
            "conffiles" => control.conffiles = text.lines().map(str::to_owned).collect(),
            // The others are for removal.
            "preinst" | "postinst" if does_something(&text) => control.scripts.push(name),
            _ => {}
        }
    }
    control.scripts.sort();
    if control.fields.is_empty() {
        Err(Error::integrity("its control file says nothing"))
    } else {
        Ok(control)
    }
}

fn read_data(reader: impl Read, scratch: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let path = normal(&entry.path_bytes())?;
        if path.is_empty() || !wanted(&path) {
            continue;
        }
        if members.len() >= MOST_FILES {
            return Err(Error::integrity(format!("it has more than {MOST_FILES} files")));
        }
        let target = |entry: &tar::Entry<'_, _>| text(&entry.link_name_bytes().unwrap_or_default());
        let kind = match entry.header().entry_type() {
            EntryType::Directory => MemberKind::Directory,
            EntryType::Regular | EntryType::Continuous => {
                let place = scratch.join(members.len().to_string());
                MemberKind::File(content(&mut entry, &place)?)
            }
            EntryType::Symlink => MemberKind::Symlink(target(&entry)?),
            EntryType::Link => MemberKind::Hardlink(normal(target(&entry)?.as_bytes())?),
            _ => return Err(Error::integrity(format!("/{path} in it is not a file, folder or link"))),
        };
        let header = entry.header();
        let mode = Mode(header.mode().map_err(unreadable)? & 0o7777);
        let (uid, gid) = (header.uid().map_err(unreadable)?, header.gid().map_err(unreadable)?);
        members.push(Member { path, kind, mode, owner: Owner { uid, gid } });
    }
    Ok(members)
}

fn content(entry: &mut (impl Read + Sized), place: &Path) -> Result<Content> {
    let mut small = Vec::new();
    entry.by_ref().take(SMALL + 1).read_to_end(&mut small).map_err(unreadable)?;
    if small.len() as u64 <= SMALL {
        return Ok(Content::Bytes(small.into()));
    }
    let failed = || format!("cannot write {}", place.display());
    let mut file = HashingWriter::new(File::create(place).context(failed)?);
    io::copy(&mut io::Cursor::new(small).chain(entry), &mut file).map_err(unreadable)?;
    let (_, digest, size) = file.finish();
    Ok(Content::File { path: place.to_owned(), size, digest })
}

/// A path without a leading slash or dot; the root is empty.
fn normal(raw: &[u8]) -> Result<String> {
    let text = text(raw)?;
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(Error::integrity(format!("the path {text:?} in it has \"..\""))),
            // In a layer such a name would remove files.
            _ if part.starts_with(".wh.") => {
                return Err(Error::integrity(format!(
                    "the path {text:?} in it would mark a deletion in an image"
                )));
            }
            _ => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

fn text(raw: &[u8]) -> Result<String> {
    match std::str::from_utf8(raw) {
        Ok(text) if raw.len() <= MOST_PATH && !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(Error::integrity(format!(
            "a path in it is invalid: {:?}",
            String::from_utf8_lossy(raw.get(..80).unwrap_or(raw))
        ))),
    }
}

/// Tells a disk that fails from bytes that make no sense.
fn unreadable(error: io::Error) -> Error {
    match error.raw_os_error() {
        Some(_) => Error::build("cannot read or unpack it").because(error),
        None => Error::integrity("it is damaged").because(error),
    }
}
