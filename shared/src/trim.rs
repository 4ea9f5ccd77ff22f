//! Files of installed packages that a running program rarely needs: their sorts, told by their paths alone. What leaves
//! them out and what says how much they take mean the same by them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A sort of files that may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trim {
    /// Folders of tests, and what configures them.
    Tests,
    /// Type stubs.
    Typing,
    /// Headers for compiling.
    Headers,
    /// Archives for linking.
    StaticLibs,
}

/// Names of packages that hold tests.
const TESTS: [&str; 3] = ["tests", "test", "idle_test"];

/// The module that configures tests.
const CONFTEST: &str = "conftest";

/// Endings of headers, those of Cython included.
const HEADERS: [&str; 6] = [".h", ".hpp", ".hxx", ".hh", ".cuh", ".pxd"];

impl Trim {
    /// All of them, in the order in which a file is held to them.
    pub const ALL: [Self; 4] = [Self::Tests, Self::Typing, Self::StaticLibs, Self::Headers];

    /// How settings call it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tests => "tests",
            Self::Typing => "typing",
            Self::Headers => "headers",
            Self::StaticLibs => "static-libs",
        }
    }

    /// The sort of a file by its name and the names of folders, whatever lies beside it; never tests.
    pub fn of_name(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        if name.ends_with(".pyi") {
            (!is_data(path)).then_some(Self::Typing)
        } else if name.ends_with(".a") && name.starts_with("lib") {
            Some(Self::StaticLibs)
        } else if HEADERS.iter().any(|end| name.ends_with(end)) {
            Some(Self::Headers)
        } else {
            None
        }
    }
}

/// Whether the stub at this path is no stub of a module beside it but what a program reads when it runs, such as a copy of
/// the stubs of Python's own library: nothing could be imported from such folders.
fn is_data(path: &str) -> bool {
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    folders.split('/').filter(|folder| !folder.is_empty()).enumerate().any(|(depth, folder)| {
        let holds_stubs = depth == 0 && folder.ends_with("-stubs");
        folder.starts_with("typeshed") || folder == "third_party" || !(is_identifier(folder) || holds_stubs)
    })
}

fn is_identifier(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_numeric())
        && !name.is_empty()
        && name.chars().all(|letter| letter == '_' || letter.is_alphanumeric())
}

/// Tells the sorts of files that are installed in one folder where modules are looked for, by their paths below it.
#[derive(Debug, Clone, Default)]
pub struct Sorter {
    tests: BTreeSet<String>,
}

impl Sorter {
    /// For these files, which decide what are tests: a folder without a module holds data, whatever its name is.
    pub fn of<'p>(paths: impl Iterator<Item = &'p str>) -> Self {
        Self::of_tests(paths.filter(|path| path.ends_with(".py")).filter_map(tests_of).collect())
    }

    /// Where these are the tests, named as [`tests_of`] does.
    pub fn of_tests(tests: BTreeSet<String>) -> Self {
        Self { tests }
    }

    /// The sort of one of them.
    pub fn sort(&self, path: &str) -> Option<Trim> {
        let is_metadata = path.split_once('/').is_some_and(|(top, _)| top.ends_with(".dist-info"));
        if is_metadata {
            None
        } else if tests_of(path).is_some_and(|tests| self.tests.contains(&tests)) {
            Some(Trim::Tests)
        } else {
            Trim::of_name(path)
        }
    }
}

/// The tests that a file belongs to by its path below the folder that modules are looked for in, as the name of a package
/// or module: `a.tests` for `a/tests/b/c.py`, `a.conftest` for `a/conftest.py`. What cannot be imported, such as the
/// template of a project, has none.
pub fn tests_of(path: &str) -> Option<String> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    match count_to_tests(&parts) {
        Some(count) => parts.truncate(count),
        None if file.strip_suffix(".py") == Some(CONFTEST) => parts.push(CONFTEST),
        None => return None,
    }
    parts.iter().all(|part| is_identifier(part)).then(|| parts.join("."))
}

/// The tests that a module belongs to by its full name, as [`tests_of`] names them.
pub fn tests_named(module: &str) -> Option<String> {
    let parts: Vec<&str> = module.split('.').collect();
    let conftest = || Some(parts.iter().position(|part| *part == CONFTEST)? + 1);
    let count = count_to_tests(&parts).or_else(conftest)?;
    Some(parts[..count].join("."))
}

/// How many parts of a name there are up to the outermost package of tests. Plugins of Ansible have a sort called `test`.
fn count_to_tests(parts: &[&str]) -> Option<usize> {
    let is_plugin = |at: usize| parts[at] == "test" && at > 0 && parts[at - 1] == "plugins";
    Some((0..parts.len()).find(|at| TESTS.contains(&parts[*at]) && !is_plugin(*at))? + 1)
}

/// Whether a part of a module's name is one that tests have.
pub fn is_name_of_tests(part: &str) -> bool {
    TESTS.contains(&part) || part == CONFTEST
}

impl fmt::Display for Trim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Trim {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|sort| sort.word() == text);
        known.ok_or_else(|| format!("{text:?} is not one of tests, typing, headers and static-libs"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_are_told_by_paths() {
        let files = [
            ("numpy/tests/test_a.py", Some(Trim::Tests)),
            ("numpy/tests/data/a.h", Some(Trim::Tests)),
            ("numpy/conftest.py", Some(Trim::Tests)),
            ("tests/a.py", Some(Trim::Tests)),
            ("numpy/testing/a.py", None),
            ("numpy/data/test/a.csv", None),
            ("numpy/tests.py", None),
            ("a/b.pyi", Some(Trim::Typing)),
            ("a/py.typed", None),
            ("jedi/third_party/typeshed/stdlib/os.pyi", None),
            ("jedi/third_party/django_stubs/a.pyi", None),
            ("basedpyright/dist/typeshed-fallback/stdlib/os.pyi", None),
            ("basedpyright/typeshed_patched/os.pyi", None),
            ("a/b-stubs/c.pyi", None),
            ("b-stubs/c.pyi", Some(Trim::Typing)),
            ("ansible_collections/a/b/plugins/test/c.py", None),
            ("ansible_collections/a/b/plugins/tests/c.py", Some(Trim::Tests)),
            ("kedro/templates/{{ cookiecutter.name }}/tests/test_run.py", None),
            ("a/tests/not-a-name/b.py", Some(Trim::Tests)),
            ("a/conftest/b.py", None),
            ("a/lib/libb.a", Some(Trim::StaticLibs)),
            ("a/b.a", None),
            ("a/include/b.hpp", Some(Trim::Headers)),
            ("a/b.pxd", Some(Trim::Headers)),
            ("a-1.dist-info/licenses/tests/LICENSE.h", None),
            ("a.py", None),
        ];
        let sorter = Sorter::of(files.iter().map(|(path, _)| *path));
        for (path, wanted) in files {
            assert_eq!(sorter.sort(path), wanted, "{path}");
        }
    }

    #[test]
    fn tests_have_the_name_of_the_outermost_package() {
        assert_eq!(tests_of("a/tests/b/tests/c.py").as_deref(), Some("a.tests"));
        assert_eq!(tests_of("a/conftest.py").as_deref(), Some("a.conftest"));
        assert_eq!(tests_of("a/contest.py"), None);
        assert_eq!(tests_of("a/conftest/tests/b.py").as_deref(), Some("a.conftest.tests"));
        assert_eq!(tests_named("a.conftest.tests.b").as_deref(), Some("a.conftest.tests"));
        assert_eq!(tests_named("a.conftest.b").as_deref(), Some("a.conftest"));
        assert_eq!(tests_named("a.plugins.test.b"), None);
        assert_eq!(tests_named("a.b.test.c").as_deref(), Some("a.b.test"));
        assert_eq!(tests_named("a.testing"), None);
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for sort in Trim::ALL {
            assert_eq!(sort.word().parse(), Ok(sort));
        }
        assert!("docs".parse::<Trim>().is_err());
    }
}
