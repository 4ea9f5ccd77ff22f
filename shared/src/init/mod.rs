//! What a project needs to be told for its image: the smallest table that works, also from a Dockerfile.
//!
//! [`Project`] is what is seen of a project, [`taken`] makes settings of what its Dockerfile means, and lists what has no
//! place in them; [`Draft`] is what will be written, and writes it.

mod base;
mod checked;
mod commands;
mod copies;
mod dependencies;
mod draft;
mod manifest;
mod packages;
mod paths;
mod places;
mod project;
mod remark;
mod repository;
mod runs;
mod shell;
mod start;
mod surroundings;
mod table;
mod taken;
#[cfg(test)]
mod tests;
mod workflow;
mod writes;

pub use draft::{Draft, Wishes, Written};
pub use project::{Kind, Project, PythonProject, RustProject};
pub use remark::Remark;
pub use repository::{named, repository, written};
pub use taken::{Taken, taken};
pub use workflow::Workflow;
