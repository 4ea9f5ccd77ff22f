//! An OCI layout folder (image-spec `image-layout.md`), which any number of processes write at once.

mod claim;
mod hanging;

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

pub(crate) use self::claim::check_folder;
use self::claim::{Claim, temporary};
pub(super) use self::hanging::{add as add_hanging, blobs_of as hanging_blobs_of};
use super::{REF_NAME, copy_blob, persist};
use crate::error::{Context, Error, Result};
use crate::event::Events;
use crate::image::ImageSet;
use crate::oci::{Descriptor, Digest, Index, ManifestKind, media_type, to_json};
use crate::read;
use crate::store::replace::Over;
use crate::store::{Blob, IGNORE_ALL, IGNORE_FILE};

/// So many blobs are written at once.
const MOST_AT_ONCE: usize = 4;

/// The content of the file `oci-layout`.
pub(super) const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Writes the images into the layout at `dir`, making it where it is missing. Images of other
/// names stay; one of the same name is replaced, and blobs that only it needed are removed when
/// a reader of the old index will have read them. Waits while another process writes the layout.
/// The index is written last, so a reader sees the old image or the new one.
///
/// # Errors
/// When the folder is something else, or the disk refuses.
pub fn write_layout(dir: &Path, name: Option<&str>, sets: &[ImageSet], events: &Events) -> Result<()> {
    write_at(dir, name, sets, events, SystemTime::now())
}

fn write_at(
    dir: &Path,
    name: Option<&str>,
    sets: &[ImageSet],
    events: &Events,
    now: SystemTime,
) -> Result<()> {
    let new_folder = !dir.exists();
    let mut claim = Claim::take(dir, events)?;
    let index = dir.join("index.json");
    let new_layout = !dir.join("blobs").exists() && !index.exists();
    let written = fill(&mut claim, dir, name, sets, now);
    if written.is_err() && new_layout && !index.exists() {
        claim.remove(new_folder);
    }
    written
}

fn fill(claim: &mut Claim, dir: &Path, name: Option<&str>, sets: &[ImageSet], now: SystemTime) -> Result<()> {
    let failed = || format!("cannot write the OCI layout {}", dir.display());
    let index_path = dir.join("index.json");
    read_index(&index_path)?;
    fs::create_dir_all(dir.join("blobs/sha256")).context(failed)?;
    if !index_path.exists() && !dir.join(IGNORE_FILE).exists() {
        claim.publish(&dir.join(IGNORE_FILE), IGNORE_ALL)?;
    }
    if !dir.join("oci-layout").exists() {
        claim.publish(&dir.join("oci-layout"), OCI_LAYOUT)?;
    }
    let blobs: Vec<&Blob> = sets.iter().flat_map(|set| blobs_of(set).chain(hanging::blobs_of(set))).collect();
    let missing: Vec<&Blob> = blobs.iter().copied().filter(|blob| !is_there(dir, blob)).collect();
    claim.forsake(missing.iter().map(|blob| blob.descriptor.digest), now)?;
    add_blobs(dir, missing).context(failed)?;
    // Only now: other tools take no lock, and copying may have taken a while.
    let mut index = read_index(&index_path)?;
    let before = index.manifests.clone();
    for entry in sets.iter().flat_map(|set| entries(set, name, sets.len() > 1)) {
        name_in(&mut index, entry);
    }
    hanging::drop_orphans(dir, &before, &mut index);
    sets.iter().for_each(|set| hanging::add(&mut index, set));
    claim.forsake(left(dir, &before, &index.manifests), now)?;
    if index.manifests != before || !index_path.exists() {
        claim.publish(&index_path, &to_json(&index)?)?;
    }
    claim.need(blobs.iter().map(|blob| blob.descriptor.digest))?;
    claim.sweep(now, || reached(dir, &index.manifests))
}

/// The index, which is empty where there is none yet.
fn read_index(path: &Path) -> Result<Index> {
    match read::bytes(path, read::DOCUMENT) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|e| Error::build(format!("{} is broken", path.display())).because(e))
            .map_err(|e| e.hint("remove the folder, or use another one")),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Ok(Index::new(media_type::OCI_INDEX, Vec::new()))
        }
        Err(e) => Err(Error::build(format!("cannot read {}", path.display())).because(e)),
    }
}

/// Puts the entry in the place of the one that has its name.
fn name_in(index: &mut Index, entry: Descriptor) {
    let same_name = |other: &Descriptor| other.annotations.get(REF_NAME) == entry.annotations.get(REF_NAME);
    match index.manifests.iter().position(same_name) {
        Some(at) => index.manifests[at] = entry,
        None => index.manifests.push(entry),
    }
}

/// The index's entries for a set, one for each of its tags or the one for the given `name`; of
/// `several` sets each with the set's name in front.
pub(super) fn entries(set: &ImageSet, name: Option<&str>, several: bool) -> Vec<Descriptor> {
    match name {
        Some(name) if several => vec![entry(set, format!("{}:{name}", set.name))],
        Some(name) => vec![entry(set, name.to_owned())],
        None => set.tags.iter().map(|tag| entry(set, set.local_name(tag))).collect(),
    }
}

/// The entry that gives a set this name.
pub(super) fn entry(set: &ImageSet, name: String) -> Descriptor {
    let mut entry = set.root().descriptor.clone();
    entry.annotations.insert(REF_NAME.into(), name);
    if set.index.is_none() {
        entry.platform = Some(set.images[0].platform.clone());
    }
    entry
}

/// Everything that a layout holds for a set: layers, configurations, manifests, index.
pub(super) fn blobs_of(set: &ImageSet) -> impl Iterator<Item = &Blob> {
    set.blobs().into_iter().map(|(blob, _)| blob).chain(set.manifests())
}

fn is_there(dir: &Path, blob: &Blob) -> bool {
    let path = blob_path(dir, &blob.descriptor.digest);
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() == blob.descriptor.size)
}

fn blob_path(dir: &Path, digest: &Digest) -> std::path::PathBuf {
    dir.join("blobs/sha256").join(digest.hex())
}

/// The largest first, several at once: hashing and the disk keep one another waiting.
fn add_blobs(dir: &Path, mut blobs: Vec<&Blob>) -> Result<()> {
    blobs.sort_by_key(|blob| (blob.descriptor.size, blob.descriptor.digest));
    blobs.dedup_by_key(|blob| blob.descriptor.digest);
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_AT_ONCE);
    let blobs = Mutex::new(blobs);
    let next = || blobs.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let give_up = |_: &Error| blobs.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let work = || std::iter::from_fn(next).try_for_each(|blob| add_blob(dir, blob).inspect_err(give_up));
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
        let own = work();
        let panicked = |_| Err(Error::bug("adding a blob panicked"));
        others.into_iter().fold(own, |so_far, other| so_far.and(other.join().unwrap_or_else(panicked)))
    })
}

fn add_blob(dir: &Path, blob: &Blob) -> Result<()> {
    let path = blob_path(dir, &blob.descriptor.digest);
    let failed = || format!("cannot write {}", path.display());
    // Not beside the blobs, where other tools expect nothing else.
    let mut file = temporary(&dir.join("blobs")).context(failed)?;
    copy_blob(blob, &mut file)?;
    persist(file, &path, Over::Same(blob.descriptor.size)).context(failed)
}

/// The blobs that the index led to before and will not lead to now; none where that cannot be told.
fn left(dir: &Path, before: &[Descriptor], now: &[Descriptor]) -> BTreeSet<Digest> {
    let gone: Vec<_> = before.iter().filter(|old| !now.iter().any(|new| new.digest == old.digest)).collect();
    let needed = if gone.is_empty() { None } else { reached(dir, now) };
    let Some(needed) = needed else { return BTreeSet::new() };
    let mut left = BTreeSet::new();
    for descriptor in gone {
        // What is damaged leads no further.
        let _ = reach(dir, descriptor, &mut left);
    }
    left.difference(&needed).copied().collect()
}

/// Everything that these entries lead to; `None` when something cannot be read.
fn reached(dir: &Path, entries: &[Descriptor]) -> Option<BTreeSet<Digest>> {
    let mut found = BTreeSet::new();
    entries.iter().try_for_each(|entry| reach(dir, entry, &mut found)).map(|()| found)
}

/// Collects the digests that a descriptor leads to; `None` when something cannot be read.
fn reach(dir: &Path, descriptor: &Descriptor, found: &mut BTreeSet<Digest>) -> Option<()> {
    if !found.insert(descriptor.digest) {
        return Some(());
    }
    let leads_on =
        media_type::is_index(&descriptor.media_type) || media_type::is_manifest(&descriptor.media_type);
    if !leads_on {
        return Some(());
    }
    let bytes = read::bytes(&blob_path(dir, &descriptor.digest), read::DOCUMENT).ok()?;
    match ManifestKind::parse(&bytes, &descriptor.media_type).ok()? {
        ManifestKind::Index(index) => index.manifests.iter().try_for_each(|d| reach(dir, d, found)),
        ManifestKind::Manifest(manifest) => {
            found.insert(manifest.config.digest);
            found.extend(manifest.layers.iter().map(|layer| layer.digest));
            Some(())
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::image::Image;
    use crate::oci::{Manifest, Platform};

    pub(super) fn set(tag: &str, layer: &[u8]) -> ImageSet {
        let layer = Blob::of(media_type::OCI_LAYER, layer.to_vec());
        let config = Blob::of(media_type::OCI_CONFIG, b"{}".to_vec());
        let contents = vec![layer.descriptor.clone()];
        let manifest = Manifest::new(media_type::OCI_MANIFEST, config.descriptor.clone(), contents);
        let manifest = Blob::of(media_type::OCI_MANIFEST, to_json(&manifest).expect("json"));
        let platform = Platform::linux("amd64");
        let image = Image { platform, manifest, config, layers: vec![layer], titles: vec!["l".into()] };
        ImageSet {
            name: "web".into(),
            tags: tag.split(',').map(str::to_owned).collect(),
            has_siblings: false,
            references: vec![],
            images: vec![image],
            index: None,
            statements: vec![],
            attached: vec![],
            signatures: vec![],
        }
    }

    pub(super) fn write(dir: &Path, sets: &[ImageSet]) -> Result<()> {
        write_layout(dir, None, sets, &Events::silent())
    }

    fn blob_count(dir: &Path) -> usize {
        fs::read_dir(dir.join("blobs/sha256")).expect("blobs").count()
    }

    pub(super) fn index(dir: &Path) -> Index {
        read_index(&dir.join("index.json")).expect("index")
    }

    /// Holds each entry to leading to nothing that is missing.
    pub(super) fn assert_whole(dir: &Path) {
        let needed = reached(dir, &index(dir).manifests).expect("manifests");
        for digest in needed {
            assert!(blob_path(dir, &digest).exists(), "{digest} is missing");
        }
    }

    #[test]
    fn the_blobs_of_a_replaced_image_go_when_its_readers_have_had_their_time() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = folder.path().join("layout");
        let events = Events::silent();
        let start = SystemTime::now();
        let write = |set: ImageSet, after: std::time::Duration| {
            write_at(&dir, None, &[set], &events, start + after).expect("written");
            assert_whole(&dir);
        };
        let second = std::time::Duration::from_secs(1);
        write(set("1", b"a"), std::time::Duration::ZERO);
        write(set("2", b"b"), std::time::Duration::ZERO);
        assert_eq!(blob_count(&dir), 5, "two manifests, two layers, one shared configuration");
        write(set("1", b"c"), second);
        assert_eq!(blob_count(&dir), 7, "who has read the index before finds the old layer and manifest");
        assert_eq!(index(&dir).manifests.len(), 2);
        assert_eq!(index(&dir).manifests[0].digest, set("1", b"c").digest());
        write(set("1", b"c"), claim::GRACE);
        assert_eq!(blob_count(&dir), 7, "not yet");
        write(set("1", b"c"), claim::GRACE + second);
        assert_eq!(blob_count(&dir), 5, "the old layer and manifest are gone");
        // What is needed again stays, also when it was forgotten that it is.
        write(set("1", b"b"), claim::GRACE + second);
        write(set("1", b"c"), claim::GRACE + 2 * second);
        write(set("2", b"x"), claim::GRACE * 2);
        write(set("2", b"b"), claim::GRACE * 2 + second);
        write(set("3", b"y"), claim::GRACE * 4);
        assert_eq!(blob_count(&dir), 7);
    }

    #[test]
    fn an_image_has_all_its_tags() {
        let folder = tempfile::tempdir().expect("folder");
        let names = |dir: &Path| -> Vec<String> {
            index(dir).manifests.iter().map(|entry| entry.annotations[REF_NAME].clone()).collect()
        };
        write(folder.path(), &[set("1.0,latest", b"a")]).expect("written");
        assert_eq!(names(folder.path()), ["1.0", "latest"]);
        write(folder.path(), &[set("1.1,latest", b"b")]).expect("written");
        assert_eq!(names(folder.path()), ["1.0", "latest", "1.1"]);
        assert_whole(folder.path());
        let given = entries(&set("1.1,latest", b"b"), Some("x"), false);
        let shown = |entries: &[Descriptor]| -> Vec<String> {
            entries.iter().map(|entry| entry.annotations[REF_NAME].clone()).collect()
        };
        assert_eq!(shown(&given), ["x"]);
        let one_of_several = ImageSet { has_siblings: true, ..set("1.0", b"a") };
        assert_eq!(shown(&entries(&one_of_several, None, false)), ["web:1.0"]);
    }

    #[test]
    fn what_a_killed_process_left_is_removed() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = folder.path().join("layout");
        let (events, start) = (Events::silent(), SystemTime::now());
        write(&dir, &[set("1", b"a")]).expect("first");
        let killed = set("1", b"half");
        let mut claim = Claim::take(&dir, &events).expect("claim");
        claim.forsake(blobs_of(&killed).map(|blob| blob.descriptor.digest), start).expect("noted");
        add_blob(&dir, &killed.images[0].layers[0]).expect("added");
        let left = temporary(&dir.join("blobs")).expect("file").keep().expect("kept").1;
        drop(claim);
        write_at(&dir, None, &[set("2", b"b")], &events, start + claim::GRACE).expect("next");
        assert_whole(&dir);
        assert!(!left.exists());
        assert_eq!(blob_count(&dir), 5, "the shared configuration is needed, the layer is not");
    }

    #[test]
    fn many_write_one_layout_at_once() {
        let folder = tempfile::tempdir().expect("folder");
        for round in 0..20 {
            let dir = folder.path().join(format!("layout-{}", round % 3));
            std::thread::scope(|scope| {
                for writer in 0..8u8 {
                    let dir = dir.clone();
                    // Half of them replace one another.
                    let tag = if writer % 2 == 0 { "shared".to_owned() } else { format!("w{writer}") };
                    scope.spawn(move || write(&dir, &[set(&tag, &[round, writer])]).expect("written"));
                }
            });
            assert_whole(&dir);
            assert_eq!(index(&dir).manifests.len(), 5, "round {round}");
        }
    }

    #[test]
    fn a_maker_that_fails_takes_nothing_from_those_who_wait() {
        let folder = tempfile::tempdir().expect("folder");
        let mut bad = set("1", b"a");
        bad.images[0].layers[0].source = crate::store::Source::Memory(b"z".as_slice().into());
        for round in 0..30 {
            let dir = folder.path().join(format!("layout-{round}"));
            std::thread::scope(|scope| {
                for writer in 0..4u8 {
                    let (dir, bad) = (dir.clone(), bad.clone());
                    scope.spawn(move || match writer % 2 {
                        0 => drop(write(&dir, &[bad]).expect_err("damaged")),
                        _ => write(&dir, &[set(&format!("w{writer}"), &[writer])]).expect("written"),
                    });
                }
            });
            assert_whole(&dir);
            assert_eq!(index(&dir).manifests.len(), 2, "round {round}");
        }
    }

    #[test]
    fn an_unchanged_image_is_not_written_again() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = folder.path().join("layout");
        write(&dir, &[set("1", b"a")]).expect("first");
        let index = dir.join("index.json");
        let before = fs::metadata(&index).expect("index").modified().expect("time");
        write(&dir, &[set("1", b"a")]).expect("again");
        assert_eq!(fs::metadata(&index).expect("index").modified().expect("time"), before);
    }

    #[test]
    fn a_folder_with_other_things_in_it_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        fs::write(folder.path().join("thesis.txt"), "precious").expect("file");
        let error = write(folder.path(), &[set("1", b"a")]).expect_err("refused");
        assert_eq!(error.kind(), crate::Kind::Usage);
        assert!(!folder.path().join("blobs").exists());
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 1);
    }

    #[test]
    fn a_damaged_source_is_noticed_and_nothing_published() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = folder.path().join("layout");
        let mut bad = set("1", b"a");
        bad.images[0].layers[0].source = crate::store::Source::Memory(b"z".as_slice().into());
        let error = write(&dir, &[bad]).expect_err("noticed");
        assert_eq!(error.kind(), crate::Kind::Integrity);
        assert!(!dir.exists(), "nothing is left of a layout that did not come about");
    }
}
