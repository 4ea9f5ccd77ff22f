//! gzip in parallel, with the same bytes whatever the number of threads.
//!
//! The stream is cut into blocks of fixed size. Each block is deflated on its own, primed with
//! the 32 KiB before it, and ends at a byte boundary (a sync flush), so that the pieces joined
//! are one ordinary deflate stream in one gzip member (RFC 1951, RFC 1952). A block is given to
//! the encoder in one call: how input is cut changes the output of some encoders.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use crate::error::{Error, Result};

/// The size of a block: larger ones save a five-thousandth of the size and cost memory for each
/// thread.
pub(super) const BLOCK: usize = 256 * 1024;
/// How far back deflate can refer.
const WINDOW: usize = 32 * 1024;
/// The encoder's effort; changing it changes every digest.
const LEVEL: u32 = 6;
/// Magic, deflate, no flags, no time, no extra flags, unknown system (RFC 1952 section 2.3).
pub(super) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// A block on its way to an encoder.
pub(super) struct Job {
    /// The block's bytes.
    pub(super) data: Vec<u8>,
    /// What came before it, as far as deflate can refer.
    pub(super) before: Vec<u8>,
    /// Whether nothing follows.
    pub(super) last: bool,
}

/// A deflated block.
pub(super) struct Piece {
    /// The deflate stream's bytes.
    pub(super) bytes: Vec<u8>,
    /// Checksum of the plain bytes.
    pub(super) crc: Crc,
    /// Number of plain bytes.
    pub(super) plain: u64,
}

/// What the next block may refer to.
pub(super) fn window(data: &[u8]) -> Vec<u8> {
    data[data.len().saturating_sub(WINDOW)..].to_vec()
}

/// Deflates one block.
pub(super) fn deflate(job: &Job) -> Result<Piece> {
    let failed = |e| Error::bug("the encoder failed").because(e);
    let mut encoder = Compress::new(Compression::new(LEVEL), false);
    if !job.before.is_empty() {
        encoder.set_dictionary(&job.before).map_err(failed)?;
    }
    let mut crc = Crc::new();
    crc.update(&job.data);
    // Room for what cannot be compressed: stored blocks cost five bytes for each 64 KiB.
    let mut bytes = Vec::with_capacity(job.data.len() + job.data.len() / 1024 + 1024);
    let flush = if job.last { FlushCompress::Finish } else { FlushCompress::Sync };
    loop {
        let input = &job.data[usize::try_from(encoder.total_in()).unwrap_or(usize::MAX)..];
        let status = encoder
            .compress_vec(input, &mut bytes, flush)
            .map_err(|e| Error::bug("the encoder failed").because(e))?;
        let taken = encoder.total_in() == job.data.len() as u64;
        let flushed = bytes.len() < bytes.capacity();
        if status == Status::StreamEnd || (!job.last && taken && flushed) {
            break;
        }
        bytes.reserve(bytes.capacity() / 2);
    }
    Ok(Piece { bytes, crc, plain: job.data.len() as u64 })
}

/// The end of a member: checksum and length modulo 2^32.
pub(super) fn trailer(crc: u32, plain: u64) -> [u8; 8] {
    let mut trailer = [0; 8];
    trailer[..4].copy_from_slice(&crc.to_le_bytes());
    trailer[4..].copy_from_slice(&((plain & 0xffff_ffff) as u32).to_le_bytes());
    trailer
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn gzip(data: &[u8], block: usize) -> Vec<u8> {
        let mut out = HEADER.to_vec();
        let mut crc = Crc::new();
        let mut before = Vec::new();
        let chunks: Vec<&[u8]> = data.chunks(block).collect();
        for (i, chunk) in chunks.iter().enumerate() {
            let job = Job { data: chunk.to_vec(), before, last: i + 1 == chunks.len() };
            let piece = deflate(&job).expect("deflated");
            out.extend_from_slice(&piece.bytes);
            crc.combine(&piece.crc);
            before = window(chunk);
        }
        out.extend_from_slice(&trailer(crc.sum(), data.len() as u64));
        out
    }

    fn noise(n: usize) -> Vec<u8> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        (0..n).map(|_| next()).collect()
    }

    #[test]
    fn the_pieces_are_one_ordinary_member() {
        let text: Vec<u8> = noise(50_000).iter().flat_map(|b| format!("{} ", b % 32).into_bytes()).collect();
        for (data, block) in
            [(text, 10_000), (noise(1_000_000), BLOCK), (vec![0; 5_000], 1), (vec![7; 700_000], BLOCK)]
        {
            let packed = gzip(&data, block);
            let mut read = Vec::new();
            // The plain decoder stops after the first member: all must be in it.
            flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut read).expect("readable");
            assert!(read == data, "block {block}");
        }
    }

    #[test]
    fn a_block_refers_to_the_one_before() {
        let data = noise(20_000).repeat(10);
        assert!(gzip(&data, 20_000).len() < 25_000, "repetitions across blocks are found");
    }
}
