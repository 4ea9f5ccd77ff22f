//! Bases that cannot be used.

use std::fs;
use std::path::Path;

use containerize_tests::program::{Project, can_build};
use snapbox::{assert_data_eq, str};

use super::fail;

#[test]
fn a_base_that_is_none() {
    assert_data_eq!(
        fail(&Project::app(""), &["--base", "Not A Base"]),
        str![[r#"
exit code 2
--- stderr
error: invalid base "Not A Base"
  caused by: "Not A Base" is not an image reference: names must be lower case
  hint: use host/name:tag, for example ghcr.io/acme/web:1.0; or use static, scratch or oci:FOLDER:TAG

"#]]
    );
}

#[test]
fn a_base_that_is_missing() {
    if !can_build() {
        return;
    }
    assert_data_eq!(
        fail(&Project::app(""), &["--quiet", "--base", "oci:missing"]),
        str![[r#"
exit code 2
--- stderr
error: cannot use the base oci:missing for linux/amd64
  caused by: <PROJECT>/missing is not an OCI layout
  caused by: <PROJECT>/missing/index.json: No such file or directory (os error 2)
  hint: use a folder with oci-layout, index.json and blobs

"#]]
    );
    assert_data_eq!(
        fail(&Project::app(""), &["--quiet", "--base", "docker-archive:missing.tar"]),
        str![[r#"
exit code 2
--- stderr
error: cannot use the base docker-archive:missing.tar for linux/amd64
  caused by: cannot open the archive <PROJECT>/missing.tar
  caused by: No such file or directory (os error 2)
  hint: check the path; it is relative to the project

"#]]
    );
}

#[test]
fn a_base_that_is_no_archive() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    project.write(&[("base.tar", "not a tar")]);
    assert_data_eq!(
        fail(&project, &["--quiet", "--base", "oci-archive:base.tar"]),
        str![[r#"
exit code 1
--- stderr
error: cannot use the base oci-archive:base.tar for linux/amd64
  caused by: cannot read the archive <PROJECT>/base.tar
  caused by: failed to read entire block

"#]]
    );
}

/// A layout of one image without layers.
fn layout(dir: &Path, architecture: &str) {
    let blob = |text: String| {
        let digest = containerize_tests::layout::sha256(text.as_bytes());
        let file = dir.join("blobs/sha256").join(digest.trim_start_matches("sha256:"));
        fs::create_dir_all(file.parent().expect("a parent")).expect("folder");
        fs::write(file, &text).expect("file");
        format!("\"digest\":\"{digest}\",\"size\":{}", text.len())
    };
    let config = blob(format!(
        r#"{{"architecture":"{architecture}","os":"linux","rootfs":{{"type":"layers","diff_ids":[]}}}}"#
    ));
    let kind = "application/vnd.oci.image";
    let manifest = blob(format!(
        r#"{{"schemaVersion":2,"mediaType":"{kind}.manifest.v1+json","config":{{"mediaType":"{kind}.config.v1+json",{config}}},"layers":[]}}"#
    ));
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{kind}.manifest.v1+json",{manifest},"platform":{{"os":"linux","architecture":"{architecture}"}}}}]}}"#
    );
    fs::write(dir.join("index.json"), index).expect("file");
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("file");
}

#[test]
fn a_base_of_another_platform() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    layout(&project.at("base"), "amd64");
    let arguments = ["--quiet", "--base", "oci:base", "--platform", "linux/arm64"];
    assert_data_eq!(
        fail(&project, &arguments),
        str![[r#"
exit code 2
--- stderr
error: cannot use the base oci:base for linux/arm64
  caused by: the base is for linux/amd64, not for linux/arm64
  hint: choose a base for this platform, or another --platform

"#]]
    );
}

#[test]
fn a_base_of_which_a_byte_was_changed() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    layout(&project.at("base"), if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" });
    for blob in fs::read_dir(project.at("base/blobs/sha256")).expect("blobs") {
        let path = blob.expect("a blob").path();
        let text = fs::read_to_string(&path).expect("text");
        fs::write(&path, text.replace("layers", "Layers")).expect("file");
    }
    assert_data_eq!(
        fail(&project, &["--quiet", "--base", "oci:base"]),
        str![[r#"
exit code 4
--- stderr
error: cannot use the base oci:base for linux/[..]
  caused by: expected sha256:[..], got sha256:[..]

"#]]
    );
}
