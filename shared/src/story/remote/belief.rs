//! Whose pages are believed, and the tags under which they are.

use std::path::Path;

use serde_json::Value;

use super::super::sign::Signer;
use crate::config::CacheTrust;
use crate::error::{Context, Error, Result};
use crate::oci::{Digest, Reference, Repository};
use crate::read;
use crate::trust::{Expected, Identity, PublicKey, Signatory, Statement, TrustedRoot, Wanted};

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

/// Another signer who is believed.
#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) signatory: Signatory,
    /// The line that names him, as his own calls have it.
    pub(super) name: String,
}

impl Trusted {
    /// The one that an entry of the settings names; its files are relative to `dir`.
    ///
    /// # Errors
    /// Usage: a file cannot be read, or is not what it should be.
    pub(super) fn read(dir: &Path, entry: &CacheTrust) -> Result<Self> {
        let text = |file: &str, what: &str| {
            read::text(&dir.join(file), read::DOCUMENT).map_err(|error| {
                Error::usage(format!("cache-trust: the {what} {file} cannot be read"))
                    .because(error)
                    .hint(format!("check the path; it is relative to {}", dir.display()))
            })
        };
        let unusable = |file: &str| format!("cache-trust: {file} cannot be used");
        if let Some(file) = &entry.key {
            let key = PublicKey::read(&text(file, "public key")?).context(|| unusable(file))?;
            return Ok(Self { name: key.digest().to_string(), signatory: Signatory::Key(key) });
        }
        let root = match &entry.trusted_root {
            Some(file) => TrustedRoot::read(&text(file, "trusted root")?).context(|| unusable(file))?,
            None => TrustedRoot::public()?,
        };
        let (source, source_ref) = (entry.source.clone(), entry.source_ref.clone());
        let (identity, issuer) =
            (entry.identity.clone().unwrap_or_default(), entry.issuer.clone().unwrap_or_default());
        let exactly = |part: &String| Expected::Exactly(part.clone());
        let wanted = Wanted {
            identity: exactly(&identity),
            issuer: exactly(&issuer),
            source: source.as_ref().map(exactly),
            source_ref: source_ref.as_ref().map(exactly),
        };
        let name = Identity { identity, issuer, source, source_ref }.line();
        Ok(Self { name, signatory: Signatory::Named(Box::new((root, wanted))) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_else_is_looked_for_where_his_own_calls_write() {
        let home: Repository = "registry.example/app".parse().expect("a repository");
        let own = Identity {
            identity: "https://forge.example/you/app/ci.yml@refs/heads/main".into(),
            issuer: "https://forge.example".into(),
            source: Some("https://forge.example/you/app".into()),
            source_ref: Some("refs/heads/main".into()),
        };
        let entry = CacheTrust {
            identity: Some(own.identity.clone()),
            issuer: Some(own.issuer.clone()),
            source: own.source.clone(),
            source_ref: own.source_ref.clone(),
            ..CacheTrust::default()
        };
        let trusted = Trusted::read(Path::new("."), &entry).expect("trusted");
        assert_eq!(place(&home, Some(&trusted.name)), place(&home, Some(&own.line())));
        let elsewhere = CacheTrust { source_ref: Some("refs/heads/other".into()), ..entry };
        let elsewhere = Trusted::read(Path::new("."), &elsewhere).expect("trusted");
        assert_ne!(place(&home, Some(&elsewhere.name)), place(&home, Some(&own.line())));
        assert_ne!(place(&home, Some(&own.line())), place(&home, None));
    }
}
