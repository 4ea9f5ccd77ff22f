//! A base for one platform.

use crate::error::{Error, Result};
use crate::layer::Layer;
use crate::oci::{Digest, History, ImageConfig, Platform};
use crate::store::Blob;
use crate::words;
use crate::words::flag;

/// A base for one platform.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseImage {
    /// The registry reference, for the label `base.name`.
    pub name: Option<String>,
    /// The digest of the manifest, for the label `base.digest`.
    pub digest: Option<Digest>,
    /// Which version its maker calls it, where that is said: the manifest is asked before the configuration, which may
    /// have it from an image below.
    pub version: Option<String>,
    /// The configuration, with all fields that it came with.
    pub config: ImageConfig,
    /// The layers, the lowest first.
    pub layers: Vec<Blob>,
}

impl BaseImage {
    /// Lays a layer on top.
    pub(crate) fn add(&mut self, layer: Layer, line: History) {
        self.config.history.push(line);
        self.config.rootfs.diff_ids.push(layer.diff_id);
        self.layers.push(layer.blob);
    }
}

/// A base without layers.
pub(super) fn empty(platform: &Platform) -> BaseImage {
    let config = ImageConfig {
        architecture: platform.architecture.clone(),
        os: platform.os.clone(),
        variant: platform.variant.clone(),
        ..ImageConfig::default()
    };
    BaseImage { name: None, digest: None, version: None, config, layers: Vec::new() }
}

/// The platform must really be there: the configuration has the last word.
pub(super) fn checked_platform(base: BaseImage, wanted: &Platform) -> Result<BaseImage> {
    let found = base.config.platform();
    // Some bases leave the variant out of their configuration.
    let plain = Platform { variant: None, ..wanted.clone() };
    if found.serves(wanted) || (found.variant.is_none() && found.serves(&plain)) {
        return Ok(base);
    }
    Err(Error::usage(format!("the base is for {found}, not for {wanted}"))
        .hint(words!("choose a base for this platform, or another {platform}", platform = flag("platform"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_has_the_last_word_on_the_platform() {
        let base = empty(&Platform::linux("amd64"));
        assert!(checked_platform(base.clone(), &Platform::linux("amd64")).is_ok());
        let error = checked_platform(base, &Platform::linux("arm64")).expect_err("refused");
        assert_eq!(error.to_string(), "the base is for linux/amd64, not for linux/arm64");
    }
}
