//! Which tests stay in an environment whose distributions lose theirs, since something there imports them.

use std::collections::BTreeMap;
use std::io::Read;

use super::ready::ReadyWheel;
use super::trimmed::Trimmed;
use crate::config::TrimRule;
use crate::error::{Context, Result};
use crate::python::{SourceKind, SourceSet};
use crate::read;
use crate::store::{Store, Table};
use crate::story::parallel::in_parallel;
use crate::story::workshop::Workshop;
use crate::trim::Trim;
use crate::wheel::Tests;

/// Bytes of a module of the project that are read.
const MOST_MODULE: u64 = 4 << 20;

/// So many tests that stay are told.
const MOST_TOLD: usize = 3;

/// Which tests the modules of a project's source use.
///
/// # Errors
/// When one cannot be read.
pub(super) fn of_source(source: &SourceSet) -> Result<Tests> {
    let mut tests = Tests::default();
    for file in source.files.iter().filter(|file| file.to.ends_with(".py")) {
        if matches!(file.kind, SourceKind::File { .. }) {
            let failed = || format!("cannot read {}", file.from.display());
            let mut text = Vec::new();
            read::file(&file.from)
                .and_then(|content| content.take(MOST_MODULE).read_to_end(&mut text))
                .context(failed)?;
            tests.add_module(&file.to, &String::from_utf8_lossy(&text));
        }
    }
    Ok(tests)
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

    /// Which tests it has and uses, remembered or read.
    ///
    /// # Errors
    /// When it cannot be had or read.
    fn tests(&self, store: &Store) -> Result<Tests> {
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
    let leaves_tests =
        |wheel: &ReadyWheel| wheel.trim.as_ref().is_some_and(|trimmed| trimmed.sorts.contains(&Trim::Tests));
    if !wheels.iter().any(leaves_tests) {
        return Ok(None);
    }
    let tests = in_parallel(workshop.jobs(), wheels, |wheel| wheel.tests(workshop.store))?;
    let own = own()?;
    let used = Tests::used(&tests.iter().chain(&own).collect::<Vec<_>>());
    let mut told = BTreeMap::new();
    for (wheel, tests) in wheels.iter_mut().zip(&tests).filter(|(wheel, _)| leaves_tests(wheel)) {
        told.extend(tests.own(&used).map(|kept| (kept, &used[kept])));
        let of_itself = Tests::used(&[tests]);
        let for_others = tests.own(&used).filter(|kept| !of_itself.contains_key(*kept)).cloned();
        if let Some(trimmed) = &mut wheel.trim {
            trimmed.kept = for_others.collect();
        }
    }
    Ok(words(&told))
}

/// What is said of tests that stay, each with the file that imports them.
fn words(told: &BTreeMap<&String, &String>) -> Option<String> {
    let mut named: Vec<String> =
        told.iter().take(MOST_TOLD).map(|(tests, by)| format!("{tests} by {by}")).collect();
    if let Some(more) = told.len().checked_sub(MOST_TOLD).filter(|more| *more > 0) {
        named.push(format!("{more} more"));
    }
    (!named.is_empty())
        .then(|| format!("some tests stay in the image since they are imported: {}", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_tests_that_stay_are_named() {
        let names: Vec<String> = (0..5).map(|n| format!("a{n}.tests")).collect();
        let by = "main.py".to_owned();
        let told = |count: usize| names.iter().take(count).map(|name| (name, &by)).collect();
        assert_eq!(words(&told(0)), None);
        assert!(words(&told(1)).is_some_and(|text| text.ends_with("imported: a0.tests by main.py")));
        assert!(words(&told(5)).is_some_and(|text| text.ends_with("a2.tests by main.py, 2 more")));
    }
}
