//! One registry: how it is spoken to, what it wants as proof, and the tokens it gave.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::access::Access;
use super::challenge::Challenge;
use super::credentials::{Credentials, Found, variable_name};
use super::flight::Flights;
use super::message;
use super::token::Token;
use crate::error::{Error, Result};
use crate::http::{self, Cause, Failure, Request, Response, StatusCode, Url};
use crate::http::{is_loopback, same_origin};
use crate::oci::Repository;
use crate::words;
use crate::words::flag;

/// The size of chunks in bytes where only the registry asks for them. Some take no larger ones.
pub(super) const USUAL_CHUNK: u64 = 4 * 1024 * 1024;

/// No limit of a proxy is smaller, in bytes.
const SMALLEST: u64 = 16 * 1024;

/// A registry.
pub(super) struct Host {
    /// Its name in references.
    pub(super) registry: String,
    /// The host and port of its API.
    api: String,
    pub(super) http: http::Client,
    pub(super) credentials: Arc<Credentials>,
    base: Flights<Url>,
    challenge: Mutex<Option<Challenge>>,
    pub(super) found: Flights<Option<Arc<Found>>>,
    pub(super) tokens: Flights<Arc<Token>>,
    /// As large as a request may be, in bytes, as far as refusals have shown; 0 where none has.
    most: AtomicU64,
}

impl Host {
    /// The registry of `repository`, not spoken to yet.
    pub(super) fn new(repository: &Repository, http: http::Client, credentials: Arc<Credentials>) -> Self {
        Self {
            registry: repository.registry.clone(),
            api: repository.api_host().to_owned(),
            http,
            credentials,
            base: Flights::default(),
            challenge: Mutex::default(),
            found: Flights::default(),
            tokens: Flights::default(),
            most: AtomicU64::new(0),
        }
    }

    /// As large as a request may be, in bytes, as far as is known.
    pub(super) fn most(&self) -> Option<u64> {
        Some(self.most.load(Ordering::Relaxed)).filter(|most| *most > 0)
    }

    /// It refused a request of `size` bytes as too large. Whether a smaller one is worth trying.
    pub(super) fn refused_size(&self, size: u64) -> bool {
        let smaller = match self.most() {
            Some(most) if size > most => return true,
            Some(_) => size / 2,
            None => (size / 2).min(USUAL_CHUNK),
        };
        self.most.store(smaller.max(1), Ordering::Relaxed);
        smaller >= SMALLEST
    }

    /// The root of its API in one scheme.
    pub(super) fn url(&self, scheme: &str) -> Result<Url> {
        Url::parse(&format!("{scheme}://{}/", self.api))
            .map_err(|error| Error::usage(format!("{} is not a valid host", self.api)).because(error))
    }

    /// A URL of the API: `/v2/<name>/<rest>`.
    pub(super) async fn endpoint(
        self: &Arc<Self>,
        repository: &Repository,
        rest: &str,
    ) -> Result<Url, Failure> {
        let base = self.base().await?;
        base.join(&format!("/v2/{}/{rest}", repository.name)).map_err(|error| {
            Error::usage(format!("{repository} does not make a valid URL")).because(error).into()
        })
    }

    /// The root of its API in the scheme that it speaks; found out once.
    pub(super) async fn base(self: &Arc<Self>) -> Result<Url, Failure> {
        let host = self.clone();
        self.base.get("", |_| true, || async move { host.ping().await }).await
    }

    /// A refusal as a failure: what the registry said, and what can be done about it.
    pub(super) async fn refusal(&self, access: &Access, mut response: Response) -> Failure {
        let said = message::of(&mut response).await;
        let failure = response.failure(said.as_deref());
        match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let found = self.credential(&access.repository).await.ok().flatten();
                let hint = self.login_hint(found.as_deref());
                failure.map(|error| error.hint(hint))
            }
            StatusCode::PAYLOAD_TOO_LARGE => failure.map(|error| {
                error.hint(
                    words!("a proxy in front of the registry limits the size of requests: raise its limit (client_max_body_size in nginx), or try a smaller {chunk_size}", chunk_size = flag("chunk-size")),
                )
            }),
            StatusCode::NOT_FOUND if said.is_some_and(|said| said.starts_with("NAME_UNKNOWN")) => {
                let hint = format!("create the repository {} in the registry first", access.repository);
                failure.map(|error| error.hint(hint))
            }
            _ => failure,
        }
    }

    /// What to do when the registry does not let us.
    pub(super) fn login_hint(&self, found: Option<&Found>) -> String {
        let host = &self.registry;
        let variable = variable_name(host);
        match found {
            None => {
                let helper = self.credentials.about_helper(host).map(|about| format!("{about}; "));
                format!(
                    "{}log in with `docker login {host}` or `podman login {host}`, or set {variable}=user:password",
                    helper.unwrap_or_default()
                )
            }
            Some(found) => format!(
                "the credential from {} is wrong or lacks permission; replace it with `docker login {host}`, `podman login {host}` or {variable}=user:password",
                found.source
            ),
        }
    }

    /// The credential for a repository, looked up once.
    pub(super) async fn credential(&self, repository: &Repository) -> Result<Option<Arc<Found>>, Failure> {
        let (credentials, repository) = (self.credentials.clone(), repository.clone());
        let (http, name) = (self.http.clone(), repository.name.clone());
        let find = || async move {
            let (sources, registry) = (credentials.clone(), repository.registry.clone());
            let found = tokio::task::spawn_blocking(move || credentials.find(&repository));
            let found = http.waiting(|| sources.asked(&registry), found).await;
            let found = found.map_err(|error| Error::bug("looking for credentials failed").because(error));
            Ok(found??.map(Arc::new))
        };
        self.found.get(&name, |_| true, find).await
    }

    pub(super) fn challenge(&self) -> Option<Challenge> {
        self.challenge.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_challenge(&self, challenge: Challenge) {
        *self.challenge.lock().unwrap_or_else(PoisonError::into_inner) = Some(challenge);
    }

    /// Finds the scheme, and what the registry wants as proof, without showing any.
    async fn ping(&self) -> Result<Url, Failure> {
        let secure = self.url("https")?;
        let failure = match self.ask(&secure).await {
            Ok(()) => return Ok(secure),
            Err(failure) => failure,
        };
        let may_be_plain = is_loopback(&secure) || self.http.options().is_insecure(&secure);
        if may_be_plain && speaks_no_tls(failure.cause, &secure) {
            let plain = self.url("http")?;
            return match self.ask(&plain).await {
                Ok(()) => Ok(plain),
                Err(failure) => Err(self.advise(failure)),
            };
        }
        Err(self.advise(failure))
    }

    async fn ask(&self, base: &Url) -> Result<(), Failure> {
        let url = base.join("v2/").map_err(|error| Error::bug("no URL").because(error))?;
        let mut response = self.http.send(Request::get(url)).await?;
        let status = response.status();
        // A TLS server that is spoken to in the clear says 400; a registry has no reason to.
        if status.is_server_error() || matches!(status.as_u16(), 400 | 408 | 425 | 429) {
            let said = message::of(&mut response).await;
            return Err(response.failure(said.as_deref()));
        }
        if status == StatusCode::UNAUTHORIZED
            && same_origin(base, response.url())
            && let Some(challenge) = Challenge::of(response.headers(), base)
        {
            self.set_challenge(challenge);
        }
        Ok(())
    }

    fn advise(&self, failure: Failure) -> Failure {
        let hint = match failure.cause {
            Cause::Refused => words!("check that the registry {} is running, and on that port", self.api),
            Cause::NotTls => words!(
                "use {} to allow plain HTTP; certificates are always checked",
                flag("insecure").of(&self.registry)
            ),
            Cause::Certificate => {
                words!(
                    "trust the authority that signed it: add it to the system's certificates, set SSL_CERT_FILE to its file, or put it into {}",
                    http::advised_file(&self.api, "ca.crt")
                )
            }
            Cause::OurCertificate => words!(
                "put {} and client.key beside it, or both below {} into the folder of {cert_dir}",
                http::advised_file(&self.api, "client.cert"),
                self.api,
                cert_dir = flag("cert-dir")
            ),
            _ => return failure,
        };
        failure.map(|error| error.hint(hint))
    }
}

/// Whether the failure of an HTTPS request shows that there is no HTTPS. Where the port is
/// not given, the two schemes have two ports.
fn speaks_no_tls(cause: Cause, url: &Url) -> bool {
    match cause {
        Cause::NotTls | Cause::HungUp => true,
        Cause::Refused => url.port().is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_certificate_is_no_reason_to_give_up_encryption() {
        let url = Url::parse("https://localhost:5000/").expect("url");
        for cause in [Cause::Certificate, Cause::Stalled, Cause::Other, Cause::Refused] {
            assert!(!speaks_no_tls(cause, &url), "{cause:?}");
        }
        for cause in [Cause::NotTls, Cause::HungUp] {
            assert!(speaks_no_tls(cause, &url), "{cause:?}");
        }
        assert!(speaks_no_tls(Cause::Refused, &Url::parse("https://localhost/").expect("url")));
    }

    #[test]
    fn the_hint_names_the_variable_or_the_source() {
        let http = http::Client::new(http::Options::default()).expect("client");
        let host =
            Host::new(&"r.example:5000/x".parse().expect("repository"), http, Credentials::none().into());
        let nobody = host.login_hint(None);
        assert!(nobody.contains("docker login r.example:5000"), "{nobody}");
        assert!(nobody.contains("CONTAINERIZE_AUTH_R_EXAMPLE_5000=user:password"), "{nobody}");
    }
}
