//! A token, which is good for a while.

use std::time::Instant;

use crate::http::Secret;

/// What a token service gave for some scopes.
pub(super) struct Token {
    value: Secret,
    good_until: Instant,
}

impl Token {
    /// A token that may be used until a moment.
    pub(super) fn new(value: Secret, good_until: Instant) -> Self {
        Self { value, good_until }
    }

    /// Whether it may still be used.
    pub(super) fn is_good(&self) -> bool {
        Instant::now() < self.good_until
    }

    /// The `Authorization` with this token.
    pub(super) fn header(&self) -> Secret {
        Secret::new(format!("Bearer {}", self.value.expose()))
    }
}
