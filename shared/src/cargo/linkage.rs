//! What a program needs from the system that it runs on, read from its ELF headers.
//!
//! A static program has no interpreter (`PT_INTERP`) and needs no library (`DT_NEEDED`); the
//! position-independent kind still has a dynamic section, for its own relocations.

use std::path::Path;

use object::elf::{FileHeader32, FileHeader64, SHT_SYMTAB};
use object::read::elf::{FileHeader, SectionHeader};
use object::read::{ReadCache, ReadRef};
use object::{Endianness, FileKind};
use serde::{Deserialize, Serialize};

use crate::elf;
use crate::error::{Context, Error, Result};
use crate::oci::Platform;
use crate::read;

/// What a program's ELF headers say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    let file = read::file(path).context(what)?;
    let found = elf::read(&file)
        .ok_or_else(|| Error::build(what()).because("it is not a Linux program (ELF file)"))?;
    let sections = ReadCache::new(&file);
    let stripped = match FileKind::parse(&sections) {
        Ok(FileKind::Elf64) => is_stripped::<FileHeader64<Endianness>, _>(&sections),
        _ => is_stripped::<FileHeader32<Endianness>, _>(&sections),
    };
    Ok(Linkage {
        is_static: found.is_static(),
        architecture: found.machine,
        interpreter: found.interpreter,
        needed: found.needed,
        stripped: stripped.context(what)?,
    })
}

fn is_stripped<'data, Elf, R>(data: R) -> object::read::Result<bool>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = Elf::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let symbols = sections.iter().any(|section| section.sh_type(endian) == SHT_SYMTAB);
    Ok(!symbols && sections.section_by_name(endian, b".debug_info").is_none())
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
            .hint("check for a linker or target set in .cargo/config.toml or in CARGO_ variables"));
        }
        if self.interpreter.is_none() && !self.needed.is_empty() {
            // The kernel starts it as it is, and the first call into a library ends it.
            return Err(Error::build(format!(
                "{name} needs {}, but it has no loader: a static program was linked with a shared library of this machine",
                self.needed.join(", ")
            ))
            .hint(self.static_advice()));
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
                "link {name} statically (many -sys crates have a feature `vendored`, `bundled` or `static`), or {glibc_base} \
                 and --debian with the package that has it"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::tests::elf64;
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

    fn examined(bytes: &[u8]) -> Result<Linkage> {
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), bytes).expect("write");
        examine(file.path())
    }

    #[test]
    fn a_library_that_nothing_loads_is_refused_on_any_base() {
        let found = Linkage { interpreter: None, is_static: false, ..linkage("amd64", &["libsqlite3.so.0"]) };
        for must_be_static in [true, false] {
            let error = found.verify("app", &Platform::linux("amd64"), must_be_static).expect_err("refused");
            assert!(error.to_string().contains("it has no loader"), "{error}");
            assert!(error.hint_text().is_some_and(|hint| hint.contains("bundled") && hint.contains("-gnu")));
        }
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
