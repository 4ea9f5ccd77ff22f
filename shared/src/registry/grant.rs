//! What a request may do, and the proof that goes with it.

use std::sync::Arc;

use base64::Engine as _;

use super::challenge::Challenge;
use super::credentials::{Credential, Found};
use super::host::Host;
use super::token::{self, Token};
use crate::error::{Error, Result};
use crate::http::{Failure, Response, Secret, Url};
use crate::oci::Repository;

/// What is to be done where: the scopes of distribution's "Token Scope Documentation".
#[derive(Debug, Clone)]
pub(super) struct Access {
    /// The repository that it is about.
    pub(super) repository: Repository,
    scopes: Vec<String>,
}

impl Access {
    /// Reading.
    pub(super) fn pull(repository: &Repository) -> Self {
        Self { repository: repository.clone(), scopes: vec![format!("repository:{}:pull", repository.name)] }
    }

    /// Reading and writing.
    pub(super) fn push(repository: &Repository) -> Self {
        let scopes = vec![format!("repository:{}:pull,push", repository.name)];
        Self { repository: repository.clone(), scopes }
    }

    /// And reading from another repository of the same registry.
    pub(super) fn and_pull(mut self, source: &Repository) -> Self {
        self.scopes.push(format!("repository:{}:pull", source.name));
        self
    }

    /// And whatever else a challenge says is needed.
    fn and(mut self, scope: Option<&str>) -> Self {
        for scope in scope.iter().flat_map(|text| text.split_whitespace()) {
            if !self.scopes.iter().any(|known| covers(known, scope)) {
                self.scopes.push(scope.to_owned());
            }
        }
        self
    }

    /// One token serves all accesses of one key.
    fn key(&self) -> String {
        self.scopes.join(" ")
    }
}

/// Whether the scope `known` allows all that `wanted` does.
fn covers(known: &str, wanted: &str) -> bool {
    match (known.rsplit_once(':'), wanted.rsplit_once(':')) {
        (Some((known, have)), Some((wanted, want))) => {
            known == wanted && want.split(',').all(|action| have.split(',').any(|have| have == action))
        }
        _ => known == wanted,
    }
}

/// The proof for one request.
#[derive(Clone)]
pub(super) struct Grant {
    /// The `Authorization`; without it the request is anonymous.
    pub(super) header: Option<Secret>,
    /// The token in it and what it is kept under.
    token: Option<(String, Arc<Token>)>,
}

impl Host {
    /// The proof that the registry is known to want for this access.
    pub(super) async fn grant(self: &Arc<Self>, access: &Access) -> Result<Grant, Failure> {
        let challenge = self.challenge();
        if challenge.is_some()
            && let Some(found) = self.credential(&access.repository).await?
            && let Credential::RegistryToken(token) = &found.credential
        {
            let header = Secret::new(format!("Bearer {}", token.expose()));
            return Ok(Grant { header: Some(header), token: None });
        }
        match challenge {
            None => Ok(Grant { header: None, token: None }),
            Some(Challenge::Basic) => {
                let found = self.credential(&access.repository).await?;
                Ok(Grant { header: found.as_deref().and_then(basic), token: None })
            }
            Some(Challenge::Bearer { realm, service, .. }) => {
                let key = access.key();
                let (host, access) = (self.clone(), access.clone());
                let fetch = || async move {
                    let found = host.credential(&access.repository).await?;
                    token::fetch(&host, &realm, service, &access.scopes, found).await
                };
                let token = self.tokens.get(&key, |token| token.is_good(), fetch).await?;
                Ok(Grant { header: Some(token.header()), token: Some((key, token)) })
            }
        }
    }

    /// Learns from an answer 401 to a request with `grant`; gives the access to try next, if
    /// another try can end differently.
    pub(super) fn learn(
        &self,
        access: &Access,
        response: &Response,
        grant: &Grant,
        base: &Url,
    ) -> Option<Access> {
        let challenge = Challenge::of(response.headers(), base)?;
        let next = match &challenge {
            Challenge::Basic if grant.header.is_some() => None,
            Challenge::Basic => Some(access.clone()),
            Challenge::Bearer { scope, .. } => {
                if let Some((key, refused)) = &grant.token {
                    self.tokens.forget(key, |current| Arc::ptr_eq(current, refused));
                }
                Some(access.clone().and(scope.as_deref()))
            }
        };
        self.set_challenge(challenge);
        next
    }

    /// The credential for a repository, looked up once.
    pub(super) async fn credential(&self, repository: &Repository) -> Result<Option<Arc<Found>>, Failure> {
        let (credentials, repository) = (self.credentials.clone(), repository.clone());
        let (http, name) = (self.http.clone(), repository.name.clone());
        let find = || async move {
            let (sources, registry) = (credentials.clone(), repository.registry.clone());
            let found = tokio::task::spawn_blocking(move || credentials.find(&repository));
            let found = http.waiting(|| sources.asked(&registry), found).await;
            let found = found.map_err(|error| Error::bug("looking for credentials failed").because(error));
            Ok(found??.map(Arc::new))
        };
        self.found.get(&name, |_| true, find).await
    }
}

/// The `Authorization` of Basic authentication (RFC 7617).
pub(super) fn basic(found: &Found) -> Option<Secret> {
    match &found.credential {
        Credential::Password { username, password } => {
            let pair = format!("{username}:{}", password.expose());
            let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
            Some(Secret::new(format!("Basic {encoded}")))
        }
        // One is for token services only, the other no password.
        Credential::IdentityToken(_) | Credential::RegistryToken(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_asks_for_both_repositories() {
        let (to, from) = ("r.io/a/to".parse().expect("to"), "r.io/b/from".parse().expect("from"));
        let access = Access::push(&to).and_pull(&from);
        assert_eq!(access.scopes, ["repository:a/to:pull,push", "repository:b/from:pull"]);
    }

    #[test]
    fn only_scopes_that_are_missing_are_added() {
        let access = Access::push(&"r.io/x".parse().expect("repository"));
        let same = access.clone().and(Some("repository:x:pull repository:x:push,pull"));
        assert_eq!(same.scopes, access.scopes);
        let more = access.and(Some("repository:x:delete registry:catalog:*"));
        assert_eq!(more.scopes[1..], ["repository:x:delete", "registry:catalog:*"]);
    }

    #[test]
    fn basic_is_the_pair_in_base64() {
        let password = |password: &str| Found {
            credential: Credential::Password { username: "me".into(), password: Secret::new(password) },
            source: String::new(),
        };
        assert_eq!(basic(&password("pw")).expect("header").expose(), "Basic bWU6cHc=");
        let token = Credential::IdentityToken(Secret::new("t"));
        assert!(basic(&Found { credential: token, source: String::new() }).is_none());
    }
}
