//! The arithmetic that Sigstore's crates ask for, by the crates of RustCrypto that this program has anyway. It only
//! verifies: keys are made, and used, in `signing`.

use std::sync::Once;

use ed25519_dalek::{Signature as EdSignature, VerifyingKey as EdKey};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::{Pkcs1v15Sign, Pss, RsaPublicKey};
use sha2::{Digest, Sha256, Sha384, Sha512};
use sigstore_verify::crypto::provider::{CryptoProvider, HashContext, install_default_provider};
use sigstore_verify::crypto::{Error, Result, SigningScheme};
use sigstore_verify::types::HashAlgorithm;

/// Sees to it that Sigstore's crates can calculate. Without a provider they panic.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    // It fails only where somebody has installed another one, which is as well.
    ONCE.call_once(|| _ = install_default_provider(&RustCrypto));
}

#[derive(Debug)]
struct RustCrypto;

/// A hash that is being calculated.
struct Running<D>(D);

impl<D: Digest + Send> HashContext for Running<D> {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().to_vec()
    }
}

impl CryptoProvider for RustCrypto {
    fn hash(&self, algorithm: HashAlgorithm) -> Result<Box<dyn HashContext>> {
        Ok(match algorithm {
            HashAlgorithm::Sha2256 => Box::new(Running(Sha256::new())),
            HashAlgorithm::Sha2384 => Box::new(Running(Sha384::new())),
            HashAlgorithm::Sha2512 => Box::new(Running(Sha512::new())),
            other => return Err(Error::UnsupportedAlgorithm(other.to_string())),
        })
    }

    fn verify_raw(&self, scheme: SigningScheme, key: &[u8], data: &[u8], signature: &[u8]) -> Result<()> {
        if let Some(algorithm) = scheme.hash_algorithm() {
            let mut hash = self.hash(algorithm)?;
            hash.update(data);
            return self.verify_prehashed(scheme, key, &hash.finalize(), signature);
        }
        if scheme != SigningScheme::Ed25519 {
            return Err(Error::UnsupportedAlgorithm(scheme.name().to_owned()));
        }
        let key = key.try_into().ok().and_then(|key| EdKey::from_bytes(key).ok());
        let signature = EdSignature::from_slice(signature).ok();
        let is_good = |(key, signature): (EdKey, EdSignature)| key.verify_strict(data, &signature).is_ok();
        judged(scheme, key.zip(signature).is_some_and(is_good))
    }

    fn verify_prehashed(
        &self,
        scheme: SigningScheme,
        key: &[u8],
        digest: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        use SigningScheme as S;
        let is_good = match scheme {
            S::EcdsaP256Sha256 | S::EcdsaP256Sha384 => {
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key).ok();
                let signature = p256::ecdsa::Signature::from_der(signature).ok();
                key.zip(signature)
                    .is_some_and(|(key, signature)| key.verify_prehash(digest, &signature).is_ok())
            }
            S::EcdsaP384Sha256 | S::EcdsaP384Sha384 => {
                let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(key).ok();
                let signature = p384::ecdsa::Signature::from_der(signature).ok();
                key.zip(signature)
                    .is_some_and(|(key, signature)| key.verify_prehash(digest, &signature).is_ok())
            }
            _ => is_good_rsa(scheme, key, digest, signature)?,
        };
        judged(scheme, is_good)
    }
}

fn is_good_rsa(scheme: SigningScheme, key: &[u8], digest: &[u8], signature: &[u8]) -> Result<bool> {
    use SigningScheme as S;
    // The generation of hashes that the crate knows.
    use rsa::sha2::{Sha256, Sha384, Sha512};
    let Ok(key) = RsaPublicKey::from_pkcs1_der(key) else { return Ok(false) };
    let verified = match scheme {
        S::RsaPkcs1Sha256 => key.verify(Pkcs1v15Sign::new::<Sha256>(), digest, signature),
        S::RsaPkcs1Sha384 => key.verify(Pkcs1v15Sign::new::<Sha384>(), digest, signature),
        S::RsaPkcs1Sha512 => key.verify(Pkcs1v15Sign::new::<Sha512>(), digest, signature),
        S::RsaPssSha256 => key.verify(Pss::new::<Sha256>(), digest, signature),
        S::RsaPssSha384 => key.verify(Pss::new::<Sha384>(), digest, signature),
        S::RsaPssSha512 => key.verify(Pss::new::<Sha512>(), digest, signature),
        other => return Err(Error::UnsupportedAlgorithm(other.name().to_owned())),
    };
    Ok(verified.is_ok())
}

fn judged(scheme: SigningScheme, is_good: bool) -> Result<()> {
    match is_good {
        true => Ok(()),
        false => Err(Error::Verification(format!("the signature ({}) is wrong", scheme.name()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
        (0..hex.len()).step_by(2).map(digit).collect()
    }

    #[test]
    fn signatures_of_other_implementations_are_verified() {
        // Made with OpenSSL, of the text "signed".
        for line in include_str!("../../../../tests/fixtures/trust/vectors.txt").lines() {
            if line.starts_with('#') {
                continue;
            }
            let [name, key, signature] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let scheme = match name {
                "p256" => SigningScheme::EcdsaP256Sha256,
                "p384" => SigningScheme::EcdsaP384Sha384,
                "rsa" => SigningScheme::RsaPkcs1Sha256,
                "pss" => SigningScheme::RsaPssSha512,
                "ed25519" => SigningScheme::Ed25519,
                other => panic!("{other}"),
            };
            let (key, mut signature) = (bytes(key), bytes(signature));
            RustCrypto.verify_raw(scheme, &key, b"signed", &signature).expect(name);
            assert!(RustCrypto.verify_raw(scheme, &key, b"other", &signature).is_err(), "{name}");
            *signature.last_mut().expect("bytes") ^= 1;
            assert!(RustCrypto.verify_raw(scheme, &key, b"signed", &signature).is_err(), "{name}");
            assert!(RustCrypto.verify_raw(scheme, &key[1..], b"signed", &signature).is_err(), "{name}");
        }
    }

    #[test]
    fn hashes_are_those_of_the_standard() {
        let hash = |algorithm| {
            let mut hash = RustCrypto.hash(algorithm).expect("known");
            hash.update(b"ab");
            hash.update(b"c");
            hash.finalize()
        };
        assert_eq!(
            hash(HashAlgorithm::Sha2256),
            bytes("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        );
        assert_eq!((hash(HashAlgorithm::Sha2384).len(), hash(HashAlgorithm::Sha2512).len()), (48, 64));
        assert!(RustCrypto.verify_raw(SigningScheme::MlDsa44, b"", b"", b"").is_err());
    }
}
