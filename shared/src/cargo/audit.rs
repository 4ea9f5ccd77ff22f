//! What a program says about itself: its crates, in the format of cargo-auditable (`PARSING.md` and
//! `cargo-auditable.schema.json` there), in a section that scanners know.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::{Deserialize, Serialize};

use super::crates::{CRATES_IO, Crate};
use crate::elf;
use crate::error::{Context, Result};
use crate::oci::to_json;
use crate::read;

/// The section's name.
pub const SECTION: &str = ".dep-v0";

/// Procedural macros are told apart from what is in the program.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Info<'a> {
    packages: Vec<Package<'a>>,
    format: u32,
}

#[derive(Serialize)]
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "<[usize]>::is_empty")]
    dependencies: &'a [usize],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    root: bool,
}

/// The content of the section for these crates.
///
/// # Errors
/// Only if a value does not serialise.
pub fn content(crates: &[Crate]) -> Result<Vec<u8>> {
    let info = Info { packages: crates.iter().map(package).collect(), format: FORMAT };
    let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let failed = || "cannot compress the list of crates".to_owned();
    encoder.write_all(&to_json(&info)?).context(failed)?;
    encoder.finish().context(failed)
}

fn package(of: &Crate) -> Package<'_> {
    let source = match of.source.as_deref() {
        None => "local",
        Some(CRATES_IO) => "crates.io",
        Some(source) if source.starts_with("git+") => "git",
        Some(_) => "registry",
    };
    Package {
        name: &of.name,
        version: &of.version,
        source,
        kind: (!of.is_in_program).then_some("build"),
        dependencies: &of.needs,
        root: of.is_root,
    }
}

/// A crate as a program lists it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// As the package's Cargo.toml has it.
    pub name: String,
    /// In full: `1.0.219`.
    pub version: String,
    /// Whether its code is in the program, or has only built it.
    pub is_in_program: bool,
}

/// The crates that the content of a section lists; `None` where it is in no form that is known, or has more than `most`
/// bytes.
pub fn listed(content: &[u8], most: u64) -> Option<BTreeSet<Listed>> {
    #[derive(Deserialize)]
    struct Info {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
        kind: Option<String>,
    }
    let info: Info = serde_json::from_reader(ZlibDecoder::new(content).take(most)).ok()?;
    let each = info.packages.into_iter().map(|Package { name, version, kind }| Listed {
        name,
        version,
        is_in_program: kind.as_deref() != Some("build"),
    });
    Some(each.collect())
}

/// Copies `program` to `to` with the section. `false`, and nothing is there, when it has one already, or none can
/// be added.
///
/// # Errors
/// When one of them cannot be read or written.
pub fn add(program: &Path, to: &Path, content: &[u8]) -> Result<bool> {
    let failed = || format!("cannot say in {} what it is made of", program.display());
    let mut from = read::file(program).context(failed)?;
    let mut file = File::create(to).context(failed)?;
    if !elf::add_section(&mut from, &mut file, SECTION, content).context(failed)? {
        drop(file);
        std::fs::remove_file(to).context(failed)?;
        return Ok(false);
    }
    let permissions = from.metadata().context(failed)?.permissions();
    file.set_permissions(permissions).context(failed)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str, source: Option<&str>) -> Crate {
        Crate {
            name: name.into(),
            version: "1.0.0".into(),
            source: source.map(str::to_owned),
            checksum: None,
            licence: None,
            is_in_program: true,
            is_root: false,
            needs: vec![],
        }
    }

    #[test]
    fn the_format_is_cargo_auditables() {
        let app = Crate { is_root: true, needs: vec![1, 2, 3], ..made("app", None) };
        let derive = Crate { is_in_program: false, ..made("derive", Some(CRATES_IO)) };
        let (git, own) = (made("git", Some("git+https://x/y#1")), made("own", Some("sparse+https://x/")));
        let bytes = content(&[app, derive, git, own]).expect("made");
        let mut text = String::new();
        flate2::read::ZlibDecoder::new(&bytes[..]).read_to_string(&mut text).expect("zlib");
        assert_eq!(
            text,
            r#"{"packages":[{"name":"app","version":"1.0.0","source":"local","dependencies":[1,2,3],"root":true},{"name":"derive","version":"1.0.0","source":"crates.io","kind":"build"},{"name":"git","version":"1.0.0","source":"git"},{"name":"own","version":"1.0.0","source":"registry"}],"format":1}"#
        );
    }

    #[test]
    fn what_is_listed_is_read_back() {
        let derive = Crate { is_in_program: false, ..made("derive", Some(CRATES_IO)) };
        let bytes = content(&[made("app", None), derive]).expect("made");
        let found = listed(&bytes, 1000).expect("read");
        let found: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.is_in_program)).collect();
        assert_eq!(found, [("app", true), ("derive", false)]);
        assert_eq!(listed(&bytes, 20), None, "it is longer");
        assert_eq!(listed(b"x", 1000), None);
    }

    #[test]
    fn what_is_no_program_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("folder");
        let (script, to) = (folder.path().join("script"), folder.path().join("with"));
        std::fs::write(&script, "#!/bin/sh").expect("file");
        assert!(!add(&script, &to, b"x").expect("read"));
        assert!(!to.exists());
    }
}
