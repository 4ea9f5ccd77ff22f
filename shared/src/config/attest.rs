//! What is stated about a pushed image, where it goes, and who signs it.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

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

/// Who signs what is pushed: a key, a command that has one, or whoever a certificate names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sign {
    /// A file with a private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A file with the key's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// A command that has a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// A file with the public key that belongs to the command's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Whether it is signed with a certificate that says who signs.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keyless: bool,
    /// A file with the token that says so to whoever gives the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_token: Option<String>,
    /// A file that names the services that take part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_config: Option<String>,
    /// A file with what their signatures are verified with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_root: Option<String>,
}

/// The word for a signature with a certificate.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "it is the schema of what `Sign` reads")]
enum SignWord {
    /// With a certificate of Sigstore's public services, for the identity of this job.
    Keyless,
}

/// The ways to write [`Sign`].
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is the schema of what `Sign` reads")]
enum SignForms {
    /// With a certificate.
    Word(SignWord),
    /// A key, a command that has one, or with a certificate of certain services.
    Table(SignTable),
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct SignTable {
    /// A file with a private key of P-256 in PEM, as `cosign generate-key-pair` makes it.
    key: Option<String>,
    /// A file with the key's password; otherwise `CONTAINERIZE_SIGN_PASSWORD` or `COSIGN_PASSWORD` is it.
    password_file: Option<String>,
    /// A command that is given what to sign on standard input, and writes the signature (ECDSA with SHA-256, in
    /// DER) to standard output, as it is or in Base64.
    command: Option<Command>,
    /// A file with the public key that belongs to the command's.
    public_key: Option<String>,
    /// Whether to sign with a certificate that says who signs.
    #[serde(default)]
    keyless: bool,
    /// Keyless: a file with an identity token; otherwise the one of the job on GitHub, GitLab or Google.
    identity_token: Option<String>,
    /// Keyless: a file with the signing configuration of services other than Sigstore's public ones.
    signing_config: Option<String>,
    /// Keyless: a file with their trusted root.
    trusted_root: Option<String>,
}

/// The word that stands for the table `{ keyless = true }`.
const KEYLESS: &str = "keyless";

impl<'de> Deserialize<'de> for Sign {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = match Value::deserialize(deserializer)? {
            Value::String(word) if word == KEYLESS => return Ok(Self::keyless()),
            table @ Value::Object(_) => serde_json::from_value(table).map_err(D::Error::custom)?,
            _ => {
                return Err(D::Error::custom(
                    "expected \"keyless\", or a table such as { key = \"cosign.key\" }",
                ));
            }
        };
        let SignTable { key, password_file, command, public_key, .. } = table;
        let SignTable { keyless, identity_token, signing_config, trusted_root, .. } = table;
        Ok(Self {
            key,
            password_file,
            command,
            public_key,
            keyless,
            identity_token,
            signing_config,
            trusted_root,
        })
    }
}

impl JsonSchema for Sign {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sign".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        SignForms::json_schema(generator)
    }
}

impl Sign {
    /// How it is written, for hints.
    pub const FORMS: &str =
        "write { key = \"cosign.key\" }, { command = [...], public-key = \"cosign.pub\" }, or \"keyless\"";

    /// A key in this file.
    pub fn with_key(file: String) -> Self {
        Self { key: Some(file), ..Self::default() }
    }

    /// With a certificate of Sigstore's public services.
    pub fn keyless() -> Self {
        Self { keyless: true, ..Self::default() }
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
    pub fn mistake(&self) -> Option<&'static str> {
        let of_services = [&self.identity_token, &self.signing_config, &self.trusted_root];
        let of_keys = [&self.key, &self.password_file, &self.public_key];
        match (&self.key, &self.command) {
            _ if self.keyless && (self.command.is_some() || of_keys.iter().any(|part| part.is_some())) => {
                Some("it is keyless, and also sets a key or a command")
            }
            _ if self.keyless && self.signing_config.is_some() && self.trusted_root.is_none() => {
                Some("signing-config needs trusted-root too")
            }
            _ if self.keyless => None,
            _ if of_services.iter().any(|part| part.is_some()) => {
                Some("identity-token, signing-config and trusted-root need keyless = true")
            }
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
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_read_and_others_refused_with_the_list() {
        assert_eq!("both".parse(), Ok(Sbom::Both));
        assert_eq!("referrers".parse(), Ok(Attestations::Referrers));
        assert!("SPDX".parse::<Sbom>().is_err_and(|words| words.contains("spdx, cyclonedx")));
        assert!(Sbom::Auto.has_spdx() && !Sbom::Auto.has_cyclonedx() && Sbom::Both.has_cyclonedx());
        assert!(!Sbom::None.has_spdx());
    }

    #[test]
    fn who_signs_is_a_word_or_a_table() {
        let read = |value: Value| serde_json::from_value::<Sign>(value).map_err(|error| error.to_string());
        assert_eq!(read(json!("keyless")), read(json!({"keyless": true})));
        assert_eq!(read(json!("keyless")), Ok(Sign::keyless()));
        assert_eq!(json!(Sign::keyless()), json!({"keyless": true}));
        assert!(read(json!("cosign.key")).is_err_and(|words| words.contains("{ key = \"cosign.key\" }")));
        assert!(read(json!({"keyles": true})).is_err_and(|words| words.contains("unknown field `keyles`")));
        let mistake = |value: Value| read(value).expect("a table").mistake();
        assert_eq!(mistake(json!("keyless")), None);
        assert_eq!(mistake(json!({"keyless": true, "trusted-root": "root.json"})), None);
        for (value, part) in [
            (json!({"keyless": true, "key": "a"}), "also sets a key"),
            (json!({"keyless": true, "signing-config": "a"}), "needs trusted-root"),
            (json!({"key": "a", "identity-token": "b"}), "need keyless = true"),
            (json!({"keyless": false}), "neither a key nor a command"),
        ] {
            assert!(mistake(value.clone()).is_some_and(|words| words.contains(part)), "{value}");
        }
    }
}
