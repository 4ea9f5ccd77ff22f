//! Reads documents that this program has written back as bills.

mod from_cyclonedx;
mod from_spdx;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Bill, Key, cyclonedx, spdx};

/// No more parts and relations are read, and none that would be more as a tree.
const MOST: usize = 200_000;

/// As deep as a tree is written.
const DEEPEST: usize = 9;

/// The bill that a document was written from; `None` where it is another program's, or where this version would write
/// another one. Only which version has written it does not count.
pub fn read(document: &Value) -> Option<Bill> {
    let is_spdx = document.get("spdxVersion").is_some();
    let bill = if is_spdx { from_spdx::parse(document)? } else { from_cyclonedx::parse(document)? };
    if !is_reasonable(&bill) {
        return None;
    }
    let again = if is_spdx { spdx(&bill) } else { cyclonedx(&bill) };
    let mut again: Value = serde_json::from_slice(&again.ok()?).ok()?;
    let version = if is_spdx { "/creationInfo/creators" } else { "/metadata/tools" };
    again.pointer_mut(version)?.clone_from(document.pointer(version)?);
    (again == *document).then_some(bill)
}

/// Whether it can be written: as a tree, in which a part stands below each one that holds it, a few parts may be millions.
fn is_reasonable(bill: &Bill) -> bool {
    if bill.components.len().max(bill.relations.len()) > MOST {
        return false;
    }
    let root = bill.root();
    let mut sizes: BTreeMap<&Key, usize> = BTreeMap::new();
    for _ in 0..DEEPEST {
        let of = |held: &Key| sizes.get(held).copied().unwrap_or(1);
        let size = |key| bill.held_by(key).fold(1_usize, |all, (held, _)| all.saturating_add(of(held)));
        sizes = bill.components.keys().chain([&root]).map(|key| (key, size(key))).collect();
    }
    sizes.values().fold(0_usize, |all, size| all.max(*size)) <= MOST
}

fn list<'v>(value: &'v Value, key: &str) -> Option<&'v Vec<Value>> {
    value.get(key)?.as_array()
}

/// A text that says something, in the words of either format.
fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().filter(|text| *text != "NOASSERTION").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use crate::oci::Digest;
    use crate::sbom::{Bond, Component, Kind, Licence, Purl};

    fn bill() -> Bill {
        let digest = Digest::of(b"m");
        let purl = |kind, name: &str| Some(Purl::new(kind, name).version("1").with("arch", "amd64"));
        let image = Component {
            purl: purl("oci", "app"),
            supplier: Some("you".into()),
            sha256: Some(digest),
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

    fn written(how: fn(&Bill) -> Result<Vec<u8>>) -> Value {
        serde_json::from_slice(&how(&bill()).expect("written")).expect("JSON")
    }

    #[test]
    fn what_was_written_is_read_back_whatever_version_has_written_it() {
        let mut document = written(spdx);
        document["creationInfo"]["creators"] = serde_json::json!(["Tool: containerize-0.0.1"]);
        assert_eq!(read(&document), Some(bill()));
        let mut document = written(cyclonedx);
        document["metadata"]["tools"]["components"][0]["version"] = "0.0.1".into();
        assert_eq!(read(&document), Some(bill()));
    }

    #[test]
    fn a_few_parts_that_would_be_a_huge_tree_are_not_read() {
        let mut bill = bill();
        let part = |row: usize, place: usize| Component::new(Kind::Library, format!("{row}-{place}"));
        let mut above = vec![bill.root()];
        for row in 0..8 {
            let below: Vec<Key> = (0..30).map(|place| bill.place(part(row, place))).collect();
            let pairs = above.iter().flat_map(|holder| below.iter().map(move |held| (holder, held)));
            pairs.for_each(|(holder, held)| bill.relate(holder, Bond::Holds, held));
            above = below;
        }
        let document = serde_json::from_slice(&spdx(&bill).expect("written")).expect("JSON");
        assert_eq!(read(&document), None);
    }

    #[test]
    fn what_this_version_would_write_otherwise_is_not_read() {
        let of_spdx: [(&str, Value); 5] = [
            ("/packages/0/comment", "by hand".into()),
            ("/packages/1/licenseConcluded", "MIT".into()),
            ("/packages/0/supplier", "Person: me".into()),
            ("/relationships/1/relationshipType", "OTHER".into()),
            ("/documentNamespace", "https://example.com/x".into()),
        ];
        let of_cyclonedx: [(&str, Value); 5] = [
            ("/components/0/description", "by hand".into()),
            ("/components/0/type", "firmware".into()),
            ("/components/0/scope", "excluded".into()),
            ("/metadata/component/hashes", Value::Null),
            ("/serialNumber", "urn:uuid:0".into()),
        ];
        for (document, others) in [(written(spdx), of_spdx), (written(cyclonedx), of_cyclonedx)] {
            for (place, value) in others {
                let mut changed = document.clone();
                let (holder, key) = place.rsplit_once('/').expect("a place");
                changed.pointer_mut(holder).expect("a holder")[key] = value;
                assert_ne!(changed, document, "{place}");
                assert_eq!(read(&changed), None, "{place}");
            }
        }
        for nothing in [r#"{"spdxVersion":"SPDX-2.3"}"#, r#"{"bomFormat":"CycloneDX"}"#, "{}", "7"] {
            assert_eq!(read(&serde_json::from_str(nothing).expect("JSON")), None, "{nothing}");
        }
    }
}
