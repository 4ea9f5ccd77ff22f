//! Dockerfiles, read as BuildKit reads them and run by nobody: lines, instructions, stages, and the values of their
//! variables. What they mean for an image is the matter of [`crate::init`].

mod expand;
mod heredoc;
mod instruction;
mod lines;
mod pairs;
mod stages;
mod step;
#[cfg(test)]
mod tests;

pub use heredoc::Document;
pub use instruction::Verb;
pub use stages::{Base, Dockerfile, Stage};
pub(crate) use step::absolute;
pub use step::{Command, Copied, From, Run, Step, What};

/// As large as a Dockerfile may be, in bytes: the largest that people write have a hundredth of it.
pub const MOST: u64 = 1 << 20;
