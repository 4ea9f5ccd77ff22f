//! Bases in tar archives: `oci-archive` and what `docker save` writes, as a file or a stream.
//!
//! The archive is read once, as a stream; every file in it goes to the store under its digest,
//! whatever the archive calls it, so hostile names have nothing to reach.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserialize;

use crate::error::{Context, Error, Result};
use crate::facts::decoder;
use crate::oci::media_type::{Compression, DOCKER_LAYER, DOCKER_LAYER_GZIP};
use crate::oci::{Descriptor, Digest, ImageConfig, Index};
use crate::store::{Blob, Source, Store};

/// The files of an archive by name: digest and size, or the name a link points to.
#[derive(Default)]
struct Contents {
    files: BTreeMap<String, (Digest, u64)>,
    links: BTreeMap<String, String>,
}

impl Contents {
    fn get(&self, name: &str) -> Option<(Digest, u64)> {
        let name = self.links.get(name).map_or(name, String::as_str);
        self.files.get(name).copied()
    }

    fn read(&self, name: &str, store: &Store) -> Option<Vec<u8>> {
        self.get(name).and_then(|(digest, _)| store.read(&digest))
    }
}

/// Imports a tar of an OCI layout; its blobs are in the store afterwards.
pub(super) fn import_oci(file: &Path, store: &Store) -> Result<Index> {
    let contents = import_file(file, store)?;
    for (name, (digest, _)) in &contents.files {
        if let Some(hex) = name.strip_prefix("blobs/sha256/")
            && hex != digest.hex()
        {
            return Err(Error::integrity(format!("{} holds {digest} under the name {name}", file.display())));
        }
    }
    let bytes = contents.read("index.json", store).ok_or_else(|| {
        Error::usage(format!("{} is not an OCI archive: it has no index.json", file.display()))
            .hint("for the output of `docker save`, use docker-archive:FILE")
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Error::build(format!("index.json in {} is invalid", file.display())).because(e))
}

/// Imports what `docker save` wrote: the configuration and the layers of one image.
pub(super) fn import_docker(
    file: &Path,
    name: Option<&str>,
    store: &Store,
) -> Result<(ImageConfig, Vec<Blob>)> {
    docker_image(&import_file(file, store)?, &file.display().to_string(), name, store)
}

/// What an engine has saved.
#[derive(Debug)]
pub(super) enum Saved {
    /// The manifest or index that the image's id is the digest of; with all that it leads to it is
    /// in the store.
    Content(Descriptor),
    /// An image that the engine keeps in a form of its own.
    Image(Box<ImageConfig>, Vec<Blob>),
}

/// Imports what an engine saves of its image `id`; `shown` names it in errors.
pub(super) fn import_saved(from: &mut dyn Read, shown: &str, id: &Digest, store: &Store) -> Result<Saved> {
    let contents = import(from, shown, store)?;
    let index: Option<Index> =
        contents.read("index.json", store).and_then(|bytes| serde_json::from_slice(&bytes).ok());
    // Other stores write a layout too, for whose manifest they made up a form.
    match index.into_iter().flat_map(|index| index.manifests).find(|entry| entry.digest == *id) {
        Some(root) => Ok(Saved::Content(root)),
        None => docker_image(&contents, shown, None, store)
            .map(|(config, layers)| Saved::Image(Box::new(config), layers)),
    }
}

fn docker_image(
    contents: &Contents,
    shown: &str,
    name: Option<&str>,
    store: &Store,
) -> Result<(ImageConfig, Vec<Blob>)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Item {
        config: String,
        repo_tags: Option<Vec<String>>,
        layers: Vec<String>,
    }
    let broken = |what: String| Error::build(format!("{shown} is not a complete Docker archive: {what}"));
    let bytes = contents.read("manifest.json", store).ok_or_else(|| {
        Error::usage(format!("{shown} is not a Docker archive: it has no manifest.json"))
            .hint("for an OCI layout in a tar file, use oci-archive:FILE")
    })?;
    let items: Vec<Item> =
        serde_json::from_slice(&bytes).map_err(|e| broken("manifest.json is invalid".into()).because(e))?;
    let named = |item: &&Item| {
        name.is_none_or(|name| {
            item.repo_tags.iter().flatten().any(|tag| tag == name || same_image(tag, name))
        })
    };
    let found: Vec<&Item> = items.iter().filter(named).collect();
    let [item] = found[..] else {
        let tags: Vec<&str> =
            items.iter().flat_map(|i| i.repo_tags.iter().flatten()).map(String::as_str).collect();
        return Err(Error::usage(format!("{shown} contains {} such images", found.len()))
            .because(format!("it has {}", tags.join(", ")))
            .hint("add the name of one, for example docker-archive:FILE:NAME:TAG"));
    };
    let config =
        contents.read(&item.config, store).ok_or_else(|| broken(format!("{} is missing", item.config)))?;
    let config: ImageConfig = serde_json::from_slice(&config)
        .map_err(|e| broken(format!("{} is broken", item.config)).because(e))?;
    if config.rootfs.diff_ids.len() != item.layers.len() {
        return Err(broken(format!(
            "it has {} layers for {}",
            item.layers.len(),
            config.rootfs.diff_ids.len()
        )));
    }
    let mut layers = Vec::new();
    for (name, diff_id) in item.layers.iter().zip(&config.rootfs.diff_ids) {
        if name.is_empty() {
            return Err(broken("a layer has no name".into()).hint(
                "the tool that wrote it left out layers that the engine had; save the image with the engine instead",
            ));
        }
        let (digest, size) = contents.get(name).ok_or_else(|| broken(format!("{name} is missing")))?;
        // Plain layers are what they should be if their own digest is the diff_id; compressed
        // ones are checked when they are read.
        let media_type = if digest == *diff_id { DOCKER_LAYER } else { DOCKER_LAYER_GZIP };
        let source = Source::File(store.path(&digest));
        layers.push(Blob { descriptor: Descriptor::new(media_type, digest, size), source });
    }
    Ok((config, layers))
}

/// Whether two names mean one image, Docker's short forms included.
fn same_image(a: &str, b: &str) -> bool {
    let parse = |text: &str| text.parse::<crate::oci::Reference>().ok();
    parse(a).is_some_and(|a| Some(a) == parse(b))
}

fn import_file(file: &Path, store: &Store) -> Result<Contents> {
    let shown = file.display().to_string();
    let mut reader = File::open(file).map_err(|e| {
        Error::usage(format!("cannot open the archive {shown}"))
            .because(e)
            .hint("check the path; it is relative to the project")
    })?;
    import(&mut reader, &shown, store)
}

fn import(reader: &mut dyn Read, shown: &str, store: &Store) -> Result<Contents> {
    let failed = || format!("cannot read the archive {shown}");
    let mut contents = Contents::default();
    let mut reader = BufReader::with_capacity(1 << 20, reader);
    refuse_compression(reader.fill_buf().context(failed)?, shown)?;
    // `docker save` is often led through gzip: what its beginning says counts.
    let mut archive = tar::Archive::new(decoder(reader, Compression::None)?);
    for entry in archive.entries().context(failed)? {
        let mut entry = entry.context(failed)?;
        let name = normal_name(&entry.path().context(failed)?.to_string_lossy());
        match entry.header().entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                let stored = keep(&mut entry, store).context(failed)?;
                contents.files.insert(name, stored);
            }
            tar::EntryType::Symlink | tar::EntryType::Link => {
                let hard = entry.header().entry_type() == tar::EntryType::Link;
                if let Some(target) = entry.link_name().context(failed)? {
                    let target = target.to_string_lossy();
                    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                    let full = if hard { target.into_owned() } else { format!("{folder}/{target}") };
                    contents.links.insert(name.clone(), normal_name(&full));
                }
            }
            _ => {}
        }
    }
    Ok(contents)
}

/// Refuses an archive whose first bytes say that it is compressed in a way that is not read.
fn refuse_compression(head: &[u8], shown: &str) -> Result<()> {
    let other = match head {
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "xz",
        [b'B', b'Z', b'h', ..] => "bzip2",
        _ => return Ok(()),
    };
    Err(Error::usage(format!("the archive {shown} is compressed with {other}"))
        .hint("decompress it first; only gzip and zstd are read directly"))
}

fn keep(entry: &mut impl Read, store: &Store) -> Result<(Digest, u64)> {
    let mut writer = store.writer()?;
    io::copy(entry, &mut writer).context(|| "cannot copy it to the cache folder".into())?;
    writer.commit(None).map(|(_, digest, size)| (digest, size))
}

/// A name without `.` and `..`, for comparing names only.
fn normal_name(name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_dots() {
        assert_eq!(normal_name("./a/../b//c"), "b/c");
        assert_eq!(normal_name("abc/../def/layer.tar"), "def/layer.tar");
        assert!(same_image("web:1", "docker.io/library/web:1") && !same_image("web:1", "web:2"));
    }

    /// What `docker save` writes, as far as it is read: an image `web:1` of these layers.
    fn saved(layers: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut add = |name: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, bytes).expect("entry");
        };
        let diff_ids: Vec<String> = layers.iter().map(|(_, bytes)| Digest::of(bytes).to_string()).collect();
        let config = serde_json::json!({"rootfs": {"type": "layers", "diff_ids": diff_ids}}).to_string();
        let names: Vec<&str> = layers.iter().map(|(name, _)| *name).collect();
        let manifest = serde_json::json!([{"Config": "c.json", "RepoTags": ["web:1"], "Layers": names}]);
        layers.iter().filter(|(name, _)| !name.is_empty()).for_each(|(name, bytes)| add(name, bytes));
        add("c.json", config.as_bytes());
        add("manifest.json", manifest.to_string().as_bytes());
        tar.into_inner().expect("tar")
    }

    #[test]
    fn a_compressed_archive_is_read_as_the_plain_one() {
        use std::io::Write;
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path().join("store")).expect("store");
        let file = folder.path().join("x");
        let read = |bytes: &[u8]| {
            std::fs::write(&file, bytes).expect("file");
            import_docker(&file, None, &store)
        };
        let plain = saved(&[("a/layer.tar", b"layer")]);
        let expected = read(&plain).expect("plain").1;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).expect("gzip");
        assert_eq!(read(&gzip.finish().expect("gzip")).expect("read").1, expected);
        assert_eq!(read(&zstd::encode_all(&plain[..], 1).expect("zstd")).expect("read").1, expected);
        let error = read(b"\xfd7zXZ\0 and so on").expect_err("refused");
        assert!(error.to_string().ends_with("is compressed with xz"), "{error}");
    }

    #[test]
    fn a_layer_without_a_name_is_called_so() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path().join("store")).expect("store");
        let file = folder.path().join("x.tar");
        std::fs::write(&file, saved(&[("", b"layer")])).expect("file");
        let error = import_docker(&file, None, &store).expect_err("refused");
        assert!(
            error.to_string().ends_with("is not a complete Docker archive: a layer has no name"),
            "{error}"
        );
    }

    #[test]
    fn an_oci_archive_whose_names_lie_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path().join("store")).expect("store");
        let file = folder.path().join("x.tar");
        let mut tar = tar::Builder::new(File::create(&file).expect("file"));
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("blobs/sha256/{}", "0".repeat(64)), &b"x"[..]).expect("entry");
        tar.finish().expect("end");
        let error = import_oci(&file, &store).expect_err("refused");
        assert_eq!(error.kind(), crate::Kind::Integrity);
    }
}
