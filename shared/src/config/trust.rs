//! Whose remote caches a call that signs believes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Another signer whose caches are believed, in the words of `containerize verify`: a key, or whom a certificate names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TrustedSigner {
    /// A file with a public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The identity in the certificate, all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Who vouches for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The repository that it is for, where the certificate names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The branch of that repository, where the certificate names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ref: Option<String>,
    /// A file with the trusted root of services other than Sigstore's public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_root: Option<String>,
}

impl TrustedSigner {
    /// How it is written, for hints.
    pub(super) const FORMS: &str = "write { key = \"cosign.pub\" }, or { identity = \"...\", issuer = \"...\", source = \"...\", source-ref = \"refs/heads/main\" } \
         as `containerize verify` shows them";

    /// Refuses an entry of `key` that makes no sense.
    ///
    /// # Errors
    /// Usage: with what is wrong in it.
    pub fn check(&self, key: &str) -> Result<()> {
        match self.mistake() {
            Some(mistake) => Err(Error::usage(format!("{key}: {mistake}")).hint(Self::FORMS)),
            None => Ok(()),
        }
    }

    /// What makes no sense in it.
    pub(super) fn mistake(&self) -> Option<&'static str> {
        let Self { key, identity, issuer, source, source_ref, trusted_root } = self;
        let names_somebody =
            [identity, issuer, source, source_ref, trusted_root].iter().any(|part| part.is_some());
        match (key, identity, issuer) {
            (Some(_), ..) if names_somebody => Some("an entry has both a key and parts of a certificate"),
            (Some(_), ..) | (None, Some(_), Some(_)) => None,
            (None, Some(_), None) => Some("an identity needs issuer too"),
            (None, None, _) => Some("an entry has neither a key nor an identity"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_key_or_somebody_whom_another_vouches_for() {
        let mistake = |text: &str| toml::from_str::<TrustedSigner>(text).map(|entry| entry.mistake());
        for right in ["key = 'a.pub'", "identity = 'me'\nissuer = 'x'\nsource-ref = 'refs/heads/main'"] {
            assert_eq!(mistake(right), Ok(None), "{right}");
        }
        for (wrong, part) in [
            ("", "neither a key nor an identity"),
            ("issuer = 'x'", "neither a key nor an identity"),
            ("identity = 'me'", "needs issuer"),
            ("key = 'a.pub'\nissuer = 'x'", "both a key and parts"),
        ] {
            let found = mistake(wrong).expect(wrong);
            assert!(found.is_some_and(|words| words.contains(part)), "{wrong}: {found:?}");
        }
        assert!(mistake("identity-pattern = '.*'").is_err(), "a pattern names no tag");
    }
}
