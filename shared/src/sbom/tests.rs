use super::*;
use crate::cargo::crates::{CRATES_IO, Crate};

fn krate(name: &str, source: Option<&str>, is_in_program: bool, needs: &[usize]) -> Crate {
    Crate {
        name: name.into(),
        version: "1.0.0".into(),
        source: source.map(str::to_owned),
        checksum: source.filter(|source| *source == CRATES_IO).map(|_| Digest::of(name.as_bytes()).hex()),
        licence: Some("MIT/Apache-2.0".into()),
        is_in_program,
        is_root: source.is_none(),
        needs: needs.to_vec(),
    }
}

/// An image of a Rust program and a wheel that carries a library, on a base.
fn example() -> Bill {
    let digest = Digest::of(b"manifest");
    let repository = "ghcr.io/acme/web";
    let image = Component {
        version: Some(digest.to_string()),
        purl: Some(Purl::new("oci", "web").version(digest.to_string()).with("repository_url", repository)),
        supplier: Some("acme".into()),
        ..Component::new(Kind::Image, repository)
    };
    let mut bill = Bill::new(image, digest, "1980-01-01T00:00:00Z");
    let base = Digest::of(b"base");
    bill.stand_on(Component {
        version: Some(base.to_string()),
        purl: Some(Purl::new("oci", "static").version(base.to_string()).with("arch", "amd64")),
        sha256: Some(base),
        supplier: Some("gcr.io".into()),
        ..Component::new(Kind::Image, "gcr.io/distroless/static-debian13")
    });
    add_crates(
        &mut bill,
        &[
            krate("app", None, true, &[1, 2, 3]),
            krate("derive", Some(CRATES_IO), false, &[2]),
            krate("shared", Some(CRATES_IO), true, &[]),
            krate("forked", Some("git+https://me:secret@example.com/forked?branch=x#0123"), true, &[2]),
        ],
    );
    let root = bill.root();
    let wheel = bill.add(
        &root,
        Component {
            version: Some("2.0".into()),
            purl: Some(Purl::new("pypi", "numpy").version("2.0")),
            file: Some("numpy-2.0-cp313-cp313-manylinux_2_28_x86_64.whl".into()),
            sha256: Some(Digest::of(b"wheel")),
            origin: Some("https://files.pythonhosted.org/packages/numpy-2.0.whl".into()),
            supplier: Some("PyPI".into()),
            licence: Licence::read("BSD-3-Clause AND Zlib"),
            ..Component::new(Kind::Library, "numpy")
        },
    );
    let carried =
        r#"{"bomFormat":"CycloneDX","components":[{"type":"library","name":"openblas","version":"0.3"}]}"#;
    assert_eq!(add_carried(&mut bill, &wheel, carried.as_bytes()), Some(1));
    bill
}

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).expect("JSON")
}

#[test]
fn the_documents_are_those_that_the_validators_took() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/sbom");
    let mut changed = Vec::new();
    for (name, made) in [("example.spdx.json", spdx(&example())), ("example.cdx.json", cyclonedx(&example()))]
    {
        let path = std::path::Path::new(folder).join(name);
        let made = json(&made.expect("made"));
        let pretty = format!("{}\n", serde_json::to_string_pretty(&made).expect("JSON"));
        // The version of this program is in it, and changes.
        let own = [("containerize-", "\""), ("\"version\": \"", "\"")];
        let pretty = own.iter().fold(pretty, |text, (before, after)| {
            text.replace(&format!("{before}{TOOL_VERSION}{after}"), &format!("{before}0.0.0{after}"))
        });
        if std::fs::read_to_string(&path).unwrap_or_default() != pretty {
            let new = std::env::temp_dir().join(name);
            std::fs::write(&new, pretty).expect("written");
            changed.push(format!("{} is another now: see {}", path.display(), new.display()));
        }
    }
    assert!(changed.is_empty(), "{}", changed.join("\n"));
}

#[test]
fn no_login_gets_in_and_the_order_of_adding_does_not_show() {
    let text =
        String::from_utf8([spdx(&example()), cyclonedx(&example())].map(|made| made.expect("made")).concat());
    let text = text.expect("text");
    assert!(!text.contains("secret") && text.contains("example.com/forked"), "{text}");
    let one = |reverse: bool| {
        let mut bill = Bill::new(Component::new(Kind::Image, "x"), Digest::of(b"m"), "1980-01-01T00:00:00Z");
        let root = bill.root();
        let mut names = ["a", "b", "c"];
        if reverse {
            names.reverse();
        }
        names.iter().for_each(|name| _ = bill.add(&root, Component::new(Kind::File, *name)));
        (spdx(&bill).expect("made"), cyclonedx(&bill).expect("made"))
    };
    assert_eq!(one(false), one(true));
}

#[test]
fn two_of_one_name_are_told_apart() {
    let mut bill = Bill::new(Component::new(Kind::Image, "x"), Digest::of(b"m"), "1980-01-01T00:00:00Z");
    let root = bill.root();
    let of =
        |digest: &[u8]| Component { sha256: Some(Digest::of(digest)), ..Component::new(Kind::Library, "a") };
    let (one, two, again) = (bill.add(&root, of(b"1")), bill.add(&root, of(b"2")), bill.add(&root, of(b"1")));
    assert_ne!(one, two);
    assert_eq!(one, again);
    let made = json(&spdx(&bill).expect("made"));
    let ids: BTreeSet<&str> = made["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|p| p["SPDXID"].as_str().expect("id"))
        .collect();
    assert_eq!(ids.len(), 3, "{ids:?}");
}

#[test]
fn every_end_of_a_relation_is_a_part() {
    let made = json(&cyclonedx(&example()).expect("made"));
    let mut known = BTreeSet::new();
    fn collect(part: &serde_json::Value, known: &mut BTreeSet<String>) {
        known.extend(part["bom-ref"].as_str().map(str::to_owned));
        let pedigree = part["pedigree"]["ancestors"].as_array().into_iter().flatten();
        part["components"]
            .as_array()
            .into_iter()
            .flatten()
            .chain(pedigree)
            .for_each(|part| collect(part, known));
    }
    collect(&made["metadata"]["component"], &mut known);
    made["components"].as_array().expect("components").iter().for_each(|part| collect(part, &mut known));
    for dependency in made["dependencies"].as_array().expect("dependencies") {
        let ends = dependency["dependsOn"].as_array().into_iter().flatten().chain([&dependency["ref"]]);
        ends.for_each(|end| assert!(known.contains(end.as_str().expect("a reference")), "{end}"));
    }
}
