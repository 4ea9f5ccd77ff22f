//! Bases that somebody must have signed, when what was built on them is built again.

use std::path::{Path, PathBuf};

use containerize_tests::layout::sha256;
use containerize_tests::program::Project;
use containerize_tests::python::Base;
use containerize_tests::registry::TestRegistry;
use serde_json::{Value, json};

use super::planted::Planted;
use super::{assert_same, commit, elsewhere, image, push, put_layout, python, rebuild, registry};
use crate::outcomes::vouched::sign;

const BASES: &str = "bases/py";

/// Puts a base into the registry; the digests of its index and of the only manifest there.
fn put_base(registry: &TestRegistry, patch: u32) -> [String; 2] {
    let folder = tempfile::tempdir().expect("folder");
    Base::debian(3, 13, patch).write(folder.path());
    put_layout(registry, BASES, "3.13", folder.path());
    let (_, bytes) = registry.manifest(BASES, "3.13").expect("a base");
    let index: Value = serde_json::from_slice(&bytes).expect("JSON");
    let manifest = index["manifests"][0]["digest"].as_str().expect("an index");
    [sha256(&bytes), manifest.to_owned()]
}

fn key(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/trust").join(name)
}

/// A project whose own tables want a signed base, and an image of it whose provenance `plain.key` has signed.
fn pushed(registry: &TestRegistry) -> Project {
    let (project, base) = (python(), format!("{}:3.13", registry.repository(BASES)));
    std::fs::copy(key("plain.pub"), project.at("plain.pub")).expect("copied");
    let tables = std::fs::read_to_string(project.at("pyproject.toml")).expect("text");
    let own = "[tool.containerize]\nbase-verify = { key = 'plain.pub' }\n";
    let signing = format!("sign = {{ key = '{}' }}\n", key("plain.key").display());
    project.write(&[
        ("pyproject.toml", &format!("{tables}{own}base = '{base}'\n")),
        ("sign.toml", &signing),
        (".containerignore", "wheels\nbase\nout\nsign.toml\nplain.pub\n"),
    ]);
    commit(&project);
    push(&project, registry, &["--platform", "linux/amd64", "--config", "sign.toml"])
        .env("PIP_CONFIG_FILE", "/dev/null")
        .succeed();
    project
}

#[test]
fn a_base_that_a_provenance_of_nobody_names_must_be_signed() {
    let registry = registry();
    let [index, manifest] = put_base(&registry, 5);
    sign(&registry, BASES, &index);
    let project = pushed(&registry);
    let (_folder, place) = elsewhere(&project);
    let again = |more: &[&str]| rebuild(&project, &image(&registry), &place, more);
    let public = key("plain.pub").display().to_string();
    let done = again(&[]).succeed();
    assert_same(&done);
    assert!(done.stderr().contains("is signed by sha256:"), "the index is found: {}", done.shown());

    // Another base under the name, which nobody has signed; the provenance names the former one.
    let [_, other] = put_base(&registry, 6);
    let refused = again(&[]).fail();
    assert_eq!(refused.code(), 4, "{}", refused.shown());
    assert!(refused.stderr().contains("is not signed\n"), "{}", refused.shown());
    assert!(refused.stderr().contains("--key cosign.pub"), "{}", refused.shown());
    // Its signer says that the image was built on it.
    let done = again(&["--key", &public]).succeed();
    assert_same(&done);
    assert!(!done.stderr().contains("is signed by"), "{}", done.shown());
    sign(&registry, BASES, &manifest);
    assert_same(&again(&[]).succeed());

    // Whoever may write to the registry names another one.
    let mut planted = Planted::of(&registry);
    planted.config["author"] = json!("x");
    planted.material("oci://")["digest"]["sha256"] = json!(other.trim_start_matches("sha256:"));
    planted.put();
    let refused = again(&[]).fail();
    assert_eq!(refused.code(), 4, "{}", refused.shown());
    assert!(refused.stderr().contains("is not signed\n"), "{}", refused.shown());
    assert!(!refused.stderr().contains("Packing"), "{}", refused.shown());
}
