//! Images of Python projects: read, choose wheels for each base, fetch and build them, pack.

mod builds;
mod bytecode;
mod carried;
mod compiler;
mod complete;
mod draft;
mod environment;
mod fitting;
mod install;
mod interpreter;
mod lent;
mod members;
mod optional;
mod resolve;
mod start;
mod version;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(super) use environment::Environment;

use super::deliver::{self, finish};
use super::early;
use super::layers::Parts;
use super::pack::pack;
use super::workshop::{BaseWish, Bases, Workshop};
use super::{Outcome, Request, hooks};
use crate::base::{self, lock::BaseLock};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::image::ImageSet;
use crate::plan::Plan;
use crate::registry::Client;
use crate::store::Store;
use draft::{Draft, Purpose};
use resolve::Resolved;
use wanted::{Group, Wanted};

/// One project of a call, ready to be built.
struct Part<'a> {
    draft: &'a Draft,
    workshop: Workshop<'a>,
    bases: Bases,
    plan: Plan,
    resolved: Resolved,
}

/// Plans, builds, packs and delivers the images of Python projects. Nothing is delivered before all are made.
pub(super) async fn run(request: &Request, events: &Events) -> Result<Outcome> {
    let store = Store::open(&request.cache_dir)?.telling(events);
    let drafts = drafts(request, &store, events, Purpose::Images).await?;
    for draft in &drafts {
        early::check(request, &draft.early(), &draft.hooks, &[&draft.project.dir.join("dist")])?;
    }
    let mut wishes = Vec::new();
    for draft in &drafts {
        wishes.extend(draft.wishes()?);
    }
    let references = || drafts.iter().flat_map(Draft::references);
    let credentials = deliver::credentials(request, references(), &wishes)?;
    let client = Client::new(request.registry.clone(), credentials, events.clone())?;
    if !request.dry_run {
        early::check_push(request, &client, &store, references()).await?;
        early::check_engines(request, &store)?;
    }
    let read_lock = |draft: &Draft| BaseLock::read(&draft.root().join(base::lock::FILE));
    let locks = drafts.iter().map(read_lock).collect::<Result<Vec<_>>>()?;
    let mut parts = Vec::new();
    for (draft, lock) in drafts.iter().zip(&locks) {
        let (dir, store, client) = (draft.root(), &store, &client);
        let workshop = Workshop { request, store, client, lock, dir, events };
        let bases = workshop.bases(draft.wishes()?).await?;
        let (plan, resolved) = resolve::plan(draft, &bases, request.push, events).await?;
        parts.push(Part { draft, workshop, bases, plan, resolved });
    }
    let images = parts.iter().flat_map(|part| part.plan.images.clone()).collect();
    let plan = Plan { push: request.push, images };
    if request.dry_run {
        parts.iter().try_for_each(|part| install::tell_left_out(part.draft, &part.plan, events))?;
        return Ok(Outcome::Planned(plan));
    }
    plan.images.iter().for_each(|image| events.step("Planned", image.summary()));
    let mut planned = hooks::Planned::new();
    for hooks in drafts.iter().flat_map(|draft| &draft.hooks) {
        if !planned.contains(hooks) {
            planned.push(hooks.clone());
        }
    }
    hooks::before(&planned, events)?;
    let make = async || {
        let mut sets = Vec::new();
        for part in &parts {
            sets.extend(part.make().await?);
        }
        Ok(sets)
    };
    let [first, ..] = parts.as_slice() else { return Ok(Outcome::Built(Vec::new())) };
    let is_alone = parts.iter().all(|part| part.draft.project.dir == first.draft.project.dir);
    let default = if is_alone { &first.draft.project.dir } else { first.draft.root() }.join("dist/image");
    let delivered = finish(&first.workshop, &plan, &default, make).await?;
    for hooks in planned {
        let mut own = Vec::new();
        let mut rest = delivered.as_slice();
        for part in &parts {
            let (of_part, others) = rest.split_at(part.plan.images.len().min(rest.len()));
            if part.draft.hooks.contains(&hooks) {
                own.extend_from_slice(of_part);
            }
            rest = others;
        }
        hooks::after(&vec![hooks], &own, events)?;
    }
    Ok(Outcome::Built(delivered))
}

/// What is known of the projects that the call means.
async fn drafts(request: &Request, store: &Store, events: &Events, purpose: Purpose) -> Result<Vec<Draft>> {
    let mut wanted = Vec::new();
    let mut names = BTreeMap::new();
    for project in members::selected(request, events)? {
        let places = draft::places(&draft::of_python(request), &project, events)?;
        let groups = wanted::groups(&places, &project)?;
        for name in groups.iter().flat_map(|group| group.names.values()) {
            if let Some(other) = names.insert(name.clone(), project.dir.clone()) {
                return Err(two_of_a_name(name, &other, &project.dir));
            }
        }
        wanted.push((project, places, groups));
    }
    let is_one_of_several = names.len() > 1;
    let mut drafts = Vec::new();
    for (project, places, groups) in &wanted {
        for group in groups {
            let group = Group { is_one_of_several, ..group.clone() };
            drafts.push(Draft::read(request, project.clone(), places, &group, store, events, purpose).await?);
        }
    }
    Ok(drafts)
}

fn two_of_a_name(name: &str, first: &Path, second: &Path) -> Error {
    let (first, second, same) = (first.display(), second.display(), first == second);
    Error::usage(match same {
        true => format!("{first} has two images that are named {name}"),
        false => format!("{first} and {second} both have an image {name}"),
    })
    .hint("give one of them another name: with the key `name`, or as a table `image.NAME`")
}

impl Part<'_> {
    async fn make(&self) -> Result<Vec<ImageSet>> {
        let Self { draft, workshop, bases, plan, resolved } = self;
        let environments = install::environments(workshop, draft, plan, resolved, bases).await?;
        tokio::task::block_in_place(|| {
            pack(workshop, plan, bases, |image, platform, _| {
                let index = resolved.index(plan, image, platform)?;
                Ok((Parts::Environment(&environments[index]), draft.project.dir.as_path()))
            })
        })
    }
}

/// What is to be pinned for a project.
pub(super) struct ToPin {
    /// The folder for the lock of bases.
    pub(super) dir: PathBuf,
    /// The bases.
    pub(super) wishes: Vec<BaseWish>,
    /// Those that nobody has named.
    pub(super) unnamed: BTreeSet<String>,
}

/// Makes locks for projects that have none. Returns what else is to be pinned.
pub(super) async fn lock(request: &Request, events: &Events) -> Result<ToPin> {
    for project in members::selected(request, events)? {
        if let Some(wanted) = Wanted::of_call(request, &project)? {
            builds::lock_if_needed(request, &project, &wanted, events).await?;
        }
    }
    let store = Store::open(&request.cache_dir)?.telling(events);
    let drafts = drafts(request, &store, events, Purpose::Lock).await?;
    let dir = drafts.first().map_or_else(|| request.cargo.dir(), Draft::root).to_owned();
    let (mut wishes, mut unnamed) = (Vec::new(), BTreeSet::new());
    for draft in &drafts {
        wishes.extend(draft.wishes()?);
        unnamed.extend(draft.unnamed_bases()?);
    }
    Ok(ToPin { dir, wishes, unnamed })
}
