//! Where a loader looks for libraries: `ld.so(8)` of glibc, and that of musl.

use std::collections::BTreeMap;

use super::Image;
use crate::elf::ElfFacts;
use crate::facts::details::{Detail, FileSystem};

/// Which C library's loader it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Libc {
    Glibc,
    Musl,
}

impl Libc {
    /// The one whose loader has this path.
    pub(super) fn of(loader: &str) -> Self {
        if loader.contains("/ld-musl-") { Self::Musl } else { Self::Glibc }
    }
}

/// What a loader looks through.
pub(super) struct Search<'a> {
    pub(super) fs: &'a FileSystem,
    pub(super) libc: Libc,
    machine: &'a str,
    library_path: Vec<String>,
    cache: BTreeMap<&'a str, Vec<&'a str>>,
    folders: Vec<String>,
}

/// What is said of where an object's libraries are.
#[derive(Debug, Clone)]
pub(super) struct Origin<'a> {
    /// The folder that the object was found in.
    pub(super) folder: String,
    pub(super) facts: &'a ElfFacts,
}

impl<'a> Search<'a> {
    pub(super) fn new(image: &Image<'a>, libc: Libc) -> Self {
        let fs = image.fs;
        let mut cache: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut folders = Vec::new();
        match libc {
            Libc::Glibc => {
                if let Some(Detail::LoaderCache(all)) = fs.detail("/etc/ld.so.cache") {
                    all.iter().for_each(|(name, path)| cache.entry(name).or_default().push(path));
                }
                let multiarch = multiarch(image.machine);
                let places = [format!("lib/{multiarch}"), "lib64".into(), "lib".into()];
                folders
                    .extend(places.iter().flat_map(|place| [format!("/{place}"), format!("/usr/{place}")]));
            }
            Libc::Musl => {
                let is_path = |path: &str| path.starts_with("etc/ld-musl-") && path.ends_with(".path");
                let text = fs.details().find_map(|(path, detail, _)| match detail {
                    Detail::Text(text) if is_path(path) => Some(text.as_str()),
                    _ => None,
                });
                let text = text.unwrap_or("/lib:/usr/local/lib:/usr/lib");
                folders.extend(text.split([':', '\n']).filter(|dir| !dir.is_empty()).map(str::to_owned));
            }
        }
        let library_path = image.folders("LD_LIBRARY_PATH");
        Self { fs, libc, machine: image.machine, library_path, cache, folders }
    }

    /// Where the library that `chain[0]` needs is, as the loader would open it. The rest of the
    /// chain is what loaded that, up to the program.
    pub(super) fn find(&self, name: &str, chain: &[&Origin<'_>]) -> Option<String> {
        let first = chain.first()?;
        if name.contains('/') {
            return self.expand(name, &first.folder).into_iter().find(|path| self.fits(path));
        }
        let within = |dirs: &mut dyn Iterator<Item = String>| {
            dirs.map(|dir| format!("{}/{name}", dir.trim_end_matches('/'))).find(|path| self.fits(path))
        };
        let library_path = || within(&mut self.library_path.iter().cloned());
        let folders = || within(&mut self.folders.iter().cloned());
        match self.libc {
            Libc::Glibc => within(&mut self.rpaths(chain).into_iter())
                .or_else(library_path)
                .or_else(|| within(&mut self.listed(first, first.facts.runpath.as_deref()).into_iter()))
                .or_else(|| {
                    let paths = self.cache.get(name)?;
                    paths.iter().find(|path| self.fits(path)).map(|path| (*path).to_owned())
                })
                .or_else(folders),
            // musl makes no difference between the two kinds of paths.
            Libc::Musl => library_path()
                .or_else(|| {
                    let both = |o: &&Origin<'_>| {
                        self.listed(o, o.facts.runpath.as_deref().or(o.facts.rpath.as_deref()))
                    };
                    within(&mut chain.iter().flat_map(both))
                })
                .or_else(folders),
        }
    }

    /// The folders of `DT_RPATH`: of the object, of what loaded it, and so on, each unless it has
    /// a `DT_RUNPATH`; none if the object itself has one.
    fn rpaths(&self, chain: &[&Origin<'_>]) -> Vec<String> {
        if chain.first().is_some_and(|object| object.facts.runpath.is_some()) {
            return Vec::new();
        }
        let without = chain.iter().filter(|object| object.facts.runpath.is_none());
        without.flat_map(|object| self.listed(object, object.facts.rpath.as_deref())).collect()
    }

    fn listed(&self, object: &Origin<'_>, paths: Option<&str>) -> Vec<String> {
        let paths = paths.unwrap_or_default().split(':').filter(|path| !path.is_empty());
        paths.flat_map(|path| self.expand(path, &object.folder)).collect()
    }

    /// Puts in what `$ORIGIN` and its like stand for; `$LIB` differs between distributions.
    fn expand(&self, path: &str, origin: &str) -> Vec<String> {
        let path = path.replace("${ORIGIN}", origin).replace("$ORIGIN", origin);
        if !path.contains("$LIB") && !path.contains("${LIB}") {
            return vec![path];
        }
        let multiarch = format!("lib/{}", multiarch(self.machine));
        let places = [multiarch.as_str(), "lib64", "lib"];
        places.iter().map(|lib| path.replace("${LIB}", lib).replace("$LIB", lib)).collect()
    }

    /// Whether there is a library for this machine. Others are passed over, as loaders do.
    fn fits(&self, path: &str) -> bool {
        self.fs.elf(path).is_some_and(|facts| facts.runs && facts.machine == self.machine)
    }
}

/// The name of the machine in paths of Debian and in names of extension modules.
pub(super) fn multiarch(machine: &str) -> &'static str {
    match machine {
        "amd64" => "x86_64-linux-gnu",
        "arm64" => "aarch64-linux-gnu",
        "386" => "i386-linux-gnu",
        "arm" => "arm-linux-gnueabihf",
        "ppc64le" => "powerpc64le-linux-gnu",
        "s390x" => "s390x-linux-gnu",
        "riscv64" => "riscv64-linux-gnu",
        "loong64" => "loongarch64-linux-gnu",
        _ => "unknown",
    }
}
