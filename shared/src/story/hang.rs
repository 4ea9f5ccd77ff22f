//! What hangs on the images that were just made, and the files that bills of materials are written to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::bill::{self, Subject};
use super::ingredients::{Origin, Packed};
use super::provenance;
use super::request::{NAME, Request, named};
use super::revision::remember_written;
use super::workshop::Workshop;
use crate::config::{Attest, Attestations, Sbom};
use crate::error::{Error, Result};
use crate::image::{Attached, ImageSet, Reach};
use crate::oci::{Descriptor, Digest};
use crate::plan::{ImagePlan, Plan};
use crate::sbom::{self, Bill};
use crate::sink;
use crate::store::{Store, Table};
use crate::trust;
use crate::words;
use crate::words::flag;

/// What a document depends on beside the image and what it was made of.
const CONTRACT: u32 = 1;

/// The end of names of files in CycloneDX.
const CYCLONEDX_ENDING: &str = ".cdx.json";

/// The annotation that says what a statement states.
const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";

/// The annotation that says when a manifest was made.
const CREATED: &str = "org.opencontainers.image.created";

/// A document about one manifest of a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Document {
    subject: Digest,
    kind: String,
    text: String,
}

/// Hangs on each set what its plan says, and gives the files that are to be written.
///
/// # Errors
/// When something that an image was made of cannot be read.
pub(super) async fn hang(
    workshop: &Workshop<'_>,
    plan: &Plan,
    packed: Vec<Packed>,
) -> Result<(Vec<ImageSet>, Vec<(PathBuf, String)>)> {
    let (mut sets, mut files) = (Vec::new(), Vec::new());
    for (Packed { mut set, origins }, image) in packed.into_iter().zip(&plan.images) {
        let attest = image.attest;
        let is_hung = hangs(workshop.request, attest);
        let outputs = &workshop.request.sbom_outputs;
        let wanted = Formats {
            spdx: is_hung && attest.sbom.has_spdx() || outputs.iter().any(|file| !is_cyclonedx(file, attest)),
            cyclonedx: is_hung && attest.sbom.has_cyclonedx()
                || outputs.iter().any(|file| is_cyclonedx(file, attest)),
        };
        let documents = match wanted.spdx || wanted.cyclonedx {
            true => documents(workshop, image, &set, &origins, wanted).await?,
            false => Vec::new(),
        };
        for file in outputs {
            let kind = if is_cyclonedx(file, attest) { sbom::CYCLONEDX } else { sbom::SPDX };
            let is_meant = |document: &&Document| document.kind == kind && document.subject == set.digest();
            let document = documents.iter().find(is_meant).ok_or_else(|| Error::bug("a bill is lost"))?;
            files.push((named(file, &image.name), document.text.clone()));
        }
        if is_hung {
            let statement = provenance::statement(workshop.request, image, &set, &origins, None)?;
            attach(&mut set, image, documents, statement)?;
        }
        sets.push(set);
    }
    Ok((sets, files))
}

/// Whether anything is to hang on an image of this call.
fn hangs(request: &Request, attest: Attest) -> bool {
    match attest.attestations {
        Attestations::Auto => request.push,
        Attestations::Referrers => true,
        Attestations::None => false,
    }
}

#[derive(Clone, Copy)]
struct Formats {
    spdx: bool,
    cyclonedx: bool,
}

/// The documents about an image: remembered, or made.
async fn documents(
    workshop: &Workshop<'_>,
    plan: &ImagePlan,
    set: &ImageSet,
    origins: &[Origin],
    wanted: Formats,
) -> Result<Vec<Document>> {
    let Formats { spdx, cyclonedx } = wanted;
    let key = format!(
        "{CONTRACT} {} {spdx} {cyclonedx} {} {:?} {} {:?}",
        env!("CARGO_PKG_VERSION"),
        set.digest(),
        plan.references.first(),
        plan.created,
        origins
    );
    let key = Digest::of(key.as_bytes()).to_string();
    if let Some(documents) = workshop.store.recall::<Vec<Document>>(Table::Bills, &key) {
        return Ok(documents);
    }
    let mut bills = Vec::new();
    for ((image, platform), origin) in set.images.iter().zip(&plan.platforms).zip(origins) {
        bills.push(bill::of_image(workshop, &Subject { plan, platform, image, origin }).await?);
    }
    let mut documents = Vec::new();
    let mut add = |bill: &Bill| -> Result<()> {
        let formats: [(bool, &str, fn(&Bill) -> Result<Vec<u8>>); 2] =
            [(spdx, sbom::SPDX, sbom::spdx), (cyclonedx, sbom::CYCLONEDX, sbom::cyclonedx)];
        for (_, kind, write) in formats.into_iter().filter(|(wanted, ..)| *wanted) {
            let text =
                String::from_utf8(write(bill)?).map_err(|e| Error::bug("a bill is not text").because(e))?;
            documents.push(Document { subject: bill.digest, kind: kind.to_owned(), text });
        }
        Ok(())
    };
    add(&bill::of_index(plan, set, &bills))?;
    if set.index.is_some() {
        bills.iter().try_for_each(add)?;
    }
    workshop.store.remember(Table::Bills, &key, &documents);
    Ok(documents)
}

fn attach(set: &mut ImageSet, plan: &ImagePlan, documents: Vec<Document>, statement: Vec<u8>) -> Result<()> {
    let reach = reach(plan.attest);
    let created = BTreeMap::from([(CREATED.to_owned(), plan.created.clone())]);
    let subjects: Vec<Descriptor> = set.manifests().map(|manifest| manifest.descriptor.clone()).collect();
    for document in documents.into_iter().filter(|document| is_attached(plan.attest.sbom, &document.kind)) {
        let Some(subject) = subjects.iter().find(|subject| subject.digest == document.subject) else {
            return Err(Error::bug("a bill is about another image"));
        };
        let text = document.text.into_bytes();
        let made = Attached::document(subject, &document.kind, "SBOM", text, created.clone())?;
        set.attach(Attached { reach, ..made })?;
    }
    let mut annotations = created;
    annotations.insert(PREDICATE_TYPE.to_owned(), trust::PROVENANCE.to_owned());
    for subject in &subjects {
        let (statement, annotations) = (statement.clone(), annotations.clone());
        let made = Attached::document(subject, trust::IN_TOTO, "provenance", statement, annotations)?;
        set.attach(Attached { reach, ..made })?;
    }
    Ok(())
}

/// Whether bills of this kind hang on the image; others may have been made for a file.
fn is_attached(sbom: Sbom, kind: &str) -> bool {
    if kind == sbom::CYCLONEDX { sbom.has_cyclonedx() } else { sbom.has_spdx() }
}

/// How far it goes: what nobody asked for by name leaves no tag behind.
fn reach(attest: Attest) -> Reach {
    match (attest.attestations, attest.sbom) {
        (Attestations::Referrers, _) => Reach::Everywhere,
        (_, Sbom::Auto) => Reach::WhereListed,
        _ => Reach::OneTag,
    }
}

/// Whether a file gets CycloneDX.
fn is_cyclonedx(file: &Path, attest: Attest) -> bool {
    attest.sbom == Sbom::Cyclonedx || file.to_string_lossy().ends_with(CYCLONEDX_ENDING)
}

/// Writes the files that bills go to.
///
/// # Errors
/// When one cannot be written.
pub(super) fn write(request: &Request, store: &Store, files: &[(PathBuf, String)]) -> Result<()> {
    for (file, text) in files {
        let file = request.dir.join(file);
        sink::write_file(&file, |to| {
            to.write_all(text.as_bytes()).map_err(|e| Error::build("cannot write the SBOM").because(e))
        })?;
        remember_written(store, &file);
    }
    Ok(())
}

/// Refuses files that the bill of one image would overwrite for another.
///
/// # Errors
/// Usage, naming what is wrong.
pub(super) fn check(request: &Request, images: usize) -> Result<()> {
    for file in &request.sbom_outputs {
        let shown = file.display();
        if images > 1 && !file.to_string_lossy().contains(NAME) {
            return Err(Error::usage(format!("{shown} is one file, but this call makes {images} images"))
                .hint(words!("write {}", flag("sbom-output").of("sbom-{name}.spdx.json"))));
        }
    }
    Ok(())
}
