//! The values of the OCI image specification 1.1 and of Docker's schema 2, serialised the
//! same way every time: ordered maps only, unknown fields kept.
//!
//! No module here touches disk, network, environment or clock.

mod artifact;
mod config;
mod descriptor;
mod digest;
mod history;
mod manifest;
pub mod media_type;
mod permissions;
mod platform;
mod reference;

pub use artifact::EMPTY;
pub use config::{Execution, Healthcheck, History, ImageConfig, Rootfs};
pub use descriptor::Descriptor;
pub use digest::{Digest, DigestParseError, HashingReader, HashingWriter, Sha256};
pub use manifest::{Index, Manifest, ManifestKind, to_json};
pub use permissions::{Mode, Owner};
pub use platform::Platform;
pub use reference::{Reference, Repository, is_tag, tag_from_version};

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::{Deserialize, Deserializer, Serializer};

/// Fields that this program does not know, kept as they came.
pub type Extra = BTreeMap<String, serde_json::Value>;

/// As many layers as Docker mounts over one another: it neither pulls nor loads an image that has
/// more (moby `layer_store.go`, `maxLayerDepth`).
pub const MOST_LAYERS: usize = 125;

/// Where runtimes look for programs if an image says nothing (moby `oci/defaults.go`, crun, runc).
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Serialises a value as the text that it is shown as.
pub(crate) fn as_text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Serialises values as the texts that they are shown as.
pub(crate) fn as_texts<S: Serializer>(values: &[impl Display], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(ToString::to_string))
}

/// Go writes what is empty as `null`, too.
fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Option::deserialize(d).map(Option::unwrap_or_default)
}
