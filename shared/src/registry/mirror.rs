//! Mirrors: places that are asked first for what belongs to another registry.
//!
//! Only reading goes by way of them. What a mirror does not have, or does not give, is read
//! from the registry that it belongs to, and nothing read through a mirror bears its name.

use std::fmt;
use std::future::Future;
use std::str::FromStr;

use super::Client;
use super::credentials::registry_of_key;
use crate::error::{Error, Kind, Result};
use crate::http::{Again, Failure};
use crate::oci::Repository;

/// A mirror of a registry, or of a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// What it mirrors: a registry, perhaps with the first parts of its names.
    of: String,
    /// Where that is to be found; the rest of a name is appended.
    at: String,
}

impl Mirror {
    /// Reads several, separated by semicolons: `docker.io=127.0.0.1:5000;gcr.io=127.0.0.1:5000/gcr`.
    ///
    /// # Errors
    /// Usage: one of them is no `REGISTRY=LOCATION`.
    pub fn parse_list(text: &str) -> Result<Vec<Self>> {
        text.split(';').map(str::trim).filter(|one| !one.is_empty()).map(str::parse).collect()
    }

    /// Where the repository is in this mirror, if it is mirrored.
    fn place(&self, repository: &Repository) -> Option<Repository> {
        let full = repository.to_string();
        let rest = full.strip_prefix(&self.of)?.strip_prefix('/')?;
        format!("{}/{rest}", self.at).parse().ok()
    }
}

impl FromStr for Mirror {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::usage(format!("{text:?} is not a valid mirror: {why}"))
                .hint("use REGISTRY=LOCATION, for example docker.io=mirror.example:5000/hub")
        };
        let (of, at) = text.split_once('=').ok_or_else(|| wrong("it has no ="))?;
        let (of, at) = (of.trim().trim_end_matches('/'), at.trim().trim_end_matches('/'));
        // The names of images decide what can be written on either side.
        let example = |side: &str| format!("{side}/x/x").parse::<Repository>().ok();
        let host = |side: &str| side.split('/').next().unwrap_or_default().to_owned();
        let (registry, path) = of.split_once('/').map_or((of, None), |(host, path)| (host, Some(path)));
        let registry = registry_of_key(registry);
        let of = path.map_or(registry.clone(), |path| format!("{registry}/{path}"));
        if example(&of).is_none_or(|repository| repository.registry != registry) {
            return Err(wrong("the left side is not a registry"));
        }
        if example(at).is_none_or(|repository| !repository.registry.eq_ignore_ascii_case(&host(at))) {
            return Err(wrong("the right side is not a registry"));
        }
        Ok(Self { of, at: at.to_owned() })
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.of, self.at)
    }
}

/// The places of a repository in its mirrors: the closest match first, then as given.
pub(super) fn places(mirrors: &[Mirror], repository: &Repository) -> Vec<Repository> {
    let mut found: Vec<(usize, Repository)> = mirrors
        .iter()
        .filter_map(|mirror| Some((mirror.of.len(), mirror.place(repository)?)))
        .filter(|(_, place)| place != repository)
        .collect();
    found.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
    found.into_iter().map(|(_, place)| place).collect()
}

impl Client {
    /// Reads from the mirrors of `repository`, then from itself; the first success counts.
    pub(super) async fn read_anywhere<T, W>(
        &self,
        repository: &Repository,
        read: impl Fn(Repository) -> W,
    ) -> Result<T, Failure>
    where
        W: Future<Output = Result<T, Failure>>,
    {
        let mut refused: Vec<(Repository, Failure)> = Vec::new();
        for place in places(&self.0.mirrors, repository) {
            match read(place.clone()).await {
                Ok(done) => return Ok(done),
                // A full disk is full for the original too.
                Err(failure) if !matches!(failure.error.kind(), Kind::Network | Kind::Integrity) => {
                    return Err(failure);
                }
                Err(failure) => {
                    tracing::debug!(%place, error = ?failure.error, "not from the mirror");
                    refused.push((place, failure));
                }
            }
        }
        read(repository.clone()).await.map_err(|failure| refused.iter().rev().fold(failure, above))
    }
}

/// The failure of the original, with what a mirror said on top. A mirror that may recover is
/// reason enough to try again.
fn above(failure: Failure, (place, refused): &(Repository, Failure)) -> Failure {
    let again = match (failure.again, refused.again) {
        (Again::Never, mirror) => mirror,
        (original, _) => original,
    };
    let words = format!("not from the mirror {}: {}", place.registry, refused.error);
    let failure = failure.map(|error| Error::new(error.kind(), words).because(error));
    Failure { again, ..failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(mirrors: &str, repository: &str) -> Vec<String> {
        let mirrors = Mirror::parse_list(mirrors).expect(mirrors);
        let repository = repository.parse().expect(repository);
        places(&mirrors, &repository).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_rest_of_the_name_is_appended() {
        assert_eq!(found("docker.io=127.0.0.1:5000", "python"), ["127.0.0.1:5000/library/python"]);
        assert_eq!(found("gcr.io=127.0.0.1:5000/gcr/", "gcr.io/a/b"), ["127.0.0.1:5000/gcr/a/b"]);
        assert_eq!(found("index.docker.io=m.example", "acme/web"), ["m.example/acme/web"]);
        assert_eq!(found("Index.Docker.IO=M.example", "acme/web"), ["m.example/acme/web"]);
        assert_eq!(found("docker.io/library=m.example/hub", "python"), ["m.example/hub/python"]);
    }

    #[test]
    fn others_are_not_mirrored() {
        for other in ["ghcr.io/a/b", "docker.io.example/a", "docker.iox/a"] {
            assert!(found("docker.io=m.example", other).is_empty(), "{other}");
        }
        assert!(found("docker.io/lib=m.example", "python").is_empty(), "whole parts only");
        assert!(found("m.example=m.example", "m.example/a").is_empty(), "itself is no mirror");
    }

    #[test]
    fn the_closest_mirror_is_first_then_the_first_given() {
        let list = "docker.io=a.example; docker.io=b.example ;docker.io/library=c.example;";
        assert_eq!(found(list, "x"), ["c.example/x", "a.example/library/x", "b.example/library/x"]);
    }

    #[test]
    fn what_is_no_mirror_is_refused() {
        for text in [
            "docker.io",
            "=m.example",
            "docker.io=",
            "docker.io=mirror",
            "hub=m.example",
            "docker.io=https://m.example",
            "docker.io=m.example/A",
        ] {
            let error = text.parse::<Mirror>().expect_err(text);
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.hint_text().is_some_and(|hint| hint.contains("REGISTRY=LOCATION")));
        }
        assert_eq!(
            "docker.io/=m.example/".parse::<Mirror>().expect("read").to_string(),
            "docker.io=m.example"
        );
    }

    #[test]
    fn a_mirror_that_may_recover_is_tried_again() {
        let place: Repository = "m.example/x".parse().expect("place");
        let original = || Failure::from(Error::network("404 there").hint("look elsewhere"));
        let passing = above(original(), &(place.clone(), Failure::passing(Error::network("503"))));
        assert_eq!(passing.again, Again::Soon);
        assert_eq!(passing.error.to_string(), "not from the mirror m.example: 503");
        assert_eq!(passing.error.causes(), ["404 there"]);
        assert_eq!(passing.error.hint_text(), Some("look elsewhere"));
        let never = above(original(), &(place, Failure::from(Error::integrity("wrong"))));
        assert_eq!((never.again, never.error.kind()), (Again::Never, Kind::Network));
    }
}
