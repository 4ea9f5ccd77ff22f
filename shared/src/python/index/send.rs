//! Requests with the right login, and refusals in words.

use super::Downloader;
use super::login::Login;
use crate::error::{Error, Result};
use crate::http::{Failure, Request, Response, Url, is_loopback, same_origin, shown};

impl Downloader {
    /// Sends a request with the login for its URL. Where that is refused, or there is none, the
    /// keyring is asked once.
    pub(super) async fn send(&self, request: Request) -> Result<Response, Failure> {
        self.send_as(request, None).await
    }

    /// As [`Downloader::send`]; `own` is the login that the URL came with, and counts before all others.
    pub(super) async fn send_as(&self, request: Request, own: Option<&Login>) -> Result<Response, Failure> {
        self.refuse_plain(request.url())?;
        let login = match own.filter(|own| own.password.is_some()) {
            Some(own) => Some(own.clone()),
            None => self.0.options.credentials.named(request.url(), own),
        };
        let authorization =
            login.as_ref().filter(|login| login.password.is_some() || !login.username.is_empty());
        let first = request.clone().authorization(authorization.map(Login::authorization));
        let response = self.0.http.send(first).await?;
        let refused = matches!(response.status().as_u16(), 401 | 403);
        if !refused || !same_origin(response.url(), request.url()) {
            return Ok(response);
        }
        let username = login.map(|login| login.username).unwrap_or_default();
        match self.ask_keyring_once(request.url(), &username).await {
            Some(login) => self.0.http.send(request.authorization(Some(login.authorization()))).await,
            None => Ok(response),
        }
    }

    /// What the keyring says, which is asked once for an origin and a user.
    async fn ask_keyring_once(&self, url: &Url, username: &str) -> Option<Login> {
        self.0.options.credentials.keyring_path.as_ref()?;
        let key = format!("{} {username}", url.origin().ascii_serialization());
        let mut asked = self.0.keyring.lock().await;
        if let Some(known) = asked.get(&key) {
            return known.clone();
        }
        // The index's own URL is what logins are kept under, not that of one of its files.
        let index = self.0.options.indexes.iter().find(|index| same_origin(&index.url, url));
        let service = index.map_or(url, |index| &index.url);
        let found = self.0.options.credentials.ask_keyring(service, username).await;
        asked.insert(key, found.clone());
        found
    }

    fn refuse_plain(&self, url: &Url) -> Result<()> {
        if url.scheme() == "https" || is_loopback(url) || self.0.http.options().is_insecure(url) {
            return Ok(());
        }
        let host = url.host_str().unwrap_or_default();
        Err(Error::usage(format!("{} is not encrypted", shown(url)))
            .hint(format!("use https, or trust the network with PIP_TRUSTED_HOST={host}")))
    }
}

/// The answer as a failure, in words that say what to do.
pub(super) fn refusal(response: &Response, what: &str) -> Failure {
    let url = response.url();
    let host = url.host_str().unwrap_or_default();
    let hint = match response.status().as_u16() {
        401 => format!(
            "set a user name and password for {host} in ~/.netrc, in the URL of the index, or in UV_INDEX_<NAME>_USERNAME and _PASSWORD"
        ),
        403 => format!("the login for {host} may not read this, or {host} does not have it"),
        404 | 410 => {
            "the index may no longer have what the lock pins: lock again, or set the index that has it"
                .to_owned()
        }
        407 => "the proxy requires a login: put it in the URL in HTTPS_PROXY".to_owned(),
        _ => return response.failure(None),
    };
    let words = match response.status().as_u16() {
        401 => format!("{host} requires a login for {what}"),
        403 => format!("{host} denies access to {what}"),
        407 => format!("the proxy blocks {what}"),
        _ => format!("{host} does not have {what}"),
    };
    response.failure(None).map(|error| Error::network(words).because(error).hint(hint))
}
