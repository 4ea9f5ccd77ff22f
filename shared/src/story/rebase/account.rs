//! The layer that gives the user a name holds the base's own lists of users and groups: where those are others, it is made
//! anew.

use std::borrow::Cow;

use super::case::Ours;
use super::standing::About;
use crate::error::Result;
use crate::facts::details::FileSystem;
use crate::facts::tree::Tree;
use crate::layer::{Layer, Press, Spec};
use crate::oci::Owner;
use crate::oci::media_type::layer_compression;
use crate::story::user::{added, lacking, title};

/// The layer with the lists of the new base, and its place among the image's own; `None` where the old one is right, or
/// where a build would not make one of its kind for both bases.
///
/// # Errors
/// When it cannot be written.
pub(super) fn remade(
    about: &About,
    ours: &[Ours],
    (old, new): (&FileSystem, &FileSystem),
    press: &Press<'_>,
) -> Result<Option<(usize, Layer)>> {
    let user = &about.choices.runtime.user;
    let (Some(then), Some(now)) = (lacking(old, user), lacking(new, user)) else { return Ok(None) };
    let place = ours.iter().position(|layer| layer.title == title()).filter(|_| about.choices.python);
    let Some(at) = place.filter(|_| then != now) else { return Ok(None) };
    let layer = &about.ours[at];
    let write = |account, base: &FileSystem| {
        let spec = Spec {
            title: layer.title.clone(),
            entries: added(account, user),
            // It counts as the base's.
            owner: Owner::ROOT,
            compression: layer_compression(&layer.blob.descriptor.media_type).unwrap_or_default(),
            format: about.format,
        };
        press.write(&spec, &below(base, &ours[..at]))
    };
    // It is only made anew if that is known to give what a build gives.
    match write(&then, old)?.is_same(layer) {
        true => Ok(Some((at, write(&now, new)?))),
        false => Ok(None),
    }
}

/// What the layer is written on: an init may be between the base and it.
fn below<'b>(base: &'b FileSystem, between: &[Ours]) -> Cow<'b, Tree> {
    if between.is_empty() {
        return Cow::Borrowed(&base.contents.tree);
    }
    let mut contents = base.contents.clone();
    between.iter().for_each(|layer| contents.apply(layer.facts.clone()));
    Cow::Owned(contents.tree)
}
