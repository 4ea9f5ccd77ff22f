//! The provenance of an image: what whoever must have signed states about it, or what hangs there without a signature.

use crate::base::StoredImage;
use crate::error::{Error, Result};
use crate::story::stated::{Told, told};
use crate::story::verify;
use crate::trust::{Provenance, Signatory};
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
    let Told { ours, is_of_others, refused, .. } = told(image, signatory, Provenance::is_of_an_image).await?;
    if !ours.is_empty() {
        return Ok(ours);
    }
    if is_of_others {
        let rebased = told(image, signatory, Provenance::is_of_a_rebase).await?.ours;
        if !rebased.is_empty() {
            return Ok(rebased);
        }
    }
    if let (Some(signatory), Some(why)) = (signatory, refused.into_iter().next()) {
        return Err(verify::refusal(shown, signatory, why));
    }
    Err(none(shown, is_of_others, signatory.is_some()))
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
