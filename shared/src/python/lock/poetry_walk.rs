//! What a target needs of a `poetry.lock`. Of one that says no groups it is found from the project's
//! own dependencies along those of the packages.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::Selection;
use super::place::short;
use super::poetry::{self, Entry, Poetry};
use crate::error::{Error, Result};
use crate::python::{Constraint, Interpreter, Marker, Markers, Name, Package};

/// One requirement, in Poetry's notation.
struct Wanted<'a> {
    name: Name,
    versions: Constraint,
    extras: BTreeSet<Name>,
    optional: bool,
    table: Option<&'a Table>,
}

struct Walk<'a> {
    lock: &'a Poetry,
    target: &'a Interpreter,
    markers: Markers,
    /// Each package that is needed, with the extras of it that are.
    needed: BTreeMap<usize, BTreeSet<Name>>,
    /// Those whose dependencies are to be looked at, perhaps again with more extras.
    open: Vec<usize>,
}

/// The packages that a target needs.
pub(super) fn select(lock: &Poetry, selection: &Selection<'_>, target: &Interpreter) -> Result<Vec<Package>> {
    selection.check(&lock.place.shown(), &poetry::known_groups(lock, selection), &lock.extras)?;
    if lock.has_groups {
        poetry::by_groups(lock, selection, target)
    } else {
        by_requirements(lock, selection, target)
    }
}

/// The same of a lock that says no groups.
fn by_requirements(lock: &Poetry, selection: &Selection<'_>, target: &Interpreter) -> Result<Vec<Package>> {
    let mut walk =
        Walk { lock, target, markers: Markers::of(target), needed: BTreeMap::new(), open: Vec::new() };
    let by_extras = extra_names(lock, selection)?;
    for (name, value) in roots(selection) {
        for wanted in walk.read(name, value)? {
            if (!wanted.optional || by_extras.contains(&wanted.name)) && walk.holds(&wanted, &[])? {
                walk.need(&wanted)?;
            }
        }
    }
    // Extras only ever grow, so this ends whatever the dependencies look like.
    while let Some(at) = walk.open.pop() {
        walk.follow(at)?;
    }
    let needed = walk.needed.keys().filter_map(|at| lock.entries.get(*at));
    Ok(needed.map(|entry| entry.package.clone()).collect())
}

/// The project's dependencies: the main ones and those of the named groups.
fn roots<'a>(selection: &Selection<'a>) -> Vec<(&'a String, &'a Value)> {
    let mut tables = vec![selection.project.at("tool.poetry.dependencies")];
    for group in selection.added_groups() {
        let groups = selection.project.at("tool.poetry.group").and_then(Value::as_table);
        let named =
            groups.into_iter().flatten().filter(|(name, _)| name.parse().is_ok_and(|n: Name| n == group));
        tables.extend(named.map(|(_, table)| table.get("dependencies")));
        if group.as_str() == "dev" {
            tables.push(selection.project.at("tool.poetry.dev-dependencies"));
        }
    }
    let tables = tables.into_iter().flatten().filter_map(Value::as_table);
    tables.flatten().filter(|(name, _)| !name.eq_ignore_ascii_case("python")).collect()
}

/// The optional dependencies that the wanted extras switch on.
fn extra_names(lock: &Poetry, selection: &Selection<'_>) -> Result<BTreeSet<Name>> {
    let mut names = BTreeSet::new();
    let extras = selection.project.at("tool.poetry.extras").and_then(Value::as_table);
    for (extra, listed) in extras.into_iter().flatten() {
        if !selection.extras.contains(&lock.place.name(extra)?) {
            continue;
        }
        let listed = listed.as_array().into_iter().flatten().filter_map(Value::as_str);
        names.extend(listed.map(|name| lock.place.name(name)).collect::<Result<Vec<_>>>()?);
    }
    Ok(names)
}

impl<'a> Walk<'a> {
    /// Reads `name = ">=1"`, `name = {version = ">=1", ...}` or a list of such.
    fn read(&self, name: &str, value: &'a Value) -> Result<Vec<Wanted<'a>>> {
        let name = self.lock.place.name(name)?;
        let values = value.as_array().map_or_else(|| vec![value], |list| list.iter().collect());
        values.into_iter().map(|value| self.read_one(&name, value)).collect()
    }

    fn read_one(&self, name: &Name, value: &'a Value) -> Result<Wanted<'a>> {
        let wrong = || {
            let text = short(&value.to_string());
            self.lock.place.wrong_package(name, format!("{text} is not a dependency"))
        };
        let (versions, table) = match value {
            Value::String(text) => (text.as_str(), None),
            Value::Table(table) => (table.get("version").and_then(Value::as_str).unwrap_or("*"), Some(table)),
            _ => return Err(wrong()),
        };
        let extras = table.and_then(|t| t.get("extras")).and_then(Value::as_array);
        let extras = extras.into_iter().flatten().filter_map(Value::as_str);
        Ok(Wanted {
            name: name.clone(),
            versions: Constraint::parse(versions).map_err(|e| wrong().because(e))?,
            extras: extras.map(|extra| self.lock.place.name(extra)).collect::<Result<_>>()?,
            optional: table.and_then(|t| t.get("optional")).and_then(Value::as_bool).unwrap_or(false),
            table,
        })
    }

    /// Whether the target needs it, for somebody who asked for these extras.
    fn holds(&self, wanted: &Wanted<'_>, extras: &[Name]) -> Result<bool> {
        let text = |key: &str| wanted.table.and_then(|t| t.get(key)).and_then(Value::as_str);
        let python = text("python").map(Constraint::parse).transpose()?;
        let marker = text("markers").map(|text| self.lock.place.marker(&wanted.name, text)).transpose()?;
        let holds = |marker: &Marker| marker.holds(&self.markers, extras, &[]);
        Ok(python.is_none_or(|python| python.allows_python(self.target))
            && text("platform").is_none_or(is_linux)
            && marker.as_ref().is_none_or(holds))
    }

    fn need(&mut self, wanted: &Wanted<'_>) -> Result<()> {
        let at = self.find(wanted)?;
        let known = self.needed.contains_key(&at);
        let extras = self.needed.entry(at).or_default();
        let before = extras.len();
        extras.extend(wanted.extras.iter().cloned());
        if !known || extras.len() > before {
            self.open.push(at);
        }
        Ok(())
    }

    /// The locked package that is meant. Where the lock has several of a name, it is the one
    /// whose version will do.
    fn find(&self, wanted: &Wanted<'_>) -> Result<usize> {
        let entries = self.lock.entries.iter().enumerate();
        let named: Vec<(usize, &Entry)> =
            entries.filter(|(_, entry)| entry.package.name == wanted.name).collect();
        let fits = |entry: &Entry| {
            let version = entry.package.version.as_ref();
            version.is_none_or(|version| wanted.versions.allows(version))
                && entry.python.allows_python(self.target)
        };
        let best = match named.as_slice() {
            [only] => Some(*only),
            several => several
                .iter()
                .filter(|(_, entry)| fits(entry))
                .max_by(|a, b| a.1.package.version.cmp(&b.1.package.version))
                .copied(),
        };
        best.map(|(at, _)| at).ok_or_else(|| self.missing(wanted))
    }

    fn missing(&self, wanted: &Wanted<'_>) -> Error {
        let what = format!("it is needed as {}, but not in the lock", wanted.versions);
        self.lock.place.wrong_package(&wanted.name, what)
    }

    fn follow(&mut self, at: usize) -> Result<()> {
        let lock = self.lock;
        let Some(entry) = lock.entries.get(at) else { return Ok(()) };
        let extras: Vec<Name> = self.needed.get(&at).into_iter().flatten().cloned().collect();
        let added: BTreeSet<&Name> =
            extras.iter().filter_map(|extra| entry.extras.get(extra)).flatten().collect();
        for (name, value) in &entry.dependencies {
            for wanted in self.read(name, value)? {
                if (!wanted.optional || added.contains(&wanted.name)) && self.holds(&wanted, &extras)? {
                    self.need(&wanted)?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a `platform` such as `linux`, `!=win32` or `linux|darwin` allows Linux.
fn is_linux(text: &str) -> bool {
    text.split('|').filter(|part| !part.trim().is_empty()).any(|all| {
        all.split([',', ' ']).map(str::trim).filter(|part| !part.is_empty()).all(|one| {
            match one.strip_prefix("!=") {
                Some(other) => other.trim() != "linux",
                None => one.trim_start_matches('=') == "linux",
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::is_linux;

    #[test]
    fn platforms_are_read_as_poetry_means_them() {
        for text in ["linux", "==linux", "!=win32", "darwin|linux", "!=win32,!=darwin"] {
            assert!(is_linux(text), "{text}");
        }
        for text in ["win32", "!=linux", "darwin|win32", "!=win32,!=linux"] {
            assert!(!is_linux(text), "{text}");
        }
    }
}
