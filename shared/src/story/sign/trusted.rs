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
    /// The line that names him, as his own calls have it.
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
        let text = |file: &str, what: &str| {
            read::text(&dir.join(file), read::DOCUMENT).map_err(|error| {
                Error::usage(format!("{key}: the {what} {file} cannot be read"))
                    .because(error)
                    .hint(format!("check the path; it is relative to {}", dir.display()))
            })
        };
        let unusable = |file: &str| format!("{key}: {file} cannot be used");
        if let Some(file) = &entry.key {
            let public = PublicKey::read(&text(file, "public key")?).context(|| unusable(file))?;
            let name = public.digest().to_string();
            return Ok(Self { mark: Digest::of(name.as_bytes()), name, signatory: Signatory::Key(public) });
        }
        let (root, services) = match &entry.trusted_root {
            Some(file) => {
                let text = text(file, "trusted root")?;
                (TrustedRoot::read(&text).context(|| unusable(file))?, text)
            }
            None => (TrustedRoot::public()?, String::new()),
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
        let mark =
            Digest::of(format!("{}\n{services}", json!([identity, issuer, source, source_ref])).as_bytes());
        let name = Identity { identity, issuer, source, source_ref }.line();
        Ok(Self { name, mark, signatory: Signatory::Named(Box::new((root, wanted))) })
    }
}
