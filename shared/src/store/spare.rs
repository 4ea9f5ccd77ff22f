//! A folder in the place of a cache that takes nothing, or nothing more.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

use super::{FOLDERS, Store, scratch};
use crate::error::{Context, Error, Result};
use crate::words;
use crate::words::flag;

/// Whether a folder refuses to be written, whatever is written.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
}

impl Store {
    /// Where new things go: the store's folder, or the one in its place.
    pub(super) fn home(&self) -> &Path {
        self.run.spare.get().map_or(&self.root, TempDir::path)
    }

    /// The folders that things may be in.
    pub(super) fn places(&self) -> impl Iterator<Item = &Path> {
        [Some(self.root.as_path()), self.run.spare.get().map(TempDir::path)].into_iter().flatten()
    }

    /// From now on new things go to a temporary folder, which goes with this process, since the store's own
    /// folder refused with `why`.
    ///
    /// # Errors
    /// When there is such a folder already, or there can be none.
    pub(super) fn give_way(&self, why: &io::Error) -> Result<()> {
        let refused = || {
            let folder = self.home().display();
            Error::build(format!("cannot write to the cache folder {folder}")).because(why.to_string()).hint(
                words!("set {cache_dir} or CONTAINERIZE_CACHE_DIR to a writable folder, or free some space there", cache_dir = flag("cache-dir")),
            )
        };
        if self.run.spare.get().is_some() || !is_refusal(why) {
            return Err(refused());
        }
        let spare = scratch::folder()?;
        for folder in FOLDERS {
            fs::create_dir_all(spare.path().join(folder)).context(scratch::failed)?;
        }
        let note = format!(
            "the cache {} is not writable ({why}); nothing from this run is kept",
            self.root.display()
        );
        // Another thread may have been faster; its folder serves as well.
        if self.run.spare.set(spare).is_ok() {
            self.run.tell(note);
        }
        Ok(())
    }

    /// A temporary file among the new things.
    ///
    /// # Errors
    /// When none can be made.
    pub(super) fn temporary_file(&self) -> Result<NamedTempFile> {
        let make = || {
            let prefix = self.run.mark.get().map_or_else(|| "run-".to_owned(), super::living::Mark::prefix);
            tempfile::Builder::new().prefix(&prefix).tempfile_in(self.temporary())
        };
        make().or_else(|why| {
            self.give_way(&why)?;
            make().context(scratch::failed)
        })
    }

    /// Copies a file whose folder refused with `why` to where new things go now; the place in it stays.
    ///
    /// # Errors
    /// `why` itself, when nothing helps.
    pub(super) fn moved(&self, from: &mut File, why: io::Error) -> io::Result<NamedTempFile> {
        self.give_way(&why).map_err(io::Error::other)?;
        let mut to = self.temporary_file().map_err(io::Error::other)?;
        let here = from.stream_position()?;
        from.rewind()?;
        io::copy(from, to.as_file_mut()).map_err(|error| io::Error::other(scratch::refused(error)))?;
        to.as_file_mut().seek(SeekFrom::Start(here))?;
        Ok(to)
    }

    /// The folder for what is being made.
    pub fn temporary(&self) -> PathBuf {
        self.home().join("tmp")
    }
}
