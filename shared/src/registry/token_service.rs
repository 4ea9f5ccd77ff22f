//! Tokens, asked for at the service that the registry names.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::Deserialize;
use serde_json::Value;

use super::credentials::{Credential, Found};
use super::host::Host;
use super::message;
use super::token::Token;
use crate::error::{Error, Result};
use crate::http::header::{CONTENT_TYPE, DATE};
use crate::http::{Body, Cause, Failure, HeaderValue, Method, Request, Response, Secret, Url};
use crate::http::{is_loopback, shown};
use crate::words;
use crate::words::flag;

/// How long a token is good that does not say so (distribution's "Requesting a Token").
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// The largest answer with a token that is read, in bytes.
const MOST: usize = 1024 * 1024;

/// The answer of a token service. OAuth2 calls the token `access_token`; some send both.
#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    /// A number, as the specification has it, or a text: some write it so.
    expires_in: Option<Value>,
    issued_at: Option<Value>,
}

/// Asks for a token for `scopes`: with a password by GET, with an identity token by OAuth2's
/// POST, else anonymously.
pub(super) async fn fetch(
    host: &Host,
    realm: &Url,
    service: Option<String>,
    scopes: &[String],
    found: Option<Arc<Found>>,
) -> Result<Arc<Token>, Failure> {
    host.check_realm(realm)?;
    let request = match found.as_deref() {
        Some(Found { credential: Credential::IdentityToken(token), .. }) => {
            by_identity(realm, service, scopes, token)
        }
        other => by_password(realm, service, scopes, other),
    };
    // The clock starts before the question: a token is never used for longer than its service meant.
    let asked = Instant::now();
    let about = |error: Error| {
        Error::new(error.kind(), format!("no token for {} from {}", host.registry, shown(realm)))
            .because(error)
    };
    let mut response = host.http.send(request).await.map_err(|failure| failure.map(about))?;
    if !response.status().is_success() {
        return Err(refused(host, &mut response, found.as_deref()).await.map(about));
    }
    let body = response.bytes(MOST).await.map_err(|failure| failure.map(about))?;
    // The parser's words may quote the token, so they are left out.
    let Ok(answer) = serde_json::from_slice::<Answer>(&body) else {
        return Err(Failure::passing(about(Error::network("its answer cannot be understood"))));
    };
    let tokens = [&answer.token, &answer.access_token];
    let Some(value) = tokens.into_iter().flatten().find(|token| !token.is_empty()).cloned() else {
        return Err(about(Error::network("its answer holds no token")).into());
    };
    let now = response.header(DATE.as_str()).and_then(|date| httpdate::parse_http_date(date).ok());
    let issued_at = answer.issued_at.as_ref().and_then(Value::as_str);
    let expires_in = answer.expires_in.as_ref().and_then(seconds);
    let life = life(expires_in, issued_at, now.unwrap_or_else(SystemTime::now));
    Ok(Arc::new(Token::new(value.into(), asked + life)))
}

/// Seconds in any form that services write: `300`, `60.5`, `"300"`.
fn seconds(value: &Value) -> Option<u64> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.trim().split('.').next()?.parse().ok()
}

fn by_password(realm: &Url, service: Option<String>, scopes: &[String], found: Option<&Found>) -> Request {
    let mut url = realm.clone();
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(service.iter().map(|service| ("service", service)));
        query.extend_pairs(scopes.iter().map(|scope| ("scope", scope)));
    }
    Request::get(url).authorization(found.and_then(Found::basic))
}

/// The body is the secret here, so it is sent to the realm and nowhere else.
fn by_identity(realm: &Url, service: Option<String>, scopes: &[String], token: &Secret) -> Request {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token")
        .append_pair("client_id", "containerize")
        .append_pair("scope", &scopes.join(" "))
        .append_pair("refresh_token", token.expose());
    if let Some(service) = service {
        form.append_pair("service", &service);
    }
    Request::new(Method::POST, realm.clone())
        .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
        .secret_body(Body::Bytes(form.finish().into()), token.clone())
}

async fn refused(host: &Host, response: &mut Response, found: Option<&Found>) -> Failure {
    let said = message::of(response).await;
    let failure = response.failure(said.as_deref());
    match failure.cause {
        Cause::Status(status) if status.is_client_error() && status.as_u16() != 429 => {
            let hint = host.login_hint(found);
            failure.map(|error| error.hint(hint))
        }
        _ => failure,
    }
}

/// How long a token may be used from the moment it was asked for: its life, less the age it
/// had by the service's own clock, less a margin for the request that carries it.
fn life(expires_in: Option<u64>, issued_at: Option<&str>, now: SystemTime) -> Duration {
    let whole = expires_in.map_or(DEFAULT_LIFE, Duration::from_secs);
    let issued = issued_at.and_then(|text| text.parse::<jiff::Timestamp>().ok()).map(SystemTime::from);
    let age = issued.and_then(|issued| now.duration_since(issued).ok()).unwrap_or_default();
    let left = whole.saturating_sub(age);
    left - (left / 5).min(Duration::from_secs(5))
}

impl Host {
    /// Whether a token may be asked for at `realm`. Refused is whatever would carry secrets in
    /// the clear to where the user does not expect it.
    fn check_realm(&self, realm: &Url) -> Result<()> {
        let home = self.url("https");
        let plain_is_meant = home.as_ref().is_ok_and(|home| {
            self.http.options().is_insecure(home) || (is_loopback(home) && is_loopback(realm))
        });
        if realm.scheme() == "https" || (realm.scheme() == "http" && plain_is_meant) {
            return Ok(());
        }
        Err(Error::network(format!(
            "{} wants tokens from {}, which is not encrypted",
            self.registry,
            shown(realm)
        ))
        .hint(words!(
            "use {} to allow it, if you trust the network in between",
            flag("insecure").of(&self.registry)
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;
    use crate::registry::Credentials;

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn life_at(expires_in: Option<u64>, issued_at: Option<&str>) -> u64 {
        let now = NOW.parse::<jiff::Timestamp>().expect("time").into();
        life(expires_in, issued_at, now).as_secs()
    }

    #[test]
    fn a_token_is_never_used_for_longer_than_told() {
        assert_eq!(life_at(None, None), 55, "60 s is the default");
        assert_eq!(life_at(Some(300), None), 295);
        assert_eq!(life_at(Some(10), None), 8);
        assert_eq!(life_at(Some(0), None), 0);
        assert_eq!(life_at(Some(300), Some("2025-12-31T23:57:00Z")), 115, "it was 180 s old");
        assert_eq!(life_at(Some(300), Some("2025-12-31T23:00:00Z")), 0, "it was over");
        assert_eq!(life_at(Some(300), Some("2026-01-01T01:00:00Z")), 295, "clocks differ");
        assert_eq!(life_at(Some(300), Some("yesterday")), 295);
        assert!(life_at(Some(u64::MAX), None) > 0);
    }

    #[test]
    fn seconds_are_read_in_all_forms_that_occur() {
        let read = |text: &str| seconds(&serde_json::from_str(text).expect(text));
        assert_eq!(
            [read("300"), read("60.5"), read("\"300\""), read("\"60.5\"")],
            [300, 60, 300, 60].map(Some)
        );
        assert_eq!([read("-5"), read("null"), read("\"soon\""), read("{}")], [None; 4]);
    }

    fn check(registry: &str, insecure: &str, realm: &str) -> bool {
        let insecure = if insecure.is_empty() { vec![] } else { vec![insecure.to_owned()] };
        let options = http::Options { insecure, ..http::Options::default() };
        let client = http::Client::new(options).expect("client");
        let repository = format!("{registry}/x").parse().expect("repository");
        let host = Host::new(&repository, client, Credentials::none().into());
        host.check_realm(&realm.parse().expect(realm)).is_ok()
    }

    #[test]
    fn realms_are_encrypted_or_here_or_allowed_by_name() {
        assert!(check("r.example", "", "https://auth.example/token"));
        assert!(check("127.0.0.1:5000", "", "http://127.0.0.1:5001/token"));
        assert!(check("r.example:5000", "r.example", "http://auth.example/token"));
        assert!(!check("r.example", "", "http://auth.example/token"));
        assert!(!check("r.example", "", "http://r.example/token"));
        assert!(!check("r.example", "", "http://127.0.0.1/token"), "not the registry's machine");
        assert!(!check("localhost:5000", "", "http://auth.example/token"));
        assert!(!check("r.example", "other.example", "http://r.example/token"));
        assert!(!check("127.0.0.1:5000", "", "ftp://127.0.0.1/token"));
    }

    #[test]
    fn the_realm_keeps_its_own_query() {
        let realm = "https://a.example/t?account=me".parse().expect("realm");
        let scopes = ["repository:a/b:pull,push".to_owned(), "repository:c:pull".to_owned()];
        let request = by_password(&realm, Some("my registry".into()), &scopes, None);
        assert_eq!(
            request.url().query(),
            Some(
                "account=me&service=my+registry&scope=repository%3Aa%2Fb%3Apull%2Cpush&scope=repository%3Ac%3Apull"
            )
        );
    }
}
