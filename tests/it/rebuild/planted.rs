//! An image in a registry that is changed behind the back of its provenance.

use std::io::{Read, Write};

use containerize_tests::image::MANIFEST;
use containerize_tests::layout::sha256;
use containerize_tests::registry::TestRegistry;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

const REPOSITORY: &str = "me/app";
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// An entry of a layer.
pub(super) struct Item {
    pub(super) header: tar::Header,
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
}

/// The image under the tag 1, for one platform, with its provenance.
pub(super) struct Planted<'r> {
    registry: &'r TestRegistry,
    manifest: Value,
    pub(super) config: Value,
    pub(super) statement: Value,
}

impl<'r> Planted<'r> {
    pub(super) fn of(registry: &'r TestRegistry) -> Self {
        let (_, bytes) = registry.manifest(REPOSITORY, "1").expect("an image");
        let manifest: Value = serde_json::from_slice(&bytes).expect("JSON");
        let hanging = registry.hanging(REPOSITORY, &sha256(&bytes));
        let (_, statement) = hanging.iter().find(|(kind, _)| kind == IN_TOTO).expect("a provenance");
        let config = registry.blob(REPOSITORY, manifest["config"]["digest"].as_str().expect("a digest"));
        Self {
            registry,
            config: serde_json::from_slice(&config.expect("a configuration")).expect("JSON"),
            statement: serde_json::from_slice(statement).expect("JSON"),
            manifest,
        }
    }

    /// How many layers it has.
    pub(super) fn layers(&self) -> usize {
        self.manifest["layers"].as_array().expect("layers").len()
    }

    /// Changes the entries of a layer; the lowest is 1.
    pub(super) fn change(mut self, layer: usize, change: impl FnOnce(&mut Vec<Item>)) -> Self {
        let mut items = self.items(layer);
        change(&mut items);
        let mut tar = tar::Builder::new(Vec::new());
        for Item { mut header, path, bytes } in items {
            header.set_size(bytes.len() as u64);
            header.set_path(&path).expect("a path");
            header.set_cksum();
            tar.append(&header, &bytes[..]).expect("memory");
        }
        let tar = tar.into_inner().expect("memory");
        self.config["rootfs"]["diff_ids"][layer - 1] = json!(sha256(&tar));
        self.compress(layer, &tar)
    }

    /// Compresses a layer in another way.
    pub(super) fn compressed_again(self, layer: usize) -> Self {
        let tar = self.tar(layer);
        self.compress(layer, &tar)
    }

    /// Takes a layer away.
    pub(super) fn without(mut self, layer: usize) -> Self {
        let remove = |list: &mut Value| _ = list.as_array_mut().expect("a list").remove(layer - 1);
        remove(&mut self.manifest["layers"]);
        remove(&mut self.config["rootfs"]["diff_ids"]);
        remove(&mut self.config["history"]);
        self
    }

    fn compress(mut self, layer: usize, tar: &[u8]) -> Self {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(tar).expect("memory");
        let bytes = gzip.finish().expect("memory");
        let descriptor = &mut self.manifest["layers"][layer - 1];
        descriptor["size"] = json!(bytes.len());
        descriptor["digest"] = json!(self.registry.put_blob(REPOSITORY, bytes));
        self
    }

    fn tar(&self, layer: usize) -> Vec<u8> {
        let digest = self.manifest["layers"][layer - 1]["digest"].as_str().expect("a digest");
        let bytes = self.registry.blob(REPOSITORY, digest).expect("a layer");
        let mut tar = Vec::new();
        GzDecoder::new(&bytes[..]).read_to_end(&mut tar).expect("gzip");
        tar
    }

    fn items(&self, layer: usize) -> Vec<Item> {
        let mut archive = tar::Archive::new(std::io::Cursor::new(self.tar(layer)));
        let entries = archive.entries().expect("entries").map(|entry| {
            let mut entry = entry.expect("an entry");
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("bytes");
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            Item { header: entry.header().clone(), path, bytes }
        });
        entries.collect()
    }

    /// Puts it in the place of the image, with the statement about it.
    pub(super) fn put(mut self) {
        let registry = self.registry;
        let config = self.config.to_string();
        self.manifest["config"]["size"] = json!(config.len());
        self.manifest["config"]["digest"] = json!(registry.put_blob(REPOSITORY, config));
        let manifest = self.manifest.to_string();
        let size = manifest.len();
        let digest = registry.put_manifest(REPOSITORY, "1", MANIFEST, manifest);
        let subject = json!({"name": "x", "digest": {"sha256": digest.trim_start_matches("sha256:")}});
        self.statement["subject"] = json!([subject]);
        let statement = self.statement.to_string();
        let layer = json!({"mediaType": IN_TOTO, "size": statement.len(), "digest": registry.put_blob(REPOSITORY, statement)});
        let empty = json!({"mediaType": "application/vnd.oci.empty.v1+json", "size": 2,
            "digest": registry.put_blob(REPOSITORY, "{}")});
        let hanging = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": IN_TOTO, "config": empty, "layers": [layer],
            "subject": {"mediaType": MANIFEST, "digest": digest, "size": size},
        });
        let hanging = hanging.to_string();
        registry.put_manifest(REPOSITORY, &sha256(hanging.as_bytes()), MANIFEST, hanging);
    }

    /// A parameter of the build.
    pub(super) fn definition(&mut self, path: &str) -> &mut Value {
        let path = format!("/predicate/buildDefinition/{path}");
        self.statement.pointer_mut(&path).unwrap_or_else(|| panic!("{path}"))
    }

    /// A material, by what its name or address begins with.
    pub(super) fn material(&mut self, start: &str) -> &mut Value {
        let materials = self.definition("resolvedDependencies").as_array_mut().expect("materials");
        let begins = |value: &Value| value.as_str().is_some_and(|text| text.starts_with(start));
        let mut found = materials.iter_mut().filter(|one| begins(&one["uri"]) || begins(&one["name"]));
        found.next().unwrap_or_else(|| panic!("{start}"))
    }
}

/// The entry that ends so.
pub(super) fn item<'i>(items: &'i mut [Item], end: &str) -> &'i mut Item {
    items.iter_mut().find(|item| item.path.ends_with(end)).unwrap_or_else(|| panic!("{end}"))
}
