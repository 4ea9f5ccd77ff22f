//! The last look at an image before it is delivered: what is known only of the finished thing. Whether
//! it will start, and where, is the affair of `check`.

use super::Image;
use crate::error::{Error, Result};
use crate::oci::{ImageConfig, Manifest, media_type};
use crate::store::{Blob, Source};

/// Checks that manifest, configuration and layers say the same, and that the image's format has all
/// that is in it.
///
/// # Errors
/// Kind bug, naming the contradiction; usage, when layers of the base are nothing for the format.
pub fn validate(image: &Image) -> Result<()> {
    let manifest: Manifest = parse(&image.manifest)?;
    let config: ImageConfig = parse(&image.config)?;
    let wrong = |what: &str| Err(Error::bug(format!("the image for {} is invalid: {what}", image.platform)));
    if manifest.config != image.config.descriptor {
        return wrong("the manifest names another configuration");
    }
    if !manifest.layers.iter().eq(image.layers.iter().map(|blob| &blob.descriptor)) {
        return wrong("the manifest names other layers");
    }
    if config.rootfs.diff_ids.len() != manifest.layers.len() {
        return wrong("layers and diff_ids differ in number");
    }
    if config.told_layers() != manifest.layers.len() {
        return wrong("layers and history differ in number");
    }
    has_the_media_types(&manifest)?;
    if config.architecture != image.platform.architecture || config.os != image.platform.os {
        return wrong("the configuration names another platform");
    }
    Ok(())
}

/// Holds each layer to a type that readers of this kind of manifest know.
fn has_the_media_types(manifest: &Manifest) -> Result<()> {
    if manifest.media_type.as_deref() != Some(media_type::DOCKER_MANIFEST) {
        return Ok(());
    }
    match manifest.layers.iter().any(|layer| layer.media_type == media_type::DOCKER_LAYER_ZSTD) {
        false => Ok(()),
        true => {
            Err(Error::usage("the image format docker does not support zstd layers, and the base has some")
                .hint("leave out image-format, or choose a base whose layers are compressed with gzip"))
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(blob: &Blob) -> Result<T> {
    let Source::Memory(bytes) = &blob.source else {
        return Err(Error::bug("a manifest or configuration is not in memory"));
    };
    serde_json::from_slice(bytes)
        .map_err(|e| Error::bug("a manifest or configuration is not valid JSON").because(e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Descriptor, Digest, Platform, to_json};

    fn image(history: &str, layers: usize) -> Image {
        let layer = Blob {
            descriptor: Descriptor::new(media_type::OCI_LAYER_GZIP, Digest::of(b"l"), 1),
            source: Source::File("x".into()),
        };
        let layers = vec![layer; layers];
        let diff = Digest::of(b"d");
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff}"]}},"history":{history}}}"#
        );
        let config = Blob::of(media_type::OCI_CONFIG, config.into_bytes());
        let contents = layers.iter().map(|layer| layer.descriptor.clone()).collect();
        let manifest = Manifest::new(media_type::OCI_MANIFEST, config.descriptor.clone(), contents);
        let manifest = Manifest { media_type: None, ..manifest };
        let manifest = Blob::of(media_type::OCI_MANIFEST, to_json(&manifest).expect("json"));
        Image { platform: Platform::linux("amd64"), manifest, config, layers, titles: vec![] }
    }

    #[test]
    fn a_whole_image_passes_and_contradictions_do_not() {
        assert!(validate(&image("[{}]", 1)).is_ok());
        assert!(validate(&image("[{}]", 2)).is_err(), "more layers than diff_ids");
        assert!(validate(&image("[]", 1)).is_err(), "a layer without history");
        let other = Image { platform: Platform::linux("arm64"), ..image("[{}]", 1) };
        assert!(validate(&other).is_err(), "another platform");
        let swapped = Image { config: Blob::of(media_type::OCI_CONFIG, b"{}".to_vec()), ..image("[{}]", 1) };
        assert!(validate(&swapped).is_err(), "another configuration");
    }

    #[test]
    fn zstd_is_for_manifests_of_oci_only() {
        let with = |manifest_type: &str, layer_type: &str| {
            let mut image = image("[{}]", 1);
            image.layers[0].descriptor.media_type = layer_type.into();
            let mut manifest: Manifest = parse(&image.manifest).expect("manifest");
            manifest.media_type = Some(manifest_type.into());
            manifest.layers[0].media_type = layer_type.into();
            image.manifest = Blob::of(manifest_type, to_json(&manifest).expect("json"));
            validate(&image)
        };
        assert!(with(media_type::OCI_MANIFEST, media_type::OCI_LAYER_ZSTD).is_ok());
        assert!(with(media_type::DOCKER_MANIFEST, media_type::DOCKER_LAYER_GZIP).is_ok());
        let error = with(media_type::DOCKER_MANIFEST, media_type::DOCKER_LAYER_ZSTD).expect_err("refused");
        assert_eq!(error.kind(), crate::Kind::Usage);
    }
}
