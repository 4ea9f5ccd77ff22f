//! Large files in parts, several of which are fetched at the same time.
//!
//! A connection gets its share of a slow line, or as much as a far server gives to one. In parts the largest files come
//! first and one after the other, so that what is made of them need not wait until everything is there. The parts are
//! taken in their order, and the hash of the whole decides. Where something is amiss with one, what is still missing is
//! fetched in one piece, as from servers that know no ranges (RFC 9110, 14.2).

use std::ops::Range;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Downloader;
use super::login::Login;
use super::ranges::{SMALLEST, header_of, is_of};
use super::transfer::State;
use crate::error::{Error, Result};
use crate::http::header::{ACCEPT_ENCODING, RANGE};
use crate::http::{Failure, HeaderValue, Request, Url};

/// Less than this comes in one piece. In bytes.
const LEAST: u64 = 6 << 20;

/// No part has more, since those that come too early are held. In bytes.
const LARGEST: u64 = 8 << 20;

/// A file of middling size has so many.
const USUAL: u64 = 16;

/// So many parts of a file are fetched at once.
const AT_ONCE: usize = 4;

/// So many files come in parts at once.
pub(super) const FILES_AT_ONCE: usize = 2;

impl Downloader {
    /// Whether nothing says that its host gives no parts.
    pub(super) async fn gives_parts(&self, url: &Url) -> bool {
        !self.0.whole_only.lock().await.contains(&url.origin().ascii_serialization())
    }

    /// Notes that its host gives no parts.
    pub(super) async fn note_whole_only(&self, url: &Url) {
        self.0.whole_only.lock().await.insert(url.origin().ascii_serialization());
    }

    /// Brings as much of a large file as comes in parts.
    ///
    /// # Errors
    /// When the disk refuses, or the work was interrupted.
    pub(super) async fn take_parts(
        &self,
        state: &mut State<'_>,
        url: &Url,
        own: Option<&Login>,
    ) -> Result<(), Failure> {
        let is_large = |missing: &Range<u64>| missing.end - missing.start >= LEAST;
        let Some(missing) = state.missing().filter(is_large) else { return Ok(()) };
        let _turn = self.0.large.take(missing.end).await;
        if !self.gives_parts(url).await {
            return Ok(());
        }
        let mut coming = self.coming(url, own, missing);
        while let Some(part) = coming.parts.recv().await {
            match part {
                Ok(bytes) => state.add_part(&bytes)?,
                Err(Trouble::NoParts) => {
                    self.note_whole_only(url).await;
                    return Ok(());
                }
                Err(Trouble::Failed(failure)) => {
                    tracing::debug!(error = %failure.error, "a part did not come");
                    state.end_parts();
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Begins to fetch the parts, in a task of its own: hashing must not make the connections wait.
    fn coming(&self, url: &Url, own: Option<&Login>, missing: Range<u64>) -> Coming {
        let (downloader, url, own, size) = (self.clone(), url.clone(), own.cloned(), missing.end);
        let (sender, parts) = mpsc::channel(1);
        let mut task = JoinSet::new();
        task.spawn(async move {
            // Boxed, as the compiler cannot see otherwise that these futures may move between threads.
            let begin =
                |part| -> BoxFuture<'_, Part> { Box::pin(downloader.part(&url, own.as_ref(), part, size)) };
            let mut parts = stream::iter(self::parts(missing)).map(begin).buffered(AT_ONCE);
            while let Some(part) = parts.next().await {
                if sender.send(part).await.is_err() {
                    break;
                }
            }
        });
        Coming { parts, _task: task }
    }

    async fn part(&self, url: &Url, own: Option<&Login>, part: Range<u64>, size: u64) -> Part {
        let range = header_of(&part).ok_or_else(|| Error::bug("a range is not a header"))?;
        let request = Request::get(url.clone())
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            .header(RANGE, range);
        let mut response = self.send_as(request, own).await?;
        if response.status().as_u16() != 206 || !is_of(&response, &part, size) {
            return Err(Trouble::NoParts);
        }
        let length = (part.end - part.start) as usize;
        // One buffer: a server may send its bytes one by one.
        let mut bytes = Vec::with_capacity(length);
        while let Some(piece) = response.chunk().await? {
            if bytes.len() + piece.len() > length {
                return Err(Trouble::NoParts);
            }
            bytes.extend_from_slice(&piece);
        }
        match bytes.len() == length {
            true => Ok(bytes),
            false => Err(Failure::passing(Error::network("a part ended early")).into()),
        }
    }
}

/// Parts in their order. Dropping it ends their fetching.
struct Coming {
    parts: mpsc::Receiver<Part>,
    _task: JoinSet<()>,
}

type Part = Result<Vec<u8>, Trouble>;

/// Why a part did not come.
enum Trouble {
    /// The server gives something else.
    NoParts,
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Parts of the same size, the last one aside.
fn parts(missing: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let each = ((missing.end - missing.start) / USUAL).clamp(SMALLEST, LARGEST);
    let starts = std::iter::successors(Some(missing.start), move |start| start.checked_add(each));
    let starts = starts.take_while(move |start| *start < missing.end);
    starts.map(move |start| start..missing.end.min(start.saturating_add(each)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_what_is_missing() {
        for (start, end) in [(0, LEAST), (5, LEAST + 6), (0, 55_000_001), (7, 900 << 20)] {
            let parts: Vec<_> = parts(start..end).collect();
            assert_eq!((parts[0].start, parts[parts.len() - 1].end), (start, end));
            assert!(parts.windows(2).all(|two| two[0].end == two[1].start));
            assert!(parts.iter().all(|part| !part.is_empty() && part.end - part.start <= LARGEST));
            assert!(parts.len() as u64 <= (end - start).div_ceil(SMALLEST));
        }
        assert_eq!(parts(0..u64::MAX).take(3).count(), 3, "nobody holds them all");
    }
}
