//! Uploads in chunks that go on where they broke (distribution-spec "Pushing a blob in chunks").
//!
//! Only where the user or the registry asks for it. A chunk that was answered well counts as
//! taken, whatever `Range` says: at one cloud it stands still while the bytes are kept. After a
//! failure the registry is asked how far it came; an answer that cannot be leads to a new
//! upload from the first byte, since a wrong guess would leave a hole.

use std::sync::Arc;

use super::access::Access;
use super::host::{Host, USUAL_CHUNK};
use super::manifest::check_digest;
use super::progress::Progress;
use super::session::Session;
use super::{Client, upload};
use crate::error::Error;
use crate::http::header::{CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use crate::http::{Again, Failure, HeaderValue, Method, Request, Response, Spent, StatusCode, Url};
use crate::oci::Repository;
use crate::store::Blob;

/// How an upload in chunks ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The blob is there.
    Done,
    /// The registry takes no such chunks; it may take the whole.
    Refused,
}

/// How one step of it ended.
enum Step {
    /// The registry has all before this byte.
    Reached(u64),
    /// The upload is lost; a new one may do.
    Lost(Failure),
    /// It takes no such chunks.
    Refused,
}

/// An upload on its way.
struct Upload {
    host: Arc<Host>,
    access: Access,
    url: Url,
}

/// The size of the chunks for a blob of `total` bytes; `None` to send it whole.
pub(super) fn size(wanted: Option<u64>, least: Option<u64>, total: u64) -> Option<u64> {
    let size = match (wanted, least) {
        (None, None) => return None,
        (wanted, least) => wanted.unwrap_or(USUAL_CHUNK).max(least.unwrap_or(1)).max(1),
    };
    (size < total).then_some(size)
}

impl Client {
    /// Sends a blob in chunks of `size` bytes. Each is repeated as often as the options allow.
    pub(super) async fn send_chunks(
        &self,
        repository: &Repository,
        blob: &Blob,
        session: Session,
        size: u64,
        progress: &Progress,
    ) -> Result<Ended, Failure> {
        let host = self.host(repository);
        let mut upload = Upload { host, access: Access::push(repository), url: session.url };
        progress.begin();
        let total = blob.descriptor.size;
        let mut at = 0;
        while at < total {
            let end = total.min(at + size);
            match self.send_chunk(&mut upload, blob, at, end).await? {
                Step::Reached(byte) => {
                    progress.advance(usize::try_from(byte - at).unwrap_or(usize::MAX));
                    at = byte;
                }
                Step::Lost(failure) => return Err(failure),
                Step::Refused => return Ok(Ended::Refused),
            }
        }
        // A file that changed under us never becomes a blob.
        upload::check(&blob.source, &blob.descriptor).await?;
        self.close(&upload, blob).await.map(|()| Ended::Done)
    }

    async fn send_chunk(&self, upload: &mut Upload, blob: &Blob, at: u64, end: u64) -> Result<Step, Failure> {
        // Attempts follow each other, but each is a future of its own that moves the upload on.
        let shared = tokio::sync::Mutex::new(upload);
        let shared = &shared;
        let attempt = |before: u32| async move {
            let mut upload = shared.lock().await;
            let mut from = at;
            if before > 0 {
                match upload.ask(at, end).await? {
                    Step::Reached(byte) => from = byte,
                    other => return Ok(other),
                }
            }
            if from == end { Ok(Step::Reached(end)) } else { upload.patch(self, blob, from, end).await }
        };
        self.0.http.retry(attempt).await.map_err(|spent| given_up(spent, format!("the chunk from byte {at}")))
    }

    /// Closes the upload: the registry compares the digest.
    async fn close(&self, upload: &Upload, blob: &Blob) -> Result<(), Failure> {
        let mut url = upload.url.clone();
        url.query_pairs_mut().append_pair("digest", &blob.descriptor.digest.to_string());
        let url = &url;
        let attempt = |_| async move {
            let request = Request::new(Method::PUT, url.clone())
                .header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            let response = upload.host.send(&upload.access, request).await?;
            if response.status().is_success() && response.status() != StatusCode::ACCEPTED {
                return check_digest(&response, blob.descriptor.digest).map(|()| None);
            }
            let lost = response.status() == StatusCode::NOT_FOUND;
            let failure = upload.host.refusal(&upload.access, response).await;
            if lost { Ok(Some(Failure::passing(failure.error))) } else { Err(failure) }
        };
        let closed = self.0.http.retry(attempt).await;
        // One that is gone may have been closed before, by a request whose answer got lost.
        closed.map_err(|spent| given_up(spent, "the end of the upload".into()))?.map_or(Ok(()), Err)
    }
}

impl Upload {
    async fn patch(&mut self, client: &Client, blob: &Blob, at: u64, end: u64) -> Result<Step, Failure> {
        let range = HeaderValue::from_str(&format!("{at}-{}", end - 1))
            .map_err(|error| Error::bug("a range is not a header").because(error))?;
        let request = Request::new(Method::PATCH, self.url.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
            .header(CONTENT_RANGE, range)
            .body(upload::part(&blob.source, at, end)?);
        let response = self.host.send(&self.access, request).await?;
        match response.status() {
            status if status.is_success() => {
                if response.header(LOCATION.as_str()).is_some() {
                    self.url = client.location(&self.host, &response)?;
                }
                Ok(Step::Reached(end))
            }
            StatusCode::NOT_FOUND => Ok(Step::Lost(self.lost(response).await)),
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Ok(Step::Refused),
            StatusCode::RANGE_NOT_SATISFIABLE => match self.ask(at, end).await? {
                // It is where we are, so it is the chunk itself that it does not like.
                Step::Reached(byte) if byte == at => Ok(Step::Refused),
                step => Ok(step),
            },
            _ => Err(self.host.refusal(&self.access, response).await),
        }
    }

    /// Asks how far the registry came, which must be between `at` and `end`.
    async fn ask(&self, at: u64, end: u64) -> Result<Step, Failure> {
        let response = self.host.send(&self.access, Request::get(self.url.clone())).await?;
        let status = response.status();
        if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) {
            return Err(self.host.refusal(&self.access, response).await);
        }
        if !status.is_success() {
            return Ok(Step::Lost(self.lost(response).await));
        }
        match response.header(RANGE.as_str()).and_then(reached) {
            Some(byte) if (at..=end).contains(&byte) => Ok(Step::Reached(byte)),
            // What nobody says and what cannot be are no ground to go on from.
            byte => Ok(Step::Lost(Failure::passing(Error::network(format!(
                "the registry has {} of an upload of which it accepted {at} bytes",
                byte.map_or("an unknown part".to_owned(), |byte| format!("{byte} bytes"))
            ))))),
        }
    }

    async fn lost(&self, response: Response) -> Failure {
        Failure::passing(self.host.refusal(&self.access, response).await.error)
    }
}

/// The first byte that is missing, by a `Range` of `0-LAST`. Empty uploads say `0-0` too.
fn reached(range: &str) -> Option<u64> {
    let range = range.trim();
    let (first, last) = range.strip_prefix("bytes=").unwrap_or(range).split_once('-')?;
    match (first.parse().ok()?, last.parse::<u64>().ok()?) {
        (0, 0) => Some(0),
        (0u64, last) => last.checked_add(1),
        _ => None,
    }
}

/// It was repeated enough: the blob as a whole is not tried again.
fn given_up(spent: Spent, what: String) -> Failure {
    let cause = spent.failure.cause;
    let error = spent.explain(format!("the registry did not accept {what}"));
    Failure { error, again: Again::Never, cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_as_large_as_wanted_and_as_the_registry_must_have_them() {
        assert_eq!(size(None, None, 1 << 40), None, "whole by default");
        assert_eq!(size(Some(10), None, 25), Some(10));
        assert_eq!(size(Some(10), None, 10), None, "one chunk is the whole");
        assert_eq!(size(Some(10), Some(20), 25), Some(20));
        assert_eq!(size(None, Some(20), USUAL_CHUNK + 1), Some(USUAL_CHUNK));
        assert_eq!(size(None, Some(USUAL_CHUNK * 2), USUAL_CHUNK * 3), Some(USUAL_CHUNK * 2));
        assert_eq!(size(Some(0), Some(0), 5), Some(1), "and never empty");
    }

    #[test]
    fn a_range_says_what_is_there() {
        for (range, byte) in
            [("0-99", Some(100)), ("bytes=0-99", Some(100)), (" 0-0 ", Some(0)), ("0-1", Some(2))]
        {
            assert_eq!(reached(range), byte, "{range}");
        }
        for range in ["", "99", "5-99", "0-", "0--1", "0-18446744073709551615", "a-b"] {
            assert_eq!(reached(range), None, "{range}");
        }
    }
}
