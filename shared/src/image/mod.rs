//! Images: immutable values made of a base, a plan and layers, and checked before they go out.

mod assemble;
mod validate;

use crate::oci::{Digest, Platform, Reference};
use crate::store::Blob;

pub use assemble::{assemble, index};
pub use validate::validate;

/// An image for one platform.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The platform.
    pub platform: Platform,
    /// The manifest.
    pub manifest: Blob,
    /// The configuration.
    pub config: Blob,
    /// The layers, the lowest first.
    pub layers: Vec<Blob>,
    /// Names of the layers for people, in the same order.
    pub titles: Vec<String>,
}

/// What one name leads to: an image, or an index of images for several platforms.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSet {
    /// The image's name.
    pub name: String,
    /// The tag for outputs that keep one.
    pub tag: String,
    /// The name in a layout, which may hold other images too.
    pub local: String,
    /// Where it is pushed.
    pub references: Vec<Reference>,
    /// At least one.
    pub images: Vec<Image>,
    /// The index, where there are several platforms.
    pub index: Option<Blob>,
}

impl ImageSet {
    /// What the name leads to: the index if there is one, else the manifest.
    pub fn root(&self) -> &Blob {
        self.index.as_ref().unwrap_or(&self.images[0].manifest)
    }

    /// The digest that the program prints.
    pub fn digest(&self) -> Digest {
        self.root().descriptor.digest
    }

    /// All configurations and layers, each digest once, with names for people.
    pub fn blobs(&self) -> Vec<(&Blob, String)> {
        let mut found: Vec<(&Blob, String)> = Vec::new();
        for image in &self.images {
            let layers = image.layers.iter().zip(image.titles.iter().cloned());
            let config = (&image.config, format!("config {}", image.platform));
            for (blob, title) in layers.chain([config]) {
                if !found.iter().any(|(other, _)| other.descriptor.digest == blob.descriptor.digest) {
                    found.push((blob, title));
                }
            }
        }
        found
    }
}
