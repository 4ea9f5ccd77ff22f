//! A file that one process holds at a time, and that has something in it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use super::lock::hold;
use crate::interrupt;

/// A file that is locked as long as this lives. Where the file system knows no locks, it is only
/// open.
#[derive(Debug)]
pub struct Exclusive {
    file: File,
}

impl Exclusive {
    /// Opens the file, making it where it is missing, and waits until nobody else holds it;
    /// `waiting` is called once if that takes time.
    ///
    /// # Errors
    /// When the file cannot be made or opened, or the work was interrupted.
    pub fn take(path: &Path, waiting: impl FnOnce()) -> io::Result<Self> {
        let mut waiting = Some(waiting);
        let lock = |file: &File| {
            let locked = match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    waiting.take().into_iter().for_each(|tell| tell());
                    interrupt::lock(file)
                }
                Err(TryLockError::Error(error)) => Err(error),
                Ok(()) => Ok(()),
            };
            interrupt::check_io()?;
            if let Err(error) = locked {
                tracing::debug!(%error, path = %path.display(), "the file system does not support locks");
            }
            Ok(())
        };
        Ok(Self { file: hold(path, lock)? })
    }

    /// The file itself.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn one_at_a_time_holds_it_also_when_it_is_removed_in_between() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("lock");
        let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (path, inside, most) = (&path, &inside, &most);
                scope.spawn(move || {
                    for round in 0..20 {
                        let _held = Exclusive::take(path, || ()).expect("taken");
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        // From its removal on, the next one may have a new file.
                        inside.fetch_sub(1, Ordering::SeqCst);
                        if round % 3 == number % 3 {
                            std::fs::remove_file(path).expect("removed");
                        }
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
    }
}
