//! The tags of a repository (distribution-spec "Listing Tags").

use std::collections::BTreeSet;

use serde::Deserialize;

use super::Client;
use super::access::Access;
use super::manifest::MOST;
use super::page::next;
use crate::error::{Error, Result};
use crate::http::{Failure, Request, Url};
use crate::oci::Repository;

/// So many tags are asked for at once; registries may give fewer.
const AT_ONCE: &str = "1000";
/// No more pages are read than this.
const MOST_PAGES: usize = 1000;
/// No longer list is kept.
const MOST_TAGS: usize = 200_000;

/// One page of the list.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Client {
    /// All tags of a repository, in the order of their bytes.
    ///
    /// # Errors
    /// Kind network when the registry cannot be reached or refuses, or its list has no end.
    pub async fn tags(&self, repository: &Repository) -> Result<BTreeSet<String>> {
        let what = || format!("cannot list the tags of {repository}");
        let (mut found, mut url) = (BTreeSet::new(), None);
        for _ in 0..MOST_PAGES {
            let read = self.0.http.retry(|_| self.page_of_tags(repository, url.clone())).await;
            let (page, next) = read.map_err(|spent| spent.explain_name(what()))?;
            let known = found.len();
            found.extend(page.tags.unwrap_or_default());
            match next {
                None => return Ok(found),
                // A page without anything new leads round in a circle.
                Some(_) if found.len() == known || found.len() > MOST_TAGS => break,
                Some(next) => url = Some(next),
            }
        }
        Err(Error::network(what()).because("the list has no end"))
    }

    async fn page_of_tags(
        &self,
        repository: &Repository,
        url: Option<Url>,
    ) -> Result<(Page, Option<Url>), Failure> {
        let (host, access) = (self.host(repository), Access::pull(repository));
        let url = match url {
            Some(url) => url,
            None => {
                let mut url = host.endpoint(repository, "tags/list").await?;
                url.query_pairs_mut().append_pair("n", AT_ONCE);
                url
            }
        };
        let mut response = host.send(&access, Request::get(url)).await?;
        if !response.status().is_success() {
            return Err(host.refusal(&access, response).await);
        }
        let bytes = response.bytes(MOST).await?;
        let page = serde_json::from_slice(&bytes)
            .map_err(|error| Error::network("the registry's list of tags cannot be read").because(error))?;
        Ok((page, next(&response)?))
    }
}
