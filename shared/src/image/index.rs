//! The index of a set, and the statements that it holds beside the images in the form of Docker's BuildKit.

use std::collections::BTreeMap;

use super::{Image, ImageSet};
use crate::error::Result;
use crate::oci::media_type::{Format, IN_TOTO, OCI_CONFIG, OCI_MANIFEST};
use crate::oci::{Descriptor, Digest, ImageConfig, Index, Manifest, Platform, Rootfs, to_json};
use crate::store::Blob;

/// The annotation that says which image of the index a manifest is about, and the one that says what it holds
/// (BuildKit `docs/attestations/attestation-storage.md`).
const ABOUT: &str = "vnd.docker.reference.digest";
const KIND: (&str, &str) = ("vnd.docker.reference.type", "attestation-manifest");

/// The annotation that says what a statement states.
pub(crate) const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";

/// A manifest in an index that holds statements about one of its images.
#[derive(Debug, Clone, PartialEq)]
pub struct Statements {
    /// The image's manifest.
    pub subject: Digest,
    /// Their manifest.
    pub manifest: Blob,
    /// What it leads to: a configuration that says nothing, and the statements.
    pub blobs: Vec<Blob>,
}

impl Statements {
    /// These statements, each with the type of its predicate, about an image.
    ///
    /// # Errors
    /// Only if a value does not serialise.
    pub fn about(image: &Image, statements: Vec<(&str, Vec<u8>)>) -> Result<Self> {
        let layer = |(predicate, bytes): (&str, Vec<u8>)| {
            let mut blob = Blob::of(IN_TOTO, bytes);
            blob.descriptor.annotations.insert(PREDICATE_TYPE.to_owned(), predicate.to_owned());
            blob
        };
        let layers: Vec<Blob> = statements.into_iter().map(layer).collect();
        let Platform { architecture, os, .. } = Platform::nowhere();
        let diff_ids = layers.iter().map(|layer| layer.descriptor.digest).collect();
        let config = ImageConfig {
            architecture,
            os,
            rootfs: Rootfs { diff_ids, ..Rootfs::default() },
            ..ImageConfig::default()
        };
        let config = Blob::of(OCI_CONFIG, to_json(&config)?);
        let contents = layers.iter().map(|layer| layer.descriptor.clone()).collect();
        let manifest = Manifest::new(OCI_MANIFEST, config.descriptor.clone(), contents);
        Ok(Self {
            subject: image.manifest.descriptor.digest,
            manifest: Blob::of(OCI_MANIFEST, to_json(&manifest)?),
            blobs: std::iter::once(config).chain(layers).collect(),
        })
    }

    /// How the index speaks of it: it runs nowhere.
    fn entry(&self) -> Descriptor {
        let words = [KIND, (ABOUT, &self.subject.to_string())];
        Descriptor {
            platform: Some(Platform::nowhere()),
            annotations: words.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..self.manifest.descriptor.clone()
        }
    }
}

/// Makes the index of images for several platforms, and of statements about them.
///
/// # Errors
/// Only if a value does not serialise.
pub fn index(
    images: &[Image],
    statements: &[Statements],
    format: Format,
    annotations: BTreeMap<String, String>,
) -> Result<Blob> {
    let entry = |image: &Image| Descriptor {
        platform: Some(image.platform.clone()),
        ..image.manifest.descriptor.clone()
    };
    let manifests = images.iter().map(entry).chain(statements.iter().map(Statements::entry)).collect();
    let mut index = Index::new(format.index(), manifests);
    if format == Format::Oci {
        index.annotations = annotations;
    }
    Ok(Blob::of(format.index(), to_json(&index)?))
}

impl ImageSet {
    /// Puts statements about its images beside them: the index becomes another one, and a single image gets one.
    ///
    /// # Errors
    /// Only if a value does not serialise.
    pub fn hold(
        &mut self,
        statements: Vec<Statements>,
        format: Format,
        annotations: BTreeMap<String, String>,
    ) -> Result<()> {
        self.index = Some(index(&self.images, &statements, format, annotations)?);
        self.statements = statements;
        Ok(())
    }
}
