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

/// Puts an image, its attestation, and an index of both as BuildKit makes it; the attestation's
/// entry in the index.
fn put_attested(registry: &TestRegistry, repository: &str, architecture: &str) -> Value {
    let image = put(registry, repository, "image", architecture, architecture);
    let size = |digest: &str| registry.manifest(repository, digest).expect("manifest").1.len();
    let blob = |media_type: &str, text: &str| {
        let digest = registry.put_blob(repository, text.to_owned());
        json!({"mediaType": media_type, "digest": digest, "size": text.len()})
    };
    let statement = blob("application/vnd.in-toto+json", &format!("{{\"about\": \"{architecture}\"}}"));
    let config = r#"{"architecture":"unknown","os":"unknown","rootfs":{"type":"layers","diff_ids":[]}}"#;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": blob("application/vnd.oci.image.config.v1+json", config), "layers": [statement],
    });
    let attestation = registry.put_manifest(repository, "attestation", MANIFEST, manifest.to_string());
    let entry = json!({
        "mediaType": MANIFEST, "digest": attestation, "size": size(&attestation),
        "annotations": {
            "vnd.docker.reference.digest": image, "vnd.docker.reference.type": "attestation-manifest",
        },
        "platform": {"architecture": "unknown", "os": "unknown"},
    });
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        // First, where who takes the first would take it.
        entry,
        {
            "mediaType": MANIFEST, "digest": image, "size": size(&image),
            "platform": {"architecture": architecture, "os": "linux"},
        },
    ]});
    registry.put_manifest(repository, "1", INDEX, index.to_string());
    entry
}

/// System and architecture of everything in the index.
fn entries(index: &Value) -> Vec<(&str, &str)> {
    let manifests = index["manifests"].as_array().expect("manifests").iter();
    manifests
        .map(|child| {
            let platform = &child["platform"];
            (platform["os"].as_str().expect("os"), platform["architecture"].as_str().expect("architecture"))
        })
        .collect()
}

#[test]
fn attestations_go_along_and_are_nobodys_platform() {
    let (registry, home) = (TestRegistry::open(), home());
    let attested = put_attested(&registry, "a/web", "amd64");
    let other = put_attested(&registry, "b/web", "arm64");
    put(&registry, "web", "s390x", "s390x", "c");
    succeeds(index(&home, &registry, &["web:1", "a/web:1", "b/web:1", "web:s390x"]));
    let merged = pushed(&registry, "web", "1");
    let unknown = ("unknown", "unknown");
    let expected = [unknown, ("linux", "amd64"), unknown, ("linux", "arm64"), ("linux", "s390x")];
    assert_eq!(entries(&merged), expected);
    assert_eq!((&merged["manifests"][0], &merged["manifests"][2]), (&attested, &other), "as they were");
    blobs_are_there(&registry, "web", &merged);

    // Two images for one platform are no less two because attestations are between them.
    let (code, words) = fails(index(&home, &registry, &["web:2", "a/web:1", "a/web:image"]));
    assert_eq!(code, 2);
    assert!(words.contains("both have an image for linux/amd64"), "{words}");
}

#[test]
fn entries_that_run_nowhere_need_no_words_to_be_kept() {
    let (registry, home) = (TestRegistry::open(), home());
    let attested = put_attested(&registry, "web", "amd64");
    let mut index_of_it = pushed(&registry, "web", "1");
    for missing in ["annotations", "platform"] {
        let mut entry = attested.clone();
        entry.as_object_mut().expect("an object").remove(missing);
        index_of_it["manifests"][0] = entry.clone();
        registry.put_manifest("web", "1", INDEX, index_of_it.to_string());
        succeeds(index(&home, &registry, &["web:merged", "web:1"]));
        assert_eq!(pushed(&registry, "web", "merged")["manifests"][0], entry, "without {missing}");
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
    assert_eq!(code, 2);
}
