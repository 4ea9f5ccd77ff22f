//! What is in the layers of bases, published for machines that never read them.

use std::fs;

use containerize_tests::program::{Done, Project};
use containerize_tests::registry::{Phase, TestRegistry};
use serde_json::{Value, json};

use super::remote::{change, digest, packed, put_in, shop};
use super::trusted::key;

const BASES: &str = "me/bases";

/// A project whose base is on one registry, and a registry that its image goes to, which has the base's layers too.
struct Fleet {
    project: Project,
    bases: TestRegistry,
    images: TestRegistry,
}

impl Fleet {
    fn new() -> Self {
        let (project, bases, images) = (shop(), TestRegistry::open(), TestRegistry::open());
        for file in fs::read_dir(project.at("base/blobs/sha256")).expect("blobs") {
            let bytes = fs::read(file.expect("a file").path()).expect("a blob");
            let kind = serde_json::from_slice::<Value>(&bytes).ok();
            let kind = kind.and_then(|value| value["mediaType"].as_str().map(str::to_owned));
            match kind {
                Some(kind) => drop(bases.put_manifest("base", "1", &kind, bytes)),
                None => drop([bases.put_blob("base", bytes.clone()), images.put_blob("me/app", bytes)]),
            }
        }
        let root: Value = serde_json::from_slice(&fs::read(project.at("base/index.json")).expect("an index"))
            .expect("JSON");
        let index = root["manifests"][0]["digest"].as_str().expect("a digest");
        let (kind, index) = bases.manifest("base", index).expect("the index");
        bases.put_manifest("base", "1", &kind, index);
        Self { project, bases, images }
    }

    fn base(&self) -> String {
        format!("{}:1", self.bases.repository("base"))
    }

    fn publish(&self, machine: &str, flags: &[&str]) -> Done {
        let (base, to) = (self.base(), self.bases.repository(BASES));
        let words = ["cache", "publish", &base, "--to", &to, "--platform", "linux/amd64,linux/arm64"];
        self.project.call_on(machine, [&words, flags].concat()).succeed()
    }

    /// A push of a clean machine; how many layers of the base it has read.
    fn push(&self, machine: &str, flags: &[&str], trust: &str) -> (Done, usize) {
        let before = self.read();
        let (base, app, bases) =
            (self.base(), self.images.repository("me/app"), self.bases.repository(BASES));
        let words = ["--base", &base, "--push", "--repository", &app, "-t", "1", "--platform", "linux/amd64"];
        let call = self.project.call_on(machine, [&words, flags].concat());
        let call = call.env("PIP_CONFIG_FILE", if cfg!(windows) { "nul" } else { "/dev/null" });
        let call = call.env("CONTAINERIZE_CACHE_TRUST", trust).env("CONTAINERIZE_BASE_CACHE", bases);
        let done = call.succeed();
        (done, self.read() - before)
    }

    /// How often a layer of the base was read: all other blobs of a base are smaller.
    fn read(&self) -> usize {
        let seen = self.bases.requests();
        let blobs = seen.iter().filter(|seen| seen.phase == Phase::GetBlob && seen.path.contains("/base/"));
        let sizes = blobs.filter_map(|seen| self.bases.blob("base", seen.path.rsplit('/').next()?));
        sizes.filter(|blob| blob.starts_with(&[0x1f, 0x8b])).count()
    }
}

#[test]
fn machines_that_name_it_never_read_the_base() {
    let fleet = Fleet::new();
    let (right, read) = fleet.push("alone", &[], "[]");
    assert_eq!(read, 1);
    let published = fleet.publish("publisher", &[]);
    assert_eq!(published.stdout(), format!("{}:containerize-cache\n", fleet.bases.repository(BASES)));
    let (done, read) = fleet.push("one", &[], "[]");
    assert_eq!((digest(&done), read), (digest(&right), 0), "{}", done.shown());
    assert!(done.stderr().contains("Found the contents of bases in"), "{}", done.shown());
    // All that a check of another image asks is there as well.
    change(&fleet.project, "changed");
    let (changed, read) = fleet.push("two", &[], "[]");
    assert_eq!(read, 0, "{}", changed.shown());
    let (without, read) = fleet.push("three", &["--no-remote-cache"], "[]");
    assert_eq!((digest(&without), read), (digest(&changed), 1), "{}", without.shown());
    // What does not change is not written again, by a machine with a cache of its own or without.
    for machine in ["publisher", "another"] {
        assert!(fleet.publish(machine, &[]).stderr().contains("Unchanged"));
    }
}

#[test]
fn a_base_that_the_folder_pins_is_published_as_it_is_pinned() {
    let fleet = Fleet::new();
    let published = fleet.publish("publisher", &[]);
    assert!(!published.stderr().contains("pins it"), "{}", published.shown());
    let gone = format!("sha256:{}", "0".repeat(64));
    fleet.project.write(&[(
        "containerize.lock",
        &format!("version = 1\n[bases]\n\"{}\" = \"{gone}\"\n", fleet.base()),
    )]);
    let (base, to) = (fleet.base(), fleet.bases.repository(BASES));
    let done = fleet.project.call(["cache", "publish", &base, "--to", &to]).fail();
    assert!(
        done.stderr().contains(&format!("{base} is read as containerize.lock pins it: {gone}")),
        "{}",
        done.shown()
    );
}

#[test]
fn who_signs_believes_only_those_who_are_named() {
    let fleet = Fleet::new();
    let sign = ["--sign-key", &key("plain.key")];
    fleet.publish("unsigned", &[]);
    let (right, read) = fleet.push("one", &sign, "[]");
    assert_eq!(read, 1, "nobody has signed it: {}", right.shown());
    fleet.publish("theirs", &["--sign-key", &key("other.key")]);
    let (done, read) = fleet.push("two", &sign, "[]");
    assert_eq!(read, 1, "they are not trusted: {}", done.shown());
    let (done, read) = fleet.push("three", &sign, &format!("[{{ key = {:?} }}]", key("other.pub")));
    assert_eq!((digest(&done), read), (digest(&right), 0), "{}", done.shown());
    fleet.publish("own", &sign);
    let (done, read) = fleet.push("four", &sign, "[]");
    assert_eq!((digest(&done), read), (digest(&right), 0), "{}", done.shown());
}

#[test]
fn a_cache_of_bases_can_say_nothing_else() {
    let fleet = Fleet::new();
    let (right, _) = fleet.push("alone", &[], "[]");
    let app = fleet.images.repository("me/app");
    let own = ["--remote-cache", "-t", "other"];
    fleet.push("writer", &own, "[]");
    // The cache of an image, with lies that would deceive whoever borrows it whole.
    let mut pages = super::remote::pages(&fleet.images, super::remote::TAG);
    for entry in pages[0]["entries"].as_array_mut().expect("entries") {
        if entry["table"] == "users-v1" {
            entry["value"] = json!(null);
        }
    }
    put_in(&fleet.bases, BASES, super::remote::TAG, &pages.iter().map(packed).collect::<Vec<_>>());
    let (done, read) = fleet.push("one", &[], "[]");
    assert_eq!((digest(&done), read), (digest(&right), 0), "{app}: {}", done.shown());
}

#[test]
fn what_cannot_be_published_is_refused_in_words() {
    let (project, registry) = (shop(), TestRegistry::open());
    let to = registry.repository(BASES);
    let call = |arguments: &[&str]| {
        project.call([&["cache", "publish", "--retries", "0"], arguments].concat()).fail()
    };
    let refused = call(&["oci:base:none", "--to", &to]);
    assert!(refused.stderr().contains("none"), "{}", refused.shown());
    let refused = call(&["oci:base:py", "--to", "127.0.0.1:9/bases"]);
    assert!(refused.stderr().contains("cannot push to 127.0.0.1:9/bases"), "{}", refused.shown());
    assert_eq!(call(&["oci:base:py", "--to", &format!("{to}:1")]).code(), 2);
    let wrong =
        project.call(["--dry-run", "--base", "oci:base:py"]).env("CONTAINERIZE_BASE_CACHE", "A B").fail();
    assert!(
        wrong.stderr().contains("base-cache") && wrong.stderr().contains("is not a repository"),
        "{}",
        wrong.shown()
    );
}
