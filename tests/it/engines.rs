//! Bases from local engines and delivery to them, with scripts in the place of `docker` and `podman`.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use containerize_tests::fixture::{hello, script};
use containerize_tests::layout::{Layout, sha256};
use containerize_tests::program::{call, can_build, fails, succeeds};
use serde_json::Value;
use tempfile::TempDir;

/// What stands for an engine: it writes down how it is called, and answers from files beside it.
const SCRIPT: &str = r#"#!/bin/sh
cd "$(dirname "$0")/.."
echo "$*" >> calls
echo "$DOCKER_HOST $DOCKER_CONTEXT $CONTAINER_HOST" > environment
case "$*" in
"image inspect --format {{.Id}} "*)
    if [ -e id ]; then cat id; else echo "Error: No such image: $5" >&2; exit 1; fi ;;
"image inspect "*) cat chains 2>/dev/null ;;
"image ls "*) cat images 2>/dev/null ;;
"info "*) cat status ;;
"save "*) cat saved.tar ;;
"load "*)
    cat > "loaded$(ls loaded* 2>/dev/null | wc -l).tar"
    if [ -e refuse ]; then rm refuse; echo "a layer is missing" >&2; exit 1; fi ;;
"tag "*) ;;
*) echo "unknown command" >&2; exit 125 ;;
esac
true
"#;

const CLASSIC: &str = r#"[["Backing Filesystem","extfs"]]"#;
const CONTAINERD: &str = r#"[["driver-type","io.containerd.snapshotter.v1"]]"#;

/// A project, a home, and an engine under both names.
struct Scene {
    project: TempDir,
    home: TempDir,
    engine: TempDir,
}

impl Scene {
    fn new() -> Self {
        let [project, home, engine] = [hello(), temporary(), temporary()];
        let scene = Self { project, home, engine };
        let programs = scene.at("bin");
        fs::create_dir(&programs).expect("folder");
        for name in ["docker", "podman"] {
            script(&programs.join(name), SCRIPT);
        }
        scene.set("status", CLASSIC);
        scene
    }

    fn at(&self, name: &str) -> PathBuf {
        self.engine.path().join(name)
    }

    fn set(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).expect("file");
    }

    fn call(&self, arguments: &[&str]) -> Command {
        let mut command = call(self.project.path(), self.home.path(), arguments);
        let mut path = OsString::from(self.at("bin"));
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command.env("PATH", path);
        command
    }

    /// The verbs of the calls since this was last asked.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.at("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.at("calls"));
        let verb = |line: &str| line.split(" --").next().unwrap_or_default().to_owned();
        calls.lines().map(|line| if line.contains("{{.Id}}") { "id".into() } else { verb(line) }).collect()
    }

    /// Makes the image of another project what the engine saves; its id is the digest of the
    /// configuration, or of the manifest. Returns the manifest's path in the tar and the layers'.
    fn has_base(&self, by_manifest: bool) -> Archive {
        let project = hello();
        let output = format!("docker-archive:{}", self.at("saved.tar").display());
        succeeds(call(project.path(), self.home.path(), &["--env", "BASE=1", "--output", &output]));
        // The cache must not know it from making it.
        fs::remove_dir_all(self.home.path().join("cache")).expect("cache");
        let base = Archive::read(self.at("saved.tar"));
        self.set("id", &format!("{}\n", if by_manifest { &base.manifest } else { &base.config }));
        base
    }

    fn loaded(&self, number: usize) -> Archive {
        Archive::read(self.at(&format!("loaded{number}.tar")))
    }
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// What a Docker archive says and holds, by digests.
struct Archive {
    config: String,
    manifest: String,
    layers: Vec<String>,
    names: Value,
    diff_ids: Value,
    blobs: Vec<String>,
}

impl Archive {
    fn read(file: PathBuf) -> Self {
        let mut files = std::collections::BTreeMap::new();
        for entry in tar::Archive::new(fs::File::open(file).expect("archive")).entries().expect("tar") {
            let mut entry = entry.expect("entry");
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).expect("bytes");
            files.insert(entry.path().expect("path").display().to_string(), bytes);
        }
        let json = |name: &str| -> Value { serde_json::from_slice(&files[name]).expect("json") };
        let digest = |path: &Value| path.as_str().expect("path").replace("blobs/sha256/", "sha256:");
        let item = &json("manifest.json")[0];
        let index = json("index.json");
        let blobs = files.iter().filter(|(name, bytes)| name.contains("sha256/") && !bytes.is_empty());
        Self {
            config: digest(&item["Config"]),
            manifest: digest(&index["manifests"][0]["digest"]),
            layers: item["Layers"].as_array().expect("layers").iter().map(digest).collect(),
            names: item["RepoTags"].clone(),
            diff_ids: json(item["Config"].as_str().expect("path"))["rootfs"]["diff_ids"].clone(),
            blobs: blobs.map(|(_, bytes)| sha256(bytes)).collect(),
        }
    }
}

#[test]
fn a_base_of_an_engine_is_saved_once() {
    if !can_build() {
        return;
    }
    for (base, by_manifest) in [("docker-daemon:web:1", false), ("docker-daemon:web:1", true)]
        .into_iter()
        .chain([("containers-storage:localhost/web", false)])
    {
        let scene = Scene::new();
        let saved = scene.has_base(by_manifest);
        let build = || {
            succeeds(scene.call(&["--base", base, "--output", "oci:out"]));
            let image = Layout::read(&scene.project.path().join("out")).only();
            let environment = image.config["config"]["Env"].to_string();
            assert!(environment.contains("BASE=1"), "{environment}");
            let layers: Vec<&str> = image.layers.iter().map(|layer| layer.digest.as_str()).collect();
            assert_eq!(layers[..saved.layers.len()], saved.layers);
            assert_eq!(layers.len(), saved.layers.len() + 1, "and the program");
        };
        build();
        assert_eq!(scene.calls().join(", "), format!("id, save {}", id(&scene)));
        build();
        assert_eq!(scene.calls(), ["id"], "{base}: nothing has changed");
        let blobs = scene.home.path().join("cache/blobs/sha256");
        fs::remove_file(blobs.join(saved.layers[0].trim_start_matches("sha256:"))).expect("removed");
        build();
        assert_eq!(scene.calls().len(), 2, "{base}: a layer was gone from the cache");
    }
}

fn id(scene: &Scene) -> String {
    fs::read_to_string(scene.at("id")).expect("id").trim().to_owned()
}

#[test]
fn a_base_of_an_engine_needs_no_network_and_no_lock() {
    if !can_build() {
        return;
    }
    let scene = Scene::new();
    scene.has_base(false);
    let base = ["--base", "docker-daemon:web:1"];
    succeeds(scene.call(&[&["lock"][..], &base].concat()));
    assert!(!scene.project.path().join("containerize.lock").exists());
    succeeds(scene.call(&base));
    succeeds(scene.call(&[&["--offline"][..], &base].concat()));
    succeeds(scene.call(&[&["--frozen"][..], &base].concat()));
}

#[test]
fn a_base_of_an_engine_must_have_the_platform() {
    if !can_build() {
        return;
    }
    let other = if cfg!(target_arch = "aarch64") { "linux/amd64" } else { "linux/arm64" };
    let scene = Scene::new();
    scene.has_base(false);
    let base = ["--base", "docker-daemon:web:1", "--platform", other];
    let (code, words) = fails(scene.call(&base));
    assert_eq!(code, 2, "{words}");
    assert!(words.contains(&format!(", not for {other}")) || words.contains("is not installed"), "{words}");
}

#[test]
fn a_base_that_the_engine_lacks_is_to_be_pulled() {
    if !can_build() {
        return;
    }
    let scene = Scene::new();
    let (code, words) = fails(scene.call(&["--base", "docker-daemon:web:9"]));
    assert_eq!(code, 2, "{words}");
    for part in ["docker has no image web:9", "hint: pull it: docker pull web:9"] {
        assert!(words.contains(part), "{words}");
    }
    assert!(!scene.project.path().join("target/containerize").exists());
}

#[test]
fn what_an_engine_saves_is_held_to_its_digests() {
    if !can_build() {
        return;
    }
    let scene = Scene::new();
    scene.has_base(false);
    let tar = fs::read(scene.at("saved.tar")).expect("tar");
    fs::write(scene.at("saved.tar"), &tar[..tar.len() / 2]).expect("half");
    let (code, words) = fails(scene.call(&["--base", "docker-daemon:web:1"]));
    assert!((1..=4).contains(&code) && words.contains("saved by docker from web:1"), "{words}");
    fs::write(scene.at("saved.tar"), &tar).expect("whole");
    succeeds(scene.call(&["--base", "docker-daemon:web:1"]));
}

#[test]
fn an_engine_without_images_gets_all_under_the_images_name() {
    if !can_build() {
        return;
    }
    for engine in ["docker", "podman"] {
        let scene = Scene::new();
        succeeds(scene.call(&["--load", engine, "--tag", "ghcr.io/a/web:1", "--tag", "ghcr.io/a/web:2"]));
        let loaded = scene.loaded(0);
        assert_eq!(loaded.names, serde_json::json!(["ghcr.io/a/web:1"]));
        assert_eq!(loaded.blobs.len(), loaded.layers.len() + 2, "all layers, manifest and configuration");
        let calls = scene.calls();
        assert_eq!(calls[calls.len() - 2..], ["load", "tag ghcr.io/a/web:1 ghcr.io/a/web:2"]);
    }
}

#[test]
fn an_engine_that_has_the_image_is_sent_nothing() {
    if !can_build() {
        return;
    }
    let scene = Scene::new();
    succeeds(scene.call(&["--load", "docker"]));
    let loaded = scene.loaded(0);
    for id in [&loaded.config, &loaded.manifest] {
        scene.calls();
        scene.set("images", &format!("{}\n{id}\n", sha256(b"another")));
        succeeds(scene.call(&["--load", "docker"]));
        assert_eq!(scene.calls(), ["image ls", &format!("tag {id} docker.io/library/hello:1.0.0")]);
    }
}

#[test]
fn only_layers_that_the_engine_lacks_are_sent() {
    if !can_build() {
        return;
    }
    for engine in ["docker", "podman"] {
        let scene = Scene::new();
        succeeds(scene.call(&["--load", engine]));
        let first = scene.loaded(0);
        scene.set("images", &format!("{}\n", first.config));
        scene.set("chains", &format!("{}\n", first.diff_ids));
        succeeds(scene.call(&["--load", engine, "--env", "NEW=1"]));
        let second = scene.loaded(1);
        assert_eq!(second.layers, first.layers);
        assert_eq!(second.blobs.len(), 2, "manifest and configuration: {:?}", second.blobs);
        assert!(!scene.at("loaded2.tar").exists());
    }
}

#[test]
fn containerds_store_is_sent_what_no_known_image_has() {
    if !can_build() {
        return;
    }
    let scene = Scene::new();
    scene.set("status", CONTAINERD);
    succeeds(scene.call(&["--load", "docker"]));
    let first = scene.loaded(0);
    // By what its layers unpack to it would hold them, which says nothing about their blobs.
    scene.set("chains", &format!("{}\n", first.diff_ids));
    scene.set("images", &format!("{}\n", sha256(b"another")));
    succeeds(scene.call(&["--load", "docker", "--env", "NEW=1"]));
    assert_eq!(scene.loaded(1).blobs.len(), first.blobs.len());
    scene.set("images", &format!("{}\n", first.manifest));
    succeeds(scene.call(&["--load", "docker", "--env", "NEW=2"]));
    assert_eq!(scene.loaded(2).blobs.len(), 2, "manifest and configuration");
}

#[test]
fn an_engine_that_misses_a_layer_after_all_gets_the_whole_image() {
    if !can_build() {
        return;
    }
    let scene = Scene::new();
    succeeds(scene.call(&["--load", "podman"]));
    let first = scene.loaded(0);
    scene.set("images", &format!("{}\n", first.config));
    scene.set("chains", &format!("{}\n", first.diff_ids));
    scene.set("refuse", "");
    succeeds(scene.call(&["--load", "podman", "--env", "NEW=1"]));
    assert_eq!((scene.loaded(1).blobs.len(), scene.loaded(2).blobs.len()), (2, first.blobs.len()));
}

#[test]
fn an_engine_that_refuses_the_image_ends_the_call() {
    if !can_build() {
        return;
    }
    let scene = Scene::new();
    scene.set("refuse", "");
    let (code, words) = fails(scene.call(&["--load", "docker"]));
    assert_eq!(code, 1, "{words}");
    for part in ["docker load failed", "a layer is missing", "docker info"] {
        assert!(words.contains(part), "{words}");
    }
}

#[test]
fn the_engine_is_the_one_that_the_environment_names() {
    if !can_build() {
        return;
    }
    let scene = Scene::new();
    scene.has_base(false);
    for arguments in [["--base", "docker-daemon:web:1"], ["--load", "podman"]] {
        let mut command = scene.call(&arguments);
        command.env("DOCKER_HOST", "tcp://h:1").env("DOCKER_CONTEXT", "c").env("CONTAINER_HOST", "ssh://p");
        succeeds(command);
        let environment = fs::read_to_string(scene.at("environment")).expect("environment");
        assert_eq!(environment, "tcp://h:1 c ssh://p\n", "{arguments:?}");
    }
}
