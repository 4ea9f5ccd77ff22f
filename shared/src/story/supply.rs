//! Wheels that are fetched when somebody needs their bytes: mostly nobody does where their layers are known.

use std::fmt;
use std::path::{Path, PathBuf};
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
    path: PathBuf,
    by_need: Option<Arc<ByNeed>>,
}

struct ByNeed {
    downloads: Downloader,
    runtime: Handle,
    package: Package,
    file: DistFile,
    is_here: Mutex<bool>,
}

impl Supply {
    /// A wheel that is at `path`.
    pub(super) fn here(path: PathBuf) -> Self {
        Self { path, by_need: None }
    }

    /// One that will be at `path` when it was fetched. Called within the runtime that will do that.
    pub(super) fn by_need(path: PathBuf, downloads: &Downloader, package: &Package, file: &DistFile) -> Self {
        let (downloads, runtime) = (downloads.clone(), Handle::current());
        let (package, file) = (package.clone(), file.clone());
        Self {
            path,
            by_need: Some(Arc::new(ByNeed { downloads, runtime, package, file, is_here: Mutex::default() })),
        }
    }

    /// Where it is, once it is there. Not to be called where the runtime's own threads must not wait.
    ///
    /// # Errors
    /// When it cannot be fetched.
    pub(super) fn path(&self) -> Result<&Path> {
        if let Some(by_need) = &self.by_need {
            let mut is_here = by_need.is_here.lock().unwrap_or_else(PoisonError::into_inner);
            if !*is_here {
                by_need.runtime.block_on(by_need.downloads.fetch(&by_need.package, &by_need.file))?;
                *is_here = true;
            }
        }
        Ok(&self.path)
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
        let papers = wheel::Papers::read(path, filename)?;
        store.remember(Table::Papers, &key, &papers);
        if let Ok(metadata) = std::fs::metadata(path) {
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
