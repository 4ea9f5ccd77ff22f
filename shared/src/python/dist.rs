//! Distributions as a lock pins them: which version, from where, and the files to choose from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use pep440_rs::Version;
use serde::Serialize;

use super::Name;
use crate::oci::Digest;
use crate::redact::Address;

/// One distribution that the environment will hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its normalised name (PEP 503).
    pub name: Name,
    /// Its version; `None` where only a build will tell (a directory, a repository).
    pub version: Option<Version>,
    /// Where it is from.
    pub source: Source,
    /// Wheels and source distributions to choose from. Empty where the lock names none: the
    /// index is asked then.
    pub files: Vec<DistFile>,
    /// Publishers of whom one must have attested its files (PEP 751), as the lock names them. Empty where it names none.
    pub identities: Vec<BTreeMap<String, String>>,
}

/// Where a distribution is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A package index.
    Index {
        /// The index's URL as the lock gives it; `None` for the default index.
        url: Option<Address>,
    },
    /// An archive by its URL.
    Url {
        /// The URL, without a fragment.
        url: Address,
        /// The folder in a source archive that holds the project.
        subdirectory: Option<String>,
    },
    /// A git repository.
    Git {
        /// The repository, as git takes it.
        url: Address,
        /// The full commit.
        commit: String,
        /// The branch, tag or revision that was asked for.
        requested: Option<String>,
        /// The folder in it that holds the project.
        subdirectory: Option<String>,
    },
    /// A folder.
    Directory {
        /// Absolute.
        path: PathBuf,
        /// Whether the lock wants it editable.
        editable: bool,
    },
    /// A wheel or source archive on disk.
    File {
        /// Absolute.
        path: PathBuf,
    },
}

/// A wheel or a source distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DistFile {
    /// Its file name.
    pub filename: String,
    /// Where it is, if the lock says so.
    pub url: Option<Address>,
    /// Its size in bytes, if the lock says so.
    pub size: Option<u64>,
    /// What its content must hash to, every one of them. Empty where the lock says nothing.
    pub hashes: Vec<Hash>,
    /// Whether its index has withdrawn it (PEP 592).
    pub yanked: bool,
}

/// A digest of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Hash {
    /// Of which kind.
    pub algorithm: HashAlgorithm,
    /// Lower-case hexadecimal digits.
    pub hex: String,
}

/// The hash functions that locks may rely on; weaker ones are no proof of anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// Reads `sha256:HEX` (also with `=`). `None` for other algorithms or what is no digest.
    pub fn parse(text: &str) -> Option<Self> {
        let (algorithm, hex) = text.split_once([':', '='])?;
        let (algorithm, digits) = match algorithm.to_ascii_lowercase().as_str() {
            "sha256" => (HashAlgorithm::Sha256, 64),
            "sha384" => (HashAlgorithm::Sha384, 96),
            "sha512" => (HashAlgorithm::Sha512, 128),
            _ => return None,
        };
        let hex = hex.to_ascii_lowercase();
        let good = hex.len() == digits && hex.bytes().all(|b| b.is_ascii_hexdigit());
        good.then_some(Self { algorithm, hex })
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = match self.algorithm {
            HashAlgorithm::Sha256 => "sha256",
            HashAlgorithm::Sha384 => "sha384",
            HashAlgorithm::Sha512 => "sha512",
        };
        write!(f, "{algorithm}:{}", self.hex)
    }
}

impl DistFile {
    /// Whether it is a wheel.
    pub fn is_wheel(&self) -> bool {
        self.filename.ends_with(".whl")
    }

    /// Its SHA-256, where that is told.
    pub fn sha256(&self) -> Option<Digest> {
        let hash = self.hashes.iter().find(|hash| hash.algorithm == HashAlgorithm::Sha256)?;
        hash.to_string().parse().ok()
    }

    /// Whether it is a source distribution.
    pub fn is_sdist(&self) -> bool {
        self.filename.ends_with(".tar.gz") || self.filename.ends_with(".zip")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_strong_hashes_of_the_right_length_count() {
        let hex = "AB".repeat(32);
        let hash = Hash::parse(&format!("sha256:{hex}")).expect("a hash");
        assert_eq!(hash.to_string(), format!("sha256:{}", "ab".repeat(32)));
        assert!(Hash::parse("sha256:abc").is_none());
        assert!(Hash::parse(&format!("md5:{}", "a".repeat(32))).is_none());
        assert!(Hash::parse(&format!("sha256:{}", "g".repeat(64))).is_none());
    }
}
