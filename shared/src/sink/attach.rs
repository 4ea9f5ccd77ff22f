//! What hangs on an image, into a registry: after the image, and before any tag leads to it, so that
//! nobody who follows a tag finds the image without.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use crate::error::{Error, Result};
use crate::event::Events;
use crate::image::{Attached, ImageSet, Reach};
use crate::oci::media_type::OCI_EMPTY;
use crate::oci::{Descriptor, Digest, Repository};
use crate::registry::{Client, Kept, holds_kind};
use crate::store::{Blob, Source};

/// What of a set hangs in a repository, and what hangs there already.
pub(super) struct Wanted<'s> {
    /// What should hang there.
    pub(super) things: Vec<&'s Attached>,
    /// Whether everybody finds all of it.
    pub(super) is_there: bool,
}

/// What of a set hangs in this repository. One question tells it where the registry lists such things: what
/// hangs on the root comes last, so that its list is whole only if all others are.
pub(super) async fn wanted<'s>(
    client: &Client,
    set: &'s ImageSet,
    repository: &Repository,
) -> Result<Wanted<'s>> {
    if set.attached.is_empty() {
        return Ok(Wanted { things: Vec::new(), is_there: true });
    }
    // A registry that cannot say whether it keeps a list is taken for one that keeps none.
    let listed = listed(client, set, repository).await.ok().flatten();
    of_listed(client, set, repository, listed.as_deref()).await
}

/// The same while the image is still on its way, with the documents themselves pushed: where the registry lists such
/// things. One that does not may only not know the repository yet.
pub(super) async fn early<'s>(
    client: &Client,
    set: &'s ImageSet,
    repository: &Repository,
) -> Result<Option<Wanted<'s>>> {
    if set.attached.is_empty() {
        return Ok(None);
    }
    let Ok(Some(listed)) = listed(client, set, repository).await else { return Ok(None) };
    let wanted = of_listed(client, set, repository, Some(&listed)).await?;
    if !wanted.is_there {
        push_blobs(client, repository, &wanted.things).await?;
    }
    Ok(Some(wanted))
}

/// The registry's list of what hangs on the root, if it keeps one.
async fn listed(client: &Client, set: &ImageSet, repository: &Repository) -> Result<Option<Vec<Descriptor>>> {
    let listed = client.referrers(repository, &set.digest(), None).await?;
    Ok(listed.map(|(entries, _)| entries))
}

async fn of_listed<'s>(
    client: &Client,
    set: &'s ImageSet,
    repository: &Repository,
    listed: Option<&[Descriptor]>,
) -> Result<Wanted<'s>> {
    let root = set.digest();
    let goes = |thing: &&Attached| match thing.reach {
        Reach::WhereListed => listed.is_some(),
        Reach::OneTag => listed.is_some() || thing.subject.digest == root,
        Reach::Everywhere => true,
    };
    let things: Vec<&Attached> = set.attached.iter().filter(goes).collect();
    let is_there = match listed {
        _ if things.is_empty() => true,
        Some(list) => {
            let tells =
                |thing: &&&Attached| thing.subject.digest == root || is_on_image(thing, &root, &things);
            let on_root = things.iter().filter(|thing| thing.subject.digest == root);
            let is_whole = on_root.clone().all(|thing| holds_kind(list, &thing.listed));
            let is_told = things.iter().all(|thing| tells(&thing)) && on_root.count() > 0;
            is_whole && is_told || are_listed(client, repository, &things).await?
        }
        None => are_listed(client, repository, &things).await?,
    };
    Ok(Wanted { things, is_there })
}

/// Pushes the documents of `things`. What was pushed already costs nothing.
async fn push_blobs(client: &Client, repository: &Repository, things: &[&Attached]) -> Result<()> {
    let blobs =
        things.iter().flat_map(|thing| thing.blobs.iter().map(move |blob| (blob, title(blob, thing))));
    let pushes = blobs.map(|(blob, title)| client.push_blob(repository, blob, title, None));
    try_join_all(pushes).await.map(|_| ())
}

/// Whether everybody finds `things` in the repository.
async fn are_listed(client: &Client, repository: &Repository, things: &[&Attached]) -> Result<bool> {
    let asked = by_subject(things)
        .into_iter()
        .map(|(subject, things)| async move { client.lists(repository, &subject, &things).await });
    Ok(try_join_all(asked).await?.into_iter().all(|listed| listed))
}

/// Pushes `things`, whose subjects are in the repository or among them, and makes everybody find them. Those on
/// `root` come after those on its images.
pub(super) async fn attach(
    client: &Client,
    repository: &Repository,
    root: &Digest,
    things: &[&Attached],
    events: &Events,
) -> Result<()> {
    push_blobs(client, repository, things).await?;
    let mut unlisted: Vec<&Attached> = Vec::new();
    let mut rest: Vec<&Attached> = things.to_vec();
    while !rest.is_empty() {
        // What hangs on another of them comes after it.
        let waits = |thing: &&Attached| {
            let on_root = thing.subject.digest == *root;
            rest.iter().any(|other| {
                other.listed.digest == thing.subject.digest || on_root && is_on_image(other, root, things)
            })
        };
        let (later, now): (Vec<&Attached>, Vec<&Attached>) = rest.iter().partition(|thing| waits(thing));
        if now.is_empty() {
            return Err(Error::bug("things hang on one another in a circle"));
        }
        let listed = try_join_all(now.iter().map(|thing| put(client, repository, thing))).await?;
        unlisted.extend(now.iter().zip(listed).filter(|(_, listed)| !listed).map(|(thing, _)| *thing));
        rest = later;
    }
    // All that hangs on one subject at once: a tag that stands for a list is written once.
    let subjects = by_subject(&unlisted);
    let kept = subjects.iter().map(|(subject, things)| client.list(repository, subject, things));
    let tags: Vec<String> = try_join_all(kept)
        .await?
        .into_iter()
        .filter_map(|kept| match kept {
            Kept::ByTag(tag) => Some(tag),
            Kept::ByRegistry => None,
        })
        .collect();
    if !tags.is_empty() {
        events.note(format!(
            "{} keeps no list of what hangs on an image, so a tag does: {}",
            repository.registry,
            tags.join(", ")
        ));
    }
    Ok(())
}

/// A name for people: all things share the empty object that stands for their configuration.
fn title<'t>(blob: &Blob, thing: &'t Attached) -> &'t str {
    if blob.descriptor.media_type == OCI_EMPTY { "an empty configuration" } else { &thing.title }
}

/// Whether it hangs on one of the images below the root, and on nothing that hangs there itself.
fn is_on_image(thing: &Attached, root: &Digest, all: &[&Attached]) -> bool {
    let subject = thing.subject.digest;
    subject != *root && !all.iter().any(|other| other.listed.digest == subject)
}

async fn put(client: &Client, repository: &Repository, thing: &Attached) -> Result<bool> {
    let Source::Memory(bytes) = &thing.manifest.source else {
        return Err(Error::bug("a manifest is not in memory"));
    };
    let descriptor = &thing.manifest.descriptor;
    client.push_attached(repository, descriptor, bytes.clone(), &thing.subject.digest).await
}

fn by_subject(things: &[&Attached]) -> BTreeMap<Digest, Vec<Descriptor>> {
    let mut found: BTreeMap<Digest, Vec<Descriptor>> = BTreeMap::new();
    for thing in things {
        found.entry(thing.subject.digest).or_default().push(thing.listed.clone());
    }
    found
}
