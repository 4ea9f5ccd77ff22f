use snapbox::{assert_data_eq, str};

use super::{BESIDE, TABLE, greeting, image, project, refused};

#[test]
fn a_sound_image_passes() {
    let project = project();
    image(&project, &[]);
    assert_data_eq!(
        project.call(["check", "oci:out"]).succeed().shown(),
        str![[r#"
exit code 0
--- stdout
oci:out (linux/amd64): no problems found
--- stderr
    Checking oci:out (linux/amd64)

"#]]
    );
}

#[test]
fn a_module_that_nobody_brings_is_named() {
    assert_data_eq!(
        refused(&project(), &["--entrypoint", "python -m greetings"]),
        str![[r#"
exit code 1
--- stderr
error: shop (linux/amd64) would fail: python -m greetings imports greetings, which is not where Python 3.13 looks for it
  hint: check that it is a dependency or part of the included source (include, exclude), and supports this version of Python; use `--check warn` to continue anyway

"#]]
    );
}

#[test]
fn what_the_build_was_told_to_pass_over_is_found_later() {
    let project = project();
    greeting().requires("colour").write(&project.at("wheels"));
    let missing = format!("{TABLE}[tool.containerize]\nmissing = [\"colour\"]\n");
    project.write(&[("requirements.txt", &format!("{BESIDE}greeting==1.0\n")), ("pyproject.toml", &missing)]);
    image(&project, &[]);
    assert_data_eq!(
        project.call(["check", "oci:out"]).run().shown(),
        str![[r#"
exit code 0
--- stdout
oci:out (linux/amd64): 1 warning
  warning: greeting 1.0 needs colour, which is not in the image
    fix: lock everything that is needed; for requirements without a lock, run `containerize lock`
--- stderr
    Checking oci:out (linux/amd64)

"#]]
    );
}
