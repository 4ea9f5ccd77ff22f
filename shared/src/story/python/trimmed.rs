//! What is left out of one wheel.

use std::collections::BTreeSet;

use crate::config::TrimRule;
use crate::error::Result;
use crate::python::Name;
use crate::trim::Trim;
use crate::wheel::{TRIM_RULES, Wheel};

/// What is to be left out of one wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trimmed {
    pub(super) sorts: BTreeSet<Trim>,
    /// Tests that stay though the wheel itself does not use them.
    pub(super) kept: BTreeSet<String>,
}

impl Trimmed {
    /// What `rules` leave out of the distribution `name`; `None` where that is nothing.
    ///
    /// # Errors
    /// Usage: a rule names what cannot be a distribution.
    pub(super) fn of(rules: &[TrimRule], name: &Name) -> Result<Option<Self>> {
        let mut sorts = BTreeSet::new();
        for rule in rules {
            match rule {
                TrimRule::Out(sort) => _ = sorts.insert(*sort),
                TrimRule::Whole(whole) if whole.parse::<Name>()? == *name => return Ok(None),
                TrimRule::Whole(_) => {}
            }
        }
        Ok((!sorts.is_empty()).then(|| Self { sorts, kept: BTreeSet::new() }))
    }

    /// All that its layer depends on beside the wheel.
    pub(super) fn key(&self) -> String {
        let sorts: Vec<&str> = self.sorts.iter().map(|sort| sort.word()).collect();
        let kept: Vec<&str> = self.kept.iter().map(String::as_str).collect();
        format!("trim-{TRIM_RULES} {} but {}", sorts.join(","), kept.join(","))
    }

    /// Takes it away.
    ///
    /// # Errors
    /// When the wheel cannot be read.
    pub(super) fn apply(&self, wheel: &mut Wheel) -> Result<()> {
        wheel.trim(&self.sorts, &self.kept)
    }
}

/// What is said of rules that change nothing: distributions that are to stay whole where none of them is among
/// `installed`, or where nothing is left out.
///
/// # Errors
/// Usage: a rule names what cannot be a distribution.
pub(super) fn in_vain(rules: &[TrimRule], installed: &BTreeSet<Name>) -> Result<Option<String>> {
    let mut unknown = Vec::new();
    for rule in rules {
        if let TrimRule::Whole(name) = rule
            && !installed.contains(&name.parse()?)
        {
            unknown.push(format!("!{name}"));
        }
    }
    let leaves_something = rules.iter().any(|rule| matches!(rule, TrimRule::Out(_)));
    Ok(match unknown.as_slice() {
        _ if !rules.is_empty() && !leaves_something => Some(
            "`trim` leaves nothing out, since it lists only distributions that stay as they are; add what to leave out of the others, such as \"tests\"".to_owned(),
        ),
        [] => None,
        [one] => Some(format!("`trim` lists {one}, but the image has no distribution of this name")),
        [first @ .., last] => Some(format!(
            "`trim` lists {} and {last}, but the image has no distributions of these names",
            first.join(", ")
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_change_nothing_are_said() {
        let rules = ["tests", "!torch", "!Torhc", "!numppy"].map(|rule| rule.parse().expect("a rule"));
        let installed = ["torch"].map(|name| name.parse().expect("a name")).into();
        let said = |rules: &[TrimRule]| in_vain(rules, &installed).expect("names").unwrap_or_default();
        assert!(
            said(&rules)
                .starts_with("`trim` lists !Torhc and !numppy, but the image has no distributions of")
        );
        assert!(said(&rules[..3]).starts_with("`trim` lists !Torhc, but the image has no distribution of"));
        assert_eq!(said(&rules[..2]), "");
        assert_eq!(said(&[]), "");
        assert!(said(&rules[1..2]).starts_with("`trim` leaves nothing out"));
        assert!(in_vain(&["!a b".parse().expect("a rule")], &installed).is_err());
    }

    #[test]
    fn a_distribution_that_is_named_stays_whole() {
        let rules: Vec<TrimRule> =
            ["tests", "!Torch_Vision"].iter().map(|rule| rule.parse().expect("a rule")).collect();
        let of = |name: &str| Trimmed::of(&rules, &name.parse().expect("a name")).expect("rules");
        assert_eq!(of("torch-vision"), None);
        assert!(of("torch").is_some_and(|trimmed| trimmed.sorts == [Trim::Tests].into()));
        assert_eq!(Trimmed::of(&rules[1..], &"torch".parse().expect("a name")).expect("rules"), None);
    }
}
