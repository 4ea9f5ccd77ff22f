//! The user's own `include`, `exclude` and `executable`.

use globset::GlobSet;

use crate::error::{Error, Result};
use crate::system::globs::{self, Star};

/// What was asked for. Patterns are globs relative to the project in which `*` stays within a
/// folder and `**` does not; a glob without a slash matches names at any depth.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// Where there are any, only what one of them matches goes in.
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    /// Exceptions from what is left out: `!` patterns of `exclude`.
    keep: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    glob: GlobSet,
    /// The path that is named, where it has no wildcard.
    exact: Option<String>,
    /// The folders in front of the first wildcard.
    start: String,
    /// Whether it says more than "all that is in this folder".
    specific: bool,
}

/// How a path was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    /// Not at all, or together with its folder.
    Not,
    /// By a glob that matches it.
    ByGlob,
    ByName,
}

impl Selection {
    pub(super) fn new(include: &[String], exclude: &[String]) -> Result<Self> {
        let mut selection = Self::default();
        for text in include {
            selection.include.push(Pattern::parse("include", text)?);
        }
        for text in exclude {
            match text.strip_prefix('!') {
                Some(text) => selection.keep.push(Pattern::parse("exclude", text)?),
                None => selection.exclude.push(Pattern::parse("exclude", text)?),
            }
        }
        Ok(selection)
    }

    /// Whether `exclude` takes the path away. A folder's exclusion is that of all in it.
    pub(super) fn excludes(&self, path: &str) -> bool {
        self.exclude.iter().any(|pattern| pattern.glob.is_match(path))
    }

    /// Whether a file may go in as far as `include` is concerned.
    pub(super) fn includes(&self, path: &str) -> bool {
        let matches = |path: &str| self.include.iter().any(|pattern| pattern.glob.is_match(path));
        self.include.is_empty() || with_parents(path).any(matches)
    }

    /// Whether an exception among the exclusions gives the path back.
    pub(super) fn keeps(&self, path: &str) -> bool {
        self.keep.iter().any(|pattern| pattern.glob.is_match(path))
    }

    /// How the path was asked for, which overrides ignore files; by its name even more.
    pub(super) fn asked(&self, path: &str) -> Asked {
        let asked = |pattern: &Pattern| {
            if pattern.exact.as_deref() == Some(path) {
                Asked::ByName
            } else if pattern.specific && pattern.glob.is_match(path) {
                Asked::ByGlob
            } else {
                Asked::Not
            }
        };
        self.asking().map(asked).max().unwrap_or(Asked::Not)
    }

    /// Whether something inside the folder `path` may be asked for by its name or a glob, so that the
    /// folder has to be looked into although it is left out.
    pub(super) fn reaches_into(&self, path: &str) -> bool {
        let inside = |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|r| r.starts_with('/'));
        self.asking().any(|pattern| {
            let start = pattern.exact.as_deref().unwrap_or(&pattern.start);
            inside(path, start) || (pattern.exact.is_none() && pattern.specific && start == path)
        })
    }

    fn asking(&self) -> impl Iterator<Item = &Pattern> {
        self.include.iter().chain(&self.keep)
    }
}

/// What `executable` says of files.
#[derive(Debug, Default)]
pub(super) struct Modes(Vec<(Pattern, bool)>);

impl Modes {
    pub(super) fn new(globs: &[String]) -> Result<Self> {
        let one = |text: &String| match text.strip_prefix('!') {
            Some(text) => Ok((Pattern::parse("executable", text)?, false)),
            None => Ok((Pattern::parse("executable", text)?, true)),
        };
        globs.iter().map(one).collect::<Result<_>>().map(Self)
    }

    /// Whether a file may be run, as far as anybody said so. The last word counts.
    pub(super) fn executable(&self, path: &str) -> Option<bool> {
        let said = self.0.iter().rfind(|(pattern, _)| pattern.glob.is_match(path));
        said.map(|(_, executable)| *executable)
    }
}

impl Pattern {
    fn parse(key: &str, text: &str) -> Result<Self> {
        let local = text.trim().trim_start_matches("./");
        let trimmed = local.trim_matches('/');
        if trimmed.is_empty() || trimmed.split('/').any(|part| part == "..") {
            return Err(Error::usage(format!("{key}: {text:?} matches nothing in the project"))
                .hint("patterns are relative to the project's folder"));
        }
        let wild = |part: &str| part.contains(['*', '?', '[', '{', '\\']);
        // A plain word among the includes is a place; elsewhere it is a name at any depth.
        let anchored = local.trim_end_matches('/').contains('/') || (key == "include" && !wild(trimmed));
        let whole = if anchored { trimmed.to_owned() } else { format!("**/{trimmed}") };
        let glob = globs::one(&whole, Star::WithinFolder);
        let glob =
            glob.map_err(|e| Error::usage(format!("{key}: {text:?} is not a valid glob")).because(e))?;
        let start: Vec<&str> = whole.split('/').take_while(|part| !wild(part)).collect();
        let last = whole.rsplit('/').next().unwrap_or_default();
        Ok(Self {
            glob,
            exact: (!wild(trimmed)).then(|| trimmed.to_owned()),
            start: start.join("/"),
            specific: !matches!(last, "*" | "**"),
        })
    }
}

/// The path and the folders that it is in.
fn with_parents(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| Some(path.rsplit_once('/')?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(include: &[&str], exclude: &[&str]) -> Selection {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Selection::new(&owned(include), &owned(exclude)).expect("patterns")
    }

    #[test]
    fn includes_limit_to_what_they_match() {
        let s = selection(&["services/api", "libs/*/src", "*.toml", "main.py"], &[]);
        for path in ["services/api/a/b.py", "libs/x/src/y.py", "pyproject.toml", "deep/x.toml", "main.py"] {
            assert!(s.includes(path), "{path}");
        }
        for path in ["services/web/a.py", "libs/x/tests/y.py", "README", "deep/main.py"] {
            assert!(!s.includes(path), "{path}");
        }
        assert!(selection(&[], &[]).includes("anything"));
    }

    #[test]
    fn names_ask_more_than_globs_and_folders_do_not_ask_for_what_is_in_them() {
        let s = selection(&["src", "src/**", "gen/*.py", "a/.env"], &["!data/x.bin"]);
        assert_eq!(s.asked("src/x.log"), Asked::Not);
        assert_eq!(s.asked("gen/x.py"), Asked::ByGlob);
        assert_eq!(s.asked("a/.env"), Asked::ByName);
        assert_eq!(s.asked("data/x.bin"), Asked::ByName);
        assert!(s.reaches_into("gen") && s.reaches_into("a") && s.reaches_into("data"));
        assert!(!s.reaches_into("other") && !s.reaches_into("src"));
    }

    #[test]
    fn exclusions_match_names_at_any_depth_unless_they_have_a_slash() {
        let s = selection(&[], &["tests", "/docs", "a/*.md"]);
        assert!(s.excludes("tests") && s.excludes("x/tests") && s.excludes("docs") && s.excludes("a/b.md"));
        assert!(!s.excludes("x/docs") && !s.excludes("a/b/c.md"));
    }

    #[test]
    fn the_last_word_on_who_may_be_run_counts() {
        let globs = ["*.sh", "!lib/*.sh", "lib/main.sh"].map(str::to_owned);
        let modes = Modes::new(&globs).expect("globs");
        assert_eq!(modes.executable("deep/run.sh"), Some(true));
        assert_eq!(modes.executable("lib/part.sh"), Some(false));
        assert_eq!(modes.executable("lib/main.sh"), Some(true));
        assert_eq!(modes.executable("main.py"), None);
        assert!(Modes::new(&["!../x".to_owned()]).is_err());
    }

    #[test]
    fn patterns_that_leave_the_project_are_refused() {
        let deep = "{a,".repeat(1000) + &"}".repeat(1000);
        for text in ["../x", "/", "", "a/../../b", "a[", &deep] {
            assert!(Selection::new(&[text.to_owned()], &[]).is_err(), "{text}");
        }
    }
}
