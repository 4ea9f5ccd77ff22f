//! Finding the CPython of a base, and the C library that it runs on.
//!
//! Nothing is run: the executable is the one that a shell would find, its ELF header names the
//! loader, and version numbers are in the bytes of the interpreter and of the C library.

use super::Contents;
use super::notes::Note;
use crate::oci::ImageConfig;
use crate::versions::{Family, Libc, PythonVersion};

/// Where interpreters are when `PATH` says nothing.
const USUAL: [&str; 2] = ["/usr/local/bin", "/usr/bin"];

/// Minor versions that are looked for where no name without one leads to an interpreter.
const MINORS: std::ops::RangeInclusive<u32> = 6..=40;

/// A CPython in a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPython {
    /// Its absolute path with all links followed, as `/usr/local/bin/python3.13`.
    pub path: String,
    /// Its version to the micro.
    pub version: PythonVersion,
    /// The C library that it runs on.
    pub libc: Libc,
}

/// The interpreter that `python3` or `python` leads to on the base's `PATH`; else the newest
/// `python3.N`. `None` where there is none that can load extension modules: a static or a
/// free-threaded one is none.
pub fn find_python(contents: &Contents, config: &ImageConfig) -> Option<FoundPython> {
    let path = config.config.env.iter().rev().find_map(|variable| variable.strip_prefix("PATH="));
    let listed = path.unwrap_or_default().split(':').filter(|dir| dir.starts_with('/'));
    let dirs: Vec<&str> = listed.chain(USUAL).collect();
    let plain = ["python3", "python"].map(str::to_owned);
    let names = plain.into_iter().chain(MINORS.rev().map(|minor| format!("python3.{minor}")));
    names
        .flat_map(|name| dirs.iter().map(move |dir| format!("{dir}/{name}")))
        .find_map(|path| examine(contents, &path))
}

fn examine(contents: &Contents, path: &str) -> Option<FoundPython> {
    let path = contents.follow(path)?;
    let Some(Note::Python { loader: Some(loader), version }) = contents.note(&path) else { return None };
    let minor = path.rsplit_once("python3.")?.1.parse().ok()?;
    let version = version.map(PythonVersion::from).or_else(|| library(contents, &path, minor))?;
    let libc = c_library(contents, loader)?;
    Some(FoundPython { path: format!("/{path}"), version, libc })
}

/// The version of the shared library that belongs to the executable: the one below the same
/// prefix, if there are several.
fn library(contents: &Contents, executable: &str, minor: u32) -> Option<PythonVersion> {
    let prefix = executable.rsplit_once("bin/")?.0;
    let all = contents.notes().filter_map(|(path, note)| match note {
        Note::PythonLibrary(3, found, micro) if *found == minor => {
            Some((path, PythonVersion { major: 3, minor, micro: *micro }))
        }
        _ => None,
    });
    let all: Vec<_> = all.collect();
    let near =
        all.iter().find(|(path, _)| path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with("lib")));
    near.or(all.first()).map(|(_, version)| *version)
}

/// The C library that a loader belongs to.
fn c_library(contents: &Contents, loader: &str) -> Option<Libc> {
    let family = Family::of(loader);
    if family == Family::Musl {
        let package = || contents.packages().into_iter().find(|package| package.name == "musl");
        return match contents.note(loader) {
            Some(Note::Musl(major, minor)) => Some(family.version((*major, *minor))),
            _ => {
                let mut numbers = package()?.version.split('.').map(|number| number.parse().ok());
                Some(family.version((numbers.next()??, numbers.next()??)))
            }
        };
    }
    // The library is beside its loader. Where the loader cannot be found, the oldest will do.
    let beside = contents.follow(loader).and_then(|loader| {
        let dir = loader.rsplit_once('/').map_or("", |(dir, _)| dir);
        glibc(contents.note(&format!("{dir}/libc.so.6"))?)
    });
    beside.or_else(|| oldest_glibc(contents)).map(|version| family.version(version))
}

/// The C library of a base, whatever it is for. The oldest of several.
pub fn find_c_library(contents: &Contents) -> Option<Libc> {
    let musl = || {
        contents.notes().find_map(|(_, note)| match note {
            Note::Musl(major, minor) => Some(Family::Musl.version((*major, *minor))),
            _ => None,
        })
    };
    oldest_glibc(contents).map(|found| Family::Glibc.version(found)).or_else(musl)
}

fn oldest_glibc(contents: &Contents) -> Option<(u32, u32)> {
    contents.notes().filter_map(|(_, note)| glibc(note)).min()
}

const fn glibc(note: &Note) -> Option<(u32, u32)> {
    match note {
        Note::Glibc(major, minor) => Some((*major, *minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
