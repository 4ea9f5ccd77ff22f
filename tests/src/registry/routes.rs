//! The protocol: which request is what, and the right answer to it.

use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};

use super::answer::{self, Answer};
use super::state::{Seen, State, digest_of};
use super::{Fault, Phase, auth, referrers};

const CONTENT_DIGEST: &str = "docker-content-digest";

/// A request's path taken apart.
pub(super) struct Route<'a> {
    pub(super) phase: Phase,
    repository: &'a str,
    /// Digest, tag or upload.
    last: &'a str,
}

impl<'a> Route<'a> {
    /// What a request is about.
    pub(super) fn of(method: &str, path: &'a str, mount: bool) -> Self {
        let other = Route { phase: Phase::Other, repository: "", last: "" };
        if path == "/v2/" {
            return Route { phase: Phase::Ping, ..other };
        }
        if path == "/token" {
            return Route { phase: Phase::Token, ..other };
        }
        if let Some(last) = path.strip_prefix("/storage/") {
            return Route { phase: Phase::Storage, last, ..other };
        }
        let Some(rest) = path.strip_prefix("/v2/") else { return other };
        let split = |marker: &str| rest.rsplit_once(marker);
        let (repository, last, phase) = if let Some((repository, last)) = split("/blobs/uploads/") {
            let phase = match method {
                "POST" if mount => Phase::Mount,
                "POST" => Phase::PostUpload,
                "PUT" => Phase::PutBlob,
                "PATCH" => Phase::PatchBlob,
                "GET" => Phase::UploadStatus,
                _ => Phase::Other,
            };
            (repository, last, phase)
        } else if let Some((repository, last)) = split("/blobs/") {
            (repository, last, if method == "HEAD" { Phase::HeadBlob } else { Phase::GetBlob })
        } else if let Some((repository, last)) = split("/manifests/") {
            let phase = match method {
                "HEAD" => Phase::HeadManifest,
                "PUT" => Phase::PutManifest,
                _ => Phase::GetManifest,
            };
            (repository, last, phase)
        } else if let Some((repository, last)) = split("/tags/") {
            (repository, last, Phase::Tags)
        } else if let Some((repository, last)) = split("/referrers/") {
            (repository, last, Phase::Referrers)
        } else {
            return other;
        };
        Route { phase, repository, last }
    }

    /// The right answer.
    pub(super) fn answer(&self, state: &State, seen: &Seen, body: Bytes, fault: Option<&Fault>) -> Answer {
        if state.options.max_body.is_some_and(|most| body.len() > most) {
            return answer::refusal(413, "SIZE_INVALID", "request entity too large");
        }
        if !matches!(self.phase, Phase::Token | Phase::Storage) {
            let needed = auth::needed(self.phase, self.repository, seen.query("from"));
            if fault == Some(&Fault::Revoked) {
                state.lock().tokens.clear();
                return auth::challenge(state, &needed);
            }
            if let Some(refusal) = auth::check(state, seen, &needed) {
                return refusal;
            }
        }
        if let Some(Fault::Redirect(base)) = fault {
            return answer::header(
                answer::empty(307),
                LOCATION.as_str(),
                &format!("{base}/storage/{}", self.last),
            );
        }
        match self.phase {
            Phase::Ping => answer::json(200, &serde_json::json!({})),
            Phase::Token => auth::token(state, seen, &body),
            Phase::HeadBlob | Phase::GetBlob => self.get_blob(state),
            Phase::Mount => self.mount(state, seen, fault),
            Phase::PostUpload => self.open(state, fault),
            Phase::PatchBlob => self.patch(state, seen, &body, fault),
            Phase::UploadStatus => self.progress(state, fault),
            Phase::PutBlob => self.put_blob(state, seen, body),
            Phase::HeadManifest | Phase::GetManifest => self.get_manifest(state),
            Phase::PutManifest => self.put_manifest(state, seen, body, fault),
            Phase::Tags => self.tags(state, seen),
            Phase::Referrers => referrers::list(state, seen, self.repository, self.last),
            Phase::Storage => self.storage(state, seen, body),
            Phase::Other => answer::refusal(404, "UNSUPPORTED", "no such endpoint"),
        }
    }

    /// The tags of a repository, some on each page.
    fn tags(&self, state: &State, seen: &Seen) -> Answer {
        const PAGE: usize = 3;
        let inner = state.lock();
        let own = inner.manifests.keys().filter(|(own, name)| own == self.repository && !name.contains(':'));
        let mut tags: Vec<&str> = own.map(|(_, name)| name.as_str()).collect();
        tags.sort_unstable();
        tags.retain(|tag| seen.query("last").is_none_or(|last| *tag > last));
        let page: Vec<&str> = tags.iter().take(PAGE).copied().collect();
        let list = answer::json(200, &serde_json::json!({"name": self.repository, "tags": page}));
        match (page.last(), tags.len() > PAGE) {
            (Some(last), true) => {
                let next = format!("</v2/{}/tags/list?n={PAGE}&last={last}>; rel=\"next\"", self.repository);
                answer::header(list, "link", &next)
            }
            _ => list,
        }
    }

    fn get_blob(&self, state: &State) -> Answer {
        match state.lock().blobs.get(&(self.repository.to_owned(), self.last.to_owned())) {
            Some(bytes) => with_length(
                answer::header(answer::bytes(200, bytes.clone()), CONTENT_DIGEST, self.last),
                bytes,
            ),
            None => answer::refusal(404, "BLOB_UNKNOWN", "blob unknown to registry"),
        }
    }

    fn mount(&self, state: &State, seen: &Seen, fault: Option<&Fault>) -> Answer {
        let (from, digest) =
            (seen.query("from").unwrap_or_default(), seen.query("mount").unwrap_or_default());
        let found = state.lock().blobs.get(&(from.to_owned(), digest.to_owned())).cloned();
        let refused = matches!(fault, Some(Fault::NotMounted));
        match found.filter(|_| !refused) {
            Some(bytes) => {
                state.lock().blobs.insert((self.repository.to_owned(), digest.to_owned()), bytes);
                let place = format!("/v2/{}/blobs/{digest}", self.repository);
                answer::header(answer::empty(201), LOCATION.as_str(), &place)
            }
            None => self.open(state, fault),
        }
    }

    fn open(&self, state: &State, fault: Option<&Fault>) -> Answer {
        let mut inner = state.lock();
        let id = format!("upload-{}", inner.next());
        inner.uploads.insert(id.clone(), (self.repository.to_owned(), Vec::new()));
        let path = format!("/v2/{}/blobs/uploads/{id}?_state=keep%2Fme", self.repository);
        let location = match fault {
            Some(Fault::NoLocation) => return answer::empty(202),
            Some(Fault::RelativeLocation) => path,
            Some(Fault::ForeignLocation(base)) => format!("{base}/storage/{id}?signature=abc"),
            _ => format!("{}{path}", state.url),
        };
        let answer = answer::header(answer::empty(202), LOCATION.as_str(), &location);
        match state.options.min_chunk {
            Some(least) => answer::header(answer, "oci-chunk-min-length", &least.to_string()),
            None => answer,
        }
    }

    fn patch(&self, state: &State, seen: &Seen, body: &[u8], fault: Option<&Fault>) -> Answer {
        let mut inner = state.lock();
        let Some((_, taken)) = inner.uploads.get_mut(self.last).filter(|(own, _)| own == self.repository)
        else {
            return answer::refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
        };
        let first = seen.header("content-range").and_then(|range| range.split('-').next()?.parse().ok());
        if first != Some(taken.len()) {
            return range(
                answer::refusal(416, "BLOB_UPLOAD_INVALID", "not where it goes on"),
                taken.len(),
                None,
            );
        }
        taken.extend_from_slice(if fault == Some(&Fault::HalfTaken) {
            &body[..body.len() / 2]
        } else {
            body
        });
        let place = format!("/v2/{}/blobs/uploads/{}?_state=keep%2Fme", self.repository, self.last);
        range(answer::header(answer::empty(202), LOCATION.as_str(), &place), taken.len(), fault)
    }

    fn progress(&self, state: &State, fault: Option<&Fault>) -> Answer {
        match state.lock().uploads.get(self.last) {
            Some((_, taken)) => range(answer::empty(204), taken.len(), fault),
            None => answer::refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"),
        }
    }

    fn put_blob(&self, state: &State, seen: &Seen, body: Bytes) -> Answer {
        if seen.header(CONTENT_LENGTH.as_str()).is_none() {
            return answer::refusal(411, "SIZE_INVALID", "the length is not given");
        }
        if seen.query("_state") != Some("keep/me") {
            return answer::refusal(400, "BLOB_UPLOAD_INVALID", "the state of the upload was lost");
        }
        let mut inner = state.lock();
        let Some((_, taken)) = inner.uploads.get(self.last).filter(|(own, _)| own == self.repository) else {
            return answer::refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
        };
        let body = if taken.is_empty() { body } else { Bytes::from([taken, &body[..]].concat()) };
        let digest = digest_of(&body);
        if seen.query("digest") != Some(&digest) {
            return answer::refusal(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
        }
        inner.uploads.remove(self.last);
        inner.blobs.insert((self.repository.to_owned(), digest.clone()), body);
        answer::header(answer::empty(201), CONTENT_DIGEST, &digest)
    }

    fn get_manifest(&self, state: &State) -> Answer {
        match state.lock().manifests.get(&(self.repository.to_owned(), self.last.to_owned())) {
            Some((media_type, bytes)) => {
                let answer =
                    answer::header(answer::bytes(200, bytes.clone()), CONTENT_TYPE.as_str(), media_type);
                with_length(answer::header(answer, CONTENT_DIGEST, &digest_of(bytes)), bytes)
            }
            None => answer::refusal(404, "MANIFEST_UNKNOWN", "manifest unknown"),
        }
    }

    fn put_manifest(&self, state: &State, seen: &Seen, body: Bytes, fault: Option<&Fault>) -> Answer {
        if fault == Some(&Fault::Forgets) {
            state.lock().blobs.retain(|(repository, _), _| repository != self.repository);
            return answer::refusal(404, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry");
        }
        let media_type = seen.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let subject = referrers::acknowledged(state, &body);
        let digest = state.lock().keep_manifest(self.repository, self.last, media_type, body);
        // Without a Location, as some do it.
        let answer = answer::header(answer::empty(201), CONTENT_DIGEST, &digest);
        match subject {
            Some(subject) => answer::header(answer, "oci-subject", &subject),
            None => answer,
        }
    }

    fn storage(&self, state: &State, seen: &Seen, body: Bytes) -> Answer {
        if seen.method == "PUT" {
            let digest = digest_of(&body);
            state.lock().storage.insert(digest, body);
            return answer::empty(201);
        }
        match state.lock().storage.get(self.last) {
            Some(bytes) => answer::bytes(200, bytes.clone()),
            None => answer::empty(404),
        }
    }
}

/// How far an upload came, as `Range` says it.
fn range(answer: Answer, taken: usize, fault: Option<&Fault>) -> Answer {
    let truth = format!("0-{}", taken.saturating_sub(1));
    let said = if let Some(Fault::Range(lie)) = fault { lie } else { truth.as_str() };
    answer::header(answer, "range", said)
}

/// HEAD answers have no body that would show its length.
fn with_length(answer: Answer, bytes: &Bytes) -> Answer {
    answer::header(answer, CONTENT_LENGTH.as_str(), &bytes.len().to_string())
}

/// The same answer with a false digest.
pub(super) fn with_wrong_digest(answer: Answer) -> Answer {
    answer::header(answer, CONTENT_DIGEST, &digest_of(b"something else"))
}
