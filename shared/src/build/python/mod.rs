//! Images of Python projects: read, choose wheels for each base, fetch and build them, pack.

mod builds;
mod bytecode;
mod carried;
mod draft;
mod environment;
mod install;
mod interpreter;
mod resolve;
mod start;
mod version;

use std::path::PathBuf;

pub(super) use environment::Environment;

use super::deliver::{self, finish};
use super::early;
use super::layers::Parts;
use super::pack::pack;
use super::workshop::{BaseWish, Bases, Workshop};
use super::{Outcome, Request, hooks};
use crate::base::{self, lock::BaseLock};
use crate::error::Result;
use crate::event::Events;
use crate::image::ImageSet;
use crate::plan::Plan;
use crate::registry::Client;
use crate::store::Store;
use draft::Draft;
use resolve::Resolved;

/// Plans, builds, packs and delivers the images of a Python project.
pub(super) async fn run(request: &Request, events: &Events) -> Result<Outcome> {
    let store = Store::open(&request.cache_dir)?.telling(events);
    let draft = Draft::read(request, &store, events).await?;
    early::check(request, &draft.early(), &draft.hooks, &[&draft.project.dir.join("dist")])?;
    let wishes = draft.wishes()?;
    let credentials = deliver::credentials(request, draft.references(), &wishes)?;
    let client = Client::new(request.registry.clone(), credentials, events.clone())?;
    if !request.dry_run {
        early::check_push(request, &client, &store, draft.references()).await?;
    }
    let lock = BaseLock::read(&draft.root().join(base::lock::FILE))?;
    let workshop =
        Workshop { request, store: &store, client: &client, lock: &lock, dir: draft.root(), events };
    let bases = workshop.bases(wishes).await?;
    let (plan, resolved) = resolve::plan(&draft, &bases, request.push, events).await?;
    if request.dry_run {
        return Ok(Outcome::Planned(plan));
    }
    plan.images.iter().for_each(|image| events.step("Planned", image.summary()));
    hooks::before(&draft.hooks, events)?;
    let make = async || {
        let environments = install::environments(&workshop, &draft, &plan, &resolved).await?;
        packed(&workshop, &draft, &plan, &bases, &resolved, &environments)
    };
    let delivered = finish(&workshop, &plan, &draft.project.dir.join("dist/image"), make).await?;
    hooks::after(&draft.hooks, &delivered, events)?;
    Ok(Outcome::Built(delivered))
}

fn packed(
    workshop: &Workshop<'_>,
    draft: &Draft,
    plan: &Plan,
    bases: &Bases,
    resolved: &Resolved,
    environments: &[Environment],
) -> Result<Vec<ImageSet>> {
    tokio::task::block_in_place(|| {
        pack(workshop, plan, bases, |image, platform, _| {
            let index = resolved.index(plan, image, platform)?;
            Ok((Parts::Environment(&environments[index]), draft.project.dir.as_path()))
        })
    })
}

/// Makes a lock for a project that has none. Returns the folder for the lock of bases, and the
/// bases.
pub(super) async fn lock(request: &Request, events: &Events) -> Result<(PathBuf, Vec<BaseWish>)> {
    builds::lock_if_needed(request, &draft::project(request)?, events).await?;
    let store = Store::open(&request.cache_dir)?.telling(events);
    let draft = Draft::read(request, &store, events).await?;
    Ok((draft.root().to_owned(), draft.wishes()?))
}
