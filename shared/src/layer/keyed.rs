//! Layers that a key names before their entries are known, so that a build without changes need
//! not even find out what is in them.

use super::write::{Known, finished};
use super::{CONTRACT, Layer, Spec, write};
use crate::error::Result;
use crate::event::{Events, Motion, Outcome};
use crate::facts::tree::Tree;
use crate::oci::media_type::{Compression, Format};
use crate::store::Store;

/// The memo table.
const MEMO: &str = "keyed-layers";

/// What a layer is called, and what is known of it before its entries.
#[derive(Debug, Clone)]
pub struct Head {
    /// Names everything that the entries, their owners and the directories above them depend on.
    pub key: String,
    /// A name for people.
    pub title: String,
    /// How it is compressed.
    pub compression: Compression,
    /// The family of its media type.
    pub format: Format,
}

/// As [`write()`]; `spec` is only asked for when the layer is not known under its key.
///
/// # Errors
/// As [`write()`], and those of `spec`.
pub fn write_keyed(
    head: &Head,
    spec: impl FnOnce() -> Result<Spec>,
    base: &Tree,
    store: &Store,
    use_memo: bool,
    jobs: usize,
    events: &Events,
) -> Result<Layer> {
    let key = format!("v{CONTRACT} {} {}", head.compression.as_str(), head.key);
    let _turn = store.turn(MEMO, &key);
    if use_memo
        && let Some(known) = store.recall::<Known>(MEMO, &key)
        && let Some(path) = store.find(&known.digest, known.size)
    {
        events.start(Motion::Layer, &head.title, Some(known.size)).end(Outcome::Exists);
        return Ok(finished(&head.title, head.compression, head.format, known, path, false));
    }
    let layer = write(&spec()?, base, store, use_memo, jobs, events)?;
    let descriptor = &layer.blob.descriptor;
    let known = Known { digest: descriptor.digest, diff_id: layer.diff_id, size: descriptor.size };
    store.remember(MEMO, &key, &known);
    Ok(layer)
}
