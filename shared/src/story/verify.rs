//! Whether an image in a registry is what somebody has signed: with a key, or with a certificate.

use serde::Serialize;
use serde_json::Value;

use super::signed::{Attestation, Found, MOST_ENTRIES, Seeker, attestation, bill, unsigned};
use crate::error::{Error, Kind, Result};
use crate::event::Events;
use crate::oci::{Descriptor, Digest, Manifest, ManifestKind, Reference, Repository};
use crate::registry::Client;
use crate::store::Store;
use crate::trust::{self, Identity, Means, Refusal, Signatory};
use crate::words;
use crate::words::flag;

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

/// Refuses an index of which a part would be passed over.
fn refuse_many(image: &Reference, entries: usize) -> Result<()> {
    if entries <= MOST_ENTRIES {
        return Ok(());
    }
    Err(Error::integrity(format!(
        "{image} is an index of {entries} entries, of which at most {MOST_ENTRIES} are verified"
    ))
    .hint("verify the images in it, each by its digest"))
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
                refuse_many(image, index.manifests.len())?;
                for entry in &index.manifests {
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
        let seeker = Seeker {
            store: self.store,
            client: self.client,
            repository,
            image: &digest,
            signatories: &[self.signatory],
        };
        let hanging = seeker.hanging().await?;
        for thing in &hanging {
            self.look(repository, thing, &mut found).await?;
        }
        seeker.seek(&hanging, std::slice::from_mut(&mut found)).await?;
        let mut attestations: Vec<Attestation> = std::mem::take(&mut found.attestations);
        let signer = judge(found, &image.to_string(), self.signatory)?;
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
        Ok(Verified { image: image.to_string(), digest, key, signer, platforms, attestations })
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

    /// Looks at one thing that hangs on the image and is no bundle. Nobody vouches for it: that it is there is all that is
    /// said.
    async fn look(&self, repository: &Repository, thing: &Descriptor, found: &mut Found) -> Result<()> {
        let kind = thing.artifact_type.clone().unwrap_or_default();
        if let Some(kind) = bill(&kind) {
            found.attestations.push(Attestation { kind: kind.to_owned(), signed: false, builder: None });
        } else if kind == trust::IN_TOTO {
            let content = self.client.document(repository, &thing.digest, self.store).await?;
            let statement: Value = serde_json::from_slice(&content).unwrap_or_default();
            found.attestations.push(attestation(&statement, false));
        }
        Ok(())
    }
}

/// The refusal of `what`, whose only signature does not count.
pub(super) fn refusal(what: &str, signatory: &Signatory, why: Refusal) -> Error {
    let found = Found { refused: vec![why], ..Found::default() };
    judge(found, what, signatory).err().unwrap_or_else(|| Error::bug("a signature is good and refused"))
}

/// Refuses what nobody has signed who must have, by its name; whom the certificate of the signature names.
fn judge(mut found: Found, image: &str, signatory: &Signatory) -> Result<Option<Identity>> {
    if let Some(signer) = found.signature {
        return Ok(signer);
    }
    let (any_key, any_certificate) = (found.is_any(Means::Key), found.is_any(Means::Certificate));
    let how_to_sign = words!(
        "sign it when it is pushed, with {} or {}",
        flag("sign-key").of("cosign.key"),
        flag("sign").of("keyless")
    );
    let Some(why) = found.why() else {
        return Err(unsigned(image, None).hint(how_to_sign));
    };
    if why.kind() != Kind::Integrity {
        return Err(why);
    }
    let has_hint = why.hint_text().is_some();
    let error = unsigned(image, Some(signatory)).because(why);
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
