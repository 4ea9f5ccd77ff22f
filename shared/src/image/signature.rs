//! Signatures that are kept under tags of their own.

use crate::oci::{Descriptor, Digest, Repository};
use crate::store::Blob;

/// The annotation that says whose a signature is.
pub(crate) const SIGNED_BY: &str = "io.containerize.signed-by";

/// A signature in cosign's older form, which is kept under a tag beside its image.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature {
    /// Where: the signature holds for no other place.
    pub repository: Repository,
    /// The manifest that is signed.
    pub subject: Digest,
    /// What is signed; its descriptor holds the signature.
    pub payload: Blob,
}

impl Signature {
    /// Whether one of these is it, or another of the same signer for the same bytes: some keys never sign twice alike.
    pub fn is_among(&self, signatures: &[Descriptor]) -> bool {
        let own = &self.payload.descriptor;
        let signer = |of: &Descriptor| of.annotations.get(SIGNED_BY).cloned();
        signatures.iter().any(|other| other.digest == own.digest && signer(other) == signer(own))
    }
}
