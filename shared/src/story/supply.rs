//! Wheels that are fetched when somebody needs their bytes: mostly nobody does where their layers are known.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;

use crate::error::Result;
use crate::oci::Digest;
use crate::python::index::Downloader;
use crate::python::{DistFile, Package};
use crate::store::{Store, Table};
use crate::wheel;

/// Where a wheel is, and how it gets there.
#[derive(Clone)]
pub(super) struct Supply {
    place: Place,
}

#[derive(Clone)]
enum Place {
    Here(PathBuf),
    ByNeed(Arc<ByNeed>),
}

struct ByNeed {
    downloads: Downloader,
    runtime: Handle,
    package: Package,
    file: DistFile,
    found: Mutex<Option<PathBuf>>,
}

impl Supply {
    /// A wheel that is at `path`.
    pub(super) fn here(path: PathBuf) -> Self {
        Self { place: Place::Here(path) }
    }

    /// One that is fetched by need. Called within the runtime that will do that.
    pub(super) fn by_need(downloads: &Downloader, package: &Package, file: &DistFile) -> Self {
        let (downloads, runtime) = (downloads.clone(), Handle::current());
        let (package, file) = (package.clone(), file.clone());
        let by_need = ByNeed { downloads, runtime, package, file, found: Mutex::default() };
        Self { place: Place::ByNeed(Arc::new(by_need)) }
    }

    /// Where it is, once it is there. Not to be called where the runtime's own threads must not wait.
    ///
    /// # Errors
    /// When it cannot be fetched.
    pub(super) fn path(&self) -> Result<PathBuf> {
        let by_need = match &self.place {
            Place::Here(path) => return Ok(path.clone()),
            Place::ByNeed(by_need) => by_need,
        };
        let ByNeed { downloads, runtime, package, file, found } = &**by_need;
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = &*found {
            return Ok(path.clone());
        }
        let path = runtime.block_on(downloads.fetch(package, file))?.path;
        *found = Some(path.clone());
        Ok(path)
    }

    /// What the wheel with this digest and name says of itself, remembered or read.
    ///
    /// # Errors
    /// When it cannot be fetched or read.
    pub(super) fn papers(&self, store: &Store, digest: &Digest, filename: &str) -> Result<wheel::Papers> {
        let key = digest.to_string();
        if let Some(known) = store.recall(Table::Papers, &key) {
            return Ok(known);
        }
        let path = self.path()?;
        let papers = wheel::Papers::read(&path, filename)?;
        store.remember(Table::Papers, &key, &papers);
        if let Ok(metadata) = std::fs::metadata(&path) {
            store.remember(Table::WheelSizes, &key, &metadata.len());
        }
        Ok(papers)
    }
}

/// The size of a wheel of which is known all that is asked where its layer is known, in bytes.
pub(super) fn known_size(store: &Store, digest: &Digest) -> Option<u64> {
    store.recall(Table::WheelSizes, &digest.to_string())
}

impl fmt::Debug for Supply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Where it is here says nothing of it: what is remembered is named by such words.
        f.write_str("Supply")
    }
}
