//! Whether bytes are what several hashes promise.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha384, Sha512};

use crate::oci::Digest;
use crate::python::{Hash, HashAlgorithm};

/// Hashes in progress. SHA-256 is not among them: the store computes it anyway.
#[derive(Clone)]
pub(super) struct Check {
    wanted: Vec<Hash>,
    sha384: Option<Sha384>,
    sha512: Option<Sha512>,
}

/// A promise that was not kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    pub(super) expected: Hash,
    pub(super) found: Hash,
}

impl Check {
    pub(super) fn new(wanted: &[Hash]) -> Self {
        let has = |algorithm| wanted.iter().any(|hash| hash.algorithm == algorithm);
        Self {
            wanted: wanted.to_vec(),
            sha384: has(HashAlgorithm::Sha384).then(Sha384::new),
            sha512: has(HashAlgorithm::Sha512).then(Sha512::new),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        if let Some(hash) = &mut self.sha384 {
            hash.update(bytes);
        }
        if let Some(hash) = &mut self.sha512 {
            hash.update(bytes);
        }
    }

    /// Compares; `digest` is the SHA-256 of the same bytes.
    pub(super) fn finish(self, digest: &Digest) -> Result<(), Mismatch> {
        for expected in self.wanted.clone() {
            let found = self.clone().of(&expected, digest);
            if found != expected {
                return Err(Mismatch { expected, found });
            }
        }
        Ok(())
    }

    /// What the bytes have of the same algorithm; `digest` is their SHA-256.
    pub(super) fn of(self, wanted: &Hash, digest: &Digest) -> Hash {
        let hex = match wanted.algorithm {
            HashAlgorithm::Sha256 => Some(digest.hex()),
            HashAlgorithm::Sha384 => self.sha384.map(|hash| hex(&hash.finalize())),
            HashAlgorithm::Sha512 => self.sha512.map(|hash| hex(&hash.finalize())),
        };
        Hash { algorithm: wanted.algorithm, hex: hex.unwrap_or_default() }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The SHA-256 among the hashes.
pub(super) fn sha256(hashes: &[Hash]) -> Option<Digest> {
    let hash = hashes.iter().find(|hash| hash.algorithm == HashAlgorithm::Sha256)?;
    Digest::from_hex(&hash.hex)
}

/// The first algorithm with two values: such hashes are not of one file.
pub(super) fn mismatch(expected: &[Hash], found: &[Hash]) -> Option<Mismatch> {
    expected.iter().find_map(|expected| {
        let differs = |found: &&Hash| found.algorithm == expected.algorithm && found.hex != expected.hex;
        let found = found.iter().find(differs)?;
        Some(Mismatch { expected: expected.clone(), found: found.clone() })
    })
}

/// Whether both may be of one file.
pub(super) fn agree(a: &[Hash], b: &[Hash]) -> bool {
    mismatch(a, b).is_none()
}

/// Whether both are of one file: they agree, and have one in common.
pub(super) fn same(a: &[Hash], b: &[Hash]) -> bool {
    agree(a, b) && a.iter().any(|hash| b.contains(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(bytes: &[u8]) -> Vec<Hash> {
        let of = |algorithm, hex| Hash { algorithm, hex };
        vec![
            of(HashAlgorithm::Sha256, Digest::of(bytes).hex()),
            of(HashAlgorithm::Sha384, hex(&Sha384::digest(bytes))),
            of(HashAlgorithm::Sha512, hex(&Sha512::digest(bytes))),
        ]
    }

    fn check(wanted: &[Hash], bytes: &[u8]) -> Result<(), Mismatch> {
        let mut check = Check::new(wanted);
        bytes.chunks(2).for_each(|piece| check.update(piece));
        check.finish(&Digest::of(bytes))
    }

    #[test]
    fn every_promise_must_be_kept() {
        assert_eq!(check(&hashes(b"hello"), b"hello"), Ok(()));
        assert_eq!(check(&[], b"hello"), Ok(()));
        for wrong in 0..3 {
            let mut wanted = hashes(b"hello");
            wanted[wrong] = hashes(b"jello")[wrong].clone();
            let mismatch = check(&wanted, b"hello").expect_err("noticed");
            assert_eq!(mismatch.expected, wanted[wrong]);
            assert_eq!(mismatch.found, hashes(b"hello")[wrong]);
        }
    }

    #[test]
    fn hashes_of_other_kinds_neither_agree_nor_differ() {
        let (a, b) = (hashes(b"a"), hashes(b"b"));
        assert!(agree(&a[..1], &b[1..2]) && !same(&a[..1], &b[1..2]));
        assert!(same(&a, &a[1..]) && !agree(&a, &b));
        assert!(agree(&[], &b) && !same(&[], &b));
        assert!(!same(&[a[0].clone(), a[1].clone()], &[a[0].clone(), b[1].clone()]));
    }
}
