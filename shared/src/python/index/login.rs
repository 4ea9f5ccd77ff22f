//! A login at an index.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::http::Secret;

/// A user name and perhaps a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user name; empty where a token alone is meant.
    pub username: String,
    /// The password or token.
    pub password: Option<Secret>,
}

impl Login {
    /// The value of the `Authorization` header (RFC 7617).
    pub(super) fn authorization(&self) -> Secret {
        let password = self.password.as_ref().map(Secret::expose).unwrap_or_default();
        Secret::new(format!("Basic {}", STANDARD.encode(format!("{}:{password}", self.username))))
    }
}
