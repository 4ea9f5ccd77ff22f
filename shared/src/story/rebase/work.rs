//! Laying images on other bases: reading, judging, pushing.

use std::sync::{Mutex, PoisonError};

use super::account;
use super::bills::Biller;
use super::case::{Case, Ground, Remade};
use super::environment;
use super::files::Files;
use super::judge::judge;
use super::moved::Moved;
use super::outcome::{Judgement, PlatformRebased, Rebased};
use super::standing::{About, Record, Stand, Standing, check_index, only_base};
use super::statement::{self, Share};
use crate::base::lock::BaseLock;
use crate::base::spec::BaseSpec;
use crate::base::{BaseImage, Opener, StoredImage};
use crate::check::Report;
use crate::config::{Attest, Attestations, BaseVerify, Partial, Sign};
use crate::error::{Context, Error, Result};
use crate::event::Events;
use crate::image::{Image, ImageSet, index, validate};
use crate::layer::Press;
use crate::oci::{Digest, ImageConfig, Reference};
use crate::plan::Runtime;
use crate::registry::Client;
use crate::sink;
use crate::store::{Blob, Source, Store};
use crate::story::bill::Named;
use crate::story::hang::{Stated, Things, documents_hang};
use crate::story::places;
use crate::story::preflight;
use crate::story::request::Request;
use crate::story::sign::{Desk, Signers};
use crate::story::vouched;
use crate::trust::{Run, Signatory};
use crate::words;
use crate::words::flag;

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

impl Rebaser<'_> {
    /// Prepares what the work takes, and lets it be done.
    ///
    /// # Errors
    /// Usage: who signs or must have signed is not said as it must be. Those of the work.
    pub(super) async fn work<T>(&self, does: impl AsyncFnOnce(&Work<'_>) -> Result<T>) -> Result<T> {
        let Self { request, events, .. } = *self;
        let said = places::without_project(request, events)?;
        let verify = said.base_verify.clone().unwrap_or_default();
        let attest = attest(said)?;
        if attest.sign.is_some() && self.signatory.is_none() && !self.only_judges {
            return Err(unverified());
        }
        let store = Store::open(&request.cache_dir)?.telling(events);
        let client = Client::new(request.registry.clone(), request.credentials.clone(), events.clone())?;
        let signing = std::iter::once(&attest).filter(|_| !self.only_judges);
        let signers = Signers::of(request, &request.dir, signing, client.http())?;
        let desk = Desk { request, dir: &request.dir, store: &store, client: &client, events };
        let (attest, signers, pins) = (&attest, &signers, Mutex::default());
        let work = Work { rebaser: self, attest, verify: &verify, signers, desk, pins };
        let done = does(&work).await?;
        store.evict(request.cache_size);
        Ok(done)
    }
}

/// What is to be stated of the images, as the call says.
fn attest(said: Partial) -> Result<Attest> {
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
pub(super) struct Work<'a> {
    rebaser: &'a Rebaser<'a>,
    attest: &'a Attest,
    /// Who must have signed new bases.
    verify: &'a BaseVerify,
    signers: &'a Signers,
    pub(super) desk: Desk<'a>,
    /// What new bases led to when they were first asked for: all images of a call get the same.
    pins: Mutex<BaseLock>,
}

/// Which tags a rebased image gets.
#[derive(Clone, Copy)]
pub(super) enum Moves<'a> {
    /// These, whatever they lead to.
    Any(&'a [String]),
    /// Those of these that still lead to the old image.
    Own(&'a [String]),
}

impl Judgement {
    fn of(moved: &[Moved], only_judges: bool) -> Self {
        match moved {
            moved if moved.iter().any(|one| !one.broken.is_empty()) => Self::Refused,
            moved if moved.iter().all(Moved::is_unchanged) => Self::Unchanged,
            _ if only_judges => Self::Possible,
            _ => Self::Rebased,
        }
    }
}

impl Work<'_> {
    /// Lays an image on a base, or on what the name of its own base leads to now.
    ///
    /// # Errors
    /// As [`super::rebase`].
    pub(super) async fn rebase(
        &self,
        image: &Reference,
        onto: Option<&Reference>,
        moves: Moves<'_>,
    ) -> Result<Rebased> {
        let Desk { store, client, dir, events, .. } = self.desk;
        let shown = image.to_string();
        events.step("Reading", shown.clone());
        let lock = BaseLock::default();
        let opener = Opener { jobs: self.jobs(), ..Opener::of_images((store, client), &lock, dir, events) };
        let stored = opener.stored(&BaseSpec::Registry(image.clone())).await?;
        let (record, standings) = self.standing(&stored, image, &shown, &opener).await?;
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
        let mut rebased = Rebased {
            image: shown,
            digest: stored.root.digest,
            base: onto.to_string(),
            result: Judgement::of(&moved, self.rebaser.only_judges),
            rebased: None,
            references: Vec::new(),
            platforms: moved.iter().map(|one| of_platform(one, onto)).collect(),
        };
        match rebased.result {
            Judgement::Refused | Judgement::Overtaken => {}
            Judgement::Unchanged => {
                rebased.rebased = Some(rebased.digest.to_string());
                rebased.references = self.tag(&stored, image, moves).await?;
            }
            Judgement::Possible => {
                rebased.rebased = Some(self.set(&record, &moved, image)?.digest().to_string());
            }
            Judgement::Rebased => {
                let set = self.set(&record, &moved, image)?;
                let new = set.digest();
                rebased.rebased = Some(new.to_string());
                let old = rebased.digest;
                let (references, own) = match moves {
                    Moves::Any([]) => (vec![image.repository.with_digest(new)], None),
                    Moves::Any(tags) => (tags.iter().map(|tag| tagged(image, tag)).collect(), None),
                    Moves::Own(tags) => {
                        let places =
                            self.still_leading_to(old, tags.iter().map(|tag| tagged(image, tag))).await?;
                        (vec![image.repository.with_digest(new)], Some(places))
                    }
                };
                if own.as_ref().is_none_or(|own| !own.is_empty()) {
                    let root = set.root().clone();
                    let set = ImageSet { references, ..set };
                    rebased.references = self.push(set, &moved, &stored, image, onto).await?;
                    if let Some(own) = own {
                        // Pushing takes its time: the tags are looked at once more.
                        rebased.references = self.still_leading_to(old, own.into_iter()).await?;
                        self.lead(&rebased.references, &root).await?;
                    }
                }
                if rebased.references.is_empty() {
                    rebased.result = Judgement::Overtaken;
                }
            }
        }
        Ok(rebased)
    }

    /// All platforms on the bases that they were built on, by the first statement that is proved.
    async fn standing(
        &self,
        stored: &StoredImage,
        image: &Reference,
        shown: &str,
        opener: &Opener<'_>,
    ) -> Result<(Record, Vec<Standing>)> {
        let mut unproved = None;
        for record in Record::read(stored, shown, self.rebaser.signatory).await? {
            let proved = async {
                let record = record?;
                let stand = Stand { image: stored, record: &record, shown, home: &image.repository };
                let mut standings = Vec::new();
                for one in stored.images().await? {
                    standings.push(stand.on_its_base(one, opener).await?);
                }
                check_index(stored, &standings, shown)?;
                Ok((record, standings))
            };
            match proved.await {
                Ok(proved) => return Ok(proved),
                // Of several that are not, the first is the likeliest.
                Err(error) => unproved = unproved.or(Some(error)),
            }
        }
        Err(unproved.unwrap_or_else(|| Error::bug("no statement was read")))
    }

    /// Sets tags that are asked for to an image that stays as it is.
    async fn tag(&self, stored: &StoredImage, image: &Reference, moves: Moves<'_>) -> Result<Vec<Reference>> {
        let Moves::Any(tags) = moves else { return Ok(Vec::new()) };
        let bytes = stored.manifest(&stored.root).await?;
        let mut places = Vec::new();
        for tag in tags.iter().filter(|_| !self.rebaser.only_judges) {
            let place = tagged(image, tag);
            self.desk.client.push_manifest(&place, &stored.root.media_type, bytes.clone()).await?;
            places.push(place);
        }
        Ok(places)
    }

    /// Those of these tags that lead to this image: someone may have pushed another since they were listed.
    async fn still_leading_to(
        &self,
        image: Digest,
        places: impl Iterator<Item = Reference>,
    ) -> Result<Vec<Reference>> {
        let mut left = Vec::new();
        for place in places {
            if self.desk.client.head_manifest(&place).await?.is_some_and(|now| now.digest == image) {
                left.push(place);
            }
        }
        Ok(left)
    }

    /// Has tags lead to a manifest that is there.
    async fn lead(&self, places: &[Reference], manifest: &Blob) -> Result<()> {
        let Source::Memory(bytes) = &manifest.source else {
            return Err(Error::bug("a manifest is not in memory"));
        };
        for place in places {
            let media_type = &manifest.descriptor.media_type;
            self.desk.client.push_manifest(place, media_type, bytes.clone()).await?;
        }
        Ok(())
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
        let (name, spec) = (onto.to_string(), BaseSpec::Registry(onto.clone()));
        let wanted =
            vouched::Wanted { name: &name, spec: &spec, platform: &about.platform, verify: self.verify };
        let (base, vouchers) = vouched::open(self.desk, Opener { ..*opener }, wanted).await?;
        let runtime = about.runtime_on(&base);
        let image = about.laid_on(&base, &about.ours)?;
        if image.manifest == standing.image.manifest {
            return Ok(Moved { standing, runtime, base, vouchers, image, broken: Vec::new() });
        }
        self.desk.events.step("Judging", format!("{onto} ({})", about.platform));
        let ours = self.files().ours(about).await?;
        let (then, now) = (self.files().of_base(&standing.base).await?, self.files().of_base(&base).await?);
        let grounds = ((&then.contents, &standing.base.config), (&now.contents, &base.config));
        let (environment, account) = tokio::task::block_in_place(|| {
            let environment = environment::remade(about, &ours, grounds, &self.press())?;
            let account = account::remade(about, &ours, (&then, &now), &self.press())?;
            Ok::<_, Error>((environment, account))
        })?;
        let remade = Remade { environment: environment.is_some(), user: account.as_ref().map(|(at, _)| *at) };
        let mut layers = about.ours.clone();
        environment.into_iter().chain(account).for_each(|(at, layer)| layers[at] = layer);
        let image = about.laid_on(&base, &layers)?;
        let old = Ground {
            config: standing.base.config.clone(),
            base: then,
            report: self.report(&standing.image).await?,
        };
        let new = Ground { config: base.config.clone(), base: now, report: self.report(&image).await? };
        let choices = &about.choices;
        let broken = judge(&Case { choices, ours: &ours, old: &old, new: &new, remade });
        if broken.is_empty() {
            validate(&image)?;
        }
        Ok(Moved { standing, runtime, base, vouchers, image, broken })
    }

    fn files(&self) -> Files<'_> {
        Files { desk: self.desk, jobs: self.jobs() }
    }

    fn press(&self) -> Press<'_> {
        let Desk { store, request, events, .. } = self.desk;
        Press { store, jobs: self.jobs(), use_memo: request.use_cache, events }
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

    /// Pushes it with what is in it, and a statement of how it came about.
    async fn push(
        &self,
        mut set: ImageSet,
        moved: &[Moved],
        from: &StoredImage,
        image: &Reference,
        onto: &Reference,
    ) -> Result<Vec<Reference>> {
        let Desk { request, store, client, events, .. } = self.desk;
        let created =
            moved.first().and_then(|one| one.standing.about.config.created.clone()).unwrap_or_default();
        let mut attest = self.attest.clone();
        let stated = match documents_hang(request, self.attest) {
            true => {
                let run = Run::of(&request.variables, self.signers.workflow(events).await);
                let shares = moved.iter().map(|one| {
                    let About { platform, choices, .. } = &one.standing.about;
                    Share { platform, choices, base: one.base.digest, vouchers: &one.vouchers }
                });
                let digest = from.root.digest;
                let statement =
                    statement::of_set(run, &set, &shares.collect::<Vec<_>>(), (image, digest), onto)?;
                let stated = Stated::without_bills(statement);
                let named = Named { name: &set.name, repository: Some(&image.repository) };
                let files = self.files();
                let biller = Biller { files, named, asked: attest.sbom, signatory: self.rebaser.signatory };
                Some(match biller.bills(from, moved, image).await? {
                    Some((bills, sbom)) => {
                        attest.sbom = sbom;
                        // The next rebase needs that of each platform.
                        attest.attestations = Attestations::Referrers;
                        stated.with_bills(named, &set, &bills, sbom)?
                    }
                    None => stated,
                })
            }
            false => None,
        };
        let (desk, signers, attest) = (self.desk, self.signers, &attest);
        // The next rebase needs what is stated, as this one did: it is there on every registry.
        let is_named = true;
        Things { desk, signers, attest, is_named, created: &created, stated }.attach(&mut set).await?;
        sink::push(client, &set, sink::ask(client, &set).await?, store, events).await
    }
}

fn tagged(image: &Reference, tag: &str) -> Reference {
    Reference { tag: Some(tag.to_owned()), digest: None, ..image.clone() }
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
