//! SPDX 2.3 as JSON (spdx.github.io/spdx-spec/v2.3): what Trivy, cosign, BuildKit and Docker Scout read.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Bill, Bond, Component, HOME, Key, Kind, TOOL, TOOL_VERSION};
use crate::error::Result;
use crate::oci::{Digest, to_json};

const NOTHING_SAID: &str = "NOASSERTION";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    document_namespace: String,
    creation_info: Creation,
    packages: Vec<Package>,
    relationships: Vec<Relationship>,
}

#[derive(Serialize)]
struct Creation {
    created: String,
    creators: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_info: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    package_file_name: Option<String>,
    supplier: String,
    download_location: String,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<Checksum>,
    license_concluded: &'static str,
    license_declared: String,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<External>,
    primary_package_purpose: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: &'static str,
    checksum_value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct External {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

/// The bill as a document of SPDX 2.3.
///
/// # Errors
/// Only if a value does not serialise.
pub fn spdx(bill: &Bill) -> Result<Vec<u8>> {
    let root = bill.root();
    let ids = ids(bill, &root);
    let all = bill.components.iter().chain([(&root, &bill.image)]);
    let mut packages: Vec<Package> = all.map(|(key, part)| package(&ids[key], part)).collect();
    packages.sort_by(|a, b| a.id.cmp(&b.id));
    let describes = Relationship {
        spdx_element_id: "SPDXRef-DOCUMENT".into(),
        relationship_type: "DESCRIBES",
        related_spdx_element: ids[&root].clone(),
    };
    let mut relationships = vec![describes];
    relationships.extend(bill.relations.iter().map(|relation| {
        let (from, to) = (ids[&relation.from].clone(), ids[&relation.to].clone());
        let (from, word, to) = match relation.bond {
            Bond::Holds => (from, "CONTAINS", to),
            Bond::Needs => (from, "DEPENDS_ON", to),
            Bond::MadeWith => (to, "BUILD_DEPENDENCY_OF", from),
            Bond::StandsOn => (from, "DESCENDANT_OF", to),
        };
        Relationship { spdx_element_id: from, relationship_type: word, related_spdx_element: to }
    }));
    relationships[1..].sort();
    let name = bill.image.name.clone();
    to_json(&Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: "SPDXRef-DOCUMENT",
        document_namespace: format!("{HOME}/spdx/{}@{}", word(&name), bill.digest),
        name,
        creation_info: Creation {
            created: bill.created.clone(),
            creators: vec![format!("Tool: {TOOL}-{TOOL_VERSION}")],
        },
        packages,
        relationships,
    })
}

fn package(id: &str, part: &Component) -> Package {
    let said = |text: &Option<String>| text.clone().unwrap_or_else(|| NOTHING_SAID.into());
    let supplier = part.supplier.as_ref().map(|name| format!("Organization: {name}"));
    let checksum = |digest: &Digest| Checksum { algorithm: "SHA256", checksum_value: digest.hex() };
    let purl = part.purl.iter().map(|purl| External {
        reference_category: "PACKAGE-MANAGER",
        reference_type: "purl",
        reference_locator: purl.to_string(),
    });
    Package {
        id: id.to_owned(),
        name: part.name.clone(),
        version_info: part.version.clone(),
        package_file_name: part.file.clone(),
        supplier: said(&supplier),
        download_location: said(&part.origin),
        files_analyzed: false,
        checksums: part.sha256.iter().map(checksum).collect(),
        license_concluded: NOTHING_SAID,
        license_declared: part.licence.expression().unwrap_or(NOTHING_SAID).to_owned(),
        copyright_text: NOTHING_SAID,
        external_refs: purl.collect(),
        primary_package_purpose: match part.kind {
            Kind::Image => "CONTAINER",
            Kind::Application => "APPLICATION",
            Kind::Library => "LIBRARY",
            Kind::System => "OPERATING_SYSTEM",
            Kind::File => "FILE",
        },
    }
}

/// An identifier for each part: readable, and marked with a digest where two would be the same.
fn ids(bill: &Bill, root: &Key) -> BTreeMap<Key, String> {
    let mut taken = BTreeSet::new();
    let mut ids = BTreeMap::new();
    for (key, part) in bill.components.iter().chain([(root, &bill.image)]) {
        let ecosystem = key.0.strip_prefix("pkg:").and_then(|rest| rest.split('/').next());
        let words = [Some(ecosystem.unwrap_or(part.kind.word())), Some(&part.name), part.version.as_deref()];
        let words: Vec<String> = words.into_iter().flatten().map(word).collect();
        let mut id = format!("SPDXRef-Package-{}", words.join("-"));
        if !taken.insert(id.clone()) {
            id = format!("{id}-{}", Digest::of(key.0.as_bytes()).short());
            taken.insert(id.clone());
        }
        ids.insert(key.clone(), id);
    }
    ids
}

/// Letters, digits, dots and hyphens: what an identifier may hold.
fn word(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    text.chars().map(plain).collect()
}
