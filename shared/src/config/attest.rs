//! What hangs on a pushed image: bills of materials and provenance.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An enumeration of words: how they are written, and read.
macro_rules! choice {
    ($(#[$comment:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $word:literal,)* } or $others:literal) => {
        $(#[$comment])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "lowercase")]
        pub enum $name {
            $($(#[$each])* $variant,)*
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(format!("{text:?} is not one of {}", $others)),
                }
            }
        }
    };
}

choice! {
    /// In which formats bills of materials are made.
    Sbom {
        /// SPDX, for registries that list what hangs on an image.
        #[default]
        Auto = "auto",
        /// SPDX 2.3.
        Spdx = "spdx",
        /// CycloneDX 1.6.
        Cyclonedx = "cyclonedx",
        /// Both formats.
        Both = "both",
        /// None.
        None = "none",
    }
    or "auto, spdx, cyclonedx, both or none"
}

choice! {
    /// Where what is attested about an image goes.
    Attestations {
        /// As referrers, where the registry lists them; what is asked for by name costs one tag elsewhere.
        #[default]
        Auto = "auto",
        /// As referrers of the index and each platform, whatever tags that costs, and into layouts too.
        Referrers = "referrers",
        /// Nowhere.
        None = "none",
    }
    or "auto, referrers or none"
}

/// What is attested about an image when it is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Attest {
    /// In which formats bills of materials are made.
    pub sbom: Sbom,
    /// Where all of it goes.
    pub attestations: Attestations,
}

impl Sbom {
    /// Whether bills in SPDX are made.
    pub const fn has_spdx(self) -> bool {
        matches!(self, Self::Auto | Self::Spdx | Self::Both)
    }

    /// Whether bills in CycloneDX are made.
    pub const fn has_cyclonedx(self) -> bool {
        matches!(self, Self::Cyclonedx | Self::Both)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_others_refused_with_the_list() {
        assert_eq!("both".parse(), Ok(Sbom::Both));
        assert_eq!("referrers".parse(), Ok(Attestations::Referrers));
        assert!("SPDX".parse::<Sbom>().is_err_and(|words| words.contains("spdx, cyclonedx")));
        assert!(Sbom::Auto.has_spdx() && !Sbom::Auto.has_cyclonedx() && Sbom::Both.has_cyclonedx());
        assert!(!Sbom::None.has_spdx());
    }
}
