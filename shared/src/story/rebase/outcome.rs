//! What came of an image that was to be laid on another base.

use serde::Serialize;

use super::case::Broken;
use crate::oci::{Digest, Platform, Reference};

/// What came of one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Rebased {
    /// The image, as it was named.
    pub image: String,
    /// Its digest: of the index, or of the only manifest.
    #[serde(serialize_with = "crate::oci::as_text")]
    pub digest: Digest,
    /// The new base, as it was named.
    pub base: String,
    /// What was found out, and done.
    pub result: Judgement,
    /// The digest of the image on the new base, where it may be laid on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebased: Option<String>,
    /// Where it was pushed.
    #[serde(serialize_with = "crate::oci::as_texts")]
    pub references: Vec<Reference>,
    /// Each platform's share.
    pub platforms: Vec<PlatformRebased>,
}

/// What was found out of an image, and done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// It stands on that base already.
    Unchanged,
    /// It may be laid on the base; nothing was pushed, since the call only judges.
    Possible,
    /// It was pushed on the new base.
    Rebased,
    /// Facts are broken.
    Refused,
    /// Its tags lead to another image by now, so nothing was pushed.
    Overtaken,
}

/// One platform of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlatformRebased {
    /// What the image runs on.
    #[serde(serialize_with = "crate::oci::as_text")]
    pub platform: Platform,
    /// The base that it stood on, with its digest.
    pub from: String,
    /// The new one.
    pub to: String,
    /// The facts of the old base that the new one does not have.
    pub broken: Vec<Broken>,
}
