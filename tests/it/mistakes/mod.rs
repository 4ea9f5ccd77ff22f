//! What goes wrong, and what is said then. Each message is what a user reads: what failed, why,
//! and what to type next. `SNAPSHOTS=overwrite cargo test` writes the snapshots again.

mod base;
mod early;
mod making;
mod registry;
mod words;

use containerize_tests::fixture::manifest;
use containerize_tests::program::{Done, Project};
use snapbox::{assert_data_eq, str};

const MAIN: &str = "fn main() {}";

/// A package with these lines in its configuration table.
fn configured(lines: &str) -> Project {
    Project::app(&format!("[package.metadata.containerize]\n{lines}\n"))
}

/// Makes a call that must fail and leave nothing that looks like an image.
fn fail(project: &Project, arguments: &[&str]) -> String {
    nothing_made(project, project.call(arguments).fail())
}

fn nothing_made(project: &Project, done: Done) -> String {
    for place in ["target/containerize", "out", "out.tar"] {
        assert!(!project.at(place).exists(), "{place} was made:\n{}", done.shown());
    }
    done.shown()
}

#[test]
fn no_project() {
    let project = Project::new(&[("readme", "")]);
    assert_data_eq!(
        fail(&project, &[]),
        str![[r#"
exit code 2
--- stderr
error: there is no project in <PROJECT> or any parent folder
  hint: give its folder with -C: one with a Cargo.toml, a pyproject.toml or a requirements.txt

"#]]
    );
}

#[test]
fn a_lock_of_pipenv_alone() {
    let project = Project::new(&[("Pipfile", "[packages]\nflask = '*'\n"), ("Pipfile.lock", "{}")]);
    assert_data_eq!(
        fail(&project, &[]),
        str![[r#"
exit code 2
--- stderr
error: there is no project in <PROJECT> or any parent folder
  hint: make a requirements.txt of the Pipfile.lock: pipenv requirements --hash > requirements.txt

"#]]
    );
}

#[test]
fn a_python_file_alone() {
    let project = Project::new(&[("server.py", "print('serving')\n")]);
    assert_data_eq!(
        fail(&project, &[]),
        str![[r#"
exit code 2
--- stderr
error: there is no project in <PROJECT> or any parent folder
  hint: for Python files that need nothing else, add an empty requirements.txt; else list there what they need

"#]]
    );
    let next = project.write(&[("requirements.txt", "")]).call(["--base", "oci:none", "--dry-run"]).fail();
    assert!(next.stderr().contains("oci:none"), "it is a project now: {}", next.stderr());
}

#[test]
fn no_such_folder() {
    assert_data_eq!(
        fail(&Project::new(&[]), &["-C", "missing"]),
        str![[r#"
exit code 2
--- stderr
error: the folder <PROJECT>/missing does not exist
  hint: give the project's folder with -C

"#]]
    );
}

#[test]
fn a_broken_manifest() {
    let project = Project::new(&[("Cargo.toml", "[package\nname = \"app\"\n")]);
    assert_data_eq!(
        fail(&project, &[]),
        str![[r#"
exit code 2
--- stderr
error: cargo cannot read the project in <PROJECT>
  caused by: unclosed table, expected `]`
     --> Cargo.toml:1:9
      |
    1 | [package
      |         ^

"#]]
    );
}

#[test]
fn two_candidates() {
    let project = Project::new(&[
        ("Cargo.toml", &manifest("app", "")),
        ("src/bin/one.rs", MAIN),
        ("src/bin/two.rs", MAIN),
    ]);
    assert_data_eq!(
        fail(&project, &[]),
        str![[r#"
exit code 2
--- stderr
error: package app has several binaries: one, two
  hint: choose one, for example with --bin one; make an image of each with --bins; or set default-run in the [package] of its Cargo.toml

"#]]
    );
}

#[test]
fn a_library() {
    let project = Project::new(&[("Cargo.toml", &manifest("app", "")), ("src/lib.rs", "")]);
    assert_data_eq!(
        fail(&project, &[]),
        str![[r#"
exit code 2
--- stderr
error: package app is a library: it has no binary to put in an image
  hint: add a src/main.rs, or run this in a project that has one

"#]]
    );
}

#[test]
fn an_unknown_binary() {
    assert_data_eq!(
        fail(&Project::app(""), &["--bin", "ap"]),
        str![[r#"
exit code 2
--- stderr
error: there is no binary ap
  hint: did you mean --bin app?

"#]]
    );
}

#[test]
fn an_unknown_package() {
    assert_data_eq!(
        fail(&Project::app(""), &["-p", "ap"]),
        str![[r#"
exit code 2
--- stderr
error: there is no package ap in this workspace
  hint: did you mean -p app?

"#]]
    );
}

#[test]
fn colours_follow_the_variables_of_cargo_and_others() {
    let project = Project::new(&[("readme", "")]);
    let coloured = |variables: &[(&str, &str)], arguments: &[&str]| {
        let call =
            variables.iter().fold(project.call(arguments), |call, (name, value)| call.env(name, value));
        call.fail().stderr().contains("\u{1b}[")
    };
    assert!(!coloured(&[], &[]), "the tests set NO_COLOR");
    assert!(coloured(&[("CARGO_TERM_COLOR", "always")], &[]));
    assert!(coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", ""), ("CARGO_TERM_COLOR", "auto")], &[]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("CARGO_TERM_COLOR", "auto")], &[]));
    assert!(!coloured(&[("CARGO_TERM_COLOR", "always")], &["--color", "never"]));
}
