//! What a check found as SARIF 2.1.0, which code scanning services show and keep.
//!
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>. GitHub takes one run of a tool in a file, so all
//! platforms are in one, and shows results that have a place only.

use std::fmt::Write as _;

use containerize_core::check::{Finding, Kind, Severity};
use containerize_core::oci::Digest;
use containerize_core::story::Checked;
use serde_json::{Value, json};

use super::{each, whole};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const HELP: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/checks.md");

/// The document about an image.
pub(super) fn document(image: &str, found: &[Checked]) -> Value {
    let results: Vec<Value> = each(found).map(|(checked, finding)| result(image, checked, finding)).collect();
    let unsure = found.iter().flat_map(|checked| {
        let notification = |text: &String| {
            json!({ "level": "note", "message": { "text": format!("{}: not checked: {text}", checked.platform) } })
        };
        checked.report.not_checked.iter().map(notification)
    });
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "containerize",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": Kind::ALL.iter().copied().map(rule).collect::<Vec<_>>(),
            }},
            "automationDetails": { "id": format!("containerize-check/{}/", unnumbered(image)) },
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": unsure.collect::<Vec<_>>(),
            }],
            "results": results,
        }],
    })
}

fn rule(kind: Kind) -> Value {
    let id = kind.as_str();
    json!({
        "id": id,
        "shortDescription": { "text": kind.explained() },
        "fullDescription": { "text": kind.explained() },
        "help": { "text": format!("{} See {HELP}", kind.explained()) },
        "helpUri": HELP,
        "properties": { "tags": ["container"] },
    })
}

fn result(image: &str, Checked { platform, .. }: &Checked, finding: &Finding) -> Value {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let rule = finding.kind.as_str();
    let index = Kind::ALL.iter().position(|kind| *kind == finding.kind);
    // Of what is wrong with the image as a whole, the image is the place.
    let file =
        finding.through.last().map(|path| path.trim_start_matches('/')).filter(|path| !path.is_empty());
    let same = Digest::of(format!("{platform}\n{rule}\n{}", finding.message).as_bytes());
    json!({
        "ruleId": rule,
        "ruleIndex": index,
        "level": level,
        "message": { "text": format!("{platform}: {}", whole(finding)) },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": reference(file.unwrap_or(image)) },
                // Files of an image have no lines, but results without one are not shown.
                "region": { "startLine": 1 },
            },
            "logicalLocations": [{ "fullyQualifiedName": image, "kind": "resource" }],
        }],
        // GitHub tells known findings from new ones by this one alone.
        "partialFingerprints": { "primaryLocationLineHash": same.hex() },
        "properties": { "image": image, "platform": platform.to_string() },
    })
}

/// An image whatever its version: its findings replace those of the version before, and no other image's.
fn unnumbered(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') && !before.is_empty() => before,
        _ => name,
    }
}

/// A path as a relative reference (RFC 3986, section 4.2).
fn reference(path: &str) -> String {
    path.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => text.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => text.push(byte.into()),
            _ => _ = write!(text, "%{byte:02X}"),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_platform_has_its_results_in_one_run() {
        let document = document("app:1", &super::super::example());
        let run = &document["runs"][0];
        let results = run["results"].as_array().expect("results");
        assert_eq!((document["runs"].as_array().map(Vec::len), results.len()), (Some(1), 3));
        let of = |pointer: &str| results[0].pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        assert_eq!((of("/ruleId"), of("/level")), ("missing-library", "error"));
        assert_eq!(of("/locations/0/physicalLocation/artifactLocation/uri"), "a%20b/run");
        let prints: Vec<&Value> =
            results.iter().map(|result| &result["partialFingerprints"]["primaryLocationLineHash"]).collect();
        assert!(prints[0] != prints[2], "the same on another platform");
        assert_eq!(
            results[1].pointer("/locations/0/physicalLocation/artifactLocation/uri"),
            Some(&json!("app%3A1"))
        );
        let index = results[0]["ruleIndex"].as_u64().expect("an index") as usize;
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], "missing-library");
        assert_eq!(run["automationDetails"]["id"], "containerize-check/app/");
        assert_eq!(unnumbered("ghcr.io:443/you/app@sha256:0"), "ghcr.io:443/you/app");
        assert_eq!(unnumbered("oci:target/containerize:1"), "oci:target/containerize");
        assert_eq!(run["invocations"][0]["toolExecutionNotifications"].as_array().map(Vec::len), Some(2));
    }
}
