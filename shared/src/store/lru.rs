//! Keeping the store small: what was not used for the longest time goes first.
//!
//! A file's modification time is the time of its last use, to the hour.

use std::fs::{self, File, FileTimes, Metadata, TryLockError};
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::Store;
use super::usage::{Count, Stored, files};
use crate::error::{Error, Result};

/// A use within this time of the last one is not recorded: most builds then write no times.
/// What is younger is never removed by the way, for those who use the folder without locks.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// Temporary files of this age were left by a process that died.
const LEFT_OVER: Duration = Duration::from_secs(24 * 60 * 60);

/// What was removed.
pub type Removed = Count;

/// Records a use of the file.
pub(super) fn touch(path: &Path, metadata: &Metadata) {
    let now = SystemTime::now();
    if metadata.modified().is_ok_and(|used| is_younger(used, now, FRESH)) {
        return;
    }
    let times = FileTimes::new().set_accessed(now).set_modified(now);
    let written = File::options().write(true).open(path).and_then(|file| file.set_times(times));
    if let Err(error) = written {
        tracing::debug!(%error, path = %path.display(), "cannot record the use");
    }
}

fn is_younger(time: SystemTime, now: SystemTime, age: Duration) -> bool {
    // A time to come is from a clock that was wrong; it counts as long past.
    now.duration_since(time).is_ok_and(|passed| passed < age)
}

impl Store {
    /// At the end of a run that added something: removes the least recently used until the
    /// store fits into `size` bytes, but nothing that this run has used or that is fresh, and
    /// what dead processes left. Does nothing while another process has the store open.
    pub fn evict(&self, size: u64) -> Removed {
        if !self.run.wrote.load(Ordering::Relaxed) {
            return Removed::default();
        }
        self.alone(|| self.shrink(size, FRESH)).unwrap_or_default()
    }

    /// Removes the least recently used until the store fits into `size` bytes.
    ///
    /// # Errors
    /// When another process has the store open.
    pub fn prune(&self, size: u64) -> Result<Removed> {
        // A size of nothing means everything, what was left by dead processes included.
        let left_over = if size == 0 { Duration::ZERO } else { LEFT_OVER };
        self.alone(|| {
            let mut removed = self.shrink(size, Duration::ZERO);
            remove_older(&self.root.join("tmp"), left_over, &mut removed);
            removed
        })
        .ok_or_else(|| {
            Error::build(format!("the cache {} is in use", self.root.display()))
                .hint("try again when no build is running")
        })
    }

    /// Acts while no other process has the store open; `None` when one has. Ours is then the
    /// only lock, exclusive, and shared again afterwards.
    fn alone<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        let lock = &self.run.lock;
        // A lock cannot be turned into another in one step everywhere. What this process has
        // used is done with, so that others may come first.
        let _ = lock.unlock();
        let alone = match lock.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(error)) => {
                tracing::debug!(%error, "the cache folder knows no locks");
                false
            }
        };
        let result = alone.then(act);
        let _ = lock.unlock();
        let _ = lock.lock_shared();
        result
    }

    fn shrink(&self, size: u64, fresh: Duration) -> Removed {
        let mut removed = Removed::default();
        remove_older(&self.root.join("tmp"), LEFT_OVER, &mut removed);
        let mut stored = self.blobs();
        stored.extend(self.tables().iter().flat_map(|table| files(table)));
        let mut total: u64 = stored.iter().map(|file| file.size).sum();
        stored.sort_by_key(|file| file.used);
        let used = self.run.used.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemTime::now();
        for file in stored {
            if total <= size {
                break;
            }
            if used.contains(&file.path) || is_younger(file.used, now, fresh) {
                continue;
            }
            if remove(&file, &mut removed) {
                total -= file.size;
            }
        }
        removed
    }
}

fn remove_older(folder: &Path, age: Duration, removed: &mut Removed) {
    let now = SystemTime::now();
    for file in files(folder) {
        if !is_younger(file.used, now, age) {
            remove(&file, removed);
        }
    }
}

fn remove(file: &Stored, removed: &mut Removed) -> bool {
    let gone = fs::remove_file(&file.path);
    match &gone {
        Ok(()) => removed.add(file.size),
        Err(error) => tracing::debug!(%error, path = %file.path.display(), "cannot remove"),
    }
    gone.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;
    use std::io::Write;
    use std::path::PathBuf;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn open(folder: &tempfile::TempDir) -> Store {
        Store::open(folder.path()).expect("store")
    }

    fn put(store: &Store, text: &str, age: Duration) -> PathBuf {
        let mut writer = store.writer().expect("writer");
        writer.write_all(text.as_bytes()).expect("write");
        let path = writer.commit(None).expect("commit").0;
        grow_old(&path, age);
        path
    }

    fn grow_old(path: &Path, age: Duration) {
        let file = File::options().write(true).open(path).expect("file");
        file.set_modified(SystemTime::now() - age).expect("times");
    }

    fn find(store: &Store, text: &str) -> Option<PathBuf> {
        store.find(&Digest::of(text.as_bytes()), text.len() as u64)
    }

    /// A folder with blobs of four bytes whose names tell how many hours they were unused.
    fn aged(hours: &[u32]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("folder");
        let store = open(&folder);
        for age in hours {
            put(&store, &format!("{age:04}"), HOUR * *age);
        }
        folder
    }

    #[test]
    fn the_longest_unused_go_until_it_fits() {
        let folder = aged(&[5, 2, 9, 3]);
        let store = open(&folder);
        put(&store, "new!", Duration::ZERO);
        assert_eq!(store.evict(12), Removed { files: 2, bytes: 8 });
        let left = ["0009", "0005", "0003", "0002", "new!"].map(|text| find(&store, text).is_some());
        assert_eq!(left, [false, false, true, true, true]);
        assert_eq!(store.evict(12), Removed::default(), "it fits");
    }

    #[test]
    fn what_was_used_or_is_fresh_stays() {
        let folder = aged(&[0, 2, 3]);
        let store = open(&folder);
        find(&store, "0003").expect("found");
        store.remember("table", "key", &1);
        assert_eq!(store.evict(0), Removed { files: 1, bytes: 4 });
        assert!(find(&store, "0003").is_some() && find(&store, "0000").is_some());
        assert_eq!(store.recall("table", "key"), Some(1));
    }

    #[test]
    fn facts_are_evicted_like_blobs() {
        let folder = aged(&[]);
        let store = open(&folder);
        store.remember("table", "key", &1);
        let table = folder.path().join("memo/table");
        grow_old(&files(&table)[0].path, HOUR * 2);
        drop(store);
        let store = open(&folder);
        store.remember("table", "other", &1);
        assert_eq!(store.evict(0).files, 1);
        assert_eq!(store.recall::<u8>("table", "key"), None);
    }

    #[test]
    fn a_use_is_recorded_once_an_hour() {
        let folder = aged(&[2]);
        let store = open(&folder);
        let path = store.path(&Digest::of(b"0002"));
        let used = || fs::metadata(&path).expect("there").modified().expect("time");
        let before = used();
        find(&store, "0002").expect("found");
        let after = used();
        assert!(after > before + HOUR);
        find(&store, "0002").expect("found");
        assert_eq!(used(), after);
    }

    #[test]
    fn nothing_is_removed_while_another_has_it_open() {
        let folder = aged(&[5]);
        let (store, other) = (open(&folder), open(&folder));
        put(&store, "new!", Duration::ZERO);
        assert_eq!(store.evict(0), Removed::default());
        assert_eq!(store.prune(0).expect_err("refused").kind(), crate::Kind::Build);
        drop(other);
        assert_eq!(store.evict(0).files, 1);
        let other = open(&folder);
        assert_eq!(other.prune(0).expect_err("shared again").kind(), crate::Kind::Build);
    }

    #[test]
    fn a_run_that_adds_nothing_removes_nothing() {
        let folder = aged(&[5]);
        assert_eq!(open(&folder).evict(0), Removed::default());
    }

    #[test]
    fn what_dead_processes_left_goes_after_a_day() {
        let folder = aged(&[]);
        for (name, hours) in [("old", 25), ("new", 23)] {
            let path = folder.path().join("tmp").join(name);
            fs::write(&path, "x").expect("file");
            grow_old(&path, HOUR * hours);
        }
        let store = open(&folder);
        put(&store, "new!", Duration::ZERO);
        assert_eq!(store.evict(100), Removed { files: 1, bytes: 1 });
        assert!(folder.path().join("tmp/new").exists());
    }

    #[test]
    fn pruning_to_nothing_leaves_nothing() {
        let folder = aged(&[0, 5]);
        let store = open(&folder);
        fs::write(folder.path().join("tmp/x"), "x").expect("file");
        assert_eq!(store.prune(0).expect("pruned"), Removed { files: 3, bytes: 9 });
        assert_eq!(store.usage().total(), Count::default());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error_with_a_way_out() {
        let folder = tempfile::tempdir().expect("folder");
        fs::create_dir(folder.path().join("lock")).expect("in the way");
        let error = Store::open(folder.path()).expect_err("refused");
        assert!(error.to_string().starts_with("cannot make the cache folder"), "{error}");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("--cache-dir")));
    }
}
