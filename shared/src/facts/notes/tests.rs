use super::*;

/// The least that is a program for `linux/amd64`.
pub(in crate::facts) fn program(loader: Option<&str>, content: &[u8]) -> Vec<u8> {
    containerize_tests::python::elf(62, loader, content)
}

fn read(path: &str, content: &[u8]) -> Option<Note> {
    Subject::of(path).expect(path).read(content).expect("memory")
}

fn package(name: &str, version: &str, architecture: &str) -> Package {
    let [name, version, architecture] = [name, version, architecture].map(str::to_owned);
    Package { name, version, architecture }
}

#[test]
fn only_a_few_files_are_worth_reading() {
    for (path, subject) in [
        ("var/lib/dpkg/status", Subject::Dpkg),
        ("var/lib/dpkg/status.d/libc6", Subject::Dpkg),
        ("usr/lib/apk/db/installed", Subject::Apk),
        ("etc/os-release", Subject::Text),
        ("etc/apt/sources.list.d/debian.sources", Subject::Text),
        ("etc/ld.so.cache", Subject::LoaderCache),
        ("usr/lib64/libc.so.6", Subject::Glibc),
        ("lib/x86_64-linux-gnu/libc-2.31.so", Subject::Glibc),
        ("lib/ld-musl-aarch64.so.1", Subject::Musl),
        ("usr/local/bin/python3.13", Subject::Python(13)),
        ("opt/conda/bin/python3.9", Subject::Python(9)),
        ("usr/local/lib/libpython3.13.so.1.0", Subject::PythonLibrary(13)),
    ] {
        assert_eq!(Subject::of(path), Some(subject), "{path}");
    }
    for path in [
        "var/lib/dpkg/status.d/libc6.md5sums",
        "var/lib/dpkg/status-old",
        "srv/etc/os-release",
        "usr/bin/python3",
        "usr/bin/python3.13t",
        "usr/bin/python3.13-config",
        "usr/bin/python3.999",
        "usr/share/binfmts/python3.11",
        "usr/lib/libpython3.so",
        "usr/lib/libpython3.13.so",
    ] {
        assert_eq!(Subject::of(path), None, "{path}");
    }
}

#[test]
fn debian_packages_are_listed_when_they_are_installed() {
    let status = b"Package: libc6\nStatus: install ok installed\nPriority: optional\nArchitecture: amd64\n\
        Source: glibc\nVersion: 2.36-9+deb12u10\nDescription: GNU C Library\n Version: no field\n\n\
        Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n\n\
        Package: broken\nStatus: install ok installed\n\n\
        Package: tzdata\nStatus: install ok installed\nArchitecture: all\nVersion: 2025b-0+deb12u1";
    let expected =
        vec![package("libc6", "2.36-9+deb12u10", "amd64"), package("tzdata", "2025b-0+deb12u1", "all")];
    let text = format!("{}\n", String::from_utf8_lossy(status));
    assert_eq!(read("var/lib/dpkg/status", status), Some(Note::Dpkg { packages: expected, text }));
    let single = b"Package: libc6\nVersion: 2.36\nArchitecture: arm64\n";
    let expected = vec![package("libc6", "2.36", "arm64")];
    let text = String::from_utf8_lossy(single).into_owned();
    assert_eq!(read("var/lib/dpkg/status.d/libc6", single), Some(Note::Dpkg { packages: expected, text }));
}

#[test]
fn alpine_packages_are_listed() {
    let installed = b"C:Q1abc=\nP:musl\nV:1.2.5-r9\nA:x86_64\nF:lib\nR:ld-musl-x86_64.so.1\n\n\
        P:python3\nV:3.12.11-r0\nA:x86_64\n\n";
    let expected = vec![package("musl", "1.2.5-r9", "x86_64"), package("python3", "3.12.11-r0", "x86_64")];
    assert_eq!(read("lib/apk/db/installed", installed), Some(Note::Packages(expected)));
}

#[test]
fn a_program_names_its_loader_and_perhaps_its_version() {
    let path = "usr/bin/python3.11";
    let loader = Some("/lib64/ld-linux-x86-64.so.2".to_owned());
    let whole = program(loader.as_deref(), &[&vec![b'x'; 300_000][..], b"\x003.11.2\0"].concat());
    assert_eq!(read(path, &whole), Some(Note::Python { loader: loader.clone(), version: Some((3, 11, 2)) }));
    let small = program(loader.as_deref(), b"no version");
    assert_eq!(read(path, &small), Some(Note::Python { loader, version: None }));
    let fixed = program(None, b"\x003.11.2\0");
    assert_eq!(read(path, &fixed), Some(Note::Python { loader: None, version: Some((3, 11, 2)) }));
    for other in [&b""[..], b"#!/bin/sh\nexec python3.12", b"\x7fELF", &whole[..40]] {
        assert_eq!(read(path, other), None);
    }
}

#[test]
fn a_text_is_kept_up_to_a_limit() {
    let long = vec![b'x'; 1 << 20];
    let Some(Note::Text(text)) = read("etc/os-release", &long) else { panic!("no text") };
    assert_eq!(text.len() as u64, MAX_TEXT);
}
