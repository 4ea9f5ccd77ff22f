//! The libraries of this machine, as its own loader finds them, and the packages that they are of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::super::workshop::Workshop;
use crate::elf::{self, ElfFacts};
use crate::facts::details::loader_cache;
use crate::oci::Platform;
use crate::process::Program;
use crate::read;

/// How long dpkg may think.
const PATIENCE: Duration = Duration::from_secs(20);

/// A library of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Library {
    /// With links followed.
    pub(super) path: PathBuf,
    /// The name of the file.
    pub(super) file: String,
    /// In bytes.
    pub(super) size: u64,
    /// When it was written.
    pub(super) changed: Option<SystemTime>,
}

/// Where this machine's loader looks.
pub(super) struct Host {
    machine: String,
    cache: BTreeMap<String, Vec<PathBuf>>,
    folders: Vec<PathBuf>,
}

impl Host {
    /// A loader that looks into the `named` folders before the usual ones.
    pub(super) fn new<'a>(platform: &Platform, named: impl Iterator<Item = &'a str>) -> Self {
        let bytes = read::bytes(Path::new("/etc/ld.so.cache"), read::DOCUMENT).unwrap_or_default();
        let mut cache: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for (name, path) in loader_cache(&bytes).unwrap_or_default() {
            cache.entry(name).or_default().push(path.into());
        }
        let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
        let usual = [format!("lib/{triplet}"), "lib64".into(), "lib".into()];
        let below = |root: &'static str| usual.iter().map(move |place| Path::new(root).join(place));
        let named = named.filter(|dir| dir.starts_with('/'));
        // What was built here is often in /usr/local without ldconfig knowing.
        let folders = named.map(PathBuf::from).chain(["/", "/usr", "/usr/local"].into_iter().flat_map(below));
        Self { machine: platform.architecture.clone(), cache, folders: folders.collect() }
    }

    /// The library of this name, for this machine.
    pub(super) fn find(&self, name: &str) -> Option<(Library, ElfFacts)> {
        if name.contains('/') {
            return None;
        }
        let cached = self.cache.get(name).into_iter().flatten().cloned();
        let all = cached.chain(self.folders.iter().map(|folder| folder.join(name)));
        all.filter_map(|path| path.canonicalize().ok()).find_map(|path| {
            let opened = read::file(&path).ok()?;
            let about = opened.metadata().ok()?;
            let facts = elf::read(opened)?;
            let fits = facts.runs && facts.machine == self.machine;
            let file = path.file_name()?.to_str()?.to_owned();
            let (size, changed) = (about.len(), about.modified().ok());
            fits.then_some((Library { path, file, size, changed }, facts))
        })
    }
}

/// The package of Debian that a file is of, if there is dpkg and it knows it.
pub(super) fn package_of(workshop: &Workshop<'_>, path: &Path) -> Option<String> {
    // Before /usr was merged files were below /lib, and dpkg remembers them so.
    let without = path.strip_prefix("/usr").ok().map(|rest| Path::new("/").join(rest));
    [Some(path.to_owned()), without].into_iter().flatten().find_map(|path| {
        let mut command: Command = workshop.request.cargo.command("dpkg");
        command.arg("-S").arg(&path).env("LC_ALL", "C");
        let said = Program::new(command).answer(PATIENCE).ok()?;
        owner_of(&said)
    })
}

/// The name in `libgmp10:amd64: /usr/lib/...`.
fn owner_of(said: &str) -> Option<String> {
    let name = said.lines().next()?.split_once(": ")?.0.split([':', ',']).next()?;
    let good = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    (!name.is_empty() && name.chars().all(good)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dpkgs_answer_names_the_package() {
        assert_eq!(owner_of("libgmp10:amd64: /usr/lib/x.so\n").as_deref(), Some("libgmp10"));
        assert_eq!(owner_of("a, b: /usr/lib/x.so\n").as_deref(), Some("a"));
        assert_eq!(owner_of("diversion by x from: /y\n"), None);
        assert_eq!(owner_of(""), None);
    }
}
