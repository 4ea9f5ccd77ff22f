//! The repository as the cache of machines that have none: what a build finds out is kept there, under one tag, and the
//! next build on an empty machine begins with it.
//!
//! The reasons, and what is believed of whom, are in `docs/design/remote-cache.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::OnceCell;

use super::request::Request;
use super::sign::{Desk, Signer};
use crate::config::{RemoteCache as Wish, Settings};
use crate::error::{Error, Result};
use crate::image::ImageSet;
use crate::oci::media_type::OCI_MANIFEST;
use crate::oci::{Descriptor, Digest, Manifest, ManifestKind, Reference, Repository, to_json};
use crate::registry::Client;
use crate::store::{Blob, Entry, Findings, Store, Table};
use crate::trust;

/// The tag that leads to it.
const TAG: &str = "containerize-cache";

/// The kind of its manifest.
const KIND: &str = "application/vnd.containerize.cache.v1";

/// The type of its layers: JSON of [`Page`], compressed by zstd.
const PAGE: &str = "application/vnd.containerize.cache.page.v1+json+zstd";

/// What is stated of its pages where it is signed.
const STATEMENT: &str =
    concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/design/remote-cache.md#cache-v1");

/// No larger pages are written or read, in bytes, as JSON: what every build asks, and the rest.
const MOST: [usize; 2] = [16 << 20, 64 << 20];

/// No larger page is read as it is compressed, in bytes.
const MOST_PACKED: u64 = 16 << 20;

/// What an entry takes beside its value, in bytes.
const OVERHEAD: usize = 128;

/// Entries that so many writers had no use for are left out, whether there is room or not.
const OLDEST: u8 = 250;

/// The level that pages are compressed at: they are read more often than written.
const LEVEL: i32 = 12;

/// A part of the cache: what every build asks, or what only one asks that changes something.
#[derive(Default, Serialize, Deserialize)]
struct Page {
    entries: Vec<Told>,
    /// Small blobs that are text.
    #[serde(default)]
    blobs: Vec<String>,
    /// Layers, and the repositories that have them.
    #[serde(default)]
    layers: BTreeMap<Digest, String>,
}

#[derive(Serialize, Deserialize)]
struct Told {
    table: String,
    key: Digest,
    /// So many writers had no use for it.
    #[serde(default, skip_serializing_if = "is_zero")]
    age: u8,
    value: Box<RawValue>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_zero(age: &u8) -> bool {
    *age == 0
}

/// The cache of one call.
#[derive(Default)]
pub(super) struct RemoteCache {
    /// Where it is kept; `None` where the call keeps none.
    place: Option<Reference>,
    /// What was found there.
    found: OnceCell<Found>,
    rest: OnceCell<Option<Page>>,
}

struct Found {
    pages: Vec<Descriptor>,
    first: Page,
}

impl RemoteCache {
    /// The one of a call whose images these are, with the names that they are pushed to.
    ///
    /// # Errors
    /// Usage: it is asked for, and several repositories are pushed to of which each may have other readers.
    pub(super) fn of<'s>(
        request: &Request,
        images: impl IntoIterator<Item = &'s Settings>,
        references: &[&Reference],
    ) -> Result<Self> {
        let is_ci = request.variables.get("CI").is_some_and(|value| !value.is_empty() && value != "false");
        let wanted: Vec<_> =
            images.into_iter().filter_map(|settings| settings.remote_cache.as_ref()).collect();
        let named = wanted.iter().find_map(|wanted| match wanted {
            Wish::In(name) => Some(name),
            Wish::On(_) => None,
        });
        let is_asked = wanted.contains(&&Wish::On(true));
        let is_on = named.is_some() || is_asked || wanted.is_empty() && is_ci;
        if !(is_on && request.push && !request.dry_run && request.use_cache) {
            return Ok(Self::default());
        }
        let repositories: BTreeSet<&Repository> = references.iter().map(|name| &name.repository).collect();
        let repository = match (named, repositories.into_iter().collect::<Vec<_>>().as_slice()) {
            (Some(name), _) => name.parse()?,
            (None, [only]) => (*only).clone(),
            (None, several) if is_asked => {
                return Err(Error::usage(format!(
                    "remote-cache names no repository, and {} are pushed to",
                    several.len()
                ))
                .hint("name one that whoever may read it may know of all images: remote-cache = \"ghcr.io/you/cache\""));
            }
            (None, _) => return Ok(Self::default()),
        };
        let place = Reference { repository, tag: Some(TAG.to_owned()), digest: None };
        Ok(Self { place: Some(place), ..Self::default() })
    }

    /// Whether what this call finds out is kept.
    pub(super) const fn is_on(&self) -> bool {
        self.place.is_some()
    }

    /// Whether somebody has pushed there who may.
    pub(super) fn is_found(&self) -> bool {
        self.found.get().is_some()
    }

    /// Borrows what every build asks. That there is none, or that it is not to be believed, is no error. A machine that
    /// pushed there before knows it all itself.
    pub(super) async fn borrow(&self, desk: Desk<'_>, signer: Option<&Signer>) {
        let Some(place) = &self.place else { return };
        if desk.store.recall::<Digest>(Table::KeptIn, &place.to_string()).is_some() {
            return;
        }
        match find(place, desk, signer).await {
            Ok(Some(found)) => {
                lend(&found.first, &place.repository, desk.store);
                desk.events.step("Found", format!("what was built before in {}", place.repository));
                let _ = self.found.set(found);
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, %place, "the remote cache is not used"),
        }
    }

    /// Borrows what only builds ask that change something.
    pub(super) async fn borrow_rest(&self, client: &Client, store: &Store) {
        let (Some(place), Some(found)) = (&self.place, self.found.get()) else { return };
        let page = self.rest.get_or_init(|| async {
            let page = page(client, &place.repository, found.pages.get(1)?, store).await.ok()?;
            lend(&page, &place.repository, store);
            Some(page)
        });
        page.await;
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
        let Some(place) = &self.place else { return };
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
        let told = desk.store.told();
        // Names what is told and not what it says: the keys name all that the values depend on.
        let keys: Vec<_> = told.entries.iter().map(|entry| (entry.table.name(), entry.key)).collect();
        let keys = Digest::of(format!("{keys:?}").as_bytes());
        if desk.store.recall::<Digest>(Table::KeptIn, &place.to_string()) == Some(keys) {
            return Ok(());
        }
        if let Some(found) = self.found.get() {
            let known = &found.first.entries;
            let known: BTreeSet<_> = known.iter().map(|told| (told.table.as_str(), told.key)).collect();
            if told.entries.iter().all(|entry| known.contains(&(entry.table.name(), entry.key))) {
                desk.store.remember(Table::KeptIn, &place.to_string(), &keys);
                return Ok(());
            }
            self.borrow_rest(desk.client, desk.store).await;
        }
        let before = [self.found.get().map(|found| &found.first), self.rest.get().and_then(Option::as_ref)];
        let pages = pages(told, sets, below, &place.repository, before)?;
        let mut layers = Vec::new();
        for page in &pages {
            layers.push(Blob::of(PAGE, packed(page)?));
        }
        if let Some(signer) = signer {
            let subjects =
                layers.iter().map(|blob| trust::Resource::default().sha256(&blob.descriptor.digest));
            let statement = trust::Statement::new(subjects.collect(), STATEMENT, serde_json::json!({}));
            let signed = signer.sign(desk, &BTreeSet::new(), &[to_json(&statement)?]).await?;
            layers.extend(signed.into_iter().map(|signed| Blob::of(trust::BUNDLE, signed.bundle)));
        }
        let descriptors = layers.iter().map(|blob| blob.descriptor.clone()).collect();
        let manifest = Manifest {
            artifact_type: Some(KIND.to_owned()),
            ..Manifest::new(OCI_MANIFEST, Descriptor::empty(), descriptors)
        };
        layers.push(Blob::of(crate::oci::media_type::OCI_EMPTY, crate::oci::EMPTY.to_vec()));
        for blob in &layers {
            desk.client.push_blob(&place.repository, blob, "the cache", None).await?;
        }
        desk.client.push_manifest(place, OCI_MANIFEST, to_json(&manifest)?.into()).await?;
        desk.store.remember(Table::KeptIn, &place.to_string(), &keys);
        Ok(())
    }
}

/// What is kept there, if it is to be believed.
async fn find(place: &Reference, desk: Desk<'_>, signer: Option<&Signer>) -> Result<Option<Found>> {
    let Ok(manifest) = desk.client.manifest(place).await else { return Ok(None) };
    let ManifestKind::Manifest(manifest) = ManifestKind::parse(&manifest.bytes, &manifest.media_type)? else {
        return Ok(None);
    };
    if manifest.artifact_type.as_deref() != Some(KIND) {
        return Ok(None);
    }
    let pages: Vec<Descriptor> =
        manifest.layers.iter().filter(|layer| layer.media_type == PAGE).cloned().collect();
    let Some(first) = pages.first() else { return Ok(None) };
    if let Some(signer) = signer {
        let bundle = manifest.layers.iter().find(|layer| layer.media_type == trust::BUNDLE);
        let bundle = bundle.ok_or_else(|| Error::integrity("it is not signed, but this call signs"))?;
        let bundle = desk.client.small_blob(&place.repository, bundle, desk.store).await?;
        let statement = signer.own(&bundle, &first.digest).await?;
        let is_whole = pages.iter().all(|page| statement.is_about(&page.digest));
        if statement.predicate_type != STATEMENT || !is_whole {
            return Err(Error::integrity("something else is signed"));
        }
    }
    let first = page(desk.client, &place.repository, first, desk.store).await?;
    Ok(Some(Found { pages, first }))
}

async fn page(client: &Client, repository: &Repository, page: &Descriptor, store: &Store) -> Result<Page> {
    if page.size > MOST_PACKED {
        return Err(Error::integrity("a page of the remote cache is larger than any that is written"));
    }
    let packed = client.small_blob(repository, page, store).await?;
    let damaged =
        |error: std::io::Error| Error::integrity("a page of the remote cache is damaged").because(error);
    let mut decoder = zstd::stream::read::Decoder::new(&packed[..]).map_err(damaged)?;
    decoder.window_log_max(27).map_err(damaged)?;
    let mut text = Vec::new();
    decoder.take(MOST[1] as u64 + 1).read_to_end(&mut text).map_err(damaged)?;
    if text.len() > MOST[1] {
        return Err(Error::integrity("a page of the remote cache is larger than any that is written"));
    }
    serde_json::from_slice(&text)
        .map_err(|error| Error::integrity("a page of the remote cache cannot be read").because(error))
}

fn packed(page: &Page) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| Error::build("cannot write the remote cache").because(error);
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), LEVEL).map_err(failed)?;
    encoder.long_distance_matching(true).map_err(failed)?;
    encoder.write_all(&to_json(page)?).map_err(failed)?;
    encoder.finish().map_err(failed)
}

/// Lends a page. Tables that this version does not know, and layers elsewhere than in the registry that it is from,
/// are passed over.
fn lend(page: &Page, from: &Repository, store: &Store) {
    let entries = page.entries.iter().filter_map(|told| {
        let table = Table::named(&told.table)?;
        Some(Entry { table, key: told.key, value: told.value.get().as_bytes().to_vec() })
    });
    let homes = page.layers.iter().filter_map(|(digest, name)| {
        let home: Repository = format!("{}/{name}", from.registry).parse().ok()?;
        Some((*digest, home))
    });
    let blobs = page.blobs.iter().map(|text| text.clone().into_bytes()).collect();
    store.lend(Findings { entries: entries.collect(), blobs }, homes.collect());
}

/// What is kept: what was told, and of what was there before as much as there is room for, what had a use lately first.
fn pages(
    told: Findings,
    sets: &[ImageSet],
    below: &BTreeSet<Digest>,
    home: &Repository,
    before: [Option<&Page>; 2],
) -> Result<[Page; 2]> {
    let mut layers = BTreeMap::new();
    for set in sets {
        let places = set.references.iter().map(|reference| &reference.repository);
        let Some(place) = places.filter(|place| place.registry == home.registry).min() else { continue };
        for blob in set.images.iter().flat_map(|image| &image.layers) {
            layers.insert(blob.descriptor.digest, place.name.clone());
        }
    }
    let own: BTreeSet<Digest> = layers.keys().filter(|layer| !below.contains(layer)).map(facts_key).collect();
    let mut all = Vec::new();
    for Entry { table, key, value } in told.entries {
        let value = String::from_utf8(value).ok().and_then(|text| RawValue::from_string(text).ok());
        let value = value.ok_or_else(|| Error::bug("something remembered is not JSON"))?;
        let is_rest = matches!(table, Table::Details | Table::Papers)
            || table == Table::Facts && own.contains(&key);
        all.push((usize::from(is_rest), Told { table: table.name().to_owned(), key, age: 0, value }));
    }
    let mut older = Vec::new();
    for (page, before) in before.iter().enumerate() {
        let known = before.iter().flat_map(|page| &page.entries).filter(|told| told.age < OLDEST);
        older.extend(known.map(|told| {
            let (table, value) = (told.table.clone(), told.value.clone());
            (page, Told { table, key: told.key, age: told.age + 1, value })
        }));
    }
    older.sort_by_key(|(_, told)| told.age);
    let mut pages = [(); 2].map(|()| Page::default());
    let (mut known, mut room) = (BTreeSet::new(), MOST);
    for (page, told) in all.into_iter().chain(older) {
        let size = told.value.get().len() + OVERHEAD;
        if size <= room[page] && known.insert((told.table.clone(), told.key)) {
            room[page] -= size;
            pages[page].entries.push(told);
        }
    }
    pages[0].blobs = told.blobs.into_iter().filter_map(|blob| String::from_utf8(blob).ok()).collect();
    let homes: BTreeMap<Digest, &String> = before.iter().flatten().flat_map(|page| &page.layers).map(|(d, n)| (*d, n)).collect();
    // Those that entries lead to which are kept.
    for told in &pages[0].entries {
        let Ok(Made { digest }) = serde_json::from_str(told.value.get()) else { continue };
        if let Some(home) = homes.get(&digest) {
            layers.entry(digest).or_insert_with(|| (*home).clone());
        }
    }
    pages[0].layers = layers;
    Ok(pages)
}

/// What an entry says of a layer.
#[derive(Deserialize)]
struct Made {
    digest: Digest,
}

/// Under which key facts of a layer are remembered.
fn facts_key(layer: &Digest) -> Digest {
    Digest::of(layer.to_string().as_bytes())
}
