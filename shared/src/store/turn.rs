//! Taking turns within a process, so that what several want at once is made once.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::Store;

/// The keys that are taken, and who wakes those who wait.
#[derive(Debug, Default)]
pub(super) struct Turns {
    taken: Mutex<BTreeSet<String>>,
    given_back: Condvar,
}

/// As long as it lives, nobody else in this process has the same turn.
#[derive(Debug)]
pub struct Turn {
    run: Arc<super::Run>,
    key: String,
}

impl Store {
    /// Waits until nobody else makes what `key` names among things of a `kind`. Whoever comes next asks the
    /// memo table again.
    pub fn turn(&self, kind: &str, key: &str) -> Turn {
        let key = format!("{kind} {key}");
        let turns = &self.run.turns;
        let mut taken = turns.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while !taken.insert(key.clone()) {
            taken = turns.given_back.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        Turn { run: self.run.clone(), key }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let turns = &self.run.turns;
        turns.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        turns.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn one_at_a_time_for_each_key() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _turn = store.turn("t", "same");
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
        let _first = store.turn("t", "one");
        let _other = store.turn("t", "two");
    }
}
