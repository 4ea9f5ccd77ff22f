//! What cannot be repeated is said before anything is built.

use containerize_tests::program::Project;
use containerize_tests::registry::TestRegistry;
use serde_json::json;

use super::planted::Planted;
use super::{commit, elsewhere, image, push, python, rebuild, registry};

fn flags() -> [&'static str; 4] {
    ["--base", "oci:base:py", "--platform", "linux/amd64"]
}

fn pushed(arguments: &[&str]) -> (Project, TestRegistry, String) {
    let (project, registry) = (python(), registry());
    let commit = commit(&project);
    push(&project, &registry, &[&flags()[..], arguments].concat())
        .env("PIP_CONFIG_FILE", "/dev/null")
        .succeed();
    (project, registry, commit)
}

/// The exit code and the words of a refusal, which comes before anything is built.
fn refused(project: &Project, image: &str, place: &std::path::Path) -> (i32, String) {
    let done = rebuild(project, image, place, &[]).fail();
    assert!(!done.stderr().contains("Packing"), "{}", done.shown());
    (done.code(), done.stderr())
}

#[test]
fn an_image_without_a_provenance_of_ours_is_refused() {
    let (project, registry, _) = pushed(&["--attestations", "none"]);
    let (_folder, place) = elsewhere(&project);
    let (code, said) = refused(&project, &image(&registry), &place);
    assert_eq!(code, 4);
    assert!(said.contains("has no provenance, so its build cannot be repeated"), "{said}");
    let (code, said) = refused(&project, "docker-archive:x.tar", &place);
    assert_eq!(code, 2);
    assert!(said.contains("docker-archive:x.tar contains no provenance"), "{said}");
    push(&project, &registry, &flags()).env("PIP_CONFIG_FILE", "/dev/null").succeed();
    let mut planted = Planted::of(&registry);
    planted.config["author"] = json!("x");
    *planted.definition("buildType") = json!("https://mobyproject.org/buildkit@v1");
    planted.put();
    let (code, said) = refused(&project, &image(&registry), &place);
    assert_eq!(code, 4);
    assert!(said.contains("was built by another program"), "{said}");
}

#[test]
fn what_the_provenance_does_not_hold_is_named() {
    let (project, registry, _) = pushed(&[]);
    let (_folder, place) = elsewhere(&project);
    let planted = |author: &str, change: &dyn Fn(&mut Planted<'_>)| {
        let mut planted = Planted::of(&registry);
        // Each is another image, so that only its own statement hangs on it.
        planted.config["author"] = json!(author);
        change(&mut planted);
        planted.put();
        let said = refused(&project, &image(&registry), &place);
        push(&project, &registry, &flags()).env("PIP_CONFIG_FILE", "/dev/null").succeed();
        said
    };
    let (code, said) =
        planted("a", &|planted| *planted.definition("internalParameters/layerContract") = json!(99));
    assert_eq!(code, 4);
    assert!(said.contains("its layers follow contract 99"), "{said}");
    let (code, said) = planted("b", &|planted| {
        planted.definition("externalParameters").as_object_mut().expect("parameters").remove("call");
    });
    assert_eq!(code, 4);
    assert!(said.contains("does not record how containerize was called"), "{said}");
    let (code, said) =
        planted("c", &|planted| planted.definition("externalParameters/call")["folder"] = json!("../.."));
    assert_eq!(code, 4);
    assert!(said.contains("which is not in the repository"), "{said}");
    let (code, said) = planted("d", &|planted| {
        planted.material("source")["digest"]["gitCommit"] = json!("--upload-pack=touch x");
    });
    assert_eq!(code, 4);
    assert!(said.contains("touch x\" in its provenance is invalid"), "{said}");
    let (code, said) = planted("e", &|planted| {
        planted.definition("externalParameters/call")["settings"]["build-env"] = json!({"CFLAGS": "***"});
    });
    assert_eq!(code, 4);
    assert!(said.contains("contains settings that run code: build-env"), "{said}");
}

#[test]
fn a_value_that_is_not_recorded_must_be_given_again() {
    let (project, registry) = (python(), registry());
    commit(&project);
    let first = push(&project, &registry, &flags()).env("CONTAINERIZE_BUILD_ENV", "{ CFLAGS = '-O1' }");
    first.env("PIP_CONFIG_FILE", "/dev/null").succeed();
    let (_folder, place) = elsewhere(&project);
    let again = || rebuild(&project, &image(&registry), &place, &["--unsigned"]);
    let refused = again().fail();
    assert_eq!(refused.code(), 4, "{}", refused.shown());
    let said = refused.stderr();
    assert!(said.contains("the value of build-env that the image was built with is not recorded"), "{said}");
    super::assert_same(&again().env("CONTAINERIZE_BUILD_ENV", "{ CFLAGS = '-O1' }").succeed());
}

#[test]
fn uncommitted_changes_are_refused_then_and_now() {
    let (project, registry, _) = pushed(&[]);
    let (_folder, place) = elsewhere(&project);
    std::fs::write(place.join("main.py"), "changed\n").expect("written");
    let (code, said) = refused(&project, &image(&registry), &place);
    assert_eq!(code, 2);
    assert!(said.contains("has uncommitted changes, but"), "{said}");
    project.write(&[("conf/a.toml", "a = 2\n")]);
    push(&project, &registry, &flags()).env("PIP_CONFIG_FILE", "/dev/null").succeed();
    let (code, said) = refused(&project, &image(&registry), &place);
    assert_eq!(code, 4);
    assert!(said.contains("it was built from uncommitted changes"), "{said}");
}

#[test]
fn another_commit_is_named_with_what_to_do() {
    let (project, registry, first) = pushed(&[]);
    project.write(&[("main.py", "changed = 1\n")]);
    let second = commit(&project);
    let (_folder, place) = elsewhere(&project);
    let (code, said) = refused(&project, &image(&registry), &place);
    assert_eq!(code, 2);
    assert!(
        said.contains(&format!("is at commit {second}")) && said.contains(&format!("check out {first}")),
        "{said}"
    );
    let nowhere = tempfile::tempdir().expect("folder");
    let (code, said) = refused(&project, &image(&registry), nowhere.path());
    assert_eq!(code, 2);
    assert!(said.contains("is not in a git repository"), "{said}");
}

#[test]
fn a_project_without_a_repository_is_compared_with_the_named_folder() {
    let (project, registry) = (python(), registry());
    push(&project, &registry, &flags()).env("PIP_CONFIG_FILE", "/dev/null").succeed();
    let here = project.call(["verify", &image(&registry), "--rebuild"]).fail();
    assert_eq!(here.code(), 4);
    assert!(here.stderr().contains("does not record a commit"), "{}", here.shown());
    let done = rebuild(&project, &image(&registry), project.path(), &[]).succeed();
    super::assert_same(&done);
    assert!(done.stderr().contains("is not recorded; comparing it with"), "{}", done.shown());
}
