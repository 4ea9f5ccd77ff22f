//! Why a signature with a certificate does not count, in words for people.

use jiff::Timestamp;
use sigstore_verify::{CertificateError, Error as Why, TimestampError, TransparencyLogError};

use crate::error::Error;
use crate::words;
use crate::words::flag;

/// The refusal that Sigstore's verification means.
pub(super) fn of(why: Why) -> Error {
    match &why {
        Why::SignatureInvalid(_) => {
            Error::integrity("the signature does not match: the signed content was changed")
        }
        Why::ArtifactMismatch(_) => Error::integrity("the signed statement is about another image"),
        Why::Certificate(of) => certificate(of).because(why),
        Why::TransparencyLog(of) => log(of).because(why),
        Why::Timestamp(of) => timestamp(of).because(why),
        Why::UnsupportedBundle(_) | Why::UnsupportedArtifact(_) => {
            Error::integrity("it is signed in a way that is not supported").because(why)
        }
        _ => Error::integrity("the bundle is damaged").because(why),
    }
}

/// A refusal that another root might turn.
pub(super) fn of_root(sentence: &str) -> Error {
    Error::integrity(sentence).hint(words!(
        "if it was signed by services other than Sigstore's public ones, give their trusted root with {}",
        flag("trusted-root").of("FILE")
    ))
}

/// The refusal of a certificate that was used at another time than it is good for.
pub(super) fn untimely(time: Timestamp, start: Timestamp, end: Timestamp) -> Error {
    Error::integrity(match time > end {
        true => format!(
            "its certificate had expired when it was signed: it was good until {end}, and the time is {time}"
        ),
        false => format!(
            "its certificate was not yet good when it was signed: it is good from {start}, and the time is {time}"
        ),
    })
}

fn certificate(why: &CertificateError) -> Error {
    match why {
        CertificateError::ChainInvalid(_) => {
            of_root("its certificate was changed, or comes from no authority that the trusted root names")
        }
        CertificateError::NoValidAuthority { time } => of_root(&format!(
            "the trusted root names no certificate authority for {time}, when it was signed"
        )),
        CertificateError::Sct(_) => {
            of_root("no certificate log that the trusted root names has recorded its certificate")
        }
        _ => Error::integrity("its certificate cannot be read"),
    }
}

fn log(why: &TransparencyLogError) -> Error {
    match why {
        TransparencyLogError::UnknownLog { .. } => {
            of_root("it is recorded in a transparency log that the trusted root does not name")
        }
        TransparencyLogError::EntryMismatch(_) => {
            Error::integrity("the transparency log has recorded something else than this signature")
        }
        TransparencyLogError::IntegratedTime(_) => Error::integrity(
            "the transparency log has recorded it at a time at which its certificate was not good",
        ),
        _ => Error::integrity("the transparency log's proof does not hold: it was changed"),
    }
}

fn timestamp(why: &TimestampError) -> Error {
    match why {
        TimestampError::NoVerifiedTimestamp(_) => {
            Error::integrity("nothing proves that it was signed before its certificate expired")
        }
        TimestampError::OutsideAuthorityValidity { time } => {
            of_root(&format!("the trusted root names no timestamp authority for {time}, when it was signed"))
        }
        _ => of_root("its timestamp was changed, or comes from no authority that the trusted root names"),
    }
}
