//! What is found before anything is compiled or fetched.

use containerize_tests::fixture::manifest;
use containerize_tests::program::Project;
use containerize_tests::registry::{Fault, Options, Phase, TestRegistry};

const MAIN: &str = "fn main() {}";

/// A Rust program that does not compile: whoever speaks of that has begun to build.
fn broken(table: &str) -> Project {
    let project = Project::app(&format!("[package.metadata.containerize]\n{table}\n"));
    project.write(&[("src/main.rs", "no Rust")]);
    project
}

/// A Python project whose base nobody has.
fn python(table: &str) -> Project {
    let nobody = "base = '127.0.0.1:9/none:1'";
    let text =
        format!("[project]\nname = 'app'\nversion = '1.0.0'\n[tool.containerize]\n{nobody}\n{table}\n");
    Project::new(&[("pyproject.toml", &text), ("app.py", "print(1)\n")])
}

fn refusal(project: &Project, arguments: &[&str]) -> String {
    project.call(arguments).fail().shown()
}

#[test]
fn files_that_are_not_there() {
    for project in [broken, python] {
        for (table, said) in [
            ("files = [{ from = 'missing', to = '/etc/app' }]", "there is no file or folder"),
            ("layers = ['missing']", "there is no folder"),
        ] {
            for arguments in [&[][..], &["--dry-run"]] {
                let shown = refusal(&project(table), arguments);
                assert!(shown.starts_with("exit code 2\n") && shown.contains(said), "{shown}");
            }
        }
    }
}

#[test]
fn what_hooks_may_make_is_not_asked_for() {
    let table = "files = [{ from = 'made', to = '/etc/app' }]\nhooks = { pre = ['mkdir made'] }";
    broken(table).call(["--dry-run"]).succeed();
    broken("files = [{ from = 'target/made', to = '/x' }]").call(["--dry-run"]).succeed();
}

#[test]
fn outputs_that_cannot_be() {
    for project in [broken(""), python("")] {
        project.write(&[("file", "")]);
        let two = ["--platform", "linux/amd64,linux/arm64", "-o", "docker-archive:x.tar"];
        let shown = refusal(&project, &two);
        assert!(shown.contains("a docker-archive can hold only one platform"), "{shown}");
        let shown = refusal(&project, &["-o", "oci-archive:file/x.tar"]);
        assert!(shown.contains("cannot write oci-archive:file/x.tar"), "{shown}");
        assert!(!project.at("x.tar").exists());
    }
}

#[test]
fn a_registry_that_refuses() {
    let registry = TestRegistry::start(Options::basic());
    for project in [broken(""), python("")] {
        let repository = registry.repository("app");
        let push =
            ["--retries", "0", "--push", "--repository", &repository, "--username", "me", "--password-stdin"];
        let shown = project.call(push).input("wrong\n").fail().shown();
        assert!(shown.contains(&format!("error: cannot push to {repository}")), "{shown}");
        assert!(shown.contains("401 Unauthorized"), "{shown}");
    }
}

#[test]
fn a_registry_that_lets_only_read() {
    // Reading is allowed, and the token says nothing of what it may: only an upload tells.
    let open = TestRegistry::open();
    open.inject(Fault::Status(403).on(Phase::PostUpload).always());
    for registry in [open, TestRegistry::start(Options { anonymous_pull: true, ..Options::token() })] {
        let repository = registry.repository("app");
        let shown = refusal(&broken(""), &["--retries", "0", "--push", "--repository", &repository]);
        assert!(shown.contains(&format!("error: cannot push to {repository}")), "{shown}");
    }
}

#[test]
fn paths_of_the_workspaces_table_are_the_workspaces() {
    let table =
        "[workspace.metadata.containerize]\nfiles = [{ from = 'conf', to = '/etc/app' }]\nlayers = ['extra']";
    let project = Project::new(&[
        ("Cargo.toml", &format!("[workspace]\nmembers = ['m']\nresolver = '2'\n{table}\n")),
        ("conf", "x"),
        ("extra/file", "x"),
        ("m/Cargo.toml", &manifest("m", "")),
        ("m/src/main.rs", MAIN),
    ]);
    let done = project.call(["--dry-run"]).succeed();
    assert!(done.stdout().contains("../conf -> /etc/app"), "{}", done.shown());
}

#[test]
fn flags_and_keys_of_the_other_language() {
    let rust = ["--extra x", "--group x", "--python 3.13", "--server uvicorn", "--bytecode", "--include x"];
    let python =
        ["--bin x", "--features x", "--timings", "-Z x", "--release", "--config a.b=1", "--target-dir x"];
    let of_rust = (broken(""), &rust[..], "is for Python projects, but this is a Rust project");
    let of_python = (self::python(""), &python[..], "is for Rust projects, but this is a Python");
    for (project, flags, said) in [of_rust, of_python] {
        for flag in flags {
            let shown = refusal(&project, &flag.split(' ').collect::<Vec<_>>());
            assert!(shown.starts_with("exit code 2\n") && shown.contains(said), "{flag}: {shown}");
        }
    }
    let shown = refusal(&broken("image.app.extras = ['x']"), &[]);
    let said = "`image.app.extras` in [package.metadata.containerize] is for Python projects";
    assert!(shown.contains(said), "{shown}");
    let shown = refusal(&self::python("features = ['x']"), &[]);
    assert!(shown.contains("`features` in [tool.containerize] is for Rust projects"), "{shown}");
    broken("").call(["--dry-run"]).env("CONTAINERIZE_EXTRAS", "x").succeed();
}

#[test]
fn a_flag_says_which_of_two_projects_is_meant() {
    let project = broken("");
    project.write(&[
        ("pyproject.toml", "[project]\nname = 'helper'\nversion = '1.0.0'\n"),
        ("helper.py", "print(1)\n"),
    ]);
    project.call(["--dry-run"]).succeed();
    let shown = refusal(&project, &["--extra", "x", "--base", "127.0.0.1:9/none:1", "--retries", "0"]);
    assert!(shown.contains("127.0.0.1:9/none"), "the Python project's base is asked for: {shown}");
    let shown = refusal(&project, &["--extra", "x", "--bin", "app"]);
    assert!(shown.contains("--bin is for Rust projects"), "{shown}");
}

#[test]
fn tags_that_nothing_would_get() {
    let nowhere = "127.0.0.1:9/app";
    for (arguments, said) in [
        (
            vec!["--push", "-t", "latest", "-t", "127.0.0.1:9/app:1"],
            "--push needs a destination for the tag latest",
        ),
        (vec!["-o", "oci:a:x", "-t", "y"], "--tag y has no effect: --output oci:a:x already names the image"),
    ] {
        let shown = refusal(&broken(""), &arguments);
        assert!(shown.starts_with("exit code 2\n") && shown.contains(said), "{shown}");
    }
    for right in [
        vec!["-t", "latest", "-t", "127.0.0.1:9/app:1"],
        vec!["-o", "oci:a:x", "-o", "oci:b", "-t", "y"],
        vec!["--push", "-t", "latest", "-t", "127.0.0.1:9/app:1", "--repository", nowhere],
    ] {
        broken("").call([&right[..], &["--dry-run"]].concat()).succeed();
    }
}

#[test]
fn what_would_be_told_late() {
    for project in [broken, python] {
        let shown = refusal(&project("files = [{ from = '.', to = '/x', exclude = ['['] }]"), &["--dry-run"]);
        assert!(shown.contains("cannot find out what `exclude` leaves out of ."), "{shown}");
        let shown = refusal(&project(""), &["--user=-1"]);
        assert!(shown.contains("user (--user): \"-1\" is neither an id nor a name"), "{shown}");
        let full = project("");
        full.write(&[("full/other", "")]);
        let shown = refusal(&full, &["-o", "oci:full"]);
        assert!(shown.contains("full is neither empty nor an OCI layout"), "{shown}");
    }
}
