//! Dependency specifiers (PEP 508): `name[extra]>=1,<2 ; marker` and `name @ url ; marker`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifiers};

use super::specifier::satisfies;
use super::{Marker, Name};
use crate::error::{Context, Error, Result};
use crate::redact;

/// What somebody requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The distribution.
    pub name: Name,
    /// Its extras that are wanted.
    pub extras: BTreeSet<Name>,
    /// The versions that will do; `None` where any will.
    pub specifiers: Option<VersionSpecifiers>,
    /// Where it is to come from, as written.
    pub url: Option<String>,
    /// Where it is required; `None` for everywhere.
    pub marker: Option<Marker>,
}

impl Requirement {
    /// Whether this version will do. Pre-releases count like any other version. Where a URL is
    /// given, all do.
    pub fn allows(&self, version: &Version) -> bool {
        let clauses = self.specifiers.iter().flat_map(|specifiers| specifiers.iter());
        clauses.into_iter().all(|clause| satisfies(version, *clause.operator(), clause.version()))
    }
}

impl FromStr for Requirement {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).context(|| {
            let shown = redact::excerpt(text.trim(), 120);
            format!("{shown:?} is not a valid Python requirement")
        })
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        for (n, extra) in self.extras.iter().enumerate() {
            write!(f, "{}{extra}", if n == 0 { "[" } else { "," })?;
        }
        if !self.extras.is_empty() {
            f.write_str("]")?;
        }
        if let Some(specifiers) = &self.specifiers {
            let clauses: Vec<String> = specifiers.iter().map(ToString::to_string).collect();
            write!(f, "{}", clauses.join(","))?;
        }
        if let Some(url) = &self.url {
            write!(f, " @ {url}")?;
        }
        match &self.marker {
            Some(marker) => write!(f, " ; {marker}"),
            None => Ok(()),
        }
    }
}

fn parse(text: &str) -> Result<Requirement> {
    let text = text.trim();
    let (name, rest) = identifier(text);
    if name.is_empty() {
        return Err(Error::usage("it does not start with a name")
            .hint("a requirement looks like name[extra]>=1.0 ; python_version < \"3.12\""));
    }
    let name: Name = name.parse()?;
    let (extras, rest) = extras(rest.trim_start())?;
    let rest = rest.trim_start();
    let (specifiers, url, rest) = match rest.strip_prefix('@') {
        Some(rest) => {
            let (url, rest) = url(rest)?;
            (None, Some(url), rest)
        }
        None => {
            let (specifiers, rest) = specifiers(rest)?;
            (specifiers, None, rest)
        }
    };
    let rest = rest.trim_start();
    let marker = match rest.strip_prefix(';') {
        Some(marker) => Some(Marker::parse(marker)?),
        None if rest.is_empty() => None,
        None => return Err(Error::usage(format!("expected a semicolon or the end, found {rest:?}"))),
    };
    Ok(Requirement { name, extras, specifiers, url, marker })
}

/// The letters, digits, `-`, `_` and `.` that the text begins with, and what follows.
fn identifier(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'));
    text.split_at(end.unwrap_or(text.len()))
}

fn extras(text: &str) -> Result<(BTreeSet<Name>, &str)> {
    let Some(inner) = text.strip_prefix('[') else { return Ok((BTreeSet::new(), text)) };
    let Some((list, rest)) = inner.split_once(']') else {
        return Err(Error::usage("the list of extras is not closed").hint("close it with ]"));
    };
    if list.trim().is_empty() {
        return Ok((BTreeSet::new(), rest));
    }
    let names: Result<_> = list.split(',').map(|extra| extra.trim().parse()).collect();
    Ok((names?, rest))
}

/// The URL after an `@`. A marker needs white space before its semicolon, for URLs may hold one.
fn url(text: &str) -> Result<(String, &str)> {
    let text = text.trim_start();
    let (url, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    if url.is_empty() {
        return Err(Error::usage("the @ has no URL after it"));
    }
    Ok((url.to_owned(), rest))
}

fn specifiers(text: &str) -> Result<(Option<VersionSpecifiers>, &str)> {
    // Older metadata has them in parentheses.
    let (list, rest) = match text.strip_prefix('(') {
        Some(inner) => inner
            .split_once(')')
            .ok_or_else(|| Error::usage("the list of versions is not closed").hint("close it with )"))?,
        None => text.split_at(text.find(';').unwrap_or(text.len())),
    };
    let list = list.trim();
    let list = list.strip_suffix(',').unwrap_or(list).trim_end();
    if list.is_empty() {
        return Ok((None, rest));
    }
    let specifiers = list.parse().map_err(|e| {
        Error::usage(format!("{list:?} is not a version constraint"))
            .because(one_line(&e))
            .hint("write it like >=1.0,<2")
    })?;
    Ok((Some(specifiers), rest))
}

/// The first line: the others repeat the text with marks below it.
fn one_line(error: &impl fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().trim_end_matches(':').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Requirement {
        text.parse().expect(text)
    }

    #[test]
    fn all_parts_are_read() {
        let found = read(" Flask_SQL [async, Dot.Env]>=1.0 , <2 ; python_version < '3.12' ");
        assert_eq!(found.to_string(), "flask-sql[async,dot-env]>=1.0,<2 ; python_version < '3.12'");
        assert!(found.allows(&"1.5".parse().expect("a version")));
        assert!(!found.allows(&"2.0".parse().expect("a version")));
        assert_eq!(read("name").specifiers, None);
        assert_eq!(read("name[]").extras.len(), 0);
        assert!(read("name").allows(&"0.dev1".parse().expect("a version")));
    }

    #[test]
    fn a_url_ends_at_white_space() {
        let found = read("pip @ https://example.org/pip.zip;a=b#x=1 ; os_name == 'posix'");
        assert_eq!(found.url.as_deref(), Some("https://example.org/pip.zip;a=b#x=1"));
        assert!(found.marker.is_some());
        assert_eq!(read("a@file:///x").url.as_deref(), Some("file:///x"));
    }

    #[test]
    fn older_spellings_are_read() {
        for text in ["name (>=1,<2)", "name(>=1,<2,)", "name >= 1, < 2,", "name>=1,<2;os_name=='posix'"] {
            assert_eq!(read(text).specifiers.map(|s| s.to_string()).as_deref(), Some(">=1, <2"), "{text}");
        }
        assert_eq!(read("name()").specifiers, None);
    }

    #[test]
    fn each_mistake_is_named() {
        for (text, cause) in [
            ("", "it does not start with a name"),
            (">=1", "it does not start with a name"),
            ("name[a", "the list of extras is not closed"),
            ("name[a b]", "\"a b\" cannot be the name of a Python distribution"),
            ("name (>=1", "the list of versions is not closed"),
            ("name >=one", "\">=one\" is not a version constraint"),
            ("name other", "\"other\" is not a version constraint"),
            ("name @ ", "the @ has no URL after it"),
            ("name @ x y", "expected a semicolon or the end, found \"y\""),
            ("name ; os_nam == 'x'", "\"os_nam == 'x'\" is not a valid marker"),
        ] {
            let error = text.parse::<Requirement>().expect_err(text);
            assert_eq!(error.causes().first().map(String::as_str), Some(cause), "{text}");
            assert_eq!(error.kind(), crate::Kind::Usage);
        }
    }
}
