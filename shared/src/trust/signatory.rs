//! Who must have signed: somebody with a key, or somebody whom a certificate names.

use std::collections::BTreeMap;

use serde_json::Value;

use super::bundle::Bundle;
use super::key::PublicKey;
use super::legacy;
use super::refusal::{Means, Refusal};
use super::sigstore::{Identity, TrustedRoot, Wanted};
use super::statement::Statement;
use crate::oci::Digest;

/// Who must have signed.
#[derive(Debug)]
pub enum Signatory {
    /// Whoever has the private half of this key.
    Key(PublicKey),
    /// Whoever a certificate below this root names so.
    Named(Box<(TrustedRoot, Wanted)>),
}

impl Signatory {
    /// The statement in a bundle, if it is signed as it must be and about `image`; and whom the certificate names.
    ///
    /// # Errors
    /// With what does not match.
    pub fn verify(
        &self,
        bundle: &[u8],
        image: &Digest,
    ) -> Result<(Statement<Value>, Option<Identity>), Refusal> {
        match self {
            Self::Key(key) => Ok((Bundle::read(bundle)?.verify(key, image)?, None)),
            Self::Named(named) => {
                let (root, wanted) = &**named;
                let (signer, statement) = root.verify(bundle, image)?;
                wanted.accept(&signer).map_err(|refusal| refusal.of(Means::Certificate))?;
                Ok((statement, Some(signer)))
            }
        }
    }

    /// Whom the certificate names of a signature of `image` in cosign's older form.
    ///
    /// # Errors
    /// With what does not match.
    pub fn verify_legacy(
        &self,
        payload: &[u8],
        annotations: &BTreeMap<String, String>,
        image: &Digest,
    ) -> Result<Option<Identity>, Refusal> {
        match self {
            Self::Key(key) => legacy::verify(payload, annotations, key, image).map(|()| None),
            Self::Named(named) => {
                let (root, wanted) = &**named;
                let signer = root.verify_legacy(payload, annotations, image)?;
                wanted.accept(&signer).map_err(|refusal| refusal.of(Means::Certificate))?;
                Ok(Some(signer))
            }
        }
    }
}
