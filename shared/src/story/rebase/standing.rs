//! An image as it stands on its base: what was chosen for it, and the proof that base and choices together give it.

use serde_json::Value;

use crate::base::lock::BaseLock;
use crate::base::spec::BaseSpec;
use crate::base::{BaseImage, Opener, StoredImage};
use crate::error::{Context, Error, Result};
use crate::image::{Choices, Image, Said, index, lay};
use crate::layer::Layer;
use crate::oci::media_type::{DOCKER_MANIFEST, Format};
use crate::oci::{
    Descriptor, Digest, History, ImageConfig, Manifest, ManifestKind, Platform, Reference, Repository,
    to_json,
};
use crate::plan::{LABEL_PREFIX, Runtime};
use crate::store::{Blob, Source};
use crate::story::provenance::CHOICES;
use crate::story::stated::{Told, check_contract, told};
use crate::story::verify;
use crate::trust::{Provenance, Signatory};
use crate::words;
use crate::words::flag;

/// What is recorded of an image.
pub(super) struct Record {
    /// Its name among those of its project.
    pub(super) name: String,
    platforms: Vec<OfPlatform>,
}

/// What is recorded of one platform's image.
struct OfPlatform {
    platform: String,
    choices: Choices,
    /// The base that it stands on, where it is from a registry.
    base: Option<(Reference, Digest)>,
}

/// So many statements about one image are tried: which is right, only the proof tells.
const MOST_TRIED: usize = 8;

impl Record {
    /// Reads what provenance records, each statement about the whole image by itself; where it must be signed, only of
    /// what is signed.
    ///
    /// # Errors
    /// Integrity: nothing there records it, or other rules than those of this version count.
    pub(super) async fn read(
        image: &StoredImage,
        shown: &str,
        signatory: Option<&Signatory>,
    ) -> Result<Vec<Result<Self>>> {
        let Told { ours, others, refused, .. } = told(image, signatory, records).await?;
        if ours.is_empty() {
            if let (Some(signatory), Some(why)) = (signatory, refused.into_iter().next()) {
                return Err(verify::refusal(shown, signatory, why));
            }
            return Err(unrecorded(shown, signatory.is_some()));
        }
        let each = std::iter::once(ours).chain(others.into_iter().map(|one| vec![one]));
        Ok(each.take(MOST_TRIED).map(|statements| Self::of_statements(&statements, shown)).collect())
    }

    fn of_statements(ours: &[Provenance], shown: &str) -> Result<Self> {
        let first = ours.first().ok_or_else(|| Error::bug("no statement is there"))?;
        check_contract(first).map_err(|(why, hint)| {
            Error::integrity(format!("{shown} cannot be rebased")).because(why).hint(hint)
        })?;
        let name = first.external("name").as_str().unwrap_or_default().to_owned();
        let mut platforms = Vec::new();
        for one in ours {
            for (platform, choices) in one.internal(CHOICES).as_object().into_iter().flatten() {
                let choices = serde_json::from_value(choices.clone()).map_err(|error| {
                    Error::integrity(format!("the provenance of {shown} cannot be read")).because(error)
                })?;
                let base = one.bases().find(|(_, of, _)| of.to_string() == *platform);
                let base = base.map(|(name, _, digest)| (name, digest));
                platforms.push(OfPlatform { platform: platform.clone(), choices, base });
            }
        }
        Ok(Self { name, platforms })
    }

    /// What is recorded for a platform. One that no index names may be the only one, or what its configuration says.
    fn of(&self, named: Option<&Platform>, configured: &Platform) -> Option<&OfPlatform> {
        let find = |platform: &Platform| {
            let platform = platform.to_string();
            self.platforms.iter().find(|one| one.platform == platform)
        };
        match (named, &self.platforms[..]) {
            (Some(named), _) => find(named),
            (None, [only]) => Some(only),
            (None, _) => find(configured),
        }
    }
}

fn records(provenance: &Provenance) -> bool {
    let is_ours = provenance.is_of_an_image() || provenance.is_of_a_rebase();
    is_ours && !matches!(provenance.internal(CHOICES), Value::Null)
}

fn unrecorded(shown: &str, must_be_signed: bool) -> Error {
    let signed = if must_be_signed { "signed " } else { "" };
    Error::integrity(format!(
        "{shown} has no {signed}provenance that records what its build chose, so it cannot be rebased"
    ))
    .hint(words!(
        "build and push it once more with this version; where the registry does not list what hangs on images, with {}",
        flag("attestations").of("referrers")
    ))
}

/// One platform's image on the base that it was built on.
pub(super) struct Standing {
    pub(super) about: About,
    /// The base, as it was named.
    pub(super) base_name: Reference,
    pub(super) base: BaseImage,
    /// The image, made once more of all of that.
    pub(super) image: Image,
}

/// What one platform's image is, whatever it stands on.
pub(super) struct About {
    pub(super) platform: Platform,
    pub(super) choices: Choices,
    /// Its configuration on the old base.
    pub(super) config: ImageConfig,
    /// The family of media types.
    pub(super) format: Format,
    /// The layers that are not of the base, in the image's own repository.
    pub(super) ours: Vec<Layer>,
}

/// Where an image is, and what is recorded of it.
pub(super) struct Stand<'a> {
    pub(super) image: &'a StoredImage,
    pub(super) record: &'a Record,
    pub(super) shown: &'a str,
    pub(super) home: &'a Repository,
}

impl Stand<'_> {
    /// One platform's image of it, proved to be what its base and the recorded choices give.
    ///
    /// # Errors
    /// Integrity: it is not. Others when it or its base cannot be had.
    pub(super) async fn on_its_base(
        &self,
        (entry, manifest): (Descriptor, Manifest),
        opener: &Opener<'_>,
    ) -> Result<Standing> {
        let cannot = |why: String| Error::integrity(format!("{} cannot be rebased", self.shown)).because(why);
        let config: ImageConfig = serde_json::from_slice(&self.image.small(&manifest.config).await?)
            .map_err(|error| cannot("its configuration cannot be read".into()).because(error))?;
        let of_what = || format!("nothing records what was chosen for {}", config.platform());
        let recorded =
            self.record.of(entry.platform.as_ref(), &config.platform()).ok_or_else(|| cannot(of_what()))?;
        let OfPlatform { platform, choices, base } = recorded;
        let platform: Platform = platform.parse()?;
        let (base_name, digest) = base.clone().ok_or_else(|| {
            cannot(format!("its base for {platform} is not from a registry"))
                .hint("images on bases from registries can be rebased; build this one again")
        })?;
        let mut base = self.base(opener, &base_name, digest, &platform).await?;
        let ours = ours(&base, &manifest, &config, self.home).ok_or_else(|| {
            cannot(format!("its first layers are not those of its base {base_name}@{digest}"))
        })?;
        // The image has them too, whatever has become of the base's repository.
        base.layers.iter_mut().for_each(|layer| layer.source = Source::Registry(self.home.clone()));
        let format = match manifest.media_type.as_deref() {
            Some(DOCKER_MANIFEST) => Format::Docker,
            _ => Format::Oci,
        };
        let about = About { platform, choices: choices.clone(), config, format, ours };
        if about.names_a_base() {
            return Err(cannot("its build said itself which base it names, so nothing proves that it is this one".into())
                .hint("build it without the labels and annotations org.opencontainers.image.base.*, or build it again"));
        }
        let image = about.laid_on(&base, &about.ours)?;
        let standing = Standing { about, base_name, base, image };
        if standing.image.manifest.descriptor.digest != entry.digest {
            return Err(cannot(format!(
                "for {}, its base and what its provenance records give another image, {}",
                standing.about.platform, standing.image.manifest.descriptor.digest
            ))
            .hint("it was changed after it was built: build it again"));
        }
        Ok(standing)
    }

    async fn base(
        &self,
        opener: &Opener<'_>,
        name: &Reference,
        digest: Digest,
        platform: &Platform,
    ) -> Result<BaseImage> {
        let mut lock = BaseLock::default();
        lock.pin(name, platform, digest);
        let opener = Opener { lock: &lock, ..*opener };
        let opened = opener.open(&BaseSpec::Registry(name.clone()), platform).await;
        opened.context(|| format!("{} cannot be rebased without the base that it stands on", self.shown))
    }
}

impl About {
    /// Layers of the image on a base.
    ///
    /// # Errors
    /// As for any image.
    pub(super) fn laid_on(&self, base: &BaseImage, ours: &[Layer]) -> Result<Image> {
        let Self { platform, format, config, .. } = self;
        let created = config.created.as_deref().unwrap_or_default();
        let runtime = &self.runtime_on(base);
        lay(base, &Said { platform, format: *format, created, runtime }, ours)
    }

    /// Whether the choices say which base the image names: then it would come out the same whatever it stands on.
    fn names_a_base(&self) -> bool {
        let Runtime { labels, annotations, .. } = &self.choices.runtime;
        let base = format!("{LABEL_PREFIX}.base.");
        labels.keys().chain(annotations.keys()).any(|name| name.starts_with(&base))
    }

    /// What the configuration says beyond that of a base.
    pub(super) fn runtime_on(&self, base: &BaseImage) -> Runtime {
        self.choices.runtime_on(&base.config, &self.config)
    }
}

/// The layers above those of the base; `None` where the image does not stand on it.
fn ours(
    base: &BaseImage,
    manifest: &Manifest,
    config: &ImageConfig,
    home: &Repository,
) -> Option<Vec<Layer>> {
    let below = base.layers.len();
    let (theirs, ours) = manifest.layers.split_at_checked(below)?;
    let (below_ids, own_ids) = config.rootfs.diff_ids.split_at_checked(below)?;
    let is_base =
        theirs.iter().map(|layer| layer.digest).eq(base.layers.iter().map(|layer| layer.descriptor.digest));
    if !is_base || below_ids != base.config.rootfs.diff_ids || own_ids.len() != ours.len() {
        return None;
    }
    let lines = config.history.len().checked_sub(ours.len())?;
    let each = ours.iter().zip(own_ids).zip(&config.history[lines..]);
    let layers = each.map(|((descriptor, diff_id), line)| Layer {
        blob: Blob { descriptor: descriptor.clone(), source: Source::Registry(home.clone()) },
        diff_id: *diff_id,
        title: History::title(line).to_owned(),
        fresh: false,
    });
    Some(layers.collect())
}

/// An index is what a build makes of its images, or it would be lost what somebody has put there.
///
/// # Errors
/// Integrity: it is another one.
pub(super) fn check_index(stored: &StoredImage, standings: &[Standing], shown: &str) -> Result<()> {
    let ManifestKind::Index(found) = &stored.kind else { return Ok(()) };
    // Statements in it are about the old images.
    let mut bare = found.clone();
    bare.manifests.retain(|entry| !entry.is_attached());
    let runtimes: Vec<Runtime> = standings.iter().map(|one| one.about.runtime_on(&one.base)).collect();
    let images: Vec<Image> = standings.iter().map(|one| one.image.clone()).collect();
    let format = standings.first().map(|one| one.about.format).unwrap_or_default();
    let made = index(&images, &[], format, Runtime::shared_annotations(runtimes.iter()))?;
    let is_bare = bare.manifests.len() == found.manifests.len();
    let is_same = match is_bare {
        true => made.descriptor.digest == stored.root.digest,
        false => made.descriptor.digest == Digest::of(&to_json(&bare)?),
    };
    if is_same {
        return Ok(());
    }
    Err(Error::integrity(format!("{shown} cannot be rebased"))
        .because("its index is not the one that its build made")
        .hint("build it again, or rebase the images of the platforms by their digests"))
}

/// The base that all platforms stand on.
///
/// # Errors
/// Usage: they stand on bases of several names.
pub(super) fn only_base(standings: &[Standing], shown: &str) -> Result<Reference> {
    let mut names: Vec<&Reference> = standings.iter().map(|one| &one.base_name).collect();
    names.dedup();
    match names[..] {
        [only] => Ok(only.clone()),
        _ => Err(Error::usage(format!("the platforms of {shown} stand on bases of several names"))
            .hint(words!("give the new one with {}", flag("base").of("IMAGE")))),
    }
}
