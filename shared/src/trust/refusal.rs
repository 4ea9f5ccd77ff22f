//! Why a signature does not count: in words for people, and as values for whoever decides what to say.

use crate::error::Error;

/// What a signature was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// With a key, and nothing beside it says whose that is.
    Key,
    /// With a key that a certificate is about.
    Certificate,
}

/// Whose a signature is that does not count: the first tell more than the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// Perhaps that of whoever must have signed: something is wrong with it.
    Wanted,
    /// That of somebody who has the right name, but not all else that is compared.
    Namesake,
    /// That of somebody else. It may be good all the same.
    Another,
}

/// Why a signature does not count.
#[derive(Debug)]
pub struct Refusal {
    /// In words.
    pub error: Error,
    /// What it was made with, where that can be read.
    pub means: Option<Means>,
    /// Whose it is.
    pub whose: Whose,
}

impl Refusal {
    /// The refusal of what somebody else has signed, said in one sentence.
    pub fn of_another(error: Error) -> Self {
        Self { error, means: None, whose: Whose::Another }
    }

    /// The refusal of what a namesake has signed, said in one sentence.
    pub fn of_namesake(error: Error) -> Self {
        Self { error, means: None, whose: Whose::Namesake }
    }

    /// That of a signature with a certificate, where a key must have signed.
    pub(super) fn of_certificate() -> Self {
        let error = Error::integrity("it was signed with a certificate, and not with this key");
        Self::of_another(error).of(Means::Certificate)
    }

    /// That of a signature with a key, where a certificate must say who has signed.
    pub(super) fn of_key() -> Self {
        let error = Error::integrity("it was signed with a key, and no certificate says whose it is");
        Self::of_another(error).of(Means::Key)
    }

    /// The refusal of a signature that was made with these means.
    #[must_use]
    pub fn of(self, means: Means) -> Self {
        Self { means: Some(means), ..self }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, means: None, whose: Whose::Wanted }
    }
}
