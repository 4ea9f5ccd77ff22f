//! Tags beside an image that every writer reads, changes and writes back: the one that stands for a registry's list
//! of what hangs on it, and the one that holds its signatures in cosign's older form.
//!
//! Most registries that need the tag ignore the conditions of a request, so two who write at the
//! same time overwrite each other. So whoever has written looks again, later than any other can
//! still write what it read before, and adds what is missing: its own entries, and all that it has
//! ever seen there. Once that is so several times in a row, nobody overwrites it any more.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::access::Access;
use super::manifest::{MOST, check_digest, question};
use super::shelf::Shelf;
use super::{Client, short};
use crate::error::{Error, Kind, Result};
use crate::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use crate::http::{Body, Failure, HeaderValue, Method, Request, StatusCode};
use crate::oci::{Descriptor, Digest, ManifestKind, Repository};

/// So often in a row all must be there.
const QUIET: u32 = 3;
/// So often it is looked, at most.
const MOST_ROUNDS: u32 = 200;
/// So many writes may be refused because of a condition, before they have none.
const MOST_CONFLICTS: u32 = 8;

/// Who changes which tag: in one process one after the other.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    fn of(&self, key: String) -> Arc<tokio::sync::Mutex<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone()
    }
}

/// What is under a tag, and on what condition it may be replaced.
struct Tagged {
    held: ManifestKind,
    condition: Option<(HeaderName, HeaderValue)>,
}

impl Client {
    /// What is on a shelf of `subject`, for somebody who may read; nothing where there is none.
    ///
    /// # Errors
    /// Kind network when the registry cannot be reached; kind integrity when something else is under the tag.
    pub(crate) async fn shelved(
        &self,
        repository: &Repository,
        shelf: Shelf,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>> {
        self.shelved_for(&Access::pull(repository), shelf, subject).await
    }

    /// The same for somebody who is about to change it.
    ///
    /// # Errors
    /// As [`Client::shelved`].
    pub(crate) async fn shelved_to_change(
        &self,
        repository: &Repository,
        shelf: Shelf,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>> {
        self.shelved_for(&Access::push(repository), shelf, subject).await.map_err(to_change)
    }

    /// The same with the rights of `access`: all that a push asks has one token.
    pub(super) async fn shelved_for(
        &self,
        access: &Access,
        shelf: Shelf,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>> {
        let tagged = self.read_tag(access, shelf, subject).await?;
        Ok(shelf.entries(&tagged.held).unwrap_or_default().to_vec())
    }

    /// Adds `things`, which are in the repository, to what is on a shelf of `subject`.
    ///
    /// # Errors
    /// Kind network when the registry does not take the tag, or others overwrite it again and again;
    /// kind integrity when something else is under the tag.
    pub(crate) async fn shelve(
        &self,
        repository: &Repository,
        shelf: Shelf,
        subject: &Digest,
        things: &[Descriptor],
    ) -> Result<()> {
        let tag = shelf.tag(subject);
        let turn = self.0.turns.of(format!("{repository}:{tag}"));
        let _turn = turn.lock().await;
        let mut seen: BTreeMap<_, Descriptor> =
            things.iter().map(|thing| (shelf.key(thing), thing.clone())).collect();
        let access = Access::push(repository);
        let (mut quiet, mut conflicts, mut written) = (0, 0, false);
        let mut window = Duration::ZERO;
        for _ in 0..MOST_ROUNDS {
            let start = Instant::now();
            let read = self.read_tag(&access, shelf, subject).await;
            let Tagged { held, condition } = read.map_err(to_change)?;
            let entries = shelf.entries(&held).unwrap_or_default();
            let lacks = |key: &_| !entries.iter().any(|entry| shelf.key(entry) == *key);
            let is_whole = !seen.keys().any(lacks);
            for entry in entries {
                seen.entry(shelf.key(entry)).or_insert_with(|| entry.clone());
            }
            if is_whole {
                quiet += 1;
                // What is there before we wrote was settled by whoever wrote it.
                if quiet == QUIET || !written {
                    return Ok(());
                }
            } else {
                quiet = 0;
                let (blobs, bytes) = shelf.filled(held, seen.values().cloned().collect())?;
                for blob in &blobs {
                    self.push_blob(repository, blob, "a list of signatures", None).await?;
                }
                let condition = condition.filter(|_| conflicts < MOST_CONFLICTS);
                if !self.write_tag(repository, shelf, &tag, bytes, condition).await? {
                    conflicts += 1;
                    continue;
                }
                written = true;
                window = window.max(start.elapsed());
            }
            tokio::time::sleep(pause(window)).await;
        }
        Err(Error::network(format!("others overwrite the tag {tag} of {repository} again and again"))
            .hint("run again when they are done"))
    }

    async fn read_tag(&self, access: &Access, shelf: Shelf, subject: &Digest) -> Result<Tagged> {
        let read = self.0.http.retry(|_| self.get_tag(access, shelf, subject)).await;
        read.map_err(|spent| {
            let place = &access.repository;
            spent.explain(format!("cannot read {} {} in {place}", shelf.what(), short(subject)))
        })
    }

    async fn get_tag(&self, access: &Access, shelf: Shelf, subject: &Digest) -> Result<Tagged, Failure> {
        let repository = &access.repository;
        let host = self.host(repository);
        let reference = repository.with_tag(shelf.tag(subject));
        let asked = question(&host, Method::GET, &reference).await?;
        let asked = asked.header(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let mut response = host.send(access, asked).await?;
        if response.status() == StatusCode::NOT_FOUND {
            let condition = Some((IF_NONE_MATCH, HeaderValue::from_static("*")));
            return Ok(Tagged { held: shelf.empty(), condition });
        }
        if !response.status().is_success() {
            return Err(host.refusal(access, response).await);
        }
        let bytes = response.bytes(MOST).await?;
        check_digest(&response, Digest::of(&bytes))?;
        let declared = response.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let wrong = || Error::integrity(format!("the tag {reference} is not {}", shelf.kind()));
        let held = ManifestKind::parse(&bytes, declared).map_err(|error| wrong().because(error))?;
        if shelf.entries(&held).is_none() {
            return Err(wrong().into());
        }
        // A weak one says nothing about the bytes.
        let strong = response.header(ETAG.as_str()).filter(|etag| etag.starts_with('"'));
        let condition = strong.and_then(|etag| Some((IF_MATCH, HeaderValue::from_str(etag).ok()?)));
        Ok(Tagged { held, condition })
    }

    /// Whether the registry took it; it did not when the condition does not hold any more.
    async fn write_tag(
        &self,
        repository: &Repository,
        shelf: Shelf,
        tag: &str,
        bytes: Vec<u8>,
        condition: Option<(HeaderName, HeaderValue)>,
    ) -> Result<bool> {
        let bytes = bytes::Bytes::from(bytes);
        let put = || async {
            let host = self.host(repository);
            let access = Access::push(repository);
            let url = host.endpoint(repository, &format!("manifests/{tag}")).await?;
            let mut request = Request::new(Method::PUT, url)
                .header(CONTENT_TYPE, HeaderValue::from_static(shelf.media_type()))
                .body(Body::Bytes(bytes.clone()));
            if let Some((name, value)) = &condition {
                request = request.header(name.clone(), value.clone());
            }
            let response = host.send(&access, request).await?;
            match response.status() {
                StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT => Ok(false),
                status if status.is_success() => Ok(true),
                _ => Err(host.refusal(&access, response).await),
            }
        };
        let taken: Result<bool, _> = self.0.http.retry(|_| put()).await;
        taken.map_err(|spent| spent.explain(format!("cannot push {repository}:{tag}")))
    }
}

/// Why something cannot be put on a shelf: where something else is under its tag, that goes first.
fn to_change(error: Error) -> Error {
    match error.kind() {
        Kind::Integrity => error.hint("remove the tag, and push again"),
        _ => error,
    }
}

/// Longer than another process takes from reading to writing, and not as long as others wait.
fn pause(window: Duration) -> Duration {
    let least = Duration::from_millis(200).max(2 * window);
    let more = Duration::from_millis(300).max(3 * window);
    // Differs with each call, which is all that is asked of it.
    let chance = RandomState::new().build_hasher().finish() % 1000;
    least + more * u32::try_from(chance).unwrap_or_default() / 1000
}
