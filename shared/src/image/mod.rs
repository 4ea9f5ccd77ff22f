//! Images: immutable values made of a base, a plan and layers, and checked before they go out.

mod assemble;
mod attached;
mod choices;
mod index;
mod signature;
mod validate;

use std::collections::BTreeSet;

use crate::oci::{Digest, Platform, Reference, Repository};
use crate::store::Blob;

pub use assemble::{Said, assemble, lay};
pub use attached::{Attached, Reach};
pub use choices::{Choices, Made};
pub(crate) use index::PREDICATE_TYPE;
pub use index::{Statements, index};
pub(crate) use signature::SIGNED_BY;
pub use signature::Signature;
pub use validate::validate;

/// An image for one platform.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// What it runs on, as the index and the configuration say.
    pub platform: Platform,
    /// Its manifest, whose digest is that of the image.
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
    /// The tags for outputs that know no repositories; at least one.
    pub tags: Vec<String>,
    /// Whether the project has other images, so that a layout knows this one by its name too.
    pub has_siblings: bool,
    /// Where it is pushed.
    pub references: Vec<Reference>,
    /// At least one.
    pub images: Vec<Image>,
    /// The index, where there are several platforms.
    pub index: Option<Blob>,
    /// Statements about the images that are in the index beside them.
    pub statements: Vec<Statements>,
    /// What hangs on the images, on the index, or on something that hangs there itself.
    pub attached: Vec<Attached>,
    /// Signatures that are under tags of their own.
    pub signatures: Vec<Signature>,
}

impl ImageSet {
    /// What the name leads to: the index if there is one, else the manifest.
    pub fn root(&self) -> &Blob {
        self.index.as_ref().unwrap_or(&self.images[0].manifest)
    }

    /// The manifests of the images and of statements about them, and the index.
    pub fn manifests(&self) -> impl Iterator<Item = &Blob> {
        let images = self.images.iter().map(|image| &image.manifest);
        images.chain(self.statements.iter().map(|statements| &statements.manifest)).chain(&self.index)
    }

    /// The name under a tag in a layout, which may hold the project's other images too.
    pub fn local_name(&self, tag: &str) -> String {
        if self.has_siblings { format!("{}:{tag}", self.name) } else { tag.to_owned() }
    }

    /// The repositories that it is pushed to, each once, in the order in which a push goes through them.
    pub fn repositories(&self) -> BTreeSet<&Repository> {
        self.references.iter().map(|reference| &reference.repository).collect()
    }

    /// The digest that the program prints.
    pub fn digest(&self) -> Digest {
        self.root().descriptor.digest
    }

    /// All configurations and layers, each digest once, with names for people.
    pub fn blobs(&self) -> Vec<(&Blob, String)> {
        let mut found: Vec<(&Blob, String)> = Vec::new();
        let mut add = |blob, title| {
            let blob: &Blob = blob;
            if !found.iter().any(|(other, _)| other.descriptor.digest == blob.descriptor.digest) {
                found.push((blob, title));
            }
        };
        for image in &self.images {
            let layers = image.layers.iter().zip(image.titles.iter().cloned());
            let config = (&image.config, format!("config {}", image.platform));
            for (blob, title) in layers.chain([config]) {
                add(blob, title);
            }
        }
        for blob in self.statements.iter().flat_map(|statements| &statements.blobs) {
            add(blob, "attestations".into());
        }
        found
    }
}
