//! What is kept in a repository, as it is read: two pages, and what has been found out since they were written.

use std::collections::BTreeSet;

use futures_util::future::join;
use tokio::sync::OnceCell;

use super::super::sign::{Desk, Signer};
use super::belief::Belief;
use super::changes::{self, Changes};
use super::page::{self, Known, Page};
use super::{CHANGES, KIND, PAGE, STATEMENT};
use crate::error::{Error, Kind, Result};
use crate::oci::{Descriptor, Digest, Manifest, ManifestKind, Reference, Repository};
use crate::registry::Client;
use crate::store::Store;
use crate::trust::{self, Resource};

/// How many pages there are.
const PAGES: usize = 2;

/// A cache that was found, and is to be believed.
pub(super) struct Found {
    /// Where it is.
    pub(super) place: Reference,
    /// The digest of its manifest.
    pub(super) manifest: Digest,
    /// What the manifest says of the pages, and not of the changes.
    pub(super) pages: Vec<Descriptor>,
    /// What every build asks.
    pub(super) first: Page,
    /// What was found out later.
    pub(super) changes: Changes,
    /// What changes are compressed with; empty where none will be written.
    pub(super) dictionary: Vec<u8>,
    rest: OnceCell<Option<Page>>,
}

impl Found {
    /// The page that only builds ask which change something. `None` where it is not there, or damaged.
    ///
    /// # Errors
    /// Network: the registry cannot be reached, so that nothing is known of it.
    async fn rest(&self, client: &Client) -> Result<Option<&Page>> {
        let rest = self.rest.get_or_try_init(|| async {
            let Some(page) = self.pages.get(1) else { return Ok(None) };
            match small(client, &self.place.repository, page).await {
                Ok(packed) => Ok(Page::unpacked(&packed).ok().map(|(page, _)| page)),
                Err(error) if error.kind() == Kind::Integrity => Ok(None),
                Err(error) => Err(error),
            }
        });
        Ok(rest.await?.as_ref())
    }

    /// All of it.
    ///
    /// # Errors
    /// Network: the registry cannot be reached.
    pub(super) async fn all(&self, client: &Client) -> Result<Known<'_>> {
        let pages = [Some(&self.first), self.rest(client).await?];
        Ok(Known { pages, later: [Some(&self.changes.first), Some(&self.changes.rest)] })
    }

    /// All that can be had of it, for who only borrows.
    pub(super) async fn had(&self, client: &Client) -> Known<'_> {
        self.all(client).await.unwrap_or_else(|_| self.every())
    }

    /// Whether another cache has the same pages, whatever was found out since.
    pub(super) fn has_pages_of(&self, other: &Self) -> bool {
        self.pages == other.pages
    }

    /// What every build asks.
    pub(super) fn every(&self) -> Known<'_> {
        Known { pages: [Some(&self.first), None], later: [Some(&self.changes.first), None] }
    }

    /// Lends what every build asks, of layers in repositories that are `near`, if these are given.
    pub(super) fn lend_first(&self, near: Option<&BTreeSet<String>>, store: &Store) {
        // What was found out later counts more, and so comes later.
        for page in self.every().newest_first().rev() {
            page.lend(&self.place.repository, near, store);
        }
    }

    /// Lends what only builds ask that change something.
    pub(super) async fn lend_rest(&self, near: Option<&BTreeSet<String>>, client: &Client, store: &Store) {
        let rest = self.rest(client).await.ok().flatten();
        for page in rest.into_iter().chain([&self.changes.rest]) {
            page.lend(&self.place.repository, near, store);
        }
    }

    /// Lends what is said of the contents of layers, and nothing else of it.
    pub(super) async fn lend_contents(&self, client: &Client, store: &Store) {
        for page in self.had(client).await.newest_first().rev() {
            page.lend_contents(store);
        }
    }

    /// The same, to which nothing will be added.
    pub(super) fn only_read(self) -> Self {
        Self { dictionary: Vec::new(), ..self }
    }
}

/// What is there now. What cannot be believed may be replaced, but not what is something else.
pub(super) async fn there(
    place: &Reference,
    desk: Desk<'_>,
    signer: Option<&Signer>,
) -> Result<Option<Found>> {
    match find(place, desk, Belief::of(signer)).await {
        Err(error) if error.kind() == Kind::Integrity => Ok(None),
        found => found.map(Some),
    }
}

/// What is kept at a place, if it is to be believed. That there is nothing to be had is no error.
pub(super) async fn looked(place: &Reference, desk: Desk<'_>, belief: Belief<'_>) -> Option<Found> {
    let found = find(place, desk, belief).await;
    found
        .inspect_err(|error| tracing::debug!(%error, causes = ?error.causes(), %place, "no remote cache"))
        .ok()
}

async fn find(place: &Reference, desk: Desk<'_>, belief: Belief<'_>) -> Result<Found> {
    let fetched = desk.client.manifest(place).await?;
    let other = || {
        Error::usage(format!("{place} is not a cache that this version can read"))
            .hint("give another repository with remote-cache, or remove the tag")
    };
    let parsed = ManifestKind::parse(&fetched.bytes, &fetched.media_type).map_err(|_| other())?;
    let ManifestKind::Manifest(manifest) = parsed else { return Err(other()) };
    if manifest.artifact_type.as_deref() != Some(KIND) {
        return Err(other());
    }
    // What else a descriptor may say is not kept: nobody has signed it.
    let plain = |page: &Descriptor| Descriptor::new(PAGE, page.digest, page.size);
    let pages: Vec<Descriptor> = of_type(&manifest, PAGE).take(PAGES).map(plain).collect();
    let first = pages.first().ok_or_else(|| Error::integrity("it has no page"))?;
    let later = of_type(&manifest, CHANGES).next();
    if belief.wants_signature() {
        let bundle = of_type(&manifest, trust::BUNDLE).next();
        let bundle = bundle.ok_or_else(|| Error::integrity("it is not signed, but this call signs"))?;
        let bundle = small(desk.client, &place.repository, bundle).await?;
        let statement = belief.statement(&bundle, &first.digest).await?;
        let named = pages.iter().chain(later).map(|layer| Resource::default().sha256(&layer.digest));
        // In their order: what is signed as one page is not another.
        if statement.predicate_type != STATEMENT || !named.eq(statement.subject.iter().cloned()) {
            return Err(Error::integrity("something else is signed"));
        }
    }
    let later_bytes = async {
        let Some(later) = later else { return Ok(None) };
        if later.size > changes::MOST_PACKED as u64 {
            return Err(page::too_large());
        }
        match changes::embedded(later) {
            Some(bytes) => Ok(Some(bytes)),
            None => small(desk.client, &place.repository, later).await.map(Some),
        }
    };
    let (first, later) = join(small(desk.client, &place.repository, first), later_bytes).await;
    let (first, mut dictionary) = Page::unpacked(&first?)?;
    changes::shorten(&mut dictionary);
    let changes = match later? {
        Some(packed) => Changes::unpacked(&packed, &dictionary)?,
        None => Changes::default(),
    };
    let (place, manifest) = (place.clone(), fetched.digest);
    Ok(Found { place, manifest, pages, first, changes, dictionary, rest: OnceCell::new() })
}

/// The layers of a manifest that are of one type.
fn of_type<'m>(manifest: &'m Manifest, media_type: &'static str) -> impl Iterator<Item = &'m Descriptor> {
    manifest.layers.iter().filter(move |layer| layer.media_type == media_type)
}

/// A part of the cache, which never comes to the disk of this machine.
async fn small(client: &Client, repository: &Repository, part: &Descriptor) -> Result<Vec<u8>> {
    if part.size > page::MOST_PACKED {
        return Err(page::too_large());
    }
    let bytes = client.read_blob_if_there(repository, part).await?;
    bytes.ok_or_else(|| Error::integrity("a part of the remote cache is no longer in the registry"))
}
