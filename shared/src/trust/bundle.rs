//! Signed statements: DSSE envelopes in the bundles of Sigstore (bundle v0.3), as cosign 3 writes and reads them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::key::PublicKey;
use super::refusal::{Means, Refusal};
use super::statement::{Resource, Statement};
use crate::error::{Error, Result};
use crate::oci::media_type::IN_TOTO;
use crate::oci::{Digest, to_json};

/// The media type of a bundle, and of the artifact that holds one.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The annotation that says what is in a bundle.
pub const CONTENT: &str = "dev.sigstore.bundle.content";

/// What it says for a signed statement.
pub const ENVELOPE: &str = "dsse-envelope";

/// The annotation that says what the statement states.
pub const BUNDLE_PREDICATE: &str = "dev.sigstore.bundle.predicateType";

/// The predicate of a statement that says only that somebody has signed an image.
pub const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

/// The predicate that holds a document of SPDX.
pub const SPDX_DOCUMENT: &str = "https://spdx.dev/Document";

/// The predicate that holds a document of CycloneDX.
pub const CYCLONEDX_BOM: &str = "https://cyclonedx.org/bom";

/// The beginnings of media types that bundles have had.
const BUNDLES: [&str; 2] =
    ["application/vnd.dev.sigstore.bundle.v0.", "application/vnd.dev.sigstore.bundle+json"];

/// A bundle, as far as a key is what it is verified with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    media_type: String,
    verification_material: Material,
    #[serde(skip_serializing_if = "Option::is_none")]
    dsse_envelope: Option<Envelope>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<Hint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x509_certificate_chain: Option<Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Hint {
    hint: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    /// Base64.
    payload: String,
    payload_type: String,
    signatures: Vec<Signed>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Signed {
    /// Base64.
    sig: String,
}

/// What a signature is made of: type and content, each with its length (DSSE "PAE").
pub fn to_sign(statement: &[u8]) -> Vec<u8> {
    let mut all = format!("DSSEv1 {} {IN_TOTO} {} ", IN_TOTO.len(), statement.len()).into_bytes();
    all.extend(statement);
    all
}

/// The statement that an image is signed, and nothing more. As cosign's it names no image but its digest.
///
/// # Errors
/// Only if a value does not serialise.
pub fn signature_of(image: &Digest) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Nothing {}
    to_json(&Statement::new(vec![Resource::default().sha256(image)], SIGNATURE, Nothing {}))
}

/// The statement that a document is about an image.
///
/// # Errors
/// When it is not JSON.
pub fn statement_about(image: &Digest, predicate: &str, document: &str) -> Result<Statement<Value>> {
    let document: Value =
        serde_json::from_str(document).map_err(|e| Error::bug("a document is not JSON").because(e))?;
    Ok(Statement::new(vec![Resource::default().sha256(image)], predicate, document))
}

impl Bundle {
    /// The bundle of a statement with its signature in DER.
    ///
    /// # Errors
    /// A bug when the signature is not that of `key`.
    pub fn of_key(statement: &[u8], signature: &[u8], key: &PublicKey) -> Result<Self> {
        if !key.verifies(&to_sign(statement), signature) {
            return Err(Error::bug("a signature does not fit its key"));
        }
        let envelope = Envelope {
            payload: BASE64.encode(statement),
            payload_type: IN_TOTO.to_owned(),
            signatures: vec![Signed { sig: BASE64.encode(signature) }],
        };
        let public_key = Some(Hint { hint: key.hint() });
        Ok(Self {
            media_type: BUNDLE.to_owned(),
            verification_material: Material { public_key, ..Material::default() },
            dsse_envelope: Some(envelope),
        })
    }

    /// Whether an artifact of this kind holds a bundle.
    pub fn is_kind(kind: &str) -> bool {
        BUNDLES.iter().any(|start| kind.starts_with(start))
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// Integrity: it is none.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let read: Result<Self, _> = serde_json::from_slice(bytes);
        let bundle = read.map_err(|e| Error::integrity("a bundle cannot be read").because(e))?;
        if !Self::is_kind(&bundle.media_type) {
            return Err(Error::integrity(format!("{:?} is not the type of a bundle", bundle.media_type)));
        }
        Ok(bundle)
    }

    /// Whether a certificate says who has signed, or a key must be known.
    fn means(&self) -> Means {
        let material = &self.verification_material;
        match material.certificate.is_some() || material.x509_certificate_chain.is_some() {
            true => Means::Certificate,
            false => Means::Key,
        }
    }

    /// The first thing that the statement is about, by what the bundle claims: nothing is verified yet.
    pub fn subject(&self) -> Option<Digest> {
        let envelope = self.dsse_envelope.as_ref()?;
        let statement: Statement<Value> =
            serde_json::from_slice(&BASE64.decode(&envelope.payload).ok()?).ok()?;
        let mut digests = statement.subject.iter().filter_map(Resource::digest_of_content);
        digests.next()
    }

    /// The statement, if the key has signed it and it is about `image`.
    ///
    /// # Errors
    /// With what does not match.
    pub fn verify(&self, key: &PublicKey, image: &Digest) -> Result<Statement<Value>, Refusal> {
        let means = self.means();
        if means == Means::Certificate {
            return Err(Refusal::of_certificate());
        }
        self.signed_with(key, image).map_err(|refusal| refusal.of(means))
    }

    fn signed_with(&self, key: &PublicKey, image: &Digest) -> Result<Statement<Value>, Refusal> {
        let Some(envelope) = &self.dsse_envelope else {
            return Err(Error::integrity("the bundle holds no signed statement").into());
        };
        if envelope.payload_type != IN_TOTO {
            let kind = &envelope.payload_type;
            return Err(Error::integrity(format!(
                "the signed payload is of the type {kind:?}, and not a statement"
            ))
            .into());
        }
        let decoded = |text: &str| BASE64.decode(text).map_err(|_| Error::integrity("the bundle is damaged"));
        let payload = decoded(&envelope.payload)?;
        let [signed] = &envelope.signatures[..] else {
            return Err(Error::integrity("the bundle holds not exactly one signature").into());
        };
        if !key.verifies(&to_sign(&payload), &decoded(&signed.sig)?) {
            return Err(match self.hint() == Some(key.hint().as_str()) {
                true => Error::integrity("the signature does not match: the statement was changed").into(),
                false => Refusal::of_another(Error::integrity("it was signed with another key")),
            });
        }
        let statement: Statement<Value> = serde_json::from_slice(&payload)
            .map_err(|e| Error::integrity("the signed statement cannot be read").because(e))?;
        if !statement.is_about(image) {
            return Err(Error::integrity("the signed statement is about another image").into());
        }
        Ok(statement)
    }

    fn hint(&self) -> Option<&str> {
        self.verification_material.public_key.as_ref().map(|key| key.hint.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::PrivateKey;
    use super::super::refusal::Whose;
    use super::*;

    const KEY: &str = include_str!("../../../tests/fixtures/trust/plain.key");
    const OTHER: &str = include_str!("../../../tests/fixtures/trust/other.key");

    fn key(text: &str) -> PrivateKey {
        PrivateKey::read(text, || panic!("it is not encrypted")).expect("a key")
    }

    fn signed(key: &PrivateKey, statement: &[u8]) -> Bundle {
        let public = key.public().expect("public");
        Bundle::of_key(statement, &key.sign(&to_sign(statement)), &public).expect("a bundle")
    }

    #[test]
    fn what_is_signed_is_verified_and_nothing_else() {
        let (image, other) = (Digest::of(b"image"), Digest::of(b"other"));
        let key = key(KEY);
        let public = key.public().expect("public");
        let bundle = signed(&key, &signature_of(&image).expect("a statement"));
        let bytes = to_json(&bundle).expect("JSON");
        let read = Bundle::read(&bytes).expect("read again");
        assert_eq!(read, bundle);
        assert_eq!(read.verify(&public, &image).expect("verified").predicate_type, SIGNATURE);
        let refused = |bundle: &Bundle, key: &PublicKey, image: &Digest| {
            bundle.verify(key, image).expect_err("refused").error.to_string()
        };
        assert_eq!(refused(&read, &public, &other), "the signed statement is about another image");
        let stranger = self::key(OTHER).public().expect("public");
        assert_eq!(refused(&read, &stranger, &image), "it was signed with another key");

        let mut changed = read.clone();
        let envelope = changed.dsse_envelope.as_mut().expect("an envelope");
        envelope.payload = BASE64.encode(signature_of(&other).expect("a statement"));
        assert_eq!(
            refused(&changed, &public, &other),
            "the signature does not match: the statement was changed"
        );
        let mut twice = read.clone();
        let envelope = twice.dsse_envelope.as_mut().expect("an envelope");
        envelope.signatures.push(envelope.signatures[0].clone());
        assert_eq!(refused(&twice, &public, &image), "the bundle holds not exactly one signature");
        let mut kind = read.clone();
        kind.dsse_envelope.as_mut().expect("an envelope").payload_type = "text/plain".into();
        assert!(refused(&kind, &public, &image).contains("not a statement"));
        let mut certified = read;
        certified.verification_material.certificate = Some(Value::Null);
        let said = "it was signed with a certificate, and not with this key";
        assert_eq!(refused(&certified, &public, &image), said);
    }

    #[test]
    fn a_refusal_says_whose_the_signature_is() {
        let (image, key) = (Digest::of(b"image"), key(KEY));
        let public = key.public().expect("public");
        let bundle = signed(&key, &signature_of(&image).expect("a statement"));
        let whose = |bundle: &Bundle, key: &PublicKey, image: &Digest| {
            let Refusal { means, whose, .. } = bundle.verify(key, image).expect_err("refused");
            (means, whose)
        };
        let stranger = self::key(OTHER).public().expect("public");
        assert_eq!(whose(&bundle, &stranger, &image), (Some(Means::Key), Whose::Another));
        assert_eq!(whose(&bundle, &public, &Digest::of(b"other")), (Some(Means::Key), Whose::Wanted));
        let mut certified = bundle;
        certified.verification_material.x509_certificate_chain = Some(Value::Null);
        assert_eq!(whose(&certified, &public, &image), (Some(Means::Certificate), Whose::Another));
    }

    #[test]
    fn what_is_no_bundle_is_refused() {
        for text in ["", "{}", "[]", r#"{"mediaType":"x","verificationMaterial":{}}"#] {
            assert_eq!(
                Bundle::read(text.as_bytes()).expect_err(text).kind(),
                crate::Kind::Integrity,
                "{text}"
            );
        }
        assert!(
            Bundle::is_kind(BUNDLE)
                && Bundle::is_kind("application/vnd.dev.sigstore.bundle+json;version=0.2")
        );
        assert!(!Bundle::is_kind("application/spdx+json"));
    }

    #[test]
    fn the_bytes_that_are_signed_are_those_of_the_specification() {
        assert_eq!(to_sign(b"hello"), b"DSSEv1 28 application/vnd.in-toto+json 5 hello");
    }
}
