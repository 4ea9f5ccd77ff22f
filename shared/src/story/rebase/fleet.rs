//! All images of a repository: each is judged and laid on its new base alone. Whatever is done stands on the newest base,
//! so a call that was interrupted is simply made again.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use serde::Serialize;

use super::outcome::{Judgement, Rebased};
use super::work::{Moves, Work};
use crate::error::Result;
use crate::oci::{Descriptor, Digest, Reference, Repository};

/// So many tags are asked for at once.
const QUESTIONS: usize = 8;
/// So many images are in memory at once.
const AT_ONCE: usize = 4;

/// Tags that lead to no image: lists and signatures of what hangs on images, and the remote cache.
const OF_OTHERS: [&str; 2] = ["sha256-", "containerize-cache"];

/// What came of a repository.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fleet {
    /// The repository, as it was named.
    pub repository: String,
    /// Each image that a tag leads to, by its tags.
    pub images: Vec<FleetImage>,
}

/// What came of one image of a repository.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FleetImage {
    /// The tags that led to it.
    pub tags: Vec<String>,
    /// Its digest: of the index, or of the only manifest. Where a tag cannot be asked for, nobody knows it.
    #[serde(serialize_with = "digest_as_text", skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What was found out, and done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebased: Option<Rebased>,
    /// Why it could not be judged, or pushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

fn digest_as_text<S: serde::Serializer>(digest: &Option<Digest>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&digest.as_ref().map(ToString::to_string).unwrap_or_default())
}

impl Fleet {
    /// How many images came to this.
    pub fn count(&self, result: Judgement) -> usize {
        self.images
            .iter()
            .filter_map(|image| image.rebased.as_ref())
            .filter(|one| one.result == result)
            .count()
    }

    /// How many could not be judged, or pushed.
    pub fn failed(&self) -> usize {
        self.images.iter().filter(|image| image.error.is_some()).count()
    }
}

/// Rebases all that tags of the repository lead to.
///
/// # Errors
/// When the tags cannot be listed.
pub(super) async fn rebase(
    work: &Work<'_>,
    repository: &Repository,
    onto: Option<&Reference>,
) -> Result<Fleet> {
    work.desk.events.step("Listing", repository.to_string());
    let Groups { images: groups, failed } = groups(work, repository).await?;
    let images = groups.into_iter().map(|(digest, tags)| async move {
        let image = repository.with_digest(digest);
        let done = work.rebase(&image, onto, Moves::Own(&tags)).await;
        let (rebased, error) = match done {
            Ok(rebased) => (Some(rebased), None),
            Err(error) => (None, Some(error.in_a_line())),
        };
        FleetImage { tags, digest: Some(digest), rebased, error }
    });
    let mut images: Vec<FleetImage> = stream::iter(images).buffer_unordered(AT_ONCE).collect().await;
    images.extend(failed);
    images.sort_by(|a, b| a.tags.cmp(&b.tags));
    Ok(Fleet { repository: repository.to_string(), images })
}

/// What the tags of a repository lead to.
struct Groups {
    /// Each image with its tags.
    images: BTreeMap<Digest, Vec<String>>,
    /// Tags that could not be asked for.
    failed: Vec<FleetImage>,
}

async fn groups(work: &Work<'_>, repository: &Repository) -> Result<Groups> {
    let client = work.desk.client;
    let tags = client.tags(repository).await?.into_iter();
    let tags = tags.filter(|tag| !OF_OTHERS.iter().any(|beginning| tag.starts_with(beginning)));
    let asked = tags.map(|tag| async move {
        let place = Reference { repository: repository.clone(), tag: Some(tag.clone()), digest: None };
        (tag, client.head_manifest(&place).await)
    });
    let found: Vec<(String, Result<Option<Descriptor>>)> =
        stream::iter(asked).buffered(QUESTIONS).collect().await;
    let mut groups = Groups { images: BTreeMap::new(), failed: Vec::new() };
    for (tag, entry) in found {
        match entry {
            Ok(Some(entry)) => groups.images.entry(entry.digest).or_default().push(tag),
            // One that is gone since it was listed is nobody's.
            Ok(None) => {}
            Err(error) => {
                let error = Some(error.in_a_line());
                groups.failed.push(FleetImage { tags: vec![tag], digest: None, rebased: None, error });
            }
        }
    }
    Ok(groups)
}
