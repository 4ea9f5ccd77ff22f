//! One after the other for the same thing: who comes second finds it done.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Turns by key.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<String, Weak<Turn<()>>>>);

impl Turns {
    /// Waits until nobody else is at work for `key`; the guard is one's turn.
    pub(super) async fn take(&self, key: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match turns.get(key).and_then(Weak::upgrade) {
                Some(turn) => turn,
                None => {
                    let turn = Arc::new(Turn::new(()));
                    turns.insert(key.to_owned(), Arc::downgrade(&turn));
                    turn
                }
            }
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_those_with_one_key_wait_for_each_other() {
        let turns = Turns::default();
        let first = turns.take("a").await;
        turns.take("b").await;
        let waits = tokio::time::timeout(std::time::Duration::from_secs(1), turns.take("a")).await;
        assert!(waits.is_err());
        drop(first);
        turns.take("a").await;
    }
}
