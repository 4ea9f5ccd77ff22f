//! Requests with the proof that a registry wants.

use std::sync::Arc;

use super::access::Access;
use super::challenge::Challenge;
use super::credentials::{Credential, Found};
use super::host::Host;
use super::token::Token;
use super::token_service;
use crate::http::{Failure, Request, Response, Secret, StatusCode, Url, same_origin};

/// The proof for one request.
#[derive(Clone)]
pub(super) struct Grant {
    /// The `Authorization`; without it the request is anonymous.
    pub(super) header: Option<Secret>,
    /// The token in it and what it is kept under.
    token: Option<(String, Arc<Token>)>,
}

impl Host {
    /// Sends a request with the proof that the registry wants, and once more with a new one if
    /// that is refused. What goes to another host than the registry's goes without.
    pub(super) async fn send(
        self: &Arc<Self>,
        access: &Access,
        request: Request,
    ) -> Result<Response, Failure> {
        let base = self.base().await?;
        if !same_origin(&base, request.url()) {
            return self.http.send(request).await;
        }
        let grant = self.grant(access).await?;
        let response = self.http.send(request.clone().authorization(grant.header.clone())).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !same_origin(&base, response.url()) {
            return Ok(response);
        }
        let Some(access) = self.learn(access, &response, &grant, &base) else { return Ok(response) };
        let renewed = self.grant(&access).await?;
        if renewed.header == grant.header {
            return Ok(response);
        }
        self.http.send(request.authorization(renewed.header)).await
    }

    /// The proof that the registry is known to want for this access.
    async fn grant(self: &Arc<Self>, access: &Access) -> Result<Grant, Failure> {
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
                Ok(Grant { header: found.as_deref().and_then(Found::basic), token: None })
            }
            Some(Challenge::Bearer { realm, service, .. }) => {
                let key = access.key();
                let (host, access) = (self.clone(), access.clone());
                let fetch = || async move {
                    let found = host.credential(&access.repository).await?;
                    token_service::fetch(&host, &realm, service, &access.scopes, found).await
                };
                let token = self.tokens.get(&key, |token| token.is_good(), fetch).await?;
                Ok(Grant { header: Some(token.header()), token: Some((key, token)) })
            }
        }
    }

    /// Learns from an answer 401 to a request with `grant`; gives the access to try next, if
    /// another try can end differently.
    fn learn(&self, access: &Access, response: &Response, grant: &Grant, base: &Url) -> Option<Access> {
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
}
