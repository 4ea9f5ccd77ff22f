//! What can go wrong, and where.

use std::time::Duration;

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// `GET /v2/`.
    Ping,
    /// A question to the token service.
    Token,
    /// `HEAD` of a blob.
    HeadBlob,
    /// `GET` of a blob.
    GetBlob,
    /// `POST` with `mount`.
    Mount,
    /// `POST` that opens an upload.
    PostUpload,
    /// `PATCH` with a chunk of a blob.
    PatchBlob,
    /// `GET` of an upload: how far it came.
    UploadStatus,
    /// `PUT` of a blob's bytes, or of their end.
    PutBlob,
    /// `HEAD` of a manifest.
    HeadManifest,
    /// `GET` of a manifest.
    GetManifest,
    /// `PUT` of a manifest.
    PutManifest,
    /// `GET` of the list of what hangs on a manifest.
    Referrers,
    /// `GET` of the list of a repository's tags.
    Tags,
    /// Anything under `/storage/`.
    Storage,
    /// Anything else.
    Other,
}

impl Phase {
    /// Whether bytes come with the answer, and not with the request.
    pub(super) fn is_reading(self) -> bool {
        matches!(self, Self::GetBlob | Self::GetManifest | Self::Referrers | Self::Tags)
    }
}

/// One way to misbehave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This status, with an error body in the registry's manner.
    Status(u16),
    /// This status with this code in the body.
    Code(u16, &'static str),
    /// 429 with this `Retry-After`.
    TooMany(&'static str),
    /// The connection ends without an answer.
    Reset,
    /// All is done as it should, and the connection ends before the answer.
    AnswerLost,
    /// Half of the request's body is taken, and the connection ends.
    HalfTaken,
    /// `Range` says this, whatever is true.
    Range(&'static str),
    /// The answer's body ends half-way.
    Truncated,
    /// The answer does not say its length, and ends half-way as if that were all.
    Short,
    /// The answer's body has other bytes of the same number.
    WrongBytes,
    /// The answer claims another digest.
    WrongDigest,
    /// A mount is answered 202, with an upload session.
    NotMounted,
    /// `Location` is relative to the host.
    RelativeLocation,
    /// `Location` is missing.
    NoLocation,
    /// `Location` is on the host with this URL, under `/storage/`.
    ForeignLocation(String),
    /// The request is redirected (307) to the host with this URL, under `/storage/`.
    Redirect(String),
    /// All blobs of the repository are lost, and a manifest is refused for that.
    Forgets,
    /// All tokens become worthless, this request's included.
    Revoked,
    /// The answer takes so long.
    Slow(Duration),
    /// So many hundredths of the bytes pass, of the request or else of the answer, and then nothing
    /// more, for ever. With 100 all is done as it should be, and there is no answer.
    Stall(u8),
}

/// A fault, where it happens and how often.
#[derive(Debug, Clone)]
pub struct Injection {
    pub(super) fault: Fault,
    pub(super) phase: Phase,
    pub(super) skip: usize,
    pub(super) times: usize,
}

impl Fault {
    /// At the next request of this phase.
    pub fn on(self, phase: Phase) -> Injection {
        Injection { fault: self, phase, skip: 0, times: 1 }
    }
}

impl Injection {
    /// So many times.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// From now on.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// Only after so many requests of the phase went well.
    #[must_use]
    pub fn after(mut self, requests: usize) -> Self {
        self.skip = requests;
        self
    }
}

/// The fault for a request of this phase, if one is due; it is used up by that.
pub(super) fn due(injections: &mut [Injection], phase: Phase) -> Option<Fault> {
    for injection in injections.iter_mut().filter(|injection| injection.phase == phase && injection.times > 0)
    {
        if injection.skip > 0 {
            injection.skip -= 1;
            continue;
        }
        injection.times -= 1;
        return Some(injection.fault.clone());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_happens_when_and_as_often_as_asked() {
        let mut all = [Fault::Reset.on(Phase::Ping).after(1).times(2), Fault::Truncated.on(Phase::Token)];
        let mut next = |phase| due(&mut all, phase);
        assert_eq!(next(Phase::Ping), None);
        assert_eq!(next(Phase::Token), Some(Fault::Truncated));
        assert_eq!(next(Phase::Token), None);
        assert_eq!(next(Phase::Ping), Some(Fault::Reset));
        assert_eq!(next(Phase::Ping), Some(Fault::Reset));
        assert_eq!(next(Phase::Ping), None);
    }
}
