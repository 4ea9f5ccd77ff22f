//! What hangs on a pushed image: bills of materials and provenance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::choice::choice;
use super::value::Command;

choice! {
    /// In which formats bills of materials are made.
    #[derive(Default)]
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
    or |text| format!("{text:?} is not one of auto, spdx, cyclonedx, both or none")
}

choice! {
    /// Where what is attested about an image goes.
    #[derive(Default)]
    Attestations {
        /// As referrers, where the registry lists them; what is asked for by name costs one tag elsewhere.
        #[default]
        Auto = "auto",
        /// As referrers of the index and each platform, whatever tags that costs, and into layouts too.
        Referrers = "referrers",
        /// In the index beside the images, as BuildKit does it: they are a part of it, for every output.
        Index = "index",
        /// Nowhere.
        None = "none",
    }
    or |text| format!("{text:?} is not one of auto, referrers, index or none")
}

choice! {
    /// The form of signatures.
    #[derive(Default)]
    SignatureFormat {
        /// Sigstore bundles that hang on the image, as cosign 3 writes them.
        #[default]
        Bundle = "bundle",
        /// A tag beside each image, as cosign wrote it before: what Podman, Skopeo and CRI-O read.
        Legacy = "legacy",
        /// Both.
        Both = "both",
    }
    or |text| format!("{text:?} is not one of bundle, legacy or both")
}

impl SignatureFormat {
    /// Whether bundles are made.
    pub const fn has_bundles(self) -> bool {
        matches!(self, Self::Bundle | Self::Both)
    }

    /// Whether tags beside images are made.
    pub const fn has_tags(self) -> bool {
        matches!(self, Self::Legacy | Self::Both)
    }
}

/// Who signs what is pushed: a key, or a command that has one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sign {
    /// A file with a private key of P-256 in PEM, as `cosign generate-key-pair` makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A file with the key's password; otherwise `CONTAINERIZE_SIGN_PASSWORD` or `COSIGN_PASSWORD` is it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// A command that is given what to sign on standard input, and writes the signature (ECDSA with SHA-256, in
    /// DER) to standard output, as it is or in Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// A file with the public key that belongs to the command's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

impl Sign {
    /// A key in this file.
    pub fn with_key(file: String) -> Self {
        Self { key: Some(file), ..Self::default() }
    }

    /// The file with the public key, as cosign calls it.
    pub fn public_file(&self) -> String {
        match (&self.public_key, &self.key) {
            (Some(file), _) => file.clone(),
            (None, Some(key)) => format!("{}.pub", key.strip_suffix(".key").unwrap_or(key)),
            (None, None) => "cosign.pub".into(),
        }
    }

    /// What makes no sense in it.
    pub(super) fn mistake(&self) -> Option<&'static str> {
        match (&self.key, &self.command) {
            (None, None) => Some("it names neither a key nor a command"),
            (Some(_), Some(_)) => Some("it names both a key and a command"),
            (Some(_), None) if self.public_key.is_some() => Some("public-key is only for a command"),
            (None, Some(_)) if self.public_key.is_none() => Some("a command needs public-key too"),
            (None, Some(_)) if self.password_file.is_some() => Some("password-file is only for a key"),
            _ => None,
        }
    }
}

/// What is attested about an image when it is pushed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Attest {
    /// In which formats bills of materials are made.
    pub sbom: Sbom,
    /// Where all of it goes.
    pub attestations: Attestations,
    /// Who signs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign: Option<Sign>,
    /// The form of signatures.
    #[serde(skip_serializing_if = "is_default")]
    pub signature_format: SignatureFormat,
}

fn is_default(format: &SignatureFormat) -> bool {
    *format == SignatureFormat::default()
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
