//! Saying what is waited for, when it takes long enough to be wondered about.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::event::Events;

/// Who waits for longer than this wants to know for what.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// Many transfers wait for the same thing: it is said once in this time.
const QUIET: Duration = Duration::from_secs(20);

/// When it was said last.
#[derive(Debug, Clone, Default)]
pub struct Waiting(Arc<Mutex<Option<Instant>>>);

impl Waiting {
    /// Says that something is waited for, unless something was said a short time ago.
    pub(super) fn say(&self, events: &Events, what: &str) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= QUIET) {
            *last = Some(Instant::now());
            events.step("Waiting", what);
        }
    }

    /// Does the work, and says what is waited for when it takes long.
    pub(super) async fn during<T>(
        &self,
        events: &Events,
        what: impl FnOnce() -> String,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = std::pin::pin!(work);
        match tokio::time::timeout(PATIENCE, &mut work).await {
            Ok(done) => done,
            Err(_) => {
                self.say(events, &what());
                work.await
            }
        }
    }
}
