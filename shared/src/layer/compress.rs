//! From the plain tar stream to the compressed blob: hashing, compressing and writing overlap.
//!
//! The caller's thread makes the stream and hashes it; workers deflate blocks; one writer puts
//! the pieces in order, hashes them and writes them to the store. Queues are bounded, so memory
//! is a handful of blocks whatever the size of the layer.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use flate2::Crc;

use super::gzip::{self, Job, Piece};
use crate::error::{Context, Error, Result};
use crate::oci::media_type::Compression;
use crate::oci::{Digest, Sha256};
use crate::store::{BlobWriter, Store};

/// More workers than this wait for the thread that reads and hashes, and only cost memory.
const MAX_JOBS: usize = 8;
/// zstd's effort; changing it changes every digest.
const ZSTD_LEVEL: i32 = 3;

/// A compressed stream in the store.
pub(super) struct Compressed {
    /// Where its bytes are.
    pub(super) path: PathBuf,
    /// Digest of the plain bytes.
    pub(super) diff_id: Digest,
    /// Digest of the compressed bytes.
    pub(super) digest: Digest,
    /// Number of compressed bytes.
    pub(super) size: u64,
}

/// Compresses what `produce` writes, with at most `jobs` workers, into the store.
///
/// # Errors
/// What `produce` fails with, else what the encoder or the store fails with. Nothing is kept.
pub(super) fn compress(
    store: &Store,
    compression: Compression,
    jobs: usize,
    produce: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<Compressed> {
    let blob = store.writer()?;
    let (blob, diff_id) = match compression {
        Compression::Gzip => in_parallel(blob, jobs.clamp(1, MAX_JOBS), produce)?,
        Compression::Zstd => {
            let encoder = zstd::Encoder::new(blob, ZSTD_LEVEL).context(failed)?;
            let (encoder, diff_id) = in_line(encoder, produce)?;
            (encoder.finish().context(failed)?, diff_id)
        }
        Compression::None => in_line(blob, produce)?,
    };
    let (path, digest, size) = blob.commit(None)?;
    Ok(Compressed { path, diff_id, digest, size })
}

fn failed() -> String {
    "cannot write the layer to the cache folder".into()
}

/// Writes whole blocks to `to` on the caller's thread.
fn in_line<W: Write>(to: W, produce: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<(W, Digest)> {
    let mut to = to;
    let mut blocks = Blocks::new(|data: Vec<u8>, _| to.write_all(&data));
    produce(&mut blocks)?;
    let diff_id = blocks.finish().context(failed)?;
    Ok((to, diff_id))
}

/// A block, and where its piece is waited for.
type Order = (Job, SyncSender<Result<Piece>>);
type Answer = Receiver<Result<Piece>>;

/// Deflates blocks on `jobs` threads and writes them in order on another.
fn in_parallel(
    blob: BlobWriter,
    jobs: usize,
    produce: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<(BlobWriter, Digest)> {
    // A piece that is being written, one that is done and one to do, for each worker.
    let (job_sender, job_receiver) = sync_channel::<Order>(jobs);
    let (order_sender, order_receiver) = sync_channel::<Answer>(jobs + 1);
    let queue = Mutex::new(job_receiver);
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| work(&queue));
        }
        let writer = scope.spawn(|| join(blob, order_receiver));
        let made = feed(job_sender, order_sender, produce);
        let written = writer.join().map_err(|_| Error::bug("the layer's writer panicked"))?;
        // Where both failed, the writer stopped first: the other only saw its queue closed.
        match (made, written) {
            (Ok(diff_id), Ok(blob)) => Ok((blob, diff_id)),
            (Err(made), Ok(_)) => Err(made),
            (_, Err(written)) => Err(written),
        }
    })
}

fn work(queue: &Mutex<Receiver<Order>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((job, answer)) = next else { return };
        // Nobody waits for the answer any more when the writer has failed.
        let _ = answer.send(gzip::deflate(&job));
    }
}

fn feed(
    jobs: SyncSender<Order>,
    order: SyncSender<Answer>,
    produce: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<Digest> {
    let closed = || io::Error::new(io::ErrorKind::BrokenPipe, "the layer's writer has stopped");
    let mut before = Vec::new();
    let mut blocks = Blocks::new(|data: Vec<u8>, last| {
        let (sender, receiver) = sync_channel(1);
        let next = gzip::window(&data);
        let job = Job { data, before: std::mem::replace(&mut before, next), last };
        order.send(receiver).map_err(|_| closed())?;
        jobs.send((job, sender)).map_err(|_| closed())
    });
    produce(&mut blocks)?;
    blocks.finish().context(failed)
}

/// Writes header, pieces and trailer. A stream that ends without its last piece is of no use,
/// and its maker says why.
fn join(mut blob: BlobWriter, order: Receiver<Answer>) -> Result<BlobWriter> {
    let mut crc = Crc::new();
    let mut plain = 0;
    blob.write_all(&gzip::HEADER).context(failed)?;
    for answer in order {
        let piece = answer.recv().map_err(|_| Error::bug("a worker of the layer panicked"))??;
        crc.combine(&piece.crc);
        plain += piece.plain;
        blob.write_all(&piece.bytes).context(failed)?;
    }
    blob.write_all(&gzip::trailer(crc.sum(), plain)).context(failed)?;
    Ok(blob)
}

/// Cuts a stream into blocks of one size, hashing it in passing. `take` gets each block and
/// whether it is the last.
struct Blocks<F> {
    take: F,
    block: Vec<u8>,
    hash: Sha256,
}

impl<F: FnMut(Vec<u8>, bool) -> io::Result<()>> Blocks<F> {
    fn new(take: F) -> Self {
        Self { take, block: Vec::with_capacity(gzip::BLOCK), hash: Sha256::new() }
    }

    fn finish(mut self) -> io::Result<Digest> {
        (self.take)(self.block, true)?;
        Ok(self.hash.finish())
    }
}

impl<F: FnMut(Vec<u8>, bool) -> io::Result<()>> Write for Blocks<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full block waits for what follows, as the last one is encoded differently.
        if self.block.len() == gzip::BLOCK {
            let full = std::mem::replace(&mut self.block, Vec::with_capacity(gzip::BLOCK));
            (self.take)(full, false)?;
        }
        let n = bytes.len().min(gzip::BLOCK - self.block.len());
        self.hash.update(&bytes[..n]);
        self.block.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn pack(data: &[u8], compression: Compression, jobs: usize, cut: usize) -> (Vec<u8>, Digest) {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        let packed = compress(&store, compression, jobs, |to| {
            data.chunks(cut).try_for_each(|chunk| to.write_all(chunk)).context(String::new)
        })
        .expect("packed");
        let bytes = std::fs::read(&packed.path).expect("read");
        assert_eq!((Digest::of(&bytes), bytes.len() as u64), (packed.digest, packed.size));
        (bytes, packed.diff_id)
    }

    fn data() -> Vec<u8> {
        (0..1_700_000u32).flat_map(|i| (i.wrapping_mul(i) >> 7).to_le_bytes()[..2].to_vec()).collect()
    }

    #[test]
    fn threads_and_cuts_do_not_change_a_byte() {
        let data = data();
        for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
            let first = pack(&data, compression, 1, data.len());
            for (jobs, cut) in [(1, 1000), (2, 65_536), (7, 1 << 20), (3, 77_777)] {
                assert!(pack(&data, compression, jobs, cut) == first, "{compression:?} {jobs} {cut}");
            }
            assert_eq!(first.1, Digest::of(&data));
        }
    }

    #[test]
    fn every_size_around_a_block_is_read_back() {
        for size in [0, 1, gzip::BLOCK - 1, gzip::BLOCK, gzip::BLOCK + 1, 2 * gzip::BLOCK] {
            let data = vec![3; size];
            let (bytes, _) = pack(&data, Compression::Gzip, 2, 4096);
            let mut read = Vec::new();
            flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut read).expect("readable");
            assert!(read == data, "{size}");
        }
    }

    #[test]
    fn a_failing_producer_leaves_nothing_and_says_why() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
            let result = compress(&store, compression, 2, |to| {
                to.write_all(&vec![0; 3 << 20]).context(String::new)?;
                Err(Error::build("the file is gone"))
            });
            assert_eq!(result.err().map(|e| e.to_string()).as_deref(), Some("the file is gone"));
        }
        assert_eq!(std::fs::read_dir(folder.path().join("blobs/sha256")).expect("blobs").count(), 0);
        assert_eq!(std::fs::read_dir(folder.path().join("tmp")).expect("tmp").count(), 0);
    }
}
