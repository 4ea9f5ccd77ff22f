//! Many processes write one layout at once, some are killed, and somebody reads it all the while.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use containerize_core::oci::Digest;
use containerize_tests::fixture::{folder, has_musl, manifest};
use containerize_tests::program::{call, succeeds};
use serde_json::Value;
use tempfile::TempDir;

const PROJECTS: usize = 4;
/// Two of each project, which then wait for each other in cargo, too.
const WRITERS: usize = 8;

/// What is different in the rounds, which take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// The layout is not there yet.
    New,
    /// Each image replaces one of the same name.
    Replacing,
    /// Some writers are killed.
    Killing,
}

impl Round {
    fn of(number: usize) -> Self {
        [Self::New, Self::Replacing, Self::Killing][number % 3]
    }
}

struct Scene {
    projects: Vec<TempDir>,
    home: TempDir,
}

impl Scene {
    fn new() -> Self {
        let projects: Vec<TempDir> = (0..PROJECTS)
            .map(|i| {
                let manifest = manifest(&format!("app{i}"), "");
                folder(&[("Cargo.toml", &manifest), ("src/main.rs", "fn main() {}"), ("w0", ""), ("w1", "")])
            })
            .collect();
        let scene = Self { projects, home: tempfile::tempdir().expect("home") };
        for writer in 0..PROJECTS {
            succeeds(scene.writer(writer)); // compiles
        }
        fs::remove_dir_all(scene.layout()).expect("removed");
        scene
    }

    fn layout(&self) -> PathBuf {
        self.home.path().join("layout")
    }

    fn writer(&self, writer: usize) -> Command {
        let output = format!("oci:{}:w{writer}", self.layout().display());
        let file = format!("w{}:/content", writer / PROJECTS);
        let project = self.projects[writer % PROJECTS].path();
        let mut command = call(project, self.home.path(), &["--file", &file, "-o", &output]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn round(&self, number: usize) {
        let round = Round::of(number);
        if round == Round::New && self.layout().exists() {
            fs::remove_dir_all(self.layout()).expect("removed");
        }
        for (i, project) in self.projects.iter().enumerate() {
            for file in ["w0", "w1"] {
                fs::write(project.path().join(file), format!("{number} {i} {file}")).expect("content");
            }
        }
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    images(&self.layout());
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
            self.race(number, round);
            done.store(true, Ordering::Relaxed);
        });
    }

    fn race(&self, number: usize, round: Round) {
        let start = |writer| self.writer(writer).spawn().expect("it runs");
        let mut writers: Vec<Child> = (0..WRITERS).map(start).collect();
        let killed = if round == Round::Killing { number % WRITERS + 1 } else { 0 };
        for (i, writer) in writers.iter_mut().take(killed).enumerate() {
            std::thread::sleep(Duration::from_millis((number * 7 + i * 13) as u64 % 60));
            writer.kill().expect("killed, or done");
        }
        let mut told = BTreeMap::new();
        for (i, writer) in writers.into_iter().enumerate() {
            let output = writer.wait_with_output().expect("an end");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() || i < killed, "{round:?} {number}: {said}");
            if output.status.success() {
                told.insert(format!("w{i}"), String::from_utf8_lossy(&output.stdout).trim().to_owned());
            }
        }
        let there = images(&self.layout());
        for (name, digest) in told {
            let found = there.get(&name);
            assert_eq!(found, Some(&digest), "{round:?} {number}: {name} is not what was said");
        }
    }
}

/// The images in a layout, each whole, as a reader of another tool finds them: it knows of no lock.
fn images(layout: &Path) -> BTreeMap<String, String> {
    let Ok(index) = fs::read(layout.join("index.json")) else { return BTreeMap::new() };
    let index: Value = serde_json::from_slice(&index).expect("never half written");
    let blob = |digest: &str| {
        let path = layout.join("blobs").join(digest.replace(':', "/"));
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(Digest::of(&bytes).to_string(), digest);
        bytes
    };
    let image = |entry: &Value| {
        let digest = entry["digest"].as_str().expect("a digest").to_owned();
        let manifest: Value = serde_json::from_slice(&blob(&digest)).expect("json");
        let layers = manifest["layers"].as_array().expect("layers");
        for part in layers.iter().chain([&manifest["config"]]) {
            blob(part["digest"].as_str().expect("a digest"));
        }
        let name = entry["annotations"]["org.opencontainers.image.ref.name"].as_str().expect("a name");
        (name.to_owned(), digest)
    };
    index["manifests"].as_array().expect("manifests").iter().map(image).collect()
}

fn rounds(count: usize) {
    if !has_musl() {
        return;
    }
    let scene = Scene::new();
    (0..count).for_each(|number| scene.round(number));
}

#[test]
fn writers_of_one_layout_lose_nothing() {
    rounds(6);
}

#[test]
#[ignore = "takes minutes"]
fn two_hundred_rounds_of_writers_lose_nothing() {
    rounds(200);
}
