//! A blob on its way into the store.

use std::io::{self, Write};
use std::path::PathBuf;

use tempfile::NamedTempFile;

use super::replace::{self, Over};
use super::spare::is_refusal;
use super::{Store, scratch};
use crate::error::{Context, Error, Result};
use crate::interrupt;
use crate::oci::{Digest, HashingWriter};

/// Hashes what is written to it; [`BlobWriter::commit`] gives the bytes their name.
pub struct BlobWriter {
    file: HashingWriter<Spared>,
}

/// A temporary file of the store, which moves to another place when its own is full.
struct Spared {
    store: Store,
    file: NamedTempFile,
}

impl Write for Spared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.file.write(bytes) {
            Err(error) if is_refusal(&error) => {
                self.file = self.store.moved(self.file.as_file_mut(), error)?;
                self.file.write(bytes).map_err(|error| io::Error::other(scratch::refused(error)))
            }
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl BlobWriter {
    pub(super) fn begin(store: &Store) -> Result<Self> {
        let file = Spared { store: store.clone(), file: store.temporary_file()? };
        Ok(Self { file: HashingWriter::new(file) })
    }

    /// Publishes the blob under its digest: file, digest and size.
    ///
    /// # Errors
    /// When the disk refuses, or the digest is not the `expected` one (kind integrity; nothing
    /// is kept then).
    pub fn commit(self, expected: Option<&Digest>) -> Result<(PathBuf, Digest, u64)> {
        let (file, digest, size) = self.file.finish();
        if let Some(expected) = expected.filter(|expected| **expected != digest) {
            return Err(Error::integrity(format!("expected {expected}, got {digest} ({size} bytes)")));
        }
        let failed = || format!("cannot keep {digest} in the cache folder");
        let Spared { store, file } = file;
        let path = match publish(&store, file, &digest, size) {
            Err((error, Some(mut file))) if is_refusal(&error) => {
                let file = store.moved(file.as_file_mut(), error).context(failed)?;
                publish(&store, file, &digest, size).map_err(|(error, _)| error).context(scratch::failed)?
            }
            published => published.map_err(|(error, _)| error).context(failed)?,
        };
        store.note_new(&path);
        Ok((path, digest, size))
    }
}

/// Gives the file its name; one whose place refuses comes back.
fn publish(
    store: &Store,
    file: NamedTempFile,
    digest: &Digest,
    size: u64,
) -> Result<PathBuf, (io::Error, Option<NamedTempFile>)> {
    let path = store.home().join("blobs/sha256").join(digest.hex());
    let ready =
        file.as_file().sync_data().and_then(|()| make_readable(&file)).and_then(|()| interrupt::check_io());
    match ready {
        Ok(()) => replace::persist(file, &path, Over::Same(size))
            .map(|()| path)
            .map_err(|(e, file)| (e, Some(file))),
        Err(error) => Err((error, Some(file))),
    }
}

/// Temporary files are private; what is in the store may be shared as the user's umask says.
#[cfg(unix)]
pub(crate) fn make_readable(file: &NamedTempFile) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
pub(crate) fn make_readable(_: &NamedTempFile) -> io::Result<()> {
    Ok(())
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_digest_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        let mut writer = store.writer().expect("writer");
        writer.write_all(b"hello").expect("write");
        let error = writer.commit(Some(&Digest::of(b"other"))).expect_err("refused");
        assert_eq!(error.kind(), crate::Kind::Integrity);
        assert_eq!(std::fs::read_dir(folder.path().join("tmp")).expect("tmp").count(), 0);
        assert!(store.find(&Digest::of(b"hello"), 5).is_none());
    }

    #[test]
    fn a_committed_blob_is_found_by_digest_and_size() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        let mut writer = store.writer().expect("writer");
        writer.write_all(b"hello").expect("write");
        let (path, digest, size) = writer.commit(None).expect("commit");
        assert_eq!(store.find(&digest, size), Some(path.clone()));
        assert_eq!(store.find(&digest, size + 1), None);
        std::fs::write(&path, "jello").expect("corrupt");
        assert_eq!(store.read(&digest), None);
        assert!(!path.exists());
    }
}
