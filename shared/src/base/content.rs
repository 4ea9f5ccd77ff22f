//! Content behind descriptors: from a layout folder, the store or a registry.

use std::path::PathBuf;

use bytes::Bytes;

use crate::error::{Context, Error, Result};
use crate::oci::{Descriptor, Digest, Repository};
use crate::read;
use crate::registry::Client;
use crate::store::{Source, Store};

/// As large as a manifest or configuration may be (distribution-spec: 4 MiB for manifests).
const SMALL: u64 = 4 * 1024 * 1024;

/// Where the content of a base is.
#[derive(Clone)]
pub(super) enum Content {
    /// In the `blobs` of an OCI layout.
    Layout(PathBuf),
    Store(Store),
    Registry(Client, Repository, Store),
}

impl Content {
    /// A manifest, index or configuration, whole and checked against its digest and size.
    ///
    /// # Errors
    /// When it is missing, too large, or not what its descriptor says.
    pub(super) async fn small(&self, descriptor: &Descriptor) -> Result<Bytes> {
        if descriptor.size > SMALL {
            return Err(Error::integrity(format!(
                "{} is too large for a manifest or configuration ({} bytes)",
                descriptor.digest, descriptor.size
            )));
        }
        let bytes: Bytes = match self {
            Self::Layout(dir) => read(layout_blob(dir, &descriptor.digest))?,
            Self::Store(store) => read(store.path(&descriptor.digest))?,
            Self::Registry(client, repository, store) => {
                store.tell_blob(&descriptor.digest);
                if let Some(bytes) = store.read(&descriptor.digest) {
                    return Ok(bytes.into());
                }
                read(client.fetch_blob(repository, descriptor, store).await?)?
            }
        };
        let found = Digest::of(&bytes);
        if found != descriptor.digest || bytes.len() as u64 != descriptor.size {
            return Err(Error::integrity(format!("expected {}, got {found}", descriptor.digest)));
        }
        Ok(bytes)
    }

    /// A manifest by its descriptor: registries keep manifests apart from blobs.
    ///
    /// # Errors
    /// As [`Content::small`].
    pub(super) async fn manifest(&self, descriptor: &Descriptor) -> Result<Bytes> {
        match self {
            Self::Registry(client, repository, store) => {
                store.tell_blob(&descriptor.digest);
                if let Some(bytes) = store.read(&descriptor.digest) {
                    return Ok(bytes.into());
                }
                let fetched = client.manifest(&repository.with_digest(descriptor.digest)).await?;
                keep(store, &fetched.bytes)?;
                Ok(fetched.bytes)
            }
            _ => self.small(descriptor).await,
        }
    }

    /// Where a layer's bytes are.
    ///
    /// # Errors
    /// When a local blob is missing or has another size.
    pub(super) fn layer(&self, descriptor: &Descriptor) -> Result<Source> {
        let path = match self {
            Self::Layout(dir) => layout_blob(dir, &descriptor.digest),
            Self::Store(store) => store.path(&descriptor.digest),
            Self::Registry(client, repository, store) => {
                client.remember_homes(store, repository, &descriptor.digest);
                return Ok(store
                    .find(&descriptor.digest, descriptor.size)
                    .map_or_else(|| Source::Registry(repository.clone()), Source::File));
            }
        };
        let size = std::fs::metadata(&path)
            .context(|| format!("cannot read the base's {}", descriptor.digest))?
            .len();
        if size != descriptor.size {
            return Err(Error::integrity(format!(
                "{} should be {} bytes long, but is {size}",
                path.display(),
                descriptor.size
            )));
        }
        Ok(Source::File(path))
    }
}

/// Puts small content into the store.
pub(super) fn keep(store: &Store, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let digest = Digest::of(bytes);
    store.tell_blob(&digest);
    if store.find(&digest, bytes.len() as u64).is_some() {
        return Ok(());
    }
    let mut writer = store.writer()?;
    writer.write_all(bytes).context(|| "cannot write to the cache folder".into())?;
    writer.commit(None).map(|_| ())
}

fn layout_blob(dir: &std::path::Path, digest: &Digest) -> PathBuf {
    dir.join("blobs/sha256").join(digest.hex())
}

fn read(path: PathBuf) -> Result<Bytes> {
    let bytes = read::bytes(&path, SMALL).context(|| format!("cannot read {}", path.display()))?;
    Ok(bytes.into())
}
