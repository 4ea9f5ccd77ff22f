use super::*;
use crate::elf::tests::elf64;
use crate::facts::tree::Node;

fn read_all(path: &str, content: &[u8]) -> Option<Detail> {
    let head = &content[..content.len().min(4)];
    read(path, head, &mut &content[head.len()..]).expect("memory").0
}

#[test]
fn each_kind_of_file_is_read_for_what_matters() {
    let elf = elf64(62, None, &["libx.so"], true);
    let Some(Detail::Elf(facts)) = read_all("a/b.so", &elf) else { panic!("no ELF file") };
    assert_eq!(facts.needed, ["libx.so"]);
    assert_eq!(read_all("a", b"\x7fELFnonsense"), None);
    assert_eq!(read_all("bin/x", b"#!/bin/sh\ntrue"), Some(Detail::Script("#!/bin/sh\ntrue".into())));
    for path in ["etc/passwd", "etc/ld.so.conf.d/x.conf", "etc/ld-musl-x.path", "app/.venv/pyvenv.cfg"] {
        assert_eq!(read_all(path, b"text"), Some(Detail::Text("text".into())), "{path}");
    }
    assert_eq!(read_all("lib/x.pth", b"/app"), None, "it is in no folder of packages");
    assert!(read_all("lib/site-packages/x.pth", b"/app").is_some());
    for path in ["etc/hosts", "app/passwd", "README"] {
        assert_eq!(read_all(path, b"text"), None, "{path}");
    }
}

#[test]
fn of_metadata_only_the_headers_about_needs_are_kept() {
    let text = b"Metadata-Version: 2.1\nName: A.b\nVersion: 1.0\nLicense: MIT\n        Name: x\nRequires-Dist: c>1\n\
                 requires-dist: d ; extra == 'e'\n\nRequires-Dist: no";
    let requires = vec!["c>1".into(), "d ; extra == 'e'".into()];
    let expected = Metadata { name: "A.b".into(), version: "1.0".into(), requires };
    assert_eq!(read_all("lib/a-1.0.dist-info/METADATA", text), Some(Detail::Metadata(expected)));
    assert_eq!(read_all("lib/METADATA", text), None);
}

#[test]
fn of_a_record_only_shared_objects_are_kept() {
    let record = b"x/a.py,sha256=1,2\nx/b.so,,\nx.libs/libc-1.so.6,,\n";
    let found = read_all("lib/x-1.dist-info/RECORD", record);
    assert_eq!(found, Some(Detail::Record(vec!["x/b.so".into(), "x.libs/libc-1.so.6".into()])));
}

#[test]
fn a_large_elf_file_is_given_back_whole() {
    let mut elf = elf64(62, None, &["libx.so"], true);
    elf.resize(SPOOL + 100, 7);
    let (detail, whole) = read("a", &elf[..4], &mut &elf[4..]).expect("memory");
    assert!(matches!(detail, Some(Detail::Elf(_))));
    let mut again = Vec::new();
    whole.expect("a copy").read_to_end(&mut again).expect("read");
    assert_eq!(again, elf);
}

#[test]
fn the_loaders_cache_is_given_back_whole() {
    let (_, whole) = read("etc/ld.so.cache", b"glib", &mut &b"c-ld.so.cache1.1"[..]).expect("memory");
    let mut again = String::new();
    whole.expect("a copy").read_to_string(&mut again).expect("text");
    assert_eq!(again, "glibc-ld.so.cache1.1");
}

#[test]
fn details_go_with_their_files() {
    let layer = |paths: &[&str]| {
        let node =
            |path: &&str| ((*path).to_owned(), Node { kind: NodeKind::File, mode: 0o644, uid: 0, gid: 0 });
        let facts = LayerFacts { entries: paths.iter().map(node).collect(), ..LayerFacts::default() };
        let text = |path: &&str| ((*path).to_owned(), Detail::Text((*path).to_owned()));
        (facts, paths.iter().map(text).collect::<LayerDetails>())
    };
    let mut fs = FileSystem::default();
    let (facts, details) = layer(&["a", "b/c", "d", "e"]);
    fs.apply(facts, details, false);
    let (mut facts, _) = layer(&["d"]);
    facts.hidden.push("b".into());
    let (_, details) = layer(&["e"]);
    facts.entries.push(("e".into(), Node { kind: NodeKind::File, mode: 0o644, uid: 0, gid: 0 }));
    fs.apply(facts, details, true);
    let left: Vec<(&str, bool)> = fs.details().map(|(path, _, own)| (path, own)).collect();
    assert_eq!(left, [("a", false), ("e", true)]);
}
