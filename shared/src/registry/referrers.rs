//! What hangs on a manifest: the registry's own list (distribution-spec "Listing Referrers"), and what
//! stands in for it where the registry keeps none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::access::Access;
use super::manifest::{MOST, media_type_of};
use super::page::next;
use super::shelf::Shelf;
use super::{Client, short};
use crate::error::{Error, Result};
use crate::http::header::{ACCEPT, CONTENT_TYPE};
use crate::http::{Failure, HeaderValue, Request, StatusCode, Url};
use crate::oci::media_type::OCI_INDEX;
use crate::oci::{Descriptor, Digest, Index, ManifestKind, Repository};

/// No more pages of a list are read than this.
const MOST_PAGES: usize = 64;
/// No more manifests are read than this to find out what they are.
const MOST_READ: usize = 64;
/// What a registry has just taken may be on its list a little later.
const SOON: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(600)];

/// Who keeps the list of what hangs on a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// By the registry itself, by its API.
    ByRegistry,
    /// An index under this tag.
    ByTag(String),
}

/// One page of a list.
struct Page {
    entries: Vec<Descriptor>,
    /// Whether there are only those of the kind that was asked for.
    is_filtered: bool,
    next: Option<Url>,
}

impl Client {
    /// The registry's own list of what hangs on `subject`, as it says it; `None` where it keeps none. With
    /// `kind`, those of this kind, if the registry can tell them from others: the second value says so.
    ///
    /// # Errors
    /// Kind network when the registry cannot be reached, or its list has no end.
    pub async fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        kind: Option<&str>,
    ) -> Result<Option<(Vec<Descriptor>, bool)>> {
        // With the rights of a push, as all that a push asks: one token serves it.
        self.referrers_for(&Access::push(repository), subject, kind).await
    }

    async fn referrers_for(
        &self,
        access: &Access,
        subject: &Digest,
        kind: Option<&str>,
    ) -> Result<Option<(Vec<Descriptor>, bool)>> {
        let repository = &access.repository;
        let what = || format!("cannot list what hangs on {} in {repository}", short(subject));
        let (mut found, mut is_filtered, mut next) = (Vec::new(), kind.is_some(), None);
        let mut asked = BTreeSet::new();
        for _ in 0..MOST_PAGES {
            let read = self.0.http.retry(|_| self.page(access, subject, kind, next.clone())).await;
            let page = match read.map_err(|spent| spent.explain(what()))? {
                Some(page) => page,
                None if asked.is_empty() => return Ok(None),
                None => return Err(Error::network(what()).because("a page of the list is missing")),
            };
            found.extend(page.entries);
            is_filtered &= page.is_filtered;
            next = page.next;
            match &next {
                None => return Ok(Some((found, is_filtered))),
                Some(url) if asked.insert(url.clone()) => {}
                Some(_) => break,
            }
        }
        Err(Error::network(what()).because("the list has no end"))
    }

    async fn page(
        &self,
        access: &Access,
        subject: &Digest,
        kind: Option<&str>,
        url: Option<Url>,
    ) -> Result<Option<Page>, Failure> {
        let repository = &access.repository;
        let host = self.host(repository);
        let url = match url {
            Some(url) => url,
            None => {
                let mut url = host.endpoint(repository, &format!("referrers/{subject}")).await?;
                if let Some(kind) = kind {
                    url.query_pairs_mut().append_pair("artifactType", kind);
                }
                url
            }
        };
        let request = Request::get(url).header(ACCEPT, HeaderValue::from_static(OCI_INDEX));
        let mut response = host.send(access, request).await?;
        let status = response.status();
        let passes = matches!(status.as_u16(), 408 | 425 | 429);
        if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED || passes {
            return Err(host.refusal(access, response).await);
        }
        if !status.is_success() {
            return Ok(None);
        }
        let bytes = response.bytes(MOST).await?;
        // Some answer what they do not know with a page for people.
        if media_type_of(&bytes, response.header(CONTENT_TYPE.as_str())) != OCI_INDEX {
            return Ok(None);
        }
        let index: Index = serde_json::from_slice(&bytes)
            .map_err(|error| Error::network("the registry's list cannot be read").because(error))?;
        let is_filtered = response
            .header("oci-filters-applied")
            .is_some_and(|filters| filters.split(',').any(|filter| filter.trim() == "artifactType"));
        Ok(Some(Page { entries: index.manifests, is_filtered, next: next(&response)? }))
    }

    /// What hangs on `subject`, wherever that is listed, ordered by digest. What each of them is, its
    /// manifest says: lists are wrong about it where old tools have written them. What is listed and not there is passed
    /// over: nobody may conclude from a list that something was never stated.
    ///
    /// # Errors
    /// As [`Client::referrers`], and when a tag that should be a list is something else.
    pub async fn attached(
        &self,
        repository: &Repository,
        subject: &Digest,
        kind: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        let access = Access::pull(repository);
        let (kept, tagged) = tokio::join!(
            self.referrers_for(&access, subject, kind),
            self.shelved_for(&access, Shelf::Referrers, subject)
        );
        let (kept, is_filtered) = kept?.unwrap_or_default();
        let certain = kept.iter().filter(|_| is_filtered).map(|entry| entry.digest);
        let certain: BTreeSet<Digest> = certain.collect();
        let all: BTreeMap<Digest, Descriptor> =
            kept.into_iter().chain(tagged?).map(|entry| (entry.digest, entry)).collect();
        if all.len() > MOST_READ {
            let hanging = format!("{} things hang on {} in {repository}", all.len(), short(subject));
            return Err(Error::network(hanging).because(format!("no more than {MOST_READ} are read")));
        }
        let mut found = Vec::new();
        for entry in all.into_values() {
            let reference = repository.with_digest(entry.digest);
            let fetched = self.0.http.retry(|_| self.fetch_manifest(&reference)).await;
            let fetched = match fetched {
                Ok(fetched) => fetched,
                // Removed since it was listed, or left in a list that another tool writes: it hangs there no more.
                Err(spent) if spent.is_missing() => continue,
                Err(spent) => return Err(spent.explain(format!("cannot read the manifest {reference}"))),
            };
            let own = Descriptor::of(fetched.media_type.as_str(), &fetched.bytes);
            let parsed = ManifestKind::parse(&fetched.bytes, &fetched.media_type)?;
            if parsed.subject() != Some(*subject) {
                continue;
            }
            let own = parsed.listed(&own);
            if certain.contains(&own.digest) || kind.is_none() || own.artifact_type.as_deref() == kind {
                found.push(own);
            }
        }
        Ok(found)
    }

    /// Whether everybody finds all of these on `subject`, or others of their kinds.
    ///
    /// # Errors
    /// As [`Client::attached`].
    pub async fn lists(
        &self,
        repository: &Repository,
        subject: &Digest,
        things: &[Descriptor],
    ) -> Result<bool> {
        let access = Access::push(repository);
        let (kept, tagged) = tokio::join!(
            self.referrers(repository, subject, None),
            self.shelved_for(&access, Shelf::Referrers, subject)
        );
        let is_in = |list: &[Descriptor]| things.iter().all(|thing| holds_kind(list, thing));
        Ok(match kept? {
            Some((kept, _)) if is_in(&kept) => true,
            _ => is_in(&tagged?),
        })
    }

    /// Makes everybody find `things`, whose manifests are in the repository, on `subject`: by the
    /// registry's list, else by the tag that stands in for it.
    ///
    /// # Errors
    /// As [`Client::attached`], and when the registry does not take the tag.
    pub async fn list(
        &self,
        repository: &Repository,
        subject: &Digest,
        things: &[Descriptor],
    ) -> Result<Kept> {
        let digests: Vec<Digest> = things.iter().map(|thing| thing.digest).collect();
        let mut pauses = SOON.into_iter();
        while let Some((kept, _)) = self.referrers(repository, subject, None).await? {
            if holds(&kept, &digests) {
                return Ok(Kept::ByRegistry);
            }
            let Some(pause) = pauses.next() else { break };
            tokio::time::sleep(pause).await;
        }
        self.shelve(repository, Shelf::Referrers, subject, things).await?;
        Ok(Kept::ByTag(Shelf::Referrers.tag(subject)))
    }
}

fn holds(list: &[Descriptor], things: &[Digest]) -> bool {
    things.iter().all(|thing| list.iter().any(|entry| entry.digest == *thing))
}

/// The annotation that says when something was made, which makes it no other kind of thing.
const CREATED: &str = "org.opencontainers.image.created";

/// Whether a list has this thing, or another of its kind.
pub fn holds_kind(list: &[Descriptor], thing: &Descriptor) -> bool {
    list.iter().any(|entry| is_of_kind(entry, thing))
}

/// Whether an entry is this thing, or another of its kind: a document says the same of the same image, whoever
/// wrote it and when.
fn is_of_kind(entry: &Descriptor, thing: &Descriptor) -> bool {
    let words = |of: &Descriptor| {
        let words = of.annotations.clone().into_iter();
        words.filter(|(name, _)| name != CREATED).collect::<Vec<_>>()
    };
    entry.digest == thing.digest
        || entry.artifact_type.is_some()
            && entry.artifact_type == thing.artifact_type
            && words(entry) == words(thing)
}
