//! Blobs to a registry: asked for, mounted, or sent whole in one request.
//!
//! One streamed PUT with its length is what every registry takes; chunks are refused, limited
//! or miscounted by some. So a transfer that breaks begins again from the first byte, except
//! where [`super::chunks`] are asked for.

use super::access::Access;
use super::manifest::check_digest;
use super::progress::Progress;
use super::session::Session;
use super::{Client, chunks, short, upload};
use crate::error::{Error, Result};
use crate::event::{Motion, Outcome};
use crate::http::header::CONTENT_TYPE;
use crate::http::{Body, Cause, Failure, HeaderValue, Method, Request, StatusCode, Url};
use crate::oci::{Descriptor, Repository};
use crate::store::{Blob, Source};

/// What came of offering a blob without its bytes.
enum Offer {
    /// The registry has it now.
    Taken(Outcome),
    /// It wants the bytes; it may have opened a session for them already.
    Wanted(Option<Session>),
}

impl Client {
    /// Puts a blob into a repository, by the least effort that the registry allows: it is
    /// there; it can be mounted from `mount_from`, another repository of the same registry; it
    /// is sent. `label` names the transfer for people. What this client has put there, or is
    /// just putting there, is neither sent nor asked for twice.
    ///
    /// # Errors
    /// Kind network when the registry cannot be reached or refuses; kind integrity when the
    /// file is not what the descriptor says, or the registry got something else; kind build
    /// when the file cannot be read; kind bug when the bytes would be needed of a blob that has
    /// not been fetched (see [`Client::offer_blob`]).
    pub async fn push_blob(
        &self,
        repository: &Repository,
        blob: &Blob,
        label: &str,
        mount_from: Option<&Repository>,
    ) -> Result<Outcome> {
        let key = format!("{repository} {}", blob.descriptor.digest);
        let mount_from = mount_from.or(match &blob.source {
            Source::Registry(source) => Some(source),
            Source::Memory(_) | Source::File(_) => None,
        });
        let make = || {
            let (client, repository, blob) = (self.clone(), repository.clone(), blob.clone());
            let (label, mount_from) = (label.to_owned(), mount_from.cloned());
            async move {
                let pushed = client.push_new(&repository, &blob, &label, mount_from.as_ref()).await;
                pushed.map_err(Failure::from)
            }
        };
        self.0.pushes.get(&key, |_| true, make).await.map_err(|failure| failure.error)
    }

    async fn push_new(
        &self,
        repository: &Repository,
        blob: &Blob,
        label: &str,
        mount_from: Option<&Repository>,
    ) -> Result<Outcome> {
        let task = self.0.events.start(Motion::Upload, label, Some(blob.descriptor.size));
        let progress = Progress::new(task);
        let pushed = self.0.http.retry(|_| self.push_once(repository, blob, mount_from, &progress)).await;
        progress.end(*pushed.as_ref().unwrap_or(&Outcome::Failed));
        pushed.map_err(|spent| {
            let digest = short(&blob.descriptor.digest);
            spent.explain_name(format!("cannot push the blob {digest} to {repository}"))
        })
    }

    /// Puts a blob into a repository if that needs no bytes: it is there, or can be mounted.
    /// `None` when it has to be pushed.
    ///
    /// # Errors
    /// Kind network when the registry cannot be reached.
    pub async fn offer_blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        mount_from: Option<&Repository>,
    ) -> Result<Option<Outcome>> {
        let offered = self.0.http.retry(|_| self.offer(repository, descriptor, mount_from)).await;
        match offered {
            Ok(Offer::Taken(outcome)) => Ok(Some(outcome)),
            Ok(Offer::Wanted(_)) => Ok(None),
            Err(spent) => Err(spent
                .explain(format!("cannot look for the blob {} in {repository}", short(&descriptor.digest)))),
        }
    }

    /// Asks whether this client may push to `repository`, before there is anything to push: an upload is
    /// begun and given up, since some registries refuse nothing else.
    ///
    /// # Errors
    /// Kind network when the registry cannot be reached or refuses.
    pub async fn check_push(&self, repository: &Repository) -> Result<()> {
        let asked = self.0.http.retry(|_| self.may_push(repository)).await;
        asked.map_err(|spent| spent.explain(format!("cannot push to {repository}")))
    }

    async fn may_push(&self, repository: &Repository) -> Result<(), Failure> {
        let session = self.open_session(repository).await?;
        // What is not given up, the registry forgets in time.
        let given_up = Request::new(Method::DELETE, session.url);
        let _ = self.host(repository).send(&Access::push(repository), given_up).await;
        Ok(())
    }

    async fn push_once(
        &self,
        repository: &Repository,
        blob: &Blob,
        mount_from: Option<&Repository>,
        progress: &Progress,
    ) -> Result<Outcome, Failure> {
        // A repetition asks again too: the answer may be what got lost, and not the blob.
        let session = match self.offer(repository, &blob.descriptor, mount_from).await? {
            Offer::Taken(outcome) => return Ok(outcome),
            Offer::Wanted(session) => session,
        };
        let mut session = match session {
            Some(session) => session,
            None => self.open_session(repository).await?,
        };
        let host = self.host(repository);
        loop {
            let wanted = [self.0.chunk_size, host.most()].into_iter().flatten().min();
            let size = chunks::size(wanted, session.least, blob.descriptor.size);
            match self.send(repository, blob, session, size, progress).await {
                Ok(()) => return Ok(Outcome::Done),
                // A proxy in front of the registry may take small requests only.
                Err(failure)
                    if failure.cause == Cause::Status(StatusCode::PAYLOAD_TOO_LARGE)
                        && host.refused_size(size.unwrap_or(blob.descriptor.size)) =>
                {
                    tracing::debug!(error = ?failure.error, most = host.most(), "trying smaller chunks");
                    session = self.open_session(repository).await?;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Sends a blob in chunks of `size`, or whole.
    async fn send(
        &self,
        repository: &Repository,
        blob: &Blob,
        mut session: Session,
        size: Option<u64>,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let body = match &blob.source {
            Source::Memory(bytes) => upload::from_memory(bytes, progress),
            Source::File(path) => upload::from_file(path, &blob.descriptor, progress),
            Source::Registry(source) => {
                return Err(Error::bug(format!("the blob has not been fetched from {source}")).into());
            }
        };
        if let Some(size) = size {
            match self.send_chunks(repository, blob, session, size, progress).await? {
                chunks::Ended::Done => return Ok(()),
                chunks::Ended::Refused => session = self.open_session(repository).await?,
            }
        }
        self.send_blob(repository, &blob.descriptor, session.url, body).await
    }

    async fn offer(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        mount_from: Option<&Repository>,
    ) -> Result<Offer, Failure> {
        if self.has_blob(repository, descriptor).await? {
            return Ok(Offer::Taken(Outcome::Exists));
        }
        let source = mount_from
            .filter(|source| source.registry == repository.registry && source.name != repository.name);
        match source {
            Some(source) => self.mount(repository, descriptor, source).await,
            None => Ok(Offer::Wanted(None)),
        }
    }

    async fn has_blob(&self, repository: &Repository, descriptor: &Descriptor) -> Result<bool, Failure> {
        let host = self.host(repository);
        let access = Access::push(repository);
        let url = host.endpoint(repository, &format!("blobs/{}", descriptor.digest)).await?;
        let response = host.send(&access, Request::head(url)).await?;
        if response.status().is_success() {
            return Ok(response.length().is_none_or(|length| length == descriptor.size));
        }
        // An answer to HEAD has no words. If this is a refusal, the upload's says why.
        if response.status().is_client_error() && response.status() != StatusCode::TOO_MANY_REQUESTS {
            return Ok(false);
        }
        Err(host.refusal(&access, response).await)
    }

    /// Mounts a blob from another repository (distribution-spec "Mounting a blob from another
    /// repository"). A registry that does not want to opens an upload or refuses; neither is a
    /// failure.
    async fn mount(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        source: &Repository,
    ) -> Result<Offer, Failure> {
        let host = self.host(repository);
        let access = Access::push(repository).and_pull(source);
        let mut url = host.endpoint(repository, "blobs/uploads/").await?;
        url.query_pairs_mut()
            .append_pair("mount", &descriptor.digest.to_string())
            .append_pair("from", &source.name);
        let response = match host.send(&access, Request::new(Method::POST, url)).await {
            Ok(response) => response,
            // The token service may not give this pair of scopes to us.
            Err(failure) if is_refusal(failure.cause) => return Ok(Offer::Wanted(None)),
            Err(failure) => return Err(failure),
        };
        match response.status() {
            StatusCode::CREATED => Ok(Offer::Taken(Outcome::Mounted)),
            StatusCode::ACCEPTED => Ok(Offer::Wanted(Some(self.session(&host, &response)?))),
            status if is_refusal(Cause::Status(status)) => Ok(Offer::Wanted(None)),
            _ => Err(host.refusal(&access, response).await),
        }
    }

    async fn send_blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        mut session: Url,
        body: Body,
    ) -> Result<(), Failure> {
        let host = self.host(repository);
        let access = Access::push(repository);
        session.query_pairs_mut().append_pair("digest", &descriptor.digest.to_string());
        let request = Request::new(Method::PUT, session)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
            .body(body);
        let response = host.send(&access, request).await?;
        if response.status().is_success() && response.status() != StatusCode::ACCEPTED {
            return check_digest(&response, descriptor.digest);
        }
        let lost = response.status() == StatusCode::NOT_FOUND;
        let failure = host.refusal(&access, response).await;
        // The session is gone; a new one may do.
        Err(if lost { Failure { cause: failure.cause, ..Failure::passing(failure.error) } } else { failure })
    }
}

/// A plain no, which another way around may avoid.
fn is_refusal(cause: Cause) -> bool {
    matches!(cause, Cause::Status(status) if status.is_client_error()
        && !matches!(status.as_u16(), 408 | 425 | 429))
}
