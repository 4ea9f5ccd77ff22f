//! Whether an image may be used: rules in one file, held to what is known of the image.

mod evidence;
mod judge;
mod names;

use globset::GlobSet;
use serde::Deserialize;

use crate::config::TrustedSigner;
use crate::system::globs::{self, Star};

pub use evidence::{Base, Built, Evidence, Source, missing};
pub use judge::{Rule, Verdict};
pub use names::Names;

/// The rules of a file. Those that it does not name are not judged.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Policy {
    /// One of these must have signed the image, and what is stated about it.
    #[serde(default)]
    pub signed_by: Vec<TrustedSigner>,
    /// Addresses of repositories that it may be built from.
    pub sources: Option<Globs>,
    /// Addresses of those who may have built it.
    pub builders: Option<Globs>,
    /// Names of bases that it may stand on.
    pub bases: Option<Globs>,
    /// How old its base may be, in days.
    pub max_base_age: Option<u32>,
    /// SPDX identifiers of licences that none of its packages may be under.
    pub denied_licenses: Option<Names>,
    /// Packages that must not be in it: `NAME`, or `NAME VERSION`.
    pub denied_packages: Option<Names>,
    /// Whether it must run as another user than root.
    #[serde(default)]
    pub not_root: bool,
    /// Whether its provenance must record all that it takes to build it again.
    #[serde(default)]
    pub reproducible: bool,
}

impl Policy {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// What is wrong in it: no TOML, an unknown rule, no glob.
    pub fn read(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The first of its rules that asks what is stated about an image: somebody must have signed that.
    pub fn asks_statements(&self) -> Option<Rule> {
        let asked = [
            (Rule::Sources, self.sources.is_some()),
            (Rule::Builders, self.builders.is_some()),
            (Rule::Bases, self.bases.is_some()),
            (Rule::MaxBaseAge, self.max_base_age.is_some()),
            (Rule::DeniedLicenses, self.denied_licenses.is_some()),
            (Rule::DeniedPackages, self.denied_packages.is_some()),
            (Rule::Reproducible, self.reproducible),
        ];
        asked.into_iter().find_map(|(rule, is_asked)| is_asked.then_some(rule))
    }

    /// Whether it has no rule.
    pub fn is_empty(&self) -> bool {
        self.asks_statements().is_none() && !self.not_root && self.signed_by.is_empty()
    }
}

/// Globs of addresses, in which large letters are not small ones: `*` reaches across `/`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Globs {
    patterns: Vec<String>,
    set: GlobSet,
}

impl Globs {
    fn has(&self, text: &str) -> bool {
        self.set.is_match(text)
    }
}

impl PartialEq for Globs {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl TryFrom<Vec<String>> for Globs {
    type Error = globs::NoGlob;

    fn try_from(patterns: Vec<String>) -> Result<Self, Self::Error> {
        let set = globs::set(patterns.iter().map(String::as_str), Star::Anywhere)?;
        Ok(Self { patterns, set })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_unknown_ones_are_refused() {
        let policy =
            Policy::read("signed-by = [{ key = 'cosign.pub' }]\nnot-root = true\nbases = ['python:*']");
        let policy = policy.expect("a policy");
        assert!(policy.not_root && policy.asks_statements() == Some(Rule::Bases));
        assert!(Policy::read("").expect("a policy").is_empty());
        for (text, word) in
            [("sinned-by = []", "sinned-by"), ("bases = ['[']", "glob"), ("max-base-age = -1", "-1")]
        {
            let error = Policy::read(text).expect_err(text).to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
