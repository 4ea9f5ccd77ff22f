use super::*;
use crate::facts::LayerFacts;
use crate::facts::notes::tests::program;
use crate::facts::notes::{Package, Subject};
use crate::facts::tree::{Node, NodeKind};

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// A base of one layer, with the notes that a scan would take.
#[derive(Default)]
struct Base(LayerFacts);

impl Base {
    fn node(mut self, path: &str, kind: NodeKind) -> Self {
        self.0.entries.push((path.to_owned(), Node { kind, mode: 0o755, uid: 0, gid: 0 }));
        self
    }

    fn file(mut self, path: &str, content: &[u8]) -> Self {
        let note = Subject::of(path).and_then(|subject| subject.read(content).expect("memory"));
        self.0.notes.extend(note.map(|note| (path.to_owned(), note)));
        self.node(path, NodeKind::File)
    }

    fn link(self, path: &str, target: &str) -> Self {
        self.node(path, NodeKind::Symlink(target.to_owned()))
    }

    fn glibc(self) -> Self {
        let banner = b"GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n";
        self.link("lib", "usr/lib")
            .link("lib64", "usr/lib64")
            .link("usr/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
            .file("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", b"")
            .file("usr/lib/x86_64-linux-gnu/libc.so.6", banner)
    }

    fn python(self, path: &str, version: &str) -> Self {
        self.file(path, &program(Some(LOADER), format!("\0{version}\0").as_bytes()))
    }

    fn find(self, path: &str) -> Option<FoundPython> {
        let mut contents = Contents::default();
        contents.apply(self.0.clone());
        let mut config = ImageConfig::default();
        config.config.env = vec!["LANG=C".into(), format!("PATH={path}")];
        find_python(&contents, &config)
    }
}

fn found(path: &str, version: (u32, u32, u32)) -> Option<FoundPython> {
    Some(FoundPython { path: path.into(), version, musl: false, libc: (2, 36) })
}

#[test]
fn the_first_on_the_path_is_found_as_a_shell_would() {
    let base = || {
        Base::default()
            .glibc()
            .python("usr/bin/python3.11", "3.11.2")
            .link("usr/bin/python3", "python3.11")
            .python("opt/py/bin/python3.13", "3.13.5")
            .link("opt/py/bin/python3", "/opt/py/bin/python3.13")
    };
    assert_eq!(base().find("/opt/py/bin:/usr/bin"), found("/opt/py/bin/python3.13", (3, 13, 5)));
    assert_eq!(base().find("/bin:/usr/bin:/opt/py/bin"), found("/usr/bin/python3.11", (3, 11, 2)));
    assert_eq!(base().find(""), found("/usr/bin/python3.11", (3, 11, 2)), "the usual folders");
    assert_eq!(
        base().find("opt/py/bin"),
        found("/usr/bin/python3.11", (3, 11, 2)),
        "a relative folder is none"
    );
}

#[test]
fn without_a_plain_name_the_newest_is_found() {
    let base =
        Base::default().glibc().python("usr/bin/python3.9", "3.9.2").python("usr/bin/python3.12", "3.12.1");
    assert_eq!(base.find("/usr/bin"), found("/usr/bin/python3.12", (3, 12, 1)));
}

#[test]
fn a_small_executable_has_its_version_in_its_library() {
    let base = Base::default()
        .glibc()
        .file("usr/lib/x86_64-linux-gnu/libpython3.13.so.1.0", b"\x003.13.1\0")
        .file("usr/local/lib/libpython3.13.so.1.0", b"\x003.13.5\0")
        .file("usr/local/lib/libpython3.12.so.1.0", b"\x003.12.9\0")
        .file("usr/local/bin/python3.13", &program(Some(LOADER), b""))
        .link("usr/local/bin/python3", "python3.13");
    assert_eq!(base.find("/usr/local/bin"), found("/usr/local/bin/python3.13", (3, 13, 5)));
}

#[test]
fn musl_is_told_from_glibc_by_the_loader() {
    let python = program(Some("/lib/ld-musl-x86_64.so.1"), b"\x003.12.11\0");
    let base = || Base::default().file("usr/bin/python3.12", &python).link("usr/bin/python3", "python3.12");
    let expected =
        FoundPython { path: "/usr/bin/python3.12".into(), version: (3, 12, 11), musl: true, libc: (1, 2) };
    let said = base().file("lib/ld-musl-x86_64.so.1", b"\x001.2.5\0");
    assert_eq!(said.find("/usr/bin"), Some(expected.clone()));
    let packaged = base().file("lib/apk/db/installed", b"P:musl\nV:1.2.5-r9\nA:x86_64\n");
    assert_eq!(packaged.find("/usr/bin"), Some(expected));
    assert_eq!(base().find("/usr/bin"), None, "a C library of no version");
}

#[test]
fn what_cannot_run_extension_modules_is_no_interpreter() {
    let base = |content: &[u8]| Base::default().glibc().file("usr/bin/python3.12", content);
    assert_eq!(base(&program(None, b"\x003.12.11\0")).find("/usr/bin"), None, "static");
    assert_eq!(base(b"#!/bin/sh\nexec pyenv").find("/usr/bin"), None, "a script");
    assert_eq!(base(&program(Some(LOADER), b"")).find("/usr/bin"), None, "of no version");
    let circle = Base::default().glibc().link("usr/bin/python3", "python").link("usr/bin/python", "python3");
    assert_eq!(circle.find("/usr/bin"), None);
}

#[test]
fn notes_go_with_their_files() {
    let layer = |base: Base| base.0;
    let note = |facts: &[LayerFacts]| {
        let mut contents = Contents::default();
        facts.iter().for_each(|facts| contents.apply(facts.clone()));
        contents.packages().into_iter().map(|Package { name, .. }| name.clone()).collect::<Vec<_>>()
    };
    let status = |name: &str| {
        let text = format!("Package: {name}\nVersion: 1\nArchitecture: all\n");
        layer(Base::default().file("var/lib/dpkg/status", text.as_bytes()))
    };
    let single = layer(Base::default().file("var/lib/dpkg/status.d/z", b"Package: z\nVersion: 1\n"));
    assert_eq!(note(&[status("a"), single.clone()]), ["a", "z"]);
    assert_eq!(note(&[status("a"), status("b")]), ["b"], "replaced");
    let whiteout = |path: &str| LayerFacts { hidden: vec![path.into()], ..LayerFacts::default() };
    assert_eq!(note(&[status("a"), whiteout("var/lib")]), Vec::<String>::new());
    assert_eq!(note(&[status("a"), whiteout("var/li")]), ["a"]);
    let opaque = |dir: &str| LayerFacts { opaque: vec![dir.into()], ..status("b") };
    assert_eq!(note(&[status("a"), single.clone(), opaque("var/lib/dpkg")]), ["b"]);
    assert_eq!(note(&[status("a"), single, opaque("")]), ["b"], "the root");
    let dir_gone = layer(Base::default().node("var/lib", NodeKind::File));
    assert_eq!(note(&[status("a"), dir_gone]), Vec::<String>::new());
    let emptied = layer(Base::default().link("var/lib/dpkg/status", "/dev/null"));
    assert_eq!(note(&[status("a"), emptied]), Vec::<String>::new());
}
