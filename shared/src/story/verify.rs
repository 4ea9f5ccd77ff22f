//! Whether an image in a registry is what somebody has signed: with a key, or with a certificate.

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Kind, Result};
use crate::event::Events;
use crate::oci::{Descriptor, Digest, Manifest, ManifestKind, Reference, Repository};
use crate::registry::{Client, Shelf};
use crate::sbom;
use crate::store::Store;
use crate::trust::{self, Bundle, Identity, Means, Refusal, Signatory};
use crate::words;
use crate::words::flag;

/// No more entries of an index, and no more signatures under one tag, are looked at.
const MOST_ENTRIES: usize = 64;

/// What an image is verified with.
pub struct Verifier<'a> {
    /// The cache.
    pub store: &'a Store,
    /// For the registry.
    pub client: &'a Client,
    /// Who must have signed.
    pub signatory: &'a Signatory,
    /// Where events go.
    pub events: &'a Events,
}

/// An image whose signature is good.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verified {
    /// The image, as it was named.
    pub image: String,
    /// The digest that is signed: of the index, or of the only manifest.
    #[serde(serialize_with = "shown")]
    pub digest: Digest,
    /// The SHA-256 of the public key, where one has signed.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "perhaps_shown")]
    pub key: Option<Digest>,
    /// Whom the certificate names, where one says who has signed.
    #[serde(flatten)]
    pub signer: Option<Identity>,
    /// The images in the index.
    #[serde(serialize_with = "all_shown")]
    pub platforms: Vec<Digest>,
    /// What is stated about the image.
    pub attestations: Vec<Attestation>,
}

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

pub(super) fn shown<S: serde::Serializer>(value: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

pub(super) fn perhaps_shown<S: serde::Serializer>(
    value: &Option<Digest>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&value.as_ref().map(ToString::to_string).unwrap_or_default())
}

fn all_shown<S: serde::Serializer>(values: &[Digest], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(ToString::to_string))
}

impl Verifier<'_> {
    /// Looks for a signature as it must be on what `image` leads to, and for what else is stated there. The manifest and
    /// its index name all else by digest; their own bytes, and those of each platform's manifest and configuration,
    /// are checked against theirs.
    ///
    /// # Errors
    /// Integrity: nothing there is signed as it must be, or something is not what its digest says. Network: the
    /// registry cannot be reached, or has no such image.
    pub async fn verify(&self, image: &Reference) -> Result<Verified> {
        self.events.step("Verifying", image.to_string());
        let fetched = self.client.manifest(image).await?;
        let (repository, digest) = (&image.repository, fetched.digest);
        let mut found = Found::default();
        let mut platforms = Vec::new();
        match ManifestKind::parse(&fetched.bytes, &fetched.media_type)? {
            ManifestKind::Manifest(manifest) => self.configuration(repository, &manifest).await?,
            ManifestKind::Index(index) => {
                for entry in index.manifests.iter().take(MOST_ENTRIES) {
                    let below = self.client.manifest(&repository.with_digest(entry.digest)).await?;
                    let ManifestKind::Manifest(manifest) =
                        ManifestKind::parse(&below.bytes, &below.media_type)?
                    else {
                        continue;
                    };
                    self.configuration(repository, &manifest).await?;
                    match entry.is_attached() {
                        true => self.look_into(repository, &manifest, &mut found).await?,
                        false => platforms.push(entry.digest),
                    }
                }
            }
        }
        for thing in self.client.attached(repository, &digest, None).await? {
            self.look(repository, &digest, &thing, &mut found).await?;
        }
        self.look_for_legacy(repository, &digest, &mut found).await?;
        found.judge(&image.to_string(), self.signatory)?;
        let mut attestations: Vec<Attestation> = found.attestations;
        // What is there with a signature and without it is signed.
        let signed: Vec<String> =
            attestations.iter().filter(|one| one.signed).map(|one| one.kind.clone()).collect();
        attestations.retain(|one| one.signed || !signed.contains(&one.kind));
        attestations.sort();
        attestations.dedup();
        let key = match self.signatory {
            Signatory::Key(key) => Some(key.digest()),
            Signatory::Named(_) => None,
        };
        let (image, signer) = (image.to_string(), found.signer);
        Ok(Verified { image, digest, key, signer, platforms, attestations })
    }

    async fn configuration(&self, repository: &Repository, manifest: &Manifest) -> Result<()> {
        self.client.fetch_blob(repository, &manifest.config, self.store).await.map(|_| ())
    }

    /// Looks at statements that are in the index beside the images: whoever signs the index signs them.
    async fn look_into(&self, repository: &Repository, manifest: &Manifest, found: &mut Found) -> Result<()> {
        let statements = manifest.layers.iter().filter(|layer| layer.media_type == trust::IN_TOTO);
        for layer in statements.take(MOST_ENTRIES) {
            let statement = self.client.small_blob(repository, layer, self.store).await?;
            let statement: Value = serde_json::from_slice(&statement).unwrap_or_default();
            found.attestations.push(attestation(&statement, true));
        }
        Ok(())
    }

    /// Looks at one thing that hangs on the image.
    async fn look(
        &self,
        repository: &Repository,
        image: &Digest,
        thing: &Descriptor,
        found: &mut Found,
    ) -> Result<()> {
        let kind = thing.artifact_type.clone().unwrap_or_default();
        if let Some(kind) = bill(&kind) {
            found.attestations.push(Attestation { kind: kind.to_owned(), signed: false, builder: None });
            return Ok(());
        }
        let is_statement = kind == trust::IN_TOTO;
        if !is_statement && !Bundle::is_kind(&kind) {
            return Ok(());
        }
        let content = self.client.document(repository, &thing.digest, self.store).await?;
        if is_statement {
            // Nobody vouches for it: that it is there is all that is said.
            let statement: Value = serde_json::from_slice(&content).unwrap_or_default();
            found.attestations.push(attestation(&statement, false));
            return Ok(());
        }
        match self.signatory.verify(&content, image) {
            Ok((statement, signer)) if statement.predicate_type == trust::SIGNATURE => found.signed(signer),
            Ok((statement, _)) => {
                let statement = serde_json::to_value(statement).unwrap_or_default();
                found.attestations.push(attestation(&statement, true));
            }
            Err(refusal) => found.refused.push(refusal),
        }
        Ok(())
    }

    /// Looks for signatures in the form that cosign wrote before version 3.
    async fn look_for_legacy(
        &self,
        repository: &Repository,
        image: &Digest,
        found: &mut Found,
    ) -> Result<()> {
        let layers = match self.client.shelved(repository, Shelf::Signatures, image).await {
            // Anything may be under a tag: it is no signature then, and others may be good.
            Err(error) if error.kind() == Kind::Integrity => {
                found.refused.push(error.into());
                return Ok(());
            }
            layers => layers?,
        };
        for layer in layers.iter().take(MOST_ENTRIES) {
            let payload = self.client.small_blob(repository, layer, self.store).await?;
            match self.signatory.verify_legacy(&payload, &layer.annotations, image) {
                Ok(signer) => found.signed(signer),
                Err(refusal) => found.refused.push(refusal),
            }
        }
        Ok(())
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

/// The refusal of `what`, whose only signature does not count.
pub(super) fn refusal(what: &str, signatory: &Signatory, why: Refusal) -> Error {
    let mut found = Found { refused: vec![why], ..Found::default() };
    found.judge(what, signatory).err().unwrap_or_else(|| Error::bug("a signature is good and refused"))
}

/// What was found on an image.
#[derive(Default)]
struct Found {
    is_signed: bool,
    signer: Option<Identity>,
    refused: Vec<Refusal>,
    attestations: Vec<Attestation>,
}

impl Found {
    fn signed(&mut self, signer: Option<Identity>) {
        self.is_signed = true;
        self.signer = self.signer.take().or(signer);
    }

    /// Refuses what nobody has signed who must have, by its name.
    fn judge(&mut self, image: &str, signatory: &Signatory) -> Result<()> {
        if self.is_signed {
            return Ok(());
        }
        let mut refused = std::mem::take(&mut self.refused);
        let is_any = |means| refused.iter().any(|refusal| refusal.means == Some(means));
        let (any_key, any_certificate) = (is_any(Means::Key), is_any(Means::Certificate));
        // What is wrong with the right one's signature tells more than that somebody else has signed too.
        refused.sort_by_key(|refusal| refusal.whose);
        let how_to_sign = words!(
            "sign it when it is pushed, with {} or {}",
            flag("sign-key").of("cosign.key"),
            flag("sign").of("keyless")
        );
        let Some(Refusal { error: why, .. }) = refused.into_iter().next() else {
            return Err(Error::integrity(format!("{image} is not signed")).hint(how_to_sign));
        };
        if why.kind() != Kind::Integrity {
            return Err(why);
        }
        let has_hint = why.hint_text().is_some();
        let error = match signatory {
            Signatory::Key(_) => Error::integrity(format!("{image} is not signed with this key")),
            Signatory::Named(named) => {
                Error::integrity(format!("{image} is not signed by {}", named.1.whom()))
            }
        };
        let error = error.because(why);
        Err(match signatory {
            _ if has_hint => error,
            Signatory::Key(_) if any_certificate => error.hint(words!(
                "a certificate says who has signed it: verify with {} and {}",
                flag("identity").of("ID"),
                flag("issuer").of("URL")
            )),
            Signatory::Key(_) if any_key => error.hint("give the public key of whoever has signed it"),
            Signatory::Named(_) if any_certificate => error.hint(words!(
                "if that signer is the right one, use {} and {}",
                flag("identity"),
                flag("issuer")
            )),
            Signatory::Named(_) if any_key => {
                error.hint(words!("give the public key with {}", flag("key").of("FILE")))
            }
            // All that is there is damaged.
            Signatory::Key(_) | Signatory::Named(_) => error.hint(how_to_sign),
        })
    }
}
