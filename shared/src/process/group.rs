//! Programs that run, and ending each with all that it started.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a program may take to end by itself when it is told to.
const GRACE: Duration = Duration::from_millis(500);
/// How long the system may take to remove who was killed.
const LAST: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(10);

/// Those that run now.
static RUNNING: Mutex<Vec<Group>> = Mutex::new(Vec::new());

/// A program that was started, and its descendants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    /// The program's process.
    id: u32,
    /// Whether it leads a process group of its own; else it is in ours.
    leads: bool,
}

impl Group {
    /// Takes note of a program that was just started.
    pub(super) fn of(id: u32, leads: bool) -> Self {
        let group = Self { id, leads };
        running().push(group);
        group
    }

    /// The program has ended, and its number may be another's soon.
    pub(super) fn forget(self) {
        running().retain(|other| *other != self);
    }

    /// Ends it: kindly at first.
    pub(super) fn end(self) {
        end(&[self]);
    }
}

fn running() -> std::sync::MutexGuard<'static, Vec<Group>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends all programs that this process has started, with their descendants: asks them to, and kills who
/// is still there half a second later.
pub fn end_all() {
    let groups = running().clone();
    end(&groups);
}

/// Kills all programs that this process has started, with their descendants, at once.
pub fn kill_all() {
    let groups = running().clone();
    system::Hunt::new(&groups).kill();
}

fn end(groups: &[Group]) {
    let mut hunt = system::Hunt::new(groups);
    hunt.ask();
    if !is_over(&mut hunt, GRACE) {
        hunt.kill();
        is_over(&mut hunt, LAST);
    }
}

/// Waits until all are gone, or the time is over.
fn is_over(hunt: &mut system::Hunt, limit: Duration) -> bool {
    let begin = Instant::now();
    while hunt.is_any_there() {
        if begin.elapsed() > limit {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
    true
}

#[cfg(unix)]
mod system {
    use std::collections::BTreeSet;

    use rustix::process::{Pid, Signal, kill_process, kill_process_group};

    use super::Group;

    /// Those that must end. Who was seen once is known also after its parent is gone.
    pub(super) struct Hunt(Vec<(Group, BTreeSet<u32>)>);

    impl Hunt {
        pub(super) fn new(groups: &[Group]) -> Self {
            Self(groups.iter().map(|group| (*group, BTreeSet::from([group.id]))).collect())
        }

        pub(super) fn ask(&mut self) {
            self.look();
            self.tell(Signal::TERM);
            // Who is stopped hears nothing else.
            self.tell(Signal::CONT);
        }

        pub(super) fn kill(&mut self) {
            self.look();
            self.tell(Signal::KILL);
        }

        fn tell(&self, signal: Signal) {
            let pid = |id: u32| Pid::from_raw(i32::try_from(id).ok()?);
            for (group, known) in &self.0 {
                // Who cannot be reached has ended.
                if group.leads {
                    let _ = pid(group.id).map(|pid| kill_process_group(pid, signal));
                } else {
                    let _: Vec<_> =
                        known.iter().filter_map(|id| pid(*id)).map(|pid| kill_process(pid, signal)).collect();
                }
            }
        }

        #[cfg(target_os = "linux")]
        pub(super) fn is_any_there(&mut self) -> bool {
            self.look()
        }

        /// Who has ended and was not waited for is taken for one that is there: the time runs out then.
        #[cfg(not(target_os = "linux"))]
        pub(super) fn is_any_there(&mut self) -> bool {
            use rustix::process::{test_kill_process, test_kill_process_group};
            let is_there = |(group, _): &(Group, BTreeSet<u32>)| {
                let pid = i32::try_from(group.id).ok().and_then(Pid::from_raw);
                let test = if group.leads { test_kill_process_group } else { test_kill_process };
                pid.is_some_and(|pid| test(pid).is_ok())
            };
            self.0.iter().any(is_there)
        }

        /// Looks who there is now; false when there is nobody left.
        #[cfg(target_os = "linux")]
        fn look(&mut self) -> bool {
            use crate::process::table;
            let all = table::all();
            let ours = rustix::process::getpgrp().as_raw_nonzero().get().cast_unsigned();
            let mut any = false;
            for (group, known) in &mut self.0 {
                if group.leads {
                    any |= all.iter().any(|process| process.group == group.id);
                } else {
                    table::add_descendants(&all, ours, known);
                    any |= all.iter().any(|process| process.group == ours && known.contains(&process.id));
                }
            }
            any
        }

        /// Without a table of processes the programs themselves are known, and their groups.
        #[cfg(not(target_os = "linux"))]
        fn look(&mut self) -> bool {
            true
        }
    }
}

#[cfg(not(unix))]
#[allow(clippy::disallowed_methods, reason = "it is over at once")]
mod system {
    use std::process::{Command, Stdio};

    use super::Group;

    /// The trees of processes that must end, by the system's own means.
    pub(super) struct Hunt(Vec<Group>);

    impl Hunt {
        pub(super) fn new(groups: &[Group]) -> Self {
            Self(groups.to_vec())
        }

        pub(super) fn ask(&mut self) {
            self.kill();
        }

        pub(super) fn kill(&mut self) {
            for group in self.0.drain(..) {
                let mut command = Command::new("taskkill");
                command.args(["/T", "/F", "/PID", &group.id.to_string()]);
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                // Who cannot be reached has ended.
                let _ = command.status();
            }
        }

        pub(super) fn is_any_there(&mut self) -> bool {
            !self.0.is_empty()
        }
    }
}
