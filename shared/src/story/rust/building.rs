//! Building the programs of a plan, in as few calls of cargo as can be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::copies::Copies;
use crate::cargo::build::{Compiler, Executable};
use crate::cargo::crates::{Crate, crates};
use crate::cargo::inputs::Reads;
use crate::cargo::linkage::{self, Linkage};
use crate::cargo::{self, Cargo, Project};
use crate::config::Strip;
use crate::error::{Error, Result};
use crate::event::Events;
use crate::layer::Content;
use crate::plan::{self, Binary, Features, ImagePlan, Plan, PlatformPlan, TargetPlan};
use crate::store::Store;
use crate::story::ingredients::Ingredients;
use crate::story::request::Request;
use crate::story::workshop::Workshop;

/// Names a program of a plan: all that is asked of it.
pub(super) type Key = String;

/// A program as it goes into an image.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) content: Content,
    /// As cargo has made it; `None` where it was not asked.
    pub(super) made: Option<PathBuf>,
    pub(super) linkage: Linkage,
    /// What it was built from.
    pub(super) crates: Vec<Crate>,
    pub(super) compiler: Compiler,
}

impl Program {
    /// What it was built from, and with.
    pub(super) fn made_of(&self) -> Ingredients {
        let Self { crates, compiler, .. } = self.clone();
        Ingredients { crates, compiler: Some(compiler), ..Ingredients::default() }
    }
}

/// What a plan says of a Rust image.
///
/// # Errors
/// A bug when it is none.
pub(super) fn rust<'a>(
    image: &'a ImagePlan,
    platform: &'a PlatformPlan,
) -> Result<(&'a Binary, &'a str, plan::Linkage)> {
    match (image.rust(), &platform.target) {
        (Some(binary), TargetPlan::Rust { target, linkage }) => Ok((binary, target, *linkage)),
        _ => Err(Error::bug(format!("the image {} is not a Rust image", image.name))),
    }
}

/// The name of a platform's program.
pub(super) fn key(binary: &Binary, target: &str, linkage: plan::Linkage) -> Key {
    serde_json::json!([binary, target, linkage]).to_string()
}

/// What cargo is called for: programs of one package, for one target.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) request: cargo::build::Request,
    pub(super) wanted: Vec<Wanted>,
    /// Whether it is built only when something has changed.
    pub(super) if_changed: bool,
}

/// One of the programs that a call makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) key: Key,
    pub(super) bin: String,
    /// Whether it says which crates it was built from.
    pub(super) is_auditable: bool,
}

impl Call {
    /// The file that cargo leaves a binary in, as far as it is one and the same for several calls.
    fn places(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let request = &self.request;
        let triple = cargo::target::bare(&request.triple);
        request.binaries.iter().map(move |binary| (triple, &*request.profile, &*binary.name))
    }
}

/// The calls for all programs of the plan, one for those of a package: built together, cargo would give each package the
/// features that any of the others asks of what they share.
///
/// # Errors
/// A bug when the plan does not belong to the project.
pub(super) fn calls(request: &Request, project: &Project, plan: &Plan) -> Result<Vec<Call>> {
    let packages = plan.images.iter().filter_map(|image| project.package(&image.rust()?.package));
    let packages: Vec<&str> = packages.map(|package| package.id.as_str()).collect();
    let mut calls: Vec<Call> = Vec::new();
    for (image, platform) in plan.each() {
        let (binary, target, linkage) = rust(image, platform)?;
        let mut call = call(request, project, binary, target, linkage)?;
        call.request.features =
            flags_of(&binary.features).of(&call.request.binaries[0].package_id, &packages, project);
        let same = |other: &&mut Call| {
            let binaries = call.request.binaries.clone();
            other.if_changed == call.if_changed
                && other.request.binaries[0].package_id == call.request.binaries[0].package_id
                && cargo::build::Request { binaries, ..other.request.clone() } == call.request
        };
        match calls.iter_mut().find(same) {
            None => calls.push(call),
            Some(other) => {
                let is_new = |binary: &cargo::Binary| !other.request.binaries.contains(binary);
                let binaries: Vec<_> = call.request.binaries.into_iter().filter(is_new).collect();
                other.request.binaries.extend(binaries);
                let wanted: Vec<_> =
                    call.wanted.into_iter().filter(|wanted| !other.wanted.contains(wanted)).collect();
                other.wanted.extend(wanted);
            }
        }
    }
    Ok(calls)
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
    request: &Request,
    project: &Project,
    binary: &Binary,
    target: &str,
    linkage: plan::Linkage,
) -> Result<Call> {
    let package = project
        .package(&binary.package)
        .ok_or_else(|| Error::bug(format!("the package {} is lost", binary.package)))?;
    let wanted = Wanted {
        key: key(binary, target, linkage),
        bin: binary.name.clone(),
        is_auditable: binary.auditable,
    };
    let request = cargo::build::Request {
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
        crt_static: linkage != plan::Linkage::Any || cargo::target::is_musl(target),
        quiet: request.rust.quiet,
        is_traced: binary.if_changed,
    };
    Ok(Call { request, wanted: vec![wanted], if_changed: binary.if_changed })
}

/// What it takes to build programs, now or later.
#[derive(Clone)]
pub(super) struct Builder {
    pub(super) cargo: Cargo,
    pub(super) project: Arc<Project>,
    pub(super) store: Store,
    pub(super) events: Events,
}

/// Programs that were built, by their names.
#[derive(Default)]
pub(super) struct Built {
    pub(super) programs: BTreeMap<Key, Program>,
    /// What was read for those of each call, by its place; `None` where that is not known.
    pub(super) reads: BTreeMap<usize, Option<Reads>>,
    /// Where those are that are not as cargo has left them.
    copies: Option<Copies>,
}

impl Builder {
    /// One for the programs of the project that a call is about.
    pub(super) fn of(workshop: &Workshop<'_>, project: &Arc<Project>) -> Self {
        let Workshop { request, store, events, .. } = *workshop;
        let (cargo, project) = (request.rust.cargo.clone(), project.clone());
        Self { cargo, project, store: store.clone(), events: events.clone() }
    }

    /// Builds the programs of all calls.
    ///
    /// # Errors
    /// When cargo cannot build one.
    pub(super) async fn build(&self, calls: &[Call]) -> Result<Built> {
        let mut built = Built::default();
        // What two calls leave in one place is taken from there before the next call.
        let is_shared = |(at, call): &(usize, &Call)| {
            let others = calls.iter().enumerate().filter(|(other, _)| other != at);
            let taken: Vec<_> = others.flat_map(|(_, other)| other.places()).collect();
            call.places().any(|place| taken.contains(&place))
        };
        let (shared, others): (Vec<_>, Vec<_>) = calls.iter().enumerate().partition(is_shared);
        self.build_together(&others, false, &mut built).await?;
        for one in shared {
            self.build_together(&[one], true, &mut built).await?;
        }
        Ok(built)
    }

    async fn build_together(&self, calls: &[(usize, &Call)], copies: bool, built: &mut Built) -> Result<()> {
        let Self { cargo, project, store, events } = self;
        let requests: Vec<_> = calls.iter().map(|(_, call)| call.request.clone()).collect();
        for made in cargo::build::build(cargo, project, &requests, Some(store), events).await? {
            let (place, call) = calls[made.request];
            tokio::task::block_in_place(|| self.add(call, &made, copies, built))?;
            // The programs of one call share what they have read.
            let reads = built.reads.entry(place).or_insert_with(|| Some(Reads::default()));
            *reads = reads.take().zip(made.reads).map(|(all, own)| all.and(own));
        }
        Ok(())
    }

    /// Adds a program as each of those has it that want it.
    fn add(&self, call: &Call, made: &Executable, copies: bool, built: &mut Built) -> Result<()> {
        let root = self.project.package(&made.package).map(|package| package.id.as_str()).unwrap_or_default();
        let crates = crates(&self.project, root, &made.compiled);
        let linkage = linkage::examine(&made.path)?;
        let (mut listed, mut plain) = (None, made.path.clone());
        if copies {
            plain = built.copies()?.copy(&made.path)?;
        }
        for wanted in call.wanted.iter().filter(|wanted| wanted.bin == made.bin) {
            if wanted.is_auditable && listed.is_none() {
                listed = Some(built.copies()?.add(&made.path, &crates)?);
            }
            let with_list = listed.as_ref().filter(|_| wanted.is_auditable).cloned().flatten();
            let path: &Path = with_list.as_deref().unwrap_or(&plain);
            let program = Program {
                content: Content::of_file(path)?,
                made: Some(plain.clone()),
                linkage: linkage.clone(),
                crates: crates.clone(),
                compiler: made.compiler.clone(),
            };
            built.programs.insert(wanted.key.clone(), program);
        }
        Ok(())
    }
}

impl Built {
    fn copies(&mut self) -> Result<&mut Copies> {
        if self.copies.is_none() {
            self.copies = Some(Copies::new()?);
        }
        self.copies.as_mut().ok_or_else(|| Error::bug("no folder for copies"))
    }
}
