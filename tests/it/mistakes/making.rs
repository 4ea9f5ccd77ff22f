//! What fails while images are made.

use std::fs;

use containerize_tests::fixture::{musl, script};
use containerize_tests::program::{Project, can_build};
use snapbox::{assert_data_eq, str};

use super::{configured, fail};

#[test]
fn an_output_folder_of_someone_elses() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    project.write(&[("precious/thesis.txt", "years of work")]);
    assert_data_eq!(
        fail(&project, &["--quiet", "-o", "oci:precious"]),
        str![[r#"
exit code 2
--- stderr
error: <PROJECT>/precious is neither empty nor an OCI layout
  hint: use a new or empty folder

"#]]
    );
    assert_eq!(fs::read_to_string(project.at("precious/thesis.txt")).expect("there"), "years of work");
    assert_eq!(fs::read_dir(project.at("precious")).expect("folder").count(), 1);
}

#[test]
fn an_output_below_a_file() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    project.write(&[("file", "")]);
    assert_data_eq!(
        fail(&project, &["--quiet", "-o", "oci:file/out"]),
        str![[r#"
exit code 1
--- stderr
error: cannot write oci:file/out
  caused by: <PROJECT>/file: not a directory
  hint: choose another place with --output, or make this one writable

"#]]
    );
    assert_data_eq!(
        fail(&project, &["--quiet", "-o", "docker-archive:file/out.tar"]),
        str![[r#"
exit code 1
--- stderr
error: cannot write docker-archive:file/out.tar
  caused by: <PROJECT>/file: not a directory
  hint: choose another place with --output, or make this one writable

"#]]
    );
    assert_data_eq!(
        fail(&project, &["--quiet", "-o", "oci-archive:file/out.tar"]),
        str![[r#"
exit code 1
--- stderr
error: cannot write oci-archive:file/out.tar
  caused by: <PROJECT>/file: not a directory
  hint: choose another place with --output, or make this one writable

"#]]
    );
}

#[test]
fn a_missing_file() {
    let project = configured("files = [{ from = 'missing', to = '/etc/app' }]");
    assert_data_eq!(
        fail(&project, &["--quiet"]),
        str![[r#"
exit code 2
--- stderr
error: files ([package.metadata.containerize]): there is no file or folder <PROJECT>/missing
  hint: paths are relative to the package, or in the workspace's table to the workspace

"#]]
    );
}

#[test]
fn a_missing_layer() {
    assert_data_eq!(
        fail(&configured("layers = ['missing']"), &["--quiet"]),
        str![[r#"
exit code 2
--- stderr
error: layers ([package.metadata.containerize]): there is no folder <PROJECT>/missing
  hint: paths are relative to the package, or in the workspace's table to the workspace

"#]]
    );
}

#[test]
fn a_layer_whose_command_fails() {
    if !can_build() {
        return;
    }
    let project = configured("layers = [{ command = 'echo no luck; exit 7' }]");
    assert_data_eq!(
        fail(&project, &["--quiet"]),
        str![[r#"
exit code 1
--- stderr
no luck
error: the command `echo no luck; exit 7` failed
  caused by: it failed with exit status: 7
  hint: see its output above

"#]]
    );
}

#[test]
fn a_failing_hook_before_the_build() {
    let project = configured("hooks.pre = ['exit 3']");
    assert_data_eq!(
        fail(&project, &[]),
        str![[r#"
exit code 1
--- stderr
     Planned app 1.0.0 for linux/amd64 on static, as 65532:65532
     Running exit 3
error: the command `exit 3` failed
  caused by: it failed with exit status: 3
  hint: see its output above

"#]]
    );
    assert!(!project.at("target/release").exists(), "nothing was compiled");
}

#[test]
fn a_failing_hook_after_the_build() {
    if !can_build() {
        return;
    }
    let project = configured("hooks.post = [['false']]");
    assert_data_eq!(
        project.call(["--quiet", "-o", "oci:there"]).fail().shown(),
        str![[r#"
exit code 1
--- stderr
error: the command `false` failed
  caused by: it failed with exit status: 1
  hint: see its output above

"#]]
    );
    assert!(project.at("there/index.json").exists(), "what was delivered stays");
}

#[test]
fn a_program_that_does_not_compile() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    project.write(&[("src/main.rs", "fn main() { nonsense }")]);
    let shown = fail(&project, &["--quiet"]);
    assert!(shown.contains("cannot find value `nonsense`"), "the compiler's own words: {shown}");
    let end = shown.rfind("error: cargo").map(|at| shown[at..].to_owned());
    assert_data_eq!(
        end.expect("our words come last"),
        str![[r#"
error: cargo could not build app for [..]-unknown-linux-musl

"#]]
    );
    assert!(shown.starts_with("exit code 1\n"));
}

#[test]
fn a_dynamic_program() {
    let project = Project::app("");
    let gnu = musl().replace("musl", "gnu");
    // The linker has the last word, whatever rustc asked for.
    let linker = "#!/bin/sh\nfor word; do\n  shift\n  case $word in\n    -static* | -no-pie | -Wl,-Bstatic) ;;\n    \
                  *) set -- \"$@\" \"$word\" ;;\n  esac\ndone\nexec cc \"$@\"\n";
    script(&project.at("cc"), linker);
    project.write(&[(
        ".cargo/config.toml",
        &format!("[target.{gnu}]\nlinker = '{}'\n", project.at("cc").display()),
    )]);
    let shown = fail(&project, &["--quiet", "--target", &gnu]);
    assert_data_eq!(
        shown,
        str![[r#"
exit code 1
--- stderr
error: app is linked dynamically: it needs libc.so.6, [..], which the base does not have
  hint: remove `-C target-feature=-crt-static` from your rustflags, or use a base with glibc: --base gcr.io/distroless/cc-debian13 --target with a -gnu triple

"#]]
    );
}
