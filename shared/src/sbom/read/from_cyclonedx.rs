//! Documents of CycloneDX.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{list, text};
use crate::oci::Digest;
use crate::sbom::{Bill, Bond, Component, Key, Kind, Licence, Purl};

/// The scope of what is in no part of the image.
const EXCLUDED: &str = "excluded";

/// No part that this program writes is nested more deeply.
const DEEPEST: usize = 16;

/// The bill that a document says, as far as it is understood.
pub(super) fn parse(document: &Value) -> Option<Bill> {
    let metadata = document.get("metadata")?;
    let own = metadata.get("component")?;
    let image = component(own)?;
    let digest = image.sha256?;
    let mut bill = Bill::new(image, digest, text(metadata, "timestamp")?);
    let root = bill.root();
    for base in list(&own["pedigree"], "ancestors").into_iter().flatten() {
        let key = add(&mut bill, base, 0)?;
        bill.relate(&root, Bond::StandsOn, &key);
    }
    let mut tools = BTreeSet::new();
    for part in list(document, "components")? {
        let key = add(&mut bill, part, 0)?;
        match text(part, "scope").as_deref() {
            Some(EXCLUDED) => _ = tools.insert(key),
            _ => bill.relate(&root, Bond::Holds, &key),
        }
    }
    for dependency in list(document, "dependencies")? {
        let from = Key(text(dependency, "ref")?);
        for to in list(dependency, "dependsOn").into_iter().flatten() {
            let to = Key(to.as_str()?.to_owned());
            // What built something needs others as anything does.
            let is_tool = tools.contains(&to) && !tools.contains(&from);
            bill.relate(&from, if is_tool { Bond::MadeWith } else { Bond::Needs }, &to);
        }
    }
    Some(bill)
}

/// Adds a part under the name that it has there, with all that it holds.
fn add(bill: &mut Bill, part: &Value, depth: usize) -> Option<Key> {
    if depth > DEEPEST {
        return None;
    }
    let (key, own) = (Key(text(part, "bom-ref")?), component(part)?);
    // Two of one name are told apart by a mark behind it.
    let mark = key.0.strip_prefix(&own.key().0)?;
    if !mark.is_empty() && !mark.starts_with('#') {
        return None;
    }
    bill.components.insert(key.clone(), own);
    for held in list(part, "components").into_iter().flatten() {
        let held = add(bill, held, depth + 1)?;
        bill.relate(&key, Bond::Holds, &held);
    }
    Some(key)
}

fn component(part: &Value) -> Option<Component> {
    let kind = [Kind::Image, Kind::Application, Kind::Library, Kind::System, Kind::File];
    let kind = kind.into_iter().find(|kind| part["type"] == kind.word())?;
    let said = text(&part["licenses"][0], "expression");
    Some(Component {
        version: text(part, "version"),
        purl: text(part, "purl").and_then(|purl| Purl::given(&purl)),
        file: text(&part["properties"][0], "value"),
        sha256: text(&part["hashes"][0], "content").and_then(|digits| Digest::from_hex(&digits)),
        origin: text(&part["externalReferences"][0], "url"),
        supplier: text(&part["supplier"], "name"),
        licence: said.map_or(Licence::Unknown, |said| Licence::read(&said)),
        ..Component::new(kind, text(part, "name")?)
    })
}
