//! Images of Python projects: read, choose wheels for each base, fetch and build them, pack.

mod ahead;
mod attested;
mod builds;
mod bundled;
mod bytecode;
mod compiler;
mod complete;
mod draft;
mod fitting;
mod foreseen;
mod form;
mod install;
mod interpreter;
mod lent;
mod locking;
mod locks;
mod members;
mod optional;
mod parts;
mod pressing;
mod ready;
mod resolve;
mod start;
mod static_files;
mod tables;
mod trim;
mod trimmed;
mod unpacked;
mod version;
mod wanted;
mod wheel_layers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::early::Early;
use super::hooks;
use super::ingredients::Packed;
use super::pack::pack;
use super::recipe::{Purpose, Recipe};
use super::request::Request;
use super::workshop::{BaseWish, Bases, Workshop};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::oci::Reference;
use crate::plan::Plan;
use crate::store::Store;
use ahead::Ahead;
use builds::Sources;
use draft::{Draft, Reading};
use locks::Locks;
pub(super) use parts::skeleton;
use resolve::Resolved;
use wanted::{Group, Wanted};

/// The Python projects that one call means, read: each with its lock and its images.
pub(super) struct Projects {
    drafts: Vec<Draft>,
    /// The folder that bases are named in, and that default outputs go below.
    root: PathBuf,
}

/// What was decided for all projects.
pub(super) struct Decided {
    plan: Plan,
    /// Of all projects, which often share one.
    bases: Bases,
    /// By project.
    parts: Vec<Part>,
    /// What began before the bases were open.
    ahead: Ahead,
}

/// What was decided for one project.
struct Part {
    plan: Plan,
    resolved: Resolved,
}

impl Recipe for Projects {
    type Decided = Decided;

    // What a project's own lock is about was said.
    const NOTHING_TO_PIN: Option<&'static str> = None;

    async fn read(request: &Request, store: &Store, events: &Events, purpose: Purpose) -> Result<Self> {
        if purpose == Purpose::Lock {
            for project in members::selected(request, events)? {
                if let Some(wanted) = Wanted::of_call(request, &project)? {
                    locking::lock_if_needed(request, &project, &wanted, events).await?;
                }
            }
        }
        let drafts = drafts(request, store, events, purpose).await?;
        let root = drafts.first().map_or(&*request.dir, Draft::root).to_owned();
        Ok(Self { drafts, root })
    }

    fn early(&self) -> Vec<Early<'_>> {
        self.drafts.iter().flat_map(Draft::early).collect()
    }

    fn results(&self) -> Vec<PathBuf> {
        self.drafts.iter().map(|draft| draft.project.dir.join("dist")).collect()
    }

    fn hooks(&self) -> hooks::Planned {
        let mut planned = hooks::Planned::new();
        for hooks in self.drafts.iter().flat_map(|draft| &draft.hooks) {
            if !planned.contains(hooks) {
                planned.push(hooks.clone());
            }
        }
        planned
    }

    fn concerns(&self, hooks: &hooks::Set, image: &str) -> bool {
        let own = self.drafts.iter().filter(|draft| draft.hooks.contains(hooks));
        own.flat_map(|draft| &draft.images).any(|draft| draft.name == image)
    }

    fn references(&self) -> Vec<&Reference> {
        self.drafts.iter().flat_map(Draft::references).collect()
    }

    fn wishes(&self) -> Result<Vec<BaseWish>> {
        let wishes = self.drafts.iter().map(Draft::wishes).collect::<Result<Vec<_>>>()?;
        Ok(wishes.into_iter().flatten().collect())
    }

    fn unnamed_bases(&self) -> Result<BTreeSet<String>> {
        let unnamed = self.drafts.iter().map(Draft::unnamed_bases).collect::<Result<Vec<_>>>()?;
        Ok(unnamed.into_iter().flatten().collect())
    }

    fn dir(&self) -> &Path {
        &self.root
    }

    fn default_output(&self) -> PathBuf {
        let mut dirs = self.drafts.iter().map(|draft| &draft.project.dir);
        let first = dirs.next().filter(|first| dirs.all(|dir| dir == *first));
        first.unwrap_or(&self.root).join("dist/image")
    }

    /// The base comes first: its interpreter decides about markers and wheels.
    async fn decide(&self, workshop: &Workshop<'_>) -> Result<Decided> {
        let opening = workshop.bases(self.wishes()?);
        let (bases, mut ahead) = Ahead::while_opening(&self.drafts, workshop, opening).await?;
        let mut parts = Vec::new();
        for draft in &self.drafts {
            let (plan, resolved) =
                resolve::plan(draft, &bases, workshop.request.push, workshop.events).await?;
            parts.push(Part { plan, resolved });
        }
        let images = parts.iter().flat_map(|part| part.plan.images.clone()).collect();
        ahead.keep(parts.iter().map(|part| &part.resolved));
        Ok(Decided { plan: Plan { push: workshop.request.push, images }, bases, parts, ahead })
    }

    fn plan(decided: &Decided) -> &Plan {
        &decided.plan
    }

    fn tell_more(&self, decided: &Decided, workshop: &Workshop<'_>) -> Result<()> {
        let mut parts = self.drafts.iter().zip(&decided.parts);
        parts.try_for_each(|(draft, part)| install::tell_left_out(draft, &part.plan, workshop.events))
    }

    async fn settle(&self, decided: Decided, _: &Workshop<'_>) -> Result<Decided> {
        Ok(decided)
    }

    async fn make(&self, decided: &Decided, workshop: &Workshop<'_>) -> Result<Vec<Packed>> {
        let (mut sets, bases) = (Vec::new(), &decided.bases);
        for (draft, Part { plan, resolved }) in self.drafts.iter().zip(&decided.parts) {
            let ahead = decided.ahead.layers();
            let environments = install::environments(workshop, draft, plan, (resolved, ahead), bases).await?;
            sets.extend(tokio::task::block_in_place(|| {
                pack(workshop, plan, bases, |image, platform, _| {
                    let index = resolved.index(plan, image, platform)?;
                    Ok((&environments[index], draft.project.dir.as_path()))
                })
            })?);
        }
        Ok(sets)
    }
}

/// What is known of the projects that the call means.
async fn drafts(request: &Request, store: &Store, events: &Events, purpose: Purpose) -> Result<Vec<Draft>> {
    let mut wanted = Vec::new();
    let mut names = BTreeMap::new();
    for project in members::selected(request, events)? {
        let places = tables::places(request, &project, events)?;
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
    let reading = Reading { store, events, purpose, locks: Locks::default(), sources: Sources::default() };
    for (project, places, groups) in &wanted {
        for group in groups {
            let group = Group { is_one_of_several, ..group.clone() };
            drafts.push(Draft::read(request, project.clone(), places, &group, &reading).await?);
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
