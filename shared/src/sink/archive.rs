//! Archives: a tar of an OCI layout, and the tar that every Docker and Podman loads.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use tempfile::NamedTempFile;

use super::layout::{OCI_LAYOUT, add_hanging, blobs_of, entries, entry, hanging_blobs_of};
use super::{REF_NAME, copy_blob, persist};
use crate::error::{Context, Error, Result};
use crate::image::ImageSet;
use crate::oci::{Descriptor, Digest, Index, Reference, media_type, to_json};
use crate::store::Blob;
use crate::store::replace::Over;
use crate::words;
use crate::words::flag;

/// What containerd's image store takes the name from.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Writes a tar of an OCI layout that holds the images. `names` are those of each set, in order.
///
/// # Errors
/// When it cannot be written.
pub fn oci_archive(to: &mut dyn Write, names: &[Vec<Reference>], sets: &[ImageSet]) -> Result<()> {
    let mut tar = Tar::begin(to)?;
    tar.small("oci-layout", OCI_LAYOUT)?;
    let mut index = named(names, sets);
    sets.iter().for_each(|set| add_hanging(&mut index, set));
    tar.small("index.json", &to_json(&index)?)?;
    for blob in sets.iter().flat_map(|set| blobs_of(set).chain(hanging_blobs_of(set))) {
        tar.blob(blob)?;
    }
    tar.end()
}

/// Writes a tar that is an OCI layout and a Docker archive at once, which `docker load` of all
/// versions and image stores takes, and `podman load`. What hangs on the images stays out: engines would take
/// it for images. Each set must hold one image. `names` are
/// those of each set, in order; the blobs `left_out` are named in the archive without being in it.
///
/// # Errors
/// Usage when a set is for several platforms; otherwise when it cannot be written.
pub fn docker_archive(
    to: &mut dyn Write,
    names: &[Vec<Reference>],
    sets: &[ImageSet],
    left_out: &BTreeSet<Digest>,
) -> Result<()> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Item {
        config: String,
        repo_tags: Vec<String>,
        layers: Vec<String>,
    }
    let mut items = Vec::new();
    for (set, names) in sets.iter().zip(names) {
        let [image] = &set.images[..] else {
            return Err(Error::usage(format!(
                "a docker-archive can hold {} for one platform only",
                set.name
            ))
            .hint(words!("choose one with {platform}, or use an oci-archive", platform = flag("platform"))));
        };
        items.push(Item {
            config: blob_path(&image.config),
            repo_tags: names.iter().map(ToString::to_string).collect(),
            layers: image.layers.iter().map(blob_path).collect(),
        });
    }
    let mut tar = Tar::begin(to)?;
    tar.small("oci-layout", OCI_LAYOUT)?;
    tar.small("index.json", &to_json(&named(names, sets))?)?;
    tar.small("manifest.json", &to_json(&items)?)?;
    let sent = |blob: &&Blob| !left_out.contains(&blob.descriptor.digest);
    for blob in sets.iter().flat_map(blobs_of).filter(sent) {
        tar.blob(blob)?;
    }
    tar.end()
}

/// The index of an archive. Engines take an image's name from containerd's annotation: that of OCI
/// holds no more than a tag, by which tools choose from a layout.
fn named(names: &[Vec<Reference>], sets: &[ImageSet]) -> Index {
    let mut manifests: Vec<Descriptor> = Vec::new();
    for (set, names) in sets.iter().zip(names) {
        if names.is_empty() {
            manifests.extend(entries(set, None, false));
        }
        for name in names {
            let tag = name.tag.as_deref().unwrap_or_default();
            let short = set.local_name(tag);
            let is_taken = manifests.iter().any(|other| other.annotations.get(REF_NAME) == Some(&short));
            let mut entry = entry(set, if is_taken { name.to_string() } else { short });
            entry.annotations.insert(CONTAINERD_NAME.into(), name.to_string());
            manifests.push(entry);
        }
    }
    Index::new(media_type::OCI_INDEX, manifests)
}

fn blob_path(blob: &Blob) -> String {
    format!("blobs/sha256/{}", blob.descriptor.digest.hex())
}

/// Writes a file beside its place and renames it, so that it is whole or as it was. A link is followed, and what is
/// no regular file (a pipe, a device) gets the bytes one after the other.
///
/// # Errors
/// Those of `write`, and when the disk refuses.
pub fn write_file(file: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    if let Ok(there) = file.metadata()
        && !there.is_dir()
    {
        if !there.is_file() {
            return write_into(file, write);
        }
        if let Ok(real) = file.canonicalize() {
            return replace(&real, write);
        }
    }
    replace(file, write)
}

fn write_into(file: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let failed = || format!("cannot write {}", file.display());
    let into = std::fs::File::options().write(true).open(file).context(failed)?;
    let mut buffered = io::BufWriter::with_capacity(1 << 20, into);
    write(&mut buffered).context(failed)?;
    buffered.flush().context(failed)
}

fn replace(file: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = || format!("cannot write {}", file.display());
    if file.is_dir() {
        return Err(Error::usage(format!("{} is a folder", file.display())).hint("give the name of a file"));
    }
    std::fs::create_dir_all(folder).context(failed)?;
    let mut temporary = NamedTempFile::new_in(folder).context(failed)?;
    let mut buffered = io::BufWriter::with_capacity(1 << 20, &mut temporary);
    write(&mut buffered).context(failed)?;
    buffered.flush().context(failed)?;
    drop(buffered);
    persist(temporary, file, Over::Anything).context(failed)
}

/// A tar with fixed times and owners, each blob once.
struct Tar<'a> {
    builder: tar::Builder<&'a mut dyn Write>,
    written: BTreeSet<Digest>,
}

impl<'a> Tar<'a> {
    fn begin(to: &'a mut dyn Write) -> Result<Self> {
        let mut tar = Self { builder: tar::Builder::new(to), written: BTreeSet::new() };
        for folder in ["blobs/", "blobs/sha256/"] {
            let mut header = header(0, tar::EntryType::Directory, 0o755);
            tar.builder.append_data(&mut header, folder, io::empty()).context(failed)?;
        }
        Ok(tar)
    }

    fn small(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut header = header(bytes.len() as u64, tar::EntryType::Regular, 0o644);
        self.builder.append_data(&mut header, name, bytes).context(failed)
    }

    fn blob(&mut self, blob: &Blob) -> Result<()> {
        if !self.written.insert(blob.descriptor.digest) {
            return Ok(());
        }
        let mut header = header(blob.descriptor.size, tar::EntryType::Regular, 0o644);
        header.set_path(blob_path(blob)).context(failed)?;
        header.set_cksum();
        let to = self.builder.get_mut();
        to.write_all(header.as_bytes()).context(failed)?;
        copy_blob(blob, to)?;
        let padding = (512 - blob.descriptor.size % 512) % 512;
        to.write_all(&[0; 512][..padding as usize]).context(failed)
    }

    fn end(mut self) -> Result<()> {
        self.builder.finish().context(failed)
    }
}

fn failed() -> String {
    "cannot write the image".into()
}

fn header(size: u64, kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    header
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::Read;

    fn written(path: &Path) -> Result<()> {
        write_file(path, |to| to.write_all(b"new").context(|| "cannot write".into()))
    }

    #[test]
    fn a_link_is_followed_and_a_pipe_gets_the_bytes() {
        let folder = tempfile::tempdir().expect("folder");
        let (real, link, pipe) =
            (folder.path().join("real"), folder.path().join("link"), folder.path().join("pipe"));
        std::fs::write(&real, "old").expect("file");
        std::os::unix::fs::symlink("real", &link).expect("link");
        written(&link).expect("written");
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&real).expect("file"), b"new");

        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo").success());
        let reader = {
            let pipe = pipe.clone();
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                std::fs::File::open(pipe).expect("open").read_to_end(&mut bytes).map(|_| bytes)
            })
        };
        written(&pipe).expect("written");
        assert_eq!(reader.join().expect("thread").expect("read"), b"new");
        assert!(!pipe.is_file(), "it is still a pipe");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_device_that_is_full_says_so() {
        let full = written(Path::new("/dev/full")).map_err(|error| error.kind());
        assert_eq!(full, Err(crate::Kind::Build));
        assert!(!Path::new("/dev/full").is_file());
    }
}
