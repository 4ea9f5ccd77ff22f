//! Where a redirect leads, and what may travel along.

use reqwest::Method;
use reqwest::StatusCode;
use url::Url;

use super::{Failure, Options, Request, is_loopback, same_origin, shown};
use crate::error::Error;

/// The request that a redirect asks for, or `None` when the answer is none to follow.
///
/// # Errors
/// When the target is no HTTP URL, or would turn TLS off for a host that must have it.
pub(super) fn next(
    request: &Request,
    status: StatusCode,
    location: Option<&str>,
    options: &Options,
) -> Result<Option<Request>, Failure> {
    let reading = matches!(request.method, Method::GET | Method::HEAD);
    let followed = match status.as_u16() {
        301..=303 => reading,
        307 | 308 => true,
        _ => false,
    };
    let Some(location) = location.filter(|_| followed && request.follow) else { return Ok(None) };
    let refused = |why: &str| Failure::from(Error::network(format!("{} {why}", shown(&request.url))));
    let url = request.url.join(location).map_err(|_| refused("redirects to an invalid URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refused("redirects to something that is not HTTP"));
    }
    if request.url.scheme() == "https" && url.scheme() == "http" && !may_be_plain(&request.url, &url, options)
    {
        return Err(refused(&format!("redirects to {}, which is not encrypted", shown(&url))));
    }
    let mut next = request.clone();
    if !same_origin(&request.url, &url) {
        next.authorization = None;
    }
    next.url = url;
    Ok(Some(next))
}

fn may_be_plain(from: &Url, to: &Url, options: &Options) -> bool {
    options.is_insecure(to) || (is_loopback(from) && is_loopback(to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Secret;

    fn follow(method: Method, from: &str, status: u16, to: &str) -> Result<Option<Request>, Failure> {
        let request =
            Request::new(method, from.parse().expect(from)).authorization(Some(Secret::new("Basic x")));
        let status = StatusCode::from_u16(status).expect("status");
        next(&request, status, Some(to), &Options::default())
    }

    fn followed(from: &str, to: &str) -> Request {
        follow(Method::GET, from, 307, to).expect("allowed").expect("followed")
    }

    #[test]
    fn credentials_stay_at_their_origin() {
        let near = followed("https://a.example/v2/x", "/v2/y");
        assert_eq!(near.url.as_str(), "https://a.example/v2/y");
        assert!(near.authorization.is_some());
        for far in ["https://b.example/y", "https://a.example:444/y", "//b.example/y"] {
            assert!(followed("https://a.example/v2/x", far).authorization.is_none(), "{far}");
        }
    }

    #[test]
    fn credentials_do_not_come_back_with_a_second_redirect() {
        let away = followed("https://a.example/x", "https://b.example/y");
        let back = next(&away, StatusCode::FOUND, Some("https://a.example/z"), &Options::default());
        assert!(back.expect("allowed").expect("followed").authorization.is_none());
    }

    #[test]
    fn encryption_is_not_given_up_on_the_way() {
        assert!(follow(Method::GET, "https://a.example/x", 307, "http://a.example/x").is_err());
        assert!(follow(Method::GET, "https://a.example/x", 307, "http://127.0.0.1/x").is_err());
        assert!(follow(Method::GET, "https://127.0.0.1/x", 307, "http://127.0.0.1:1/x").is_ok());
        assert!(follow(Method::GET, "https://a.example/x", 307, "file:///etc/passwd").is_err());
    }

    #[test]
    fn a_body_is_sent_again_only_where_the_status_says_so() {
        assert!(follow(Method::POST, "https://a.example/x", 302, "/y").expect("allowed").is_none());
        let again =
            follow(Method::PUT, "https://a.example/x", 308, "/y").expect("allowed").expect("followed");
        assert_eq!(again.method, Method::PUT);
    }

    #[test]
    fn a_created_or_accepted_location_is_no_redirect() {
        for status in [200, 201, 202, 304] {
            assert!(follow(Method::GET, "https://a.example/x", status, "/y").expect("allowed").is_none());
        }
    }
}
