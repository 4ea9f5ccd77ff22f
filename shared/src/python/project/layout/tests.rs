use std::fs;

use super::*;
use crate::python::project::Project;

/// The layout of a project with this pyproject.toml and these empty files.
fn layout(pyproject: &str, files: &[&str]) -> Layout {
    let folder = tempfile::tempdir().expect("folder");
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, "").expect("written");
    }
    fs::write(folder.path().join("pyproject.toml"), pyproject).expect("written");
    Project::read(folder.path()).expect("read").expect("a project").layout
}

fn built(backend: &str, rest: &str) -> String {
    format!(
        "[project]\nname = 'My-Demo'\nversion = '1'\n[build-system]\nrequires = []\nbuild-backend = '{backend}'\n{rest}"
    )
}

/// Each package as `name at path`, each module by its path.
fn shown(layout: &Layout) -> Vec<String> {
    let packages = layout.packages.iter().map(|p| format!("{} at {}", p.name, p.path));
    packages.chain(layout.modules.iter().map(|m| m.path.clone())).collect()
}

const HATCH: &str = "hatchling.build";
const POETRY: &str = "poetry.core.masonry.api";
const SETUPTOOLS: &str = "setuptools.build_meta";

#[test]
fn applications_are_what_is_there() {
    let flat =
        layout("", &["app/main.py", "main.py", "tests/test_x.py", "docs/conf.py", "setup.py", "data/x.csv"]);
    assert_eq!(shown(&flat), ["app at app", "main.py"]);
    assert_eq!((flat.python_paths(), flat.src_root.clone()), (vec![String::new()], None));
    let src = layout("", &["src/app/__init__.py", "src/app/__main__.py", "src/app/py.typed", "src/one.py"]);
    assert_eq!(shown(&src), ["app at src/app", "src/one.py"]);
    assert_eq!((src.python_paths(), src.src_root.as_deref()), (vec!["src".into()], Some("src")));
    assert!(src.packages[0].has_main && src.packages[0].has_init && src.is_typed());
    let both = layout("", &["src/app/x.py", "run.py"]);
    assert_eq!(both.python_paths(), ["", "src"]);
    let named_src = layout("", &["src/__init__.py", "src/main.py"]);
    assert_eq!(
        (shown(&named_src), named_src.python_paths()),
        (vec!["src at src".into()], vec![String::new()])
    );
    assert_eq!(layout("", &[]).python_paths(), [""]);
}

#[test]
fn backends_find_the_package_with_the_projects_name() {
    for backend in [
        HATCH,
        POETRY,
        "uv_build",
        "flit_core.buildapi",
        SETUPTOOLS,
        "pdm.backend",
        "scikit_build_core.build",
    ] {
        if backend != "uv_build" {
            let found =
                layout(&built(backend, ""), &["my_demo/__init__.py", "tests/__init__.py", "docs/x.py"]);
            assert_eq!(shown(&found), ["my_demo at my_demo"], "{backend}");
        }
        let found = layout(&built(backend, ""), &["src/my_demo/__init__.py", "scripts/x.py"]);
        assert_eq!(shown(&found), ["my_demo at src/my_demo"], "{backend}");
    }
    assert_eq!(shown(&layout(&built(HATCH, ""), &["My_Demo/__init__.py"])), ["My_Demo at My_Demo"]);
    assert_eq!(shown(&layout(&built("flit_core.buildapi", ""), &["my_demo.py", "x.py"])), ["my_demo.py"]);
    assert_eq!(shown(&layout(&built(HATCH, ""), &["ns/my_demo/__init__.py"])), ["ns.my_demo at ns/my_demo"]);
}

#[test]
fn poetrys_packages_are_followed() {
    let packages = "[[tool.poetry.packages]]\ninclude = 'api'\nfrom = 'services'\n\
        [[tool.poetry.packages]]\ninclude = 'ns/part'\n\
        [[tool.poetry.packages]]\ninclude = 'lib/**/*.py'\n\
        [[tool.poetry.packages]]\ninclude = 'one.py'\n\
        [[tool.poetry.packages]]\ninclude = 'tests'\nformat = 'sdist'\n";
    let files =
        ["services/api/x.py", "services/web/x.py", "ns/part/x.py", "lib/a/x.py", "one.py", "tests/x.py"];
    let found = layout(&built(POETRY, packages), &files);
    assert_eq!(shown(&found), ["api at services/api", "lib at lib", "ns.part at ns/part", "one.py"]);
    assert_eq!(found.python_paths(), ["", "services"]);
    let application =
        "[tool.poetry]\npackage-mode = false\npackages = [{include = 'api', from = 'services'}]\n";
    assert_eq!(shown(&layout(application, &files)), ["api at services/api"]);
}

#[test]
fn hatchs_targets_are_followed() {
    let files = ["src/a/__init__.py", "src/b/__init__.py", "lib/c/__init__.py", "my_demo/__init__.py"];
    let wheel = |rest: &str| built(HATCH, &format!("[tool.hatch.build.targets.wheel]\n{rest}"));
    let found = layout(&wheel("packages = ['src/a', './lib/c']"), &files);
    assert_eq!(
        (shown(&found), found.python_paths()),
        (vec!["a at src/a".into(), "c at lib/c".into()], vec!["lib".into(), "src".into()])
    );
    assert_eq!(shown(&layout(&wheel("only-include = ['src/b']\nsources = ['src']"), &files)), ["b at src/b"]);
    assert_eq!(
        shown(&layout(&wheel("only-include = ['src']\nsources = ['src']"), &files)),
        ["a at src/a", "b at src/b"]
    );
    let general = built(HATCH, "[tool.hatch.build]\npackages = ['src/b']\n");
    assert_eq!(shown(&layout(&general, &files)), ["b at src/b"]);
    assert_eq!(shown(&layout(&wheel("packages = ['nothing']"), &files)), ["my_demo at my_demo"]);
}

#[test]
fn setuptools_settings_are_followed() {
    let files = [
        "lib/a/__init__.py",
        "lib/a/sub/__init__.py",
        "lib/b/x.py",
        "lib/tests/__init__.py",
        "one.py",
        "other/__init__.py",
    ];
    let of = |rest: &str| layout(&built(SETUPTOOLS, rest), &files);
    let find = of("[tool.setuptools.packages.find]\nwhere = ['lib']\nexclude = ['tests*']\n");
    assert_eq!(
        (shown(&find), find.src_root.as_deref()),
        (vec!["a at lib/a".into(), "b at lib/b".into()], Some("lib"))
    );
    assert_eq!(
        shown(&of("[tool.setuptools.packages.find]\nwhere = ['lib']\ninclude = ['a*']\n")),
        ["a at lib/a"]
    );
    assert_eq!(
        shown(&of(
            "[tool.setuptools.packages.find]\nwhere = ['lib']\nnamespaces = false\nexclude = ['tests']\n"
        )),
        ["a at lib/a"]
    );
    let listed = of("[tool.setuptools]\npackages = ['a', 'a.sub']\npackage-dir = {'' = 'lib'}\n");
    assert_eq!(shown(&listed), ["a at lib/a"]);
    assert_eq!(shown(&of("[tool.setuptools]\npy-modules = ['one']\n")), ["one.py"]);
    let renamed = of("[tool.setuptools]\npackages = ['mine']\npackage-dir = {mine = 'other'}\n");
    assert_eq!((shown(&renamed), renamed.packages[0].root()), (vec!["mine at other".into()], None));
    assert_eq!(
        shown(&of("[tool.setuptools]\npackage-dir = {'' = 'lib'}\n")),
        ["a at lib/a", "b at lib/b", "tests at lib/tests"]
    );
}

#[test]
fn namespaces_are_named_by_their_parts() {
    let files = ["src/google/cloud/thing/__init__.py", "src/google/other/x.py"];
    let found = layout(
        &built(SETUPTOOLS, "[tool.setuptools.packages.find]\nwhere = ['src']\ninclude = ['google.*']\n"),
        &files,
    );
    assert_eq!(
        shown(&found),
        ["google.cloud.thing at src/google/cloud/thing", "google.other at src/google/other"]
    );
    assert_eq!(found.python_paths(), ["src"]);
}

#[test]
fn the_other_backends_settings_are_followed() {
    let files =
        ["src/a/__init__.py", "lib/b/__init__.py", "python/my_demo/__init__.py", "lib/ns/c/__init__.py"];
    let of = |backend: &str, rest: &str| shown(&layout(&built(backend, rest), &files));
    assert_eq!(
        of("pdm.backend", "[tool.pdm.build]\npackage-dir = 'lib'\nincludes = ['lib/b']\n"),
        ["b at lib/b"]
    );
    assert_eq!(of("pdm.backend", "[tool.pdm.build]\npackage-dir = 'src'\n"), ["a at src/a"]);
    assert_eq!(of("flit_core.buildapi", "[tool.flit.module]\nname = 'a'\n"), ["a at src/a"]);
    let uv = "[tool.uv.build-backend]\nmodule-root = 'lib'\nmodule-name = ['b', 'ns.c']\n";
    assert_eq!(of("uv_build", uv), ["b at lib/b", "ns.c at lib/ns/c"]);
    assert_eq!(of("maturin", "[tool.maturin]\npython-source = 'python'\n"), ["my_demo at python/my_demo"]);
    assert_eq!(
        of("maturin", "[tool.maturin]\npython-source = 'lib'\nmodule-name = 'b._native'\n"),
        ["b at lib/b"]
    );
    assert_eq!(
        of("scikit_build_core.build", "[tool.scikit-build]\nwheel.packages = ['lib/b']\n"),
        ["b at lib/b"]
    );
}

#[test]
fn patterns_of_hatch_say_which_packages_are_in_a_wheel() {
    let files = ["a/__init__.py", "b/__init__.py", "src/c/__init__.py"];
    let of = |rest: &str| shown(&layout(&built(HATCH, rest), &files));
    let wheel = "[tool.hatch.build.targets.wheel]\n";
    assert_eq!(of(&format!("{wheel}include = ['/a']\n")), ["a at a"]);
    assert_eq!(of(&format!("{wheel}include = ['a/**/*.py', '/b/']\n")), ["a at a", "b at b"]);
    assert_eq!(of(&format!("{wheel}include = ['src/c']\nsources = ['src']\n")), ["c at src/c"]);
    assert_eq!(of(&format!("{wheel}packages = ['a']\ninclude = ['b']\n")), ["a at a"]);
}

#[test]
fn settings_that_leave_the_project_or_are_nonsense_say_nothing() {
    let files = ["my_demo/__init__.py"];
    for (backend, rest) in [
        (HATCH, "[tool.hatch.build.targets.wheel]\npackages = ['../outside', '/etc', 3]\n"),
        (
            POETRY,
            "[tool.poetry]\npackages = [{include = '../x'}, {from = 'y'}, 7, {include = 'z', from = '/'}]\n",
        ),
        (SETUPTOOLS, "[tool.setuptools]\npackages = ['../x']\npackage-dir = 3\n"),
        ("pdm.backend", "[tool.pdm.build]\nincludes = ['../x']\n"),
    ] {
        assert_eq!(shown(&layout(&built(backend, rest), &files)), ["my_demo at my_demo"], "{backend}");
    }
}

#[test]
fn a_backend_that_would_find_nothing_is_told_apart() {
    let gives_up = |pyproject: &str, files: &[&str]| layout(pyproject, files).is_unknown_to_backend;
    let other = ["api/__init__.py", "config.py"];
    assert!(gives_up(&built(HATCH, ""), &other));
    assert!(!gives_up(&built(HATCH, ""), &["my_demo/__init__.py"]));
    assert!(!gives_up(&built(HATCH, "[tool.hatch.build.targets.wheel]\nbypass-selection = true\n"), &other));
    assert!(gives_up(&built("uv_build", ""), &other) && gives_up(&built("flit_core.buildapi", ""), &other));
    // What setup.py computes is not seen here.
    assert!(!gives_up(&built("setuptools.build_meta", ""), &other));
}
