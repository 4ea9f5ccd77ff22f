//! CycloneDX 1.6 as JSON (cyclonedx.org/docs/1.6/json): what Dependency-Track, Trivy and most scanners read.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Bill, Bond, Component, Key, TOOL, TOOL_VERSION};
use crate::error::Result;
use crate::oci::{Digest, to_json};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'b> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata<'b>,
    components: Vec<Part<'b>>,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct Metadata<'b> {
    timestamp: &'b str,
    tools: Tools,
    component: Part<'b>,
}

#[derive(Serialize)]
struct Tools {
    components: [Tool; 1],
}

#[derive(Serialize)]
struct Tool {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'b> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref")]
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    supplier: Option<Organization<'b>>,
    name: &'b str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'b str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<Licensed<'b>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pedigree: Option<Pedigree<'b>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_references: Vec<External<'b>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property<'b>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    components: Vec<Part<'b>>,
}

#[derive(Serialize)]
struct Organization<'b> {
    name: &'b str,
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

#[derive(Serialize)]
struct Licensed<'b> {
    expression: &'b str,
}

#[derive(Serialize)]
struct Pedigree<'b> {
    ancestors: Vec<Part<'b>>,
}

#[derive(Serialize)]
struct External<'b> {
    #[serde(rename = "type")]
    kind: &'static str,
    url: &'b str,
}

#[derive(Serialize)]
struct Property<'b> {
    name: &'static str,
    value: &'b str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[serde(rename = "ref")]
    of: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<String>,
}

/// The bill as a document of CycloneDX 1.6.
///
/// # Errors
/// Only if a value does not serialise.
pub fn cyclonedx(bill: &Bill) -> Result<Vec<u8>> {
    let root = bill.root();
    let mut image = part(bill, &root, &bill.image, 0);
    let bases = bill.related(&root, Bond::StandsOn).filter_map(|base| bill.components.get_key_value(base));
    let ancestors: Vec<Part<'_>> = bases.map(|(key, base)| part(bill, key, base, 0)).collect();
    image.pedigree = (!ancestors.is_empty()).then_some(Pedigree { ancestors });
    let mut components = std::mem::take(&mut image.components);
    // What something was made with is in no part of the image.
    let outside = outside(bill);
    let tools = bill.components.iter().filter(|(key, _)| outside.contains(key));
    components.extend(tools.map(|(key, tool)| Part { scope: Some("excluded"), ..part(bill, key, tool, 0) }));
    components.sort_by(|a, b| a.reference.cmp(&b.reference));
    to_json(&Document {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: serial(&bill.digest),
        version: 1,
        metadata: Metadata {
            timestamp: &bill.created,
            tools: Tools { components: [Tool { kind: "application", name: TOOL, version: TOOL_VERSION }] },
            component: image,
        },
        components,
        dependencies: dependencies(bill, &root),
    })
}

/// What something was made with and nothing holds.
fn outside(bill: &Bill) -> BTreeSet<&Key> {
    let with = |bond: Bond| -> BTreeSet<&Key> {
        bill.relations.iter().filter(|one| one.bond == bond).map(|one| &one.to).collect()
    };
    with(Bond::MadeWith).difference(&with(Bond::Holds)).copied().collect()
}

/// A part with all that it holds. Nothing holds itself, however a document from outside may say so.
fn part<'b>(bill: &'b Bill, key: &'b Key, of: &'b Component, depth: usize) -> Part<'b> {
    const DEEPEST: usize = 8;
    let held: Vec<(&Key, &Component)> =
        if depth < DEEPEST { bill.held_by(key).collect() } else { Vec::new() };
    Part {
        kind: of.kind.word(),
        reference: key.0.clone(),
        supplier: of.supplier.as_deref().map(|name| Organization { name }),
        name: &of.name,
        version: of.version.as_deref(),
        scope: None,
        hashes: of.sha256.iter().map(|digest| Hash { alg: "SHA-256", content: digest.hex() }).collect(),
        licenses: of.licence.expression().map(|expression| Licensed { expression }).into_iter().collect(),
        purl: of.purl.as_ref().map(ToString::to_string),
        pedigree: None,
        external_references: of.origin.iter().map(|url| External { kind: "distribution", url }).collect(),
        properties: of.file.iter().map(|value| Property { name: "containerize:file", value }).collect(),
        components: held.into_iter().map(|(key, held)| part(bill, key, held, depth + 1)).collect(),
    }
}

fn dependencies(bill: &Bill, root: &Key) -> Vec<Dependency> {
    let keys = bill.components.keys().chain([root]);
    let mut all: Vec<Dependency> = keys
        .map(|key| {
            let needed = bill.related(key, Bond::Needs).chain(bill.related(key, Bond::MadeWith));
            Dependency { of: key.0.clone(), depends_on: needed.map(|needed| needed.0.clone()).collect() }
        })
        .collect();
    for dependency in &mut all {
        dependency.depends_on.sort();
        dependency.depends_on.dedup();
    }
    all.sort_by(|a, b| a.of.cmp(&b.of));
    all
}

/// A UUID of the digest (RFC 9562, version 8).
fn serial(digest: &Digest) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    format!("urn:uuid:{}", parts.join("-"))
}
