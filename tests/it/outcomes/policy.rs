//! Images that are held to a policy before they are used.

use containerize_core::oci::Digest;
use containerize_core::policy::Policy;
use containerize_core::trust::{self, Bundle};
use containerize_tests::image::{INDEX, MANIFEST, put};
use containerize_tests::program::{Call, Project, can_build, has_std};
use containerize_tests::registry::{Options, Referrers, TestRegistry};
use serde_json::{Value, json};

use super::sign::{fixture, hang_bundle, private_key};
use super::vouched::{BASE, put_index, sign};

/// A project whose pushes are signed, with the public halves of two keys beside it.
pub(super) fn project() -> Project {
    let project = Project::app("[package.metadata.containerize]\nsign = { key = 'my.key' }\n");
    for (name, to) in
        [("plain.key", "my.key"), ("plain.pub", "rules/my.pub"), ("other.pub", "rules/other.pub")]
    {
        let to = project.at(to);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        std::fs::copy(fixture(name), to).expect("copied");
    }
    project
}

fn judge(project: &Project, registry: &TestRegistry, rules: &str, arguments: &[&str]) -> Call {
    project.write(&[("rules/policy.toml", rules)]);
    let image = format!("{}:1", registry.repository("me/app"));
    project.call([&["verify", &image, "--policy", "rules/policy.toml"], arguments].concat())
}

fn push(project: &Project, registry: &TestRegistry, arguments: &[&str]) {
    let repository = registry.repository("me/app");
    project.call([&["--push", "--repository", &repository, "-t", "1"], arguments].concat()).succeed();
}

const SIGNED: &str = "signed-by = [{ key = 'other.pub' }, { key = 'my.pub' }]\n";

#[test]
fn an_image_is_held_to_each_rule_and_a_broken_one_fails_the_call() {
    if !can_build() {
        return;
    }
    let (project, registry) = (project(), TestRegistry::start(Options::listing(Referrers::Proper)));
    push(&project, &registry, &[]);
    let kept = format!(
        "{SIGNED}bases = ['static']\nmax-base-age = 3\ndenied-licenses = ['AGPL-*']\ndenied-packages = ['left-pad']\n\
         not-root = true\nbuilders = ['https://*']\n"
    );
    let done = judge(&project, &registry, &kept, &["--quiet"]).succeed();
    let said = done.stdout();
    assert!(said.lines().next().is_some_and(|line| line.ends_with(": keeps all 7 rules")), "{said}");
    assert!(said.contains("  kept   signed-by: it is signed with my.pub\n"), "{said}");
    assert!(said.contains("  kept   max-base-age: it stands on no base that others make\n"), "{said}");

    let broken = format!(
        "{SIGNED}sources = ['https://example.com/*']\nbases = ['docker.io/*']\ndenied-packages = ['app 1.*']\n"
    );
    let done = judge(&project, &registry, &broken, &["--quiet"]).fail();
    let said = done.stdout();
    assert_eq!(done.code(), 4, "{said}");
    assert!(said.contains(": breaks 3 of 4 rules\n"), "{said}");
    assert!(said.contains("  broken sources: its provenance contains no repository\n"), "{said}");
    assert!(said.contains("  broken bases: it stands on static, which bases does not allow\n"), "{said}");
    assert!(said.contains("  broken denied-packages: it contains denied packages: app 1.0.0\n"), "{said}");

    let done = judge(&project, &registry, &broken, &["--quiet", "--format", "json"]).fail();
    let read: Value = serde_json::from_str(done.stdout()).expect("JSON");
    assert_eq!((&read["passed"], read["rules"].as_array().map(Vec::len)), (&Value::Bool(false), Some(4)));
    assert_eq!(read["rules"][1]["rule"], "sources");
}

#[test]
fn what_somebody_else_states_does_not_count() {
    if !can_build() {
        return;
    }
    let (project, registry) = (project(), TestRegistry::start(Options::listing(Referrers::Proper)));
    push(&project, &registry, &[]);
    let rules = "signed-by = [{ key = 'other.pub' }]\ndenied-packages = ['left-pad']\nnot-root = true\n";
    let done = judge(&project, &registry, rules, &["--quiet"]).fail();
    let said = done.stdout();
    assert!(said.contains(": breaks 2 of 3 rules\n"), "{said}");
    assert!(said.contains("  broken signed-by: "), "{said}");
    assert!(said.contains("  broken denied-packages: it has no SBOM that is signed so\n"), "{said}");
    assert!(said.contains("  kept   not-root: it runs as 65532:65532\n"), "{said}");

    push(&project, &registry, &["-t", "1", "--user", "0"]);
    let done = judge(&project, &registry, "not-root = true", &["--quiet"]).fail();
    assert!(done.stdout().contains("  broken not-root: it runs as root on linux/"), "{}", done.stdout());
}

#[test]
fn what_is_in_an_index_counts_where_the_index_is_signed_in_the_older_form() {
    if !can_build() {
        return;
    }
    let (project, registry) = (project(), TestRegistry::start(Options::listing(Referrers::None)));
    let platforms =
        if has_std("aarch64-unknown-linux-musl") { "linux/amd64,linux/arm64" } else { "linux/amd64" };
    let in_index = ["--signature-format", "legacy", "--attestations", "index", "--platform", platforms];
    push(&project, &registry, &in_index);
    let rules = format!("{SIGNED}bases = ['static']\ndenied-packages = ['APP 1.*']\nreproducible = true\n");
    let done = judge(&project, &registry, &rules, &["--quiet"]).fail();
    let said = done.stdout();
    assert!(said.contains("  kept   bases: it stands on static\n"), "{said}");
    assert!(said.contains("  broken denied-packages: it contains denied packages: app 1.0.0\n"), "{said}");
    assert!(said.contains("  kept   reproducible: "), "{said}");
}

#[test]
fn a_base_without_an_age_breaks_the_rule_and_one_that_cannot_be_read_fails_the_call() {
    if !can_build() {
        return;
    }
    let (project, registry) = (project(), TestRegistry::start(Options::listing(Referrers::Proper)));
    let bases = TestRegistry::open();
    put(&bases, "their/base", "1", "amd64", "base");
    let base = format!("{}:1", bases.repository("their/base"));
    push(&project, &registry, &["--base", &base, "--platform", "linux/amd64"]);
    let aged = format!("{SIGNED}bases = ['*/their/base:1']\nmax-base-age = 3\n");
    let done = judge(&project, &registry, &aged, &["--quiet"]).fail();
    let said = done.stdout();
    assert!(said.contains(&format!("  kept   bases: it stands on {base}\n")), "{said}");
    assert!(
        said.contains("  broken max-base-age: its base ") && said.contains("does not say when"),
        "{said}"
    );

    drop(bases);
    // Another machine has nothing of the base in its cache.
    let image = format!("{}:1", registry.repository("me/app"));
    let elsewhere =
        || project.call_on("other", ["verify", "--quiet", &image, "--policy", "rules/policy.toml"]);
    let said = elsewhere().fail().stderr();
    assert!(said.contains(&format!("cannot tell the age of the base {base}")), "{said}");
    project.write(&[("rules/policy.toml", &format!("{SIGNED}bases = ['*/their/base:1']\n"))]);
    elsewhere().succeed();
}

#[test]
fn nothing_that_could_run_is_passed_over() {
    let (project, registry) = (project(), TestRegistry::open());
    let image = put(&registry, "me/app", "one", "amd64", "one");
    let (_, bytes) = registry.manifest("me/app", &image).expect("a manifest");
    let index = |media_type: &str, digest: &str, size: usize, platform: &str, count: usize| {
        let entry = json!({"mediaType": media_type, "digest": digest, "size": size,
            "platform": {"os": platform, "architecture": if platform == "linux" { "amd64" } else { platform }},
            "annotations": {"vnd.docker.reference.type": "attestation-manifest"}});
        let entries = vec![entry; count];
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string()
    };
    let said = |content: String| {
        registry.put_manifest("me/app", "1", INDEX, content);
        let done = judge(&project, &registry, "not-root = true", &["--quiet"]).fail();
        assert_eq!(done.code(), 4, "{}", done.stderr());
        done.stdout().to_owned() + &done.stderr()
    };
    let marked = index(MANIFEST, &image, bytes.len(), "linux", 1);
    let text = said(marked.clone());
    assert!(text.contains("  broken not-root: it runs as root on linux/amd64\n"), "{text}");
    let text = said(index(MANIFEST, &image, bytes.len(), "unknown", 1));
    assert!(text.contains("  broken not-root: it contains no image\n"), "{text}");
    let text = said(index(MANIFEST, &image, bytes.len(), "linux", 257));
    assert!(text.contains("the image's index has 257 entries"), "{text}");
    let nested = registry.put_manifest("me/app", "nested", INDEX, marked.clone());
    let text = said(index(INDEX, &nested, marked.len(), "linux", 1));
    assert!(text.contains("in the image's index is another index"), "{text}");
}

#[test]
fn a_policy_that_says_too_little_or_too_much_is_refused() {
    let (project, registry) = (project(), TestRegistry::open());
    let refused = [
        ("", "the policy has no rules"),
        ("bases = ['static']", "bases judges by what is stated about the image"),
        ("sined-by = []", "sined-by"),
        ("signed-by = [{ key = 'lost.pub' }]", "signed-by: the public key lost.pub cannot be read"),
        ("signed-by = [{ issuer = 'x' }]", "signed-by: an entry has neither a key nor an identity"),
        ("denied-licenses = ['[']", "denied-licenses"),
    ];
    for (rules, words) in refused {
        let done = judge(&project, &registry, rules, &[]).fail();
        assert_eq!(done.code(), 2, "{rules}: {}", done.stderr());
        assert!(done.stderr().contains(words), "{rules}: {}", done.stderr());
    }
    let both = judge(&project, &registry, "not-root = true", &["--key", "rules/my.pub"]).fail();
    assert_eq!(both.code(), 2, "{}", both.stderr());
}

#[test]
fn the_documented_policy_is_one_and_all_rules_are_documented() {
    let page = include_str!("../../../docs/policy.md");
    let (_, example) = page.split_once("```toml\n").expect("an example");
    let (example, _) = example.split_once("```").expect("its end");
    let policy = Policy::read(example).expect("a policy");
    assert_eq!(policy.signed_by.len(), 2);
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    for (rule, _) in rows {
        let unknown = Policy::read(&format!("{rule} = {{}}")).expect_err("of another type").to_string();
        assert!(!unknown.contains("unknown field"), "{rule}: {unknown}");
    }
}

/// Hangs a signed bill with one package on an image.
fn hang_bill(registry: &TestRegistry, image: &str, package: &str) {
    let (key, digest): (_, Digest) = (private_key("plain.key"), image.parse().expect("a digest"));
    let document = json!({ "spdxVersion": "SPDX-2.3", "packages": [{ "name": package }] }).to_string();
    let statement = trust::statement_about(&digest, trust::SPDX_DOCUMENT, &document).expect("a statement");
    let statement = serde_json::to_vec(&statement).expect("JSON");
    let signature = key.sign(&trust::to_sign(&statement));
    let bundle = Bundle::of_key(&statement, &signature, &key.public().expect("a key")).expect("a bundle");
    hang_bundle(registry, BASE, image, &serde_json::to_string(&bundle).expect("JSON"));
}

#[test]
fn what_hangs_on_each_platform_alone_counts_too() {
    let (project, registry) = (project(), TestRegistry::start(Options::listing(Referrers::Proper)));
    let images = ["amd64", "arm64"].map(|machine| put(&registry, BASE, machine, machine, "base"));
    let index = put_index(&registry, [("amd64", &images[0]), ("arm64", &images[1])]);
    sign(&registry, BASE, &index);
    let judged = |rules: &str| {
        project.write(&[("rules/policy.toml", &format!("{SIGNED}denied-packages = ['{rules}']"))]);
        let image = format!("{}:1", registry.repository(BASE));
        project.call(["verify", "--quiet", &image, "--policy", "rules/policy.toml"])
    };
    hang_bill(&registry, &images[0], "left-pad");
    let said = judged("x").fail();
    assert!(said.stdout().contains("it has no SBOM for linux/arm64 that is signed so"), "{}", said.shown());
    hang_bill(&registry, &images[1], "right-pad");
    assert!(judged("x").succeed().stdout().contains("none of its 2 packages is denied"));
    let said = judged("right-*").fail();
    assert!(said.stdout().contains("it contains denied packages: right-pad"), "{}", said.shown());
}
