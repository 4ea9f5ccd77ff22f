//! Statements about artifacts (in-toto attestation framework, "Statement v1").

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::oci::Digest;

/// What says that something is a statement, and of which version.
const TYPE: &str = "https://in-toto.io/Statement/v1";

/// The version before: cosign writes it for attestations, and BuildKit into indexes.
const OLDER: &str = "https://in-toto.io/Statement/v0.1";

/// A statement about some artifacts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement<P> {
    #[serde(rename = "_type")]
    kind: String,
    /// The artifacts, each with its digest.
    pub subject: Vec<Resource>,
    /// What kind of thing is stated: an address.
    pub predicate_type: String,
    /// What is stated.
    pub predicate: P,
}

impl<P> Statement<P> {
    /// A statement about `subject`.
    pub fn new(subject: Vec<Resource>, predicate_type: &str, predicate: P) -> Self {
        Self { kind: TYPE.to_owned(), subject, predicate_type: predicate_type.to_owned(), predicate }
    }

    /// The same in the version before, whose fields are these.
    #[must_use]
    pub fn in_older_form(self) -> Self {
        Self { kind: OLDER.to_owned(), ..self }
    }

    /// Whether it is a statement of the version that is written today.
    pub fn is_current(&self) -> bool {
        self.kind == TYPE
    }

    /// Whether it is a statement, of a version that is known, and about this image.
    pub fn is_about(&self, image: &Digest) -> bool {
        let is_it = |resource: &Resource| resource.digest.get("sha256") == Some(&image.hex());
        [TYPE, OLDER].contains(&self.kind.as_str()) && self.subject.iter().any(is_it)
    }
}

/// Something that a statement speaks of (in-toto "ResourceDescriptor").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is: an address or a package URL, never with a login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Where it was fetched from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub download_location: Option<String>,
    /// Its digests, by algorithm, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    /// What else is known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, serde_json::Value>,
}

impl Resource {
    /// Something of this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// Something at this place.
    pub fn at(uri: impl Into<String>) -> Self {
        Self { uri: Some(uri.into()), ..Self::default() }
    }

    /// Fetched from here.
    #[must_use]
    pub fn from(self, address: Option<String>) -> Self {
        Self { download_location: address, ..self }
    }

    /// With its SHA-256.
    #[must_use]
    pub fn sha256(self, digest: &Digest) -> Self {
        self.digest("sha256", digest.hex())
    }

    /// The SHA-256 of its content.
    pub fn digest_of_content(&self) -> Option<Digest> {
        Digest::from_hex(self.digest.get("sha256")?)
    }

    /// With a digest of another kind, as `gitCommit`.
    #[must_use]
    pub fn digest(mut self, algorithm: &str, hex: impl Into<String>) -> Self {
        self.digest.insert(algorithm.to_owned(), hex.into());
        self
    }

    /// With something else that is known.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.annotations.insert(name.to_owned(), value.into());
        self
    }
}
