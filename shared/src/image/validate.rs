//! The last look at an image before it is delivered.

use super::Image;
use crate::error::{Error, Result};
use crate::oci::{ImageConfig, Manifest};
use crate::store::{Blob, Source};

/// Checks that manifest, configuration and layers say the same. A failure is a bug here, and
/// must stop the image from getting out.
///
/// # Errors
/// Kind bug, naming the contradiction.
pub fn validate(image: &Image) -> Result<()> {
    let manifest: Manifest = parse(&image.manifest)?;
    let config: ImageConfig = parse(&image.config)?;
    let wrong = |what: &str| Err(Error::bug(format!("the image for {} is wrong: {what}", image.platform)));
    if manifest.config != image.config.descriptor {
        return wrong("the manifest names another configuration");
    }
    if !manifest.layers.iter().eq(image.layers.iter().map(|blob| &blob.descriptor)) {
        return wrong("the manifest names other layers");
    }
    if config.rootfs.diff_ids.len() != manifest.layers.len() {
        return wrong("layers and diff_ids differ in number");
    }
    let documented = config.history.iter().filter(|line| line.empty_layer != Some(true)).count();
    if documented != manifest.layers.len() {
        return wrong("layers and history differ in number");
    }
    if config.architecture != image.platform.architecture || config.os != image.platform.os {
        return wrong("the configuration names another platform");
    }
    Ok(())
}

fn parse<T: serde::de::DeserializeOwned>(blob: &Blob) -> Result<T> {
    let Source::Memory(bytes) = &blob.source else {
        return Err(Error::bug("a manifest or configuration is not in memory"));
    };
    serde_json::from_slice(bytes).map_err(|e| Error::bug("a manifest or configuration is no JSON").because(e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Descriptor, Digest, Platform, media_type, to_json};

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
        let manifest = Manifest {
            schema_version: 2,
            media_type: None,
            extra: Default::default(),
            config: config.descriptor.clone(),
            layers: layers.iter().map(|l| l.descriptor.clone()).collect(),
            annotations: Default::default(),
        };
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
}
