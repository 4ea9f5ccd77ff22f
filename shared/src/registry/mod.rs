//! The distribution protocol (distribution-spec 1.1): blobs and manifests to and from a
//! registry. It moves bytes and knows nothing of images.
//!
//! Each operation is one sentence for the user if it fails, and is repeated as a whole when a
//! part of it fails in a way that passes. Below them are, from the outside in: a `host::Host`
//! for each registry, which knows whether it speaks TLS, what it wants as proof and which
//! tokens it gave; then the HTTP client.
//!
//! Who sends what to whom: a credential goes to its registry, or to the token service that
//! this registry names, and only encrypted, on this machine, or where the user gave up
//! encryption for this registry by name. A token goes to its registry. An upload or a download
//! that continues on another host goes there without either.
//!
//! The reasons are in `docs/design/registry.md`.

mod access;
mod challenge;
mod chunks;
mod credentials;
mod document;
mod flight;
mod grant;
mod homes;
mod host;
mod manifest;
mod message;
mod mirror;
mod options;
mod page;
mod progress;
mod pull;
mod push;
mod referrers;
mod session;
mod shelf;
mod tagged;
mod tags;
mod token;
mod token_service;
mod upload;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

pub use challenge::Challenge;
pub use credentials::{AuthSources, Credential, Credentials, Explicit, Found, variable_name};
pub use homes::{home, remember_home};
pub use manifest::{FetchedManifest, is_about_missing_blobs};
pub use mirror::Mirror;
pub use options::Options;
pub use pull::{Follow, Passing};
pub use referrers::{Kept, holds_kind};
pub(crate) use shelf::Shelf;

use crate::error::Result;
use crate::event::{Events, Outcome};
use crate::http;
use crate::oci::{Digest, Repository};
use flight::Flights;
use host::Host;

/// A client for all registries. Cheap to clone; clones share connections and tokens.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: http::Client,
    credentials: Arc<Credentials>,
    events: Events,
    mirrors: Vec<Mirror>,
    chunk_size: Option<u64>,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
    /// Blobs that are there or on their way, by repository and digest.
    pushes: Flights<Outcome>,
    /// Blobs that are on their way into the store, by repository and digest.
    pulls: Flights<PathBuf>,
    /// Who changes which tag that stands for a list.
    turns: tagged::Turns,
}

impl Client {
    /// A client that has spoken to nobody yet.
    ///
    /// # Errors
    /// When the options hold a root certificate that is none.
    pub fn new(options: impl Into<Options>, credentials: Credentials, events: Events) -> Result<Self> {
        let Options { http, mirrors, chunk_size } = options.into();
        let http = http::Client::new(http::Options { events: events.clone(), ..http })?;
        let credentials = Arc::new(credentials);
        let (hosts, pushes, pulls) = (Mutex::default(), Flights::default(), Flights::default());
        let turns = tagged::Turns::default();
        let inner = Inner { http, credentials, events, mirrors, chunk_size, hosts, pushes, pulls, turns };
        Ok(Self(Arc::new(inner)))
    }

    /// What it sends with: other services than registries can be asked with the same connections and settings.
    pub(crate) fn http(&self) -> &http::Client {
        &self.0.http
    }

    /// Forgets which blobs are there or on their way: their files have turned out to be damaged, and
    /// a transfer that was given up must not be taken for one of the new file; or the registry has lost them.
    pub fn forget_pushes(&self) {
        self.0.pushes.clear();
    }

    fn host(&self, repository: &Repository) -> Arc<Host> {
        let mut hosts = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(Host::new(repository, self.0.http.clone(), self.0.credentials.clone()));
        hosts.entry(repository.registry.clone()).or_insert_with(make).clone()
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("registry::Client")
    }
}

/// A digest as sentences name it.
fn short(digest: &Digest) -> String {
    format!("sha256:{}", digest.short())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Blob;

    /// Transfers run beside each other as tasks, which must be able to change threads.
    #[tokio::test]
    async fn transfers_can_be_spawned() {
        let options = http::Options { retries: 0, ..http::Options::default() };
        let client = Client::new(options, Credentials::none(), Events::silent()).expect("client");
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("port").local_addr().expect("address");
        let to: Repository = format!("{free}/x").parse().expect("repository");
        let pushed = tokio::spawn(async move {
            let from = to.clone();
            client.push_blob(&to, &Blob::of("", vec![1]), "x", Some(&from)).await
        });
        assert_eq!(pushed.await.expect("no panic").expect_err("nobody").kind(), crate::Kind::Network);
    }
}
