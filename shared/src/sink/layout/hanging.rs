//! What hangs on the images of a layout: entries of the index without a name, each with the kind of what it
//! leads to. So tools that ask for what hangs on an image find it, and what asks for an image by its name
//! sees nothing of it.

use std::path::Path;

use super::super::REF_NAME;
use super::{blob_path, left};
use crate::image::{Attached, ImageSet, Reach};
use crate::oci::{Descriptor, Digest, Index, ManifestKind};
use crate::read;
use crate::store::Blob;

fn of(set: &ImageSet) -> impl Iterator<Item = &Attached> {
    // Nobody lists anything in a layout but its index, which everybody sees.
    set.attached.iter().filter(|thing| thing.reach == Reach::Everywhere)
}

/// Everything that a layout holds for what hangs on a set.
pub(in crate::sink) fn blobs_of(set: &ImageSet) -> impl Iterator<Item = &Blob> {
    of(set).flat_map(|thing| thing.blobs.iter().chain([&thing.manifest]))
}

/// Enters what hangs on a set, each thing once.
pub(in crate::sink) fn add(index: &mut Index, set: &ImageSet) {
    for thing in of(set) {
        match index.manifests.iter_mut().find(|entry| entry.digest == thing.listed.digest) {
            Some(entry) => *entry = thing.listed.clone(),
            None => index.manifests.push(thing.listed.clone()),
        }
    }
}

/// Takes out what hung on images that were there `before` and are not any more.
pub(super) fn drop_orphans(dir: &Path, before: &[Descriptor], index: &mut Index) {
    let mut gone = left(dir, before, &index.manifests);
    if gone.is_empty() {
        return;
    }
    // Something may hang on what hangs there.
    let orphan = |gone: &std::collections::BTreeSet<Digest>, entry: &Descriptor| {
        let subject = if entry.annotations.contains_key(REF_NAME) { None } else { subject(dir, entry) };
        subject.is_some_and(|subject| gone.contains(&subject))
    };
    while let Some(at) = index.manifests.iter().position(|entry| orphan(&gone, entry)) {
        gone.insert(index.manifests.remove(at).digest);
    }
}

/// The digest of the manifest that the one behind `entry` hangs on.
fn subject(dir: &Path, entry: &Descriptor) -> Option<Digest> {
    let bytes = read::bytes(&blob_path(dir, &entry.digest), read::DOCUMENT).ok()?;
    ManifestKind::parse(&bytes, &entry.media_type).ok()?.subject()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::super::tests::{assert_whole, index, set, write};
    use super::*;

    const SPDX: &str = "application/spdx+json";

    /// The set with a document on it, and something on the document.
    fn with_bill(mut set: ImageSet, text: &str) -> ImageSet {
        let root = set.root().descriptor.clone();
        let made = |subject, kind, text: &str| {
            Attached::document(subject, kind, "SBOM", text.into(), BTreeMap::new()).expect("made")
        };
        let bill = made(&root, SPDX, text);
        let signature = made(&bill.listed, "x/signature", text);
        set.attach(bill).expect("attached");
        set.attach(signature).expect("attached");
        set
    }

    fn kinds(dir: &Path) -> Vec<String> {
        let kind =
            |entry: Descriptor| entry.artifact_type.unwrap_or_else(|| entry.annotations[REF_NAME].clone());
        index(dir).manifests.into_iter().map(kind).collect()
    }

    #[test]
    fn it_is_in_the_index_without_a_name_and_goes_with_the_image() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = folder.path();
        let first = with_bill(set("1", b"a"), "first");
        write(dir, std::slice::from_ref(&first)).expect("written");
        write(dir, &[first]).expect("again");
        assert_eq!(kinds(dir), ["1", SPDX, "x/signature"]);
        assert_whole(dir);
        write(dir, &[with_bill(set("2", b"b"), "second")]).expect("written");
        assert_eq!(index(dir).manifests.len(), 6);
        // Another image under the name takes what hung on the old one with it, and leaves the rest.
        write(dir, &[with_bill(set("1", b"c"), "third")]).expect("written");
        assert_eq!(index(dir).manifests.len(), 6);
        write(dir, &[set("1", b"d")]).expect("written");
        assert_eq!(kinds(dir), ["1", "2", SPDX, "x/signature"]);
        assert_whole(dir);
        let left = index(dir).manifests[2].digest;
        let text = fs::read_to_string(blob_path(dir, &left)).expect("manifest");
        assert!(text.contains(&Digest::of(b"second").to_string()), "{text}");
    }

    #[test]
    fn an_image_that_another_name_keeps_keeps_what_hangs_on_it() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = folder.path();
        write(dir, &[with_bill(set("1,latest", b"a"), "x")]).expect("written");
        write(dir, &[set("latest", b"b")]).expect("written");
        assert_eq!(kinds(dir), ["1", "latest", SPDX, "x/signature"]);
        assert_whole(dir);
    }

    #[test]
    fn what_is_only_for_lists_stays_out() {
        let mut set = with_bill(set("1", b"a"), "x");
        set.attached.iter_mut().for_each(|thing| thing.reach = Reach::OneTag);
        let folder = tempfile::tempdir().expect("folder");
        write(folder.path(), &[set]).expect("written");
        assert_eq!(kinds(folder.path()), ["1"]);
        assert_eq!(fs::read_dir(folder.path().join("blobs/sha256")).expect("blobs").count(), 3);
    }
}
