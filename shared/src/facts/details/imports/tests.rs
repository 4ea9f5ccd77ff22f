use super::*;

fn statements(text: &str) -> Vec<String> {
    imports(text).statements
}

#[test]
fn what_is_imported_in_any_case_is_found_as_it_is_written() {
    for (text, wanted) in [
        ("import a", "a"),
        ("import a.b as c, d", "a.b d"),
        ("import a; import b; from c import d", "a b c:d"),
        ("from . import a\nfrom .. import b as c\nfrom ...d.e import f", ".:a ..:b ...d.e:f"),
        ("from a import (\n    b,  # first\n    c as d,\n)\nimport e", "a:b,c e"),
        ("from a import b, \\\n    c\nimport d", "a:b,c d"),
        ("from a import *\nfrom b import Class, __version__, _c", "a b:_c"),
        ("\u{feff}#!/usr/bin/python\n# -*- coding: utf-8 -*-\nimport a\r\nimport b\r\n", "a b"),
        ("'''Text.\n\nimport no\n'''\nimport a", "a"),
        ("x = \"\"\"\nimport no\n\\\"\"\"\nimport no\n\"\"\"\nimport a", "a"),
        ("x = 'it\\'s'  # don't\nimport a\ny = (1,\nimport_no)\nimport b", "a b"),
        ("x = 'open\nimport a", "a"),
        ("import a\nimport a\nimport os, sys, json.decoder\nfrom typing import x", "a"),
        (
            "with warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    import a\n    if b:\n        import no\nimport c",
            "a c",
        ),
        ("import a\nraise ImportError('gone')\nimport no", "a"),
        ("import naïve", "naïve"),
    ] {
        assert_eq!(statements(text).join(" "), wanted, "{text}");
    }
}

#[test]
fn what_need_not_be_imported_is_passed_over() {
    for text in [
        "try:\n    import a\nexcept ImportError:\n    a = None",
        "try: import a\nexcept ImportError: pass",
        "if TYPE_CHECKING:\n    import a",
        "if x: import a",
        "def f():\n    import a",
        "class A:\n    import a",
        "with suppress(ImportError):\n    import a",
        "with optional():\n    import a",
        "# import a",
        "importlib.import_module('a')",
        "important = from_ = 1",
        "lazy import a",
        "x = '''\nimport a",
        "from\nimport\nfrom import a",
        "x = f\"{y['a']}\" ; z = [\nimport_a]",
    ] {
        assert_eq!(statements(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_package_that_only_imports_is_plain() {
    for text in [
        "",
        "# nothing\n",
        "'''Text.'''\nfrom .a import b\n__all__ = ['b']\n__version__: str = '1'\n",
        "import a",
        "# A version.\nversion_info = (20, 1, 0)\n__version__ = '.'.join(str(v) for v in version_info)\n",
        "@wraps(f)\ndef f():\n    g = 1\n\nclass C:\n    d = 2\n",
    ] {
        assert!(imports(text).plain, "{text}");
    }
    for text in [
        "a = b = 1",
        "a, b = c",
        "a = b, c = d",
        "a = (b := 1)",
        "a = 1; b = 2",
        "a += 1",
        "setup()",
        "from a import *",
        "def __getattr__(name): ...",
        "def f():\n    global g\n    g = 1",
        "globals()['a'] = 1",
        "for a in b: pass",
        "import a; b = a.b",
        "try:\n    import a\nexcept E:\n    a = None",
        "__path__ = []",
    ] {
        assert!(!imports(text).plain, "{text}");
    }
}

#[test]
fn names_that_modules_could_have_are_noted_where_they_are_bound() {
    for (text, wanted) in [
        ("a = f(b=1, c=2)\nb: int = 3\nc: str\nD = 4\n__e__ = 5\n_f = [g == h]", "a b c _f"),
        ("def a(): ...\nasync def b(): ...\nclass C: ...\nclass d(C): ...", "a b d"),
        ("import os.path, json as j\nfrom os import path\nfrom .x import y as z, Name", "os j path z"),
        ("from . import own, other as that", "that"),
        ("if x:\n    a = 1", ""),
    ] {
        assert_eq!(imports(text).binds.join(" "), wanted, "{text}");
    }
}

#[test]
fn what_changes_how_modules_are_found_is_told() {
    let found = imports("import sys\nsys.path.insert(0, 'lib')");
    assert!(found.paths && !found.hooks);
    let found = imports(
        "import sys\n\ndef register():\n    sys.modules[\"MySQLdb\"] = sys.modules[ 'MySQLdb.x' ] = sys.modules[name]\n",
    );
    assert!(found.hooks && !found.paths);
    assert_eq!(found.makes, ["MySQLdb", "MySQLdb.x"]);
    assert_eq!(imports("sys.modules.setdefault('a-b', x)\nx = modules['']").makes, Vec::<String>::new());
}

#[test]
fn a_statement_is_told_apart_from_what_it_takes() {
    let told = |statement| {
        let (module, names) = parts(statement);
        (module.to_owned(), names.map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(told("a.b"), ("a.b".into(), vec![]));
    assert_eq!(told("..:a,b"), ("..".into(), vec!["a".into(), "b".into()]));
}
