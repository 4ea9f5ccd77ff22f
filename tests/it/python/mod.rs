//! Python projects from their folder to an image: made-up bases, made-up wheels in a folder of the
//! project, no network and no Python on this machine.

mod arriving;
mod attest;
mod attested;
mod bases;
mod check;
mod compared;
mod diff;
mod hostile;
mod images;
mod inspect;
mod mistakes;
mod plan;
pub(crate) mod remote;
mod trim;
mod trusted;

use containerize_tests::layout::{Image, Layout};
use containerize_tests::program::{Call, Project};
use containerize_tests::python::{Base, Wheel};

/// Starts when it is run.
const MAIN: &str = "import greeting\n\nif __name__ == \"__main__\":\n    print(greeting.WORDS)\n";

/// Its requirements are in requirements.txt.
const TABLE: &str = "[project]\nname = \"shop\"\nversion = \"2.0\"\ndynamic = [\"dependencies\"]\n";

/// The first lines of a requirements.txt whose wheels lie beside it.
const BESIDE: &str = "--no-index\n--find-links wheels\n";

/// A project of one file that needs the wheel `greeting`, and a base of CPython 3.13.5 beside it.
fn project() -> Project {
    let project = Project::new(&[("main.py", MAIN), ("pyproject.toml", TABLE)]);
    let hash = greeting().write(&project.at("wheels"));
    project
        .write(&[("requirements.txt", &format!("{BESIDE}greeting==1.0 --hash=sha256:{hash}\n"))])
        .write(&[(".containerignore", "wheels\nbase\nout\n")]);
    Base::debian(3, 13, 5).write(&project.at("base"));
    project
}

fn greeting() -> Wheel {
    Wheel::new("greeting", "1.0").file("greeting/__init__.py", "WORDS = 'hello'\n")
}

fn call(project: &Project, arguments: &[&str]) -> Call {
    let call = project.call([&["--base", "oci:base:py", "--offline"], arguments].concat());
    // As pip has it: none of this machine's settings.
    call.env("PIP_CONFIG_FILE", if cfg!(windows) { "nul" } else { "/dev/null" })
}

/// Builds for both platforms into a new layout, and reads it.
fn images(project: &Project, arguments: &[&str]) -> Vec<Image> {
    let _ = std::fs::remove_dir_all(project.at("out"));
    let both = ["--platform", "linux/amd64,linux/arm64", "-o", "oci:out"];
    call(project, &[&both, arguments].concat()).succeed();
    Layout::read(&project.at("out")).images
}

/// Builds for one platform into a new layout, and reads it.
fn image(project: &Project, arguments: &[&str]) -> Image {
    let _ = std::fs::remove_dir_all(project.at("out"));
    call(project, &[&["--platform", "linux/amd64", "-o", "oci:out"], arguments].concat()).succeed();
    Layout::read(&project.at("out")).only()
}

/// The paths of all files above the base.
fn files(image: &Image) -> Vec<&str> {
    let own = image.layers.iter().skip(1);
    let entries = own.flat_map(|layer| &layer.entries);
    entries.filter(|entry| entry.kind.is_file()).map(|entry| entry.path.as_str()).collect()
}

/// What is said of a call that must fail, without how far it got.
fn refused(project: &Project, arguments: &[&str]) -> String {
    call(project, &[&["--quiet", "--platform", "linux/amd64"], arguments].concat()).fail().shown()
}
