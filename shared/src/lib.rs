//! `containerize-core`: from a Rust or Python project to an OCI image, without Docker.
//!
//! The story, one function per arrow, each value made from the ones before:
//!
//! ```text
//! Project + BaseFacts -> Plan -> Layers -> Image -> Targets
//! ```
//!
//! [`story::run`] tells it on one screen. `ARCHITECTURE.md` in the repository says which
//! module does what and which modules each may import; a test holds them to it.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod base;
pub mod cargo;
pub mod check;
pub mod config;
pub mod debian;
pub mod deployment;
pub mod dockerfile;
pub mod elf;
pub mod error;
pub mod event;
pub mod facts;
pub mod http;
pub mod image;
pub mod init;
pub mod inspect;
pub mod interrupt;
pub mod layer;
pub mod oci;
pub mod plan;
pub mod policy;
pub mod process;
pub mod python;
pub mod read;
pub mod redact;
pub mod registry;
pub mod sbom;
pub mod sink;
pub mod store;
pub mod story;
pub mod system;
pub mod territory;
pub mod trim;
pub mod trust;
pub mod vcs;
pub mod versions;
pub mod wheel;
pub mod words;

pub use error::{Error, Kind, Result};
