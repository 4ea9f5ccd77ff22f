//! Base images: from a registry, a layout, an archive or a local engine, the embedded `static`, a
//! Debian without packages, or `scratch`.

mod archive;
mod bare_debian;
mod choose;
mod content;
pub mod embedded;
pub mod engine;
mod image;
mod inherit;
mod local;
pub mod lock;
mod open;
pub mod spec;
mod stored;

pub use image::BaseImage;
pub use open::Opener;
pub(crate) use open::look_up;
pub use stored::{Room, StoredImage};
