//! The tar stream that a spliced layer stands for: never kept, only hashed, counted and examined.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crc32fast::Hasher;

use crate::error::{Error, Result};
use crate::facts::Scanned;
use crate::oci::{Digest, Sha256};

/// The size of a buffer: it stays in the processor's cache between inflating and hashing.
const BUFFER: usize = 256 * 1024;
/// Inflaters are slow near the end of a buffer.
const LEAST: usize = 16 * 1024;
/// How many buffers there are when another thread hashes.
const BUFFERS: usize = 4;

/// A tar stream in progress.
pub(super) struct Plain {
    buffer: Vec<u8>,
    filled: usize,
    /// Bytes before those of the buffer.
    before: u64,
    crc: Hasher,
    hashing: Hashing,
}

enum Hashing {
    Here(Sha256),
    There(Channel),
}

/// The way to the thread that hashes, and the buffers' way back.
struct Channel {
    full: SyncSender<(Vec<u8>, usize)>,
    empty: Receiver<Vec<u8>>,
    /// How many more buffers may be made.
    spare: usize,
}

/// The full buffers as a stream, for the thread that hashes and reads them.
struct Buffers {
    full: Receiver<(Vec<u8>, usize)>,
    empty: SyncSender<Vec<u8>>,
    hash: Sha256,
    buffer: Vec<u8>,
    filled: usize,
    read: usize,
}

/// What is known of a tar stream when it has ended.
#[derive(Debug)]
pub(super) struct Hashed {
    pub(super) diff_id: Digest,
    /// What is in it, if another thread had the time to look.
    pub(super) scanned: Option<Scanned>,
}

/// Has `work` make a tar stream, and tells about that besides. With more than one job, another
/// thread hashes and examines it.
///
/// # Errors
/// Those of `work`.
pub(super) fn hashed<T>(jobs: usize, work: impl FnOnce(&mut Plain) -> Result<T>) -> Result<(T, Hashed)> {
    if jobs < 2 {
        let mut plain = Plain::new(Hashing::Here(Sha256::new()));
        let made = work(&mut plain)?;
        plain.flush()?;
        let Hashing::Here(hash) = plain.hashing else { return Err(Error::bug("the hash is elsewhere")) };
        return Ok((made, Hashed { diff_id: hash.finish(), scanned: None }));
    }
    let (full, to_hash) = sync_channel::<(Vec<u8>, usize)>(BUFFERS);
    let (give_back, empty) = sync_channel(BUFFERS);
    thread::scope(|scope| {
        let hasher = scope.spawn(move || Buffers::new(to_hash, give_back).hashed());
        let mut plain = Plain::new(Hashing::There(Channel { full, empty, spare: BUFFERS - 1 }));
        let made = work(&mut plain).and_then(|made| plain.flush().map(|()| made));
        // The thread ends when nothing can come any more.
        drop(plain);
        let hashed = hasher.join().map_err(|_| Error::bug("the layer's hasher panicked"))?;
        Ok((made?, hashed))
    })
}

impl Plain {
    fn new(hashing: Hashing) -> Self {
        Self { buffer: vec![0; BUFFER], filled: 0, before: 0, crc: Hasher::new(), hashing }
    }

    /// How many bytes were written.
    pub(super) fn position(&self) -> u64 {
        self.before + self.filled as u64
    }

    /// The CRC of all bytes that were written.
    pub(super) fn crc(&self) -> u32 {
        self.crc.clone().finalize()
    }

    /// Where the next bytes go. Never empty.
    pub(super) fn room(&mut self) -> Result<&mut [u8]> {
        if self.buffer.len() - self.filled < LEAST {
            self.flush()?;
        }
        Ok(&mut self.buffer[self.filled..])
    }

    /// So many bytes of the room were filled. Their CRC comes later, with [`Self::checked`].
    pub(super) fn made(&mut self, bytes: usize) {
        self.filled = (self.filled + bytes).min(self.buffer.len());
    }

    /// The CRC of what was made since the last call.
    pub(super) fn checked(&mut self, crc: &Hasher) {
        self.crc.combine(crc);
    }

    /// Writes bytes, CRC included.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.crc.update(bytes);
        while !bytes.is_empty() {
            let room = self.room()?;
            let n = bytes.len().min(room.len());
            room[..n].copy_from_slice(&bytes[..n]);
            self.made(n);
            bytes = &bytes[n..];
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.before += self.filled as u64;
        let filled = std::mem::take(&mut self.filled);
        match &mut self.hashing {
            Hashing::Here(hash) => hash.update(&self.buffer[..filled]),
            Hashing::There(channel) => {
                let buffer = std::mem::take(&mut self.buffer);
                self.buffer = channel.exchange(buffer, filled)?;
            }
        }
        Ok(())
    }
}

impl Buffers {
    fn new(full: Receiver<(Vec<u8>, usize)>, empty: SyncSender<Vec<u8>>) -> Self {
        Self { full, empty, hash: Sha256::new(), buffer: Vec::new(), filled: 0, read: 0 }
    }

    fn hashed(mut self) -> Hashed {
        // What cannot be understood now is read again by whoever asks, who then says why.
        let scanned = Scanned::of(&mut self).ok();
        while self.next() {}
        Hashed { diff_id: self.hash.finish(), scanned }
    }

    /// Takes the next buffer, if one comes, and gives this one back.
    fn next(&mut self) -> bool {
        let Ok((buffer, filled)) = self.full.recv() else { return false };
        self.hash.update(&buffer[..filled]);
        let done = std::mem::replace(&mut self.buffer, buffer);
        (self.filled, self.read) = (filled, 0);
        if !done.is_empty() {
            // Nobody takes it back when all is done.
            let _ = self.empty.send(done);
        }
        true
    }
}

impl Read for Buffers {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.read == self.filled {
            if !self.next() {
                return Ok(0);
            }
        }
        let n = to.len().min(self.filled - self.read);
        to[..n].copy_from_slice(&self.buffer[self.read..self.read + n]);
        self.read += n;
        Ok(n)
    }
}

impl Channel {
    fn exchange(&mut self, buffer: Vec<u8>, filled: usize) -> Result<Vec<u8>> {
        let gone = || Error::bug("the layer's hasher stopped");
        self.full.send((buffer, filled)).map_err(|_| gone())?;
        if let Ok(buffer) = self.empty.try_recv() {
            return Ok(buffer);
        }
        if let Some(spare) = self.spare.checked_sub(1) {
            self.spare = spare;
            return Ok(vec![0; BUFFER]);
        }
        self.empty.recv().map_err(|_| gone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_hashing_count_and_check_alike() {
        let data: Vec<u8> = (0..3_000_000u32).map(|i| (i.wrapping_mul(i) >> 9) as u8).collect();
        for jobs in [1, 2] {
            let ((position, crc), made) = hashed(jobs, |plain| {
                for chunk in data.chunks(100_003) {
                    let (written, made) = chunk.split_at(chunk.len() / 2);
                    plain.write(written)?;
                    let mut crc = Hasher::new();
                    for piece in made.chunks(1000) {
                        plain.room()?[..piece.len()].copy_from_slice(piece);
                        plain.made(piece.len());
                        crc.update(piece);
                    }
                    plain.checked(&crc);
                }
                Ok((plain.position(), plain.crc()))
            })
            .expect("hashed");
            assert_eq!((position, crc), (data.len() as u64, crc32fast::hash(&data)));
            assert_eq!(made.diff_id, Digest::of(&data));
            assert!(made.scanned.is_none(), "it is no tar");
        }
    }

    #[test]
    fn a_second_thread_sees_what_is_in_it() {
        let mut archive = tar::Builder::new(Vec::new());
        for number in 0..9 {
            let mut header = tar::Header::new_gnu();
            header.set_size(number * 100_000);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            archive
                .append_data(&mut header, format!("{number}"), io::repeat(7).take(number * 100_000))
                .expect("appended");
        }
        let data = archive.into_inner().expect("archive");
        for jobs in [1, 2] {
            let ((), made) = hashed(jobs, |plain| plain.write(&data)).expect("hashed");
            assert_eq!(made.diff_id, Digest::of(&data));
            assert_eq!(made.scanned, (jobs > 1).then(|| Scanned::of(&data[..]).expect("scanned")));
        }
    }

    #[test]
    fn a_failure_ends_the_thread_too() {
        for jobs in [1, 2] {
            let failed = hashed(jobs, |plain| {
                plain.write(&vec![0; 2_000_000])?;
                Err::<(), _>(Error::build("the file is gone"))
            });
            assert_eq!(failed.expect_err("failed").to_string(), "the file is gone");
        }
    }
}
