//! The sole right to change a layout, and the memory of what may go from it.
//!
//! The folder holds a file of its own for both: who wants to change the layout locks it, and in it
//! stand the blobs that no entry of the index leads to any more, with the time. They stay for a
//! while, since a reader may have seen the index before. Other tools take no notice of the file, and
//! it goes when nothing stands in it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::NamedTempFile;

use super::super::persist;
use crate::error::{Context, Error, Result};
use crate::event::Events;
use crate::oci::Digest;
use crate::read;
use crate::store::replace::Over;
use crate::store::{Exclusive, IGNORE_ALL, IGNORE_FILE};

/// The name of the file.
pub(super) const FILE: &str = ".containerize";
/// How the names of temporary files begin.
const TEMPORARY: &str = ".containerize-";
/// How long a blob stays that nothing leads to.
pub(super) const GRACE: Duration = Duration::from_secs(10 * 60);
/// More than a file of ours may be long, in bytes.
const MOST: u64 = 64 << 20;
/// How often a folder that others remove is made again.
const ATTEMPTS: usize = 100;

/// The sole right to change the layout at `dir`, as long as it lives.
pub(super) struct Claim {
    dir: PathBuf,
    lock: Exclusive,
    /// The blobs that nothing leads to, with the second in which that was first so.
    unneeded: BTreeMap<Digest, u64>,
    /// Whether the file is removed already.
    is_given_up: bool,
}

impl Claim {
    /// Waits for the right, and makes the folder where it is missing.
    ///
    /// # Errors
    /// Usage when the folder holds something else than a layout; when the disk refuses.
    pub(super) fn take(dir: &Path, events: &Events) -> Result<Self> {
        let failed = || cannot_write(dir);
        let waiting = || events.step("Waiting", format!("for another process to write {}", dir.display()));
        check_folder(dir)?;
        let mut attempts = 0..ATTEMPTS;
        let mut lock = loop {
            fs::create_dir_all(dir).context(failed)?;
            match Exclusive::take(&dir.join(FILE), waiting) {
                // Its maker gave up and removed the folder.
                Err(e) if e.kind() == io::ErrorKind::NotFound && attempts.next().is_some() => {}
                taken => break taken.context(failed)?,
            }
        };
        let unneeded = unneeded_in(&mut lock);
        let claim = Self { dir: dir.to_owned(), lock, unneeded, is_given_up: false };
        claim.remove_temporary();
        Ok(claim)
    }

    /// What an earlier process left that was killed: nobody else writes now.
    fn remove_temporary(&self) {
        let folders = [self.dir.clone(), self.dir.join("blobs")];
        for entry in folders.iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten() {
            if is_temporary(&entry.file_name()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Publishes a file of the layout; a reader sees what was there before or all of it.
    pub(super) fn publish(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let failed = || format!("cannot write {}", path.display());
        let mut file = temporary(&self.dir).context(failed)?;
        file.write_all(bytes).context(failed)?;
        persist(file, path, Over::Anything).context(failed)
    }

    /// Remembers that nothing leads to these blobs from now on, before it is so: whoever is killed
    /// in between leaves nothing that nobody knows of.
    pub(super) fn forsake(&mut self, blobs: impl IntoIterator<Item = Digest>, now: SystemTime) -> Result<()> {
        let mut blobs = blobs.into_iter().map(|digest| (digest, seconds(now))).peekable();
        if blobs.peek().is_none() {
            return Ok(());
        }
        self.unneeded.extend(blobs);
        self.write()
    }

    /// Something leads to these blobs again.
    pub(super) fn need(&mut self, blobs: impl Iterator<Item = Digest>) -> Result<()> {
        let before = self.unneeded.len();
        for digest in blobs {
            self.unneeded.remove(&digest);
        }
        if self.unneeded.len() != before { self.write() } else { Ok(()) }
    }

    /// Removes the blobs that have long been unneeded, unless `needed` says otherwise; where that
    /// cannot be told, nothing. What cannot be removed stays: a blob too many does no harm.
    pub(super) fn sweep(
        &mut self,
        now: SystemTime,
        needed: impl FnOnce() -> Option<BTreeSet<Digest>>,
    ) -> Result<()> {
        // A time in the future is that of a clock that was wrong.
        let is_due = |since: &u64| seconds(now).abs_diff(*since) >= GRACE.as_secs();
        let due: Vec<Digest> =
            self.unneeded.iter().filter(|(_, since)| is_due(since)).map(|(digest, _)| *digest).collect();
        if due.is_empty() {
            return Ok(());
        }
        let Some(needed) = needed() else { return Ok(()) };
        for digest in due {
            if !needed.contains(&digest) {
                let _ = fs::remove_file(self.dir.join("blobs/sha256").join(digest.hex()));
            }
            self.unneeded.remove(&digest);
        }
        self.write()
    }

    /// Removes the layout that did not come about, while nobody else can have begun one.
    pub(super) fn remove(mut self, and_folder: bool) {
        // Half a layout is of no use. What cannot be removed does no harm either.
        let _ = fs::remove_dir_all(self.dir.join("blobs"));
        let _ = fs::remove_file(self.dir.join("oci-layout"));
        if read::bytes(&self.dir.join(IGNORE_FILE), MOST).is_ok_and(|found| found == IGNORE_ALL) {
            let _ = fs::remove_file(self.dir.join(IGNORE_FILE));
        }
        let _ = fs::remove_file(self.dir.join(FILE));
        // From now on the name may be another's.
        self.is_given_up = true;
        let dir = self.dir.clone();
        // Windows keeps what is removed in its folder until nobody has it open.
        drop(self);
        if and_folder {
            // One in which another process has begun is not empty.
            let _ = fs::remove_dir(dir);
        }
    }

    /// In its place, since renaming would take the lock away. A half-written one is taken for an
    /// empty one, and what was remembered in it stays for good.
    fn write(&mut self) -> Result<()> {
        let failed = || cannot_write(&self.dir);
        let text: String =
            self.unneeded.iter().map(|(digest, since)| format!("{digest} {since}\n")).collect();
        let file = self.lock.file();
        let emptied = file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)));
        emptied.and_then(|_| file.write_all(text.as_bytes())).context(failed)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // While it is still locked, so that nobody has taken it meanwhile.
        if self.unneeded.is_empty() && !self.is_given_up {
            let _ = fs::remove_file(self.dir.join(FILE));
        }
    }
}

/// A temporary file that the next one to claim the layout removes if this process is killed.
pub(super) fn temporary(dir: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(dir)
}

fn is_temporary(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(TEMPORARY))
}

fn unneeded_in(lock: &mut Exclusive) -> BTreeMap<Digest, u64> {
    let text = read::rest(lock.file(), MOST).unwrap_or_default();
    let line = |line: &str| {
        let (digest, since) = line.split_once(' ')?;
        Some((digest.parse().ok()?, since.parse().ok()?))
    };
    String::from_utf8_lossy(&text).lines().filter_map(line).collect()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A folder with something else in it is not ours to fill.
///
/// # Errors
/// Usage when it holds something else than a layout; when it cannot be read.
pub(crate) fn check_folder(dir: &Path) -> Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e).context(|| cannot_write(dir)),
    };
    let is_foreign = |name: OsString| name != "blobs" && name != IGNORE_FILE && !is_temporary(&name);
    let foreign = entries.flatten().any(|entry| is_foreign(entry.file_name()));
    let is_layout = || [FILE, "oci-layout", "index.json"].iter().any(|name| dir.join(name).exists());
    // Asked last: another process may have begun the layout while the folder was read.
    if foreign && !is_layout() {
        return Err(Error::usage(format!("{} is neither empty nor an OCI layout", dir.display()))
            .hint("use a new or empty folder"));
    }
    Ok(())
}

fn cannot_write(dir: &Path) -> String {
    format!("cannot write the OCI layout {}", dir.display())
}
