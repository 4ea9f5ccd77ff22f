//! A policy that images must keep before anybody gets them.

use containerize_tests::program::{Call, Done, Project, can_build};
use containerize_tests::registry::{Options, Phase, Referrers, TestRegistry};

use super::policy::project;

fn push(project: &Project, registry: &TestRegistry, rules: &str, more: &[&str]) -> Call {
    project.write(&[("rules/policy.toml", rules)]);
    let repository = registry.repository("me/app");
    let words = ["--push", "--repository", &repository, "-t", "1", "--policy", "rules/policy.toml"];
    project.call([&words[..], more].concat())
}

fn refused(done: &Done, sentences: &[&str]) {
    assert_eq!(done.code(), 4, "{}", done.shown());
    for sentence in sentences {
        assert!(done.stderr().contains(sentence), "{sentence}: {}", done.shown());
    }
}

/// Whether anything was put into the registry.
fn is_empty(registry: &TestRegistry) -> bool {
    let sent = [Phase::Mount, Phase::PatchBlob, Phase::PutBlob, Phase::PutManifest];
    sent.into_iter().all(|phase| registry.count(phase) == 0)
}

const SIGNED: &str = "signed-by = [{ key = 'other.pub' }, { key = 'my.pub' }]\n";

#[test]
fn what_breaks_a_rule_is_not_pushed_and_each_is_told_in_a_sentence() {
    if !can_build() {
        return;
    }
    let (project, registry) = (project(), TestRegistry::start(Options::listing(Referrers::Proper)));
    let broken = format!(
        "{SIGNED}sources = ['https://example.com/*']\nbases = ['docker.io/*']\ndenied-packages = ['app 1.*']\n"
    );
    let done = push(&project, &registry, &broken, &[]).fail();
    refused(
        &done,
        &[
            "error: app breaks 3 of 4 rules of rules/policy.toml\n",
            "sources: its provenance contains no repository\n",
            "bases: it stands on static, which bases does not allow\n",
            "denied-packages: it contains denied packages: app 1.0.0\n",
        ],
    );
    assert!(is_empty(&registry));
    let stranger = "signed-by = [{ key = 'other.pub' }]\nnot-root = true\n";
    let done = push(&project, &registry, stranger, &["--user", "0"]).fail();
    refused(
        &done,
        &["breaks 2 of 2 rules", "signed-by: it would be signed with the key sha256:", "it runs as root on"],
    );
    assert!(is_empty(&registry));

    let kept = format!(
        "{SIGNED}bases = ['static']\nmax-base-age = 3\ndenied-licenses = ['AGPL-*']\nnot-root = true\n"
    );
    let done = push(&project, &registry, &kept, &[]).succeed();
    assert!(done.stderr().contains("Judged app keeps all 5 rules of rules/policy.toml"), "{}", done.shown());
    assert!(registry.manifest("me/app", "1").is_some());
    // The step before deployment comes to the same.
    let image = format!("{}:1", registry.repository("me/app"));
    project.call(["verify", &image, "--policy", "rules/policy.toml"]).succeed();
}

#[test]
fn what_is_not_signed_is_refused_before_it_is_built() {
    let registry = TestRegistry::start(Options::listing(Referrers::Proper));
    let project = Project::app("");
    let unsigned = "signed-by = [{ identity = 'me', issuer = 'https://example.org' }]\n";
    let done = push(&project, &registry, unsigned, &[]).fail();
    refused(&done, &["signed-by in rules/policy.toml demands a signature, but this call does not sign"]);
    assert!(!done.stderr().contains("Planned") && is_empty(&registry), "{}", done.shown());
    for (rules, words) in [
        ("sinned-by = []", "rules/policy.toml cannot be used"),
        ("", "the policy has no rules"),
        ("signed-by = [{ key = 'none.pub' }]", "signed-by: the public key none.pub cannot be read"),
    ] {
        let done = push(&project, &registry, rules, &["--dry-run"]).fail();
        assert_eq!(done.code(), 2, "{}", done.shown());
        assert!(done.stderr().contains(words), "{}", done.shown());
    }
    let done = project.call(["--policy", "none.toml", "--dry-run"]).fail();
    assert!(done.stderr().contains("policy: none.toml cannot be read"), "{}", done.shown());
}

#[test]
fn what_is_written_or_loaded_is_judged_too_and_only_what_is_pushed_is_signed() {
    if !can_build() {
        return;
    }
    let project = project();
    project.write(&[("rules/policy.toml", &format!("{SIGNED}not-root = true\n"))]);
    let build = |more: &[&str]| {
        let words = ["-o", "oci:out"];
        project.call([&words[..], more].concat()).env("CONTAINERIZE_POLICY", "rules/policy.toml")
    };
    refused(&build(&["--user", "0"]).fail(), &["not-root: it runs as root on"]);
    assert!(!project.at("out").exists());
    let done = build(&[]).succeed();
    assert!(
        done.stderr().contains("Judged app keeps the only rule of rules/policy.toml"),
        "{}",
        done.shown()
    );
    assert!(project.at("out/index.json").exists());
}
