//! What hangs on the images that were just made or stands beside them, and the files that bills of materials are
//! written to.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bill::{self, Named, Subject};
use super::ingredients::{Origin, Packed};
use super::provenance;
use super::request::{NAME, Request, named};
use super::revision::remember_written;
use super::sign::{Desk, Payload, Signed, Signer, Signers, Tagged};
use super::workshop::Workshop;
use crate::config::{Attest, Attestations, Sbom};
use crate::error::{Error, Result};
use crate::image::{Attached, ImageSet, PREDICATE_TYPE, Reach, SIGNED_BY, Signature, Statements};
use crate::oci::{Descriptor, Digest, to_json};
use crate::plan::{ImagePlan, Plan};
use crate::sbom::{self, Bill};
use crate::sink;
use crate::store::{Blob, Store, Table};
use crate::trust::{self, Run, Statement};
use crate::words;
use crate::words::flag;

/// What a document depends on beside the image and what it was made of.
const CONTRACT: u32 = 2;

/// The end of names of files in CycloneDX.
const CYCLONEDX_ENDING: &str = ".cdx.json";

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
    let is_any_told = plan.images.iter().any(|image| documents_hang(workshop.request, &image.attest));
    let workflow = match is_any_told {
        true => workshop.signers.workflow(workshop.events).await,
        false => None,
    };
    let run = Run::of(&workshop.request.variables, workflow);
    for (Packed { mut set, origins }, image) in packed.into_iter().zip(&plan.images) {
        let attest = &image.attest;
        let is_held = attest.attestations == Attestations::Index;
        let is_hung = documents_hang(workshop.request, attest);
        let outputs = &workshop.request.sbom_outputs;
        let is_attested = is_hung || is_held;
        let wanted = Formats {
            spdx: is_attested && attest.sbom.has_spdx()
                || outputs.iter().any(|file| !is_cyclonedx(file, attest)),
            cyclonedx: is_attested && attest.sbom.has_cyclonedx()
                || outputs.iter().any(|file| is_cyclonedx(file, attest)),
        };
        let mut documents = documents(workshop, image, &set, &origins, wanted).await?;
        if is_held {
            hold(image, &mut set, &documents, &origins)?;
            if !outputs.is_empty() {
                // The bill of the whole names the index by its digest, which it has only now.
                documents = self::documents(workshop, image, &set, &origins, wanted).await?;
            }
        }
        for file in outputs {
            let kind = if is_cyclonedx(file, attest) { sbom::CYCLONEDX } else { sbom::SPDX };
            let is_meant = |document: &&Document| document.kind == kind && document.subject == set.digest();
            let document = documents.iter().find(is_meant).ok_or_else(|| Error::bug("a bill is lost"))?;
            files.push((named(file, &image.name), document.text.clone()));
        }
        let stated = match is_hung {
            true => {
                let statement = provenance::of_set(run.clone(), image, &set, &origins, workshop.reused())?;
                Some(Stated { documents, statement })
            }
            false => None,
        };
        let (desk, signers, created) = (workshop.desk(), workshop.signers, image.created.as_str());
        let is_named = attest.sbom != Sbom::Auto && attest.sbom != Sbom::None;
        Things { desk, signers, attest, is_named, created, stated }.attach(&mut set).await?;
        sets.push(set);
    }
    Ok((sets, files))
}

/// What is stated about a set that was just made: how it was built and, where `has_bill`, what is in it.
///
/// # Errors
/// When something that an image was made of cannot be read.
pub(super) async fn statements(
    workshop: &Workshop<'_>,
    plan: &ImagePlan,
    packed: &Packed,
    run: Run,
    has_bill: bool,
) -> Result<Vec<Statement<Value>>> {
    let Packed { set, origins } = packed;
    let wanted = Formats { spdx: has_bill, cyclonedx: false };
    let bills = documents(workshop, plan, set, origins, wanted).await?;
    let about = bills.iter().map(|bill| trust::statement_about(&bill.subject, predicate(bill), &bill.text));
    let mut all = about.collect::<Result<Vec<_>>>()?;
    let built = provenance::of_set(run, plan, set, origins, workshop.reused())?;
    let built = serde_json::from_slice(&built)
        .map_err(|error| Error::bug("the provenance cannot be read").because(error))?;
    all.push(built);
    Ok(all)
}

/// Puts the bill of each image and how it was built into the index beside it.
fn hold(plan: &ImagePlan, set: &mut ImageSet, documents: &[Document], origins: &[Origin]) -> Result<()> {
    let mut all = Vec::new();
    for (image, origin) in set.images.iter().zip(origins) {
        let digest = image.manifest.descriptor.digest;
        let mut statements = Vec::new();
        for bill in documents.iter().filter(|bill| bill.subject == digest && is_wanted(&plan.attest, bill)) {
            let about = trust::statement_about(&digest, predicate(bill), &bill.text)?;
            statements.push((predicate(bill), to_json(&about.in_older_form())?));
        }
        statements.push((trust::PROVENANCE, provenance::of_image(plan, image, origin)?));
        all.push(Statements::about(image, statements)?);
    }
    set.hold(all, plan.format, plan.shared_annotations())
}

/// Whether a bill goes with the image; others were made for a file.
fn is_wanted(attest: &Attest, bill: &Document) -> bool {
    let sbom = attest.sbom;
    if bill.kind == sbom::CYCLONEDX { sbom.has_cyclonedx() } else { sbom.has_spdx() }
}

/// What a statement that holds a bill states.
fn predicate(bill: &Document) -> &'static str {
    if bill.kind == sbom::CYCLONEDX { trust::CYCLONEDX_BOM } else { trust::SPDX_DOCUMENT }
}

/// Whether bills and provenance are to hang on an image of this call.
pub(super) fn documents_hang(request: &Request, attest: &Attest) -> bool {
    match attest.attestations {
        Attestations::Auto => request.push,
        Attestations::Referrers => true,
        Attestations::Index | Attestations::None => false,
    }
}

/// In which formats bills are written.
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
    if !spdx && !cyclonedx {
        return Ok(Vec::new());
    }
    let key = format!(
        "{CONTRACT} {} {spdx} {cyclonedx} {} {:?} {} {:?}",
        env!("CARGO_PKG_VERSION"),
        set.digest(),
        plan.references.first().map(|name| &name.repository),
        plan.created,
        origins.iter().map(Origin::anywhere).collect::<Vec<_>>()
    );
    let key = Digest::of(key.as_bytes()).to_string();
    if let Some(documents) = workshop.store.recall::<Vec<Document>>(Table::Bills, &key) {
        return Ok(documents);
    }
    workshop.remote.borrow_rest(workshop.client, workshop.store).await;
    let mut bills = Vec::new();
    for ((image, platform), origin) in set.images.iter().zip(&plan.platforms).zip(origins) {
        bills.push(bill::of_image(workshop, &Subject { plan, platform, image, origin }).await?);
    }
    let documents = written(Named::of(plan), set, &bills, wanted)?;
    workshop.store.remember(Table::Bills, &key, &documents);
    Ok(documents)
}

/// The bills of a set's images as documents, and with an index that of all of them.
fn written(named: Named<'_>, set: &ImageSet, bills: &[Bill], wanted: Formats) -> Result<Vec<Document>> {
    let mut documents = Vec::new();
    let mut add = |bill: &Bill| -> Result<()> {
        let mut write = |kind: &str, bytes: Vec<u8>| -> Result<()> {
            let text = String::from_utf8(bytes).map_err(|e| Error::bug("a bill is not text").because(e))?;
            documents.push(Document { subject: bill.digest, kind: kind.to_owned(), text });
            Ok(())
        };
        if wanted.spdx {
            write(sbom::SPDX, sbom::spdx(bill)?)?;
        }
        if wanted.cyclonedx {
            write(sbom::CYCLONEDX, sbom::cyclonedx(bill)?)?;
        }
        Ok(())
    };
    add(&bill::of_index(named, set, bills))?;
    if set.index.is_some() {
        bills.iter().try_for_each(add)?;
    }
    Ok(documents)
}

/// Whether a call may sign what it makes.
pub(super) fn signs(request: &Request) -> bool {
    request.push && !request.dry_run
}

/// What is to hang on the images of a set.
pub(super) struct Things<'a> {
    pub(super) desk: Desk<'a>,
    pub(super) signers: &'a Signers,
    pub(super) attest: &'a Attest,
    /// Whether what is stated was asked for by name, so that it may cost a tag.
    pub(super) is_named: bool,
    /// The time of what hangs there, which is the images'.
    pub(super) created: &'a str,
    /// Where it is not in the index.
    pub(super) stated: Option<Stated>,
}

/// What is stated about the images.
pub(super) struct Stated {
    documents: Vec<Document>,
    /// Of how they were built.
    statement: Vec<u8>,
}

impl Stated {
    /// Nothing but how they came about.
    pub(super) fn without_bills(statement: Vec<u8>) -> Self {
        Self { documents: Vec::new(), statement }
    }

    /// Bills of the images of a set, too.
    ///
    /// # Errors
    /// Only if a value does not serialise.
    pub(super) fn with_bills(
        self,
        named: Named<'_>,
        set: &ImageSet,
        bills: &[Bill],
        sbom: Sbom,
    ) -> Result<Self> {
        let wanted = Formats { spdx: sbom.has_spdx(), cyclonedx: sbom.has_cyclonedx() };
        Ok(Self { documents: written(named, set, bills, wanted)?, ..self })
    }
}

impl Things<'_> {
    /// Hangs them there.
    ///
    /// # Errors
    /// When they cannot be signed.
    pub(super) async fn attach(&self, set: &mut ImageSet) -> Result<()> {
        let subjects: Vec<Descriptor> = set.manifests().map(|manifest| manifest.descriptor.clone()).collect();
        let bills = self.bills(&subjects)?;
        tokio::task::block_in_place(|| self.attach_unsigned(set, &subjects, &bills))?;
        let Some(sign) = self.attest.sign.as_ref().filter(|_| signs(self.desk.request)) else {
            return Ok(());
        };
        let signer = self.signers.get(sign).ok_or_else(|| Error::bug("a signer is lost"))?;
        if self.attest.signature_format.has_bundles() {
            self.attach_signed(set, &subjects, &bills, signer).await?;
        }
        if self.attest.signature_format.has_tags() {
            set.signatures = self.tag_signatures(set, &subjects, signer).await?;
        }
        Ok(())
    }

    /// The documents as they are.
    fn attach_unsigned(
        &self,
        set: &mut ImageSet,
        subjects: &[Descriptor],
        bills: &[(&Document, &Descriptor)],
    ) -> Result<()> {
        for (bill, subject) in bills {
            self.hang(set, subject, &bill.kind, "SBOM", bill.text.clone().into_bytes(), &[])?;
        }
        if let Some(stated) = &self.stated {
            for subject in subjects {
                let words = [(PREDICATE_TYPE, trust::PROVENANCE)];
                self.hang(set, subject, trust::IN_TOTO, "provenance", stated.statement.clone(), &words)?;
            }
        }
        Ok(())
    }

    /// The bills that go with the images, and what each is about.
    fn bills<'s>(&self, subjects: &'s [Descriptor]) -> Result<Vec<(&Document, &'s Descriptor)>> {
        let about = |document: _| {
            let document: &Document = document;
            let subject = subjects.iter().find(|subject| subject.digest == document.subject);
            Ok((document, subject.ok_or_else(|| Error::bug("a bill is about another image"))?))
        };
        let documents = self.stated.iter().flat_map(|stated| &stated.documents);
        documents.filter(|bill| is_wanted(self.attest, bill)).map(about).collect()
    }

    /// The signature of each manifest, and what is stated about it once more, signed.
    async fn attach_signed(
        &self,
        set: &mut ImageSet,
        subjects: &[Descriptor],
        bills: &[(&Document, &Descriptor)],
        signer: &Signer,
    ) -> Result<()> {
        // Each statement is signed once, whatever it hangs on.
        let (mut statements, mut wanted) = (Vec::new(), Vec::new());
        for subject in subjects {
            wanted.push((subject, trust::SIGNATURE, "signature", statements.len()));
            statements.push(trust::signature_of(&subject.digest)?);
        }
        if let Some(stated) = &self.stated {
            let of_build = |subject| (subject, trust::PROVENANCE, "signed provenance", statements.len());
            wanted.extend(subjects.iter().map(of_build));
            statements.push(stated.statement.clone());
            for (bill, subject) in bills {
                wanted.push((subject, predicate(bill), "signed SBOM", statements.len()));
                let about = trust::statement_about(&subject.digest, predicate(bill), &bill.text)?;
                statements.push(to_json(&about)?);
            }
        }
        let signed = signer.sign(self.desk, &set.repositories(), &statements).await?;
        for (subject, predicate, title, at) in wanted {
            let Signed { bundle, by } = signed.get(at).ok_or_else(|| Error::bug("a bundle is lost"))?;
            // Whose it is: a signature of somebody else does not stand in for this one.
            let words = [
                (trust::CONTENT, trust::ENVELOPE),
                (trust::BUNDLE_PREDICATE, predicate),
                (SIGNED_BY, by.as_str()),
            ];
            self.hang(set, subject, trust::BUNDLE, title, bundle.clone(), &words)?;
        }
        Ok(())
    }

    /// The signature of each manifest in each repository, in cosign's older form.
    async fn tag_signatures(
        &self,
        set: &ImageSet,
        subjects: &[Descriptor],
        signer: &Signer,
    ) -> Result<Vec<Signature>> {
        let mut payloads = Vec::new();
        for place in set.repositories() {
            for Descriptor { digest, .. } in subjects {
                let content = trust::legacy_payload(place, digest)?;
                payloads.push(Payload { place, image: *digest, content });
            }
        }
        let signed = signer.tag(self.desk, &payloads).await?;
        let made = payloads.into_iter().zip(signed);
        let made = made.map(|(Payload { place, image, content }, Tagged { annotations, by })| {
            let mut payload = Blob::of(trust::SIMPLE_SIGNING, content);
            payload.descriptor.annotations.extend(annotations);
            payload.descriptor.annotations.insert(SIGNED_BY.to_owned(), by);
            Signature { repository: place.clone(), subject: image, payload }
        });
        Ok(made.collect())
    }

    fn hang(
        &self,
        set: &mut ImageSet,
        subject: &Descriptor,
        kind: &str,
        title: &str,
        content: Vec<u8>,
        words: &[(&str, &str)],
    ) -> Result<()> {
        let words = words.iter().copied().chain([(CREATED, self.created)]);
        let words = words.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let made = Attached::document(subject, kind, title, content, words)?;
        set.attach(Attached { reach: self.reach(kind), ..made })
    }

    /// How far something goes: what nobody asked for by name leaves no tag behind.
    fn reach(&self, kind: &str) -> Reach {
        match self.attest.attestations {
            Attestations::Referrers => Reach::Everywhere,
            _ if self.is_named || kind == trust::BUNDLE => Reach::OneTag,
            _ => Reach::WhereListed,
        }
    }
}

/// Whether a file gets CycloneDX.
fn is_cyclonedx(file: &Path, attest: &Attest) -> bool {
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
