//! What anybody may write who may write to the cache's repository: none of it crashes a call, takes its memory, stays on its
//! machine or, where the call does not sign, does more than whoever may replace the image can do anyway.

mod forms;
mod later;
mod lies;

use std::collections::BTreeMap;
use std::path::Path;

use containerize_tests::program::{Done, Project};
use containerize_tests::registry::{Options, TestRegistry};
use serde_json::{Value, json};

use super::remote::{MANIFEST, TAG, change, digest, packed, pages, push, put, shop, signing};

/// More than a call takes that reads a sound cache, with the stacks of its threads, in mebibytes.
const MEMORY: usize = 1024;

/// All tables that travel.
const TABLES: [&str; 11] = [
    "layers",
    "keyed-layers",
    "facts-v3",
    "details-v6",
    "users-v1",
    "verdicts",
    "bills-v1",
    "papers-v1",
    "wheel-sizes",
    "closed-v1",
    "debian-scripts",
];

/// Which layer of the image holds the wheels.
const WHEELS: usize = 2;

/// A registry with a sound cache, whose project has changed since.
struct Lab {
    project: Project,
    registry: TestRegistry,
    /// The sound pages.
    good: Vec<Value>,
    /// The image without any cache.
    right: String,
}

impl Lab {
    fn new() -> Self {
        let (project, registry) = (shop(), TestRegistry::start(Options::default()));
        push(&project, &registry, "first", &[]).succeed();
        let good = pages(&registry, TAG);
        change(&project, "changed");
        let right = digest(&push(&project, &registry, "right", &["--no-remote-cache"]).succeed());
        Self { project, registry, good, right }
    }

    /// Puts pages where the sound ones were.
    fn pages(&self, pages: &[Vec<u8>]) {
        put(&self.registry, TAG, pages);
    }

    /// Puts the sound pages, each entry changed.
    fn changed(&self, change: impl Fn(&mut Value)) {
        let mut pages = self.good.clone();
        for entry in pages.iter_mut().flat_map(|page| page["entries"].as_array_mut().expect("entries")) {
            change(entry);
        }
        self.pages(&pages.iter().map(packed).collect::<Vec<_>>());
    }

    /// Puts the sound pages, with each home of a layer changed.
    fn homes(&self, home: &str) {
        let mut pages = self.good.clone();
        for name in pages[0]["layers"].as_object_mut().expect("layers").values_mut() {
            *name = json!(home);
        }
        self.pages(&pages.iter().map(packed).collect::<Vec<_>>());
    }

    /// Puts one page of this text.
    fn text(&self, text: impl AsRef<[u8]>) {
        self.pages(&[zstd::encode_all(text.as_ref(), 1).expect("zstd")]);
    }

    /// The manifest of the sound cache, changed.
    fn manifest(&self, change: impl Fn(&mut Value)) {
        self.pages(&self.good.iter().map(packed).collect::<Vec<_>>());
        let (_, manifest) = self.registry.manifest("me/app", TAG).expect("the cache");
        let mut manifest = serde_json::from_slice(&manifest).expect("JSON");
        change(&mut manifest);
        self.raw(MANIFEST, manifest.to_string());
    }

    /// Puts anything under the tag.
    fn raw(&self, media_type: &str, bytes: impl Into<Vec<u8>>) {
        self.registry.put_manifest("me/app", TAG, media_type, bytes.into());
    }

    /// A layer of the image that a call with these flags makes, as the cache would say it.
    fn layer(&self, number: usize, flags: &[&str]) -> Value {
        push(
            &self.project,
            &self.registry,
            "elsewhere",
            &[&["--no-remote-cache", "-t", "other"], flags].concat(),
        )
        .succeed();
        let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
        let mut manifest = read(&self.registry.manifest("me/app", "other").expect("an image").1);
        // Of several platforms, the one that was added.
        if let Some(last) = manifest["manifests"].as_array().and_then(|all| all.last()) {
            let last = last["digest"].as_str().expect("a digest");
            manifest = read(&self.registry.manifest("me/app", last).expect("an image").1);
        }
        let config = manifest["config"]["digest"].as_str().expect("a digest");
        let config = read(&self.registry.blob("me/app", config).expect("a configuration"));
        let layer = &manifest["layers"][number];
        json!({"digest": layer["digest"], "size": layer["size"], "diff_id": config["rootfs"]["diff_ids"][number]})
    }

    /// Puts another layer in the place of the wheels', which has no other trace.
    fn foreign(&self, layer: &Value) {
        let wheels = self.layer(WHEELS, &[]);
        let mut pages = self.good.clone();
        for entry in pages.iter_mut().flat_map(|page| page["entries"].as_array_mut().expect("entries")) {
            if entry["value"]["digest"] == wheels["digest"] {
                entry["value"] = layer.clone();
            }
        }
        pages[0]["layers"][layer["digest"].as_str().expect("a digest")] = json!("me/app");
        self.pages(&pages.iter().map(packed).collect::<Vec<_>>());
    }

    /// Pushes on a clean machine with what is there now.
    fn push(&self, machine: &str) -> Done {
        push(&self.project, &self.registry, machine, &[]).limited(MEMORY).succeed()
    }

    /// What a machine keeps for later that may come from others: all of it must be what a machine finds out itself. Of a
    /// layer that was `made` of a lie, it may know what is in it.
    fn assert_clean(&self, machine: &str, form: &str, made: bool) {
        let right = self.kept("right");
        for (name, value) in self.kept(machine) {
            let is_of_layer = name.starts_with("facts") || name.starts_with("details");
            let known = right.get(&name);
            assert!(
                known == Some(&value) || made && is_of_layer && known.is_none(),
                "{form} is kept in {name}"
            );
        }
        let blobs = self.project.cache(machine).join("blobs/sha256");
        for page in ["application/vnd.containerize", "\"entries\""] {
            for file in files(&blobs) {
                let bytes = std::fs::read(&file).expect("a blob");
                let text = zstd::decode_all(&bytes[..]).unwrap_or(bytes);
                let is_there = text.windows(page.len()).take(4096).any(|part| part == page.as_bytes());
                assert!(!is_there, "{form} is kept in {}", file.display());
            }
        }
    }

    fn kept(&self, machine: &str) -> BTreeMap<String, Vec<u8>> {
        let memo = self.project.cache(machine).join("memo");
        let all = TABLES.iter().flat_map(|table| files(&memo.join(table)));
        let named = all.map(|file| {
            let name = file.strip_prefix(&memo).expect("below").display().to_string();
            (name, std::fs::read(&file).expect("a value"))
        });
        named.collect()
    }
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

type Form = (String, Box<dyn Fn(&Lab) + Send + Sync>);

fn form(name: impl Into<String>, put: impl Fn(&Lab) + Send + Sync + 'static) -> Form {
    (name.into(), Box::new(put))
}

/// Runs all forms, each on a clean machine.
fn run(forms: Vec<Form>) -> usize {
    let lab = Lab::new();
    for (number, (name, put)) in forms.iter().enumerate() {
        let machine = format!("h{number}");
        put(&lab);
        let done = lab.push(&machine);
        assert_eq!(digest(&done), lab.right, "{name}: {}", done.shown());
        lab.assert_clean(&machine, name, false);
    }
    forms.len()
}

#[test]
fn manifests_that_are_damaged_or_hostile_cost_nothing_and_are_not_believed() {
    assert!(run(forms::manifests()) >= 25);
}

#[test]
fn pages_that_are_damaged_or_hostile_cost_nothing_and_are_not_believed() {
    assert!(run(forms::encodings()) >= 25);
}

#[test]
fn changes_that_are_damaged_or_hostile_cost_nothing_and_are_not_believed() {
    // Those of the same make that are in order are read, or the others would show nothing.
    let lab = Lab::new();
    later::sound(&lab);
    let done = lab.push("sound");
    assert_ne!(digest(&done), lab.right, "{}", done.shown());
    assert!(run(later::forms()) >= 20);
}

#[test]
fn entries_that_are_damaged_or_hostile_cost_nothing_and_are_not_believed() {
    assert!(run(forms::entries()) >= 50);
}

#[test]
fn lies_that_show_are_not_believed() {
    assert!(run(lies::lies()) >= 15);
}

/// Whoever may write to the repository could replace the image itself. He cannot do more: nothing of it stays on the machine,
/// everybody sees the lie who builds without the cache, and who signs believes none of it.
#[test]
fn lies_that_do_not_show_deceive_only_who_does_not_sign_and_only_once() {
    let lab = Lab::new();
    let sign = signing(&lab.project);
    push(&lab.project, &lab.registry, "signer", &sign).succeed();
    let seen = lab.registry.requests();
    let mut last = seen.iter().filter_map(|seen| seen.path.rsplit('/').next());
    let own = last.find(|tag| tag.starts_with("containerize-cache-")).expect("the signer's tag");
    for (number, (name, put)) in lies::deceptions().iter().enumerate() {
        let machine = format!("d{number}");
        put(&lab);
        let (kind, poison) = lab.registry.manifest("me/app", TAG).expect("the cache");
        let deceived = lab.push(&machine);
        assert_ne!(digest(&deceived), lab.right, "{name} shows: {}", deceived.shown());
        lab.assert_clean(&machine, name, true);
        let without = push(&lab.project, &lab.registry, &machine, &["--no-remote-cache"]).succeed();
        assert_eq!(digest(&without), lab.right, "{name}: {}", without.shown());

        lab.registry.put_manifest("me/app", own, &kind, poison.clone());
        let signed = push(&lab.project, &lab.registry, &format!("s{number}"), &sign).succeed();
        assert_eq!(digest(&signed), lab.right, "{name}: {}", signed.shown());
    }
}

#[test]
fn a_verdict_that_calls_a_broken_image_fine_deceives_only_who_does_not_sign() {
    let (project, registry) = (shop(), TestRegistry::open());
    let sign = signing(&project);
    let broken = ["--entrypoint", "python -m greetings"];
    let refusal = "imports greetings, which is not where Python 3.13 looks for it";
    push(&project, &registry, "evil", &[&["--check", "warn"][..], &broken].concat()).succeed();
    let mut pages = pages(&registry, TAG);
    let mut lies = 0;
    for entry in pages[0]["entries"].as_array_mut().expect("entries") {
        if entry["value"]["findings"].to_string().contains("greetings") {
            entry["value"]["findings"] = json!([]);
            lies += 1;
        }
    }
    assert_eq!(lies, 1, "there is one verdict");
    put(&registry, TAG, &pages.iter().map(packed).collect::<Vec<_>>());
    push(&project, &registry, "deceived", &broken).succeed();
    for flags in [&["--no-remote-cache"][..], &sign[..]] {
        let refused = push(&project, &registry, "deceived", &[flags, &broken].concat()).fail();
        assert!(refused.stderr().contains(refusal), "{}", refused.shown());
    }
}
