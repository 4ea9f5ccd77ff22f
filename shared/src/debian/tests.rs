//! Whole chains: from a made-up archive to entries of a layer.

use std::time::SystemTime;

use tar::EntryType;

use super::fakes::{Archive, Deb, Signer, day};
use super::*;
use crate::facts::tree::{Node, NodeKind, Tree};
use crate::layer::{Content, Entry, EntryKind};
use crate::oci::Digest;

const LIB: &str =
    "Package: libx1\nVersion: 1.0-1\nArchitecture: amd64\nMulti-Arch: same\nDepends: libc6 (>= 2.36)\n";
const APP: &str = "Package: app\nVersion: 2\nArchitecture: amd64\nDepends: libx1\n";

fn lib() -> Vec<u8> {
    let big = vec![7; 40_000];
    Deb::new(LIB)
        .control("md5sums", "aa  usr/lib/x/libx.so.1.0\nbb  usr/share/man/man1/x.1.gz\n")
        .control("postinst", "#!/bin/sh\nset -e\nldconfig\n")
        .link("./usr/", EntryType::Directory, "")
        .file("./usr/lib/x/libx.so.1.0", &big)
        .link("./usr/lib/x/libx.so.1", EntryType::Symlink, "libx.so.1.0")
        .file("./usr/share/man/man1/x.1.gz", b"man")
        .file("./usr/share/doc/libx1/copyright", b"free")
        .file("./usr/share/doc/libx1/changelog.gz", b"new")
        .file("./usr/share/locale/de/LC_MESSAGES/x.mo", b"hallo")
        .bytes()
}

fn app() -> Vec<u8> {
    Deb::new(APP)
        .control("postinst", "#!/bin/sh\nadduser app\n")
        .control("conffiles", "/etc/app.conf\n")
        .file("./etc/app.conf", b"a = 1\n")
        .file("./bin/zz", b"program")
        .link("./bin/aa", EntryType::Link, "./bin/zz")
        .bytes()
}

struct Lab {
    archive: Archive,
    signer: Signer,
    url: String,
    cache: tempfile::TempDir,
}

impl Lab {
    fn new(extra: &str) -> Self {
        let (archive, signer) = (Archive::default(), Signer::new(day(0), None));
        archive.publish("trixie", &[lib(), app()], &[LIB, APP], extra, &signer, day(10));
        let url = archive.serve();
        Self { archive, signer, url, cache: tempfile::tempdir().expect("a folder") }
    }

    fn archives(&self) -> Archives {
        let store = Store::open(self.cache.path()).expect("a store");
        let http = http::Options { retries: 0, ..http::Options::default() };
        Archives::new(http, store, Events::silent(), self.signer.keyring()).expect("archives")
    }

    async fn resolve(&self, wanted: &str, now: SystemTime) -> Result<Vec<Package>> {
        self.resolve_in("trixie", wanted, now).await
    }

    async fn resolve_in(&self, suite: &str, wanted: &str, now: SystemTime) -> Result<Vec<Package>> {
        let source = Source { url: self.url.clone(), suite: suite.into(), components: vec!["main".into()] };
        let installed = Installed::parse("Package: libc6\nVersion: 2.41-12\n").into_iter().collect();
        self.archives().resolve(&[source], "amd64", installed, &[wanted.to_owned()], now).await
    }
}

fn refusal(result: Result<Vec<Package>>) -> String {
    let error = result.expect_err("refused");
    assert_eq!(error.kind(), crate::Kind::Integrity, "{error:?}");
    format!("{error:?}")
}

#[tokio::test]
async fn a_signed_archive_gives_packages() {
    let lab = Lab::new("");
    let found = lab.resolve("app", day(11)).await.expect("resolved");
    let names: Vec<&str> = found.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["app", "libx1"]);
    assert_eq!(found[1].digest, Digest::of(&lib()));
    let files = lab.archives().fetch(&found).await.expect("fetched");
    assert_eq!(std::fs::read(&files[0]).expect("a file"), app());
}

#[tokio::test]
async fn a_tampered_release_is_refused_and_nothing_kept() {
    let lab = Lab::new("");
    lab.archive.change("InRelease", |bytes| {
        let text = String::from_utf8_lossy(bytes).replace("Origin: Tests", "Origin: tests");
        *bytes = text.into_bytes();
    });
    assert!(refusal(lab.resolve("app", day(11)).await).contains("not what was signed"));
    assert_eq!(std::fs::read_dir(lab.cache.path().join("blobs/sha256")).expect("blobs").count(), 0);
}

#[tokio::test]
async fn a_release_of_another_key_is_refused() {
    let mut lab = Lab::new("");
    lab.signer = Signer::new(day(0), None);
    assert!(refusal(lab.resolve("app", day(11)).await).contains("is not in the keyring"));
}

#[tokio::test]
async fn an_expired_release_is_refused() {
    let until = jiff::Timestamp::from_second(20_015 * 86_400).expect("a time");
    let until = until.strftime("Valid-Until: %a, %d %b %Y %H:%M:%S UTC\n").to_string();
    let lab = Lab::new(&until);
    assert!(lab.resolve("app", day(14)).await.is_ok());
    assert!(refusal(lab.resolve("app", day(16)).await).contains("it was valid until"));
}

#[tokio::test]
async fn an_older_release_than_before_is_refused() {
    let lab = Lab::new("");
    lab.resolve("app", day(11)).await.expect("resolved");
    lab.archive.publish("trixie", &[lib()], &[LIB], "", &lab.signer, day(9));
    assert!(refusal(lab.resolve("libx1", day(11)).await).contains("was seen before"));
    lab.archive.publish("trixie", &[lib()], &[LIB], "", &lab.signer, day(11));
    assert!(lab.resolve("libx1", day(11)).await.is_ok());
}

#[tokio::test]
async fn a_release_from_the_future_is_refused_and_locks_out_nobody() {
    let lab = Lab::new("");
    lab.archive.publish("trixie", &[lib()], &[LIB], "", &lab.signer, day(14));
    assert!(lab.resolve("libx1", day(11)).await.is_err());
    // A clock that is wrong may have believed it.
    lab.resolve("libx1", day(14)).await.expect("resolved");
    lab.archive.publish("trixie", &[lib()], &[LIB], "", &lab.signer, day(11));
    assert!(lab.resolve("libx1", day(11)).await.is_ok());
}

#[tokio::test]
async fn a_release_of_another_suite_is_refused() {
    let lab = Lab::new("");
    let message = lab.archive.files.lock().expect("files")["/debian/dists/trixie/InRelease"].clone();
    lab.archive.files.lock().expect("files").insert("/debian/dists/sid/InRelease".into(), message);
    assert!(refusal(lab.resolve_in("sid", "app", day(11)).await).contains("not of sid"));
}

#[tokio::test]
async fn a_changed_index_or_package_is_refused() {
    let lab = Lab::new("");
    let flip = |bytes: &mut Vec<u8>| {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    };
    let found = lab.resolve("app", day(11)).await.expect("resolved");
    lab.archive.change(".deb", flip);
    let error = lab.archives().fetch(&found).await.expect_err("refused");
    assert_eq!(error.kind(), crate::Kind::Integrity);
    let lab = Lab::new("");
    lab.archive
        .files
        .lock()
        .expect("files")
        .iter_mut()
        .filter(|(path, _)| path.contains("by-hash"))
        .for_each(|(_, bytes)| flip(bytes));
    let error = lab.resolve("app", day(11)).await.expect_err("refused");
    assert!(matches!(error.kind(), crate::Kind::Integrity | crate::Kind::Network), "{error:?}");
}

fn base(database: &[&str]) -> Tree {
    let mut tree = Tree::default();
    let node = |kind| Node { kind, mode: 0o755, uid: 0, gid: 0 };
    tree.insert("bin", node(NodeKind::Symlink("usr/bin".into())));
    for path in database {
        tree.insert(*path, node(NodeKind::Directory));
    }
    tree
}

fn unpacked(bytes: &[u8], name: &str, docs: bool) -> (Unpacked, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("x.deb");
    std::fs::write(&file, bytes).expect("written");
    (Unpacked::read(&file, name, docs, &folder.path().join("scratch")).expect("read"), folder)
}

fn paths(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.path.as_str()).collect()
}

fn text(entries: &[Entry], path: &str) -> String {
    let entry = entries.iter().find(|entry| entry.path == path).expect(path);
    match &entry.kind {
        EntryKind::File(Content::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("{path} is {other:?}"),
    }
}

#[test]
fn documentation_stays_out_and_licences_stay_in() {
    let (package, _folder) = unpacked(&lib(), "libx1", false);
    let entries = package.entries(&base(&[]), Database::Parts);
    assert_eq!(
        paths(&entries),
        [
            "usr",
            "usr/lib/x/libx.so.1.0",
            "usr/lib/x/libx.so.1",
            "usr/share/doc/libx1/copyright",
            "var/lib/dpkg/status.d/libx1.md5sums",
            "var/lib/dpkg/status.d/libx1"
        ]
    );
    assert_eq!(text(&entries, "var/lib/dpkg/status.d/libx1"), LIB);
    assert_eq!(text(&entries, "var/lib/dpkg/status.d/libx1.md5sums"), "aa  usr/lib/x/libx.so.1.0\n");
    assert!(package.scripts().is_empty());
    let (package, _folder) = unpacked(&lib(), "libx1", true);
    assert_eq!(package.entries(&base(&[]), Database::Parts).len(), 9);
}

#[test]
fn dpkgs_own_database_goes_on() {
    let (lib, _one) = unpacked(&lib(), "libx1", false);
    let (app, _two) = unpacked(&app(), "app", false);
    let entries = lib.entries(&base(&[]), Database::Whole);
    let list = text(&entries, "var/lib/dpkg/info/libx1:amd64.list");
    assert!(list.starts_with("/.\n/usr\n/usr/lib/x/libx.so.1.0\n"), "{list}");
    let entries = app.entries(&base(&[]), Database::Whole);
    assert_eq!(text(&entries, "var/lib/dpkg/info/app.conffiles"), "/etc/app.conf\n");
    assert_eq!(app.scripts(), ["postinst"]);
    let old = "Package: libx1\nStatus: install ok installed\nVersion: 0.9\n";
    let other = "Package: libc6\nStatus: install ok installed\nVersion: 2.41";
    let whole = database(&[old, other], &[&lib, &app]);
    let names: Vec<String> =
        whole.split("\n\n").map(|text| Installed::parse(text).expect("a package").name.clone()).collect();
    assert_eq!(names, ["libc6", "libx1", "app"]);
    assert!(whole.contains("Package: app\nStatus: install ok installed\nVersion: 2\n"), "{whole}");
}

#[test]
fn the_bases_database_decides() {
    assert_eq!(Database::of(&base(&["var/lib/dpkg/status.d"])), Database::Parts);
    assert_eq!(Database::of(&base(&["var/lib/dpkg/status"])), Database::Whole);
    assert_eq!(Database::of(&base(&[])), Database::Parts);
}

#[test]
fn hard_links_stand_behind_their_file() {
    let (package, _folder) = unpacked(&app(), "app", false);
    let entries = package.entries(&base(&[]), Database::Parts);
    let kind = |path: &str| &entries.iter().find(|entry| entry.path == path).expect(path).kind;
    assert!(matches!(kind("bin/aa"), EntryKind::File(_)), "it comes first in the layer");
    assert_eq!(kind("bin/zz"), &EntryKind::Hardlink("usr/bin/aa".into()), "links of the base are followed");
}

#[test]
fn hostile_packages_are_refused() {
    let fields = "Package: x\nVersion: 1\nArchitecture: all\n";
    let deb = || Deb::new(fields);
    let cases = [
        deb().file("../etc/passwd", b"x").bytes(),
        deb().file("usr/../../x", b"x").bytes(),
        deb().file("usr/.wh.x", b"x").bytes(),
        deb().link("dev/null", EntryType::Char, "").bytes(),
        deb().link("a", EntryType::Link, "../b").bytes(),
        b"!<arch>\n".to_vec(),
        b"nothing".to_vec(),
        Deb::new("").bytes(),
        lib()[..400].to_vec(),
    ];
    for (number, bytes) in cases.into_iter().enumerate() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("x.deb");
        std::fs::write(&file, bytes).expect("written");
        let error = Unpacked::read(&file, "x", false, &folder.path().join("s")).expect_err("refused");
        assert_eq!(error.kind(), crate::Kind::Integrity, "{number}: {error:?}");
        assert!(!folder.path().join("etc").exists());
    }
}

#[test]
fn architectures_have_debians_names() {
    let of = |text: &str| architecture(&text.parse().expect("a platform"));
    assert_eq!(of("linux/arm64"), Some("arm64"));
    assert_eq!(of("linux/arm/v7"), Some("armhf"));
    assert_eq!(of("linux/386"), Some("i386"));
    assert_eq!(of("linux/loong64"), None);
}
