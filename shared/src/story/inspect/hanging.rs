//! What hangs on an image, and what bills of materials say of it. Nothing of it is verified here.

use serde_json::Value;

use crate::base::StoredImage;
use crate::base::spec::BaseSpec;
use crate::error::Result;
use crate::inspect::{AttachedThing, PlatformView};
use crate::oci::{Descriptor, Digest, Manifest};
use crate::redact::tame_word;
use crate::registry::Shelf;
use crate::sbom;
use crate::story::preflight::Examiner;
use crate::story::signed::bill;
use crate::trust::{self, Bundle, Statement};

/// What layers of attestation manifests say of what they state.
const PREDICATE: &str = "in-toto.io/predicate-type";

/// Which image an attestation manifest in an index is about.
const ABOUT: &str = "vnd.docker.reference.digest";

/// The type of signatures in cosign's older form.
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// All that hangs on the image and its platforms. What cannot be listed is warned of.
pub(super) async fn all(
    examiner: &Examiner<'_>,
    image: &BaseSpec,
    stored: &StoredImage,
    views: &[PlatformView],
) -> Vec<AttachedThing> {
    listed(examiner, image, stored, views).await.unwrap_or_else(|error| {
        examiner.events.warn(format!("cannot list what is attached to {image}: {error}"));
        Vec::new()
    })
}

async fn listed(
    examiner: &Examiner<'_>,
    image: &BaseSpec,
    stored: &StoredImage,
    views: &[PlatformView],
) -> Result<Vec<AttachedThing>> {
    let root = stored.root.digest;
    let platforms = views.iter().filter_map(|view| Some((view.digest?, view.platform.to_string())));
    let platforms: Vec<(Digest, String)> = platforms.filter(|(digest, _)| *digest != root).collect();
    let subjects = std::iter::once((root, None))
        .chain(platforms.iter().map(|(digest, platform)| (*digest, Some(platform.clone()))));
    let mut found = Vec::new();
    for (subject, platform) in subjects {
        // One that is broken hides nothing of the others.
        let hanging = stored.hanging_on(&subject, |_| true).await.unwrap_or_else(|error| {
            examiner.events.warn(format!("cannot list all that is attached to {subject}: {error}"));
            Vec::new()
        });
        found.extend(hanging.iter().map(|(entry, manifest)| thing(entry, manifest, platform.as_ref())));
        if let BaseSpec::Registry(reference) = image {
            let old = examiner.client.shelved(&reference.repository, Shelf::Signatures, &subject).await?;
            let signature = AttachedThing {
                kind: "signature",
                media_type: SIMPLE_SIGNING.into(),
                signed: true,
                platform: platform.clone(),
                digest: None,
            };
            found.extend(old.iter().map(|_| signature.clone()));
        }
    }
    for (entry, manifest) in stored.beside().await? {
        let about = entry.annotations.get(ABOUT);
        let platform = platforms.iter().find(|(digest, _)| Some(&digest.to_string()) == about);
        // Of platforms that are not looked into, nothing is told.
        if platform.is_none() && about.is_some() {
            continue;
        }
        for layer in &manifest.layers {
            let kind = layer.annotations.get(PREDICATE).unwrap_or(&layer.media_type);
            let platform = platform.map(|(_, platform)| platform.clone());
            let digest = Some(entry.digest.to_string());
            found.push(AttachedThing {
                kind: word(kind),
                media_type: tame_word(kind),
                signed: false,
                platform,
                digest,
            });
        }
    }
    found.sort_by(|a, b| {
        (&a.platform, a.kind, a.signed, &a.digest).cmp(&(&b.platform, b.kind, b.signed, &b.digest))
    });
    Ok(found)
}

fn thing(entry: &Descriptor, manifest: &Manifest, platform: Option<&String>) -> AttachedThing {
    let kind = entry.artifact_type.clone().unwrap_or_default();
    let signed = Bundle::is_kind(&kind);
    let stated = manifest.annotations.get(trust::BUNDLE_PREDICATE).filter(|_| signed).unwrap_or(&kind);
    AttachedThing {
        kind: word(stated),
        media_type: tame_word(stated),
        signed,
        platform: platform.cloned(),
        digest: Some(entry.digest.to_string()),
    }
}

/// What a media type or the address of a predicate stands for.
fn word(kind: &str) -> &'static str {
    match kind {
        _ if bill(kind).is_some() => "sbom",
        // Unsigned statements are attached by this program as provenance alone.
        trust::IN_TOTO => "provenance",
        trust::SIGNATURE => "signature",
        _ if kind.starts_with("https://slsa.dev/provenance/") => "provenance",
        _ if kind.starts_with("https://") => "statement",
        _ if Bundle::is_kind(kind) => "signature",
        _ => "other",
    }
}

/// The bills of materials of one platform's image: those that hang on it, else on the whole image, and those in the
/// index that are about it.
pub(super) async fn bills(examiner: &Examiner<'_>, stored: &StoredImage, image: &Digest) -> Vec<Value> {
    read(stored, image).await.unwrap_or_else(|error| {
        examiner.events.warn(format!("cannot read the SBOM of {}: {error}", image.short()));
        Vec::new()
    })
}

async fn read(stored: &StoredImage, image: &Digest) -> Result<Vec<Value>> {
    let is_bill = |kind: &str| matches!(kind, sbom::SPDX | sbom::CYCLONEDX);
    let mut hanging = stored.hanging_on(image, is_bill).await?;
    if hanging.is_empty() && *image != stored.root.digest {
        hanging = stored.hanging_on(&stored.root.digest, is_bill).await?;
    }
    let mut found = Vec::new();
    for layer in hanging.iter().filter_map(|(_, manifest)| manifest.layers.first()) {
        found.extend(serde_json::from_slice(&stored.document(layer).await?).ok());
    }
    for content in stored.held_documents(trust::IN_TOTO, &mut stored.room()).await? {
        let Ok(statement) = serde_json::from_slice::<Statement<Value>>(&content) else { continue };
        if bill(&statement.predicate_type).is_some() && statement.is_about(image) {
            found.push(statement.predicate);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_on_an_image_is_told_in_a_word() {
        let words = [
            (sbom::SPDX, "sbom"),
            (trust::SPDX_DOCUMENT, "sbom"),
            (trust::IN_TOTO, "provenance"),
            ("https://slsa.dev/provenance/v0.2", "provenance"),
            (trust::SIGNATURE, "signature"),
            ("https://example.com/tested/v1", "statement"),
            ("application/x", "other"),
        ];
        for (kind, expected) in words {
            assert_eq!(word(kind), expected, "{kind}");
        }
    }
}
