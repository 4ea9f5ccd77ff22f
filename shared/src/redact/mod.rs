//! What no message may show: logins in URLs and references, secret parts of queries, and
//! `Authorization` values.
//!
//! Everything that people or programs read passes through [`clean`]: errors and events when they are
//! made, labels when they are expanded; front ends pass their logs and results through it. So a message
//! needs not think of it. Values that may hold a login are kept as an [`Address`], which no form of
//! printing shows.

mod foreign;
mod given;
mod text;

use std::fmt;

use serde::{Serialize, Serializer};

pub use foreign::tame;
pub(crate) use foreign::tame_word;
pub use given::{is_secret_variable, shown_variable, variables, without};
pub use text::{clean, clean_call, excerpt, holds_login};

/// What stands in the place of a secret.
pub const BLANK: &str = "****";

/// A password, token or `Authorization` value. Neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(BLANK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(BLANK)
    }
}

/// A URL, or what takes one's place, that may hold user and password. No form of printing shows these;
/// [`Address::expose`] does.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address(String);

impl Address {
    /// Wraps the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text with whatever login it holds, for the one place that uses it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Address {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Address {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&clean(&self.0))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", clean(&self.0))
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&clean(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("hunter2");
        let shown = format!("{secret} {secret:?} {:?} {:#?}", Some(&secret), vec![secret.clone()]);
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn an_address_is_shown_without_its_login() {
        let address = Address::new("https://u:p@h/x?token=t");
        assert_eq!(format!("{address} {address:?}"), "https://h/x?token=**** \"https://h/x?token=****\"");
        assert_eq!(
            serde_json::json!([address, Secret::new("x")]).to_string(),
            r#"["https://h/x?token=****","****"]"#
        );
        assert_eq!(address.expose(), "https://u:p@h/x?token=t");
    }
}
