//! Base images: from a registry, a layout or an archive, the embedded `static`, or `scratch`.

pub mod tree;
