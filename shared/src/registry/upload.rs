//! The body of an upload: a file or bytes, in pieces, hashed on the way out.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::progress::Progress;
use super::short;
use crate::error::Error;
use crate::http::{Body, BodyStream};
use crate::oci::{Descriptor, Digest, Sha256};
use crate::read;
use crate::store::Source;
use crate::words;
use crate::words::flag;

/// The size of a piece in bytes: large enough to keep the calls few, small enough that many
/// uploads at once stay within a few megabytes.
const PIECE: usize = 128 * 1024;

/// Bytes in memory, sent in pieces so that the progress is seen.
pub(super) fn from_memory(bytes: &Bytes, progress: &Progress) -> Body {
    let length = bytes.len() as u64;
    let (bytes, progress) = (bytes.clone(), progress.clone());
    let open = move || -> BodyStream {
        progress.begin();
        let progress = progress.clone();
        stream::iter(pieces(bytes.clone()))
            .inspect(move |piece| progress.advance(piece.len()))
            .map(Ok)
            .boxed()
    };
    Body::Stream { length, open: Arc::new(open) }
}

/// A file. It is hashed while it is sent, and its last piece is held back until the digest is
/// known to be right: a file that changed under us never becomes a blob.
pub(super) fn from_file(path: &Path, descriptor: &Descriptor, progress: &Progress) -> Body {
    let (path, descriptor, progress) = (path.to_owned(), descriptor.clone(), progress.clone());
    let length = descriptor.size;
    let open = move || -> BodyStream {
        progress.begin();
        let reading = Reading {
            path: path.clone(),
            file: None,
            hash: Sha256::new(),
            left: descriptor.size,
            expected: descriptor.digest,
        };
        let progress = progress.clone();
        stream::try_unfold(reading, |reading| async move {
            // Files have no asynchronous reads; the threads for blocking work do it.
            let piece = tokio::task::spawn_blocking(move || reading.next());
            piece.await.map_err(io::Error::other)?.map_err(io::Error::other)
        })
        .inspect(move |piece| progress.advance(piece.as_ref().map_or(0, Bytes::len)))
        .boxed()
    };
    Body::Stream { length, open: Arc::new(open) }
}

/// The bytes from `from` up to `to`, not checked.
pub(super) fn part(source: &Source, from: u64, to: u64) -> Result<Body, Error> {
    let beyond = || Error::bug(format!("a blob has no bytes {from} to {to}"));
    let length = to.checked_sub(from).ok_or_else(beyond)?;
    let open: Arc<dyn Fn() -> BodyStream + Send + Sync> = match source {
        Source::Memory(bytes) => {
            let index = |at: u64| usize::try_from(at).ok().filter(|at| *at <= bytes.len()).ok_or_else(beyond);
            let part = bytes.slice(index(from)?..index(to)?);
            Arc::new(move || stream::iter(pieces(part.clone())).map(Ok).boxed())
        }
        Source::File(path) => {
            let path = path.clone();
            Arc::new(move || {
                let part = Part { path: path.clone(), file: None, at: from, left: length };
                stream::try_unfold(part, |part| async move {
                    let piece = tokio::task::spawn_blocking(move || part.next());
                    piece.await.map_err(io::Error::other)?.map_err(io::Error::other)
                })
                .boxed()
            })
        }
        Source::Registry(source) => {
            return Err(Error::bug(format!("the blob has not been fetched from {source}")));
        }
    };
    Ok(Body::Stream { length, open })
}

/// Checks that a file is still the blob that it was.
pub(super) async fn check(source: &Source, descriptor: &Descriptor) -> Result<(), Error> {
    let Source::File(path) = source else { return Ok(()) };
    let mut reading = Reading {
        path: path.clone(),
        file: None,
        hash: Sha256::new(),
        left: descriptor.size,
        expected: descriptor.digest,
    };
    let read = move || {
        while let Some((_, rest)) = reading.next()? {
            reading = rest;
        }
        Ok(())
    };
    let checked = tokio::task::spawn_blocking(read).await;
    checked.map_err(|error| Error::bug("reading a file failed").because(error))?
}

fn pieces(mut rest: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let piece = rest.split_to(rest.len().min(PIECE));
        (!piece.is_empty()).then_some(piece)
    })
}

/// A part of a file on its way out.
struct Part {
    path: PathBuf,
    file: Option<File>,
    at: u64,
    left: u64,
}

impl Part {
    /// The next piece; `None` after the last.
    fn next(mut self) -> Result<Option<(Bytes, Self)>, Error> {
        let unreadable = |error| Error::build(format!("cannot read {}", self.path.display())).because(error);
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let mut file = read::file(&self.path).map_err(unreadable)?;
                file.seek(SeekFrom::Start(self.at)).map_err(unreadable)?;
                self.file.insert(file)
            }
        };
        let mut piece = Vec::with_capacity(self.left.min(PIECE as u64) as usize);
        file.take(self.left.min(PIECE as u64)).read_to_end(&mut piece).map_err(unreadable)?;
        if piece.is_empty() && self.left > 0 {
            return Err(Error::integrity(format!("{} became shorter", self.path.display()))
                .hint("something changed the file; build again"));
        }
        self.left -= piece.len() as u64;
        Ok((!piece.is_empty()).then(|| (piece.into(), self)))
    }
}

/// A file on its way out.
struct Reading {
    path: PathBuf,
    file: Option<File>,
    hash: Sha256,
    left: u64,
    expected: Digest,
}

impl Reading {
    /// The next piece; `None` after the last.
    fn next(mut self) -> Result<Option<(Bytes, Self)>, Error> {
        if self.left == 0 && self.file.is_some() {
            return Ok(None);
        }
        let unreadable = |error| Error::build(format!("cannot read {}", self.path.display())).because(error);
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(read::file(&self.path).map_err(unreadable)?),
        };
        let size = self.left.min(PIECE as u64);
        let mut piece = Vec::with_capacity(size as usize);
        file.take(size).read_to_end(&mut piece).map_err(unreadable)?;
        self.hash.update(&piece);
        self.left -= piece.len() as u64;
        if (piece.len() as u64) < size || (self.left == 0 && self.is_other()) {
            let name = self.path.display();
            return Err(Error::integrity(format!("{name} is no longer the blob {}", short(&self.expected)))
                .hint(words!(
                    "something changed the file; build again, with another {cache_dir} if it is in the cache",
                    cache_dir = flag("cache-dir")
                )));
        }
        Ok((!piece.is_empty()).then(|| (piece.into(), self)))
    }

    /// Whether all of the file, now hashed, is something else than expected.
    fn is_other(&self) -> bool {
        self.hash.clone().finish() != self.expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use crate::event::{Events, Motion};
    use futures_util::TryStreamExt;

    fn progress() -> Progress {
        Progress::new(Events::silent().start(Motion::Upload, "x", None))
    }

    async fn read(body: &Body) -> Result<Vec<u8>, (usize, Kind)> {
        let Body::Stream { open, .. } = body else { panic!("a stream") };
        let mut sent = Vec::new();
        let mut stream = open();
        loop {
            match stream.try_next().await {
                Ok(Some(piece)) => sent.extend_from_slice(&piece),
                Ok(None) => return Ok(sent),
                Err(error) => {
                    let ours = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
                    return Err((sent.len(), ours.expect("our own error").kind()));
                }
            }
        }
    }

    #[tokio::test]
    async fn files_and_bytes_of_any_size_arrive_and_can_be_sent_again() {
        let folder = tempfile::tempdir().expect("folder");
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
            let data: Vec<u8> = (0..size).map(|i| i as u8).collect();
            let path = folder.path().join("blob");
            std::fs::write(&path, &data).expect("file");
            let file = from_file(&path, &Descriptor::of("", &data), &progress());
            let memory = from_memory(&Bytes::from(data.clone()), &progress());
            for body in [&file, &file, &memory, &memory] {
                assert_eq!(read(body).await.expect("sent"), data, "{size}");
            }
        }
    }

    #[tokio::test]
    async fn parts_of_files_and_bytes_are_these_bytes_and_no_others() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("blob");
        let data: Vec<u8> = (0..3 * PIECE).map(|i| i as u8).collect();
        std::fs::write(&path, &data).expect("file");
        let (file, memory) = (Source::File(path.clone()), Source::Memory(data.clone().into()));
        for (from, to) in [(0, 1), (5, PIECE + 6), (PIECE, 3 * PIECE), (7, 7)] {
            for source in [&file, &memory] {
                let body = part(source, from as u64, to as u64).expect("part");
                assert_eq!(read(&body).await.expect("sent"), data[from..to], "{from} to {to}");
            }
        }
        assert!(part(&memory, 0, 3 * PIECE as u64 + 1).is_err());
        assert!(part(&memory, 2, 1).is_err());

        let descriptor = Descriptor::of("", &data);
        check(&file, &descriptor).await.expect("the same");
        std::fs::write(&path, &data[..10]).expect("shorter");
        let body = part(&file, 5, 20).expect("part");
        assert_eq!(read(&body).await, Err((5, Kind::Integrity)));
        assert_eq!(check(&file, &descriptor).await.expect_err("changed").kind(), Kind::Integrity);
    }

    #[tokio::test]
    async fn the_last_piece_of_a_changed_file_is_held_back() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("blob");
        let mut data = vec![1; 2 * PIECE + 5];
        let descriptor = Descriptor::of("", &data);
        data[0] = 2;
        std::fs::write(&path, &data).expect("file");
        let changed = from_file(&path, &descriptor, &progress());
        assert_eq!(read(&changed).await, Err((2 * PIECE, Kind::Integrity)));

        std::fs::write(&path, &data[..PIECE + 5]).expect("file");
        assert_eq!(read(&changed).await, Err((PIECE, Kind::Integrity)), "shorter");

        std::fs::remove_file(&path).expect("gone");
        assert_eq!(read(&changed).await, Err((0, Kind::Build)));
    }

    #[tokio::test]
    async fn an_empty_blob_is_checked_too() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("blob");
        std::fs::write(&path, "").expect("file");
        let wrong = Descriptor::new("", Digest::of(b"x"), 0);
        assert_eq!(read(&from_file(&path, &wrong, &progress())).await, Err((0, Kind::Integrity)));
    }
}
