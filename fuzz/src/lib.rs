//! Readers of bytes that others wrote, each as a function that must return, whatever it is given: no panic,
//! no endless loop, no memory that grows without bound. `cargo fuzz run NAME --features libfuzzer` lets libFuzzer
//! look for what breaks that; `tests/smoke.rs` tries changed [`seeds`] without it.

pub mod mutate;
pub mod seeds;

use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::sync::OnceLock;

use containerize_core::cargo::audit;
use containerize_core::dockerfile::Dockerfile;
use containerize_core::facts::{self, details};
use containerize_core::http::{HeaderMap, HeaderValue, Url, header::WWW_AUTHENTICATE};
use containerize_core::init::{self, Kind, Project, PythonProject};
use containerize_core::oci::{Digest, ImageConfig, ManifestKind, Platform, Reference};
use containerize_core::python::lock;
use containerize_core::python::{Marker, Name, Requirement, WheelName};
use containerize_core::trust::{Attestations, AttestedFile, Bundle, Token, TrustedRoot, WantedPublisher};
use containerize_core::wheel::Wheel;
use containerize_core::{debian, elf, registry, sbom};
use tempfile::TempDir;

/// A reader: the name of its target, and what it does with the bytes.
pub struct Reader {
    /// As its file in `fuzz_targets`.
    pub name: &'static str,
    /// The reader.
    pub read: fn(&[u8]),
    /// Sound inputs, to be changed.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All readers.
pub const READERS: [Reader; 14] = [
    Reader { name: "wheel", read: wheel, seeds: seeds::wheels },
    Reader { name: "deb", read: deb, seeds: seeds::packages },
    Reader { name: "layer", read: layer, seeds: seeds::layers },
    Reader { name: "elf", read: elf, seeds: seeds::programs },
    Reader { name: "loader-cache", read: loader_cache, seeds: seeds::loader_caches },
    Reader { name: "lock", read: lock, seeds: seeds::locks },
    Reader { name: "requirement", read: requirement, seeds: seeds::requirements },
    Reader { name: "manifest", read: manifest, seeds: seeds::manifests },
    Reader { name: "reference", read: reference, seeds: seeds::references },
    Reader { name: "challenge", read: challenge, seeds: seeds::challenges },
    Reader { name: "bundle", read: bundle, seeds: seeds::bundles },
    Reader { name: "attestations", read: attestations, seeds: seeds::attestations },
    Reader { name: "bill", read: bill, seeds: seeds::bills },
    Reader { name: "dockerfile", read: dockerfile, seeds: seeds::dockerfiles },
];

/// The bytes as a file, in a folder that is there as long as the value.
fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    std::fs::File::create(&path).and_then(|mut file| file.write_all(bytes)).expect("a file");
    (folder, path)
}

/// A wheel of the name `demo` 1.0.
pub fn wheel(bytes: &[u8]) {
    let name = "demo-1.0-py3-none-any.whl";
    let (_folder, path) = file(name, bytes);
    let _ = Wheel::open(&path, name, Digest::of(bytes));
}

/// A Debian package of the name `demo`.
pub fn deb(bytes: &[u8]) {
    let (folder, path) = file("demo.deb", bytes);
    let _ = debian::Unpacked::read(&path, "demo", true, &folder.path().join("scratch"));
}

/// The tar of a layer.
pub fn layer(bytes: &[u8]) {
    let _ = facts::Scanned::of(bytes);
}

/// A program or library.
pub fn elf(bytes: &[u8]) {
    let _ = elf::read(Cursor::new(bytes));
    let mut with = Cursor::new(Vec::new());
    let _ = elf::add_section(&mut Cursor::new(bytes), &mut with, ".dep-v0", b"x");
    let _ = elf::section(&mut with, ".dep-v0", 1 << 20);
}

/// glibc's list of libraries, which one reader understands and another extends.
pub fn loader_cache(bytes: &[u8]) {
    let _ = details::loader_cache(bytes);
    let library = ("libdemo.so.1".to_owned(), "/usr/lib/libdemo.so.1".to_owned());
    if let Some(list) = debian::with_libraries(bytes, &[library]) {
        assert!(details::loader_cache(&list).is_some(), "what we write we can read");
    }
}

/// A lock; the first byte chooses the tool.
pub fn lock(bytes: &[u8]) {
    let Some((tool, rest)) = bytes.split_first() else { return };
    let (name, kind) = seeds::LOCKS[usize::from(*tool) % seeds::LOCKS.len()];
    let (_folder, path) = file(name, rest);
    let _ = lock::read(&path, kind);
}

/// A bill of materials of our own, and the list of crates in a program. What is read is written as it can be read again.
pub fn bill(bytes: &[u8]) {
    let _ = audit::listed(bytes, 1 << 20);
    let Some(bill) = serde_json::from_slice(bytes).ok().and_then(|document| sbom::read(&document)) else {
        return;
    };
    let (spdx, _) = (sbom::spdx(&bill).expect("written"), sbom::cyclonedx(&bill).expect("written"));
    let again = serde_json::from_slice(&spdx).expect("what we write is JSON");
    assert!(sbom::read(&again).is_some(), "what we write we can read");
}

/// A Dockerfile, and what it means for a Python project in an empty folder.
pub fn dockerfile(bytes: &[u8]) {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let Some(file) = std::str::from_utf8(bytes).ok().and_then(|text| Dockerfile::read(text).ok()) else {
        return;
    };
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a temporary folder"));
    let kind = Kind::Python(PythonProject::default());
    let project = Project { dir: folder.path().to_owned(), within: String::new(), kind };
    let _ = init::taken(&file, &project);
}

/// A requirement, a marker, a name and a wheel's name: all are one line of text.
pub fn requirement(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = text.parse::<Requirement>();
    let _ = Marker::parse(text);
    let _ = text.parse::<Name>();
    let _ = WheelName::parse(text);
}

/// A manifest, an index and a configuration.
pub fn manifest(bytes: &[u8]) {
    for media_type in [seeds::MANIFEST, seeds::INDEX, ""] {
        let _ = ManifestKind::parse(bytes, media_type);
    }
    let _ = serde_json::from_slice::<ImageConfig>(bytes);
}

/// The name of an image, a digest and a platform. What is read is written as it can be read again.
pub fn reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(reference) = text.parse::<Reference>() {
        let again = reference.to_string().parse::<Reference>().expect("what we write we can read");
        assert_eq!(again.to_string(), reference.to_string());
    }
    let _ = text.parse::<Digest>();
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.to_string().parse::<Platform>().expect("what we write we can read"), platform);
    }
}

/// What a registry wants as proof.
pub fn challenge(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(WWW_AUTHENTICATE, value);
    let base: Url = "https://registry.example/v2/".parse().expect("a URL");
    let _ = registry::Challenge::of(&headers, &base);
}

/// What an index shows about who published a file. None is about this file.
pub fn attestations(bytes: &[u8]) {
    static ROOT: OnceLock<TrustedRoot> = OnceLock::new();
    let root = ROOT.get_or_init(|| TrustedRoot::read(seeds::ATTESTED_ROOT).expect("a sound root"));
    let digest = Digest::of(b"another file");
    let file = AttestedFile { name: "shop-1.0-py3-none-any.whl", digest, is_named: &|_| true };
    if let Ok(found) = Attestations::read(bytes) {
        assert!(found.verify(root, &file, &[WantedPublisher::default()]).is_err());
    }
}

/// A signature with a certificate, and a token that says who signs. None is that of this image.
pub fn bundle(bytes: &[u8]) {
    static ROOT: OnceLock<TrustedRoot> = OnceLock::new();
    let root = ROOT.get_or_init(|| TrustedRoot::read(seeds::ROOT).expect("a sound root"));
    let _ = Bundle::read(bytes).map(|bundle| bundle.subject());
    assert!(root.verify(bytes, &Digest::of(b"another image")).is_err());
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Token::read(text);
        let _ = TrustedRoot::read(text);
    }
}
