//! Python projects: what they say, what their locks pin, and which files of it a target needs.
//!
//! Knows no images: what comes out of here is a list of distributions, files and words, from
//! which [`crate::plan`] decides and [`crate::layer`] writes.
//!
//! The reasons are in `docs/design/python.md`.

pub mod build;
mod bundle;
pub mod closed;
mod constraint;
mod detect;
mod dist;
mod headers;
pub mod host;
pub mod index;
mod interpreter;
pub mod lock;
mod marker;
mod name;
mod project;
mod requirement;
mod requirements_text;
mod sources;
mod specifier;
mod syntax;
mod tags;
mod wheel_name;
mod wheel_policy;

pub use crate::versions::{Libc, PythonVersion};
pub use bundle::BundledPython;
pub use constraint::Constraint;
pub use detect::{Answer, Optional, Question, detect};
pub(crate) use detect::{has_shell_marks, is_command_line};
pub use dist::{DistFile, Hash, HashAlgorithm, Package, Source};
pub(crate) use headers::headers;
pub use interpreter::Interpreter;
pub use marker::{Marker, Markers, machine};
pub use name::Name;
pub use requirement::Requirement;
pub use syntax::tests_used;
pub use tags::Tags;
pub use wheel_name::WheelName;
pub use wheel_policy::WheelPolicy;

#[cfg(test)]
mod oracle_tests;
pub use project::{
    BuildSystem, Layout, License, ModuleFile, PackageDir, Project, ProjectVersion, Tool, Workspace,
};
pub use sources::{
    LARGE, LeftOut, Reason, SourceFile, SourceKind, SourceOptions, SourceSet, is_named, sources, words,
};
pub(crate) use sources::{is_secret_member, is_tagged_cache};
