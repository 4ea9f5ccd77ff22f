//! What comes of a call: the end of the story.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::oci::{Digest, Platform, Reference};
use crate::plan::Plan;

/// What came of a call.
#[derive(Debug)]
pub enum Outcome {
    /// The plan, for `--dry-run`.
    Planned(Plan),
    /// The images, where they are now.
    Built(Vec<Delivered>),
    /// The bases that are pinned now, by name, for [`lock`](super::lock()).
    Locked(BTreeMap<String, Digest>),
}

/// An image that is where it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Delivered {
    /// The name of the image in the plan, not where it went.
    pub name: String,
    /// The digest of its index, or of its manifest where there is one platform.
    pub digest: Digest,
    /// Under which names it was pushed.
    #[serde(serialize_with = "crate::oci::as_texts")]
    pub references: Vec<Reference>,
    /// Each platform's image.
    pub platforms: Vec<PlatformResult>,
    /// Places outside registries, as `--output` and `--load` name them.
    pub outputs: Vec<String>,
}

/// The image of one platform.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlatformResult {
    /// What the image runs on.
    #[serde(serialize_with = "crate::oci::as_text")]
    pub platform: Platform,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Bytes of its layers, compressed.
    pub size: u64,
}
