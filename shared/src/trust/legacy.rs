//! Signatures as cosign wrote them before version 3, and as Podman and others read them: a layer of an image under the
//! tag `sha256-DIGEST.sig`, with the signature of its bytes in an annotation ("simple signing").

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use super::key::PublicKey;
use crate::error::{Error, Result};
use crate::oci::Digest;

/// The annotation that holds the signature.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// Checks the signature of `image` that a layer of these bytes and annotations holds.
///
/// # Errors
/// Integrity: with what does not match.
pub fn verify(
    payload: &[u8],
    annotations: &BTreeMap<String, String>,
    key: &PublicKey,
    image: &Digest,
) -> Result<()> {
    let signature = annotations.get(SIGNATURE).and_then(|text| BASE64.decode(text).ok());
    let Some(signature) = signature else {
        return Err(Error::integrity("the layer holds no signature"));
    };
    if !key.verifies(payload, &signature) {
        return Err(Error::integrity("it was signed with another key, or changed"));
    }
    let said: Payload = serde_json::from_slice(payload)
        .map_err(|e| Error::integrity("the signed payload cannot be read").because(e))?;
    if said.critical.kind != "cosign container image signature" {
        return Err(Error::integrity("the signed payload is not about an image"));
    }
    match said.critical.image.digest == image.to_string() {
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
        let payload = |kind: &str| {
            format!(
                r#"{{"critical":{{"identity":{{"docker-reference":"ghcr.io/a/b"}},"image":{{"docker-manifest-digest":"{image}"}},"type":"{kind}"}},"optional":null}}"#
            )
        };
        let good = payload("cosign container image signature");
        let signed = |payload: &str| {
            BTreeMap::from([(SIGNATURE.to_owned(), BASE64.encode(key.sign(payload.as_bytes())))])
        };
        let refused = |payload: &str, annotations: &BTreeMap<String, String>, image: &Digest| {
            verify(payload.as_bytes(), annotations, &public, image).expect_err("refused").to_string()
        };
        verify(good.as_bytes(), &signed(&good), &public, &image).expect("good");
        assert_eq!(refused(&good, &signed(&good), &other), "the signature is that of another image");
        assert_eq!(refused(&good, &BTreeMap::new(), &image), "the layer holds no signature");
        let changed = good.replace("ghcr.io/a/b", "ghcr.io/a/c");
        assert_eq!(refused(&changed, &signed(&good), &image), "it was signed with another key, or changed");
        let odd = payload("x");
        assert_eq!(refused(&odd, &signed(&odd), &image), "the signed payload is not about an image");
    }
}
