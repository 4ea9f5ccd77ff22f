//! `containerize rebase`: an image is laid on another base in the registry, without being built. It is what a build on
//! that base would give, bit for bit, or it is refused.

mod case;
mod environment;
mod fleet;
mod interpreter;
mod judge;
mod paths;
mod standing;
mod statement;

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::hang::{Stated, Things, documents_hang};
use super::places;
use super::preflight::{self, fetched, file_system};
use super::request::Request;
use super::sign::{Desk, Signers};
use crate::base::lock::BaseLock;
use crate::base::spec::BaseSpec;
use crate::base::{BaseImage, Opener, StoredImage};
use crate::check::Report;
use crate::config::{Attest, Attestations, Sign};
use crate::error::{Context, Error, Result};
use crate::event::Events;
use crate::facts;
use crate::facts::details::FileSystem;
use crate::image::{Image, ImageSet, index, validate};
use crate::layer::Press;
use crate::oci::{Digest, ImageConfig, ManifestKind, Platform, Reference, Repository};
use crate::plan::Runtime;
use crate::registry::Client;
use crate::sink;
use crate::store::{Blob, Store};
use crate::trust::{Run, Signatory};
use crate::words;
use crate::words::flag;
pub use case::{Broken, Fact};
use case::{Case, Ground, Ours};
pub use fleet::{Fleet, Ship};
use judge::judge;
use standing::{Record, Stand, Standing};

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
    /// Its tags lead to another image by now, so nothing was pushed.
    Overtaken,
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
    rebaser.work(async |work| work.rebase(image, Some(onto), Moves::Any(tags)).await).await
}

/// Lays every image that a tag of the repository leads to on the base `onto`, or on what the name of its own base leads
/// to now, and moves these tags. One that fails stops no other.
///
/// # Errors
/// When the tags cannot be listed. What fails later is in the result of the image.
pub async fn rebase_all(
    rebaser: &Rebaser<'_>,
    repository: &Repository,
    onto: Option<&Reference>,
) -> Result<Fleet> {
    rebaser.work(async |work| fleet::rebase(work, repository, onto).await).await
}

impl Rebaser<'_> {
    async fn work<T>(&self, does: impl AsyncFnOnce(&Work<'_>) -> Result<T>) -> Result<T> {
        let Self { request, events, .. } = *self;
        let attest = attest(request, events)?;
        if attest.sign.is_some() && self.signatory.is_none() && !self.only_judges {
            return Err(unverified());
        }
        let store = Store::open(&request.cache_dir)?.telling(events);
        let client = Client::new(request.registry.clone(), request.credentials.clone(), events.clone())?;
        let signing = std::iter::once(&attest).filter(|_| !self.only_judges);
        let signers = Signers::of(request, &request.dir, signing, client.http())?;
        let desk = Desk { request, dir: &request.dir, store: &store, client: &client, events };
        let work = Work { rebaser: self, attest: &attest, signers: &signers, desk, pins: Mutex::default() };
        let done = does(&work).await?;
        store.evict(request.cache_size);
        Ok(done)
    }
}

/// What is to be stated of the images, as the call says.
fn attest(request: &Request, events: &Events) -> Result<Attest> {
    let said = places::without_project(request, events)?;
    if let Some(mistake) = said.sign.as_ref().and_then(Sign::mistake) {
        return Err(Error::usage(format!("sign is invalid: {mistake}")).hint(Sign::FORMS));
    }
    Ok(Attest {
        sbom: said.sbom.unwrap_or_default(),
        attestations: match said.attestations.unwrap_or_default() {
            // What is in an index makes it another one than a build's.
            Attestations::Index => Attestations::Auto,
            other => other,
        },
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
    /// What new bases led to when they were first asked for: all images of a call get the same.
    pins: Mutex<BaseLock>,
}

/// Which tags a rebased image gets.
#[derive(Clone, Copy)]
enum Moves<'a> {
    /// These, whatever they lead to.
    Any(&'a [String]),
    /// Those of these that still lead to the old image.
    Own(&'a [String]),
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
    async fn rebase(&self, image: &Reference, onto: Option<&Reference>, moves: Moves<'_>) -> Result<Rebased> {
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
        let onto = &match onto {
            Some(onto) => onto.clone(),
            None => only_base(&standings, &shown)?,
        };
        let pinned = self.pinned(&opener, onto).await?;
        let opener = Opener { lock: &pinned, ..opener };
        let mut moved = Vec::new();
        for standing in standings {
            moved.push(self.judged(standing, onto, &opener).await?);
        }
        let set = self.set(&record, &moved, image)?;
        let (digest, new) = (stored.root.digest, set.digest());
        let refused = moved.iter().any(|one| !one.broken.is_empty());
        let mut result = match (refused, self.rebaser.only_judges) {
            (true, _) => Judgement::Refused,
            (false, _) if new == digest => Judgement::Unchanged,
            (false, true) => Judgement::Possible,
            (false, false) => Judgement::Rebased,
        };
        // Tags that are asked for are set, whether the image is another one or not.
        let sets_tags = matches!(moves, Moves::Any([_, ..])) && result == Judgement::Unchanged;
        let mut references = Vec::new();
        if !self.rebaser.only_judges && (result == Judgement::Rebased || sets_tags) {
            references = self.places(image, digest, new, moves).await?;
            match references.is_empty() {
                true => result = Judgement::Overtaken,
                false => {
                    let set = ImageSet { references, ..set };
                    references = self.push(set, &moved, (image, digest), onto).await?;
                }
            }
        }
        Ok(Rebased {
            image: shown,
            digest,
            base: onto.to_string(),
            result,
            rebased: (!refused).then(|| new.to_string()),
            references,
            platforms: moved.iter().map(|one| of_platform(one, onto)).collect(),
        })
    }

    /// Where the new image is pushed to: under tags, or by its digest.
    async fn places(
        &self,
        image: &Reference,
        old: Digest,
        new: Digest,
        moves: Moves<'_>,
    ) -> Result<Vec<Reference>> {
        let place = |tag: &String| Reference { tag: Some(tag.clone()), digest: None, ..image.clone() };
        match moves {
            Moves::Any([]) => Ok(vec![image.repository.with_digest(new)]),
            Moves::Any(tags) => Ok(tags.iter().map(place).collect()),
            Moves::Own(tags) => {
                let mut places = Vec::new();
                for place in tags.iter().map(place) {
                    // Someone may have pushed another image since it was listed.
                    let now = self.desk.client.head_manifest(&place).await?;
                    if now.is_some_and(|now| now.digest == old) {
                        places.push(place);
                    }
                }
                Ok(places)
            }
        }
    }

    /// The new base, pinned to what its name led to when it was first asked for: so all platforms and images are of the
    /// same one.
    async fn pinned(&self, opener: &Opener<'_>, onto: &Reference) -> Result<BaseLock> {
        let pins = || self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        if pins().get(onto).is_none() {
            let found = opener.stored(&BaseSpec::Registry(onto.clone())).await;
            let found = found.context(|| format!("cannot use the base {onto}"))?;
            let mut pins = pins();
            if pins.get(onto).is_none() {
                pins.insert(onto, found.root.digest);
            }
        }
        Ok(pins().clone())
    }

    fn jobs(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.desk.request.jobs.unwrap_or_else(processors)
    }

    /// Lays one platform's image on the new base, and judges whether it may be.
    async fn judged(&self, standing: Standing, onto: &Reference, opener: &Opener<'_>) -> Result<Moved> {
        let about = &standing.about;
        let base = opener.open(&BaseSpec::Registry(onto.clone()), &about.platform).await?;
        let runtime = about.runtime_on(&base);
        let image = about.laid_on(&base, &about.ours)?;
        if image.manifest == standing.image.manifest {
            return Ok(Moved { standing, runtime, base, image, broken: Vec::new() });
        }
        self.desk.events.step("Judging", format!("{onto} ({})", about.platform));
        let ours = self.ours(&standing).await?;
        let (then, now) = (self.files(&standing.base).await?, self.files(&base).await?);
        let bases = ((&then.contents, &standing.base.config), (&now.contents, &base.config));
        let remade = || environment::remade(about, &ours, bases, &self.press());
        let remade = tokio::task::block_in_place(remade)?;
        let image = match &remade {
            Some(layers) => about.laid_on(&base, layers)?,
            None => image,
        };
        let old = Ground {
            config: standing.base.config.clone(),
            base: then,
            report: self.report(&standing.image).await?,
        };
        let new = Ground { config: base.config.clone(), base: now, report: self.report(&image).await? };
        let (choices, is_remade) = (&about.choices, remade.is_some());
        let broken = judge(&Case { choices, ours: &ours, old: &old, new: &new, is_remade });
        if broken.is_empty() {
            validate(&image)?;
        }
        Ok(Moved { standing, runtime, base, image, broken })
    }

    fn press(&self) -> Press<'_> {
        let Desk { store, request, events, .. } = self.desk;
        Press { store, jobs: self.jobs(), use_memo: request.use_cache, events }
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

    /// The files of a base.
    async fn files(&self, base: &BaseImage) -> Result<FileSystem> {
        let Desk { store, client, .. } = self.desk;
        let layers = fetched(base.layers.clone(), client, store).await?;
        let files = || file_system(&layers, &base.config, store, self.jobs(), false);
        tokio::task::block_in_place(files)
    }

    /// What the check finds in an image.
    async fn report(&self, image: &Image) -> Result<Report> {
        let Desk { store, client, .. } = self.desk;
        let config: ImageConfig = preflight::config_of(image)?;
        let key = image.config.descriptor.digest;
        preflight::report(store, client, self.jobs(), key, &config, image.layers.clone(), false).await
    }

    /// The images on their new bases, as what a build makes of them.
    fn set(&self, record: &Record, moved: &[Moved], image: &Reference) -> Result<ImageSet> {
        let images: Vec<Image> = moved.iter().map(|one| one.image.clone()).collect();
        let annotations = Runtime::shared_annotations(moved.iter().map(|one| &one.runtime));
        let format = moved.first().map(|one| one.standing.about.format).unwrap_or_default();
        let index = match images.len() {
            0 => return Err(Error::integrity(format!("{image} has no images"))),
            1 => None,
            _ => Some(index(&images, &[], format, annotations)?),
        };
        Ok(ImageSet {
            name: record.name.clone(),
            tags: Vec::new(),
            has_siblings: false,
            references: Vec::new(),
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
        // The next rebase needs what is stated, as this one did: it is there on every registry.
        let is_named = true;
        Things { desk, signers, attest, is_named, created: &created, stated }.attach(&mut set).await?;
        sink::push(client, &set, store, events).await
    }
}

/// Whoever may write to the registry could otherwise have anything signed.
fn unverified() -> Error {
    let words = "rebased images are signed, but the call does not say who must have signed the old ones";
    Error::usage(words).hint(words!(
        "give a public key with {}, or an identity with {} and {}",
        flag("key").of("cosign.pub"),
        flag("identity").of("ID"),
        flag("issuer").of("URL")
    ))
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

/// The base that all platforms stand on.
fn only_base(standings: &[Standing], shown: &str) -> Result<Reference> {
    let mut names: Vec<&Reference> = standings.iter().map(|one| &one.base_name).collect();
    names.dedup();
    match names[..] {
        [only] => Ok(only.clone()),
        _ => Err(Error::usage(format!("the platforms of {shown} stand on bases of several names"))
            .hint(words!("give the new one with {}", flag("base").of("IMAGE")))),
    }
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
