//! Signatures with certificates in the form that cosign wrote before version 3: everything is in annotations of the
//! layer that holds what is signed.

use std::collections::BTreeMap;

use serde::Deserialize;
use sigstore_verify::types::bundle::{
    InclusionPromise, LogId, MediaType, MessageSignature, Rfc3161Timestamp, TimestampVerificationData,
    TransparencyLogEntry, VerificationMaterial, VerificationMaterialContent, X509Certificate,
};
use sigstore_verify::types::{
    Bundle, CanonicalizedBody, DerCertificate, KindVersion, LogIndex, LogKeyId, SignatureBytes,
    SignatureContent, SignedTimestamp, TimestampToken,
};

use super::super::legacy::{self, CERTIFICATE};
use super::super::refusal::{Means, Refusal};
use super::certified::TrustedRoot;
use super::identity::Identity;
use crate::error::Error;
use crate::oci::Digest;

const CHAIN: &str = "dev.sigstore.cosign/chain";
const ENTRY: &str = "dev.sigstore.cosign/bundle";
const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// How a certificate ends in PEM.
const END: &str = "-----END CERTIFICATE-----";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    signed_entry_timestamp: SignedTimestamp,
    payload: Payload,
}

#[derive(Deserialize)]
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
    let id = sigstore_verify::types::Sha256Hash::from_hex(&log_id).ok()?;
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
