//! Bases that somebody must have signed.

use containerize_core::oci::Digest;
use containerize_core::trust::{self, Bundle};
use containerize_tests::image;
use containerize_tests::program::{Call, Done, Project, can_build};
use containerize_tests::registry::{Options, Referrers, TestRegistry};
use serde_json::{Value, json};

use super::sign::{fixture, hang_bundle, private_key, sign_in_older_form};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const BASE: &str = "team/base";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// A project, and a registry with a base for two platforms: an index and its manifests.
struct Scene {
    project: Project,
    registry: TestRegistry,
    index: String,
    images: [String; 2],
}

impl Scene {
    fn new(referrers: Referrers) -> Self {
        let (project, registry) = (Project::app(""), TestRegistry::start(Options::listing(referrers)));
        for file in ["plain.pub", "other.pub", "keyless/root.json"] {
            let to = project.at(file.rsplit('/').next().expect("a name"));
            std::fs::copy(fixture(file), to).expect("copied");
        }
        let images =
            ["amd64", "arm64"].map(|arch| image::put(&registry, BASE, &format!("only-{arch}"), arch, "base"));
        let index = put_index(&registry, [("amd64", &images[0]), ("arm64", &images[1])]);
        Self { project, registry, index, images }
    }

    fn base(&self) -> String {
        format!("{}:1", self.registry.repository(BASE))
    }

    fn call(&self, arguments: &[&str], verify: &str) -> Call {
        let base = self.base();
        let words = [arguments, &["--base", &base]].concat();
        self.project.call(words).env("CONTAINERIZE_BASE_VERIFY", verify)
    }

    /// Pins the base: it is verified as in builds, and nothing is compiled.
    fn lock(&self, verify: &str) -> Call {
        self.call(&["lock", "--quiet", "--platform", "linux/amd64"], verify)
    }

    fn refused(&self, verify: &str, words: &str) -> Done {
        let done = self.lock(verify).fail();
        assert_eq!(done.code(), 4, "{}", done.stderr());
        assert!(done.stderr().contains(words), "{}", done.stderr());
        assert!(!self.project.at("containerize.lock").exists());
        done
    }
}

pub(super) fn put_index(registry: &TestRegistry, images: [(&str, &String); 2]) -> String {
    let entries = images.map(|(architecture, digest)| {
        let (_, bytes) = registry.manifest(BASE, digest).expect("the image");
        let platform = json!({ "os": "linux", "architecture": architecture });
        json!({ "mediaType": MANIFEST, "digest": digest, "size": bytes.len(), "platform": platform })
    });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    registry.put_manifest(BASE, "1", INDEX, index.to_string())
}

/// A bundle in which a key states about an image that it is signed, or something else.
fn bundle(key: &str, image: &str, predicate: &str) -> String {
    let key = private_key(key);
    let image: Digest = image.parse().expect("a digest");
    let statement = trust::statement_about(&image, predicate, "{}").expect("a statement");
    let statement = serde_json::to_vec(&statement).expect("JSON");
    let signature = key.sign(&trust::to_sign(&statement));
    let bundle = Bundle::of_key(&statement, &signature, &key.public().expect("a key")).expect("a bundle");
    serde_json::to_string(&bundle).expect("JSON")
}

/// Signs an image with `plain.key`, in the form that hangs on it.
pub(crate) fn sign(registry: &TestRegistry, repository: &str, image: &str) {
    hang_bundle(registry, repository, image, &bundle("plain.key", image, trust::SIGNATURE));
}

const KEY: &str = "{ key = 'plain.pub' }";

#[test]
fn a_base_that_nobody_or_somebody_else_has_signed_is_refused() {
    for referrers in [Referrers::Proper, Referrers::None] {
        let scene = Scene::new(referrers);
        scene.lock("[]").succeed();
        std::fs::remove_file(scene.project.at("containerize.lock")).expect("removed");
        let done = scene.refused(KEY, &format!("the base {} is not signed\n", scene.base()));
        assert!(done.stderr().contains("hint: use a base that is signed"), "{}", done.stderr());

        // Another key; a statement about something else; one that says nothing of trust; another digest's signature.
        hang_bundle(
            &scene.registry,
            BASE,
            &scene.index,
            &bundle("other.key", &scene.index, trust::SIGNATURE),
        );
        scene.refused(KEY, "is not signed with this key");
        let elsewhere = format!("sha256:{}", "ab".repeat(32));
        hang_bundle(&scene.registry, BASE, &scene.index, &bundle("plain.key", &elsewhere, trust::SIGNATURE));
        scene.refused(KEY, "is not signed with this key");
        let scanned = bundle("plain.key", &scene.index, "https://cosign.sigstore.dev/attestation/vuln/v1");
        hang_bundle(&scene.registry, BASE, &scene.index, &scanned);
        scene.refused(KEY, "is not signed with this key");
        sign_in_older_form(&scene.registry, BASE, &scene.index, &elsewhere);
        scene.refused(KEY, "is not signed with this key");
        let both = "[{ key = 'plain.pub' }, { identity = 'me@example.org', issuer = 'https://example.org', trusted-root = 'root.json' }]";
        scene.refused(both, "is signed by none of the 2 signers that base-verify names");

        sign(&scene.registry, BASE, &scene.index);
        scene.lock(KEY).succeed();
    }
}

#[test]
fn all_forms_of_the_right_signature_count_and_one_signer_of_several_suffices() {
    let ways: [fn(&Scene); 3] = [
        |scene| sign(&scene.registry, BASE, &scene.index),
        |scene| sign_in_older_form(&scene.registry, BASE, &scene.index, &scene.index),
        // As GitHub's attestations.
        |scene| {
            let built = bundle("plain.key", &scene.index, PROVENANCE);
            hang_bundle(&scene.registry, BASE, &scene.index, &built);
        },
    ];
    for sign in ways {
        for referrers in [Referrers::Proper, Referrers::None] {
            let scene = Scene::new(referrers);
            sign(&scene);
            scene.refused("{ key = 'other.pub' }", "is not signed with this key");
            scene.lock(KEY).succeed();
            scene.lock("[{ key = 'other.pub' }, { key = 'plain.pub' }]").succeed();
        }
    }
}

#[test]
fn what_cannot_be_read_beside_a_good_signature_does_not_count() {
    let put = |scene: &Scene, tag: &str, manifest: &Value| {
        scene.registry.put_manifest(BASE, tag, MANIFEST, manifest.to_string())
    };
    // A bundle that holds nothing.
    let scene = Scene::new(Referrers::Proper);
    let empty = scene.registry.put_blob(BASE, "{}");
    let config = json!({ "mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2 });
    let nothing = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "config": config, "layers": [], "subject": { "mediaType": MANIFEST, "digest": scene.index, "size": 1 },
    });
    put(&scene, "nothing", &nothing);
    scene.refused(KEY, "holds no document");
    sign(&scene.registry, BASE, &scene.index);
    scene.lock(KEY).succeed();

    // A payload in the older form that is larger than any document.
    let scene = Scene::new(Referrers::Proper);
    sign_in_older_form(&scene.registry, BASE, &scene.index, &scene.index);
    let tag = format!("{}.sig", scene.index.replace(':', "-"));
    let (_, good) = scene.registry.manifest(BASE, &tag).expect("a signature");
    let mut both: Value = serde_json::from_slice(&good).expect("JSON");
    let mut large = both["layers"][0].clone();
    large["size"] = json!(1_u64 << 40);
    both["layers"].as_array_mut().expect("layers").insert(0, large);
    put(&scene, &tag, &both);
    scene.lock(KEY).succeed();
}

#[test]
fn a_platform_that_is_signed_alone_counts_for_itself() {
    let scene = Scene::new(Referrers::Proper);
    sign(&scene.registry, BASE, &scene.images[0]);
    scene.lock(KEY).succeed();
    let other = scene.call(&["lock", "--platform", "linux/arm64"], KEY).fail();
    assert_eq!(other.code(), 4);
    assert!(other.stderr().contains("is not signed"), "{}", other.stderr());
}

#[test]
fn whoever_a_certificate_names_is_compared_whole() {
    let (scene, keyless) = (Scene::new(Referrers::Proper), |name: &str| fixture("keyless").join(name));
    let read = |name: &str| std::fs::read_to_string(keyless(name)).expect("a fixture");
    let signed = scene.registry.put_manifest(BASE, "signed", MANIFEST, read("image.json"));
    hang_bundle(&scene.registry, BASE, &signed, &read("rekor-v2.json"));
    put_index(&scene.registry, [("amd64", &signed), ("arm64", &scene.images[1])]);
    let workflow = "https://github.com/acme/shop/.github/workflows/release.yml@refs/tags/v1";
    let verify = |identity: &str, source: &str| {
        format!(
            "{{ identity = '{identity}', issuer = 'https://token.actions.githubusercontent.com', source = '{source}', trusted-root = 'root.json' }}"
        )
    };
    let source = "https://github.com/acme/shop";
    scene.refused(
        &verify("https://github.com/acme/other", source),
        "https://github.com/acme/other must have signed it",
    );
    scene.refused(&verify(workflow, "https://github.com/acme/fork"), "is not signed by");
    scene.refused(KEY, "is not signed with this key");
    let pattern = verify(workflow, source).replace("identity = ", "identity-pattern = ");
    scene.refused(&pattern.replace("refs/tags/v1", "refs/tags/v2.*"), "is not signed by");
    let done = scene.lock(&pattern.replace("refs/tags/v1", "refs/tags/v\\d+")).fail();
    assert!(!done.stderr().contains("signed"), "{}", done.stderr());
    // Its signature is good. The image is a fixture without a configuration.
    let done = scene.lock(&verify(workflow, source)).fail();
    assert!(!done.stderr().contains("signed"), "{}", done.stderr());
}

#[test]
fn what_was_verified_holds_without_a_network_and_for_that_signer_and_digest_alone() {
    if !can_build() {
        return;
    }
    let scene = Scene::new(Referrers::Proper);
    sign(&scene.registry, BASE, &scene.index);
    let platform = ["--platform", "linux/amd64"];
    let build = |flags: &[&str], verify: &str| scene.call(&[&platform, flags].concat(), verify);
    // The base is here, and was not verified.
    build(&[], "[]").succeed();
    let refused = build(&["--offline"], KEY).fail();
    assert_eq!(refused.code(), 2);
    assert!(refused.stderr().contains("was not verified before"), "{}", refused.stderr());

    let said = build(&[], KEY).succeed();
    assert!(said.stderr().contains("is signed by sha256:"), "{}", said.stderr());
    let asked = scene.registry.requests().len();
    build(&["--offline"], KEY).succeed();
    assert_eq!(scene.registry.requests().len(), asked);
    assert_eq!(build(&["--offline"], "{ key = 'other.pub' }").fail().code(), 2);

    // A pin is no signature.
    let moved = image::put(&scene.registry, BASE, "1", "amd64", "moved");
    let lock = format!("version = 1\n\n[bases]\n{:?} = {moved:?}\n", scene.base());
    scene.project.write(&[("containerize.lock", &lock)]);
    assert_eq!(build(&["--locked"], KEY).fail().code(), 4);
    build(&["--locked"], "[]").succeed();
}

#[test]
fn provenance_says_who_has_signed_the_base() {
    if !can_build() {
        return;
    }
    let scene = Scene::new(Referrers::Proper);
    sign(&scene.registry, BASE, &scene.index);
    let app = scene.registry.repository("me/app");
    let push = ["--quiet", "--push", "--repository", &app, "-t", "1", "--platform", "linux/amd64"];
    let done = scene.call(&push, KEY).succeed();
    let image = done.stdout().trim().rsplit('@').next().unwrap_or_default().to_owned();
    let stated = scene.registry.hanging("me/app", &image);
    let (_, statement) = stated.iter().find(|(kind, _)| kind == trust::IN_TOTO).expect("provenance");
    let statement: Value = serde_json::from_slice(statement).expect("JSON");
    let inputs = &statement["predicate"]["buildDefinition"]["resolvedDependencies"];
    let base = inputs.as_array().expect("inputs").iter().find(|one| one["annotations"]["role"] == "base");
    let key = private_key("plain.key").public().expect("a key").digest().to_string();
    assert_eq!(base.expect("the base")["annotations"]["signed-by"], json!([{ "key": key }]));
}

#[test]
fn bases_without_a_registry_are_made_here_or_refused() {
    let scene = Scene::new(Referrers::Proper);
    let lock = |base: &str, verify: &str| {
        let words = ["lock", "--quiet", "--platform", "linux/amd64", "--base", base];
        scene.project.call(words).env("CONTAINERIZE_BASE_VERIFY", verify)
    };
    for made in ["static", "scratch"] {
        lock(made, KEY).succeed();
    }
    for (base, verify, words) in [
        (scene.base(), "{ 'other/*' = { key = 'plain.pub' } }", "base-verify has no entry for the base"),
        (scene.base(), "{ key = 'none.pub' }", "base-verify: the public key none.pub cannot be read"),
        (scene.base(), "{ identity = 'me' }", "base-verify"),
        (scene.base(), "true", "expected a signer"),
        (scene.base(), "{ identity-pattern = '(', issuer = 'x' }", "is not a regular expression"),
    ] {
        let done = lock(&base, verify).fail();
        assert_eq!(done.code(), 2, "{}", done.stderr());
        assert!(done.stderr().contains(words), "{}", done.stderr());
    }
    lock(&scene.base(), "{ '*/base:1' = [] }").succeed();
    let shouted = scene.base().replace("127.0.0.1", "LOCALHOST");
    let done = lock(&shouted, "{ 'localhost:*' = { key = 'plain.pub' }, '*' = [] }").fail();
    assert!(done.stderr().contains("is not signed"), "{}", done.stderr());
}

#[test]
fn a_base_in_a_layout_has_no_signature_to_verify() {
    if !can_build() {
        return;
    }
    let scene = Scene::new(Referrers::Proper);
    let platform = ["--quiet", "--platform", "linux/amd64"];
    scene.project.call([&platform[..], &["-o", "oci:base", "--base", "static"]].concat()).succeed();
    let build = |verify: &str| {
        let call = scene.project.call([&platform[..], &["--base", "oci:base"]].concat());
        call.env("CONTAINERIZE_BASE_VERIFY", verify)
    };
    let done = build(KEY).fail();
    assert_eq!(done.code(), 2);
    assert!(done.stderr().contains("only registries keep signatures"), "{}", done.stderr());
    build("{ 'oci:*' = [], '*/base:*' = { key = 'plain.pub' } }").succeed();
}
