//! Images of several machines under one name.

use std::process::Command;

use containerize_tests::image::{INDEX, MANIFEST, put};
use containerize_tests::program::{call, fails, succeeds};
use containerize_tests::registry::{Fault, Phase, TestRegistry};
use serde_json::{Value, json};
use tempfile::TempDir;

fn index(home: &TempDir, registry: &TestRegistry, names: &[&str]) -> Command {
    let names: Vec<String> = names.iter().map(|name| registry.repository(name)).collect();
    let words: Vec<&str> = ["index"].into_iter().chain(names.iter().map(String::as_str)).collect();
    call(home.path(), home.path(), &words)
}

fn home() -> TempDir {
    tempfile::tempdir().expect("home")
}

fn pushed(registry: &TestRegistry, repository: &str, tag: &str) -> Value {
    let (media_type, bytes) = registry.manifest(repository, tag).expect("an index");
    assert_eq!(media_type, INDEX);
    serde_json::from_slice(&bytes).expect("json")
}

fn blobs_are_there(registry: &TestRegistry, repository: &str, index: &Value) {
    for child in index["manifests"].as_array().expect("manifests") {
        let (_, bytes) =
            registry.manifest(repository, child["digest"].as_str().expect("digest")).expect("it");
        assert_eq!(child["size"], bytes.len());
        let manifest: Value = serde_json::from_slice(&bytes).expect("json");
        let layers = manifest["layers"].as_array().expect("layers");
        for blob in layers.iter().chain([&manifest["config"]]) {
            assert!(registry.blob(repository, blob["digest"].as_str().expect("digest")).is_some(), "{blob}");
        }
    }
}

#[test]
fn images_of_two_machines_become_one_index() {
    let (registry, home) = (TestRegistry::open(), home());
    let amd64 = put(&registry, "web", "1-amd64", "amd64", "a");
    let arm64 = put(&registry, "web", "1-arm64", "arm64", "b");
    let said = succeeds(index(&home, &registry, &["web:1", "web:1-amd64", "web:1-arm64"]));
    let merged = pushed(&registry, "web", "1");
    let shown: Vec<_> = merged["manifests"]
        .as_array()
        .expect("manifests")
        .iter()
        .map(|m| (m["digest"].as_str(), m["platform"]["architecture"].as_str()))
        .collect();
    assert_eq!(shown, [(Some(&*amd64), Some("amd64")), (Some(&*arm64), Some("arm64"))]);
    let (repository, digest) = said.split_once('@').expect("a digest");
    assert_eq!(repository, registry.repository("web"));
    assert!(registry.manifest("web", digest).is_some());
    assert_eq!(registry.count(Phase::PutBlob), 0, "all is there");
}

#[test]
fn an_index_is_taken_apart_and_other_repositories_are_copied() {
    for mounts in [true, false] {
        let (registry, home) = (TestRegistry::open(), home());
        if !mounts {
            registry.inject(Fault::Status(405).on(Phase::Mount).always());
        }
        let amd64 = put(&registry, "a/web", "1", "amd64", "a");
        put(&registry, "b/web", "1", "arm64", "b");
        let (_, bytes) = registry.manifest("a/web", &amd64).expect("manifest");
        let inner = json!({"schemaVersion": 2, "manifests": [
            {"mediaType": MANIFEST, "digest": amd64, "size": bytes.len(), "annotations": {"kept": "yes"}},
        ]});
        registry.put_manifest("a/web", "index", INDEX, inner.to_string());
        succeeds(index(&home, &registry, &["web:1", "a/web:index", "b/web:1"]));
        let merged = pushed(&registry, "web", "1");
        assert_eq!(merged["manifests"][0]["annotations"]["kept"], "yes");
        blobs_are_there(&registry, "web", &merged);
        assert_eq!(registry.count(Phase::PutBlob) == 0, mounts);
    }
}

#[test]
fn a_platform_that_is_there_twice_is_refused() {
    let (registry, home) = (TestRegistry::open(), home());
    put(&registry, "web", "a", "amd64", "a");
    put(&registry, "web", "b", "amd64", "b");
    let (code, words) = fails(index(&home, &registry, &["web:1", "web:a", "web:b"]));
    assert_eq!(code, 2);
    assert!(words.contains("both have an image for linux/amd64"), "{words}");
    assert!(registry.manifest("web", "1").is_none());
    let (code, _) = fails(index(&home, &registry, &["web:1", "web:none"]));
    assert_eq!(code, 3);
}
