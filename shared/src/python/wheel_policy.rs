//! In which form distributions may be taken: what a project tells its own tools about wheels and
//! builds holds here too.
//!
//! uv has `no-binary-package` and `no-build-package`, pip `--no-binary` and `--only-binary` (also in
//! requirements files), Poetry `installer.no-binary` and `installer.only-binary`.

use std::collections::BTreeSet;
use std::path::Path;

use toml::{Table, Value};

use super::Name;
use super::lock::Indexes;
use crate::error::{Context, Result};
use crate::read;

/// Which distributions are never taken as wheels, and which are never built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WheelPolicy {
    no_binary: Names,
    no_build: Names,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Names {
    all: bool,
    named: BTreeSet<Name>,
}

impl Names {
    /// Adds words as pip reads them: names with commas, `:all:`, and `:none:`, which empties.
    fn add(&mut self, words: &str) -> Result<()> {
        for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                ":all:" => self.all = true,
                ":none:" => *self = Self::default(),
                name => _ = self.named.insert(name.parse()?),
            }
        }
        Ok(())
    }

    fn has(&self, name: &Name) -> bool {
        self.all || self.named.contains(name)
    }
}

impl WheelPolicy {
    /// What the tables of `dir` (of the project, or of its workspace) and a requirements file say.
    ///
    /// # Errors
    /// Usage: a file cannot be read, or a word cannot be a name.
    pub fn read(dir: &Path, requirements: Option<&Indexes>) -> Result<Self> {
        let mut policy = Self::default();
        let pyproject = table(&dir.join("pyproject.toml"))?;
        policy.of_uv(pyproject.get("tool").and_then(|tool| tool.get("uv")))?;
        let poetry = table(&dir.join("poetry.toml"))?;
        let installer = poetry.get("installer");
        let said = |key: &str| installer.and_then(|installer| installer.get(key));
        add_value(&mut policy.no_binary, said("no-binary"))?;
        add_value(&mut policy.no_build, said("only-binary"))?;
        for words in requirements.into_iter().flat_map(|requirements| &requirements.no_binary) {
            policy.no_binary.add(words)?;
        }
        for words in requirements.into_iter().flat_map(|requirements| &requirements.only_binary) {
            policy.no_build.add(words)?;
        }
        Ok(policy)
    }

    /// The same with `no_binary` on top, which names distributions or is `:all:`.
    ///
    /// # Errors
    /// Usage: a word cannot be a name.
    pub fn with_no_binary(&self, no_binary: &[String]) -> Result<Self> {
        let mut policy = self.clone();
        no_binary.iter().try_for_each(|words| policy.no_binary.add(words))?;
        Ok(policy)
    }

    fn of_uv(&mut self, table: Option<&Value>) -> Result<()> {
        let said = |key: &str| table.and_then(|table| table.get(key));
        for (names, all, some) in [
            (&mut self.no_binary, "no-binary", "no-binary-package"),
            (&mut self.no_build, "no-build", "no-build-package"),
        ] {
            add_value(names, said(all))?;
            add_value(names, said(some))?;
        }
        Ok(())
    }

    /// Whether a wheel of `name` may be taken.
    pub fn allows_wheel(&self, name: &Name) -> bool {
        !self.no_binary.has(name)
    }

    /// Whether `name` may be built. What is to be built in any case may.
    pub fn allows_build(&self, name: &Name) -> bool {
        !self.no_build.has(name) || self.no_binary.has(name)
    }
}

/// `true`, a text as pip reads it, or a list of names.
fn add_value(names: &mut Names, value: Option<&Value>) -> Result<()> {
    match value {
        Some(Value::Boolean(true)) => names.all = true,
        Some(Value::String(words)) => names.add(words)?,
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_str).try_for_each(|words| names.add(words))?;
        }
        _ => {}
    }
    Ok(())
}

/// The tables of a file; none where there is no file.
fn table(path: &Path) -> Result<Table> {
    if !path.is_file() {
        return Ok(Table::new());
    }
    let cannot = || format!("cannot read {}", path.display());
    let text = read::text(path, read::DOCUMENT).context(cannot)?;
    toml::from_str(&text)
        .map_err(|error| crate::Error::usage(cannot()).because(read::toml_words(path, &error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(files: &[(&str, &str)], requirements: &Indexes, own: &[&str]) -> Result<WheelPolicy> {
        let folder = tempfile::tempdir().expect("folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("file");
        }
        let own: Vec<String> = own.iter().map(|&word| word.to_owned()).collect();
        WheelPolicy::read(folder.path(), Some(requirements))?.with_no_binary(&own)
    }

    /// Which of two distributions may come as wheels, and which may be built.
    fn allowed(policy: &WheelPolicy) -> [bool; 4] {
        let [a, b] = ["gmpy2", "other"].map(|name| name.parse::<Name>().expect("name"));
        [policy.allows_wheel(&a), policy.allows_wheel(&b), policy.allows_build(&a), policy.allows_build(&b)]
    }

    #[test]
    fn each_tools_own_words_hold() {
        let pip = |no: &[&str], only: &[&str]| {
            let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
            Indexes { no_binary: words(no), only_binary: words(only), ..Indexes::default() }
        };
        let nothing = pip(&[], &[]);
        let uv = |text: &'static str| vec![("pyproject.toml", text)];
        for (files, requirements, own, expected) in [
            (vec![], &nothing, vec![], [true; 4]),
            (uv("tool.uv.no-binary-package = ['GMPy2']"), &nothing, vec![], [false, true, true, true]),
            (uv("tool.uv.no-binary = true"), &nothing, vec![], [false, false, true, true]),
            (uv("tool.uv.no-build-package = ['other']"), &nothing, vec![], [true, true, true, false]),
            (
                uv("tool.uv = { no-build = true, no-binary-package = ['gmpy2'] }"),
                &nothing,
                vec![],
                [false, true, true, false],
            ),
            (
                vec![("poetry.toml", "installer.no-binary = 'gmpy2,other'")],
                &nothing,
                vec![],
                [false, false, true, true],
            ),
            (
                vec![("poetry.toml", "installer.only-binary = [':all:']")],
                &nothing,
                vec![],
                [true, true, false, false],
            ),
            (vec![], &pip(&[":all:", ":none:", "gmpy2"], &["other"]), vec![], [false, true, true, false]),
            (vec![], &nothing, vec!["gmpy2"], [false, true, true, true]),
        ] {
            let found = policy(&files, requirements, &own).expect("policy");
            assert_eq!(allowed(&found), expected, "{files:?} {requirements:?} {own:?}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        assert!(policy(&[], &Indexes::default(), &["a b"]).is_err());
        assert!(policy(&[("poetry.toml", "x = ")], &Indexes::default(), &[]).is_err());
    }
}
