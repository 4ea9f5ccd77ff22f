//! Platforms: operating system, architecture and variant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Extra;
use crate::error::Error;
use crate::redact::tame_word;

/// The platform that an image runs on (image-spec `image-index.md`). Written
/// `os/architecture[/variant]` in GOOS and GOARCH words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Platform {
    /// For example `amd64`.
    pub architecture: String,
    /// For example `linux`.
    pub os: String,
    /// For example `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// `os.version`, `os.features` and whatever else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Platform {
    /// `linux/architecture`, without a variant.
    pub fn linux(architecture: impl Into<String>) -> Self {
        Self { architecture: architecture.into(), os: "linux".into(), variant: None, extra: Extra::new() }
    }

    /// What indexes say of manifests that run nowhere.
    pub fn nowhere() -> Self {
        Self { os: "unknown".into(), ..Self::linux("unknown") }
    }

    /// Linux on an architecture in Rust's words, as in a target triple or `std::env::consts::ARCH`.
    pub fn from_rust_arch(arch: &str) -> Option<Self> {
        let (architecture, variant) = match arch {
            "x86_64" => ("amd64", None),
            "aarch64" => ("arm64", None),
            "i586" | "i686" | "x86" => ("386", None),
            "arm" => ("arm", Some("v6")),
            "armv7" => ("arm", Some("v7")),
            "riscv64" | "riscv64gc" => ("riscv64", None),
            "powerpc64le" => ("ppc64le", None),
            "s390x" => ("s390x", None),
            "loongarch64" => ("loong64", None),
            _ => return None,
        };
        Some(Self { variant: variant.map(str::to_owned), ..Self::linux(architecture) })
    }

    /// The architecture as Rust's target triples for Linux spell it.
    pub fn rust_arch(&self) -> Option<&'static str> {
        Some(match (self.architecture.as_str(), self.variant.as_deref()) {
            ("amd64", _) => "x86_64",
            ("arm64", _) => "aarch64",
            ("386", _) => "i686",
            ("arm", Some("v6" | "v5")) => "arm",
            ("arm", _) => "armv7",
            ("riscv64", _) => "riscv64gc",
            ("ppc64le", _) => "powerpc64le",
            ("s390x", _) => "s390x",
            ("loong64", _) => "loongarch64",
            _ => return None,
        })
    }

    /// Whether an image for `self` serves someone who asked for `wanted`: the variant counts
    /// only where both name one, and arm64 is v8 by default.
    pub fn serves(&self, wanted: &Self) -> bool {
        let variant = |p: &Self| match (p.architecture.as_str(), p.variant.as_deref()) {
            ("arm64", Some("v8")) => None,
            (_, v) => v.map(str::to_owned),
        };
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && match (variant(self), variant(wanted)) {
                (Some(a), Some(b)) => a == b,
                // An explicit wish for another arm64 variant is not served by plain v8.
                (None, Some(_)) => wanted.architecture != "arm64",
                _ => true,
            }
    }

    /// The platform as a word for file names and per-platform keys: `linux-arm64`, `linux-arm-v7`.
    pub fn slug(&self) -> String {
        self.to_string().replace('/', "-")
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Images of others may say anything here.
        write!(f, "{}/{}", tame_word(&self.os), tame_word(&self.architecture))?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{}", tame_word(variant)))
    }
}

impl FromStr for Platform {
    type Err = Error;

    /// Reads `os/architecture[/variant]`, and the architecture alone for Linux; `x86_64` and
    /// `aarch64` are understood too.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            Error::usage(format!("{text:?} is not a platform"))
                .hint("write os/architecture, for example linux/amd64 or linux/arm64")
        };
        let word = |w: &str| {
            !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let parts: Vec<&str> = text.split('/').collect();
        if !parts.iter().all(|part| word(part)) {
            return Err(wrong());
        }
        let (os, architecture, variant) = match parts[..] {
            // The half of a platform that says too little.
            ["linux" | "windows" | "darwin" | "freebsd"] => return Err(wrong()),
            [architecture] => ("linux", architecture, None),
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return Err(wrong()),
        };
        let architecture = match architecture {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let variant = match (architecture, variant) {
            // containerd's normal form: v8 is what arm64 means.
            ("arm64", Some("v8")) => None,
            ("arm", None) => Some("v7"),
            (_, variant) => variant,
        };
        Ok(Self {
            architecture: architecture.into(),
            os: os.into(),
            variant: variant.map(str::to_owned),
            extra: Extra::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().expect(text)
    }

    #[test]
    fn words_of_other_worlds_are_normalised() {
        assert_eq!(platform("amd64").to_string(), "linux/amd64");
        assert_eq!(platform("linux/aarch64").to_string(), "linux/arm64");
        assert_eq!(platform("linux/arm64/v8").to_string(), "linux/arm64");
        assert_eq!(platform("linux/arm").to_string(), "linux/arm/v7");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "linux", "linux/", "/amd64", "linux/amd64/v1/x", "Linux/AMD64", "linux amd64"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn variants_count_only_where_they_mean_something() {
        let v8 = Platform { variant: Some("v8".into()), ..Platform::linux("arm64") };
        assert!(v8.serves(&platform("arm64")));
        assert!(platform("linux/arm/v7").serves(&platform("linux/arm/v7")));
        assert!(!platform("linux/arm/v6").serves(&platform("linux/arm/v7")));
        assert!(!platform("amd64").serves(&platform("arm64")));
    }

    #[test]
    fn rust_and_go_agree_on_architectures() {
        for arch in ["x86_64", "aarch64", "i686", "armv7", "riscv64gc", "powerpc64le", "s390x"] {
            assert_eq!(Platform::from_rust_arch(arch).expect(arch).rust_arch(), Some(arch));
        }
    }

    #[test]
    fn a_platform_of_an_image_steers_no_terminal() {
        let platform = Platform { variant: Some("v1\nv2".into()), ..Platform::linux("amd64\u{1b}[31m") };
        assert!(!platform.to_string().contains(char::is_control), "{platform:?}");
    }
}
