//! Whose signatures count, and checking them (RFC 9580).
//!
//! The crate checks the arithmetic of a signature. What makes it count is decided here: that the
//! key is of the keyring, may sign, was neither revoked nor has expired, and that the signature is
//! made with a hash that nobody can forge.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Tag, VerifyingKey};

use crate::error::{Error, Result};

/// The keys of the archive for Debian 11, 12 and 13, from the package debian-archive-keyring.
const DEBIAN: &[u8] = include_bytes!("keys/debian-archive.gpg");

/// Clocks that differ by less do not matter.
const SKEW: Duration = Duration::from_secs(24 * 60 * 60);

/// Keys that are trusted.
#[derive(Debug, Clone)]
pub struct Keyring(Vec<SignedPublicKey>);

impl Keyring {
    /// The keys of Debian's archive.
    ///
    /// # Errors
    /// A bug when they cannot be read.
    pub fn debian() -> Result<Self> {
        Self::read(DEBIAN).map_err(|e| Error::bug("the archive's keys cannot be read").because(e))
    }

    /// Reads the keys of a file, which is armored or not.
    ///
    /// # Errors
    /// Usage when there is no key in it.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let none = || Error::usage("there is no OpenPGP key in the keyring");
        let armored = bytes.trim_ascii_start().starts_with(b"-----BEGIN");
        let keys: Vec<SignedPublicKey> = if armored {
            let (keys, _) = SignedPublicKey::from_armor_many(bytes).map_err(|e| none().because(e))?;
            keys.flatten().collect()
        } else {
            SignedPublicKey::from_bytes_many(bytes).map_err(|e| none().because(e))?.flatten().collect()
        };
        if keys.is_empty() { Err(none()) } else { Ok(Self(keys)) }
    }

    /// The text of a clearsigned message, if one of these keys has signed it. `now` is the time at
    /// which the keys must be valid.
    ///
    /// # Errors
    /// Integrity when it is no such message, or nobody who is trusted has signed it.
    pub fn verified(&self, message: &str, now: SystemTime) -> Result<String> {
        let (message, _) = CleartextSignedMessage::from_string(message)
            .map_err(|e| Error::integrity("there is no signed text").because(e))?;
        // What was signed, and nothing around it.
        let text = message.signed_text();
        let mut reasons: Vec<String> = Vec::new();
        for signature in message.signatures() {
            match self.check(signature, text.as_bytes(), now) {
                Ok(()) => return Ok(text.replace("\r\n", "\n")),
                Err(reason) if reasons.contains(&reason) => {}
                Err(reason) => reasons.push(reason),
            }
        }
        let reason = if reasons.is_empty() { "it has no signature".to_owned() } else { reasons.join("; ") };
        Err(Error::integrity("no trusted key has signed it").because(reason))
    }

    fn check(&self, signature: &Signature, text: &[u8], now: SystemTime) -> Result<(), String> {
        use HashAlgorithm::{Sha3_256, Sha3_512, Sha256, Sha384, Sha512};
        if !matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary)) {
            return Err("a signature is not for a text".into());
        }
        let strong = signature
            .hash_alg()
            .is_some_and(|hash| matches!(hash, Sha256 | Sha384 | Sha512 | Sha3_256 | Sha3_512));
        if !strong {
            return Err("a signature uses a weak hash".into());
        }
        let issuers: Vec<String> = signature.issuer_key_id().iter().map(|id| id.to_string()).collect();
        let who = issuers.first().cloned().unwrap_or_else(|| "?".into());
        let created = signature.created().map(SystemTime::from).ok_or("a signature has no time")?;
        if created > now + SKEW {
            return Err(format!("the signature of {who} is from the future"));
        }
        let lifetime = signature.signature_expiration_time().map(Duration::from);
        if lifetime.is_some_and(|lifetime| !lifetime.is_zero() && created + lifetime < now) {
            return Err(format!("the signature of {who} has expired"));
        }
        let mut reason = format!("{who} is not in the keyring");
        for certificate in &self.0 {
            let verdict = signed_by(certificate, &issuers, signature, text, now);
            match verdict {
                Some(Ok(())) => return Ok(()),
                Some(Err(words)) => reason = format!("{words}: {who}"),
                None => {}
            }
        }
        Err(reason)
    }
}

/// Whether a key of the certificate has made the signature; `None` when the issuer is another one.
fn signed_by(
    certificate: &SignedPublicKey,
    issuers: &[String],
    signature: &Signature,
    text: &[u8],
    now: SystemTime,
) -> Option<Result<(), &'static str>> {
    let meant =
        |key: &dyn KeyDetails| issuers.is_empty() || issuers.contains(&key.legacy_key_id().to_string());
    let primary = &certificate.primary_key;
    if meant(primary) {
        return Some(verdict(signature.verify(primary, text).is_ok(), || valid(certificate, now)));
    }
    let subkey = certificate.public_subkeys.iter().find(|subkey| meant(&subkey.key))?;
    Some(verdict(signature.verify(&subkey.key, text).is_ok(), || {
        valid(certificate, now)?;
        valid_subkey(certificate, subkey, now)
    }))
}

fn verdict(fits: bool, valid: impl FnOnce() -> Result<(), &'static str>) -> Result<(), &'static str> {
    if fits { valid() } else { Err("the text is not what was signed by") }
}

/// Whether the certificate may sign at `now`, by its newest signature of its own.
fn valid(certificate: &SignedPublicKey, now: SystemTime) -> Result<(), &'static str> {
    let key = &certificate.primary_key;
    let details = &certificate.details;
    if details.revocation_signatures.iter().any(|signature| signature.verify_key(key).is_ok()) {
        return Err("the key was revoked");
    }
    let of_users = details.users.iter().flat_map(|user| {
        user.signatures.iter().filter(|s| {
            s.typ() != Some(SignatureType::CertRevocation)
                && s.verify_certification(key, Tag::UserId, &user.id).is_ok()
        })
    });
    let direct = details.direct_signatures.iter().filter(|s| s.verify_key(key).is_ok());
    let newest = of_users.chain(direct).max_by_key(|signature| signature.created());
    let newest = newest.ok_or("the key is not signed by itself")?;
    not_expired(key, newest, now)
}

fn valid_subkey(
    certificate: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    now: SystemTime,
) -> Result<(), &'static str> {
    let primary = &certificate.primary_key;
    let bound = subkey.signatures.iter().filter(|s| s.verify_subkey_binding(primary, &subkey.key).is_ok());
    let bound: Vec<&Signature> = bound.collect();
    if bound.iter().any(|s| s.typ() == Some(SignatureType::SubkeyRevocation)) {
        return Err("the subkey was revoked");
    }
    let newest = bound.into_iter().max_by_key(|s| s.created()).ok_or("the subkey is not bound to its key")?;
    // Both must want it: else anybody could claim the signatures of another's key.
    let back = newest.embedded_signature();
    let mutual = back.is_some_and(|s| s.verify_primary_key_binding(&subkey.key, primary).is_ok());
    if !newest.key_flags().sign() || !mutual {
        return Err("the subkey is not for signing");
    }
    not_expired(&subkey.key, newest, now)
}

fn not_expired(key: &impl VerifyingKey, own: &Signature, now: SystemTime) -> Result<(), &'static str> {
    let created = SystemTime::from(key.created_at());
    let lifetime = own.key_expiration_time().map(Duration::from).filter(|lifetime| !lifetime.is_zero());
    match lifetime {
        Some(lifetime) if created + lifetime < now => Err("the key has expired"),
        _ if created > now + SKEW => Err("the key is from the future"),
        _ => Ok(()),
    }
}

/// Seconds since 1970 as a time.
pub(super) fn at(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debian::fakes::{Signer, day};

    #[test]
    fn debians_own_keys_are_nine() {
        assert_eq!(Keyring::debian().expect("keys").0.len(), 9);
        assert!(Keyring::read(b"nothing").is_err());
    }

    #[test]
    fn only_trusted_keys_sign() {
        let (ours, other) = (Signer::new(day(0), None), Signer::new(day(0), None));
        let message = ours.sign("Origin: Us\n- dash\n", day(1));
        let keyring = ours.keyring();
        assert_eq!(keyring.verified(&message, day(2)).expect("signed"), "Origin: Us\n- dash\n");
        let error = other.keyring().verified(&message, day(2)).expect_err("refused");
        assert_eq!(error.kind(), crate::Kind::Integrity);
        assert!(format!("{error:?}").contains("is not in the keyring"), "{error:?}");
        let armored = ours.armored();
        assert!(Keyring::read(armored.as_bytes()).expect("armored").verified(&message, day(2)).is_ok());
    }

    #[test]
    fn a_changed_text_is_refused() {
        let signer = Signer::new(day(0), None);
        let message = signer.sign("Origin: Us\n", day(1));
        let refused =
            |text: &str| format!("{:?}", signer.keyring().verified(text, day(2)).expect_err("refused"));
        assert!(refused(&message.replace("Origin: Us", "Origin: Me")).contains("not what was signed"));
        assert!(refused("Origin: Us\n").contains("no signed text"));
        let around = format!("Origin: Me\n{message}Origin: Me\n");
        if let Ok(text) = signer.keyring().verified(&around, day(2)) {
            assert_eq!(text, "Origin: Us\n", "what is around the message does not count");
        }
    }

    #[test]
    fn keys_and_signatures_have_their_time() {
        let signer = Signer::new(day(10), Some(5));
        let message = signer.sign("x\n", day(11));
        assert!(signer.keyring().verified(&message, day(12)).is_ok());
        let refused = |now| format!("{:?}", signer.keyring().verified(&message, now).expect_err("refused"));
        assert!(refused(day(16)).contains("the key has expired"));
        assert!(refused(day(5)).contains("from the future"));
    }
}
