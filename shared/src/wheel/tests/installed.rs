//! What is installed from sound wheels.

use std::collections::BTreeMap;

use super::builder::{FILENAME, INFO, Part, part, row, wheel};
use super::{installed, on_disk, open, venv};
use crate::error::Kind;
use crate::layer::{Content, Entry, EntryKind};
use crate::oci::{Digest, Owner};
use crate::python::Source;
use crate::wheel::{DirectUrl, Venv, Vouched, Wheel, install};

const MODULES: &str = "app/.venv/lib/python3.13/site-packages";

/// Modes and contents by path; what is still in the archive has none.
fn by_path(entries: &[Entry]) -> BTreeMap<String, (u32, Option<String>)> {
    let content = |entry: &Entry| match &entry.kind {
        EntryKind::File(Content::Bytes(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    };
    entries.iter().map(|entry| (entry.path.clone(), (entry.mode.0, content(entry)))).collect()
}

#[test]
fn every_kind_of_file_has_its_place() {
    let script = Part { mode: 0o100_644, ..part("demo-1.0.data/scripts/old", "#!python -E\nprint()\n") };
    let binary = Part { deflated: true, ..part("demo-1.0.data/scripts/tool", b"\x7fELF".repeat(50)) };
    let bytes = wheel(vec![
        Part { mode: 0o100_755, ..part("demo/run.sh", "#!/bin/sh\n") },
        Part { mode: 0o100_675, ..part("demo/group.sh", "#!/bin/sh\n") },
        part("demo-1.0.data/platlib/demo/fast.so", "so"),
        part("demo-1.0.data/headers/demo.h", "h"),
        part("demo-1.0.data/data/share/demo/ü, \"x\".txt", "t"),
        script,
        binary,
        part(&format!("{INFO}/entry_points.txt"), "[console_scripts]\ndemo = demo:main\n"),
        part(&format!("{INFO}/licenses/LICENSE"), "MIT"),
    ]);
    let entries = installed(&bytes).expect("entries");
    let found = by_path(&entries);
    let modes: Vec<(&str, u32)> = found.iter().map(|(path, (mode, _))| (path.as_str(), *mode)).collect();
    let path = |name: &str| format!("{MODULES}/{name}");
    let info = |name: &str| format!("{MODULES}/{INFO}/{name}");
    let expected = [
        ("app/.venv/bin/demo".to_owned(), 0o755),
        ("app/.venv/bin/old".to_owned(), 0o755),
        ("app/.venv/bin/tool".to_owned(), 0o755),
        ("app/.venv/include/site/python3.13/demo/demo.h".to_owned(), 0o644),
        (info("INSTALLER"), 0o644),
        (info("METADATA"), 0o644),
        (info("RECORD"), 0o644),
        (info("WHEEL"), 0o644),
        (info("entry_points.txt"), 0o644),
        (info("licenses/LICENSE"), 0o644),
        (path("demo/__init__.py"), 0o644),
        (path("demo/fast.so"), 0o644),
        (path("demo/group.sh"), 0o644),
        (path("demo/run.sh"), 0o755),
        ("app/.venv/share/demo/ü, \"x\".txt".to_owned(), 0o644),
    ];
    assert_eq!(modes, expected.iter().map(|(path, mode)| (path.as_str(), *mode)).collect::<Vec<_>>());
    let order: Vec<_> = entries.iter().map(|entry| &entry.path).collect();
    assert!(order.is_sorted());

    let rewritten = "#!/app/.venv/bin/python -E\nprint()\n";
    assert_eq!(found["app/.venv/bin/old"].1.as_deref(), Some(rewritten));
    let record = found[&info("RECORD")].1.as_deref().expect("bytes");
    assert!(record.contains(&row("../../../bin/old", rewritten.as_bytes())));
    assert!(record.contains(&row("../../../bin/tool", &b"\x7fELF".repeat(50))));
    assert!(record.contains(&row("../../../include/site/python3.13/demo/demo.h", b"h")));
    assert!(record.contains(&row("\"../../../share/demo/ü, \"\"x\"\".txt\"", b"t")));
    assert!(record.contains(&row(&format!("{INFO}/INSTALLER"), b"containerize\n")));
    assert!(record.contains(&format!("\n{INFO}/RECORD,,\n")));
    assert_eq!(record.lines().count(), entries.len());
}

#[test]
fn what_a_wheel_says_about_its_own_installation_is_not_passed_on() {
    let bytes = wheel(vec![
        part(&format!("{INFO}/INSTALLER"), "evil"),
        part(&format!("{INFO}/REQUESTED"), ""),
        part(&format!("{INFO}/direct_url.json"), r#"{"url":"https://trusted"}"#),
        part(&format!("{INFO}/RECORD.jws"), "signed"),
        part(&format!("{INFO}/RECORD.p7s"), "signed"),
    ]);
    let found = by_path(&installed(&bytes).expect("entries"));
    assert_eq!(found.len(), 5, "{found:?}");
    assert_eq!(found[&format!("{MODULES}/{INFO}/INSTALLER")].1.as_deref(), Some("containerize\n"));
}

#[test]
fn the_true_origin_is_written_and_recorded() {
    let bytes = wheel(vec![]);
    let source = Source::Url { url: "https://h/demo.whl".into(), subdirectory: None };
    let origin = DirectUrl::of(&source, &[]).expect("an origin");
    let wheel = open(&bytes).expect("a wheel");
    let entries = install(&wheel, &venv(), Some(&origin), Vouched::ByArchive).expect("entries");
    let found = by_path(&entries);
    let text = r#"{"archive_info":{},"url":"https://h/demo.whl"}"#;
    assert_eq!(found[&format!("{MODULES}/{INFO}/direct_url.json")].1.as_deref(), Some(text));
    let record = found[&format!("{MODULES}/{INFO}/RECORD")].1.as_deref().expect("bytes");
    assert!(record.contains(&row(&format!("{INFO}/direct_url.json"), text.as_bytes())));
}

#[test]
fn a_script_for_an_entry_point_gives_way_to_the_generated_one() {
    let bytes = wheel(vec![
        part("demo-1.0.data/scripts/demo", "#!python\nold\n"),
        part(&format!("{INFO}/entry_points.txt"), "[gui_scripts]\ndemo = demo.cli:App.run\n"),
    ]);
    let found = by_path(&installed(&bytes).expect("entries"));
    let program = found["app/.venv/bin/demo"].1.as_deref().expect("bytes");
    assert!(
        program.starts_with("#!/app/.venv/bin/python\n") && program.contains("from demo.cli import App\n")
    );
}

#[test]
fn record_vouches_for_each_file_where_that_is_asked_for() {
    let wheel = open(&wheel(vec![])).expect("a wheel");
    let digests = |vouched| -> Vec<Option<Digest>> {
        let entries = install(&wheel, &venv(), None, vouched).expect("entries");
        let zipped = entries.iter().filter_map(|entry| match &entry.kind {
            EntryKind::File(Content::Zipped(zipped)) => Some(zipped.digest),
            _ => None,
        });
        zipped.collect()
    };
    assert_eq!(digests(Vouched::ByArchive), [None; 3]);
    let vouched = digests(Vouched::ByRecord);
    assert!(vouched.contains(&Some(Digest::of(b"print('demo')\n"))) && !vouched.contains(&None));
}

#[test]
fn contents_are_found_in_the_archive() {
    let bytes = wheel(vec![part("demo/x.py", "needle")]);
    let (_folder, path) = on_disk(&bytes);
    let wheel = Wheel::open(&path, FILENAME, Digest::of(&bytes)).expect("a wheel");
    let entries = install(&wheel, &venv(), None, Vouched::ByArchive).expect("entries");
    let entry = entries.iter().find(|entry| entry.path.ends_with("/x.py")).expect("the file");
    let EntryKind::File(Content::Zipped(zipped)) = &entry.kind else { panic!("{entry:?}") };
    let start = zipped.offset as usize;
    assert_eq!(&bytes[start..start + zipped.compressed as usize], b"needle");
    assert_eq!((zipped.archive_digest, zipped.size, &zipped.archive), (Digest::of(&bytes), 6, &path));
}

#[test]
fn entries_depend_on_wheel_and_environment_alone() {
    let bytes = wheel(vec![part("demo/x.py", "x"), part("demo-1.0.data/scripts/s", "#!python\n")]);
    assert_eq!(open(&bytes).expect("a wheel").files, open(&bytes).expect("a wheel").files);
    let wheel = open(&bytes).expect("a wheel");
    // The archive is gone by now: nothing is read.
    assert!(!wheel.archive.exists());
    let place = |venv: &Venv| install(&wheel, venv, None, Vouched::ByArchive).expect("entries");
    assert_eq!(place(&venv()), place(&venv()));
    let other = Venv { owner: Owner { uid: 7, gid: 8 }, ..venv() };
    assert!(place(&other).iter().all(|entry| (entry.owner.uid, entry.owner.gid) == (7, 8)));
    let other = Venv { python: "3.12.1".parse().expect("a version"), ..venv() };
    assert!(place(&other).iter().any(|entry| entry.path.ends_with("lib/python3.12/site-packages/demo/x.py")));
}

#[test]
fn facts_of_the_distribution_are_read() {
    let metadata = "Name: Demo\nVersion: 1.0.0\nRequires-Dist: x>1\nRequires-Python: >=3.9\n\nName: no\n";
    let mut parts = super::builder::parts(vec![part(&format!("{INFO}/top_level.txt"), "demo\n")]);
    parts[1].content = metadata.into();
    let bytes = super::builder::archive(&super::builder::with_record(parts), &Default::default());
    let wheel = open(&bytes).expect("a wheel");
    assert_eq!((wheel.name.as_str(), wheel.version.to_string().as_str()), ("demo", "1.0"));
    assert_eq!((wheel.root_is_purelib, wheel.dist_info.as_str()), (true, INFO));
    assert_eq!(wheel.tags, ["py3-none-any"]);
    assert_eq!(wheel.requires_dist, ["x>1"]);
    assert_eq!(wheel.requires_python.as_deref(), Some(">=3.9"));
    assert_eq!(wheel.files.len(), 4);
}

#[test]
fn a_long_first_line_is_refused() {
    let line = format!("#!python {}\n", "x".repeat(110));
    let bytes = wheel(vec![part("demo-1.0.data/scripts/s", line)]);
    let error = installed(&bytes).expect_err("too long");
    assert_eq!(error.kind(), Kind::Usage);
    assert!(error.causes().join(" ").contains("too long for the first line"));
}
