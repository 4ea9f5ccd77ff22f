//! A gzip member (RFC 1952) that is put together from foreign DEFLATE streams and own blocks
//! between them (RFC 1951).
//!
//! Own blocks use the fixed codes of section 3.2.6. They refer to two places only: the byte
//! before, and a piece of tar that the caller knows to be in the window.

use std::io::{self, Write};

use super::super::gzip;

/// Bytes are written in pieces of about this size.
const PIECE: usize = 64 * 1024;
/// How far back deflate can refer.
pub(super) const WINDOW: usize = 32 * 1024;
/// The longest match.
const LONGEST: usize = 258;
/// The shortest run, and the shortest match further back, that take less room than literals.
const RUN: usize = 3;
const MATCH: usize = 4;

/// First length and number of extra bits of the symbols from 257 (section 3.2.5).
const LENGTHS: [(u16, u8); 29] = {
    let mut table = [(3, 0); 29];
    let mut i = 1;
    while i < 28 {
        table[i] = (table[i - 1].0 + (1 << table[i - 1].1), if i < 8 { 0 } else { (i as u8 - 4) / 4 });
        i += 1;
    }
    // The longest is a symbol of its own.
    table[28] = (LONGEST as u16, 0);
    table
};

/// First distance and number of extra bits of the distance symbols (section 3.2.5).
const DISTANCES: [(u16, u8); 30] = {
    let mut table = [(1, 0); 30];
    let mut i = 1;
    while i < 30 {
        table[i] = (table[i - 1].0 + (1 << table[i - 1].1), if i < 4 { 0 } else { (i as u8 - 2) / 2 });
        i += 1;
    }
    table
};

/// A tar piece like the one to be written, and how far back it is.
#[derive(Clone, Copy)]
pub(super) struct Like<'a> {
    pub(super) bytes: &'a [u8],
    /// From the first byte to be written to its first byte: [`WINDOW`] at most.
    pub(super) distance: usize,
}

/// A member on its way to `to`.
pub(super) struct Member<W> {
    to: W,
    bytes: Vec<u8>,
    /// Bits that are no byte yet, the first the lowest.
    hold: u64,
    held: u32,
    /// Whether an own block is open.
    open: bool,
    /// The byte before, where an own block may refer to it.
    before: Option<u8>,
}

impl<W: Write> Member<W> {
    /// The beginning of a member.
    pub(super) fn new(to: W) -> Self {
        let mut bytes = Vec::with_capacity(2 * PIECE);
        bytes.extend_from_slice(&gzip::HEADER);
        Self { to, bytes, hold: 0, held: 0, open: false, before: None }
    }

    /// Encodes `plain` in an own block.
    pub(super) fn encode(&mut self, plain: &[u8], like: Option<Like>) -> io::Result<()> {
        if !plain.is_empty() && !self.open {
            self.open = true;
            self.bits(0b010, 3);
        }
        let mut at = 0;
        while let Some(rest) = plain.get(at..).filter(|rest| !rest.is_empty()) {
            let run = self.before.map_or(0, |before| common(rest, std::iter::repeat(&before)));
            let there = like.and_then(|like| Some((like.bytes.get(at..)?, like.distance)));
            let same = there.map_or(0, |(bytes, _)| common(rest, bytes));
            let length = match there {
                _ if run >= RUN && run >= same => {
                    self.refer(run, 1);
                    run
                }
                Some((_, distance)) if same >= MATCH => {
                    self.refer(same, distance);
                    same
                }
                _ => {
                    self.symbol(u16::from(rest[0]));
                    1
                }
            };
            at += length;
            self.before = Some(plain[at - 1]);
        }
        self.drain()
    }

    /// Ends the own block, if one is open, and goes on at the next byte: stored blocks of a
    /// foreign stream count from there.
    pub(super) fn align(&mut self) {
        self.close();
        if self.held > 0 {
            // An empty stored block.
            self.bits(0b000, 3);
            self.pad();
            self.bytes.extend_from_slice(&[0, 0, 0xff, 0xff]);
        }
    }

    /// Copies bytes of a foreign stream, all blocks of which are marked as not the last.
    /// [`Self::align`] comes before the first.
    pub(super) fn copy(&mut self, stream: &[u8]) -> io::Result<()> {
        self.before = None;
        if stream.len() < PIECE {
            self.bytes.extend_from_slice(stream);
            return self.drain();
        }
        self.to.write_all(&self.bytes)?;
        self.bytes.clear();
        self.to.write_all(stream)
    }

    /// Copies the end of a foreign stream where it is no whole byte: the low bits of one.
    pub(super) fn copy_bits(&mut self, byte: u8, bits: u32) {
        self.before = None;
        self.bits(u32::from(byte), bits);
    }

    /// Ends the member: the CRC and the length of all that it holds.
    pub(super) fn finish(mut self, crc: u32, plain: u64) -> io::Result<W> {
        self.close();
        // A last block, empty.
        self.bits(0b011, 3);
        self.symbol(256);
        self.pad();
        self.bytes.extend_from_slice(&gzip::trailer(crc, plain));
        self.to.write_all(&self.bytes)?;
        Ok(self.to)
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.open) {
            self.symbol(256);
        }
    }

    fn drain(&mut self) -> io::Result<()> {
        if self.bytes.len() >= PIECE {
            self.to.write_all(&self.bytes)?;
            self.bytes.clear();
        }
        Ok(())
    }

    /// A match of 3 to 258 bytes.
    fn refer(&mut self, length: usize, distance: usize) {
        let (symbol, extra, bits) = part(&LENGTHS, length);
        self.symbol(257 + symbol);
        self.bits(extra, bits);
        let (symbol, extra, bits) = part(&DISTANCES, distance);
        self.code(u32::from(symbol), 5);
        self.bits(extra, bits);
    }

    /// A literal or length symbol in the fixed code.
    fn symbol(&mut self, symbol: u16) {
        let symbol = u32::from(symbol);
        match symbol {
            0..144 => self.code(0x30 + symbol, 8),
            144..256 => self.code(0x190 + symbol - 144, 9),
            256..280 => self.code(symbol - 256, 7),
            _ => self.code(0xc0 + symbol - 280, 8),
        }
    }

    /// A Huffman code: the only thing in DEFLATE whose highest bit comes first.
    fn code(&mut self, code: u32, bits: u32) {
        self.bits(code.reverse_bits() >> (32 - bits), bits);
    }

    fn bits(&mut self, value: u32, bits: u32) {
        self.hold |= u64::from(value) << self.held;
        self.held += bits;
        while self.held >= 8 {
            self.bytes.push((self.hold & 0xff) as u8);
            self.hold >>= 8;
            self.held -= 8;
        }
    }

    fn pad(&mut self) {
        if self.held > 0 {
            self.bits(0, 8 - self.held);
        }
    }
}

/// How many bytes both begin with, as far as a match can say it.
fn common<'a>(one: &[u8], other: impl IntoIterator<Item = &'a u8>) -> usize {
    one.iter().zip(other).take(LONGEST).take_while(|(a, b)| a == b).count()
}

/// The symbol for a length or distance, its extra bits and their number.
fn part(table: &[(u16, u8)], value: usize) -> (u16, u32, u32) {
    let at = table.partition_point(|(first, _)| usize::from(*first) <= value).saturating_sub(1);
    let (first, bits) = table[at];
    (at as u16, (value - usize::from(first)) as u32, u32::from(bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn read(member: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(member).read_to_end(&mut plain).expect("a member");
        plain
    }

    fn crc(plain: &[u8]) -> u32 {
        crc32fast::hash(plain)
    }

    #[test]
    fn the_tables_are_those_of_the_rfc() {
        assert_eq!(LENGTHS[7], (10, 0));
        assert_eq!(LENGTHS[8], (11, 1));
        assert_eq!(LENGTHS[27], (227, 5));
        assert_eq!(DISTANCES[3], (4, 0));
        assert_eq!(DISTANCES[29], (24577, 13));
        assert_eq!(part(&LENGTHS, 257), (27, 30, 5));
        assert_eq!(part(&LENGTHS, 258), (28, 0, 0));
        assert_eq!(part(&DISTANCES, 32768), (29, 8191, 13));
    }

    #[test]
    fn every_byte_length_and_distance_is_read_back() {
        let literals: Vec<u8> = (0..=255).collect();
        let mut member = Member::new(Vec::new());
        let mut plain = literals.clone();
        member.encode(&literals, None).expect("encoded");
        for run in 1..600 {
            let bytes = vec![run as u8; run];
            member.encode(&bytes, None).expect("encoded");
            plain.extend_from_slice(&bytes);
        }
        for distance in [1, 2, 3, 4, 5, 6, 9, 200, 256, 257, 1000, 16_385, 24_577, 32_767, WINDOW] {
            let start = plain.len() - distance;
            let bytes: Vec<u8> = plain[start..].iter().copied().take(100).collect();
            member.encode(&bytes, Some(Like { bytes: &bytes, distance })).expect("encoded");
            plain.extend_from_slice(&bytes);
        }
        let member = member.finish(crc(&plain), plain.len() as u64).expect("finished");
        assert!(read(&member) == plain);
        assert!(member.len() < 12_000, "{}: runs and matches are short", member.len());
    }

    #[test]
    fn own_blocks_and_foreign_ones_alternate_at_any_bit() {
        let mut member = Member::new(Vec::new());
        let mut plain = Vec::new();
        let stored = [0, 1, 0, 0xfe, 0xff, b'x'];
        for i in 0..40u8 {
            let own = vec![b'a' + i % 26; usize::from(i) % 7];
            member.encode(&own, None).expect("encoded");
            member.align();
            member.copy(&stored).expect("copied");
            // An empty fixed block: ten bits, of which two go into a byte of their own.
            member.copy(&[0b10]).expect("copied");
            member.copy_bits(0, 2);
            plain.extend_from_slice(&own);
            plain.push(b'x');
        }
        let long = vec![7; PIECE - 5];
        member.align();
        member.copy(&[&[0, 0xfb, 0xff, 4, 0][..], &long].concat()).expect("copied");
        plain.extend_from_slice(&long);
        let member = member.finish(crc(&plain), plain.len() as u64).expect("finished");
        assert!(read(&member) == plain);
    }
}
