//! Whether a bundle with a certificate is good: chain, certificate log, transparency log, timestamps and signature,
//! all of them, held to a trusted root.

use serde_json::Value;
use sigstore_verify::crypto::{CertificateInfo, parse_certificate_info};
use sigstore_verify::trust_root::{self, SIGSTORE_PRODUCTION_TRUSTED_ROOT};
use sigstore_verify::tsa::verify_timestamp_for_authority;
use sigstore_verify::types::{Artifact, Bundle, Sha256Hash, SignatureContent};
use sigstore_verify::{CertificateError, Error as Why, VerificationPolicy, Verifier};

use super::super::refusal::{Means, Refusal};
use super::super::statement::Statement;
use super::identity::Identity;
use super::job::Job;
use super::{provider, refusal};
use crate::error::{Error, Result};
use crate::oci::Digest;

/// Whose certificates, logs and timestamps count.
pub struct TrustedRoot {
    verifier: Verifier,
    root: trust_root::TrustedRoot,
}

impl std::fmt::Debug for TrustedRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TrustedRoot")
    }
}

impl TrustedRoot {
    /// That of Sigstore's public services, as this version of the program knows it.
    ///
    /// # Errors
    /// Only a bug.
    pub fn public() -> Result<Self> {
        Self::read(Self::PUBLIC).map_err(|e| Error::bug("the public trusted root cannot be read").because(e))
    }

    /// What [`TrustedRoot::public`] is read from: another version of the program may know another.
    pub const PUBLIC: &str = SIGSTORE_PRODUCTION_TRUSTED_ROOT;

    /// Reads a trusted root.
    ///
    /// # Errors
    /// Usage: it is not one, or something in it cannot be used.
    pub fn read(json: &str) -> Result<Self> {
        provider::install();
        let wrong = || {
            Error::usage("it is not a trusted root of Sigstore")
                .hint("it is a JSON document of the type application/vnd.dev.sigstore.trustedroot+json")
        };
        let root = trust_root::TrustedRoot::from_json(json).map_err(|error| wrong().because(error))?;
        if root.certificate_authorities.is_empty() || root.tlogs.is_empty() {
            return Err(Error::usage(
                "the trusted root names no certificate authority, or no transparency log",
            ));
        }
        let verifier = Verifier::new(&root).map_err(|error| wrong().because(error))?;
        Ok(Self { verifier, root })
    }

    /// Who has signed the statement in a bundle, and the statement, if it is about `image`.
    ///
    /// # Errors
    /// With what does not match.
    pub fn verify(&self, bundle: &[u8], image: &Digest) -> Result<(Identity, Statement<Value>), Refusal> {
        self.verify_certified(bundle, image, Identity::of)
    }

    /// The job that has signed the statement in a bundle, and the statement, if it is about the file with this digest.
    ///
    /// # Errors
    /// With what does not match.
    pub(in crate::trust) fn verify_job(
        &self,
        bundle: &[u8],
        file: &Digest,
    ) -> Result<(Job, Statement<Value>), Refusal> {
        self.verify_certified(bundle, file, Job::of)
    }

    fn verify_certified<T>(
        &self,
        bundle: &[u8],
        subject: &Digest,
        named: fn(&CertificateInfo) -> Option<T>,
    ) -> Result<(T, Statement<Value>), Refusal> {
        let bundle: Result<Bundle, _> = serde_json::from_slice(bundle);
        let bundle = bundle.map_err(|error| Error::integrity("a bundle cannot be read").because(error))?;
        if bundle.signing_certificate().is_none() {
            return Err(Refusal::of_key());
        }
        let certified = self.certified(&bundle, subject).and_then(|(certificate, statement)| {
            named(&certificate).map(|named| (named, statement)).ok_or_else(nobody)
        });
        certified.map_err(|error| Refusal::from(error).of(Means::Certificate))
    }

    fn certified(&self, bundle: &Bundle, image: &Digest) -> Result<(CertificateInfo, Statement<Value>)> {
        let SignatureContent::DsseEnvelope(envelope) = &bundle.content else {
            return Err(Error::integrity("the bundle holds no signed statement"));
        };
        let digest = Sha256Hash::from_hex(&image.hex())
            .map_err(|error| Error::bug("a digest is not that of SHA-256").because(error))?;
        let certificate = self.certificate(digest.into(), bundle)?;
        let statement: Statement<Value> = serde_json::from_slice(envelope.payload.as_bytes())
            .map_err(|error| Error::integrity("the signed statement cannot be read").because(error))?;
        match statement.is_about(image) {
            true => Ok((certificate, statement)),
            false => Err(Error::integrity("the signed statement is about another image")),
        }
    }

    /// Who has signed what a bundle is about.
    pub(super) fn signer(&self, artifact: Artifact<'_>, bundle: &Bundle) -> Result<Identity> {
        Identity::of(&self.certificate(artifact, bundle)?).ok_or_else(nobody)
    }

    /// The certificate with which somebody has signed what a bundle is about.
    fn certificate(&self, artifact: Artifact<'_>, bundle: &Bundle) -> Result<CertificateInfo> {
        let entries = &bundle.verification_material.tlog_entries;
        if entries.is_empty() {
            return Err(Error::integrity("no transparency log has recorded it"));
        }
        for entry in entries {
            if !self.root.tlogs.iter().any(|log| log.log_id == entry.log_id) {
                return Err(refusal::of_root(
                    "it is recorded in a transparency log that the trusted root does not name",
                ));
            }
        }
        // Who it must be is decided by the caller, with patterns too.
        let anybody = VerificationPolicy::any_identity();
        let found = self.verifier.verify(artifact, bundle, &anybody).map_err(|why| {
            let is_of_chain = matches!(why, Why::Certificate(CertificateError::ChainInvalid(_)));
            self.untimely(bundle).filter(|_| is_of_chain).unwrap_or_else(|| refusal::of(why))
        })?;
        if !(found.certificate_verified() && found.sct_verified() && found.tlog_verified()) {
            return Err(Error::bug("a part of a signature was not verified"));
        }
        found.certificate().cloned().ok_or_else(nobody)
    }

    /// The refusal of a certificate that was not good when it was used: of such a one it is only said that its chain
    /// is wrong.
    fn untimely(&self, bundle: &Bundle) -> Option<Error> {
        let material = &bundle.verification_material;
        let info = parse_certificate_info(bundle.signing_certificate()?).ok()?;
        let signature = match &bundle.content {
            SignatureContent::DsseEnvelope(envelope) => &envelope.signature.sig,
            SignatureContent::MessageSignature(message) => &message.signature,
            _ => return None,
        };
        let authorities = self.root.tsa_authorities();
        let stamps = material.timestamp_verification_data.rfc3161_timestamps.iter();
        let stamps =
            stamps.flat_map(|stamp| authorities.iter().map(move |one| (&stamp.signed_timestamp, one)));
        let stamps =
            stamps.filter_map(|(stamp, one)| verify_timestamp_for_authority(stamp, signature, one).ok());
        let recorded = material.tlog_entries.iter().filter_map(|entry| entry.integrated_time);
        let good = info.not_before..=info.not_after;
        let odd = recorded.chain(stamps).find(|time| !good.contains(time))?;
        Some(refusal::untimely(odd, info.not_before, info.not_after))
    }
}

fn nobody() -> Error {
    Error::integrity("its certificate does not contain an identity")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use serde_json::json;

    use super::*;

    // How they were made: tests/fixtures/trust/keyless/README.md.
    macro_rules! fixture {
        ($name:literal) => {
            include_str!(concat!("../../../../tests/fixtures/trust/keyless/", $name))
        };
    }

    fn root() -> TrustedRoot {
        TrustedRoot::read(fixture!("root.json")).expect("a root")
    }

    fn image() -> Digest {
        Digest::of(fixture!("image.json").as_bytes())
    }

    fn json(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    fn refused(root: &TrustedRoot, bundle: &Value, image: &Digest) -> String {
        let Refusal { error, .. } = root.verify(bundle.to_string().as_bytes(), image).expect_err("refused");
        assert_eq!(error.kind(), crate::Kind::Integrity);
        error.to_string()
    }

    const BOTH: [&str; 2] = [fixture!("rekor-v1.json"), fixture!("rekor-v2.json")];

    /// The Base64 at `pointer` with a bit flipped near its end.
    fn flipped(bundle: &Value, pointer: &str) -> Value {
        let mut bundle = bundle.clone();
        let place = bundle.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}"));
        let mut bytes = BASE64.decode(place.as_str().expect("text")).expect("Base64");
        let place_of_bit = bytes.len() - 8;
        bytes[place_of_bit] ^= 1;
        *place = BASE64.encode(bytes).into();
        bundle
    }

    #[test]
    fn whoever_the_certificate_names_has_signed() {
        for text in BOTH {
            let (signer, statement) = root().verify(text.as_bytes(), &image()).expect("good");
            let workflow = "https://github.com/acme/shop/.github/workflows/release.yml@refs/tags/v1";
            assert_eq!(signer.identity, workflow);
            assert_eq!(signer.issuer, "https://token.actions.githubusercontent.com");
            assert_eq!(signer.source.as_deref(), Some("https://github.com/acme/shop"));
            assert_eq!(signer.source_ref.as_deref(), Some("refs/tags/v1"));
            assert_eq!(statement.predicate_type, "https://sigstore.dev/cosign/sign/v1");
        }
    }

    #[test]
    fn a_signature_of_another_image_is_refused() {
        for text in BOTH {
            let said = refused(&root(), &json(text), &Digest::of(b"other"));
            assert_eq!(said, "the signed statement is about another image");
        }
    }

    #[test]
    fn a_changed_statement_is_refused() {
        for text in BOTH {
            let mut bundle = json(text);
            let payload = bundle["dsseEnvelope"]["payload"].as_str().expect("text");
            let payload = String::from_utf8(BASE64.decode(payload).expect("Base64")).expect("text");
            let payload = payload.replace(&image().hex(), &Digest::of(b"other").hex());
            bundle["dsseEnvelope"]["payload"] = BASE64.encode(payload).into();
            let said = refused(&root(), &bundle, &Digest::of(b"other"));
            assert_eq!(said, "the signature does not match: the signed content was changed");
        }
    }

    #[test]
    fn a_changed_certificate_log_or_timestamp_is_refused() {
        let stamp = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";
        for text in BOTH {
            let bundle = json(text);
            let said =
                refused(&root(), &flipped(&bundle, "/verificationMaterial/certificate/rawBytes"), &image());
            assert!(said.contains("certificate"), "{said}");
            let body = "/verificationMaterial/tlogEntries/0/canonicalizedBody";
            let said = refused(&root(), &flipped(&bundle, body), &image());
            assert!(said.contains("the transparency log"), "{said}");
            let said = refused(&root(), &flipped(&bundle, stamp), &image());
            assert!(said.contains("timestamp"), "{said}");
        }
        let promise = "/verificationMaterial/tlogEntries/0/inclusionPromise/signedEntryTimestamp";
        let said = refused(&root(), &flipped(&json(BOTH[0]), promise), &image());
        assert_eq!(said, "the transparency log's proof does not hold: it was changed");
    }

    #[test]
    fn what_another_signature_proves_is_no_proof() {
        let [first, mut second] = BOTH.map(json);
        second["verificationMaterial"]["tlogEntries"] = first["verificationMaterial"]["tlogEntries"].clone();
        let said = refused(&root(), &second, &image());
        assert!(said.contains("the transparency log"), "{said}");
        let mut none = first;
        none["verificationMaterial"]["tlogEntries"] = json!([]);
        let said = refused(&root(), &none, &image());
        assert_eq!(said, "no transparency log has recorded it");
    }

    #[test]
    fn a_certificate_counts_for_its_time_only() {
        let late = TrustedRoot::read(fixture!("late/root.json")).expect("a root");
        for text in [fixture!("late/rekor-v1.json"), fixture!("late/rekor-v2.json")] {
            let said = refused(&late, &json(text), &image());
            assert!(said.starts_with("its certificate had expired when it was signed"), "{said}");
        }
        // Nothing says when it was.
        let mut bundle = json(BOTH[1]);
        bundle["verificationMaterial"]["timestampVerificationData"] = json!({});
        let said = refused(&root(), &bundle, &image());
        assert_eq!(said, "nothing proves that it was signed before its certificate expired");
    }

    #[test]
    fn services_that_the_root_does_not_name_do_not_count() {
        let other = TrustedRoot::read(fixture!("late/root.json")).expect("a root");
        for root in [other, TrustedRoot::public().expect("embedded")] {
            for text in BOTH {
                let Refusal { error, .. } = root.verify(text.as_bytes(), &image()).expect_err("refused");
                let said = "it is recorded in a transparency log that the trusted root does not name";
                assert_eq!(error.to_string(), said);
                assert!(error.hint_text().is_some_and(|hint| hint.contains("--trusted-root")));
            }
        }
        let mut mixed = json(fixture!("root.json"));
        let late = json(fixture!("late/root.json"));
        for (part, said) in [
            ("certificateAuthorities", "comes from no authority that the trusted root names"),
            ("ctlogs", "no certificate log that the trusted root names has recorded its certificate"),
            ("timestampAuthorities", "its timestamp was changed, or comes from no authority"),
        ] {
            let kept = std::mem::replace(&mut mixed[part], late[part].clone());
            let root = TrustedRoot::read(&mixed.to_string()).expect("a root");
            let found = refused(&root, &json(BOTH[1]), &image());
            assert!(found.contains(said), "{part}: {found}");
            mixed[part] = kept;
        }
    }

    #[test]
    fn what_is_no_certified_bundle_is_refused_in_words() {
        let mut keyed = json(BOTH[0]);
        keyed["verificationMaterial"] = json!({"publicKey": {"hint": "x"}, "tlogEntries": []});
        let said = refused(&root(), &keyed, &image());
        assert_eq!(said, "it was signed with a key, and no certificate says whose it is");
        assert_eq!(refused(&root(), &json!({}), &image()), "a bundle cannot be read");
        for text in ["", "{}", "[]", r#"{"mediaType":"x","tlogs":[]}"#] {
            assert_eq!(TrustedRoot::read(text).expect_err(text).kind(), crate::Kind::Usage);
        }
    }

    #[test]
    fn the_older_form_is_read_too() {
        let older = json(fixture!("older.json"));
        let payload = older["payload"].as_str().expect("text");
        let read = |words: &Value| -> BTreeMap<String, String> {
            serde_json::from_value(words.clone()).expect("annotations")
        };
        let words = read(&older["annotations"]);
        let signer = root().verify_legacy(payload.as_bytes(), &words, &image()).expect("good");
        assert_eq!(signer.issuer, "https://token.actions.githubusercontent.com");
        let refused = |payload: &str, words: &BTreeMap<String, String>, image: &Digest| {
            root().verify_legacy(payload.as_bytes(), words, image).expect_err("refused").error.to_string()
        };
        let other = Digest::of(b"other");
        assert_eq!(refused(payload, &words, &other), "the signature is that of another image");
        let changed = payload.replace(&image().hex(), &other.hex());
        assert_eq!(
            refused(&changed, &words, &other),
            "the signature does not match: the signed content was changed"
        );
        for part in ["dev.sigstore.cosign/certificate", "dev.sigstore.cosign/bundle"] {
            let mut less = words.clone();
            less.remove(part);
            assert!(refused(payload, &less, &image()).contains("certificate"), "{part}");
        }
        let late = json(fixture!("late/older.json"));
        let error = TrustedRoot::read(fixture!("late/root.json")).expect("a root").verify_legacy(
            late["payload"].as_str().expect("text").as_bytes(),
            &read(&late["annotations"]),
            &image(),
        );
        let said = error.expect_err("refused").error.to_string();
        assert!(said.starts_with("its certificate had expired when it was signed"), "{said}");
    }
}
