//! Doing it again: exponential backoff with jitter, and the server's own word on when.

use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::StatusCode;
use tokio::time::Instant;

use super::{Again, Cause, Failure, Options, waiting};
use crate::error::{Error, Kind};

/// The backoff grows no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The last failure of work that was given up.
#[derive(Debug)]
pub struct Spent {
    /// The last failure.
    pub failure: Failure,
    /// How often it was tried.
    pub attempts: u32,
}

impl Spent {
    /// Whether the other side says that what was asked for does not exist.
    pub fn is_missing(&self) -> bool {
        let failure = &self.failure;
        failure.cause == Cause::Status(StatusCode::NOT_FOUND) && failure.again == Again::Never
    }

    /// As [`Spent::explain`], for a name that the user gave: that it does not exist is no trouble of
    /// the network, and does not pass.
    pub fn explain_name(self, what: impl Into<String>) -> Error {
        if self.is_missing() {
            return Error::new(Kind::Usage, what).because(self.failure.error);
        }
        self.explain(what)
    }

    /// The error for the caller: `what` could not be done, how often that was tried, and why.
    pub fn explain(self, what: impl Into<String>) -> Error {
        let mut message = what.into();
        if self.attempts > 1 {
            message = format!("{message} ({} attempts)", self.attempts);
        }
        Error::new(self.failure.error.kind(), message).because(self.failure.error)
    }
}

/// Runs `attempt` (it is told how many came before) until it succeeds, fails for good, or has
/// been repeated as often as `options` allow.
pub(super) async fn run<T, F, W>(options: &Options, mut attempt: F) -> Result<T, Spent>
where
    F: FnMut(u32) -> W,
    W: Future<Output = Result<T, Failure>>,
{
    let mut pauses = ExponentialBuilder::new()
        .with_min_delay(options.first_delay)
        .with_max_delay(LONGEST_PAUSE)
        .with_max_times(options.retries as usize)
        .with_jitter()
        .build();
    let mut attempts = 0;
    let start = Instant::now();
    loop {
        let failure = match attempt(attempts).await {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        attempts += 1;
        let Some(pause) = pauses.next().and_then(|pause| wait(&failure, pause)) else {
            return Err(Spent { failure, attempts });
        };
        tracing::debug!(error = ?failure.error, ?pause, attempts, "trying again");
        if start.elapsed() + pause >= waiting::PATIENCE {
            options.waiting.say(&options.events, &format!("and trying again: {}", failure.error));
        }
        tokio::time::sleep(pause).await;
    }
}

/// How long to wait before the next attempt, if there is to be one.
fn wait(failure: &Failure, pause: Duration) -> Option<Duration> {
    match failure.again {
        // Wrong bytes and wrong words stay wrong.
        _ if failure.error.kind() != Kind::Network => None,
        Again::Never => None,
        Again::Soon => Some(pause),
        // Never earlier than asked, and not all at the same instant.
        Again::After(asked) => Some(asked + pause.min(Duration::from_secs(1))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::event::{Event, Events};

    fn options(retries: u32) -> Options {
        Options { retries, first_delay: Duration::from_secs(1), ..Options::default() }
    }

    fn broken(again: Again) -> Failure {
        Failure { again, ..Failure::passing(Error::network("broken")) }
    }

    #[tokio::test(start_paused = true)]
    async fn it_stops_when_it_works() {
        let third = |n| async move { if n < 2 { Err(broken(Again::Soon)) } else { Ok(n) } };
        assert_eq!(run(&options(5), third).await.expect("works"), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pauses_grow_and_the_count_is_told() {
        let start = Instant::now();
        let spent =
            run(&options(3), |_| async { Err::<(), _>(broken(Again::Soon)) }).await.expect_err("spent");
        assert_eq!(spent.attempts, 4);
        let waited = start.elapsed().as_secs_f32();
        assert!((7.0..14.1).contains(&waited), "1 + 2 + 4 and at most as much jitter, not {waited}");
        let error = spent.explain("cannot push x");
        assert_eq!(error.to_string(), "cannot push x (4 attempts)");
        assert_eq!(error.causes(), ["broken"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_get_better_is_tried_once() {
        let never = run(&options(3), |_| async { Err::<(), _>(broken(Again::Never)) }).await;
        let spent = never.expect_err("spent");
        assert_eq!(spent.attempts, 1);
        assert_eq!(spent.explain("cannot push x").to_string(), "cannot push x");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_waited_for_is_said_once_and_only_when_it_takes_long() {
        let said = Arc::new(Said::default());
        let told = |first_delay| Options { first_delay, events: Events::new(said.clone()), ..options(3) };
        let down = |_| async { Err::<(), _>(broken(Again::Soon)) };
        run(&told(Duration::from_millis(50)), down).await.expect_err("spent");
        assert_eq!(*said.0.lock().expect("lock"), 0, "it was over in a moment");
        run(&told(Duration::from_secs(2)), down).await.expect_err("spent");
        assert_eq!(*said.0.lock().expect("lock"), 1);
    }

    #[derive(Default)]
    struct Said(std::sync::Mutex<u32>);

    impl crate::event::Reporter for Said {
        fn report(&self, event: Event) {
            if let Event::Step { verb: "Waiting", what } = event {
                assert!(what.contains("broken"), "{what}");
                *self.0.lock().expect("lock") += 1;
            }
        }
    }

    #[test]
    fn a_name_that_does_not_exist_is_the_calls_mistake() {
        let missing = |again| Spent {
            failure: Failure {
                cause: Cause::Status(StatusCode::NOT_FOUND),
                again,
                error: Error::network("404"),
            },
            attempts: 1,
        };
        assert_eq!(missing(Again::Never).explain_name("cannot read x").kind(), Kind::Usage);
        assert_eq!(missing(Again::Soon).explain_name("cannot read x").kind(), Kind::Network);
        assert_eq!(missing(Again::Never).explain("cannot fetch x").kind(), Kind::Network);
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_bytes_are_not_tried_again() {
        let wrong = |_| async { Err::<(), _>(Failure::passing(Error::integrity("other bytes"))) };
        let spent = run(&options(3), wrong).await.expect_err("spent");
        assert_eq!(spent.attempts, 1);
        assert_eq!(spent.explain("cannot pull x").kind(), Kind::Integrity);
    }

    #[tokio::test(start_paused = true)]
    async fn the_server_is_not_asked_earlier_than_it_said() {
        let start = Instant::now();
        let asked = Duration::from_secs(40);
        let spent = run(&options(2), |_| async move { Err::<(), _>(broken(Again::After(asked))) }).await;
        assert_eq!(spent.expect_err("spent").attempts, 3);
        assert!(start.elapsed() >= asked * 2);
    }
}
