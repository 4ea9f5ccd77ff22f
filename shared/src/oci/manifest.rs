//! Manifests and indexes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Descriptor, Extra, media_type, null_as_default};
use crate::error::{Error, Result};

/// An image manifest (image-spec `manifest.md`, or Docker's schema 2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// Its own media type; older OCI manifests leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of thing it is, if it is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What is neither here nor there.
    #[serde(flatten)]
    pub extra: Extra,
    /// The image configuration.
    pub config: Descriptor,
    /// The layers, the lowest first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub layers: Vec<Descriptor>,
    /// The manifest that it hangs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free annotations (OCI only).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
}

/// An image index (image-spec `image-index.md`), or Docker's manifest list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// Its own media type; older indexes leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of thing it is, if it is no list of images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What is neither here nor there.
    #[serde(flatten)]
    pub extra: Extra,
    /// The images, and whatever else hangs here (attestations).
    #[serde(default, deserialize_with = "null_as_default")]
    pub manifests: Vec<Descriptor>,
    /// The manifest that it hangs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Box<Descriptor>>,
    /// Free annotations (OCI only).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
}

/// What the bytes behind a reference turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum ManifestKind {
    /// One image.
    Manifest(Box<Manifest>),
    /// Several images.
    Index(Index),
}

impl Manifest {
    /// A manifest of this type with these contents, which hangs on nothing.
    pub fn new(media_type: &str, config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(media_type.into()),
            artifact_type: None,
            extra: Extra::new(),
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }
}

impl Index {
    /// An OCI index of these manifests.
    pub fn new(media_type: &str, manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(media_type.into()),
            artifact_type: None,
            extra: Extra::new(),
            manifests,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }
}

impl ManifestKind {
    /// Reads a manifest or index, by its fields when neither it nor `declared` (the
    /// Content-Type, or the descriptor's media type) names a type.
    ///
    /// # Errors
    /// When the bytes are no JSON, or something else than a manifest or an index, or schema 1.
    pub fn parse(bytes: &[u8], declared: &str) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Probe {
            schema_version: Option<u32>,
            media_type: Option<String>,
            manifests: Option<serde::de::IgnoredAny>,
            config: Option<serde::de::IgnoredAny>,
        }
        let wrong = |e: serde_json::Error| Error::integrity("the manifest is not valid JSON").because(e);
        let probe: Probe = serde_json::from_slice(bytes).map_err(wrong)?;
        if probe.schema_version == Some(1) {
            return Err(Error::build(
                "the image has a manifest of schema 1, which has been obsolete since 2017",
            ));
        }
        let inner = probe.media_type.as_deref().unwrap_or_default();
        let known = |m: &&str| media_type::is_index(m) || media_type::is_manifest(m);
        let kind = [inner, declared].into_iter().find(known);
        let index = kind.map_or(probe.manifests.is_some(), media_type::is_index);
        // The body decides what it is; a type that contradicts it is a confusion attack
        // (image-spec CVE-2021-41190).
        if probe.manifests.is_some() && probe.config.is_some() {
            return Err(Error::integrity("the manifest claims to be both an image and an index"));
        }
        if index {
            serde_json::from_slice(bytes).map(Self::Index).map_err(wrong)
        } else if probe.config.is_some() {
            serde_json::from_slice(bytes).map(|manifest| Self::Manifest(Box::new(manifest))).map_err(wrong)
        } else {
            let named = if inner.is_empty() { declared } else { inner };
            Err(Error::build(format!("the reference leads to {named:?}, which is not an image")))
        }
    }
}

/// The one way in which this program writes JSON that gets a digest: compact, fields in the
/// order of their types, maps sorted.
///
/// # Errors
/// Only if a value cannot be JSON at all.
pub fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::bug("a value does not serialise").because(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_without_media_type_is_known_by_its_fields() {
        let kind =
            ManifestKind::parse(br#"{"schemaVersion":2,"manifests":[]}"#, "text/plain").expect("parsed");
        assert!(matches!(kind, ManifestKind::Index(_)));
    }

    #[test]
    fn a_body_that_is_both_is_refused() {
        let body = br#"{"schemaVersion":2,"manifests":[],"config":{},"layers":[]}"#;
        assert!(ManifestKind::parse(body, media_type::OCI_INDEX).is_err());
    }

    #[test]
    fn unknown_fields_survive() {
        let text = r#"{"schemaVersion":2,"artifactType":"x/y","more":{"a":1},"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0,"data":""},"layers":[]}"#;
        let ManifestKind::Manifest(manifest) = ManifestKind::parse(text.as_bytes(), "").expect("parsed")
        else {
            panic!("an index?")
        };
        assert_eq!(String::from_utf8(to_json(&manifest).expect("json")).expect("utf-8"), text);
    }
}
