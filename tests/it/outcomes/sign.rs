//! Images that are signed when they are pushed, and what `verify` says of them.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use containerize_core::redact::Secret;
use containerize_core::trust::PrivateKey;
use containerize_tests::image;
use containerize_tests::program::{Call, Done, Project, can_build, has_std};
use containerize_tests::registry::{Options, Phase, Referrers, TestRegistry};
use serde_json::{Value, json};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

pub(super) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/trust").join(name)
}

/// A project with a key that is `key` in the fixtures.
fn project(key: &str) -> Project {
    let project = Project::app("[package.metadata.containerize]\nsign = { key = 'my.key' }\n");
    std::fs::copy(fixture(key), project.at("my.key")).expect("copied");
    project
}

fn push(project: &Project, registry: &TestRegistry, arguments: &[&str]) -> Call {
    let repository = registry.repository("me/app");
    project.call([&["--push", "--repository", &repository, "-t", "1"], arguments].concat())
}

fn verify(project: &Project, registry: &TestRegistry, key: &str, arguments: &[&str]) -> Call {
    let (image, key) = (format!("{}:1", registry.repository("me/app")), fixture(key));
    let key = key.display().to_string();
    project.call([&["verify", "--quiet", &image, "--key", &key], arguments].concat())
}

fn digest(done: &Done) -> String {
    done.stdout().trim().rsplit('@').next().unwrap_or_default().to_owned()
}

#[test]
fn what_is_pushed_is_signed_and_verified_with_the_same_key_only() {
    if !can_build() {
        return;
    }
    for referrers in [Referrers::Proper, Referrers::None] {
        let registry = TestRegistry::start(Options::listing(referrers));
        let project = project("plain.key");
        let done = push(&project, &registry, &[]).succeed();
        let image = digest(&done);
        let good = verify(&project, &registry, "plain.pub", &[]).succeed();
        let stdout = good.stdout();
        assert!(
            stdout.starts_with(&format!("{}:1@{image}: signed with ", registry.repository("me/app"))),
            "{stdout}"
        );
        assert!(stdout.contains("  provenance: signed, built by https://"), "{stdout}");
        assert!(stdout.contains("  SBOM (SPDX): signed\n"), "{stdout}");
        let read: Value = serde_json::from_str(
            verify(&project, &registry, "plain.pub", &["--format", "json"]).succeed().stdout(),
        )
        .expect("JSON");
        assert_eq!(read["digest"], image);

        let refused = verify(&project, &registry, "other.pub", &[]).fail();
        assert_eq!(refused.code(), 4);
        assert!(refused.stderr().contains("is not signed with this key"), "{}", refused.stderr());

        // Signing is deterministic: nothing is added by a push without changes.
        let puts = registry.count(Phase::PutManifest);
        push(&project, &registry, &[]).succeed();
        assert_eq!(registry.count(Phase::PutManifest), puts);
        let tags = registry.requests();
        let tags =
            tags.iter().filter(|seen| seen.path.contains("/manifests/sha256-") && seen.method == "PUT");
        assert_eq!(tags.count(), usize::from(referrers == Referrers::None), "one tag for all of it");
    }
}

#[test]
fn an_image_without_a_signature_or_with_that_of_another_is_refused() {
    if !can_build() {
        return;
    }
    let registry = TestRegistry::start(Options::listing(Referrers::Proper));
    let project = project("plain.key");
    let signed = digest(&push(&project, &registry, &[]).succeed());
    let bundles: Vec<_> =
        registry.hanging("me/app", &signed).into_iter().filter(|(kind, _)| kind == BUNDLE).collect();
    assert_eq!(bundles.len(), 3, "the image, its bill and its provenance");

    project.write(&[("Cargo.toml", &containerize_tests::fixture::manifest("app", ""))]);
    let plain = digest(&push(&project, &registry, &["--label", "x=y"]).succeed());
    assert_ne!(plain, signed);
    let refused = verify(&project, &registry, "plain.pub", &[]).fail();
    assert_eq!(refused.code(), 4);
    assert!(refused.stderr().contains(":1 is not signed"), "{}", refused.stderr());

    // All bundles of the signed image are hung on the other one.
    let (_, subject) = registry.manifest("me/app", &plain).expect("the image");
    let empty = registry.put_blob("me/app", "{}");
    for (_, bundle) in bundles {
        let (layer, size) = (registry.put_blob("me/app", bundle.clone()), bundle.len());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
            "layers": [{"mediaType": BUNDLE, "digest": layer, "size": size}],
            "subject": {"mediaType": MANIFEST, "digest": plain, "size": subject.len()},
        });
        registry.put_manifest("me/app", "replayed", MANIFEST, manifest.to_string());
    }
    let refused = verify(&project, &registry, "plain.pub", &[]).fail();
    assert_eq!(refused.code(), 4);
    assert!(refused.stderr().contains("the signed statement is about another image"), "{}", refused.stderr());
}

#[test]
fn the_older_form_is_a_tag_beside_each_image_which_signers_share() {
    if !can_build() {
        return;
    }
    let registry = TestRegistry::start(Options::listing(Referrers::None));
    let project = project("plain.key");
    let legacy = ["--signature-format", "legacy"];
    let done = push(&project, &registry, &legacy).succeed();
    let image = digest(&done);
    let tag = format!("sha256-{}.sig", image.trim_start_matches("sha256:"));
    let signatures = || -> Value {
        let (_, bytes) = registry.manifest("me/app", &tag).expect("the tag");
        serde_json::from_slice(&bytes).expect("a manifest")
    };
    let first = signatures();
    let layers = |of: &Value| of["layers"].as_array().expect("layers").len();
    assert_eq!(layers(&first), 1);
    assert_eq!(first["layers"][0]["mediaType"], "application/vnd.dev.cosign.simplesigning.v1+json");
    assert_eq!(first["config"]["mediaType"], "application/vnd.oci.image.config.v1+json");
    assert!(registry.hanging("me/app", &image).iter().all(|(kind, _)| kind != BUNDLE));
    verify(&project, &registry, "plain.pub", &[]).succeed();
    let refused = verify(&project, &registry, "other.pub", &[]).fail();
    assert!(refused.stderr().contains("is not signed with this key"), "{}", refused.stderr());

    // Nothing is added by a push without changes; another key's signature is kept, and stands beside ours.
    let puts = registry.count(Phase::PutManifest);
    push(&project, &registry, &legacy).succeed();
    assert_eq!(registry.count(Phase::PutManifest), puts);
    std::fs::copy(fixture("other.key"), project.at("my.key")).expect("copied");
    push(&project, &registry, &["--signature-format", "both"]).succeed();
    let both = signatures();
    assert_eq!(layers(&both), 2);
    assert!(both["layers"].as_array().is_some_and(|layers| layers.contains(&first["layers"][0])));
    verify(&project, &registry, "plain.pub", &[]).succeed();
    verify(&project, &registry, "other.pub", &[]).succeed();

    // Another image's signatures say nothing of this one.
    project.write(&[("Cargo.toml", &containerize_tests::fixture::manifest("app", ""))]);
    let changed = digest(&push(&project, &registry, &["--label", "x=y"]).succeed());
    let other = format!("sha256-{}.sig", changed.trim_start_matches("sha256:"));
    registry.put_manifest("me/app", &other, MANIFEST, first.to_string());
    let refused = verify(&project, &registry, "plain.pub", &[]).fail();
    assert_eq!(refused.code(), 4);
    assert!(refused.stderr().contains("the signature is that of another image"), "{}", refused.stderr());
}

#[test]
fn what_is_in_the_index_is_signed_with_it() {
    if !can_build() || !has_std("aarch64-unknown-linux-musl") {
        return;
    }
    let registry = TestRegistry::start(Options::listing(Referrers::Proper));
    let project = project("plain.key");
    let in_index = ["--platform", "linux/amd64,linux/arm64", "--attestations", "index"];
    let image = digest(&push(&project, &registry, &in_index).succeed());
    let kinds: Vec<String> = registry.hanging("me/app", &image).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [BUNDLE], "the signature and nothing else");
    let good = verify(&project, &registry, "plain.pub", &[]).succeed();
    for said in ["an index of 2 images", "  provenance: signed", "  SBOM (SPDX): signed"] {
        assert!(good.stdout().contains(said), "{}", good.stdout());
    }
    let with_file = [&in_index[..], &["--sbom-output", "bill.spdx.json"]].concat();
    assert_eq!(digest(&push(&project, &registry, &with_file).succeed()), image);
}

#[test]
fn what_is_no_signature_stands_in_no_good_ones_way() {
    if !can_build() {
        return;
    }
    let registry = TestRegistry::start(Options::listing(Referrers::Proper));
    let project = project("plain.key");
    let image = digest(&push(&project, &registry, &[]).succeed());
    let tag = format!("sha256-{}.sig", image.trim_start_matches("sha256:"));
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []});
    registry.put_manifest("me/app", &tag, INDEX, index.to_string());
    verify(&project, &registry, "plain.pub", &[]).succeed();
    let refused = push(&project, &registry, &["--signature-format", "both"]).fail();
    assert!(refused.stderr().contains("remove the tag, and push again"), "{}", refused.stderr());
}

#[test]
fn a_password_is_taken_from_the_environment_and_a_wrong_one_stops_before_the_build() {
    if !can_build() {
        return;
    }
    let registry = TestRegistry::start(Options::listing(Referrers::Proper));
    let project = project("encrypted.key");
    let refused = push(&project, &registry, &[]).env("COSIGN_PASSWORD", "wrong").fail();
    assert_eq!(refused.code(), 2);
    assert!(refused.stderr().contains("the password of the key is wrong"), "{}", refused.stderr());
    let refused = push(&project, &registry, &[]).fail();
    assert!(refused.stderr().contains("CONTAINERIZE_SIGN_PASSWORD"), "{}", refused.stderr());
    assert!(!project.at("target").exists(), "nothing was built");
    push(&project, &registry, &[]).env("CONTAINERIZE_SIGN_PASSWORD", "hunter2").succeed();
    verify(&project, &registry, "plain.pub", &[]).succeed();
    let done = push(&project, &registry, &["--sign-key", "none.key"]).fail();
    assert!(done.stderr().contains("none.key cannot be read"), "{}", done.stderr());
    let done = push(&project, &registry, &["--attestations", "none"]).fail();
    assert!(done.stderr().contains("no signature goes anywhere"), "{}", done.stderr());
}

#[cfg(unix)]
#[test]
fn a_command_signs_and_what_is_no_signature_is_refused() {
    if !can_build() {
        return;
    }
    let registry = TestRegistry::start(Options::listing(Referrers::Proper));
    let table = |command: &str| {
        let key = fixture("plain.pub");
        format!(
            "[package.metadata.containerize]\nsign = {{ command = {command}, public-key = {:?} }}\n",
            key.display().to_string()
        )
    };
    let with = |command: &str| Project::app(&table(command));
    let key = fixture("plain.key").display().to_string();
    if std::process::Command::new("openssl").arg("version").output().is_ok() {
        let project = with(&format!("['openssl', 'dgst', '-sha256', '-sign', {key:?}]"));
        push(&project, &registry, &[]).succeed();
        verify(&project, &registry, "plain.pub", &[]).succeed();
    }
    let refused = push(&with("['echo', 'AAAA']"), &registry, &[]).fail();
    assert!(refused.stderr().contains("echo could not sign"), "{}", refused.stderr());
    let refused = push(&with("['/no/such/signer']"), &registry, &[]).fail();
    assert!(refused.stderr().contains("there is no such program"), "{}", refused.stderr());
    let both = Project::app("[package.metadata.containerize]\nsign = { key = 'a', command = ['b'] }\n");
    let refused = push(&both, &registry, &[]).fail();
    assert!(refused.stderr().contains("both a key and a command"), "{}", refused.stderr());
}

/// A private key of the fixtures.
pub(super) fn private_key(name: &str) -> PrivateKey {
    let pem = std::fs::read_to_string(fixture(name)).expect("a key");
    PrivateKey::read(&pem, || Ok(Secret::new(""))).expect("a key")
}

/// Puts a signature of `signed` in cosign's older form where those of `image` are.
pub(super) fn sign_in_older_form(registry: &TestRegistry, repository: &str, image: &str, signed: &str) {
    let payload = json!({
        "critical": {
            "identity": {"docker-reference": registry.repository(repository)},
            "image": {"docker-manifest-digest": signed},
            "type": "cosign container image signature",
        },
        "optional": null,
    })
    .to_string();
    let signature = BASE64.encode(private_key("plain.key").sign(payload.as_bytes()));
    let config = registry.put_blob(repository, "{}");
    let layer = registry.put_blob(repository, payload.clone());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
        "layers": [{
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": layer, "size": payload.len(),
            "annotations": {"dev.cosignproject.cosign/signature": signature},
        }],
    });
    let tag = format!("{}.sig", image.replace(':', "-"));
    registry.put_manifest(repository, &tag, MANIFEST, manifest.to_string());
}

/// Hangs a bundle on an image, and lists it under a tag for those whose registry does not.
pub(super) fn hang_bundle(registry: &TestRegistry, repository: &str, image: &str, bundle: &str) {
    let empty = registry.put_blob(repository, "{}");
    let layer = registry.put_blob(repository, bundle.to_owned());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
        "layers": [{"mediaType": BUNDLE, "digest": layer, "size": bundle.len()}],
        "subject": {"mediaType": MANIFEST, "digest": image, "size": 1},
    })
    .to_string();
    let digest = registry.put_manifest(repository, &layer.replace(':', "-"), MANIFEST, manifest.clone());
    let list = image.replace(':', "-");
    let listed = registry.manifest(repository, &list).map(|(_, bytes)| bytes);
    let mut index: Value = listed.map_or_else(
        || json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] }),
        |bytes| serde_json::from_slice(&bytes).expect("JSON"),
    );
    let entry =
        json!({ "mediaType": MANIFEST, "artifactType": BUNDLE, "digest": digest, "size": manifest.len() });
    index["manifests"].as_array_mut().expect("a list").push(entry);
    registry.put_manifest(repository, &list, INDEX, index.to_string());
}

#[test]
fn the_older_form_of_a_signature_is_read_too() {
    if !can_build() {
        return;
    }
    let registry = TestRegistry::open();
    let project = Project::app("");
    let image = digest(&push(&project, &registry, &[]).succeed());
    sign_in_older_form(&registry, "me/app", &image, &image);
    verify(&project, &registry, "plain.pub", &[]).succeed();
    assert_eq!(verify(&project, &registry, "other.pub", &[]).fail().code(), 4);
}

/// An image with a signature of this name in the fixtures, as sigstore-python made it.
fn certified(registry: &TestRegistry, signature: &str) -> String {
    let keyless = |name: &str| std::fs::read_to_string(fixture("keyless").join(name)).expect("a fixture");
    let (image, bundle) = (keyless("image.json"), keyless(signature));
    let digest = registry.put_manifest("me/app", "1", MANIFEST, image);
    hang_bundle(registry, "me/app", &digest, &bundle);
    digest
}

#[test]
fn whoever_a_certificate_names_is_verified_and_nobody_else() {
    const WORKFLOW: &str = "https://github.com/acme/shop/.github/workflows/release.yml@refs/tags/v1";
    const ISSUER: &str = "https://token.actions.githubusercontent.com";
    const SOURCE: &str = "https://github.com/acme/shop";
    let registry = TestRegistry::start(Options::listing(Referrers::Proper));
    let project = Project::new(&[]);
    let digest = certified(&registry, "rekor-v2.json");
    let image = format!("{}:1", registry.repository("me/app"));
    let root = fixture("keyless/root.json").display().to_string();
    let verify = |flags: &[&str]| project.call([&["verify", "--quiet", &image], flags].concat());
    let rooted = |flags: &[&str]| verify(&[&["--trusted-root", &root], flags].concat());

    let good = rooted(&["--identity", WORKFLOW, "--issuer", ISSUER]).succeed();
    let source = format!("source: {SOURCE} at refs/tags/v1");
    let said = format!("{image}@{digest}: signed by {WORKFLOW}\n  issuer: {ISSUER}\n  {source}\n");
    assert_eq!(good.stdout(), said);
    let pattern = ["--identity-pattern", "https://github\\.com/acme/.*", "--issuer-pattern", ".*"];
    let good = rooted(&[&pattern[..], &["--format", "json"]].concat()).succeed();
    let read: Value = serde_json::from_str(good.stdout()).expect("JSON");
    assert_eq!((&read["identity"], &read["issuer"]), (&WORKFLOW.into(), &ISSUER.into()));
    assert_eq!((&read["source"], &read["source-ref"]), (&SOURCE.into(), &"refs/tags/v1".into()));
    assert_eq!((&read["digest"], read.get("key")), (&digest.clone().into(), None));

    let refused = |call: Call, code: i32, words: &str| {
        let done = call.fail();
        assert_eq!(done.code(), code, "{}", done.stderr());
        assert!(done.stderr().contains(words), "{}", done.stderr());
    };
    let other = ["--identity", "https://github.com/acme/other", "--issuer", ISSUER];
    refused(rooted(&other), 4, "but https://github.com/acme/other must have signed it");
    refused(
        rooted(&["--identity", WORKFLOW, "--issuer", "https://gitlab.com"]),
        4,
        "but https://gitlab.com was expected",
    );
    refused(
        rooted(&["--identity-pattern", "github", "--issuer", ISSUER]),
        4,
        "but an identity that matches github must have signed it",
    );
    let named = ["--identity", WORKFLOW, "--issuer", ISSUER];
    let from = |flags: &[&str]| rooted(&[&named[..], flags].concat());
    from(&["--source", SOURCE, "--source-ref", "refs/tags/v1"]).succeed();
    from(&["--source-pattern", "https://github\\.com/acme/.*", "--source-ref-pattern", "refs/tags/.*"])
        .succeed();
    let elsewhere =
        "for the repository https://github.com/acme/shop, but https://github.com/acme/web was expected";
    refused(from(&["--source", "https://github.com/acme/web"]), 4, elsewhere);
    refused(from(&["--source-pattern", "https://github.com/acme"]), 4, "but one that matches");
    refused(from(&["--source", SOURCE, "--source-ref", "refs/heads/x"]), 4, "but refs/heads/x was expected");
    refused(from(&["--source", SOURCE, "--source-pattern", "x"]), 2, "cannot be used with");
    refused(rooted(&["--source", SOURCE]), 2, "does not say who must have signed");
    refused(verify(&named), 4, "a transparency log that the trusted root does not name");
    let key = fixture("plain.pub").display().to_string();
    refused(verify(&["--key", &key]), 4, "it was signed with a certificate, and not with this key");
    refused(verify(&[]), 2, "does not say who must have signed");
    refused(verify(&["--identity", WORKFLOW]), 2, "--identity needs --issuer too");
    refused(verify(&["--identity-pattern", "(", "--issuer", ISSUER]), 2, "not a regular expression");
    refused(rooted(&["--key", &key]), 2, "cannot be used with");
    refused(verify(&["--key", &key, "--source", SOURCE]), 2, "cannot be used with");
    refused(verify(&["--key", &key, "--source-ref-pattern", "x"]), 2, "cannot be used with");
    let no_root = ["--trusted-root", &key, "--identity", WORKFLOW, "--issuer", ISSUER];
    refused(verify(&no_root), 2, "not a trusted root");
}

#[test]
fn an_index_is_verified_whole_or_not_at_all() {
    let (project, registry) = (Project::new(&[]), TestRegistry::open());
    let entry = image::put(&registry, "me/app", "amd64", "amd64", "one");
    let entry = json!({"mediaType": image::MANIFEST, "digest": entry, "size": 1});
    let index = json!({"schemaVersion": 2, "mediaType": image::INDEX, "manifests": vec![entry; 65]});
    registry.put_manifest("me/app", "1", image::INDEX, index.to_string());
    let refused = verify(&project, &registry, "plain.pub", &[]).fail();
    assert_eq!(refused.code(), 4);
    assert!(refused.shown().contains("an index of 65 entries"), "{}", refused.shown());
}
