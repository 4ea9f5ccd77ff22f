//! Relations between packages (Debian Policy 7.1): `a (>= 1) | b, c:any`.

use std::cmp::Ordering;

use super::version::compare;
use crate::error::{Error, Result};

/// How a version must stand to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

/// One package that is meant, perhaps of certain versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) name: String,
    pub(super) version: Option<(Operator, String)>,
    /// Whether it is of an architecture that is not this one's, so that nothing here is meant.
    pub(super) foreign: bool,
}

impl Relation {
    fn parse(text: &str) -> Option<Self> {
        // Restrictions of architectures and profiles stand in source packages only.
        let text = text.split(['[', '<']).next().filter(|_| !text.contains('(')).unwrap_or(text).trim();
        let (name, version) = match text.split_once('(') {
            None => (text, None),
            Some((name, rest)) => (name, Some(rest.split_once(')')?.0.trim())),
        };
        let (name, qualifier) = match name.trim().split_once(':') {
            None => (name.trim(), None),
            Some((name, qualifier)) => (name, Some(qualifier)),
        };
        let version = match version {
            None => None,
            Some(text) => Some(constraint(text)?),
        };
        let foreign = qualifier.is_some_and(|word| !matches!(word, "any" | "native"));
        let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == ')');
        is_name.then(|| Self { name: name.to_owned(), version, foreign })
    }

    /// Whether a package of this `version` is meant, given that it has the name.
    pub(super) fn allows(&self, version: &str) -> bool {
        let Some((operator, wanted)) = &self.version else { return true };
        let order = compare(version, wanted);
        match operator {
            Operator::Less => order == Ordering::Less,
            Operator::LessOrEqual => order != Ordering::Greater,
            Operator::Equal => order == Ordering::Equal,
            Operator::GreaterOrEqual => order != Ordering::Less,
            Operator::Greater => order == Ordering::Greater,
        }
    }
}

impl std::fmt::Display for Relation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        let Some((operator, version)) = &self.version else { return Ok(()) };
        let operator = match operator {
            Operator::Less => "<<",
            Operator::LessOrEqual => "<=",
            Operator::Equal => "=",
            Operator::GreaterOrEqual => ">=",
            Operator::Greater => ">>",
        };
        write!(f, " ({operator} {version})")
    }
}

fn constraint(text: &str) -> Option<(Operator, String)> {
    let end = text.find(|c| !matches!(c, '<' | '>' | '=')).unwrap_or(text.len());
    let (operator, version) = text.split_at(end);
    let operator = match operator {
        "<<" => Operator::Less,
        // The single ones are old spellings for these.
        "<=" | "<" => Operator::LessOrEqual,
        "=" | "" => Operator::Equal,
        ">=" | ">" => Operator::GreaterOrEqual,
        ">>" => Operator::Greater,
        _ => return None,
    };
    let version = version.trim();
    let is_version = !version.is_empty() && !version.contains(char::is_whitespace);
    is_version.then(|| (operator, version.to_owned()))
}

/// All that must hold, each with its alternatives in their order.
///
/// # Errors
/// Integrity: one of them is no relation. Leaving it out would leave out what a package needs.
pub(super) fn groups(text: &str) -> Result<Vec<Vec<Relation>>> {
    let one = |text: &str| {
        Relation::parse(text)
            .ok_or_else(|| Error::integrity(format!("{:?} is not a valid relation", text.trim())))
    };
    let group = |group: &str| group.split('|').map(one).collect::<Result<Vec<_>>>();
    text.split(',').filter(|group| !group.trim().is_empty()).map(group).collect()
}

/// A list without alternatives: Provides, Conflicts, Breaks.
///
/// # Errors
/// As for [`groups`].
pub(super) fn list(text: &str) -> Result<Vec<Relation>> {
    Ok(groups(text)?.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_alternatives_in_their_order() {
        let found =
            groups("libc6 (>= 2.36), debconf (>= 0.5) | debconf-2.0,\n python3:any (<< 3.12~), x:i386")
                .expect("relations");
        let shown: Vec<Vec<String>> =
            found.iter().map(|group| group.iter().map(ToString::to_string).collect()).collect();
        assert_eq!(
            shown,
            [
                vec!["libc6 (>= 2.36)"],
                vec!["debconf (>= 0.5)", "debconf-2.0"],
                vec!["python3 (<< 3.12~)"],
                vec!["x"]
            ]
        );
        assert!(found[3][0].foreign && !found[2][0].foreign);
        assert!(groups(" , ").expect("nothing").is_empty());
    }

    #[test]
    fn what_is_no_relation_is_refused_and_not_left_out() {
        for text in ["((((", "a, (>= 1)", "a | b (~ 2)", "a (>= 1", "a b"] {
            assert_eq!(groups(text).expect_err(text).kind(), crate::Kind::Integrity);
        }
    }

    #[test]
    fn operators_mean_what_the_policy_says() {
        let allows = |relation: &str, version: &str| list(relation).expect("one")[0].allows(version);
        for (relation, low, same, high) in [
            ("a (<< 2)", true, false, false),
            ("a (<= 2)", true, true, false),
            ("a (= 2)", false, true, false),
            ("a (>= 2)", false, true, true),
            ("a (>> 2)", false, false, true),
            ("a", true, true, true),
        ] {
            let found = (allows(relation, "1"), allows(relation, "2"), allows(relation, "3"));
            assert_eq!(found, (low, same, high), "{relation}");
        }
    }
}
