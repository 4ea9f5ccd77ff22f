//! The programs of a plan, built by cargo and held to what their bases can run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::audit::Audited;
use crate::base::spec::BaseSpec;
use crate::cargo::build::{Compiler, Executable};
use crate::cargo::crates::{Crate, crates};
use crate::cargo::{self, Project, linkage, traces};
use crate::config::Strip;
use crate::error::{Error, Result};
use crate::facts::tree::Tree;
use crate::plan::{Binary, Features, ImagePlan, Linkage, Plan, PlatformPlan, TargetPlan};
use crate::story::ingredients::Ingredients;
use crate::story::workshop::Workshop;

/// Built programs by target triple, package and binary.
pub(super) struct Programs {
    built: BTreeMap<(String, String, String), Program>,
    /// Where those are that say what they are made of.
    _audited: Option<Audited>,
}

/// A program that cargo has made.
struct Program {
    path: PathBuf,
    /// The same with the list of its crates, where that was wanted and could be added.
    audited: Option<PathBuf>,
    /// What it was built from.
    crates: Vec<Crate>,
    compiler: Compiler,
}

impl Programs {
    /// The program of one platform's image, as cargo has made it.
    ///
    /// # Errors
    /// A bug when it was not built.
    pub(super) fn built(&self, image: &ImagePlan, platform: &PlatformPlan) -> Result<&Path> {
        self.find(image, platform).map(|program| program.path.as_path())
    }

    /// The program as it goes into the image.
    ///
    /// # Errors
    /// A bug when it was not built.
    pub(super) fn get(&self, image: &ImagePlan, platform: &PlatformPlan) -> Result<&Path> {
        let program = self.find(image, platform)?;
        let (binary, ..) = rust(image, platform)?;
        Ok(program.audited.as_deref().filter(|_| binary.auditable).unwrap_or(&program.path))
    }

    /// What the program was built from, and with.
    ///
    /// # Errors
    /// A bug when it was not built.
    pub(super) fn made_of(&self, image: &ImagePlan, platform: &PlatformPlan) -> Result<Ingredients> {
        let Program { crates, compiler, .. } = self.find(image, platform)?;
        let compiler = Some(compiler.clone());
        Ok(Ingredients { crates: crates.clone(), compiler, ..Ingredients::default() })
    }

    fn find(&self, image: &ImagePlan, platform: &PlatformPlan) -> Result<&Program> {
        let (binary, target, _) = rust(image, platform)?;
        let key = (target.to_owned(), binary.package.clone(), binary.name.clone());
        let lost = || Error::bug(format!("the program {} for {target} is lost", binary.name));
        self.built.get(&key).ok_or_else(lost)
    }
}

/// What a plan says of a Rust image.
fn rust<'a>(image: &'a ImagePlan, platform: &'a PlatformPlan) -> Result<(&'a Binary, &'a str, Linkage)> {
    match (image.rust(), &platform.target) {
        (Some(binary), TargetPlan::Rust { target, linkage }) => Ok((binary, target, *linkage)),
        _ => Err(Error::bug(format!("the image {} is not a Rust image", image.name))),
    }
}

/// Builds all programs of the plan, those of one package in one call: built together, cargo would give
/// each package the features that any of the others asks of what they share.
///
/// # Errors
/// When cargo cannot build one.
pub(super) async fn build(workshop: &Workshop<'_>, project: &Project, plan: &Plan) -> Result<Programs> {
    let packages = plan.images.iter().filter_map(|image| project.package(&image.rust()?.package));
    let packages: Vec<&str> = packages.map(|package| package.id.as_str()).collect();
    let mut calls: Vec<cargo::build::Request> = Vec::new();
    for (image, platform) in plan.each() {
        let (binary, target, linkage) = rust(image, platform)?;
        let mut call = call(workshop, project, binary, target, linkage)?;
        call.features = flags_of(&binary.features).of(&call.binaries[0].package_id, &packages, project);
        let same = |other: &&mut cargo::build::Request| {
            (&other.binaries[0].package_id, &other.triple, &other.profile, &other.features)
                == (&call.binaries[0].package_id, &call.triple, &call.profile, &call.features)
                && (&other.strip, other.crt_static) == (&call.strip, call.crt_static)
        };
        match calls.iter_mut().find(same) {
            Some(other) if other.binaries.contains(&call.binaries[0]) => {}
            Some(other) => other.binaries.extend(call.binaries),
            None => calls.push(call),
        }
    }
    let Workshop { request, store, events, .. } = *workshop;
    let built = cargo::build::build(&request.rust.cargo, project, &calls, Some(store), events).await?;
    let is_wanted = plan.images.iter().any(|image| image.rust().is_some_and(|binary| binary.auditable));
    let mut audited = if is_wanted { Some(Audited::new()?) } else { None };
    let mut found = BTreeMap::new();
    for program in built {
        let root = project.package(&program.package).map(|package| package.id.as_str()).unwrap_or_default();
        let crates = crates(project, root, &program.compiled);
        let with_list = match &mut audited {
            Some(audited) => tokio::task::block_in_place(|| audited.add(&program, &crates))?,
            None => None,
        };
        let Executable { triple, package, bin, path, compiler, .. } = program;
        found.insert((triple, package, bin), Program { path, audited: with_list, crates, compiler });
    }
    Ok(Programs { built: found, _audited: audited })
}

/// As cargo's flags say it.
pub(super) fn flags_of(features: &Features) -> cargo::build::Features {
    cargo::build::Features {
        features: features.features.clone(),
        all: features.all_features,
        no_default: features.no_default_features,
    }
}

fn call(
    workshop: &Workshop<'_>,
    project: &Project,
    binary: &Binary,
    target: &str,
    linkage: Linkage,
) -> Result<cargo::build::Request> {
    let request = workshop.request;
    let package = project
        .package(&binary.package)
        .ok_or_else(|| Error::bug(format!("the package {} is lost", binary.package)))?;
    Ok(cargo::build::Request {
        binaries: vec![cargo::Binary {
            package_id: package.id.clone(),
            package: package.name.clone(),
            name: binary.name.clone(),
        }],
        triple: target.to_owned(),
        profile: binary.profile.clone(),
        features: cargo::build::Features::default(),
        locking: request.locking,
        jobs: request.jobs.and_then(|jobs| u32::try_from(jobs).ok()),
        target_dir: request.rust.target_dir.clone(),
        strip: match binary.strip {
            Strip::None => None,
            strip => Some(strip.as_str().into()),
        },
        crt_static: linkage != Linkage::Any || cargo::target::is_musl(target),
        quiet: request.rust.quiet,
    })
}

/// Says which paths of this machine are in a program: in another folder it would be another one.
pub(super) fn note_traces(
    workshop: &Workshop<'_>,
    folders: &[String],
    program: &Path,
    platform: &PlatformPlan,
) {
    let found = traces::find(program, folders, workshop.store);
    let Some(name) = program.file_name().filter(|_| !found.is_empty()) else { return };
    workshop.events.note(format!(
        "{} for {} contains paths of this machine, so building it in another folder gives a different image: {}",
        name.display(),
        platform.platform,
        found.join(", ")
    ));
}

/// The program must run on the base: its machine, its libraries, its loader.
///
/// # Errors
/// Build: with what does not fit.
pub(super) fn check(program: &Path, image: &ImagePlan, platform: &PlatformPlan, base: &Tree) -> Result<()> {
    let (binary, _, wanted) = rust(image, platform)?;
    let linkage = linkage::examine(program)?;
    linkage.verify(&binary.name, &platform.platform, wanted != Linkage::Any)?;
    let Some(loader) = &linkage.interpreter else { return Ok(()) };
    let path = loader.trim_start_matches('/');
    let there = base.real_path(path).is_some_and(|path| base.get(&path).is_some());
    if there {
        return Ok(());
    }
    let fix = match platform.base.parse()? {
        BaseSpec::Debian(_) => "add glibc to the base with --debian libc6, or remove --target",
        _ => "use a base with glibc, such as --base gcr.io/distroless/cc-debian13, or remove --target",
    };
    Err(Error::build(format!(
        "{} is linked dynamically and the base {} has no {loader}",
        binary.name, platform.base
    ))
    .hint(fix))
}
