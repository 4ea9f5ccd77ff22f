//! Signatures of images in registries, in all forms that count, and what else is signed about them.

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Kind, Result};
use crate::oci::{Descriptor, Digest, Repository};
use crate::registry::{Client, Shelf};
use crate::sbom;
use crate::store::Store;
use crate::trust::{self, Bundle, Identity, Means, Refusal, Signatory};

/// No more entries of an index, and no more signatures under one tag, are looked at.
pub(super) const MOST_ENTRIES: usize = 64;

/// What addresses of provenance begin with, whatever its version.
const PROVENANCES: &str = "https://slsa.dev/provenance/";

/// Something that is stated about an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Attestation {
    /// `spdx`, `cyclonedx` or `provenance`; of other statements the address that says what they state.
    pub kind: String,
    /// Whether it is signed as the image must be.
    pub signed: bool,
    /// Of provenance: who built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builder: Option<String>,
}

/// Looks for what is signed about an image, for all who may have signed it at once.
pub(super) struct Seeker<'a> {
    pub(super) store: &'a Store,
    pub(super) client: &'a Client,
    pub(super) repository: &'a Repository,
    /// The digest that must be signed.
    pub(super) image: &'a Digest,
    pub(super) signatories: &'a [&'a Signatory],
}

impl Seeker<'_> {
    /// What hangs on the image.
    ///
    /// # Errors
    /// When the registry does not say it.
    pub(super) async fn hanging(&self) -> Result<Vec<Descriptor>> {
        self.client.attached(self.repository, self.image, None).await
    }

    /// Adds what is signed by each of the signatories, in their order; of what hangs on the image only bundles are looked
    /// at.
    ///
    /// # Errors
    /// When the registry cannot be reached, or does not have what it lists.
    pub(super) async fn seek(&self, hanging: &[Descriptor], found: &mut [Found]) -> Result<()> {
        for thing in
            hanging.iter().filter(|thing| thing.artifact_type.as_deref().is_some_and(Bundle::is_kind))
        {
            let content = self.client.document(self.repository, &thing.digest, self.store).await;
            let Some(content) = readable(content, found)? else { continue };
            for (signatory, found) in self.signatories.iter().zip(found.iter_mut()) {
                found.add(signatory.verify(&content, self.image));
            }
        }
        self.seek_legacy(found).await
    }

    /// Looks for signatures in the form that cosign wrote before version 3.
    async fn seek_legacy(&self, found: &mut [Found]) -> Result<()> {
        let layers = self.client.shelved(self.repository, Shelf::Signatures, self.image).await;
        let Some(layers) = readable(layers, found)? else { return Ok(()) };
        for layer in layers.iter().take(MOST_ENTRIES) {
            let payload = self.client.small_blob(self.repository, layer, self.store).await;
            let Some(payload) = readable(payload, found)? else { continue };
            for (signatory, found) in self.signatories.iter().zip(found.iter_mut()) {
                match signatory.verify_legacy(&payload, &layer.annotations, self.image) {
                    Ok(signer) => found.signed(signer),
                    Err(refusal) => found.refused.push(refusal),
                }
            }
        }
        Ok(())
    }
}

/// What was read, if it is what it should be. Anything may hang on an image or be under a tag: it is no signature then, and
/// others may be good.
fn readable<T>(read: Result<T>, found: &mut [Found]) -> Result<Option<T>> {
    match read {
        Err(error) if error.kind() == Kind::Integrity => {
            found.iter_mut().for_each(|found| found.refused.push(error.copy().into()));
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// The short name of a bill of materials, by its media type or the predicate that holds it.
pub(super) fn bill(kind: &str) -> Option<&'static str> {
    // Some predicates name the version of the format, such as `https://spdx.dev/Document/v2.3`.
    let is = |predicate: &str| {
        let rest = kind.strip_prefix(predicate);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match kind {
        sbom::SPDX => Some("spdx"),
        sbom::CYCLONEDX => Some("cyclonedx"),
        _ if is(trust::SPDX_DOCUMENT) => Some("spdx"),
        _ if is(trust::CYCLONEDX_BOM) => Some("cyclonedx"),
        _ => None,
    }
}

/// What a statement states, and who built.
pub(super) fn attestation(statement: &Value, signed: bool) -> Attestation {
    let predicate = statement["predicateType"].as_str().unwrap_or_default();
    let builder = &statement["predicate"]["runDetails"]["builder"]["id"];
    let builder = builder.as_str().map(str::to_owned);
    match predicate {
        trust::PROVENANCE => Attestation { kind: "provenance".into(), signed, builder },
        other => Attestation { kind: bill(other).unwrap_or(other).to_owned(), signed, builder: None },
    }
}

/// What one who may have signed has signed about an image.
#[derive(Default)]
pub(super) struct Found {
    /// Whom the certificate of a signature names, if there is one and it has one.
    pub(super) signature: Option<Option<Identity>>,
    /// The same of provenance.
    pub(super) provenance: Option<Option<Identity>>,
    /// Why other signatures do not count.
    pub(super) refused: Vec<Refusal>,
    pub(super) attestations: Vec<Attestation>,
}

impl Found {
    fn add(&mut self, read: Result<(trust::Statement<Value>, Option<Identity>), Refusal>) {
        match read {
            Ok((statement, signer)) if statement.predicate_type == trust::SIGNATURE => self.signed(signer),
            Ok((statement, signer)) => {
                if statement.predicate_type.starts_with(PROVENANCES) {
                    self.provenance.get_or_insert(signer);
                }
                let statement = serde_json::to_value(statement).unwrap_or_default();
                self.attestations.push(attestation(&statement, true));
            }
            Err(refusal) => self.refused.push(refusal),
        }
    }

    fn signed(&mut self, signer: Option<Identity>) {
        let known = self.signature.take().flatten();
        self.signature = Some(known.or(signer));
    }

    /// Whether some signature that does not count was made so.
    pub(super) fn is_any(&self, means: Means) -> bool {
        self.refused.iter().any(|refusal| refusal.means == Some(means))
    }

    /// Why no signature counts. What is wrong with the right one's tells more than that somebody else has signed too.
    pub(super) fn why(&mut self) -> Option<Error> {
        let mut refused = std::mem::take(&mut self.refused);
        refused.sort_by_key(|refusal| refusal.whose);
        refused.into_iter().next().map(|refusal| refusal.error)
    }
}

/// That `what` is not signed: at all, or by whoever must have.
pub(super) fn unsigned(what: &str, signatory: Option<&Signatory>) -> Error {
    Error::integrity(match signatory {
        None => format!("{what} is not signed"),
        Some(Signatory::Key(_)) => format!("{what} is not signed with this key"),
        Some(Signatory::Named(named)) => format!("{what} is not signed by {}", named.1.whom()),
    })
}
