//! Making the planned images: programs by cargo, bases, layers, and all of it put together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use super::Request;
use super::layers::Maker as Layers;
use crate::base::lock::BaseLock;
use crate::base::spec::BaseSpec;
use crate::base::tree::Tree;
use crate::base::{BaseImage, Opener, embedded, facts};
use crate::cargo::build::Executable;
use crate::cargo::{self, Project, linkage};
use crate::config::Strip;
use crate::error::{Error, Result};
use crate::event::Events;
use crate::image::{Image, ImageSet, assemble, index, validate};
use crate::oci::Platform;
use crate::plan::{ImagePlan, Linkage, Plan, PlatformPlan};
use crate::registry::Client;
use crate::store::{Source, Store};

/// What is needed to make images.
pub(super) struct Maker<'a> {
    pub(super) request: &'a Request,
    pub(super) project: &'a Project,
    pub(super) store: &'a Store,
    pub(super) client: &'a Client,
    pub(super) lock: &'a BaseLock,
    pub(super) events: &'a Events,
}

/// A base that is open: the image and its file system.
struct Base {
    image: BaseImage,
    tree: Tree,
}

type Bases = BTreeMap<(String, String), Base>;
type Programs = BTreeMap<(String, String, String), PathBuf>;

impl Maker<'_> {
    /// Makes all images of the plan.
    pub(super) async fn images(&self, plan: &Plan) -> Result<Vec<ImageSet>> {
        // A base that is not there should not cost a compilation first, and fetching one
        // should not wait for it.
        let (bases, programs) = tokio::try_join!(self.bases(plan), self.programs(plan))?;
        let mut sets = Vec::new();
        for image in &plan.images {
            sets.push(tokio::task::block_in_place(|| self.image(image, &bases, &programs))?);
        }
        Ok(sets)
    }

    async fn bases(&self, plan: &Plan) -> Result<Bases> {
        let mut bases = Bases::new();
        for (image, platform) in each(plan) {
            let key = (platform.base.clone(), platform.platform.to_string());
            if let Entry::Vacant(place) = bases.entry(key) {
                place.insert(self.base(image, platform).await?);
            }
        }
        Ok(bases)
    }

    /// What opens the bases of an image.
    pub(super) fn opener(&self, image: &ImagePlan) -> Opener<'_> {
        Opener {
            store: self.store,
            client: self.client,
            lock: self.lock,
            locked: self.request.locking.is_locked(),
            offline: self.request.locking.is_offline(),
            dir: &self.project.workspace_root,
            compression: image.compression,
            jobs: self.jobs(),
            events: self.events,
        }
    }

    async fn base(&self, image: &ImagePlan, plan: &PlatformPlan) -> Result<Base> {
        let spec: BaseSpec = plan.base.parse()?;
        let mut base = self.opener(image).open(&spec, &plan.platform).await?;
        let tree = match spec {
            BaseSpec::Scratch => Tree::default(),
            BaseSpec::Static => embedded::tree()?,
            _ => {
                for blob in &mut base.layers {
                    if let Source::Registry(home) = &blob.source
                        && !facts::known(blob, self.store)
                    {
                        let path = self.client.fetch_blob(home, &blob.descriptor, self.store).await?;
                        blob.source = Source::File(path);
                    }
                }
                let diff_ids = &base.config.rootfs.diff_ids;
                tokio::task::block_in_place(|| facts::tree_of(&base.layers, diff_ids, self.store))?
            }
        };
        Ok(Base { image: base, tree })
    }

    /// Builds all programs, one call of cargo for each target triple and way to build.
    async fn programs(&self, plan: &Plan) -> Result<Programs> {
        let mut calls: Vec<cargo::build::Request> = Vec::new();
        for (image, platform) in each(plan) {
            let binary = self.binary(image)?;
            let call = self.call(image, platform, binary.clone());
            let same = |other: &&mut cargo::build::Request| {
                (&other.triple, &other.profile, &other.strip, other.crt_static)
                    == (&call.triple, &call.profile, &call.strip, call.crt_static)
            };
            match calls.iter_mut().find(same) {
                Some(other) if other.binaries.contains(&binary) => {}
                Some(other) => other.binaries.push(binary),
                None => calls.push(call),
            }
        }
        let mut programs = Programs::new();
        for call in &calls {
            let built =
                cargo::build::build(&self.request.cargo, self.project, call, Some(self.store), self.events);
            for Executable { package, bin, path } in built.await? {
                programs.insert((call.triple.clone(), package, bin), path);
            }
        }
        Ok(programs)
    }

    fn call(
        &self,
        image: &ImagePlan,
        platform: &PlatformPlan,
        binary: cargo::Binary,
    ) -> cargo::build::Request {
        cargo::build::Request {
            binaries: vec![binary],
            triple: platform.target.clone(),
            profile: image.binary.profile.clone(),
            features: self.request.features.clone(),
            locking: self.request.locking,
            jobs: self.request.jobs.and_then(|jobs| u32::try_from(jobs).ok()),
            target_dir: self.request.target_dir.clone(),
            strip: match image.binary.strip {
                Strip::None => None,
                strip => Some(strip.as_str().into()),
            },
            crt_static: platform.linkage != Linkage::Any || cargo::target::is_musl(&platform.target),
            quiet: self.request.quiet,
        }
    }

    fn binary(&self, image: &ImagePlan) -> Result<cargo::Binary> {
        let package = self
            .project
            .package(&image.binary.package)
            .ok_or_else(|| Error::bug(format!("the package {} is lost", image.binary.package)))?;
        Ok(cargo::Binary {
            package_id: package.id.clone(),
            package: package.name.clone(),
            name: image.binary.name.clone(),
        })
    }

    fn image(&self, plan: &ImagePlan, bases: &Bases, programs: &Programs) -> Result<ImageSet> {
        let mut images = Vec::new();
        for platform in &plan.platforms {
            images.push(self.platform(plan, platform, bases, programs)?);
        }
        let index = if images.len() > 1 {
            let annotations = shared_annotations(plan);
            Some(index(&images, plan.format, annotations)?)
        } else {
            None
        };
        Ok(ImageSet {
            name: plan.name.clone(),
            tag: plan.tag.clone(),
            references: plan.references.clone(),
            images,
            index,
        })
    }

    fn platform(
        &self,
        image: &ImagePlan,
        plan: &PlatformPlan,
        bases: &Bases,
        programs: &Programs,
    ) -> Result<Image> {
        let lost = || Error::bug(format!("the parts of {} for {} are lost", image.name, plan.platform));
        let base = bases.get(&(plan.base.clone(), plan.platform.to_string())).ok_or_else(lost)?;
        let key = (plan.target.clone(), image.binary.package.clone(), image.binary.name.clone());
        let program = programs.get(&key).ok_or_else(lost)?;
        check_program(program, image, plan, &base.tree)?;
        self.events.step("Packing", format!("{} {} ({})", image.name, image.version, plan.platform));
        let package = self.project.package(&image.binary.package).ok_or_else(lost)?;
        let layers = Layers {
            dir: package.dir(),
            store: self.store,
            use_memo: self.request.use_cache,
            jobs: self.jobs(),
            events: self.events,
            compression: image.compression,
            format: image.format,
            owner: image.settings.owner,
        };
        let layers = layers.layers(&plan.layers, &base.tree, program, &variables(image, &plan.platform))?;
        let made = assemble(&base.image, image, plan, &layers)?;
        validate(&made)?;
        Ok(made)
    }

    fn jobs(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.request.jobs.unwrap_or_else(processors)
    }
}

/// The program must run on the base: its machine, its libraries, its loader.
fn check_program(program: &Path, image: &ImagePlan, plan: &PlatformPlan, base: &Tree) -> Result<()> {
    let linkage = linkage::examine(program)?;
    linkage.verify(&image.binary.name, &plan.platform, plan.linkage != Linkage::Any)?;
    let Some(loader) = &linkage.interpreter else { return Ok(()) };
    let path = loader.trim_start_matches('/');
    let there = base.real_path(path).is_some_and(|path| base.get(&path).is_some());
    if there {
        return Ok(());
    }
    Err(Error::build(format!(
        "{} is linked dynamically and the base {} has no {loader}",
        image.binary.name, plan.base
    ))
    .hint("take a base with glibc, as --base gcr.io/distroless/cc-debian13, or leave out --target"))
}

/// Variables for commands that make layers.
fn variables(image: &ImagePlan, platform: &Platform) -> BTreeMap<&'static str, String> {
    [
        ("CONTAINERIZE_NAME", image.name.clone()),
        ("CONTAINERIZE_VERSION", image.version.clone()),
        ("CONTAINERIZE_PLATFORM", platform.to_string()),
    ]
    .into()
}

/// The annotations that all platforms have alike.
fn shared_annotations(plan: &ImagePlan) -> BTreeMap<String, String> {
    let mut shared = plan.platforms[0].runtime.annotations.clone();
    shared
        .retain(|name, value| plan.platforms.iter().all(|p| p.runtime.annotations.get(name) == Some(value)));
    shared
}

/// All platforms of all images.
pub(super) fn each(plan: &Plan) -> impl Iterator<Item = (&ImagePlan, &PlatformPlan)> {
    plan.images.iter().flat_map(|image| image.platforms.iter().map(move |platform| (image, platform)))
}
