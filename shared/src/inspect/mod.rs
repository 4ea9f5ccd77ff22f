//! What an image is made of, told from what is known of its layers: which packages its files belong to, what each layer
//! brings and why, and what could be smaller. And what two images differ in.
//!
//! Everything here is a value; texts of the image are tamed, so that none of them can steer a terminal.

mod configuration;
mod diff;
mod laid;
mod layers;
mod map;
mod packages;
mod smaller;
mod stack;

use serde::Serialize;
use serde_json::Value;

pub use configuration::{Origin, Setting};
pub use diff::{
    BaseChange, Cause, CauseKind, Change, Changes, Counts, Diff, FileChange, FileChanges, FileKind,
    FileState, FileSum, Growth, GrowthLimit, GrowthPart, Installed, LayerChange, LayerChanges, Measure,
    PackageChange, PackageChanges, PlatformDiff, SettingChange, SettingChanges, Side, Sides, Sort, diff,
};
pub use laid::{Laid, Totals};
pub use layers::{Folder, Held, HeldKind, LayerView};
pub use map::Region;
pub use packages::{Package, PackageKind};
pub use smaller::{Copies, LargeFile, Saving, SavingKind, Unseen};

use crate::facts::LayerFacts;
use crate::facts::details::LayerDetails;
use crate::facts::files::LayerFiles;
use crate::oci::{Descriptor, Digest, ImageConfig, Platform};
use crate::trust::Provenance;

/// The version of the JSON that an [`Inspection`] is: fields may be added to it, and none changes its meaning.
pub const SCHEMA: u32 = 1;

/// No more rows of large files, copies and unseen files are kept for one platform.
const MOST_ROWS: usize = 100;

/// One platform's image, as it is read.
pub struct Image {
    /// What it runs on.
    pub platform: Platform,
    /// The digest of its manifest, where it has one.
    pub digest: Option<Digest>,
    /// The name of its base and the digest, which may be empty, as its annotations or labels say.
    pub base: Option<(String, String)>,
    /// Its configuration.
    pub config: ImageConfig,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
    /// How this program made it, as far as that is stated.
    pub provenance: Option<Provenance>,
    /// Bills of materials about it: SPDX or CycloneDX.
    pub bills: Vec<Value>,
}

/// A layer, as it is read.
pub struct Layer {
    /// What the manifest says of it.
    pub descriptor: Descriptor,
    /// The digest of its archive.
    pub diff_id: Digest,
    /// The line of the history that is about it.
    pub made_by: String,
    /// Whether this program made it on top of a base; unknown in images of others.
    pub is_own: Option<bool>,
    /// What it brings.
    pub facts: LayerFacts,
    /// What its files say of themselves.
    pub details: LayerDetails,
    /// How large they are.
    pub files: LayerFiles,
}

/// What an image is made of.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inspection {
    /// The version of this form.
    pub schema: u32,
    /// The image, as it was named.
    pub image: String,
    /// What its name leads to: of the index, or of the only manifest. Images in engines and Docker's archives have none.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "perhaps_as_text")]
    pub digest: Option<Digest>,
    /// One for each platform.
    pub platforms: Vec<PlatformView>,
    /// What hangs on it, unverified.
    pub attached: Vec<AttachedThing>,
}

/// Something that hangs on an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AttachedThing {
    /// `sbom`, `provenance`, `signature`, `statement` or `other`.
    pub kind: &'static str,
    /// Its type: a media type, or the address of what is stated.
    #[serde(rename = "type")]
    pub media_type: String,
    /// Whether it is in a signed envelope. That says nothing about whose signature it is, or whether it is good.
    pub signed: bool,
    /// The platform that it hangs on; the whole image where none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The digest of its manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// One platform's image.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlatformView {
    /// What it runs on.
    #[serde(serialize_with = "crate::oci::as_text")]
    pub platform: Platform,
    /// The digest of its manifest.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "perhaps_as_text")]
    pub digest: Option<Digest>,
    /// Bytes of its layers as they are stored and transferred.
    pub stored: u64,
    /// Bytes of their archives.
    pub unpacked: u64,
    /// Bytes of the files that a container sees.
    pub size: u64,
    /// The number of these files.
    pub files: u64,
    /// The base, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// What its configuration says.
    pub configuration: Vec<Setting>,
    /// Its layers, the lowest first.
    pub layers: Vec<LayerView>,
    /// Its packages, the largest first.
    pub packages: Vec<Package>,
    /// Its largest files.
    pub largest: Vec<LargeFile>,
    /// Files with the same content.
    pub copies: Vec<Copies>,
    /// Files of lower layers that no container sees.
    pub unseen: Vec<Unseen>,
    /// What could be smaller.
    pub smaller: Vec<Saving>,
    /// Where the bytes are, for a picture.
    #[serde(skip)]
    pub map: Region,
}

/// What an image stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Base {
    /// As the image names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The digest of its manifest, as the image states it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How many layers are the base's, where the history says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
    /// Bytes of these, as they are stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<u64>,
}

fn perhaps_as_text<S: serde::Serializer>(value: &Option<Digest>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(digest) => serializer.collect_str(digest),
        None => serializer.serialize_none(),
    }
}

/// What one platform's image is made of.
pub fn view(image: Image) -> PlatformView {
    let laid = Laid::of(image);
    let Totals { stored, unpacked, size, files } = laid.totals();
    let Laid { image, stack, packages, layers, .. } = laid;
    let seen: Vec<(&str, &stack::File)> = stack.files().collect();
    PlatformView {
        stored,
        unpacked,
        size,
        files,
        base: base(&image),
        configuration: configuration::settings(&image),
        largest: smaller::largest(&seen, &packages),
        copies: smaller::copies(&seen),
        unseen: smaller::unseen(&stack.gone),
        smaller: smaller::savings(&seen, &stack.gone, &image.layers),
        map: map::of(&seen, &packages, &layers),
        layers,
        packages,
        platform: image.platform,
        digest: image.digest,
    }
}

fn base(image: &Image) -> Option<Base> {
    let is_known = image.layers.iter().any(|layer| layer.is_own.is_some());
    if image.base.is_none() && !is_known {
        return None;
    }
    let below = || image.layers.iter().filter(|layer| layer.is_own == Some(false));
    Some(Base {
        name: image.base.as_ref().map(|(name, _)| shown(name)).or_else(|| made_here(&image.layers)),
        digest: image.base.as_ref().map(|(_, digest)| shown(digest)).filter(|digest| !digest.is_empty()),
        layers: is_known.then(|| below().count()),
        stored: is_known.then(|| below().map(|layer| layer.descriptor.size).sum()),
    })
}

/// The name of a base that this program makes itself, and says in the history: `base static`.
fn made_here(layers: &[Layer]) -> Option<String> {
    let lowest = layers.first().filter(|layer| layer.is_own == Some(false))?;
    lowest.made_by.strip_prefix("base ").map(shown)
}

/// A text of the image, as a line that steers nothing and shows no login.
fn shown(text: &str) -> String {
    crate::redact::clean(&crate::redact::tame(text)).into_owned()
}

#[cfg(test)]
mod tests;
