//! Which layers two images share.

use std::collections::HashMap;
use std::hash::Hash;

use serde::Serialize;

use super::super::layers::LayerView;
use super::sides::Sides;
use crate::inspect::laid::Laid;
use crate::oci::Digest;

/// The layers of two images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LayerChanges {
    /// How many both have, by the digests of what is stored.
    pub shared: usize,
    /// Bytes of these, as they are stored.
    pub shared_stored: u64,
    /// How many of the others are in both with the same content, compressed in another way.
    pub recompressed: usize,
    /// Whether all are shared, in another order.
    pub reordered: bool,
    /// Bytes that whoever has the first image pulls for the second.
    pub to_pull: u64,
    /// Those that only the first has, the lowest first.
    pub removed: Vec<LayerChange>,
    /// Those that only the second has.
    pub added: Vec<LayerChange>,
}

/// A layer that only one image has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LayerChange {
    /// Its place; the lowest is 1.
    pub layer: usize,
    /// The digest of what is stored.
    #[serde(serialize_with = "crate::oci::as_text")]
    pub digest: Digest,
    /// Bytes that are stored.
    pub stored: u64,
    /// Bytes of its archive.
    pub unpacked: u64,
    /// Whether it is the base's; unknown in images of others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_base: Option<bool>,
    /// The line of the history that is about it.
    pub made_by: String,
}

/// For each layer of both images whether the other has it too; of several equal ones as many as both have.
pub(super) fn shared<K: Eq + Hash>(sides: Sides<&Laid>, key: impl Fn(&LayerView) -> K) -> Sides<Vec<bool>> {
    let there = |here: &Laid, other: &Laid| {
        let mut left: HashMap<K, usize> = HashMap::new();
        other.layers.iter().for_each(|layer| *left.entry(key(layer)).or_default() += 1);
        let mut is_there = |layer: &LayerView| {
            let left = left.get_mut(&key(layer)).filter(|left| **left > 0);
            left.map(|left| *left -= 1).is_some()
        };
        here.layers.iter().map(&mut is_there).collect()
    };
    Sides { from: there(sides.from, sides.to), to: there(sides.to, sides.from) }
}

pub(super) fn changes(sides: Sides<&Laid>) -> LayerChanges {
    let matched = shared(sides, |layer| layer.digest);
    let same_content = shared(sides, |layer| layer.diff_id);
    let both = sides.to.layers.iter().zip(&matched.to).filter(|(_, is)| **is);
    let stored: Vec<u64> = both.map(|(layer, _)| layer.stored).collect();
    let (removed, added) = (others(sides.from, &matched.from), others(sides.to, &matched.to));
    let order = sides.map(|laid| laid.layers.iter().map(|layer| layer.digest).collect::<Vec<_>>());
    LayerChanges {
        shared: stored.len(),
        shared_stored: stored.iter().sum(),
        recompressed: same_content.to.iter().filter(|is| **is).count().saturating_sub(stored.len()),
        reordered: removed.is_empty() && added.is_empty() && order.from != order.to,
        to_pull: added.iter().map(|layer| layer.stored).sum(),
        removed,
        added,
    }
}

fn others(laid: &Laid, is_shared: &[bool]) -> Vec<LayerChange> {
    let others = laid.layers.iter().zip(is_shared).filter(|(_, is)| !**is);
    let told = others.map(|(layer, _)| LayerChange {
        layer: layer.layer,
        digest: layer.digest,
        stored: layer.stored,
        unpacked: layer.unpacked,
        in_base: layer.in_base,
        made_by: layer.made_by.clone(),
    });
    told.collect()
}
