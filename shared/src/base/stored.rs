//! An image that somebody made, with what is stated about it: in a registry, a layout or an archive.

use bytes::Bytes;

use super::content::Content;
use super::open::Opener;
use super::spec::BaseSpec;
use crate::error::{Context, Error, Result};
use crate::oci::{Descriptor, Digest, Manifest, ManifestKind};
use crate::read;
use crate::registry::Client;
use crate::store::{Blob, Source, Store};

/// No more entries of an index are looked at.
const MOST_ENTRIES: usize = 256;
/// As large as a document may be, in bytes; and all that are read at once.
const LARGEST: u64 = 64 << 20;

/// An image, and where its content is.
pub struct StoredImage {
    content: Content,
    /// What its name leads to: an index or a manifest.
    pub root: Descriptor,
    /// What the root is.
    pub kind: ManifestKind,
    /// What else the layout or archive lists; a registry is asked.
    listed: Vec<Descriptor>,
}

impl Opener<'_> {
    /// Finds the image in a registry, a layout or an archive of one.
    ///
    /// # Errors
    /// Usage: it is in a place that keeps nothing of what is stated about images. Others when it cannot be read.
    pub async fn stored(&self, spec: &BaseSpec) -> Result<StoredImage> {
        let (content, root, listed) = match spec {
            BaseSpec::Registry(reference) => {
                let (content, root) = self.in_registry(reference, None).await?;
                (content, root, Vec::new())
            }
            BaseSpec::Layout { dir, name } => {
                let index = super::choose::read_index(&self.dir.join(dir))?;
                let root = super::choose::pick(&index, name.as_deref())?;
                (Content::Layout(self.dir.join(dir)), root, index.manifests)
            }
            BaseSpec::OciArchive { file, name } => {
                let index = super::archive::import_oci(&self.dir.join(file), self.store)?;
                let root = super::choose::pick(&index, name.as_deref())?;
                (Content::Store(self.store.clone()), root, index.manifests)
            }
            BaseSpec::Scratch
            | BaseSpec::Static
            | BaseSpec::Debian(_)
            | BaseSpec::DockerArchive { .. }
            | BaseSpec::Local { .. } => {
                return Err(Error::usage(format!("{spec} contains no provenance"))
                    .hint("give an image in a registry, oci:FOLDER:TAG or oci-archive:FILE"));
            }
        };
        StoredImage::at(content, root, listed).await
    }
}

impl StoredImage {
    async fn at(content: Content, root: Descriptor, listed: Vec<Descriptor>) -> Result<Self> {
        let bytes = content.manifest(&root).await?;
        let kind = ManifestKind::parse(&bytes, &root.media_type)?;
        Ok(Self { content, root, kind, listed })
    }

    /// The one of a layout that has this digest, whatever it is called there.
    ///
    /// # Errors
    /// Integrity: the layout does not list it, or it is not what its digest says.
    pub async fn in_layout(dir: &std::path::Path, digest: &Digest) -> Result<Self> {
        let listed = super::choose::read_index(dir)?.manifests;
        let root = listed.iter().find(|entry| entry.digest == *digest).cloned();
        let root =
            root.ok_or_else(|| Error::integrity(format!("{} does not list {digest}", dir.display())))?;
        Self::at(Content::Layout(dir.to_owned()), root, listed).await
    }

    /// Its images: those of an index, without what hangs in it; or the only one.
    ///
    /// # Errors
    /// When a manifest cannot be read.
    pub async fn images(&self) -> Result<Vec<(Descriptor, Manifest)>> {
        match &self.kind {
            ManifestKind::Manifest(manifest) => Ok(vec![(self.root.clone(), (**manifest).clone())]),
            ManifestKind::Index(_) => self.entries(false).await,
        }
    }

    async fn entries(&self, attached: bool) -> Result<Vec<(Descriptor, Manifest)>> {
        let ManifestKind::Index(index) = &self.kind else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for entry in index.manifests.iter().filter(|e| e.is_attached() == attached).take(MOST_ENTRIES) {
            if let ManifestKind::Manifest(manifest) = self.parsed(entry).await? {
                found.push((entry.clone(), *manifest));
            }
        }
        Ok(found)
    }

    async fn parsed(&self, entry: &Descriptor) -> Result<ManifestKind> {
        ManifestKind::parse(&self.content.manifest(entry).await?, &entry.media_type)
    }

    /// Room for all documents that are read at once.
    pub const fn room(&self) -> Room {
        Room::of(self.root.digest)
    }

    /// The documents in the index that are about one of its images, with their types.
    ///
    /// # Errors
    /// When one cannot be read, or all that the room is for are too large.
    pub async fn held_documents(&self, kind: &str, room: &mut Room) -> Result<Vec<Bytes>> {
        let mut found = Vec::new();
        for (_, manifest) in self.entries(true).await? {
            for layer in manifest.layers.iter().filter(|layer| layer.media_type == kind).take(MOST_ENTRIES) {
                room.take(layer)?;
                found.push(self.document(layer).await?);
            }
        }
        Ok(found)
    }

    /// The documents of wanted kinds that hang on the root, or on the manifest of a platform, each with its kind.
    ///
    /// # Errors
    /// When one cannot be read, or all that the room is for are too large.
    pub async fn hanging_documents(
        &self,
        subject: &Digest,
        is_wanted: impl Fn(&str) -> bool,
        room: &mut Room,
    ) -> Result<Vec<(String, Bytes)>> {
        let mut found = Vec::new();
        for (kind, manifest) in self.hanging_on(subject, is_wanted).await? {
            if let Some(layer) = manifest.layers.first() {
                room.take(layer)?;
                found.push((kind.artifact_type.unwrap_or_default(), self.document(layer).await?));
            }
        }
        Ok(found)
    }

    /// What hangs on one of its manifests and is of a kind that is wanted: as it is listed, and its manifest.
    ///
    /// # Errors
    /// When it cannot be listed, or a manifest cannot be read.
    pub async fn hanging_on(
        &self,
        subject: &Digest,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<(Descriptor, Manifest)>> {
        let mut found = Vec::new();
        for entry in self.listed_for(subject).await? {
            if !entry.artifact_type.as_deref().is_some_and(&is_wanted) {
                continue;
            }
            let ManifestKind::Manifest(manifest) = self.parsed(&entry).await? else { continue };
            if manifest.subject.as_ref().map(|subject| subject.digest) == Some(*subject) {
                found.push((entry, *manifest));
            }
        }
        Ok(found)
    }

    async fn listed_for(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        match &self.content {
            Content::Registry(client, repository, _) => client.attached(repository, subject, None).await,
            Content::Layout(_) | Content::Store(_) => {
                let things = self.listed.iter().filter(|entry| entry.artifact_type.is_some());
                Ok(things.take(MOST_ENTRIES).cloned().collect())
            }
        }
    }

    /// What stands in the index beside its images, with its manifest.
    ///
    /// # Errors
    /// When a manifest cannot be read.
    pub async fn beside(&self) -> Result<Vec<(Descriptor, Manifest)>> {
        self.entries(true).await
    }

    /// A document, checked against its digest.
    ///
    /// # Errors
    /// When it is missing, too large, or is not what its descriptor says.
    pub async fn document(&self, descriptor: &Descriptor) -> Result<Bytes> {
        if let Content::Registry(client, repository, store) = &self.content {
            return client.small_blob(repository, descriptor, store).await.map(Into::into);
        }
        let Source::File(path) = self.content.layer(descriptor)? else {
            return Err(Error::bug("a blob of a layout is not a file"));
        };
        let bytes = read::bytes(&path, LARGEST).context(|| format!("cannot read {}", path.display()))?;
        checked(&descriptor.digest, Digest::of(&bytes)).map(|()| bytes.into())
    }

    /// A configuration, checked against its digest.
    ///
    /// # Errors
    /// When it is missing, or is not what its descriptor says.
    pub async fn small(&self, descriptor: &Descriptor) -> Result<Bytes> {
        self.content.small(descriptor).await
    }

    /// The manifest's own bytes.
    ///
    /// # Errors
    /// When it is missing, or is not what its descriptor says.
    pub async fn manifest(&self, descriptor: &Descriptor) -> Result<Bytes> {
        self.content.manifest(descriptor).await
    }

    /// A layer, with its bytes on this machine.
    ///
    /// # Errors
    /// When it cannot be fetched, or is missing.
    pub async fn layer(&self, descriptor: &Descriptor, client: &Client, store: &Store) -> Result<Blob> {
        let mut source = self.content.layer(descriptor)?;
        if let Source::Registry(home) = &source {
            source = Source::File(client.fetch_blob(home, descriptor, store).await?);
        }
        Ok(Blob { descriptor: descriptor.clone(), source })
    }

    /// Holds a blob of a folder to its digest: registries and archives do that when they are read.
    ///
    /// # Errors
    /// Integrity: it is another one.
    pub fn check(&self, descriptor: &Descriptor) -> Result<()> {
        let Content::Layout(_) = &self.content else { return Ok(()) };
        let Source::File(path) = self.content.layer(descriptor)? else { return Ok(()) };
        let file = Store::open_file(&path)?;
        let (found, _) = Digest::of_stream(file).context(|| format!("cannot read {}", path.display()))?;
        checked(&descriptor.digest, found)
    }
}

/// Room for documents that are read at once: anyone who may push can attach more, to each platform's image.
pub struct Room {
    left: u64,
    image: Digest,
}

impl Room {
    const fn of(image: Digest) -> Self {
        Self { left: LARGEST, image }
    }

    fn take(&mut self, document: &Descriptor) -> Result<()> {
        self.left = self.left.checked_sub(document.size).ok_or_else(|| {
            Error::integrity(format!("too much is attached to {}", self.image))
                .because(format!("no more than {} MiB of documents are read", LARGEST >> 20))
                .hint("delete what is not needed from the registry")
        })?;
        Ok(())
    }
}

fn checked(expected: &Digest, found: Digest) -> Result<()> {
    match found == *expected {
        true => Ok(()),
        false => Err(Error::integrity(format!("expected {expected}, got {found}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn documents_that_are_read_at_once_have_bounded_room() {
        let document = |size| Descriptor { size, ..Descriptor::of("text/plain", b"") };
        let mut room = Room::of(Digest::of(b"an image"));
        room.take(&document(LARGEST - 1)).expect("one");
        room.take(&document(1)).expect("another");
        for size in [1, u64::MAX] {
            assert_eq!(room.take(&document(size)).expect_err("no more").kind(), Kind::Integrity);
        }
        room.take(&document(0)).expect("nothing");
    }
}
