//! Fetching: small texts as they are, and files by their digests, resumed and kept in the store.

use std::io::Write;
use std::path::PathBuf;

use tokio::sync::Mutex;

use crate::error::{Context, Error, Result};
use crate::event::{Events, Motion, Outcome, Task};
use crate::http::header::{ACCEPT_ENCODING, CONTENT_RANGE, RANGE};
use crate::http::{Client, Failure, HeaderValue, Request, Response, Url};
use crate::oci::Digest;
use crate::store::{PartialBlob, Store};
use crate::words;
use crate::words::flag;

/// The largest release file is not a tenth of it. In bytes.
const MOST_TEXT: usize = 16 << 20;

/// Fetches from archives of packages.
#[derive(Clone)]
pub(super) struct Fetcher {
    pub(super) http: Client,
    pub(super) store: Store,
    pub(super) events: Events,
}

/// A file that is known by its digest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// What people call it.
    pub(super) label: &'a str,
    pub(super) digest: &'a Digest,
    /// In bytes.
    pub(super) size: u64,
}

impl Fetcher {
    /// Nothing is fetched with `offline`.
    ///
    /// # Errors
    /// Usage, naming what is missing.
    pub(super) fn refuse_offline(&self, what: &str) -> Result<()> {
        if !self.http.options().offline {
            return Ok(());
        }
        Err(Error::usage(words!(
            "{what} is not in the cache, and cannot be fetched with {offline}",
            offline = flag("offline")
        ))
        .hint(words!("run once without {offline}", offline = flag("offline"))))
    }

    /// A small text.
    ///
    /// # Errors
    /// Network when it cannot be had.
    pub(super) async fn text(&self, url: &str) -> Result<String> {
        self.refuse_offline(url)?;
        let url = parse(url)?;
        let fetched = self.http.retry(|_| async {
            let mut response = self.http.send(Request::get(url.clone())).await?;
            if !response.status().is_success() {
                return Err(response.failure(None));
            }
            response.bytes(MOST_TEXT).await
        });
        let bytes = fetched.await.map_err(|spent| spent.explain(format!("cannot fetch {url}")))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A file, from the first of the `urls` that has it.
    ///
    /// # Errors
    /// Network when it cannot be had; integrity when another file came; build when the disk
    /// refuses.
    pub(super) async fn file(&self, urls: &[String], wanted: Wanted<'_>) -> Result<PathBuf> {
        let task = self.events.start(Motion::Download, wanted.label, Some(wanted.size));
        if let Some(path) = self.store.find(wanted.digest, wanted.size) {
            task.end(Outcome::Exists);
            return Ok(path);
        }
        self.refuse_offline(wanted.label)?;
        let mut refused = None;
        for url in urls {
            match self.download(&parse(url)?, wanted, &task).await {
                Ok(path) => {
                    task.end(Outcome::Done);
                    return Ok(path);
                }
                // A file of the wrong content under one name says nothing of the next one.
                Err(error) => refused = Some(error),
            }
        }
        task.end(Outcome::Failed);
        Err(refused.unwrap_or_else(|| Error::bug(format!("{} has no URL", wanted.label))))
    }

    async fn download(&self, url: &Url, wanted: Wanted<'_>, task: &Task) -> Result<PathBuf> {
        let mut blob = self.store.partial(&wanted.digest.hex(), |_| {})?;
        if blob.count() > wanted.size {
            blob.restart()?;
        }
        task.advance(blob.count());
        let begun = Mutex::new(Begun { continued: blob.count() > 0, blob });
        let fetched = self.http.retry(|_| async {
            let mut begun = begun.lock().await;
            if begun.blob.count() < wanted.size {
                let response = self.http.send(request(url, begun.blob.count())).await?;
                begun.take(response, wanted, task).await?;
            }
            begun.check(wanted, url, task)
        });
        let fetched = fetched.await;
        let blob = begun.into_inner().blob;
        match fetched {
            Ok(()) => {
                // It waits for the disk.
                let kept = tokio::task::spawn_blocking(move || blob.commit()).await;
                Ok(kept.map_err(|e| Error::bug("keeping a file failed").because(e))??.0)
            }
            Err(spent) => {
                if spent.failure.error.kind() == crate::error::Kind::Integrity {
                    blob.discard();
                }
                Err(spent.explain(format!("cannot fetch {url}")))
            }
        }
    }
}

fn request(url: &Url, from: u64) -> Request {
    let request = Request::get(url.clone()).header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    match HeaderValue::from_str(&format!("bytes={from}-")) {
        Ok(range) if from > 0 => request.header(RANGE, range),
        _ => request,
    }
}

/// What there is of a file.
struct Begun {
    blob: PartialBlob,
    /// Whether the bytes are from more than one answer.
    continued: bool,
}

impl Begun {
    fn restart(&mut self, task: &Task) -> Result<()> {
        task.restart();
        self.continued = false;
        self.blob.restart()
    }

    /// Takes the body of an answer.
    async fn take(&mut self, mut response: Response, wanted: Wanted<'_>, task: &Task) -> Result<(), Failure> {
        let from = self.blob.count();
        match response.status().as_u16() {
            200 if from > 0 => self.restart(task)?,
            200 => {}
            206 if range_start(&response) == Some(from) => self.continued = true,
            206 | 416 => {
                self.restart(task)?;
                let words = format!("the download of {} cannot be resumed", wanted.label);
                return Err(Failure::passing(Error::network(words)));
            }
            _ => return Err(response.failure(None)),
        }
        while let Some(chunk) = response.chunk().await? {
            if self.blob.count().saturating_add(chunk.len() as u64) > wanted.size {
                let Wanted { label, size, .. } = wanted;
                let words = format!("{label} is longer than the {size} bytes that were promised");
                return Err(Error::integrity(words).into());
            }
            self.blob.write_all(&chunk).context(|| "cannot write to the cache folder".into())?;
            task.advance(chunk.len() as u64);
        }
        Ok(())
    }

    fn check(&mut self, wanted: Wanted<'_>, url: &Url, task: &Task) -> Result<(), Failure> {
        let found = self.blob.digest();
        if found == *wanted.digest {
            return Ok(());
        }
        let Wanted { label, digest, size } = wanted;
        if self.blob.count() < size {
            let words = format!("{label} ended after {} of {size} bytes", self.blob.count());
            return Err(Failure::passing(Error::network(words)));
        }
        if self.continued {
            self.restart(task)?;
            return Err(Failure::passing(Error::network(format!(
                "the parts of {label} do not fit together"
            ))));
        }
        let words = format!("{label} from {url} is not what was promised: expected {digest}, found {found}");
        Err(Error::integrity(words)
            .hint("the mirror is broken, or someone changed the file; use another mirror")
            .into())
    }
}

fn parse(url: &str) -> Result<Url> {
    url.parse().map_err(|e| Error::usage(format!("{url:?} is not a URL")).because(e))
}

/// Where a partial answer begins: `bytes 200-999/1000` (RFC 9110, 14.4).
fn range_start(response: &Response) -> Option<u64> {
    let range = response.header(CONTENT_RANGE.as_str())?.trim().strip_prefix("bytes")?;
    range.trim_start().split('-').next()?.parse().ok()
}
