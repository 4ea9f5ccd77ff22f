//! `verify --rebuild`: an image is built again elsewhere, and compared bit for bit.

mod differences;
mod lies;
mod planted;
mod refusals;
mod same;
mod vouched;

use std::path::{Path, PathBuf};
use std::process::Command;

use containerize_tests::program::{Call, Done, Project};
use containerize_tests::python::{Base, Wheel};
use containerize_tests::registry::{Options, Referrers, TestRegistry};
use serde_json::Value;
use tempfile::TempDir;

/// A registry that lists what hangs on images.
pub(crate) fn registry() -> TestRegistry {
    TestRegistry::start(Options::listing(Referrers::Proper))
}

/// Runs git as somebody in a folder.
fn git(dir: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.arg("-C").arg(dir).args(["-c", "user.name=u", "-c", "user.email=u@example.com"]);
    let said = git.args(arguments).output().expect("git");
    assert!(said.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

/// Commits all of the project, and tells the commit.
fn commit(project: &Project) -> String {
    if !project.at(".git").exists() {
        git(project.path(), &["init", "-q"]);
    }
    git(project.path(), &["add", "-A"]);
    git(project.path(), &["commit", "-q", "--allow-empty", "-m", "x"]);
    git(project.path(), &["rev-parse", "HEAD"])
}

/// A program of Rust in a repository.
fn rust(rest: &str) -> Project {
    let project = Project::app(rest);
    project.write(&[(".gitignore", "/target\n/out\n*.tar\n")]);
    project
}

fn push(project: &Project, registry: &TestRegistry, arguments: &[&str]) -> Call {
    let repository = registry.repository("me/app");
    project.call([&["--push", "--repository", &repository, "-t", "1"], arguments].concat())
}

fn image(registry: &TestRegistry) -> String {
    format!("{}:1", registry.repository("me/app"))
}

/// Another checkout of the project's repository, somewhere else.
fn elsewhere(project: &Project) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let place = folder.path().join("quite/another place");
    std::fs::create_dir_all(place.parent().expect("a parent")).expect("folder");
    let (from, to) = (project.path().display().to_string(), place.display().to_string());
    git(folder.path(), &["clone", "-q", &from, &to]);
    (folder, place)
}

/// Builds `image` again on another machine, from a checkout elsewhere.
fn rebuild(project: &Project, image: &str, checkout: &Path, arguments: &[&str]) -> Call {
    let checkout = checkout.display().to_string();
    let call =
        project.call_on("elsewhere", [&["verify", image, "--rebuild", "-C", &checkout], arguments].concat());
    call.umask("077").env("TZ", "Asia/Kathmandu").env("LC_ALL", "C.UTF-8").env("PIP_CONFIG_FILE", "/dev/null")
}

/// What a rebuild that differs says, as JSON.
fn difference(call: Call) -> Value {
    let done = call.fail();
    assert_eq!(done.code(), 4, "{}", done.shown());
    serde_json::from_str(done.stdout()).unwrap_or_else(|error| panic!("{error}: {}", done.shown()))
}

fn assert_same(done: &Done) {
    assert!(done.stdout().contains(": the same, bit for bit\n"), "{}", done.shown());
}

/// A project of Python with a wheel and a base beside it, all of it committed.
pub(crate) fn python() -> Project {
    let project = Project::new(&[
        ("main.py", "import greeting\n\nif __name__ == \"__main__\":\n    print(greeting.WORDS)\n"),
        ("conf/a.toml", "a = 1\n"),
        ("pyproject.toml", "[project]\nname = \"shop\"\nversion = \"2.0\"\ndynamic = [\"dependencies\"]\n"),
        (".gitignore", "/out\n"),
        (".containerignore", "wheels\nbase\nout\nsign.toml\n"),
    ]);
    let hash = Wheel::new("greeting", "1.0")
        .file("greeting/__init__.py", "WORDS = 'hello'\n")
        .file("greeting/__init__.pyi", "WORDS: str\n")
        .write(&project.at("wheels"));
    let line = format!("--no-index\n--find-links wheels\ngreeting==1.0 --hash=sha256:{hash}\n");
    project.write(&[("requirements.txt", &line)]);
    Base::debian(3, 13, 5).write(&project.at("base"));
    project
}

/// Puts the only image of a layout into a registry.
pub(crate) fn put_layout(registry: &TestRegistry, repository: &str, tag: &str, layout: &Path) {
    let text = |path: PathBuf| std::fs::read(path).expect("a file");
    let index: Value = serde_json::from_slice(&text(layout.join("index.json"))).expect("JSON");
    let blob = |digest: &Value| {
        text(
            layout
                .join("blobs/sha256")
                .join(digest.as_str().expect("a digest").trim_start_matches("sha256:")),
        )
    };
    put(registry, repository, tag, &index["manifests"][0], &blob);
}

fn put(
    registry: &TestRegistry,
    repository: &str,
    reference: &str,
    entry: &Value,
    blob: &dyn Fn(&Value) -> Vec<u8>,
) {
    let bytes = blob(&entry["digest"]);
    let manifest: Value = serde_json::from_slice(&bytes).expect("JSON");
    for below in manifest["manifests"].as_array().into_iter().flatten() {
        put(registry, repository, below["digest"].as_str().expect("a digest"), below, blob);
    }
    for part in manifest["layers"].as_array().into_iter().flatten().chain(manifest.get("config")) {
        registry.put_blob(repository, blob(&part["digest"]));
    }
    let kind = entry["mediaType"].as_str().or(manifest["mediaType"].as_str()).expect("a type");
    registry.put_manifest(repository, reference, kind, bytes);
}
