//! Images of a few made-up layers.

use std::io::Read as _;

use serde_json::json;
use tar::{Builder, EntryType, Header};

use super::*;
use crate::facts;
use crate::oci::History;
use crate::oci::media_type::OCI_LAYER;
use crate::store::{Blob, Store};

/// A layer by its entries: a path that ends with `/` is a folder, one with ` -> ` a link, and ` => ` a hard link.
pub(super) fn layer(made_by: &str, is_own: Option<bool>, entries: &[(&str, &str)]) -> Layer {
    let mut tar = Builder::new(Vec::new());
    for (path, content) in entries {
        let mut header = Header::new_ustar();
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        let linked = path.split_once(" -> ").map(|link| (link, EntryType::Symlink));
        let linked = linked.or_else(|| path.split_once(" => ").map(|link| (link, EntryType::Link)));
        let (path, content) = match linked {
            Some(((path, target), kind)) => {
                header.set_entry_type(kind);
                header.set_link_name(target).expect("a target");
                (path, "")
            }
            None => (*path, *content),
        };
        if path.ends_with('/') {
            header.set_entry_type(EntryType::Directory);
        }
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content.as_bytes()).expect("an entry");
    }
    let blob = Blob::of(OCI_LAYER, tar.into_inner().expect("a tar"));
    let mut bytes = Vec::new();
    blob.open().expect("open").read_to_end(&mut bytes).expect("bytes");
    let diff_id = Digest::of(&bytes);
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let (facts, details, files) = facts::files_of(&blob, &diff_id, &store).expect("read");
    let again = facts::files_of(&blob, &diff_id, &store).expect("remembered");
    assert_eq!((&facts, &details, &files), (&again.0, &again.1, &again.2));
    assert!(facts::files_known(&blob, &store));
    let descriptor = blob.descriptor.clone();
    Layer { descriptor, diff_id, made_by: made_by.into(), is_own, facts, details, files }
}

pub(super) fn image(layers: Vec<Layer>) -> Image {
    Image {
        platform: Platform::linux("amd64"),
        digest: None,
        base: None,
        config: ImageConfig::default(),
        layers,
        provenance: None,
        bills: Vec::new(),
    }
}

pub(super) const SITE: &str = "app/lib/python3.13/site-packages";

fn of_two() -> Vec<Layer> {
    let status = "Package: libz\nStatus: install ok installed\nVersion: 1.2\nArchitecture: amd64\n\n";
    let base = layer(
        "ADD rootfs.tar",
        Some(false),
        &[
            ("lib -> usr/lib", ""),
            ("usr/lib/libz.so", "0123456789"),
            ("var/lib/dpkg/status", status),
            ("var/lib/dpkg/info/libz:amd64.list", "/.\n/lib\n/lib/libz.so\n"),
            ("etc/old", "12345"),
        ],
    );
    let at = |path: &str| format!("{SITE}/{path}");
    let record =
        "a/__init__.py,,\na/tests/t.py,,\na/x.pyi,,\na-1.dist-info/METADATA,,\na-1.dist-info/RECORD,,\n";
    let own = layer(
        "3 wheels",
        Some(true),
        &[
            (&at("a/__init__.py"), "import this"),
            (&at("a/__pycache__/__init__.cpython-313.pyc"), "compiled!"),
            (&at("a/tests/t.py"), "assert 1"),
            (&at("a/x.pyi"), "..."),
            (&at("a-1.dist-info/METADATA"), "Metadata-Version: 2.1\nName: A\nVersion: 1\n\n"),
            (&at("a-1.dist-info/RECORD"), record),
            ("app/copy", "0123456789"),
            ("app/hard => app/copy", ""),
            ("etc/.wh.old", ""),
        ],
    );
    vec![base, own]
}

#[test]
fn files_belong_to_packages_by_the_lists_that_these_leave() {
    let view = view(image(of_two()));
    let shown = |one: &Package| {
        format!("{} {} {} {} in {:?}", one.kind.word(), one.name, one.version, one.files, one.layers)
    };
    let packages: Vec<String> = view.packages.iter().map(shown).collect();
    assert_eq!(packages, ["Python A 1 6 in [2]", "Debian libz 1.2 2 in [1]"]);
    let libz = &view.packages[1];
    assert_eq!(
        libz.size,
        10 + "/.\n/lib\n/lib/libz.so\n".len() as u64,
        "through the link, and with its list"
    );
    let holds: Vec<(&str, u64)> =
        view.layers[1].holds.iter().map(|held| (held.name.as_str(), held.files)).collect();
    assert_eq!(holds, [("A", 6), ("/app", 2)]);
    assert_eq!(
        view.layers[1].reason.as_deref(),
        Some("distributions that the lock pins, the small ones together")
    );
}

#[test]
fn what_is_not_needed_is_counted_once_by_its_sort() {
    let view = view(image(of_two()));
    let of =
        |kind| view.smaller.iter().find(|one| one.kind == kind).map(|one| (one.size, one.own, one.files));
    assert_eq!(of(SavingKind::Tests), Some((8, 8, 1)));
    assert_eq!(of(SavingKind::Typing), Some((3, 3, 1)));
    assert_eq!(of(SavingKind::Copies), Some((10, 10, 1)), "a hard link takes no room");
    assert_eq!(of(SavingKind::Unseen), Some((5, 0, 1)), "the base's");
    let [copies] = &view.copies[..] else { panic!("{:?}", view.copies) };
    assert_eq!((copies.count, copies.wasted, &copies.layers[..]), (2, 10, &[1, 2][..]));
    assert_eq!(view.unseen, [Unseen { path: "/etc/old".into(), size: 5, layer: 1, by: 2 }]);
    assert_eq!((view.layers[0].unseen, view.layers[1].unseen), (5, 0));
}

#[test]
fn all_bytes_that_a_container_sees_are_in_the_map() {
    let view = view(image(of_two()));
    assert_eq!(view.map.size, view.size);
    fn check(region: &Region) {
        let parts: u64 = region.parts.iter().map(|part| part.size).sum();
        assert!(region.parts.is_empty() || parts == region.size, "{region:?}");
        region.parts.iter().for_each(check);
    }
    check(&view.map);
    assert_eq!(view.map.parts.iter().map(|layer| layer.kind).collect::<String>(), "lb");
}

#[test]
fn a_bill_tells_licences_and_packages_that_leave_no_files() {
    let bill = json!({"bomFormat": "CycloneDX", "components": [
        {"name": "a", "version": "1", "purl": "pkg:pypi/a@1", "licenses": [{"license": {"id": "MIT"}}]},
        {"name": "serde", "version": "1.0", "purl": "pkg:cargo/serde@1.0"},
        {"name": "base", "version": "x", "purl": "pkg:oci/base@x"}]});
    let view = view(Image { bills: vec![bill], ..image(of_two()) });
    let a = view.packages.iter().find(|one| one.name == "A").expect("the distribution");
    assert_eq!((a.licence.as_deref(), a.only_in_sbom), (Some("MIT"), false));
    let listed: Vec<&str> =
        view.packages.iter().filter(|one| one.only_in_sbom).map(|one| &*one.name).collect();
    assert_eq!(listed, ["serde"]);
}

#[test]
fn texts_of_the_image_steer_nothing_and_show_no_secrets() {
    let odd = layer("RUN \u{1b}[2J", None, &[("a\u{1b}]0;x\u{7}", "12")]);
    let mut image = image(vec![odd]);
    image.config.config.env = vec!["API_TOKEN=hunter2".into(), "A=\u{202e}b".into()];
    image.config.history = vec![History::default()];
    let text = serde_json::to_string(&view(image)).expect("JSON");
    assert!(!text.contains("hunter2") && !text.contains("\\u001b") && !text.contains('\u{202e}'), "{text}");
}

#[test]
fn the_base_is_unknown_where_the_history_does_not_tell_it() {
    let foreign = view(image(vec![layer("RUN x", None, &[("a", "1")])]));
    assert_eq!((foreign.base, foreign.layers[0].in_base), (None, None));
    let own = view(image(of_two()));
    assert_eq!(own.base.expect("known").layers, Some(1));
    assert_eq!(own.layers[0].reason.as_deref(), Some("the base"));
}
