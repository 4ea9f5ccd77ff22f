//! Loading a program or a module with all that it needs, as far as a loader gets.

use super::access::{READ, User};
use super::loader::{Origin, Search};
use crate::elf::ElfFacts;
use crate::versions::Family;

/// More objects than this are in no process.
const MOST_OBJECTS: usize = 4096;

/// What has been loaded.
#[derive(Clone)]
struct Object<'a> {
    /// As it was opened, for `$ORIGIN` and for people.
    path: String,
    /// With links followed: what is the same file is loaded once.
    real: String,
    /// Under which names others find it.
    names: Vec<String>,
    origin: Origin<'a>,
    /// What asked for it.
    parent: Option<usize>,
}

/// Why something cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) what: Trouble,
    /// From what was to be loaded down to the file that has the trouble.
    pub(super) chain: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No library of this name is found.
    Missing(String),
    /// The library, as it is found, lacks the version; it has up to the last one.
    Version { library: String, version: String, newest: Option<String> },
    /// It needs the library of another libc.
    Libc(String),
    /// The user may not read the library; what stops them.
    Closed(String, String),
}

/// A process in the making.
pub(super) struct Process<'a, 's> {
    search: &'s Search<'a>,
    user: Option<&'s User>,
    objects: Vec<Object<'a>>,
}

impl<'a, 's> Process<'a, 's> {
    pub(super) fn new(search: &'s Search<'a>, user: Option<&'s User>) -> Self {
        Self { search, user, objects: Vec::new() }
    }

    /// How much is loaded.
    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    /// Forgets what was loaded after there were `count` objects.
    pub(super) fn truncate(&mut self, count: usize) {
        self.objects.truncate(count);
    }

    /// The real paths of what was loaded after there were `count` objects.
    pub(super) fn real_paths(&self, count: usize) -> impl Iterator<Item = &str> {
        self.objects.iter().skip(count).map(|object| object.real.as_str())
    }

    /// The libraries that were loaded, under all names that were asked for, and their real paths.
    pub(super) fn libraries(&self) -> impl Iterator<Item = (&str, &str)> {
        let libraries = self.objects.iter().skip(1);
        libraries.flat_map(|object| object.names.iter().map(|name| (name.as_str(), object.real.as_str())))
    }

    /// Loads the file at `path` and all that it needs. What asks for it is the program, if there
    /// is one already. Nothing is said about what is no ELF file.
    pub(super) fn load(&mut self, path: &str) -> Vec<Problem> {
        let first = self.objects.len();
        let parent = (first > 0).then_some(0);
        if self.open(path, path, parent).is_none() || self.objects.len() == first {
            return Vec::new();
        }
        let mut problems = Vec::new();
        let mut next = first;
        while next < self.objects.len() && next < MOST_OBJECTS {
            let Some(facts) = self.objects.get(next).map(|object| object.origin.facts) else { break };
            for name in &facts.needed {
                problems.extend(self.need(name, next).map(|what| Problem { what, chain: self.chain(next) }));
            }
            next += 1;
        }
        if self.search.libc == Family::Glibc {
            for index in first..self.objects.len() {
                problems.extend(self.versions(index));
            }
        }
        problems
    }

    /// Loads a library that an object needs, if it is not there yet.
    fn need(&mut self, name: &str, by: usize) -> Option<Trouble> {
        if self.loaded(name).is_some() {
            return None;
        }
        match self.search.libc {
            // musl's loader is the C library, under whatever name it is asked for.
            Family::Musl if name.starts_with("libc.so.6") || name.starts_with("ld-linux") => {
                return Some(Trouble::Libc(name.to_owned()));
            }
            Family::Musl if is_musl_itself(name) => return None,
            Family::Glibc if name.starts_with("libc.musl-") || name == "libc.so" => {
                return Some(Trouble::Libc(name.to_owned()));
            }
            _ => {}
        }
        let chain = self.origins(by);
        let Some(path) = self.search.find(name, &chain) else {
            return Some(Trouble::Missing(name.to_owned()));
        };
        let closed = self.user.and_then(|user| user.stopped_at(self.search.fs, &path, READ));
        self.open(&path, name, Some(by));
        closed.map(|at| Trouble::Closed(path, at))
    }

    fn open(&mut self, path: &str, name: &str, parent: Option<usize>) -> Option<()> {
        let real = self.search.fs.contents.follow(path)?;
        if let Some(object) = self.objects.iter_mut().find(|object| object.real == real) {
            object.names.push(name.to_owned());
            return Some(());
        }
        let facts: &'a ElfFacts = self.search.fs.elf(path)?;
        let names = facts.soname.iter().cloned().chain([name.to_owned()]).collect();
        // The kernel gives a program its folder with links followed; a library has it as it was
        // opened.
        let named = if parent.is_none() { format!("/{real}") } else { path.to_owned() };
        let folder = named.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let origin = Origin { folder, facts };
        self.objects.push(Object { path: path.to_owned(), real, names, origin, parent });
        Some(())
    }

    fn loaded(&self, name: &str) -> Option<&Object<'a>> {
        self.objects.iter().find(|object| object.names.iter().any(|known| known == name))
    }

    /// The object, and what asked for it, up to the program.
    fn ancestors(&self, index: usize) -> impl Iterator<Item = &Object<'a>> {
        let mut next = Some(index);
        std::iter::from_fn(move || {
            let current = next?;
            let object = self.objects.get(current)?;
            // A parent is always loaded before.
            next = object.parent.filter(|parent| *parent < current);
            Some(object)
        })
    }

    fn origins(&self, index: usize) -> Vec<&Origin<'a>> {
        self.ancestors(index).map(|object| &object.origin).collect()
    }

    fn chain(&self, index: usize) -> Vec<String> {
        let mut chain: Vec<String> = self.ancestors(index).map(|object| object.path.clone()).collect();
        chain.reverse();
        chain
    }

    /// The versions that an object wants and that are not where it wants them.
    fn versions(&self, index: usize) -> Vec<Problem> {
        let Some(object) = self.objects.get(index) else { return Vec::new() };
        let mut problems = Vec::new();
        for (library, wanted) in &object.origin.facts.wants {
            let Some(found) = self.loaded(library) else { continue };
            let has = &found.origin.facts.has;
            // Of a library without versions the loader takes everything.
            if has.is_empty() {
                continue;
            }
            for version in wanted.iter().filter(|version| !has.contains(version)) {
                let prefix = version.split(['_', '.']).next().unwrap_or_default();
                let alike = has.iter().filter(|v| v.split('_').next() == Some(prefix));
                let newest = alike.filter(|v| !v.contains("PRIVATE")).max_by_key(|v| numbers(v)).cloned();
                let (library, version) = (found.path.clone(), version.clone());
                let what = Trouble::Version { library, version, newest };
                problems.push(Problem { what, chain: self.chain(index) });
            }
        }
        problems
    }
}

/// The numbers in a version such as `GLIBC_2.36`, for comparing.
pub(super) fn numbers(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// Names that musl's loader takes for itself.
fn is_musl_itself(name: &str) -> bool {
    let parts = ["c.", "pthread.", "rt.", "m.", "dl.", "util.", "xnet."];
    let rest = name.strip_prefix("lib");
    name.starts_with("ld-musl-") || rest.is_some_and(|rest| parts.iter().any(|part| rest.starts_with(part)))
}
