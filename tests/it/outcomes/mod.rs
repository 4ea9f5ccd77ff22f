//! The whole way, from a project to images that are read back and held to the specification.

mod attest;
mod changed;
mod content;
mod crates;
mod files;
mod gate;
mod names;
mod plan;
mod policy;
mod push;
mod sign;
pub(crate) mod vouched;

use containerize_tests::fixture::manifest;
use containerize_tests::layout::{Image, Layout};
use containerize_tests::program::{Project, can_build, has_std};
use serde_json::Value;

const MAIN: &str = "fn main() {}";

/// A package with these lines in its configuration table.
fn configured(lines: &str) -> Project {
    Project::app(&format!("[package.metadata.containerize]\n{lines}\n"))
}

/// Builds into a new layout, and reads it.
fn layout(project: &Project, arguments: &[&str]) -> Layout {
    let _ = std::fs::remove_dir_all(project.at("out"));
    let done = project.call([&["--quiet", "-o", "oci:out"], arguments].concat()).succeed();
    assert_eq!(done.stderr(), "", "nothing to say");
    let layout = Layout::read(&project.at("out"));
    let roots: Vec<&str> = layout.images.iter().map(|image| image.root.as_str()).collect();
    let named = |line: &str| roots.contains(&line.rsplit('@').next().unwrap_or_default());
    assert!(done.stdout().lines().all(named), "{}\n{roots:?}", done.shown());
    layout
}

fn image(project: &Project, arguments: &[&str]) -> Image {
    layout(project, arguments).only()
}

fn names(layout: &Layout) -> Vec<&str> {
    layout.images.iter().map(|image| image.name.as_str()).collect()
}

/// What a call with these arguments puts into an archive, which holds a layout.
fn in_archive(project: &Project, arguments: &[&str], archive: &str) -> Layout {
    project.call(arguments).succeed();
    unpacked(project, std::fs::File::open(project.at(archive)).expect("the archive"))
}

fn unpacked(project: &Project, archive: impl std::io::Read) -> Layout {
    let folder = project.at("unpacked");
    tar::Archive::new(archive).unpack(&folder).expect("a tar");
    Layout::read(&folder)
}

/// A package of the binaries `a` and `b`.
fn two_binaries(rest: &str) -> Project {
    Project::new(&[("Cargo.toml", &manifest("pair", rest)), ("src/bin/a.rs", MAIN), ("src/bin/b.rs", MAIN)])
}

#[test]
fn a_project_becomes_a_small_static_image() {
    if !can_build() {
        return;
    }
    let project = Project::app("description = 'An app'\nlicense = 'MIT'\n");
    let done = project.call(["-o", "oci:out"]).succeed();
    let image = Layout::read(&project.at("out")).only();
    assert_eq!((image.root, image.name.as_str()), (done.digest(), "1.0.0"));
    assert_eq!(image.layers.len(), 2, "the base and the program");
    let program = &image.layers[1].entries;
    let paths: Vec<&str> = program.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths, ["usr", "usr/local", "usr/local/bin", "usr/local/bin/app"]);
    assert!(program.iter().all(|entry| entry.mode == 0o755 && entry.owner == (0, 0)), "{paths:?}");
    assert!(program[3].bytes.starts_with(b"\x7fELF"));
    let run = &image.config["config"];
    assert_eq!(run["Entrypoint"], serde_json::json!(["/usr/local/bin/app"]));
    assert_eq!((&run["User"], &run["WorkingDir"]), (&"65532:65532".into(), &"/".into()));
    assert_eq!(run["Labels"]["org.opencontainers.image.description"], "An app");
    assert_eq!(image.manifest["annotations"]["org.opencontainers.image.licenses"], "MIT");
    assert_eq!(image.config["created"], "1970-01-01T00:00:00Z");
}

#[test]
fn without_words_the_image_is_below_the_target_folder() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    let done = project.call::<&str>([]).succeed();
    assert_eq!(Layout::read(&project.at("target/containerize")).only().root, done.digest());
}

#[test]
fn scratch_has_the_program_alone() {
    if !can_build() {
        return;
    }
    assert_eq!(image(&Project::app(""), &["--base", "scratch"]).layers.len(), 1);
}

#[test]
fn an_image_is_the_base_of_another() {
    if !can_build() {
        return;
    }
    let project = configured("files = [{ from = 'Cargo.toml', to = '/etc/app.toml' }]");
    let below = image(&project, &[]);
    project.call(["--quiet", "-o", "oci:below"]).succeed();
    let above = image(&project, &["--base", "oci:below", "--file", "src:/src"]);
    assert_eq!(above.layer_digests()[..below.layers.len()], below.layer_digests()[..]);
    assert!(above.has("src/main.rs"));
}

#[test]
fn several_binaries_make_several_images() {
    if !can_build() {
        return;
    }
    let project = two_binaries("");
    let done = project.call(["--quiet", "-o", "oci:out", "--bin", "a", "--bin", "b"]).succeed();
    let layout = Layout::read(&project.at("out"));
    assert_eq!(names(&layout), ["a:1.0.0", "b:1.0.0"]);
    let roots = layout.images.iter().zip(["a", "b"]).map(|(image, name)| format!("{name}@{}", image.root));
    assert_eq!(done.stdout().lines().collect::<Vec<_>>(), roots.collect::<Vec<_>>());
    assert!(layout.images[1].has("usr/local/bin/b") && !layout.images[1].has("usr/local/bin/a"));
}

#[test]
fn a_workspace_makes_an_image_of_each_program() {
    if !can_build() {
        return;
    }
    let project = Project::new(&[
        ("Cargo.toml", "[workspace]\nmembers = ['one', 'two', 'lib']\nresolver = '2'\n"),
        ("one/Cargo.toml", &manifest("one", "[package.metadata.containerize]\nuser = '1:1'\n")),
        ("one/src/main.rs", MAIN),
        ("two/Cargo.toml", &manifest("two", "")),
        ("two/src/main.rs", MAIN),
        ("lib/Cargo.toml", &manifest("lib", "")),
        ("lib/src/lib.rs", ""),
    ]);
    let layout = layout(&project, &["--workspace"]);
    assert_eq!(names(&layout), ["one:1.0.0", "two:1.0.0"]);
    let users: Vec<&Value> = layout.images.iter().map(|image| &image.run()["User"]).collect();
    assert_eq!(users, ["1:1", "65532:65532"], "a package's table is for its own image");
}

#[test]
fn tables_declare_images() {
    if !can_build() {
        return;
    }
    let project = two_binaries(
        "[package.metadata.containerize]\nports = [1]\n[package.metadata.containerize.image.front]\nbin = 'a'\nports = [2]\n\
         [package.metadata.containerize.image.b]\nuser = '7:7'\n",
    );
    let layout = layout(&project, &[]);
    assert_eq!(names(&layout), ["b:1.0.0", "front:1.0.0"]);
    let [b, front] = &layout.images[..] else { panic!("two images") };
    assert_eq!(b.run()["User"], "7:7");
    assert_eq!(b.run()["ExposedPorts"], serde_json::json!({"1/tcp": {}}));
    assert_eq!(front.run()["ExposedPorts"], serde_json::json!({"1/tcp": {}, "2/tcp": {}}));
    assert!(front.has("usr/local/bin/a") && b.has("usr/local/bin/b"));
}

#[test]
fn two_platforms_make_an_index() {
    if !has_std("x86_64-unknown-linux-musl") || !has_std("aarch64-unknown-linux-musl") {
        return;
    }
    let project = Project::app("");
    let done = project.call(["-o", "oci:first", "--platform", "linux/amd64,linux/arm64"]).succeed();
    let calls = done.stderr().matches("Building").count();
    assert_eq!(calls, 1, "cargo builds for both at the same time: {}", done.stderr());
    let layout = layout(&project, &["--platform", "linux/amd64,linux/arm64"]);
    let platforms: Vec<&str> = layout.images.iter().map(|image| image.platform.as_str()).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    let [amd64, arm64] = &layout.images[..] else { panic!("two images") };
    assert_eq!(amd64.root, arm64.root, "one index");
    assert_ne!(amd64.root, amd64.digest);
    let machine = |image: &Image| image.entry("usr/local/bin/app").bytes[18];
    assert_eq!((machine(amd64), machine(arm64)), (62, 183), "ELF machines");
    assert_eq!(amd64.layers[0].digest, arm64.layers[0].digest, "the base is the same everywhere");
}

#[test]
fn quiet_says_the_result_alone() {
    if !can_build() {
        return;
    }
    let done = Project::app("").call(["--quiet"]).succeed();
    done.digest();
    assert_eq!(done.stderr(), "");
}

#[test]
fn success_as_json_is_one_document() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    let done = project.call(["--format", "json", "-o", "oci:out"]).succeed();
    let value: Value = serde_json::from_str(done.stdout()).expect("one document");
    let image = Layout::read(&project.at("out")).only();
    let said = &value["images"][0];
    assert_eq!((&said["name"], &said["digest"]), (&"app".into(), &image.root.clone().into()));
    assert_eq!(said["outputs"], serde_json::json!(["oci:out"]));
    assert_eq!(said["platforms"][0]["digest"], image.digest);
    assert_eq!(said["platforms"][0]["platform"], image.platform);
}

#[test]
fn archives_hold_the_same_image() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    let done =
        project.call(["-o", "oci:out", "-o", "oci-archive:a.tar", "-o", "docker-archive:d.tar"]).succeed();
    let archive = std::fs::File::open(project.at("a.tar")).expect("the archive");
    assert_eq!(unpacked(&project, archive).only().root, done.digest());
    let mut archive = tar::Archive::new(std::fs::File::open(project.at("d.tar")).expect("the archive"));
    let manifest = archive.entries().expect("a tar").map(|entry| entry.expect("an entry"));
    let manifest = manifest.into_iter().find(|e| e.path().is_ok_and(|path| path.ends_with("manifest.json")));
    let manifest: Value = serde_json::from_reader(manifest.expect("a manifest")).expect("json");
    assert_eq!(manifest[0]["Layers"].as_array().map(Vec::len), Some(2));
    assert!(manifest[0]["RepoTags"][0].as_str().is_some_and(|tag| tag.ends_with("app:1.0.0")), "{manifest}");
}

#[test]
fn an_archive_goes_to_standard_output_and_the_result_beside_it() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    let done = project.call(["-q", "-o", "oci-archive:-"]).succeed();
    let layout = unpacked(&project, done.bytes());
    assert_eq!(done.stderr().trim(), layout.only().root, "the digest, and nothing else");
    assert!(!project.at("-").exists());
    let twice = project.call(["-o", "oci-archive:-", "-o", "docker-archive:-"]).fail();
    assert!(twice.stderr().contains("several archives cannot go to standard output"), "{}", twice.shown());
}

#[test]
fn an_archive_has_all_tags_by_the_names_that_engines_show() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    let tags = ["--tag", "1.0", "--tag", "latest"];
    let named = |layout: &Layout| names(layout).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let call = |output: &'static str| [&tags[..], &["-o", output]].concat();
    project.call(call("oci:out")).succeed();
    assert_eq!(named(&Layout::read(&project.at("out"))), ["1.0", "latest"]);
    let archive = in_archive(&project, &call("oci-archive:a.tar"), "a.tar");
    assert_eq!(named(&archive), ["1.0", "latest"]);
    let index: Value =
        serde_json::from_slice(&std::fs::read(project.at("unpacked/index.json")).expect("index"))
            .expect("json");
    let full: Vec<&str> = (0..2)
        .filter_map(|i| index["manifests"][i]["annotations"]["io.containerd.image.name"].as_str())
        .collect();
    assert_eq!(full, ["docker.io/library/app:1.0", "docker.io/library/app:latest"]);
}
