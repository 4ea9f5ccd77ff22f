//! Manifests of what hangs on an image: a bill of materials, a signature (image-spec `manifest.md`,
//! "Guidelines for Artifact Usage").

use std::collections::BTreeMap;

use super::{Descriptor, Digest, Manifest, ManifestKind, media_type};

/// The bytes that [`Descriptor::empty`] points at.
pub const EMPTY: &[u8] = b"{}";

impl Descriptor {
    /// The empty object, which stands where a configuration is asked for.
    pub fn empty() -> Self {
        Self::of(media_type::OCI_EMPTY, EMPTY)
    }

    /// Only what says which content is meant: what a `subject` holds.
    #[must_use]
    pub fn bare(&self) -> Self {
        Self::new(self.media_type.clone(), self.digest, self.size)
    }
}

impl Manifest {
    /// The manifest of a thing of this kind, which hangs on `subject`.
    pub fn artifact(
        kind: &str,
        subject: &Descriptor,
        content: Vec<Descriptor>,
        annotations: BTreeMap<String, String>,
    ) -> Self {
        // Readers expect at least one layer.
        let layers = if content.is_empty() { vec![Descriptor::empty()] } else { content };
        Self {
            artifact_type: Some(kind.into()),
            subject: Some(subject.bare()),
            annotations,
            ..Self::new(media_type::OCI_MANIFEST, Descriptor::empty(), layers)
        }
    }
}

impl ManifestKind {
    /// The digest of the manifest that it hangs on.
    pub fn subject(&self) -> Option<Digest> {
        let subject = match self {
            Self::Manifest(manifest) => manifest.subject.as_ref(),
            Self::Index(index) => index.subject.as_deref(),
        };
        subject.map(|subject| subject.digest)
    }

    /// How a list of what hangs on an image speaks of it; `descriptor` says where it is
    /// (distribution-spec "Listing Referrers": its kind is the type of its configuration where it names
    /// none, and its annotations are copied).
    pub fn listed(&self, descriptor: &Descriptor) -> Descriptor {
        let named = |kind: &Option<String>| kind.clone().filter(|kind| !kind.is_empty());
        let (kind, annotations) = match self {
            Self::Manifest(manifest) => {
                let config = || Some(manifest.config.media_type.clone());
                (named(&manifest.artifact_type).or_else(config), &manifest.annotations)
            }
            Self::Index(index) => (named(&index.artifact_type), &index.annotations),
        };
        Descriptor { artifact_type: kind, annotations: annotations.clone(), ..descriptor.bare() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Platform, to_json};

    const SPDX: &str = "application/spdx+json";

    fn artifact() -> Manifest {
        let subject = Descriptor {
            platform: Some(Platform::linux("amd64")),
            ..Descriptor::of(media_type::OCI_MANIFEST, b"image")
        };
        let created = ("org.opencontainers.image.created".into(), "1980-01-01T00:00:00Z".into());
        Manifest::artifact(SPDX, &subject, vec![Descriptor::of(SPDX, b"bill")], [created].into())
    }

    fn parsed(text: &str) -> crate::error::Result<ManifestKind> {
        ManifestKind::parse(text.as_bytes(), "")
    }

    #[test]
    fn an_artifact_is_written_as_the_specification_shows_it() {
        let written = String::from_utf8(to_json(&artifact()).expect("json")).expect("text");
        let expected = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/spdx+json","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}},"layers":[{{"mediaType":"application/spdx+json","digest":"{}","size":4}}],"subject":{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":5}},"annotations":{{"org.opencontainers.image.created":"1980-01-01T00:00:00Z"}}}}"#,
            Digest::of(b"bill"),
            Digest::of(b"image")
        );
        assert_eq!(written, expected);
        let read = parsed(&written).expect("read again");
        assert_eq!(read.subject(), Some(Digest::of(b"image")));
        assert_eq!(read, ManifestKind::Manifest(Box::new(artifact())));
        let nothing = Manifest::artifact("x/y", &Descriptor::empty(), Vec::new(), BTreeMap::new());
        assert_eq!(nothing.layers, [Descriptor::empty()]);
    }

    #[test]
    fn a_list_names_the_kind_and_copies_the_annotations() {
        let bytes = to_json(&artifact()).expect("json");
        let at = Descriptor::of(media_type::OCI_MANIFEST, &bytes);
        let entry = ManifestKind::Manifest(Box::new(artifact())).listed(&at);
        assert_eq!(entry.artifact_type.as_deref(), Some(SPDX));
        assert_eq!(entry.annotations, artifact().annotations);
        assert!(entry.is_attached());
        // Things of before OCI 1.1 are named by their configuration, and an image is one.
        let image = Manifest {
            artifact_type: None,
            config: Descriptor::of(media_type::OCI_CONFIG, b"{}"),
            ..artifact()
        };
        let entry = ManifestKind::Manifest(Box::new(image)).listed(&at);
        assert_eq!(entry.artifact_type.as_deref(), Some(media_type::OCI_CONFIG));
        assert!(!entry.is_attached());
        let index = r#"{"schemaVersion":2,"manifests":[],"artifactType":"a/b","annotations":{"k":"v"}}"#;
        let entry = parsed(index).expect("index").listed(&at);
        assert_eq!((entry.artifact_type.as_deref(), entry.annotations["k"].as_str()), (Some("a/b"), "v"));
    }

    #[test]
    fn what_is_empty_in_go_is_nothing_and_what_is_no_subject_is_refused() {
        let config = r#"{"mediaType":"x","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"annotations":null}"#;
        let nulls = format!(
            r#"{{"schemaVersion":2,"artifactType":null,"config":{config},"layers":null,"subject":null,"annotations":null}}"#
        );
        assert_eq!(parsed(&nulls).expect("nulls").subject(), None);
        let nulls = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":null,"subject":null,"annotations":null}"#;
        assert!(matches!(parsed(nulls), Ok(ManifestKind::Index(_))));
        for subject in [
            "{}",
            "7",
            r#"{"mediaType":"x","digest":"sha256:44","size":2}"#,
            r#"{"mediaType":"x","digest":"sha512:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}"#,
            r#"{"mediaType":"x","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":-1}"#,
        ] {
            let text = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[],"subject":{subject}}}"#);
            assert_eq!(parsed(&text).expect_err(subject).kind(), crate::Kind::Integrity);
        }
    }
}
