//! Lock files that go when nobody needs them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::replace::patiently;
use crate::interrupt;
use crate::system::System;

/// A file that is locked as long as this lives. It is removed then: a lock whose file is still there was
/// left by a process that died, or is held.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
    /// Held until the file is removed.
    _file: File,
}

impl LockFile {
    /// Waits until nobody else, in this process or another, has the lock of this name.
    ///
    /// # Errors
    /// When the file cannot be made, the file system knows no locks, or the work was interrupted.
    pub fn take(path: &Path) -> io::Result<Self> {
        Self::acquire(path, interrupt::lock)
    }

    /// The lock, unless somebody has it.
    ///
    /// # Errors
    /// When somebody has it, the file cannot be made, or the file system knows no locks.
    pub fn try_take(path: &Path) -> io::Result<Self> {
        Self::acquire(path, |file| Ok(file.try_lock()?))
    }

    fn acquire(path: &Path, lock: impl Fn(&File) -> io::Result<()>) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), _file: hold(path, lock)? })
    }
}

/// Opens the file, making it where it is missing, and locks it, until the one that is locked is the one that has
/// the name: who held it before may have removed it.
pub(super) fn hold(path: &Path, mut lock: impl FnMut(&File) -> io::Result<()>) -> io::Result<File> {
    loop {
        // Who removes it while others have it open leaves a name that Windows refuses for a moment.
        let open = || File::options().create(true).truncate(false).read(true).write(true).open(path);
        let file = patiently(System::HERE, open)?;
        lock(&file)?;
        if is_still_there(&file, path) {
            return Ok(file);
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Before it is unlocked, so that nobody has taken it meanwhile.
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "cannot remove a lock");
        }
    }
}

/// Whether the file that was opened is the one that has the name now: between opening and
/// locking another process may have removed or renamed it.
#[cfg(unix)]
pub(super) fn is_still_there(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let named = fs::metadata(path).ok().map(id);
    named.is_some() && file.metadata().ok().map(id) == named
}

#[cfg(not(unix))]
pub(super) fn is_still_there(file: &File, path: &Path) -> bool {
    let ours = file.try_clone().and_then(same_file::Handle::from_file);
    ours.ok().zip(same_file::Handle::from_path(path).ok()).is_some_and(|(ours, named)| ours == named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn one_at_a_time_has_it_and_nothing_stays() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("x.lock");
        let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..3 {
                        let _lock = LockFile::take(&path).expect("locked");
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
        assert!(!path.exists());
    }

    #[test]
    fn one_that_a_dead_process_left_is_free() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("x.lock");
        fs::write(&path, "").expect("left");
        let lock = LockFile::try_take(&path).expect("free");
        assert!(LockFile::try_take(&path).is_err());
        drop(lock);
        assert!(LockFile::try_take(&path).is_ok());
    }
}
