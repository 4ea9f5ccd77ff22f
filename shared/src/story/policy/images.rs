//! Everything in an image that could run, none left out: what is not looked at would pass.

use crate::base::StoredImage;
use crate::error::{Error, Result};
use crate::oci::{Descriptor, Digest, ImageConfig, Manifest, ManifestKind, Platform};

/// An index with more entries is refused.
const MOST_ENTRIES: usize = 256;

/// An image of one platform.
pub(super) struct Single {
    pub(super) digest: Digest,
    pub(super) platform: Platform,
    pub(super) config: ImageConfig,
}

/// The image of each platform.
///
/// # Errors
/// Integrity: the index has entries that cannot be judged, or too many. Others when one cannot be read.
pub(super) async fn singles(image: &StoredImage) -> Result<Vec<Single>> {
    let index = match &image.kind {
        ManifestKind::Manifest(manifest) => return Ok(vec![single(image, &image.root, manifest).await?]),
        ManifestKind::Index(index) => index,
    };
    if index.manifests.len() > MOST_ENTRIES {
        let count = index.manifests.len();
        return Err(Error::integrity(format!("the image's index has {count} entries"))
            .because(format!("an index with more than {MOST_ENTRIES} is not judged"))
            .hint("push fewer images under one name"));
    }
    let mut found = Vec::new();
    for entry in index.manifests.iter().filter(|entry| !never_runs(entry)) {
        match ManifestKind::parse(&image.manifest(entry).await?, &entry.media_type)? {
            ManifestKind::Manifest(manifest) => found.push(single(image, entry, &manifest).await?),
            ManifestKind::Index(_) => {
                return Err(Error::integrity(format!(
                    "{} in the image's index is another index",
                    entry.digest
                ))
                .hint("list the images themselves in the index"));
            }
        }
    }
    Ok(found)
}

/// Only this platform keeps runtimes from an entry: they do not read the marks of what is attached.
fn never_runs(entry: &Descriptor) -> bool {
    let unknown = |platform: &Platform| platform.os == "unknown" && platform.architecture == "unknown";
    entry.platform.as_ref().is_some_and(unknown)
}

async fn single(image: &StoredImage, entry: &Descriptor, manifest: &Manifest) -> Result<Single> {
    let bytes = image.small(&manifest.config).await?;
    let config: ImageConfig = serde_json::from_slice(&bytes)
        .map_err(|e| Error::integrity("the image's configuration cannot be read").because(e))?;
    Ok(Single { digest: entry.digest, platform: config.platform(), config })
}
