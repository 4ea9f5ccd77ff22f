//! Descriptors: a media type, a digest and a size that point at content.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Digest, Extra, Platform, media_type, null_as_default};

/// A pointer to content (image-spec `descriptor.md`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type of the content.
    #[serde(default)]
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content in bytes.
    pub size: u64,
    /// Of a manifest that hangs on another: what kind of thing it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What the content was made from; URLs, embedded data and all else that is not known here.
    #[serde(flatten)]
    pub extra: Extra,
    /// In an index: the platform that the manifest is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Free annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// A descriptor of content held elsewhere.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            artifact_type: None,
            extra: Extra::new(),
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Whether it is in an index because it belongs to an image, and is no image that runs:
    /// attestations are marked, or have the platform `unknown/unknown`, or say what kind of thing they are.
    pub fn is_attached(&self) -> bool {
        let is_unknown = |platform: &Platform| platform.os == "unknown" && platform.architecture == "unknown";
        // Some registries name an image by the type of its configuration.
        let is_artifact = |kind: &String| !media_type::is_config(kind);
        self.artifact_type.as_ref().is_some_and(is_artifact)
            || self.annotations.contains_key("vnd.docker.reference.type")
            || self.platform.as_ref().is_some_and(is_unknown)
    }

    /// A descriptor of `bytes`.
    pub fn of(media_type: impl Into<String>, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }
}
