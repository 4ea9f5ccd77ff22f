//! Requests as values that can be sent more than once.

use std::fmt;
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::Secret;

/// The bytes of a body, in pieces.
pub type BodyStream = BoxStream<'static, io::Result<Bytes>>;

/// What a request carries.
#[derive(Clone, Default)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes from elsewhere, sent with their length and never held as a whole.
    Stream {
        /// How many there are.
        length: u64,
        /// Begins again from the first byte; called for each time the request is sent.
        open: Arc<dyn Fn() -> BodyStream + Send + Sync>,
    },
}

/// A request that can be sent again.
#[derive(Clone)]
pub struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) authorization: Option<Secret>,
    /// What of the body is secret.
    pub(super) in_body: Option<Secret>,
    pub(super) body: Body,
    pub(super) follow: bool,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, url: Url) -> Self {
        let (headers, body) = (HeaderMap::new(), Body::Empty);
        Self { method, url, headers, authorization: None, in_body: None, body, follow: true }
    }

    /// A GET request.
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// A HEAD request.
    pub fn head(url: Url) -> Self {
        Self::new(Method::HEAD, url)
    }

    /// Where it goes.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// With a header; several of one name may be given.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// With this `Authorization`, which goes to the URL's own origin and nowhere else.
    #[must_use]
    pub fn authorization(mut self, value: Option<Secret>) -> Self {
        self.authorization = value;
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// With a body that holds this secret. A redirect is given back as the answer, so that it goes
    /// nowhere else.
    #[must_use]
    pub fn secret_body(mut self, body: Body, secret: Secret) -> Self {
        self.in_body = Some(secret);
        self.follow = false;
        self.body(body)
    }

    /// What the other side learns and must not repeat: the `Authorization`, what is in it, and the
    /// body's secret.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let mut secrets: Vec<Secret> = self.in_body.iter().cloned().collect();
        let Some(header) = self.authorization.as_ref().map(Secret::expose) else { return secrets };
        let value = header.split_once(' ').map_or(header, |(_, value)| value).trim();
        secrets.push(Secret::new(value.trim_end_matches('=')));
        let pair = STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some((_, password)) = pair.as_deref().and_then(|pair| pair.split_once(':')) {
            secrets.push(Secret::new(password));
        }
        secrets
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, super::shown(&self.url))
    }
}
