//! The repository as the cache of machines that have none: what a build finds out is kept there, under one tag, and the
//! next build on an empty machine begins with it.
//!
//! The reasons, and what is believed of whom, are in `docs/design/remote-cache.md`.

mod belief;
mod changes;
mod found;
mod page;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{BoxFuture, join_all, try_join_all};
use tokio::sync::OnceCell;

use super::request::Request;
use super::sign::{Desk, Signer, Trusted};
use crate::config::{RemoteCache as Wish, Settings};
use crate::error::{Error, Result};
use crate::image::ImageSet;
use crate::oci::media_type::{OCI_EMPTY, OCI_MANIFEST};
use crate::oci::{Descriptor, Digest, EMPTY, Manifest, Reference, Repository, to_json};
use crate::registry::Client;
use crate::store::{Blob, Findings, Store, Table};
use crate::trust::{self, Resource};
use belief::Belief;
use changes::{Added, Changes};
use found::{Found, looked, there};
use page::{Known, Page};

/// The kind of its manifest.
const KIND: &str = "application/vnd.containerize.cache.v1";

/// The type of its layers.
const PAGE: &str = "application/vnd.containerize.cache.page.v1+json+zstd";

/// The type of the layer that has what was found out since.
const CHANGES: &str = "application/vnd.containerize.cache.changes.v1+json+zstd";

/// What is stated of its pages where it is signed.
const STATEMENT: &str =
    concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/design/remote-cache.md#cache-v1");

/// The cache of one call.
#[derive(Default)]
pub(super) struct RemoteCache {
    /// Where it is kept; `None` where the call keeps none.
    home: Option<Repository>,
    /// Repositories whose layers may be used: those that are pushed to. All of the registry where the cache was named.
    near: Option<BTreeSet<String>>,
    place: OnceCell<Reference>,
    /// What was found there.
    found: OnceCell<Found>,
    /// Others who are believed.
    trusted: Vec<Trusted>,
    /// What they have left in the same repository.
    others: OnceCell<Vec<Found>>,
    /// Where others have kept what is in the layers of bases.
    bases: Option<Repository>,
    /// What was found there.
    of_bases: OnceCell<Vec<Found>>,
    /// Whether all that was found is lent, and not only what every build asks.
    is_rest_lent: OnceCell<()>,
    /// Whether what was found did not serve.
    is_returned: AtomicBool,
}

impl RemoteCache {
    /// The one of a call whose images these are, with the names that they are pushed to.
    ///
    /// # Errors
    /// Usage: the images do not agree about it; or it is asked for, and several repositories are pushed to of which each may
    /// have other readers; or it is named on another registry. A file of somebody who is trusted cannot be read, in `dir`.
    pub(super) fn of<'s>(
        request: &Request,
        dir: &Path,
        images: impl IntoIterator<Item = &'s Settings>,
        references: &[&Reference],
    ) -> Result<Self> {
        let images: Vec<&Settings> = images.into_iter().collect();
        if !request.use_cache {
            return Ok(Self::default());
        }
        let bases = same("base-cache", &images, |settings| settings.base_cache.as_deref())?.flatten();
        let bases = bases.map(str::parse::<Repository>).transpose()?;
        if !request.push || request.dry_run {
            return Ok(Self { bases, ..Self::default() });
        }
        let wish = same("remote-cache", &images, |settings| settings.remote_cache.as_ref())?.flatten();
        let trust = same("cache-trust", &images, |settings| &settings.cache_trust)?;
        let pushed: BTreeSet<&Repository> = references.iter().map(|name| &name.repository).collect();
        let is_ci = request.variables.get("CI").is_some_and(|value| !value.is_empty() && value != "false");
        let home = match wish {
            Some(Wish::On(false)) => None,
            None if !is_ci => None,
            Some(Wish::In(name)) => Some(named(name, &pushed)?),
            asked => match pushed.iter().collect::<Vec<_>>().as_slice() {
                [only] => Some((**only).clone()),
                several if asked.is_some() => {
                    return Err(Error::usage(format!(
                        "remote-cache names no repository, and {} are pushed to",
                        several.len()
                    ))
                    .hint("set remote-cache to one, such as ghcr.io/you/cache: whoever may read it may know all of these images"));
                }
                _ => None,
            },
        };
        let is_named = matches!(wish, Some(Wish::In(_)));
        let near = (!is_named).then(|| pushed.iter().map(|repository| repository.name.clone()).collect());
        let signs = (home.is_some() || bases.is_some())
            && images.iter().any(|settings| settings.attest.sign.is_some());
        let trusted = trust.into_iter().flatten().filter(|_| signs);
        let trusted = trusted.map(|entry| Trusted::read(dir, "cache-trust", entry)).collect::<Result<_>>()?;
        Ok(Self { home, near, trusted, bases, ..Self::default() })
    }

    /// Whether what this call finds out is kept.
    pub(super) const fn is_on(&self) -> bool {
        self.home.is_some()
    }

    /// Whether something was found that a push had left.
    pub(super) fn is_found(&self) -> bool {
        self.found.get().is_some()
    }

    /// Whether anything was found that is believed, be it another signer's.
    pub(super) fn has_any(&self) -> bool {
        self.all().next().is_some()
    }

    /// Where what was found is, and which; `is_signed` where it was believed for its signature.
    pub(super) fn reused(&self, is_signed: bool) -> Vec<Resource> {
        let resource = |role: &'static str| {
            move |Found { place, manifest, .. }: &Found| {
                let place = Resource::at(format!("oci://{place}")).sha256(manifest);
                place.with("role", role).with("signed", is_signed)
            }
        };
        let of_bases = self.of_bases.get().into_iter().flatten();
        self.all().map(resource("remote-cache")).chain(of_bases.map(resource("base-cache"))).collect()
    }

    /// All that was found.
    fn all(&self) -> impl Iterator<Item = &Found> {
        self.found.get().into_iter().chain(self.others.get().into_iter().flatten())
    }

    /// Borrows what every build asks. Finding nothing, or nothing that may be believed, is not an error. A machine
    /// that has written there knows it all itself.
    pub(super) async fn borrow(&self, desk: Desk<'_>, signer: Option<&Signer>) {
        let Some(home) = &self.home else { return };
        let own = match signer {
            None => Some(belief::place(home, None)),
            Some(signer) => match signer.name().await {
                // Nobody will ever be the signer of a tag again.
                Ok(name) => name.map(|name| belief::place(home, Some(&name))),
                // Without a token nothing will be signed.
                Err(_) => return,
            },
        };
        let is_kept =
            |own: &Reference| desk.store.recall::<Digest>(Table::KeptIn, &own.to_string()).is_some();
        let knows_all = own.as_ref().is_some_and(is_kept);
        if let Some(own) = own {
            let _ = self.place.set(own);
        }
        if knows_all {
            return;
        }
        let others = self.trusted.iter().map(|trusted| async {
            looked(&belief::place(home, Some(&trusted.name)), desk, Belief::Other(&trusted.signatory)).await
        });
        let own = async { looked(self.place.get()?, desk, Belief::of(signer)).await };
        let (own, others) = tokio::join!(own, join_all(others));
        let others = self
            .others
            .get_or_init(|| async { others.into_iter().flatten().map(Found::only_read).collect() })
            .await;
        // The own word counts more, and so comes later.
        others.iter().chain(&own).for_each(|found| found.lend_first(self.near.as_ref(), desk.store));
        if own.is_some() || !others.is_empty() {
            desk.events.step("Found", format!("the results of earlier builds in {home}"));
        }
        if let Some(own) = own {
            let _ = self.found.set(own);
        }
    }

    /// Borrows what is in the layers of bases. Whoever knows it does not ask.
    pub(super) async fn borrow_bases(&self, desk: Desk<'_>, signer: Option<&Signer>) {
        let Some(bases) = self.bases.as_ref().filter(|_| !self.is_returned.load(Ordering::Relaxed)) else {
            return;
        };
        let found = self.of_bases.get_or_init(|| async {
            let own = match signer {
                None => Some(belief::place(bases, None)),
                Some(signer) => {
                    signer.name().await.ok().flatten().map(|name| belief::place(bases, Some(&name)))
                }
            };
            let own = own.into_iter().map(|place| (place, Belief::of(signer)));
            let others = self.trusted.iter().filter(|_| signer.is_some()).map(|trusted| {
                (belief::place(bases, Some(&trusted.name)), Belief::Other(&trusted.signatory))
            });
            // The own word is the last, as in `borrow`.
            let asked = others.chain(own).map(|(place, belief)| async move {
                let found = looked(&place, desk, belief).await?.only_read();
                found.had(desk.client).await;
                Some(found)
            });
            // Boxed, as the compiler cannot see otherwise that these futures may move between threads.
            let asked: Vec<BoxFuture<'_, Option<Found>>> = asked.map(|look| Box::pin(look) as _).collect();
            let found: Vec<Found> = join_all(asked).await.into_iter().flatten().collect();
            for found in &found {
                found.lend_contents(desk.client, desk.store).await;
            }
            if !found.is_empty() {
                desk.events.step("Found", format!("the contents of bases in {bases}"));
            }
            found
        });
        found.await;
    }

    /// Borrows what only builds ask that change something.
    pub(super) async fn borrow_rest(&self, client: &Client, store: &Store) {
        if self.is_returned.load(Ordering::Relaxed) {
            return;
        }
        let lent = self.is_rest_lent.get_or_init(|| async {
            join_all(self.all().map(|found| found.had(client))).await;
            // As with the first pages, the own one is the last.
            for found in self.others.get().into_iter().flatten().chain(self.found.get()) {
                found.lend_rest(self.near.as_ref(), client, store).await;
            }
        });
        lent.await;
    }

    /// Gives all of it back, since a build with it has failed.
    pub(super) fn give_back(&self) {
        self.is_returned.store(true, Ordering::Relaxed);
    }

    /// Keeps what this call has found out, unless it is there already. That it cannot be is told, and no error: the
    /// images are where they belong. `below` are the layers of bases.
    pub(super) async fn keep(
        &self,
        desk: Desk<'_>,
        signer: Option<&Signer>,
        sets: &[ImageSet],
        below: &BTreeSet<Digest>,
    ) {
        let Some(place) = self.place.get() else { return };
        if let Err(error) = self.write(place, desk, signer, sets, below).await {
            desk.events
                .note(format!("{place} was not written, so the next clean machine has more to do: {error}"));
        }
    }

    async fn write(
        &self,
        place: &Reference,
        desk: Desk<'_>,
        signer: Option<&Signer>,
        sets: &[ImageSet],
        below: &BTreeSet<Digest>,
    ) -> Result<()> {
        let (mut told, are_published) = (desk.store.told(), are_bills_published(sets));
        told.retain(|(table, _)| *table != Table::Bills || are_published);
        // The keys name all that the values depend on, so nobody need read these to see that nothing is new.
        let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
        let (own, keys) = (format!("{place} {names:?}"), Digest::of(format!("{told:?}").as_bytes()));
        if desk.store.recall::<Digest>(Table::KeptIn, &own) == Some(keys) {
            return Ok(());
        }
        let has_lied = self.is_returned.load(Ordering::Relaxed);
        let known = self.found.get().filter(|_| !has_lied);
        let most = page::MOST.iter().sum();
        if known.is_some_and(|found| found.every().holds(&desk.store.findings(told.clone(), most))) {
            return Ok(());
        }
        // A build without changes asks little, but whoever changes something asks all of it.
        told.extend(page::told_with(&told, sets));
        let told = desk.store.findings(told, most);
        // Others may have written meanwhile.
        let current = desk.client.head_manifest(place).await?.map(|found| found.digest);
        let known = known.filter(|found| Some(found.manifest) == current);
        let now =
            match current.filter(|_| self.found.get().is_none_or(|found| Some(found.manifest) != current)) {
                Some(_) => there(place, desk, signer).await?,
                None => None,
            };
        let told = page::told(told, sets, below, &place.repository)?;
        match (has_lied, known.or(now.as_ref())) {
            (false, Some(found)) => add(found, told, desk, signer).await?,
            // What has lied is written anew, also where somebody has added to it meanwhile.
            (true, Some(found)) if self.found.get().is_none_or(|liar| !liar.has_pages_of(found)) => {
                push(place, desk, signer, page::merged(told, found.all(desk.client).await?)).await?;
            }
            (_, _) => push(place, desk, signer, page::merged(told, Known::default())).await?,
        }
        desk.store.remember(Table::KeptIn, &own, &keys);
        if !desk.store.has_used_loan() {
            // This machine has all of it in its own cache, where what is lent never comes.
            desk.store.remember(Table::KeptIn, &place.to_string(), &keys);
        }
        Ok(())
    }
}

/// Keeps what was told of the layers of bases in a repository, beside what is there, for all calls that name it.
///
/// # Errors
/// Usage: whoever signs has no cache. Network: the registry cannot be reached or refuses.
pub(super) async fn publish(
    home: &Repository,
    desk: Desk<'_>,
    signer: Option<&Signer>,
    told: BTreeSet<(Table, Digest)>,
) -> Result<Reference> {
    let name = match signer {
        None => None,
        Some(signer) => Some(signer.name().await?.ok_or_else(|| {
            Error::usage("a build of a tag cannot publish a cache, since its signer never signs again")
                .hint("publish from a branch")
        })?),
    };
    let place = belief::place(home, name.as_deref());
    let told = desk.store.findings(told, page::MOST.iter().sum());
    // Configurations of bases are for those who may read the bases.
    let told = Findings { blobs: Vec::new(), ..told };
    let number = told.entries.len();
    let now = match desk.client.head_manifest(&place).await? {
        Some(_) => there(&place, desk, signer).await?,
        None => None,
    };
    let before = match &now {
        Some(found) => found.all(desk.client).await?,
        None => Known::default(),
    };
    if before.holds(&told) {
        desk.events.step("Unchanged", place.to_string());
        return Ok(place);
    }
    let pages = page::merged(page::told(told, &[], &BTreeSet::new(), home)?, before);
    if pages.iter().map(Page::fresh).sum::<usize>() < number {
        desk.events.warn(format!(
            "{place} has no room for all of it; publish fewer bases, or to several repositories"
        ));
    }
    push(&place, desk, signer, pages).await?;
    Ok(place)
}

/// Whether the bills of all images hang on them: then nobody learns more from the cache.
fn are_bills_published(sets: &[ImageSet]) -> bool {
    sets.iter().all(|set| !set.attached.is_empty() || !set.statements.is_empty())
}

/// The repository of this name, on a registry that is pushed to.
fn named(name: &str, pushed: &BTreeSet<&Repository>) -> Result<Repository> {
    let repository: Repository = name.parse()?;
    match pushed.iter().any(|other| other.registry == repository.registry) {
        true => Ok(repository),
        false => Err(Error::usage(format!(
            "remote-cache is on {}, and nothing is pushed there",
            repository.registry
        ))
        .hint("use a repository of the registry that the image is pushed to: its layers are kept there")),
    }
}

/// What all images of a call have as the value of a key; `None` where there are no images.
fn same<'s, T: PartialEq>(
    key: &str,
    images: &[&'s Settings],
    value: impl Fn(&'s Settings) -> T,
) -> Result<Option<T>> {
    let mut values: Vec<T> = images.iter().map(|settings| value(settings)).collect();
    if values.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(Error::usage(format!("the images of this call have different values of {key}"))
            .hint("give all of them the same, or build them in calls of their own"));
    }
    Ok(values.pop())
}

/// Adds to what was found: beside its pages, which stay as they are, where that is little.
async fn add(found: &Found, told: [Page; 2], desk: Desk<'_>, signer: Option<&Signer>) -> Result<()> {
    let known = found.all(desk.client).await?;
    match Changes::since(&told, known, &found.dictionary)? {
        Added::Nothing => return Ok(()),
        Added::Something(changes) => {
            let added = publish_layers(&found.place, desk, signer, &found.pages, vec![*changes]).await;
            // The registry may not have the pages any more.
            if added.is_ok() {
                return added;
            }
        }
        Added::TooMuch => {}
    }
    push(&found.place, desk, signer, page::merged(told, known)).await
}

/// Pushes pages.
async fn push(place: &Reference, desk: Desk<'_>, signer: Option<&Signer>, pages: [Page; 2]) -> Result<()> {
    let pages = pages.into_iter().map(|page| Ok(Blob::of(PAGE, page.packed()?)));
    publish_layers(place, desk, signer, &[], pages.collect::<Result<_>>()?).await
}

/// Writes a cache of layers that are there and of new ones, with a signature about all of them where the call signs.
async fn publish_layers(
    place: &Reference,
    desk: Desk<'_>,
    signer: Option<&Signer>,
    there: &[Descriptor],
    mut new: Vec<Blob>,
) -> Result<()> {
    let layers = there.iter().chain(new.iter().map(|blob| &blob.descriptor));
    let mut layers: Vec<Descriptor> = layers.cloned().collect();
    if let Some(signer) = signer {
        let subjects = layers.iter().map(|layer| Resource::default().sha256(&layer.digest));
        let statement = trust::Statement::new(subjects.collect(), STATEMENT, serde_json::json!({}));
        let signed = signer.sign(desk, &BTreeSet::new(), &[to_json(&statement)?]).await?;
        let bundles = signed.into_iter().map(|signed| Blob::of(trust::BUNDLE, signed.bundle));
        for bundle in bundles {
            layers.push(bundle.descriptor.clone());
            new.push(bundle);
        }
    }
    new.push(Blob::of(OCI_EMPTY, EMPTY.to_vec()));
    let pushes =
        new.iter().map(|blob| desk.client.push_blob(&place.repository, blob, "the remote cache", None));
    try_join_all(pushes).await?;
    let manifest = Manifest {
        artifact_type: Some(KIND.to_owned()),
        ..Manifest::new(OCI_MANIFEST, Descriptor::empty(), layers)
    };
    desk.client.push_manifest(place, OCI_MANIFEST, to_json(&manifest)?.into()).await.map(drop)
}
