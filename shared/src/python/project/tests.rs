use std::fs;

use super::*;

/// A project of files, each with its text.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("demo").tempdir().expect("folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

fn read(files: &[(&str, &str)]) -> Project {
    Project::read(folder(files).path()).expect("read").expect("a project")
}

fn of(pyproject: &str) -> Project {
    read(&[("pyproject.toml", pyproject)])
}

fn error(pyproject: &str) -> Error {
    Project::read(folder(&[("pyproject.toml", pyproject)]).path()).expect_err("refused")
}

fn known(version: &ProjectVersion) -> Option<(&str, &str)> {
    match version {
        ProjectVersion::Known { text, origin } => Some((text, origin)),
        _ => None,
    }
}

#[test]
fn the_standards_table_is_read() {
    let project = of(r#"
        [project]
        name = "My.Service"
        version = "1.2"
        description = "Serves"
        requires-python = ">=3.11"
        license = "MIT OR Apache-2.0"
        license-files = ["LICENSE*"]
        authors = [{name = "A", email = "a@example.com"}, {name = "B"}, {email = "c@example.com"}]
        dependencies = ["flask>=3", "x @ {root:uri}/x"]
        [project.urls]
        "Home Page" = "https://example.com"
        source-code = "https://example.com/source"
        Docs = "https://example.com/docs"
        [project.scripts]
        serve = "service.cli:main"
        [project.gui-scripts]
        win = "service.win:main"
        [build-system]
        requires = ["hatchling>=1"]
        build-backend = "hatchling.build"
        [tool.containerize]
        ports = ["8080/tcp"]
        [tool.unknown]
        x = 1
    "#);
    assert_eq!((project.name.as_str(), project.normalized.as_str()), ("My.Service", "my-service"));
    assert_eq!(known(&project.version), Some(("1.2", "project.version")));
    assert_eq!(project.authors, ["A <a@example.com>", "B", "c@example.com"]);
    assert_eq!(project.license.expression.as_deref(), Some("MIT OR Apache-2.0"));
    assert_eq!(project.license.files, ["LICENSE*"]);
    assert_eq!(project.homepage.as_deref(), Some("https://example.com"));
    assert_eq!(project.repository.as_deref(), Some("https://example.com/source"));
    assert_eq!(project.documentation.as_deref(), Some("https://example.com/docs"));
    assert_eq!(project.requires_python.expect("specifiers").to_string(), ">=3.11");
    assert_eq!((project.scripts["serve"].as_str(), project.gui_scripts.len()), ("service.cli:main", 1));
    assert_eq!(project.settings, Some(serde_json::json!({"ports": ["8080/tcp"]})));
    assert_eq!((project.tool, project.package_mode, project.dependencies.len()), (Tool::Hatch, true, 2));
    assert_eq!(project.build_system.expect("one").backend, "hatchling.build");
}

#[test]
fn poetrys_own_table_is_read() {
    let project = of(r#"
        [tool.poetry]
        name = "shop"
        version = "0.3.0"
        description = "Sells"
        authors = ["A <a@example.com>"]
        license = "MIT"
        repository = "https://example.com/r"
        package-mode = false
        [tool.poetry.dependencies]
        python = "^3.11"
        [tool.poetry.scripts]
        plain = "shop:main"
        table = {reference = "shop:other", type = "console"}
        old = {callable = "shop:old", extras = ["x"]}
        file = {reference = "bin/run.sh", type = "file"}
        [build-system]
        requires = ["poetry-core"]
        build-backend = "poetry.core.masonry.api"
    "#);
    assert_eq!(known(&project.version), Some(("0.3.0", "tool.poetry.version")));
    assert_eq!(project.requires_python.as_ref().expect("a constraint").to_string(), "^3.11");
    assert_eq!(project.scripts.keys().collect::<Vec<_>>(), ["old", "plain", "table"]);
    assert_eq!(project.file_scripts["file"], "bin/run.sh");
    assert_eq!((project.tool, project.package_mode, project.is_package()), (Tool::Poetry, false, false));
    assert_eq!(project.license.expression.as_deref(), Some("MIT"));
}

#[test]
fn a_project_without_a_package_needs_no_name() {
    let project = of("[project]\nversion = '1'\n[tool.poetry]\npackage-mode = false\n");
    assert!(project.name.starts_with("demo"), "the folder's: {}", project.name);
    let uv = of("[project]\nname = 'x'\nversion = '1'\n[tool.uv]\npackage = false\n");
    assert_eq!((uv.tool, uv.package_mode), (Tool::Uv, false));
}

#[test]
fn setup_cfg_is_read() {
    let cfg = "[metadata]\nname = old\nversion = attr: old.__version__\nauthor = A\nauthor_email = a@example.com\n\
        license = MIT License\nurl = https://github.com/a/old\n[options]\npython_requires = >=3.8\n\
        package_dir =\n    =src\npackages = find:\n[options.packages.find]\nwhere = src\n\
        [options.entry_points]\nconsole_scripts =\n    old = old.cli:main [extra]\n";
    let project = read(&[("setup.cfg", cfg), ("src/old/__init__.py", "__version__ = '4.5'\n")]);
    assert_eq!(project.name, "old");
    assert_eq!(known(&project.version), Some(("4.5", "src/old/__init__.py")));
    assert_eq!(project.authors, ["A <a@example.com>"]);
    assert_eq!(project.repository.as_deref(), Some("https://github.com/a/old"));
    assert_eq!(project.license.expression.as_deref(), Some("MIT"));
    assert_eq!(project.scripts["old"], "old.cli:main");
    assert_eq!(project.requires_python.expect("specifiers").to_string(), ">=3.8");
    assert_eq!(project.build_system.expect("one").backend, "setuptools.build_meta:__legacy__");
    assert_eq!(project.layout.python_paths(), ["src"]);
}

#[test]
fn setup_py_alone_leaves_all_to_setuptools() {
    let project = read(&[("setup.py", "")]);
    assert!(project.version.needs_backend() && project.is_package() && project.tool == Tool::Setuptools);
    let sdist = read(&[
        ("setup.py", ""),
        ("PKG-INFO", "Metadata-Version: 2.1\nName: Thing\nVersion: 7\nRequires-Python: >=3.9\nAuthor: A\n"),
        ("thing.egg-info/entry_points.txt", "[console_scripts]\nThing = thing:main\n"),
    ]);
    assert_eq!((sdist.name.as_str(), known(&sdist.version)), ("Thing", Some(("7", "PKG-INFO"))));
    assert_eq!(
        (sdist.scripts["Thing"].as_str(), sdist.authors.as_slice()),
        ("thing:main", &["A".to_owned()][..])
    );
}

#[test]
fn a_package_without_a_build_system_is_left_to_setuptools() {
    const PLAIN: &str = "[project]\nname = 'x'\nversion = '1'\n[project.scripts]\nx = 'x:main'\n";
    let uv = of(&format!("{PLAIN}[tool.uv]\npackage = true\n"));
    let sdist =
        read(&[("pyproject.toml", PLAIN), ("PKG-INFO", "Metadata-Version: 2.1\nName: x\nVersion: 1\n")]);
    for project in [&uv, &sdist] {
        assert!(project.is_package());
        assert_eq!(project.build_system.as_ref().expect("one").requires, ["setuptools"]);
    }
    assert!(!of(PLAIN).is_package(), "nobody said that it is one");
    assert!(!of(&format!("{PLAIN}[tool.uv]\npackage = false\n")).is_package());
}

#[test]
fn a_requirements_file_makes_an_application() {
    let project = read(&[
        ("requirements.txt", ""),
        ("setup.cfg", "[flake8]\nmax-line-length = 100\n"),
        ("main.py", ""),
    ]);
    assert_eq!((project.tool, project.is_package()), (Tool::Pip, false));
    assert_eq!((project.version.clone(), project.needs_backend()), (ProjectVersion::Unknown, false));
    assert_eq!(project.layout.modules[0].name, "main");
}

#[test]
fn the_nearest_project_above_is_found() {
    let folder = folder(&[
        ("pyproject.toml", "[project]\nname = 'outer'\n"),
        ("a/requirements.txt", ""),
        ("a/b/c/x", ""),
    ]);
    let found = Project::read(&folder.path().join("a/b/c")).expect("read").expect("a project");
    assert_eq!(found.dir, folder.path().join("a"));
    let outer = Project::read(folder.path()).expect("read").expect("a project");
    assert_eq!(outer.name, "outer");
    assert!(Project::read(&folder.path().join("none")).is_err());
}

#[test]
fn setuptools_may_be_told_of_nothing_but_extensions() {
    let compiles = |pyproject: &str, setup: &str| {
        let folder = folder(&[("pyproject.toml", pyproject), ("m.c", "")]);
        if !setup.is_empty() {
            std::fs::write(folder.path().join("setup.py"), setup).expect("setup.py");
        }
        let project = Project::read(folder.path()).expect("read").expect("a project");
        project.build_system.expect("a system").compiles()
    };
    let system = "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n\
        [project]\nname = 'm'\nversion = '1'\n";
    let setup = "from setuptools import setup, Extension\nsetup(ext_modules=[Extension('m', ['m.c'])])\n";
    assert!(compiles(system, setup));
    assert!(compiles(
        &format!("{system}[tool.setuptools]\next-modules = [{{ name = 'm', sources = ['m.c'] }}]"),
        ""
    ));
    assert!(!compiles(system, "from setuptools import setup\nsetup()\n"));
    let other = system.replace("setuptools", "hatchling").replace("hatchling.build_meta", "hatchling.build");
    assert!(!compiles(&other, setup), "Hatchling runs no setup.py");
}

#[test]
fn some_backends_make_packages_without_python() {
    for (backend, compiles) in
        [("maturin", true), ("mesonpy", true), ("scikit_build_core.build", true), ("hatchling.build", false)]
    {
        let requires = Vec::new();
        let backend = backend.to_owned();
        let system =
            BuildSystem { requires, backend: backend.clone(), backend_path: Vec::new(), extensions: false };
        assert_eq!(system.compiles(), compiles, "{backend}");
    }
}

/// A version that is read from a file, by backend.
#[test]
fn dynamic_versions_are_read_where_they_are_written_down() {
    let head = |backend: &str| {
        format!(
            "[project]\nname = 'demo'\ndynamic = ['version']\n[build-system]\nrequires = []\nbuild-backend = '{backend}'\n"
        )
    };
    let module = ("demo/__init__.py", "__version__ = '2.1'\n");
    for (backend, settings, file) in [
        ("hatchling.build", "[tool.hatch.version]\npath = 'demo/__init__.py'", module),
        ("hatchling.build", "[tool.hatch.version]\npath = 'v.py'", ("v.py", "VERSION: str = 'v2.1'")),
        ("setuptools.build_meta", "[tool.setuptools.dynamic]\nversion = {attr = 'demo.__version__'}", module),
        (
            "setuptools.build_meta",
            "[tool.setuptools.dynamic]\nversion = {attr = 'demo.v.V'}",
            ("demo/v.py", "V = '2.1'"),
        ),
        (
            "setuptools.build_meta",
            "[tool.setuptools.dynamic]\nversion = {file = ['VERSION']}",
            ("VERSION", "2.1\n"),
        ),
        ("pdm.backend", "[tool.pdm.version]\nsource = 'file'\npath = 'demo/__init__.py'", module),
        ("flit_core.buildapi", "", module),
        ("flit_core.buildapi", "[tool.flit.module]\nname = 'other'", ("other.py", "__version__ = '2.1'")),
        ("maturin", "", ("Cargo.toml", "[package]\nname = 'demo'\nversion = '2.1'\n")),
    ] {
        let text = head(backend) + settings;
        let project = read(&[("pyproject.toml", &text), file]);
        assert_eq!(known(&project.version), Some(("2.1", file.0)), "{backend} {settings}");
        assert!(!project.needs_backend());
    }
}

#[test]
fn versions_that_only_the_backend_knows_are_left_to_it() {
    let head = "[project]\nname = 'demo'\ndynamic = ['version']\n[build-system]\n";
    for (rest, how) in [
        (
            "requires = ['hatch-vcs']\nbuild-backend = 'hatchling.build'\n[tool.hatch.version]\nsource = 'vcs'",
            "the repository's tags, by hatch-vcs",
        ),
        (
            "requires = ['setuptools', 'setuptools_scm[toml]>=8']\nbuild-backend = 'setuptools.build_meta'\n",
            "the repository's tags, by setuptools-scm",
        ),
        (
            "requires = []\nbuild-backend = 'setuptools.build_meta'\n[tool.setuptools.dynamic]\nversion = {attr = 'demo.v'}",
            "demo.v",
        ),
        (
            "requires = []\nbuild-backend = 'hatchling.build'\n[tool.hatch.version]\npath = 'v.py'\npattern = 'x'",
            "v.py",
        ),
        (
            "requires = []\nbuild-backend = 'pdm.backend'\n[tool.pdm.version]\nsource = 'call'\ngetter = 'a:b'",
            "tool.pdm.version, source call",
        ),
        ("requires = []\nbuild-backend = 'mesonpy'\n", "the build backend"),
        (
            "requires = []\nbuild-backend = 'poetry_dynamic_versioning.backend'\n[tool.poetry]\nversion = '0.0.0'\n[tool.poetry-dynamic-versioning]\nenable = true",
            "the repository's tags, by poetry-dynamic-versioning",
        ),
    ] {
        let text = format!("{head}{rest}");
        let project = read(&[
            ("pyproject.toml", &text),
            ("demo/__init__.py", "v = make()\n"),
            ("v.py", "VERSION = '1'"),
        ]);
        assert_eq!(project.version, ProjectVersion::Dynamic { how: how.into() }, "{rest}");
        assert!(project.needs_backend());
        let sdist = read(&[
            ("pyproject.toml", &text),
            ("PKG-INFO", "Metadata-Version: 2.1\nName: demo\nVersion: 3\n"),
        ]);
        assert_eq!(known(&sdist.version), Some(("3", "PKG-INFO")), "{rest}");
    }
}

#[test]
fn locks_and_settings_tell_who_keeps_the_project() {
    let minimal = "[project]\nname = 'x'\nversion = '1'\n";
    let tool = |files: &[(&str, &str)]| read(files).tool;
    assert_eq!(tool(&[("pyproject.toml", minimal)]), Tool::Pip);
    assert_eq!(tool(&[("pyproject.toml", minimal), ("uv.lock", "")]), Tool::Uv);
    assert_eq!(tool(&[("pyproject.toml", minimal), ("pdm.lock", "")]), Tool::Pdm);
    assert_eq!(tool(&[("pyproject.toml", minimal), ("poetry.lock", "")]), Tool::Poetry);
    let flit = "[build-system]\nrequires = []\nbuild-backend = 'flit_core.buildapi'\n";
    assert_eq!(tool(&[("pyproject.toml", &format!("{minimal}{flit}"))]), Tool::Flit);
    assert_eq!(tool(&[("pyproject.toml", &format!("{minimal}{flit}")), ("uv.lock", "")]), Tool::Uv);
}

#[test]
fn members_know_their_workspace() {
    let folder = folder(&[
        (
            "pyproject.toml",
            "[tool.uv.workspace]\nmembers = ['apps/*', './libs/*/']\nexclude = ['apps/old']\n[tool.containerize]\nuser = '1'\n",
        ),
        (".python-version", "3.12\n"),
        ("apps/web/pyproject.toml", "[project]\nname = 'web'\nversion = '1'\n"),
        ("apps/old/pyproject.toml", "[project]\nname = 'old'\nversion = '1'\n"),
        ("libs/common/pyproject.toml", "[project]\nname = 'common'\nversion = '1'\n"),
        ("libs/empty/README", ""),
    ]);
    let root = folder.path();
    let read = |path: &str| Project::read(&root.join(path)).expect("read").expect("a project");
    let web = read("apps/web");
    let workspace = web.workspace.clone().expect("a workspace");
    assert_eq!(workspace.root, root);
    assert_eq!(workspace.members, [root.join("apps/web"), root.join("libs/common")]);
    assert_eq!(workspace.settings, Some(serde_json::json!({"user": "1"})));
    assert_eq!((web.lock_dir(), web.python_version_file.as_deref()), (root, Some("3.12")));
    let old = read("apps/old");
    assert_eq!((old.workspace.clone(), old.lock_dir()), (None, old.dir.as_path()));
    let whole = read("");
    assert_eq!(whole.workspace.expect("its own").settings, None);
    assert_eq!(whole.settings, Some(serde_json::json!({"user": "1"})));
}

#[test]
fn pins_of_interpreters_are_versions_or_nothing() {
    for (text, expected) in [
        ("3.13\n", Some("3.13")),
        ("# pinned\n\n3.12.4\n3.11\n", Some("3.12.4")),
        ("cpython-3.11", Some("3.11")),
        ("python3.10", Some("3.10")),
        ("system\n", None),
        ("pypy3.10\n", None),
        ("", None),
    ] {
        let project = read(&[("requirements.txt", ""), (".python-version", text)]);
        assert_eq!(project.python_version_file.as_deref(), expected, "{text:?}");
    }
}

#[test]
fn wrong_types_are_named_by_their_key() {
    for (text, sentence) in [
        ("[project]\nname = 'x'\ndependencies = ['a', 'b', 3]", "project.dependencies[2] in"),
        ("[project]\nname = 3", "project.name in"),
        ("[project]\nname = 'x'\nscripts = {a = []}", "project.scripts.a in"),
        ("[project]\nname = 'x'\nauthors = ['me']", "project.authors[0] in"),
        ("[project]\nname = 'x'\nlicense = 1", "project.license in"),
        ("project = 1", "project in"),
        ("[tool.poetry]\nname = 'x'\nscripts = {a = 1}", "tool.poetry.scripts.a in"),
        ("[tool]\ncontainerize = 'x'", "tool.containerize in"),
        ("[build-system]\nrequires = 'x'", "build-system.requires in"),
        ("[tool.uv.workspace]\nmembers = ['a[']", "tool.uv.workspace.members in"),
        ("[project]\nname = 'x'\nrequires-python = 'new'", "project.requires-python in"),
        ("[project]\nversion = '1'", "project.name is missing in"),
    ] {
        let error = error(text);
        assert!(error.to_string().starts_with(sentence), "{text}: {error}");
        assert_eq!(error.kind(), crate::Kind::Usage, "{text}");
    }
    let cause = error("[project]\nname = 'x'\ndependencies = ['a', 'b', 3]").causes().join("\n");
    assert!(cause.contains("line 3"), "{cause}");
    let name = error("[project]\nname = '../x'\n");
    assert!(name.to_string().contains("the project's name in"), "{name}");
}

#[test]
fn files_that_cannot_be_understood_are_named_with_the_line() {
    let error = error("[project]\nname = \n");
    assert!(error.to_string().ends_with("pyproject.toml is not valid TOML"), "{error}");
    assert!(error.causes().join(" ").contains("line 2"), "{error:?}");
    let folder = folder(&[]);
    fs::write(folder.path().join("pyproject.toml"), b"\xff").expect("written");
    let error = Project::read(folder.path()).expect_err("refused");
    assert!(error.to_string().ends_with("pyproject.toml is not UTF-8"), "{error}");
}

#[test]
fn folders_with_odd_names_give_legal_ones() {
    for (path, expected) in
        [("/a/My App!", "My-App"), ("/a/_x_", "x"), ("/", "app"), ("/ä", "app"), ("/a/x y", "x-y")]
    {
        assert_eq!(folder_name(Path::new(path)), expected);
    }
}

#[test]
fn what_setuptools_alone_describes_may_say_that_it_needs_nothing() {
    let setup = |text: &str| format!("from setuptools import setup\n{text}");
    let bare = setup("setup(name='a', ext_modules=[Extension('b', ['b.c'])])");
    for (files, expected) in [
        (&[("setup.py", bare.as_str())][..], true),
        (&[("setup.cfg", "[metadata]\nname = a")], true),
        (&[("setup.py", bare.as_str()), ("pyproject.toml", "[build-system]\nrequires = []")], true),
        (&[("setup.py", bare.as_str()), ("setup.cfg", "[options]\ninstall_requires = b")], false),
        (&[("setup.py", setup("setup(install_requires=needs())").as_str())], false),
        (&[("setup.py", "")], false),
        (&[("setup.py", bare.as_str()), ("pyproject.toml", "[project]\nname = 'a'")], false),
        (&[("requirements.txt", "")], false),
    ] {
        assert_eq!(read(files).needs_nothing, expected, "{files:?}");
    }
}

#[test]
fn a_setup_py_is_read_as_far_as_it_has_literals() {
    let setup = "\
from setuptools import setup, find_packages
about = {}
exec(open('src/demo/about.py').read(), about)
setup(
    name='My-Demo',
    version='1.2',
    description='Shows',
    author='A',
    python_requires='>=3.11',
    packages=find_packages('src', exclude=['extra*']),
    package_dir={'': 'src'},
    entry_points={'console_scripts': ['demo = demo.cli:main']},
    install_requires=about['requires'],
)
";
    let src = [("src/demo/__init__.py", ""), ("src/extra/__init__.py", "")];
    let project = read(&[&[("setup.py", setup)][..], &src].concat());
    assert_eq!((project.name.as_str(), known(&project.version)), ("My-Demo", Some(("1.2", "setup.py"))));
    assert_eq!(project.description.as_deref(), Some("Shows"));
    assert_eq!(project.authors, ["A"]);
    assert_eq!(project.requires_python.as_ref().map(ToString::to_string).as_deref(), Some(">=3.11"));
    assert_eq!(project.scripts, [("demo".to_owned(), "demo.cli:main".to_owned())].into());
    let packages: Vec<&str> = project.layout.packages.iter().map(|package| package.path.as_str()).collect();
    assert_eq!(packages, ["src/demo"]);
    assert_eq!(project.described_by, "setup.py");
    assert!(project.is_package() && !project.needs_backend());

    // setup.py wins over setup.cfg, and what it does not say in literals is the backend's.
    let cfg = "[metadata]\nname = other\nurl = https://example.com\n";
    let files =
        [("setup.py", "from setuptools import setup\nsetup(name='a', version=v())"), ("setup.cfg", cfg)];
    let project = read(&files);
    assert_eq!((project.name.as_str(), project.homepage.as_deref()), ("a", Some("https://example.com")));
    assert!(project.version.needs_backend());
    let text = "setup(name='a', entry_points='[console_scripts]\\na = a:b\\n', py_modules=['one'])";
    let project = read(&[("setup.py", text), ("one.py", ""), ("two.py", "")]);
    assert_eq!(project.scripts, [("a".to_owned(), "a:b".to_owned())].into());
    assert_eq!(project.layout.modules.len(), 1);
}

#[test]
fn what_describes_a_project_is_named() {
    assert_eq!(of("[project]\nname = 'a'\nversion = '1'").described_by, "pyproject.toml");
    assert_eq!(read(&[("requirements.txt", "")]).described_by, "the project's folder");
}
