//! Pushing to a registry in this process, which counts what it is asked.

use std::time::Duration;

use containerize_tests::layout::sha256;
use containerize_tests::program::{Project, can_build, has_std};
use containerize_tests::registry::{Fault, Options, Phase, Seen, TestRegistry};
use serde_json::Value;

/// The manifest under a reference, and that everything it names is in the repository.
fn pushed(registry: &TestRegistry, repository: &str, reference: &str) -> (String, Value) {
    let (media_type, bytes) = registry.manifest(repository, reference).expect("a manifest");
    let manifest: Value = serde_json::from_slice(&bytes).expect("json");
    assert_eq!(manifest["mediaType"], media_type);
    for descriptor in manifest["layers"].as_array().into_iter().flatten().chain(manifest.get("config")) {
        let digest = descriptor["digest"].as_str().expect("a digest");
        let blob = registry.blob(repository, digest).unwrap_or_else(|| panic!("{digest} is missing"));
        assert_eq!((sha256(&blob).as_str(), &Value::from(blob.len())), (digest, &descriptor["size"]));
    }
    (sha256(&bytes), manifest)
}

#[test]
fn an_image_goes_to_two_repositories_under_several_tags() {
    if !can_build() {
        return;
    }
    let registry = TestRegistry::open();
    let project = Project::app("");
    let (one, two) = (registry.repository("me/one"), registry.repository("me/two"));
    let other = format!("{two}:2");
    let push = ["--quiet", "--push", "--repository", &one, "-t", "1", "-t", "latest", "-t", &other];
    let done = project.call(push).succeed();
    let (digest, manifest) = pushed(&registry, "me/one", "1");
    for (repository, tag) in [("me/one", "latest"), ("me/two", "2")] {
        assert_eq!(pushed(&registry, repository, tag).0, digest);
    }
    assert_eq!(done.stdout(), format!("{one}@{digest}\n{two}@{digest}\n"));
    let blobs = manifest["layers"].as_array().expect("layers").len() + 1;
    assert_eq!(registry.count(Phase::PutBlob), blobs, "sent once");
    let mounts = registry.requests();
    let mounts: Vec<_> = mounts.iter().filter(|seen| seen.phase == Phase::Mount).collect();
    assert_eq!(mounts.len(), blobs, "mounted into the second repository");
    assert!(mounts.iter().all(|seen| seen.query("from") == Some("me/one")));
    assert!(!project.at("target/containerize").exists(), "a push needs no layout");

    let before = registry.requests().len();
    assert_eq!(project.call(push).succeed().stdout(), done.stdout());
    let again = &registry.requests()[before..];
    let asked = again.iter().filter(|seen| seen.phase != Phase::Ping).count();
    assert_eq!(asked, 3 + 2, "one question for each tag, and one for each repository's list: {again:?}");
}

#[test]
fn a_mixed_order_of_tags_names_each_repository_once() {
    if !can_build() {
        return;
    }
    let registry = TestRegistry::open();
    let (one, two) = (registry.repository("one"), registry.repository("two"));
    let tags = [format!("{one}:1"), format!("{two}:1"), format!("{one}:2")];
    let done = Project::app("")
        .call(["--quiet", "--push", "-t", &tags[0], "-t", &tags[1], "-t", &tags[2]])
        .succeed();
    let digest = pushed(&registry, "one", "2").0;
    assert_eq!(done.stdout(), format!("{one}@{digest}\n{two}@{digest}\n"));
}

#[test]
fn an_index_is_pushed_with_its_images() {
    if !has_std("x86_64-unknown-linux-musl") || !has_std("aarch64-unknown-linux-musl") {
        return;
    }
    let registry = TestRegistry::open();
    let repository = registry.repository("app");
    let platforms = "linux/amd64,linux/arm64";
    let done = Project::app("")
        .call(["--quiet", "--push", "--repository", &repository, "--platform", platforms])
        .succeed();
    let (digest, index) = pushed(&registry, "app", "1.0.0");
    assert_eq!(done.stdout(), format!("{repository}@{digest}\n"));
    let manifests = index["manifests"].as_array().expect("manifests");
    assert_eq!(manifests.len(), 2);
    for entry in manifests {
        pushed(&registry, "app", entry["digest"].as_str().expect("a digest"));
    }
}

#[test]
fn a_name_and_password_of_the_call_are_used() {
    if !can_build() {
        return;
    }
    for options in [Options::basic(), Options::token()] {
        let registry = TestRegistry::start(options);
        let reference = format!("{}:1", registry.repository("app"));
        let project = Project::app("");
        let push = ["--format", "json", "--push", "-t", &reference, "--username", "me", "--password-stdin"];
        let done = project.call(push).input("secret\n").succeed();
        let value: Value = serde_json::from_str(done.stdout()).expect("one document");
        assert_eq!(value["images"][0]["references"], serde_json::json!([reference]));
        assert_eq!(value["images"][0]["digest"], pushed(&registry, "app", "1").0);
        assert!(!done.stderr().contains("secret"), "{}", done.stderr());
    }
}

#[test]
fn a_finished_layer_is_sent_while_the_next_one_is_made() {
    if !can_build() {
        return;
    }
    let registry = TestRegistry::open();
    // The second layer can only be made once the registry has the first.
    let project = Project::app(
        "[package.metadata.containerize]\nbase = 'scratch'\nlayers = [\
         { command = 'echo first > $CONTAINERIZE_LAYER/first' },\
         { command = 'for i in $(seq 300); do [ -e sent ] && exec touch $CONTAINERIZE_LAYER/second; sleep 0.1; done; exit 1' }]\n",
    );
    let repository = registry.repository("app");
    std::thread::scope(|scope| {
        let push = scope.spawn(|| project.call(["--push", "--repository", &repository]).succeed());
        while registry.count(Phase::PutBlob) == 0 && !push.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        project.write(&[("sent", "")]);
        push.join().expect("pushed");
    });
    let (_, manifest) = pushed(&registry, "app", "1.0.0");
    let blobs = manifest["layers"].as_array().expect("layers").len() + 1;
    assert_eq!((blobs, registry.count(Phase::PutBlob)), (4, 4), "each is sent once");
}

#[test]
fn what_the_registry_lost_before_the_manifest_is_sent_once_more() {
    if !can_build() {
        return;
    }
    let registry = TestRegistry::open();
    registry.inject(Fault::Forgets.on(Phase::PutManifest));
    let repository = registry.repository("app");
    Project::app("").call(["--push", "--repository", &repository]).succeed();
    let (_, manifest) = pushed(&registry, "app", "1.0.0");
    let blobs = manifest["layers"].as_array().expect("layers").len() + 1;
    assert_eq!(registry.count(Phase::PutBlob), 2 * blobs);
    // For ever is no reason to go on for ever.
    registry.inject(Fault::Forgets.on(Phase::PutManifest).always());
    let refused = Project::app("").call(["--push", "--repository", &repository, "--tag", "2"]).fail();
    assert!(refused.stderr().contains("MANIFEST_BLOB_UNKNOWN"), "{}", refused.stderr());
}

#[test]
fn a_registry_is_asked_while_the_build_goes_on_and_gets_nothing_before_it_has_answered() {
    if !can_build() {
        return;
    }
    let registry = TestRegistry::open();
    let base = format!("{}:1", registry.repository("base"));
    Project::app("").call(["--push", "--base", "scratch", "-t", &base]).succeed();
    registry.inject(Fault::Slow(Duration::from_secs(2)).on(Phase::PostUpload));
    let before = registry.requests().len();
    let app = format!("{}:1", registry.repository("app"));
    Project::app("").call(["--push", "--base", &base, "-t", &app]).succeed();
    pushed(&registry, "app", "1");
    let seen = &registry.requests()[before..];
    let answered = seen.iter().position(|seen| seen.method == "DELETE").expect("the upload is given up");
    let (meanwhile, later) = seen.split_at(answered);
    let is_of = |name: &str| {
        let path = format!("/v2/{name}/");
        move |seen: &&Seen| seen.path.starts_with(&path)
    };
    assert!(
        meanwhile.iter().any(|seen| seen.phase == Phase::GetManifest),
        "the base is opened: {meanwhile:?}"
    );
    assert_eq!(meanwhile.iter().filter(is_of("app")).count(), 1, "{meanwhile:?}");
    assert!(later.iter().filter(is_of("app")).count() > 4, "{later:?}");
}

#[test]
fn a_refusal_ends_the_build_and_comes_before_hooks() {
    if !can_build() {
        return;
    }
    let registry = TestRegistry::open();
    let refuses = || {
        registry.inject(Fault::Slow(Duration::from_secs(1)).on(Phase::Ping));
        registry.inject(Fault::Status(403).on(Phase::PostUpload).always());
    };
    let app = format!("{}:1", registry.repository("app"));
    let refused = |project: &Project| {
        let shown = project.call(["--retries", "0", "--push", "-t", &app]).fail().shown();
        assert!(shown.contains("error: cannot push to") && shown.contains("403 Forbidden"), "{shown}");
        shown
    };
    let slow = Project::app("");
    let wait = "fn main() { std::thread::sleep(std::time::Duration::from_secs(30)); std::fs::write(\"done\", \"\").unwrap(); }";
    slow.write(&[("build.rs", wait)]);
    refuses();
    let shown = refused(&slow);
    assert!(shown.contains("Building app"), "it had begun: {shown}");
    assert!(!slow.at("done").exists(), "{shown}");

    let hooked = Project::app("[package.metadata.containerize]\nhooks = { pre = ['echo > ran'] }\n");
    refuses();
    let shown = refused(&hooked);
    assert!(!hooked.at("ran").exists(), "{shown}");
}

#[test]
fn tags_of_one_image_are_put_at_the_same_time() {
    if !can_build() {
        return;
    }
    let registry = TestRegistry::open();
    let repository = registry.repository("app");
    // Those after the first stand still, all of them or only the second.
    registry.inject(Fault::Stall(100).on(Phase::PutManifest).after(1).always());
    let (project, registry) = (Project::app(""), &registry);
    let tags = ["--retries", "0", "--timeout", "10", "-t", "1", "-t", "2", "-t", "3"];
    std::thread::scope(|scope| {
        let push = scope
            .spawn(|| project.call([&["--push", "--repository", &repository], &tags[..]].concat()).fail());
        while registry.stalled() < 2 && !push.is_finished() {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(registry.stalled() >= 2, "the second does not wait for the first");
    });
}
