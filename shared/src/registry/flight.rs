//! Work that several want at the same time and one does for all.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use crate::http::Failure;

type Flight<T> = Shared<BoxFuture<'static, Result<T, Arc<Failure>>>>;

/// Results by key. While one is being made, all who ask for it wait for the same work; its
/// failure is given to those who waited and then forgotten.
pub(super) struct Flights<T>(Mutex<HashMap<String, Flight<T>>>);

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// The result under `key`: the one at hand while it is `usable`, else that of `make`.
    pub(super) async fn get<W>(
        &self,
        key: &str,
        usable: impl FnOnce(&T) -> bool,
        make: impl FnOnce() -> W,
    ) -> Result<T, Failure>
    where
        W: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let flight = {
            let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let current = flights.get(key).filter(|flight| match flight.peek() {
                None => true,
                Some(Ok(value)) => usable(value),
                Some(Err(_)) => false,
            });
            match current {
                Some(flight) => flight.clone(),
                None => {
                    let flight = make().map(|done| done.map_err(Arc::new)).boxed().shared();
                    flights.insert(key.to_owned(), flight.clone());
                    flight
                }
            }
        };
        flight.await.map_err(|failure| failure.copy())
    }

    /// Forgets all results, and work in progress.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Forgets the result under `key` if it is `stale`; work in progress goes on.
    pub(super) fn forget(&self, key: &str, stale: impl FnOnce(&T) -> bool) {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.get(key).and_then(Shared::peek).is_some_and(|done| done.as_ref().is_ok_and(stale)) {
            flights.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::sync::atomic::{AtomicU32, Ordering};

    async fn ask(flights: &Flights<u32>, count: &Arc<AtomicU32>, fail: bool) -> Result<u32, Failure> {
        let count = count.clone();
        let make = move || async move {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            let n = count.fetch_add(1, Ordering::SeqCst);
            if fail { Err(Failure::passing(Error::network("down"))) } else { Ok(n) }
        };
        flights.get("key", |_| true, make).await
    }

    #[tokio::test(start_paused = true)]
    async fn sixteen_who_ask_at_once_wait_for_one() {
        let (flights, count) = (Flights::default(), Arc::default());
        let all = futures_util::future::join_all((0..16).map(|_| ask(&flights, &count, false))).await;
        assert!(all.into_iter().all(|value| value.expect("value") == 0));
        assert_eq!(count.load(Ordering::SeqCst), 1);
        assert_eq!(ask(&flights, &count, false).await.expect("kept"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_shared_and_not_kept() {
        let (flights, count) = (Flights::default(), Arc::default());
        let all = futures_util::future::join_all((0..3).map(|_| ask(&flights, &count, true))).await;
        assert!(all.into_iter().all(|value| value.is_err()));
        assert_eq!(count.load(Ordering::SeqCst), 1);
        assert_eq!(ask(&flights, &count, false).await.expect("made anew"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_is_stale_is_forgotten() {
        let (flights, count) = (Flights::default(), Arc::default());
        ask(&flights, &count, false).await.expect("first");
        flights.forget("key", |value| *value == 7);
        assert_eq!(ask(&flights, &count, false).await.expect("kept"), 0);
        flights.forget("key", |value| *value == 0);
        assert_eq!(ask(&flights, &count, false).await.expect("made anew"), 1);
    }
}
