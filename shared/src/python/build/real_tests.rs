//! With the real uv, pip, git and compilers of the machine. Run with `--ignored` and a `PATH` that
//! has uv; they ask the package index for build backends.

use super::*;
use crate::python::Libc;

const C: &str = r#"
#include <Python.h>
#include <stdlib.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "native", NULL, -1, NULL};
const char *native_place = __FILE__;
PyMODINIT_FUNC PyInit_native(void) { return getenv("NO") ? NULL : PyModule_Create(&module); }
"#;
const SETUP: &str = "from setuptools import setup, Extension\n\
    setup(name='demo', version='2', packages=['demo'], ext_modules=[Extension('native', ['native.c'])])\n";

fn variables() -> BTreeMap<String, String> {
    std::env::vars().collect()
}

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("parent")).expect("folder");
    fs::write(path, text).expect("file");
}

fn builder(variables: &BTreeMap<String, String>, store: &Path) -> Builder {
    let host = Host::find(variables, Path::new("/"));
    let store = Store::open(store).expect("store");
    Builder::new(host, store, Events::silent(), &index::Options::default(), false)
}

fn target(python: &crate::python::host::Python, architecture: &str, minor: u32) -> Interpreter {
    Interpreter {
        path: "/usr/local/bin/python3".into(),
        version: python.version,
        libc: Libc::Glibc { major: 2, minor },
        platform: format!("linux/{architecture}").parse().expect("platform"),
    }
}

#[tokio::test]
#[ignore = "asks the package index"]
async fn a_native_project_is_the_same_in_each_place_and_leaves_the_folder_clean() {
    let stores = tempfile::tempdir().expect("folder");
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("folder"));
    for project in folders.each_ref().map(|folder| folder.path()) {
        put(project, "setup.py", SETUP);
        put(project, "native.c", C);
        put(project, "demo/__init__.py", "");
    }
    let host = Host::find(&variables(), Path::new("/"));
    let python = host.any_python(|python| python.machine().as_deref() == Some("x86_64")).expect("python");
    let name = "demo".parse().expect("name");
    let mut digests = Vec::new();
    for (store, folder) in ["one", "two"].iter().zip(&folders) {
        let project = folder.path();
        let builder = builder(&variables(), &stores.path().join(store));
        let fitting = target(&python, "amd64", 99);
        let built = builder.wheel(&name, Origin::Directory(project), &fitting).await.expect("built");
        assert!(built.filename.ends_with("-linux_x86_64.whl"), "{}", built.filename);
        digests.push(built.digest);
        let old = builder.wheel(&name, Origin::Directory(project), &target(&python, "amd64", 1)).await;
        // Where the tag does not tell, the library does.
        assert!(old.expect_err("refused").to_string().contains("needs glibc 2."));
        let foreign = builder.wheel(&name, Origin::Directory(project), &target(&python, "arm64", 99)).await;
        assert!(foreign.expect_err("refused").to_string().contains("was built for x86_64"));
    }
    assert_eq!(digests[0], digests[1]);
    let mut left: Vec<_> =
        fs::read_dir(folders[0].path()).expect("project").flatten().map(|e| e.file_name()).collect();
    left.sort();
    assert_eq!(left, ["demo", "native.c", "setup.py"]);
}

#[tokio::test]
#[ignore = "asks the package index"]
async fn pip_builds_what_uv_builds() {
    let (folder, stores) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    put(
        folder.path(),
        "setup.py",
        "from setuptools import setup\nsetup(name='demo', version='3', py_modules=['demo'])",
    );
    put(folder.path(), "demo.py", "");
    let mut pip = variables();
    pip.insert("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into());
    let name = "demo".parse().expect("name");
    for (tool, variables) in [("uv", variables()), ("pip", pip)] {
        let builder = builder(&variables, &stores.path().join(tool));
        assert_eq!(builder.host.uv().is_some(), tool == "uv");
        assert_eq!(builder.version(folder.path(), None).await.expect("version").to_string(), "3", "{tool}");
        let python = builder.host.any_python(|_| true).expect("python");
        let arm = target(&python, "arm64", 36);
        let built = builder.wheel(&name, Origin::Directory(folder.path()), &arm).await.expect("pure");
        assert_eq!(built.filename, "demo-3-py3-none-any.whl", "{tool}");
    }
}

#[tokio::test]
#[ignore = "asks the package index"]
async fn uv_makes_a_lock_for_extras_and_groups() {
    let folder = tempfile::tempdir().expect("folder");
    let text = "[project]\nname = 'demo'\nversion = '1'\nrequires-python = '>=3.10'\ndependencies = ['idna']\n\
                [project.optional-dependencies]\nweb = ['h11']\n[dependency-groups]\ndev = ['iniconfig']\n";
    put(folder.path(), "pyproject.toml", text);
    let host = Host::find(&variables(), folder.path());
    for (extras, groups, count) in [(&[][..], &[][..], 1), (&["web".to_owned()], &["dev".to_owned()], 3)] {
        let indexes = index::Options::default();
        let request = LockRequest {
            dir: folder.path(),
            extras,
            groups,
            pins: None,
            python: None,
            interpreter: None,
            oldest: None,
            indexes: &indexes,
            offline: false,
        };
        let made = make_lock(&host, request, &Events::silent()).await.expect("locked").expect("a lock");
        assert_eq!((made.packages, made.tool), (count, "uv"));
    }
}
