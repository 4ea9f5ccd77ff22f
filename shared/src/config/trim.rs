//! What is left out of distributions: sorts of files, and distributions that stay as they are.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::trim::Trim;

/// One element of the key `trim`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrimRule {
    /// Files of this sort are left out.
    Out(Trim),
    /// The distribution of this name stays as it is: `!NAME`.
    Whole(String),
}

impl fmt::Display for TrimRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Out(sort) => sort.fmt(f),
            Self::Whole(name) => write!(f, "!{name}"),
        }
    }
}

impl FromStr for TrimRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix('!').map(str::trim) {
            Some("") => Err("expected the name of a distribution after !".into()),
            Some(name) => Ok(Self::Whole(name.to_owned())),
            None => {
                text.parse().map(Self::Out).map_err(|wrong| format!("{wrong}, and does not begin with !"))
            }
        }
    }
}

impl Serialize for TrimRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TrimRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for TrimRule {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TrimRule".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Files to leave out, or `!NAME` for a distribution that stays as it is.",
            "anyOf": [
                { "enum": Trim::ALL.map(Trim::word) },
                { "type": "string", "pattern": "^!." },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_they_are_written() {
        for text in ["tests", "static-libs", "!torch"] {
            assert_eq!(text.parse::<TrimRule>().map(|rule| rule.to_string()), Ok(text.to_owned()));
        }
        for (text, reason) in [("docs", "one of tests, typing"), ("!", "name of a distribution")] {
            let wrong = text.parse::<TrimRule>().expect_err(text);
            assert!(wrong.contains(reason), "{wrong}");
        }
    }
}
