//! What a wheel that was built here is: its name, and which machines its code is for.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::elf;
use crate::error::{Context, Error, Result};
use crate::oci::Platform;
use crate::python::marker::machine;
use crate::read;
use crate::store::scratch::Spool;

/// No file of a wheel that we build is larger than this, in bytes.
const MOST: u64 = 4 << 30;

/// What the ELF files of a wheel need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Code {
    /// Of which machines there are, as `x86_64`.
    pub(super) machines: BTreeSet<String>,
    /// What is needed, for each machine.
    pub(super) needs: Vec<Need>,
}

/// What one ELF file needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Need {
    /// In the words of Linux: `x86_64`.
    pub(super) machine: String,
    /// The highest version of glibc's symbols, as (2, 36).
    pub(super) glibc: Option<(u32, u32)>,
    /// Whether it is linked with musl.
    pub(super) musl: bool,
}

/// Reads a wheel's ELF files.
pub(super) fn code(wheel: &Path) -> Result<Code> {
    let what = || format!("cannot read the wheel {}", wheel.display());
    let mut archive = zip::ZipArchive::new(read::file(wheel).context(what)?).context(what)?;
    let mut needs = BTreeSet::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).context(what)?;
        let mut magic = Vec::new();
        entry.by_ref().take(4).read_to_end(&mut magic).context(what)?;
        if magic != elf::MAGIC {
            continue;
        }
        let mut file = Spool::new(0);
        let copied = io::copy(&mut magic.chain(entry.take(MOST)), &mut file).context(what)?;
        if copied > MOST {
            return Err(Error::build(what()).because("a library in it is implausibly large"));
        }
        file.rewind().context(what)?;
        needs.extend(need(file));
    }
    let machines = needs.iter().map(|need| need.machine.clone()).collect();
    Ok(Code { machines, needs: needs.into_iter().collect() })
}

/// What an ELF file needs; `None` for one that nothing would load: object files, cores, broken ones.
fn need(file: impl Read + io::Seek) -> Option<Need> {
    let facts = elf::read(file).filter(|facts| facts.runs)?;
    // musl's own name, and the one that Alpine gives it.
    let musl = facts.needed.iter().any(|name| name.starts_with("libc.musl-") || name == "libc.so");
    let versions = facts.wants.iter().flat_map(|(_, versions)| versions);
    let glibc = versions.filter_map(|version| glibc(version)).max();
    Some(Need { machine: machine(&Platform::linux(&facts.machine)), glibc, musl })
}

/// The version in `GLIBC_2.36`.
fn glibc(name: &str) -> Option<(u32, u32)> {
    let mut numbers = name.strip_prefix("GLIBC_")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn wheel(files: &[(&str, &[u8])]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("file");
        let mut zip = zip::ZipWriter::new(&mut file);
        for (name, bytes) in files {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).expect("entry");
            zip.write_all(bytes).expect("bytes");
        }
        zip.finish().expect("zip");
        file
    }

    #[test]
    fn versions_of_glibc_are_read_and_others_are_not() {
        assert_eq!(glibc("GLIBC_2.36"), Some((2, 36)));
        assert_eq!(glibc("GLIBC_2.2.5"), Some((2, 2)));
        assert!(Some((2, 9)) < Some((2, 10)) && None < Some((2u32, 2u32)));
        for other in ["GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR", "GLIBCXX_3.4", "GCC_3.0"] {
            assert_eq!(glibc(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_program_needs_nothing() {
        let file = wheel(&[("a.py", b"x = 1"), ("empty", b""), ("broken.so", b"\x7fELF\x02\x01\x01")]);
        assert_eq!(code(file.path()).expect("read"), Code::default());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_of_this_machine_tells_machine_and_library() {
        let itself = std::fs::read("/proc/self/exe").expect("this test");
        // Only the headers and tables matter, which are found wherever they are.
        let file = wheel(&[("pkg/native.so", &itself), ("pkg/again.so", &itself)]);
        let found = code(file.path()).expect("read");
        assert_eq!(found.machines, BTreeSet::from([std::env::consts::ARCH.to_owned()]));
        assert_eq!(found.needs.len(), 1, "the same need is kept once");
        #[cfg(target_env = "gnu")]
        assert!(found.needs[0].glibc.is_some_and(|version| version >= (2, 17)), "{found:?}");
    }

    #[test]
    fn what_is_no_wheel_is_refused() {
        let mut file = tempfile::NamedTempFile::new().expect("file");
        file.write_all(b"no zip").expect("write");
        let error = code(file.path()).expect_err("refused");
        assert!(error.to_string().starts_with("cannot read the wheel"), "{error}");
    }
}
