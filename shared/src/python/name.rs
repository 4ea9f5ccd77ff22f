//! Names of distributions, which many spellings share.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::error::Error;

/// The normalised name of a distribution (PEP 503: lower case, runs of `-`, `_` and `.` are `-`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As file names of wheels and their `.dist-info` folders spell it: with `_` for `-`.
    pub fn escaped(&self) -> String {
        self.0.replace('-', "_")
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        if !text.chars().all(good) || !ends(text.chars().next()) || !ends(text.chars().next_back()) {
            return Err(Error::usage(format!("{text:?} cannot be the name of a Python distribution"))
                .hint("a name consists of letters, digits, -, _ and ."));
        }
        let parts = text.split(['-', '_', '.']).filter(|part| !part.is_empty());
        Ok(Self(parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_are_one() {
        for text in ["zope.interface", "Zope-Interface", "zope__interface", "ZOPE.-_interface"] {
            let name: Name = text.parse().expect(text);
            assert_eq!((name.as_str(), name.escaped().as_str()), ("zope-interface", "zope_interface"));
        }
        for text in ["", "-a", "a.", "a b", "ä", "../a"] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
    }
}
