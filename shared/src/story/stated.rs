//! What is stated about an image, wherever the image is: by whoever must have signed it, or without a signature.

use std::sync::Arc;

use serde_json::Value;

use super::signed::bill;
use crate::base::{Room, StoredImage};
use crate::error::Result;
use crate::layer;
use crate::oci::{Descriptor, Digest, Manifest};
use crate::sbom;
use crate::trust::{self, Bundle, Provenance, Refusal, Signatory, Statement};

/// What was found.
pub(super) struct Stated {
    /// Statements about the image, or about one of its platforms.
    pub(super) statements: Vec<Statement<Value>>,
    /// Why others do not count.
    pub(super) refused: Vec<Refusal>,
}

/// Statements that hang on the image, or are in its index. Where they must be signed, only what is signed counts.
///
/// # Errors
/// When something that is listed cannot be read.
pub(super) async fn stated(image: &StoredImage, signatory: Option<&Signatory>) -> Result<Stated> {
    let mut room = image.room();
    let mut stated = hanging(image, &image.root.digest, signatory, &mut room).await?;
    let is_signed = has_signature(&stated.statements);
    // Whoever signs the index signs what is in it.
    if signatory.is_none() || is_signed {
        stated.statements.extend(held(image, &mut room).await?);
    }
    about(image, stated).await
}

fn has_signature(statements: &[Statement<Value>]) -> bool {
    statements.iter().any(|statement| statement.predicate_type == trust::SIGNATURE)
}

/// The same of an image that is known to be signed by `signatory`, in whichever form: what is in its index counts, and
/// what hangs on the manifest of a platform alone.
///
/// # Errors
/// As [`stated`].
pub(super) async fn stated_of_signed(
    image: &StoredImage,
    signatory: &Signatory,
) -> Result<Vec<Statement<Value>>> {
    let mut room = image.room();
    let mut stated = Stated { statements: held(image, &mut room).await?, refused: Vec::new() };
    for subject in digests(image).await? {
        stated.statements.extend(hanging(image, &subject, Some(signatory), &mut room).await?.statements);
    }
    Ok(about(image, stated).await?.statements)
}

/// A bill of materials, of whoever has attached it.
pub(super) struct Attached {
    /// The digest of the manifest that it is about.
    pub(super) subject: Digest,
    /// `spdx` or `cyclonedx`.
    pub(super) format: &'static str,
    /// It may be about several.
    pub(super) document: Arc<Value>,
}

/// The bills of the image and of its platforms. Where they must be signed, only what is signed counts.
///
/// # Errors
/// As [`stated`].
pub(super) async fn bills(image: &StoredImage, signatory: Option<&Signatory>) -> Result<Vec<Attached>> {
    let (mut found, mut room) = (Vec::new(), image.room());
    let subjects = digests(image).await?;
    let mut in_index = signatory.is_none();
    for subject in &subjects {
        if signatory.is_some() {
            let signed = hanging(image, subject, signatory, &mut room).await?.statements;
            in_index |= *subject == image.root.digest && has_signature(&signed);
            found.extend(signed.into_iter().flat_map(|one| attached(one, &[*subject])));
            continue;
        }
        for (kind, content) in image.hanging_documents(subject, is_bill, &mut room).await? {
            let (format, document) = (bill(&kind), serde_json::from_slice(&content).ok().map(Arc::new));
            let read = format.zip(document);
            found.extend(read.map(|(format, document)| Attached { subject: *subject, format, document }));
        }
    }
    if in_index {
        let held = held(image, &mut room).await?;
        found.extend(held.into_iter().flat_map(|one| attached(one, &subjects)));
    }
    Ok(found)
}

/// Whether anything is attached that says that it is a bill, whoever has signed it and whatever it is.
///
/// # Errors
/// When something that is listed cannot be read.
pub(super) async fn claims_bills(image: &StoredImage) -> Result<bool> {
    let is_claim = |(entry, manifest): &(Descriptor, Manifest)| {
        let kind = manifest.annotations.get(trust::BUNDLE_PREDICATE).or(entry.artifact_type.as_ref());
        kind.is_some_and(|kind| bill(kind).is_some())
    };
    for subject in digests(image).await? {
        let hanging = image.hanging_on(&subject, |kind| is_bill(kind) || Bundle::is_kind(kind)).await?;
        if hanging.iter().any(is_claim) {
            return Ok(true);
        }
    }
    let held = held(image, &mut image.room()).await?;
    Ok(held.iter().any(|statement| bill(&statement.predicate_type).is_some()))
}

/// A statement as what it attaches to those of these that it is about.
fn attached(statement: Statement<Value>, subjects: &[Digest]) -> Vec<Attached> {
    let Some(format) = bill(&statement.predicate_type) else { return Vec::new() };
    let about: Vec<Digest> = subjects.iter().filter(|subject| statement.is_about(subject)).copied().collect();
    let document = Arc::new(statement.predicate);
    about.into_iter().map(|subject| Attached { subject, format, document: Arc::clone(&document) }).collect()
}

/// Whether an artifact of this kind is a bill as it is, without a signature.
fn is_bill(kind: &str) -> bool {
    matches!(kind, sbom::SPDX | sbom::CYCLONEDX)
}

/// How an image came about.
pub(super) struct Told {
    /// As this program states it: one statement, or one for each platform where they are in the index.
    pub(super) ours: Vec<Provenance>,
    /// Further ones about the whole image: of later runs that found it built, or of whoever may write there.
    pub(super) others: Vec<Provenance>,
    /// Whether something else is stated.
    pub(super) is_of_others: bool,
    /// Why some of it does not count.
    pub(super) refused: Vec<Refusal>,
}

/// How the image came about, as far as it is `wanted`. Where it must be signed, only what is signed counts.
///
/// # Errors
/// As [`stated`].
pub(super) async fn told(
    image: &StoredImage,
    signatory: Option<&Signatory>,
    wanted: fn(&Provenance) -> bool,
) -> Result<Told> {
    let Stated { statements, refused } = stated(image, signatory).await?;
    let mut told = Told { ours: Vec::new(), others: Vec::new(), is_of_others: false, refused };
    for statement in statements {
        if statement.predicate_type != trust::PROVENANCE {
            continue;
        }
        let is_further = !told.ours.is_empty() && statement.is_about(&image.root.digest);
        match serde_json::from_value::<Provenance>(statement.predicate) {
            Ok(provenance) if wanted(&provenance) => match is_further {
                true => told.others.push(provenance),
                false => told.ours.push(provenance),
            },
            _ if is_further => {}
            _ => told.is_of_others = true,
        }
    }
    Ok(told)
}

/// Refuses what follows other rules than this version: they make other bytes.
///
/// # Errors
/// Why, and what helps.
pub(super) fn check_contract(provenance: &Provenance) -> std::result::Result<(), (String, String)> {
    let theirs = provenance.internal("layerContract");
    if theirs.as_u64() == Some(u64::from(layer::CONTRACT)) {
        return Ok(());
    }
    let version = provenance.internal("containerize").as_str().unwrap_or("the version that built it");
    let why = format!(
        "its layers follow contract {theirs}, and this version of containerize writes contract {}",
        layer::CONTRACT
    );
    Err((why, format!("use containerize {version}")))
}

async fn hanging(
    image: &StoredImage,
    subject: &Digest,
    signatory: Option<&Signatory>,
    room: &mut Room,
) -> Result<Stated> {
    let (mut statements, mut refused): (Vec<Statement<Value>>, Vec<Refusal>) = Default::default();
    let wanted = |kind: &str| match signatory {
        Some(_) => Bundle::is_kind(kind),
        None => kind == trust::IN_TOTO,
    };
    for (_, content) in image.hanging_documents(subject, wanted, room).await? {
        match signatory.map(|signatory| signatory.verify(&content, subject)) {
            Some(Ok((statement, _))) => statements.push(statement),
            Some(Err(refusal)) => refused.push(refusal),
            None => statements.extend(serde_json::from_slice(&content).ok()),
        }
    }
    Ok(Stated { statements, refused })
}

async fn held(image: &StoredImage, room: &mut Room) -> Result<Vec<Statement<Value>>> {
    let held = image.held_documents(trust::IN_TOTO, room).await?;
    Ok(held.iter().filter_map(|content| serde_json::from_slice(content).ok()).collect())
}

async fn about(image: &StoredImage, mut stated: Stated) -> Result<Stated> {
    let about = digests(image).await?;
    stated.statements.retain(|statement| about.iter().any(|one| statement.is_about(one)));
    Ok(stated)
}

/// What a statement about the image may be about: what its name leads to, and each platform's manifest.
async fn digests(image: &StoredImage) -> Result<Vec<Digest>> {
    let images = image.images().await?.into_iter().map(|(entry, _)| entry.digest);
    let root = image.root.digest;
    Ok(std::iter::once(root).chain(images.filter(|digest| *digest != root)).collect())
}
