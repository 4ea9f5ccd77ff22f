//! Pushing image sets to registries.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::attach::Wanted;
use super::{attach, signatures};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::image::{Attached, ImageSet, Signature};
use crate::oci::{Digest, Reference, Repository};
use crate::registry::{Client, home, is_about_missing_blobs, remember_home};
use crate::store::{Blob, Source, Store, Table};

/// So many blobs are on their way at once.
const PARALLEL: usize = 8;

/// Whether the repository took a push before.
pub(crate) fn has_taken(store: &Store, repository: &Repository) -> bool {
    store.recall::<bool>(Table::PushedTo, &repository.to_string()).unwrap_or_default()
}

/// What registries have of a set before it is pushed.
pub struct Asked<'s> {
    /// The references that do not lead to it.
    outdated: Vec<&'s Reference>,
    /// Of repositories in which all do.
    missing: Vec<(&'s Repository, Missing<'s>)>,
}

/// What should hang on an image and does not, and signatures that are not there.
type Missing<'s> = (Wanted<'s>, Vec<&'s Signature>);

/// Asks what there is of a set where it will be pushed. So many sets can be asked for at once, of which most have not
/// changed.
///
/// # Errors
/// When a registry refuses or cannot be reached.
pub async fn ask<'s>(client: &Client, set: &'s ImageSet) -> Result<Asked<'s>> {
    let outdated = outdated(client, set).await;
    let is_current =
        |repository: &&Repository| !outdated.iter().any(|reference| reference.repository == **repository);
    let current = set.repositories().into_iter().filter(is_current);
    let asked = current.map(|repository| async move {
        Ok::<_, Error>((repository, missing(client, set, repository, None).await?))
    });
    let missing = try_join_all(asked).await?;
    Ok(Asked { outdated, missing })
}

/// Pushes a set under all its references: blobs in parallel, then the manifests, what hangs on them, and
/// the tags last, so that a name never leads to something incomplete. Returns the references.
///
/// # Errors
/// When a registry refuses or cannot be reached; names that were not pushed yet are as before.
pub async fn push(
    client: &Client,
    set: &ImageSet,
    Asked { outdated, missing }: Asked<'_>,
    store: &Store,
    events: &Events,
) -> Result<Vec<Reference>> {
    for reference in &set.references {
        if !outdated.contains(&reference) {
            events.step("Unchanged", reference.to_string());
        }
    }
    for (repository, missing) in missing {
        complete(client, set, repository, missing, events).await?;
    }
    let mut done: Vec<&Repository> = Vec::new();
    for repository in set.repositories() {
        let references: Vec<&Reference> =
            outdated.iter().copied().filter(|reference| reference.repository == *repository).collect();
        if references.is_empty() {
            continue;
        }
        for reference in &references {
            events.step("Pushing", reference.to_string());
        }
        // What an earlier repository of the same registry has can be mounted from it.
        let sibling = done.iter().copied().find(|other| other.registry == repository.registry);
        let deliver = || async {
            let (wanted, ()) = tokio::try_join!(
                attach::early(client, set, repository),
                push_blobs(client, set, repository, sibling, store)
            )?;
            push_manifests(client, set, repository, &references, wanted, events).await
        };
        match deliver().await {
            // It was told of all of them before; what it has lost since is sent once more.
            Err(error) if is_about_missing_blobs(&error) => {
                events.note(format!(
                    "{} lacks blobs that it had accepted; sending them again",
                    repository.registry
                ));
                client.forget_pushes();
                deliver().await?;
            }
            delivered => delivered?,
        }
        store.remember(Table::PushedTo, &repository.to_string(), &true);
        done.push(repository);
    }
    Ok(set.references.clone())
}

/// What should hang on an image that is there, and its signatures, as far as they are not there. What is `known` to be
/// wanted is not asked again.
async fn missing<'s>(
    client: &Client,
    set: &'s ImageSet,
    repository: &Repository,
    known: Option<Wanted<'s>>,
) -> Result<Missing<'s>> {
    let wanted = async {
        match known {
            Some(wanted) => Ok(wanted),
            None => attach::wanted(client, set, repository).await,
        }
    };
    tokio::try_join!(wanted, signatures::missing(client, set, repository))
}

/// Adds what is missing.
async fn complete(
    client: &Client,
    set: &ImageSet,
    repository: &Repository,
    (wanted, signatures): Missing<'_>,
    events: &Events,
) -> Result<()> {
    if !wanted.is_there {
        events.step("Attaching", titles(&wanted.things));
        attach::attach(client, repository, &set.digest(), &wanted.things, events).await?;
    }
    if !signatures.is_empty() {
        events.step("Signing", repository.to_string());
        signatures::push(client, repository, &signatures).await?;
    }
    Ok(())
}

fn titles(things: &[&Attached]) -> String {
    let titles: BTreeSet<&str> = things.iter().map(|thing| thing.title.as_str()).collect();
    titles.into_iter().collect::<Vec<_>>().join(", ")
}

/// The references that do not lead to the set yet. Where one does, the registry has all of it:
/// asking that is the one round trip that a push without changes costs.
async fn outdated<'a>(client: &Client, set: &'a ImageSet) -> Vec<&'a Reference> {
    let digest = set.digest();
    let asked = set.references.iter().map(|reference| client.leads_to(reference, &digest));
    let current = futures_util::future::join_all(asked).await;
    set.references
        .iter()
        .zip(current)
        .filter(|(_, current)| !current)
        .map(|(reference, _)| reference)
        .collect()
}

async fn push_blobs(
    client: &Client,
    set: &ImageSet,
    repository: &Repository,
    sibling: Option<&Repository>,
    store: &Store,
) -> Result<()> {
    let uploads = set.blobs().into_iter().map(|(blob, title)| async move {
        let known = home(store, repository, &blob.descriptor.digest);
        let from = match &blob.source {
            // Its mirror may be here where it is not itself.
            Source::Registry(from) if from.registry == repository.registry => Some(from),
            _ => sibling.or(known.as_ref()),
        };
        let from = from.filter(|from| from.registry == repository.registry && *from != repository);
        if let Source::Registry(home) = &blob.source {
            // Its bytes are only fetched if the target has no other way to them.
            let offered = client.offer_blob(repository, &blob.descriptor, from).await?;
            if offered.is_some() {
                return Ok(());
            }
            let path = client.fetch_blob(home, &blob.descriptor, store).await?;
            let local = Blob { source: Source::File(path), ..blob.clone() };
            return client.push_blob(repository, &local, &title, None).await.map(|_| ());
        }
        client.push_blob(repository, blob, &title, from).await?;
        remember_home(store, repository, &blob.descriptor.digest);
        Ok(())
    });
    // Boxed, as the compiler cannot see otherwise that these futures may move between threads.
    let uploads: Vec<futures_util::future::BoxFuture<'_, Result<()>>> =
        uploads.map(|upload| Box::pin(upload) as _).collect();
    stream::iter(uploads).buffer_unordered(PARALLEL).try_collect::<()>().await
}

async fn push_manifests(
    client: &Client,
    set: &ImageSet,
    repository: &Repository,
    references: &[&Reference],
    wanted: Option<Wanted<'_>>,
    events: &Events,
) -> Result<()> {
    let hanging = !set.attached.is_empty() || !set.signatures.is_empty();
    // The root gets its digest with its first tag, unless something is to hang on it before.
    for manifest in set.manifests().filter(|manifest| hanging || *manifest != set.root()) {
        put(client, &repository.with_digest(manifest.descriptor.digest), manifest).await?;
    }
    if hanging {
        let missing = missing(client, set, repository, wanted).await?;
        complete(client, set, repository, missing, events).await?;
    }
    // Registries write a manifest when they first get it; tags of one that they have do not disturb each other.
    let (first, rest) = references.split_at(usize::from(!hanging).min(references.len()));
    for reference in first {
        put(client, reference, set.root()).await?;
    }
    stream::iter(rest.iter().map(|reference| put(client, reference, set.root())))
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await
}

async fn put(client: &Client, reference: &Reference, blob: &Blob) -> Result<()> {
    let Source::Memory(bytes) = &blob.source else {
        return Err(Error::bug("a manifest is not in memory"));
    };
    let digest = client.push_manifest(reference, &blob.descriptor.media_type, bytes.clone()).await?;
    if digest != blob.descriptor.digest {
        return Err(Error::integrity(format!(
            "{reference} was pushed as {}, but is {digest}",
            blob.descriptor.digest
        )));
    }
    Ok(())
}

/// Fetches the layers that are still in a registry, for targets that need their bytes.
///
/// # Errors
/// When one cannot be fetched, or is not what its digest says.
pub async fn localize(client: &Client, sets: &mut [ImageSet], store: &Store) -> Result<()> {
    localize_but(client, sets, store, &BTreeSet::new()).await
}

/// As [`localize`], for all layers but those `left_out`.
pub(super) async fn localize_but(
    client: &Client,
    sets: &mut [ImageSet],
    store: &Store,
    left_out: &BTreeSet<Digest>,
) -> Result<()> {
    for image in sets.iter_mut().flat_map(|set| &mut set.images) {
        for blob in &mut image.layers {
            if let Source::Registry(home) = &blob.source
                && !left_out.contains(&blob.descriptor.digest)
            {
                let path = client.fetch_blob(home, &blob.descriptor, store).await?;
                blob.source = Source::File(path);
            }
        }
    }
    Ok(())
}
