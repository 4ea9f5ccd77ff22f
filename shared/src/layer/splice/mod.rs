//! gzip layers made from the DEFLATE streams of zip archives, without compressing them again.
//!
//! The result is one ordinary gzip member. The streams of deflated files are copied bit by bit,
//! but for the mark of their last block. Between them are own blocks with tar headers, padding
//! and small files; an empty stored block before each copied stream lets it begin with a byte.
//! Larger files that are not deflated yet (generated, or stored in the archive) go through the
//! encoder of ordinary layers, in blocks of fixed size.
//!
//! Everything is inflated once, since the digest of the tar stream is needed anyway, and so what
//! is copied is known to be sound. What the bytes depend on is the entries alone; where all
//! larger files are deflated, not even the encoder's version matters.
//!
//! The reasons are in `docs/design/splice.md`.

mod member;
mod plain;

use std::io::{self, Write};

use self::member::{Like, Member, WINDOW};
use self::plain::Plain;
use super::compress::Compressed;
use super::content::content;
use super::gzip::{self, Job};
use super::header::{BLOCK, header};
use super::unzip::{self, Sink, Unzipper, cannot_write};
use super::{Content, Entry, EntryKind, ZipMethod};
use crate::error::{Context, Result};
use crate::event::Task;
use crate::facts;
use crate::oci::media_type::Compression;
use crate::store::{BlobWriter, Store};

/// Files up to this size are written into own blocks: an encoder's block would cost more.
const SMALL: u64 = 512;

/// Whether a layer of these entries is spliced.
pub(super) fn applies(compression: Compression, entries: &[Entry]) -> bool {
    let zipped = |entry: &Entry| matches!(entry.kind, EntryKind::File(Content::Zipped(_)));
    compression == Compression::Gzip && entries.iter().any(zipped)
}

/// Writes the entries as a spliced layer into the store. More than one job means a second
/// thread, which hashes and examines what is made; more are of no use.
///
/// # Errors
/// Integrity: a zipped file is not what its archive promises. Build: something cannot be read or
/// written, or changed meanwhile. Nothing is kept then.
pub(super) fn splice(store: &Store, jobs: usize, entries: &[Entry], task: &Task) -> Result<Compressed> {
    let blob = store.writer()?;
    let (blob, made) = plain::hashed(jobs, |plain| {
        let mut splicer = Splicer {
            plain,
            member: Member::new(blob),
            unzipper: Unzipper::new(unzip::CHUNK)?,
            previous: None,
            task,
        };
        entries.iter().try_for_each(|entry| splicer.entry(entry))?;
        splicer.own(&[0; 2 * BLOCK])?;
        let Splicer { plain, member, .. } = splicer;
        member.finish(plain.crc(), plain.position()).context(cannot_write)
    })?;
    let (path, digest, size) = blob.commit(None)?;
    if let Some(scanned) = made.scanned {
        facts::remember_own(&digest, size, made.diff_id, scanned, store);
    }
    Ok(Compressed { path, diff_id: made.diff_id, digest, size })
}

/// A layer in progress: the tar stream, and the member that stands for it.
struct Splicer<'a> {
    plain: &'a mut Plain,
    member: Member<BlobWriter>,
    unzipper: Unzipper,
    /// The header of the entry before, and its position: most of the next one is the same.
    previous: Option<(Vec<u8>, u64)>,
    task: &'a Task,
}

impl Splicer<'_> {
    fn entry(&mut self, entry: &Entry) -> Result<()> {
        self.header(header(entry)?)?;
        let EntryKind::File(content) = &entry.kind else { return Ok(()) };
        self.file(content, &entry.path)?;
        let padding = content.size().next_multiple_of(BLOCK as u64) - content.size();
        self.own(&[0; BLOCK][..padding as usize])
    }

    fn header(&mut self, mut blocks: Vec<u8>) -> Result<()> {
        // PAX records, where there are any, come before the header proper.
        let header = blocks.split_off(blocks.len().saturating_sub(BLOCK));
        self.own(&blocks)?;
        let position = self.plain.position();
        self.plain.write(&header)?;
        let like = self.previous.as_ref().and_then(|(bytes, at)| {
            let distance = usize::try_from(position - at).ok().filter(|distance| *distance <= WINDOW)?;
            Some(Like { bytes, distance })
        });
        self.member.encode(&header, like).context(cannot_write)?;
        self.previous = Some((header, position));
        Ok(())
    }

    /// Writes bytes into an own block.
    fn own(&mut self, bytes: &[u8]) -> Result<()> {
        self.plain.write(bytes)?;
        self.member.encode(bytes, None).context(cannot_write)
    }

    fn file(&mut self, file: &Content, name: &str) -> Result<()> {
        match file {
            Content::Zipped(zipped) if zipped.method == ZipMethod::Deflated => {
                let keep = zipped.size > 0;
                if keep {
                    self.member.align();
                }
                let mut both = Both { plain: self.plain, member: &mut self.member, keep };
                let crc = self.unzipper.inflate(zipped, name, &mut both, self.task)?;
                self.plain.checked(&crc);
                Ok(())
            }
            small if small.size() <= SMALL => {
                let mut bytes = Vec::with_capacity(SMALL as usize);
                content(small, name, &mut bytes, &mut self.unzipper, self.task)?;
                self.own(&bytes)
            }
            large => {
                self.member.align();
                let mut encoder = Encoder::new(self.plain, &mut self.member);
                content(large, name, &mut encoder, &mut self.unzipper, self.task)?;
                encoder.finish().context(cannot_write)
            }
        }
    }
}

/// Takes a file's content into the tar stream and its DEFLATE stream into the member.
struct Both<'a> {
    plain: &'a mut Plain,
    member: &'a mut Member<BlobWriter>,
    /// Unset for an empty file, whose stream says nothing.
    keep: bool,
}

impl Sink for Both<'_> {
    fn room(&mut self) -> Result<&mut [u8]> {
        self.plain.room()
    }

    fn made(&mut self, bytes: usize) -> Result<()> {
        self.plain.made(bytes);
        Ok(())
    }

    fn stream(&mut self, bytes: &[u8]) -> Result<()> {
        if self.keep { self.member.copy(bytes).context(cannot_write) } else { Ok(()) }
    }

    fn stream_end(&mut self, byte: u8, bits: u32) -> Result<()> {
        if self.keep {
            self.member.copy_bits(byte, bits);
        }
        Ok(())
    }
}

/// Encodes a file in blocks of fixed size. How it arrives does not matter.
struct Encoder<'a> {
    plain: &'a mut Plain,
    member: &'a mut Member<BlobWriter>,
    block: Vec<u8>,
    /// The end of the block before: the window never reaches further back than the file.
    before: Vec<u8>,
}

impl<'a> Encoder<'a> {
    fn new(plain: &'a mut Plain, member: &'a mut Member<BlobWriter>) -> Self {
        Self { plain, member, block: Vec::with_capacity(gzip::BLOCK), before: Vec::new() }
    }

    fn encode(&mut self) -> io::Result<()> {
        let (data, before) = (std::mem::take(&mut self.block), std::mem::take(&mut self.before));
        let mut job = Job { data, before, last: false };
        let piece = gzip::deflate(&job).map_err(io::Error::other)?;
        self.plain.write(&job.data).map_err(io::Error::other)?;
        self.member.copy(&piece.bytes)?;
        self.before = gzip::window(&job.data);
        job.data.clear();
        self.block = job.data;
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        if self.block.is_empty() { Ok(()) } else { self.encode() }
    }
}

impl Write for Encoder<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(gzip::BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..n]);
        if self.block.len() == gzip::BLOCK {
            self.encode()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod speed_tests;
#[cfg(test)]
mod tests;
