//! The client: one try of one request, and its answer.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Method, StatusCode};
use url::Url;

use super::certs::{self, HostCerts};
use super::stall::Pulse;
use super::{Body, Failure, Options, Request, Secret, Spent, is_loopback, redirect, retry, shown};
use crate::error::{Error, Result};
use crate::interrupt;
use crate::redact;

/// How many redirects are followed one after the other.
const MAX_REDIRECTS: usize = 10;

/// A document that is read whole has this many time limits to come.
const WHOLE: u32 = 10;

/// The HTTP client. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    options: Options,
    roots: Vec<Certificate>,
    // Made when first needed: loading the certificates takes a few milliseconds.
    proxied: OnceLock<reqwest::Client>,
    direct: OnceLock<reqwest::Client>,
    // Of hosts with certificates of their own, by host and port; `None` for those without.
    own: Mutex<HashMap<String, Option<reqwest::Client>>>,
}

fn require_sane_clock(now: SystemTime) -> Result<()> {
    match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(_) => Ok(()),
        Err(_) => {
            Err(Error::build("this machine's clock is set before 1970, so certificates cannot be checked")
                .hint("set the clock; `date` shows it"))
        }
    }
}

impl Client {
    /// A client that behaves as `options` say. Proxies come from the usual variables of the
    /// environment, and are not used for this machine itself.
    ///
    /// # Errors
    /// When one of the extra root certificates is no PEM certificate, or the clock of this machine is before
    /// 1970: no certificate can be judged then, and the TLS library panics.
    pub fn new(options: Options) -> Result<Self> {
        require_sane_clock(SystemTime::now())?;
        let mut roots = Vec::new();
        for pem in &options.extra_roots {
            let found = Certificate::from_pem_bundle(pem).ok().filter(|found| !found.is_empty());
            roots.extend(found.ok_or_else(|| {
                Error::usage("an extra root certificate is not in PEM format")
                    .hint("such a file starts with -----BEGIN CERTIFICATE-----")
            })?);
        }
        let (proxied, direct, own) = (OnceLock::new(), OnceLock::new(), Mutex::default());
        Ok(Self(Arc::new(Inner { options, roots, proxied, direct, own })))
    }

    /// How this client behaves.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Sends the request and gives the answer back, whatever its status. Redirects are
    /// followed; the `Authorization` does not leave its origin.
    ///
    /// # Errors
    /// When there is no answer: no connection, no trust, nothing moving.
    pub async fn send(&self, mut request: Request) -> Result<Response, Failure> {
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send_once(&request).await?;
            let location = response.header("location");
            match redirect::next(&request, response.status(), location, &self.0.options)? {
                Some(next) => request = next,
                None => return Ok(response),
            }
        }
        Err(Error::network(format!("{} redirects too many times", shown(&request.url))).into())
    }

    /// Runs `attempt` until it succeeds, fails for good, or was repeated as often as the
    /// options allow. It is told how many attempts came before.
    ///
    /// # Errors
    /// The last failure.
    pub async fn retry<T, F, W>(&self, attempt: F) -> Result<T, Spent>
    where
        F: FnMut(u32) -> W,
        W: Future<Output = Result<T, Failure>>,
    {
        retry::run(&self.0.options, attempt).await
    }

    async fn send_once(&self, request: &Request) -> Result<Response, Failure> {
        interrupt::check()?;
        let limit = self.0.options.timeout;
        let pulse = Pulse::default();
        let answer = self.transport(&request.url)?.execute(prepare(request, &pulse)?);
        let watched = pulse.watch(limit, answer);
        let answer = match request.body {
            // It moves as long as it is sent, and bars show it.
            Body::Stream { .. } => watched.await,
            _ => {
                let what = || format!("for {} to answer", shown(&request.url));
                let Options { events, waiting, .. } = &self.0.options;
                waiting.during(events, what, watched).await
            }
        };
        let answer = answer.map_err(|_| Failure::stalled(&request.url, limit))?;
        let proxy = || self.0.options.proxies.between(&request.url).filter(|_| !is_loopback(&request.url));
        let inner = answer.map_err(|error| {
            let connecting = error.is_connect();
            let failed = Failure::transport(&request.url, error);
            if connecting { failed.by_way_of(proxy()) } else { failed }
        })?;
        tracing::debug!(?request, status = inner.status().as_u16(), "answered");
        let (method, url, secrets) = (request.method.clone(), request.url.clone(), request.secrets());
        Ok(Response { method, url, secrets, inner, limit })
    }

    /// Does what a request needs before, and says what is waited for when it takes long.
    pub(crate) async fn waiting<T>(&self, what: impl FnOnce() -> String, work: impl Future<Output = T>) -> T {
        let Options { events, waiting, .. } = &self.0.options;
        waiting.during(events, what, work).await
    }

    fn transport(&self, url: &Url) -> Result<reqwest::Client, Failure> {
        if let Some(client) = self.own_transport(url)? {
            return Ok(client);
        }
        let local = is_loopback(url);
        let slot = if local { &self.0.direct } else { &self.0.proxied };
        if let Some(client) = slot.get() {
            return Ok(client.clone());
        }
        let client = self.build(local, HostCerts::default())?;
        Ok(slot.get_or_init(|| client).clone())
    }

    /// The transport of a host that has certificates of its own.
    fn own_transport(&self, url: &Url) -> Result<Option<reqwest::Client>, Failure> {
        if self.0.options.cert_dirs.is_empty() || url.scheme() != "https" {
            return Ok(None);
        }
        let mut own = self.0.own.lock().unwrap_or_else(PoisonError::into_inner);
        let key = url.origin().ascii_serialization();
        if let Some(known) = own.get(&key) {
            return Ok(known.clone());
        }
        let found = certs::find(&self.0.options.cert_dirs, url)?;
        let client = found.map(|certs| self.build(is_loopback(url), certs)).transpose()?;
        own.insert(key, client.clone());
        Ok(client)
    }

    fn build(&self, local: bool, certs: HostCerts) -> Result<reqwest::Client> {
        // It fails only when there is a provider already, which is as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mozilla = webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .filter_map(|der| Certificate::from_der(der.as_ref()).ok());
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("containerize/", env!("CARGO_PKG_VERSION")))
            // One connection for each transfer: several in one would share its window.
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(self.0.options.timeout)
            .tls_certs_merge(mozilla.chain(self.0.roots.iter().cloned()).chain(certs.roots));
        if let Some(identity) = certs.identity {
            builder = builder.identity(identity);
        }
        builder = match local {
            true => builder.no_proxy(),
            false => self.0.options.proxies.install(builder)?,
        };
        builder.build().map_err(|error| Error::network("cannot set up the HTTP client").because(error))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

fn prepare(request: &Request, pulse: &Pulse) -> Result<reqwest::Request, Failure> {
    let mut prepared = reqwest::Request::new(request.method.clone(), request.url.clone());
    *prepared.headers_mut() = request.headers.clone();
    if let Some(secret) = &request.authorization {
        let mut value = HeaderValue::from_str(secret.expose())
            .map_err(|_| Error::usage("a credential contains characters that cannot be sent"))?;
        value.set_sensitive(true);
        prepared.headers_mut().insert(AUTHORIZATION, value);
    }
    match &request.body {
        Body::Empty if matches!(request.method, Method::GET | Method::HEAD) => {}
        Body::Empty => {
            prepared.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(0));
        }
        Body::Bytes(bytes) => *prepared.body_mut() = Some(bytes.clone().into()),
        Body::Stream { length, open } => {
            prepared.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(*length));
            *prepared.body_mut() = Some(reqwest::Body::wrap_stream(pulse.of(open())));
        }
    }
    Ok(prepared)
}

/// An answer: its head is here, its body may still be on the way.
pub struct Response {
    method: Method,
    url: Url,
    /// What the server was given and must not repeat to anybody.
    secrets: Vec<Secret>,
    inner: reqwest::Response,
    limit: Duration,
}

impl Response {
    /// The status of the last answer, redirects followed.
    pub fn status(&self) -> StatusCode {
        self.inner.status()
    }

    /// The URL that answered, after redirects.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// All headers of that answer.
    pub fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// A header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let name = HeaderName::try_from(name).ok()?;
        self.inner.headers().get(name)?.to_str().ok()
    }

    /// The Content-Length as the header says it, also in the answer to a HEAD request.
    pub fn length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// When the connection breaks before the end, or nothing comes for the time limit.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        match tokio::time::timeout(self.limit, self.inner.chunk()).await {
            Ok(chunk) => chunk.map_err(|error| Failure::transport(&self.url, error)),
            Err(_) => Err(Failure::stalled(&self.url, self.limit)),
        }
    }

    /// The whole body, if it has no more than `most` bytes.
    ///
    /// # Errors
    /// As [`Response::chunk`]; and when the body is larger.
    pub async fn bytes(&mut self, most: usize) -> Result<Bytes, Failure> {
        let mut body = BytesMut::new();
        // What is small is here soon: a byte now and then is no progress.
        let end = tokio::time::Instant::now() + self.limit * WHOLE;
        while let Some(chunk) = self.chunk().await? {
            if tokio::time::Instant::now() > end {
                return Err(Failure::stalled(&self.url, self.limit * WHOLE));
            }
            if body.len() + chunk.len() > most {
                return Err(Error::network(format!(
                    "{} answered with more than {most} bytes",
                    shown(&self.url)
                ))
                .into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// What the server said, without what it was given.
    pub fn without_secrets(&self, said: &str) -> String {
        redact::without(said, self.secrets.iter().map(Secret::expose))
    }

    /// This answer as a failure; `said` is what the server said about it, in which it may have
    /// repeated what it was given.
    pub fn failure(&self, said: Option<&str>) -> Failure {
        let said = said.map(|said| self.without_secrets(said));
        let said = said.as_deref();
        let retry_after = self.header(RETRY_AFTER.as_str());
        Failure::answer(&self.method, &self.url, self.status(), retry_after, said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use crate::http::{Again, Cause, Secret};

    /// Answers one connection for each text; gives back what was asked.
    fn server(answers: &[&str]) -> (Url, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        let url = format!("http://{}/", listener.local_addr().expect("address")).parse().expect("url");
        let answers: Vec<String> = answers.iter().map(|&text| text.to_owned()).collect();
        let thread = std::thread::spawn(move || {
            let asked = answers.iter().map(|answer| {
                let (mut stream, _) = listener.accept().expect("connection");
                let mut request = Vec::new();
                while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).expect("request");
                    request.push(byte[0]);
                }
                stream.write_all(answer.as_bytes()).expect("answer");
                String::from_utf8(request).expect("text")
            });
            asked.collect()
        });
        (url, thread)
    }

    #[test]
    fn a_clock_before_1970_is_said_to_be_wrong() {
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        let error = require_sane_clock(before).expect_err("refused");
        assert_eq!(error.kind(), crate::Kind::Build);
        assert!(error.hint_text().is_some());
        require_sane_clock(SystemTime::UNIX_EPOCH).expect("no more than wrong certificates");
    }

    fn client() -> Client {
        Client::new(Options { timeout: Duration::from_secs(5), ..Options::default() }).expect("client")
    }

    #[tokio::test]
    async fn a_redirect_to_another_port_goes_there_without_the_credential() {
        let (storage, second) = server(&["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"]);
        let moved = format!("HTTP/1.1 307 T\r\nLocation: {storage}blob?sig=1\r\nContent-Length: 0\r\n\r\n");
        let (registry, first) = server(&[&moved]);
        let request = Request::get(registry).authorization(Some(Secret::new("Bearer abc")));
        let mut response = client().send(request).await.expect("answer");
        assert_eq!(response.bytes(10).await.expect("body"), "hi");
        let asked = first.join().expect("first").join("");
        assert!(asked.contains("authorization: Bearer abc"), "{asked}");
        assert!(asked.contains(concat!("user-agent: containerize/", env!("CARGO_PKG_VERSION"))), "{asked}");
        let asked = second.join().expect("second").join("");
        assert!(asked.starts_with("GET /blob?sig=1 "), "{asked}");
        assert!(!asked.contains("authorization"), "{asked}");
    }

    #[tokio::test]
    async fn a_body_that_ends_early_may_be_asked_for_again() {
        let (url, _) = server(&["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]);
        let mut response = client().send(Request::get(url)).await.expect("head");
        let failure = response.bytes(100).await.expect_err("truncated");
        assert_eq!(failure.again, Again::Soon);
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_refused() {
        let (url, _) = server(&["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfar too l"]);
        let mut response = client().send(Request::get(url)).await.expect("head");
        assert_eq!(response.bytes(8).await.expect_err("too large").again, Again::Never);
    }

    #[tokio::test]
    async fn nobody_and_no_tls_are_told_apart() {
        let free = TcpListener::bind("127.0.0.1:0").expect("port").local_addr().expect("address");
        let nobody = format!("https://{free}/").parse().expect("url");
        let failure = client().send(Request::get(nobody)).await.map(|_| ()).expect_err("nobody");
        assert_eq!((failure.cause, failure.again), (Cause::Refused, Again::Soon));
        assert!(failure.error.to_string().contains(&free.to_string()));

        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        let plain = format!("https://{}/", listener.local_addr().expect("address")).parse().expect("url");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("connection");
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("answer");
            let _ = stream.read(&mut [0; 4096]);
        });
        let failure = client().send(Request::get(plain)).await.map(|_| ()).expect_err("no TLS");
        assert_eq!((failure.cause, failure.again), (Cause::NotTls, Again::Never));
    }

    #[test]
    fn a_root_certificate_that_is_none_is_an_error() {
        let options = Options { extra_roots: vec![b"hello".to_vec()], ..Options::default() };
        assert_eq!(Client::new(options).expect_err("refused").kind(), crate::Kind::Usage);
    }
}
