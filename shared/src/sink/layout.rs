//! An OCI layout folder (image-spec `image-layout.md`).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::Path;

use tempfile::NamedTempFile;

use super::{REF_NAME, copy_blob};
use crate::error::{Context, Error, Result};
use crate::image::ImageSet;
use crate::interrupt;
use crate::oci::{Descriptor, Digest, Index, ManifestKind, media_type, to_json};
use crate::read;
use crate::store::{Blob, IGNORE_ALL, IGNORE_FILE};

/// The content of the file `oci-layout`.
pub(super) const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Writes the images into the layout at `dir`, making it where it is missing. Images of other
/// names stay; one of the same name is replaced, and blobs that only it needed are removed.
/// The index is written last, so a reader sees the old image or the new one.
///
/// # Errors
/// When the folder is something else, or the disk refuses.
pub fn write_layout(dir: &Path, name: Option<&str>, sets: &[ImageSet]) -> Result<()> {
    let (new_folder, new_layout) = (!dir.exists(), !dir.join("blobs").exists());
    let written = fill(dir, name, sets);
    if written.is_err() && new_layout && !dir.join("index.json").exists() {
        // Half a layout is of no use. What cannot be removed does no harm either.
        let _ = fs::remove_dir_all(dir.join("blobs"));
        let _ = fs::remove_file(dir.join("oci-layout"));
        let _ = fs::remove_file(dir.join(IGNORE_FILE));
        if new_folder {
            let _ = fs::remove_dir(dir);
        }
    }
    written
}

fn fill(dir: &Path, name: Option<&str>, sets: &[ImageSet]) -> Result<()> {
    let index_path = dir.join("index.json");
    let failed = || format!("cannot write the OCI layout {}", dir.display());
    let mut index = match read::bytes(&index_path, read::DOCUMENT) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|e| Error::build(format!("{} is broken", index_path.display())).because(e))
            .map_err(|e| e.hint("remove the folder, or name another one"))?,
        Err(_) => {
            refuse_foreign_folder(dir)?;
            Index::new(media_type::OCI_INDEX, Vec::new())
        }
    };
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs).context(failed)?;
    if !index_path.exists() && !dir.join(IGNORE_FILE).exists() {
        publish(dir, &dir.join(IGNORE_FILE), IGNORE_ALL).context(failed)?;
    }
    if !dir.join("oci-layout").exists() {
        publish(dir, &dir.join("oci-layout"), OCI_LAYOUT).context(failed)?;
    }
    for set in sets {
        for blob in blobs_of(set) {
            add_blob(&blobs, blob).context(failed)?;
        }
    }
    let before = index.manifests.clone();
    for set in sets {
        let entry = entry(set, name, sets.len() > 1);
        let same_name =
            |other: &Descriptor| other.annotations.get(REF_NAME) == entry.annotations.get(REF_NAME);
        match index.manifests.iter().position(same_name) {
            Some(at) => index.manifests[at] = entry,
            None => index.manifests.push(entry),
        }
    }
    if index.manifests != before || !index_path.exists() {
        publish(dir, &index_path, &to_json(&index)?).context(failed)?;
    }
    remove_orphans(dir, &before, &index.manifests);
    Ok(())
}

/// The index's entry for a set: its root, named.
pub(super) fn entry(set: &ImageSet, name: Option<&str>, several: bool) -> Descriptor {
    let mut entry = set.root().descriptor.clone();
    let name = match (name, several) {
        (Some(name), false) => name.to_owned(),
        (Some(name), true) => format!("{}:{name}", set.name),
        (None, _) => set.local.clone(),
    };
    entry.annotations.insert(REF_NAME.into(), name);
    if set.index.is_none() {
        entry.platform = Some(set.images[0].platform.clone());
    }
    entry
}

/// Everything that a layout holds for a set: layers, configurations, manifests, index.
pub(super) fn blobs_of(set: &ImageSet) -> Vec<&Blob> {
    let content = set.blobs().into_iter().map(|(blob, _)| blob);
    let manifests = set.images.iter().map(|image| &image.manifest);
    content.chain(manifests).chain(&set.index).collect()
}

/// A folder with something else in it is not ours to fill.
fn refuse_foreign_folder(dir: &Path) -> Result<()> {
    let mut entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => {
            return Err(Error::build(format!("cannot write the OCI layout {}", dir.display())).because(e));
        }
    };
    let foreign = entries.any(|e| {
        e.is_ok_and(|e| {
            ![OsStr::new("blobs"), OsStr::new("oci-layout"), OsStr::new(IGNORE_FILE)]
                .contains(&&*e.file_name())
        })
    });
    if foreign {
        return Err(Error::usage(format!("{} holds something that is no OCI layout", dir.display()))
            .hint("name a new or empty folder"));
    }
    Ok(())
}

fn add_blob(blobs: &Path, blob: &Blob) -> Result<()> {
    let path = blobs.join(blob.descriptor.digest.hex());
    if fs::metadata(&path).is_ok_and(|m| m.len() == blob.descriptor.size) {
        return Ok(());
    }
    let failed = || format!("cannot write {}", path.display());
    let mut file = NamedTempFile::new_in(blobs).context(failed)?;
    copy_blob(blob, &mut file)?;
    finish(file, &path).context(failed)
}

fn publish(dir: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    finish(file, path)
}

/// Gives a complete temporary file its name and usual permissions.
pub(super) fn finish(file: NamedTempFile, path: &Path) -> std::io::Result<()> {
    file.as_file().sync_all()?;
    interrupt::check_io()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path).map(|_| ()).map_err(|e| e.error)
}

/// Removes blobs that the index led to before and does not lead to now. What cannot be read
/// or removed stays: a blob too many does no harm.
fn remove_orphans(dir: &Path, before: &[Descriptor], now: &[Descriptor]) {
    let gone: Vec<_> = before.iter().filter(|old| !now.iter().any(|new| new.digest == old.digest)).collect();
    if gone.is_empty() {
        return;
    }
    let mut needed = BTreeSet::new();
    if now.iter().try_for_each(|d| reach(dir, d, &mut needed)).is_none() {
        return;
    }
    let mut left = BTreeSet::new();
    for descriptor in gone {
        let _ = reach(dir, descriptor, &mut left);
    }
    for digest in left.difference(&needed) {
        let _ = fs::remove_file(dir.join("blobs/sha256").join(digest.hex()));
    }
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
    let bytes = read::bytes(&dir.join("blobs/sha256").join(descriptor.digest.hex()), read::DOCUMENT).ok()?;
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
mod tests {
    use super::*;
    use crate::image::Image;
    use crate::oci::{Manifest, Platform};

    fn set(tag: &str, layer: &[u8]) -> ImageSet {
        let layer = Blob::of(media_type::OCI_LAYER, layer.to_vec());
        let config = Blob::of(media_type::OCI_CONFIG, b"{}".to_vec());
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media_type::OCI_MANIFEST.into()),
            extra: Default::default(),
            config: config.descriptor.clone(),
            layers: vec![layer.descriptor.clone()],
            annotations: Default::default(),
        };
        let manifest = Blob::of(media_type::OCI_MANIFEST, to_json(&manifest).expect("json"));
        let platform = Platform::linux("amd64");
        let image = Image { platform, manifest, config, layers: vec![layer], titles: vec!["l".into()] };
        let (name, tag, local) = ("web".into(), tag.into(), tag.into());
        ImageSet { name, tag, local, references: vec![], images: vec![image], index: None }
    }

    fn blob_count(dir: &Path) -> usize {
        fs::read_dir(dir.join("blobs/sha256")).expect("blobs").count()
    }

    #[test]
    fn an_image_of_the_same_name_is_replaced_and_its_blobs_go() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = folder.path().join("layout");
        write_layout(&dir, None, &[set("1", b"a")]).expect("first");
        write_layout(&dir, None, &[set("2", b"b")]).expect("another name");
        assert_eq!(blob_count(&dir), 5, "two manifests, two layers, one shared configuration");
        write_layout(&dir, None, &[set("1", b"c")]).expect("replaced");
        assert_eq!(blob_count(&dir), 5, "the old layer and manifest are gone");
        let index: Index =
            serde_json::from_slice(&fs::read(dir.join("index.json")).expect("index")).expect("json");
        assert_eq!(index.manifests.len(), 2);
        assert_eq!(index.manifests[0].digest, set("1", b"c").digest());
    }

    #[test]
    fn an_unchanged_image_is_not_written_again() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = folder.path().join("layout");
        write_layout(&dir, None, &[set("1", b"a")]).expect("first");
        let index = dir.join("index.json");
        let before = fs::metadata(&index).expect("index").modified().expect("time");
        write_layout(&dir, None, &[set("1", b"a")]).expect("again");
        assert_eq!(fs::metadata(&index).expect("index").modified().expect("time"), before);
    }

    #[test]
    fn a_folder_with_other_things_in_it_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        fs::write(folder.path().join("thesis.txt"), "precious").expect("file");
        let error = write_layout(folder.path(), None, &[set("1", b"a")]).expect_err("refused");
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
        let error = write_layout(&dir, None, &[bad]).expect_err("noticed");
        assert_eq!(error.kind(), crate::Kind::Integrity);
        assert!(!dir.exists(), "nothing is left of a layout that did not come about");
    }
}
