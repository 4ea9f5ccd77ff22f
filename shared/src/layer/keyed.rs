//! Layers that a key names before their entries are known, so that a build without changes need
//! not even find out what is in them.

use super::write::Known;
use super::{CONTRACT, Layer, Press, Spec};
use crate::error::Result;
use crate::facts::tree::Tree;
use crate::oci::media_type::{Compression, Format};
use crate::store::Table;

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

impl Press<'_> {
    /// As [`Self::write`]; `spec` is only asked for when the layer is not known under its key.
    ///
    /// # Errors
    /// As [`Self::write`], and those of `spec`.
    pub fn write_keyed(
        &self,
        head: &Head,
        spec: impl FnOnce() -> Result<Spec>,
        base: &Tree,
    ) -> Result<Layer> {
        let store = self.store;
        let key = format!("v{CONTRACT} {} {}", head.compression.as_str(), head.key);
        let _turn = store.turn(Table::KeyedLayers.name(), &key);
        let shape = (head.title.as_str(), head.compression, head.format);
        if let Some(layer) = self.remembered(Table::KeyedLayers, &key, shape) {
            return Ok(layer);
        }
        let layer = self.write(&spec()?, base)?;
        let descriptor = &layer.blob.descriptor;
        let known = Known { digest: descriptor.digest, diff_id: layer.diff_id, size: descriptor.size };
        store.remember(Table::KeyedLayers, &key, &known);
        Ok(layer)
    }
}
