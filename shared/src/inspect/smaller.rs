//! What takes room in an image and may not be needed: kinds of files, copies, and what no container sees.

use std::collections::HashMap;

use serde::Serialize;

use super::packages::Package;
use super::stack::{File, Gone};
use super::{Layer, MOST_ROWS, shown};
use crate::trim::{Sorter, Trim};

/// So many paths are told of what could be smaller, and of copies.
const EXAMPLES: usize = 5;

/// A large file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LargeFile {
    /// Where it is.
    pub path: String,
    /// Bytes of it.
    pub size: u64,
    /// The layer that brings it, from 1.
    pub layer: usize,
    /// The name of the package that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
}

/// Files with the same content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Copies {
    /// Bytes of one.
    pub size: u64,
    /// How many there are.
    pub count: usize,
    /// Bytes of all but one.
    pub wasted: u64,
    /// Where some of them are.
    pub paths: Vec<String>,
    /// The layers that they are in, from 1.
    pub layers: Vec<usize>,
}

/// A file that a layer brings in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unseen {
    /// Where it is.
    pub path: String,
    /// Bytes of it.
    pub size: u64,
    /// The layer that brings it, from 1.
    pub layer: usize,
    /// The layer that removes or replaces it.
    pub by: usize,
}

/// Something that could be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Saving {
    /// What sort of files these are.
    pub kind: SavingKind,
    /// What the key `trim` would leave out, where some of them are of Python's packages in layers that are not the base's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trim: Option<Trim>,
    /// Bytes of them.
    pub size: u64,
    /// Of these, bytes in layers that are not the base's; all of them where the base is unknown.
    pub own: u64,
    /// How many files these are.
    pub files: u64,
    /// The largest of them.
    pub examples: Vec<String>,
}

/// A sort of files that may not be needed. Each file counts in the first that fits; copies and unseen files are counted
/// apart from that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SavingKind {
    /// What package managers keep to be faster next time.
    Caches,
    /// Tests of installed packages.
    Tests,
    /// Type stubs.
    Typing,
    /// Archives for linking.
    StaticLibs,
    /// Headers for compiling.
    Headers,
    /// Manuals and translations.
    Documentation,
    /// Further files with the same content.
    Copies,
    /// Files of lower layers that no container sees.
    Unseen,
}

impl SavingKind {
    /// What it is, before a size.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Caches => "caches of package managers",
            Self::Tests => "tests of installed packages",
            Self::Typing => "type stubs (.pyi)",
            Self::StaticLibs => "static libraries (.a)",
            Self::Headers => "headers for compiling",
            Self::Documentation => "manuals, documentation and translations",
            Self::Copies => "copies of other files",
            Self::Unseen => "files that later layers remove or replace",
        }
    }

    /// The sort that a file is of by its path, with what is installed beside it.
    fn of(path: &str, installed: &Sorter) -> Option<Self> {
        const CACHES: [&str; 8] = [
            "var/cache/apt/",
            "var/cache/apk/",
            "var/cache/dnf/",
            "var/cache/yum/",
            "var/lib/apt/lists/",
            "root/.cache/",
            "root/.cargo/registry/",
            "root/.npm/",
        ];
        const DOCUMENTATION: [&str; 5] = [
            "usr/share/doc/",
            "usr/share/man/",
            "usr/share/info/",
            "usr/share/locale/",
            "usr/local/share/man/",
        ];
        let starts = |all: &[&str]| all.iter().any(|start| path.starts_with(start));
        let name = path.rsplit('/').next().unwrap_or(path);
        // Licences must be kept with what they are of.
        if starts(&CACHES) {
            Some(Self::Caches)
        } else if starts(&DOCUMENTATION) && name != "copyright" {
            Some(Self::Documentation)
        } else {
            let sort = below_modules(path).map(|below| installed.sort(below));
            sort.unwrap_or_else(|| Trim::of_name(path)).map(Self::trimmed)
        }
    }

    const fn trimmed(sort: Trim) -> Self {
        match sort {
            Trim::Tests => Self::Tests,
            Trim::Typing => Self::Typing,
            Trim::StaticLibs => Self::StaticLibs,
            Trim::Headers => Self::Headers,
        }
    }

    /// What the key `trim` leaves out, if it is that.
    fn trim(self) -> Option<Trim> {
        Trim::ALL.into_iter().find(|sort| Self::trimmed(*sort) == self)
    }
}

/// The path of a file below the folder in which installed packages are, or Python's own.
fn below_modules(path: &str) -> Option<&str> {
    let packages = ["/site-packages/", "/dist-packages/"].iter().find_map(|place| path.split_once(place));
    packages.map(|(_, below)| below).or_else(|| {
        let (_, rest) = path.split_once("lib/python3")?;
        Some(rest.split_once('/')?.1)
    })
}

/// The largest files.
pub(super) fn largest(files: &[(&str, &File)], packages: &[Package]) -> Vec<LargeFile> {
    let mut all: Vec<&(&str, &File)> = files.iter().filter(|(_, file)| file.size > 0).collect();
    all.sort_by_key(|(path, file)| (std::cmp::Reverse(file.size), *path));
    let row = |(path, file): &(&str, &File)| LargeFile {
        path: absolute(path),
        size: file.size,
        layer: file.layer + 1,
        package: file.package.and_then(|at| packages.get(at)).map(|package| package.name.clone()),
    };
    all.into_iter().take(MOST_ROWS).map(row).collect()
}

/// Files of the same content by it, in the order of their paths. A hard link takes no room.
fn same<'f>(files: &'f [(&'f str, &'f File)]) -> Vec<Vec<&'f (&'f str, &'f File)>> {
    let mut by_content: HashMap<(u128, u64), Vec<&(&str, &File)>> = HashMap::new();
    for one in files {
        if let Some(content) = one.1.content.filter(|_| one.1.size > 0) {
            by_content.entry((content, one.1.size)).or_default().push(one);
        }
    }
    by_content.into_values().filter(|all| all.len() > 1).collect()
}

/// Files with the same content, those that waste most first.
pub(super) fn copies(files: &[(&str, &File)]) -> Vec<Copies> {
    let rows = same(files).into_iter().map(|all| {
        let size = all[0].1.size;
        let mut layers: Vec<usize> = all.iter().map(|(_, file)| file.layer + 1).collect();
        layers.sort_unstable();
        layers.dedup();
        Copies {
            size,
            count: all.len(),
            wasted: size * (all.len() as u64 - 1),
            paths: all.iter().take(EXAMPLES).map(|(path, _)| absolute(path)).collect(),
            layers,
        }
    });
    let mut rows: Vec<Copies> = rows.collect();
    rows.sort_by(|a, b| (b.wasted, &a.paths).cmp(&(a.wasted, &b.paths)));
    rows.truncate(MOST_ROWS);
    rows
}

/// What no container sees, the largest first.
pub(super) fn unseen(gone: &[Gone]) -> Vec<Unseen> {
    let mut all: Vec<&Gone> = gone.iter().collect();
    all.sort_by_key(|one| (std::cmp::Reverse(one.size), &one.path, one.layer));
    let row = |one: &Gone| Unseen {
        path: absolute(&one.path),
        size: one.size,
        layer: one.layer + 1,
        by: one.by + 1,
    };
    all.into_iter().take(MOST_ROWS).map(row).collect()
}

/// What could be left out, the most first.
pub(super) fn savings(files: &[(&str, &File)], gone: &[Gone], layers: &[Layer]) -> Vec<Saving> {
    let is_own = |layer: usize| layers.get(layer).is_none_or(|layer| layer.is_own != Some(false));
    let installed = Sorter::of(files.iter().filter_map(|(path, _)| below_modules(path)));
    let mut sums: HashMap<SavingKind, Sum<'_>> = HashMap::new();
    for (path, file) in files.iter().filter(|(_, file)| file.size > 0) {
        if let Some(kind) = SavingKind::of(path, &installed) {
            sums.entry(kind).or_default().add(path, file.size, is_own(file.layer));
        }
    }
    let copies = sums.entry(SavingKind::Copies).or_default();
    for all in same(files) {
        // The lowest layer has the one that is kept.
        let kept = all.iter().map(|(_, file)| file.layer).min();
        let kept = all.iter().position(|(_, file)| Some(file.layer) == kept);
        for (at, (path, file)) in all.iter().enumerate() {
            if Some(at) != kept {
                copies.add(path, file.size, is_own(file.layer));
            }
        }
    }
    let unseen = sums.entry(SavingKind::Unseen).or_default();
    gone.iter().for_each(|one| unseen.add(&one.path, one.size, is_own(one.layer)));
    let mut rows: Vec<Saving> =
        sums.into_iter().filter(|(_, sum)| sum.files > 0).map(|(kind, sum)| sum.row(kind)).collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.size), row.kind));
    rows
}

#[derive(Default)]
struct Sum<'f> {
    size: u64,
    own: u64,
    files: u64,
    /// Whether one is of a package of Python, and not of the base.
    can_be_trimmed: bool,
    largest: Vec<(u64, &'f str)>,
}

impl<'f> Sum<'f> {
    fn add(&mut self, path: &'f str, size: u64, is_own: bool) {
        self.size += size;
        self.own += if is_own { size } else { 0 };
        self.files += 1;
        self.can_be_trimmed |= is_own && path.contains("/site-packages/");
        if self.largest.len() < EXAMPLES || self.largest.last().is_some_and(|(least, _)| *least < size) {
            self.largest.push((size, path));
            self.largest.sort_by_key(|(size, path)| (std::cmp::Reverse(*size), *path));
            self.largest.truncate(EXAMPLES);
        }
    }

    fn row(self, kind: SavingKind) -> Saving {
        let Self { size, own, files, can_be_trimmed, largest } = self;
        let trim = kind.trim().filter(|_| can_be_trimmed);
        let examples = largest.iter().map(|(_, path)| absolute(path)).collect();
        Saving { kind, trim, size, own, files, examples }
    }
}

fn absolute(path: &str) -> String {
    format!("/{}", shown(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_of_files_are_told_by_their_paths() {
        let modules = ["numpy/tests/a.py", "a/conftest.py", "test/a.py"];
        let installed = Sorter::of(modules.into_iter());
        let of = |path: &str| SavingKind::of(path, &installed);
        let site = |rest: &str| format!("app/lib/python3.13/site-packages/{rest}");
        assert_eq!(of(&site("numpy/tests/test_a.py")), Some(SavingKind::Tests));
        assert_eq!(of(&site("numpy/testing/a.py")), None, "it is for users of the package");
        assert_eq!(of("usr/local/lib/python3.13/test/a.py"), Some(SavingKind::Tests));
        assert_eq!(of("app/tests/a.py"), None, "the project decides about its own");
        assert_eq!(of(&site("a/b.pyi")), Some(SavingKind::Typing));
        assert_eq!(of(&site("a/conftest.py")), Some(SavingKind::Tests));
        assert_eq!(of(&site("numpy/include/a.h")), Some(SavingKind::Headers));
        assert_eq!(of("usr/lib/libz.a"), Some(SavingKind::StaticLibs));
        assert_eq!(of("usr/share/doc/libc6/changelog.gz"), Some(SavingKind::Documentation));
        assert_eq!(of("usr/share/doc/libc6/copyright"), None);
        assert_eq!(of("var/lib/apt/lists/x"), Some(SavingKind::Caches));
    }
}
