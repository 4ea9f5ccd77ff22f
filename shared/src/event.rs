//! What happens during a build, as one stream of events to one [`Reporter`].
//!
//! The library never prints. Front ends turn these events into bars, lines or nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::redact::clean;
use crate::words::Words;

/// So many of many paths are named in a sentence.
const NAMED: usize = 4;

/// `said: a, b, c, d and 3 more, which -v names`: the log has the whole list. `None` where there are no paths.
pub(crate) fn few(said: &str, paths: &[&str]) -> Option<String> {
    let named = paths.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match paths.len().saturating_sub(NAMED) {
        _ if paths.is_empty() => None,
        0 => Some(format!("{said}: {named}")),
        more => {
            tracing::info!("{said}: {}", paths.join(", "));
            Some(format!("{said}: {named} and {more} more (listed with -v)"))
        }
    }
}

/// What moves or is made: the bars of a progress display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// A layer is written and compressed.
    Layer,
    /// A blob goes to a registry or daemon.
    Upload,
    /// A blob comes from a registry.
    Download,
}

/// How a [`Task`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// The other side, or the store, had it already.
    Exists,
    /// The registry mounted it from another of its repositories.
    Mounted,
    /// It failed; the error is reported by whoever started it.
    Failed,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A step of the story begins, in cargo's manner: a verb and what it is done to.
    Step {
        /// For example `Packing`.
        verb: &'static str,
        /// For example `hello 1.2.3 (linux/amd64)`.
        what: String,
    },
    /// Something worth knowing that needs no action.
    Note(Words),
    /// Something that is probably not what the user wants.
    Warning(Words),
    /// Work with a size began.
    Started {
        /// Unique in this process.
        id: u64,
        /// What sort of work it is.
        motion: Motion,
        /// A name for people: a layer's title or a short digest.
        label: String,
        /// The size in bytes, where it is known beforehand.
        total: Option<u64>,
    },
    /// So many bytes more are done.
    Advanced {
        /// The id of the task.
        id: u64,
        /// Bytes since the last such event.
        bytes: u64,
    },
    /// The work begins again from its first byte (a retry).
    Restarted {
        /// The id of the task.
        id: u64,
    },
    /// The work ended.
    Ended {
        /// The id of the task.
        id: u64,
        /// How it ended.
        outcome: Outcome,
    },
}

/// Takes events, from any thread, without blocking for long.
pub trait Reporter: Send + Sync {
    /// Takes one event.
    fn report(&self, event: Event);
}

/// A shared handle on a reporter, with words for the common events. Logins in them are not kept.
#[derive(Clone)]
pub struct Events(Arc<dyn Reporter>);

impl Events {
    /// Events go to `reporter`.
    pub fn new(reporter: Arc<dyn Reporter>) -> Self {
        Self(reporter)
    }

    /// Events go nowhere.
    pub fn silent() -> Self {
        struct Silent;
        impl Reporter for Silent {
            fn report(&self, _: Event) {}
        }
        Self(Arc::new(Silent))
    }

    /// A step of the story begins.
    pub fn step(&self, verb: &'static str, what: impl Into<String>) {
        self.0.report(Event::Step { verb, what: shown(what) });
    }

    /// Something worth knowing.
    pub fn note(&self, text: impl Into<Words>) {
        self.0.report(Event::Note(without_logins(text)));
    }

    /// Something that is probably not wanted.
    pub fn warn(&self, text: impl Into<Words>) {
        self.0.report(Event::Warning(without_logins(text)));
    }

    /// Begins work of `total` bytes (if known); it ends with the returned task.
    pub fn start(&self, motion: Motion, label: impl Into<String>, total: Option<u64>) -> Task {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        self.0.report(Event::Started { id, motion, label: shown(label), total });
        Task { id, events: self.clone(), open: true }
    }
}

fn without_logins(text: impl Into<Words>) -> Words {
    text.into().map_text(|text| clean(text).into_owned())
}

fn shown(text: impl Into<String>) -> String {
    clean(&text.into()).into_owned()
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

/// Work in progress. Dropped without [`Task::end`], it counts as failed.
#[derive(Debug)]
pub struct Task {
    id: u64,
    events: Events,
    open: bool,
}

impl Task {
    /// `bytes` more are done.
    pub fn advance(&self, bytes: u64) {
        self.events.0.report(Event::Advanced { id: self.id, bytes });
    }

    /// The work starts over.
    pub fn restart(&self) {
        self.events.0.report(Event::Restarted { id: self.id });
    }

    /// The work ended.
    pub fn end(mut self, outcome: Outcome) {
        self.open = false;
        self.events.0.report(Event::Ended { id: self.id, outcome });
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.open {
            self.events.0.report(Event::Ended { id: self.id, outcome: Outcome::Failed });
        }
    }
}
