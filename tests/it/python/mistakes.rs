use containerize_tests::python::{Base, Wheel};
use snapbox::{assert_data_eq, str};

use super::{BESIDE, TABLE, call, greeting, project, refused};

#[test]
fn a_wheel_that_is_not_what_the_lock_says() {
    let project = project();
    greeting().file("greeting/__init__.py", "WORDS = 'other'\n").write(&project.at("wheels"));
    assert_data_eq!(
        refused(&project, &[]),
        str![[r#"
exit code 4
--- stderr
error: greeting-1.0-py3-none-any.whl from the index is not the locked one: expected sha256:[..], found sha256:[..]
  hint: the file was changed after it was locked, or in transit: find out which before you lock again

"#]]
    );
}

#[test]
fn a_requirement_of_a_requirement_is_missing() {
    let project = project();
    greeting().requires("colour>=2").write(&project.at("wheels"));
    project.write(&[("requirements.txt", &format!("{BESIDE}greeting==1.0\n"))]);
    assert_data_eq!(
        refused(&project, &[]),
        str![[r#"
exit code 2
--- stderr
     warning 1 file has no hash anywhere (greeting-1.0-py3-none-any.whl); used without a check
error: greeting 1.0 needs colour>=2, which requirements.txt does not pin
  hint: run `containerize lock` to make a complete pylock.toml; if this is intended, set missing = ["colour"] in the settings

"#]]
    );
}

#[test]
fn a_requirement_of_a_requirement_is_too_old() {
    let project = project();
    greeting().requires("colour>=2").write(&project.at("wheels"));
    Wheel::new("colour", "1.0").write(&project.at("wheels"));
    project.write(&[("requirements.txt", &format!("{BESIDE}greeting==1.0\ncolour==1.0\n"))]);
    assert_data_eq!(
        refused(&project, &[]),
        str![[r#"
exit code 2
--- stderr
     warning 2 files have no hash anywhere (colour-1.0-py3-none-any.whl, greeting-1.0-py3-none-any.whl); used without a check
error: greeting 1.0 needs colour>=2, but requirements.txt pins 1.0
  hint: pin a version that fits; if this is intended, set missing = ["colour"] in the settings

"#]]
    );
}

#[test]
fn a_version_that_is_not_in_the_folder() {
    let project = project();
    project.write(&[("requirements.txt", &format!("{BESIDE}greeting==2.0\n"))]);
    assert_data_eq!(
        refused(&project, &[]),
        str![[r#"
exit code 3
--- stderr
error: cannot find greeting 2.0: <PROJECT>/wheels
  hint: set the index that has it in the project or in PIP_EXTRA_INDEX_URL

"#]]
    );
}

#[test]
fn a_python_that_the_project_does_not_want() {
    let project = project();
    project.write(&[("pyproject.toml", &format!("{TABLE}requires-python = \">=3.14\"\n"))]);
    assert_data_eq!(
        refused(&project, &[]),
        str![[r#"
exit code 2
--- stderr
error: shop requires Python >=3.14, not 3.13
  hint: choose a base with a Python that fits, such as --base python:3.14-slim

"#]]
    );
}

#[test]
fn nothing_is_locked_for_a_python_that_the_project_does_not_want() {
    let project = project();
    project.write(&[
        ("pyproject.toml", &format!("{TABLE}requires-python = \"==3.12.*\"\n")),
        ("requirements.txt", "greeting\n"),
    ]);
    let lock = |arguments: &[&str]| {
        let call = project.call([&["lock", "--offline"], arguments].concat());
        call.env("PIP_CONFIG_FILE", "/dev/null").fail().shown()
    };
    let refusal = "exit code 2\n--- stderr\nerror: shop requires Python ==3.12.*, not 3.13\n  hint: ";
    for (arguments, hint) in [
        (
            ["--base", "python:3.13-slim"],
            "choose a base with a Python that fits, such as --base python:3.12-slim",
        ),
        (
            ["--base", "oci:base:python:3.13.5-slim"],
            "choose a base with a Python that fits, such as --base python:3.12-slim",
        ),
        (["--python", "3.13"], "choose --python 3.12, or a base with it"),
    ] {
        assert_eq!(lock(&arguments), format!("{refusal}{hint}\n"), "{arguments:?}");
    }
    assert_eq!(
        {
            project.write(&[(".python-version", "3.13\n")]);
            lock(&[])
        },
        format!("{refusal}choose --python 3.12, or a base with it\n")
    );
    assert!(!project.at("pylock.toml").exists());
}

#[test]
fn a_base_without_a_python() {
    let project = project();
    Base::bare().write(&project.at("base"));
    assert_data_eq!(
        refused(&project, &[]),
        str![[r#"
exit code 2
--- stderr
error: the base oci:base:py has no Python interpreter
  hint: use one that has, such as python:3.13-slim; add Debian's with debian = ["python3"]; or bundle this machine's with python = { prefix = "/usr/local" }

"#]]
    );
}

#[test]
fn two_platforms_do_not_fit_into_an_archive_of_dockers_format() {
    let project = project();
    let both = ["--platform", "linux/amd64,linux/arm64", "-o", "docker-archive:out.tar"];
    assert_data_eq!(
        call(&project, &both).fail().shown(),
        str![[r#"
exit code 2
--- stderr
error: a docker-archive can hold only one platform
  hint: choose one with --platform, or use an oci-archive

"#]]
    );
}

#[test]
fn an_entrypoint_that_the_image_has_not() {
    let project = project();
    assert_data_eq!(
        refused(&project, &["--entrypoint", "gunicorn main"]),
        str![[r#"
exit code 1
--- stderr
error: shop (linux/amd64) would fail: the image starts gunicorn, which is in no folder of PATH
  hint: use a program that is in the image, with --entrypoint or the key entrypoint; use `--check warn` to continue anyway

"#]]
    );
}
