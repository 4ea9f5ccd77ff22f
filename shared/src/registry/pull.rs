//! Blobs from a registry into the store.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

use super::access::Access;
use super::progress::Progress;
use super::{Client, short};
use crate::error::{Context, Error, Result};
use crate::event::{Motion, Outcome};
use crate::http::{Cause, Failure, Request, Response, Spent, StatusCode};
use crate::oci::{Descriptor, Digest, Repository};
use crate::store::Store;
use crate::words;
use crate::words::flag;

/// Pieces of a blob that its reader may be behind.
const PIECES_BEHIND: usize = 32;

/// A reader that takes no piece for so long is left behind.
const PATIENCE: Duration = Duration::from_secs(5);

/// The bytes of a blob while it is fetched. They end early where the fetching does, and nobody has compared them with
/// its digest.
pub struct Passing {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

/// Called with the bytes of each attempt to fetch a blob. It must not wait for them itself.
pub type Follow = Arc<dyn Fn(Passing) + Send + Sync>;

impl Passing {
    fn new() -> (mpsc::Sender<Bytes>, Self) {
        let (sender, pieces) = mpsc::channel(PIECES_BEHIND);
        (sender, Self { pieces, piece: Bytes::new() })
    }
}

/// Blocks until there is something to read: not for a thread of the runtime.
impl Read for Passing {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let Some(piece) = self.pieces.blocking_recv() else { return Ok(0) };
            self.piece = piece;
        }
        let count = to.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut to[..count]);
        Ok(count)
    }
}

impl Client {
    /// Brings a blob into the store, unless it is there, and gives its file. It comes from a
    /// mirror if one has it.
    ///
    /// # Errors
    /// Kind network when the registry cannot be reached, refuses or does not have it; kind
    /// integrity when what came has another size or digest; kind build when the disk refuses.
    pub async fn fetch_blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        store: &Store,
    ) -> Result<PathBuf> {
        self.fetch_blob_followed(repository, descriptor, store, None).await
    }

    /// As [`Client::fetch_blob`]; `follow` reads it on its way, unless it is there or somebody else fetches it already.
    /// A slow reader slows the fetching down, and is left behind where it stands still.
    ///
    /// # Errors
    /// As [`Client::fetch_blob`].
    pub async fn fetch_blob_followed(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        store: &Store,
        follow: Option<Follow>,
    ) -> Result<PathBuf> {
        let key = format!("{repository} {}", descriptor.digest);
        let make = || {
            let (client, repository) = (self.clone(), repository.clone());
            let (descriptor, store) = (descriptor.clone(), store.clone());
            async move {
                let fetched = client.fetch_new(&repository, &descriptor, &store, follow.as_ref()).await;
                fetched.map_err(Failure::from)
            }
        };
        // Several platforms of a base share layers, and ask for them at the same time.
        self.0.pulls.get(&key, |_| false, make).await.map_err(|failure| failure.error)
    }

    async fn fetch_new(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        store: &Store,
        follow: Option<&Follow>,
    ) -> Result<PathBuf> {
        let digest = &descriptor.digest;
        let task = self.0.events.start(Motion::Download, digest.short(), Some(descriptor.size));
        if let Some(path) = store.find(digest, descriptor.size) {
            task.end(Outcome::Exists);
            return Ok(path);
        }
        self.refuse_offline(|| format!("the blob {} of {repository}", short(digest)))?;
        let progress = Progress::new(task);
        let progress_of_all = &progress;
        let read =
            |place| async move { self.fetch_once(&place, descriptor, store, follow, progress_of_all).await };
        let fetched = self.0.http.retry(|_| self.read_anywhere(repository, read)).await;
        progress.end(if fetched.is_ok() { Outcome::Done } else { Outcome::Failed });
        fetched.map_err(|spent| {
            spent.explain(format!("cannot fetch the blob {} from {repository}", short(digest)))
        })
    }

    /// Nothing is fetched with `offline`.
    pub(super) fn refuse_offline(&self, what: impl FnOnce() -> String) -> Result<()> {
        if !self.0.http.options().offline {
            return Ok(());
        }
        Err(Error::usage(words!(
            "{} is not in the cache, and cannot be fetched with {offline}",
            what(),
            offline = flag("offline")
        ))
        .hint(words!("run once without {offline}", offline = flag("offline"))))
    }

    async fn fetch_once(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        store: &Store,
        follow: Option<&Follow>,
        progress: &Progress,
    ) -> Result<PathBuf, Failure> {
        let mut response = self.ask_blob(repository, descriptor).await?;
        let mut writer = store.writer()?;
        let mut follower = follow.map(|follow| {
            let (follower, passing) = Passing::new();
            follow(passing);
            follower
        });
        let mut count = 0;
        progress.begin();
        while let Some(chunk) = response.chunk().await? {
            count += chunk.len() as u64;
            if count > descriptor.size {
                return Err(wrong_size(descriptor, "more"));
            }
            writer.write_all(&chunk).context(|| "cannot write to the cache folder".into())?;
            progress.advance(chunk.len());
            if let Some(sender) = follower.take()
                && sender.send_timeout(chunk, PATIENCE).await.is_ok()
            {
                follower = Some(sender);
            }
        }
        if count < descriptor.size {
            return Err(too_short(descriptor, count));
        }
        let digest = descriptor.digest;
        // It waits for the disk.
        let kept = tokio::task::spawn_blocking(move || writer.commit(Some(&digest))).await;
        let (path, ..) = kept.map_err(|error| Error::bug("keeping a blob failed").because(error))??;
        Ok(path)
    }

    /// The bytes of a small blob, in memory alone: for what must not stay on this machine. Who asks decides how large it
    /// may be.
    ///
    /// # Errors
    /// As [`Client::fetch_blob`], but for the disk.
    pub async fn read_blob(&self, repository: &Repository, descriptor: &Descriptor) -> Result<Vec<u8>> {
        self.read_small(repository, descriptor)
            .await?
            .map_err(|spent| spent.explain(unreadable(repository, descriptor)))
    }

    /// As [`Client::read_blob`]; `None` where the registry says that it is not there.
    ///
    /// # Errors
    /// As there, for everything else.
    pub async fn read_blob_if_there(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> Result<Option<Vec<u8>>> {
        match self.read_small(repository, descriptor).await? {
            Ok(bytes) => Ok(Some(bytes)),
            Err(spent) if spent.failure.cause == Cause::Status(StatusCode::NOT_FOUND) => Ok(None),
            Err(spent) => Err(spent.explain(unreadable(repository, descriptor))),
        }
    }

    async fn read_small(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> Result<Result<Vec<u8>, Spent>> {
        self.refuse_offline(|| format!("the blob {} of {repository}", short(&descriptor.digest)))?;
        let read = |place| async move { self.read_once(&place, descriptor).await };
        Ok(self.0.http.retry(|_| self.read_anywhere(repository, read)).await)
    }

    async fn read_once(&self, repository: &Repository, descriptor: &Descriptor) -> Result<Vec<u8>, Failure> {
        let mut response = self.ask_blob(repository, descriptor).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > descriptor.size {
                return Err(wrong_size(descriptor, "more"));
            }
        }
        if (bytes.len() as u64) < descriptor.size {
            return Err(too_short(descriptor, bytes.len() as u64));
        }
        match Digest::of(&bytes) {
            got if got == descriptor.digest => Ok(bytes),
            got => Err(Error::integrity(format!("expected {}, got {got}", descriptor.digest)).into()),
        }
    }

    /// Asks for the bytes of a blob. An answer that says another size is none.
    async fn ask_blob(&self, repository: &Repository, descriptor: &Descriptor) -> Result<Response, Failure> {
        let host = self.host(repository);
        let access = Access::pull(repository);
        let url = host.endpoint(repository, &format!("blobs/{}", descriptor.digest)).await?;
        let response = host.send(&access, Request::get(url)).await?;
        if response.status().as_u16() != 200 {
            return Err(host.refusal(&access, response).await);
        }
        match response.length().filter(|length| *length != descriptor.size) {
            Some(length) => Err(wrong_size(descriptor, &length.to_string())),
            None => Ok(response),
        }
    }
}

/// The connection may have ended: another attempt may bring the rest.
fn too_short(descriptor: &Descriptor, count: u64) -> Failure {
    let words = format!("the blob ended after {count} of {} bytes", descriptor.size);
    Failure::passing(Error::network(words))
}

fn unreadable(repository: &Repository, descriptor: &Descriptor) -> String {
    format!("cannot fetch the blob {} from {repository}", short(&descriptor.digest))
}

fn wrong_size(descriptor: &Descriptor, got: &str) -> Failure {
    let words = format!("the registry has {got} bytes, but the manifest says {}", descriptor.size);
    Error::integrity(words).into()
}
