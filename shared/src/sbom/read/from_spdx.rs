//! Documents of SPDX.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{list, text};
use crate::oci::Digest;
use crate::sbom::{Bill, Bond, Component, Key, Kind, Licence, Purl};

/// The bill that a document says, as far as it is understood.
pub(super) fn parse(document: &Value) -> Option<Bill> {
    let (packages, relations) = (list(document, "packages")?, list(document, "relationships")?);
    let ends =
        |relation: &Value| Some((text(relation, "spdxElementId")?, text(relation, "relatedSpdxElement")?));
    let described = relations.iter().find(|relation| relation["relationshipType"] == "DESCRIBES")?;
    let (_, root) = ends(described)?;
    let is_root = |package: &&Value| text(package, "SPDXID").as_ref() == Some(&root);
    let image = component(packages.iter().find(is_root)?)?;
    let created = text(&document["creationInfo"], "created")?;
    let namespace = text(document, "documentNamespace")?;
    let digest: Digest = namespace.rsplit_once('@')?.1.parse().ok()?;
    let mut bill = Bill::new(image, digest, created);
    let mut keys: BTreeMap<String, Key> = BTreeMap::from([(root.clone(), bill.root())]);
    for package in packages.iter().filter(|package| !is_root(package)) {
        keys.insert(text(package, "SPDXID")?, bill.place(component(package)?));
    }
    for relation in relations.iter().filter(|relation| !std::ptr::eq(*relation, described)) {
        let (one, other) = ends(relation)?;
        let (one, other) = (keys.get(&one)?, keys.get(&other)?);
        match relation["relationshipType"].as_str()? {
            "CONTAINS" => bill.relate(one, Bond::Holds, other),
            "DEPENDS_ON" => bill.relate(one, Bond::Needs, other),
            "BUILD_DEPENDENCY_OF" => bill.relate(other, Bond::MadeWith, one),
            "DESCENDANT_OF" => bill.relate(one, Bond::StandsOn, other),
            _ => return None,
        }
    }
    Some(bill)
}

fn component(package: &Value) -> Option<Component> {
    let kind = match package["primaryPackagePurpose"].as_str()? {
        "CONTAINER" => Kind::Image,
        "APPLICATION" => Kind::Application,
        "LIBRARY" => Kind::Library,
        "OPERATING_SYSTEM" => Kind::System,
        "FILE" => Kind::File,
        _ => return None,
    };
    let supplier = text(package, "supplier");
    let sha256 = text(&package["checksums"][0], "checksumValue");
    Some(Component {
        version: text(package, "versionInfo"),
        purl: text(&package["externalRefs"][0], "referenceLocator").and_then(|purl| Purl::given(&purl)),
        file: text(package, "packageFileName"),
        sha256: sha256.and_then(|digits| Digest::from_hex(&digits)),
        origin: text(package, "downloadLocation"),
        supplier: supplier.and_then(|said| said.strip_prefix("Organization: ").map(str::to_owned)),
        licence: text(package, "licenseDeclared").map_or(Licence::Unknown, |said| Licence::read(&said)),
        ..Component::new(kind, text(package, "name")?)
    })
}
