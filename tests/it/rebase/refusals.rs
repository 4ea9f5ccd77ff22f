//! What the image relies on, and the new base does not have.

use containerize_tests::program::{Project, can_build};
use containerize_tests::python::{Base, elf};
use serde_json::json;

use super::{Bench, refused};
use crate::rebuild::python;

const ONE: [&str; 2] = ["--platform", "linux/amd64"];

/// The kind of each broken fact with its words; nothing is pushed.
fn broken(project: Project, old: &Base, new: &Base, arguments: &[&str]) -> Vec<(String, String)> {
    let bench = Bench::new(project);
    let (old, new) = (bench.lay("old", old), bench.lay("new", new));
    bench.push("here", &old, "1", arguments).succeed();
    let (said, done) = refused(bench.rebase(&new, &["--to", "2", "--format", "json"]));
    assert_eq!(said["result"], "refused", "{}", done.shown());
    assert!(bench.registry.manifest("me/app", "2").is_none(), "{}", done.shown());
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let all = said["platforms"][0]["broken"].as_array().expect("a list");
    all.iter().map(|one| (text(&one["fact"]), text(&one["message"]))).collect()
}

fn slim() -> Base {
    Base::debian(3, 13, 5)
}

#[test]
fn python_images_are_refused_where_a_build_would_give_another_one() {
    let mount = [
        "--file",
        "conf/a.toml:/var/run/app/a.toml",
        "--file",
        "conf/a.toml:/etc/conf/a.toml",
        "--file",
        "conf/a.toml:/data/a.toml",
    ];
    let base = || slim().link("var/run", "/run").folder("run", 0o755).folder("etc/conf", 0o750);
    let old = || base().link("data", "/mnt/data");
    for (what, new, fact, words) in [
        (
            "another minor",
            Base::debian(3, 14, 0),
            "python",
            "made for Python 3.13.5, but the new base has 3.14.0",
        ),
        ("no Python", Base::bare(), "python", "the new base has no Python interpreter"),
        ("musl", Base::alpine(3, 13, 5), "c-library", "glibc 2.36, but the new one has musl 1.2"),
        (
            "a user that is there",
            old().file("etc/passwd", "root:x:0:0::/:/bin/sh\na:x:65532:1:::\n", 0o644),
            "user",
            "the user 65532:65532 a name in /etc/passwd and /etc/group, which the new base does not need",
        ),
        ("a mode", old().folder("etc/conf", 0o700), "directory", "/etc/conf is 0750 0:0"),
        (
            "a folder for a link",
            slim().folder("var/run", 0o755),
            "link",
            "/var/run leads to /run in the old base",
        ),
        (
            "a link that leads to nothing",
            base().link("data", "/mnt/other"),
            "link",
            "/data leads to /mnt/data in the old base, but to /mnt/other",
        ),
        (
            "a link for a folder",
            old().link("etc/conf", "other").folder("etc/other", 0o755),
            "place",
            "/etc/conf is a directory",
        ),
        (
            "a file for a folder",
            old().file("app", "x", 0o644),
            "place",
            "/app is a directory in the image, but a file",
        ),
        ("a hidden file", old().file("etc/conf/a.toml", "x", 0o644), "place", "would hide a file"),
        (
            "a folder for a file",
            old().folder("etc/conf/a.toml", 0o755),
            "place",
            "is a file in the image, but a directory",
        ),
    ] {
        let found = broken(python(), &old(), &new, &[&ONE[..], &mount].concat());
        assert!(found.iter().any(|(of, said)| of == fact && said.contains(words)), "{what}: {found:?}");
    }
}

#[test]
fn patch_versions_of_python_that_may_need_other_distributions_are_refused() {
    let project = python();
    let lock = std::fs::read_to_string(project.at("requirements.txt")).expect("a lock");
    let marked = lock.replace("greeting==1.0 ", "greeting==1.0 ; python_full_version < '3.13.9' ");
    assert_ne!(marked, lock);
    project.write(&[("requirements.txt", &marked)]);
    let required = python();
    let about = std::fs::read_to_string(required.at("pyproject.toml")).expect("a project");
    let about = about.replace("[project]\n", "[project]\nrequires-python = '<3.13.6'\n");
    required.write(&[("pyproject.toml", &about)]);
    for project in [project, required] {
        let found = broken(project, &slim(), &Base::debian(3, 13, 6), &ONE);
        let words = "3.13.5, but the new base has 3.13.6, for which other distributions may be needed";
        assert!(found.iter().any(|(fact, said)| fact == "python" && said.contains(words)), "{found:?}");
    }
    let found = broken(python(), &Base::debian(3, 13, 0), &slim(), &ONE);
    assert!(found.iter().any(|(fact, said)| fact == "python" && said.contains("3.13.0")), "{found:?}");
}

#[test]
fn programs_are_refused_where_they_would_not_start() {
    if !can_build() {
        return;
    }
    let loader = "lib64/ld-linux-x86-64.so.2";
    let table =
        "[package.metadata.containerize]\nfiles = [{ from = 'tool', to = '/usr/bin/tool', mode = '0755' }]\n";
    let project = Project::app(table);
    std::fs::write(project.at("tool"), elf(62, Some(&format!("/{loader}")), b"")).expect("written");
    let flags = ["--entrypoint", "/usr/bin/tool"];
    let found = broken(project, &Base::bare(), &Base::alpine(3, 13, 5), &flags);
    assert!(found.iter().any(|(fact, said)| fact == "need" && said.contains(loader)), "{found:?}");
}

#[test]
fn images_of_which_too_little_is_known_are_refused() {
    let bench = Bench::new(python());
    let new = bench.lay("new", &slim().created("2026-11-01T00:00:00Z"));
    let said = |arguments: &[&str]| {
        let done = bench.rebase(&new, arguments).fail();
        assert_eq!(done.code(), 4, "{}", done.shown());
        done.stderr()
    };
    bench.push("here", &new, "1", &[&ONE[..], &["--attestations", "none"]].concat()).succeed();
    assert!(said(&[]).contains("has no provenance that records"), "{}", said(&[]));
    bench.push("here", "oci:base:py", "1", &ONE).succeed();
    assert!(said(&[]).contains("its base for linux/amd64 is not from a registry"), "{}", said(&[]));
    // Somebody has changed the configuration, and hung the provenance on the result.
    bench.push("here", &new, "1", &ONE).succeed();
    let key = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/trust/plain.pub");
    let key = key.display().to_string();
    assert!(said(&["--key", &key]).contains("signed"), "{}", said(&["--key", &key]));
}

#[test]
fn a_base_that_the_build_has_named_itself_is_not_proved() {
    let bench = Bench::new(python());
    let base = bench.lay("old", &slim());
    let name = ["--label", "org.opencontainers.image.base.name=docker.io/library/python:3.13"];
    bench.push("here", &base, "1", &[&ONE[..], &name].concat()).succeed();
    let done = bench.rebase(&base, &["--check"]).fail();
    assert_eq!(done.code(), 4, "{}", done.shown());
    assert!(done.stderr().contains("said itself which base it names"), "{}", done.shown());
}

#[test]
fn a_new_base_must_be_signed_where_the_call_says_so() {
    let bench = Bench::new(python());
    let (old, new) = (bench.lay("old", &slim()), bench.lay("new", &slim().created("2026-11-01T00:00:00Z")));
    bench.push("here", &old, "1", &ONE).succeed();
    let key = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/trust/plain.pub");
    let signer = format!("{{ key = {:?} }}", key.display().to_string());
    let call = || bench.rebase(&new, &["--to", "2"]).env("CONTAINERIZE_BASE_VERIFY", &signer);
    let done = call().fail();
    assert_eq!(
        (done.code(), bench.registry.manifest("me/app", "2").is_none()),
        (4, true),
        "{}",
        done.shown()
    );
    assert!(done.stderr().contains(&new), "{}", done.shown());
    bench.rebase(&new, &["--to", "2"]).succeed();
}

#[test]
fn one_platform_of_an_image_can_be_judged_by_its_digest() {
    let bench = Bench::new(python());
    let (old, new) = (bench.lay("old", &slim()), bench.lay("new", &slim().created("2026-11-01T00:00:00Z")));
    bench.push("here", &old, "1", &["--platform", "linux/amd64,linux/arm64"]).succeed();
    let (_, index) = bench.registry.manifest("me/app", "1").expect("pushed");
    let index: serde_json::Value = serde_json::from_slice(&index).expect("json");
    let digest = index["manifests"][1]["digest"].as_str().expect("a digest");
    let image = format!("{}@{digest}", bench.registry.repository("me/app"));
    let done = bench.project.call_on("elsewhere", ["rebase", &image, "--base", &new, "--check"]).succeed();
    assert!(done.stdout().contains("can be rebased"), "{}", done.shown());
}

#[test]
fn a_base_without_the_platform_is_refused() {
    let bench = Bench::new(python());
    let old = bench.lay("old", &slim());
    bench.push("here", &old, "1", &["--platform", "linux/arm64"]).succeed();
    let only = containerize_tests::image::put(&bench.registry, "bases/other", "1", "amd64", "x");
    let other = format!("{}@{only}", bench.registry.repository("bases/other"));
    let done = bench.rebase(&other, &[]).fail();
    assert!(done.stderr().contains("linux/arm64"), "{}", done.shown());
    assert_eq!(json!(done.code()), 2, "{}", done.shown());
}
