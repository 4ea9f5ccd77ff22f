//! What a registry wants as proof: the `WWW-Authenticate` header (RFC 9110, 11.6.1).

use std::collections::BTreeMap;

use crate::http::{HeaderMap, Url, header::WWW_AUTHENTICATE};

/// How to prove who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// User name and password with each request.
    Basic,
    /// A token from a service (distribution's "Token Authentication Specification").
    Bearer {
        /// Where tokens are given.
        realm: Url,
        /// What the token service calls this registry.
        service: Option<String>,
        /// What the refused request needed.
        scope: Option<String>,
    },
}

impl Challenge {
    /// The best challenge in an answer of `base`: a token before a password, since a registry
    /// that offers both takes the password for its own API only.
    pub fn of(headers: &HeaderMap, base: &Url) -> Option<Self> {
        let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let all: Vec<Parsed> = texts.flat_map(parse).collect();
        let bearer = all.iter().filter(|challenge| challenge.scheme == "bearer").find_map(|challenge| {
            let value = |name: &str| challenge.values.get(name).filter(|text| !text.is_empty()).cloned();
            let realm = base.join(&value("realm")?).ok().filter(Url::has_host)?;
            Some(Self::Bearer { realm, service: value("service"), scope: value("scope") })
        });
        let basic = || all.iter().any(|challenge| challenge.scheme == "basic").then_some(Self::Basic);
        bearer.or_else(basic)
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Parsed {
    scheme: String,
    values: BTreeMap<String, String>,
}

/// Reads one or several challenges. What is malformed is passed over, so that one odd
/// challenge does not hide the next.
fn parse(text: &str) -> Vec<Parsed> {
    let mut found: Vec<Parsed> = Vec::new();
    let mut rest = text.trim_start_matches(separator);
    while !rest.is_empty() {
        let end = rest.find(|c: char| separator(c) || matches!(c, '=' | '"')).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = match after.trim_start().strip_prefix('=') {
            Some(after) if !word.is_empty() => {
                let (value, after) = value(after.trim_start());
                if let Some(challenge) = found.last_mut() {
                    challenge.values.entry(word.to_ascii_lowercase()).or_insert(value);
                }
                after
            }
            _ if word.is_empty() => skip_one(after),
            _ => {
                found.push(Parsed { scheme: word.to_ascii_lowercase(), values: BTreeMap::new() });
                after
            }
        }
        .trim_start_matches(separator);
    }
    found
}

fn separator(c: char) -> bool {
    c.is_whitespace() || c == ','
}

fn skip_one(text: &str) -> &str {
    let mut chars = text.chars();
    chars.next();
    chars.as_str()
}

/// A quoted string or a bare word, and what follows it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, rest) = text.split_at(text.find(separator).unwrap_or(text.len()));
        return (word.to_owned(), rest);
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => value.extend(chars.next()),
            c => value.push(c),
        }
    }
    (value, chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HeaderValue;

    fn challenge(headers: &[&str]) -> Option<Challenge> {
        let mut map = HeaderMap::new();
        for text in headers {
            map.append(WWW_AUTHENTICATE, HeaderValue::from_str(text).expect(text));
        }
        Challenge::of(&map, &"https://r.example/".parse().expect("url"))
    }

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: realm.parse().expect(realm),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        })
    }

    #[test]
    fn the_forms_of_real_registries_are_understood() {
        assert_eq!(
            challenge(&[
                r#"Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:a/b:pull""#
            ]),
            bearer("https://ghcr.io/token", Some("ghcr.io"), Some("repository:a/b:pull"))
        );
        assert_eq!(
            challenge(&[r#"bearer service = "x", REALM="https://a.example/t?x=1,2" "#]),
            bearer("https://a.example/t?x=1,2", Some("x"), None)
        );
        assert_eq!(
            challenge(&[r#"Basic realm="Sonatype Nexus Repository Manager""#]),
            Some(Challenge::Basic)
        );
        assert_eq!(challenge(&["Basic"]), Some(Challenge::Basic));
        assert_eq!(
            challenge(&["Bearer realm=https://a.example/t,service=x"]),
            bearer("https://a.example/t", Some("x"), None)
        );
        assert_eq!(challenge(&[r#"Bearer realm="/token""#]), bearer("https://r.example/token", None, None));
    }

    #[test]
    fn of_several_challenges_the_token_is_chosen() {
        let token = bearer("https://a.example/t", Some("s"), None);
        let (basic, wanted) = (r#"Basic realm="a, b""#, r#"Bearer realm="https://a.example/t", service="s""#);
        assert_eq!(challenge(&[&format!("{basic}, {wanted}")]), token);
        assert_eq!(challenge(&[&format!("{wanted}, {basic}")]), token);
        assert_eq!(challenge(&[basic, wanted]), token);
        assert_eq!(challenge(&[&format!("Negotiate YWJj==, Digest nonce=\"x\", {wanted}")]), token);
    }

    #[test]
    fn quotes_may_be_escaped_and_left_open() {
        assert_eq!(
            challenge(&[r#"Bearer realm="https://a.example/t",service="a \"b\" \\c""#]),
            bearer("https://a.example/t", Some(r#"a "b" \c"#), None)
        );
        assert_eq!(
            challenge(&[r#"Bearer realm="https://a.example/t"#]),
            bearer("https://a.example/t", None, None)
        );
    }

    #[test]
    fn what_cannot_be_used_is_passed_over() {
        for text in [
            "",
            ",,,",
            "Bearer",
            "Bearer service=\"x\"",
            "Negotiate",
            "=\"",
            "Bearer realm=\"mailto:x\"",
            "\"\"\"",
        ] {
            assert_eq!(challenge(&[text]), None, "{text}");
        }
        assert_eq!(challenge(&["Bearer service=x, Basic realm=y"]), Some(Challenge::Basic));
    }
}
