//! What is said to the services that take part in signing, and what becomes of their answers. Nothing here is sent.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::rand_core::OsRng;
use p256::pkcs8::{EncodePublicKey, LineEnding};
use serde::Deserialize;
use serde_json::json;
use sigstore_verify::crypto::parse_certificate_info;
use sigstore_verify::rekor::{DsseEntry, HashedRekordV2, LogEntry, RekorV2KeyDetails};
use sigstore_verify::types::bundle::{
    CertificateContent, MediaType, Rfc3161Timestamp, TimestampVerificationData, TransparencyLogEntry,
    VerificationMaterial, VerificationMaterialContent,
};
use sigstore_verify::types::{
    Bundle, DerCertificate, DsseEnvelope, DsseSignature, KeyId, KindVersion, PayloadBytes, Sha256Hash,
    SignatureBytes, SignatureContent, TimestampToken,
};

use super::super::bundle::to_sign;
use super::identity::Identity;
use super::services::Log;
use super::token::Token;
use crate::error::{Error, Result};
use crate::oci::media_type::IN_TOTO;
use crate::oci::{Digest, to_json};

/// A request for a timestamp (RFC 3161, 2.4.1) of a SHA-256 up to its value: version 1, then the algorithm.
const STAMP_START: [u8; 24] = [
    0x30, 0x39, 0x02, 0x01, 0x01, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
    0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
];

/// What follows: the certificate is wanted too. No number makes the answer fresh, as a signature of a key that is
/// new cannot have been dated before.
const STAMP_END: [u8; 3] = [0x01, 0x01, 0xff];

/// A key that is made for one call, and forgotten with it.
pub struct EphemeralKey(SigningKey);

/// Such a key with the certificate that says whose it is.
pub struct Certified {
    key: SigningKey,
    pub(super) certificate: DerCertificate,
    /// Those above it, in PEM.
    pub(super) chain: String,
    identity: Identity,
    end: i64,
}

/// A statement that is signed, and not recorded yet.
#[derive(Debug, Clone)]
pub struct Draft {
    envelope: DsseEnvelope,
    certificate: DerCertificate,
    /// The SHA-256 of what was signed.
    signed: Sha256Hash,
}

impl fmt::Debug for EphemeralKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EphemeralKey(***)")
    }
}

impl fmt::Debug for Certified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certified({:?})", self.identity)
    }
}

impl EphemeralKey {
    /// A new key.
    pub fn generate() -> Self {
        Self(SigningKey::random(&mut OsRng))
    }

    /// What Fulcio is asked with: the token, the public key, and a signature that shows that the private one is here.
    /// It holds the token, so it is as secret.
    ///
    /// # Errors
    /// Only a bug.
    pub fn request(&self, token: &Token) -> Result<Vec<u8>> {
        let pem = self.0.verifying_key().to_public_key_pem(LineEnding::LF).map_err(unwritten)?;
        let proof: Signature = self.0.sign(token.subject().as_bytes());
        to_json(&json!({
            "credentials": { "oidcIdentityToken": token.secret().expose() },
            "publicKeyRequest": {
                "publicKey": { "algorithm": "ECDSA", "content": pem },
                "proofOfPossession": BASE64.encode(proof.to_der().as_bytes()),
            },
        }))
    }

    /// The key with the certificate that Fulcio answered with.
    ///
    /// # Errors
    /// Network: the answer holds no certificate for this key, or none that is recorded.
    pub fn certified(self, answer: &[u8]) -> Result<Certified> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            signed_certificate_embedded_sct: Option<Chain>,
        }
        #[derive(Deserialize)]
        struct Chain {
            chain: Certificates,
        }
        #[derive(Deserialize)]
        struct Certificates {
            certificates: Vec<String>,
        }
        let answer: Answer = serde_json::from_slice(answer).map_err(|error| unreadable().because(error))?;
        let chain = answer.signed_certificate_embedded_sct.ok_or_else(|| {
            Error::network("the authority's certificate does not say that a certificate log has recorded it")
        })?;
        let (first, above) = chain.chain.certificates.split_first().ok_or_else(unreadable)?;
        let above = above.iter().map(|pem| format!("{}\n", pem.trim())).collect();
        let certificate = DerCertificate::from_pem(first).map_err(|error| unreadable().because(error))?;
        let info = parse_certificate_info(&certificate).map_err(|error| unreadable().because(error))?;
        let ours = self.0.verifying_key().to_public_key_der().map_err(unwritten)?;
        if info.public_key.as_bytes() != ours.as_bytes() {
            return Err(Error::network("the authority's certificate is for another key"));
        }
        let identity = Identity::of(&info)
            .ok_or_else(|| Error::network("the authority's certificate does not contain an identity"))?;
        Ok(Certified { key: self.0, certificate, chain: above, identity, end: info.not_after.as_second() })
    }
}

impl Certified {
    /// Whom the certificate names.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Until when the certificate is good, in seconds since 1970.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// Signs a statement.
    pub fn sign(&self, statement: &[u8]) -> Draft {
        let content = to_sign(statement);
        let signature = DsseSignature::new(self.signature(&content), KeyId::default());
        let envelope = DsseEnvelope::new(IN_TOTO, PayloadBytes::new(statement.to_vec()), signature);
        Draft { envelope, certificate: self.certificate.clone(), signed: sha256(&content) }
    }

    /// The signature of these bytes.
    pub(super) fn signature(&self, content: &[u8]) -> SignatureBytes {
        let signature: Signature = self.key.sign(content);
        SignatureBytes::new(signature.to_der().as_bytes().to_vec())
    }
}

impl Draft {
    /// What the log is asked to record.
    ///
    /// # Errors
    /// Only if a value does not serialise.
    pub fn entry(&self, log: Log) -> Result<Vec<u8>> {
        let Self { envelope, certificate, signed } = self;
        match log {
            Log::Promising => {
                let entry = DsseEntry::new(envelope, certificate);
                to_json(&entry.map_err(|e| Error::bug("an envelope cannot be written").because(e))?)
            }
            Log::Tiled => to_json(&HashedRekordV2::new_with_certificate(
                signed,
                &envelope.signature.sig,
                certificate,
                RekorV2KeyDetails::PkixEcdsaP256Sha256,
            )),
        }
    }

    /// What a timestamp authority is asked with.
    pub fn stamp(&self) -> Vec<u8> {
        let digest = sha256(self.envelope.signature.sig.as_bytes());
        [&STAMP_START[..], digest.as_slice(), &STAMP_END].concat()
    }

    /// The bundle, from what the log and the timestamp authority answered. Whether they told the truth is not
    /// looked at.
    ///
    /// # Errors
    /// Network: the log's answer cannot be read.
    pub fn finish(self, log: Log, entry: &[u8], stamp: Option<Vec<u8>>) -> Result<Vec<u8>> {
        let entry = recorded(log, entry)?;
        let content = VerificationMaterialContent::Certificate(CertificateContent::new(self.certificate));
        let mut material = VerificationMaterial::new(content).with_tlog_entries(vec![entry]);
        if let Some(stamp) = stamp {
            let stamps = vec![Rfc3161Timestamp::new(TimestampToken::new(stamp))];
            material = material.with_timestamp_verification_data(TimestampVerificationData::new(stamps));
        }
        to_json(&Bundle::new(MediaType::Bundle0_3, material, SignatureContent::DsseEnvelope(self.envelope)))
    }
}

/// The log's answer, as bundles hold it.
fn recorded(log: Log, answer: &[u8]) -> Result<TransparencyLogEntry> {
    match log {
        Log::Promising => {
            let entry = promised(answer)?.to_bundle_entry(KindVersion::DsseV001);
            entry.map_err(|error| unrecorded().because(error))
        }
        Log::Tiled => serde_json::from_slice(answer).map_err(|error| unrecorded().because(error)),
    }
}

/// The answer of a log of Rekor v1.
pub(super) fn promised(answer: &[u8]) -> Result<LogEntry> {
    let entries: BTreeMap<String, LogEntry> =
        serde_json::from_slice(answer).map_err(|error| unrecorded().because(error))?;
    entries.into_values().next().ok_or_else(unrecorded)
}

pub(super) fn unrecorded() -> Error {
    Error::network("the transparency log's answer cannot be read")
}

pub(super) fn sha256(content: &[u8]) -> Sha256Hash {
    Sha256Hash::from(*Digest::of(content).as_bytes())
}

fn unreadable() -> Error {
    Error::network("the authority's answer holds no certificate that can be read")
}

fn unwritten(error: impl fmt::Display) -> Error {
    Error::bug("a key cannot be written").because(error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const RECORDED: &str = include_str!("../../../../tests/fixtures/trust/keyless/rekor-v2.json");

    /// What Fulcio answers with this certificate.
    fn answer(certificates: &[String], kind: &str) -> Vec<u8> {
        json!({ kind: { "chain": { "certificates": certificates } } }).to_string().into_bytes()
    }

    fn foreign() -> DerCertificate {
        let bundle: Bundle = serde_json::from_str(RECORDED).expect("a bundle");
        bundle.signing_certificate().expect("a certificate").clone()
    }

    #[test]
    fn a_certificate_counts_for_its_own_key_only() {
        let refused = |answer: &[u8]| {
            let error = EphemeralKey::generate().certified(answer).expect_err("refused");
            assert_eq!(error.kind(), crate::Kind::Network);
            error.to_string()
        };
        let embedded = "signedCertificateEmbeddedSct";
        let said = refused(&answer(&[foreign().to_pem()], embedded));
        assert_eq!(said, "the authority's certificate is for another key");
        let said = refused(&answer(&[foreign().to_pem()], "signedCertificateDetachedSct"));
        assert!(said.contains("does not say that a certificate log has recorded it"), "{said}");
        for answer in [answer(&[], embedded), answer(&["x".to_owned()], embedded), b"<html>".to_vec()] {
            assert_eq!(refused(&answer), "the authority's answer holds no certificate that can be read");
        }
    }

    #[test]
    fn what_is_asked_is_what_was_signed_and_no_secret_is_shown() {
        let key = EphemeralKey::generate();
        assert_eq!(format!("{key:?}"), "EphemeralKey(***)");
        let token = Token::read("e30.eyJpc3MiOiJpIiwic3ViIjoicyJ9.c2ln").expect("a token");
        let asked: Value = serde_json::from_slice(&key.request(&token).expect("a request")).expect("JSON");
        assert_eq!(asked["credentials"]["oidcIdentityToken"], "e30.eyJpc3MiOiJpIiwic3ViIjoicyJ9.c2ln");
        let pem = asked["publicKeyRequest"]["publicKey"]["content"].as_str().expect("text");
        assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{pem}");

        let identity = Identity { identity: "i".into(), issuer: "j".into(), source: None, source_ref: None };
        let chain = "above\n".to_owned();
        let certified = Certified { key: key.0, certificate: foreign(), chain, identity, end: 0 };
        let draft = certified.sign(b"{}");
        let stamp = draft.stamp();
        // A sequence of all that follows, whose last part says that the certificate is wanted.
        assert_eq!((stamp[0], usize::from(stamp[1]) + 2, &stamp[56..]), (0x30, stamp.len(), &STAMP_END[..]));
        assert_eq!(&stamp[24..56], Digest::of(draft.envelope.signature.sig.as_bytes()).as_bytes());
        let entry: Value = serde_json::from_slice(&draft.entry(Log::Tiled).expect("an entry")).expect("JSON");
        let digest = BASE64.encode(Digest::of(&to_sign(b"{}")).as_bytes());
        assert_eq!(entry["hashedRekordRequestV002"]["digest"], digest);
        let entry: Value =
            serde_json::from_slice(&draft.entry(Log::Promising).expect("an entry")).expect("JSON");
        assert_eq!((&entry["kind"], &entry["apiVersion"]), (&"dsse".into(), &"0.0.1".into()));
        for log in [Log::Promising, Log::Tiled] {
            let error = draft.clone().finish(log, b"{}", None).expect_err("refused");
            assert_eq!(error.to_string(), "the transparency log's answer cannot be read");
        }
        let draft = certified.sign_payload(b"{}");
        let entry: Value = serde_json::from_slice(&draft.entry().expect("an entry")).expect("JSON");
        assert_eq!((&entry["kind"], &entry["apiVersion"]), (&"hashedrekord".into(), &"0.0.1".into()));
        assert_eq!(entry["spec"]["data"]["hash"]["value"], Digest::of(b"{}").hex());
        for answer in ["{}", r#"{"a":{"body":"e30=","integratedTime":1,"logID":"00","logIndex":1}}"#] {
            let error = draft.clone().finish(answer.as_bytes()).expect_err("it promises nothing");
            assert_eq!(error.to_string(), "the transparency log's answer cannot be read");
        }
    }
}
