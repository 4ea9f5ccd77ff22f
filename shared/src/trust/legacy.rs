//! Signatures as cosign wrote them before version 3, and as Podman and others read them: a layer of an image under the
//! tag `sha256-DIGEST.sig`, with the signature of its bytes in an annotation ("simple signing").

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::key::PublicKey;
use super::refusal::{Means, Refusal};
use crate::error::{Error, Result};
use crate::oci::{Digest, Repository, to_json};

/// The media type of what is signed.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The annotation of its layer that holds the signature, in Base64.
pub const SIMPLE_SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// The annotation with the certificate of whoever has signed, in PEM, where there is one.
pub(super) const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";

/// What is signed is about an image.
const ABOUT_IMAGE: &str = "cosign container image signature";

#[derive(Serialize, Deserialize)]
struct Payload {
    critical: Critical,
    #[serde(default)]
    optional: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct Critical {
    #[serde(default)]
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Identity {
    #[serde(default)]
    docker_reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

/// What is signed for an image in a repository. It names no tag: readers that compare names must compare
/// repositories.
///
/// # Errors
/// Only if a value does not serialise.
pub fn payload(repository: &Repository, image: &Digest) -> Result<Vec<u8>> {
    to_json(&Payload {
        critical: Critical {
            identity: Identity { docker_reference: repository.to_string() },
            image: Image { docker_manifest_digest: image.to_string() },
            kind: ABOUT_IMAGE.to_owned(),
        },
        optional: None,
    })
}

/// Checks the signature of `image` that a layer of these bytes and annotations holds.
///
/// # Errors
/// With what does not match.
pub(super) fn verify(
    payload: &[u8],
    annotations: &BTreeMap<String, String>,
    key: &PublicKey,
    image: &Digest,
) -> Result<(), Refusal> {
    let signature = annotations.get(SIMPLE_SIGNATURE).and_then(|text| BASE64.decode(text).ok());
    let Some(signature) = signature else {
        return Err(Error::integrity("the layer holds no signature").into());
    };
    if key.verifies(payload, &signature) {
        return is_about(payload, image).map_err(|error| Refusal::from(error).of(Means::Key));
    }
    Err(match is_certified(annotations) {
        true => Refusal::of_certificate(),
        false => {
            Refusal::of_another(Error::integrity("it was signed with another key, or changed")).of(Means::Key)
        }
    })
}

/// Whether a certificate says who has signed what a layer with these annotations holds.
pub(super) fn is_certified(annotations: &BTreeMap<String, String>) -> bool {
    annotations.contains_key(CERTIFICATE)
}

/// Checks that what is signed is about `image`.
///
/// # Errors
/// Integrity: it is not.
pub(super) fn is_about(payload: &[u8], image: &Digest) -> Result<()> {
    let said: Payload = serde_json::from_slice(payload)
        .map_err(|e| Error::integrity("the signed payload cannot be read").because(e))?;
    if said.critical.kind != ABOUT_IMAGE {
        return Err(Error::integrity("the signed payload is not about an image"));
    }
    match said.critical.image.docker_manifest_digest == image.to_string() {
        true => Ok(()),
        false => Err(Error::integrity("the signature is that of another image")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::PrivateKey;
    use super::*;

    #[test]
    fn a_signature_counts_for_the_image_that_it_names() {
        let key = include_str!("../../../tests/fixtures/trust/plain.key");
        let key = PrivateKey::read(key, || panic!("it is not encrypted")).expect("a key");
        let public = key.public().expect("public");
        let (image, other) = (Digest::of(b"image"), Digest::of(b"other"));
        let repository = "ghcr.io/a/b".parse::<Repository>().expect("a repository");
        let good = String::from_utf8(payload(&repository, &image).expect("a payload")).expect("text");
        assert_eq!(
            good,
            format!(
                r#"{{"critical":{{"identity":{{"docker-reference":"ghcr.io/a/b"}},"image":{{"docker-manifest-digest":"{image}"}},"type":"{ABOUT_IMAGE}"}},"optional":null}}"#
            ),
            "the bytes that cosign signs"
        );
        let signed = |payload: &str| {
            BTreeMap::from([(SIMPLE_SIGNATURE.to_owned(), BASE64.encode(key.sign(payload.as_bytes())))])
        };
        let refused = |payload: &str, annotations: &BTreeMap<String, String>, image: &Digest| {
            verify(payload.as_bytes(), annotations, &public, image).expect_err("refused").error.to_string()
        };
        verify(good.as_bytes(), &signed(&good), &public, &image).expect("good");
        assert_eq!(refused(&good, &signed(&good), &other), "the signature is that of another image");
        assert_eq!(refused(&good, &BTreeMap::new(), &image), "the layer holds no signature");
        let changed = good.replace("ghcr.io/a/b", "ghcr.io/a/c");
        assert_eq!(refused(&changed, &signed(&good), &image), "it was signed with another key, or changed");
        // A certificate says more than that it is not this key.
        let mut certified = signed(&good);
        certified.insert(CERTIFICATE.to_owned(), "x".to_owned());
        verify(good.as_bytes(), &certified, &public, &image).expect("whoever else vouches for it");
        let said = "it was signed with a certificate, and not with this key";
        assert_eq!(refused(&changed, &certified, &image), said);
        let odd = good.replace(ABOUT_IMAGE, "x");
        assert_eq!(refused(&odd, &signed(&odd), &image), "the signed payload is not about an image");
    }
}
