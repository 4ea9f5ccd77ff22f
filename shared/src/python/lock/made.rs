//! What `containerize lock` wrote into a `pylock.toml` of what it was made with, in the file's
//! `[tool.containerize]`: from which files, for which extras and groups. Such a lock has no extras or groups to
//! choose from, so that this is the only way to tell whether it is the one that is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::place::joined;
use super::requirements::MOST_FILES;
use super::requirements_line::logical_lines;
use super::selection::at;
use super::{LockKind, read_text, requirements_text_of};
use crate::error::{Error, Result};
use crate::oci::Digest;
use crate::python::{Name, Requirement};
use crate::words::{Flag, flag};

/// What a lock was made with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Made {
    /// The files that say what is needed, by their names in the lock's folder.
    pub from: Vec<String>,
    /// The digest of what they mean.
    pub meaning: String,
    /// The project's extras that it has.
    #[serde(default)]
    pub extras: BTreeSet<String>,
    /// The dependency groups that it has.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// The oldest version of Python that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
}

impl Made {
    /// What `containerize lock` writes of a lock of the project in `dir`, as its files are now.
    ///
    /// # Errors
    /// A file cannot be read, or a name is none.
    pub fn now(
        dir: &Path,
        from: &[&str],
        extras: &[String],
        groups: &[String],
        python: Option<String>,
    ) -> Result<Self> {
        let (extras, groups) = (names(extras)?, names(groups)?);
        let from: Vec<String> = from.iter().map(|&name| name.to_owned()).collect();
        let meaning = meaning(dir, &from, !extras.is_empty(), !groups.is_empty())?;
        Ok(Self { from, meaning, extras, groups, python })
    }

    /// The record in `[tool.containerize]` of a lock, if there is one that can be read.
    pub(super) fn of(tool: Option<&Table>) -> Option<Self> {
        let made: Self = tool?.get("containerize")?.clone().try_into().ok()?;
        // The lock may be somebody else's, and such names lead nowhere else.
        let is_name = |file: &String| !file.contains(['/', '\\']) && file != "..";
        made.from.iter().all(is_name).then_some(made)
    }

    /// The record as it is written into the lock.
    ///
    /// # Errors
    /// A bug.
    pub fn table(&self) -> Result<Value> {
        Value::try_from(self).map_err(|e| Error::bug("cannot record what the lock is made with").because(e))
    }

    /// Which of the files does not mean any more what it did. `None` where all do.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) fn outdated_by(&self, dir: &Path) -> Result<Option<String>> {
        if let Some(gone) = self.from.iter().find(|file| !dir.join(file).is_file()) {
            return Ok(Some(gone.clone()));
        }
        let now = meaning(dir, &self.from, !self.extras.is_empty(), !self.groups.is_empty())?;
        Ok((now != self.meaning).then(|| self.from.join(" and ")))
    }

    /// Why this is not the lock for these extras and groups, in words, and the flag that would ask for what it has
    /// beside them. `None` where it is.
    pub(super) fn differs(
        &self,
        extras: &BTreeSet<Name>,
        groups: &BTreeSet<Name>,
    ) -> Option<(String, Option<Flag>)> {
        for (what, asked_by, has, wanted) in
            [("extra", "extra", &self.extras, extras), ("dependency group", "group", &self.groups, groups)]
        {
            let wanted: BTreeSet<&str> = wanted.iter().map(Name::as_str).collect();
            let has: BTreeSet<&str> = has.iter().map(String::as_str).collect();
            if let Some(name) = wanted.difference(&has).next() {
                return Some((format!("was made without the {what} {name}"), None));
            }
            if let Some(name) = has.difference(&wanted).next() {
                let how = format!("was made with the {what} {name}, which is not wanted");
                return Some((how, Some(flag(asked_by).of(*name))));
            }
        }
        None
    }
}

fn names(texts: &[String]) -> Result<BTreeSet<String>> {
    let is_main = |name: &String| matches!(name.as_str(), "main" | "default");
    let name = |text: &String| text.parse::<Name>().map(|name| name.as_str().to_owned());
    texts.iter().filter(|text| !is_main(text)).map(name).collect()
}

/// A digest of what the files ask for: other words, comments and orders for the same give the same.
fn meaning(dir: &Path, files: &[String], extras: bool, groups: bool) -> Result<String> {
    let mut words = BTreeMap::new();
    for file in files {
        let path = dir.join(file);
        let text = match LockKind::of(&path) {
            Some(LockKind::Requirements) => of_requirements(&path)?,
            _ if file.ends_with(".in") => of_requirements(&path)?,
            _ if file == "pyproject.toml" => of_pyproject(&read_text(&path)?, extras, groups)?,
            // Only running it tells.
            _ => String::new(),
        };
        words.insert(file, text);
    }
    Ok(Digest::of(format!("{words:?}").as_bytes()).to_string())
}

/// What of `pyproject.toml` a resolver reads.
fn of_pyproject(text: &str, extras: bool, groups: bool) -> Result<String> {
    let table: Table = toml::from_str(text)
        .map_err(|e| Error::usage("pyproject.toml is not a valid TOML file").because(e.message()))?;
    let mut keys = vec!["project.requires-python", "project.dynamic", "tool.uv", "tool.poetry.dependencies"];
    keys.extend(extras.then_some("project.optional-dependencies"));
    keys.extend(groups.then_some("dependency-groups"));
    let mut found: Vec<String> = Vec::new();
    for key in keys {
        found.extend(at(&table, key).map(|value| format!("{key} = {value}")));
    }
    let listed = at(&table, "project.dependencies").and_then(Value::as_array).into_iter().flatten();
    let mut listed: Vec<String> = listed.filter_map(Value::as_str).map(requirement).collect();
    listed.sort();
    Ok(format!("{listed:?} {found:?}"))
}

fn requirement(text: &str) -> String {
    text.parse().map_or_else(|_| squeezed(text), |found: Requirement| found.to_string())
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a requirements file and those that it includes ask for. Requirements stand in any order, and options
/// in their own.
fn of_requirements(path: &Path) -> Result<String> {
    let mut reader = Reader::default();
    reader.read(path, "r")?;
    reader.lines.sort();
    reader.lines.dedup();
    Ok(format!("{:?} {:?}", reader.lines, reader.options))
}

#[derive(Default)]
struct Reader {
    lines: Vec<(String, String)>,
    options: Vec<String>,
    seen: BTreeSet<(std::path::PathBuf, String)>,
}

impl Reader {
    fn read(&mut self, path: &Path, role: &str) -> Result<()> {
        if !self.seen.insert((path.to_owned(), role.to_owned())) {
            return Ok(());
        }
        if self.seen.len() > MOST_FILES {
            return Err(Error::usage(format!(
                "{}: more than {MOST_FILES} files are included",
                path.display()
            )));
        }
        for (_, line) in logical_lines(&requirements_text_of(path)?) {
            let folder = path.parent().unwrap_or(path);
            match included(&line) {
                // What is elsewhere is its resolver's matter.
                Some((_, file)) if file.contains("://") => self.options.push(line),
                Some((inner, file)) => {
                    let role = if role == "c" { role } else { inner };
                    self.read(&joined(folder, file), role)?;
                }
                None if line.starts_with('-') => self.options.push(squeezed(&line)),
                None => self.lines.push((role.to_owned(), of_line(&line))),
            }
        }
        Ok(())
    }
}

/// `-r FILE`, `-cFILE`, `--requirement=FILE`, ...
fn included(line: &str) -> Option<(&'static str, &str)> {
    let options = [("--requirement", "r"), ("--constraint", "c"), ("-r", "r"), ("-c", "c")];
    options.into_iter().find_map(|(option, role)| {
        let rest = line.strip_prefix(option)?;
        let rest = rest.trim_start().trim_start_matches('=').trim();
        let file = rest.trim_matches(['"', '\'']);
        (!file.is_empty() && !file.contains(char::is_whitespace)).then_some((role, file))
    })
}

/// A requirement with its digests, which stand in any order.
fn of_line(line: &str) -> String {
    let (text, options) = line.split_at(line.find(" --").unwrap_or(line.len()));
    let mut options: Vec<&str> = options.split_whitespace().collect();
    options.sort_unstable();
    format!("{} {}", requirement(text.trim()), options.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("folder"))
        }

        fn file(&self, name: &str, text: &str) -> &Self {
            std::fs::write(self.0.path().join(name), text).expect("written");
            self
        }

        fn made(&self, from: &[&str], extras: &[&str], groups: &[&str]) -> Made {
            let texts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
            Made::now(self.0.path(), from, &texts(extras), &texts(groups), None).expect("made")
        }

        fn outdated(&self, made: &Made) -> Option<String> {
            made.outdated_by(self.0.path()).expect("read")
        }
    }

    #[test]
    fn words_and_orders_of_requirements_do_not_count_and_pins_and_options_do() {
        let folder = Folder::new();
        let (a, b) = ("--hash=sha256:aa", "--hash=sha256:bb");
        folder
            .file("requirements.txt", &format!("-i https://a/simple\nFlask==1 {a} {b}\n-r base.txt\nx==1\n"));
        folder.file("base.txt", "y==1\n-c cons.txt\n").file("cons.txt", "z==1");
        let made = folder.made(&["requirements.txt"], &[], &[]);
        let text = format!(
            "# new\nx == 1  # why\n-i  https://a/simple\n\nflask==1 \\\n  {b} \\\n  {a}\n-r base.txt\n"
        );
        folder.file("requirements.txt", &text);
        assert_eq!(folder.outdated(&made), None);
        for (name, changed) in [
            ("requirements.txt", text.replace("x == 1", "x == 2")),
            ("requirements.txt", text.replace("https://a", "https://b")),
            ("requirements.txt", text.replace("sha256:bb", "sha256:cc")),
            ("base.txt", "y==2\n-c cons.txt\n".into()),
            ("base.txt", "y==1\n-r cons.txt\n".into()),
            ("cons.txt", "z==2".into()),
        ] {
            let before = std::fs::read_to_string(folder.0.path().join(name)).expect("there");
            folder.file(name, &changed);
            assert_eq!(folder.outdated(&made).as_deref(), Some("requirements.txt"), "{changed}");
            folder.file(name, &before);
        }
        assert_eq!(folder.outdated(&made), None);
        std::fs::remove_file(folder.0.path().join("requirements.txt")).expect("gone");
        assert_eq!(folder.outdated(&made).as_deref(), Some("requirements.txt"));
    }

    #[test]
    fn of_pyproject_counts_what_a_resolver_reads() {
        let folder = Folder::new();
        let text = "[project]\nname = 'a'\nversion = '1'\ndependencies = ['b>=1', 'c']\n\
                    [project.optional-dependencies]\nx = ['d']\n[dependency-groups]\ng = ['e']\n";
        folder.file("pyproject.toml", text);
        let (plain, full) =
            (folder.made(&["pyproject.toml"], &[], &[]), folder.made(&["pyproject.toml"], &["x"], &["g"]));
        for (from, to, plain_is_stale, full_is_stale) in [
            ("version = '1'", "version = '2'\nreadme = 'r'", false, false),
            ("['b>=1', 'c']", "['C', 'B >= 1']", false, false),
            ("'c']", "'c', 'f']", true, true),
            ("['d']", "['d>1']", false, true),
            ("['e']", "['e>1']", false, true),
            ("version = '1'", "version = '1'\nrequires-python = '>=3.12'", true, true),
        ] {
            folder.file("pyproject.toml", &text.replace(from, to));
            let found = (folder.outdated(&plain).is_some(), folder.outdated(&full).is_some());
            assert_eq!(found, (plain_is_stale, full_is_stale), "{to}");
        }
    }

    #[test]
    fn other_extras_and_groups_are_told_in_words() {
        let folder = Folder::new();
        folder.file("pyproject.toml", "");
        let made = folder.made(&["pyproject.toml"], &["Web_UI"], &["main", "prod"]);
        let names = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("name")).collect();
        let differs = |extras: &[&str], groups: &[&str]| made.differs(&names(extras), &names(groups));
        assert_eq!(differs(&["web-ui"], &["prod"]), None);
        assert_eq!(
            differs(&["web-ui", "x"], &["prod"]).as_ref(),
            Some(&("was made without the extra x".into(), None))
        );
        let more = "was made with the dependency group prod, which is not wanted".to_owned();
        assert_eq!(differs(&["web-ui"], &[]), Some((more, Some(flag("group").of("prod")))));
    }

    #[test]
    fn the_record_survives_the_file() {
        let folder = Folder::new();
        folder.file("pyproject.toml", "");
        let made = Made { python: Some("3.12".into()), ..folder.made(&["pyproject.toml"], &["x"], &[]) };
        let tool: Table = [("containerize".to_owned(), made.table().expect("table"))].into_iter().collect();
        let text = toml::to_string(&tool).expect("text");
        assert_eq!(Made::of(Some(&text.parse().expect("toml"))), Some(made));
        let elsewhere = text.replace("pyproject.toml", "../../etc/shadow");
        for text in ["containerize = 1", elsewhere.as_str()] {
            assert_eq!(Made::of(Some(&text.parse().expect("toml"))), None);
        }
    }
}
