//! Reads base layers into a [`Tree`]: what a container on this base would find, without
//! unpacking anything.
//!
//! Each layer is read once as a stream, which verifies it on the way (the blob's digest and size,
//! and the diff_id of the tar within), and what was found is remembered under the layer's digest.
//! The layers are then laid over one another by the rules of image-spec `layer.md`.

mod scan;

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};

use super::tree::{Node, NodeKind, Tree};
use crate::error::{Context, Error, Result};
use crate::oci::media_type::{Compression, layer_compression};
use crate::oci::{Descriptor, Digest, HashingReader};
use crate::store::{Blob, Source, Store};

/// The memo table. A new name forgets what an older program remembered.
const TABLE: &str = "facts-v1";

/// What one layer says: the paths it brings, and what of the layers below it hides.
///
/// Paths are relative to the root and normalised: no `.`, no `..`, no slash at either end. Bytes
/// that are no UTF-8 are replaced by U+FFFD.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerFacts {
    /// What the layer brings, in its own order; a later entry replaces an earlier one.
    pub entries: Vec<(String, Node)>,
    /// Paths of lower layers that are gone (`.wh.NAME`).
    pub hidden: Vec<String>,
    /// Directories whose content in lower layers is gone (`.wh..wh..opq`); the root is empty.
    pub opaque: Vec<String>,
}

/// What is remembered of a verified blob.
#[derive(Serialize, Deserialize)]
struct Known {
    diff_id: Digest,
    size: u64,
    facts: LayerFacts,
}

/// Reads a layer to its end.
///
/// # Errors
/// Of kind integrity when it cannot be decoded, or holds what no honest layer does: `..` or NUL
/// in a path, a path of more than 4096 bytes, more than 4 million entries, or headers and names
/// that would fill the memory.
pub fn read_layer(reader: impl Read, compression: Compression) -> Result<LayerFacts> {
    scan::scan(decoder(reader, compression)?)
}

/// Lays a layer over `tree`, which holds the layers below it.
///
/// A path that goes through a symbolic link of a lower layer stays as the layer gives it.
pub fn apply(tree: &mut Tree, facts: &LayerFacts) {
    // Whiteouts hide lower layers only, wherever they stand in the layer: so they come first.
    for path in &facts.hidden {
        tree.remove(path);
    }
    for path in &facts.opaque {
        tree.remove_below(path);
    }
    for (path, node) in &facts.entries {
        if replaces_what_is_below(tree.get(path), node) {
            tree.remove_below(path);
        }
        tree.insert(path.as_str(), node.clone());
    }
}

/// The merged file system of these layers, the lowest first. Every layer is verified against
/// its descriptor and its diff_id, or remembered from when it was.
///
/// # Errors
/// Of kind integrity when digest, size or diff_id are not the promised ones, or for what
/// [`read_layer`] refuses; a bug when a layer is neither here nor [`known`].
pub fn tree_of(layers: &[Blob], diff_ids: &[Digest], store: &Store) -> Result<Tree> {
    if layers.len() != diff_ids.len() {
        let (layers, diff_ids) = (layers.len(), diff_ids.len());
        let message = format!("the base has {layers} layers and its configuration names {diff_ids}");
        return Err(Error::integrity(message));
    }
    let mut tree = Tree::default();
    for (blob, diff_id) in layers.iter().zip(diff_ids) {
        let facts = facts_of(blob, diff_id, store)
            .context(|| format!("cannot read the layer {} of the base", blob.descriptor.digest))?;
        apply(&mut tree, &facts);
    }
    Ok(tree)
}

/// Whether the layer's facts are remembered, so that [`tree_of`] needs none of its bytes.
pub fn known(blob: &Blob, store: &Store) -> bool {
    recall(&blob.descriptor, store).is_some()
}

/// Whether `node` takes away all that is below its path. Only a directory can have something
/// there; but a link stated again leaves what other layers wrote through it where it is.
fn replaces_what_is_below(below: Option<&Node>, node: &Node) -> bool {
    let link = |node: &Node| matches!(node.kind, NodeKind::Symlink(_));
    node.kind != NodeKind::Directory && !(link(node) && below.is_some_and(link))
}

fn facts_of(blob: &Blob, diff_id: &Digest, store: &Store) -> Result<LayerFacts> {
    let descriptor = &blob.descriptor;
    let known = match recall(descriptor, store) {
        Some(known) => known,
        None => {
            let known = read_blob(blob)?;
            store.remember(TABLE, &descriptor.digest.to_string(), &known);
            known
        }
    };
    if known.diff_id != *diff_id {
        let message = format!("expected the diff_id {diff_id} and got {}", known.diff_id);
        return Err(Error::integrity(message));
    }
    Ok(known.facts)
}

/// A descriptor with another size is not the one that was verified.
fn recall(descriptor: &Descriptor, store: &Store) -> Option<Known> {
    store.recall::<Known>(TABLE, &descriptor.digest.to_string()).filter(|known| known.size == descriptor.size)
}

fn read_blob(blob: &Blob) -> Result<Known> {
    let media_type = &blob.descriptor.media_type;
    let compression = layer_compression(media_type)
        .ok_or_else(|| Error::build(format!("the media type {media_type:?} is no file system layer")))?;
    match &blob.source {
        Source::Memory(bytes) => read_verified(&bytes[..], compression, &blob.descriptor),
        Source::File(path) => read_verified(Store::open_file(path)?, compression, &blob.descriptor)
            .map_err(|e| e.hint(format!("if {} is damaged, delete it and try again", path.display()))),
        Source::Registry(repository) => {
            Err(Error::bug(format!("the layer is still in {repository}; fetch it first")))
        }
    }
}

/// Reads a blob to its end, whatever its tar says, so that a damaged file is always reported as
/// such and not as what it seemed to hold.
fn read_verified(reader: impl Read, compression: Compression, promised: &Descriptor) -> Result<Known> {
    let mut blob = HashingReader::new(reader);
    let mut tar = HashingReader::new(decoder(&mut blob, compression)?);
    let scanned = scan::scan(&mut tar);
    let (diff_id, _) = tar.finish();
    io::copy(&mut blob, &mut io::sink()).context(|| "cannot read the layer".into())?;
    let (digest, size) = blob.finish();
    if (digest, size) != (promised.digest, promised.size) {
        let error = Error::integrity(format!(
            "expected {} ({} bytes) and got {digest} ({size} bytes)",
            promised.digest, promised.size
        ));
        return Err(match scanned {
            Ok(_) => error,
            Err(cause) => error.because(cause),
        });
    }
    Ok(Known { diff_id, size, facts: scanned? })
}

fn decoder<'a>(reader: impl Read + 'a, compression: Compression) -> Result<Box<dyn Read + 'a>> {
    Ok(match compression {
        // pigz, eStargz and others write several members.
        Compression::Gzip => Box::new(MultiGzDecoder::new(reader)),
        Compression::Zstd => {
            Box::new(zstd::Decoder::new(reader).context(|| "cannot start a zstd decoder".into())?)
        }
        Compression::None => Box::new(reader),
    })
}

#[cfg(test)]
mod tests;
