//! What the files of a layer need to run: ELF headers, the first lines of scripts, and the few
//! texts that loaders and interpreters read. It is found in the same pass as the layer's
//! [`LayerFacts`], and remembered apart from them: only a check asks for it.

mod cache;
mod imports;
mod module;
mod opened;
mod words;

pub use cache::libraries as loader_cache;
pub use imports::{Imports, parts};
pub use module::{Module, PACKAGES};
pub use opened::Opened;

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};

use super::tree::NodeKind;
use super::{Contents, LayerFacts, is_below};
use crate::elf::{self, ElfFacts};
use crate::store::scratch::Spool;

/// Bytes of an ELF file that are held in memory; the rest goes to a temporary file.
const SPOOL: usize = 1 << 20;

/// Bytes of a text that are kept.
const MAX_TEXT: u64 = 128 << 10;

/// Bytes of the loader's cache. A whole distribution's has a tenth of it.
const MAX_CACHE: u64 = 8 << 20;

/// Bytes of a script that are kept: enough for the line that names its interpreter, and for the
/// few lines of a console script.
const MAX_SCRIPT: u64 = 1 << 10;

/// Bytes of METADATA that are read: its headers, which may hold a whole licence.
const MAX_HEADERS: u64 = 128 << 10;

/// Modules of one distribution that are kept.
const MAX_MODULES: usize = 20_000;

/// What a file's content says about running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Detail {
    /// An ELF file.
    Elf(Box<ElfFacts>),
    /// The beginning of a file that begins with `#!`.
    Script(String),
    /// A text, as it is.
    Text(String),
    /// What `ldconfig` found: names of libraries and their paths.
    LoaderCache(Vec<(String, String)>),
    /// The extension modules and libraries that the RECORD of an installed distribution names.
    Record(Vec<String>),
    /// What the METADATA of an installed distribution says of what it needs.
    Metadata(Metadata),
    /// What a module of Python opens and imports.
    Module(Box<Module>),
}

/// An installed distribution of Python.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Metadata {
    /// Its name, as it is written.
    pub name: String,
    /// Its version, as it is written.
    pub version: String,
    /// What it needs, as it is written.
    pub requires: Vec<String>,
}

impl Detail {
    /// About as many bytes as it takes.
    pub(super) fn size(&self) -> usize {
        let sum = |texts: &mut dyn Iterator<Item = &String>| texts.map(|text| 24 + text.len()).sum();
        match self {
            Self::Elf(facts) => facts.size(),
            Self::Script(text) | Self::Text(text) => text.len(),
            Self::LoaderCache(all) => sum(&mut all.iter().flat_map(|(name, path)| [name, path])),
            Self::Record(all) => sum(&mut all.iter()),
            Self::Module(module) => module.size(),
            Self::Metadata(Metadata { name, version, requires }) => {
                sum(&mut requires.iter().chain([name, version]))
            }
        }
    }
}

/// The details of one layer by the paths of their files.
pub type LayerDetails = BTreeMap<String, Detail>;

/// The texts that are read whole.
fn is_text(path: &str, parent: &str, name: &str) -> bool {
    match parent {
        "etc" if matches!(name, "passwd" | "group" | "ld.so.conf") => true,
        "etc" if name.starts_with("ld-musl-") && name.ends_with(".path") => true,
        "etc/ld.so.conf.d" => name.ends_with(".conf"),
        _ if name == "pyvenv.cfg" => true,
        _ if name == "WHEEL" => parent.ends_with(".dist-info"),
        _ => name.ends_with(".pth") && (path.contains("site-packages/") || path.contains("dist-packages/")),
    }
}

/// Reads what matters of the file at `path`. `rest` is what was not read of it, behind `head`;
/// with an ELF file or the loader's cache, all of it is given back as well, for others that read it.
///
/// # Errors
/// Those of the reader, and of the disk.
pub(super) fn read(
    path: &str,
    head: &[u8],
    rest: &mut impl Read,
) -> io::Result<(Option<Detail>, Option<Spool>)> {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut content = head.chain(rest);
    if head.starts_with(&elf::MAGIC) {
        let mut spool = Spool::new(SPOOL);
        io::copy(&mut content, &mut spool)?;
        let facts = elf::read(&mut spool);
        spool.seek(SeekFrom::Start(0))?;
        return Ok((facts.map(|facts| Detail::Elf(Box::new(facts))), Some(spool)));
    }
    let mut text = |most| -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        content.by_ref().take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    if path == "etc/ld.so.cache" {
        let bytes = text(MAX_CACHE)?;
        let mut spool = Spool::new(SPOOL);
        spool.write_all(&bytes)?;
        spool.seek(SeekFrom::Start(0))?;
        return Ok((cache::libraries(&bytes).map(Detail::LoaderCache), Some(spool)));
    }
    let detail = if name == "RECORD" && parent.ends_with(".dist-info") {
        Some(Detail::Record(modules(content)?))
    } else if name == "METADATA" && parent.ends_with(".dist-info") {
        Some(Detail::Metadata(metadata(&lossy(&text(MAX_HEADERS)?))))
    } else if is_text(path, parent, name) {
        Some(Detail::Text(lossy(&text(MAX_TEXT)?)))
    } else if module::is_module(path) {
        let bytes = text(module::MAX_MODULE)?;
        Module::of(path, &String::from_utf8_lossy(&bytes)).map(|found| Detail::Module(Box::new(found)))
    } else if head.starts_with(b"#!") {
        Some(Detail::Script(lossy(&text(MAX_SCRIPT)?)))
    } else {
        None
    };
    Ok((detail, None))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The headers of METADATA that say what is needed. The description comes after them.
fn metadata(text: &str) -> Metadata {
    let mut found = Metadata::default();
    for line in text.lines().take_while(|line| !line.trim().is_empty()) {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match key.to_ascii_lowercase().as_str() {
            "name" if found.name.is_empty() => found.name = value.to_owned(),
            "version" if found.version.is_empty() => found.version = value.to_owned(),
            "requires-dist" => found.requires.push(value.to_owned()),
            _ => {}
        }
    }
    found
}

/// The shared objects that a RECORD names; others are of no interest here.
fn modules(content: impl Read) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    super::notes::lines(content, |line| {
        let path = line.split(',').next().unwrap_or_default();
        if found.len() < MAX_MODULES && (path.ends_with(".so") || path.contains(".so.")) {
            found.push(path.to_owned());
        }
    })?;
    Ok(found)
}

/// The file system of an image, and what its files need to run.
#[derive(Debug, Default)]
pub struct FileSystem {
    /// All paths.
    pub contents: Contents,
    details: BTreeMap<String, (Detail, bool)>,
}

impl FileSystem {
    /// Lays a layer over what the layers below it left; `own` says that it belongs to what is
    /// checked, and not to its base.
    pub fn apply(&mut self, facts: LayerFacts, details: LayerDetails, own: bool) {
        let old = &self.contents.tree;
        let opaque = |path: &str| facts.opaque.iter().any(|dir| is_below(path, dir));
        let hidden = |path: &str| facts.hidden.iter().any(|gone| path == gone || is_below(path, gone));
        // Most layers only add, and a walk through all files for each layer would cost more than all else.
        if !facts.opaque.is_empty() || !facts.hidden.is_empty() {
            self.details.retain(|path, _| !opaque(path) && !hidden(path));
        }
        let is_folder = |path: &str| old.get(path).is_some_and(|node| node.kind == NodeKind::Directory);
        let replaces_folders =
            facts.entries.iter().any(|(path, node)| node.kind != NodeKind::Directory && is_folder(path));
        for (path, _) in &facts.entries {
            self.details.remove(path);
        }
        self.contents.apply(facts);
        let tree = &self.contents.tree;
        let is_file = |path: &str| tree.get(path).is_some_and(|node| node.kind == NodeKind::File);
        if replaces_folders {
            self.details.retain(|path, _| is_file(path));
        }
        let own = details.into_iter().filter(|(path, _)| is_file(path)).map(|(path, d)| (path, (d, own)));
        self.details.extend(own);
    }

    /// What is known of the file at `path`, links followed.
    pub fn detail(&self, path: &str) -> Option<&Detail> {
        self.details.get(&self.contents.follow(path)?).map(|(detail, _)| detail)
    }

    /// What is known of the file at exactly this path.
    pub fn detail_at(&self, path: &str) -> Option<&Detail> {
        self.details.get(path).map(|(detail, _)| detail)
    }

    /// What modules of Python import, by the paths of their files.
    pub fn modules(&self) -> impl Iterator<Item = (&str, &Imports)> {
        self.details().filter_map(|(path, detail, _)| match detail {
            Detail::Module(module) => Some((path, &module.imports)),
            _ => None,
        })
    }

    /// The ELF headers of the file at `path`, links followed.
    pub fn elf(&self, path: &str) -> Option<&ElfFacts> {
        match self.detail(path)? {
            Detail::Elf(facts) => Some(facts),
            _ => None,
        }
    }

    /// The beginning of the script at `path`, links followed.
    pub fn script(&self, path: &str) -> Option<&str> {
        match self.detail(path)? {
            Detail::Script(text) => Some(text),
            Detail::Module(module) => module.script.as_deref(),
            _ => None,
        }
    }

    /// The text of the file at `path`, links followed.
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.detail(path)? {
            Detail::Text(text) => Some(text),
            _ => None,
        }
    }

    /// All that is known, by path, and whether it is in a layer of what is checked.
    pub fn details(&self) -> impl Iterator<Item = (&str, &Detail, bool)> {
        self.details.iter().map(|(path, (detail, own))| (path.as_str(), detail, *own))
    }
}

#[cfg(test)]
mod tests;
