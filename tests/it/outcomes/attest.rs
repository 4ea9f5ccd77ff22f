//! What hangs on the images that a call pushes: bills of materials, and how they were built.

use std::fs;

use containerize_tests::program::{Done, Project, can_build, has_std};
use containerize_tests::registry::{Options, Phase, Referrers, TestRegistry};
use serde_json::{Value, json};

use super::two_binaries;

const SPDX: &str = "application/spdx+json";
const CYCLONEDX: &str = "application/vnd.cyclonedx+json";
const IN_TOTO: &str = "application/vnd.in-toto+json";

fn push(project: &Project, registry: &TestRegistry, arguments: &[&str]) -> Done {
    let repository = registry.repository("me/app");
    let call = ["--push", "--repository", &repository, "-t", "1"];
    project.call([&call, arguments].concat()).succeed()
}

fn digest(done: &Done) -> String {
    done.stdout().trim().rsplit('@').next().unwrap_or_default().to_owned()
}

fn kinds(registry: &TestRegistry, subject: &str) -> Vec<String> {
    registry.hanging("me/app", subject).into_iter().map(|(kind, _)| kind).collect()
}

fn document(registry: &TestRegistry, subject: &str, kind: &str) -> Value {
    let all = registry.hanging("me/app", subject);
    let (_, bytes) = all.iter().find(|(of, _)| of == kind).unwrap_or_else(|| panic!("{kind}: {all:?}"));
    serde_json::from_slice(bytes).expect("JSON")
}

fn tags(registry: &TestRegistry) -> usize {
    let seen = registry.requests();
    seen.iter().filter(|seen| seen.phase == Phase::PutManifest && seen.path.contains("/sha256-")).count()
}

#[test]
fn a_push_says_what_is_in_the_image_and_how_it_was_built() {
    if !can_build() {
        return;
    }
    let registry = TestRegistry::start(Options::listing(Referrers::Proper));
    let project = Project::app(
        "[package.metadata.containerize]\nfiles = [{ from = 'note', to = '/etc/note' }]\nenv = { API_TOKEN = 'hunter2' }\n",
    );
    project.write(&[("note", "hello")]);
    let done = push(&project, &registry, &[]);
    let root = digest(&done);
    assert_eq!(kinds(&registry, &root), [SPDX, IN_TOTO]);

    let bill = document(&registry, &root, SPDX);
    let names: Vec<&str> = bill["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .filter_map(|part| part["name"].as_str())
        .collect();
    for part in ["app", "/etc/note", "tzdata", "ca-certificates", "containerize-static"] {
        assert!(names.contains(&part), "{part}: {names:?}");
    }
    assert!(bill["documentNamespace"].as_str().is_some_and(|space| space.ends_with(&root)));

    let statement = document(&registry, &root, IN_TOTO);
    assert_eq!(statement["subject"][0]["digest"]["sha256"], root.trim_start_matches("sha256:"));
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    let definition = &statement["predicate"]["buildDefinition"];
    let configuration = &definition["externalParameters"]["configuration"];
    assert_eq!(configuration["files"][0]["from"], "note");
    assert!(!statement.to_string().contains("hunter2"), "{statement}");
    let materials = definition["resolvedDependencies"].as_array().expect("materials");
    let lock = materials.iter().find(|material| material["name"] == "Cargo.lock").expect("the lock");
    let written = fs::read(project.at("Cargo.lock")).expect("the lock");
    assert_eq!(
        lock["digest"]["sha256"],
        containerize_tests::layout::sha256(&written).trim_start_matches("sha256:")
    );
    let compiler =
        |material: &Value| material["uri"].as_str().is_some_and(|uri| uri.starts_with("pkg:generic/rustc@"));
    assert!(materials.iter().any(compiler), "{materials:?}");

    // Again: one question beside that for the tag.
    let before = registry.requests().len();
    push(&project, &registry, &[]);
    let again = registry.requests().split_off(before);
    let again: Vec<_> = again.iter().filter(|seen| seen.phase != Phase::Ping).collect();
    assert_eq!(again.len(), 2, "{again:?}");
    assert!(again.iter().any(|seen| seen.path.contains("/referrers/")), "{again:?}");
}

#[test]
fn the_image_itself_is_the_same_with_and_without() {
    if !can_build() {
        return;
    }
    let registry = TestRegistry::start(Options::listing(Referrers::Proper));
    let project = Project::app("");
    let without = push(&project, &registry, &["--attestations", "none"]);
    assert_eq!(kinds(&registry, &digest(&without)), Vec::<String>::new());
    let with = push(&project, &registry, &["--sbom", "both"]);
    assert_eq!(with.stdout(), without.stdout());
    assert_eq!(kinds(&registry, &digest(&with)), [SPDX, CYCLONEDX, IN_TOTO]);
    assert!(with.stderr().contains("Attaching"), "{}", with.stderr());
}

#[test]
fn where_nothing_lists_it_only_what_was_asked_for_leaves_a_tag() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    let registry = TestRegistry::open();
    push(&project, &registry, &[]);
    assert_eq!(tags(&registry), 0);
    let done = push(&project, &registry, &["--sbom", "cyclonedx"]);
    assert_eq!(tags(&registry), 1);
    assert_eq!(kinds(&registry, &digest(&done)), [CYCLONEDX, IN_TOTO]);
    assert!(done.stderr().contains("so a tag does"), "{}", done.stderr());
    push(&project, &registry, &["--sbom", "cyclonedx"]);
    assert_eq!(tags(&registry), 1, "all of it is there");
}

#[test]
fn each_platform_and_the_index_have_their_own() {
    if !can_build() || !has_std("aarch64-unknown-linux-musl") {
        return;
    }
    let registry = TestRegistry::start(Options::listing(Referrers::Proper));
    let done = push(&Project::app(""), &registry, &["--platform", "linux/amd64,linux/arm64"]);
    let root = digest(&done);
    let (_, index) = registry.manifest("me/app", &root).expect("the index");
    let index: Value = serde_json::from_slice(&index).expect("JSON");
    let all = [&json!(root), &index["manifests"][0]["digest"], &index["manifests"][1]["digest"]];
    for subject in all {
        let subject = subject.as_str().expect("a digest");
        assert_eq!(kinds(&registry, subject), [SPDX, IN_TOTO], "{subject}");
        let statement = document(&registry, subject, IN_TOTO);
        assert_eq!(statement["subject"].as_array().map(Vec::len), Some(3), "one statement about all of them");
    }
    let union = document(&registry, &root, SPDX);
    let images = union["packages"].as_array().expect("packages").iter();
    assert_eq!(images.filter(|part| part["primaryPackagePurpose"] == "CONTAINER").count(), 4, "{union}");
}

#[test]
fn a_bill_goes_to_a_file_in_the_format_of_its_name() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    let plain = project.call(["--quiet", "-o", "oci:out"]).succeed();
    let files = ["--sbom-output", "sbom/all.spdx.json", "--sbom-output", "app.cdx.json"];
    let done = project.call([&["--quiet", "-o", "oci:out"], &files[..]].concat()).succeed();
    assert_eq!(done.stdout(), plain.stdout());
    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(project.at(name)).expect(name)).expect("JSON")
    };
    assert_eq!(read("sbom/all.spdx.json")["spdxVersion"], "SPDX-2.3");
    let bill = read("app.cdx.json");
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&json!("CycloneDX"), &json!("1.6")));
    let first = fs::read(project.at("app.cdx.json")).expect("the bill");
    project.call([&["--quiet", "-o", "oci:out", "--no-cache"], &files[..]].concat()).succeed();
    assert_eq!(
        fs::read(project.at("app.cdx.json")).expect("the bill"),
        first,
        "the same image, the same bill"
    );
}

#[test]
fn files_that_cannot_be_are_refused_before_anything_is_built() {
    if !can_build() {
        return;
    }
    let project = two_binaries("");
    let call = |file: &str| project.call(["--quiet", "--bins", "--sbom-output", file]);
    let done = call("bill.json").fail();
    assert!(done.stderr().contains("one file, but this call makes 2 images"), "{}", done.stderr());
    assert!(done.stderr().contains("{name}"), "{}", done.stderr());
    fs::create_dir(project.at("{name}")).expect("a folder");
    assert!(call("{name}").fail().stderr().contains("is a folder"));
    assert!(!project.at("target").exists(), "nothing was built");
    call("bill-{name}.json").succeed();
    assert!(project.at("bill-a.json").is_file() && project.at("bill-b.json").is_file());
    let done = project.call(["--sbom", "SPDX"]).fail();
    assert!(done.stderr().contains("spdx, cyclonedx"), "{}", done.stderr());
}

#[test]
fn in_the_index_they_are_beside_each_image_as_buildkit_puts_them() {
    if !can_build() {
        return;
    }
    let registry = TestRegistry::start(Options::listing(Referrers::Proper));
    let project = Project::app("");
    let plain = digest(&push(&project, &registry, &["--attestations", "none"]));
    let in_index = ["--attestations", "index", "--sbom-output", "bill.spdx.json"];
    let root = digest(&push(&project, &registry, &in_index));
    assert!(kinds(&registry, &root).is_empty() && kinds(&registry, &plain).is_empty(), "nothing hangs");
    let read = |digest: &str| -> Value {
        let (_, bytes) = registry.manifest("me/app", digest).expect("a manifest");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let index = read(&root);
    let [image, about] = &index["manifests"].as_array().expect("entries")[..] else { panic!("{index}") };
    assert_eq!(image["digest"], plain, "the image is what it is without");
    assert_eq!(about["platform"], json!({"architecture": "unknown", "os": "unknown"}));
    assert_eq!(
        about["annotations"],
        json!({"vnd.docker.reference.digest": plain, "vnd.docker.reference.type": "attestation-manifest"})
    );
    let manifest = read(about["digest"].as_str().expect("a digest"));
    let stated = |layer: &Value| {
        let digest = layer["digest"].as_str().expect("a digest").to_owned();
        serde_json::from_slice::<Value>(&registry.blob("me/app", &digest).expect("a statement"))
            .expect("JSON")
    };
    let layers = manifest["layers"].as_array().expect("layers");
    for (layer, predicate) in
        layers.iter().zip(["https://spdx.dev/Document", "https://slsa.dev/provenance/v1"])
    {
        assert_eq!(layer["mediaType"], IN_TOTO);
        assert_eq!(layer["annotations"]["in-toto.io/predicate-type"], predicate);
        let statement = stated(layer);
        assert_eq!(statement["_type"], "https://in-toto.io/Statement/v0.1");
        assert_eq!(statement["predicateType"], predicate);
        assert_eq!(statement["subject"][0]["digest"]["sha256"], plain.trim_start_matches("sha256:"));
    }
    assert_eq!(layers.len(), 2);
    let bill: Value =
        serde_json::from_slice(&fs::read(project.at("bill.spdx.json")).expect("the bill")).expect("JSON");
    assert!(bill["documentNamespace"].as_str().is_some_and(|space| space.ends_with(&root)), "of the index");

    // They say nothing of the run, so that the index is the same everywhere; and they are there for all outputs.
    let repository = registry.repository("me/app");
    let layout = ["--repository", &repository, "-t", "1", "--attestations", "index", "-o", "oci:layout"];
    let run = [("GITLAB_CI", "true"), ("CI_SERVER_URL", "https://gitlab.com"), ("CI_RUNNER_ID", "7")];
    let again = run.iter().fold(project.call(layout), |call, (name, value)| call.env(name, value)).succeed();
    assert_eq!(digest(&again), root);
    let refused = project.call(["--attestations", "index", "--image-format", "docker"]).fail();
    assert!(refused.stderr().contains("holds no attestations in its index"), "{}", refused.stderr());
}
