//! What is kept under a tag beside an image, named by its digest: a list that several writers share.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::oci::media_type::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use crate::oci::{Descriptor, Digest, History, ImageConfig, Index, Manifest, ManifestKind, to_json};
use crate::store::Blob;

/// A tag beside an image, and what is under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// The index that stands for a registry's list of what hangs on the image (distribution-spec "Referrers Tag
    /// Schema").
    Referrers,
    /// The manifest whose layers are the image's signatures in cosign's older form.
    Signatures,
}

impl Shelf {
    /// The tag beside this image.
    pub(super) fn tag(self, subject: &Digest) -> String {
        match self {
            Self::Referrers => format!("sha256-{}", subject.hex()),
            Self::Signatures => format!("sha256-{}.sig", subject.hex()),
        }
    }

    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Referrers => OCI_INDEX,
            Self::Signatures => OCI_MANIFEST,
        }
    }

    /// In words, before an image.
    pub(super) const fn what(self) -> &'static str {
        match self {
            Self::Referrers => "the list of referrers of",
            Self::Signatures => "the signatures of",
        }
    }

    /// In words, what the tag is.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Referrers => "an index of referrers",
            Self::Signatures => "a manifest of signatures",
        }
    }

    /// A shelf with nothing on it.
    pub(super) fn empty(self) -> ManifestKind {
        match self {
            Self::Referrers => ManifestKind::Index(Index::new(OCI_INDEX, Vec::new())),
            Self::Signatures => {
                let nothing = Descriptor::of(OCI_CONFIG, b"");
                ManifestKind::Manifest(Box::new(Manifest::new(OCI_MANIFEST, nothing, Vec::new())))
            }
        }
    }

    /// What is on it; nothing if this is another kind of thing.
    pub(super) fn entries(self, held: &ManifestKind) -> Option<&[Descriptor]> {
        match (self, held) {
            (Self::Referrers, ManifestKind::Index(index)) => Some(&index.manifests),
            (Self::Signatures, ManifestKind::Manifest(manifest)) => Some(&manifest.layers),
            _ => None,
        }
    }

    /// What makes two entries the same: several keys may have signed the same bytes, and an annotation holds what each
    /// made of them.
    pub(super) fn key(self, entry: &Descriptor) -> (Digest, BTreeMap<String, String>) {
        match self {
            Self::Referrers => (entry.digest, BTreeMap::new()),
            Self::Signatures => (entry.digest, entry.annotations.clone()),
        }
    }

    /// The same with these entries, as bytes, and the blobs that it needs.
    ///
    /// # Errors
    /// Only if a value does not serialise.
    pub(super) fn filled(self, held: ManifestKind, entries: Vec<Descriptor>) -> Result<(Vec<Blob>, Vec<u8>)> {
        match held {
            ManifestKind::Index(index) => {
                let media_type = Some(self.media_type().to_owned());
                Ok((Vec::new(), to_json(&Index { media_type, manifests: entries, ..index })?))
            }
            ManifestKind::Manifest(manifest) => {
                // The layers are not archives, but tools that append to them expect the configuration of an image.
                let mut config = ImageConfig::default();
                config.rootfs.diff_ids = entries.iter().map(|entry| entry.digest).collect();
                config.history = entries.iter().map(|_| History::default()).collect();
                let config = Blob::of(OCI_CONFIG, to_json(&config)?);
                let manifest = Manifest {
                    media_type: Some(self.media_type().to_owned()),
                    layers: entries,
                    config: config.descriptor.clone(),
                    ..*manifest
                };
                Ok((vec![config], to_json(&manifest)?))
            }
        }
    }
}
