//! A download that may be gone on with, in this process or in a later one.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::lock::is_still_there;
use super::replace::{self, Over};
use super::spare::is_refusal;
use super::{Store, scratch};
use crate::error::{Context, Error, Result};
use crate::interrupt;
use crate::oci::{Digest, Sha256};

/// How much is read at once of what is there already.
const PIECE: usize = 64 * 1024;

/// The first bytes of a blob whose rest is still to come. Dropped before
/// [`PartialBlob::commit`], it stays for a day, to be gone on with.
pub struct PartialBlob {
    store: Store,
    file: File,
    path: PathBuf,
    /// Removes the file of one that nobody can find again.
    _unnamed: Option<tempfile::TempPath>,
    hash: Sha256,
    count: u64,
}

impl Store {
    /// The beginning of a blob under a name of the caller's choice, which must be a file name.
    /// What an earlier attempt has left is shown to `replay` piece by piece and counts as
    /// written. While another process writes under that name this one begins on its own.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn partial(&self, name: &str, mut replay: impl FnMut(&[u8])) -> Result<PartialBlob> {
        let open = || {
            let path = self.temporary().join(format!("part-{name}"));
            let file = File::options().create(true).truncate(false).read(true).write(true).open(&path)?;
            Ok((file, path))
        };
        let opened = open().or_else(|why| {
            self.give_way(&why)?;
            open().map_err(scratch::refused)
        });
        let (mut file, path) = opened?;
        let failed = || format!("cannot read {}", path.display());
        if file.try_lock().is_err() || !is_still_there(&file, &path) {
            return Ok(PartialBlob::unnamed(self.clone(), self.temporary_file()?, Sha256::new(), 0));
        }
        let mut hash = Sha256::new();
        let mut count = 0;
        let mut piece = vec![0; PIECE];
        loop {
            let n = file.read(&mut piece).context(failed)?;
            let Some(read) = piece.get(..n).filter(|read| !read.is_empty()) else { break };
            hash.update(read);
            replay(read);
            count += n as u64;
        }
        Ok(PartialBlob { store: self.clone(), file, path, _unnamed: None, hash, count })
    }
}

impl PartialBlob {
    /// One that nobody can find again.
    fn unnamed(store: Store, file: tempfile::NamedTempFile, hash: Sha256, count: u64) -> Self {
        let (file, path) = file.into_parts();
        Self { store, file, path: path.to_path_buf(), _unnamed: Some(path), hash, count }
    }

    /// Goes to where new things go now that its own place refused.
    fn give_way(&mut self, why: io::Error) -> io::Result<()> {
        let file = self.store.moved(&mut self.file, why)?;
        // The old one can be gone on with only where there is room again.
        let _ = fs::remove_file(&self.path);
        *self = Self::unnamed(self.store.clone(), file, self.hash.clone(), self.count);
        Ok(())
    }

    /// How many bytes there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Begins again from the first byte.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn restart(&mut self) -> Result<()> {
        let cut = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cut.context(|| format!("cannot write {}", self.path.display()))?;
        (self.hash, self.count) = (Sha256::new(), 0);
        Ok(())
    }

    /// The digest of what is there.
    pub fn digest(&self) -> Digest {
        self.hash.clone().finish()
    }

    /// Publishes the blob under its digest: file, digest and size.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn commit(mut self) -> Result<(PathBuf, Digest, u64)> {
        let digest = self.digest();
        let failed = || format!("cannot keep {digest} in the cache folder");
        let target = match self.publish(&digest) {
            Err(error) if is_refusal(&error) => {
                self.give_way(error).context(failed)?;
                self.publish(&digest).context(scratch::failed)?
            }
            published => published.context(failed)?,
        };
        self.store.note_new(&target);
        Ok((target, digest, self.count))
    }

    fn publish(&self, digest: &Digest) -> io::Result<PathBuf> {
        let target = self.store.home().join("blobs/sha256").join(digest.hex());
        self.file.sync_data()?;
        make_readable(&self.file)?;
        interrupt::check_io()?;
        replace::rename(&self.path, &target, Over::Same(self.count))?;
        Ok(target)
    }

    /// Removes what is there: it is of no use.
    pub fn discard(self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "cannot remove");
        }
    }
}

#[cfg(unix)]
fn make_readable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_: &File) -> io::Result<()> {
    Ok(())
}

impl Write for PartialBlob {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        interrupt::check_io()?;
        let n = match self.file.write(bytes) {
            Err(error) if is_refusal(&error) => {
                self.give_way(error)?;
                self.file.write(bytes).map_err(|error| io::Error::other(scratch::refused(error)))?
            }
            written => written?,
        };
        let written =
            bytes.get(..n).ok_or_else(|| io::Error::other(Error::bug("a file received too many bytes")))?;
        self.hash.update(written);
        self.count += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        (folder, store)
    }

    fn left_over(store: &Store) -> usize {
        fs::read_dir(store.root().join("tmp")).expect("tmp").count()
    }

    #[test]
    fn what_was_left_is_gone_on_with() {
        let (_folder, store) = open();
        let mut first = store.partial("x", |_| panic!("nothing is there")).expect("begun");
        first.write_all(b"hel").expect("write");
        drop(first);
        let mut seen = Vec::new();
        let mut second = store.partial("x", |bytes| seen.extend_from_slice(bytes)).expect("gone on");
        assert_eq!((second.count(), seen.as_slice()), (3, &b"hel"[..]));
        second.write_all(b"lo").expect("write");
        let (path, digest, size) = second.commit().expect("commit");
        assert_eq!((digest, size), (Digest::of(b"hello"), 5));
        assert_eq!(store.find(&digest, 5), Some(path));
        assert_eq!(left_over(&store), 0);
    }

    #[test]
    fn two_at_a_time_do_not_meet() {
        let (_folder, store) = open();
        let mut first = store.partial("x", |_| ()).expect("first");
        first.write_all(b"one").expect("write");
        let mut second = store.partial("x", |_| panic!("it is locked")).expect("second");
        second.write_all(b"two").expect("write");
        drop(second);
        assert_eq!(left_over(&store), 1, "one without a name of its own is not kept");
        assert_eq!(first.commit().expect("commit").1, Digest::of(b"one"));
    }

    #[test]
    fn a_restart_forgets_and_a_discarded_one_leaves_nothing() {
        let (_folder, store) = open();
        let mut blob = store.partial("x", |_| ()).expect("begun");
        blob.write_all(b"wrong and long").expect("write");
        blob.restart().expect("cut");
        blob.write_all(b"good").expect("write");
        assert_eq!((blob.count(), blob.digest()), (4, Digest::of(b"good")));
        blob.discard();
        assert_eq!(left_over(&store), 0);
    }
}
