//! Reads base layers into a [`Tree`]: what a container on this base would find, without
//! unpacking anything.
//!
//! Each layer is read once as a stream, which verifies it on the way (the blob's digest and size,
//! and the diff_id of the tar within), and what was found is remembered under the layer's digest.
//! The layers are then laid over one another by the rules of image-spec `layer.md`.

pub mod details;
mod extract;
pub mod files;
pub mod notes;
mod pax;
pub mod python;
mod scan;
pub mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

pub use extract::extract;
use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};

use self::details::LayerDetails;
use self::files::LayerFiles;
use self::notes::{Note, Package};
use self::tree::{AsNode, Node, NodeKind, Tree};
use crate::error::{Context, Error, Kind, Result};
use crate::oci::media_type::{Compression, layer_compression};
use crate::oci::{Descriptor, Digest, HashingReader};
use crate::store::{Blob, Source, Store, Table};

/// As many symbolic links as Linux follows in one path (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

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
    /// What the content of a few of its files says, by their paths.
    pub notes: BTreeMap<String, Note>,
}

/// What there is in a base: its merged file system, and what a few files in it say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// All paths.
    pub tree: Tree,
    notes: BTreeMap<String, Note>,
}

impl Contents {
    /// Contents of which nothing is known but the paths.
    pub fn of(tree: Tree) -> Self {
        Self { tree, notes: BTreeMap::new() }
    }

    /// Lays a layer over what the layers below it left.
    pub fn apply(&mut self, mut facts: LayerFacts) {
        // A note lives as long as its file: it goes with what hid, removed or replaced that.
        let opaque = |path: &str| facts.opaque.iter().any(|dir| is_below(path, dir));
        let hidden = |path: &str| facts.hidden.iter().any(|gone| path == gone || is_below(path, gone));
        self.notes.retain(|path, _| !opaque(path) && !hidden(path));
        if !self.notes.is_empty() {
            for (path, _) in &facts.entries {
                self.notes.remove(path);
            }
        }
        self.notes.append(&mut facts.notes);
        apply(&mut self.tree, facts);
        let tree = &self.tree;
        self.notes.retain(|path, _| tree.get(path).is_some_and(|node| node.kind == NodeKind::File));
    }

    /// What the file at `path` says, links on the way followed.
    pub fn note(&self, path: &str) -> Option<&Note> {
        self.notes.get(&self.follow(path)?)
    }

    /// The text of the file at `path`, links on the way followed.
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.note(path) {
            Some(Note::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The text of os-release(5), in either of its places.
    pub fn os_release(&self) -> Option<&str> {
        self.text("etc/os-release").or_else(|| self.text("usr/lib/os-release"))
    }

    /// All notes and the paths of their files, in the order of these.
    pub fn notes(&self) -> impl Iterator<Item = (&str, &Note)> {
        self.notes.iter().map(|(path, note)| (path.as_str(), note))
    }

    /// The packages of the distribution that are installed, by name.
    pub fn packages(&self) -> Vec<&Package> {
        let lists = self.notes.values().filter_map(|note| match note {
            Note::Packages(packages) | Note::Dpkg { packages, .. } => Some(packages),
            _ => None,
        });
        let mut packages: Vec<&Package> = lists.flatten().collect();
        packages.sort();
        packages
    }

    /// Where `path` leads with all links followed, without a leading slash; `None` where there is
    /// nothing or the links go round in circles.
    pub fn follow(&self, path: &str) -> Option<String> {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            let real = self.tree.real_path(&path)?;
            match &self.tree.get(&real)?.kind {
                NodeKind::Symlink(target) if target.starts_with('/') => path.clone_from(target),
                NodeKind::Symlink(target) => {
                    let parent = real.rsplit_once('/').map_or("", |(parent, _)| parent);
                    path = format!("{parent}/{target}");
                }
                _ => return Some(real),
            }
        }
        None
    }
}

pub(super) fn is_below(path: &str, dir: &str) -> bool {
    dir.is_empty() || path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}

/// What is remembered of a verified blob.
#[derive(Serialize, Deserialize)]
struct Known {
    diff_id: Digest,
    size: u64,
    facts: LayerFacts,
}

/// So many times its size a layer may unpack to that is read before it is verified.
const MOST_UNPACKED: u64 = 100;

/// What is remembered beside it.
#[derive(Serialize, Deserialize)]
struct KnownDetails {
    size: u64,
    details: LayerDetails,
}

/// And what only those ask who look at an image file by file.
#[derive(Serialize, Deserialize)]
struct KnownFiles {
    size: u64,
    files: LayerFiles,
}

/// What a pass over a layer finds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scanned {
    facts: LayerFacts,
    details: LayerDetails,
}

impl Scanned {
    /// Reads the tar of a layer to its end.
    ///
    /// # Errors
    /// Those of [`read_layer`].
    pub fn of(tar: impl Read) -> Result<Self> {
        scan::scan(tar)
    }
}

/// Remembers what was found in a layer while this program made it, so that nobody need read it.
pub fn remember_own(digest: &Digest, size: u64, diff_id: Digest, scanned: Scanned, store: &Store) {
    let Scanned { facts, details } = scanned;
    remember(digest, (Known { diff_id, size, facts }, details), store);
}

/// Reads a layer to its end.
///
/// # Errors
/// Of kind integrity when it cannot be decoded, or holds what no honest layer does: `..` or NUL
/// in a path, a path of more than 4096 bytes, more than 4 million entries, or headers and names
/// that would fill the memory.
pub fn read_layer(reader: impl Read, compression: Compression) -> Result<LayerFacts> {
    Ok(scan::scan(decoder(reader, compression)?)?.facts)
}

/// The archive in a layer, without its compression.
///
/// # Errors
/// When it cannot be read.
pub fn plain(layer: &Blob) -> Result<Box<dyn Read + '_>> {
    decoder(layer.open()?, compression_of(&layer.descriptor)?)
}

/// Lays a layer over `tree`, which holds the layers below it.
pub fn apply(tree: &mut Tree, facts: LayerFacts) {
    let LayerFacts { entries, hidden, opaque, .. } = facts;
    lay(tree, (&hidden, &opaque), entries, |node| node, |_, _| {});
}

/// As [`apply`], in a tree that knows more of each node: `folder` makes one that no entry states, and `gone` is given
/// what the layer removes or replaces.
///
/// As engines do it, for which a layer is a tree of its own: a path through a link of a lower layer leads to where that link
/// was, which a folder takes the place of. A path through a link of the same layer stays as the layer gives it.
pub fn lay<T: AsNode>(
    tree: &mut Tree<T>,
    (hidden, opaque): (&[String], &[String]),
    entries: impl IntoIterator<Item = (String, T)>,
    folder: impl Fn(Node) -> T,
    mut gone: impl FnMut(String, T),
) {
    // Whiteouts hide lower layers only, wherever they stand in the layer: so they come first.
    for path in hidden {
        tree.remove(path, &mut gone);
    }
    for path in opaque {
        tree.remove_below(path, &mut gone);
    }
    let mut links = BTreeSet::new();
    let mut cleared = String::new();
    for (path, entry) in entries {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        // Most entries are beside the one before.
        if parent != cleared {
            put_folders_above(tree, &path, &links, &folder, &mut gone);
            parent.clone_into(&mut cleared);
        }
        let kind = &entry.node().kind;
        if *kind != NodeKind::Directory {
            tree.remove_below(&path, &mut gone);
        }
        if matches!(kind, NodeKind::Symlink(_)) {
            links.insert(path.clone());
        }
        if let Some(old) = tree.insert(path.as_str(), entry) {
            gone(path, old);
        }
    }
}

/// Puts folders in place of what lower layers have above `path` and is none.
fn put_folders_above<T: AsNode>(
    tree: &mut Tree<T>,
    path: &str,
    own_links: &BTreeSet<String>,
    folder: impl Fn(Node) -> T,
    gone: &mut impl FnMut(String, T),
) {
    for (end, _) in path.match_indices('/') {
        let above = &path[..end];
        let in_the_way = tree.get(above).is_some_and(|there| there.node().kind != NodeKind::Directory);
        if in_the_way && !own_links.contains(above) {
            let node = folder(Node { kind: NodeKind::Directory, mode: 0o755, uid: 0, gid: 0 });
            if let Some(old) = tree.insert(above, node) {
                gone(above.to_owned(), old);
            }
        }
    }
}

/// The merged file system of these layers, the lowest first. Every layer is verified against
/// its descriptor and its diff_id, or remembered from when it was.
///
/// # Errors
/// Of kind integrity when digest, size or diff_id are not the promised ones, or for what
/// [`read_layer`] refuses; a bug when a layer is neither here nor [`known`].
pub fn tree_of(layers: &[Blob], diff_ids: &[Digest], store: &Store) -> Result<Tree> {
    Ok(contents_of(layers, diff_ids, store)?.tree)
}

/// Like [`tree_of`], with what a few files say.
///
/// # Errors
/// Those of [`tree_of`].
pub fn contents_of(layers: &[Blob], diff_ids: &[Digest], store: &Store) -> Result<Contents> {
    if layers.len() != diff_ids.len() {
        let (layers, diff_ids) = (layers.len(), diff_ids.len());
        let message = format!("the base has {layers} layers, but its configuration lists {diff_ids}");
        return Err(Error::integrity(message));
    }
    let mut contents = Contents::default();
    for (blob, diff_id) in layers.iter().zip(diff_ids) {
        let facts = facts_of(blob, diff_id, store)
            .context(|| format!("cannot read the layer {} of the base", blob.descriptor.digest))?;
        contents.apply(facts);
    }
    Ok(contents)
}

/// What one layer says, verified or remembered as by [`tree_of`].
///
/// # Errors
/// Those of [`tree_of`].
pub fn layer_facts(layer: &Blob, diff_id: &Digest, store: &Store) -> Result<LayerFacts> {
    facts_of(layer, diff_id, store).context(|| format!("cannot read the layer {}", layer.descriptor.digest))
}

/// Finds out what is in a layer from its bytes, which may be any, and remembers it if they are the layer's. Nobody has
/// seen yet that they are, so little work is done for what unpacks to much more.
///
/// # Errors
/// Those of [`tree_of`]; of kind integrity for a layer that unpacks to over a hundred times its size.
pub fn learn(bytes: impl Read, layer: &Descriptor, store: &Store) -> Result<()> {
    let found = read_verified(bytes, compression_of(layer)?, layer, most_unpacked(layer))?;
    remember(&layer.digest, found, store);
    Ok(())
}

/// As [`learn`], with how large each file is.
///
/// # Errors
/// Those of [`learn`].
pub fn learn_files(bytes: impl Read, layer: &Descriptor, store: &Store) -> Result<()> {
    let found = measure_verified(bytes, compression_of(layer)?, layer, most_unpacked(layer))?;
    remember_files(&layer.digest, found, store);
    Ok(())
}

/// How many bytes of its tar are read while nobody has seen yet that the layer is what it should be.
fn most_unpacked(layer: &Descriptor) -> u64 {
    layer.size.saturating_mul(MOST_UNPACKED).saturating_add(1 << 20)
}

/// Whether the layer's facts are remembered, so that [`tree_of`] needs none of its bytes.
pub fn known(blob: &Blob, store: &Store) -> bool {
    remembered(Table::Facts, blob, store)
}

/// Whether what [`details_of`] gives is remembered, so that it needs none of the layer's bytes.
pub fn details_known(blob: &Blob, store: &Store) -> bool {
    remembered(Table::Details, blob, store)
}

/// Whether what [`files_of`] gives is remembered, so that it needs none of the layer's bytes.
pub fn files_known(blob: &Blob, store: &Store) -> bool {
    known(blob, store) && details_known(blob, store) && remembered(Table::Files, blob, store)
}

fn remembered(table: Table, blob: &Blob, store: &Store) -> bool {
    /// The same memo without what it tells, which is much.
    #[derive(Deserialize)]
    struct Size {
        size: u64,
    }
    let Descriptor { digest, size, .. } = &blob.descriptor;
    store.recall::<Size>(table, &digest.to_string()).is_some_and(|known| known.size == *size)
}

/// What a layer holds, and what its files need to run.
///
/// # Errors
/// Those of [`tree_of`].
pub fn details_of(blob: &Blob, diff_id: &Digest, store: &Store) -> Result<(LayerFacts, LayerDetails)> {
    let details = match recall_details(&blob.descriptor, store) {
        Some(details) => details,
        None => remember(&blob.descriptor.digest, read_blob(blob)?, store).1,
    };
    Ok((facts_of(blob, diff_id, store)?, details))
}

/// What a layer holds, and how large each of its files is.
///
/// # Errors
/// Those of [`tree_of`].
pub fn files_of(
    blob: &Blob,
    diff_id: &Digest,
    store: &Store,
) -> Result<(LayerFacts, LayerDetails, LayerFiles)> {
    let recalled = store
        .recall::<KnownFiles>(Table::Files, &blob.descriptor.digest.to_string())
        .filter(|known| known.size == blob.descriptor.size);
    let files = match recalled {
        Some(known) => known.files,
        None => {
            let found = explained(blob, |bytes, compression| {
                measure_verified(bytes, compression, &blob.descriptor, u64::MAX)
            })?;
            remember_files(&blob.descriptor.digest, found, store)
        }
    };
    let (facts, details) = details_of(blob, diff_id, store)?;
    Ok((facts, details, files))
}

/// As [`details_of`], of a layer that this program has made. Where it is in the store, digest and
/// diff_id are what was computed as it was written, and are not computed again.
///
/// # Errors
/// When it cannot be read.
pub fn details_of_own(blob: &Blob, diff_id: &Digest, store: &Store) -> Result<(LayerFacts, LayerDetails)> {
    let (known, details) = (recall(&blob.descriptor, store), recall_details(&blob.descriptor, store));
    if let (Some(known), Some(details)) = (known, details) {
        return Ok((known.facts, details));
    }
    let stored = store.path(&blob.descriptor.digest);
    if !matches!(&blob.source, Source::File(path) if *path == stored) {
        return details_of(blob, diff_id, store);
    }
    let tar = decoder(Store::open_file(&stored)?, compression_of(&blob.descriptor)?)?;
    let Scanned { facts, details } = scan::scan(tar)?;
    let known = Known { diff_id: *diff_id, size: blob.descriptor.size, facts };
    let details = KnownDetails { size: known.size, details };
    let key = blob.descriptor.digest.to_string();
    // Others may have said which layer it is, and with which diff_id.
    store.conclude(Table::Facts, &key, &known);
    store.conclude(Table::Details, &key, &details);
    Ok((known.facts, details.details))
}

fn facts_of(blob: &Blob, diff_id: &Digest, store: &Store) -> Result<LayerFacts> {
    let descriptor = &blob.descriptor;
    let known = match recall(descriptor, store) {
        Some(known) => known,
        None => remember(&blob.descriptor.digest, read_blob(blob)?, store).0,
    };
    if known.diff_id != *diff_id {
        let message = format!("expected the diff_id {diff_id}, got {}", known.diff_id);
        return Err(Error::integrity(message));
    }
    Ok(known.facts)
}

fn remember(
    digest: &Digest,
    (known, details): (Known, LayerDetails),
    store: &Store,
) -> (Known, LayerDetails) {
    let key = digest.to_string();
    store.remember(Table::Facts, &key, &known);
    let details = KnownDetails { size: known.size, details };
    store.remember(Table::Details, &key, &details);
    (known, details.details)
}

fn remember_files(
    digest: &Digest,
    (known, details, files): (Known, LayerDetails, LayerFiles),
    store: &Store,
) -> LayerFiles {
    let files = KnownFiles { size: known.size, files };
    remember(digest, (known, details), store);
    store.remember(Table::Files, &digest.to_string(), &files);
    files.files
}

/// A descriptor with another size is not the one that was verified.
fn recall(descriptor: &Descriptor, store: &Store) -> Option<Known> {
    store
        .recall::<Known>(Table::Facts, &descriptor.digest.to_string())
        .filter(|known| known.size == descriptor.size)
}

fn recall_details(descriptor: &Descriptor, store: &Store) -> Option<LayerDetails> {
    let known = store.recall::<KnownDetails>(Table::Details, &descriptor.digest.to_string());
    known.filter(|known| known.size == descriptor.size).map(|known| known.details)
}

fn compression_of(layer: &Descriptor) -> Result<Compression> {
    let media_type = &layer.media_type;
    layer_compression(media_type).ok_or_else(|| {
        Error::build(format!("the media type {media_type:?} is not that of a file system layer"))
    })
}

fn read_blob(blob: &Blob) -> Result<(Known, LayerDetails)> {
    explained(blob, |bytes, compression| read_verified(bytes, compression, &blob.descriptor, u64::MAX))
}

/// Reads a blob; what is wrong with one that is a file is said with the way out.
fn explained<T>(blob: &Blob, read: impl FnOnce(Box<dyn Read + '_>, Compression) -> Result<T>) -> Result<T> {
    read(Box::new(blob.open()?), compression_of(&blob.descriptor)?).map_err(|error| {
        match (&blob.source, error.kind()) {
            (Source::File(path), Kind::Integrity) => {
                error.hint(format!("if {} is damaged, delete it and try again", path.display()))
            }
            // The layer is not to blame for what else fails.
            _ => error,
        }
    })
}

/// Refuses bytes of another digest or size than their descriptor's.
fn as_promised((digest, size): (Digest, u64), promised: &Descriptor) -> Result<()> {
    if (digest, size) == (promised.digest, promised.size) {
        return Ok(());
    }
    Err(Error::integrity(format!(
        "expected {} ({} bytes), got {digest} ({size} bytes)",
        promised.digest, promised.size
    )))
}

fn read_verified(
    reader: impl Read,
    compression: Compression,
    promised: &Descriptor,
    most: u64,
) -> Result<(Known, LayerDetails)> {
    let (diff_id, _, scanned) = verified(reader, compression, promised, most, |tar| scan::scan(tar))?;
    let Scanned { facts, details } = scanned;
    Ok((Known { diff_id, size: promised.size, facts }, details))
}

/// As [`read_verified`], with how large each file is.
fn measure_verified(
    reader: impl Read,
    compression: Compression,
    promised: &Descriptor,
    most: u64,
) -> Result<(Known, LayerDetails, LayerFiles)> {
    let (diff_id, unpacked, (Scanned { facts, details }, files)) =
        verified(reader, compression, promised, most, |tar| scan::measure(tar))?;
    let files = LayerFiles { unpacked, ..files };
    Ok((Known { diff_id, size: promised.size, facts }, details, files))
}

/// Reads a blob to its end, whatever its tar says, so that a damaged file is always reported as
/// such and not as what it seemed to hold. No more than `most` bytes of the tar are read. The first
/// two values are the diff_id and the size of the tar.
fn verified<T>(
    reader: impl Read,
    compression: Compression,
    promised: &Descriptor,
    most: u64,
    scan: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> Result<(Digest, u64, T)> {
    let mut blob = HashingReader::new(reader);
    let mut tar = HashingReader::new(decoder(&mut blob, compression)?.take(most));
    let scanned = scan(&mut tar);
    let (diff_id, unpacked) = tar.finish();
    if unpacked == most {
        return Err(Error::integrity("the layer unpacks to more than is read of it"));
    }
    io::copy(&mut blob, &mut io::sink()).context(|| "cannot read the layer".into())?;
    if let Err(error) = as_promised(blob.finish(), promised) {
        return Err(match scanned {
            Ok(_) => error,
            Err(cause) => error.because(cause),
        });
    }
    Ok((diff_id, unpacked, scanned?))
}

/// Undoes the compression of a layer or archive. What its beginning says counts more than what it is called, as
/// for containerd and Docker.
///
/// # Errors
/// When no memory is left, or nothing can be read.
pub(super) fn decoder<'a>(mut reader: impl Read + 'a, called: Compression) -> Result<Box<dyn Read + 'a>> {
    let mut head = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut head).context(|| "cannot read the layer".into())?;
    let compression = compression_of_head(&head, called);
    let reader = io::Cursor::new(head).chain(reader);
    Ok(match compression {
        // pigz, eStargz and others write several members.
        Compression::Gzip => Box::new(MultiGzDecoder::new(reader)),
        Compression::Zstd => {
            Box::new(zstd::Decoder::new(reader).context(|| "cannot start a zstd decoder".into())?)
        }
        Compression::None => Box::new(reader),
    })
}

/// How something is compressed that begins with these bytes; damaged or empty, it is what it is called.
fn compression_of_head(head: &[u8], called: Compression) -> Compression {
    match head {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        // A frame, or one that decoders skip.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        // A name, as the headers of a tar begin with; or zeros, where it is empty.
        [0, 0, 0, 0, ..] => Compression::None,
        [first, rest @ ..] if first.is_ascii_graphic() && !rest.is_empty() && rest.iter().all(is_of_name) => {
            Compression::None
        }
        _ => called,
    }
}

/// Whether a byte may be part of a name in a header, or behind it.
fn is_of_name(byte: &u8) -> bool {
    *byte == 0 || *byte >= b' '
}

#[cfg(test)]
mod tests;
