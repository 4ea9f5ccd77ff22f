//! Giving a file a name that another one may have.
//!
//! On Unix that always works. Windows refuses while somebody has the other file open, be it a reader of the
//! cache or a virus scanner that looks at what is new: that passes, and is waited for.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::interrupt;
use crate::system::System;

/// How long somebody may have a file open.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(320);
/// Windows' words for a file that another process uses, which std has no kind for.
const SHARING_VIOLATION: i32 = 32;
const LOCK_VIOLATION: i32 = 33;

/// What may be under the name already.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Over {
    /// Anything, which is replaced.
    Anything,
    /// Only the same bytes, since their digest is the name: a file of this size is as good as ours.
    Same(u64),
}

/// Gives a temporary file its name. One whose place refuses comes back.
pub(crate) fn persist(
    file: NamedTempFile,
    path: &Path,
    over: Over,
) -> Result<(), (io::Error, NamedTempFile)> {
    let mut file = Some(file);
    let done = patiently(System::HERE, || {
        let Some(given) = file.take() else { return Ok(()) };
        let Err(refused) = given.persist(path) else { return Ok(()) };
        if is_there(path, over, &refused.error) {
            return Ok(());
        }
        let mut error = refused.error;
        if System::HERE.is_windows() {
            // It has another way, which file systems of today let through.
            match fs::rename(refused.file.path(), path) {
                Ok(()) => return Ok(()),
                Err(again) => error = again,
            }
        }
        file = Some(refused.file);
        Err(error)
    });
    match (done, file) {
        (Err(error), Some(file)) => Err((error, file)),
        _ => Ok(()),
    }
}

/// Gives a file another name.
pub(crate) fn rename(from: &Path, to: &Path, over: Over) -> io::Result<()> {
    patiently(System::HERE, || match fs::rename(from, to) {
        Err(error) if is_there(to, over, &error) => fs::remove_file(from).or(Ok(())),
        renamed => renamed,
    })
}

/// Whether what was refused is there already.
fn is_there(path: &Path, over: Over, refused: &io::Error) -> bool {
    let Over::Same(size) = over else { return false };
    is_in_use(System::HERE, refused)
        && fs::metadata(path).is_ok_and(|there| there.is_file() && there.len() == size)
}

/// Whether a refusal is one that passes.
fn is_in_use(system: System, error: &io::Error) -> bool {
    system.is_windows()
        && (error.kind() == io::ErrorKind::PermissionDenied
            || matches!(error.raw_os_error(), Some(SHARING_VIOLATION | LOCK_VIOLATION)))
}

/// Tries until it works or fails for another reason than one that passes.
pub(super) fn patiently<T>(system: System, mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let begin = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match attempt() {
            Err(error) if is_in_use(system, &error) && begin.elapsed() < PATIENCE => {
                interrupt::check_io()?;
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn only_windows_waits_and_only_for_what_passes() {
        let attempts = |system, kind: io::ErrorKind| {
            let mut left = 3;
            let done = patiently(system, || {
                left -= 1;
                if left == 0 { Ok(()) } else { Err(kind.into()) }
            });
            (done.is_ok(), 3 - left)
        };
        assert_eq!(attempts(System::Windows, io::ErrorKind::PermissionDenied), (true, 3));
        assert_eq!(attempts(System::Windows, io::ErrorKind::NotFound), (false, 1));
        assert_eq!(attempts(System::Linux, io::ErrorKind::PermissionDenied), (false, 1));
    }

    #[test]
    fn a_file_replaces_another_and_one_that_is_refused_comes_back() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("name");
        let file = |text: &str| {
            let mut file = NamedTempFile::new_in(folder.path()).expect("file");
            file.write_all(text.as_bytes()).expect("written");
            file
        };
        for text in ["one", "two"] {
            persist(file(text), &path, Over::Anything).expect("named");
            assert_eq!(fs::read_to_string(&path).expect("text"), text);
        }
        let (_, mut back) =
            persist(file("x"), &folder.path().join("no/such"), Over::Same(1)).expect_err("no folder");
        back.write_all(b"y").expect("still there");
        let other = folder.path().join("other");
        rename(&path, &other, Over::Same(3)).expect("renamed");
        assert!(!path.exists() && other.exists());
    }

    /// Readers have the file open all the time, as other processes with the same cache have.
    #[test]
    fn many_write_what_others_read() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("digest");
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let mut file = NamedTempFile::new_in(folder.path()).expect("file");
                        file.write_all(b"same").expect("written");
                        if let Err((error, _)) = persist(file, &path, Over::Same(4)) {
                            panic!("refused: {error}");
                        }
                        let _open = fs::File::open(&path);
                        std::thread::sleep(Duration::from_millis(1));
                    }
                });
            }
        });
        assert_eq!(fs::read(&path).expect("read"), b"same");
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 1, "nothing is left");
    }
}
