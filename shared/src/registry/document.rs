//! Documents: artifacts with one small layer, as they hang on images.

use super::Client;
use crate::error::{Context, Error, Result};
use crate::oci::{Descriptor, Digest, ManifestKind, Repository};
use crate::read;
use crate::store::Store;

/// No larger document is read, in bytes.
const LARGEST: u64 = 64 << 20;

impl Client {
    /// What is in the only layer of the artifact with this manifest.
    ///
    /// # Errors
    /// Integrity: it holds nothing, is larger than any document, or is not what its digest says. Network: the registry
    /// cannot be reached, or does not have it.
    pub async fn document(
        &self,
        repository: &Repository,
        manifest: &Digest,
        store: &Store,
    ) -> Result<Vec<u8>> {
        let fetched = self.manifest(&repository.with_digest(*manifest)).await?;
        let layer = match ManifestKind::parse(&fetched.bytes, &fetched.media_type)? {
            ManifestKind::Manifest(manifest) => manifest.layers.into_iter().next(),
            ManifestKind::Index(_) => None,
        };
        let layer = layer.ok_or_else(|| Error::integrity(format!("{manifest} holds no document")))?;
        self.small_blob(repository, &layer, store).await
    }

    /// A blob that is a document.
    ///
    /// # Errors
    /// As [`Client::document`].
    pub async fn small_blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        store: &Store,
    ) -> Result<Vec<u8>> {
        if descriptor.size > LARGEST {
            return Err(Error::integrity(format!("{} is larger than any document", descriptor.digest)));
        }
        let path = self.fetch_blob(repository, descriptor, store).await?;
        read::bytes(&path, LARGEST).context(|| format!("cannot read {}", path.display()))
    }
}
