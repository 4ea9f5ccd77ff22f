//! Where keys are certified, and signatures recorded and dated: Sigstore's signing configuration.

use sigstore_verify::trust_root::{
    SIGSTORE_PRODUCTION_SIGNING_CONFIG, ServiceConfiguration, ServiceEndpoint, ServiceSelector, SigningConfig,
};
use url::Url;

use crate::error::{Error, Result};

/// Who takes part in signing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Services {
    /// Certifies keys: Fulcio.
    pub authority: Url,
    /// Records signatures: Rekor.
    pub log: (Url, Log),
    /// Records signatures in the form before bundles, which holds nothing but the promise of Rekor v1; nothing where
    /// no such log is named.
    pub promising: Option<Url>,
    /// Says when something was there, where there is somebody who does (RFC 3161).
    pub clock: Option<Url>,
}

/// How a transparency log is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// Rekor v1: it promises, and dates, what it takes.
    Promising,
    /// Rekor v2: it proves what it took, and knows no time.
    Tiled,
}

impl Services {
    /// Sigstore's own, open to everybody.
    ///
    /// # Errors
    /// Only a bug.
    pub fn public() -> Result<Self> {
        Self::read(SIGSTORE_PRODUCTION_SIGNING_CONFIG)
            .map_err(|e| Error::bug("the public signing configuration cannot be read").because(e))
    }

    /// Reads a signing configuration (version 0.2).
    ///
    /// # Errors
    /// Usage: it is not one, or names no services that can be used today.
    pub fn read(json: &str) -> Result<Self> {
        let config = SigningConfig::from_json(json).map_err(|error| {
            Error::usage("it is not a signing configuration of Sigstore").because(error).hint(
                "it is a JSON document of the type application/vnd.dev.sigstore.signingconfig.v0.2+json",
            )
        })?;
        let (logs, clocks) = (config.eligible_rekor_urls(None), config.eligible_tsa_urls());
        one_is_enough("log", &config.rekor_tlog_config, &logs)?;
        if !clocks.is_empty() {
            one_is_enough("timestamp authority", &config.tsa_config, &clocks)?;
        }
        let log = logs.first().ok_or_else(|| none("transparency log"))?;
        let kind = if log.major_api_version == 2 { Log::Tiled } else { Log::Promising };
        let clock = clocks.first().map(|clock| url(clock)).transpose()?;
        if kind == Log::Tiled && clock.is_none() {
            return Err(Error::usage(
                "a log of Rekor v2 does not record the time, and no timestamp authority is named",
            ));
        }
        let promising = logs.iter().find(|log| log.major_api_version == 1);
        let promising = promising.map(|log| url(log)).transpose()?;
        let authority = config.fulcio_url().ok_or_else(|| none("certificate authority"))?;
        Ok(Self { authority: url(authority)?, log: (url(log)?, kind), promising, clock })
    }

    /// The address below a service's.
    ///
    /// # Errors
    /// Only if the path were wrong.
    pub fn below(service: &Url, path: &str) -> Result<Url> {
        let address = format!("{}/{path}", service.as_str().trim_end_matches('/'));
        address.parse().map_err(|e| Error::bug("an address below a service is wrong").because(e))
    }
}

fn none(what: &str) -> Error {
    Error::usage(format!("the signing configuration names no {what} that can be used today"))
        .hint("get the current one from whoever runs the services")
}

fn url(of: &ServiceEndpoint) -> Result<Url> {
    let url: Option<Url> = of.url.parse().ok();
    let url = url.filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    url.ok_or_else(|| Error::usage(format!("{:?} is not the address of a service", of.url)))
}

/// Refuses a configuration that asks for more than one service of a kind: less would be recorded than it says.
fn one_is_enough(what: &str, wish: &ServiceConfiguration, services: &[&ServiceEndpoint]) -> Result<()> {
    let operator = |service: &&ServiceEndpoint| service.operator.clone();
    let is_enough = match wish.selector {
        ServiceSelector::Any => true,
        ServiceSelector::Exact => wish.count == Some(1),
        ServiceSelector::All => {
            services.len() == 1
                || services.first().and_then(operator).is_some_and(|first| {
                    services.iter().all(|service| service.operator.as_ref() == Some(&first))
                })
        }
        _ => false,
    };
    match is_enough {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "the signing configuration asks for more than one {what}, but only one is used"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn config(logs: &[u32], clocks: u32) -> Value {
        let service = |name: &str, version: u32| {
            json!({"url": format!("https://{name}{version}.example"), "majorApiVersion": version,
                "validFor": {"start": "2020-01-01T00:00:00Z"}, "operator": format!("o{version}")})
        };
        json!({
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [service("ca", 1)],
            "rekorTlogUrls": logs.iter().map(|version| service("log", *version)).collect::<Vec<_>>(),
            "tsaUrls": (0..clocks).map(|_| service("tsa", 1)).collect::<Vec<_>>(),
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaConfig": {"selector": "ANY"},
        })
    }

    #[test]
    fn the_services_of_a_configuration_are_found() {
        let read = |config: &Value| Services::read(&config.to_string());
        let public = Services::public().expect("embedded");
        assert_eq!(public.authority.as_str(), "https://fulcio.sigstore.dev/");
        let Services { log: (log, kind), promising, .. } = read(&config(&[1, 2], 1)).expect("both");
        assert_eq!((log.as_str(), kind), ("https://log2.example/", Log::Tiled), "the newest");
        assert_eq!(promising.expect("it is there").as_str(), "https://log1.example/");
        assert_eq!(read(&config(&[2], 1)).expect("the new one").promising, None);
        assert_eq!(public.promising, Some(public.log.0), "that of everybody promises");
        let old = read(&config(&[1], 0)).expect("it has a clock of its own");
        assert_eq!((old.log.1, old.clock), (Log::Promising, None));
        let below = Services::below(&old.log.0, "api/v1").expect("an address");
        assert_eq!(below.as_str(), "https://log1.example/api/v1");
        let refused = |config: &Value| read(config).expect_err("refused").to_string();
        assert!(refused(&config(&[2], 0)).contains("does not record the time"));
        assert!(refused(&config(&[], 1)).contains("names no transparency log"));
        assert!(refused(&json!({})).contains("not a signing configuration"));
        let mut two = config(&[1, 2], 1);
        two["rekorTlogConfig"] = json!({"selector": "EXACT", "count": 2});
        assert!(refused(&two).contains("more than one log"));
        two["rekorTlogConfig"] = json!({"selector": "ALL"});
        assert!(refused(&two).contains("more than one log"));
        let mut odd = config(&[1], 1);
        odd["caUrls"][0]["url"] = "file:///etc/passwd".into();
        assert!(refused(&odd).contains("not the address of a service"));
    }
}
