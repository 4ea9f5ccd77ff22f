//! One content-addressed cache on disk: blobs by digest, and small memo tables.
//!
//! Every write goes to a temporary file beside its place and is renamed when it is complete,
//! so concurrent processes see all of a thing or nothing of it. Deleting the folder is always
//! safe.

mod memo;
mod writer;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use bytes::Bytes;

pub use writer::BlobWriter;

use crate::error::{Context, Error, Result};
use crate::oci::{Descriptor, Digest, Repository};

/// The cache folder.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// Where the bytes of a blob are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In memory; only for what is small.
    Memory(Bytes),
    /// In a file that holds exactly the blob.
    File(PathBuf),
    /// In a registry, not yet fetched.
    Registry(Repository),
}

/// A blob: what it is, and where its bytes are.
#[derive(Debug, Clone, PartialEq)]
pub struct Blob {
    /// Media type, digest and size.
    pub descriptor: Descriptor,
    /// Where the bytes are.
    pub source: Source,
}

impl Blob {
    /// A blob of these bytes.
    pub fn of(media_type: &str, bytes: Vec<u8>) -> Self {
        Self { descriptor: Descriptor::of(media_type, &bytes), source: Source::Memory(bytes.into()) }
    }
}

impl Store {
    /// Opens the store in `root`, making the folder where it is missing.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        for folder in ["blobs/sha256", "memo", "tmp"] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(|e| {
                Error::build(format!("cannot make the cache folder {}", path.display()))
                    .because(e)
                    .hint("name a folder that you can write with --cache-dir or CONTAINERIZE_CACHE_DIR")
            })?;
        }
        Ok(Self { root })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a blob is, or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    /// The file of a blob, if the store has it in its full size.
    pub fn find(&self, digest: &Digest, size: u64) -> Option<PathBuf> {
        let path = self.path(digest);
        let found = fs::metadata(&path).is_ok_and(|m| m.is_file() && m.len() == size);
        found.then_some(path)
    }

    /// Begins a new blob.
    ///
    /// # Errors
    /// When no temporary file can be made.
    pub fn writer(&self) -> Result<BlobWriter> {
        BlobWriter::begin(self)
    }

    /// Reads a small blob whole and checks its digest; a corrupted one is removed and `None`.
    pub fn read(&self, digest: &Digest) -> Option<Vec<u8>> {
        let path = self.path(digest);
        let bytes = fs::read(&path).ok()?;
        if Digest::of(&bytes) == *digest {
            return Some(bytes);
        }
        let _ = fs::remove_file(path);
        None
    }

    /// Opens a blob's file.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open_file(path: &Path) -> Result<File> {
        File::open(path).context(|| format!("cannot open {}", path.display()))
    }
}
