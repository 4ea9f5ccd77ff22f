//! One file on its way into the store: streamed, hashed as it comes, gone on with where it
//! broke off.
//!
//! What an attempt has brought stays for the next one, also when that is made by a later run.
//! The server is asked for the rest only if the file is still the one that was begun (`If-Range`);
//! where that cannot be asked, the hash tells in the end, and the file is fetched once more from
//! its first byte.

use std::io::Write;
use std::ops::Range;

use tokio::sync::Mutex;

use super::check::{Check, Mismatch};
use super::options::take_login;
use super::ranges::{SMALLEST, gives, header_of, range_start, range_total};
use super::send::refusal;
use super::{Downloader, Fetched};
use crate::error::{Context, Error, Result};
use crate::event::Task;
use crate::http::header::{ACCEPT_ENCODING, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
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
pub(super) struct State<'a> {
    blob: PartialBlob,
    check: Check,
    wanted: Wanted<'a>,
    task: &'a Task,
    /// Names the version of the file that the bytes are of.
    validator: Option<HeaderValue>,
    /// Whether the bytes are from more than one answer.
    continued: bool,
    /// Its size in bytes, where an answer has told it.
    told: Option<u64>,
    /// Whether what is missing is taken in one piece.
    in_one: bool,
}

impl Downloader {
    /// Brings a file from the network into the store.
    ///
    /// # Errors
    /// Kind network when it cannot be had; kind integrity when it is another one.
    pub(super) async fn download(&self, url: &Url, wanted: Wanted<'_>, task: &Task) -> Result<Fetched> {
        if let Some(size) = wanted.size.filter(|size| *size > MOST_BYTES) {
            let words = format!("{} has {size} bytes, and no file of an index is so large", wanted.filename);
            return Err(Error::integrity(words).hint("lock again, or set the index that has it"));
        }
        let (url, own) = &take_login(url.clone());
        let state = Mutex::new(State::open(&self.0.store, url, wanted, task).await?);
        let fetched = self.0.http.retry(|_| async {
            let mut state = state.lock().await;
            while !state.is_complete() {
                self.take_parts(&mut state, url, own.as_ref()).await?;
                if state.is_complete() {
                    break;
                }
                let first = if self.gives_parts(url).await { state.first_part() } else { None };
                let response = self.send_as(state.request(url, first.as_ref()), own.as_ref()).await?;
                if let Some(first) = first
                    && !gives(&response, &first)
                {
                    self.note_whole_only(url).await;
                    if response.status().as_u16() != 200 {
                        continue;
                    }
                }
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
        let mut state =
            Self { blob, check, wanted, task, validator: None, continued, told: None, in_one: false };
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
        self.told = None;
        self.in_one = true;
        self.task.restart();
        Ok(())
    }

    fn size(&self) -> Option<u64> {
        self.wanted.size.or(self.told)
    }

    fn is_complete(&self) -> bool {
        self.size() == Some(self.blob.count()) && (self.blob.count() > 0 || self.told.is_some())
    }

    /// The bytes that are missing, where they are known and may come in parts: a hash tells in the end whether these fit
    /// together.
    pub(super) fn missing(&self) -> Option<Range<u64>> {
        let size = self.size().filter(|_| self.may_come_in_parts())?;
        (self.blob.count() < size).then(|| self.blob.count()..size)
    }

    /// The part to begin with, whose answer tells the size of the whole.
    fn first_part(&self) -> Option<Range<u64>> {
        let is_unknown = self.blob.count() == 0 && self.size().is_none();
        (is_unknown && self.may_come_in_parts()).then_some(0..SMALLEST)
    }

    fn may_come_in_parts(&self) -> bool {
        !self.wanted.hashes.is_empty() && !self.in_one
    }

    /// Has what is missing come in one piece.
    pub(super) fn end_parts(&mut self) {
        self.in_one = true;
    }

    /// Adds a part to the end of what there is.
    ///
    /// # Errors
    /// As [`State::add`].
    pub(super) fn add_part(&mut self, bytes: &[u8]) -> Result<()> {
        self.continued = true;
        self.add(bytes)
    }

    /// Adds bytes to the end of what there is.
    ///
    /// # Errors
    /// When the disk refuses, or the work was interrupted.
    fn add(&mut self, bytes: &[u8]) -> Result<()> {
        self.blob.write_all(bytes).context(|| "cannot write to the cache folder".into())?;
        self.check.update(bytes);
        self.task.advance(bytes.len() as u64);
        Ok(())
    }

    /// Asks for the first part, or all that is missing.
    fn request(&self, url: &Url, first: Option<&Range<u64>>) -> Request {
        let request = Request::get(url.clone()).header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let range = match (first, self.blob.count()) {
            (Some(part), _) => header_of(part),
            (None, 0) => return request,
            (None, count) => HeaderValue::from_str(&format!("bytes={count}-")).ok(),
        };
        let Some(range) = range else { return request };
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
        let end = response.length().map(|length| length.saturating_add(self.blob.count()));
        let total = if response.status().as_u16() == 206 { range_total(&response).or(end) } else { end };
        if let (Some(total), Some(size)) = (total, self.size())
            && total != size
        {
            return Err(self.wrong_size(&total.to_string()));
        }
        self.told = total.filter(|total| *total <= MOST_BYTES);
        self.validator = validator(&response);
        let most = end.unwrap_or(MOST_BYTES).min(self.size().unwrap_or(MOST_BYTES));
        while let Some(chunk) = response.chunk().await? {
            if self.blob.count().saturating_add(chunk.len() as u64) > most {
                return Err(self.wrong_size("more"));
            }
            self.add(&chunk)?;
        }
        // What says nothing of its length is whole when it ends.
        self.told.get_or_insert(self.blob.count());
        let count = self.blob.count();
        if end.or(self.size()).is_none_or(|end| count >= end) && (count > from || self.is_complete()) {
            return Ok(());
        }
        let size = self.size().or(end).unwrap_or(count);
        let words = format!("{} ended after {count} of {size} bytes", self.wanted.filename);
        Err(Failure::passing(Error::network(words)))
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
        let expected = self.size().unwrap_or(MOST_BYTES);
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
