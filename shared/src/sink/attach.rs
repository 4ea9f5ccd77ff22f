//! What hangs on an image, into a registry: after the image, and before any tag leads to it, so that
//! nobody who follows a tag finds the image without.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use crate::error::{Error, Result};
use crate::event::Events;
use crate::image::{Attached, ImageSet, Reach};
use crate::oci::{Descriptor, Digest, Repository};
use crate::registry::{Client, Kept};
use crate::store::Source;

/// What of a set hangs in this repository.
pub(super) async fn wanted<'s>(
    client: &Client,
    set: &'s ImageSet,
    repository: &Repository,
) -> Result<Vec<&'s Attached>> {
    let root = set.digest();
    let depends = set.attached.iter().any(|thing| thing.reach != Reach::Everywhere);
    // A registry that cannot say whether it keeps a list is taken for one that keeps none.
    let is_listed = depends && matches!(client.referrers(repository, &root, None).await, Ok(Some(_)));
    let goes = |thing: &&Attached| match thing.reach {
        Reach::WhereListed => is_listed,
        Reach::OneTag => is_listed || thing.subject.digest == root,
        Reach::Everywhere => true,
    };
    Ok(set.attached.iter().filter(goes).collect())
}

/// Whether everybody finds `things` in the repository.
pub(super) async fn are_listed(
    client: &Client,
    repository: &Repository,
    things: &[&Attached],
) -> Result<bool> {
    let asked = by_subject(things).into_iter().map(|(subject, things)| async move {
        let digests: Vec<Digest> = things.iter().map(|thing| thing.digest).collect();
        client.lists(repository, &subject, &digests).await
    });
    Ok(try_join_all(asked).await?.into_iter().all(|listed| listed))
}

/// Pushes `things`, whose subjects are in the repository or among them, and makes everybody find them.
pub(super) async fn attach(
    client: &Client,
    repository: &Repository,
    things: &[&Attached],
    events: &Events,
) -> Result<()> {
    let blobs = things.iter().flat_map(|thing| thing.blobs.iter().map(move |blob| (blob, &thing.title)));
    try_join_all(blobs.map(|(blob, title)| client.push_blob(repository, blob, title, None))).await?;
    let mut unlisted: Vec<&Attached> = Vec::new();
    let mut rest: Vec<&Attached> = things.to_vec();
    while !rest.is_empty() {
        // What hangs on another of them comes after it.
        let waits = |thing: &&Attached| rest.iter().any(|other| other.listed.digest == thing.subject.digest);
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
