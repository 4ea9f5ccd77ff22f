//! Bases that stay what they were: containerize.lock, `--locked` and `--offline`.

use std::fs;
use std::path::Path;
use std::process::Command;

use containerize_core::oci::Platform;
use containerize_tests::fixture::{has_musl, hello};
use containerize_tests::image;
use containerize_tests::program::{call, fails, succeeds};
use containerize_tests::registry::{Phase, TestRegistry};
use serde_json::{Value, json};
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

/// A database of dpkg with these packages.
fn dpkg(packages: &[(&str, &str)]) -> String {
    let stanza = |(name, version): &(&str, &str)| {
        format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n")
    };
    packages.iter().map(stanza).collect()
}

impl Scene {
    /// Makes the base's tag mean an image of a version, with these packages; its digest.
    fn release(&self, version: &str, packages: &[(&str, &str)]) -> String {
        let (status, annotations) = (dpkg(packages), json!({ "org.opencontainers.image.version": version }));
        let files = [("var/lib/dpkg/status", &*status)];
        image::put_files(&self.registry, ("base", "1"), &architecture(), &files, &annotations)
    }
}

#[test]
fn an_update_says_what_moved_and_a_check_writes_nothing() {
    let scene = Scene::new();
    let (name, platform) = (&scene.base, format!("linux/{}", architecture()));
    let first = scene.release("1.0", &[("libc6", "2.36-9"), ("old", "1"), ("same", "1")]);
    let told = succeeds(scene.call(&["lock", "--update"]));
    assert_eq!(told, format!("{name}\n  digest: {first} (not pinned before)"));
    assert_eq!(succeeds(scene.call(&["lock", "--update", "--check"])), "nothing moved");

    let second = scene.release("1.1", &[("libc6", "2.36-9+deb12u1"), ("new", "3"), ("same", "1")]);
    let pinned = fs::read(scene.lock_file()).expect("a lock");
    let done = scene.call(&["lock", "--update", "--check", "--format", "json"]).output().expect("started");
    assert_eq!(done.status.code(), Some(4));
    assert_eq!(fs::read(scene.lock_file()).expect("a lock"), pinned, "a check writes nothing");
    let told: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(
        told["moved"],
        json!({ "debian": [], "bases": [{ "name": name, "from": first, "to": second, "platforms": [{
            "platform": platform, "same": false, "unknown": null,
            "version": { "from": "1.0", "to": "1.1" },
            "packages": [
                { "name": "libc6", "from": "2.36-9", "to": "2.36-9+deb12u1" },
                { "name": "new", "from": null, "to": "3" },
                { "name": "old", "from": "1", "to": null },
            ],
        }] }] })
    );

    let told = succeeds(scene.call(&["lock", "--update"]));
    let lines = [
        name.clone(),
        format!("  digest: {first} -> {second}"),
        format!("  {platform}: version 1.0 -> 1.1, 3 packages changed"),
        "    libc6 2.36-9 -> 2.36-9+deb12u1".into(),
        "    new 3 (new)".into(),
        "    old 1 (gone)".into(),
    ];
    assert_eq!(told, lines.join("\n"));
    assert_eq!(succeeds(scene.call(&["lock"])), format!("{name}@{second}"));
    assert_eq!(succeeds(scene.call(&["lock", "--update", "--check"])), "nothing moved");
}

#[test]
fn what_a_base_calls_itself_and_its_packages_steers_no_terminal_and_fills_no_log() {
    let scene = Scene::new();
    scene.release("1.0", &[("libc6", "2.36-9")]);
    succeeds(scene.call(&["lock"]));
    let long = "9".repeat(100_000);
    scene.release("1.1\n::error::moved\u{1b}[2J", &[("libc6", &long), ("new\u{1b}]0;x\u{7}", "3\u{202e}4")]);
    let done = scene.call(&["lock", "--update", "--check", "--format", "json"]).output().expect("started");
    let json: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let there = &json["moved"]["bases"][0]["platforms"][0];
    assert_eq!(there["version"]["to"], "1.1\u{fffd}::error::moved\u{fffd}[2J");
    let told = succeeds(scene.call(&["lock", "--update"]));
    let lines = [
        format!(
            "  linux/{}: version 1.0 -> 1.1\u{fffd}::error::moved\u{fffd}[2J, 2 packages changed",
            architecture()
        ),
        format!("    libc6 2.36-9 -> {}...", &long[..200]),
        "    new\u{fffd}]0;x\u{fffd} 3\u{fffd}4 (new)".into(),
    ];
    assert!(told.ends_with(&lines.join("\n")), "{told:?}");
}

#[test]
fn a_pinned_base_that_the_registry_has_lost_is_said_and_moves_on() {
    let scene = Scene::new();
    let (now, lost) = (scene.move_base("now"), format!("sha256:{}", "ab".repeat(32)));
    let text = format!("version = 1\n\n[bases]\n{:?} = {lost:?}\n", scene.base);
    fs::write(scene.lock_file(), text).expect("written");
    let told = succeeds(scene.call(&["lock", "--update"]));
    assert!(told.contains(&format!("  digest: {lost} -> {now}\n")), "{told}");
    assert!(told.contains(": cannot be compared: cannot use the base "), "{told}");
    assert_eq!(succeeds(scene.call(&["lock", "--update", "--check"])), "nothing moved");
}

#[test]
fn a_check_is_part_of_an_update() {
    let scene = Scene::new();
    for flags in [&["lock", "--check"][..], &["lock", "--update", "--dry-run"]] {
        assert_eq!(fails(scene.call(flags)).0, 2, "{flags:?}");
    }
    assert!(!scene.lock_file().exists());
}

#[test]
fn a_check_makes_no_lock_for_python() {
    let (project, home) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("home"));
    let table = "[project]\nname = 'shop'\nversion = '1'\ndependencies = ['left-pad']\n";
    fs::write(project.path().join("pyproject.toml"), table).expect("written");
    let flags = ["lock", "--update", "--check", "--base", "scratch"];
    assert_eq!(fails(call(project.path(), home.path(), &flags)).0, 2);
    assert_eq!(fs::read_dir(project.path()).expect("the folder").count(), 1, "nothing was made");
}

#[test]
fn images_flags_may_be_given_to_a_lock() {
    let scene = Scene::new();
    succeeds(scene.call(&["lock", "--check", "off"]));
    assert!(scene.lock_file().exists());
    assert_eq!(fails(scene.call(&["--check"])).0, 2, "for images it needs a value");
}
