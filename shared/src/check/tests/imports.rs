use super::*;

/// Modules in the environment of the image and in its working directory: each by its path and text.
fn modules(files: Files, all: &[(&str, &str)]) -> Files {
    all.iter().fold(files, |files, (path, text)| {
        let path = path.replace("SITE", SITE);
        let mut files = files;
        let folders: Vec<&str> = path.split('/').collect();
        for depth in 1..folders.len() {
            files = files.node(&folders[..depth].join("/"), NodeKind::Directory, 0o755);
        }
        match Module::of(&path, text) {
            Some(module) => files.file(&path, 0o644, Detail::Module(Box::new(module))),
            None => files.node(&path, NodeKind::File, 0o644),
        }
    })
}

fn told(words: &[&str], all: &[(&str, &str)]) -> Vec<String> {
    let mut config = config(words);
    config.config.working_dir = Some("/app".into());
    let own = modules(Files::default(), all);
    examined(python(), own, &config).findings.into_iter().map(|finding| finding.message).collect()
}

const SERVED: &[&str] = &["/usr/local/bin/python3.13", "-m", "uvicorn", "main:app"];

/// What is told of an application beside a server.
fn of_app(all: &[(&str, &str)]) -> Vec<String> {
    let server: &[(&str, &str)] = &[
        ("SITE/uvicorn/__init__.py", "from uvicorn.main import run"),
        ("SITE/uvicorn/main.py", ""),
        ("SITE/uvicorn/__main__.py", "import uvicorn"),
    ];
    told(SERVED, &[server, all].concat())
}

#[test]
fn what_imports_import_in_turn_must_be_there() {
    let lacks = |name: &str, who: &str| {
        vec![format!("{who} imports {name}, which is not where Python 3.13 looks for it")]
    };
    let a = ("SITE/a/__init__.py", "from .b import c\n");
    assert_eq!(of_app(&[("app/main.py", "import a"), a, ("SITE/a/b.py", "")]), Vec::<String>::new());
    let broken = ("SITE/a/b.py", "import os, pkg_resources");
    assert_eq!(of_app(&[("app/main.py", "import a"), a, broken]), lacks("pkg_resources", "a.b"));
    assert_eq!(
        of_app(&[
            ("app/main.py", "from web import views"),
            ("app/web/__init__.py", ""),
            ("app/web/views.py", "import flask",)
        ]),
        lacks("flask", "web.views")
    );
    // A package that only says something of itself beside it takes nothing of its modules' place.
    let said = ("SITE/a/__init__.py", "version = (1, 0)\n__version__ = '.'.join(map(str, version))\n");
    assert_eq!(of_app(&[("app/main.py", "from a import b"), said, broken]), lacks("pkg_resources", "a.b"));
    let own = ("SITE/a/__init__.py", "from . import b");
    assert_eq!(of_app(&[("app/main.py", "import a"), own, broken]), lacks("pkg_resources", "a.b"));
    assert_eq!(of_app(&[("app/main.py", "import cgi")]), lacks("cgi", "main"));
    let gone =
        of_app(&[("app/main.py", "from web import a"), ("app/web/__init__.py", "from .gone import x")]);
    assert_eq!(gone, lacks("web.gone", "web"));
    assert_eq!(
        told(&["/usr/local/bin/python3.13", "run.py"], &[("app/run.py", "import b")]),
        lacks("b", "run.py")
    );
    assert_eq!(
        told(&["/usr/local/bin/python3.13", "run.py"], &[("app/run.py", "import b"), ("app/b.py", "")]),
        Vec::<String>::new()
    );
}

#[test]
fn the_way_to_a_missing_module_is_told() {
    let mut config = config(&["/usr/local/bin/python3.13", "-m", "web"]);
    config.config.working_dir = Some("/app".into());
    let own = modules(
        Files::default(),
        &[
            ("app/web/__init__.py", ""),
            ("app/web/__main__.py", "from . import cli"),
            ("app/web/cli.py", "import a"),
            ("SITE/a/__init__.py", "import pkg_resources"),
        ],
    );
    let report = examined(python(), own, &config);
    let [finding] = &report.findings[..] else { panic!("{report:?}") };
    assert_eq!((finding.severity, finding.kind), (Severity::Error, Kind::MissingModule));
    assert_eq!(finding.through, ["/usr/local/bin/python3.13", "web.__main__", "web.cli", "a"]);
    assert!(finding.fix.as_ref().is_some_and(|fix| fix.contains("setuptools<82")), "{finding:?}");
}

#[test]
fn what_other_code_may_bring_is_not_missed() {
    for all in [
        // It is tried, asked for later, or a name that is not a module.
        &[("app/main.py", "try:\n    import b\nexcept ImportError:\n    b = None")][..],
        &[("app/main.py", "def f():\n    import b")],
        &[
            ("app/main.py", "from a import b"),
            ("SITE/a/__init__.py", "b = 1"),
            ("SITE/a/b.py", "import gone"),
        ],
        &[
            ("app/main.py", "from a import b"),
            ("SITE/a/__init__.py", "from .c import b"),
            ("SITE/a/c.py", ""),
            ("SITE/a/b.py", "import gone"),
        ],
        // It is made without a file, by itself or by another one.
        &[("app/main.py", "import MySQLdb"), ("SITE/pymysql.py", "sys.modules['MySQLdb'] = pymysql")],
        &[("app/main.py", "import hook\nimport b"), ("app/hook.py", "sys.meta_path.append(Finder())")],
        &[("app/main.py", "import a.b"), ("SITE/a/__init__.py", "sys.modules[name] = b")],
        &[
            ("app/main.py", "from six.moves import queue\nimport six.moves.urllib"),
            ("SITE/six.py", "sys.meta_path"),
        ],
        &[("app/main.py", "import a.b"), ("SITE/a/__init__.py", ""), ("SITE/a/c.so", "")],
        &[("app/main.py", "import distutils.util"), ("SITE/setuptools/__init__.py", "")],
        // Elsewhere is looked, too.
        &[("app/main.py", "import sys\nsys.path.append('lib')\nimport b"), ("app/lib/b.py", "")],
        &[("app/main.py", "import google.b"), ("SITE/google/a/__init__.py", "")],
        // Python's own, also those that have no file.
        &[("app/main.py", "import sys, zlib, _private, __main__")],
        &[("app/main.py", "import b"), ("SITE/b.cpython-313-x86_64-linux-gnu.so", "")],
    ] {
        assert_eq!(of_app(all), Vec::<String>::new(), "{all:?}");
    }
}

#[test]
fn what_another_distribution_has_within_itself_is_nobodys_module() {
    let changes = ("app/main.py", "import sys\nsys.path.append('lib')\nimport six\n");
    let vendored =
        [("SITE/pip/__init__.py", ""), ("SITE/pip/_vendor/__init__.py", ""), ("SITE/pip/_vendor/six.py", "")];
    let lacks = ["main imports six, which is not where Python 3.13 looks for it"];
    assert_eq!(of_app(&[&[changes], &vendored[..]].concat()), lacks);
    // The folder may be the one that is added.
    assert_eq!(of_app(&[changes, ("app/lib/six.py", "")]), Vec::<String>::new());
    // A distribution adds folders of its own.
    let own = [
        ("app/main.py", "import a"),
        ("SITE/a/__init__.py", "import sys\nsys.path.append('a/vendor')\nimport six\n"),
        ("SITE/a/vendor/__init__.py", ""),
        ("SITE/a/vendor/six.py", ""),
    ];
    assert_eq!(of_app(&own), Vec::<String>::new());
}
