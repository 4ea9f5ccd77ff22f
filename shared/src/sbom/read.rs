//! Reads a document that this program has written back as a bill.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Bill, Bond, Component, Key, Kind, Licence, Purl, spdx};
use crate::oci::Digest;

/// The bill that a document of SPDX was written from; `None` where it is another program's, or where this version would
/// write another one. Only which version has written it does not count.
pub fn read(document: &Value) -> Option<Bill> {
    let bill = parse(document)?;
    let mut again: Value = serde_json::from_slice(&spdx(&bill).ok()?).ok()?;
    again["creationInfo"]["creators"] = document["creationInfo"]["creators"].clone();
    (again == *document).then_some(bill)
}

fn parse(document: &Value) -> Option<Bill> {
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

fn list<'v>(value: &'v Value, key: &str) -> Option<&'v Vec<Value>> {
    value.get(key)?.as_array()
}

/// A text that says something.
fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().filter(|text| *text != "NOASSERTION").map(str::to_owned)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn bill() -> Bill {
        let digest = Digest::of(b"m");
        let purl = |kind, name: &str| Some(Purl::new(kind, name).version("1").with("arch", "amd64"));
        let image = Component {
            purl: purl("oci", "app"),
            supplier: Some("you".into()),
            ..Component::new(Kind::Image, "ghcr.io/you/app")
        };
        let mut bill = Bill::new(image, digest, "1980-01-01T00:00:00Z");
        let root = bill.root();
        bill.stand_on(Component { purl: purl("oci", "base"), ..Component::new(Kind::Image, "base") });
        let wheel = Component {
            version: Some("1".into()),
            purl: purl("pypi", "a"),
            file: Some("a-1-py3-none-any.whl".into()),
            sha256: Some(digest),
            origin: Some("https://example.com/a".into()),
            licence: Licence::read("MIT OR Apache-2.0"),
            ..Component::new(Kind::Library, "a")
        };
        let one = bill.add(&root, wheel.clone());
        // Two of the same name that differ are told apart.
        let two = bill.add(&one, Component { licence: Licence::Unknown, sha256: None, ..wheel });
        bill.make_with(&one, Component::new(Kind::System, "maker"));
        let file = bill.add(&root, Component::new(Kind::File, "/etc/a"));
        bill.relate(&file, Bond::Needs, &two);
        bill
    }

    #[test]
    fn what_was_written_is_read_back() {
        let text = spdx(&bill()).expect("written");
        let mut document: Value = serde_json::from_slice(&text).expect("JSON");
        document["creationInfo"]["creators"] = serde_json::json!(["Tool: containerize-0.0.1"]);
        assert_eq!(read(&document), Some(bill()));
    }

    #[test]
    fn what_this_version_would_write_otherwise_is_not_read() {
        let text = spdx(&bill()).expect("written");
        let document: Value = serde_json::from_slice(&text).expect("JSON");
        let others: [(&str, Value); 5] = [
            ("/packages/0/comment", "by hand".into()),
            ("/packages/1/licenseConcluded", "MIT".into()),
            ("/packages/0/supplier", "Person: me".into()),
            ("/relationships/1/relationshipType", "OTHER".into()),
            ("/documentNamespace", "https://example.com/x".into()),
        ];
        for (place, value) in others {
            let mut changed = document.clone();
            let (holder, key) = place.rsplit_once('/').expect("a place");
            changed.pointer_mut(holder).expect("a holder")[key] = value;
            assert_eq!(read(&changed), None, "{place}");
        }
        assert_eq!(read(&serde_json::json!({"spdxVersion": "SPDX-2.3"})), None);
    }
}
