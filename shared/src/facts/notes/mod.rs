//! What the content of a few files in a base says: the packages that it is made of, its C
//! library, its Python. Only this is kept of them, so that a layer is streamed once and never
//! again.

use std::collections::BTreeMap;
use std::io::{self, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use object::elf::{FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind};
use serde::{Deserialize, Serialize};

mod search;

pub(super) use search::lines;

/// Bytes of one file that are looked at. No interpreter is larger.
const MAX_READ: u64 = 64 << 20;

/// Bytes of a text that is kept whole.
const MAX_TEXT: u64 = 64 << 10;

/// Bytes of a database of packages, or of the linker's list, that are kept.
const MAX_DATABASE: usize = 16 << 20;

/// Packages in one database. Distributions have fewer.
const MAX_PACKAGES: usize = 100_000;

/// Bytes of a program that hold its ELF headers and the name of its loader.
const HEAD: u64 = 64 << 10;

/// What a file's content says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note {
    /// A database of packages: those that are installed.
    Packages(Vec<Package>),
    /// A database of dpkg: those that are installed, and its text.
    Dpkg {
        /// What is installed.
        packages: Vec<Package>,
        /// All of it, also what is not installed.
        text: String,
    },
    /// A text, as it is.
    Text(String),
    /// The dynamic linker's list of libraries, in Base64.
    LoaderCache(String),
    /// The GNU C library: major and minor version.
    Glibc(u32, u32),
    /// musl: major and minor version.
    Musl(u32, u32),
    /// An executable of CPython.
    Python {
        /// The dynamic linker that starts it; `None` for a static one.
        loader: Option<String>,
        /// Its version, unless that is in the library.
        version: Option<(u32, u32, u32)>,
    },
    /// The shared library of CPython, of this version.
    PythonLibrary(u32, u32, u32),
}

/// An installed package of the distribution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// Its name, in the words of the distribution: `libc6`, `musl`.
    pub name: String,
    /// Its version, in the words of the distribution: `2.36-9+deb12u10`.
    pub version: String,
    /// Its architecture, in the words of the distribution: `amd64`, `all`.
    pub architecture: String,
}

/// What is to be read from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Dpkg,
    Apk,
    Text,
    LoaderCache,
    Glibc,
    Musl,
    /// Of Python 3.N.
    Python(u32),
    /// Of Python 3.N.
    PythonLibrary(u32),
}

impl Subject {
    /// What the file at `path`, without a leading slash, is worth reading for.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "var/lib/dpkg/status" => return Some(Self::Dpkg),
            "lib/apk/db/installed" | "usr/lib/apk/db/installed" => return Some(Self::Apk),
            "etc/os-release" | "usr/lib/os-release" | "etc/apt/sources.list" => return Some(Self::Text),
            "etc/ld.so.cache" => return Some(Self::LoaderCache),
            _ => {}
        }
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        // Distroless images have a file for each package, and its checksums beside it.
        if parent == "var/lib/dpkg/status.d" && !name.ends_with(".md5sums") {
            return Some(Self::Dpkg);
        }
        if parent == "etc/apt/sources.list.d" && (name.ends_with(".list") || name.ends_with(".sources")) {
            return Some(Self::Text);
        }
        if name == "libc.so.6" || (name.starts_with("libc-2.") && name.ends_with(".so")) {
            return Some(Self::Glibc);
        }
        if name.starts_with("ld-musl-") && name.ends_with(".so.1") {
            return Some(Self::Musl);
        }
        if let Some(rest) = name.strip_prefix("libpython3.") {
            return minor(rest.strip_suffix(".so.1.0")?).map(Self::PythonLibrary);
        }
        let in_bin = parent == "bin" || parent.ends_with("/bin");
        minor(name.strip_prefix("python3.")?).filter(|_| in_bin).map(Self::Python)
    }

    /// Reads the file. `None` where it is not what its name promises.
    ///
    /// # Errors
    /// Those of the reader.
    pub(super) fn read(self, content: impl Read) -> io::Result<Option<Note>> {
        let mut content = content.take(MAX_READ);
        Ok(match self {
            Self::Dpkg => {
                let mut text = String::new();
                let packages = packages(content, DPKG, |line| {
                    if text.len() + line.len() < MAX_DATABASE {
                        text.push_str(line);
                        text.push('\n');
                    }
                })?;
                Some(Note::Dpkg { packages, text })
            }
            Self::Apk => Some(Note::Packages(packages(content, APK, |_| {})?)),
            Self::LoaderCache => {
                let mut bytes = Vec::new();
                content.take(MAX_DATABASE as u64).read_to_end(&mut bytes)?;
                Some(Note::LoaderCache(BASE64.encode(bytes)))
            }
            Self::Text => {
                let mut text = Vec::new();
                content.take(MAX_TEXT).read_to_end(&mut text)?;
                Some(Note::Text(String::from_utf8_lossy(&text).into_owned()))
            }
            Self::Glibc => {
                search::stream(content, search::glibc)?.map(|(major, minor)| Note::Glibc(major, minor))
            }
            Self::Musl => {
                search::stream(content, search::musl)?.map(|(major, minor)| Note::Musl(major, minor))
            }
            Self::Python(minor) => {
                let mut head = Vec::new();
                content.by_ref().take(HEAD).read_to_end(&mut head)?;
                let Some(loader) = loader(&head) else { return Ok(None) };
                let whole = io::Cursor::new(head).chain(content);
                let micro = search::stream(whole, |bytes| search::python(bytes, minor))?;
                Some(Note::Python { loader, version: micro.map(|micro| (3, minor, micro)) })
            }
            Self::PythonLibrary(minor) => search::stream(content, |bytes| search::python(bytes, minor))?
                .map(|micro| Note::PythonLibrary(3, minor, micro)),
        })
    }
}

impl Note {
    /// About as many bytes as it takes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Packages(all) => sizes(all),
            Self::Dpkg { packages, text } => sizes(packages).saturating_add(text.len()),
            Self::Text(text) | Self::LoaderCache(text) => text.len(),
            Self::Python { loader, .. } => loader.as_ref().map_or(0, String::len),
            Self::Glibc(..) | Self::Musl(..) | Self::PythonLibrary(..) => 0,
        }
    }
}

fn sizes(packages: &[Package]) -> usize {
    packages.iter().map(|p| 72 + p.name.len() + p.version.len() + p.architecture.len()).sum()
}

/// The minor version at the end of a name; none has three digits.
fn minor(digits: &str) -> Option<u32> {
    (matches!(digits.len(), 1 | 2) && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())?
}

/// The beginnings of a database's lines: name, version, architecture, and the state, where there
/// is one.
type Fields = [&'static str; 4];
const DPKG: Fields = ["Package:", "Version:", "Architecture:", "Status:"];
const APK: Fields = ["P:", "V:", "A:", "\0"];

/// The packages of a database; `each` is called with every line.
fn packages(content: impl Read, fields: Fields, mut each: impl FnMut(&str)) -> io::Result<Vec<Package>> {
    let mut packages = Vec::new();
    let mut stanza = BTreeMap::new();
    search::lines(content, |line| {
        each(line);
        if line.is_empty() {
            packages.extend(package(&mut stanza).filter(|_| packages.len() < MAX_PACKAGES));
        }
        let found = fields.into_iter().find_map(|field| Some((field, line.strip_prefix(field)?)));
        stanza.extend(found.map(|(field, value)| (field, value.trim().to_owned())));
    })?;
    packages.extend(package(&mut stanza).filter(|_| packages.len() < MAX_PACKAGES));
    Ok(packages)
}

/// Takes the package out of what was collected of it.
fn package(stanza: &mut BTreeMap<&str, String>) -> Option<Package> {
    let mut stanza = std::mem::take(stanza);
    // Removed packages stay in the list while their configuration is there.
    if stanza.get("Status:").is_some_and(|status| !status.ends_with(" installed")) {
        return None;
    }
    let mut field = |names: [&str; 2]| names.into_iter().find_map(|name| stanza.remove(name));
    Some(Package {
        name: field(["Package:", "P:"])?,
        version: field(["Version:", "V:"])?,
        architecture: field(["Architecture:", "A:"]).unwrap_or_default(),
    })
}

/// The loader of a program of which this is the beginning: `None` where it is no program, and
/// `Some(None)` where it needs no loader.
fn loader(head: &[u8]) -> Option<Option<String>> {
    fn interpreter<Elf: FileHeader<Endian = Endianness>>(head: &[u8]) -> Option<Option<String>> {
        let header = Elf::parse(head).ok()?;
        let endian = header.endian().ok()?;
        let segments = header.program_headers(endian, head).ok()?;
        let name = segments.iter().find_map(|segment| segment.interpreter(endian, head).ok().flatten());
        Some(name.map(|name| String::from_utf8_lossy(name).into_owned()))
    }
    match FileKind::parse(head).ok()? {
        FileKind::Elf64 => interpreter::<FileHeader64<Endianness>>(head),
        FileKind::Elf32 => interpreter::<FileHeader32<Endianness>>(head),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests;
