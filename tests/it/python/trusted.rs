//! Caches of other signers, which a call that signs believes where its settings name them.

use std::path::Path;

use containerize_tests::program::{Call, Project};
use containerize_tests::registry::TestRegistry;
use serde_json::json;

use super::remote::{TAG, change, digest, packed, pages, push, put, shop, without_wheels};

pub(super) fn key(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/trust").join(name).display().to_string()
}

/// A push by whoever has the key, that believes somebody else.
fn trusting(project: &Project, registry: &TestRegistry, machine: &str, own: &str, other: &str) -> Call {
    let call = push(project, registry, machine, &["--sign-key", &key(own)]);
    call.env("CONTAINERIZE_CACHE_TRUST", other)
}

/// Where somebody has left a cache that he has signed.
fn signers_tag(registry: &TestRegistry) -> String {
    let seen = registry.requests();
    let mut last = seen.iter().rev().filter_map(|seen| seen.path.rsplit('/').next());
    last.find(|tag| tag.starts_with("containerize-cache-")).expect("a signer's tag").to_owned()
}

#[test]
fn who_signs_believes_another_signer_whom_the_settings_name() {
    let (project, registry) = (shop(), TestRegistry::open());
    let first = push(&project, &registry, "one", &["--sign-key", &key("plain.key")]).succeed();
    let (theirs, found) = (signers_tag(&registry), "Found the results");
    let trust = format!("[{{ key = {:?} }}]", key("plain.pub"));

    let stranger = push(&project, &registry, "two", &["--sign-key", &key("other.key")]).succeed();
    assert!(!stranger.stderr().contains(found), "{}", stranger.shown());
    assert_ne!(signers_tag(&registry), theirs, "each has a tag of his own");
    // Their own cache is not what helps below.
    registry.put_manifest("me/app", &signers_tag(&registry), "application/json", "{}");
    without_wheels(&project);
    let friend = trusting(&project, &registry, "three", "other.key", &trust).succeed();
    assert!(friend.stderr().contains(found), "{}", friend.shown());
    assert_eq!(digest(&friend), digest(&first));

    // The second page, which only a change asks for, comes from them too.
    change(&project, "changed");
    registry.put_manifest("me/app", &signers_tag(&registry), "application/json", "{}");
    let changed = trusting(&project, &registry, "four", "other.key", &trust).succeed();
    assert!(!changed.stderr().contains("did not serve"), "{}", changed.shown());
}

#[test]
fn what_is_under_the_tag_of_a_trusted_signer_must_be_signed_by_him() {
    let (project, registry) = (shop(), TestRegistry::open());
    push(&project, &registry, "evil", &[]).succeed();
    let mut lies = pages(&registry, TAG);
    for entry in lies[0]["entries"].as_array_mut().expect("entries") {
        if entry["table"] == "users-v1" {
            entry["value"] = json!(null);
        }
    }
    put(&registry, TAG, &lies.iter().map(packed).collect::<Vec<_>>());
    let (kind, poison) = registry.manifest("me/app", TAG).expect("a cache");
    let right = push(&project, &registry, "right", &["--sign-key", &key("plain.key")]).succeed();
    let theirs = signers_tag(&registry);
    let trust = format!("[{{ key = {:?} }}]", key("plain.pub"));
    registry.put_manifest("me/app", &theirs, &kind, poison);
    let done = trusting(&project, &registry, "careful", "other.key", &trust).succeed();
    assert!(!done.stderr().contains("Found the results"), "{}", done.shown());
    assert_eq!(digest(&done), digest(&right));
    assert_ne!(digest(&push(&project, &registry, "deceived", &[]).succeed()), digest(&right));
}

#[test]
fn a_signer_that_cannot_be_is_refused_in_words() {
    let (project, registry) = (shop(), TestRegistry::open());
    for (trust, said) in [
        ("[{ key = 'none.pub' }]", "cache-trust: the public key none.pub cannot be read"),
        ("[{ key = 'main.py' }]", "cache-trust: main.py cannot be used"),
        ("[{ identity = 'me' }]", "an identity needs issuer too"),
        ("[{ }]", "an entry has neither a key nor an identity"),
        ("[{ key = 'a.pub', issuer = 'x' }]", "an entry has both a key and parts of a certificate"),
    ] {
        let refused = trusting(&project, &registry, "one", "plain.key", trust).fail();
        assert_eq!(refused.code(), 2, "{}", refused.shown());
        assert!(refused.stderr().contains(said), "{trust}: {}", refused.shown());
    }
    // Who does not sign believes everybody, so nobody's key is read.
    push(&project, &registry, "one", &[]).env("CONTAINERIZE_CACHE_TRUST", "[{ key = 'none.pub' }]").succeed();
}
