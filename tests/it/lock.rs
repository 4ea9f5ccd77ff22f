//! Bases that stay what they were: containerize.lock, `--locked` and `--offline`.

use std::fs;
use std::path::Path;
use std::process::Command;

use containerize_core::oci::Platform;
use containerize_tests::fixture::{has_musl, hello};
use containerize_tests::image;
use containerize_tests::program::{call, fails, succeeds};
use containerize_tests::registry::{Phase, TestRegistry};
use serde_json::Value;
use tempfile::TempDir;

/// A project, a home and a registry with a base.
struct Scene {
    project: TempDir,
    home: TempDir,
    registry: TestRegistry,
    base: String,
}

impl Scene {
    fn new() -> Self {
        let registry = TestRegistry::open();
        let base = format!("{}:1", registry.repository("base"));
        let scene = Self { project: hello(), home: tempfile::tempdir().expect("home"), registry, base };
        scene.move_base("first");
        scene
    }

    /// Makes the base's tag mean another image; its digest.
    fn move_base(&self, text: &str) -> String {
        image::put(&self.registry, "base", "1", &architecture(), text)
    }

    fn call(&self, arguments: &[&str]) -> Command {
        call(self.project.path(), self.home.path(), &[arguments, &["--base", &self.base]].concat())
    }

    /// The labels of the image that a build puts into a layout.
    fn labels(&self, arguments: &[&str]) -> Value {
        let layout = self.project.path().join("layout");
        let output = format!("oci:{}", layout.display());
        succeeds(self.call(&[arguments, &["--output", &output]].concat()));
        let read = |digest: &str| -> Value {
            let blob = layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:"));
            serde_json::from_slice(&fs::read(blob).expect("blob")).expect("json")
        };
        let index: Value =
            serde_json::from_slice(&fs::read(layout.join("index.json")).expect("index")).expect("json");
        let manifest = read(index["manifests"][0]["digest"].as_str().expect("digest"));
        read(manifest["config"]["digest"].as_str().expect("digest"))["config"]["Labels"].clone()
    }

    fn base_digest(&self, arguments: &[&str]) -> String {
        let labels = self.labels(arguments);
        assert_eq!(labels["org.opencontainers.image.base.name"], self.base);
        labels["org.opencontainers.image.base.digest"].as_str().expect("digest").to_owned()
    }

    fn lock_file(&self) -> std::path::PathBuf {
        self.project.path().join("containerize.lock")
    }
}

fn architecture() -> String {
    Platform::from_rust_arch(std::env::consts::ARCH).expect("known").architecture
}

#[test]
fn a_locked_base_stays_until_it_is_refreshed() {
    if !has_musl() {
        return;
    }
    let scene = Scene::new();
    let first = scene.move_base("first");
    assert_eq!(succeeds(scene.call(&["lock"])), format!("{}@{first}", scene.base));
    let second = scene.move_base("second");
    assert_eq!(scene.base_digest(&[]), first);
    assert_eq!(scene.base_digest(&["--locked"]), first);
    let asked = scene.registry.count(Phase::GetManifest);
    assert_eq!(scene.base_digest(&[]), first);
    assert_eq!(scene.registry.count(Phase::GetManifest), asked, "what is pinned and here is not asked for");
    succeeds(scene.call(&["lock"]));
    assert_eq!(scene.base_digest(&[]), second);
    fs::remove_file(scene.lock_file()).expect("removed");
    let third = scene.move_base("third");
    assert_eq!(scene.base_digest(&[]), third);
}

#[test]
fn locked_wants_a_lock_and_names_the_way_to_it() {
    if !has_musl() {
        return;
    }
    let scene = Scene::new();
    succeeds({
        let mut lockfile = Command::new("cargo");
        lockfile.arg("generate-lockfile").current_dir(scene.project.path());
        lockfile
    });
    let (code, words) = fails(scene.call(&["--locked"]));
    assert_eq!(code, 2);
    assert!(words.contains("containerize lock") && words.contains(&scene.base), "{words}");
    assert!(scene.registry.requests().is_empty(), "nothing was asked");
    let (code, words) = fails(scene.call(&["lock", "--locked"]));
    assert_eq!((code, words.contains("--locked")), (2, true));
}

#[test]
fn offline_takes_what_was_last_seen() {
    if !has_musl() {
        return;
    }
    let scene = Scene::new();
    let (code, words) = fails(scene.call(&["--offline"]));
    assert_eq!(code, 2);
    assert!(words.contains("--offline") && words.contains(&scene.base), "{words}");
    assert!(scene.registry.requests().is_empty(), "nothing was asked");
    let first = scene.base_digest(&[]);
    scene.move_base("second");
    let asked = scene.registry.requests().len();
    assert_eq!(scene.base_digest(&["--offline"]), first);
    assert_eq!(scene.registry.requests().len(), asked);
}

#[test]
fn a_base_that_lacks_the_platform_is_not_locked() {
    let scene = Scene::new();
    image::put(&scene.registry, "base", "1", "s390x", "other");
    let (code, words) = fails(scene.call(&["lock"]));
    assert_eq!(code, 2);
    assert!(words.contains("linux/s390x"), "{words}");
    assert!(!scene.lock_file().exists());
}

#[test]
fn what_needs_no_lock_gets_none() {
    let scene = Scene::new();
    let dir: &Path = scene.project.path();
    assert_eq!(succeeds(call(dir, scene.home.path(), &["lock"])), "", "the base static");
    let pinned = format!("{}@{}", scene.base, scene.move_base("pinned"));
    assert_eq!(succeeds(call(dir, scene.home.path(), &["lock", "--base", &pinned])), "");
    assert!(!scene.lock_file().exists());
}
