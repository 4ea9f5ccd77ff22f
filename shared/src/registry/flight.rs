//! Work that several want at the same time and one does for all.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

use crate::http::Failure;

type Work<T> = BoxFuture<'static, Result<T, Arc<Failure>>>;

/// Results by key. While one is being made, all who ask for it wait for the same work; its
/// failure is given to those who waited and then forgotten. Work that nobody waits for any more is
/// dropped, with what it holds: files half-written, and whatever leads back to these results.
pub(super) struct Flights<T>(Mutex<HashMap<String, Flight<T>>>);

enum Flight<T> {
    /// Kept alive by those who wait.
    Going(WeakShared<Work<T>>),
    Done(T),
}

impl<T: Clone> Flight<T> {
    /// The result, if there is one.
    fn result(&self) -> Option<T> {
        match self {
            Self::Done(value) => Some(value.clone()),
            Self::Going(work) => work.upgrade()?.peek()?.as_ref().ok().cloned(),
        }
    }

    /// The work, as long as it is not done.
    fn work(&self) -> Option<Shared<Work<T>>> {
        let Self::Going(work) = self else { return None };
        work.upgrade().filter(|work| work.peek().is_none())
    }
}

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
        let work = {
            let mut flights = self.flights();
            let current = flights.get(key);
            if let Some(value) = current.and_then(Flight::result).filter(usable) {
                return Ok(value);
            }
            match current.and_then(Flight::work) {
                Some(work) => work,
                None => {
                    let work = make().map(|done| done.map_err(Arc::new)).boxed().shared();
                    if let Some(work) = work.downgrade() {
                        flights.insert(key.to_owned(), Flight::Going(work));
                    }
                    work
                }
            }
        };
        let value = work.clone().await.map_err(|failure| failure.copy())?;
        if let Some(flight) = self.flights().get_mut(key)
            && matches!(flight, Flight::Going(going) if going.upgrade().is_some_and(|going| going.ptr_eq(&work)))
        {
            *flight = Flight::Done(value.clone());
        }
        Ok(value)
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<String, Flight<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all results, and work in progress.
    pub(super) fn clear(&self) {
        self.flights().clear();
    }

    /// Forgets the result under `key` if it is `stale`; work in progress goes on.
    pub(super) fn forget(&self, key: &str, stale: impl FnOnce(&T) -> bool) {
        let mut flights = self.flights();
        if flights.get(key).and_then(Flight::result).as_ref().is_some_and(stale) {
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

    #[tokio::test(start_paused = true)]
    async fn work_that_nobody_waits_for_is_dropped() {
        let (flights, held) = (Arc::new(Flights::<u32>::default()), Arc::new(()));
        let (back, holds) = (flights.clone(), held.clone());
        // As a client's transfers do, the work leads back to where it is noted.
        let make = || async move {
            let _all = (back, holds);
            std::future::pending().await
        };
        let soon = std::time::Duration::from_secs(1);
        assert!(tokio::time::timeout(soon, flights.get("key", |_| true, make)).await.is_err());
        assert_eq!((Arc::strong_count(&held), Arc::strong_count(&flights)), (1, 1));
        assert_eq!(ask(&flights, &Arc::default(), false).await.expect("made"), 0);
    }
}
