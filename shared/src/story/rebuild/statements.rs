//! The provenance of an image: what whoever must have signed states about it, or what hangs there without a signature.

use serde_json::Value;

use crate::base::StoredImage;
use crate::error::{Error, Result};
use crate::oci::Digest;
use crate::story::verify;
use crate::trust::{self, Bundle, Provenance, Refusal, Signatory, Statement};
use crate::words;
use crate::words::flag;

/// How this program built the image: one statement, or one for each platform where they are in the index. Where it must
/// be signed, only what is signed counts.
///
/// # Errors
/// Integrity: nothing there states it, or not as it must be signed. Network: the registry cannot be reached.
pub(super) async fn provenance(
    image: &StoredImage,
    shown: &str,
    signatory: Option<&Signatory>,
) -> Result<Vec<Provenance>> {
    let digest = image.root.digest;
    let (mut found, mut refused): (Vec<Statement<Value>>, Vec<Refusal>) = Default::default();
    let wanted = |kind: &str| match signatory {
        Some(_) => Bundle::is_kind(kind),
        None => kind == trust::IN_TOTO,
    };
    for (_, content) in image.hanging_documents(wanted).await? {
        match signatory.map(|signatory| signatory.verify(&content, &digest)) {
            Some(Ok((statement, _))) => found.push(statement),
            Some(Err(refusal)) => refused.push(refusal),
            None => found.extend(serde_json::from_slice(&content).ok()),
        }
    }
    let is_signed = found.iter().any(|statement| statement.predicate_type == trust::SIGNATURE);
    // Whoever signs the index signs what is in it.
    if signatory.is_none() || is_signed {
        let held = image.held_documents(trust::IN_TOTO).await?;
        found.extend(held.iter().filter_map(|content| serde_json::from_slice(content).ok()));
    }
    let about = digests(image).await?;
    let (mut ours, mut other) = (Vec::new(), false);
    for statement in found {
        let is_about = about.iter().any(|one| statement.is_about(one));
        // One about the whole image is enough: others are of later runs that found it built.
        let is_told = !ours.is_empty() && statement.is_about(&digest);
        if statement.predicate_type != trust::PROVENANCE || !is_about || is_told {
            continue;
        }
        match serde_json::from_value::<Provenance>(statement.predicate) {
            Ok(provenance) if provenance.is_of_an_image() => ours.push(provenance),
            _ => other = true,
        }
    }
    if !ours.is_empty() {
        return Ok(ours);
    }
    if let (Some(signatory), Some(why)) = (signatory, refused.into_iter().next()) {
        return Err(verify::refusal(shown, signatory, why));
    }
    Err(none(shown, other, signatory.is_some()))
}

/// What a statement about the image may be about: what its name leads to, and each platform's manifest.
async fn digests(image: &StoredImage) -> Result<Vec<Digest>> {
    let images = image.images().await?.into_iter().map(|(entry, _)| entry.digest);
    Ok(std::iter::once(image.root.digest).chain(images).collect())
}

fn none(shown: &str, is_of_others: bool, must_be_signed: bool) -> Error {
    if is_of_others {
        return Error::integrity(format!(
            "{shown} was built by another program, which cannot be repeated here"
        ))
        .hint("images that containerize builds and pushes have a provenance with everything that it takes");
    }
    let signed = if must_be_signed { "signed " } else { "" };
    Error::integrity(format!("{shown} has no {signed}provenance, so its build cannot be repeated")).hint(
        words!(
            "a push attaches it where the registry lists it; for other registries, layouts and archives, build with {}",
            flag("attestations").of("referrers")
        ),
    )
}
