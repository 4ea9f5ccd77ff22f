//! One content-addressed cache on disk: blobs by digest, and small memo tables.
//!
//! Every write goes to a temporary file beside its place and is renamed when it is complete,
//! so concurrent processes see all of a thing or nothing of it. Deleting the folder is always
//! safe.
//!
//! A store that grew over its size loses what was not used for the longest time. Every open store has
//! a mark (`living`), and what a run that lives may use is never removed.
//!
//! A folder that cannot be written serves as far as it goes: what is there is read, and what is new goes
//! to a temporary folder in its place (`spare`).
//!
//! The reasons are in `docs/design/cache.md`.

mod exclusive;
mod heal;
mod living;
mod loan;
mod lock;
mod lru;
mod mark;
mod memo;
mod partial;
pub(crate) mod replace;
pub mod scratch;
mod size;
mod spare;
mod table;
mod turn;
mod usage;
mod writer;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

pub use exclusive::Exclusive;
pub use loan::{Entry, Findings};
pub use lock::LockFile;
pub use lru::Removed;
pub(crate) use mark::{IGNORE_ALL, IGNORE_FILE};
pub use partial::PartialBlob;
pub use size::{DEFAULT_SIZE, parse_size};
pub use table::Table;
pub use turn::Turn;
pub use usage::{Count, Usage};
pub use writer::BlobWriter;
pub(crate) use writer::make_readable;

use crate::error::{Context, Error, Result};
use crate::event::Events;
use crate::oci::{Descriptor, Digest, Repository};
use crate::read;
use crate::words;
use crate::words::flag;

/// The folders in it.
const FOLDERS: [&str; 4] = ["blobs/sha256", "memo", "tmp", living::FOLDER];

/// The cache folder. Clones are the same store.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    run: Arc<Run>,
    /// Whether what others lend is passed over.
    is_alone: bool,
    /// Whether nothing is recalled but what this run has remembered itself.
    believes_nothing: bool,
}

/// What this process does with the store.
#[derive(Debug, Default)]
struct Run {
    /// Tells others that we are here; nothing where the folder cannot be written.
    mark: OnceLock<living::Mark>,
    /// What was found or made, and so must stay.
    used: Mutex<BTreeSet<PathBuf>>,
    /// Blobs that are not what their names say and could not be removed.
    damaged: Mutex<BTreeSet<PathBuf>>,
    /// The folder in the place of the store's own.
    spare: OnceLock<tempfile::TempDir>,
    /// What there is to say about that, and to whom.
    note: Mutex<(Option<String>, Option<Events>)>,
    /// Whether something was added.
    wrote: AtomicBool,
    /// Where this run has remembered something.
    remembered: Mutex<BTreeSet<(Table, Digest)>>,
    /// What is being made.
    turns: turn::Turns,
    /// What others have lent, and what there is to tell.
    loan: Mutex<loan::Loan>,
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

    /// Its bytes, as they are where they are: nothing is checked yet.
    ///
    /// # Errors
    /// When its file cannot be opened; a bug when it is still in a registry.
    pub fn open(&self) -> Result<Box<dyn Read + '_>> {
        Ok(match &self.source {
            Source::Memory(bytes) => Box::new(&bytes[..]),
            Source::File(path) => Box::new(Store::open_file(path)?),
            Source::Registry(home) => {
                let digest = self.descriptor.digest;
                return Err(Error::bug(format!("{digest} is still in {home}; fetch it first")));
            }
        })
    }
}

impl Store {
    /// Opens the store in `root`, making the folder where it is missing. Waits while another
    /// process removes what is old from it.
    ///
    /// # Errors
    /// When the folder cannot be made, unless it is only that it must not be written.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let store = Self { root: root.into(), run: Arc::default(), is_alone: false, believes_nothing: false };
        if let Err(error) = store.prepare() {
            if !spare::is_refusal(&error) {
                let message = format!("cannot make the cache folder {}", store.root.display());
                return Err(Error::build(message).because(error).hint(words!(
                    "set {cache_dir} or CONTAINERIZE_CACHE_DIR to a writable folder",
                    cache_dir = flag("cache-dir")
                )));
            }
            store.give_way(&error)?;
        }
        Ok(store)
    }

    fn prepare(&self) -> io::Result<()> {
        for folder in FOLDERS {
            fs::create_dir_all(self.root.join(folder))?;
        }
        mark::mark(&self.root);
        let mark = living::Mark::make(&self.root)?;
        // Who died may have left large things.
        living::Others::look(&self.root, Some(&mark));
        // It is set once, here.
        let _ = self.run.mark.set(mark);
        Ok(())
    }

    /// The same store for who holds earlier results to account: blobs have the digests that they are asked by, but what
    /// was remembered before this run, or is lent, counts as forgotten.
    #[must_use]
    pub fn believing_nothing(self) -> Self {
        Self { believes_nothing: true, is_alone: true, ..self }
    }

    /// Tells `events` when the folder cannot be written.
    #[must_use]
    pub fn telling(self, events: &Events) -> Self {
        self.run.tell_to(events);
        self
    }

    /// The folder that holds the store.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a blob is, or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let below = |place: &Path| place.join("blobs/sha256").join(digest.hex());
        let is_there = |path: &PathBuf| path.exists() && !self.run.is_damaged(path);
        if self.run.spare.get().is_none() {
            return below(&self.root);
        }
        self.places().map(below).find(is_there).unwrap_or_else(|| below(self.home()))
    }

    /// The file of a blob, if the store has it in its full size.
    pub fn find(&self, digest: &Digest, size: u64) -> Option<PathBuf> {
        let path = self.path(digest);
        let metadata = fs::metadata(&path).ok().filter(|m| m.is_file() && m.len() == size)?;
        if self.run.is_damaged(&path) || !lru::touch(&self.root, &path, &metadata) {
            return None;
        }
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

    /// Reads a small blob whole and checks its digest; a corrupted one is removed and `None`. Others may lend it.
    pub fn read(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.read_own(digest).or_else(|| self.lent_blob(digest))
    }

    fn read_own(&self, digest: &Digest) -> Option<Vec<u8>> {
        let path = self.path(digest);
        let bytes = read::bytes(&path, read::LOCK).ok()?;
        if Digest::of(&bytes) == *digest {
            return self.find(digest, bytes.len() as u64).map(|_| bytes);
        }
        self.remove_blob(&path);
        None
    }

    /// Removes a blob that is not what its name says, or at least never finds it again.
    fn remove_blob(&self, path: &Path) {
        if let Err(error) = fs::remove_file(path) {
            tracing::debug!(%error, path = %path.display(), "cannot remove");
            self.run.damaged.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
        }
    }

    /// Opens a blob's file.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open_file(path: &Path) -> Result<File> {
        read::file(path).context(|| format!("cannot open {}", path.display()))
    }
}

impl Run {
    fn is_damaged(&self, path: &Path) -> bool {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    fn tell(&self, text: String) {
        let mut note = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        match &note.1 {
            Some(events) => events.note(text),
            None => note.0 = Some(text),
        }
    }

    fn tell_to(&self, events: &Events) {
        let mut note = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = note.0.take() {
            events.note(text);
        }
        note.1 = Some(events.clone());
    }
}
