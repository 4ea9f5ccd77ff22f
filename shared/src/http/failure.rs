//! Why an attempt failed, and whether another one may fare better.

use std::error::Error as StdError;
use std::io;
use std::time::{Duration, SystemTime};

use reqwest::{Method, StatusCode};
use url::Url;

use super::shown;
use crate::error::Error;
use crate::words;
use crate::words::flag;

/// Whether another attempt makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It would fail the same way.
    Never,
    /// After the usual pause.
    Soon,
    /// Not before this time is over, says the other side.
    After(Duration),
}

/// What sort of failure it was, for those who act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Nobody listens at the address.
    Refused,
    /// Somebody listens, but does not speak TLS.
    NotTls,
    /// The connection was made and ended before TLS was spoken on it.
    HungUp,
    /// TLS is spoken, but the certificate is not trusted.
    Certificate,
    /// TLS is spoken, but the server wants another certificate of ours, or any at all.
    OurCertificate,
    /// Nothing moved within the time limit.
    Stalled,
    /// The server answered with this status.
    Status(StatusCode),
    /// The name of the host, or of the proxy, does not exist.
    NoHost,
    /// Anything else.
    Other,
}

/// A failed attempt.
#[derive(Debug)]
pub struct Failure {
    /// What happened.
    pub error: Error,
    /// Whether to try again.
    pub again: Again,
    /// What sort of failure it was.
    pub cause: Cause,
}

impl From<Error> for Failure {
    /// A failure that no repetition cures.
    fn from(error: Error) -> Self {
        Self { error, again: Again::Never, cause: Cause::Other }
    }
}

impl Failure {
    /// A failure that another attempt may cure.
    pub fn passing(error: Error) -> Self {
        Self { error, again: Again::Soon, cause: Cause::Other }
    }

    /// The same failure with another error on top of it.
    #[must_use]
    pub fn map(self, error: impl FnOnce(Error) -> Error) -> Self {
        Self { error: error(self.error), ..self }
    }

    /// The same failure once more, for several who wait for one thing.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { error: self.error.copy(), again: self.again, cause: self.cause }
    }

    /// The server's answer `status` is a failure. `said` is what it said about it.
    pub(super) fn answer(
        method: &Method,
        url: &Url,
        status: StatusCode,
        retry_after: Option<&str>,
        said: Option<&str>,
    ) -> Self {
        let said = said.map(|said| format!(": {said}")).unwrap_or_default();
        let again = again_after(status, retry_after, SystemTime::now());
        let error = Error::network(format!("{method} {} answered {status}{said}", shown(url)));
        Self { error, again, cause: Cause::Status(status) }
    }

    /// Nothing moved for `limit`.
    pub(super) fn stalled(url: &Url, limit: Duration) -> Self {
        let error = Error::network(format!("{} did not respond for {} s", shown(url), limit.as_secs_f32()))
            .hint(words!("give it more time with {timeout}", timeout = flag("timeout")));
        Self { error, again: Again::Soon, cause: Cause::Stalled }
    }

    /// The transport failed.
    pub(super) fn transport(url: &Url, error: reqwest::Error) -> Self {
        if let Some(ours) = find_in::<Error>(&error) {
            return Self::from(ours.copy());
        }
        let cause = classify(&error);
        let connecting = error.is_connect();
        // Its words would hold the query, and with it a signature.
        let error = error.without_url();
        let (again, said) = match cause {
            Cause::Refused => (Again::Soon, format!("nothing is listening on {}", place(url))),
            Cause::NotTls => (Again::Never, format!("{} does not speak TLS", place(url))),
            Cause::Certificate => (Again::Never, format!("the certificate of {} is not trusted", place(url))),
            Cause::OurCertificate => {
                (Again::Never, format!("{} requires a client certificate that it trusts", place(url)))
            }
            Cause::NoHost => (Again::Never, format!("cannot connect to {}", place(url))),
            _ if error.is_builder() => (Again::Never, format!("cannot make a request to {}", shown(url))),
            _ if connecting => (Again::Soon, format!("cannot connect to {}", place(url))),
            _ => (Again::Soon, format!("the connection to {} was lost", place(url))),
        };
        let failed = Error::network(said).because(Error::network(root(&error)));
        let failed = match cause {
            Cause::NoHost => failed.hint("check the name of the host, and that of the proxy if there is one"),
            _ => failed,
        };
        Self { error: failed, again, cause }
    }
}

impl Failure {
    /// That a connection was made by way of a proxy, if one is given: it may be what cannot be reached.
    pub(super) fn by_way_of(self, proxy: Option<String>) -> Self {
        let Some(proxy) = proxy.filter(|_| matches!(self.cause, Cause::Refused | Cause::NoHost)) else {
            return self;
        };
        let Self { error, again, .. } = self;
        let error = Error::network(format!("{error} through the proxy {proxy}"))
            .because(Error::network(error.causes().join(": ")))
            .hint("the proxy is set by HTTPS_PROXY, HTTP_PROXY or ALL_PROXY; list hosts that need no proxy in NO_PROXY");
        // Who cannot be reached is not known.
        Self { error, again, cause: Cause::Other }
    }
}

/// Host and port, which is what a connection is made to.
fn place(url: &Url) -> String {
    let port = url.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

/// Looks for an error of type `T` among the causes, inside `io::Error` too, whose own
/// `source` skips what it wraps.
fn find_in<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// The words of the innermost cause: those around it name layers of software, not reasons.
fn root(error: &(dyn StdError + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Whether the server says that it does not like the certificate that we showed or did not.
fn is_about_us(alert: rustls::AlertDescription) -> bool {
    use rustls::AlertDescription as A;
    matches!(
        alert,
        A::CertificateRequired
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
    )
}

fn classify(error: &reqwest::Error) -> Cause {
    if let Some(tls) = find_in::<rustls::Error>(error) {
        return match tls {
            rustls::Error::InvalidMessage(_) => Cause::NotTls,
            rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
                Cause::Certificate
            }
            rustls::Error::AlertReceived(alert) if is_about_us(*alert) => Cause::OurCertificate,
            _ => Cause::Other,
        };
    }
    if error.is_timeout() {
        return Cause::Stalled;
    }
    if error.is_connect() && is_unknown_host(&root(error)) {
        return Cause::NoHost;
    }
    match find_in::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) if error.is_connect() => Cause::Refused,
        Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
            if error.is_connect() =>
        {
            Cause::HungUp
        }
        _ => Cause::Other,
    }
}

/// Whether a resolver says that there is no such name, and not that it cannot tell now. The standard
/// library keeps its words only (`gai_strerror` of glibc, musl and macOS, and Windows' own).
fn is_unknown_host(words: &str) -> bool {
    const UNKNOWN: [&str; 5] = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "nodename nor servname provided",
        "No such host is known",
    ];
    UNKNOWN.iter().any(|unknown| words.contains(unknown))
}

/// The longest wait that a server is granted; one that asks for more is not asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

fn again_after(status: StatusCode, retry_after: Option<&str>, now: SystemTime) -> Again {
    let passing = match status.as_u16() {
        408 | 425 | 429 => true,
        501 | 505 => false,
        code => code >= 500,
    };
    match retry_after.and_then(|text| parse_retry_after(text, now)) {
        _ if !passing => Again::Never,
        Some(wait) if wait > LONGEST_WAIT => Again::Never,
        Some(wait) => Again::After(wait),
        None => Again::Soon,
    }
}

/// Reads seconds or an HTTP date (RFC 9110, 10.2.3).
fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn again(status: u16, retry_after: Option<&str>) -> Again {
        again_after(StatusCode::from_u16(status).expect("status"), retry_after, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_name_that_does_not_exist_is_told_from_a_resolver_that_is_down() {
        let said = |words: &str| is_unknown_host(&format!("failed to lookup address information: {words}"));
        assert!(said("Name or service not known") && said("Name does not resolve"));
        assert!(!said("Temporary failure in name resolution") && !said("Try again"));
    }

    #[test]
    fn only_passing_troubles_are_tried_again() {
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert_eq!(again(status, None), Again::Soon, "{status}");
        }
        for status in [400, 401, 403, 404, 405, 413, 416, 501] {
            assert_eq!(again(status, Some("1")), Again::Never, "{status}");
        }
    }

    #[test]
    fn the_server_may_say_when() {
        assert_eq!(again(429, Some("7")), Again::After(Duration::from_secs(7)));
        assert_eq!(again(503, Some(" 0 ")), Again::After(Duration::ZERO));
        let in_a_minute = "Thu, 01 Jan 1970 00:01:00 GMT";
        assert_eq!(again(503, Some(in_a_minute)), Again::After(Duration::from_secs(60)));
        assert_eq!(again(503, Some("soon")), Again::Soon, "nonsense counts as silence");
        assert_eq!(again(503, Some("-1")), Again::Soon);
    }

    #[test]
    fn a_date_that_is_over_means_now_and_a_far_one_means_never() {
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(90);
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let over = again_after(status, Some("Thu, 01 Jan 1970 00:01:00 GMT"), later);
        assert_eq!(over, Again::After(Duration::ZERO));
        assert_eq!(again(503, Some("86400")), Again::Never);
        assert_eq!(again(503, Some("99999999999999999999999")), Again::Never);
    }

    #[test]
    fn an_answer_is_shown_without_its_query() {
        let url = "https://r.example/v2/x?signature=abc".parse().expect("url");
        let failure =
            Failure::answer(&Method::PUT, &url, StatusCode::FORBIDDEN, None, Some("DENIED: not yours"));
        assert_eq!(
            failure.error.to_string(),
            "PUT https://r.example/v2/x answered 403 Forbidden: DENIED: not yours"
        );
        assert_eq!(failure.cause, Cause::Status(StatusCode::FORBIDDEN));
    }

    #[test]
    fn a_copy_says_all_that_the_original_said() {
        let original = Error::integrity("top")
            .because(Error::network("middle").because(Error::build("bottom")).hint("do this"));
        let copied = Failure::passing(original).copy();
        assert_eq!(copied.error.causes(), ["middle", "bottom"]);
        assert_eq!(copied.error.hint_text(), Some("do this"));
        assert_eq!(copied.error.kind(), Kind::Integrity);
        assert_eq!(copied.again, Again::Soon);
    }

    #[test]
    fn our_own_errors_are_found_inside_io_errors() {
        let wrapped = io::Error::other(io::Error::other(Error::integrity("changed")));
        assert_eq!(find_in::<Error>(&wrapped).map(Error::kind), Some(Kind::Integrity));
        assert!(find_in::<rustls::Error>(&wrapped).is_none());
    }
}
