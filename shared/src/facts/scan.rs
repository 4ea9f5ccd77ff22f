//! One pass over the tar of a layer that nobody vouches for.
//!
//! The memory that it takes is bounded, whatever the archive says: by the number of entries, by
//! the length of all names, and by what may stand between the contents of two entries (a tar
//! reader holds long names and PAX records whole).

use std::cell::{Cell, RefCell};
use std::io::{self, Read};

use tar::{Archive, Entry, EntryType};

use super::{Scanned, pax};
use crate::error::{Error, Result};
use crate::facts::details::{self, Detail};
use crate::facts::files::{LayerFiles, Measured, Measuring};
use crate::facts::notes::{Note, Subject};
use crate::facts::tree::{Node, NodeKind};

/// Linux's PATH_MAX, in bytes; no longer path could be unpacked.
const MAX_PATH: usize = 4096;

/// Bytes of headers, long names and PAX records before one entry. Go's reader, and so every
/// container engine, allows 1 MiB for each of the three kinds.
const MAX_HEADERS: u64 = 4 << 20;

const WHITEOUT: &str = ".wh.";
/// The reserved names of AUFS, of which only the opaque marker means anything in a layer.
const AUFS: &str = ".wh..wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// How much of a layer is taken in.
#[derive(Debug, Clone, Copy)]
struct Limits {
    entries: u64,
    /// Bytes of all paths and link targets together.
    names: usize,
}

const LIMITS: Limits = Limits { entries: 4_000_000, names: 256 << 20 };

/// Reads an uncompressed layer, and what follows its end: the diff_id covers that too.
pub(super) fn scan(stream: impl Read) -> Result<Scanned> {
    scan_within(stream, LIMITS)
}

/// The same, and how large each file is. What the layer takes unpacked, only the reader of its bytes knows.
pub(super) fn measure(mut stream: impl Read) -> Result<(Scanned, LayerFiles)> {
    let mut scan = Scan { measuring: Some(Measuring::default()), ..Scan::within(LIMITS) };
    each_within(&mut stream, LIMITS, |entry| scan.take_in(entry))?;
    let Scan { found, measuring, .. } = scan;
    let path_of = |at: usize| found.facts.entries.get(at).map(|(path, _): &(String, Node)| path.as_str());
    let files = measuring.map(|measuring| measuring.end(path_of)).unwrap_or_default();
    Ok((found, files))
}

fn scan_within(mut stream: impl Read, limits: Limits) -> Result<Scanned> {
    let mut scan = Scan::within(limits);
    each_within(&mut stream, limits, |entry| scan.take_in(entry))?;
    Ok(scan.found)
}

/// Hands out the entries of an uncompressed layer as [`scan`] reads them, to its very end.
pub(super) fn each_entry(
    stream: &mut dyn Read,
    take: impl FnMut(&mut Entry<'_, Allowed<'_>>) -> Result<()>,
) -> Result<()> {
    each_within(stream, LIMITS, take)
}

fn each_within(
    stream: &mut dyn Read,
    limits: Limits,
    mut take: impl FnMut(&mut Entry<'_, Allowed<'_>>) -> Result<()>,
) -> Result<()> {
    let between = Between { allowance: Cell::new(MAX_HEADERS), ..Between::default() };
    let mut archive = Archive::new(Allowed { inner: stream, between: &between });
    let mut count = 0;
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        pax::check(&between.headers.take())?;
        between.content(stored_size(&entry)?);
        count += 1;
        if count > limits.entries {
            return Err(Error::integrity(format!("the layer has more than {} entries", limits.entries)));
        }
        take(&mut entry)?;
    }
    io::copy(&mut archive.into_inner().inner, &mut io::sink()).map_err(unreadable)?;
    Ok(())
}

/// The bytes that an entry's content takes in the archive, or fewer. That of a sparse file is
/// shorter than the file.
fn stored_size<R: Read>(entry: &Entry<'_, R>) -> Result<u64> {
    if entry.header().entry_type().is_gnu_sparse() {
        let stored = entry.header().entry_size().map_err(unreadable)?;
        return Ok(stored.min(entry.size()));
    }
    Ok(entry.size())
}

/// What is read between the contents of two entries.
#[derive(Default)]
struct Between {
    /// Bytes that may be read before the next entry.
    allowance: Cell<u64>,
    /// Of them, those that are content and its padding.
    content: Cell<u64>,
    /// What came after it.
    headers: RefCell<Vec<u8>>,
}

impl Between {
    /// An entry begins whose content takes `size` bytes.
    fn content(&self, size: u64) {
        self.content.set(size.checked_next_multiple_of(512).unwrap_or(u64::MAX));
        self.allowance.set(size.saturating_add(MAX_HEADERS));
    }

    fn came(&self, bytes: &[u8]) {
        let left = self.content.get();
        let content = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        self.content.set(left - content as u64);
        self.headers.borrow_mut().extend_from_slice(&bytes[content..]);
        self.allowance.set(self.allowance.get() - bytes.len() as u64);
    }
}

/// Refuses to read more than the allowance.
pub(super) struct Allowed<'a> {
    inner: &'a mut dyn Read,
    between: &'a Between,
}

impl Read for Allowed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.between.allowance.get();
        if left == 0 {
            return Err(io::Error::other(Error::integrity("the headers of an entry are larger than 4 MiB")));
        }
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let n = self.inner.read(&mut buffer[..wanted])?;
        self.between.came(&buffer[..n]);
        Ok(n)
    }
}

/// Tells a disk that fails from bytes that make no sense.
pub(super) fn unreadable(error: io::Error) -> Error {
    if error.raw_os_error().is_some() {
        return Error::build("cannot read the layer").because(error);
    }
    match error.downcast::<Error>() {
        Ok(own) => own,
        Err(error) => Error::integrity("the layer is damaged or not a tar archive").because(error),
    }
}

/// The content of a global header, which counts for all entries that follow.
fn global_header(content: &mut impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    content.take(MAX_HEADERS + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_HEADERS {
        return Err(Error::integrity("the headers of an entry are larger than 4 MiB"));
    }
    Ok(bytes)
}

struct Scan {
    found: Scanned,
    limits: Limits,
    names: usize,
    /// Sizes of files, for those who ask.
    measuring: Option<Measuring>,
}

impl Scan {
    fn within(limits: Limits) -> Self {
        Self { found: Scanned::default(), limits, names: 0, measuring: None }
    }

    fn take_in<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<()> {
        if is_metadata(entry.header().entry_type()) {
            // The one kind that a tar reader hands out as an entry.
            return match entry.header().entry_type() {
                EntryType::XGlobalHeader => pax::records(&global_header(entry)?),
                _ => Ok(()),
            };
        }
        let raw = entry.path_bytes().into_owned();
        let path = normal_path(&raw)?;
        self.count_name(path.len())?;
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if name == OPAQUE {
            self.found.facts.opaque.push(parent.to_owned());
        } else if path.split('/').any(|part| part.starts_with(AUFS)) {
            // AUFS's own bookkeeping, which engines skip too.
        } else if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            self.found.facts.hidden.push(hidden_path(parent, hidden)?);
        } else if !path.is_empty() {
            let node = self.node(entry, raw.ends_with(b"/"))?;
            let kind = entry.header().entry_type();
            let target = if kind == EntryType::Link { entry.link_name_bytes() } else { None };
            let target = target.map(|target| normal_path(&target)).transpose()?;
            match self.measuring.take() {
                None => self.take_in_content(&path, &node, (kind, target.as_deref()), entry)?,
                Some(mut measuring) => {
                    match kind {
                        EntryType::Regular | EntryType::Continuous if node.kind == NodeKind::File => {
                            let mut content = Measured::new(&path, entry);
                            self.take_in_content(&path, &node, (kind, None), &mut content)?;
                            measuring.add_file(&path, content).map_err(unreadable)?;
                        }
                        _ => {
                            self.take_in_content(&path, &node, (kind, target.as_deref()), entry)?;
                            match target {
                                Some(target) => measuring.add_link(target),
                                None => measuring.add(stored_size(entry)?),
                            }
                        }
                    }
                    self.measuring = Some(measuring);
                }
            }
            self.found.facts.entries.push((path, node));
        }
        Ok(())
    }

    /// Takes in what the file says, if it is one of those that matter. A later entry of the same
    /// path has the last word.
    fn take_in_content(
        &mut self,
        path: &str,
        node: &Node,
        (kind, target): (EntryType, Option<&str>),
        content: &mut impl Read,
    ) -> Result<()> {
        let subject = Subject::of(path);
        if subject.is_some() {
            self.found.facts.notes.remove(path);
        }
        self.found.details.remove(path);
        let (note, detail) = match kind {
            // A hard link to what came before says what that says.
            EntryType::Link => {
                let target = target.unwrap_or_default();
                let note = subject.and_then(|_| self.found.facts.notes.get(target).cloned());
                (note, self.found.details.get(target).cloned())
            }
            // A sparse file is longer than what it takes; no honest one of these is sparse.
            EntryType::Regular | EntryType::Continuous if node.kind == NodeKind::File => {
                read_content(path, subject, content).map_err(unreadable)?
            }
            _ => (None, None),
        };
        if let Some(note) = note {
            self.count_name(path.len().saturating_add(note.size()))?;
            self.found.facts.notes.insert(path.to_owned(), note);
        }
        if let Some(detail) = detail {
            self.count_name(path.len().saturating_add(detail.size()))?;
            self.found.details.insert(path.to_owned(), detail);
        }
        Ok(())
    }

    fn node<R: Read>(&mut self, entry: &Entry<'_, R>, slash: bool) -> Result<Node> {
        let header = entry.header();
        let kind = match header.entry_type() {
            EntryType::Directory => NodeKind::Directory,
            // So archives older than POSIX mark a directory.
            EntryType::Regular if slash => NodeKind::Directory,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse | EntryType::Link => {
                NodeKind::File
            }
            EntryType::Symlink => NodeKind::Symlink(self.target(entry)?),
            _ => NodeKind::Other,
        };
        Ok(Node {
            kind,
            mode: header.mode().map_err(unreadable)? & 0o7777,
            uid: header.uid().map_err(unreadable)?,
            gid: header.gid().map_err(unreadable)?,
        })
    }

    fn target<R: Read>(&mut self, entry: &Entry<'_, R>) -> Result<String> {
        let raw = entry.link_name_bytes().unwrap_or_default();
        let target = legal_text(&raw)?;
        self.count_name(target.len())?;
        Ok(target)
    }

    fn count_name(&mut self, length: usize) -> Result<()> {
        self.names += length;
        if self.names > self.limits.names {
            let message =
                format!("the paths of the layer are longer than {} bytes in total", self.limits.names);
            return Err(Error::integrity(message));
        }
        Ok(())
    }
}

/// Reads a file for what it says of itself, and for what it needs to run.
fn read_content(
    path: &str,
    subject: Option<Subject>,
    entry: &mut impl Read,
) -> io::Result<(Option<Note>, Option<Detail>)> {
    let mut head = Vec::with_capacity(4);
    entry.by_ref().take(4).read_to_end(&mut head)?;
    let (detail, whole) = details::read(path, &head, entry)?;
    let note = match (subject, whole) {
        (None, _) => None,
        (Some(subject), Some(whole)) => subject.read(whole)?,
        // Nothing else is read for both.
        (Some(_), None) if detail.is_some() => None,
        (Some(subject), None) => subject.read(head.chain(entry))?,
    };
    Ok((note, detail))
}

/// Records about other entries. The local ones come through only in archives so old that the
/// record type did not exist yet.
fn is_metadata(kind: EntryType) -> bool {
    matches!(
        kind,
        EntryType::XGlobalHeader | EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink
    )
}

fn hidden_path(parent: &str, name: &str) -> Result<String> {
    match (parent, name) {
        // Such a whiteout would hide its own directory or the one above.
        (_, "" | "." | "..") => {
            Err(Error::integrity(format!("the layer has a whiteout of {name:?} in {:?}", shown(parent))))
        }
        ("", name) => Ok(name.to_owned()),
        (parent, name) => Ok(format!("{parent}/{name}")),
    }
}

pub(super) fn normal_path(raw: &[u8]) -> Result<String> {
    let text = legal_text(raw)?;
    let mut path = String::with_capacity(text.len());
    for part in text.split('/') {
        match part {
            "" | "." => continue,
            ".." => {
                return Err(Error::integrity(format!("the path {:?} in the layer has \"..\"", shown(&text))));
            }
            _ if !path.is_empty() => path.push('/'),
            _ => {}
        }
        path.push_str(part);
    }
    Ok(path)
}

fn legal_text(raw: &[u8]) -> Result<String> {
    if raw.len() > MAX_PATH {
        let message = format!("the layer has a path of {} bytes; the limit is {MAX_PATH}", raw.len());
        return Err(Error::integrity(message));
    }
    let text = String::from_utf8_lossy(raw).into_owned();
    if text.contains('\0') {
        return Err(Error::integrity(format!("the path {:?} in the layer has a NUL byte", shown(&text))));
    }
    Ok(text)
}

/// As much of a path as an error message bears.
fn shown(path: &str) -> String {
    path.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::tests::{Tar, refusal};

    #[test]
    fn paths_are_normalised() {
        for (raw, path) in
            [("./", ""), ("/", ""), ("./usr/", "usr"), ("/etc//passwd", "etc/passwd"), ("a/./b", "a/b")]
        {
            assert_eq!(normal_path(raw.as_bytes()).expect("legal"), path, "{raw}");
        }
        assert_eq!(normal_path(b"a\xff").expect("legal"), "a\u{fffd}");
        assert_eq!(normal_path(b"..a/b..").expect("legal"), "..a/b..");
    }

    #[test]
    fn too_many_entries_or_names_are_refused() {
        let tar = Tar::new().file("a").file("bb").symlink("c", "dddd").bytes();
        let scan = |entries, names| scan_within(&tar[..], Limits { entries, names });
        assert_eq!(scan(3, 8).expect("within").facts.entries.len(), 3);
        assert!(refusal(scan(2, 8)).contains("more than 2 entries"));
        assert!(refusal(scan(3, 7)).contains("longer than 7 bytes"));
    }

    #[test]
    fn a_name_record_that_would_fill_the_memory_is_refused() {
        for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
            let tar = Tar::new().file("a").record(kind, &vec![b'x'; 5 << 20]).file("b").bytes();
            assert!(refusal(scan(&tar[..])).contains("larger than 4 MiB"), "{kind:?}");
        }
    }

    #[test]
    fn content_of_any_size_is_no_header() {
        let tar = Tar::new().content("big", &vec![0; 5 << 20]).file("b").bytes();
        assert_eq!(scan(&tar[..]).expect("read").facts.entries.len(), 2);
    }

    #[test]
    fn an_archive_that_ends_within_an_entry_is_refused() {
        let tar = Tar::new().content("big", &[1; 2000]).bytes();
        assert!(refusal(scan(&tar[..1500])).contains("damaged"));
        assert!(refusal(scan(&b"this is no archive".repeat(100)[..])).contains("damaged"));
    }

    #[test]
    fn a_disk_that_fails_is_no_matter_of_integrity() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::from_raw_os_error(5))
            }
        }
        assert_eq!(scan(Failing).expect_err("an error").kind(), crate::Kind::Build);
    }
}
