//! Who is spoken to: scheme, host and port.

use url::{Host, Url};

/// Whether both URLs have the same scheme, host and port: the only case in which a credential
/// meant for one may go to the other.
pub fn same_origin(a: &Url, b: &Url) -> bool {
    a.origin().is_tuple() && a.origin() == b.origin()
}

/// Whether the URL's host is this machine: `localhost`, `127.0.0.0/8` or `[::1]`.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The URL as it may be shown and logged. Queries are left out, since signed URLs carry their
/// signature there; so are user and password.
pub fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only for URLs that cannot have a user at all.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// Whether `entry`, a `HOST` or `HOST:PORT`, names the URL's host.
pub(super) fn names(entry: &str, url: &Url) -> bool {
    let Ok(named) = Url::parse(&format!("{}://{entry}", url.scheme())) else { return false };
    let has_port = entry.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    named.host() == url.host() && (!has_port || named.port_or_known_default() == url.port_or_known_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect(text)
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let here = url("https://registry.example/v2/");
        assert!(same_origin(&here, &url("https://registry.example:443/other?x=1")));
        for other in [
            "http://registry.example/v2/",
            "https://registry.example:444/v2/",
            "https://cdn.registry.example/v2/",
            "https://registry.example.evil.example/",
        ] {
            assert!(!same_origin(&here, &url(other)), "{other}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for here in ["http://localhost:1/", "http://127.0.0.1/", "http://127.9.9.9/", "http://[::1]:5000/"] {
            assert!(is_loopback(&url(here)), "{here}");
        }
        for there in ["http://localhost.example/", "http://128.0.0.1/", "http://[::2]/", "http://10.0.0.1/"] {
            assert!(!is_loopback(&url(there)), "{there}");
        }
    }

    #[test]
    fn what_is_shown_holds_neither_signature_nor_user() {
        let signed = url("https://user:pw@bucket.example/blob?X-Signature=abc#frag");
        assert_eq!(shown(&signed), "https://bucket.example/blob");
    }

    #[test]
    fn an_insecure_entry_without_port_stands_for_all_ports() {
        let there = url("https://reg.example:5000/");
        assert!(names("reg.example", &there));
        assert!(names("reg.example:5000", &there));
        assert!(!names("reg.example:5001", &there));
        assert!(!names("example", &there));
        assert!(names("reg.example:443", &url("https://reg.example/")));
        assert!(names("[::1]:5000", &url("http://[::1]:5000/")));
        assert!(names("[fd00::1]", &url("http://[fd00::1]:5000/")));
        assert!(!names("", &there));
    }
}
