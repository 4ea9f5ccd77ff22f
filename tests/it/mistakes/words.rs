//! What is typed and configured wrongly: noticed before anything is built.

use containerize_tests::fixture::manifest;
use containerize_tests::program::Project;
use snapbox::{assert_data_eq, str};

use super::{MAIN, configured, fail, nothing_made};

#[test]
fn an_unknown_key() {
    assert_data_eq!(
        fail(&configured("prots = [80]"), &[]),
        str![[r#"
exit code 2
--- stderr
error: there is no key `prots` in [package.metadata.containerize]
  hint: did you mean `ports`?

"#]]
    );
}

#[test]
fn a_wrong_value() {
    assert_data_eq!(
        fail(&configured("ports = ['http']"), &[]),
        str![[r#"
exit code 2
--- stderr
error: `ports[0]` in [package.metadata.containerize] is invalid: "http" is not a port: write 8080, 8080/tcp or 53/udp
  hint: for example, write ports = [8080, "53/udp"]

"#]]
    );
}

#[test]
fn a_broken_variable() {
    let project = Project::app("");
    let done = project.call(["--dry-run"]).env("CONTAINERIZE_ENV", "A=1").fail();
    assert_data_eq!(
        done.shown(),
        str![[r#"
exit code 2
--- stderr
error: the variable CONTAINERIZE_ENV is not valid TOML
  caused by: unexpected key or value, expected newline, `#`
  hint: write it like the value of the key env in TOML, with lists in [] and tables in {}

"#]]
    );
}

#[test]
fn an_unknown_variable_is_only_warned_of() {
    let project = Project::app("");
    let done = project.call(["--dry-run"]).env("CONTAINERIZE_PORT", "1").succeed();
    assert_data_eq!(
        done.stderr(),
        str![[r#"
     warning unknown variable CONTAINERIZE_PORT; did you mean CONTAINERIZE_PORTS?

"#]]
    );
}

#[test]
fn a_missing_configuration_file() {
    assert_data_eq!(
        fail(&Project::app(""), &["--config", "missing.toml"]),
        str![[r#"
exit code 2
--- stderr
error: cannot read missing.toml
  caused by: No such file or directory (os error 2)
  hint: check --config

"#]]
    );
}

#[test]
fn a_bad_repository() {
    assert_data_eq!(
        fail(&Project::app(""), &["--push", "--repository", "ghcr.io/Me/App"]),
        str![[r#"
exit code 2
--- stderr
error: repository (--repository): "ghcr.io/Me/App" cannot be used
  caused by: "ghcr.io/Me/App" is not an image reference: names must be lower case
  hint: use host/name:tag, for example ghcr.io/acme/web:1.0

"#]]
    );
}

#[test]
fn a_bad_tag() {
    assert_data_eq!(
        fail(&Project::app(""), &["--tag", "not a tag"]),
        str![[r#"
exit code 2
--- stderr
error: tags (--tag): "not a tag" is not a valid tag
  hint: a tag has at most 128 letters, digits, _, . and -, and does not start with . or -; a full reference has a / or a :

"#]]
    );
}

#[test]
fn nowhere_to_push() {
    assert_data_eq!(
        fail(&Project::app(""), &["--push"]),
        str![[r#"
exit code 2
--- stderr
error: --push needs a destination for the image app
  hint: use --repository ghcr.io/you/app or --tag ghcr.io/you/app:1.0.0

"#]]
    );
}

#[test]
fn one_reference_for_two_images() {
    let project = Project::new(&[
        ("Cargo.toml", &manifest("app", "")),
        ("src/bin/one.rs", MAIN),
        ("src/bin/two.rs", MAIN),
    ]);
    assert_data_eq!(
        fail(&project, &["--bin", "one", "--bin", "two", "--push", "-t", "localhost/x:1"]),
        str![[r#"
exit code 2
--- stderr
error: the reference "localhost/x:1" cannot name several images
  hint: put {name} into it, or give --repository and bare tags, or choose one binary with --bin

"#]]
    );
}

#[test]
fn no_platform() {
    assert_data_eq!(
        fail(&Project::app(""), &["--platform", "linux"]),
        str![[r#"
exit code 2
--- stderr
error: "linux" is not a platform
  hint: write os/architecture, for example linux/amd64 or linux/arm64

"#]]
    );
}

#[test]
fn an_unknown_architecture() {
    assert_data_eq!(
        fail(&Project::app(""), &["--platform", "linux/abacus"]),
        str![[r#"
exit code 2
--- stderr
error: cannot build Rust programs for linux/abacus
  hint: images of Rust programs are for linux, on amd64, arm64, 386, arm, riscv64, ppc64le or s390x

"#]]
    );
}

#[test]
fn windows() {
    assert_data_eq!(
        fail(&Project::app(""), &["--platform", "windows/amd64"]),
        str![[r#"
exit code 2
--- stderr
error: the platform windows/amd64 is not supported
  hint: choose a Linux platform, such as linux/amd64

"#]]
    );
}

#[test]
fn a_bad_output() {
    assert_data_eq!(
        fail(&Project::app(""), &["-o", "dir:out"]),
        str![[r#"
exit code 2
--- stderr
error: invalid value 'dir:out' for '--output <OUTPUT>': the output "dir:out" has an unknown type: use oci:FOLDER[:TAG], oci-archive:FILE or docker-archive:FILE[:NAME:TAG]; - is standard output

For more information, try '--help'.

"#]]
    );
}

#[test]
fn two_platforms_in_a_docker_archive() {
    let both = "linux/amd64,linux/arm64";
    assert_data_eq!(
        fail(&Project::app(""), &["--platform", both, "-o", "docker-archive:out.tar"]),
        str![[r#"
exit code 2
--- stderr
error: a docker-archive can hold only one platform
  hint: choose one with --platform, or use an oci-archive

"#]]
    );
}

#[test]
fn the_docker_format_in_a_layout() {
    for output in
        [&["--image-format", "docker"][..], &["--image-format", "docker", "-o", "oci-archive:x.tar"]]
    {
        let done = fail(&Project::app(""), output);
        assert!(done.contains("Podman and skopeo could not read it from there"), "{done}");
        assert!(done.contains("hint: use --output docker-archive:FILE, push or load it"), "{done}");
    }
}

#[test]
fn a_file_without_a_place() {
    assert_data_eq!(
        fail(&Project::app(""), &["--file", "Cargo.toml"]),
        str![[r#"
exit code 2
--- stderr
error: invalid value 'Cargo.toml' for '--file <FROM:TO>': "Cargo.toml" is not FROM:TO, where TO is an absolute path in the image

For more information, try '--help'.

"#]]
    );
    assert_data_eq!(
        fail(&Project::app(""), &["--file", "Cargo.toml:etc/x"]),
        str![[r#"
exit code 2
--- stderr
error: invalid value 'Cargo.toml:etc/x' for '--file <FROM:TO>': "Cargo.toml:etc/x" is not FROM:TO, where TO is an absolute path in the image

For more information, try '--help'.

"#]]
    );
}

#[test]
fn a_volume_of_a_user_without_a_number() {
    assert_data_eq!(
        fail(&Project::app(""), &["--volume", "/data", "--user", "app"]),
        str![[r#"
exit code 2
--- stderr
error: the volumes must belong to the user "app" (--user), whose number is not known
  hint: give the user as a number, such as 65532

"#]]
    );
}

#[test]
fn a_date_that_is_none() {
    let project = Project::app("");
    let built_at =
        |date| nothing_made(&project, project.call::<&str>([]).env("SOURCE_DATE_EPOCH", date).fail());
    assert_data_eq!(
        built_at("yesterday"),
        str![[r#"
exit code 2
--- stderr
error: invalid SOURCE_DATE_EPOCH "yesterday"
  hint: set it to a number of seconds since 1970, or unset it

"#]]
    );
    assert_data_eq!(
        built_at("99999999999999999"),
        str![[r#"
exit code 2
--- stderr
error: invalid SOURCE_DATE_EPOCH "99999999999999999"
  hint: set it to a number of seconds since 1970, or unset it

"#]]
    );
}

#[test]
fn failures_as_json() {
    let project = configured("prots = [80]");
    let done = project.call(["--format", "json"]).fail();
    assert_data_eq!(
        done.stdout(),
        str![[r#"
{
  "error": {
    "causes": [],
    "hint": "did you mean `ports`?",
    "kind": "usage",
    "message": "there is no key `prots` in [package.metadata.containerize]"
  }
}

"#]]
    );
    let value: serde_json::Value = serde_json::from_str(done.stdout()).expect("one document");
    assert_eq!(value["error"]["kind"], "usage");
}
