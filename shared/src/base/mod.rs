//! Base images: from a registry, a layout, an archive or a local engine, the embedded `static`, a
//! Debian without packages, or `scratch`.

mod archive;
mod bare_debian;
mod choose;
mod content;
pub mod details;
pub mod embedded;
pub mod engine;
pub mod facts;
mod inherit;
mod local;
pub mod lock;
pub mod notes;
mod open;
pub mod python;
pub mod spec;
pub mod tree;

pub(crate) use open::look_up;
pub use open::{BaseImage, Opener};
