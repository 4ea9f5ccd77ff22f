//! `containerize index`: images that different machines have pushed become one index.

use std::collections::BTreeMap;

use crate::error::{Context, Error, Result};
use crate::event::Events;
use crate::image::{Image, ImageSet};
use crate::oci::media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX};
use crate::oci::{
    Descriptor, Digest, ImageConfig, Index, Manifest, ManifestKind, Platform, Reference, Repository, to_json,
};
use crate::registry::{Client, FetchedManifest};
use crate::sink;
use crate::store::{Blob, Source, Store};

/// As large as a configuration may be, in bytes.
const MOST: u64 = 4 * 1024 * 1024;

/// Pushes an index of `images`, each a manifest or an index, under `target`. All are in the same
/// registry; what is in another repository than `target` is mounted, or copied where the
/// registry does not mount. Returns the index's digest.
///
/// # Errors
/// Usage when there is nothing to merge, a platform is there twice, the registries differ or
/// `target` has no tag; as for pushing otherwise.
pub async fn merge(
    client: &Client,
    store: &Store,
    target: &Reference,
    images: &[Reference],
    events: &Events,
) -> Result<Digest> {
    check(target, images)?;
    let mut found = Vec::new();
    for reference in images {
        events.step("Reading", reference.to_string());
        found.extend(read(client, store, reference).await?);
    }
    refuse_doubles(&found)?;
    let descriptors: Vec<Descriptor> = found.iter().map(|part| part.descriptor.clone()).collect();
    let docker = descriptors.iter().all(|d| d.media_type == DOCKER_MANIFEST);
    let media_type = if docker { DOCKER_LIST } else { OCI_INDEX };
    let index = Blob::of(media_type, to_json(&Index::new(media_type, descriptors))?);
    let digest = index.descriptor.digest;
    let set = ImageSet {
        name: target.repository.name.clone(),
        tags: vec![target.selector()],
        has_siblings: false,
        references: vec![target.clone()],
        images: found.into_iter().map(|part| part.image).collect(),
        index: Some(index),
        statements: Vec::new(),
        attached: Vec::new(),
        signatures: Vec::new(),
    };
    sink::push(client, &set, sink::ask(client, &set).await?, store, events).await?;
    Ok(digest)
}

/// An image, and how the index speaks of it.
struct Part {
    descriptor: Descriptor,
    image: Image,
    from: Reference,
}

fn check(target: &Reference, images: &[Reference]) -> Result<()> {
    if target.tag.is_none() || target.digest.is_some() {
        return Err(Error::usage(format!(
            "the index needs a name with a tag and without a digest, got {target}"
        ))
        .hint(format!("use {}:1.0", target.repository)));
    }
    let registry = &target.repository.registry;
    match images.iter().find(|image| image.repository.registry != *registry) {
        Some(other) => Err(Error::usage(format!("{other} is not in {registry}, where the index goes"))
            .hint("push the images to one registry first")),
        None if images.is_empty() => {
            Err(Error::usage("there are no images to merge").hint("list them after the index"))
        }
        None => Ok(()),
    }
}

fn refuse_doubles(parts: &[Part]) -> Result<()> {
    let mut seen: BTreeMap<String, &Reference> = BTreeMap::new();
    for part in parts.iter().filter(|part| !part.descriptor.is_attached()) {
        let platform = part.image.platform.to_string();
        if let Some(first) = seen.insert(platform.clone(), &part.from) {
            return Err(Error::usage(format!("{first} and {} both have an image for {platform}", part.from))
                .hint("list only one of them"));
        }
    }
    Ok(())
}

/// The images that a reference leads to.
async fn read(client: &Client, store: &Store, reference: &Reference) -> Result<Vec<Part>> {
    let fetched = client.manifest(reference).await?;
    match ManifestKind::parse(&fetched.bytes, &fetched.media_type)? {
        ManifestKind::Manifest(manifest) => {
            let named = Descriptor::of(fetched.media_type.as_str(), &fetched.bytes);
            Ok(vec![part(client, store, reference, named, &fetched, &manifest).await?])
        }
        ManifestKind::Index(index) => {
            let mut parts = Vec::new();
            for named in index.manifests {
                let child = client.manifest(&reference.repository.with_digest(named.digest)).await?;
                let ManifestKind::Manifest(manifest) = ManifestKind::parse(&child.bytes, &named.media_type)?
                else {
                    return Err(Error::usage(format!("{reference} is an index of indexes"))
                        .hint("list its parts instead"));
                };
                parts.push(part(client, store, reference, named, &child, &manifest).await?);
            }
            Ok(parts)
        }
    }
}

async fn part(
    client: &Client,
    store: &Store,
    from: &Reference,
    named: Descriptor,
    fetched: &FetchedManifest,
    manifest: &Manifest,
) -> Result<Part> {
    let home = &from.repository;
    let in_registry =
        |what: &Descriptor| Blob { descriptor: what.clone(), source: Source::Registry(home.clone()) };
    let layers: Vec<Blob> = manifest.layers.iter().map(in_registry).collect();
    let config_blob = in_registry(&manifest.config);
    let media_type = if named.media_type.is_empty() { &fetched.media_type } else { &named.media_type };
    let manifest = Blob {
        descriptor: Descriptor::of(media_type.as_str(), &fetched.bytes),
        source: Source::Memory(fetched.bytes.clone()),
    };
    let (platform, shown) = if named.is_attached() {
        (Platform::nowhere(), named.platform.clone())
    } else {
        let config = small_blob(client, store, home, &config_blob.descriptor).await?;
        let platform = platform(&config).context(|| format!("cannot tell the platform of {from}"))?;
        (platform.clone(), Some(platform))
    };
    let descriptor = Descriptor {
        media_type: media_type.clone(),
        digest: fetched.digest,
        size: fetched.bytes.len() as u64,
        platform: shown,
        ..named
    };
    let titles = (1..=layers.len()).map(|i| format!("{platform} layer {i}")).collect();
    let image = Image { platform, manifest, config: config_blob, layers, titles };
    Ok(Part { descriptor, image, from: from.clone() })
}

async fn small_blob(client: &Client, store: &Store, home: &Repository, what: &Descriptor) -> Result<Vec<u8>> {
    if what.size > MOST {
        return Err(Error::integrity(format!(
            "{} is too large for a configuration ({} bytes)",
            what.digest, what.size
        )));
    }
    let mut bytes = store.read(&what.digest);
    if bytes.is_none() {
        client.fetch_blob(home, what, store).await?;
        bytes = store.read(&what.digest);
    }
    bytes.ok_or_else(|| Error::build(format!("{} is lost from the cache", what.digest)))
}

/// What the configuration says that it runs on.
fn platform(config: &[u8]) -> Result<Platform> {
    let config: ImageConfig = serde_json::from_slice(config)
        .map_err(|e| Error::integrity("its configuration cannot be read").because(e))?;
    if config.os.is_empty() || config.architecture.is_empty() {
        return Err(Error::usage("its configuration names no platform"));
    }
    let variant = config.variant;
    Ok(Platform { os: config.os, variant, ..Platform::linux(config.architecture) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(text: &str) -> Reference {
        text.parse().expect("reference")
    }

    #[test]
    fn an_index_needs_a_tag_and_images_of_its_registry() {
        let web = [reference("ghcr.io/a/web:1-amd64")];
        assert!(check(&reference("ghcr.io/a/web:1"), &web).is_ok());
        for (target, images) in
            [("ghcr.io/a/web", &web[..]), ("ghcr.io/a/web:1", &[]), ("quay.io/a/web:1", &web)]
        {
            let error = check(&reference(target), images).expect_err(target);
            assert_eq!(error.kind(), crate::Kind::Usage);
            assert!(error.hint_text().is_some());
        }
    }

    #[test]
    fn a_configuration_that_names_no_platform_is_refused() {
        let text =
            r#"{"os":"linux","architecture":"arm","variant":"v7","rootfs":{"type":"layers","diff_ids":[]}}"#;
        assert_eq!(platform(text.as_bytes()).expect("platform").to_string(), "linux/arm/v7");
        for text in ["{}", "[]", r#"{"os":"","architecture":"","rootfs":{"type":"layers","diff_ids":[]}}"#] {
            assert!(platform(text.as_bytes()).is_err(), "{text}");
        }
    }
}
