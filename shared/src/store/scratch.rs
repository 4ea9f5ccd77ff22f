//! Temporary files outside of the store, and the words for what their folder lacks.

use std::io::{self, Read, Seek, SeekFrom, Write};

use tempfile::{SpooledTempFile, TempDir};

use crate::error::{Error, Result};

/// A folder that goes when it is dropped.
pub type Folder = TempDir;

/// A new folder among the temporary files.
///
/// # Errors
/// When it cannot be made: said of the folder for temporary files.
pub fn folder() -> Result<Folder> {
    tempfile::tempdir().map_err(refused)
}

/// What the folder for temporary files refused.
pub fn refused(error: io::Error) -> Error {
    Error::build(failed())
        .because(error)
        .hint("free some space there, or set the variable TMPDIR to another folder")
}

/// That sentence.
pub fn failed() -> String {
    format!("cannot write to the folder for temporary files, {}", std::env::temp_dir().display())
}

/// Something that is written to the folder for temporary files, by those who do not know that.
pub struct Written<W> {
    inner: W,
    failure: Option<Error>,
}

impl<W> Written<W> {
    /// What is written goes to `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner, failure: None }
    }

    /// Why it could not be written.
    pub fn failure(self) -> Option<Error> {
        self.failure
    }

    fn note<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|error| {
            let kind = error.kind();
            self.failure = Some(refused(error));
            kind.into()
        })
    }
}

impl<W: Write> Write for Written<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let done = self.inner.write(bytes);
        self.note(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        let done = self.inner.flush();
        self.note(done)
    }
}

/// Bytes that are kept in memory while they are few, and else in a temporary file.
pub struct Spool(SpooledTempFile);

impl Spool {
    /// One that keeps `most` bytes in memory.
    pub fn new(most: usize) -> Self {
        Self(SpooledTempFile::new(most))
    }
}

/// A failure is told from one of what is copied into it.
fn of_the_folder(error: io::Error) -> io::Error {
    io::Error::other(refused(error))
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(of_the_folder)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(of_the_folder)
    }
}

impl Read for Spool {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(of_the_folder)
    }
}

impl Seek for Spool {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to).map_err(of_the_folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A full disk.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_the_folder_lacks_is_said_of_the_folder() {
        let mut written = Written::new(Full);
        assert!(written.write_all(b"x").is_err());
        let error = written.failure().expect("why");
        assert!(error.to_string().contains(&std::env::temp_dir().display().to_string()), "{error}");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("TMPDIR")));
    }
}
