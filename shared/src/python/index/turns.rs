//! Turns: one after the other for the same thing, where who comes second finds it done, and a few at once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard, oneshot};

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

/// Some at once, and of those who wait the one with the largest work.
pub(super) struct LargestFirst(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    free: usize,
    /// By size; who came earlier is larger where sizes are the same.
    waiting: BTreeMap<(u64, Reverse<u64>), oneshot::Sender<OneOfMany>>,
    came: u64,
}

impl LargestFirst {
    /// So many at once.
    pub(super) fn of(count: usize) -> Self {
        Self(Arc::new(Mutex::new(Queue { free: count, ..Queue::default() })))
    }

    /// Waits until it is the turn of work of this size; the turn ends with what is returned.
    pub(super) async fn take(&self, size: u64) -> OneOfMany {
        let called = {
            let mut queue = lock(&self.0);
            match queue.free.checked_sub(1) {
                Some(free) => {
                    queue.free = free;
                    return OneOfMany(Some(self.0.clone()));
                }
                None => {
                    let (call, called) = oneshot::channel();
                    queue.came += 1;
                    let place = (size, Reverse(queue.came));
                    queue.waiting.insert(place, call);
                    called
                }
            }
        };
        // Whoever has the sender calls before it goes.
        called.await.unwrap_or(OneOfMany(None))
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A turn among several. It is handed on as a value, so that one that nobody takes is not lost.
pub(super) struct OneOfMany(Option<Arc<Mutex<Queue>>>);

impl Drop for OneOfMany {
    fn drop(&mut self) {
        let Some(queue) = self.0.take() else { return };
        let next = || {
            let mut queue = lock(&queue);
            let next = queue.waiting.pop_last();
            queue.free += usize::from(next.is_none());
            next
        };
        while let Some((_, call)) = next() {
            match call.send(Self(Some(queue.clone()))) {
                Ok(()) => return,
                // Who has given up hears nothing.
                Err(mut turn) => turn.0 = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn of_those_who_wait_the_largest_is_next() {
        let turns = LargestFirst::of(1);
        let first = turns.take(1).await;
        let order = Mutex::new(Vec::new());
        let wait = |size| {
            let (turns, order) = (&turns, &order);
            async move {
                let _turn = turns.take(size).await;
                order.lock().expect("lock").push(size);
            }
        };
        let gives_up = tokio::time::timeout(std::time::Duration::from_secs(1), wait(9));
        assert!(gives_up.await.is_err());
        let release = async { drop(first) };
        tokio::join!(wait(3), wait(7), wait(5), wait(7), release);
        assert_eq!(order.into_inner().expect("lock"), [7, 7, 5, 3]);
        drop(turns.take(1).await);
    }

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
