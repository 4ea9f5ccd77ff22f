//! What of a wheel is left out where some sorts of files are not wanted. Tests that something imports stay, and so do
//! stubs that their module reads.

use std::collections::{BTreeMap, BTreeSet};

use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::zip::Archive;
use super::{Place, Wheel, WheelFile};
use crate::error::{Context, Result};
use crate::python::tests_used;
use crate::trim::{Sorter, Trim, tests_named, tests_of};

/// The version of the rules by which files are left out: what was made by another one is not found again. Whatever changes
/// them is a new version here, of what the tests of wheels are remembered under, and of the layer contract.
pub const TRIM_RULES: u32 = 2;

/// Bytes of a module that are read to find the tests that it uses.
pub const MOST_MODULE: u64 = 4 << 20;

/// Bytes of entry_points.txt that are read.
const MOST_ENTRY_POINTS: u64 = 1 << 20;

/// What a module calls that reads its names from the stub beside it (`lazy_loader`).
const READS_STUB: &[u8] = b"attach_stub";

/// Tests by their names ([`tests_of`]), each with a file that uses them.
pub type Used = BTreeMap<String, String>;

/// Which tests a wheel has, and which ones it uses; of a project only the latter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tests {
    /// Those that it has, with what they use themselves.
    has: BTreeMap<String, Used>,
    /// What all other modules use.
    uses: Used,
    /// Stubs that modules read when they are imported, by their names in the archive.
    read_stubs: BTreeSet<String>,
}

impl Tests {
    /// Notes a module, by its path below the folder that modules are looked for in.
    pub fn add_module(&mut self, path: &str, text: &str) {
        let uses = match tests_of(path) {
            Some(own) => self.has.entry(own).or_default(),
            None => &mut self.uses,
        };
        note_used(uses, path, path, text);
    }

    /// Notes what starts a program, such as a script or a word of a command line; messages call it `by`.
    pub fn add_start(&mut self, by: &str, text: &str) {
        note_used(&mut self.uses, by, "", text);
        // It may be no text of Python but an object in a module, or a command line for a shell.
        let module = text.split([':', '[']).next().unwrap_or_default().trim();
        let words = text.split(|letter: char| !(letter.is_alphanumeric() || "_.".contains(letter)));
        for name in words.filter(|word| word.contains('.')).chain([module]) {
            if let Some(tests) = tests_named(name) {
                self.uses.entry(tests).or_insert_with(|| by.to_owned());
            }
        }
    }

    /// The same where none of its tests are left out: they use what they use whether something uses them or not.
    #[must_use]
    pub fn whole(mut self) -> Self {
        for (tests, by) in std::mem::take(&mut self.has).into_values().flatten() {
            self.uses.entry(tests).or_insert(by);
        }
        self
    }

    /// Whether it has tests that may be left out.
    pub fn has_any(&self) -> bool {
        !self.has.is_empty()
    }

    /// Of these tests, those that it has.
    pub fn own<'u>(&self, used: &'u Used) -> impl Iterator<Item = &'u String> {
        used.keys().filter(|tests| self.has.contains_key(*tests))
    }

    /// The tests of `all` that something uses which is there: other modules, or tests that are used.
    pub fn used(all: &[&Self]) -> Used {
        let mut open: Vec<(&String, &String)> = all.iter().flat_map(|one| &one.uses).collect();
        let mut used = Used::new();
        while let Some((tests, by)) = open.pop() {
            let mut owners = all.iter().filter_map(|one| one.has.get(tests)).peekable();
            if owners.peek().is_some() && !used.contains_key(tests) {
                used.insert(tests.clone(), by.clone());
                open.extend(owners.flatten());
            }
        }
        used
    }
}

fn note_used(uses: &mut Used, by: &str, path: &str, text: &str) {
    for tests in tests_used(path, text) {
        uses.entry(tests).or_insert_with(|| by.to_owned());
    }
}

impl Wheel {
    /// Which tests it has and uses, told from the texts of its modules, scripts and entry points. It has none where it is
    /// nothing but tests: whoever installs such a distribution wants them.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn tests(&self) -> Result<Tests> {
        self.read_tests().context(|| format!("cannot read the modules of {} {}", self.name, self.version))
    }

    fn read_tests(&self) -> Result<Tests> {
        let mut found = Tests::default();
        let mut archive = Archive::open(&self.archive)?;
        let members: BTreeMap<String, _> =
            archive.members.iter().map(|member| (member.name.clone(), member.clone())).collect();
        let mut start = |name: &str, most| match members.get(name) {
            Some(member) => {
                archive.start_of(member, most).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            }
            None => Ok(String::new()),
        };
        for file in &self.files {
            match file.place {
                Place::SitePackages if file.path.ends_with(".py") => {
                    let text = start(&file.name, MOST_MODULE)?;
                    found.add_module(&file.path, &text);
                    if memmem::find(text.as_bytes(), READS_STUB).is_some() {
                        found.read_stubs.insert(format!("{}i", file.name));
                    }
                }
                // Most others are programs of machine code.
                Place::Scripts if start(&file.name, 2)? == "#!" => {
                    found.add_start(&file.path, &start(&file.name, MOST_MODULE)?);
                }
                Place::SitePackages | Place::Scripts | Place::Headers | Place::Prefix => {}
            }
        }
        let listed = format!("{}/entry_points.txt", self.dist_info);
        for reference in
            start(&listed, MOST_ENTRY_POINTS)?.lines().filter_map(|line| Some(line.split_once('=')?.1))
        {
            found.add_start(&listed, reference);
        }
        let is_left = |file: &WheelFile| is_module(file) && tests_of(&file.path).is_none();
        Ok(if self.files.iter().any(is_left) { found } else { found.whole() })
    }

    /// Takes away the files of these sorts, but for tests that it uses itself or that are among `kept`, and for stubs that
    /// are read. RECORD will not list them.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn trim(&mut self, sorts: &BTreeSet<Trim>, kept: &BTreeSet<String>) -> Result<()> {
        let depends_on_modules = sorts.contains(&Trim::Tests) || sorts.contains(&Trim::Typing);
        let tests = if depends_on_modules { self.tests()? } else { Tests::default() };
        let used = Tests::used(&[&tests]);
        let leaves_tests = sorts.contains(&Trim::Tests);
        let unused =
            tests.has.keys().filter(|of| leaves_tests && !used.contains_key(*of) && !kept.contains(*of));
        let sorter = Sorter::of_tests(unused.cloned().collect());
        let is_out = |file: &WheelFile| match file.place {
            Place::Scripts => false,
            Place::Headers => sorts.contains(&Trim::Headers),
            Place::Prefix => Trim::of_name(&file.path).is_some_and(|sort| sorts.contains(&sort)),
            Place::SitePackages => match sorter.sort(&file.path) {
                Some(Trim::Tests) => true,
                Some(sort) => sorts.contains(&sort) && !tests.read_stubs.contains(&file.name),
                None => false,
            },
        };
        self.files.retain(|file| !is_out(file));
        Ok(())
    }
}

/// Whether a file can be imported.
fn is_module(file: &WheelFile) -> bool {
    file.place == Place::SitePackages && [".py", ".so"].iter().any(|end| file.path.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(modules: &[(&str, &str)]) -> Tests {
        let mut tests = Tests::default();
        modules.iter().for_each(|(path, text)| tests.add_module(path, text));
        tests
    }

    #[test]
    fn tests_that_stay_keep_what_they_use() {
        let maths = of(&[("maths/__init__.py", ""), ("maths/tests/a.py", "")]);
        let other = of(&[("other/tests/t.py", "from maths.tests import a\n")]);
        assert_eq!(Tests::used(&[&maths, &other]), Used::new(), "both may go");
        let other = other.whole();
        assert!(!other.has_any());
        let by = |used: Used| used.into_iter().collect::<Vec<_>>();
        let wanted = vec![("maths.tests".to_owned(), "other/tests/t.py".to_owned())];
        assert_eq!(by(Tests::used(&[&maths, &other])), wanted);
    }

    #[test]
    fn what_starts_a_program_names_its_tests() {
        let maths = of(&[("maths/tests/a.py", "")]);
        for (word, wanted) in [
            ("maths.tests.a", true),
            ("maths.tests.a:main", true),
            ("from maths import tests", true),
            ("exec python -m maths.tests.a --all", true),
            ("maths.core:tests", false),
            ("maths/tests", false),
        ] {
            let mut start = Tests::default();
            start.add_start("cmd", word);
            assert_eq!(Tests::used(&[&maths, &start]).contains_key("maths.tests"), wanted, "{word}");
        }
    }
}
