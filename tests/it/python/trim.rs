use containerize_tests::layout::Image;
use containerize_tests::program::Project;
use containerize_tests::python::Wheel;

use super::{BESIDE, MAIN, TABLE, call, files, image, project};

const SITE: &str = "app/.venv/lib/python3.13/site-packages";
const ALL: &str = "tests,typing,headers,static-libs";

/// A distribution that has files of all sorts.
fn maths() -> Wheel {
    Wheel::new("maths", "1.0")
        .file("maths/tests/__init__.py", "")
        .file("maths/tests/helper.py", "VALUE = 1\n")
        .file("maths/tests/data.txt", "1 2 3\n")
        .file("maths/part/tests/test_part.py", "")
        .file("maths/conftest.py", "from maths.tests import helper\n")
        .file("maths/testing/__init__.py", "def check(): pass\n")
        .file("maths/test/only.json", "{}")
        .file("maths/core.py", "")
        .file("maths/core.pyi", "")
        .file("maths/py.typed", "")
        .file("maths/include/maths.h", "")
        .file("maths/lib/libmaths.a", "")
}

/// A project that needs `greeting` and these.
fn with(wheels: &[(&str, Wheel)]) -> Project {
    let project = project();
    let mut lines = format!("{BESIDE}greeting==1.0\n");
    for (name, wheel) in wheels {
        wheel.write(&project.at("wheels"));
        lines.push_str(&format!("{name}==1.0\n"));
    }
    project.write(&[("requirements.txt", &lines)]);
    project
}

/// The files of the distribution, below where modules are.
fn of_maths(image: &Image) -> Vec<String> {
    let files = files(image).into_iter().filter_map(|path| path.strip_prefix(SITE)?.strip_prefix("/maths/"));
    let mut files: Vec<String> = files.map(str::to_owned).collect();
    files.sort_unstable();
    files
}

const KEPT: [&str; 5] = ["__init__.py", "core.py", "py.typed", "test/only.json", "testing/__init__.py"];

#[test]
fn what_is_named_is_left_out_and_record_says_so() {
    let project = with(&[("maths", maths())]);
    let whole = image(&project, &[]);
    let trimmed = image(&project, &["--trim", ALL]);
    assert_eq!(of_maths(&trimmed), KEPT);
    assert_eq!(of_maths(&whole).len(), KEPT.len() + 8);
    let record = format!("{SITE}/maths-1.0.dist-info/RECORD");
    let mut entries = trimmed.layers.iter().flat_map(|layer| &layer.entries);
    let record = entries.find(|entry| entry.path == record).expect("RECORD");
    let rows = String::from_utf8_lossy(&record.bytes).into_owned();
    let mut listed: Vec<&str> =
        rows.lines().filter_map(|row| row.split(',').next()?.strip_prefix("maths/")).collect();
    listed.sort_unstable();
    assert_eq!(listed, KEPT, "the rows of what is there");
    let only = image(&project, &["--trim", "typing"]);
    assert!(!of_maths(&only).contains(&"core.pyi".to_owned()));
    assert_eq!(of_maths(&only).len(), of_maths(&whole).len() - 1);
    let again = image(&project, &["--trim", ALL, "--no-cache"]);
    assert_eq!(again.digest, trimmed.digest);
    assert_eq!(image(&project, &[]).digest, whole.digest, "layers with and without are not mixed up");
}

#[test]
fn a_distribution_can_stay_whole() {
    let other = Wheel::new("other", "1.0").file("other/core.pyi", "");
    let project = with(&[("maths", maths()), ("other", other)]);
    let whole = image(&project, &[]);
    let trimmed = image(&project, &["--trim", ALL, "--trim", "!Maths"]);
    assert_eq!(of_maths(&trimmed), of_maths(&whole));
    let stub = format!("{SITE}/other/core.pyi");
    assert!(files(&whole).contains(&stub.as_str()));
    assert!(!files(&trimmed).contains(&stub.as_str()), "of others it is left out");
}

/// Whether the tests of `maths` are in an image without tests, with some files of the project and a table.
fn tests_stay(wheels: &[(&str, Wheel)], more: &[(&str, &str)], flags: &[&str]) -> bool {
    let project = with(wheels);
    project.write(more);
    let trimmed = image(&project, &[&["--trim", "tests", "--check", "warn"], flags].concat());
    of_maths(&trimmed).contains(&"tests/helper.py".to_owned())
}

#[test]
fn what_tests_that_stay_import_stays_too() {
    let wheels = || vec![("maths", maths().file("maths/conftest.py", ""))];
    let include = ["--include", "**"];
    let import = "from maths.tests import helper\n";
    assert!(!tests_stay(&wheels(), &[("shop/__init__.py", "")], &include));
    let own = [("shop/__init__.py", ""), ("shop/tests/__init__.py", ""), ("shop/tests/a.py", import)];
    assert!(tests_stay(&wheels(), &own, &include), "of the project");
    let part = [("src/shop/__init__.py", ""), ("src/maths/plugin.py", "from .tests import helper\n")];
    assert!(tests_stay(&wheels(), &part, &include), "below src");
    let other =
        || Wheel::new("other", "1.0").file("other/tests/__init__.py", "").file("other/tests/t.py", import);
    let both = || wheels().into_iter().chain([("other", other())]).collect::<Vec<_>>();
    assert!(!tests_stay(&both(), &[], &[]), "both lose theirs");
    assert!(tests_stay(&both(), &[], &["--trim", "!other"]), "of a distribution that stays whole");
}

#[test]
fn what_starts_a_program_keeps_its_tests() {
    let wheels = |script: &str| vec![("maths", maths().file("maths-1.0.data/scripts/self-test", script))];
    let script = "#!/bin/sh\nexec python -c 'from maths.tests import helper'\n";
    assert!(tests_stay(&wheels(script), &[], &[]), "a script of a wheel");
    assert!(!tests_stay(&wheels(&script.replace("#!", "# ")), &[], &[]), "no script");
    let scripts = format!("{TABLE}[project.scripts]\nself-test = \"maths.tests.helper:main\"\n");
    assert!(tests_stay(&wheels(""), &[("pyproject.toml", &scripts)], &["--install", "source"]));
    let entrypoint =
        format!("{TABLE}[tool.containerize]\nentrypoint = [\"python\", \"-m\", \"maths.tests.helper\"]\n");
    assert!(tests_stay(&wheels(""), &[("pyproject.toml", &entrypoint)], &[]));
    assert!(tests_stay(&wheels(""), &[], &["--env", "SETTINGS=maths.tests.helper"]));
}

#[test]
fn a_distribution_of_nothing_but_tests_stays() {
    let only = Wheel::new("only", "1.0").without("only/__init__.py").file("only/tests/a.py", "");
    let trimmed = image(&with(&[("only", only)]), &["--trim", "tests"]);
    assert!(files(&trimmed).contains(&format!("{SITE}/only/tests/a.py").as_str()));
}

#[test]
fn the_projects_own_tests_stay() {
    let project = with(&[]);
    project.write(&[("shop/__init__.py", ""), ("shop/tests/__init__.py", ""), ("shop/a.pyi", "")]);
    let trimmed = image(&project, &["--trim", ALL, "--include", "**"]);
    for path in ["app/shop/tests/__init__.py", "app/shop/a.pyi"] {
        assert!(files(&trimmed).contains(&path), "{path}");
    }
}

#[test]
fn tests_that_other_code_imports_stay_and_that_is_said() {
    let in_function = "def helper():\n    from maths.tests import helper\n    return helper\n";
    let other = Wheel::new("other", "1.0").file("other/__init__.py", in_function);
    let own = format!("{MAIN}from maths.part.tests.test_part import x\n");
    let of_itself = maths().file("maths/__init__.py", "def test():\n    from .tests import run\n");
    let of_tests = maths()
        .file("maths/__init__.py", "from .tests import helper\n")
        .file("maths/tests/helper.py", "from maths.part.tests import test_part\n");
    for (wheels, main, kept, said) in [
        (
            vec![("maths", maths()), ("other", other)],
            MAIN,
            &["tests/"][..],
            "names them: maths.tests by other/__init__.py",
        ),
        (vec![("maths", maths())], own.as_str(), &["part/tests/"], "names them: maths.part.tests by main.py"),
        (vec![("maths", of_itself)], MAIN, &["tests/"], "names them: maths.tests by maths/__init__.py"),
        (
            vec![("maths", of_tests)],
            MAIN,
            &["part/tests/", "tests/"],
            "maths.part.tests by maths/tests/helper.py, maths.tests by maths/__init__.py",
        ),
    ] {
        let project = with(&wheels);
        project.write(&[("main.py", main)]);
        let _ = std::fs::remove_dir_all(project.at("out"));
        let flags = ["--trim", "tests", "--platform", "linux/amd64", "-o", "oci:out", "--check", "warn"];
        let shown = call(&project, &flags).succeed().shown();
        assert!(shown.contains(said), "{said} in {shown}");
        let image = containerize_tests::layout::Layout::read(&project.at("out")).only();
        for folder in ["part/tests/", "tests/"] {
            let is_there = of_maths(&image).iter().any(|file| file.starts_with(folder));
            assert_eq!(is_there, kept.contains(&folder), "{folder}: {said}");
        }
        assert!(!of_maths(&image).contains(&"conftest.py".to_owned()));
        let again = image_again(&project);
        assert_eq!(again, image.digest, "by what is remembered of the wheels");
    }
}

fn image_again(project: &Project) -> String {
    image(project, &["--trim", "tests", "--check", "warn"]).digest
}

#[test]
fn stubs_that_a_module_reads_when_it_is_imported_stay() {
    let lazy =
        "import lazy_loader as lazy\n__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)\n";
    let maths =
        maths().file("maths/lazy/__init__.py", lazy).file("maths/lazy/__init__.pyi", "from .a import b\n");
    let trimmed = image(&with(&[("maths", maths)]), &["--trim", "typing"]);
    let stubs: Vec<String> = of_maths(&trimmed).into_iter().filter(|path| path.ends_with(".pyi")).collect();
    assert_eq!(stubs, ["lazy/__init__.pyi"]);
}

#[test]
fn inspect_says_what_would_be_left_out() {
    let project = with(&[("maths", maths().file("maths/core.pyi", "def f() -> int: ...\n"))]);
    image(&project, &[]);
    let shown = project.call(["inspect", "oci:out"]).succeed().stdout().to_owned();
    assert!(shown.contains("trim = [\"tests\", \"typing\"] can leave out of Python packages"), "{shown}");
    image(&project, &["--trim", ALL]);
    let shown = project.call(["inspect", "oci:out"]).succeed().stdout().to_owned();
    assert!(!shown.contains("trim ="), "{shown}");
}

#[test]
fn a_sort_that_is_unknown_is_refused() {
    let project = with(&[]);
    project.write(&[(
        "pyproject.toml",
        "[project]\nname = \"shop\"\nversion = \"2.0\"\n[tool.containerize]\ntrim = [\"docs\"]\n",
    )]);
    let shown = super::refused(&project, &[]);
    assert!(shown.contains("\"docs\" is not one of tests, typing, headers and static-libs"), "{shown}");
}
