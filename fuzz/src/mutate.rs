//! Changes of sound inputs, the same in each run.

/// A source of numbers: Marsaglia's xorshift of 64 bits.
pub struct Numbers(u64);

impl Numbers {
    /// Numbers that follow from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `limit`; 0 for a limit of 0.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit.max(1) as u64)).unwrap_or(0)
    }
}

/// Values at which lengths, counts and offsets go wrong.
const ODD: [u64; 8] = [0, 1, 0x7f, 0xff, 0x7fff_ffff, 0xffff_ffff, 0x7fff_ffff_ffff_ffff, u64::MAX];

/// `bytes` after one to four changes: bits, bytes, numbers, pieces that are cut out, doubled, moved or taken from
/// `other`, and ends that are cut off.
pub fn changed(bytes: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=numbers.below(4) {
        change(&mut bytes, other, numbers);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    let at = numbers.below(bytes.len());
    match numbers.below(8) {
        0 => with(bytes, at, |byte| *byte ^= 1 << numbers.below(8)),
        1 => with(bytes, at, |byte| *byte = numbers.below(256) as u8),
        2 => {
            let width = [2, 4, 8][numbers.below(3)];
            let value = ODD[numbers.below(ODD.len())].to_le_bytes();
            for (byte, odd) in bytes.iter_mut().skip(at).take(width).zip(value) {
                *byte = odd;
            }
        }
        3 => drop(bytes.drain(at..end(at, bytes.len(), numbers))),
        4 => {
            let piece = bytes[at..end(at, bytes.len(), numbers)].to_vec();
            bytes.splice(at..at, piece);
        }
        5 => {
            let piece = bytes[at..end(at, bytes.len(), numbers)].to_vec();
            let to = numbers.below(bytes.len());
            bytes.splice(to..to, piece);
        }
        6 => {
            let from = numbers.below(other.len());
            let piece = other[from..end(from, other.len(), numbers)].to_vec();
            bytes.splice(at..at, piece);
        }
        _ => bytes.truncate(at),
    }
}

fn with(bytes: &mut [u8], at: usize, change: impl FnOnce(&mut u8)) {
    if let Some(byte) = bytes.get_mut(at) {
        change(byte);
    }
}

/// The end of a piece that starts at `start`, mostly a short one.
fn end(start: usize, length: usize, numbers: &mut Numbers) -> usize {
    let most = if numbers.below(4) == 0 { length } else { 64 };
    (start + 1 + numbers.below(most)).min(length)
}
