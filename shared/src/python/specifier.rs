//! Whether a version satisfies a clause such as `>=3.8`, as PEP 440 says and as Python's own
//! tools decide in its corners.
//!
//! [`pep440_rs`] reads and orders versions; its own matching takes `==3.8.1.*` to hold for
//! `3.8`, which installers do not.

use pep440_rs::{Operator, Version};

/// One comparison of a specifier: `>=3.9`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Clause {
    /// `===`: the text itself, whatever the case of its letters.
    Text(String),
    /// All others.
    Version(Operator, Version),
}

impl Clause {
    /// Reads an operator and a version. `None` where PEP 440 knows no such clause.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("===") {
            let rest = rest.trim();
            let good = !rest.contains(|c: char| c.is_whitespace() || c == ';' || c == ')');
            return good.then(|| Self::Text(rest.to_lowercase()));
        }
        let (operator, rest) = split_operator(text)?;
        let rest = rest.trim();
        if let Some(prefix) = rest.strip_suffix(".*") {
            let version: Version = prefix.parse().ok()?;
            let operator = match operator {
                Operator::Equal => Operator::EqualStar,
                Operator::NotEqual => Operator::NotEqualStar,
                _ => return None,
            };
            return (version == version.only_release().with_epoch(version.epoch()))
                .then_some(Self::Version(operator, version));
        }
        let version: Version = rest.parse().ok()?;
        let takes_local = matches!(operator, Operator::Equal | Operator::NotEqual);
        let too_short = operator == Operator::TildeEqual && version.release().len() < 2;
        (!too_short && (takes_local || !version.is_local())).then_some(Self::Version(operator, version))
    }

    /// Whether the text, which may be no version at all, satisfies the clause. Pre-releases
    /// count like any other version.
    pub(super) fn allows(&self, text: &str) -> bool {
        match self {
            Self::Text(wanted) => text.to_lowercase() == *wanted,
            Self::Version(operator, bound) => {
                text.trim().parse().is_ok_and(|version| satisfies(&version, *operator, bound))
            }
        }
    }
}

fn split_operator(text: &str) -> Option<(Operator, &str)> {
    const OPERATORS: [(&str, Operator); 7] = [
        ("~=", Operator::TildeEqual),
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessThanEqual),
        (">=", Operator::GreaterThanEqual),
        ("<", Operator::LessThan),
        (">", Operator::GreaterThan),
    ];
    OPERATORS.iter().find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?)))
}

/// Whether `version` satisfies `operator bound`. Pre-releases count like any other version.
pub(super) fn satisfies(version: &Version, operator: Operator, bound: &Version) -> bool {
    match operator {
        Operator::Equal | Operator::ExactEqual => equal(version, bound),
        Operator::NotEqual => !equal(version, bound),
        Operator::EqualStar => begins(version, bound, bound.release()),
        Operator::NotEqualStar => !begins(version, bound, bound.release()),
        Operator::TildeEqual => {
            let release = bound.release();
            let prefix = &release[..release.len().saturating_sub(1)];
            version >= bound && begins(version, bound, prefix)
        }
        Operator::LessThanEqual => version.clone().without_local() <= *bound,
        Operator::GreaterThanEqual => version >= bound,
        Operator::LessThan if bound.any_prerelease() => version < bound,
        // The pre-releases of a version are not below it, in this sense.
        Operator::LessThan => *version < bound.clone().with_dev(Some(0)),
        Operator::GreaterThan => above(version, bound),
    }
}

/// A bound without a local part stands for all of them.
fn equal(version: &Version, bound: &Version) -> bool {
    match bound.is_local() {
        true => version == bound,
        false => version.clone().without_local() == *bound,
    }
}

/// Whether the release begins with these numbers; those it lacks are zeros.
fn begins(version: &Version, bound: &Version, prefix: &[u64]) -> bool {
    let numbers = version.release().iter().copied().chain(std::iter::repeat(0));
    version.epoch() == bound.epoch() && numbers.zip(prefix).all(|(number, wanted)| number == *wanted)
}

/// The post-releases and local builds of a version are not above it, in this sense.
fn above(version: &Version, bound: &Version) -> bool {
    let plain = || bound.clone().without_local();
    if let Some(dev) = bound.dev() {
        return *version >= plain().with_dev(Some(dev.saturating_add(1)));
    }
    if let Some(post) = bound.post() {
        return *version >= plain().with_post(Some(post.saturating_add(1))).with_dev(Some(0));
    }
    let family = version.only_release() == bound.only_release()
        && version.epoch() == bound.epoch()
        && version.pre() == bound.pre();
    version > bound && !family
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(clause: &str, version: &str) -> bool {
        Clause::parse(clause).expect(clause).allows(version)
    }

    #[test]
    fn a_prefix_longer_than_the_version_is_compared_with_zeros() {
        assert!(allows("==3.8.0.*", "3.8"));
        assert!(!allows("==3.8.1.*", "3.8"));
        assert!(!allows("~=3.8.1", "3.8"));
        assert!(allows("!=3.8.1.*", "3.8"));
    }

    #[test]
    fn relatives_of_a_version_are_neither_below_nor_above_it() {
        for (clause, version) in
            [("<1.0", "1.0a1"), ("<1.0", "1.0.dev0"), (">1.0", "1.0.post1"), (">1.0", "1.0+x")]
        {
            assert!(!allows(clause, version), "{clause} {version}");
        }
        for (clause, version) in
            [("<1.0b1", "1.0a1"), (">1.0.post1", "1.0.post2"), (">1.0.dev1", "1.0"), ("<=1.0", "1.0+x")]
        {
            assert!(allows(clause, version), "{clause} {version}");
        }
    }

    #[test]
    fn what_is_no_clause_is_told_apart() {
        for text in ["~=3", ">=1.*", "==1a1.*", ">=1+local", "==", "in 3", "3.8", "=3", "==1.x"] {
            assert_eq!(Clause::parse(text), None, "{text}");
        }
        assert!(Clause::parse("== 1!2.0+local.1 ").is_some());
        assert!(!allows("<=4", "not a version"));
    }

    #[test]
    fn identity_compares_text() {
        assert!(allows("===1.0RC1", "1.0rc1"));
        assert!(!allows("===1.0", "1.0.0"));
        assert!(allows("===whatever", "Whatever"));
    }

    #[test]
    fn an_epoch_outranks_all_numbers() {
        assert!(allows(">2", "1!1"));
        assert!(!allows("==1.*", "1!1.0"));
    }
}
