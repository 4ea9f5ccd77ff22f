//! One HTTP client for everything: TLS, proxies, time limits, retries, redirects, and
//! credentials that cannot be printed.
//!
//! A [`Request`] is a plain value that can be sent again, its body included, so redirects and
//! retries need no help from the caller. [`Client::send`] makes one try of it and gives any
//! answer back, whatever its status; [`Client::retry`] repeats work that failed in a way that
//! another try may cure. Both speak of failures as [`Failure`], which knows whether that is so.
//!
//! Redirects are followed here and not by the transport, because the `Authorization` of a
//! request must not travel to another scheme, host or port.

mod certs;
mod client;
mod failure;
mod origin;
mod proxy;
mod redirect;
mod request;
mod retry;
mod stall;
mod waiting;

use std::path::PathBuf;
use std::time::Duration;

pub use crate::redact::Secret;
pub(crate) use certs::advised_file;
pub use certs::{named_roots, usual_cert_dirs};
pub use client::{Client, Response};
pub use failure::{Again, Cause, Failure};
pub use origin::{is_loopback, same_origin, shown};
pub use proxy::Proxies;
pub use request::{Body, BodyStream, Request};
pub use reqwest::header::{self, HeaderMap, HeaderValue};
pub use reqwest::{Method, StatusCode};
pub use retry::Spent;
pub use url::Url;
pub use waiting::Waiting;

use crate::event::Events;

/// How the client behaves; total, made once.
#[derive(Debug, Clone)]
pub struct Options {
    /// How often a failed attempt is repeated.
    pub retries: u32,
    /// The wait before the first repetition; it doubles each time, with a random part on top.
    pub first_delay: Duration,
    /// How long a connection may take to come about, and how long one may stand still.
    pub timeout: Duration,
    /// Hosts (`HOST` or `HOST:PORT`) that may be spoken to without TLS.
    pub insecure: Vec<String>,
    /// Whether nothing may be fetched that the cache lacks.
    pub offline: bool,
    /// Certificates to trust beside the system's and Mozilla's, each a PEM bundle.
    pub extra_roots: Vec<Vec<u8>>,
    /// Folders with certificates for single hosts, one folder `HOST:PORT` for each; the first that
    /// has the host counts.
    pub cert_dirs: Vec<PathBuf>,
    /// The proxies that the environment names.
    pub proxies: Proxies,
    /// Who hears that something is waited for.
    pub events: Events,
    /// When that was said.
    pub waiting: Waiting,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retries: 4,
            first_delay: Duration::from_millis(500),
            timeout: Duration::from_secs(30),
            insecure: Vec::new(),
            offline: false,
            extra_roots: Vec::new(),
            cert_dirs: Vec::new(),
            proxies: Proxies::default(),
            events: Events::silent(),
            waiting: Waiting::default(),
        }
    }
}

impl Options {
    /// Whether the user named this URL's host as one that may be spoken to without TLS. An
    /// entry without a port stands for every port.
    pub fn is_insecure(&self, url: &Url) -> bool {
        self.insecure.iter().any(|entry| origin::names(entry, url))
    }
}
