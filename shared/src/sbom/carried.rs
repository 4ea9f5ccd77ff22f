//! Bills that distributions carry along (PEP 770, `.dist-info/sboms/`): maturin names the crates of an
//! extension module there, auditwheel the libraries that it grafted. What they name becomes part of the wheel.

use serde::Deserialize;

use super::{Bill, Component, Key, Kind, Licence, Purl};
use crate::oci::Digest;
use crate::redact;

/// No larger document is read, in bytes.
const LARGEST: usize = 16 << 20;
/// No more parts are taken from one.
const MOST: usize = 10_000;
/// Parts hold no deeper ones than this.
const DEEPEST: usize = 8;
/// No name, version or address is longer, in bytes.
const LONGEST: usize = 2048;

/// Either of the two formats; what is not known in them is passed over.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Document {
    bom_format: Option<String>,
    spdx_version: Option<String>,
    metadata: Metadata,
    components: Vec<Part>,
    packages: Vec<Package>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    component: Option<Part>,
}

/// CycloneDX.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    version: Option<String>,
    purl: Option<String>,
    scope: Option<String>,
    licenses: Vec<Licensed>,
    hashes: Vec<Hash>,
    components: Vec<Part>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Licensed {
    expression: Option<String>,
    license: Id,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Id {
    id: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Hash {
    alg: String,
    content: String,
}

/// SPDX.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Package {
    name: String,
    version_info: Option<String>,
    license_declared: Option<String>,
    checksums: Vec<Checksum>,
    external_refs: Vec<External>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Checksum {
    algorithm: String,
    checksum_value: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct External {
    reference_type: String,
    reference_locator: String,
}

/// Adds the parts that a document inside `holder` lists, nested under it. `None` if the document is not a bill of
/// materials; otherwise the number of parts.
pub fn add_carried(bill: &mut Bill, holder: &Key, document: &[u8]) -> Option<usize> {
    if document.len() > LARGEST {
        return None;
    }
    let document: Document = serde_json::from_slice(document).ok()?;
    if document.bom_format.is_none() && document.spdx_version.is_none() {
        return None;
    }
    // What comes in a distribution, its distributor distributes.
    let supplier = bill.components.get(holder).and_then(|holder| holder.supplier.clone());
    let mut left = MOST;
    let own = document.metadata.component.map(|own| own_parts(bill, holder, own)).unwrap_or_default();
    let parts = own.into_iter().chain(document.components);
    add(bill, holder, parts, supplier.as_ref(), DEEPEST, &mut left);
    for package in document.packages.into_iter().take(left) {
        let Some(part) = of_spdx(&package) else { continue };
        left = left.saturating_sub(1);
        bill.add(holder, Component { supplier: supplier.clone(), ..part });
    }
    Some(MOST - left)
}

/// The parts of what a document is about. Mostly that is the holder itself, and only what it is made of is new. But an
/// extension module is built from a crate, whose targets have its own name.
fn own_parts(bill: &Bill, holder: &Key, own: Part) -> Vec<Part> {
    let purl = |part: &Part| part.purl.as_deref().and_then(Purl::given);
    let of_holder = bill.components.get(holder).and_then(|holder| holder.purl.as_ref());
    let is_other = purl(&own).zip(of_holder).is_some_and(|(own, holder)| own.kind() != holder.kind());
    if !is_other {
        return own.components;
    }
    let is_target = |part: &Part| purl(part) == purl(&own);
    let components = own.components.iter().filter(|part| !is_target(part)).cloned().collect();
    vec![Part { components, ..own }]
}

/// The scope of what only built the rest.
const EXCLUDED: &str = "excluded";

fn add(
    bill: &mut Bill,
    holder: &Key,
    parts: impl Iterator<Item = Part>,
    supplier: Option<&String>,
    depth: usize,
    left: &mut usize,
) {
    for part in parts {
        if *left == 0 {
            return;
        }
        let Some(made) = of_cyclonedx(&part) else { continue };
        *left -= 1;
        let made = Component { supplier: supplier.cloned(), ..made };
        let key = match part.scope.as_deref() {
            Some(EXCLUDED) => bill.make_with(holder, made),
            _ => bill.add(holder, made),
        };
        if depth > 0 {
            add(bill, &key, part.components.into_iter(), supplier, depth - 1, left);
        }
    }
}

fn of_cyclonedx(part: &Part) -> Option<Component> {
    let kind = if part.kind == "application" { Kind::Application } else { Kind::Library };
    let said = part.licenses.iter().find_map(|one| one.expression.as_deref().or(one.license.id.as_deref()));
    let sha256 = part.hashes.iter().find(|hash| hash.alg == "SHA-256").map(|hash| hash.content.as_str());
    component(kind, &part.name, part.version.as_deref(), part.purl.as_deref(), sha256, said)
}

fn of_spdx(package: &Package) -> Option<Component> {
    let purl = package.external_refs.iter().find(|external| external.reference_type == "purl");
    let sha256 = package.checksums.iter().find(|sum| sum.algorithm == "SHA256");
    component(
        Kind::Library,
        &package.name,
        package.version_info.as_deref(),
        purl.map(|purl| purl.reference_locator.as_str()),
        sha256.map(|sum| sum.checksum_value.as_str()),
        package.license_declared.as_deref().filter(|said| *said != "NOASSERTION" && *said != "NONE"),
    )
}

fn component(
    kind: Kind,
    name: &str,
    version: Option<&str>,
    purl: Option<&str>,
    sha256: Option<&str>,
    licence: Option<&str>,
) -> Option<Component> {
    let name = text(name)?;
    Some(Component {
        version: version.and_then(text),
        purl: purl.filter(|purl| purl.len() <= LONGEST).and_then(Purl::given),
        sha256: sha256.and_then(Digest::from_hex),
        licence: licence.map_or(Licence::Unknown, Licence::read),
        ..Component::new(kind, name)
    })
}

/// A text that can be passed on: not empty, not endless, without control characters and logins.
fn text(text: &str) -> Option<String> {
    let good = !text.is_empty() && text.len() <= LONGEST && !text.contains(char::is_control);
    good.then(|| redact::clean(text).into_owned())
}

/// The licence that a distribution's METADATA states (PEP 639): an expression, or nothing that could be told.
pub fn licence_of_metadata(metadata: &str) -> Licence {
    let head = metadata.lines().take_while(|line| !line.is_empty());
    let stated = head
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("License-Expression"));
    stated.map_or(Licence::Unknown, |(_, said)| Licence::read(said.trim()))
}

#[cfg(test)]
mod tests {
    use super::super::{Bond, spdx};
    use super::*;

    fn bill() -> (Bill, Key) {
        let mut bill = Bill::new(Component::new(Kind::Image, "x"), Digest::of(b"m"), "1980-01-01T00:00:00Z");
        let root = bill.root();
        let wheel = bill.add(&root, Component::new(Kind::Library, "wheel"));
        (bill, wheel)
    }

    #[test]
    fn what_a_wheel_carries_is_nested_under_it() {
        let (mut bill, wheel) = bill();
        let crates = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","metadata":{"component":{"type":"library","name":"core"}},
            "components":[{"type":"library","name":"serde","version":"1.0.0","purl":"pkg:cargo/serde@1.0.0",
            "licenses":[{"expression":"MIT OR Apache-2.0"}],"scope":"required","unknown":{}}]}"#;
        assert_eq!(add_carried(&mut bill, &wheel, crates.as_bytes()), Some(1));
        let grafted = r#"{"spdxVersion":"SPDX-2.3","packages":[{"name":"zlib","versionInfo":"1.3","licenseDeclared":"Zlib",
            "externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:rpm/almalinux/zlib@1.3"}]}]}"#;
        assert_eq!(add_carried(&mut bill, &wheel, grafted.as_bytes()), Some(1));
        let parts = |part: &Component| format!("{} {}", part.name, part.purl.as_ref().expect("a purl"));
        let names: Vec<String> = bill.held_by(&wheel).map(|(_, part)| parts(part)).collect();
        assert_eq!(names, ["serde pkg:cargo/serde@1.0.0", "zlib pkg:rpm/almalinux/zlib@1.3"]);
        let text = String::from_utf8(spdx(&bill).expect("made")).expect("text");
        assert!(text.contains("pkg:rpm/almalinux/zlib@1.3") && text.contains("MIT OR Apache-2.0"), "{text}");
    }

    #[test]
    fn a_wheel_is_built_from_the_crate_that_its_bill_is_about() {
        let mut bill = Bill::new(Component::new(Kind::Image, "x"), Digest::of(b"m"), "1980-01-01T00:00:00Z");
        let root = bill.root();
        let purl = Some(Purl::new("pypi", "rusty").version("1.0.0"));
        let wheel = bill.add(&root, Component { purl, ..Component::new(Kind::Library, "rusty") });
        // As maturin 1.16 writes it.
        let document = r#"{"bomFormat":"CycloneDX","metadata":{"component":{"type":"library","name":"rusty",
            "version":"1.0.0","scope":"required","purl":"pkg:cargo/rusty@1.0.0?download_url=file://.",
            "components":[{"type":"library","name":"rusty","version":"1.0.0",
            "purl":"pkg:cargo/rusty@1.0.0?download_url=file://.#src/lib.rs"}]}},"components":[
            {"type":"library","name":"autocfg","version":"1.5.1","scope":"excluded","purl":"pkg:cargo/autocfg@1.5.1"},
            {"type":"library","name":"pyo3","version":"0.25.1","scope":"required","purl":"pkg:cargo/pyo3@0.25.1"}]}"#;
        assert_eq!(add_carried(&mut bill, &wheel, document.as_bytes()), Some(3));
        let purls = |bond: Bond| -> Vec<String> {
            let related = bill.relations.iter().filter(|one| one.from == wheel && one.bond == bond);
            related.map(|one| bill.components[&one.to].purl.as_ref().expect("a purl").to_string()).collect()
        };
        assert_eq!(purls(Bond::Holds), ["pkg:cargo/pyo3@0.25.1", "pkg:cargo/rusty@1.0.0"]);
        assert_eq!(purls(Bond::MadeWith), ["pkg:cargo/autocfg@1.5.1"]);
        assert_eq!(bill.components.len(), 4, "the targets of the crate are the crate");
    }

    #[test]
    fn what_is_no_bill_adds_nothing() {
        let (mut bill, wheel) = bill();
        let deep =
            format!("{}{}", r#"{"components":[{"name":"a","#, r#""components":[{"name":"b","#.repeat(500));
        for text in ["", "[]", "7", r#"{"components":7}"#, &deep] {
            assert_eq!(add_carried(&mut bill, &wheel, text.as_bytes()), None, "{text}");
        }
        let odd = r#"{"bomFormat":"CycloneDX","components":[{"name":""},{"name":"a\u0000b"},{"name":"ok","purl":"no purl","hashes":[{"alg":"SHA-256","content":"x"}]}]}"#;
        assert_eq!(add_carried(&mut bill, &wheel, odd.as_bytes()), Some(1));
        let many = format!(
            r#"{{"bomFormat":"CycloneDX","components":[{}]}}"#,
            vec![r#"{"name":"a"}"#; MOST + 5].join(",")
        );
        assert_eq!(add_carried(&mut bill, &wheel, many.as_bytes()), Some(MOST));
    }

    #[test]
    fn a_licence_is_what_metadata_states_and_no_guess() {
        let metadata = "Metadata-Version: 2.4\nName: x\nLicense-Expression: MIT OR BSD-3-Clause\n\nLicense-Expression: GPL-3.0\n";
        assert_eq!(licence_of_metadata(metadata).expression(), Some("MIT OR BSD-3-Clause"));
        for other in [
            "License: MIT\n",
            "Classifier: License :: OSI Approved :: MIT License\n",
            "License-Expression: BSD License\n",
        ] {
            assert_eq!(licence_of_metadata(other), Licence::Unknown, "{other}");
        }
    }
}
