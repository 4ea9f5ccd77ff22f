//! Images of Rust projects: read and plan, let cargo build, check what it built.

mod audit;
mod images;
mod programs;
mod signals;
mod targets;
mod wanted;

use std::path::PathBuf;

use super::deliver::{self, finish};
use super::early::{self, Early};
use super::layers::Parts;
use super::pack::pack;
use super::places::Places;
use super::workshop::{BaseWish, Workshop};
use super::{Outcome, Request, hooks, revision};
use crate::base::{self, lock::BaseLock};
use crate::cargo::{self, Project};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::image::ImageSet;
use crate::plan::{ImagePlan, Plan, PlatformPlan, TargetPlan};
use crate::registry::Client;
use crate::store::Store;
use crate::vcs::{Question, Revision};

/// Plans, builds, packs and delivers the images of a Rust project.
pub(super) async fn run(request: &Request, events: &Events) -> Result<Outcome> {
    let prepared = prepare(request, events)?;
    let target = target_dir(request, &prepared.project);
    early::check(request, &early_images(&prepared.project, &prepared.plan), &prepared.hooks, &[&target])?;
    if request.dry_run {
        return Ok(Outcome::Planned(prepared.plan));
    }
    let credentials = deliver::credentials(request, prepared.plan.references(), &wishes(&prepared.plan))?;
    prepared.plan.images.iter().for_each(|image| events.step("Planned", image.summary()));
    let store = Store::open(&request.cache_dir)?.telling(events);
    let client = Client::new(request.registry.clone(), credentials, events.clone())?;
    early::check_push(request, &client, &store, prepared.plan.references()).await?;
    early::check_engines(request, &store)?;
    hooks::before(&prepared.hooks, events)?;

    let Prepared { project, plan, hooks, .. } = prepared.settled(request, &store).await?;
    let lock = BaseLock::read(&project.workspace_root.join(base::lock::FILE))?;
    let dir = project.workspace_root.as_path();
    let workshop = Workshop { request, store: &store, client: &client, lock: &lock, dir, events };
    let default = target.join("containerize");
    let delivered =
        finish(&workshop, &plan, &default, async || make(&workshop, &project, &plan).await).await?;
    hooks::after(&hooks, &delivered, events)?;
    Ok(Outcome::Built(delivered))
}

/// What is known of the images before anything is built.
fn early_images<'a>(project: &'a Project, plan: &'a Plan) -> Vec<Early<'a>> {
    let image = |image: &'a ImagePlan| {
        let package = image.rust().and_then(|binary| project.package(&binary.package));
        let dir = package.map_or(project.workspace_root.as_path(), |package| package.dir());
        Early { settings: &image.settings, dir }
    };
    plan.images.iter().map(image).collect()
}

/// A project and what is planned for it.
pub(super) struct Prepared {
    pub(super) project: Project,
    pub(super) plan: Plan,
    pub(super) hooks: hooks::Planned,
    places: Places,
    revision: Option<Revision>,
}

/// What is the same for all that is done with a project: reading it, and planning.
pub(super) fn prepare(request: &Request, events: &Events) -> Result<Prepared> {
    // Asks cargo and git at the same time: together they are most of what a build without changes
    // costs.
    let question = manifest(request).map(|manifest| Question::ask(&manifest));
    // What is wrong with the project is said first.
    let mut project = Project::read(&request.cargo, request.manifest_path.as_deref(), request.locking)?;
    let revision =
        question.and_then(|question| revision::answer(question, request, &made(request, &project), events));
    let places = images::places(request, &project, events)?;
    project.choose_features(|package| images::package_features(&places, package))?;
    let plan = images::plan(request, &project, &places, revision.as_ref(), events)?;
    let hooks = images::hooks(&places, &project, &plan)?;
    Ok(Prepared { project, plan, hooks, places, revision })
}

impl Prepared {
    /// Asks for the revision again where hooks, or cargo with Cargo.lock, have changed what was
    /// clean before, and plans with what is true now.
    async fn settled(mut self, request: &Request, store: &Store) -> Result<Self> {
        if self.revision.as_ref().is_none_or(|revision| revision.dirty) {
            return Ok(self);
        }
        let triples = self.plan.each().filter_map(|(_, platform)| match &platform.target {
            TargetPlan::Rust { target, .. } => Some(cargo::target::bare(target)),
            TargetPlan::Python(_) => None,
        });
        let triples: Vec<&str> = triples.collect();
        let locked = cargo::lockfile::settle(&request.cargo, &self.project, request.locking, &triples, store);
        let hooked = self.hooks.iter().any(|(_, hooks)| !hooks.pre.is_empty());
        if !(locked.await || hooked) {
            return Ok(self);
        }
        // What is remarkable has been said.
        let silent = Events::silent();
        let question = manifest(request).map(|manifest| Question::ask(&manifest));
        let revision = question
            .and_then(|question| revision::answer(question, request, &made(request, &self.project), &silent));
        if revision != self.revision {
            self.plan = images::plan(request, &self.project, &self.places, revision.as_ref(), &silent)?;
            self.revision = revision;
        }
        Ok(self)
    }
}

/// The Cargo.toml that the call is about: the named one, else the nearest one upwards.
fn manifest(request: &Request) -> Option<PathBuf> {
    let dir = request.cargo.dir();
    match &request.manifest_path {
        Some(path) => Some(dir.join(path)).filter(|path| path.is_file()),
        None => dir.ancestors().map(|dir| dir.join("Cargo.toml")).find(|path| path.is_file()),
    }
}

/// The folder that build results go to.
fn target_dir(request: &Request, project: &Project) -> PathBuf {
    let given = request.target_dir.as_ref().map(|dir| request.cargo.dir().join(dir));
    given.unwrap_or_else(|| project.target_directory.clone())
}

/// The folders that cargo fills.
fn made(request: &Request, project: &Project) -> [PathBuf; 2] {
    [target_dir(request, project), project.build_directory.clone()]
}

/// Makes all images of the plan.
async fn make(workshop: &Workshop<'_>, project: &Project, plan: &Plan) -> Result<Vec<ImageSet>> {
    // A base that is not there should not cost a compilation first, and fetching one should not
    // wait for it.
    let (bases, programs) =
        tokio::try_join!(workshop.bases(wishes(plan)), programs::build(workshop, project, plan))?;
    let request = workshop.request;
    let settings = cargo::settings::Settings::read(&request.cargo);
    let target_dir = target_dir(request, project);
    let folders = cargo::remap::of_machine(&request.cargo, project, &settings, &target_dir);
    let notes = cargo::remap::folder_notes(project, &settings, &folders);
    notes.into_iter().for_each(|note| workshop.events.note(note));
    tokio::task::block_in_place(|| {
        pack(workshop, plan, &bases, |image, platform, base| {
            let program = programs.get(image, platform)?;
            programs::note_traces(workshop, &folders, programs.built(image, platform)?, platform);
            programs::check(program, image, platform, &base.contents.tree)?;
            let lost = || Error::bug(format!("the package of {} is lost", image.name));
            let package = image.rust().and_then(|binary| project.package(&binary.package));
            Ok((Parts::Program(program), package.ok_or_else(lost)?.dir()))
        })
    })
}

/// The bases that the plan needs.
pub(super) fn wishes(plan: &Plan) -> Vec<BaseWish> {
    // The user gets no name: programs need none, and an image of one static program stays one layer.
    let wish = |(image, platform): (&ImagePlan, &PlatformPlan)| {
        BaseWish::of(&platform.base, &platform.platform, &image.settings)
    };
    plan.each().map(wish).collect()
}
