//! Which tests stay in an environment whose distributions lose theirs, since something there imports them.

use std::collections::BTreeMap;
use std::io::Read;

use super::ready::ReadyWheel;
use super::trimmed::Trimmed;
use crate::config::{Settings, TrimRule};
use crate::error::{Context, Result};
use crate::python::{Project, SourceKind, SourceSet};
use crate::read;
use crate::store::{Store, Table};
use crate::story::parallel::in_parallel;
use crate::story::workshop::Workshop;
use crate::trim::Trim;
use crate::wheel::{MOST_MODULE, Tests};

/// So many tests that stay are told.
const MOST_TOLD: usize = 3;

/// Which tests the modules of a project's source use, all of which stay, and its scripts.
///
/// # Errors
/// When one cannot be read.
pub(super) fn of_source(project: &Project, source: &SourceSet) -> Result<Tests> {
    let mut tests = Tests::default();
    let roots = project.layout.python_paths();
    for file in source.files.iter().filter(|file| file.to.ends_with(".py")) {
        if matches!(file.kind, SourceKind::File { .. }) {
            let failed = || format!("cannot read {}", file.from.display());
            let mut text = Vec::new();
            read::file(&file.from)
                .and_then(|content| content.take(MOST_MODULE).read_to_end(&mut text))
                .context(failed)?;
            tests.add_module(below(&roots, &file.to), &String::from_utf8_lossy(&text));
        }
    }
    for (name, object) in &project.scripts {
        tests.add_start(&format!("the script {name}"), object);
    }
    Ok(tests.whole())
}

/// The path of a module below the innermost of the folders that modules are looked for in.
fn below<'p>(roots: &[String], path: &'p str) -> &'p str {
    let below = roots.iter().filter_map(|root| path.strip_prefix(root.as_str())?.strip_prefix('/'));
    below.min_by_key(|rest| rest.len()).unwrap_or(path)
}

/// Which tests the command and the environment of a container name.
pub(super) fn of_command(settings: &Settings) -> Tests {
    let mut tests = Tests::default();
    for (key, words) in [("entrypoint", &settings.entrypoint), ("cmd", &settings.cmd)] {
        for word in words.iter().flatten() {
            tests.add_start(key, word.strip_prefix("-m").unwrap_or(word));
        }
    }
    settings.env.iter().for_each(|(name, value)| tests.add_start(name, value));
    tests
}

impl ReadyWheel {
    /// With what `rules` leave out of it.
    ///
    /// # Errors
    /// As [`Trimmed::of`].
    pub(super) fn trimmed(mut self, rules: &[TrimRule]) -> Result<Self> {
        self.trim = Trimmed::of(rules, &self.name)?;
        Ok(self)
    }

    /// Whether its tests are left out.
    pub(super) fn leaves_tests(&self) -> bool {
        self.trim.as_ref().is_some_and(|trimmed| trimmed.sorts.contains(&Trim::Tests))
    }

    /// Which tests it has and uses, remembered or read.
    ///
    /// # Errors
    /// When it cannot be had or read.
    pub(super) fn tests(&self, store: &Store) -> Result<Tests> {
        let key = self.digest.to_string();
        if let Some(known) = store.recall(Table::WheelTests, &key) {
            return Ok(known);
        }
        let tests = self.open()?.tests()?;
        store.remember(Table::WheelTests, &key, &tests);
        Ok(tests)
    }
}

/// Lets the tests stay that other wheels use, or code of the project's `own`. What is to be said of all that stay.
///
/// # Errors
/// When a wheel cannot be had or read.
pub(super) fn keep_what_is_used(
    workshop: &Workshop<'_>,
    wheels: &mut [ReadyWheel],
    own: impl FnOnce() -> Result<Vec<Tests>>,
) -> Result<Option<String>> {
    if !wheels.iter().any(ReadyWheel::leaves_tests) {
        return Ok(None);
    }
    let tests = in_parallel(workshop.jobs(), wheels, |wheel| {
        let tests = wheel.tests(workshop.store)?;
        Ok(if wheel.leaves_tests() { tests } else { tests.whole() })
    })?;
    let own = own()?;
    let used = Tests::used(&tests.iter().chain(&own).collect::<Vec<_>>());
    let mut told = BTreeMap::new();
    for (wheel, tests) in wheels.iter_mut().zip(&tests).filter(|(wheel, _)| wheel.leaves_tests()) {
        told.extend(tests.own(&used).map(|kept| (kept, &used[kept])));
        let of_itself = Tests::used(&[tests]);
        let for_others = tests.own(&used).filter(|kept| !of_itself.contains_key(*kept)).cloned();
        if let Some(trimmed) = &mut wheel.trim {
            trimmed.kept = for_others.collect();
        }
    }
    Ok(words(&told))
}

/// What is said of tests that stay, each with what names them.
fn words(told: &BTreeMap<&String, &String>) -> Option<String> {
    let mut named: Vec<String> =
        told.iter().take(MOST_TOLD).map(|(tests, by)| format!("{tests} by {by}")).collect();
    if let Some(more) = told.len().checked_sub(MOST_TOLD).filter(|more| *more > 0) {
        named.push(format!("{more} more"));
    }
    (!named.is_empty())
        .then(|| format!("some tests stay in the image since something names them: {}", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_seen_from_the_folder_that_it_is_looked_for_in() {
        let roots = ["", "src", "src/more"].map(str::to_owned);
        for (path, wanted) in [
            ("main.py", "main.py"),
            ("src/a/b.py", "a/b.py"),
            ("src/more/c.py", "c.py"),
            ("srcs/a.py", "srcs/a.py"),
        ] {
            assert_eq!(below(&roots, path), wanted);
        }
    }

    #[test]
    fn some_tests_that_stay_are_named() {
        let names: Vec<String> = (0..5).map(|n| format!("a{n}.tests")).collect();
        let by = "main.py".to_owned();
        let told = |count: usize| names.iter().take(count).map(|name| (name, &by)).collect();
        assert_eq!(words(&told(0)), None);
        assert!(words(&told(1)).is_some_and(|text| text.ends_with("names them: a0.tests by main.py")));
        assert!(words(&told(5)).is_some_and(|text| text.ends_with("a2.tests by main.py, 2 more")));
    }
}
