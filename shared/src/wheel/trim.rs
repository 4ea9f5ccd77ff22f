//! What of a wheel is left out where some sorts of files are not wanted. Tests that something imports stay, and so do
//! stubs that their module reads.

use std::collections::{BTreeMap, BTreeSet};

use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::zip::Archive;
use super::{Place, Wheel, WheelFile};
use crate::error::{Context, Result};
use crate::python::tests_used;
use crate::trim::{Trim, tests_named, tests_of};

/// The version of the rules by which files are left out: what was made by another one is not found again. Whatever changes
/// them is a new version here, of what the tests of wheels are remembered under, and of the layer contract.
pub const TRIM_RULES: u32 = 1;

/// Bytes of a module that are read.
const MOST_MODULE: u64 = 4 << 20;

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
        for tests in tests_used(path, text) {
            uses.entry(tests).or_insert_with(|| path.to_owned());
        }
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

impl Wheel {
    /// Which tests it has and uses, told from the texts of its modules and its entry points.
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
            if file.place != Place::SitePackages || !file.path.ends_with(".py") {
                continue;
            }
            let text = start(&file.name, MOST_MODULE)?;
            found.add_module(&file.path, &text);
            if memmem::find(text.as_bytes(), READS_STUB).is_some() {
                found.read_stubs.insert(format!("{}i", file.name));
            }
        }
        let listed = format!("{}/entry_points.txt", self.dist_info);
        for reference in
            start(&listed, MOST_ENTRY_POINTS)?.lines().filter_map(|line| Some(line.split_once('=')?.1))
        {
            let module = reference.split([':', '[']).next().unwrap_or_default().trim();
            found.uses.extend(tests_named(module).map(|tests| (tests, listed.clone())));
        }
        Ok(found)
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
        let is_test = |file: &WheelFile| {
            let of = tests_of(&file.path).filter(|of| tests.has.contains_key(of));
            of.is_some_and(|of| !used.contains_key(&of) && !kept.contains(&of))
        };
        let is_out = |file: &WheelFile| match file.place {
            Place::Scripts => false,
            Place::Headers => sorts.contains(&Trim::Headers),
            Place::Prefix => Trim::of_name(&file.path).is_some_and(|sort| sorts.contains(&sort)),
            Place::SitePackages if file.path.starts_with(&self.dist_info) => false,
            Place::SitePackages => {
                let of_name = Trim::of_name(&file.path).filter(|sort| sorts.contains(sort));
                sorts.contains(&Trim::Tests) && is_test(file)
                    || of_name.is_some() && !tests.read_stubs.contains(&file.name)
            }
        };
        self.files.retain(|file| !is_out(file));
        Ok(())
    }
}
