//! A project that is built to be compared: who is told which secret for it, which images there can be, and what is said.

use containerize_tests::program::{Call, Project};
use containerize_tests::registry::{Options, TestRegistry};
use serde_json::Value;

use super::{TABLE, project};

const AMD64: [&str; 2] = ["--platform", "linux/amd64"];

/// The project with these lines in its table, and no wheels in its image.
fn with(lines: &str) -> Project {
    let project = project();
    project.write(&[("pyproject.toml", &format!("{TABLE}\n[tool.containerize]\n{lines}\n"))]);
    project
}

fn diff(project: &Project, arguments: &[&str]) -> Call {
    without_pips_settings(project.call([&["diff", "-q", "--format", "json"], arguments].concat()))
}

fn without_pips_settings(call: Call) -> Call {
    call.env("PIP_CONFIG_FILE", if cfg!(windows) { "nul" } else { "/dev/null" })
}

fn json(call: Call) -> Value {
    serde_json::from_str(call.succeed().stdout()).expect("JSON")
}

/// Pushes the project as `me/app:1` to a registry that wants a login.
fn pushed(project: &Project) -> (TestRegistry, String) {
    let registry = TestRegistry::start(Options::basic());
    let name = format!("{}:1", registry.repository("me/app"));
    let login = ["--username", "me", "--password-stdin"];
    let words = [&["--base", "oci:base:py", "--push", "-t", &name], &AMD64[..], &login].concat();
    without_pips_settings(project.call(words)).input("secret\n").succeed();
    (registry, name)
}

#[test]
fn a_login_is_for_the_image_and_not_for_the_registry_of_the_base() {
    let project = project();
    let (images, name) = pushed(&project);
    let bases = TestRegistry::start(Options::basic());
    let base = bases.repository("base");
    for flags in [&[][..], &["--tag", &name]] {
        let from: &[&str] = if flags.is_empty() { &[&name] } else { &[] };
        let call = diff(&project, &[from, &["--", "--base", &base], &AMD64[..], flags].concat());
        call.env("CONTAINERIZE_USERNAME", "me").env("CONTAINERIZE_PASSWORD", "secret").fail();
    }
    let asked = bases.requests();
    assert!(
        !asked.is_empty() && asked.iter().all(|seen| seen.header("authorization").is_none()),
        "{asked:?}"
    );
    assert!(images.requests().iter().any(|seen| seen.header("authorization").is_some()), "of the push");
}

#[test]
fn a_password_from_standard_input_serves_the_build_and_the_comparison() {
    let project = with("base = 'oci:base:py'");
    let (_registry, name) = pushed(&project);
    let login = ["--username", "me", "--password-stdin", "--platform", "linux/amd64"];
    let given = json(diff(&project, &[&[&*name][..], &login].concat()).input("secret\n"));
    assert_eq!((&given["images"]["from"], &given["platforms"][0]["totals"]), (&name.into(), &Value::Null));
    let layout = diff(&project, &[&["oci:none"][..], &login].concat()).input("secret\n").fail().shown();
    assert!(layout.contains("none") && !layout.contains("--username"), "{layout}");
}

#[test]
fn a_project_in_docker_format_can_be_compared() {
    let project = with("base = 'oci:base:py'\nimage-format = 'docker'");
    let archive = [&["-o", "docker-archive:out.tar"], &AMD64[..]].concat();
    without_pips_settings(project.call(archive)).succeed();
    let found = json(diff(&project, &[&["docker-archive:out.tar"], &AMD64[..]].concat()));
    assert_eq!((&found["same"], &found["images"]["to"]), (&true.into(), &"shop (built here)".into()));
}

#[test]
fn a_project_of_several_images_is_refused_before_it_is_built() {
    let project = Project::app("");
    project.write(&[("src/bin/other.rs", "fn main() {}\n")]);
    let said = diff(&project, &["oci:none", "--", "--bins"]).fail().shown();
    assert!(said.contains("one image can be compared, and this call makes 2"), "{said}");
    assert!(!project.at("target").exists(), "nothing was compiled");
}

#[test]
fn a_single_bill_of_materials_is_told_in_every_format() {
    let project = with("base = 'oci:base:py'");
    let build = |output: &str, more: &[&str]| {
        let words = [&["-o", output, "--attestations", "referrers"], &AMD64[..], more].concat();
        without_pips_settings(project.call(words)).succeed();
    };
    build("oci:out", &["--sbom", "none"]);
    build("oci:out2", &["--sbom", "spdx", "--annotation", "a=b"]);
    let said = "has an SBOM: licences, and packages without files such as crates, are not compared";
    for format in ["text", "markdown"] {
        let words = ["diff", "-q", "oci:out", "oci:out2", "--format", format, "--html", "page.html"];
        let text = project.call(words).succeed().stdout().to_owned();
        assert!(text.contains(&format!("only \"to\" {said}")), "{text}");
        assert!(text.lines().all(|line| format == "markdown" || line.chars().count() <= 100), "{text}");
    }
    let page = std::fs::read_to_string(project.at("page.html")).expect("a page");
    assert!(page.contains(said), "{page}");
}

#[test]
fn of_chosen_platforms_nothing_is_said_about_others() {
    let project = with("base = 'oci:base:py'");
    for (output, platforms) in [("oci:out", "linux/amd64,linux/arm64"), ("oci:out2", "linux/amd64")] {
        without_pips_settings(project.call(["-o", output, "--platform", platforms])).succeed();
    }
    let told = |more: &[&str]| {
        let words = [&["diff", "-q", "oci:out", "oci:out2"], &AMD64[..], more].concat();
        project.call(words).succeed().stdout().to_owned()
    };
    assert_eq!(told(&[]), "oci:out and oci:out2 are the same for linux/amd64\n");
    assert_eq!(told(&["--format", "markdown"]), "`oci:out` and `oci:out2` are the same for `linux/amd64`.\n");
    let json: Value = serde_json::from_str(&told(&["--format", "json"])).expect("JSON");
    assert_eq!((&json["same"], &json["chosen"]), (&true.into(), &true.into()));
}
