//! Folders to build in, and taking turns at them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Result};
use crate::interrupt;
use crate::oci::Digest;
use crate::process::Program;
use crate::python::host::Host;
use crate::store::{self, LockFile, Store, Table};

const PREFIX: &str = "wheel-";

/// A folder for one build. Its name depends on the source alone. It goes when this is dropped;
/// the log stays for a day where an error speaks of it.
#[derive(Debug)]
pub(super) struct Workspace {
    folder: PathBuf,
    log: PathBuf,
}

impl Workspace {
    /// An empty one. The caller has the turn for `source`. The log is `attempt`'s own, so that
    /// another one does not replace what an error speaks of.
    pub(super) fn make(store: &Store, what: &str, source: &str, attempt: &str) -> Result<Self> {
        let temporary = store.temporary();
        remove_left_over(&temporary);
        let folder = temporary.join(format!("{PREFIX}{}", key(source)));
        if folder.exists() {
            fs::remove_dir_all(&folder).context(|| format!("cannot clear {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).context(|| format!("cannot make {}", folder.display()))?;
        let good = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let end: String = what.chars().rev().take(40).map(good).collect();
        let name: String = end.trim_matches('-').chars().rev().collect();
        let log = temporary.join(format!("build-{name}-{}.log", key(attempt)));
        if let Err(error) = fs::remove_file(&log) {
            tracing::trace!(%error, "no earlier log");
        }
        Ok(Self { folder, log })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        // Joining with nothing would add a slash.
        if name.is_empty() { self.folder.clone() } else { self.folder.join(name) }
    }

    /// A folder in it, which is made.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::create_dir_all(&path).context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// Where the words of tools go.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// All went well.
    pub(super) fn done(self) {
        if let Err(error) = fs::remove_file(&self.log) {
            tracing::debug!(%error, "cannot remove the log of a build");
        }
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::debug!(%error, folder = %self.folder.display(), "cannot remove");
        }
        // No error speaks of it, and its words have not been cleaned of secrets.
        if interrupt::is_raised() {
            let _ = fs::remove_file(&self.log);
        }
    }
}

fn key(source: &str) -> String {
    let mut hex = Digest::of(source.as_bytes()).hex();
    hex.truncate(16);
    hex
}

/// Removes the folders of builds whose processes died: nobody holds their locks.
fn remove_left_over(temporary: &Path) {
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_ours = name.starts_with(PREFIX);
        // One that holds a lock has its folder, too. A lock that is taken here goes with it.
        let source = name.strip_suffix(".lock").unwrap_or(&name);
        if !is_ours || LockFile::try_take(&temporary.join(format!("{source}.lock"))).is_err() {
            continue;
        }
        tracing::debug!(folder = %entry.path().display(), "was left by a build that died");
        let _ = fs::remove_dir_all(temporary.join(source));
    }
}

/// As long as it lives, nobody else builds the same source.
#[derive(Debug)]
pub(super) struct Turn {
    _ours: store::Turn,
    _everybodys: Option<LockFile>,
}

impl Turn {
    /// Waits for it.
    ///
    /// # Errors
    /// When the work was interrupted.
    pub(super) fn take(store: &Store, source: &str) -> Result<Self> {
        let ours = store.turn(Table::Wheels.name(), source);
        let path = store.temporary().join(format!("{PREFIX}{}.lock", key(source)));
        let locked = LockFile::take(&path);
        interrupt::check()?;
        if let Err(error) = &locked {
            tracing::debug!(%error, "the cache folder does not support locks");
        }
        Ok(Self { _ours: ours, _everybodys: locked.ok() })
    }
}

/// Where a folder is in the history of its repository, as tools that make versions of it see it.
/// Empty without git or repository.
pub(super) fn describe(host: &Host, folder: &Path) -> String {
    let Some(git) = host.git() else { return String::new() };
    let mut command = Command::new(git);
    command.args(["describe", "--tags", "--long", "--always", "--dirty", "--abbrev=40"]).current_dir(folder);
    command.env_clear().envs(host.variables()).env("GIT_OPTIONAL_LOCKS", "0");
    let output = Program::new(command).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        (folder, store)
    }

    #[test]
    fn the_folder_is_empty_has_the_sources_name_and_goes_in_the_end() {
        let (_folder, store) = store();
        let work = Workspace::make(&store, "a", "source", "uv").expect("made");
        let place = work.path("");
        fs::write(work.path("file"), "x").expect("file");
        std::mem::forget(work);
        let work = Workspace::make(&store, "a", "source", "uv").expect("made again");
        assert_eq!((work.path(""), work.path("file").exists()), (place.clone(), false));
        drop(work);
        assert!(!place.exists());
        assert_ne!(Workspace::make(&store, "a", "other", "uv").expect("made").path(""), place);
    }

    #[test]
    fn the_log_stays_when_something_went_wrong() {
        let (_folder, store) = store();
        for ends_well in [true, false] {
            let work = Workspace::make(&store, "/a b/ä/../demo", "source", "uv").expect("made");
            let log = work.log().to_owned();
            assert_eq!(log.parent(), Some(store.temporary().as_path()));
            fs::write(&log, "words").expect("log");
            if ends_well {
                work.done()
            } else {
                drop(work)
            }
            assert_eq!(log.exists(), !ends_well);
        }
    }

    #[test]
    fn what_a_dead_process_left_goes_and_what_is_being_built_stays() {
        let (_folder, store) = store();
        let place = |name: &str| store.temporary().join(format!("{PREFIX}{name}"));
        for name in ["dead", "living"] {
            fs::create_dir(place(name)).expect("folder");
        }
        for name in ["dead.lock", "left.lock"] {
            fs::write(place(name), "").expect("lock");
        }
        let _living = LockFile::take(&place("living.lock")).expect("locked");
        let _turn = Turn::take(&store, "source").expect("ours");
        let work = Workspace::make(&store, "a", "source", "uv").expect("made");
        assert!(work.path("").exists());
        let left =
            ["dead", "living", "dead.lock", "left.lock", "living.lock"].map(|name| place(name).exists());
        assert_eq!(left, [false, true, false, false, true]);
    }

    #[test]
    fn two_stores_of_one_folder_take_turns_too() {
        let (folder, store) = store();
        let other = Store::open(folder.path()).expect("store");
        let turn = Turn::take(&store, "source").expect("ours");
        let path = store.temporary().join(format!("{PREFIX}{}.lock", key("source")));
        assert!(LockFile::try_take(&path).is_err());
        drop(turn);
        drop(Turn::take(&other, "source").expect("theirs"));
        assert!(!path.exists());
    }
}
