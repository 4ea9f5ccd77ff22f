//! What hangs on an image without being part of it: its digest stays what it is.

use std::collections::BTreeMap;

use super::ImageSet;
use crate::error::{Error, Result};
use crate::oci::{Descriptor, Digest, EMPTY, Manifest, ManifestKind, media_type, to_json};
use crate::store::{Blob, Source};

/// A manifest that names another as its subject, with all that it leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct Attached {
    /// The manifest that it hangs on.
    pub subject: Descriptor,
    /// Its manifest, which has the `subject`.
    pub manifest: Blob,
    /// How a list of what hangs on the subject speaks of it: with its kind and annotations.
    pub listed: Descriptor,
    /// What its manifest leads to, each digest once.
    pub blobs: Vec<Blob>,
    /// A name for people.
    pub title: String,
    /// Where it goes.
    pub reach: Reach,
}

/// Where something that hangs on an image goes. Registries that list such things need nothing more; others need a
/// tag for each list, which everybody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To registries that list what hangs on an image.
    WhereListed,
    /// To others too, for one tag: only what hangs on the name's own manifest.
    OneTag,
    /// Everywhere, layouts and archives included.
    Everywhere,
}

impl Attached {
    /// A document of the type `kind` about `subject`.
    ///
    /// # Errors
    /// Only if a value does not serialise.
    pub fn document(
        subject: &Descriptor,
        kind: &str,
        title: &str,
        content: Vec<u8>,
        annotations: BTreeMap<String, String>,
    ) -> Result<Self> {
        let content = Blob::of(kind, content);
        let manifest = Manifest::artifact(kind, subject, vec![content.descriptor.clone()], annotations);
        let bytes = to_json(&manifest)?;
        let blob = Blob::of(media_type::OCI_MANIFEST, bytes);
        Ok(Self {
            subject: subject.bare(),
            listed: ManifestKind::Manifest(Box::new(manifest)).listed(&blob.descriptor),
            manifest: blob,
            blobs: vec![content, Blob::of(media_type::OCI_EMPTY, EMPTY.to_vec())],
            title: title.to_owned(),
            reach: Reach::Everywhere,
        })
    }
}

impl ImageSet {
    /// Hangs something on one of the set's manifests, or on what hangs there already. The same thing
    /// twice is there once.
    ///
    /// # Errors
    /// A bug when its manifest does not say so itself, or its subject is not in the set.
    pub fn attach(&mut self, thing: Attached) -> Result<()> {
        let wrong = |what: &str| Err(Error::bug(format!("{} is invalid: {what}", thing.title)));
        let Source::Memory(bytes) = &thing.manifest.source else {
            return wrong("its manifest is not in memory");
        };
        let named = ManifestKind::parse(bytes, media_type::OCI_MANIFEST)?.subject();
        if named != Some(thing.subject.digest) {
            return wrong("its manifest names another subject");
        }
        let mut known = self.manifests().chain(self.attached.iter().map(|other| &other.manifest));
        let is_known = known.any(|manifest| manifest.descriptor.digest == thing.subject.digest);
        drop(known);
        if !is_known {
            return wrong("it hangs on nothing of this image");
        }
        if !self.attached.iter().any(|other| other.listed.digest == thing.listed.digest) {
            self.attached.push(thing);
        }
        Ok(())
    }

    /// What hangs on each manifest, in the order in which it was attached.
    pub fn attached_by_subject(&self) -> BTreeMap<Digest, Vec<&Attached>> {
        let mut found: BTreeMap<Digest, Vec<&Attached>> = BTreeMap::new();
        for thing in &self.attached {
            found.entry(thing.subject.digest).or_default().push(thing);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Image;
    use crate::oci::Platform;

    const SPDX: &str = "application/spdx+json";

    fn set() -> ImageSet {
        let blob = Blob::of("x", b"{}".to_vec());
        let image = |architecture: &str| Image {
            platform: Platform::linux(architecture),
            manifest: Blob::of(media_type::OCI_MANIFEST, architecture.into()),
            config: blob.clone(),
            layers: vec![],
            titles: vec![],
        };
        ImageSet {
            name: "web".into(),
            tags: vec!["1".into()],
            has_siblings: false,
            references: vec![],
            images: vec![image("amd64"), image("arm64")],
            index: Some(Blob::of(media_type::OCI_INDEX, b"index".to_vec())),
            statements: vec![],
            attached: vec![],
            signatures: vec![],
        }
    }

    fn bill(subject: &Descriptor, text: &str) -> Attached {
        Attached::document(subject, SPDX, "SBOM", text.into(), BTreeMap::new()).expect("made")
    }

    #[test]
    fn things_hang_on_manifests_and_on_one_another() {
        let mut set = set();
        let (root, arm) = (set.root().descriptor.clone(), set.images[1].manifest.descriptor.clone());
        let on_root = bill(&root, "all");
        let signature = bill(&on_root.manifest.descriptor, "signed");
        for thing in [on_root.clone(), bill(&arm, "arm"), signature.clone(), on_root.clone()] {
            set.attach(thing).expect("attached");
        }
        assert_eq!(set.attached.len(), 3, "each once");
        let by_subject = set.attached_by_subject();
        assert_eq!(by_subject[&root.digest], [&on_root]);
        assert_eq!(by_subject[&on_root.listed.digest], [&signature]);
        assert_eq!(set.digest(), root.digest);
    }

    #[test]
    fn what_belongs_to_another_image_is_not_taken() {
        let mut set = set();
        let root = set.root().descriptor.clone();
        let foreign = bill(&Descriptor::of(media_type::OCI_MANIFEST, b"foreign"), "x");
        assert_eq!(set.attach(foreign.clone()).expect_err("foreign").kind(), crate::Kind::Bug);
        let disguised = Attached { subject: root, ..foreign };
        assert_eq!(set.attach(disguised).expect_err("disguised").kind(), crate::Kind::Bug);
        assert!(set.attached.is_empty());
    }

    #[test]
    fn the_same_document_has_the_same_digest() {
        let root = set().root().descriptor.clone();
        assert_eq!(bill(&root, "all"), bill(&root, "all"));
        let one = bill(&root, "all");
        assert_eq!(one.listed.artifact_type.as_deref(), Some(SPDX));
        assert_eq!(one.blobs[0].descriptor.media_type, SPDX, "one layer, of the type of the thing");
    }
}
