//! Building with what was lent, and once more without it where that may be what failed.

use std::sync::atomic::{AtomicBool, Ordering};

use super::outcome::Outcome;
use super::permission::Permission;
use super::workshop::Workshop;
use crate::error::{Error, Kind, Result};
use crate::oci::Reference;

/// How far an attempt has come.
#[derive(Default)]
pub(super) struct Progress {
    are_hooks_done: AtomicBool,
    runs_commands: AtomicBool,
    is_settled: AtomicBool,
}

impl Progress {
    /// Runs what is run once, however many attempts there are: the commands before a build.
    ///
    /// # Errors
    /// Those of `hooks`.
    pub(super) fn once(&self, hooks: impl FnOnce() -> Result<()>) -> Result<()> {
        self.note_commands(true);
        if !self.are_hooks_done.load(Ordering::Relaxed) {
            hooks()?;
            self.are_hooks_done.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Notes whether what runs now are commands of the project: its hooks, or what compiles it.
    pub(super) fn note_commands(&self, runs_commands: bool) {
        self.runs_commands.store(runs_commands, Ordering::Relaxed);
    }

    /// Notes that what fails now has nothing to do with what was lent.
    pub(super) fn settle(&self) {
        self.is_settled.store(true, Ordering::Relaxed);
    }

    /// Whether another attempt may end otherwise. A command of the project has failed by itself.
    fn may_repeat(&self, error: &Error) -> bool {
        match error.kind() {
            _ if self.is_settled.load(Ordering::Relaxed) => false,
            Kind::Interrupted => false,
            Kind::Build => !self.runs_commands.load(Ordering::Relaxed),
            _ => true,
        }
    }
}

/// Builds; once more with nothing but what is here if that fails with what was lent. `references` are pushed.
///
/// # Errors
/// Those of `build`.
pub(super) async fn with_loan(
    workshop: &Workshop<'_>,
    references: &[&Reference],
    build: impl AsyncFn(&Progress) -> Result<Outcome>,
) -> Result<Outcome> {
    let Workshop { request, store, client, remote, events, .. } = *workshop;
    let progress = Progress::default();
    let error = match build(&progress).await {
        Err(error) if progress.may_repeat(&error) && store.return_loan() => error,
        told => return told,
    };
    tracing::debug!(%error, causes = ?error.causes(), "with what was lent");
    remote.give_back();
    client.forget_pushes();
    if remote.is_found() {
        // It was not asked: whoever has left something there may push, and this call need not be allowed to.
        Permission::ask(request, client, store, references).given().await?;
    }
    let told = build(&progress).await?;
    events.note("the remote cache did not serve, so everything was made here");
    Ok(told)
}
