use std::io::Cursor;

use super::*;

/// A little ELF file of one segment that holds the whole file, with `needed` as its libraries.
pub(crate) fn elf64(machine: u16, interpreter: Option<&str>, needed: &[&str], dynamic: bool) -> Vec<u8> {
    elf64_with(machine, interpreter, needed, dynamic, &[0])
}

/// As [`elf64`], with `strings` in front of the names.
fn elf64_with(
    machine: u16,
    interpreter: Option<&str>,
    needed: &[&str],
    dynamic: bool,
    strings: &[u8],
) -> Vec<u8> {
    let mut strings = strings.to_vec();
    let mut entries: Vec<(u64, u64)> = Vec::new();
    for name in needed {
        entries.push((1, strings.len() as u64));
        strings.extend(name.bytes().chain([0]));
    }
    let headers = 64 + 56 * 3;
    let interp: Vec<u8> = interpreter.map(|name| name.bytes().chain([0]).collect()).unwrap_or_default();
    let dynamic_at = headers + interp.len().next_multiple_of(8);
    let strings_at = (dynamic_at + (entries.len() + 3) * 16) as u64;
    entries.extend([(5, 0x1000 + strings_at), (10, strings.len() as u64), (0, 0)]);
    let length = strings_at + strings.len() as u64;

    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([3u16, machine].iter().flat_map(|v| v.to_le_bytes()));
    file.extend(1u32.to_le_bytes());
    file.extend([0u64, 64, 0].iter().flat_map(|v| v.to_le_bytes()));
    file.extend(0u32.to_le_bytes());
    file.extend([64u16, 56, 3, 64, 0, 0].iter().flat_map(|v| v.to_le_bytes()));
    let mut segment = |kind: u32, at: u64, size: u64| {
        file.extend([kind, 4].iter().flat_map(|v| v.to_le_bytes()));
        file.extend([at, 0x1000 + at, 0, size, size, 8].iter().flat_map(|v| v.to_le_bytes()));
    };
    segment(1, 0, length);
    segment(if interpreter.is_some() { 3 } else { 0 }, headers as u64, interp.len() as u64);
    segment(if dynamic { 2 } else { 0 }, dynamic_at as u64, (entries.len() * 16) as u64);
    file.extend(interp);
    file.resize(dynamic_at, 0);
    file.extend(entries.iter().flat_map(|(tag, value)| [*tag, *value]).flat_map(|v: u64| v.to_le_bytes()));
    file.extend(strings);
    file
}

#[test]
fn what_the_loader_reads_is_found() {
    let found =
        read(Cursor::new(elf64(183, Some("/lib/ld.so"), &["liba.so", "libc.so.6"], true))).expect("facts");
    assert_eq!(found.machine, "arm64");
    assert_eq!(found.needed, ["liba.so", "libc.so.6"]);
    assert_eq!((found.interpreter.as_deref(), found.soname), (Some("/lib/ld.so"), None));
}

#[test]
fn names_behind_those_of_many_symbols_are_read() {
    for before in [MOST - 3, MOST, 2 * MOST] {
        let symbols = vec![b's'; usize::try_from(before).expect("fits")];
        let names = ["liba.so", "libc.so.6"];
        let found = read(Cursor::new(elf64_with(62, None, &names, true, &symbols))).expect("facts");
        assert_eq!(found.needed, names, "{before}");
    }
}

#[test]
fn many_entries_of_one_long_name_stay_small() {
    let count = 2000;
    let mut long = vec![b'x'; 60_000];
    long.push(0);
    let mut file = elf64_with(62, None, &vec!["a"; count], true, &long);
    let entries = 64 + 56 * 3;
    for entry in 0..count {
        let value = entries + entry * 16 + 8;
        file[value..value + 8].fill(0);
    }
    let needed = read(Cursor::new(file)).expect("facts").needed;
    assert_eq!((needed.len(), needed[0].len()), (count, 60_000));
    let bytes: usize = needed.iter().map(String::len).sum();
    assert!(bytes < MOST_NAMES + 100 * count, "{bytes}");
}

#[test]
fn a_file_cut_anywhere_is_read_or_refused_without_panic() {
    let whole = elf64(62, Some("/lib/ld.so"), &["libc.so.6"], true);
    for length in 0..whole.len() {
        let _ = read(Cursor::new(&whole[..length]));
    }
    for at in 0..whole.len() {
        for value in [0, 0x7f, 0xff] {
            let mut broken = whole.clone();
            broken[at] = value;
            let _ = read(Cursor::new(broken));
        }
    }
    assert_eq!(read(Cursor::new(b"#!/bin/sh")), None);
}

/// The host's C library is the richest source of versions that there is.
#[test]
fn versions_of_a_real_library_are_found() {
    let files = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6", "/lib64/libm.so.6"];
    let Some(file) = files.iter().find_map(|path| std::fs::File::open(path).ok()) else { return };
    let found = read(file).expect("facts");
    assert_eq!(found.soname.as_deref(), Some("libm.so.6"));
    assert!(found.has.iter().any(|version| version == "GLIBC_2.29"), "{:?}", found.has);
    assert!(!found.has.iter().any(|version| version == "libm.so.6"), "its own name is no version");
    let (library, versions) = &found.wants[0];
    assert!(library.starts_with("libc.so") || library.starts_with("ld-linux"), "{library}");
    assert!(versions.iter().any(|version| version.starts_with("GLIBC_")), "{versions:?}");
}

/// A chain of structures by hand: two versions wanted of one library, the second one weak.
#[test]
fn wanted_and_defined_versions_are_read_from_their_chains() {
    let strings = b"\0libx.so\0X_1\0X_2\0";
    let string = |offset: u64| {
        let rest = strings.get(usize::try_from(offset).ok()?..)?;
        rest.split(|byte| *byte == 0).next().map(text)
    };
    let reader = versions::Versions { endian: Endianness::Little, string: &string };
    let shorts = |values: &[u16]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    let longs = |values: &[u32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    let wanted = [
        shorts(&[1, 2]),
        longs(&[1, 16, 0]),
        longs(&[7]),
        shorts(&[0, 2]),
        longs(&[9, 16]),
        longs(&[7]),
        shorts(&[2, 3]),
        longs(&[13, 0]),
    ]
    .concat();
    assert_eq!(reader.wanted(&wanted), [("libx.so".to_owned(), vec!["X_1".to_owned()])]);
    let defined =
        [shorts(&[1, 1, 1, 1]), longs(&[0, 20, 28, 1, 0]), shorts(&[1, 0, 2, 1]), longs(&[0, 20, 0, 13, 0])]
            .concat();
    assert_eq!(reader.defined(&defined), ["X_2"]);
    let mut endless = defined.clone();
    endless[16..20].copy_from_slice(&0_u32.to_le_bytes());
    assert_eq!(reader.defined(&endless), Vec::<String>::new());
}
