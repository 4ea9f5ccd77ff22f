//! Files of zip archives, read as streams and checked to the last byte.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crc32fast::Hasher;

use super::entry::{ZipMethod, Zipped};
use super::inflate::Inflater;
use crate::error::{Context, Error, Result};
use crate::event::Task;
use crate::oci::Sha256;
use crate::read;

/// How much is read at once.
pub(super) const CHUNK: usize = 256 * 1024;

/// The words for a place that is none.
const BEHIND_END: &str = "lies behind the end of the archive";

/// Takes an inflated file, both as content and as the stream that it was.
pub(super) trait Sink {
    /// Where content goes next. Never empty.
    fn room(&mut self) -> Result<&mut [u8]>;
    /// So many bytes of the room were filled.
    fn made(&mut self, bytes: usize) -> Result<()>;
    /// Bytes of the stream, without the mark of its last block.
    fn stream(&mut self, bytes: &[u8]) -> Result<()>;
    /// The end of the stream, where it is no whole byte: the low bits of one.
    fn stream_end(&mut self, byte: u8, bits: u32) -> Result<()>;
}

/// A reader of zipped files, with buffers for all of them.
pub(super) struct Unzipper {
    /// The archive that was read last: files of one come one after the other.
    archive: Option<(PathBuf, File)>,
    inflater: Inflater,
    input: Vec<u8>,
    /// For content whose stream is of no use; empty until there is some.
    output: Vec<u8>,
}

impl Unzipper {
    /// A reader that reads so many bytes at once.
    ///
    /// # Errors
    /// Bug: the inflater cannot be made.
    pub(super) fn new(chunk: usize) -> Result<Self> {
        Ok(Self {
            archive: None,
            inflater: Inflater::new()?,
            input: vec![0; chunk.max(1)],
            output: Vec::new(),
        })
    }

    /// Writes the content of a zipped file, which must be what the archive promises. `name` is
    /// for messages.
    ///
    /// # Errors
    /// Integrity: another size, CRC or digest than promised, or data that cannot be inflated.
    /// Build: the archive cannot be read, or `to` not be written.
    pub(super) fn copy(
        &mut self,
        zipped: &Zipped,
        name: &str,
        to: &mut dyn Write,
        task: &Task,
    ) -> Result<()> {
        match zipped.method {
            ZipMethod::Stored => self.copy_stored(zipped, name, to, task),
            ZipMethod::Deflated => {
                let mut buffer = std::mem::take(&mut self.output);
                buffer.resize(CHUNK, 0);
                let mut content = ContentOnly { to, buffer };
                let inflated = self.inflate(zipped, name, &mut content, task);
                self.output = content.buffer;
                inflated.map(drop)
            }
        }
    }

    fn copy_stored(&mut self, zipped: &Zipped, name: &str, to: &mut dyn Write, task: &Task) -> Result<()> {
        let mut check = Check::new(zipped, name);
        let mut left = zipped.compressed;
        self.seek(&check)?;
        while left > 0 {
            let n = self.read(left, &check)?;
            left -= n as u64;
            check.update(&self.input[..n])?;
            to.write_all(&self.input[..n]).context(cannot_write)?;
            task.advance(n as u64);
        }
        check.finish().map(drop)
    }

    /// Inflates a deflated file once, and gives `to` its content and its stream, which together
    /// must be what the archive promises. The CRC of the content.
    ///
    /// # Errors
    /// As [`Self::copy`]. Then `to` has got a part, and must be thrown away.
    pub(super) fn inflate(
        &mut self,
        zipped: &Zipped,
        name: &str,
        to: &mut impl Sink,
        task: &Task,
    ) -> Result<Hasher> {
        let mut check = Check::new(zipped, name);
        let mut left = zipped.compressed;
        let mut marks = Marks { block: Some(0), last: None };
        let mut found_last = false;
        self.seek(&check)?;
        self.inflater.reset()?;
        while left > 0 {
            let n = self.read(left, &check)?;
            left -= n as u64;
            let chunk = self.inflate_chunk(n, &mut marks, &mut check, to, task)?;
            if let Some(bit) = marks.last.take() {
                // The stream goes on with something else, so no block of it is the last.
                self.input[bit / 8] &= !(1 << (bit % 8));
                found_last = true;
            }
            let Some(unused_bits) = chunk.unused_bits else {
                to.stream(&self.input[..n])?;
                continue;
            };
            if chunk.taken < n || left > 0 {
                return Err(check.broken("ends before its place in the archive does"));
            }
            if !found_last {
                return Err(Error::bug(format!("the last block of {name} was not found")));
            }
            let whole = if unused_bits == 0 { n } else { n - 1 };
            to.stream(&self.input[..whole])?;
            if unused_bits > 0 {
                to.stream_end(self.input[whole] & (0xff >> unused_bits), 8 - u32::from(unused_bits))?;
            }
            return check.finish();
        }
        Err(check.broken("is cut short"))
    }

    /// Inflates the first `n` bytes of the input, or up to the end of the last block.
    fn inflate_chunk(
        &mut self,
        n: usize,
        marks: &mut Marks,
        check: &mut Check,
        to: &mut impl Sink,
        task: &Task,
    ) -> Result<Chunk> {
        let input = &self.input[..n];
        let mut taken = 0;
        loop {
            marks.look(input);
            let room = to.room()?;
            // One byte more than promised is enough to see that the promise is not kept.
            let most = usize::try_from(check.left).unwrap_or(usize::MAX).saturating_add(1).min(room.len());
            let step = self
                .inflater
                .step(&input[taken..], &mut room[..most])
                .map_err(|e| check.broken("cannot be inflated").because(e))?;
            check.update(&room[..step.made])?;
            to.made(step.made)?;
            task.advance(step.made as u64);
            taken += step.taken;
            match step.end {
                Some(end) if end.last => return Ok(Chunk { taken, unused_bits: Some(end.unused_bits) }),
                Some(end) => marks.block = Some(taken * 8 - usize::from(end.unused_bits)),
                None if taken == n && step.made < most => break,
                None if step.taken == 0 && step.made == 0 => {
                    return Err(Error::bug("the inflater stands still"));
                }
                None => {}
            }
        }
        // A block that begins behind this chunk begins with the next one.
        marks.block = marks.block.map(|_| 0);
        Ok(Chunk { taken, unused_bits: None })
    }

    fn seek(&mut self, check: &Check) -> Result<()> {
        let path = &check.zipped.archive;
        let failed = || format!("cannot read {}", path.display());
        let file = match self.archive.take() {
            Some((open, file)) if open == *path => file,
            _ => read::file(path).context(failed)?,
        };
        let (_, file) = self.archive.insert((path.clone(), file));
        match file.seek(SeekFrom::Start(check.zipped.offset)) {
            Ok(_) => Ok(()),
            // No file of this file system is so large.
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => Err(check.broken(BEHIND_END)),
            Err(e) => Err(e).context(failed),
        }
    }

    /// Fills the input, but with no more than `left` bytes; how many it is.
    fn read(&mut self, left: u64, check: &Check) -> Result<usize> {
        let n = usize::try_from(left).unwrap_or(usize::MAX).min(self.input.len());
        let Some((path, file)) = &mut self.archive else {
            return Err(Error::bug("no archive is open"));
        };
        match file.read_exact(&mut self.input[..n]) {
            Ok(()) => Ok(n),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(check.broken(BEHIND_END)),
            Err(e) => Err(e).context(|| format!("cannot read {}", path.display())),
        }
    }
}

/// What became of a piece of a stream.
struct Chunk {
    taken: usize,
    /// Set when the stream ended in it: how many bits of the last byte taken are not used.
    unused_bits: Option<u8>,
}

/// Bits of a chunk, counted from its beginning.
struct Marks {
    /// Where a block begins whose first bit was not yet looked at.
    block: Option<usize>,
    /// The first bit of the last block, which says that it is the last.
    last: Option<usize>,
}

impl Marks {
    fn look(&mut self, input: &[u8]) {
        let Some(bit) = self.block else { return };
        // A block may begin with a byte that is not read yet.
        let Some(byte) = input.get(bit / 8) else { return };
        self.block = None;
        if byte >> (bit % 8) & 1 == 1 {
            self.last = Some(bit);
        }
    }
}

/// Compares content with what the archive promises.
struct Check<'a> {
    zipped: &'a Zipped,
    name: &'a str,
    crc: Hasher,
    /// Costs as much as half of inflating, so only where there is something to compare with.
    hash: Option<Sha256>,
    left: u64,
}

impl<'a> Check<'a> {
    fn new(zipped: &'a Zipped, name: &'a str) -> Self {
        let hash = zipped.digest.map(|_| Sha256::new());
        Self { zipped, name, crc: Hasher::new(), hash, left: zipped.size }
    }

    fn broken(&self, what: &str) -> Error {
        Error::integrity(format!("{} in {} {what}", self.name, self.zipped.archive.display()))
            .hint("the archive is damaged; delete it and fetch it again, or use another version")
    }

    fn update(&mut self, bytes: &[u8]) -> Result<()> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or_else(|| self.broken("is longer than the archive says"))?;
        self.crc.update(bytes);
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Hasher> {
        let digest = self.hash.take().map(Sha256::finish);
        if self.left > 0 {
            Err(self.broken("is shorter than the archive says"))
        } else if self.crc.clone().finalize() != self.zipped.crc32 {
            Err(self.broken("does not match its CRC"))
        } else if digest != self.zipped.digest {
            Err(self.broken("does not match its digest"))
        } else {
            Ok(self.crc)
        }
    }
}

/// Writes content, and has no use for streams.
struct ContentOnly<'a> {
    to: &'a mut dyn Write,
    buffer: Vec<u8>,
}

impl Sink for ContentOnly<'_> {
    fn room(&mut self) -> Result<&mut [u8]> {
        Ok(&mut self.buffer)
    }

    fn made(&mut self, bytes: usize) -> Result<()> {
        self.to.write_all(&self.buffer[..bytes]).context(cannot_write)
    }

    fn stream(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn stream_end(&mut self, _: u8, _: u32) -> Result<()> {
        Ok(())
    }
}

/// The sentence for a file system that refuses.
pub(super) fn cannot_write() -> String {
    "cannot write to the cache folder".into()
}

#[cfg(test)]
mod tests;
