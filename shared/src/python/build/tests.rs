use std::path::Path;
use std::sync::{Arc, Mutex};

use super::fakes::Machine;
use super::*;
use crate::error::Kind;
use crate::event::{Event, Reporter};
use crate::python::Libc;

/// A uv that puts a wheel of this name, with a file of this content, where it is told to.
fn makes(wheel: &str, content: &str) -> String {
    let zip = "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'w') as z: \
               z.writestr(zipfile.ZipInfo('m'), sys.argv[2])";
    format!(
        "while [ $# -gt 1 ]; do case $1 in --out-dir|--wheel-dir) out=$2;; esac; shift; done\n\
         python3 -c \"{zip}\" \"$out/{wheel}\" '{content}'"
    )
}

fn target(platform: &str, minor: u32) -> Interpreter {
    Interpreter {
        path: format!("/usr/local/bin/python3.{minor}"),
        version: format!("3.{minor}.1").parse().expect("version"),
        libc: Libc::Glibc { major: 2, minor: 36 },
        platform: platform.parse().expect("platform"),
    }
}

fn project(machine: &Machine) {
    machine.file("pyproject.toml", "[project]\nname = 'demo'\n");
    machine.file("demo.py", "x = 1");
}

fn builder(machine: &Machine) -> Builder {
    builder_with(machine, false, Events::silent())
}

fn builder_with(machine: &Machine, offline: bool, events: Events) -> Builder {
    let host = Host::find(&machine.variables(), machine.project());
    let store = Store::open(machine.store()).expect("store");
    Builder::new(host, store, events, &index::Options::default(), offline)
}

async fn build(machine: &Machine, target: &Interpreter) -> Result<Built> {
    let name = "demo".parse().expect("name");
    builder(machine).wheel(&name, Origin::Directory(machine.project()), target).await
}

/// How often, and how, uv was called to build.
fn builds(machine: &Machine) -> Vec<String> {
    machine.calls().into_iter().filter(|call| !call.ends_with("-I -c")).collect()
}

/// What is left of builds in the cache, but for locks.
fn left(machine: &Machine) -> usize {
    let entries = fs::read_dir(machine.store().join("tmp")).expect("tmp").flatten();
    entries.filter(|entry| !entry.file_name().to_string_lossy().ends_with(".lock")).count()
}

#[tokio::test]
async fn a_pure_wheel_is_built_once_for_all_targets() {
    let machine = Machine::new();
    project(&machine);
    machine.python("python3.11", "3.11.1", "linux-x86_64");
    machine.program("uv", &makes("demo-1.4-py3-none-any.whl", "x"));
    let built = build(&machine, &target("linux/amd64", 11)).await.expect("built");
    assert_eq!(built.filename, "demo-1.4-py3-none-any.whl");
    assert_eq!(Digest::of(&fs::read(&built.path).expect("wheel")), built.digest);
    for other in [target("linux/amd64", 11), target("linux/arm64", 13)] {
        assert_eq!(build(&machine, &other).await.expect("remembered"), built);
    }
    assert_eq!(builder(&machine).version(machine.project(), None).await.expect("version").to_string(), "1.4");
    assert_eq!(builds(&machine).len(), 1);
    assert_eq!(left(&machine), 0, "neither folder nor log");
    machine.file("demo.py", "x = 2");
    build(&machine, &target("linux/amd64", 11)).await.expect("built again");
    assert_eq!(builds(&machine).len(), 2);
}

#[tokio::test]
async fn a_wheel_that_the_store_has_lost_is_built_again() {
    let machine = Machine::new();
    project(&machine);
    machine.program("uv", &makes("demo-1-py3-none-any.whl", "x"));
    let built = build(&machine, &target("linux/amd64", 11)).await.expect("built");
    fs::remove_file(&built.path).expect("evicted");
    assert_eq!(build(&machine, &target("linux/amd64", 11)).await.expect("built"), built);
    assert_eq!(builds(&machine).len(), 2);
}

#[tokio::test]
async fn several_at_once_build_one() {
    let machine = Machine::new();
    project(&machine);
    machine.program("uv", &format!("sleep 0.1\n{}", makes("demo-1-py3-none-any.whl", "x")));
    let builder = builder(&machine);
    let (name, target) = ("demo".parse().expect("name"), target("linux/amd64", 11));
    let one = || builder.wheel(&name, Origin::Directory(machine.project()), &target);
    let (a, b, c) = tokio::join!(one(), one(), one());
    assert!(a.expect("built") == b.expect("built") && c.is_ok());
    assert_eq!(builds(&machine).len(), 1);
}

#[tokio::test]
async fn code_for_this_machine_is_refused_for_another_and_remembered() {
    let machine = Machine::new();
    project(&machine);
    machine.python("python3.11", "3.11.1", "linux-x86_64");
    machine.program("uv", &makes("demo-1-cp311-cp311-linux_x86_64.whl", "x"));
    build(&machine, &target("linux/amd64", 11)).await.expect("it fits");
    for _ in 0..2 {
        let error = build(&machine, &target("linux/arm64", 11)).await.expect_err("refused");
        assert_eq!(error.kind(), Kind::Build);
        let words = "demo-1-cp311-cp311-linux_x86_64.whl was built for x86_64, but the image is linux/arm64";
        assert_eq!(error.to_string(), words);
    }
    assert_eq!(builds(&machine).len(), 1);
}

#[tokio::test]
async fn the_targets_python_builds_and_another_only_where_that_is_missing() {
    let machine = Machine::new();
    project(&machine);
    machine.python("python3", "3.9.1", "linux-x86_64");
    machine.python("python3.12", "3.12.1", "linux-x86_64");
    machine.program("uv", &makes("demo-1-py3-none-any.whl", "x"));
    build(&machine, &target("linux/amd64", 12)).await.expect("built");
    let used =
        |call: &str, name: &str| call.contains(&format!("--python {}", machine.bin().join(name).display()));
    assert!(used(&builds(&machine)[0], "python3.12 "), "{:?}", builds(&machine));
    machine.file("demo.py", "x = 2");
    build(&machine, &target("linux/amd64", 13)).await.expect("pure");
    assert!(used(&builds(&machine)[1], "python3 "), "{:?}", builds(&machine));
}

#[tokio::test]
async fn uv_may_get_a_python_when_another_one_does_not_do() {
    let machine = Machine::new();
    project(&machine);
    machine.python("python3", "3.11.1", "linux-x86_64");
    let (old, new) = ("demo-1-cp311-cp311-linux_x86_64.whl", "demo-1-cp313-cp313-linux_x86_64.whl");
    let script = format!(
        "case \"$*\" in *'--python 3.13 '*) name={new};; *) name={old};; esac\n{}",
        makes("$name", "x")
    );
    machine.program("uv", &script);
    let target = target("linux/amd64", 13);
    assert_eq!(build(&machine, &target).await.expect("built").filename, new);
    assert_eq!(builds(&machine).len(), 2);
    let name = "demo".parse().expect("name");
    let offline = builder_with(&machine, true, Events::silent());
    let error =
        offline.wheel(&name, Origin::Directory(machine.project()), &target).await.expect_err("refused");
    assert_eq!(error.to_string(), format!("{old} was built for cp311, but the image has Python 3.13"));
}

#[tokio::test]
async fn pip_is_used_where_there_is_no_uv() {
    let machine = Machine::new();
    project(&machine);
    let error = build(&machine, &target("linux/amd64", 12)).await.expect_err("no tool");
    assert!(error.to_string().contains("neither uv nor a Python with pip"), "{error}");
    assert_eq!(error.hint_text(), Some("install uv, for example with: pip install uv"));
    machine.python("python3.12", "3.12.9", "linux-x86_64");
    let script = makes("demo-1-py3-none-any.whl", "x");
    machine.python_with("python3", "3.12.1", "linux-x86_64", &script, "23.2.1");
    build(&machine, &target("linux/amd64", 12)).await.expect("built");
    let call = builds(&machine).remove(0);
    assert!(call.starts_with("python3 -m pip wheel --no-deps --use-pep517 "), "{call}");
    assert!(call.ends_with(&machine.project().display().to_string()), "{call}");
}

#[tokio::test]
async fn a_failure_shows_the_end_of_the_log_and_keeps_it() {
    let machine = Machine::new();
    project(&machine);
    machine.program("uv", "echo 'x.c:1:1: fatal error: gmp.h: No such file or directory' >&2; exit 2");
    let error = build(&machine, &target("linux/amd64", 12)).await.expect_err("fails");
    assert_eq!(error.to_string(), "uv cannot build a wheel of demo");
    assert_eq!(error.causes(), ["x.c:1:1: fatal error: gmp.h: No such file or directory"]);
    let hint = error.hint_text().expect("a hint");
    assert!(hint.starts_with("the C header gmp.h is missing"), "{hint}");
    assert_eq!(left(&machine), 1, "the log");
    assert!(Path::new(hint.rsplit(' ').next().expect("the log")).is_file());
}

#[tokio::test]
async fn what_a_tool_makes_is_not_taken_on_trust() {
    for (script, why) in [
        ("true".to_owned(), "it finished, but made no wheel"),
        (makes("other-1-py3-none-any.whl", "x"), "the wheel built for demo is a wheel of other"),
        (makes("demo.whl", "x"), "is not the file name of a wheel"),
        (
            "while [ $# -gt 1 ]; do case $1 in --out-dir) out=$2;; esac; shift; done\n\
          echo x > $out/demo-1-py3-none-any.whl"
                .to_owned(),
            "cannot read the wheel",
        ),
        (
            "while [ $# -gt 1 ]; do case $1 in --out-dir) out=$2;; esac; shift; done\n\
          touch $out/a.whl $out/b.whl"
                .to_owned(),
            "it made several wheels",
        ),
    ] {
        let machine = Machine::new();
        project(&machine);
        machine.program("uv", &script);
        let error = build(&machine, &target("linux/amd64", 12)).await.expect_err("refused");
        assert!(format!("{error:?}").contains(why), "{why}: {error:?}");
    }
    let machine = Machine::new();
    machine.program("uv", "exit 1");
    let error = build(&machine, &target("linux/amd64", 12)).await.expect_err("refused");
    assert_eq!(error.causes(), ["it has neither pyproject.toml nor setup.py"]);
    assert!(builds(&machine).is_empty());
}

#[tokio::test]
async fn a_users_folder_keeps_its_settings_and_setuptools_writes_elsewhere() {
    let machine = Machine::new();
    project(&machine);
    let script = format!("cat $DIST_EXTRA_CONFIG > {}/seen\n", machine.home().display());
    machine.program("uv", &format!("{script}{}", makes("demo-1-py3-none-any.whl", "x")));
    build(&machine, &target("linux/amd64", 12)).await.expect("built");
    let seen = fs::read_to_string(machine.home().join("seen")).expect("settings");
    let place = machine.store().join("tmp");
    assert!(seen.contains(&format!("egg_base = {}", place.display())), "{seen}");
    let call = builds(&machine).remove(0);
    assert!(!call.contains("--no-config") && !call.contains("--no-sources"), "{call}");
}

/// A zip file with a project in a folder.
fn archive(machine: &Machine) -> (PathBuf, Digest) {
    let path = machine.home().join("demo-1.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).expect("file"));
    for name in ["demo-1/pyproject.toml", "demo-1/sub/setup.py"] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("entry");
    }
    zip.finish().expect("zip");
    let digest = Digest::of(&fs::read(&path).expect("zip"));
    (path, digest)
}

#[tokio::test]
async fn an_archive_is_unpacked_at_the_same_place_each_time_and_brings_no_settings() {
    let machine = Machine::new();
    let (path, digest) = archive(&machine);
    machine.program("uv", &makes("demo-1-py3-none-any.whl", "x"));
    let (name, target) = ("demo".parse().expect("name"), target("linux/amd64", 12));
    let mut calls = Vec::new();
    for subdirectory in [None, Some("sub")] {
        let origin = Origin::Archive { path: &path, digest: &digest, subdirectory };
        let built = builder(&machine).wheel(&name, origin, &target).await.expect("built");
        fs::remove_file(built.path).expect("evicted");
        builder(&machine).wheel(&name, origin, &target).await.expect("built again");
        let both = builds(&machine).split_off(calls.len());
        assert_eq!(both[0], both[1]);
        assert!(both[0].contains(" --no-sources --no-config "), "{both:?}");
        let end = subdirectory.map_or("/source/demo-1", |_| "/source/demo-1/sub");
        assert!(both[0].ends_with(end), "{both:?}");
        calls.extend(both);
    }
    let origin = Origin::Archive { path: &path, digest: &digest, subdirectory: Some("..") };
    let error = builder(&machine).wheel(&name, origin, &target).await.expect_err("refused");
    assert_eq!(error.to_string(), "the source has no folder ..");
}

#[tokio::test]
async fn the_users_own_uv_settings_still_count_for_archives() {
    let machine = Machine::new();
    let (path, digest) = archive(&machine);
    let settings = machine.home().join(".config/uv/uv.toml");
    fs::create_dir_all(settings.parent().expect("parent")).expect("folder");
    fs::write(&settings, "").expect("file");
    machine.program("uv", &makes("demo-1-py3-none-any.whl", "x"));
    let origin = Origin::Archive { path: &path, digest: &digest, subdirectory: None };
    let name = "demo".parse().expect("name");
    let offline = builder_with(&machine, true, Events::silent());
    offline.wheel(&name, origin, &target("linux/amd64", 12)).await.expect("built");
    let call = builds(&machine).remove(0);
    assert!(call.contains(&format!("--config-file {}", settings.display())), "{call}");
    assert!(call.contains(" --offline "), "{call}");
}

#[tokio::test]
async fn what_is_built_is_told_without_logins() {
    struct Steps(Mutex<Vec<String>>);
    impl Reporter for Steps {
        fn report(&self, event: Event) {
            if let Event::Step { verb, what } = event {
                self.0.lock().expect("lock").push(format!("{verb} {what}"));
            }
        }
    }
    let machine = Machine::new();
    machine.program("uv", "exit 1");
    let steps = Arc::new(Steps(Mutex::default()));
    let builder = builder_with(&machine, false, Events::new(steps.clone()));
    let commit = "0123456789".repeat(4);
    let origin = Origin::Git { url: "https://me:secret@h.example/x", commit: &commit, subdirectory: None };
    let name = "demo".parse().expect("name");
    let error = builder.wheel(&name, origin, &target("linux/amd64", 12)).await.expect_err("no git");
    assert_eq!(error.to_string(), "cannot fetch https://h.example/x: there is no git on the search path");
    let told = steps.0.lock().expect("lock").clone();
    assert_eq!(told, ["Building a wheel of demo from https://h.example/x at 01234567 with uv"]);
}
