//! Signers whom settings and policies name: of bases, of images, of remote caches.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Somebody who must have signed, in the words of `containerize verify`: a key, or whom a certificate names. Patterns are
/// regular expressions for the whole text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TrustedSigner {
    /// A file with a public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The identity in the certificate, all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// A pattern for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_pattern: Option<String>,
    /// Who vouches for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// A pattern for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_pattern: Option<String>,
    /// The repository that it is for, where the certificate names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// A pattern for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_pattern: Option<String>,
    /// The branch or tag of that repository, where the certificate names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ref: Option<String>,
    /// A pattern for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ref_pattern: Option<String>,
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
        let twice = self.parts().into_iter().any(|(whole, pattern)| whole.is_some() && pattern.is_some());
        let [identity, issuer, ..] =
            self.parts().map(|(whole, pattern)| whole.is_some() || pattern.is_some());
        match &self.key {
            Some(_) if self.names_somebody() => Some("an entry has both a key and parts of a certificate"),
            Some(_) => None,
            None if !identity => Some("an entry has neither a key nor an identity"),
            None if !issuer => Some("an identity needs issuer too"),
            None if twice => Some("an entry has a text and a pattern for the same part of a certificate"),
            None => None,
        }
    }

    /// The same where he must have one name: something is kept under it.
    pub(super) fn mistake_in_name(&self) -> Option<&'static str> {
        let has_pattern = self.parts().into_iter().any(|(_, pattern)| pattern.is_some());
        self.mistake()
            .or_else(|| has_pattern.then_some("an entry must say all of the certificate, without patterns"))
    }

    /// What is compared of a certificate: the whole text, or a pattern for it.
    fn parts(&self) -> [(&Option<String>, &Option<String>); 4] {
        [
            (&self.identity, &self.identity_pattern),
            (&self.issuer, &self.issuer_pattern),
            (&self.source, &self.source_pattern),
            (&self.source_ref, &self.source_ref_pattern),
        ]
    }

    fn names_somebody(&self) -> bool {
        let is_part =
            |(whole, pattern): (&Option<String>, &Option<String>)| whole.is_some() || pattern.is_some();
        self.trusted_root.is_some() || self.parts().into_iter().any(is_part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_key_or_somebody_whom_another_vouches_for() {
        let mistake = |text: &str| toml::from_str::<TrustedSigner>(text).map(|entry| entry.mistake());
        for right in [
            "key = 'a.pub'",
            "identity = 'me'\nissuer = 'x'\nsource-ref = 'refs/heads/main'",
            "identity-pattern = '.*'\nissuer = 'x'",
        ] {
            assert_eq!(mistake(right), Ok(None), "{right}");
        }
        for (wrong, part) in [
            ("", "neither a key nor an identity"),
            ("issuer = 'x'", "neither a key nor an identity"),
            ("identity = 'me'", "needs issuer"),
            ("key = 'a.pub'\nissuer = 'x'", "both a key and parts"),
            ("key = 'a.pub'\nsource-pattern = 'x'", "both a key and parts"),
            ("identity = 'me'\nidentity-pattern = 'm.'\nissuer = 'x'", "a text and a pattern"),
        ] {
            let found = mistake(wrong).expect(wrong);
            assert!(found.is_some_and(|words| words.contains(part)), "{wrong}: {found:?}");
        }
        assert!(mistake("identity-glob = '*'").is_err(), "there is no such part");
        let pattern: TrustedSigner =
            toml::from_str("identity-pattern = '.*'\nissuer = 'x'").expect("an entry");
        assert!(pattern.mistake_in_name().is_some_and(|words| words.contains("without patterns")));
    }
}
