//! Whether the registry is a cache.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::oci::Repository;

/// Whether a repository is the cache of machines that have none, and which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum RemoteCache {
    /// The one that is pushed to, or none.
    On(bool),
    /// This one, on the registry that is pushed to.
    In(String),
}

impl FromStr for RemoteCache {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(is_on) = text.parse() {
            return Ok(Self::On(is_on));
        }
        let wrong =
            || format!("expected true, false or a repository such as ghcr.io/you/cache, not {text:?}");
        text.parse::<Repository>().map_err(|_| wrong())?;
        Ok(Self::In(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for RemoteCache {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(is_on) => Ok(Self::On(is_on)),
            Value::String(text) => text.parse().map_err(D::Error::custom),
            _ => Err(D::Error::custom("expected true, false or a repository")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_on_off_or_in_a_repository() {
        let read = |json: &str| serde_json::from_str::<RemoteCache>(json).map_err(|error| error.to_string());
        assert_eq!(read("true"), Ok(RemoteCache::On(true)));
        assert_eq!(read("\"false\""), Ok(RemoteCache::On(false)), "as a variable says it");
        assert_eq!(read("\"ghcr.io/you/cache\""), Ok(RemoteCache::In("ghcr.io/you/cache".into())));
        for wrong in ["1", "\"Not A Name\"", "\"\"", "{}"] {
            assert!(
                read(wrong).expect_err(wrong).starts_with("expected true, false or a repository"),
                "{wrong}"
            );
        }
    }
}
