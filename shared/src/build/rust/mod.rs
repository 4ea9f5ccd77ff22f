//! Images of Rust projects: read and plan, let cargo build, check what it built.

mod images;
mod programs;
mod wanted;

use super::deliver::{self, finish};
use super::layers::Parts;
use super::pack::pack;
use super::workshop::{BaseWish, Workshop};
use super::{Outcome, Request, hooks};
use crate::base::{self, lock::BaseLock};
use crate::cargo::Project;
use crate::error::{Error, Result};
use crate::event::Events;
use crate::image::ImageSet;
use crate::plan::{ImagePlan, Plan, PlatformPlan};
use crate::registry::Client;
use crate::store::Store;
use crate::vcs::{self, Revision};

/// Plans, builds, packs and delivers the images of a Rust project.
pub(super) async fn run(request: &Request, events: &Events) -> Result<Outcome> {
    let (project, plan, hooks) = prepare(request, events)?;
    deliver::check(request, &plan)?;
    if request.dry_run {
        return Ok(Outcome::Planned(plan));
    }
    let credentials = deliver::credentials(request, plan.references(), &wishes(&plan))?;
    plan.images.iter().for_each(|image| events.step("Planned", image.summary()));
    hooks::before(&hooks, events)?;

    let store = Store::open(&request.cache_dir)?;
    let client = Client::new(request.registry.clone(), credentials, events.clone())?;
    let lock = BaseLock::read(&project.workspace_root.join(base::lock::FILE))?;
    let dir = project.workspace_root.as_path();
    let workshop = Workshop { request, store: &store, client: &client, lock: &lock, dir, events };
    let target = request.target_dir.as_ref().map(|dir| request.cargo.dir().join(dir));
    let default = target.unwrap_or_else(|| project.target_directory.clone()).join("containerize");
    let delivered =
        finish(&workshop, &plan, &default, async || make(&workshop, &project, &plan).await).await?;
    hooks::after(&hooks, &delivered, events)?;
    Ok(Outcome::Built(delivered))
}

/// What is the same for all that is done with a project: reading it, and planning.
pub(super) fn prepare(request: &Request, events: &Events) -> Result<(Project, Plan, hooks::Planned)> {
    let (mut project, revision) = read(request)?;
    let places = images::places(request, &project, events)?;
    project.choose_features(|package| images::package_features(&places, package))?;
    let plan = images::plan(request, &project, &places, revision.as_ref(), events)?;
    let hooks = images::hooks(&places, &project, &plan)?;
    Ok((project, plan, hooks))
}

/// Asks cargo and git at the same time: together they are most of what a build without changes
/// costs.
fn read(request: &Request) -> Result<(Project, Option<Revision>)> {
    let manifest = request.manifest_path.as_ref().map(|path| request.cargo.dir().join(path));
    let dir = manifest.as_ref().and_then(|path| path.parent()).unwrap_or(request.cargo.dir());
    std::thread::scope(|scope| {
        let revision = scope.spawn(|| if dir.is_dir() { vcs::describe(dir) } else { Ok(None) });
        // What is wrong with the project is said first.
        let project = Project::read(&request.cargo, request.manifest_path.as_deref(), request.locking)?;
        let revision = revision.join().map_err(|_| Error::bug("asking git panicked"))?;
        Ok((project, revision?))
    })
}

/// Makes all images of the plan.
async fn make(workshop: &Workshop<'_>, project: &Project, plan: &Plan) -> Result<Vec<ImageSet>> {
    // A base that is not there should not cost a compilation first, and fetching one should not
    // wait for it.
    let (bases, programs) =
        tokio::try_join!(workshop.bases(wishes(plan)), programs::build(workshop, project, plan))?;
    tokio::task::block_in_place(|| {
        pack(workshop, plan, &bases, |image, platform, base| {
            let program = programs.get(image, platform)?;
            programs::check(program, image, platform, &base.contents.tree)?;
            let lost = || Error::bug(format!("the package of {} is lost", image.name));
            let package = image.rust().and_then(|binary| project.package(&binary.package));
            Ok((Parts::Program(program), package.ok_or_else(lost)?.dir()))
        })
    })
}

/// The bases that the plan needs.
pub(super) fn wishes(plan: &Plan) -> Vec<BaseWish> {
    let wish = |(image, platform): (&ImagePlan, &PlatformPlan)| BaseWish {
        name: platform.base.clone(),
        platform: platform.platform.clone(),
        compression: image.compression,
        debian: image.settings.debian.clone(),
        max_layers: image.settings.max_layers,
    };
    plan.each().map(wish).collect()
}
