//! Little images to put into registries.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::registry::TestRegistry;

/// The media type of OCI manifests.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of OCI indexes.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn digest(bytes: &[u8]) -> String {
    let sum: Vec<String> = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", sum.concat())
}

/// Puts an image for linux and this architecture into a repository, whose one layer has a file
/// with this text; the manifest's digest.
///
/// # Panics
/// Never, as nothing here can fail.
pub fn put(registry: &TestRegistry, repository: &str, tag: &str, architecture: &str, text: &str) -> String {
    put_files(registry, (repository, tag), architecture, &[("etc/base", text)], &json!({}))
}

/// The same with these files, and annotations of its manifest.
///
/// # Panics
/// Never, as nothing here can fail.
pub fn put_files(
    registry: &TestRegistry,
    (repository, tag): (&str, &str),
    architecture: &str,
    files: &[(&str, &str)],
    annotations: &Value,
) -> String {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, text.as_bytes()).expect("entry");
    }
    let tar = tar.into_inner().expect("tar");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&tar).expect("gzip");
    let layer = gzip.finish().expect("gzip");
    let config = json!({
        "architecture": architecture, "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest(&tar)]},
    })
    .to_string();
    let (config_size, layer_size) = (config.len(), layer.len());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": registry.put_blob(repository, config), "size": config_size,
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": registry.put_blob(repository, layer), "size": layer_size,
        }],
        "annotations": annotations,
    });
    registry.put_manifest(repository, tag, MANIFEST, manifest.to_string())
}
