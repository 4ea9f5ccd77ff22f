//! The repository as the cache of machines that have none.

use containerize_tests::layout::sha256;
use containerize_tests::program::{Call, Done, Project};
use containerize_tests::python::Wheel;
use containerize_tests::registry::{Fault, Options, Phase, Referrers, TestRegistry};
use serde_json::{Value, json};

use super::{MAIN, greeting, project};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const TAG: &str = "containerize-cache";
pub(crate) const NOTE: &str = "the remote cache did not serve";

/// A push by the machine of this name.
pub(super) fn push(project: &Project, registry: &TestRegistry, machine: &str, arguments: &[&str]) -> Call {
    let repository = registry.repository("me/app");
    let flags = ["--push", "--repository", &repository, "-t", "1", "--platform", "linux/amd64"];
    let on: &[&str] =
        if arguments.iter().any(|flag| flag.contains("remote-cache")) { &[] } else { &["--remote-cache"] };
    let call = project.call_on(machine, [&["--base", "oci:base:py"], on, &flags[..], arguments].concat());
    call.env("PIP_CONFIG_FILE", if cfg!(windows) { "nul" } else { "/dev/null" })
}

/// A project whose lock says which file it means, and that leaves a key out of its image.
pub(super) fn shop() -> Project {
    let project = project();
    project.write(&[(".containerignore", "wheels\nbase\nout\nmy.key\n")]);
    std::fs::remove_file(project.at("requirements.txt")).expect("removed");
    lock(&project, &greeting());
    project
}

/// Adds a line to the project's source.
pub(super) fn change(project: &Project, line: &str) {
    project.write(&[("main.py", &format!("{MAIN}\n# {line}\n"))]);
}

/// Flags with which a call signs, by a key that it puts into the project.
pub(super) fn signing(project: &Project) -> [&'static str; 2] {
    let key = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/trust/plain.key");
    std::fs::copy(key, project.at("my.key")).expect("copied");
    ["--sign-key", "my.key"]
}

/// Puts the wheel where the project's lock says it is.
pub(super) fn lock(project: &Project, wheel: &Wheel) {
    let hash = wheel.write(&project.at("wheels"));
    let file =
        format!("{{ path = 'wheels/greeting-1.0-py3-none-any.whl', hashes = {{ sha256 = '{hash}' }} }}");
    let head = "lock-version = '1.0'\ncreated-by = 'test'\n";
    let package = format!("[[packages]]\nname = 'greeting'\nversion = '1.0'\nwheels = [{file}]\n");
    project.write(&[("pylock.toml", &format!("{head}{package}"))]);
}

pub(super) fn digest(done: &Done) -> String {
    done.stdout().trim().rsplit('@').next().unwrap_or_default().to_owned()
}

#[test]
fn a_policy_that_is_broken_whatever_was_lent_ends_the_build_at_once() {
    let (project, registry) = (shop(), TestRegistry::open());
    push(&project, &registry, "one", &[]).succeed();
    // Without what was lent, nothing can be built.
    without_wheels(&project);
    for (rules, is_told) in
        [("sources = ['https://example.com/*']", true), ("denied-packages = ['greeting']", false)]
    {
        project.write(&[("wheels/policy.toml", rules)]);
        let refused = push(&project, &registry, "two", &["--policy", "wheels/policy.toml"]).fail();
        assert!(refused.stderr().contains("Found the results"), "{}", refused.shown());
        assert_eq!(refused.stderr().contains("breaks 1 of 1 rules"), is_told, "{}", refused.shown());
        assert_eq!(refused.code(), 4, "{}", refused.shown());
    }
}

#[test]
fn what_is_left_out_of_wheels_is_remembered_with_them_and_never_mixed_up() {
    let (project, registry) = (shop(), TestRegistry::open());
    let files = ["__init__.py", "tests/__init__.py"];
    let wheel = files.iter().fold(greeting(), |wheel, file| wheel.file(&format!("greeting/{file}"), ""));
    lock(&project, &wheel.file("greeting/a.pyi", ""));
    let trimmed = digest(&push(&project, &registry, "one", &["--trim", "tests,typing"]).succeed());
    let whole = digest(&push(&project, &registry, "two", &[]).succeed());
    assert_ne!(trimmed, whole);
    // Neither needs the wheel, also to know which of its tests stay.
    without_wheels(&project);
    let again = push(&project, &registry, "three", &["--trim", "tests,typing"]).succeed();
    assert!(again.stderr().contains("Found the results"), "{}", again.shown());
    assert_eq!(digest(&again), trimmed);
    assert_eq!(digest(&push(&project, &registry, "four", &[]).succeed()), whole);
}

/// The names are still listed, but whoever reads a wheel is refused.
pub(super) fn without_wheels(project: &Project) {
    project.write(&[("wheels/greeting-1.0-py3-none-any.whl", "gone")]);
}

/// The descriptors of the cache's layers whose type has these letters.
fn layers(registry: &TestRegistry, tag: &str, kind: &str) -> Vec<Value> {
    let (_, manifest) = registry.manifest("me/app", tag).expect("a cache");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    let layers = manifest["layers"].as_array().expect("layers").iter();
    let is_it = |layer: &&Value| layer["mediaType"].as_str().is_some_and(|of| of.contains(kind));
    layers.filter(is_it).cloned().collect()
}

fn bytes(registry: &TestRegistry, layer: &Value) -> Vec<u8> {
    registry.blob("me/app", layer["digest"].as_str().expect("a digest")).expect("a blob").to_vec()
}

/// The pages of the cache, with what was added to them later. All that they told before it is older.
pub(crate) fn pages(registry: &TestRegistry, tag: &str) -> Vec<Value> {
    let texts = layers(registry, tag, ".page.");
    let texts: Vec<Vec<u8>> =
        texts.iter().map(|layer| zstd::decode_all(&bytes(registry, layer)[..]).expect("zstd")).collect();
    let mut pages: Vec<Value> =
        texts.iter().map(|text| serde_json::from_slice(text).expect("JSON")).collect();
    for layer in layers(registry, tag, ".changes.") {
        let packed = bytes(registry, &layer);
        let decoder = zstd::stream::read::Decoder::with_dictionary(&packed[..], &texts[0]).expect("zstd");
        let changes: Value = serde_json::from_reader(decoder).expect("JSON");
        for (page, changes) in pages.iter_mut().zip([&changes["first"], &changes["rest"]]) {
            add(page, changes);
        }
    }
    pages
}

fn add(page: &mut Value, changes: &Value) {
    let mut entries = changes["entries"].as_array().expect("entries").clone();
    let is_told = |entry: &Value| {
        let mut told = changes["entries"].as_array().into_iter().flatten();
        told.any(|told| told["table"] == entry["table"] && told["key"] == entry["key"])
    };
    for entry in page["entries"].as_array().expect("entries").iter().filter(|entry| !is_told(entry)) {
        let age = entry["age"].as_u64().unwrap_or_default() + 1;
        let mut older = entry.clone();
        older["age"] = json!(age);
        entries.push(older);
    }
    page["entries"] = json!(entries);
    for blob in changes["blobs"].as_array().expect("blobs") {
        page["blobs"].as_array_mut().expect("blobs").push(blob.clone());
    }
    for (layer, home) in changes["layers"].as_object().expect("layers") {
        page["layers"][layer] = home.clone();
    }
}

/// Puts other pages in the place of the cache's.
pub(crate) fn put(registry: &TestRegistry, tag: &str, pages: &[Vec<u8>]) {
    put_in(registry, "me/app", tag, pages);
}

/// The same in any repository.
pub(crate) fn put_in(registry: &TestRegistry, repository: &str, tag: &str, pages: &[Vec<u8>]) {
    let empty = registry.put_blob(repository, "{}");
    let layers = pages.iter().map(|page| {
        let digest = registry.put_blob(repository, page.clone());
        json!({"mediaType": "application/vnd.containerize.cache.page.v1+json+zstd", "digest": digest,
            "size": page.len()})
    });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "artifactType": "application/vnd.containerize.cache.v1",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
        "layers": layers.collect::<Vec<_>>(),
    });
    registry.put_manifest(repository, tag, MANIFEST, manifest.to_string());
}

pub(crate) fn packed(page: &Value) -> Vec<u8> {
    zstd::encode_all(page.to_string().as_bytes(), 3).expect("zstd")
}

#[test]
fn a_clean_machine_needs_no_wheel_whose_layer_is_there() {
    let (project, registry) = (shop(), TestRegistry::start(Options::listing(Referrers::Proper)));
    let first = push(&project, &registry, "one", &[]).succeed();
    without_wheels(&project);
    let uploads = registry.count(Phase::PutBlob);
    let again = push(&project, &registry, "two", &[]).succeed();
    assert_eq!(digest(&again), digest(&first));
    assert!(again.stderr().contains("Found the results of earlier builds"), "{}", again.shown());
    assert_eq!(registry.count(Phase::PutBlob), uploads, "nothing is new, so nothing is sent");

    // Another line of the source, on a third machine, under another tag.
    change(&project, "changed");
    let changed = push(&project, &registry, "three", &["-t", "2"]).succeed();
    assert_ne!(digest(&changed), digest(&first));
    assert!(!changed.stderr().contains(NOTE), "{}", changed.shown());
    let names = |kind: &str| {
        let hanging = registry.hanging("me/app", &digest(&changed));
        let statements = hanging.iter().filter(|(of, _)| of.contains("in-toto"));
        statements.filter(|(_, text)| String::from_utf8_lossy(text).contains(kind)).count()
    };
    assert_eq!(
        (names("greeting-1.0"), names("remote-cache")),
        (1, 1),
        "the provenance says what was believed"
    );
    let same = push(&project, &registry, "four", &["--no-remote-cache"]).fail();
    assert!(same.stderr().contains("greeting"), "without it the wheel is needed: {}", same.shown());
}

#[test]
fn a_machine_that_had_nothing_to_do_tells_all_that_others_need() {
    let (project, registry) = (shop(), TestRegistry::start(Options::listing(Referrers::Proper)));
    push(&project, &registry, "one", &["--no-remote-cache"]).succeed();
    // Nothing is asked of what is in the layers now, since the verdict on them is known.
    push(&project, &registry, "one", &[]).succeed();
    without_wheels(&project);
    change(&project, "changed");
    let changed = push(&project, &registry, "two", &["-t", "2"]).succeed();
    assert!(!changed.stderr().contains(NOTE), "{}", changed.shown());
}

#[test]
fn the_image_is_the_same_with_the_cache_and_without() {
    let (project, registry) = (shop(), TestRegistry::open());
    push(&project, &registry, "one", &[]).succeed();
    change(&project, "changed");
    let with = push(&project, &registry, "two", &[]).succeed();
    let without = push(&project, &registry, "three", &["--no-remote-cache"]).succeed();
    assert_eq!(digest(&with), digest(&without));
    assert_eq!(with.stderr().matches("Found the results").count(), 1);
    assert!(!without.stderr().contains("Found the results"), "{}", without.shown());
}

#[test]
fn layers_that_the_registry_has_lost_are_made_again() {
    let (project, registry) = (shop(), TestRegistry::open());
    push(&project, &registry, "one", &[]).succeed();
    change(&project, "changed");
    registry.inject(Fault::Forgets.on(Phase::PutManifest));
    let done = push(&project, &registry, "two", &[]).succeed();
    let (_, manifest) = registry.manifest("me/app", "1").expect("the image");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    for layer in manifest["layers"].as_array().expect("layers") {
        let digest = layer["digest"].as_str().expect("a digest");
        assert!(registry.blob("me/app", digest).is_some(), "{digest} is lost: {}", done.shown());
    }
}

#[test]
fn who_signs_believes_only_what_the_same_signer_has_written() {
    let (project, registry) = (shop(), TestRegistry::open());
    let sign = signing(&project);
    push(&project, &registry, "unsigned", &[]).succeed();
    let first = push(&project, &registry, "one", &sign).succeed();
    assert!(!first.stderr().contains("Found the results"), "nobody has signed it: {}", first.shown());
    let again = push(&project, &registry, "two", &sign).succeed();
    assert!(again.stderr().contains("Found the results"), "{}", again.shown());
    let seen = registry.requests();
    let signed = seen.iter().filter(|seen| seen.method == "PUT" && seen.path.contains("containerize-cache-"));
    let signed: Vec<&str> = signed.filter_map(|seen| seen.path.rsplit('/').next()).collect();
    let [signed] = signed[..] else { panic!("the signer's own tag is written once: {signed:?}") };

    // A layer with other content stands in for that of the known wheel.
    lock(&project, &greeting().file("greeting/evil.py", "import os\n"));
    push(&project, &registry, "evil", &[]).succeed();
    let mut poisoned = pages(&registry, TAG);
    let entries = poisoned[0]["entries"].as_array().expect("entries").clone();
    let keyed: Vec<&Value> = entries.iter().filter(|entry| entry["table"] == "keyed-layers").collect();
    let (_, image) = registry.manifest("me/app", "1").expect("the image");
    let image = String::from_utf8_lossy(&image).into_owned();
    let title = |entry: &Value| entry["value"]["digest"].as_str().map(str::to_owned);
    let is_used = |entry: &Value| title(entry).is_some_and(|digest| image.contains(&digest));
    // The known wheel's layer is one that the other one's image does not have.
    let known = keyed.iter().find(|entry| !is_used(entry)).expect("the known wheel")["key"].clone();
    let foreign = keyed.iter().filter(|entry| entry["key"] != known && is_used(entry));
    let foreign: Vec<Value> = foreign.map(|entry| entry["value"].clone()).collect();
    for foreign in foreign {
        for entry in poisoned[0]["entries"].as_array_mut().expect("entries") {
            if entry["table"] == "keyed-layers" && entry["key"] == known {
                entry["value"] = foreign.clone();
            }
        }
        let poisoned: Vec<Vec<u8>> = poisoned.iter().map(packed).collect();
        lock(&project, &greeting());
        put(&registry, TAG, &poisoned);
        let unsigned = push(
            &project,
            &registry,
            &format!("believer-{}", title(&json!({"value": foreign})).unwrap_or_default().replace(':', "-")),
            &[],
        )
        .succeed();
        if digest(&unsigned) != digest(&first) {
            // Who does not sign trusts whoever may write there. A signer does not, whichever tag holds it.
            put(&registry, TAG, &poisoned);
            put(&registry, signed, &poisoned);
            let done = push(&project, &registry, "signer", &sign).succeed();
            assert_eq!(digest(&done), digest(&first), "{}", done.shown());
            return;
        }
    }
    panic!("nobody was deceived, so this test shows nothing");
}

#[test]
fn nothing_that_was_concluded_from_it_stays_on_the_machine() {
    let (project, registry) = (shop(), TestRegistry::open());
    let right = push(&project, &registry, "one", &[]).succeed();
    let mut lies = pages(&registry, TAG);
    for entry in lies[0]["entries"].as_array_mut().expect("entries") {
        if entry["table"] == "users-v1" {
            entry["value"]["passwd"]["text"] = json!("root::0:0:root:/root:/bin/sh\n");
        }
    }
    let kept = |entry: &Value| entry["table"] != "layers" && entry["table"] != "keyed-layers";
    lies[0]["entries"].as_array_mut().expect("entries").retain(kept);
    put(&registry, TAG, &lies.iter().map(packed).collect::<Vec<_>>());
    let deceived = push(&project, &registry, "two", &[]).succeed();
    assert_ne!(digest(&deceived), digest(&right), "who does not sign trusts whoever may write there");
    let later = push(&project, &registry, "two", &["--remote-cache=false"]).succeed();
    assert_eq!(digest(&later), digest(&right), "{}", later.shown());
}

#[test]
fn a_hook_that_fails_ends_the_call_and_none_is_run_twice() {
    let (project, registry) = (shop(), TestRegistry::open());
    let hooks = |pre: &str, post: &str| {
        let line = format!("\n[tool.containerize]\nhooks = {{ pre = ['{pre}'], post = ['{post}'] }}\n");
        project.write(&[("pyproject.toml", &format!("{}{line}", super::TABLE))]);
    };
    push(&project, &registry, "one", &[]).succeed();
    let (_, before) = registry.manifest("me/app", "1").expect("the image");
    change(&project, "changed");
    hooks("echo pre>> out.log && exit 3", "echo post>> out.log");
    push(&project, &registry, "two", &[]).fail();
    assert_eq!(registry.manifest("me/app", "1").expect("the image").1, before, "nothing is pushed");
    hooks("echo pre>> out.log", "echo post>> out.log && exit 3");
    push(&project, &registry, "three", &[]).fail();
    let said = std::fs::read_to_string(project.at("out.log")).expect("the log");
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["pre", "pre", "post"]);
}

#[test]
fn a_machine_that_only_borrowed_borrows_again_and_a_cache_that_lied_is_mended() {
    let (project, registry) = (shop(), TestRegistry::open());
    push(&project, &registry, "one", &[]).succeed();
    without_wheels(&project);
    push(&project, &registry, "two", &[]).succeed();
    let again = push(&project, &registry, "two", &[]).succeed();
    assert!(
        again.stderr().contains("Found the results") && !again.stderr().contains(NOTE),
        "{}",
        again.shown()
    );

    lock(&project, &greeting());
    let mut lies = pages(&registry, TAG);
    for entry in lies.iter_mut().flat_map(|page| page["entries"].as_array_mut().expect("entries")) {
        if entry["value"]["digest"].is_string() {
            entry["value"]["digest"] = json!(sha256(b"nowhere"));
        }
    }
    for home in lies[0]["layers"].as_object().expect("layers").clone().values() {
        lies[0]["layers"][sha256(b"nowhere")] = home.clone();
    }
    put(&registry, TAG, &lies.iter().map(packed).collect::<Vec<_>>());
    let deceived = push(&project, &registry, "three", &["-t", "2"]).succeed();
    assert!(deceived.stderr().contains(NOTE), "{}", deceived.shown());
    let next = push(&project, &registry, "four", &["-t", "3"]).succeed();
    assert!(next.stderr().contains("Found the results") && !next.stderr().contains(NOTE), "{}", next.shown());
}

#[test]
fn machines_that_write_one_after_the_other_lose_nothing() {
    let (project, registry) = (shop(), TestRegistry::open());
    push(&project, &registry, "one", &[]).succeed();
    let number = |pages: &[Value]| pages[0]["entries"].as_array().expect("entries").len();
    let before = number(&pages(&registry, TAG));
    // It has all that it needs in its own cache, and so has not looked what is there.
    change(&project, "changed");
    push(&project, &registry, "one", &[]).succeed();
    assert!(number(&pages(&registry, TAG)) > before, "what was there stays");
    // Something of somebody else stays, too.
    registry.put_manifest("me/app", TAG, MANIFEST, json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.containerize.cache.v2",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(b"{}"), "size": 2}, "layers": [],
    }).to_string());
    change(&project, "changed again");
    let done = push(&project, &registry, "one", &[]).succeed();
    assert!(done.stderr().contains("is not a cache that this version can read"), "{}", done.shown());
    let (_, kept) = registry.manifest("me/app", TAG).expect("the other");
    assert!(String::from_utf8_lossy(&kept).contains("cache.v2"));
}

#[test]
fn a_changed_line_is_added_beside_the_pages_and_read_without_a_request() {
    let (project, registry) = (shop(), TestRegistry::open());
    push(&project, &registry, "one", &[]).succeed();
    let before = layers(&registry, TAG, ".page.");
    assert!(layers(&registry, TAG, ".changes.").is_empty());
    let mut last = None;
    for (number, machine) in ["two", "three", "four"].into_iter().enumerate() {
        change(&project, &format!("changed {number}"));
        last = Some(push(&project, &registry, machine, &[]).succeed());
        assert_eq!(layers(&registry, TAG, ".page."), before, "the pages stay as they are");
        let changes = layers(&registry, TAG, ".changes.");
        let [changes] = &changes[..] else { panic!("{changes:?}") };
        let size = changes["size"].as_u64().expect("a size");
        assert!(size < before[0]["size"].as_u64().expect("a size") / 2, "{size} bytes: bills hardly differ");
    }
    // What each of them has told is still there, and nobody asks for it by itself.
    without_wheels(&project);
    let first_asked = registry.requests().len();
    let again = push(&project, &registry, "five", &[]).succeed();
    assert_eq!(digest(&again), digest(&last.expect("a push")));
    let seen = registry.requests().split_off(first_asked);
    let blobs = seen.iter().filter(|seen| seen.method == "GET" && seen.path.contains("/blobs/")).count();
    assert_eq!(blobs, 1, "the first page alone: {seen:?}");
    assert!(seen.iter().all(|seen| seen.method != "PUT"), "nothing is new: {seen:?}");
    change(&project, "changed 0");
    let back = push(&project, &registry, "six", &[]).succeed();
    assert!(!back.stderr().contains(NOTE), "{}", back.shown());
    assert_eq!(layers(&registry, TAG, ".page."), before);
}

#[test]
fn changes_are_held_to_their_digest_and_to_the_signature() {
    let (project, registry) = (shop(), TestRegistry::open());
    let sign = signing(&project);
    push(&project, &registry, "one", &sign).succeed();
    change(&project, "changed");
    let right = push(&project, &registry, "two", &sign).succeed();
    let seen = registry.requests();
    let tags = seen.iter().filter(|seen| seen.method == "PUT" && seen.path.contains("containerize-cache-"));
    let tag = tags.filter_map(|seen| seen.path.rsplit('/').next()).next_back().expect("a tag").to_owned();
    let (_, signed) = registry.manifest("me/app", &tag).expect("a cache");
    let mut manifest: Value = serde_json::from_slice(&signed).expect("JSON");
    let at = manifest["layers"]
        .as_array()
        .expect("layers")
        .iter()
        .position(|layer| layer["mediaType"].as_str().is_some_and(|kind| kind.contains(".changes.")));
    let changes = &mut manifest["layers"][at.expect("changes")];
    let (data, lie) = (changes["data"].clone(), "KLUv/QAAAAAA");
    assert!(data.is_string());

    // Other bytes than the digest says count for nothing, so the blob is read.
    changes["data"] = json!(lie);
    registry.put_manifest("me/app", &tag, MANIFEST, manifest.to_string());
    without_wheels(&project);
    let first_asked = registry.requests().len();
    let done = push(&project, &registry, "three", &sign).succeed();
    assert_eq!(digest(&done), digest(&right), "{}", done.shown());
    let seen = registry.requests().split_off(first_asked);
    let blobs = seen.iter().filter(|seen| seen.method == "GET" && seen.path.contains("/blobs/")).count();
    assert_eq!(blobs, 3, "the bundle, the first page and the changes: {seen:?}");

    // Signed pages in another order are something else, and so are fewer of them.
    let sound: Value = serde_json::from_slice(&signed).expect("JSON");
    lock(&project, &greeting());
    for (number, machine) in ["swapped", "fewer"].into_iter().enumerate() {
        let mut other = sound.clone();
        let layers = other["layers"].as_array_mut().expect("layers");
        match number {
            0 => layers.swap(0, 1),
            _ => drop(layers.remove(1)),
        }
        registry.put_manifest("me/app", &tag, MANIFEST, other.to_string());
        let done = push(&project, &registry, machine, &sign).succeed();
        assert!(!done.stderr().contains("Found the results"), "{machine}: {}", done.shown());
    }

    // Changes that nobody has signed make all of it unbelieved.
    let foreign = registry.put_blob("me/app", "other");
    let changes = &mut manifest["layers"][at.expect("changes")];
    (changes["digest"], changes["size"]) = (json!(foreign), json!(5));
    changes["data"] = json!("b3RoZXI=");
    registry.put_manifest("me/app", &tag, MANIFEST, manifest.to_string());
    lock(&project, &greeting());
    let done = push(&project, &registry, "four", &sign).succeed();
    assert!(!done.stderr().contains("Found the results"), "{}", done.shown());
    assert_eq!(digest(&done), digest(&right));
}

#[test]
fn much_that_is_new_becomes_part_of_the_pages_with_what_was_added_before() {
    let (project, registry) = (shop(), TestRegistry::open());
    push(&project, &registry, "one", &[]).succeed();
    change(&project, "changed");
    let changed = push(&project, &registry, "two", &[]).succeed();
    assert_eq!(layers(&registry, TAG, ".changes.").len(), 1);
    let before = pages(&registry, TAG);
    let names: Vec<(String, String)> = (0..4000)
        .map(|n| (format!("data/{}.txt", &sha256(&[n as u8, (n >> 8) as u8])[7..]), n.to_string()))
        .collect();
    project.write(&names.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>());
    push(&project, &registry, "three", &["-t", "2"]).succeed();
    assert!(layers(&registry, TAG, ".changes.").is_empty(), "all of it is in the pages");
    let after = pages(&registry, TAG);
    for (before, after) in before.iter().zip(&after) {
        let keys = |page: &Value| {
            let entries = page["entries"].as_array().expect("entries").iter();
            entries.map(|entry| entry["key"].to_string()).collect::<std::collections::BTreeSet<_>>()
        };
        assert!(keys(before).is_subset(&keys(after)), "nothing is lost");
    }
    std::fs::remove_dir_all(project.at("data")).expect("removed");
    without_wheels(&project);
    let back = push(&project, &registry, "four", &["-t", "3"]).succeed();
    assert_eq!(digest(&back), digest(&changed), "{}", back.shown());
    assert!(!back.stderr().contains(NOTE), "{}", back.shown());
}

#[test]
fn a_cache_whose_parts_the_registry_has_lost_is_written_anew() {
    let (project, registry) = (shop(), TestRegistry::open());
    push(&project, &registry, "one", &[]).succeed();
    change(&project, "changed");
    push(&project, &registry, "two", &[]).succeed();
    for (number, kind) in [".page.", ".changes."].into_iter().enumerate() {
        let (_, manifest) = registry.manifest("me/app", TAG).expect("a cache");
        let mut manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
        for layer in manifest["layers"].as_array_mut().expect("layers") {
            if layer["mediaType"].as_str().is_some_and(|of| of.contains(kind)) {
                (layer["digest"], layer["data"]) = (json!(sha256(b"lost")), json!(null));
            }
        }
        registry.put_manifest("me/app", TAG, MANIFEST, manifest.to_string());
        change(&project, &format!("changed again {number}"));
        let poor = push(&project, &registry, &format!("poor{number}"), &[]).succeed();
        assert!(!poor.stderr().contains("was not written"), "{}", poor.shown());
        let next = push(&project, &registry, &format!("next{number}"), &[]).succeed();
        assert!(next.stderr().contains("Found the results"), "{}", next.shown());
        change(&project, &format!("and again {number}"));
        push(&project, &registry, &format!("last{number}"), &[]).succeed();
    }
}

#[test]
fn several_repositories_need_a_name_for_it() {
    let (project, registry) = (shop(), TestRegistry::open());
    let other = format!("{}:1", registry.repository("me/other"));
    let refused = push(&project, &registry, "one", &["--tag", &other, "--remote-cache"]).fail();
    assert_eq!(refused.code(), 2);
    assert!(
        refused.stderr().contains("remote-cache names no repository, and 2 are pushed to"),
        "{}",
        refused.shown()
    );
    let named = format!("--remote-cache={}", registry.repository("me/cache"));
    push(&project, &registry, "one", &["--tag", &other, &named]).succeed();
    assert!(registry.manifest("me/cache", TAG).is_some() && registry.manifest("me/app", TAG).is_none());
    without_wheels(&project);
    let again = push(&project, &registry, "two", &["--tag", &other, &named]).succeed();
    assert!(again.stderr().contains("Found the results of earlier builds"), "{}", again.shown());
}

#[test]
fn services_that_name_the_same_cache_share_layers() {
    let (project, registry) = (shop(), TestRegistry::open());
    let service = |name: &str, machine: &str| {
        let (repository, cache) = (registry.repository(name), registry.repository("me/cache"));
        let flags = ["--base", "oci:base:py", "--push", "--platform", "linux/amd64", "-t", "1"];
        let named = format!("--remote-cache={cache}");
        project.call_on(machine, [&flags[..], &["--repository", &repository, &named]].concat()).succeed()
    };
    service("me/first", "one");
    let uploads = registry.count(Phase::PutBlob);
    without_wheels(&project);
    let second = service("me/second", "two");
    assert!(!second.stderr().contains(NOTE), "{}", second.shown());
    let seen = registry.requests();
    let mounted =
        seen.iter().filter(|seen| seen.query("mount").is_some() && seen.query("from") == Some("me/first"));
    assert!(mounted.count() >= 3, "layers come from the service that has them: {}", second.shown());
    let sent = registry.count(Phase::PutBlob) - uploads;
    // The configuration, and what was found out.
    assert!(sent <= 4, "{sent} blobs were sent: {}", second.shown());
}

#[test]
fn it_is_on_by_itself_where_ci_is_set() {
    let (project, registry) = (shop(), TestRegistry::open());
    let repository = registry.repository("me/app");
    let plain = |ci: &str| {
        let flags = ["--base", "oci:base:py", "--push", "--repository", &repository, "-t", "1"];
        project.call(flags).env("CI", ci).succeed();
    };
    plain("");
    plain("false");
    assert!(registry.manifest("me/app", TAG).is_none());
    change(&project, "changed");
    plain("true");
    assert!(registry.manifest("me/app", TAG).is_some());
}
