//! Signatures with certificates, as Sigstore's services make them: Fulcio certifies a key for some minutes, Rekor
//! records each signature, and a timestamp authority says when it was there. The only place that names the crates
//! of Sigstore.

mod certified;
mod identity;
mod job;
mod older;
mod provider;
mod refusal;
mod services;
mod signing;
mod token;

pub use certified::TrustedRoot;
pub use identity::{Expected, Identity, Wanted};
pub(super) use job::Job;
pub use older::PayloadDraft;
pub use services::{Log, Services};
pub use signing::{Certified, Draft, EphemeralKey};
pub use token::{AUDIENCE, Token};
