//! The same work on many things, on several threads.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};
use crate::interrupt;

/// Does `work` on all `items` with at most `workers` threads. The results are in the order of
/// the items; after a failure nothing new is begun.
///
/// # Errors
/// The first failure in the order of the items among what was begun.
pub(super) fn in_parallel<T: Sync, R: Send>(
    workers: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Result<R>>>> = Mutex::new(items.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..workers.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    let result = interrupt::check().and_then(|()| work(item));
                    let failed = result.is_err();
                    results.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(result);
                    if failed {
                        next.store(items.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut done = Vec::with_capacity(results.len());
    // What was not begun stands behind what was, or beside a failure.
    let mut missing = false;
    for result in results {
        match result {
            Some(result) => done.push(result?),
            None => missing = true,
        }
    }
    if missing { Err(Error::bug("work was left undone without a failure")) } else { Ok(done) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_their_order_and_a_failure_ends_it() {
        let items: Vec<usize> = (0..100).collect();
        for workers in [0, 1, 3, 200] {
            let doubled = in_parallel(workers, &items, |n| Ok(n * 2)).expect("done");
            assert!(doubled.iter().enumerate().all(|(i, n)| *n == i * 2));
        }
        let begun = AtomicUsize::new(0);
        let fails = |n: &usize| {
            begun.fetch_add(1, Ordering::SeqCst);
            if *n == 3 { Err(Error::build("three")) } else { Ok(()) }
        };
        assert_eq!(in_parallel(1, &items, fails).expect_err("three").to_string(), "three");
        assert_eq!(begun.load(Ordering::SeqCst), 4, "nothing new is begun");
        // With several it is chance how far the others are by then.
        assert_eq!(in_parallel(2, &items, fails).expect_err("three").to_string(), "three");
        assert!(in_parallel::<usize, ()>(4, &[], |_| Ok(())).expect("nothing").is_empty());
    }
}
