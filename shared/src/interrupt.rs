//! Ending early: one flag for the process, which work that blocks looks at.
//!
//! A front end raises it when the user or the system asks the program to end. A future that waits is
//! dropped; work that blocks calls [`check`] at each block or entry and fails with an error of its own
//! kind, so that the guards of temporary files do what they do after any failure. Whatever gives
//! something a name calls it too: no name moves any more.

use std::fs::{File, TryLockError};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::error::{Error, Kind, Result};

static RAISED: AtomicBool = AtomicBool::new(false);
static WAKE: Notify = Notify::const_new();

/// How often a lock that another process has is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks all work of this process to end. It cannot be taken back.
pub fn raise() {
    RAISED.store(true, Ordering::SeqCst);
    WAKE.notify_waiters();
}

/// Whether the work was asked to end.
pub fn is_raised() -> bool {
    RAISED.load(Ordering::Relaxed)
}

/// Ends when the work is asked to end.
pub async fn raised() {
    let woken = WAKE.notified();
    if !is_raised() {
        woken.await;
    }
}

/// Fails when the work was asked to end. It costs next to nothing.
///
/// # Errors
/// Of kind interrupted.
pub fn check() -> Result<()> {
    if is_raised() { Err(error()) } else { Ok(()) }
}

/// [`check`] for what speaks of input and output.
///
/// # Errors
/// One that holds the error of [`check`].
pub fn check_io() -> io::Result<()> {
    check().map_err(io::Error::other)
}

/// What [`check`] fails with.
pub fn error() -> Error {
    Error::new(Kind::Interrupted, "the work was interrupted")
}

/// Waits for the lock of a file that another process may have for long.
///
/// # Errors
/// When the file system knows no locks, or the work was asked to end.
pub(crate) fn lock(file: &File) -> io::Result<()> {
    wait(|| file.try_lock())
}

fn wait(mut attempt: impl FnMut() -> Result<(), TryLockError>) -> io::Result<()> {
    loop {
        check_io()?;
        match attempt() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_waited_for() {
        let folder = tempfile::tempdir().expect("folder");
        let open = || File::create(folder.path().join("lock")).expect("file");
        let (ours, theirs) = (open(), open());
        theirs.lock().expect("locked");
        let waiting = std::thread::spawn(move || lock(&ours).map(|()| ours));
        drop(theirs);
        waiting.join().expect("no panic").expect("locked");
    }

    #[test]
    fn nothing_is_interrupted_by_itself() {
        assert!(check().is_ok() && check_io().is_ok() && !is_raised());
        assert_eq!(error().kind(), Kind::Interrupted);
    }
}
