//! The repository as the cache of machines that have none.

use containerize_tests::layout::sha256;
use containerize_tests::program::{Call, Done, Project};
use containerize_tests::python::Wheel;
use containerize_tests::registry::{Fault, Phase, TestRegistry};
use serde_json::{Value, json};

use super::{MAIN, greeting, project};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const TAG: &str = "containerize-cache";
const NOTE: &str = "what the remote cache said did not serve";

/// A push by the machine of this name.
fn push(project: &Project, registry: &TestRegistry, machine: &str, arguments: &[&str]) -> Call {
    let repository = registry.repository("me/app");
    let flags = ["--push", "--repository", &repository, "-t", "1", "--platform", "linux/amd64"];
    let on: &[&str] =
        if arguments.iter().any(|flag| flag.contains("remote-cache")) { &[] } else { &["--remote-cache"] };
    let call = project.call_on(machine, [&["--base", "oci:base:py"], on, &flags[..], arguments].concat());
    call.env("PIP_CONFIG_FILE", if cfg!(windows) { "nul" } else { "/dev/null" })
}

/// A project whose lock says which file it means, and that leaves a key out of its image.
fn shop() -> Project {
    let project = project();
    project.write(&[(".containerignore", "wheels\nbase\nout\nmy.key\n")]);
    std::fs::remove_file(project.at("requirements.txt")).expect("removed");
    lock(&project, &greeting());
    project
}

/// Puts the wheel where the project's lock says it is.
fn lock(project: &Project, wheel: &Wheel) {
    let hash = wheel.write(&project.at("wheels"));
    let file =
        format!("{{ path = 'wheels/greeting-1.0-py3-none-any.whl', hashes = {{ sha256 = '{hash}' }} }}");
    let head = "lock-version = '1.0'\ncreated-by = 'test'\n";
    let package = format!("[[packages]]\nname = 'greeting'\nversion = '1.0'\nwheels = [{file}]\n");
    project.write(&[("pylock.toml", &format!("{head}{package}"))]);
}

fn digest(done: &Done) -> String {
    done.stdout().trim().rsplit('@').next().unwrap_or_default().to_owned()
}

/// The names are still listed, but whoever reads a wheel is refused.
fn without_wheels(project: &Project) {
    project.write(&[("wheels/greeting-1.0-py3-none-any.whl", "gone")]);
}

/// The pages of the cache, as they are compressed.
fn pages(registry: &TestRegistry) -> Vec<Value> {
    let (_, manifest) = registry.manifest("me/app", TAG).expect("a cache");
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
fn put(registry: &TestRegistry, pages: &[Vec<u8>]) {
    let empty = registry.put_blob("me/app", "{}");
    let layers = pages.iter().map(|page| {
        let digest = registry.put_blob("me/app", page.clone());
        json!({"mediaType": "application/vnd.containerize.cache.page.v1+json+zstd", "digest": digest,
            "size": page.len()})
    });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "artifactType": "application/vnd.containerize.cache.v1",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
        "layers": layers.collect::<Vec<_>>(),
    });
    registry.put_manifest("me/app", TAG, MANIFEST, manifest.to_string());
}

fn packed(page: &Value) -> Vec<u8> {
    zstd::encode_all(page.to_string().as_bytes(), 3).expect("zstd")
}

#[test]
fn a_clean_machine_needs_no_wheel_whose_layer_is_there() {
    let (project, registry) = (shop(), TestRegistry::open());
    let first = push(&project, &registry, "one", &[]).succeed();
    without_wheels(&project);
    let uploads = registry.count(Phase::PutBlob);
    let again = push(&project, &registry, "two", &[]).succeed();
    assert_eq!(digest(&again), digest(&first));
    assert!(again.stderr().contains("Found what was built before"), "{}", again.shown());
    assert_eq!(registry.count(Phase::PutBlob), uploads, "nothing is new, so nothing is sent");

    // Another line of the source, on a third machine, under another tag.
    project.write(&[("main.py", &format!("{MAIN}\n# changed\n"))]);
    let changed = push(&project, &registry, "three", &["-t", "2"]).succeed();
    assert_ne!(digest(&changed), digest(&first));
    assert!(!changed.stderr().contains(NOTE), "{}", changed.shown());
    let same = push(&project, &registry, "four", &["--no-remote-cache"]).fail();
    assert!(same.stderr().contains("greeting"), "without it the wheel is needed: {}", same.shown());
}

#[test]
fn the_image_is_the_same_with_the_cache_and_without() {
    let (project, registry) = (shop(), TestRegistry::open());
    push(&project, &registry, "one", &[]).succeed();
    project.write(&[("main.py", &format!("{MAIN}\n# changed\n"))]);
    let with = push(&project, &registry, "two", &[]).succeed();
    let without = push(&project, &registry, "three", &["--no-remote-cache"]).succeed();
    assert_eq!(digest(&with), digest(&without));
    assert_eq!(with.stderr().matches("Found what was built").count(), 1);
    assert!(!without.stderr().contains("Found what was built"), "{}", without.shown());
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
fn what_is_damaged_or_hostile_costs_nothing_and_is_not_believed() {
    let (project, registry) = (shop(), TestRegistry::open());
    push(&project, &registry, "one", &[]).succeed();
    let good = pages(&registry);
    let nowhere = sha256(b"nowhere");
    let lies = |change: &dyn Fn(&mut Value)| {
        let mut pages = good.clone();
        for entry in pages.iter_mut().flat_map(|page| page["entries"].as_array_mut().expect("entries")) {
            change(entry);
        }
        pages.iter().map(packed).collect::<Vec<_>>()
    };
    let homeless = |name: &str| {
        let mut pages = good.clone();
        for home in pages[0]["layers"].as_object_mut().expect("layers").values_mut() {
            *home = json!(name);
        }
        pages.iter().map(packed).collect::<Vec<_>>()
    };
    let many: Vec<Value> = (0..200_000)
        .map(|n: u32| json!({"table": "facts-v3", "key": sha256(&n.to_le_bytes()), "value": n}))
        .collect();
    let bomb = zstd::encode_all(&vec![b' '; 80 << 20][..], 3).expect("zstd");
    let hostile: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("no pages", vec![]),
        ("an empty page", vec![vec![]]),
        ("no zstd", vec![b"{}".to_vec()]),
        ("no JSON", vec![packed(&json!("x"))]),
        ("an empty object", vec![packed(&json!({}))]),
        ("a page that ends early", vec![packed(&good[0])[..100].to_vec()]),
        ("a bomb", vec![bomb]),
        ("very many entries", vec![packed(&json!({"entries": many}))]),
        ("no second page", vec![packed(&good[0])]),
        ("values of another type", lies(&|entry| entry["value"] = json!([7]))),
        ("unknown tables", lies(&|entry| entry["table"] = json!("elsewhere"))),
        ("tables that do not travel", lies(&|entry| entry["table"] = json!("pushed-to"))),
        ("keys of others", lies(&|entry| entry["key"] = json!(nowhere))),
        ("repositories that are none", homeless("../../etc")),
        ("repositories without them", homeless("me/other")),
        (
            "digests that do not exist",
            lies(&|entry| {
                if entry["value"]["digest"].is_string() {
                    entry["value"]["digest"] = json!(nowhere);
                }
            }),
        ),
        (
            "sizes that lie",
            lies(&|entry| {
                if entry["value"]["size"].is_number() {
                    entry["value"]["size"] = json!(1_u64 << 60);
                }
            }),
        ),
    ];
    project.write(&[("main.py", &format!("{MAIN}\n# changed\n"))]);
    let right = digest(&push(&project, &registry, "right", &["--no-remote-cache"]).succeed());
    for (number, (name, pages)) in hostile.into_iter().enumerate() {
        put(&registry, &pages);
        let done = push(&project, &registry, &format!("h{number}"), &[]).succeed();
        assert_eq!(digest(&done), right, "{name}: {}", done.shown());
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
    assert!(!first.stderr().contains("Found what was built"), "nobody has signed it: {}", first.shown());
    let again = push(&project, &registry, "two", &sign).succeed();
    assert!(again.stderr().contains("Found what was built"), "{}", again.shown());

    // A layer with other content stands in for that of the known wheel.
    let honest = pages(&registry);
    lock(&project, &greeting().file("greeting/evil.py", "import os\n"));
    let evil = push(&project, &registry, "evil", &[]).succeed();
    let foreign = pages(&registry);
    let keyed = |pages: &[Value]| -> Vec<Value> {
        let all = pages[0]["entries"].as_array().expect("entries").clone();
        all.into_iter().filter(|entry| entry["table"] == "keyed-layers").collect()
    };
    let known: Vec<Value> = keyed(&honest).iter().map(|entry| entry["key"].clone()).collect();
    let new = keyed(&foreign).into_iter().find(|entry| !known.contains(&entry["key"]));
    let new = new.expect("the foreign layer");
    let mut poisoned = foreign.clone();
    for entry in poisoned[0]["entries"].as_array_mut().expect("entries") {
        // What the other wheel's build had no use for.
        if entry["table"] == "keyed-layers" && entry["age"].is_number() {
            entry["value"] = new["value"].clone();
        }
    }
    lock(&project, &greeting());
    let poisoned: Vec<Vec<u8>> = poisoned.iter().map(packed).collect();
    put(&registry, &poisoned);
    let unsigned = push(&project, &registry, "believer", &[]).succeed();
    assert_ne!(digest(&unsigned), digest(&first), "who does not sign trusts whoever may write there");
    assert_ne!(digest(&unsigned), digest(&evil));
    put(&registry, &poisoned);
    let signed = push(&project, &registry, "signer", &sign).succeed();
    assert_eq!(digest(&signed), digest(&first), "{}", signed.shown());
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
    assert!(again.stderr().contains("Found what was built before"), "{}", again.shown());
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
