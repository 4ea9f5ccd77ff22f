//! Bills of materials of Python images: what their wheels, bases and those who carry others say.

use std::fs;

use containerize_tests::python::{Base, Wheel};
use serde_json::Value;

use super::{BESIDE, files, image, project};

const DPKG: &str = "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\nArchitecture: amd64\n\n";

/// The bill of the project's image, made beside it.
fn bill(project: &containerize_tests::program::Project, name: &str) -> Value {
    image(project, &["--sbom-output", name]);
    serde_json::from_slice(&fs::read(project.at(name)).expect("the bill")).expect("JSON")
}

fn part<'b>(bill: &'b Value, name: &str) -> &'b Value {
    let parts = bill["packages"].as_array().expect("packages");
    parts.iter().find(|part| part["name"] == name).unwrap_or_else(|| panic!("{name}: {bill}"))
}

#[test]
fn wheels_what_they_carry_and_the_bases_packages_are_in_it() {
    let project = project();
    let carried = r#"{"bomFormat":"CycloneDX","components":[{"type":"library","name":"ring","version":"1.0",
        "purl":"pkg:cargo/ring@1.0"}]}"#;
    let hash = Wheel::new("greeting", "1.0")
        .file("greeting/__init__.py", "WORDS = 'hello'\n")
        .file("greeting-1.0.dist-info/sboms/core.cdx.json", carried)
        .write(&project.at("wheels"));
    project.write(&[("requirements.txt", &format!("{BESIDE}greeting==1.0 --hash=sha256:{hash}\n"))]);
    Base::debian(3, 13, 5)
        .file("var/lib/dpkg/status", DPKG, 0o644)
        .file(
            "usr/lib/python3/dist-packages/pip-25.0.dist-info/METADATA",
            "Name: pip\nVersion: 25.0\n\n",
            0o644,
        )
        .write(&project.at("base"));
    let bill = bill(&project, "shop.spdx.json");
    let wheel = part(&bill, "greeting");
    assert_eq!(wheel["checksums"][0]["checksumValue"], hash);
    assert_eq!(wheel["packageFileName"], "greeting-1.0-py3-none-any.whl");
    assert_eq!(part(&bill, "ring")["externalRefs"][0]["referenceLocator"], "pkg:cargo/ring@1.0");
    let contains = |outer: &Value, inner: &Value| {
        bill["relationships"].as_array().expect("relations").iter().any(|relation| {
            relation["relationshipType"] == "CONTAINS"
                && relation["spdxElementId"] == outer["SPDXID"]
                && relation["relatedSpdxElement"] == inner["SPDXID"]
        })
    };
    assert!(contains(wheel, part(&bill, "ring")), "nested under the wheel: {bill}");
    assert_eq!(part(&bill, "libc6")["versionInfo"], "2.36-9");
    let purl = part(&bill, "libc6")["externalRefs"][0]["referenceLocator"].as_str().expect("a purl");
    assert!(purl.starts_with("pkg:deb/debian/libc6@2.36-9?arch=amd64"), "{purl}");
    assert_eq!(part(&bill, "pip")["versionInfo"], "25.0");
    assert_eq!(part(&bill, "python")["versionInfo"], "3.13.5");
    assert_eq!(part(&bill, "shop")["versionInfo"], "2.0", "its source, as it is");
}

#[test]
fn a_bill_beside_the_source_is_no_part_of_the_image() {
    let project = project();
    let before = image(&project, &[]).digest;
    bill(&project, "shop.spdx.json");
    assert!(project.at("shop.spdx.json").is_file());
    let after = image(&project, &["--sbom-output", "shop.spdx.json"]);
    assert!(!files(&after).iter().any(|path| path.ends_with(".spdx.json")), "{:?}", files(&after));
    assert_eq!(after.digest, before);
}
