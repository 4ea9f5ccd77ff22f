//! Starting other programs: the only place that does.
//!
//! Each program runs in a process group of its own, so that it ends with all that it started: when it
//! is dropped, and when the work is interrupted. The exception is what may ask somebody a question (a
//! password for git, for example) where there is a terminal: only the terminal's foreground group may
//! read from it, and is stopped together by its suspend key. Such a program stays in our group, and is
//! ended together with its descendants in that group.
//!
//! Who leaves the group (a daemon of a build cache, for example) is not meant, and lives on. Where the
//! system knows no process groups, its own means of ending a tree of processes serves.
//!
//! No program gets input unless it is given some, and what builds gets no credentials of registries
//! (`secrets`).

mod ask;
mod group;
mod relay;
mod run;
mod secrets;
#[cfg(target_os = "linux")]
mod table;

pub(crate) use ask::Silence;
pub use group::{end_all, kill_all};
pub(crate) use relay::relay;
pub(crate) use run::{Program, Running};
pub(crate) use secrets::AUTH_PREFIX;
