//! What an ELF file says about the system that it runs on, read from its headers.
//!
//! Only what the loader looks at is read: the program headers and the dynamic section, found by
//! their addresses, so that files without section headers are understood too. What is read is
//! bounded, whatever the file claims.

mod section;
mod versions;

pub use section::{add_section, has_section, section};

use std::cell::Cell;
use std::io::{Read, Seek};

use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::read::{ReadCache, ReadRef};
use object::{Endianness, FileKind};
use serde::{Deserialize, Serialize};

/// Bytes that every ELF file begins with.
pub const MAGIC: [u8; 4] = *b"\x7fELF";

/// Bytes of a dynamic section, or of a string table that are read at once.
const MOST: u64 = 4 << 20;

/// Bytes of one name. Lists of folders are the longest.
const MOST_NAME: usize = 64 << 10;

/// Bytes that are looked at for all names of a file. Entries without number may name the same text.
const MOST_NAMES: usize = 16 << 20;

/// Bytes that reading a name by itself counts as: so many are read at least.
const FAR_NAME: usize = 4 << 10;

/// Program headers; more are counted elsewhere in the file, and no loader takes them.
const MOST_SEGMENTS: u16 = 0xffff;

/// What the loader reads in an ELF file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElfFacts {
    /// The machine in GOARCH words, such as `arm64`.
    pub machine: String,
    /// Whether it is a program or a library; else an object file or a core dump.
    pub runs: bool,
    /// The loader that starts it (`PT_INTERP`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<String>,
    /// The libraries that it names (`DT_NEEDED`), in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needed: Vec<String>,
    /// The name that it has as a library (`DT_SONAME`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soname: Option<String>,
    /// Where it and what it loads is searched (`DT_RPATH`), as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpath: Option<String>,
    /// Where it is searched (`DT_RUNPATH`), as written. It makes `rpath` void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runpath: Option<String>,
    /// The symbol versions that must be in libraries (`DT_VERNEED`): library and versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wants: Vec<(String, Vec<String>)>,
    /// The symbol versions that it has (`DT_VERDEF`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub has: Vec<String>,
}

impl ElfFacts {
    /// Whether it needs nothing but the kernel.
    pub fn is_static(&self) -> bool {
        self.interpreter.is_none() && self.needed.is_empty()
    }

    /// About as many bytes as it takes.
    pub fn size(&self) -> usize {
        let texts = [&self.interpreter, &self.soname, &self.rpath, &self.runpath];
        let all = texts.into_iter().flatten().chain(&self.needed).chain(&self.has);
        let wanted = self.wants.iter().flat_map(|(library, versions)| versions.iter().chain([library]));
        256 + all.chain(wanted).map(|text| 24 + text.len()).sum::<usize>()
    }
}

/// Reads the headers of a file. `None` where it is no ELF file, or a broken one.
pub fn read(file: impl Read + Seek) -> Option<ElfFacts> {
    let file = ReadCache::new(file);
    match FileKind::parse(&file).ok()? {
        FileKind::Elf64 => facts::<FileHeader64<Endianness>, _>(&file),
        FileKind::Elf32 => facts::<FileHeader32<Endianness>, _>(&file),
        _ => None,
    }
}

fn facts<'data, Elf, R>(data: R) -> Option<ElfFacts>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = Elf::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let kind = header.e_type(endian);
    let mut found = ElfFacts {
        machine: machine(header, endian),
        runs: kind == elf::ET_EXEC || kind == elf::ET_DYN,
        ..ElfFacts::default()
    };
    // Object files have none.
    if header.e_phnum(endian) == 0 {
        return Some(found);
    }
    if header.e_phnum(endian) == MOST_SEGMENTS {
        return None;
    }
    let segments = header.program_headers(endian, data).ok()?;
    let mut has_dynamic = false;
    for segment in segments {
        let size: u64 = segment.p_filesz(endian).into();
        if size > MOST {
            continue;
        }
        // As the kernel does, the first counts.
        if found.interpreter.is_none()
            && let Some(bytes) = segment.interpreter(endian, data).ok()?
        {
            found.interpreter = Some(text(bytes.get(..MOST_NAME).unwrap_or(bytes)));
        }
        if !has_dynamic && let Some(entries) = segment.dynamic(endian, data).ok()? {
            has_dynamic = true;
            Dynamic::<Elf, R>::new(endian, data, segments, entries).fill(&mut found);
        }
    }
    Some(found)
}

/// The dynamic section of a file.
struct Dynamic<'a, 'data, Elf: FileHeader, R> {
    endian: Elf::Endian,
    data: R,
    segments: &'a [Elf::ProgramHeader],
    entries: Vec<(elf::DynamicTag, u64)>,
    marker: std::marker::PhantomData<&'data ()>,
}

impl<'a, 'data, Elf, R> Dynamic<'a, 'data, Elf, R>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    fn new(endian: Elf::Endian, data: R, segments: &'a [Elf::ProgramHeader], entries: &[Elf::Dyn]) -> Self {
        let entries = entries.iter().map(|entry| (entry.d_tag(endian), entry.d_val(endian).into()));
        let entries = entries.take_while(|(tag, _)| *tag != elf::DT_NULL).collect();
        Self { endian, data, segments, entries, marker: std::marker::PhantomData }
    }

    fn fill(&self, found: &mut ElfFacts) {
        let table = self.value(elf::DT_STRTAB).zip(self.value(elf::DT_STRSZ));
        let strings = table.and_then(|(at, size)| self.bytes(at, size)).unwrap_or_default();
        // In a large table the names that matter may stand behind those of all its symbols.
        let left = Cell::new(MOST_NAMES);
        let string = |offset: u64| {
            let spend = |bytes: usize| left.set(left.get().saturating_sub(bytes));
            if left.get() == 0 {
                return None;
            }
            if let Some(rest) = usize::try_from(offset).ok().and_then(|offset| strings.get(offset..)) {
                let rest = rest.get(..MOST_NAME).unwrap_or(rest);
                let end = rest.iter().position(|byte| *byte == 0);
                // Each takes some memory, however short it is.
                spend(end.unwrap_or(rest.len()) + 32);
                if let Some(end) = end {
                    return rest.get(..end).map(text);
                }
            }
            spend(FAR_NAME);
            self.far_string(table?, offset)
        };
        let one = |tag| self.value(tag).and_then(string);
        let needed = self.entries.iter().filter(|(tag, _)| *tag == elf::DT_NEEDED);
        found.needed =
            needed.map(|(_, at)| string(*at).unwrap_or_else(|| "(unreadable name)".into())).collect();
        found.soname = one(elf::DT_SONAME);
        found.rpath = one(elf::DT_RPATH);
        found.runpath = one(elf::DT_RUNPATH);
        let reader = versions::Versions { endian: self.endian, string: &string };
        if let Some(bytes) = self.value(elf::DT_VERNEED).and_then(|at| self.bytes(at, u64::MAX)) {
            found.wants = reader.wanted(bytes);
        }
        if let Some(bytes) = self.value(elf::DT_VERDEF).and_then(|at| self.bytes(at, u64::MAX)) {
            found.has = reader.defined(bytes);
        }
    }

    fn value(&self, wanted: elf::DynamicTag) -> Option<u64> {
        self.entries.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value)
    }

    /// The text at `offset` of the table of strings with that address and size, read by itself.
    fn far_string(&self, (table, size): (u64, u64), offset: u64) -> Option<String> {
        let left = size.checked_sub(offset)?.min(MOST_NAME as u64);
        let (at, there) = self.place(table.checked_add(offset)?)?;
        let end = at.checked_add(left.min(there))?;
        self.data.read_bytes_at_until(at..end, 0).ok().map(text)
    }

    /// The bytes that are loaded to an address, up to `size` or the end of the segment.
    fn bytes(&self, address: u64, size: u64) -> Option<&'data [u8]> {
        let (at, there) = self.place(address)?;
        self.data.read_bytes_at(at, size.min(there).min(MOST)).ok()
    }

    /// Where in the file it is what is loaded to an address, and how many bytes of the segment are there.
    fn place(&self, address: u64) -> Option<(u64, u64)> {
        let endian = self.endian;
        let (segment, within) = self.segments.iter().find_map(|segment| {
            let start: u64 = segment.p_vaddr(endian).into();
            let length: u64 = segment.p_filesz(endian).into();
            let within = address.checked_sub(start).filter(|at| *at < length)?;
            (segment.p_type(endian) == elf::PT_LOAD).then_some((segment, within))
        })?;
        let (offset, length) = segment.file_range(endian);
        let at = offset.checked_add(within)?;
        // A segment may end beyond the file; what there is of it is in front.
        let there = self.data.len().ok()?.checked_sub(at)?;
        Some((at, length.checked_sub(within)?.min(there)))
    }
}

fn machine<Elf: FileHeader>(header: &Elf, endian: Elf::Endian) -> String {
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

#[cfg(test)]
pub(crate) mod tests;
