//! What makes one image larger than the other.
//!
//! A layer is compressed as a whole: what it stores is divided among what it holds by the sizes of that, so parts of layers
//! that hold several things are estimates, and their sum is exact. Layers that both images have count for nothing.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cause::{Cause, FileCause, Sort};
use super::layers::shared;
use super::sides::Sides;
use crate::inspect::laid::Laid;

/// No more causes are listed; the others are one.
const MOST_PARTS: usize = 200;

/// By how much the second image is larger than the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Growth {
    /// Which bytes are counted.
    pub of: Measure,
    /// How many each image has.
    #[serde(flatten)]
    pub sizes: Sides<u64>,
    /// What they are of, in layers that only one image has: the largest difference first.
    pub parts: Vec<GrowthPart>,
}

/// Which bytes of images are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Of layers as they are stored, which is what is fetched.
    Stored,
    /// Of their archives, where only one of the images stores its layers compressed.
    Unpacked,
}

/// What one cause adds to an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GrowthPart {
    /// What takes the bytes.
    #[serde(flatten)]
    pub cause: Cause,
    /// Bytes of it in each image.
    #[serde(flatten)]
    pub sizes: Sides<u64>,
}

pub(super) fn of(sides: Sides<&Laid>) -> Growth {
    let measure = measure(sides);
    let is_shared = match measure {
        Measure::Stored => shared(sides, |layer| layer.digest),
        Measure::Unpacked => shared(sides, |layer| layer.diff_id),
    };
    let mut all: BTreeMap<Cause, Sides<u64>> = BTreeMap::new();
    divide(sides.from, measure, &is_shared.from, |cause, bytes| all.entry(cause).or_default().from += bytes);
    divide(sides.to, measure, &is_shared.to, |cause, bytes| all.entry(cause).or_default().to += bytes);
    let parts = all.into_iter().filter(|(_, sizes)| sizes.from != sizes.to);
    let parts = parts.map(|(cause, sizes)| GrowthPart { cause, sizes }).collect();
    let sizes = sides.map(|laid| (0..laid.layers.len()).map(|at| bytes(laid, measure, at)).sum());
    Growth { of: measure, sizes, parts: largest(parts) }
}

/// Images whose layers are compressed, and images whose layers are not, say nothing about each other.
fn measure(sides: Sides<&Laid>) -> Measure {
    let is_compressed = sides.map(|laid| laid.layers.iter().any(|layer| layer.stored != layer.unpacked));
    let has_layers = sides.map(|laid| !laid.layers.is_empty());
    match has_layers.from && has_layers.to && is_compressed.from != is_compressed.to {
        true => Measure::Unpacked,
        false => Measure::Stored,
    }
}

fn bytes(laid: &Laid, measure: Measure, layer: usize) -> u64 {
    match measure {
        Measure::Stored => laid.layers[layer].stored,
        Measure::Unpacked => laid.layers[layer].unpacked,
    }
}

/// Tells for each layer that is not shared what its bytes are of.
fn divide(laid: &Laid, measure: Measure, is_shared: &[bool], mut tell: impl FnMut(Cause, u64)) {
    let is_base = |at: usize| laid.layers[at].in_base == Some(true);
    let mut held: Vec<BTreeMap<FileCause<'_>, u64>> = vec![BTreeMap::new(); laid.layers.len()];
    for (path, file) in laid.stack.files() {
        if file.size > 0 && !is_shared[file.layer] && !is_base(file.layer) {
            *held[file.layer].entry(FileCause::of(laid, path, file)).or_default() += file.size;
        }
    }
    for (at, held) in held.into_iter().enumerate().filter(|(at, _)| !is_shared[*at]) {
        let layer = &laid.layers[at];
        let mut parts: Vec<(Cause, u64)> =
            held.into_iter().map(|(cause, size)| (cause.told(laid), size)).collect();
        match () {
            () if is_base(at) => parts = vec![(Cause::of(Sort::Base, String::new()), 1)],
            () if layer.unseen > 0 => parts.push((Cause::of(Sort::Unseen, String::new()), layer.unseen)),
            () if parts.is_empty() => parts = vec![(Cause::of(Sort::Layer, layer.made_by.clone()), 1)],
            () => {}
        }
        for (cause, bytes) in portions(bytes(laid, measure, at), parts) {
            tell(cause, bytes);
        }
    }
}

/// Divides bytes by the sizes of parts, of which there is one at least; not a byte is lost.
fn portions(bytes: u64, parts: Vec<(Cause, u64)>) -> Vec<(Cause, u64)> {
    let all: u128 = parts.iter().map(|(_, size)| u128::from(*size)).sum();
    let (mut before, mut told) = (0, 0);
    let portion = |(cause, size): (Cause, u64)| {
        before += u128::from(size);
        let until = u64::try_from(u128::from(bytes).saturating_mul(before) / all.max(1)).unwrap_or(bytes);
        let portion = until - told;
        told = until;
        (cause, portion)
    };
    parts.into_iter().map(portion).collect()
}

/// The largest differences, and all others as one.
fn largest(mut parts: Vec<GrowthPart>) -> Vec<GrowthPart> {
    let by = |part: &GrowthPart| std::cmp::Reverse(part.sizes.from.abs_diff(part.sizes.to));
    parts.sort_by(|a, b| (by(a), &a.cause).cmp(&(by(b), &b.cause)));
    if parts.len() > MOST_PARTS {
        let rest = parts.split_off(MOST_PARTS - 1);
        parts.push(GrowthPart {
            cause: Cause::of(Sort::Rest, format!("{} more", rest.len())),
            sizes: Sides {
                from: rest.iter().map(|part| part.sizes.from).sum(),
                to: rest.iter().map(|part| part.sizes.to).sum(),
            },
        });
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_are_by_size_and_add_up() {
        let part = |name: &str, size| (Cause::of(Sort::Files, name.into()), size);
        let sizes =
            |bytes, parts| portions(bytes, parts).into_iter().map(|(_, size)| size).collect::<Vec<_>>();
        assert_eq!(sizes(100, vec![part("a", 1), part("b", 2)]), [33, 67]);
        assert_eq!(sizes(7, vec![part("a", 3), part("b", 3), part("c", 3)]), [2, 2, 3]);
        let most = u64::MAX / 2;
        assert_eq!(sizes(most, vec![part("a", most), part("b", most)]).iter().sum::<u64>(), most);
        assert_eq!(sizes(0, vec![part("a", 1)]), [0]);
    }

    #[test]
    fn causes_are_bounded_and_add_up() {
        let part = |at: u64| GrowthPart {
            cause: Cause::of(Sort::Files, at.to_string()),
            sizes: Sides { from: 0, to: at },
        };
        let told = largest((0..1000).map(part).collect());
        assert_eq!(
            (told.len(), told[0].sizes.to, &*told[MOST_PARTS - 1].cause.name),
            (MOST_PARTS, 999, "801 more")
        );
        assert_eq!(told.iter().map(|part| part.sizes.to).sum::<u64>(), (0..1000).sum::<u64>());
    }
}
