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

/// The names are still listed, but whoever reads a wheel is refused.
pub(super) fn without_wheels(project: &Project) {
    project.write(&[("wheels/greeting-1.0-py3-none-any.whl", "gone")]);
}

/// The pages of the cache, as they are compressed.
pub(crate) fn pages(registry: &TestRegistry, tag: &str) -> Vec<Value> {
    let (_, manifest) = registry.manifest("me/app", tag).expect("a cache");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    let layers = manifest["layers"].as_array().expect("layers");
    let layers =
        layers.iter().filter(|layer| layer["mediaType"].as_str().is_some_and(|kind| kind.ends_with("+zstd")));
    let read = layers.map(|layer| {
        let page = registry.blob("me/app", layer["digest"].as_str().expect("a digest")).expect("a page");
        serde_json::from_slice(&zstd::decode_all(&page[..]).expect("zstd")).expect("JSON")
    });
    read.collect()
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
    project.write(&[("main.py", &format!("{MAIN}\n# changed\n"))]);
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
    project.write(&[("main.py", &format!("{MAIN}\n# changed\n"))]);
    let changed = push(&project, &registry, "two", &["-t", "2"]).succeed();
    assert!(!changed.stderr().contains(NOTE), "{}", changed.shown());
}

#[test]
fn the_image_is_the_same_with_the_cache_and_without() {
    let (project, registry) = (shop(), TestRegistry::open());
    push(&project, &registry, "one", &[]).succeed();
    project.write(&[("main.py", &format!("{MAIN}\n# changed\n"))]);
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
    project.write(&[("main.py", &format!("{MAIN}\n# changed\n"))]);
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
    let key = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/trust");
    std::fs::copy(key.join("plain.key"), project.at("my.key")).expect("copied");
    let sign = ["--sign-key", "my.key"];
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
    let evil = push(&project, &registry, "evil", &[]).succeed();
    let mut poisoned = pages(&registry, TAG);
    let entries = poisoned[0]["entries"].as_array().expect("entries").clone();
    let keyed: Vec<&Value> = entries.iter().filter(|entry| entry["table"] == "keyed-layers").collect();
    // The known wheel is what the other one's build had no use for.
    let known = keyed.iter().find(|entry| entry["age"].is_number()).expect("the known wheel");
    let known = known["key"].clone();
    let title = |entry: &Value| entry["value"]["digest"].as_str().map(str::to_owned);
    let (_, image) = registry.manifest("me/app", "1").expect("the image");
    let foreign = keyed.iter().filter(|entry| entry["key"] != known);
    let foreign =
        foreign.filter(|entry| title(entry).is_some_and(|d| String::from_utf8_lossy(&image).contains(&d)));
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
        assert_ne!(digest(&unsigned), digest(&evil));
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
    project.write(&[("main.py", &format!("{MAIN}\n# changed\n"))]);
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
    project.write(&[("main.py", &format!("{MAIN}\n# changed\n"))]);
    push(&project, &registry, "one", &[]).succeed();
    assert!(number(&pages(&registry, TAG)) > before, "what was there stays");
    // Something of somebody else stays, too.
    registry.put_manifest("me/app", TAG, MANIFEST, json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.containerize.cache.v2",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(b"{}"), "size": 2}, "layers": [],
    }).to_string());
    project.write(&[("main.py", &format!("{MAIN}\n# changed again\n"))]);
    let done = push(&project, &registry, "one", &[]).succeed();
    assert!(done.stderr().contains("is not a cache that this version can read"), "{}", done.shown());
    let (_, kept) = registry.manifest("me/app", TAG).expect("the other");
    assert!(String::from_utf8_lossy(&kept).contains("cache.v2"));
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
    project.write(&[("main.py", &format!("{MAIN}\n# changed\n"))]);
    plain("true");
    assert!(registry.manifest("me/app", TAG).is_some());
}
