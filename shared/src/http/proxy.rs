//! Which proxies the environment names: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, or
//! the same in small letters. As everywhere, one that is empty is no setting.

use std::collections::BTreeMap;

use reqwest::{ClientBuilder, NoProxy, Proxy};
use url::Url;

use super::Secret;
use crate::error::{Error, Result};

/// The proxies for each scheme. They may hold passwords.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    https: Option<Secret>,
    http: Option<Secret>,
    none: Option<String>,
}

impl Proxies {
    /// Those of these variables.
    pub fn of(variables: &BTreeMap<String, String>) -> Self {
        let one = |name: &str| {
            let names = [name.to_owned(), name.to_ascii_lowercase()];
            names
                .iter()
                .filter_map(|name| variables.get(name))
                .map(|text| text.trim())
                .find(|text| !text.is_empty())
        };
        let all = one("ALL_PROXY");
        // A server that runs a program for each request makes HTTP_PROXY of a header.
        let http = if variables.contains_key("REQUEST_METHOD") { None } else { one("HTTP_PROXY") };
        Self {
            https: one("HTTPS_PROXY").or(all).map(Secret::new),
            http: http.or(all).map(Secret::new),
            none: one("NO_PROXY").map(str::to_owned),
        }
    }

    /// The builder with these proxies. Without any, those of the operating system count.
    ///
    /// # Errors
    /// Usage: one of them is no address of a proxy.
    pub(super) fn install(&self, mut builder: ClientBuilder) -> Result<ClientBuilder> {
        if self.https.is_none() && self.http.is_none() {
            return Ok(builder);
        }
        builder = builder.no_proxy();
        let none = self.none.as_deref().and_then(NoProxy::from_string);
        for (variable, address) in [("HTTPS_PROXY", &self.https), ("HTTP_PROXY", &self.http)] {
            let Some(address) = address else { continue };
            let make = if variable == "HTTPS_PROXY" { Proxy::https::<&str> } else { Proxy::http::<&str> };
            let wrong = || {
                Error::usage(format!("the variable {variable} (or ALL_PROXY) is not a valid proxy address"))
                    .hint("write it as http://HOST:PORT or socks5h://HOST:PORT")
            };
            // Of other kinds nothing would be said, and the connection be made without them.
            if address.expose().split_once("://").is_some_and(|(scheme, _)| !SCHEMES.contains(&scheme)) {
                return Err(wrong());
            }
            // The parser's words would hold the password.
            let proxy = make(address.expose()).map_err(|_| wrong())?;
            builder = builder.proxy(proxy.no_proxy(none.clone()));
        }
        Ok(builder)
    }
}

/// The kinds of proxies that are spoken to.
const SCHEMES: [&str; 4] = ["http", "https", "socks5", "socks5h"];

impl Proxies {
    /// Host and port of the proxy that is between us and `url`, if there is one.
    pub(super) fn between(&self, url: &Url) -> Option<String> {
        let address = if url.scheme() == "https" { &self.https } else { &self.http }.as_ref()?;
        let host = url.host_str()?;
        let excepts = |name: &str| {
            let name = name.trim().trim_start_matches("*.").trim_start_matches('.');
            !name.is_empty() && (name == "*" || host == name || host.ends_with(&format!(".{name}")))
        };
        if self.none.iter().flat_map(|names| names.split(',')).any(excepts) {
            return None;
        }
        let rest = address.expose().split_once("://").map_or(address.expose(), |(_, rest)| rest);
        let rest = rest.split('/').next().unwrap_or_default();
        Some(rest.rsplit_once('@').map_or(rest, |(_, place)| place).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> (Option<String>, Option<String>) {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let Proxies { https, http, .. } = Proxies::of(&variables.collect());
        let plain = |secret: Option<Secret>| secret.map(|secret| secret.expose().to_owned());
        (plain(https), plain(http))
    }

    #[test]
    fn an_empty_variable_is_no_setting() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of(&[("HTTPS_PROXY", ""), ("https_proxy", "http://p")]), (some("http://p"), None));
        assert_eq!(of(&[("HTTPS_PROXY", "http://a"), ("https_proxy", "http://b")]).0, some("http://a"));
        assert_eq!(of(&[("ALL_PROXY", "socks5://p")]), (some("socks5://p"), some("socks5://p")));
        assert_eq!(of(&[("HTTPS_PROXY", " ")]), (None, None));
        assert_eq!(of(&[("HTTP_PROXY", "http://evil"), ("REQUEST_METHOD", "GET")]), (None, None));
    }

    #[test]
    fn the_proxy_in_between_is_named_without_its_login() {
        let variables =
            [("HTTPS_PROXY", "http://u:hunter2@proxy:3128/"), ("NO_PROXY", "inside.example, .local")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let proxies = Proxies::of(&variables.into());
        let between = |url: &str| proxies.between(&url.parse().expect("url"));
        assert_eq!(between("https://ghcr.io/v2/").as_deref(), Some("proxy:3128"));
        for direct in
            ["http://ghcr.io/", "https://inside.example/", "https://a.inside.example/", "https://x.local/"]
        {
            assert_eq!(between(direct), None, "{direct}");
        }
    }

    #[test]
    fn other_kinds_of_proxies_are_refused() {
        for address in ["foo://p:1", "socks4://p:1", "socks://p:1"] {
            let proxies = Proxies { http: Some(Secret::new(address)), ..Proxies::default() };
            assert!(proxies.install(reqwest::Client::builder()).is_err(), "{address}");
        }
        for address in ["http://p:1", "p:1", "socks5h://p:1"] {
            let proxies = Proxies { http: Some(Secret::new(address)), ..Proxies::default() };
            assert!(proxies.install(reqwest::Client::builder()).is_ok(), "{address}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        let proxies = Proxies { https: Some(Secret::new("http://u:hunter2@[")), ..Proxies::default() };
        let error = proxies.install(reqwest::Client::builder()).expect_err("no address");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
