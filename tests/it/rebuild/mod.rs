//! `verify --rebuild`: an image is built again elsewhere, and compared bit for bit.

mod differences;
mod refusals;
mod same;

use std::path::{Path, PathBuf};
use std::process::Command;

use containerize_tests::program::{Call, Done, Project};
use containerize_tests::registry::{Options, Referrers, TestRegistry};
use serde_json::Value;
use tempfile::TempDir;

/// A registry that lists what hangs on images.
fn registry() -> TestRegistry {
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
    let call = project.call_on("elsewhere", [&["verify", image, "--rebuild", "-C", &checkout], arguments].concat());
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
