//! What two images differ in: packages, files, configuration, base and layers, and what made one larger than the other.
//!
//! All lists are bounded, and counts beside them say how many there are.

mod base;
mod cause;
mod configuration;
mod files;
mod growth;
mod layers;
mod limit;
mod packages;
mod sides;

use serde::Serialize;

pub use base::BaseChange;
pub use cause::{Cause, CauseKind, Sort};
pub use configuration::{SettingChange, SettingChanges};
pub use files::{FileChange, FileChanges, FileKind, FileState, FileSum};
pub use growth::{Growth, GrowthPart, Measure};
pub use layers::{LayerChange, LayerChanges};
pub use limit::GrowthLimit;
pub use packages::{Installed, PackageChange, PackageChanges};
pub use sides::{Change, Counts, Side, Sides};

use super::laid::{Laid, Totals};
use crate::oci::{Digest, Platform};

/// What two images differ in.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Diff {
    /// The version of this form.
    pub schema: u32,
    /// The images, as they were named.
    pub images: Sides<String>,
    /// What their names lead to. Images in engines and Docker's archives have none.
    pub digests: Sides<Option<Digest>>,
    /// Whether they are the same on all platforms that were looked at.
    pub same: bool,
    /// Whether these are only those that the call chose, so that nothing is known of others.
    pub chosen: bool,
    /// One for each platform that both have.
    pub platforms: Vec<PlatformDiff>,
    /// Platforms that only one of them has.
    pub only: Sides<Vec<String>>,
}

/// What one platform's images differ in.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlatformDiff {
    /// What both run on.
    #[serde(serialize_with = "crate::oci::as_text")]
    pub platform: Platform,
    /// The digests of their manifests.
    pub digests: Sides<Option<Digest>>,
    /// What differs; nothing where both are the same image.
    #[serde(flatten)]
    pub changes: Option<Changes>,
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Changes {
    /// How large they are.
    pub totals: Sides<Totals>,
    /// By how much one is larger, and why.
    pub growth: Growth,
    /// What they stand on.
    pub base: BaseChange,
    /// Which layers both have.
    pub layers: LayerChanges,
    /// Packages that only one has, or both in different versions.
    pub packages: PackageChanges,
    /// Files that only one has, or that differ.
    pub files: FileChanges,
    /// Values of the configuration that differ.
    pub configuration: SettingChanges,
}

impl Changes {
    /// Whether a container could tell one from the other.
    pub fn are_seen(&self) -> bool {
        let counts = [self.packages.counts, self.files.counts, self.configuration.counts];
        counts.iter().any(|counts| counts.all() > 0)
    }
}

/// What differs between two images for one platform.
pub fn diff(from: &Laid, to: &Laid) -> Changes {
    let sides = Sides { from, to };
    Changes {
        totals: sides.map(Laid::totals),
        growth: growth::of(sides),
        base: base::change(sides),
        layers: layers::changes(sides),
        packages: packages::changes(sides),
        files: files::changes(sides),
        configuration: configuration::changes(sides.map(|laid| &laid.image.config)),
    }
}

#[cfg(test)]
mod tests;
