//! Time limits that count from the last sign of life, not from the beginning.
//!
//! The transport's own read timeout runs while a body is still being sent, so it would end
//! every upload that takes longer than it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;

use super::BodyStream;

/// Nothing moved for too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stalled;

/// After the last byte the other side may have to hash or move what it got: it has this many
/// time limits to answer.
const AFTER_THE_LAST_BYTE: u32 = 4;

/// Counts the pieces that a body gave away.
#[derive(Clone, Default)]
pub(super) struct Pulse(Arc<Beats>);

#[derive(Default)]
struct Beats {
    count: AtomicU64,
    ended: AtomicBool,
}

impl Pulse {
    /// The same stream; each piece is a sign of life.
    pub(super) fn of(&self, stream: BodyStream) -> BodyStream {
        let (each, end) = (self.clone(), self.clone());
        let ended = futures_util::stream::poll_fn(move |_| {
            end.0.ended.store(true, Ordering::Relaxed);
            std::task::Poll::Ready(None)
        });
        stream
            .inspect(move |_| {
                each.0.count.fetch_add(1, Ordering::Relaxed);
            })
            .chain(ended)
            .boxed()
    }

    /// Waits for `work` as long as something moves within each `limit`.
    pub(super) async fn watch<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Stalled> {
        let mut work = pin!(work);
        let mut quiet = 0;
        loop {
            let before = self.0.count.load(Ordering::Relaxed);
            if let Ok(done) = tokio::time::timeout(limit, &mut work).await {
                return Ok(done);
            }
            quiet = if self.0.count.load(Ordering::Relaxed) == before { quiet + 1 } else { 0 };
            let allowed = if self.0.ended.load(Ordering::Relaxed) { AFTER_THE_LAST_BYTE } else { 1 };
            if quiet >= allowed {
                return Err(Stalled);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const LIMIT: Duration = Duration::from_secs(10);

    fn slow(pieces: usize, pause: Duration) -> BodyStream {
        futures_util::stream::iter(0..pieces)
            .then(move |_| async move {
                tokio::time::sleep(pause).await;
                Ok(Bytes::from_static(b"x"))
            })
            .boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_is_no_stall() {
        let pulse = Pulse::default();
        let body = pulse.of(slow(20, LIMIT * 9 / 10));
        assert_eq!(pulse.watch(LIMIT, body.count()).await, Ok(20));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_is_one() {
        let pulse = Pulse::default();
        let body = pulse.of(slow(20, LIMIT * 3));
        assert_eq!(pulse.watch(LIMIT, body.count()).await, Err(Stalled));
    }

    #[tokio::test(start_paused = true)]
    async fn the_answer_to_a_whole_body_may_take_longer() {
        for (pause, expected) in [(3, Ok(1)), (6, Err(Stalled))] {
            let pulse = Pulse::default();
            let body = pulse.of(slow(1, Duration::ZERO));
            let work = async {
                let count = body.count().await;
                tokio::time::sleep(LIMIT * pause).await;
                count
            };
            assert_eq!(pulse.watch(LIMIT, work).await, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_body_the_limit_is_the_limit() {
        let nothing = Pulse::default().watch(LIMIT, tokio::time::sleep(LIMIT * 2)).await;
        assert_eq!(nothing, Err(Stalled));
    }
}
