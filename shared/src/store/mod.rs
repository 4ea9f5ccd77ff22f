//! One content-addressed cache on disk: blobs by digest, and small memo tables.
//!
//! Every write goes to a temporary file beside its place and is renamed when it is complete,
//! so concurrent processes see all of a thing or nothing of it. Deleting the folder is always
//! safe.
//!
//! A store that grew over its size loses what was not used for the longest time. Every open
//! store holds a shared lock on the folder; only who can have it alone removes anything.

mod heal;
mod lock;
mod lru;
mod mark;
mod memo;
mod partial;
mod size;
mod turn;
mod usage;
mod writer;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

pub use lock::LockFile;
pub use lru::Removed;
pub(crate) use mark::{IGNORE_ALL, IGNORE_FILE};
pub use partial::PartialBlob;
pub use size::{DEFAULT_SIZE, parse_size};
pub use turn::Turn;
pub use usage::{Count, Usage};
pub use writer::BlobWriter;
pub(crate) use writer::make_readable;

use crate::error::{Context, Error, Result};
use crate::oci::{Descriptor, Digest, Repository};
use crate::read;

/// The cache folder. Clones are the same store.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    run: Arc<Run>,
}

/// What this process does with the store.
#[derive(Debug)]
struct Run {
    /// Locked in shared mode as long as the store is open; unlocked where the file system knows
    /// no locks.
    lock: File,
    /// What was found or made, and so must stay.
    used: Mutex<BTreeSet<PathBuf>>,
    /// Whether something was added.
    wrote: AtomicBool,
    /// What is being made.
    turns: turn::Turns,
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
    /// Opens the store in `root`, making the folder where it is missing. Waits while another
    /// process removes what is old from it.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let refused = |path: &Path, e| {
            Error::build(format!("cannot make the cache folder {}", path.display()))
                .because(e)
                .hint("name a folder that you can write with --cache-dir or CONTAINERIZE_CACHE_DIR")
        };
        for folder in ["blobs/sha256", "memo", "tmp"] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(|e| refused(&path, e))?;
        }
        mark::mark(&root);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join("lock"))
            .map_err(|e| refused(&root, e))?;
        if let Err(error) = lock.lock_shared() {
            tracing::debug!(%error, "the cache folder knows no locks");
        }
        let run =
            Run { lock, used: Mutex::default(), wrote: AtomicBool::new(false), turns: Default::default() };
        Ok(Self { root, run: Arc::new(run) })
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
        let metadata = fs::metadata(&path).ok().filter(|m| m.is_file() && m.len() == size)?;
        lru::touch(&path, &metadata);
        self.note_use(&path);
        Some(path)
    }

    /// The path is needed until this process ends.
    fn note_use(&self, path: &Path) {
        self.run.used.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
    }

    /// The path was made by this process.
    fn note_new(&self, path: &Path) {
        self.note_use(path);
        self.run.wrote.store(true, Ordering::Relaxed);
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
        let bytes = read::bytes(&path, read::LOCK).ok()?;
        if Digest::of(&bytes) == *digest {
            return self.find(digest, bytes.len() as u64).map(|_| bytes);
        }
        let _ = fs::remove_file(path);
        None
    }

    /// Opens a blob's file.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open_file(path: &Path) -> Result<File> {
        read::file(path).context(|| format!("cannot open {}", path.display()))
    }
}
