//! What comes of a call: the end of the story.

use std::collections::BTreeMap;

use serde::Serialize;

use super::moved::Moved;
use crate::oci::{Digest, Platform, Reference};
use crate::plan::Plan;
use crate::sink::Local;

/// What came of a call.
#[derive(Debug)]
pub enum Outcome {
    /// The plan, for `--dry-run`.
    Planned(Plan),
    /// The images, where they are now.
    Built(Vec<Delivered>),
    /// For [`lock`](super::lock()).
    Locked(Locked),
}

/// How [`lock`](super::lock()) pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinning {
    /// It writes what the names of bases mean now.
    Quiet,
    /// It also tells what moved, for which it reads the images that were pinned.
    Update,
    /// It tells what would move, and writes nothing.
    Check,
}

/// What came of [`lock`](super::lock()).
#[derive(Debug)]
pub struct Locked {
    /// What the names of the bases mean now.
    pub bases: BTreeMap<String, Digest>,
    /// What moved, where the call asks.
    pub moved: Option<Moved>,
    /// Whether it is pinned now.
    pub is_kept: bool,
}

impl Locked {
    /// Whether the file on disk is as it would be written now, or was written.
    pub fn is_current(&self) -> bool {
        self.is_kept || self.moved.as_ref().is_none_or(Moved::is_empty)
    }
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
    /// What to run to verify it, where it was pushed and signed. Only this program itself has that verb, whoever calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<String>,
    /// Each platform's image.
    pub platforms: Vec<PlatformResult>,
    /// Places outside registries, as `--output` and `--load` name them.
    pub outputs: Vec<String>,
    /// What a local engine or cluster has of it, where it was loaded.
    #[serde(skip)]
    pub loaded: Option<Loaded>,
}

/// An image in a local engine or cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Where it is.
    pub place: Local,
    /// A name that it has there.
    pub name: Reference,
    /// The ports that it declares, such as `8080/tcp`.
    pub ports: Vec<String>,
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
