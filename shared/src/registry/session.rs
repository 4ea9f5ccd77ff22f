//! Uploads that a registry has opened.

use std::sync::Arc;

use super::Client;
use super::access::Access;
use super::host::Host;
use crate::error::Error;
use crate::http::header::LOCATION;
use crate::http::{Failure, Method, Request, Response, StatusCode, Url, is_loopback, shown};
use crate::oci::Repository;

/// An upload that the registry has opened.
pub(super) struct Session {
    /// Where it goes on.
    pub(super) url: Url,
    /// `OCI-Chunk-Min-Length`: the registry asks for chunks, of so many bytes at least.
    pub(super) least: Option<u64>,
}

impl Client {
    /// Opens one for a blob of `repository`.
    pub(super) async fn open_session(&self, repository: &Repository) -> Result<Session, Failure> {
        let host = self.host(repository);
        let access = Access::push(repository);
        let url = host.endpoint(repository, "blobs/uploads/").await?;
        let response = host.send(&access, Request::new(Method::POST, url)).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(host.refusal(&access, response).await);
        }
        self.session(&host, &response)
    }

    /// The one that an answer has opened.
    pub(super) fn session(&self, host: &Arc<Host>, response: &Response) -> Result<Session, Failure> {
        let least = response.header("oci-chunk-min-length").and_then(|text| text.trim().parse().ok());
        Ok(Session { url: self.location(host, response)?, least })
    }

    /// Where an upload goes on: `Location`, which may be relative, or on another host.
    pub(super) fn location(&self, host: &Arc<Host>, response: &Response) -> Result<Url, Failure> {
        let base = response.url();
        let missing =
            || Failure::passing(Error::network("the registry opened an upload, but did not say where"));
        let location = response.header(LOCATION.as_str()).ok_or_else(missing)?;
        let mut url = base.join(location).map_err(|error| {
            Error::network(format!("the registry wants the upload at {location:?}, which is not a valid URL"))
                .because(error)
        })?;
        // Behind a proxy that ends TLS, some registries believe that they speak plain HTTP.
        if base.scheme() == "https"
            && url.scheme() == "http"
            && url.host() == base.host()
            && url.port().is_none_or(|port| Some(port) == base.port())
        {
            let _ = url.set_scheme("https");
            let _ = url.set_port(base.port());
        }
        let here = is_loopback(base) && is_loopback(&url);
        let allowed = here || self.0.http.options().is_insecure(base);
        if url.scheme() == "https" || (url.scheme() == "http" && allowed) {
            return Ok(url);
        }
        Err(Error::network(format!(
            "{} wants the upload at {}, which is not encrypted",
            host.registry,
            shown(&url)
        ))
        .into())
    }
}
