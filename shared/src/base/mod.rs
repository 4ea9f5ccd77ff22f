//! Base images: from a registry, a layout or an archive, the embedded `static`, or `scratch`.

mod archive;
mod content;
pub mod embedded;
pub mod facts;
pub mod lock;
mod open;
pub mod spec;
pub mod tree;

pub use open::{BaseImage, Opener};
pub(crate) use open::{history, look_up};
