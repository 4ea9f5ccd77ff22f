//! One file on its way into the store: streamed, hashed as it comes, gone on with where it
//! broke off.
//!
//! What an attempt has brought stays for the next one, also when that is made by a later run.
//! The server is asked for the rest only if the file is still the one that was begun (`If-Range`);
//! where that cannot be asked, the hash tells in the end, and the file is fetched once more from
//! its first byte.

use std::io::Write;

use tokio::sync::Mutex;

use super::check::{Check, Mismatch};
use super::options::take_login;
use super::send::refusal;
use super::{Downloader, Fetched};
use crate::error::{Context, Error, Result};
use crate::event::Task;
use crate::http::header::{ACCEPT_ENCODING, CONTENT_RANGE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use crate::http::{Failure, HeaderValue, Request, Response, Url, shown};
use crate::oci::Digest;
use crate::python::Hash;
use crate::store::{PartialBlob, Store};

/// No file of an index is larger; an endless answer ends here. In bytes.
const MOST_BYTES: u64 = 32 << 30;

/// What is to come.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) filename: &'a str,
    pub(super) hashes: &'a [Hash],
    pub(super) size: Option<u64>,
}

/// What there is of it.
struct State<'a> {
    blob: PartialBlob,
    check: Check,
    wanted: Wanted<'a>,
    task: &'a Task,
    /// Names the version of the file that the bytes are of.
    validator: Option<HeaderValue>,
    /// Whether the bytes are from more than one answer.
    continued: bool,
}

impl Downloader {
    /// Brings a file from the network into the store.
    ///
    /// # Errors
    /// Kind network when it cannot be had; kind integrity when it is another one.
    pub(super) async fn download(&self, url: &Url, wanted: Wanted<'_>, task: &Task) -> Result<Fetched> {
        let (url, own) = &take_login(url.clone());
        let state = Mutex::new(State::open(&self.0.store, url, wanted, task).await?);
        let fetched = self.0.http.retry(|_| async {
            let mut state = state.lock().await;
            if !state.is_complete() {
                let response = self.send_as(state.request(url), own.as_ref()).await?;
                state.take(response).await?;
            }
            state.verify(url)
        });
        let fetched = fetched.await;
        let state = state.into_inner();
        match fetched {
            Ok(()) => state.keep().await,
            Err(spent) => {
                if spent.failure.error.kind() == crate::Kind::Integrity {
                    state.blob.discard();
                }
                Err(spent.explain(format!("cannot fetch {}", wanted.filename)))
            }
        }
    }
}

impl<'a> State<'a> {
    async fn open(store: &Store, url: &Url, wanted: Wanted<'a>, task: &'a Task) -> Result<Self> {
        // Without a hash nothing would tell that the rest is of another file.
        let name = match wanted.hashes.first() {
            Some(hash) => Digest::of(hash.to_string().as_bytes()).hex(),
            None => Digest::of(url.as_str().as_bytes()).hex(),
        };
        let (store, mut check) = (store.clone(), Check::new(wanted.hashes));
        let begun = tokio::task::spawn_blocking(move || {
            let blob = store.partial(&name, |bytes| check.update(bytes))?;
            Ok::<_, Error>((blob, check))
        });
        let (blob, check) = begun.await.map_err(|e| Error::bug("beginning a file failed").because(e))??;
        let continued = blob.count() > 0;
        let mut state = Self { blob, check, wanted, task, validator: None, continued };
        let too_much = wanted.size.is_some_and(|size| state.blob.count() > size);
        if continued && (wanted.hashes.is_empty() || too_much) {
            state.restart()?;
        }
        task.advance(state.blob.count());
        Ok(state)
    }

    fn restart(&mut self) -> Result<()> {
        self.blob.restart()?;
        self.check = Check::new(self.wanted.hashes);
        self.validator = None;
        self.continued = false;
        self.task.restart();
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.wanted.size == Some(self.blob.count()) && self.blob.count() > 0
    }

    fn request(&self, url: &Url) -> Request {
        let request = Request::get(url.clone()).header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let range = HeaderValue::from_str(&format!("bytes={}-", self.blob.count())).ok();
        let Some(range) = range.filter(|_| self.blob.count() > 0) else { return request };
        let request = request.header(RANGE, range);
        match &self.validator {
            Some(validator) => request.header(IF_RANGE, validator.clone()),
            None => request,
        }
    }

    /// Takes the body of an answer.
    async fn take(&mut self, mut response: Response) -> Result<(), Failure> {
        let from = self.blob.count();
        match response.status().as_u16() {
            200 if from > 0 => self.restart()?,
            200 => {}
            206 if range_start(&response) == Some(from) => self.continued |= from > 0,
            206 | 416 if from > 0 => {
                self.restart()?;
                let words = format!("the download of {} cannot be resumed", shown(response.url()));
                return Err(Failure::passing(Error::network(words)));
            }
            _ => return Err(refusal(&response, self.wanted.filename)),
        }
        let total = response.length().map(|length| length.saturating_add(self.blob.count()));
        if let (Some(total), Some(size)) = (total, self.wanted.size)
            && total != size
        {
            return Err(self.wrong_size(&total.to_string()));
        }
        self.validator = validator(&response);
        let most = self.wanted.size.unwrap_or(MOST_BYTES);
        while let Some(chunk) = response.chunk().await? {
            if self.blob.count().saturating_add(chunk.len() as u64) > most {
                return Err(self.wrong_size("more"));
            }
            self.blob.write_all(&chunk).context(|| "cannot write to the cache folder".into())?;
            self.check.update(&chunk);
            self.task.advance(chunk.len() as u64);
        }
        let short = self.wanted.size.filter(|size| self.blob.count() < *size);
        short.map_or(Ok(()), |size| {
            let words = format!("{} ended after {} of {size} bytes", self.wanted.filename, self.blob.count());
            Err(Failure::passing(Error::network(words)))
        })
    }

    fn verify(&mut self, url: &Url) -> Result<(), Failure> {
        let Err(mismatch) = self.check.clone().finish(&self.blob.digest()) else { return Ok(()) };
        if self.continued {
            self.restart()?;
            let words = format!("the parts of {} do not fit together", self.wanted.filename);
            return Err(Failure::passing(Error::network(words)));
        }
        Err(wrong_hash(self.wanted.filename, &shown(url), &mismatch).into())
    }

    fn wrong_size(&self, found: &str) -> Failure {
        let expected = self.wanted.size.unwrap_or(MOST_BYTES);
        let words = format!("{} has {found} bytes, expected {expected}", self.wanted.filename);
        Error::integrity(words).into()
    }

    async fn keep(self) -> Result<Fetched> {
        // It waits for the disk.
        let kept = tokio::task::spawn_blocking(move || self.blob.commit()).await;
        let (path, digest, size) = kept.map_err(|e| Error::bug("keeping a file failed").because(e))??;
        Ok(Fetched { path, digest, size })
    }
}

/// The error for a file that is another one.
pub(super) fn wrong_hash(filename: &str, place: &str, mismatch: &Mismatch) -> Error {
    let Mismatch { expected, found } = mismatch;
    Error::integrity(format!(
        "{filename} from {place} is not the locked one: expected {expected}, found {found}"
    ))
    .hint("the file was changed after it was locked, or in transit: find out which before you lock again")
}

/// What the rest must belong to: a strong entity tag, or else the time of the last change.
fn validator(response: &Response) -> Option<HeaderValue> {
    let strong = response.header(ETAG.as_str()).filter(|tag| !tag.starts_with("W/"));
    let text = strong.or_else(|| response.header(LAST_MODIFIED.as_str()))?;
    HeaderValue::from_str(text).ok()
}

/// Where a partial answer begins: `bytes 200-999/1000` (RFC 9110, 14.4).
fn range_start(response: &Response) -> Option<u64> {
    let range = response.header(CONTENT_RANGE.as_str())?.trim().strip_prefix("bytes")?;
    range.trim_start().split('-').next()?.parse().ok()
}
