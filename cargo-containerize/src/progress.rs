//! Events on the screen: bars on a terminal, plain lines elsewhere, nothing when quiet.

use std::collections::{HashMap, HashSet};
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
use containerize_core::event::{Event, Motion, Outcome, Reporter};
use containerize_core::interrupt;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::Progress;
use crate::front_end::Speech;
use crate::render::bytes;
use crate::told::Line;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Volume {
    /// Warnings and errors.
    Quiet,
    /// Steps and progress.
    Normal,
    /// Also what was skipped.
    Verbose,
}

/// Shows events on standard error.
pub(crate) struct Screen {
    volume: Volume,
    speech: Speech,
    /// Events are told as they are.
    json: bool,
    bars: MultiProgress,
    live: bool,
    tasks: Mutex<HashMap<u64, Shown>>,
    warnings: Mutex<Vec<String>>,
    /// Notes and warnings so far: what goes for several platforms is said once.
    said: Mutex<HashSet<String>>,
    /// What was done with layers of bases, which may be many, and is not said yet.
    batches: Mutex<Vec<Batch>>,
}

fn print(line: &Line) {
    // A closed standard error is nobody's loss.
    let _ = std::io::stderr().write_all(line.text().as_bytes());
}

/// Layers of a base that have come to the same end.
struct Batch {
    verb: &'static str,
    first: String,
    count: usize,
    bytes: u64,
}

/// A task on the screen.
struct Shown {
    motion: Motion,
    label: String,
    done: u64,
    bar: Option<ProgressBar>,
}

impl Screen {
    /// A screen of this volume; bars only where standard error is a terminal.
    pub(crate) fn new(volume: Volume, progress: Progress, speech: Speech) -> Self {
        let json = progress == Progress::Json;
        let live = volume > Volume::Quiet && progress == Progress::Auto && std::io::stderr().is_terminal();
        let target = if live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        if json {
            print(&Line::FIRST);
        }
        let (tasks, warnings, said, batches) = Default::default();
        Self { volume, speech, json, bars, live, tasks, warnings, said, batches }
    }

    /// What was warned of so far.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says what has been held back: nothing else follows.
    pub(crate) fn flush(&self) {
        let batches = std::mem::take(&mut *self.batches.lock().unwrap_or_else(PoisonError::into_inner));
        for Batch { verb, first, count, bytes: sum } in batches {
            let what = if count == 1 { first } else { format!("{count} blobs") };
            let size = if sum > 0 { format!(" ({})", bytes(sum)) } else { String::new() };
            self.write(GREEN, verb, &format!("{what}{size}"));
        }
    }

    fn line(&self, style: Style, verb: &str, what: &str) {
        self.flush();
        self.write(style, verb, what);
    }

    /// An event as a line of JSON.
    fn tell(&self, event: &Event) {
        if let Event::Warning(text) | Event::Note(text) = event
            && !self.is_new(text)
        {
            return;
        }
        if let Event::Warning(text) = event {
            self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(text.said(&self.speech));
        }
        print(&Line::of(event, &self.speech));
    }

    /// Whether it is said for the first time.
    fn is_new(&self, text: &str) -> bool {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned())
    }

    fn write(&self, style: Style, verb: &str, what: &str) {
        let print = || {
            // A closed standard error is nobody's loss.
            let _ = writeln!(anstream::stderr(), "{style}{verb:>12}{style:#} {what}");
        };
        if self.live { self.bars.suspend(print) } else { print() }
    }

    fn start(&self, id: u64, motion: Motion, label: String, total: Option<u64>) {
        let bar = self.live.then(|| {
            let bar = self.bars.add(total.map_or_else(ProgressBar::no_length, ProgressBar::new));
            let shape = match (total, console::Term::stderr().size().1) {
                (Some(_), columns) if usize::from(columns) >= WIDE => {
                    "{prefix:>12.cyan.bright.bold} [{bar:24}] {binary_bytes:>11}/{binary_total_bytes:<11} {wide_msg}"
                }
                // Where it is narrow, a line that wraps would be the greater loss.
                _ => "{prefix:>12.cyan.bright.bold} {binary_bytes:>11} {wide_msg}",
            };
            if let Ok(style) = ProgressStyle::with_template(shape) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(doing(motion));
            bar.set_message(label.clone());
            bar
        });
        self.tasks().insert(id, Shown { motion, label, done: 0, bar });
    }

    fn end(&self, id: u64, outcome: Outcome) {
        let Some(task) = self.tasks().remove(&id) else { return };
        if let Some(bar) = &task.bar {
            bar.finish_and_clear();
            self.bars.remove(bar);
        }
        let verb = match (outcome, task.motion) {
            (Outcome::Failed, _) => return,
            (Outcome::Exists | Outcome::Mounted, _) if self.volume < Volume::Verbose => return,
            (Outcome::Exists, _) => "Kept",
            (Outcome::Mounted, _) => "Mounted",
            (Outcome::Done, Motion::Layer) => "Packed",
            (Outcome::Done, Motion::Upload) => "Uploaded",
            (Outcome::Done, Motion::Download) => "Downloaded",
        };
        if is_of_base(&task) {
            let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
            match batches.iter_mut().find(|batch| batch.verb == verb) {
                Some(batch) => (batch.count, batch.bytes) = (batch.count + 1, batch.bytes + task.done),
                None => batches.push(Batch { verb, first: task.label, count: 1, bytes: task.done }),
            }
            return;
        }
        let size = if task.done > 0 { format!(" ({})", bytes(task.done)) } else { String::new() };
        self.line(GREEN, verb, &format!("{}{size}", task.label));
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Shown>> {
        // A panic elsewhere is no reason to hide the rest.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// Cargo's own, whose lines stand in the same column.
const GREEN: Style = AnsiColor::BrightGreen.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const CYAN: Style = AnsiColor::BrightCyan.on_default().bold();

/// Columns that a bar and its numbers need.
const WIDE: usize = 80;

/// Whether a layer of a base has moved: it has a number, or the beginning of its digest, for a name.
fn is_of_base(task: &Shown) -> bool {
    let is_digest = task.label.len() == 12 && task.label.bytes().all(|byte| byte.is_ascii_hexdigit());
    match task.motion {
        Motion::Download => is_digest,
        Motion::Upload => {
            is_digest || task.label.strip_prefix("base ").is_some_and(|n| n.parse::<u32>().is_ok())
        }
        Motion::Layer => false,
    }
}

fn doing(motion: Motion) -> &'static str {
    match motion {
        Motion::Layer => "Packing",
        Motion::Upload => "Uploading",
        Motion::Download => "Downloading",
    }
}

impl Reporter for Screen {
    fn report(&self, event: Event) {
        if self.volume == Volume::Quiet && !matches!(event, Event::Warning(_)) {
            return;
        }
        // What fails because it had to end is not worth a word.
        if interrupt::is_raised() && !matches!(event, Event::Ended { .. }) {
            return;
        }
        if self.json {
            self.tell(&event);
            return;
        }
        match event {
            Event::Step { verb, what } => self.line(GREEN, verb, &what),
            Event::Note(text) | Event::Warning(text) if !self.is_new(&text) => {}
            Event::Note(text) => self.line(CYAN, "note", &text.said(&self.speech)),
            Event::Warning(text) => {
                let text = text.said(&self.speech);
                self.line(YELLOW, "warning", &text);
                self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            }
            Event::Started { id, motion, label, total } => self.start(id, motion, label, total),
            Event::Advanced { id, bytes } => {
                if let Some(task) = self.tasks().get_mut(&id) {
                    task.done += bytes;
                    task.bar.iter().for_each(|bar| bar.inc(bytes));
                }
            }
            Event::Restarted { id } => {
                if let Some(task) = self.tasks().get_mut(&id) {
                    task.done = 0;
                    task.bar.iter().for_each(|bar| bar.set_position(0));
                }
            }
            Event::Ended { id, outcome } => self.end(id, outcome),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_forgotten_when_it_ends() {
        let screen = Screen::new(Volume::Quiet, Progress::Auto, Speech::default());
        let screen = Screen { volume: Volume::Normal, ..screen };
        screen.report(Event::Started { id: 1, motion: Motion::Upload, label: "x".into(), total: Some(9) });
        screen.report(Event::Advanced { id: 1, bytes: 4 });
        assert_eq!(screen.tasks()[&1].done, 4);
        screen.report(Event::Restarted { id: 1 });
        assert_eq!(screen.tasks()[&1].done, 0);
        screen.report(Event::Ended { id: 1, outcome: Outcome::Failed });
        assert!(screen.tasks().is_empty());
    }

    #[test]
    fn layers_of_a_base_are_said_together_and_warnings_once() {
        let screen = Screen {
            volume: Volume::Normal,
            ..Screen::new(Volume::Quiet, Progress::Auto, Speech::default())
        };
        for (id, label) in
            ["0f8e8d6e9eda", "1f8e8d6e9eda", "hello-1.0-py3-none-any.whl"].into_iter().enumerate()
        {
            let id = id as u64;
            screen.report(Event::Started { id, motion: Motion::Download, label: label.into(), total: None });
            screen.report(Event::Advanced { id, bytes: 4 });
        }
        screen.report(Event::Ended { id: 0, outcome: Outcome::Done });
        screen.report(Event::Ended { id: 1, outcome: Outcome::Done });
        {
            let batches = screen.batches.lock().expect("batches");
            assert_eq!((batches[0].count, batches[0].bytes), (2, 8));
        }
        screen.report(Event::Ended { id: 2, outcome: Outcome::Done });
        assert!(screen.batches.lock().expect("batches").is_empty(), "said before the next line");
        screen.report(Event::Warning("careful".into()));
        screen.report(Event::Warning("careful".into()));
        assert_eq!(screen.warnings(), ["careful"]);
    }
}
