//! Caches that lied when the image was built, on this machine or in the registry.

use std::fs;

use containerize_tests::python::Wheel;
use serde_json::{Value, json};

use super::{commit, difference, elsewhere, image, push, python, rebuild, registry};
use crate::python::remote::{TAG, packed, pages, put};

#[test]
fn a_lie_in_the_cache_is_found_and_not_repeated() {
    let (project, registry) = (python(), registry());
    commit(&project);
    let flags = ["--base", "oci:base:py", "--platform", "linux/amd64", "--check", "off"];
    push(&project, &registry, &flags).env("PIP_CONFIG_FILE", "/dev/null").succeed();
    // The machine believes that the layer of the project is that of the wheel.
    let memo = project.cache("").join("memo/layers");
    let values: Vec<_> =
        fs::read_dir(&memo).expect("memos").map(|file| file.expect("a memo").path()).collect();
    assert!(!values.is_empty());
    let truth = fs::read(&values[0]).expect("a memo");
    for value in &values {
        fs::write(value, &truth).expect("a lie");
    }
    let lie = push(&project, &registry, &flags).env("PIP_CONFIG_FILE", "/dev/null").run();
    assert_eq!(lie.code(), 0, "{}", lie.shown());
    // On the very machine that lies.
    let image = image(&registry);
    let call = project.call(["verify", &image, "--rebuild", "--quiet", "--format", "json"]);
    let found = difference(call.env("PIP_CONFIG_FILE", "/dev/null"));
    assert_eq!(found["difference"]["in"], "layer", "{found:#}");
}

#[test]
fn a_lie_of_the_remote_cache_is_found_with_the_layer_that_it_slipped_in() {
    let (project, registry) = (python(), registry());
    // A lock that says which file it means: then a machine needs no wheel whose layer is known.
    let lock = |wheel: &Wheel| {
        let hash = wheel.write(&project.at("wheels"));
        let file =
            format!("{{ path = 'wheels/greeting-1.0-py3-none-any.whl', hashes = {{ sha256 = '{hash}' }} }}");
        let head =
            "lock-version = '1.0'\ncreated-by = 'test'\n[[packages]]\nname = 'greeting'\nversion = '1.0'\n";
        project.write(&[("pylock.toml", &format!("{head}wheels = [{file}]\n"))]);
    };
    let good = || Wheel::new("greeting", "1.0").file("greeting/__init__.py", "WORDS = 'hello'\n");
    let on = |machine: &str| {
        let repository = registry.repository("me/app");
        let flags =
            ["--push", "--repository", &repository, "-t", "1", "--remote-cache", "--base", "oci:base:py"];
        let call = project.call_on(machine, [&flags[..], &["--platform", "linux/amd64"]].concat());
        call.env("PIP_CONFIG_FILE", "/dev/null").succeed();
        let (_, bytes) = registry.manifest("me/app", "1").expect("an image");
        let manifest: Value = serde_json::from_slice(&bytes).expect("JSON");
        let layers = manifest["layers"].as_array().expect("layers").iter();
        layers.map(|layer| layer["digest"].clone()).collect::<Vec<_>>()
    };
    fs::remove_file(project.at("requirements.txt")).expect("removed");
    lock(&good());
    commit(&project);
    let honest = on("one");
    lock(&good().file("greeting/evil.py", "import os\n"));
    let evil = on("evil");
    let (true_layer, false_layer) = (&honest[2], &evil[2]);
    assert_ne!(true_layer, false_layer);
    let mut poisoned = pages(&registry, TAG);
    let entries = poisoned[0]["entries"].as_array_mut().expect("entries");
    let lie = entries.iter().find(|entry| entry["value"]["digest"] == *false_layer).expect("the layer");
    let lie = lie["value"].clone();
    let truths = entries.iter_mut().filter(|entry| entry["value"]["digest"] == *true_layer);
    assert!(truths.map(|entry| entry["value"] = lie.clone()).count() > 0);
    lock(&good());
    put(&registry, TAG, &poisoned.iter().map(packed).collect::<Vec<_>>());
    assert_eq!(on("believer")[2], *false_layer, "the machine believes it");

    let (_folder, place) = elsewhere(&project);
    let found = difference(rebuild(&project, &image(&registry), &place, &["--quiet", "--format", "json"]));
    let said = &found["difference"];
    assert_eq!((&said["layer"], &said["what"]), (&json!(3), &json!("entry")), "{found:#}");
    assert!(said["path"].as_str().is_some_and(|path| path.ends_with("greeting/evil.py")), "{found:#}");
    let cache = found["cause"]["remote-cache"].as_str().unwrap_or_default();
    assert!(cache.ends_with("me/app:containerize-cache"), "{found:#}");
}
