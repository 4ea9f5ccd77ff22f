//! Keys of P-256: as cosign writes them, encrypted, and as PKCS#8 or SEC 1 have them in PEM (RFC 7468).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Key as BoxKey, Nonce, XSalsa20Poly1305};
use p256::SecretKey;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePublicKey};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::oci::Digest;
use crate::redact::Secret;

/// No more memory is taken for a password, in bytes: a file may ask for any amount.
const MOST_MEMORY: u64 = 256 << 20;

/// A private key. It is never shown.
#[derive(Clone)]
pub struct PrivateKey(SigningKey);

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    /// As SubjectPublicKeyInfo in DER (RFC 5480).
    der: Vec<u8>,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(***)")
    }
}

/// What a PEM file holds, by the word at its beginning.
struct Pem {
    label: String,
    content: Vec<u8>,
}

impl Pem {
    fn read(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("-----BEGIN ")?;
        let (label, rest) = rest.split_once("-----")?;
        let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
        // What older tools write before the text: names and values.
        let body = body.lines().filter(|line| !line.contains(':')).collect::<String>();
        let packed: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        Some(Self { label: label.to_owned(), content: BASE64.decode(packed).ok()? })
    }
}

/// Cosign's container for an encrypted key.
#[derive(Deserialize)]
struct Encrypted {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

impl PrivateKey {
    /// Reads a key in PEM. `password` is asked for only if it is encrypted.
    ///
    /// # Errors
    /// Usage: it is no private key of P-256, or the password is missing or wrong.
    pub fn read(pem: &str, password: impl FnOnce() -> Result<Secret>) -> Result<Self> {
        let Some(Pem { label, content }) = Pem::read(pem) else {
            return Err(Error::usage("it is not a key in PEM").hint(HOW_TO_MAKE));
        };
        let key = match label.as_str() {
            "ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY" => {
                let opened = decrypt(&content, &password()?)?;
                SecretKey::from_pkcs8_der(&opened).ok()
            }
            "PRIVATE KEY" => SecretKey::from_pkcs8_der(&content).ok(),
            "EC PRIVATE KEY" => SecretKey::from_sec1_der(&content).ok(),
            "ENCRYPTED PRIVATE KEY" => {
                return Err(Error::usage("the key is encrypted in a way that is not supported")
                    .hint("`cosign import-key-pair --key FILE` encrypts it as cosign does"));
            }
            "PUBLIC KEY" | "CERTIFICATE" => {
                return Err(Error::usage("it holds what is public, and not the private key")
                    .hint("give the file with the private key, such as cosign.key"));
            }
            _ => None,
        };
        let wrong = || Error::usage("it is not a private key of the curve P-256").hint(HOW_TO_MAKE);
        key.map(|key| Self(SigningKey::from(key))).ok_or_else(wrong)
    }

    /// The signature of `content` in DER. The same content has the same signature (RFC 6979).
    pub fn sign(&self, content: &[u8]) -> Vec<u8> {
        let signature: Signature = self.0.sign(content);
        signature.to_der().as_bytes().to_vec()
    }

    /// The public half.
    ///
    /// # Errors
    /// Only a bug.
    pub fn public(&self) -> Result<PublicKey> {
        PublicKey::of(*self.0.verifying_key())
    }
}

const HOW_TO_MAKE: &str = "`cosign generate-key-pair` makes one that works";

fn decrypt(json: &[u8], password: &Secret) -> Result<Vec<u8>> {
    let unknown = || Error::usage("the key is encrypted in a way that is not supported").hint(HOW_TO_MAKE);
    let Encrypted { kdf, cipher, ciphertext } =
        serde_json::from_slice(json).map_err(|e| unknown().because(e))?;
    if kdf.name != "scrypt" || cipher.name != "nacl/secretbox" {
        return Err(unknown());
    }
    let Params { n, r, p } = kdf.params;
    let memory = n.saturating_mul(u64::from(r)).saturating_mul(128);
    if !n.is_power_of_two() || memory > MOST_MEMORY || p > 16 {
        return Err(unknown());
    }
    let log_n = u8::try_from(n.trailing_zeros()).unwrap_or(u8::MAX);
    let params = scrypt::Params::new(log_n, r, p, BoxKey::default().len()).map_err(|_| unknown())?;
    let bytes = |text: &str| BASE64.decode(text).map_err(|_| unknown());
    let (salt, nonce, sealed) = (bytes(&kdf.salt)?, bytes(&cipher.nonce)?, bytes(&ciphertext)?);
    let mut key = BoxKey::default();
    scrypt::scrypt(password.expose().as_bytes(), &salt, &params, &mut key).map_err(|_| unknown())?;
    if nonce.len() != Nonce::default().len() {
        return Err(unknown());
    }
    let opened = XSalsa20Poly1305::new(&key).decrypt(Nonce::from_slice(&nonce), &sealed[..]);
    opened.map_err(|_| Error::usage("the password of the key is wrong"))
}

impl PublicKey {
    /// Reads a key in PEM.
    ///
    /// # Errors
    /// Usage: it is no public key of P-256.
    pub fn read(pem: &str) -> Result<Self> {
        let wrong = || Error::usage("it is not a public key of the curve P-256 in PEM");
        let Some(Pem { label, content }) = Pem::read(pem) else { return Err(wrong()) };
        if label.contains("PRIVATE") {
            return Err(Error::usage("it holds a private key")
                .hint("give the file with the public key, such as cosign.pub"));
        }
        Self::of(VerifyingKey::from_public_key_der(&content).map_err(|_| wrong())?)
    }

    fn of(key: VerifyingKey) -> Result<Self> {
        let der = key.to_public_key_der().map_err(|e| Error::bug("a key cannot be written").because(e))?;
        Ok(Self { key, der: der.as_bytes().to_vec() })
    }

    /// Whether `signature`, in DER, is this key's for `content`.
    pub fn verifies(&self, content: &[u8], signature: &[u8]) -> bool {
        Signature::from_der(signature).is_ok_and(|signature| self.key.verify(content, &signature).is_ok())
    }

    /// What names the key in bundles: the SHA-256 of its DER, in Base64.
    pub fn hint(&self) -> String {
        BASE64.encode(self.digest().as_bytes())
    }

    /// The SHA-256 of its DER.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.der)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with OpenSSL; they sign nothing but tests. The encrypted one is the plain one in cosign's form.
    const PLAIN: &str = include_str!("../../../tests/fixtures/trust/plain.key");
    const PUBLIC: &str = include_str!("../../../tests/fixtures/trust/plain.pub");
    const ENCRYPTED: &str = include_str!("../../../tests/fixtures/trust/encrypted.key");
    const SEC1: &str = include_str!("../../../tests/fixtures/trust/other.key");

    fn read(pem: &str, password: Option<&str>) -> Result<PrivateKey> {
        PrivateKey::read(pem, || match password {
            Some(password) => Ok(Secret::new(password)),
            None => Err(Error::usage("no password")),
        })
    }

    #[test]
    fn keys_are_read_in_all_their_forms() {
        let public = PublicKey::read(PUBLIC).expect("public");
        let plain = read(PLAIN, None).expect("plain");
        assert_eq!(plain.public().expect("public"), public);
        assert_eq!(read(ENCRYPTED, Some("hunter2")).expect("encrypted").public().expect("public"), public);
        let other = read(SEC1, None).expect("sec1");
        let signature = plain.sign(b"x");
        assert_eq!(plain.sign(b"x"), signature, "always the same");
        assert!(public.verifies(b"x", &signature));
        assert!(!public.verifies(b"y", &signature) && !public.verifies(b"x", &other.sign(b"x")));
        assert!(!public.verifies(b"x", b""));
        assert_eq!(format!("{plain:?}"), "PrivateKey(***)");
    }

    #[test]
    fn what_cannot_sign_is_refused_in_words() {
        let said = |pem: &str, password| read(pem, password).expect_err("refused").to_string();
        assert_eq!(said(ENCRYPTED, Some("wrong")), "the password of the key is wrong");
        assert_eq!(said(ENCRYPTED, None), "no password");
        assert_eq!(said(PUBLIC, None), "it holds what is public, and not the private key");
        assert_eq!(said("", None), "it is not a key in PEM");
        assert_eq!(
            said("-----BEGIN X-----\nAA==\n-----END X-----", None),
            "it is not a private key of the curve P-256"
        );
        let greedy = BASE64.encode(
            r#"{"kdf":{"name":"scrypt","params":{"N":1073741824,"r":8,"p":1},"salt":""},"cipher":{"name":"nacl/secretbox","nonce":""},"ciphertext":""}"#,
        );
        let label = "ENCRYPTED SIGSTORE PRIVATE KEY";
        let greedy = format!("-----BEGIN {label}-----\n{greedy}\n-----END {label}-----\n");
        assert_eq!(said(&greedy, Some("x")), "the key is encrypted in a way that is not supported");
        assert_eq!(PublicKey::read(PLAIN).expect_err("private").to_string(), "it holds a private key");
        assert!(PublicKey::read("x").is_err());
    }
}
