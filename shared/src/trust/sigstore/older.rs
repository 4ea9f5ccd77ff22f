//! Signatures with certificates in the form that cosign wrote before version 3: everything is in annotations of the
//! layer that holds what is signed.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use sigstore_verify::rekor::HashedRekord;
use sigstore_verify::types::bundle::{
    InclusionPromise, LogId, MediaType, MessageSignature, Rfc3161Timestamp, TimestampVerificationData,
    TransparencyLogEntry, VerificationMaterial, VerificationMaterialContent, X509Certificate,
};
use sigstore_verify::types::{
    Bundle, CanonicalizedBody, DerCertificate, KindVersion, LogIndex, LogKeyId, Sha256Hash, SignatureBytes,
    SignatureContent, SignedTimestamp, TimestampToken,
};

use super::super::legacy::{self, CERTIFICATE};
use super::super::refusal::{Means, Refusal};
use super::certified::TrustedRoot;
use super::identity::Identity;
use super::signing::{Certified, promised, sha256, unrecorded};
use crate::error::{Error, Result};
use crate::oci::{Digest, to_json};

const CHAIN: &str = "dev.sigstore.cosign/chain";
const ENTRY: &str = "dev.sigstore.cosign/bundle";
const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// How a certificate ends in PEM.
const END: &str = "-----END CERTIFICATE-----";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    signed_entry_timestamp: SignedTimestamp,
    payload: Payload,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    body: CanonicalizedBody,
    integrated_time: i64,
    log_index: i64,
    #[serde(rename = "logID")]
    log_id: String,
}

#[derive(Deserialize)]
struct Timestamp {
    #[serde(rename = "SignedRFC3161Timestamp")]
    signed: TimestampToken,
}

/// A payload that is signed, and not recorded yet.
#[derive(Debug, Clone)]
pub struct PayloadDraft {
    signature: SignatureBytes,
    certificate: DerCertificate,
    chain: String,
    /// The SHA-256 of what was signed.
    signed: Sha256Hash,
}

impl Certified {
    /// Signs what a layer holds.
    pub fn sign_payload(&self, payload: &[u8]) -> PayloadDraft {
        let (certificate, chain) = (self.certificate.clone(), self.chain.clone());
        PayloadDraft { signature: self.signature(payload), certificate, chain, signed: sha256(payload) }
    }
}

impl PayloadDraft {
    /// What a log of Rekor v1 is asked to record.
    ///
    /// # Errors
    /// Only if a value does not serialise.
    pub fn entry(&self) -> Result<Vec<u8>> {
        to_json(&HashedRekord::new(&self.signed, &self.signature, &self.certificate))
    }

    /// The annotations of the layer, from what the log answered. Whether it told the truth is not looked at.
    ///
    /// No timestamp is among them: cosign 2, and what is built on it, refuses one unless it is given the
    /// authority's certificates, and the log's promise says when it was anyway.
    ///
    /// # Errors
    /// Network: the log's answer cannot be read, or promises nothing.
    pub fn finish(self, answer: &[u8]) -> Result<BTreeMap<String, String>> {
        let entry = promised(answer)?;
        let promise = entry.verification.and_then(|verification| verification.signed_entry_timestamp);
        let entry = Entry {
            signed_entry_timestamp: promise.ok_or_else(unrecorded)?,
            payload: Payload {
                body: entry.body,
                integrated_time: entry.integrated_time.ok_or_else(unrecorded)?.as_second(),
                log_index: entry.log_index.as_i64(),
                log_id: entry.log_id.into_string(),
            },
        };
        let entry = String::from_utf8(to_json(&entry)?)
            .map_err(|error| Error::bug("an entry of a log is not text").because(error))?;
        let words = [
            (legacy::SIMPLE_SIGNATURE, BASE64.encode(self.signature.as_bytes())),
            (CERTIFICATE, self.certificate.to_pem().replace("\r\n", "\n")),
            (CHAIN, self.chain),
            (ENTRY, entry),
        ];
        Ok(words.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

impl TrustedRoot {
    /// Who has signed `image`, as a layer of these bytes and annotations says.
    ///
    /// # Errors
    /// With what does not match.
    pub fn verify_legacy(
        &self,
        payload: &[u8],
        annotations: &BTreeMap<String, String>,
        image: &Digest,
    ) -> Result<Identity, Refusal> {
        if !legacy::is_certified(annotations) {
            return Err(Refusal::of_key());
        }
        let verified = || {
            let bundle = bundle(annotations).ok_or_else(|| {
                Error::integrity("its certificate, or the transparency log's promise, is damaged")
            })?;
            let signer = self.signer(payload.into(), &bundle)?;
            legacy::is_about(payload, image).map(|()| signer)
        };
        verified().map_err(|error| Refusal::from(error).of(Means::Certificate))
    }
}

/// The same as a bundle of today; nothing where a part is missing or cannot be read.
fn bundle(annotations: &BTreeMap<String, String>) -> Option<Bundle> {
    let text = |name: &str| annotations.get(name).map(String::as_str);
    let signature = SignatureBytes::from_base64(text(legacy::SIMPLE_SIGNATURE)?).ok()?;
    let chain = [text(CERTIFICATE)?, text(CHAIN).unwrap_or_default()].concat();
    let certificates = chain.split_inclusive(END).filter(|pem| pem.trim_end().ends_with(END));
    let certificates = certificates.map(|pem| DerCertificate::from_pem(pem).map(X509Certificate::new));
    let content = VerificationMaterialContent::X509CertificateChain {
        certificates: certificates.collect::<Result<_, _>>().ok()?,
    };
    let entry: Entry = serde_json::from_str(text(ENTRY)?).ok()?;
    let Payload { body, integrated_time, log_index, log_id } = entry.payload;
    let id = Sha256Hash::from_hex(&log_id).ok()?;
    let entry = TransparencyLogEntry::new(
        LogIndex::try_from(log_index).ok()?,
        LogId::new(LogKeyId::new(id.as_slice().to_vec())),
        KindVersion::HashedRekordV001,
        body,
    )
    .with_integrated_time(jiff::Timestamp::from_second(integrated_time).ok()?)
    .with_inclusion_promise(InclusionPromise::new(entry.signed_entry_timestamp));
    let mut material = VerificationMaterial::new(content).with_tlog_entries(vec![entry]);
    if let Some(timestamp) = text(TIMESTAMP) {
        let timestamp: Timestamp = serde_json::from_str(timestamp).ok()?;
        let timestamps = vec![Rfc3161Timestamp::new(timestamp.signed)];
        material = material.with_timestamp_verification_data(TimestampVerificationData::new(timestamps));
    }
    let signature = SignatureContent::MessageSignature(MessageSignature::new(signature));
    // The version that has a promise, and needs no proof.
    Some(Bundle::new(MediaType::Bundle0_1, material, signature))
}
