//! `containerize verify`: whether an image is what somebody has signed.

use std::fmt::Write as _;

use containerize_core::event::Events;
use containerize_core::story::{Attestation, Verified, Verifier};
use containerize_core::trust::PublicKey;
use containerize_core::{Error, Result, read};
use serde_json::json;

use crate::cli::{PrintFormat, VerifyArgs};
use crate::request;

/// Verifies the image that the call names; what is to be printed.
///
/// # Errors
/// Integrity: it is not signed with the key. Others when it or the key cannot be had.
pub(crate) async fn run(arguments: &VerifyArgs, events: &Events) -> Result<String> {
    let file = arguments.key.display();
    let pem = read::text(&arguments.key, read::DOCUMENT).map_err(|error| {
        Error::usage(format!("the public key {file} cannot be read"))
            .because(error)
            .hint("give a file such as cosign.pub with --key")
    })?;
    let key = PublicKey::read(&pem)
        .map_err(|error| Error::usage(format!("{file} cannot be used")).because(error))?;
    let (client, store) = request::for_verify(arguments, events)?;
    let verifier = Verifier { store: &store, client: &client, key: &key, events };
    let verified = verifier.verify(&arguments.image).await?;
    store.evict(request::cache_size()?);
    Ok(match arguments.say.format {
        PrintFormat::Json => format!("{:#}\n", json!(verified)),
        PrintFormat::Text => words(&verified, &file.to_string()),
    })
}

fn words(verified: &Verified, key: &str) -> String {
    let Verified { image, digest, platforms, attestations, .. } = verified;
    let named = image.split('@').next().unwrap_or(image);
    let mut text = String::new();
    let _ = writeln!(text, "{named}@{digest}: signed with {key}");
    if !platforms.is_empty() {
        let _ = writeln!(text, "  an index of {} images", platforms.len());
    }
    for Attestation { kind, signed, builder } in attestations {
        let what = match kind.as_str() {
            "spdx" => "SBOM (SPDX)",
            "cyclonedx" => "SBOM (CycloneDX)",
            other => other,
        };
        let by = builder.as_ref().map(|builder| format!(", built by {builder}")).unwrap_or_default();
        let _ = writeln!(text, "  {what}: {}{by}", if *signed { "signed" } else { "not signed" });
    }
    text
}
