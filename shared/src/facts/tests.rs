use std::io::Write;

use flate2::write::GzEncoder;
use tar::{EntryType, Header};

use super::*;
use crate::Kind;
use crate::oci::media_type::{OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD};

/// A tar by hand, for what no proper writer would write.
#[derive(Default)]
pub(super) struct Tar(Vec<u8>);

impl Tar {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn file(self, path: &str) -> Self {
        self.content(path, b"")
    }

    pub(super) fn content(self, path: &str, content: &[u8]) -> Self {
        self.entry(EntryType::Regular, path.as_bytes(), "", content)
    }

    pub(super) fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, path.as_bytes(), target, b"")
    }

    pub(super) fn record(self, kind: EntryType, body: &[u8]) -> Self {
        self.entry(kind, b"././@LongLink", "", body)
    }

    fn dir(self, path: &str) -> Self {
        self.entry(EntryType::Directory, path.as_bytes(), "", b"")
    }

    pub(super) fn entry(self, kind: EntryType, path: &[u8], target: &str, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o100_644);
        header.set_uid(7);
        header.set_gid(8);
        header.set_size(content.len() as u64);
        self.header(header, content)
    }

    fn header(mut self, mut header: Header, content: &[u8]) -> Self {
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(super) fn bytes(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }

    fn facts(self) -> LayerFacts {
        read_layer(&self.bytes()[..], Compression::None).expect("a layer")
    }
}

/// The words with which something was refused, which must be a matter of integrity.
pub(super) fn refusal<T>(result: Result<T>) -> String {
    let error = result.err().expect("refused");
    assert_eq!(error.kind(), Kind::Integrity, "{error:?}");
    format!("{error:?}")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn merged(layers: impl IntoIterator<Item = Tar>) -> Tree {
    let mut tree = Tree::default();
    for layer in layers {
        apply(&mut tree, layer.facts());
    }
    tree
}

fn paths(tree: &Tree) -> Vec<&str> {
    tree.iter().map(|(path, _)| path).collect()
}

fn names(facts: &LayerFacts) -> Vec<&str> {
    facts.entries.iter().map(|(path, _)| path.as_str()).collect()
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("folder");
    let store = Store::open(folder.path()).expect("store");
    (folder, store)
}

#[test]
fn each_kind_of_entry_is_a_fact() {
    let facts = Tar::new()
        .dir("./")
        .dir("./etc/")
        .file("./etc/passwd")
        .entry(EntryType::Link, b"./etc/passwd-", "./etc/passwd", b"")
        .symlink("./bin", "usr/bin")
        .entry(EntryType::Fifo, b"./pipe", "", b"")
        .entry(EntryType::Regular, b"./old/", "", b"")
        .record(EntryType::XGlobalHeader, b"18 comment=global\n")
        .facts();
    let kinds: Vec<_> = facts.entries.iter().map(|(path, node)| (path.as_str(), &node.kind)).collect();
    let link = NodeKind::Symlink("usr/bin".into());
    assert_eq!(
        kinds,
        [
            ("etc", &NodeKind::Directory),
            ("etc/passwd", &NodeKind::File),
            ("etc/passwd-", &NodeKind::File),
            ("bin", &link),
            ("pipe", &NodeKind::Other),
            ("old", &NodeKind::Directory),
        ]
    );
    assert_eq!(facts.entries[1].1, Node { kind: NodeKind::File, mode: 0o644, uid: 7, gid: 8 });
}

#[test]
fn long_names_and_large_owners_are_read() {
    let long = format!("{}/file", "d".repeat(300));
    let pax = format!("{} path={long}\n", long.len() + 10);
    let facts = Tar::new()
        .record(EntryType::GNULongName, format!("{long}\0").as_bytes())
        .file("cut")
        .record(EntryType::XHeader, pax.as_bytes())
        .file("cut")
        .record(EntryType::XHeader, b"18 uid=3000000000\n")
        .file("mine")
        .facts();
    assert_eq!(names(&facts), [&long, &long, "mine"]);
    assert_eq!(facts.entries[2].1.uid, 3_000_000_000);
}

#[test]
fn a_sparse_file_is_passed_over_by_what_it_stores() {
    let mut header = Header::new_gnu();
    header.set_path("holes").expect("short");
    header.set_entry_type(EntryType::GNUSparse);
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(512);
    let gnu = header.as_gnu_mut().expect("gnu");
    gnu.set_real_size((1 << 32) + 512);
    gnu.sparse[0].set_offset(1 << 32);
    gnu.sparse[0].set_length(512);
    let facts = Tar::new().header(header, &[1; 512]).file("next").facts();
    assert_eq!(names(&facts), ["holes", "next"]);
}

#[test]
fn hostile_paths_are_refused() {
    let read = |tar: Tar| read_layer(&tar.bytes()[..], Compression::None);
    for path in ["../etc/passwd", "a/../../b", "/..", "a/.."] {
        assert!(refusal(read(Tar::new().file(path))).contains("\"..\""), "{path}");
    }
    let name = |body: &[u8]| Tar::new().record(EntryType::GNULongName, body).file("cut");
    assert!(refusal(read(name(b"a\0b\0"))).contains("NUL"));
    assert!(refusal(read(name(&[b'a'; 4097]))).contains("4097 bytes"));
    assert_eq!(read(name(&[b'a'; 4096])).expect("at the limit").entries.len(), 1);
    let target = Tar::new().record(EntryType::GNULongLink, &[b'a'; 5000]).symlink("l", "cut");
    assert!(refusal(read(target)).contains("5000 bytes"));
    for whiteout in ["a/.wh.", "a/.wh..", "a/.wh..."] {
        assert!(refusal(read(Tar::new().file(whiteout))).contains("whiteout"), "{whiteout}");
    }
}

#[test]
fn a_whiteout_hides_lower_layers_and_not_its_own() {
    let lower = || Tar::new().dir("a").file("a/old").file("ab").file("c").file("d");
    let upper = Tar::new().dir("a").file("a/new").file(".wh.a").file(".wh.c").file("c").file("./.wh.d");
    assert_eq!(paths(&merged([lower(), upper])), ["a", "a/new", "ab", "c"]);
}

#[test]
fn an_opaque_directory_hides_what_lower_layers_have_in_it() {
    let lower = || Tar::new().dir("a").file("a/old").dir("a/sub").file("a/sub/x").file("b");
    let upper = Tar::new().dir("a").file("a/new").file("a/.wh..wh..opq");
    assert_eq!(paths(&merged([lower(), upper])), ["a", "a/new", "b"]);
    let everything = Tar::new().file("n").file(".wh..wh..opq");
    assert_eq!(paths(&merged([lower(), everything])), ["n"]);
}

#[test]
fn bookkeeping_of_aufs_is_skipped() {
    let facts = Tar::new().dir(".wh..wh.plnk").file(".wh..wh.plnk/1.2").file("a/.wh..wh.orph").facts();
    assert_eq!(facts, LayerFacts::default());
}

#[test]
fn what_is_no_directory_replaces_all_below_it() {
    let lower = || Tar::new().dir("a").file("a/x").file("implied/x").file("f");
    let tree = merged([lower(), Tar::new().file("a").symlink("implied", "a").dir("f").file("f/y")]);
    assert_eq!(paths(&tree), ["a", "f", "f/y", "implied"]);
    assert_eq!(tree.get("f").map(|n| &n.kind), Some(&NodeKind::Directory));
}

#[test]
fn a_directory_over_a_directory_keeps_its_children() {
    let mut restated = Header::new_gnu();
    restated.set_path("a").expect("short");
    restated.set_entry_type(EntryType::Directory);
    restated.set_mode(0o1777);
    restated.set_uid(0);
    restated.set_gid(0);
    restated.set_size(0);
    let tree = merged([Tar::new().dir("a").file("a/x"), Tar::new().header(restated, b"")]);
    assert_eq!(paths(&tree), ["a", "a/x"]);
    assert_eq!(tree.get("a").map(|n| n.mode), Some(0o1777));
}

#[test]
fn a_folder_takes_the_place_of_a_lower_layers_link_that_a_path_goes_through() {
    let lower = || Tar::new().dir("usr/lib").file("usr/lib/libc").symlink("lib", "usr/lib").file("f");
    let tree = merged([lower(), Tar::new().file("lib/x").file("lib/y").file("f/z")]);
    assert_eq!(paths(&tree), ["f", "f/z", "lib", "lib/x", "lib/y", "usr/lib", "usr/lib/libc"]);
    for folder in ["lib", "f"] {
        assert_eq!(tree.get(folder).map(|n| &n.kind), Some(&NodeKind::Directory), "{folder}");
    }
    let over = merged([lower(), Tar::new().file("lib/x"), Tar::new().symlink("lib", "usr/lib")]);
    assert_eq!(paths(&over), ["f", "lib", "usr/lib", "usr/lib/libc"], "and the link that of the folder");
    let own = merged([lower(), Tar::new().symlink("new", "usr/lib").file("new/x")]);
    assert_eq!(own.get("new").map(|n| &n.kind), Some(&NodeKind::Symlink("usr/lib".into())), "its own");
}

#[test]
fn every_compression_gives_the_same_facts() {
    let tar = Tar::new().dir("a").file("a/b").content("c", &[9; 3000]).bytes();
    let members = [gzip(&tar[..700]), gzip(&tar[700..]), gzip(b"")].concat();
    let (one, two) = tar.split_at(1000);
    let frames = [zstd::encode_all(one, 3), zstd::encode_all(two, 3)].map(|f| f.expect("memory")).concat();
    let plain = read_layer(&tar[..], Compression::None).expect("plain");
    assert_eq!(names(&plain), ["a", "a/b", "c"]);
    assert_eq!(read_layer(&members[..], Compression::Gzip).expect("gzip"), plain);
    assert_eq!(read_layer(&frames[..], Compression::Zstd).expect("zstd"), plain);
    for called in [Compression::Gzip, Compression::Zstd, Compression::None] {
        for bytes in [&tar[..], &members[..], &frames[..]] {
            assert_eq!(read_layer(bytes, called).expect("by what it is, not by what it is called"), plain);
        }
    }
    for (bytes, compression) in [(&members, Compression::Gzip), (&frames, Compression::Zstd)] {
        assert!(refusal(read_layer(&bytes[..bytes.len() / 2], compression)).contains("damaged"));
        assert!(refusal(read_layer(&[bytes, &b"junk"[..]].concat()[..], compression)).contains("damaged"));
    }
}

#[test]
fn a_tree_is_made_of_verified_layers_which_are_remembered() {
    let (folder, store) = store();
    // What follows the end of the archive is part of the diff_id.
    let lower = [Tar::new().dir("a").file("a/x").bytes(), vec![0; 70_000], b"more".to_vec()].concat();
    let upper = Tar::new().file("a/.wh.x").file("a/y").bytes();
    let file = folder.path().join("layer");
    std::fs::write(&file, gzip(&lower)).expect("write");
    let mut layers = [
        Blob::of(OCI_LAYER_GZIP, gzip(&lower)),
        Blob::of(OCI_LAYER_ZSTD, zstd::encode_all(&upper[..], 3).expect("memory")),
    ];
    layers[0].source = Source::File(file);
    let diff_ids = [Digest::of(&lower), Digest::of(&upper)];
    assert!(!known(&layers[0], &store));
    let tree = tree_of(&layers, &diff_ids, &store).expect("tree");
    assert_eq!(paths(&tree), ["a", "a/y"]);

    for layer in &mut layers {
        assert!(known(layer, &store));
        layer.source = Source::File(folder.path().join("gone"));
    }
    assert_eq!(tree_of(&layers, &diff_ids, &store).expect("remembered"), tree);
    let swapped = [diff_ids[1], diff_ids[0]];
    assert!(refusal(tree_of(&layers, &swapped, &store)).contains(&diff_ids[1].to_string()));
    layers[0].descriptor.size += 1;
    assert!(!known(&layers[0], &store), "another size is another blob");
}

#[test]
fn what_is_learnt_on_the_way_is_remembered_if_it_is_the_layer() {
    let (_folder, store) = store();
    let tar = Tar::new().file("a").bytes();
    let blob = Blob::of(OCI_LAYER_GZIP, gzip(&tar));
    let Source::Memory(bytes) = &blob.source else { panic!("in memory") };
    let other = gzip(&Tar::new().file("b").bytes());
    for wrong in [&bytes[..bytes.len() - 1], &other[..], b"", &[&bytes[..], b"x"].concat()] {
        refusal(learn(wrong, &blob.descriptor, &store));
        assert!(!known(&blob, &store));
    }
    learn(&bytes[..], &blob.descriptor, &store).expect("learnt");
    assert!(known(&blob, &store) && details_known(&blob, &store));
    let gone = Blob { source: Source::File("/nowhere".into()), ..blob };
    assert_eq!(paths(&tree_of(&[gone], &[Digest::of(&tar)], &store).expect("remembered")), ["a"]);
}

#[test]
fn what_unpacks_to_very_much_is_read_only_when_it_is_verified() {
    let (_folder, store) = store();
    let tar = Tar::new().content("zeros", &vec![0; 40 << 20]).bytes();
    let blob = Blob::of(OCI_LAYER_GZIP, gzip(&tar));
    let Source::Memory(bytes) = &blob.source else { panic!("in memory") };
    refusal(learn(&bytes[..], &blob.descriptor, &store));
    assert!(!known(&blob, &store));
    assert_eq!(paths(&tree_of(&[blob], &[Digest::of(&tar)], &store).expect("read")), ["zeros"]);
}

#[test]
fn a_wrong_digest_size_or_diff_id_is_refused_by_name() {
    let (_folder, store) = store();
    let tar = Tar::new().file("a").bytes();
    let (diff_id, other) = (Digest::of(&tar), Digest::of(b"other"));
    let good = Blob::of(OCI_LAYER_GZIP, gzip(&tar));
    let mut wrong = good.clone();
    wrong.descriptor.digest = other;
    let text = refusal(tree_of(&[wrong.clone()], &[diff_id], &store));
    assert!(
        text.contains(&other.to_string()) && text.contains(&good.descriptor.digest.to_string()),
        "{text}"
    );
    assert!(!known(&wrong, &store), "nothing is remembered of what is wrong");
    let mut longer = good.clone();
    longer.descriptor.size += 1;
    refusal(tree_of(&[longer], &[diff_id], &store));
    let text = refusal(tree_of(&[good], &[other], &store));
    assert!(text.contains(&other.to_string()) && text.contains(&diff_id.to_string()), "{text}");
}

#[test]
fn a_damaged_file_is_reported_by_its_digest_first() {
    let (folder, store) = store();
    let tar = Tar::new().file("a").bytes();
    let mut blob = Blob::of(OCI_LAYER_GZIP, gzip(&tar));
    let path = folder.path().join("layer");
    std::fs::write(&path, b"not gzip at all").expect("write");
    blob.source = Source::File(path.clone());
    let text = refusal(tree_of(&[blob], &[Digest::of(&tar)], &store));
    let seen = Digest::of(b"not gzip at all").to_string();
    assert!(text.contains(&seen) && text.contains("damaged"), "{text}");
    assert!(text.contains(&path.display().to_string()), "{text}");
}

#[test]
fn what_is_not_fetched_or_no_layer_is_said_so() {
    let (_folder, store) = store();
    let tar = Tar::new().file("a").bytes();
    let diff_id = Digest::of(&tar);
    let mut blob = Blob::of(OCI_LAYER, tar);
    refusal(tree_of(std::slice::from_ref(&blob), &[], &store));
    blob.descriptor.media_type = "application/vnd.in-toto+json".into();
    let error = tree_of(std::slice::from_ref(&blob), &[diff_id], &store).expect_err("no layer");
    assert!(format!("{error:?}").contains("in-toto"));
    let reference: crate::oci::Reference = "example.com/a/b:1".parse().expect("reference");
    blob.source = Source::Registry(reference.repository);
    blob.descriptor.media_type = OCI_LAYER.into();
    let error = tree_of(&[blob], &[diff_id], &store).expect_err("not fetched");
    assert_eq!(error.kind(), Kind::Bug);
}
