//! Raw DEFLATE (RFC 1951) inflated block by block, with the bit at which each block ends.
//!
//! The safe interfaces of zlib-rs do not tell bit positions; its C interface does. So this is
//! the one module with `unsafe`, and it does nothing else.

use std::ffi::CStr;

use libz_rs_sys as zlib;

use crate::error::{Error, Result};

/// No header and no trailer, and the largest window.
const RAW: i32 = -15;
/// What `data_type` holds after a call with `Z_BLOCK`: unused bits of the last byte taken,
/// whether the block is the stream's last, and whether the call stopped behind a block.
const UNUSED_BITS: i32 = 63;
const LAST_BLOCK: i32 = 64;
const BEHIND_BLOCK: i32 = 128;

/// An inflater for one stream after the other.
pub(super) struct Inflater {
    // Boxed, so that it has one address as long as the library knows it.
    stream: Box<zlib::z_stream>,
}

/// What one call did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Bytes of the input that were used.
    pub(super) taken: usize,
    /// Bytes of the output that were filled.
    pub(super) made: usize,
    /// Where the block ended, if the call stopped for that.
    pub(super) end: Option<BlockEnd>,
}

/// Where a block of the DEFLATE stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockEnd {
    /// How many of the high bits of the last byte taken belong to what follows: 0 to 7.
    pub(super) unused_bits: u8,
    /// Whether it is the last block of the stream.
    pub(super) last: bool,
}

impl Inflater {
    /// An inflater at the beginning of a stream.
    ///
    /// # Errors
    /// Bug: the library refuses.
    pub(super) fn new() -> Result<Self> {
        let mut stream = Box::new(zlib::z_stream::default());
        let size = i32::try_from(size_of::<zlib::z_stream>()).unwrap_or_default();
        // SAFETY: the stream is a valid value with the library's own allocator, and the version
        // is the library's own text.
        let code = unsafe { zlib::inflateInit2_(&raw mut *stream, RAW, zlib::zlibVersion(), size) };
        if code == zlib::Z_OK { Ok(Self { stream }) } else { Err(unexpected("begin", code)) }
    }

    /// Forgets the stream and all that it could refer to.
    ///
    /// # Errors
    /// Bug: the library refuses.
    pub(super) fn reset(&mut self) -> Result<()> {
        // SAFETY: `new` initialized the stream, and only `drop` ends it.
        let code = unsafe { zlib::inflateReset(&raw mut *self.stream) };
        if code == zlib::Z_OK { Ok(()) } else { Err(unexpected("begin again", code)) }
    }

    /// Inflates until a block ends, the input is used up or the output is full. When nothing is
    /// left to do but to wait for more of either, nothing is taken or made.
    ///
    /// # Errors
    /// Integrity: this is no DEFLATE stream. Bug: the library breaks its word.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step> {
        let stream = &mut *self.stream;
        let (given, room) = (clamp(input.len()), clamp(output.len()));
        stream.next_in = input.as_ptr().cast_mut();
        stream.avail_in = given;
        stream.next_out = output.as_mut_ptr();
        stream.avail_out = room;
        // SAFETY: `new` initialized the stream. The pointers and lengths are those of slices that
        // are borrowed until the call returns; the library reads the one and writes the other,
        // and sets its own copies anew before it uses them in the next call.
        let code = unsafe { zlib::inflate(&raw mut *stream, zlib::Z_BLOCK) };
        let (data_type, left, free) = (stream.data_type, stream.avail_in, stream.avail_out);
        stream.next_in = std::ptr::null_mut();
        stream.next_out = std::ptr::null_mut();
        match code {
            // "Buffer error" means that nothing was taken or made, and that is no error.
            zlib::Z_OK | zlib::Z_BUF_ERROR => {}
            zlib::Z_DATA_ERROR => return Err(Error::integrity(self.message())),
            code => return Err(unexpected("inflate", code)),
        }
        let taken = given.checked_sub(left).map(|n| n as usize);
        let made = room.checked_sub(free).map(|n| n as usize);
        let (Some(taken), Some(made)) = (taken, made) else { return Err(unexpected("count", code)) };
        let end = if data_type & BEHIND_BLOCK == 0 {
            None
        } else {
            let unused_bits = u8::try_from(data_type & UNUSED_BITS).unwrap_or(u8::MAX);
            if unused_bits > 7 {
                return Err(unexpected("give back bytes", data_type));
            }
            Some(BlockEnd { unused_bits, last: data_type & LAST_BLOCK != 0 })
        };
        Ok(Step { taken, made, end })
    }

    fn message(&self) -> String {
        if self.stream.msg.is_null() {
            return "no DEFLATE stream".into();
        }
        // SAFETY: where it is set, it is one of the library's own constant texts, which end with
        // a zero and are never freed.
        let text = unsafe { CStr::from_ptr(self.stream.msg.cast_const().cast()) };
        text.to_string_lossy().into_owned()
    }
}

impl Drop for Inflater {
    fn drop(&mut self) {
        // SAFETY: `new` initialized the stream, and nothing uses it after this.
        unsafe { zlib::inflateEnd(&raw mut *self.stream) };
    }
}

/// Longer slices are used in several calls.
fn clamp(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn unexpected(what: &str, code: i32) -> Error {
    Error::bug(format!("the inflater did not {what} (code {code})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8]) -> (Vec<u8>, Vec<(u64, bool)>) {
        let mut inflater = Inflater::new().expect("inflater");
        let (mut plain, mut ends, mut at) = (Vec::new(), Vec::new(), 0);
        let mut room = [0; 100];
        loop {
            let step = inflater.step(&input[at..], &mut room).expect("a stream");
            at += step.taken;
            plain.extend_from_slice(&room[..step.made]);
            if let Some(end) = step.end {
                ends.push((at as u64 * 8 - u64::from(end.unused_bits), end.last));
                if end.last {
                    return (plain, ends);
                }
            }
        }
    }

    #[test]
    fn the_bit_behind_each_block_is_told() {
        // A stored block with "a", an empty fixed block, and a last fixed block with "b".
        let stored = [0b000, 1, 0, 0xfe, 0xff, b'a'];
        // 0 01 0000000 | 1 01 and the literal 0x30 + 'b' as 10010010, then 0000000.
        let bits = "0100000000".to_owned() + "110" + "10010010" + "0000000";
        let mut fixed = vec![0; bits.len().div_ceil(8)];
        for (i, bit) in bits.bytes().enumerate() {
            fixed[i / 8] |= (bit - b'0') << (i % 8);
        }
        let (plain, ends) = all(&[&stored[..], &fixed].concat());
        assert_eq!(plain, b"ab");
        assert_eq!(ends, [(48, false), (58, false), (76, true)]);
    }

    #[test]
    fn a_stream_cannot_refer_to_the_one_before() {
        let mut inflater = Inflater::new().expect("inflater");
        let mut room = [0; 100];
        let first = inflater.step(&[0b001, 3, 0, 0xfc, 0xff, b'a', b'b', b'c'], &mut room).expect("stored");
        assert_eq!((first.made, first.end.map(|end| end.last)), (3, Some(true)));
        inflater.reset().expect("reset");
        // A last fixed block with a match of length 3 at distance 1, and nothing before it.
        let error = inflater.step(&[0b0000_0011, 0b0000_0010, 0, 0], &mut room).expect_err("refused");
        assert_eq!(error.kind(), crate::Kind::Integrity);
        assert!(error.to_string().contains("too far back"), "{error}");
    }

    #[test]
    fn waiting_is_no_error_and_noise_is_one() {
        let mut inflater = Inflater::new().expect("inflater");
        let nothing = Step { taken: 0, made: 0, end: None };
        assert_eq!(inflater.step(&[], &mut [0; 9]).expect("waits"), nothing);
        let error = inflater.step(&[0b111], &mut [0; 9]).expect_err("no such block");
        assert_eq!(error.kind(), crate::Kind::Integrity);
        inflater.reset().expect("reset");
        assert!(inflater.step(&[3, 0], &mut [0; 9]).expect("empty").end.is_some_and(|end| end.last));
    }
}
