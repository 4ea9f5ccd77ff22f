//! Keeping the store small: what was not used for the longest time goes first.
//!
//! A file's modification time is the time of its last use, to the hour.

use std::fs::{self, File, FileTimes, Metadata};
use std::io;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::Store;
use super::living::{Gate, Others};
use super::lock::LockFile;
use super::usage::{Count, Stored, files};
use crate::error::{Error, Result};

/// A use within this time of the last one is not recorded: most builds then write no times.
/// What is younger is never removed by the way, for those who use the folder without locks.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// Temporary files of this age were left by a process that died.
const LEFT_OVER: Duration = Duration::from_secs(24 * 60 * 60);

/// What was removed.
pub type Removed = Count;

/// Records a use of the file in the store at `root`; false when the file is gone.
pub(super) fn touch(root: &Path, path: &Path, metadata: &Metadata) -> bool {
    let now = SystemTime::now();
    if metadata.modified().is_ok_and(|used| is_younger(used, now, FRESH)) {
        return true;
    }
    // Nobody removes it meanwhile.
    let gate = Gate::shared(root);
    let times = FileTimes::new().set_accessed(now).set_modified(now);
    let written = File::options().write(true).open(path).and_then(|file| file.set_times(times));
    drop(gate);
    if let Err(error) = &written {
        tracing::debug!(%error, path = %path.display(), "cannot record the use");
    }
    !written.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn is_younger(time: SystemTime, now: SystemTime, age: Duration) -> bool {
    // A time to come is from a clock that was wrong; it counts as long past.
    now.duration_since(time).is_ok_and(|passed| passed < age)
}

impl Store {
    /// At the end of a run that added something: removes the least recently used until the
    /// store fits into `size` bytes, but nothing that this run or another that lives may use, or that is
    /// fresh.
    pub fn evict(&self, size: u64) -> Removed {
        if !self.run.wrote.load(Ordering::Relaxed) {
            return Removed::default();
        }
        self.shrink(size, FRESH).unwrap_or_default()
    }

    /// Removes the least recently used until the store fits into `size` bytes, but nothing that a run that
    /// lives may use.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn prune(&self, size: u64) -> Result<Removed> {
        self.shrink(size, Duration::ZERO).map_err(|error| {
            let failed = Error::build(format!("cannot remove anything from {}", self.root.display()));
            // What it is that denies it, a new file is told.
            let error = tempfile::tempfile_in(&self.root).err().unwrap_or(error);
            let hint = match error.kind() {
                io::ErrorKind::ReadOnlyFilesystem => "it is on a read-only file system; mount it as writable",
                _ => "run this as the user whose cache it is",
            };
            failed.because(error).hint(hint)
        })
    }

    fn shrink(&self, size: u64, fresh: Duration) -> io::Result<Removed> {
        if self.run.mark.get().is_none() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let _gate = Gate::alone(&self.root)?;
        let others = Others::look(&self.root, self.run.mark.get());
        let mut removed = Removed::default();
        // To nothing, that is everything: also what may be gone on with.
        let everything = size == 0 && fresh.is_zero() && others.since.is_none();
        let left_over = if everything { Duration::ZERO } else { LEFT_OVER };
        self.remove_left_over(left_over, &others, &mut removed);
        let mut stored = self.blobs();
        stored.extend(self.tables().iter().flat_map(|table| files(table)));
        let mut total: u64 = stored.iter().map(|file| file.size).sum();
        stored.sort_by_key(|file| file.used);
        let used = self.run.used.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemTime::now();
        // What others use they have marked within the hour before they began, or later.
        let marked = others.since.map(|since| since.checked_sub(FRESH).unwrap_or(SystemTime::UNIX_EPOCH));
        let may_be_used = |file: &Stored| marked.is_some_and(|marked| file.used >= marked);
        for file in stored {
            if total <= size {
                break;
            }
            if used.contains(&file.path) || is_younger(file.used, now, fresh) || may_be_used(&file) {
                continue;
            }
            if remove(&file, &mut removed) {
                total -= file.size;
            }
        }
        Ok(removed)
    }

    /// Removes temporary files of this age that are nobody's.
    fn remove_left_over(&self, age: Duration, others: &Others, removed: &mut Removed) {
        let now = SystemTime::now();
        let ours = self.run.mark.get().map(super::living::Mark::prefix);
        let living: Vec<&String> = others.living.iter().chain(&ours).collect();
        for file in files(&self.root.join("tmp")) {
            let name = file.path.file_name().unwrap_or_default().to_string_lossy();
            if is_younger(file.used, now, age) || living.iter().any(|prefix| name.starts_with(*prefix)) {
                continue;
            }
            // One that somebody holds is gone on with.
            if LockFile::try_take(&file.path).is_ok() {
                removed.count(file.size);
            }
        }
    }
}

fn remove(file: &Stored, removed: &mut Removed) -> bool {
    let gone = fs::remove_file(&file.path);
    match &gone {
        Ok(()) => removed.count(file.size),
        Err(error) => tracing::debug!(%error, path = %file.path.display(), "cannot remove"),
    }
    gone.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;
    use crate::store::Table;
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
        store.remember(Table::Tags, "key", &1);
        assert_eq!(store.evict(0), Removed { files: 1, bytes: 4 });
        assert!(find(&store, "0003").is_some() && find(&store, "0000").is_some());
        assert_eq!(store.recall(Table::Tags, "key"), Some(1));
    }

    #[test]
    fn facts_are_evicted_like_blobs() {
        let folder = aged(&[]);
        let store = open(&folder);
        store.remember(Table::Tags, "key", &1);
        let table = folder.path().join("memo/tags");
        grow_old(&files(&table)[0].path, HOUR * 2);
        drop(store);
        let store = open(&folder);
        store.remember(Table::Tags, "other", &1);
        assert_eq!(store.evict(0).files, 1);
        assert_eq!(store.recall::<u8>(Table::Tags, "key"), None);
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
    fn what_another_run_may_use_stays() {
        let folder = aged(&[5, 6, 0]);
        let other = open(&folder);
        let used = find(&other, "0005").expect("found");
        let mut writer = other.writer().expect("writer");
        writer.write_all(b"half").expect("write");
        let store = open(&folder);
        put(&store, "new!", Duration::ZERO);
        assert_eq!(
            store.prune(0).expect("pruned"),
            Removed { files: 1, bytes: 4 },
            "the one that nobody used"
        );
        assert!(used.exists() && find(&store, "0000").is_some());
        let (path, ..) = writer.commit(None).expect("it is still there");
        assert!(path.exists());
        drop((store, other));
        let store = open(&folder);
        assert_eq!(store.prune(0).expect("pruned").files, 4);
    }

    #[test]
    fn what_a_dead_run_was_writing_goes_at_once() {
        let folder = aged(&[]);
        let store = open(&folder);
        let mut writer = store.writer().expect("writer");
        writer.write_all(b"half").expect("write");
        let prefix = store.run.mark.get().expect("marked").prefix();
        std::mem::forget(writer);
        drop(store);
        // A process that dies leaves mark and file, and its lock is free.
        let dead = folder.path().join("runs/run-1-1");
        fs::write(&dead, "").expect("mark");
        fs::write(folder.path().join("tmp/run-1-1-x"), "half").expect("file");
        let kept = folder.path().join("tmp").read_dir().expect("tmp").count();
        let store = open(&folder);
        assert!(!dead.exists() && !folder.path().join("tmp/run-1-1-x").exists());
        let left: Vec<_> = files(&folder.path().join("tmp"));
        assert_eq!((left.len(), kept), (1, 2), "that of the run that was forgotten still is somebody's");
        assert!(left[0].path.display().to_string().contains(&prefix));
        drop(store);
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
        store.evict(100);
        assert!(!folder.path().join("tmp/old").exists());
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
        fs::write(folder.path().join("tmp"), "").expect("in the way");
        let error = Store::open(folder.path()).expect_err("refused");
        assert!(error.to_string().starts_with("cannot make the cache folder"), "{error}");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("--cache-dir")));
    }
}
