//! Whose pages are believed, and the tags under which they are.

use serde_json::Value;

use super::super::sign::Signer;

use crate::error::{Error, Result};
use crate::oci::{Digest, Reference, Repository};
use crate::trust::{Signatory, Statement};

/// The tag that leads to a cache; who signs has one of his own, which begins so.
const TAG: &str = "containerize-cache";

/// So many digits of a signer's digest follow in the tag.
const SIGNER_DIGITS: usize = 12;

/// The cache of somebody in a repository; `signer` is the line that names whoever signs it.
pub(super) fn place(repository: &Repository, signer: Option<&str>) -> Reference {
    let tag = match signer {
        None => TAG.to_owned(),
        Some(name) => format!("{TAG}-{}", &Digest::of(name.as_bytes()).hex()[..SIGNER_DIGITS]),
    };
    Reference { repository: repository.clone(), tag: Some(tag), digest: None }
}

/// Who must have signed pages.
#[derive(Clone, Copy)]
pub(super) enum Belief<'a> {
    /// Nobody: the call does not sign either.
    All,
    /// Whoever signs this call.
    Own(&'a Signer),
    /// Somebody whom the settings name.
    Other(&'a Signatory),
}

impl<'a> Belief<'a> {
    /// What a call believes that signs so, of what is its own.
    pub(super) fn of(signer: Option<&'a Signer>) -> Self {
        signer.map_or(Self::All, Self::Own)
    }

    /// Whether pages without a signature are passed over.
    pub(super) const fn wants_signature(self) -> bool {
        !matches!(self, Self::All)
    }

    /// What a bundle states, if it is signed as it must be and about `page`.
    ///
    /// # Errors
    /// Integrity: with what does not match.
    pub(super) async fn statement(self, bundle: &[u8], page: &Digest) -> Result<Statement<Value>> {
        match self {
            Self::All => Err(Error::bug("a signature is verified that was not asked for")),
            Self::Own(signer) => signer.own(bundle, page).await,
            Self::Other(signatory) => signatory
                .verify(bundle, page)
                .map(|(statement, _)| statement)
                .map_err(|refusal| refusal.error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::super::sign::Trusted;
    use super::*;
    use crate::config::TrustedSigner;
    use crate::trust::Identity;

    #[test]
    fn somebody_else_is_looked_for_where_his_own_calls_write() {
        let home: Repository = "registry.example/app".parse().expect("a repository");
        let own = Identity {
            identity: "https://forge.example/you/app/ci.yml@refs/heads/main".into(),
            issuer: "https://forge.example".into(),
            source: Some("https://forge.example/you/app".into()),
            source_ref: Some("refs/heads/main".into()),
        };
        let entry = TrustedSigner {
            identity: Some(own.identity.clone()),
            issuer: Some(own.issuer.clone()),
            source: own.source.clone(),
            source_ref: own.source_ref.clone(),
            ..TrustedSigner::default()
        };
        let trusted = Trusted::read(Path::new("."), "cache-trust", &entry).expect("trusted");
        assert_eq!(place(&home, Some(&trusted.name)), place(&home, Some(&own.line())));
        let elsewhere = TrustedSigner { source_ref: Some("refs/heads/other".into()), ..entry };
        let elsewhere = Trusted::read(Path::new("."), "cache-trust", &elsewhere).expect("trusted");
        assert_ne!(place(&home, Some(&elsewhere.name)), place(&home, Some(&own.line())));
        assert_ne!(place(&home, Some(&own.line())), place(&home, None));
    }
}
