//! What a program needs from the system that it runs on, read from its ELF headers.
//!
//! A static program has no interpreter (`PT_INTERP`) and needs no library (`DT_NEEDED`); the
//! position-independent kind still has a dynamic section, for its own relocations.

use std::fs::File;
use std::path::Path;

use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader};
use object::read::{ReadCache, ReadRef, StringTable};
use object::{Endianness, FileKind};

use crate::error::{Context, Error, Result};
use crate::oci::Platform;

/// What a program's ELF headers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linkage {
    /// The machine in GOARCH words, such as `arm64`.
    pub architecture: String,
    /// The dynamic linker that starts it.
    pub interpreter: Option<String>,
    /// The shared libraries that it names.
    pub needed: Vec<String>,
    /// Whether it needs nothing but the kernel.
    pub is_static: bool,
    /// Whether it holds neither a symbol table nor debug information.
    pub stripped: bool,
}

/// Reads the headers of the program `path`, and no more of it.
///
/// # Errors
/// When it cannot be read or is no ELF file.
pub fn examine(path: &Path) -> Result<Linkage> {
    let what = || format!("cannot examine {}", path.display());
    let file = ReadCache::new(File::open(path).context(what)?);
    let linkage = match FileKind::parse(&file) {
        Ok(FileKind::Elf64) => read::<FileHeader64<Endianness>, _>(&file),
        Ok(FileKind::Elf32) => read::<FileHeader32<Endianness>, _>(&file),
        _ => return Err(Error::build(what()).because("it is not a Linux program (ELF file)")),
    };
    linkage.context(what)
}

fn read<'data, Elf, R>(data: R) -> object::read::Result<Linkage>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = Elf::parse(data)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, data)?;
    let mut interpreter = None;
    let mut needed = Vec::new();
    for segment in segments {
        if let Some(bytes) = segment.interpreter(endian, data)? {
            interpreter = Some(text(bytes));
        }
        if let Some(entries) = segment.dynamic(endian, data)? {
            needed.extend(libraries::<Elf, R>(endian, data, segments, entries)?);
        }
    }
    let sections = header.sections(endian, data)?;
    let symbols = sections.iter().any(|section| section.sh_type(endian) == elf::SHT_SYMTAB);
    let debug = sections.section_by_name(endian, b".debug_info").is_some();
    Ok(Linkage {
        architecture: architecture(header, endian),
        is_static: interpreter.is_none() && needed.is_empty(),
        interpreter,
        needed,
        stripped: !symbols && !debug,
    })
}

/// The names behind `DT_NEEDED`. The string table is found by its address, so that programs
/// without section headers are understood too.
fn libraries<'data, Elf, R>(
    endian: Endianness,
    data: R,
    segments: &[Elf::ProgramHeader],
    entries: &[Elf::Dyn],
) -> object::read::Result<Vec<String>>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let entries: Vec<(elf::DynamicTag, u64)> = entries
        .iter()
        .map(|entry| (entry.d_tag(endian), entry.d_val(endian).into()))
        .take_while(|(tag, _)| *tag != elf::DT_NULL)
        .collect();
    let value = |wanted| entries.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);
    let table = value(elf::DT_STRTAB).zip(value(elf::DT_STRSZ)).and_then(|(address, size)| {
        let segment = segments.iter().find(|segment| {
            let start: u64 = segment.p_vaddr(endian).into();
            let length: u64 = segment.p_filesz(endian).into();
            segment.p_type(endian) == elf::PT_LOAD && address.checked_sub(start).is_some_and(|at| at < length)
        })?;
        let start: u64 = segment.p_vaddr(endian).into();
        let offset = segment.file_range(endian).0.checked_add(address - start)?;
        Some(StringTable::new(data, offset, offset.checked_add(size)?))
    });
    let Some(table) = table else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for (_, offset) in entries.iter().filter(|(tag, _)| *tag == elf::DT_NEEDED) {
        let name = u32::try_from(*offset).ok().and_then(|offset| table.get(offset).ok());
        names.push(name.map_or_else(|| "(unreadable name)".to_owned(), text));
    }
    Ok(names)
}

fn architecture<Elf: FileHeader<Endian = Endianness>>(header: &Elf, endian: Endianness) -> String {
    let little = header.is_little_endian();
    let name = match header.e_machine(endian) {
        elf::EM_X86_64 => "amd64",
        elf::EM_AARCH64 if little => "arm64",
        elf::EM_386 => "386",
        elf::EM_ARM if little => "arm",
        elf::EM_RISCV if header.is_class_64() => "riscv64",
        elf::EM_PPC64 if little => "ppc64le",
        elf::EM_PPC64 => "ppc64",
        elf::EM_S390 => "s390x",
        elf::EM_LOONGARCH => "loong64",
        other => return format!("ELF machine {}", other.0),
    };
    name.to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Linkage {
    /// Checks that the program `name` can run on `platform`, and without any library if it
    /// `must_be_static`.
    ///
    /// # Errors
    /// When it cannot.
    pub fn verify(&self, name: &str, platform: &Platform, must_be_static: bool) -> Result<()> {
        if self.architecture != platform.architecture {
            return Err(Error::build(format!(
                "{name} is built for {}, not for {platform}",
                self.architecture
            ))
            .hint("look for a linker or target set in .cargo/config.toml or in CARGO_ variables"));
        }
        if self.is_static || !must_be_static {
            return Ok(());
        }
        let what = if self.needed.is_empty() {
            format!(
                "{name} is linked dynamically: it needs {}",
                self.interpreter.as_deref().unwrap_or_default()
            )
        } else {
            format!("{name} is linked dynamically: it needs {}", self.needed.join(", "))
        };
        Err(Error::build(format!("{what}, which the base does not have")).hint(self.static_advice()))
    }

    fn static_advice(&self) -> String {
        let system = |name: &&String| {
            let libc = ["libc.", "libm.", "libgcc_s.", "ld-", "libpthread.", "libdl.", "librt."];
            !libc.iter().any(|prefix| name.starts_with(prefix))
        };
        let glibc_base =
            "use a base with glibc: --base gcr.io/distroless/cc-debian13 --target with a -gnu triple";
        let foreign: Vec<&String> = self.needed.iter().filter(system).collect();
        match foreign[..] {
            [] => format!("remove `-C target-feature=-crt-static` from your rustflags, or {glibc_base}"),
            [name, ..] if name.starts_with("libssl") || name.starts_with("libcrypto") => {
                format!("let crate openssl build its own (feature `vendored`), use rustls, or {glibc_base}")
            }
            [name, ..] => format!(
                "link {name} statically (many -sys crates have a feature `vendored`, `bundled` or `static`), or \
                 use a base that has it"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn linkage(architecture: &str, needed: &[&str]) -> Linkage {
        let interpreter = (!needed.is_empty()).then(|| "/lib64/ld-linux-x86-64.so.2".to_owned());
        Linkage {
            architecture: architecture.into(),
            is_static: interpreter.is_none(),
            interpreter,
            needed: needed.iter().map(|&name| name.into()).collect(),
            stripped: true,
        }
    }

    /// A little ELF file of one segment that holds the whole file, with `needed` as its libraries.
    fn elf64(machine: u16, interpreter: Option<&str>, needed: &[&str], dynamic: bool) -> Vec<u8> {
        let mut strings = vec![0u8];
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
        file.extend(
            entries.iter().flat_map(|(tag, value)| [*tag, *value]).flat_map(|v: u64| v.to_le_bytes()),
        );
        file.extend(strings);
        file
    }

    fn examined(bytes: &[u8]) -> Result<Linkage> {
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), bytes).expect("write");
        examine(file.path())
    }

    #[test]
    fn a_dynamic_program_names_its_interpreter_and_libraries() {
        let found =
            examined(&elf64(62, Some("/lib/ld.so"), &["libssl.so.3", "libc.so.6"], true)).expect("linkage");
        assert_eq!(found.architecture, "amd64");
        assert_eq!(found.interpreter.as_deref(), Some("/lib/ld.so"));
        assert_eq!(found.needed, ["libssl.so.3", "libc.so.6"]);
        assert!(!found.is_static && found.stripped);
    }

    #[test]
    fn a_dynamic_section_alone_does_not_make_a_program_dynamic() {
        let pie = examined(&elf64(183, None, &[], true)).expect("linkage");
        assert_eq!((pie.architecture.as_str(), pie.is_static), ("arm64", true));
        assert!(examined(&elf64(62, None, &[], false)).expect("linkage").is_static);
        assert!(!examined(&elf64(62, None, &["libc.so"], true)).expect("linkage").is_static);
    }

    #[test]
    fn what_is_no_program_is_refused_without_panic() {
        let whole = elf64(62, Some("/lib/ld.so"), &["libc.so.6"], true);
        for length in 0..whole.len() {
            let _ = examined(&whole[..length]);
        }
        for garbage in [&b"#!/bin/sh\n"[..], b"", &whole[..100]] {
            assert_eq!(examined(garbage).expect_err("an error").kind(), Kind::Build);
        }
    }

    #[test]
    fn the_wrong_machine_is_refused() {
        let error =
            linkage("amd64", &[]).verify("app", &Platform::linux("arm64"), true).expect_err("an error");
        assert_eq!(error.to_string(), "app is built for amd64, not for linux/arm64");
    }

    #[test]
    fn libraries_that_the_base_lacks_are_named_with_advice() {
        let amd64 = Platform::linux("amd64");
        let advice = |needed: &[&str]| {
            let error = linkage("amd64", needed).verify("app", &amd64, true).expect_err("an error");
            (error.to_string(), error.hint_text().unwrap_or_default().to_owned())
        };
        let (message, hint) = advice(&["libssl.so.3", "libc.so.6"]);
        assert_eq!(
            message,
            "app is linked dynamically: it needs libssl.so.3, libc.so.6, which the base does not have"
        );
        assert!(hint.contains("vendored"), "{hint}");
        assert!(advice(&["libpq.so.5"]).1.contains("libpq.so.5"));
        assert!(advice(&["libc.so"]).1.contains("crt-static"));
        linkage("amd64", &["libc.so.6"]).verify("app", &amd64, false).expect("a base that has it");
    }
}
