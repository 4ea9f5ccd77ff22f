//! Signers that a file names, to believe what they have signed.

use std::path::Path;

use serde_json::json;

use crate::config::TrustedSigner;
use crate::error::{Context, Error, Result};
use crate::oci::Digest;
use crate::read;
use crate::trust::{Expected, Identity, PublicKey, Signatory, TrustedRoot, Wanted};

/// A signer whom somebody trusts.
#[derive(Debug)]
pub(in crate::story) struct Trusted {
    pub(in crate::story) signatory: Signatory,
    /// The line that names him, as his own calls have it; of no use where patterns describe him.
    pub(in crate::story) name: String,
    /// Stands for him and for the services that vouch for him: what was found out about another does not hold for him.
    pub(in crate::story) mark: Digest,
}

impl Trusted {
    /// The one that an entry of `key` in a file names; files in it are relative to `dir`.
    ///
    /// # Errors
    /// Usage: a file cannot be read, or is not what it should be.
    pub(in crate::story) fn read(dir: &Path, key: &str, entry: &TrustedSigner) -> Result<Self> {
        if let Some(file) = &entry.key {
            let text = text(dir, key, file, "public key")?;
            let public = PublicKey::read(&text).context(|| unusable(key, file))?;
            let name = public.digest().to_string();
            return Ok(Self { mark: Digest::of(name.as_bytes()), name, signatory: Signatory::Key(public) });
        }
        let (root, services) = trusted_root(dir, key, entry.trusted_root.as_deref())?;
        let expected = |whole: &Option<String>, pattern: &Option<String>| {
            Expected::of(whole.as_deref(), pattern.as_deref()).context(|| format!("{key} is invalid"))
        };
        let nobody = || Error::usage(format!("{key}: an identity needs issuer too"));
        let wanted = Wanted {
            identity: expected(&entry.identity, &entry.identity_pattern)?.ok_or_else(nobody)?,
            issuer: expected(&entry.issuer, &entry.issuer_pattern)?.ok_or_else(nobody)?,
            source: expected(&entry.source, &entry.source_pattern)?,
            source_ref: expected(&entry.source_ref, &entry.source_ref_pattern)?,
        };
        let whole = TrustedSigner { trusted_root: None, ..entry.clone() };
        let mark = Digest::of(format!("{}\n{services}", json!(whole)).as_bytes());
        let name = Identity {
            identity: entry.identity.clone().unwrap_or_default(),
            issuer: entry.issuer.clone().unwrap_or_default(),
            source: entry.source.clone(),
            source_ref: entry.source_ref.clone(),
        };
        let name = name.line();
        Ok(Self { name, mark, signatory: Signatory::Named(Box::new((root, wanted))) })
    }
}

/// The trusted root that an entry of `key` names, or Sigstore's public one; and what stands for it.
///
/// # Errors
/// Usage: the file cannot be read, or is not what it should be.
pub(in crate::story) fn trusted_root(
    dir: &Path,
    key: &str,
    file: Option<&str>,
) -> Result<(TrustedRoot, Digest)> {
    let Some(file) = file else {
        return Ok((TrustedRoot::public()?, Digest::of(TrustedRoot::PUBLIC.as_bytes())));
    };
    let text = text(dir, key, file, "trusted root")?;
    let root = TrustedRoot::read(&text).context(|| unusable(key, file))?;
    Ok((root, Digest::of(text.as_bytes())))
}

fn text(dir: &Path, key: &str, file: &str, what: &str) -> Result<String> {
    read::text(&dir.join(file), read::DOCUMENT).map_err(|error| {
        Error::usage(format!("{key}: the {what} {file} cannot be read"))
            .because(error)
            .hint(format!("check the path; it is relative to {}", dir.display()))
    })
}

fn unusable(key: &str, file: &str) -> String {
    format!("{key}: {file} cannot be used")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_for_a_signer_holds_for_the_services_that_vouch_for_him() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("public.json"), TrustedRoot::PUBLIC).expect("written");
        std::fs::write(dir.path().join("newer.json"), format!("{}\n", TrustedRoot::PUBLIC)).expect("written");
        let mark = |trusted_root: Option<&str>| {
            let entry = TrustedSigner {
                identity: Some("me@example.org".into()),
                issuer: Some("https://example.org".into()),
                trusted_root: trusted_root.map(str::to_owned),
                ..TrustedSigner::default()
            };
            Trusted::read(dir.path(), "base-verify", &entry).expect("a signer").mark
        };
        assert_eq!(mark(None), mark(Some("public.json")), "the built-in root is one of them");
        assert_ne!(mark(None), mark(Some("newer.json")));
    }
}
