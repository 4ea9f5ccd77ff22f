//! Archives that readers could disagree about, or that would hurt.

use std::io::{Seek as _, SeekFrom, Write as _};

use super::builder::{End, FILENAME, Part, archive, part, parts, wheel, with_record};
use super::{all_refused, on_disk, open, refusal, venv};
use crate::error::Kind::{self, Integrity, Usage};
use crate::oci::Digest;
use crate::wheel::{Vouched, Wheel, install};

/// A wheel with one more file, changed after RECORD was made.
fn with(change: impl Fn(&mut Part)) -> Vec<u8> {
    let mut parts = with_record(parts(vec![part("demo/x.py", "x = 1\n".repeat(9))]));
    change(&mut parts[3]);
    archive(&parts, &End::default())
}

fn ending(end: End) -> Vec<u8> {
    archive(&with_record(parts(vec![])), &end)
}

fn named(name: &[u8]) -> Vec<u8> {
    with(|part| name.clone_into(&mut part.name))
}

fn extra(id: u16, data: &[u8]) -> Vec<u8> {
    [&id.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat()
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let long = [b'x'; 256];
    let cases: [(&[u8], Kind, &str); 24] = [
        (b"/etc/passwd", Integrity, "absolute"),
        (b"//etc/passwd", Integrity, "absolute"),
        (b"../x.py", Integrity, "out of its folder"),
        (b"demo/../../x.py", Integrity, "out of its folder"),
        (b"demo/..", Integrity, "out of its folder"),
        (b"..", Integrity, "out of its folder"),
        (b"demo\\x.py", Integrity, "backslash"),
        (b"..\\..\\x.py", Integrity, "backslash"),
        (b"C:/x.py", Integrity, "drive"),
        (b"c:x.py", Integrity, "drive"),
        (b"demo/x\0.py", Integrity, "control characters"),
        (b"demo/x\n.py", Integrity, "control characters"),
        (b"demo/x\x1b[2J.py", Integrity, "control characters"),
        ("demo/\u{85}.py".as_bytes(), Integrity, "not marked as UTF-8"),
        (b"", Integrity, "empty"),
        (b"/", Integrity, "empty"),
        (b".", Integrity, "empty parts"),
        (b"./demo/y.py", Integrity, "empty parts"),
        (b"demo/./y.py", Integrity, "empty parts"),
        (b"demo//y.py", Integrity, "empty parts"),
        (b"demo/\xff.py", Integrity, "UTF-8"),
        (b"demo/\xc3\xa4.py", Integrity, "not marked as UTF-8"),
        (b"demo/.wh.os.py", Usage, "deletion"),
        (&long, Integrity, "too long"),
    ];
    let cases = cases.map(|(name, kind, reason)| ("a name", named(name), kind, reason));
    all_refused(cases.into());
    let marked = with(|part| (part.name, part.flags) = (b"demo/\xff.py".to_vec(), 1 << 11));
    assert!(refusal(&marked).is_some_and(|(_, text)| text.contains("UTF-8")));
}

#[test]
fn files_that_are_there_twice_are_refused() {
    let twice = |name: &[u8]| {
        let mut parts = with_record(parts(vec![]));
        parts.push(Part { name: name.to_vec(), mode: 0, ..part("", "") });
        archive(&parts, &End::default())
    };
    all_refused(vec![
        ("the same name", twice(b"demo/__init__.py"), Integrity, "twice"),
        ("with a slash", twice(b"demo/__init__.py/"), Integrity, "twice"),
        ("with a dot", twice(b"demo/./__init__.py"), Integrity, "empty parts"),
        ("another RECORD", twice(b"demo-1.0.dist-info/RECORD"), Integrity, "twice"),
        (
            "a file as a folder",
            wheel(vec![part("demo/x", "1"), part("demo/x/y", "2")]),
            Integrity,
            "is a file",
        ),
    ]);
}

#[test]
fn links_devices_and_foreign_methods_are_refused() {
    all_refused(vec![
        ("a link", with(|p| p.mode = 0o120_777), Integrity, "a link or a device"),
        (
            "a link made on macOS",
            with(|p| (p.mode, p.made_by) = (0o120_777, Some(19 << 8))),
            Integrity,
            "a link",
        ),
        ("a device", with(|p| p.mode = 0o060_644), Integrity, "a link or a device"),
        ("a pipe", with(|p| p.mode = 0o010_644), Integrity, "a link or a device"),
        ("a folder without slash", with(|p| p.mode = 0o040_755), Integrity, "a link or a device"),
        ("encrypted", with(|p| p.flags = 1), Usage, "encrypted"),
        ("strongly encrypted", with(|p| p.flags = 1 << 6 | 1), Usage, "encrypted"),
        ("masked headers", with(|p| p.flags = 1 << 13), Usage, "encrypted"),
        ("a patch", with(|p| p.flags = 1 << 5), Usage, "patch"),
        ("bzip2", with(|p| p.method = Some(12)), Usage, "method 12"),
        ("lzma", with(|p| p.method = Some(14)), Usage, "method 14"),
        ("zstd", with(|p| p.method = Some(93)), Usage, "method 93"),
        ("deflate64", with(|p| p.method = Some(9)), Usage, "method 9"),
        ("a folder with content", with(|p| (p.name, p.mode) = (b"d/".into(), 0)), Integrity, "cannot have"),
    ]);
}

#[test]
fn headers_that_contradict_the_directory_are_refused() {
    let zip64_twice = [extra(1, &[0; 8]), extra(1, &[0; 8])].concat();
    let path = |name: &[u8]| extra(0x7075, &[b"\x01\0\0\0\0", name].concat());
    let other = |what| move |p: &mut Part| p.extra = path(what);
    all_refused(vec![
        ("name", with(|p| p.local_name = Some(b"demo/y.py".to_vec())), Integrity, "different name"),
        ("flags", with(|p| p.local_flags = Some(1 << 11)), Integrity, "different set of flags"),
        ("method", with(|p| p.local_method = Some(8)), Integrity, "different method"),
        ("CRC", with(|p| p.local_crc = Some(7)), Integrity, "different CRC"),
        ("no CRC", with(|p| p.local_crc = Some(0)), Integrity, "different CRC"),
        ("packed size", with(|p| p.local_compressed = Some(7)), Integrity, "different packed size"),
        ("size", with(|p| p.local_size = Some(7)), Integrity, "a different size"),
        (
            "record behind",
            with(|p| (p.descriptor, p.local_crc) = (Some(16), Some(7))),
            Integrity,
            "different CRC",
        ),
        ("record of odd length", with(|p| p.descriptor = Some(18)), Integrity, "record behind"),
        ("no record", with(|p| p.flags = 1 << 3), Integrity, "record behind"),
        ("64 bits missing", with(|p| p.size = Some(u32::MAX)), Integrity, "announced, but missing"),
        ("64 bits unasked", with(|p| p.extra = extra(1, &[0; 8])), Integrity, "two sizes"),
        ("64 bits twice", with(|p| p.extra.clone_from(&zip64_twice)), Integrity, "twice"),
        (
            "64 bits cut",
            with(|p| (p.size, p.extra) = (Some(u32::MAX), extra(1, &[0; 4]))),
            Integrity,
            "too early",
        ),
        ("cut extra", with(|p| p.extra = b"\x01\0\xff\xff".to_vec()), Integrity, "too early"),
        ("a second name", with(other(b"demo/y.py")), Integrity, "second name"),
        ("another disk", with(|p| p.disk = 1), Usage, "disks"),
    ]);
    assert!(open(&with(other(b"demo/x.py"))).is_ok(), "the same name again says nothing new");
}

#[test]
fn gaps_overlaps_and_impossible_sizes_are_refused() {
    let bomb = with(|p| (p.deflated, p.size, p.local_size) = (true, Some(1 << 31), Some(1 << 31)));
    let mut many = parts(vec![]);
    for i in 0..20 {
        let big = vec![0; 1 << 20];
        // A megabyte that says it is a gigabyte.
        let lie = Part { deflated: true, size: Some(1 << 30), ..part(&format!("demo/{i}"), &big) };
        many.push(Part { compressed: Some(1 << 30), ..lie });
    }
    all_refused(vec![
        (
            "two names for the same data",
            with(|p| (p.only_central, p.header) = (true, Some(0))),
            Integrity,
            "overlaps",
        ),
        (
            "data that reach into the next file",
            with(|p| {
                (p.compressed, p.size) = (Some(60), Some(60));
            }),
            Integrity,
            "overlaps",
        ),
        (
            "data that reach to the moon",
            with(|p| {
                (p.compressed, p.size) = (Some(1 << 30), Some(1 << 30));
            }),
            Integrity,
            "overlaps",
        ),
        ("a hidden file", with(|p| p.only_local = true), Integrity, "belong to no file"),
        ("a hole", with(|p| p.before = vec![0; 7]), Integrity, "7 bytes before demo/x.py"),
        ("no header where one should be", with(|p| p.only_central = true), Integrity, "different name"),
        (
            "bytes before the archive",
            [b"#!/bin/sh\n".to_vec(), wheel(vec![])].concat(),
            Integrity,
            "does not end where it should",
        ),
        ("more than DEFLATE can", bomb, Integrity, "cannot have 2147483648 bytes"),
        ("stored, but grown", with(|p| p.size = Some(1000)), Integrity, "cannot have 1000 bytes"),
        ("more than a disk holds", archive(&many, &End::default()), Usage, "would unpack to"),
    ]);
}

#[test]
fn ends_that_lie_are_refused() {
    let inner = wheel(vec![]);
    let wide = |lies| ending(End { wide: Some(lies), ..End::default() });
    let masked = End { offset: Some(u32::MAX), ..End::default() };
    all_refused(vec![
        ("empty", vec![], Integrity, "not a zip archive"),
        ("no archive", b"<html>404</html>".to_vec(), Integrity, "not a zip archive"),
        ("too few entries", ending(End { entries: Some(3), ..End::default() }), Integrity, "claims 3"),
        ("too many entries", ending(End { entries: Some(5), ..End::default() }), Integrity, "claims 5"),
        ("no entries", archive(&[], &End::default()), Integrity, "no .dist-info"),
        (
            "a size too small",
            ending(End { size: Some(46), ..End::default() }),
            Integrity,
            "does not end where it should",
        ),
        (
            "a huge size",
            ending(End { size: Some(u32::MAX), ..End::default() }),
            Integrity,
            "does not end where it should",
        ),
        (
            "another offset",
            ending(End { offset: Some(0), ..End::default() }),
            Integrity,
            "does not end where it should",
        ),
        ("64 bits announced", ending(masked), Integrity, "does not end where it should"),
        ("several disks", ending(End { disk: 1, ..End::default() }), Usage, "disks"),
        ("bytes behind", ending(End { after: b"x".to_vec(), ..End::default() }), Integrity, "does not end"),
        (
            "another archive behind",
            [wheel(vec![]), inner.clone()].concat(),
            Integrity,
            "does not end where it should",
        ),
        (
            "another archive as comment",
            ending(End { comment: inner, ..End::default() }),
            Integrity,
            "does not end where it should",
        ),
        (
            "an end in the comment",
            ending(End { comment: b"PK\x05\x06".to_vec(), ..End::default() }),
            Integrity,
            "its end",
        ),
        ("64-bit entries", wide([1, 0, 0, 0]), Integrity, "contradict"),
        ("64-bit size", wide([0, 1, 0, 0]), Integrity, "contradict"),
        ("64-bit offset", wide([0, 0, 1, 0]), Integrity, "contradict"),
        ("64-bit place", wide([0, 0, 0, 1]), Integrity, "not where it says"),
        ("64-bit place at the end of numbers", wide([0, 0, 0, u64::MAX - 9]), Integrity, "not where it says"),
        (
            "a directory of nothing",
            {
                let lies = [1 << 40, 0, 0, 0];
                ending(End { wide: Some(lies), entries: Some(u16::MAX), ..End::default() })
            },
            Usage,
            "the limits",
        ),
    ]);
}

#[test]
fn all_sound_forms_of_archives_are_taken() {
    let zip64 = |fields: [u64; 2]| extra(1, &fields.map(u64::to_le_bytes).concat());
    let wide_end = End {
        wide: Some([0; 4]),
        entries: Some(u16::MAX),
        size: Some(u32::MAX),
        offset: Some(u32::MAX),
        ..End::default()
    };
    for (form, bytes) in [
        ("a comment", ending(End { comment: b"made by hand".to_vec(), ..End::default() })),
        ("64-bit end", ending(wide_end)),
        ("64-bit end that is not needed", ending(End { wide: Some([0; 4]), ..End::default() })),
        ("deflated", with(|p| p.deflated = true)),
        ("folders", with(|p| (p.name, p.content, p.mode) = (b"d/".to_vec(), vec![], 0o040_755))),
        ("12 bytes behind", with(|p| (p.deflated, p.descriptor) = (true, Some(12)))),
        ("16 bytes behind", with(|p| (p.deflated, p.descriptor) = (true, Some(16)))),
        ("20 bytes behind", with(|p| (p.deflated, p.descriptor) = (true, Some(20)))),
        ("24 bytes behind", with(|p| p.descriptor = Some(24))),
        (
            "64-bit local sizes",
            with(|p| {
                (p.local_size, p.local_compressed) = (Some(u32::MAX), Some(u32::MAX));
                p.local_extra = zip64([54, 54]);
            }),
        ),
        (
            "64-bit sizes",
            with(|p| {
                (p.size, p.compressed) = (Some(u32::MAX), Some(u32::MAX));
                (p.extra, p.local_extra) = (zip64([54, 54]), zip64([54, 54]));
            }),
        ),
        ("other extra fields", with(|p| p.extra = [extra(0x5455, b"times"), vec![0; 3]].concat())),
        ("made on Windows", with(|p| (p.made_by, p.mode) = (Some(20), 0o120_777))),
    ] {
        let refused = open(&bytes).err().filter(|_| form != "folders").map(|e| e.causes().join(" / "));
        assert_eq!(refused, None, "{form}");
    }
}

#[test]
fn a_cut_archive_is_refused_wherever_it_is_cut() {
    let whole = wheel(vec![part("demo/x.py", "x")]);
    let (_folder, path) = on_disk(&whole);
    let file = std::fs::File::options().write(true).open(&path).expect("the file");
    for length in (0..whole.len()).rev() {
        file.set_len(length as u64).expect("cut");
        let error = Wheel::open(&path, FILENAME, Digest::of(&whole)).expect_err("cut");
        assert_eq!(error.kind(), Integrity, "{length} bytes: {error:?}");
    }
}

#[test]
fn no_changed_byte_makes_a_panic_or_another_place() {
    let whole =
        wheel(vec![Part { deflated: true, descriptor: Some(16), ..part("demo/x.py", "x".repeat(99)) }]);
    let (_folder, path) = on_disk(&whole);
    let mut file = std::fs::File::options().write(true).open(&path).expect("the file");
    let mut put = |byte: u8, at: usize| {
        file.seek(SeekFrom::Start(at as u64)).expect("the place");
        file.write_all(&[byte]).expect("written");
    };
    for (at, byte) in whole.iter().enumerate() {
        let changed = byte ^ [0x01, 0x80, 0xff][at % 3];
        put(changed, at);
        if let Ok(wheel) = Wheel::open(&path, FILENAME, Digest::of(&whole)) {
            let entries = install(&wheel, &venv(), None, Vouched::ByArchive).unwrap_or_default();
            assert!(entries.iter().all(|entry| entry.path.starts_with("app/.venv/")), "byte {at}");
        }
        put(*byte, at);
    }
    assert!(Wheel::open(&path, FILENAME, Digest::of(&whole)).is_ok());
}
