//! Image references: `[host[:port]/]name[:tag][@digest]`.

use std::fmt;
use std::str::FromStr;

use super::Digest;
use crate::error::Error;
use crate::words;
use crate::words::flag;

/// A repository on a registry: `ghcr.io/acme/web`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    /// The registry's host in small letters, with its port if one was given; `docker.io` when none was.
    pub registry: String,
    /// The name within the registry (distribution-spec "Pulling manifests": `<name>`).
    pub name: String,
}

/// A repository with a tag, a digest, or both.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// Where.
    pub repository: Repository,
    /// The tag; not implied.
    pub tag: Option<String>,
    /// The digest, which wins over the tag.
    pub digest: Option<Digest>,
}

impl Repository {
    /// The host to speak to: Docker Hub's API lives on another name than its images.
    pub fn api_host(&self) -> &str {
        if self.registry == "docker.io" { "registry-1.docker.io" } else { &self.registry }
    }

    /// This repository with a tag.
    pub fn with_tag(&self, tag: impl Into<String>) -> Reference {
        Reference { repository: self.clone(), tag: Some(tag.into()), digest: None }
    }

    /// This repository with a digest.
    pub fn with_digest(&self, digest: Digest) -> Reference {
        Reference { repository: self.clone(), tag: None, digest: Some(digest) }
    }
}

impl Reference {
    /// What follows `/manifests/` in a request: the digest, else the tag, else `latest`.
    pub fn selector(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".into(),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.name)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.repository.fmt(f)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

impl FromStr for Repository {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let reference: Reference = text.parse()?;
        if reference.tag.is_some() || reference.digest.is_some() {
            return Err(Error::usage(format!(
                "{text:?} is a reference, but a repository without a tag or digest is needed"
            ))
            .hint(words!("give the tag with {tag}", tag = flag("tag"))));
        }
        Ok(reference.repository)
    }
}

impl FromStr for Reference {
    type Err = Error;

    /// Reads a reference as Docker does (distribution `reference/regexp.go`): a first part with
    /// a dot, a colon or the name `localhost` is a host, otherwise the image is on Docker Hub. Hosts
    /// have no case, and names are told apart by text: they are kept in small letters.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| {
            Error::usage(format!("{text:?} is not an image reference: {why}"))
                .hint("use host/name:tag, for example ghcr.io/acme/web:1.0")
        };
        if text.rsplit_once('@').is_some_and(|(_, after)| after.contains('/')) {
            return Err(Error::usage("a login does not belong in an image reference")
                .hint("set CONTAINERIZE_AUTH_<REGISTRY>=user:password, or log in with docker login"));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                (rest, Some(digest.parse::<Digest>().map_err(|e| wrong("its digest is invalid").because(e))?))
            }
            None => (text, None),
        };
        if rest.contains("://") {
            return Err(wrong("a reference has no scheme"));
        }
        let (host, path) = match rest.split_once('/') {
            Some((first, path)) if looks_like_host(first) => (Some(first), path),
            _ => (None, rest),
        };
        let (name, tag) = match path.rsplit_once(':') {
            Some((name, tag)) => (name, Some(tag)),
            None => (path, None),
        };
        if host.is_some_and(|host| !is_host(host)) {
            return Err(wrong("the host is not a host name"));
        }
        if name.is_empty() {
            return Err(wrong("the name is missing"));
        }
        if name.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(wrong("names must be lower case"));
        }
        if !name.split('/').all(is_name_part) || name.len() > 255 {
            return Err(wrong("a name has lower-case letters, digits and single separators . _ - /"));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong(
                "a tag has at most 128 letters, digits, _ . and -, and does not start with . or -",
            ));
        }
        Ok(Self { repository: repository(host, name), tag: tag.map(str::to_owned), digest })
    }
}

fn repository(host: Option<&str>, name: &str) -> Repository {
    match host.map(str::to_ascii_lowercase).as_deref() {
        None | Some("docker.io" | "index.docker.io" | "registry-1.docker.io") => Repository {
            registry: "docker.io".into(),
            name: if name.contains('/') { name.into() } else { format!("library/{name}") },
        },
        Some(host) => Repository { registry: host.into(), name: name.into() },
    }
}

fn looks_like_host(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost"
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => {
                return port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            }
            _ => return false,
        },
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.split('.').all(label) && port.is_none_or(is_port)
}

fn is_port(port: &str) -> bool {
    port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// One part of a name: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_name_part(part: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends = bytes.first().copied().is_some_and(alnum) && bytes.last().copied().is_some_and(alnum);
    ends && bytes
        .split(|b| alnum(*b))
        .all(|run| matches!(run, b"" | b"." | b"_" | b"__") || run.iter().all(|b| *b == b'-'))
}

/// Whether `text` is a legal tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
pub fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 128
        && text.as_bytes().first().copied().is_some_and(word)
        && text.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

/// A version made a legal tag: what a tag cannot hold (`+`, `!`, ...) becomes `-`.
pub fn tag_from_version(version: &str) -> String {
    let tag: String = version
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' })
        .take(128)
        .collect();
    tag.trim_start_matches(['.', '-']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Reference {
        text.parse().expect(text)
    }

    #[test]
    fn hosts_are_told_from_names_as_docker_does() {
        assert_eq!(read("alpine").to_string(), "docker.io/library/alpine");
        assert_eq!(read("acme/web:1").to_string(), "docker.io/acme/web:1");
        assert_eq!(read("localhost/web").repository.registry, "localhost");
        assert_eq!(read("localhost:5000/web:1").repository.registry, "localhost:5000");
        assert_eq!(read("ghcr.io/a/b/c").repository.name, "a/b/c");
        assert_eq!(read("[::1]:5000/x").repository.registry, "[::1]:5000");
        assert_eq!(read("index.docker.io/library/alpine").repository.api_host(), "registry-1.docker.io");
    }

    #[test]
    fn hosts_have_no_case() {
        assert_eq!(read("CGR.dev:443/a/b:X").to_string(), "cgr.dev:443/a/b:X");
        for hub in ["Docker.IO/alpine", "INDEX.docker.io/alpine", "docker.io/library/alpine"] {
            assert_eq!(read(hub), read("alpine"), "{hub}");
        }
    }

    #[test]
    fn tag_and_digest_may_stand_together() {
        let digest = Digest::of(b"x");
        let both = read(&format!("ghcr.io/a/b:1.0@{digest}"));
        assert_eq!(both.tag.as_deref(), Some("1.0"));
        assert_eq!(both.selector(), digest.to_string());
        assert_eq!(read("ghcr.io/a/b").selector(), "latest");
    }

    #[test]
    fn bad_references_are_refused() {
        for text in [
            "",
            ":tag",
            "Foo/bar",
            "ghcr.io/Foo",
            "a//b",
            "a/-b",
            "a/b-",
            "a..b",
            "a___b",
            "a:b:c/d",
            "x:",
            "x:.tag",
            "x@sha256:abc",
            "https://ghcr.io/a/b",
            "ghcr.io:0/x",
            "ghcr.io:99999/x",
            "a b",
            "-h.io/x",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text:?} was taken");
        }
        assert!("ghcr.io/a:1".parse::<Repository>().is_err());
    }

    #[test]
    fn versions_become_legal_tags() {
        assert_eq!(tag_from_version("1.2.3+build.5"), "1.2.3-build.5");
        assert_eq!(tag_from_version("1!2.0"), "1-2.0");
        assert!(is_tag(&tag_from_version("0.1.0-rc.1+x")));
    }
}
