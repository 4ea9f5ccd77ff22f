//! What two images stand on.

use serde::Serialize;

use super::super::{Base, base};
use super::sides::Sides;
use crate::inspect::laid::Laid;
use crate::oci::Digest;

/// The bases of two images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BaseChange {
    /// As far as they are known.
    #[serde(flatten)]
    pub bases: Sides<Option<Base>>,
    /// Whether they are the same: by their layers where the histories tell these, else by their digests.
    pub same: Option<bool>,
}

pub(super) fn change(sides: Sides<&Laid>) -> BaseChange {
    let bases = sides.map(|laid| base(&laid.image));
    let same =
        both(sides.map(layers)).or_else(|| both(bases.as_ref().map(|one| one.as_ref()?.digest.as_ref())));
    BaseChange { bases, same }
}

fn both<T: PartialEq>(sides: Sides<Option<T>>) -> Option<bool> {
    Some(sides.from? == sides.to?)
}

/// The base's layers, where the history tells them.
fn layers(laid: &Laid) -> Option<Vec<Digest>> {
    let is_known = laid.layers.iter().any(|layer| layer.in_base.is_some());
    let below = laid.layers.iter().filter(|layer| layer.in_base == Some(true));
    is_known.then(|| below.map(|layer| layer.diff_id).collect())
}
