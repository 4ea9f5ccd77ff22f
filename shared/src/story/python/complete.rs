//! Whether an environment has all that the distributions in it need, and who decides about what it lacks.
//!
//! A lock that a resolver made may leave something out on purpose: that is told. Of other files, as a
//! `requirements.txt` that pins what the project names and not what that needs, nothing says that it is meant
//! so: that would be an image that does not start, and is refused.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::ready::{ReadyWheel, present};
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::event::Events;
use crate::oci::Digest;
use crate::python::closed::{self, Present, Unmet};
use crate::python::lock::{Lock, LockKind};
use crate::python::{Interpreter, Markers, Name, Package, Project, Requirement};
use crate::store::Table;
use crate::story::parallel::in_parallel;
use crate::story::workshop::Workshop;
use crate::words;
use crate::words::{Command, Words};

/// How many of the missing are named.
const MOST_NAMED: usize = 8;

/// What an environment is made of.
pub(super) struct Laid<'a> {
    /// What comes from elsewhere.
    pub(super) wheels: &'a [ReadyWheel],
    /// What was built of folders here: the project, and others beside it.
    pub(super) local: Vec<Present>,
    /// Whether the project is one of these.
    pub(super) project_is_laid: bool,
}

/// What the distributions of an environment need and it does not have, but for what the settings let be
/// missing. What was found is remembered, so that a build without changes opens no wheel for it.
///
/// # Errors
/// When a wheel is not sound.
pub(super) fn unmet(
    workshop: &Workshop<'_>,
    draft: &Draft,
    settings: &Settings,
    interpreter: &Interpreter,
    laid: &Laid<'_>,
) -> Result<Vec<Unmet>> {
    let mut local = laid.local.clone();
    if !laid.project_is_laid {
        local.push(declared(&draft.project));
    }
    let mut wanted = draft.lock.as_deref().map(Lock::wanted).unwrap_or_default();
    wanted.push(of_project(&draft.project, settings)?);
    let mut key = format!("{} {} {local:?} {wanted:?}", interpreter.version, interpreter.platform);
    laid.wheels.iter().for_each(|wheel| key.push_str(&format!(" {}", wheel.digest)));
    let key = Digest::of(key.as_bytes()).to_string();
    let found = match workshop.store.recall::<Vec<Unmet>>(Table::Closed, &key) {
        Some(found) => found,
        None => {
            let open = || in_parallel(workshop.jobs(), laid.wheels, |wheel| wheel.open().map(present));
            let mut all = tokio::task::block_in_place(open)?;
            all.extend(local);
            let found = closed::unmet(&all, &wanted, &Markers::of(interpreter));
            workshop.store.remember(Table::Closed, &key, &found);
            found
        }
    };
    let may_be_missing: BTreeSet<Name> =
        settings.python.missing.iter().map(|name| name.parse::<Name>()).collect::<Result<_>>()?;
    let is_meant = |one: &Unmet| one.name.parse::<Name>().is_ok_and(|name| may_be_missing.contains(&name));
    Ok(found.into_iter().filter(|one| !is_meant(one)).collect())
}

/// A distribution that is still to be built, of which nobody knows yet what it needs.
pub(super) fn pending(package: &Package) -> Present {
    Present { name: package.name.clone(), version: package.version.clone(), requires: Vec::new() }
}

/// Refuses what [`judge`] will refuse, as far as it can be told before anything is built.
///
/// # Errors
/// As those of [`unmet`] and [`judge`].
pub(super) fn refuse_early(
    workshop: &Workshop<'_>,
    draft: &Draft,
    settings: &Settings,
    interpreter: &Interpreter,
    laid: &Laid<'_>,
) -> Result<()> {
    match draft.lock.as_ref().is_some_and(|lock| !lock.resolved) {
        true => judge(draft, unmet(workshop, draft, settings, interpreter, laid)?, workshop.events),
        false => Ok(()),
    }
}

/// The project where only its source is laid: what it says that it needs.
fn declared(project: &Project) -> Present {
    let mut requires: Vec<String> = project.dependencies.clone();
    let table = project.pyproject.as_ref();
    let extras = table.and_then(|table| table.get("project")?.get("optional-dependencies")?.as_table());
    for (extra, list) in extras.into_iter().flatten() {
        let texts = list.as_array().into_iter().flatten().filter_map(|text| text.as_str());
        requires.extend(texts.map(|text| match text.split_once(';') {
            Some((bare, marker)) => format!("{bare} ; ({marker}) and extra == '{extra}'"),
            None => format!("{text} ; extra == '{extra}'"),
        }));
    }
    Present::of(project.normalized.clone(), None, requires.iter().map(String::as_str))
}

/// The project with the extras that are asked for.
fn of_project(project: &Project, settings: &Settings) -> Result<Requirement> {
    let extras = settings.python.extras.iter().map(|extra| extra.parse()).collect::<Result<_>>()?;
    Ok(Requirement { name: project.normalized.clone(), extras, specifiers: None, url: None, marker: None })
}

/// Refuses what is missing, or tells it where the lock has the say.
///
/// # Errors
/// Usage: what is missing and through whom, where nothing shows that it is meant so.
pub(super) fn judge(draft: &Draft, mut unmet: Vec<Unmet>, events: &Events) -> Result<()> {
    unmet.sort();
    unmet.dedup();
    let Some(lock) = &draft.lock else { return Ok(()) };
    let file = lock.path.file_name().unwrap_or_default().to_string_lossy();
    match (unmet.as_slice(), lock.resolved) {
        ([], _) => Ok(()),
        (unmet, true) => {
            let all: Vec<String> = unmet.iter().take(MOST_NAMED).map(need).collect();
            let more = unmet.len().saturating_sub(MOST_NAMED);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            events.note(format!(
                "{file} does not meet all requirements of its distributions, and is used as it is: {}{more}",
                all.join(", ")
            ));
            Ok(())
        }
        (unmet, false) if draft.lock_is_named => Err(refusal(&file, unmet, &named(lock.kind, &file))),
        (unmet, false) if lock.made.is_some() => Err(refusal(&file, unmet, &by_pip())),
        (unmet, false) => Err(refusal(&file, unmet, &completed())),
    }
}

fn need(one: &Unmet) -> String {
    let instead = one.instead.as_ref().map(|version| format!(" (it is {version})")).unwrap_or_default();
    format!("{} needs {}{instead}", one.through, one.needed)
}

/// The way out for a file that only pins.
fn completed() -> Words {
    words!("run `{}` to make a complete pylock.toml", Command::LOCK)
}

/// The way out for a file that the key `lock` names, which nobody else makes.
fn named(kind: LockKind, file: &str) -> Words {
    let option = if kind == LockKind::Pylock { "--format pylock.toml" } else { "--generate-hashes" };
    format!("use `uv pip compile {option}` to make a complete {file}").into()
}

/// The way out for a lock that was made here without uv.
fn by_pip() -> Words {
    words!(
        "pip locks only for its own Python; with uv (`pip install uv`), `{}` makes a lock for all",
        Command::LOCK
    )
}

fn refusal(file: &str, unmet: &[Unmet], way_out: &Words) -> Error {
    // What is not there at all is the clearer sentence.
    let Some(first) = unmet.iter().find(|one| one.instead.is_none()).or_else(|| unmet.first()) else {
        return Error::bug("nothing is missing");
    };
    let Unmet { name, needed, through, instead } = first;
    let how = match instead {
        None => format!("which {file} does not pin"),
        Some(version) => format!("but {file} pins {version}"),
    };
    let others: BTreeSet<&str> =
        unmet.iter().map(|one| one.name.as_str()).filter(|other| other != name).collect();
    let error = Error::usage(format!("{through} needs {needed}, {how}"));
    let mut named: Vec<&str> = others.iter().copied().take(MOST_NAMED).collect();
    let more = format!("{} more", others.len().saturating_sub(named.len()));
    if others.len() > named.len() {
        named.push(&more);
    }
    let error = if named.is_empty() {
        error
    } else {
        error.because(format!("the same goes for {}", named.join(", ")))
    };
    let advice = match instead {
        None => way_out,
        Some(_) => "pin a version that fits",
    };
    let rest = if others.is_empty() { "" } else { ", ..." };
    error.hint(format!("{advice}; if this is intended, set missing = [\"{name}\"{rest}] in the settings"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmet(through: &str, name: &str, instead: Option<&str>) -> Unmet {
        let instead = instead.map(str::to_owned);
        Unmet { name: name.into(), needed: format!("{name}>=2"), through: through.into(), instead }
    }

    #[test]
    fn a_refusal_names_what_is_missing_through_whom_and_the_way_out() {
        let all = [unmet("a 1", "b", Some("1.0")), unmet("a 1", "c", None), unmet("d 2", "e", None)];
        let error = refusal("requirements.txt", &all, &completed());
        assert_eq!(error.kind(), crate::Kind::Usage);
        assert_eq!(error.to_string(), "a 1 needs c>=2, which requirements.txt does not pin");
        assert_eq!(error.causes(), ["the same goes for b, e"]);
        assert!(
            error.hint_text().is_some_and(|hint| hint.starts_with("run `containerize lock` ")),
            "{error:?}"
        );
        let error = refusal("requirements.txt", &all[..1], &completed());
        assert_eq!(error.to_string(), "a 1 needs b>=2, but requirements.txt pins 1.0");
        assert!(error.causes().is_empty());
        assert!(error.hint_text().is_some_and(|hint| hint.contains("missing = [\"b\"]")), "{error:?}");
    }

    #[test]
    fn of_many_only_some_are_named() {
        let all: Vec<Unmet> = (0..20).map(|n| unmet("a 1", &format!("b{n:02}"), None)).collect();
        let causes = refusal("requirements.txt", &all, &completed()).causes();
        assert!(causes[0].ends_with("b08, 11 more"), "{causes:?}");
    }
}
