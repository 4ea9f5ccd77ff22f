//! What is stated about images for those who must trust them: statements in the words of in-toto, and the
//! provenance of a build in those of SLSA. Everything here is a value.

mod attested;
mod bundle;
mod key;
mod legacy;
mod provenance;
mod publisher;
mod refusal;
mod signatory;
mod sigstore;
mod statement;

pub use crate::oci::media_type::IN_TOTO;
pub use attested::{Attestations, AttestedFile};
pub use bundle::{
    BUNDLE, BUNDLE_PREDICATE, Bundle, CONTENT, CYCLONEDX_BOM, ENVELOPE, SIGNATURE, SPDX_DOCUMENT,
    signature_of, statement_about, to_sign,
};
pub use key::{PrivateKey, PublicKey};
pub use legacy::{SIMPLE_SIGNATURE, SIMPLE_SIGNING, payload as legacy_payload};
pub use provenance::{BUILD_TYPE, Build, FILES_TYPE, LOCAL_BUILDER, PROVENANCE, Product, Provenance, Run};
pub use publisher::{Publisher, WantedPublisher};
pub use refusal::{Means, Refusal, Whose};
pub use signatory::Signatory;
pub use sigstore::{
    AUDIENCE, Certified, Draft, EphemeralKey, Expected, Identity, Log, PayloadDraft, Services, Token,
    TrustedRoot, Wanted,
};
pub use statement::{Resource, Statement};
