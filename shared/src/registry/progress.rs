//! The bar of one transfer, moved from wherever its bytes pass.

use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{Outcome, Task};

/// A shared handle on a task. The transport may hold on to a body for a while after the
/// answer has come, so the task is taken out of it when it ends.
#[derive(Clone)]
pub(super) struct Progress(Arc<Mutex<State>>);

struct State {
    task: Option<Task>,
    moved: bool,
}

impl Progress {
    pub(super) fn new(task: Task) -> Self {
        Self(Arc::new(Mutex::new(State { task: Some(task), moved: false })))
    }

    /// The bytes come from the first one on (again).
    pub(super) fn begin(&self) {
        self.with(|state| {
            if std::mem::take(&mut state.moved)
                && let Some(task) = &state.task
            {
                task.restart();
            }
        });
    }

    /// So many bytes more have passed.
    pub(super) fn advance(&self, bytes: usize) {
        self.with(|state| {
            if let Some(task) = &state.task {
                state.moved = true;
                task.advance(bytes as u64);
            }
        });
    }

    /// It is over; what comes later counts no more.
    pub(super) fn end(&self, outcome: Outcome) {
        if let Some(task) = self.with(|state| state.task.take()) {
            task.end(outcome);
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Events, Motion, Reporter};

    #[derive(Default)]
    struct Record(Mutex<Vec<String>>);

    impl Reporter for Record {
        fn report(&self, event: Event) {
            let word = match event {
                Event::Started { .. } => "started".into(),
                Event::Advanced { bytes, .. } => format!("+{bytes}"),
                Event::Restarted { .. } => "again".into(),
                Event::Ended { outcome, .. } => format!("{outcome:?}"),
                other => format!("{other:?}"),
            };
            self.0.lock().expect("lock").push(word);
        }
    }

    #[test]
    fn a_second_beginning_is_a_restart_and_the_end_is_final() {
        let record = Arc::new(Record::default());
        let progress = Progress::new(Events::new(record.clone()).start(Motion::Upload, "x", None));
        progress.begin();
        progress.advance(5);
        progress.begin();
        progress.advance(7);
        progress.end(Outcome::Done);
        progress.advance(9);
        progress.begin();
        drop(progress);
        assert_eq!(*record.0.lock().expect("lock"), ["started", "+5", "again", "+7", "Done"]);
    }
}
