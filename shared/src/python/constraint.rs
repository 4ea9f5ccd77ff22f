//! Which versions will do, as PEP 440 and as Poetry write it: `>=3.8,<4`, `^3.11`, `~3.9`,
//! `3.11.*`, `^2.7 || >=3.6`.

use std::fmt;

use pep440_rs::{Operator, Version};

use crate::error::{Error, Result};
use crate::python::specifier::satisfies;
use crate::python::{Interpreter, PythonVersion};
use crate::redact;

/// A set of versions, as a lock or a project wrote it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    text: String,
    any_of: Vec<Vec<(Operator, Version)>>,
}

impl Constraint {
    /// Reads a constraint. An empty text and `*` allow every version.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            let shown = redact::excerpt(text.trim(), 80);
            Error::usage(format!("{shown:?} is not a version constraint")).hint("write it like >=3.11,<4")
        };
        let alternatives = text.split('|').filter(|part| !part.trim().is_empty());
        let any_of: Option<Vec<_>> = alternatives.map(all_of).collect();
        let any_of = any_of.ok_or_else(wrong)?;
        let any_of = if any_of.is_empty() { vec![Vec::new()] } else { any_of };
        Ok(Self { text: text.trim().to_owned(), any_of })
    }

    /// Whether this version will do. Pre-releases count like any other version.
    pub fn allows(&self, version: &Version) -> bool {
        let all = |clauses: &Vec<(Operator, Version)>| {
            clauses.iter().all(|(operator, bound)| satisfies(version, *operator, bound))
        };
        self.any_of.iter().any(all)
    }

    /// Whether this interpreter will do.
    pub fn allows_python(&self, interpreter: &Interpreter) -> bool {
        self.allows(&python_version(interpreter.version))
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.text.is_empty() { "*" } else { &self.text })
    }
}

fn python_version(version: PythonVersion) -> Version {
    Version::new([u64::from(version.major), u64::from(version.minor), u64::from(version.micro)])
}

/// The clauses between two `||`, which all must hold.
fn all_of(text: &str) -> Option<Vec<(Operator, Version)>> {
    let separator = |c: char| c == ',' || c.is_whitespace();
    let mut clauses = Vec::new();
    let mut rest = text.trim_start_matches(separator);
    while !rest.is_empty() {
        let (sign, after) = rest.split_at(rest.find(|c| !"^~=!<>".contains(c)).unwrap_or(rest.len()));
        let after = after.trim_start();
        let (version, after) = after.split_at(after.find(separator).unwrap_or(after.len()));
        clauses.extend(clause(sign, version)?);
        rest = after.trim_start_matches(separator);
    }
    Some(clauses)
}

fn clause(sign: &str, text: &str) -> Option<Vec<(Operator, Version)>> {
    if text == "*" {
        return matches!(sign, "" | "==" | ">=").then(Vec::new);
    }
    let star = text.strip_suffix(".*");
    let version: Version = star.unwrap_or(text).parse().ok()?;
    let operator = match (sign, star.is_some()) {
        ("" | "==" | "=", true) => Operator::EqualStar,
        ("!=", true) => Operator::NotEqualStar,
        ("" | "==" | "=" | "===", false) => Operator::Equal,
        ("!=", false) => Operator::NotEqual,
        // Old metadata says >=2.7.*, which everything reads as >=2.7.
        (">=", _) => Operator::GreaterThanEqual,
        ("<=", false) => Operator::LessThanEqual,
        (">", false) => Operator::GreaterThan,
        ("<", _) => Operator::LessThan,
        ("~=", false) if version.release().len() > 1 => Operator::TildeEqual,
        ("^", false) => return Some(below(caret_place(&version), version)),
        ("~", false) => return Some(below(version.release().len().min(2).saturating_sub(1), version)),
        _ => return None,
    };
    Some(vec![(operator, version)])
}

/// The place of the number that `^` lets no version raise: the first that is not zero.
fn caret_place(version: &Version) -> usize {
    let release = version.release();
    let first = release.iter().position(|number| *number != 0);
    first.unwrap_or(release.len().saturating_sub(1))
}

/// From `version` to where the number at `place` is one more.
fn below(place: usize, version: Version) -> Vec<(Operator, Version)> {
    let mut release: Vec<u64> = version.release().iter().copied().take(place.saturating_add(1)).collect();
    if let Some(last) = release.last_mut() {
        *last = last.saturating_add(1);
    }
    let end = Version::new(release).with_epoch(version.epoch());
    vec![(Operator::GreaterThanEqual, version), (Operator::LessThan, end)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_are_understood() {
        for (text, good, bad) in [
            (">=3.8,<4", "3.13.5", "4.0"),
            (">=3.8 <4", "3.13.5", "3.7.9"),
            (">= 3.8, < 4", "3.8", "3.7"),
            ("^3.11", "3.13.5", "4.0"),
            ("^0.2.3", "0.2.9", "0.3"),
            ("^0.0.3", "0.0.3", "0.0.4"),
            ("^0", "0.9", "1.0"),
            ("^0.0", "0.0.9", "0.1"),
            ("~3.9", "3.9.1", "3.10"),
            ("~1", "1.9", "2.0"),
            ("~1.2.3", "1.2.9", "1.3"),
            ("~=3.8", "3.13", "4.0"),
            ("3.11.*", "3.11.4", "3.12"),
            ("!=3.0.*,>=2.7", "3.1", "3.0.1"),
            (">=2.7.*", "2.7", "2.6"),
            ("^2.7 || ^3.6", "3.7", "3.5"),
            ("<2|>3", "4", "2.5"),
            ("1.2.3", "1.2.3+cpu", "1.2.4"),
        ] {
            let constraint = Constraint::parse(text).expect(text);
            assert!(constraint.allows(&good.parse().expect(good)), "{text} {good}");
            assert!(!constraint.allows(&bad.parse().expect(bad)), "{text} {bad}");
        }
        for text in ["", "*", " ", "==*"] {
            assert!(Constraint::parse(text).expect(text).allows(&"0.dev0".parse().expect("a version")));
        }
    }

    #[test]
    fn what_is_no_constraint_is_refused() {
        for text in ["x", ">=", "~=3", "^*", "=>3", ">=3 and <4", "^1.*", "99999999999999999999999", "~"] {
            assert!(Constraint::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_highest_numbers_do_not_overflow() {
        let constraint = Constraint::parse("^18446744073709551615").expect("a constraint");
        assert!(!constraint.allows(&"1".parse().expect("a version")));
    }
}
