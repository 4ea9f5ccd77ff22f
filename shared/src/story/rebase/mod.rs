//! `containerize rebase`: an image is laid on another base in the registry, without being built. It is what a build on
//! that base would give, bit for bit, or it is refused.

mod case;
mod interpreter;
mod judge;
mod paths;
mod standing;
mod statement;

use serde::Serialize;

use super::hang::{Stated, Things, documents_hang};
use super::places;
use super::preflight::{self, fetched, file_system};
use super::request::Request;
use super::sign::{Desk, Signers};
use crate::base::lock::BaseLock;
use crate::base::spec::BaseSpec;
use crate::base::{BaseImage, Opener, StoredImage};
use crate::config::{Attest, Sign};
use crate::error::{Context, Error, Result};
use crate::event::Events;
use crate::facts;
use crate::image::{Image, ImageSet, index, validate};
use crate::oci::{Digest, ImageConfig, ManifestKind, Platform, Reference};
use crate::plan::Runtime;
use crate::registry::Client;
use crate::sink;
use crate::store::{Blob, Store};
use crate::trust::{Run, Signatory};
pub use case::{Broken, Fact};
use case::{Case, Ground, Ours};
use judge::judge;
use standing::{About, Record, Stand, Standing};

/// What images are laid on another base with.
pub struct Rebaser<'a> {
    /// A call in the folder of this one, which may push.
    pub request: &'a Request,
    /// Who must have signed the provenance, where somebody must.
    pub signatory: Option<&'a Signatory>,
    /// Whether it is only judged, and nothing pushed.
    pub only_judges: bool,
    /// Where events go.
    pub events: &'a Events,
}

/// What came of one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Rebased {
    /// The image, as it was named.
    pub image: String,
    /// Its digest: of the index, or of the only manifest.
    #[serde(serialize_with = "crate::oci::as_text")]
    pub digest: Digest,
    /// The new base, as it was named.
    pub base: String,
    /// What was found out, and done.
    pub result: Judgement,
    /// The digest of the image on the new base, where it may be laid on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebased: Option<String>,
    /// Where it was pushed.
    #[serde(serialize_with = "crate::oci::as_texts")]
    pub references: Vec<Reference>,
    /// Each platform's share.
    pub platforms: Vec<PlatformRebased>,
}

/// What was found out of an image, and done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// It stands on that base already.
    Unchanged,
    /// It may be laid on the base; nothing was pushed, since the call only judges.
    Possible,
    /// It was pushed on the new base.
    Rebased,
    /// Facts are broken.
    Refused,
}

/// One platform of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlatformRebased {
    /// What the image runs on.
    #[serde(serialize_with = "crate::oci::as_text")]
    pub platform: Platform,
    /// The base that it stood on, with its digest.
    pub from: String,
    /// The new one.
    pub to: String,
    /// The facts of the old base that the new one does not have.
    pub broken: Vec<Broken>,
}

/// Lays `image` on the base `onto`, and pushes it to its repository under `tags`; without tags by its digest alone.
///
/// # Errors
/// Integrity: what it takes is not recorded, or not true. Others when the image or a base cannot be had, or the registry
/// refuses. Facts that are broken are in the result.
pub async fn rebase(
    rebaser: &Rebaser<'_>,
    image: &Reference,
    onto: &Reference,
    tags: &[String],
) -> Result<Rebased> {
    let request = rebaser.request;
    let attest = attest(request, rebaser.events)?;
    let store = Store::open(&request.cache_dir)?.telling(rebaser.events);
    let client = Client::new(request.registry.clone(), request.credentials.clone(), rebaser.events.clone())?;
    let signing = std::iter::once(&attest).filter(|_| !rebaser.only_judges);
    let signers = Signers::of(request, &request.dir, signing, client.http())?;
    let (events, dir) = (rebaser.events, request.dir.as_path());
    let desk = Desk { request, dir, store: &store, client: &client, events };
    let work = Work { rebaser, attest: &attest, signers: &signers, desk };
    let rebased = work.rebase(image, onto, tags).await?;
    store.evict(request.cache_size);
    Ok(rebased)
}

/// What is to be stated of the images, as the call says.
fn attest(request: &Request, events: &Events) -> Result<Attest> {
    let said = places::without_project(request, events)?;
    if let Some(mistake) = said.sign.as_ref().and_then(Sign::mistake) {
        return Err(Error::usage(format!("sign is invalid: {mistake}")).hint(Sign::FORMS));
    }
    Ok(Attest {
        sbom: said.sbom.unwrap_or_default(),
        attestations: said.attestations.unwrap_or_default(),
        sign: said.sign,
        signature_format: said.signature_format.unwrap_or_default(),
    })
}

/// The means to lay images on other bases.
struct Work<'a> {
    rebaser: &'a Rebaser<'a>,
    attest: &'a Attest,
    signers: &'a Signers,
    desk: Desk<'a>,
}

/// One platform's image on the new base.
struct Moved {
    standing: Standing,
    runtime: Runtime,
    base: BaseImage,
    image: Image,
    broken: Vec<Broken>,
}

impl Work<'_> {
    async fn rebase(&self, image: &Reference, onto: &Reference, tags: &[String]) -> Result<Rebased> {
        let Desk { store, client, dir, events, .. } = self.desk;
        let shown = image.to_string();
        events.step("Reading", shown.clone());
        let lock = BaseLock::default();
        let opener = Opener { jobs: self.jobs(), ..Opener::of_images((store, client), &lock, dir, events) };
        let stored = opener.stored(&BaseSpec::Registry(image.clone())).await?;
        let record = Record::read(&stored, &shown, self.rebaser.signatory).await?;
        let stand = Stand { image: &stored, record: &record, shown: &shown, home: &image.repository };
        let mut standings = Vec::new();
        for one in stored.images().await? {
            standings.push(stand.on_its_base(one, &opener).await?);
        }
        check_index(&stored, &standings, &shown)?;
        let pinned = pinned(&opener, onto).await?;
        let opener = Opener { lock: &pinned, ..opener };
        let mut moved = Vec::new();
        for standing in standings {
            moved.push(self.judged(standing, onto, &opener).await?);
        }
        let refused = moved.iter().any(|one| !one.broken.is_empty());
        let set = self.set(&record, &moved, image, tags)?;
        let digest = stored.root.digest;
        let result = match (refused, self.rebaser.only_judges) {
            (true, _) => Judgement::Refused,
            (false, _) if set.digest() == digest => Judgement::Unchanged,
            (false, true) => Judgement::Possible,
            (false, false) => Judgement::Rebased,
        };
        // A tag that is asked for is set, whether the image is another one or not.
        let pushes = result == Judgement::Rebased || result == Judgement::Unchanged && !tags.is_empty();
        let references = match pushes && !self.rebaser.only_judges {
            true => self.push(set.clone(), &moved, (image, digest), onto).await?,
            false => Vec::new(),
        };
        Ok(Rebased {
            image: shown,
            digest,
            base: onto.to_string(),
            result,
            rebased: (!refused).then(|| set.digest().to_string()),
            references,
            platforms: moved.iter().map(|one| of_platform(one, onto)).collect(),
        })
    }

    fn jobs(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.desk.request.jobs.unwrap_or_else(processors)
    }

    /// Lays one platform's image on the new base, and judges whether it may be.
    async fn judged(&self, standing: Standing, onto: &Reference, opener: &Opener<'_>) -> Result<Moved> {
        let events = self.desk.events;
        let About { platform, choices, .. } = &standing.about;
        let base = opener.open(&BaseSpec::Registry(onto.clone()), platform).await?;
        let runtime = standing.about.runtime_on(&base);
        let image = standing.about.laid_on(&base)?;
        if image.manifest == standing.image.manifest {
            return Ok(Moved { standing, runtime, base, image, broken: Vec::new() });
        }
        events.step("Judging", format!("{onto} ({platform})"));
        let ours = self.ours(&standing).await?;
        let old = self.ground(&standing.base, &standing.image).await?;
        let new = self.ground(&base, &image).await?;
        let broken = judge(&Case { choices, ours: &ours, old: &old, new: &new });
        if broken.is_empty() {
            validate(&image)?;
        }
        Ok(Moved { standing, runtime, base, image, broken })
    }

    /// What is in the layers of the image's own.
    async fn ours(&self, standing: &Standing) -> Result<Vec<Ours>> {
        let Desk { store, client, .. } = self.desk;
        let blobs = standing.about.ours.iter().map(|layer| layer.blob.clone()).collect();
        let blobs: Vec<Blob> = fetched(blobs, client, store).await?;
        tokio::task::block_in_place(|| {
            let each = blobs.iter().zip(&standing.about.ours);
            each.map(|(blob, layer)| {
                let facts = facts::layer_facts(blob, &layer.diff_id, store)?;
                Ok(Ours { title: layer.title.clone(), facts })
            })
            .collect()
        })
    }

    /// A base, and what the check finds in the image on it.
    async fn ground(&self, base: &BaseImage, image: &Image) -> Result<Ground> {
        let Desk { store, client, .. } = self.desk;
        let layers = fetched(base.layers.clone(), client, store).await?;
        let files = || file_system(&layers, &base.config, store, self.jobs(), false);
        let files = tokio::task::block_in_place(files)?;
        let config: ImageConfig = preflight::config_of(image)?;
        let key = image.config.descriptor.digest;
        let report =
            preflight::report(store, client, self.jobs(), key, &config, image.layers.clone(), false).await?;
        Ok(Ground { config: base.config.clone(), base: files, report })
    }

    /// The images on their new bases, as what a build pushes.
    fn set(&self, record: &Record, moved: &[Moved], image: &Reference, tags: &[String]) -> Result<ImageSet> {
        let images: Vec<Image> = moved.iter().map(|one| one.image.clone()).collect();
        let annotations = Runtime::shared_annotations(moved.iter().map(|one| &one.runtime));
        let format = moved.first().map(|one| one.standing.about.format).unwrap_or_default();
        let index = match images.len() {
            1 => None,
            _ => Some(index(&images, &[], format, annotations)?),
        };
        let root = index.as_ref().or(images.first().map(|image| &image.manifest));
        let root = root.ok_or_else(|| Error::integrity(format!("{image} has no images")))?.descriptor.digest;
        let place = |tag: Option<String>| match tag {
            Some(tag) => Reference { tag: Some(tag), digest: None, ..image.clone() },
            None => image.repository.with_digest(root),
        };
        let references = match tags {
            [] => vec![place(None)],
            tags => tags.iter().cloned().map(|tag| place(Some(tag))).collect(),
        };
        Ok(ImageSet {
            name: record.name.clone(),
            tags: tags.to_vec(),
            has_siblings: false,
            references,
            images,
            index,
            statements: Vec::new(),
            attached: Vec::new(),
            signatures: Vec::new(),
        })
    }

    /// Pushes it with a statement of how it came about.
    async fn push(
        &self,
        mut set: ImageSet,
        moved: &[Moved],
        from: (&Reference, Digest),
        onto: &Reference,
    ) -> Result<Vec<Reference>> {
        let Desk { request, store, client, events, .. } = self.desk;
        let created =
            moved.first().and_then(|one| one.standing.about.config.created.clone()).unwrap_or_default();
        let stated = match documents_hang(request, self.attest) {
            true => {
                let run = Run::of(&request.variables, self.signers.workflow(events).await);
                let statement = statement::of_set(run, &set, moved, from, onto)?;
                Some(Stated::without_bills(statement))
            }
            false => None,
        };
        let (desk, signers, attest) = (self.desk, self.signers, self.attest);
        Things { desk, signers, attest, created: &created, stated }.attach(&mut set).await?;
        sink::push(client, &set, store, events).await
    }
}

/// An index is what a build makes of its images, or it would be lost what somebody has put there.
fn check_index(stored: &StoredImage, standings: &[Standing], shown: &str) -> Result<()> {
    let ManifestKind::Index(found) = &stored.kind else { return Ok(()) };
    // Statements in it are about the old images.
    let is_held = found.manifests.iter().any(crate::oci::Descriptor::is_attached);
    let runtimes: Vec<Runtime> = standings.iter().map(|one| one.about.runtime_on(&one.base)).collect();
    let images: Vec<Image> = standings.iter().map(|one| one.image.clone()).collect();
    let format = standings.first().map(|one| one.about.format).unwrap_or_default();
    let made = index(&images, &[], format, Runtime::shared_annotations(runtimes.iter()))?;
    if is_held || made.descriptor.digest == stored.root.digest {
        return Ok(());
    }
    Err(Error::integrity(format!("{shown} cannot be rebased"))
        .because("its index is not the one that its build made")
        .hint("build it again, or rebase the images of the platforms by their digests"))
}

/// The new base, pinned to what its name leads to now: so all platforms are of the same one.
async fn pinned(opener: &Opener<'_>, onto: &Reference) -> Result<BaseLock> {
    let found = opener.stored(&BaseSpec::Registry(onto.clone())).await;
    let found = found.context(|| format!("cannot use the base {onto}"))?;
    let mut lock = BaseLock::default();
    lock.insert(onto, found.root.digest);
    Ok(lock)
}

fn of_platform(moved: &Moved, onto: &Reference) -> PlatformRebased {
    let shown = |name: &Reference, base: &BaseImage| match base.digest {
        Some(digest) if name.digest.is_none() => format!("{name}@{digest}"),
        _ => name.to_string(),
    };
    PlatformRebased {
        platform: moved.standing.about.platform.clone(),
        from: shown(&moved.standing.base_name, &moved.standing.base),
        to: shown(onto, &moved.base),
        broken: moved.broken.clone(),
    }
}
