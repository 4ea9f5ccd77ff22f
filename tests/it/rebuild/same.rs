//! What is the same, wherever and by whom it is built again.

use std::path::Path;

use containerize_tests::fixture::manifest;
use containerize_tests::program::{Project, can_build, has_std};
use containerize_tests::python::Base;

use super::{assert_same, commit, elsewhere, git, image, push, python, rebuild, registry, rust};

#[test]
fn a_rust_program_is_the_same_from_another_folder() {
    if !can_build() {
        return;
    }
    let table = "[package.metadata.containerize]\nenv = { API_TOKEN = 'hunter2' }\n[features]\nf = []\n";
    let (project, registry) = (rust(table), registry());
    project.write(&[("src/main.rs", "fn main() { println!(\"{} {}\", file!(), cfg!(feature = \"f\")) }")]);
    let commit = commit(&project);
    let call = ["--label", "x=y", "--env", "PASSWORD=swordfish", "--features", "f", "--profile", "dev"];
    let call =
        push(&project, &registry, &call).env("CONTAINERIZE_PORTS", "[80]").env("SOURCE_DATE_EPOCH", "86400");
    call.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1").succeed();
    let (_folder, place) = elsewhere(&project);
    let done = rebuild(&project, &image(&registry), &place, &[]).succeed();
    assert_same(&done);
    assert!(done.stdout().contains(&format!("built from commit {commit}")), "{}", done.shown());
    assert!(!done.shown().contains("swordfish"), "{}", done.shown());
    let json = rebuild(&project, &image(&registry), &place, &["--format", "json"]).succeed();
    let json: serde_json::Value = serde_json::from_str(json.stdout()).expect("JSON");
    assert_eq!((&json["same"], &json["commit"]), (&true.into(), &commit.into()));
}

#[test]
fn one_of_several_programs_is_the_same_for_all_platforms() {
    if !can_build() || !has_std("aarch64-unknown-linux-musl") {
        return;
    }
    let (project, registry) = (
        Project::new(&[
            ("Cargo.toml", "[workspace]\nresolver = '2'\nmembers = ['a', 'tools/b']\n"),
            (".gitignore", "target\nout\nCargo.lock\n"),
            ("a/Cargo.toml", &manifest("a", "")),
            ("a/src/main.rs", "fn main() {}"),
            (
                "tools/b/Cargo.toml",
                &manifest("b", "[package.metadata.containerize.image.other]\nbin = 'b'\n"),
            ),
            ("tools/b/src/main.rs", "fn main() { println!(\"b\") }"),
        ]),
        registry(),
    );
    commit(&project);
    let repository = registry.repository("me/{name}");
    let flags = [
        "--push",
        "--workspace",
        "--repository",
        &repository,
        "-t",
        "1",
        "--platform",
        "linux/arm64,linux/amd64",
    ];
    project.call(flags).succeed();
    let (_folder, place) = elsewhere(&project);
    let image = format!("{}:1", registry.repository("me/other"));
    assert_same(&rebuild(&project, &image, &place, &[]).succeed());
}

#[test]
fn a_python_project_is_the_same_with_wheels_and_a_call_of_its_own() {
    let (project, registry) = (python(), registry());
    commit(&project);
    let call =
        ["--platform", "linux/arm64,linux/amd64", "--port", "80", "--exclude", "conf/**", "--trim", "typing"];
    push(&project, &registry, &[&["--base", "oci:base:py"], &call[..]].concat())
        .env("PIP_CONFIG_FILE", "/dev/null")
        .succeed();
    let (_folder, place) = elsewhere(&project);
    let done = rebuild(&project, &image(&registry), &place, &[]).succeed();
    assert_same(&done);
    assert!(done.stderr().contains("oci:base:py is not from a registry"), "{}", done.shown());
}

#[test]
fn commands_before_the_build_are_run_and_those_after_it_are_not() {
    let (project, registry) = (python(), registry());
    let hooks = "[tool.containerize]\nfiles = [{ from = 'made.txt', to = '/etc/made.txt' }]\n\
                 hooks = { pre = ['echo made > made.txt'], post = ['echo \"$CONTAINERIZE_DIGEST\" >> deployed.txt'] }\n";
    let table = std::fs::read_to_string(project.at("pyproject.toml")).expect("text");
    project.write(&[
        ("pyproject.toml", &format!("{table}{hooks}")),
        (".gitignore", "/out\nmade.txt\ndeployed.txt\n"),
    ]);
    commit(&project);
    let flags = ["--base", "oci:base:py", "--platform", "linux/amd64"];
    push(&project, &registry, &flags).env("PIP_CONFIG_FILE", "/dev/null").succeed();
    let (_folder, place) = elsewhere(&project);
    assert_same(&rebuild(&project, &image(&registry), &place, &[]).succeed());
    assert!(place.join("made.txt").is_file() && project.at("deployed.txt").is_file());
    assert!(!place.join("deployed.txt").exists(), "nothing is deployed again");
}

#[test]
fn a_project_below_the_root_of_its_repository_is_found() {
    let (project, registry) = (Project::new(&[("README", "x"), (".gitignore", "out\n")]), registry());
    project.write(&[
        ("services/web/main.py", "print('hello')\n"),
        ("services/web/requirements.txt", ""),
        ("services/web/base/.keep", ""),
    ]);
    Base::debian(3, 13, 5).write(&project.at("services/web/base"));
    commit(&project);
    let flags = ["-C", "services/web", "--base", "oci:base:py", "--platform", "linux/amd64"];
    push(&project, &registry, &flags).succeed();
    let (_folder, place) = elsewhere(&project);
    assert_same(&rebuild(&project, &image(&registry), &place, &[]).succeed());
}

#[test]
fn layouts_archives_and_indexes_hold_what_it_takes() {
    let (project, registry) = (python(), registry());
    commit(&project);
    let flags = ["--base", "oci:base:py", "--platform", "linux/arm64,linux/amd64", "--attestations"];
    let call = |more: &[&str]| project.call([&flags[..], more].concat()).env("PIP_CONFIG_FILE", "/dev/null");
    call(&["referrers", "-o", "oci:out/layout", "-o", "oci-archive:out/image.tar"]).succeed();
    let (_folder, place) = elsewhere(&project);
    for image in ["oci:out/layout", "oci-archive:out/image.tar"] {
        assert_same(&rebuild(&project, image, &place, &[]).succeed());
    }
    let repository = registry.repository("me/app");
    call(&["index", "--push", "--repository", &repository, "-t", "1"]).succeed();
    assert_same(&rebuild(&project, &image(&registry), &place, &[]).succeed());

    // A folder may hold anything under the name of a digest.
    let json = |path: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(project.at(path)).expect("a file")).expect("JSON")
    };
    let blob = |entry: &serde_json::Value| {
        let digest = entry["digest"].as_str().expect("a digest");
        format!("out/layout/blobs/sha256/{}", digest.trim_start_matches("sha256:"))
    };
    let root = json(&blob(&json("out/layout/index.json")["manifests"][0]));
    let manifest = json(&blob(&root["manifests"][0]));
    let layer = project.at(&blob(&manifest["layers"][2]));
    let mut bytes = std::fs::read(&layer).expect("a layer");
    *bytes.last_mut().expect("a byte") ^= 1;
    std::fs::write(&layer, bytes).expect("damaged");
    let done = rebuild(&project, "oci:out/layout", &place, &[]).fail();
    assert_eq!(done.code(), 4, "{}", done.shown());
    assert!(done.stderr().contains("expected sha256:"), "{}", done.shown());
}

#[test]
fn the_base_counts_that_was_there_whatever_its_tag_leads_to_now() {
    let (project, registry) = (python(), registry());
    commit(&project);
    let base = registry.repository("bases/py");
    let lay = |patch| {
        let folder = tempfile::tempdir().expect("folder");
        Base::debian(3, 13, patch).write(folder.path());
        super::put_layout(&registry, "bases/py", "3.13", folder.path());
    };
    lay(5);
    let base = format!("{base}:3.13");
    push(&project, &registry, &["--base", &base, "--platform", "linux/amd64"])
        .env("PIP_CONFIG_FILE", "/dev/null")
        .succeed();
    lay(6);
    let (_folder, place) = elsewhere(&project);
    let refused = rebuild(&project, &image(&registry), &place, &[]).fail();
    assert_eq!(refused.code(), 4, "{}", refused.shown());
    assert!(refused.stderr().contains("contains settings that run code: base"), "{}", refused.shown());
    assert_same(&rebuild(&project, &image(&registry), &place, &["--unsigned"]).succeed());
}

#[test]
fn a_signed_image_is_cloned_from_where_its_provenance_says() {
    let (project, registry) = (python(), registry());
    let home = tempfile::tempdir().expect("folder");
    let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/trust/plain.key");
    let address = format!("file://{}", project.path().display());
    project.write(&[("sign.toml", &format!("sign = {{ key = '{}' }}\n", key.display()))]);
    project.write(&[(
        "pyproject.toml",
        &format!(
            "{}[project.urls]\nRepository = '{address}'\n",
            std::fs::read_to_string(project.at("pyproject.toml")).expect("text")
        ),
    )]);
    // A submodule is a part of the source.
    let library = Project::new(&[("words.txt", "hello")]);
    let from = library.path().display().to_string();
    commit(&library);
    commit(&project);
    git(project.path(), &["-c", "protocol.file.allow=always", "submodule", "add", "-q", &from, "library"]);
    commit(&project);
    let flags = ["--base", "oci:base:py", "--platform", "linux/amd64", "--config", "sign.toml"];
    push(&project, &registry, &flags).env("PIP_CONFIG_FILE", "/dev/null").succeed();
    let public = key.with_extension("pub").display().to_string();
    let again = |more: &[&str]| {
        let image = image(&registry);
        let call = project.call_on("elsewhere", [&["verify", image.as_str(), "--rebuild"], more].concat());
        call.env("HOME", home.path()).env("PIP_CONFIG_FILE", "/dev/null")
    };
    let done = again(&["--fetch", "--key", &public]).succeed();
    assert_same(&done);
    assert!(!done.stdout().contains("not verified"), "{}", done.shown());
    let refused = again(&["--fetch"]).fail();
    assert_eq!(refused.code(), 2, "{}", refused.shown());
    assert_same(&again(&[&format!("--fetch={address}")]).succeed());
    let other = key.with_file_name("other.pub").display().to_string();
    let refused = again(&["--fetch", "--key", &other]).fail();
    assert_eq!(refused.code(), 4, "{}", refused.shown());
}
