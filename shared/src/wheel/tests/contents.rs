//! Sound archives whose contents are no wheel, or more than one.

use super::all_refused;
use super::builder::{End, INFO, Part, archive, part, parts, record_of, row, wheel, with_record};
use crate::error::Kind::{Integrity, Usage};

fn without(name: &str) -> Vec<u8> {
    let mut parts = with_record(parts(vec![]));
    parts.retain(|part| !part.name.ends_with(name.as_bytes()));
    archive(&parts, &End::default())
}

/// The usual wheel with another file of this name.
fn with(name: &str, content: &str) -> Vec<u8> {
    let mut parts = parts(vec![]);
    let path = format!("{INFO}/{name}");
    parts.retain(|part| part.name != path.as_bytes());
    parts.push(part(&path, content));
    archive(&with_record(parts), &End::default())
}

/// The usual wheel whose RECORD was changed.
fn recorded(change: impl Fn(String) -> String) -> Vec<u8> {
    let mut parts = parts(vec![]);
    let record = change(record_of(&parts));
    parts.push(part(&format!("{INFO}/RECORD"), record));
    archive(&parts, &End::default())
}

fn command(line: &str) -> Vec<u8> {
    with("entry_points.txt", &format!("[console_scripts]\n{line}\n"))
}

#[test]
fn incomplete_or_foreign_metadata_are_refused() {
    let renamed = |info: &str| {
        let mut parts = parts(vec![]);
        for part in &mut parts {
            let name = String::from_utf8_lossy(&part.name).replace(INFO, info);
            part.name = name.into_bytes();
        }
        let record = record_of(&parts).replace(&format!("{INFO}/RECORD"), &format!("{info}/RECORD"));
        parts.push(part(&format!("{info}/RECORD"), record));
        archive(&parts, &End::default())
    };
    let wheel_file =
        |version: &str| with("WHEEL", &format!("Wheel-Version: {version}\nRoot-Is-Purelib: true\n"));
    all_refused(vec![
        ("no WHEEL", without("/WHEEL"), Integrity, "RECORD lists"),
        ("no METADATA", without("/METADATA"), Integrity, "RECORD lists"),
        ("no RECORD", without("/RECORD"), Integrity, "it has no RECORD"),
        ("two folders", wheel(vec![part("other-1.0.dist-info/METADATA", "x")]), Integrity, "two folders"),
        ("two spellings", wheel(vec![part("Demo-1.0.dist-info/METADATA", "x")]), Integrity, "two folders"),
        ("another name", renamed("other-1.0.dist-info"), Integrity, "its file name says demo 1.0"),
        ("another version", renamed("demo-2.0.dist-info"), Integrity, "its file name says demo 1.0"),
        ("another name within", with("METADATA", "Name: other\nVersion: 1.0\n"), Integrity, "not about demo"),
        ("another version within", with("METADATA", "Name: demo\nVersion: 2\n"), Integrity, "not about 1.0"),
        ("a future format", wheel_file("2.0"), Usage, "only 1 is supported"),
        ("no format", with("WHEEL", "Root-Is-Purelib: true\n"), Integrity, "no Wheel-Version"),
    ]);
}

#[test]
fn records_that_do_not_fit_are_refused() {
    let md5 = "demo/__init__.py,md5=XrY7u-Abt1c7dBzsSMpJwQ,14\n";
    let sha1 = "demo/__init__.py,sha1=2jmj7l5rSw0yVb_vlWAYkK_YBwk,14\n";
    let own = row("demo/__init__.py", b"print('demo')\n");
    let instead = |other: &str| recorded(|record| record.replace(&own, other));
    all_refused(vec![
        ("a missing row", instead(""), Integrity, "does not list demo/__init__.py"),
        (
            "one row too many",
            recorded(|r| r + &row("demo/y.py", b"")),
            Integrity,
            "\"demo/y.py\", which is not in",
        ),
        ("an absolute row", recorded(|r| r + &row("/etc/passwd", b"")), Integrity, "not in the wheel"),
        ("a row that leads out", recorded(|r| r + &row("../x", b"")), Integrity, "not in the wheel"),
        (
            "a row with a dot",
            recorded(|r| r + &row("./demo/__init__.py", b"")),
            Integrity,
            "not in the wheel",
        ),
        ("no hash", instead("demo/__init__.py,,14\n"), Integrity, "no hash for demo/__init__.py"),
        ("md5", instead(md5), Integrity, "md5 only"),
        ("sha1", instead(sha1), Integrity, "sha1 only"),
        ("a different size", instead(&own.replace(",14", ",15")), Integrity, "a different size than RECORD"),
        ("two rows", recorded(|r| r + &own.replace(",14", ",15")), Integrity, "two different rows"),
        ("no table", recorded(|_| "\0\0\0".into()), Integrity, "columns"),
        (
            "a METADATA that was changed",
            {
                let mut parts = with_record(parts(vec![]));
                parts[1].content.pop();
                archive(&parts, &End::default())
            },
            Integrity,
            "a different size than RECORD",
        ),
    ]);
}

#[test]
fn contents_that_are_read_must_be_what_headers_and_record_say() {
    let changed = |change: fn(&mut Part)| {
        let mut parts = with_record(parts(vec![]));
        change(&mut parts[2]);
        archive(&parts, &End::default())
    };
    all_refused(vec![
        ("another content", changed(|p| p.content[15] = b'9'), Integrity, "does not match its hash"),
        ("another CRC", changed(|p| p.crc = Some(9)), Integrity, "does not match its CRC"),
        ("no DEFLATE", changed(|p| p.method = Some(8)), Integrity, "cannot be unpacked"),
        (
            "longer than said",
            changed(|p| {
                (p.deflated, p.size) = (true, Some(9));
            }),
            Integrity,
            "a different size",
        ),
    ]);
}

#[test]
fn commands_that_are_other_code_are_refused() {
    all_refused(vec![
        ("a path", command("../../bin/sh = demo:main"), Integrity, "not a plain file name"),
        ("a folder", command("a/b = demo:main"), Integrity, "not a plain file name"),
        ("the folder", command(". = demo:main"), Integrity, "not a plain file name"),
        ("a call", command("a = demo:main() or exit"), Integrity, "no Python object"),
        ("an import", command("a = os, sys:main"), Integrity, "no Python object"),
        ("a comment", command("a = demo:main#"), Integrity, "no Python object"),
        ("the interpreter", command("python = demo:main"), Integrity, "would overwrite a file"),
        ("an interpreter", command("python3.13 = demo:main"), Integrity, "would overwrite a file"),
        ("nothing", command("a"), Integrity, "not an entry point"),
    ]);
}

#[test]
fn data_that_go_to_the_wrong_place_are_refused() {
    let data = |path: &str| wheel(vec![part(&format!("demo-1.0.data/{path}"), "x")]);
    let both = wheel(vec![part("demo/x.py", "x"), part("demo-1.0.data/purelib/demo/x.py", "x")]);
    let libs = wheel(vec![
        part("demo-1.0.data/purelib/x.py", "x"),
        part("demo-1.0.data/data/lib/python3.13/site-packages/x.py", "x"),
    ]);
    let modules = "data/lib/python3.13/site-packages";
    all_refused(vec![
        ("an unknown key", data("bin/x"), Integrity, "an unknown folder of .data"),
        ("no key", data("x"), Integrity, "an unknown folder of .data"),
        ("a key as a file", data("scripts"), Integrity, "where a folder belongs"),
        ("a script in a folder", data("scripts/a/b"), Integrity, "a folder of its own"),
        (
            "data of another",
            wheel(vec![part("other-1.0.data/data/x", "x")]),
            Integrity,
            "is not demo-1.0.data",
        ),
        ("one place twice", both, Integrity, "two files of it go to"),
        ("one place by two ways", libs, Integrity, "two files of it go to"),
        ("the environment's mark", data("data/pyvenv.cfg"), Integrity, "would overwrite a file"),
        ("the interpreter", data("data/bin/python"), Integrity, "would overwrite a file"),
        ("the interpreter as a script", data("scripts/python3"), Integrity, "would overwrite a file"),
        ("the link to lib", data("data/lib64/x"), Integrity, "would overwrite a file"),
        ("a file for a folder", data("data/lib"), Integrity, "which is a file"),
        ("a file for the commands", data("data/bin"), Integrity, "would overwrite a file"),
        (
            "another's metadata",
            data("purelib/other-1.0.dist-info/METADATA"),
            Integrity,
            "another distribution",
        ),
        (
            "another's by a detour",
            data(&format!("{modules}/x.dist-info/RECORD")),
            Integrity,
            "another distribution",
        ),
        ("our RECORD", data(&format!("{modules}/{INFO}/RECORD")), Integrity, "two files of it go to"),
        ("our INSTALLER", data(&format!("purelib/{INFO}/INSTALLER")), Integrity, "two files of it go to"),
    ]);
}
