//! Who works with the store: a locked file for each process, in the folder `runs`.
//!
//! A run uses only what was used within the hour before it began, or later: what it finds older than that it
//! marks as used. So whoever removes files needs to know when the oldest living run began, and nothing else.
//! Runs begin, and old files are found, only while nobody removes anything.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::lock::LockFile;
use crate::interrupt;

/// The folder of marks.
pub(super) const FOLDER: &str = "runs";

/// As long as it lives, others see that this process works with the store.
#[derive(Debug)]
pub(super) struct Mark {
    name: String,
    path: PathBuf,
    /// Nothing where the file system knows no locks.
    lock: Option<LockFile>,
}

impl Mark {
    /// Makes one in the store at `root`, once nobody removes anything there.
    pub(super) fn make(root: &Path) -> io::Result<Self> {
        let _gate = Gate::shared(root)?;
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let name = format!("run-{}-{:x}", std::process::id(), since.as_nanos());
        let path = root.join(FOLDER).join(&name);
        let lock = match LockFile::take(&path) {
            Ok(lock) => Some(lock),
            Err(error) if path.exists() && !interrupt::is_raised() => {
                tracing::debug!(%error, "the cache folder does not support locks");
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Self { name, path, lock })
    }

    /// The beginning of the names of this run's temporary files.
    pub(super) fn prefix(&self) -> String {
        format!("{}-", self.name)
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        if self.lock.is_none() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The other runs of a store.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// The prefixes of temporary files of those that live.
    pub(super) living: Vec<String>,
    /// When the oldest of them began.
    pub(super) since: Option<SystemTime>,
}

impl Others {
    /// Looks who else works with the store at `root`. The temporary files of those that died are removed.
    pub(super) fn look(root: &Path, ours: Option<&Mark>) -> Self {
        let mut found = Self::default();
        for entry in fs::read_dir(root.join(FOLDER)).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if ours.is_some_and(|ours| ours.name == name) {
                continue;
            }
            let prefix = format!("{name}-");
            match File::open(entry.path()).map(|file| file.try_lock()) {
                Ok(Ok(())) => {
                    remove_temporary(root, &prefix);
                    let _ = fs::remove_file(entry.path());
                }
                // It has just ended.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                _ => {
                    found.living.push(prefix);
                    let began = entry.metadata().and_then(|metadata| metadata.modified()).ok();
                    // Of whom nothing is known, everything is to be kept.
                    let began = began.unwrap_or(SystemTime::UNIX_EPOCH);
                    found.since = Some(found.since.map_or(began, |since| since.min(began)));
                }
            }
        }
        found
    }
}

fn remove_temporary(root: &Path, prefix: &str) {
    for entry in fs::read_dir(root.join("tmp")).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            tracing::debug!(path = %entry.path().display(), "was left by a process that died");
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Held in common by who begins or finds, and alone by who removes: for moments only.
#[derive(Debug)]
pub(super) struct Gate {
    /// Unlocked where the file system knows no locks.
    _file: File,
}

impl Gate {
    pub(super) fn shared(root: &Path) -> io::Result<Self> {
        Self::pass(root, File::lock_shared)
    }

    pub(super) fn alone(root: &Path) -> io::Result<Self> {
        Self::pass(root, File::lock)
    }

    fn pass(root: &Path, lock: impl FnOnce(&File) -> io::Result<()>) -> io::Result<Self> {
        let file = File::options().create(true).truncate(false).write(true).open(root.join("lock"))?;
        if let Err(error) = lock(&file) {
            tracing::debug!(%error, "the cache folder does not support locks");
        }
        Ok(Self { _file: file })
    }
}
