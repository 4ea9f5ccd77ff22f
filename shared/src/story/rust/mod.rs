//! Images of Rust projects: read and plan, let cargo build, check what it built.

mod building;
mod copies;
mod images;
mod known;
mod programs;
mod signals;
mod tables;
mod targets;
mod wanted;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::early::Early;
use super::ingredients::Ingredients;
use super::ingredients::Packed;
use super::layers::{Made, Maker, Parts, Site, entry};
use super::pack::pack;
use super::places::Places;
use super::recipe::{Purpose, Recipe};
use super::request::Request;
use super::workshop::{BaseWish, Bases, Workshop};
use super::{hooks, revision};
use crate::cargo::{self, Project};
use crate::config::Settings;
use crate::error::Result;
use crate::event::Events;
use crate::layer::{Content, EntryKind};
use crate::oci::{Mode, Reference};
use crate::plan::{ImagePlan, Item, Plan, PlatformPlan, TargetPlan};
use crate::store::Store;
use crate::system::System;
use crate::vcs::{Question, Revision};
use programs::Programs;

/// The programs of a cargo project, read and planned for one call. The plan needs no base: it is opened while cargo
/// builds.
pub(super) struct Crates {
    project: Arc<Project>,
    plan: Plan,
    /// Of each image of the plan.
    settings: Vec<Settings>,
    hooks: hooks::Planned,
    places: Places,
    revision: Option<Revision>,
    /// The folder that build results go to.
    target: PathBuf,
}

impl Recipe for Crates {
    type Decided = Plan;

    const NOTHING_TO_PIN: Option<&'static str> =
        Some("there is nothing to lock: no base is a registry image without a digest");

    async fn read(request: &Request, _: &Store, events: &Events, _: Purpose) -> Result<Self> {
        other_bytes(System::HERE, request.push).into_iter().for_each(|note| events.note(note));
        // Asks cargo and git at the same time: together they are most of what a build without changes
        // costs.
        let question = manifest(request).map(|manifest| Question::ask(&manifest));
        // What is wrong with the project is said first.
        let rust = &request.rust;
        let mut project = Project::read(&rust.cargo, rust.manifest_path.as_deref(), request.locking)?;
        let target = rust.target_dir.as_ref().map(|dir| request.dir.join(dir));
        let target = target.unwrap_or_else(|| project.target_directory.clone());
        let made = [target.clone(), project.build_directory.clone()];
        let revision = question.and_then(|question| revision::answer(question, request, &made, events));
        let places = tables::places(request, &project, events)?;
        project.choose_features(|package| images::package_features(&places, package))?;
        let (plan, settings) = images::plan(request, &project, &places, revision.as_ref(), events)?;
        let hooks = images::hooks(&places, &project, &plan)?;
        Ok(Self { project: Arc::new(project), plan, settings, hooks, places, revision, target })
    }

    fn early(&self) -> Vec<Early<'_>> {
        let images = self.plan.images.iter().zip(&self.settings);
        images.map(|(image, settings)| Early { settings, dir: self.dir_of(image) }).collect()
    }

    fn results(&self) -> Vec<PathBuf> {
        vec![self.target.clone()]
    }

    fn hooks(&self) -> hooks::Planned {
        self.hooks.clone()
    }

    fn concerns(&self, _: &hooks::Set, _: &str) -> bool {
        true
    }

    fn references(&self) -> Vec<&Reference> {
        self.plan.references().collect()
    }

    fn wishes(&self) -> Result<Vec<BaseWish>> {
        Ok(wishes(&self.plan))
    }

    fn unnamed_bases(&self) -> Result<BTreeSet<String>> {
        Ok(BTreeSet::new())
    }

    fn dir(&self) -> &Path {
        &self.project.workspace_root
    }

    fn default_output(&self) -> PathBuf {
        self.target.join("containerize")
    }

    async fn decide(&self, _: &Workshop<'_>) -> Result<Plan> {
        Ok(self.plan.clone())
    }

    fn plan(decided: &Plan) -> &Plan {
        decided
    }

    fn tell_more(&self, plan: &Plan, workshop: &Workshop<'_>) -> Result<()> {
        programs::explain(workshop, &self.project, plan)
    }

    /// Asks for the revision again where hooks, or cargo with Cargo.lock, have changed what was
    /// clean before, and plans with what is true now.
    async fn settle(&self, plan: Plan, workshop: &Workshop<'_>) -> Result<Plan> {
        if self.revision.as_ref().is_none_or(|revision| revision.dirty) {
            return Ok(plan);
        }
        let Workshop { request, store, .. } = *workshop;
        let triples = plan.each().filter_map(|(_, platform)| match &platform.target {
            TargetPlan::Rust { target, .. } => Some(cargo::target::bare(target)),
            TargetPlan::Python(_) => None,
        });
        let triples: Vec<&str> = triples.collect();
        let cargo = &request.rust.cargo;
        let locked = cargo::lockfile::settle(cargo, &self.project, request.locking, &triples, store).await;
        let hooked = self.hooks.iter().any(|(_, hooks)| !hooks.pre.is_empty());
        if !(locked || hooked) {
            return Ok(plan);
        }
        // What is remarkable has been said.
        let silent = Events::silent();
        let made = [self.target.clone(), self.project.build_directory.clone()];
        let question = manifest(request).map(|manifest| Question::ask(&manifest));
        let revision = question.and_then(|question| revision::answer(question, request, &made, &silent));
        match revision == self.revision {
            true => Ok(plan),
            false => {
                let planned = images::plan(request, &self.project, &self.places, revision.as_ref(), &silent);
                planned.map(|(plan, _)| plan)
            }
        }
    }

    async fn make(&self, plan: &Plan, workshop: &Workshop<'_>) -> Result<Vec<Packed>> {
        // A base that is not there should not cost a compilation first, and fetching one should not
        // wait for it.
        let provided = programs::provide(workshop, &self.project, plan, false);
        let (bases, programs) = tokio::try_join!(workshop.bases(wishes(plan)), provided)?;
        let cargo = &workshop.request.rust.cargo;
        let settings = cargo::settings::Settings::read(cargo);
        let folders = cargo::remap::of_machine(cargo, &self.project, &settings, &self.target);
        let notes = cargo::remap::folder_notes(&self.project, &settings, &folders);
        notes.into_iter().for_each(|note| workshop.events.note(note));
        match self.pack(plan, workshop, &bases, &programs, &folders) {
            Err(_) if programs.were_others() => {
                workshop.events.note(OTHERS);
                let programs = programs::provide(workshop, &self.project, plan, true).await?;
                self.pack(plan, workshop, &bases, &programs, &folders)
            }
            packed => packed,
        }
    }
}

/// What is said where a program that was known had to be built, and is another one now.
const OTHERS: &str = "a program that if-changed knew is another one when it is built again: something has changed that does not count, \
                      such as the linker, a C compiler or a variable that no build script declares";

impl Crates {
    /// Makes the images of built programs on open bases.
    fn pack(
        &self,
        plan: &Plan,
        workshop: &Workshop<'_>,
        bases: &Bases,
        programs: &Programs,
        folders: &[String],
    ) -> Result<Vec<Packed>> {
        tokio::task::block_in_place(|| {
            pack(workshop, plan, bases, |image, platform, base| {
                let program = programs.get(image, platform)?;
                programs::note_traces(workshop, folders, program, platform);
                programs::check(program, image, platform, &base.contents.tree)?;
                let lock = Some(self.project.workspace_root.join("Cargo.lock"));
                let made_of = Ingredients { lock, ..program.made_of() };
                Ok((Own { content: &program.content, made_of }, self.dir_of(image)))
            })
        })
    }

    /// The folder that the paths of an image's files are relative to.
    fn dir_of(&self, image: &ImagePlan) -> &Path {
        let package = image.rust().and_then(|binary| self.project.package(&binary.package));
        package.map_or(&self.project.workspace_root, |package| package.dir())
    }
}

/// What an image has of its own.
struct Own<'a> {
    content: &'a Content,
    made_of: Ingredients,
}

impl Parts for Own<'_> {
    fn made(&self, item: &Item, _: &Maker<'_>, _: &Site<'_>) -> Result<Option<Made>> {
        let Item::Program { path, owner } = item else { return Ok(None) };
        let kind = EntryKind::File(self.content.clone());
        Ok(Some(Made::Entries(vec![entry(path, kind, Mode(0o755), *owner)])))
    }

    fn made_of(&self) -> Ingredients {
        self.made_of.clone()
    }
}

/// The Cargo.toml that the call is about: the named one, else the nearest one upwards.
fn manifest(request: &Request) -> Option<PathBuf> {
    match &request.rust.manifest_path {
        Some(path) => Some(request.dir.join(path)).filter(|path| path.is_file()),
        None => request.dir.ancestors().map(|dir| dir.join("Cargo.toml")).find(|path| path.is_file()),
    }
}

/// The bases that the plan needs.
fn wishes(plan: &Plan) -> Vec<BaseWish> {
    // The user gets no name: programs need none, and an image of one static program stays one layer.
    let wish = |(image, platform): (&ImagePlan, &PlatformPlan)| {
        BaseWish::of(&platform.base, &platform.platform, &image.additions)
    };
    plan.each().map(wish).collect()
}

/// What to say of a program that is compiled on this system, where others see its image's digest.
fn other_bytes(system: System, pushed: bool) -> Option<&'static str> {
    (system.is_windows() && pushed).then_some(
        "a program that is compiled on Windows has other bytes, and its image another digest, than from Linux: push \
         from WSL or Linux where they must be the same",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_programs_are_said_to_differ_where_others_see_them() {
        assert!(other_bytes(System::Windows, true).is_some_and(|note| note.contains("WSL")));
        assert_eq!(other_bytes(System::Windows, false), None);
        assert_eq!(other_bytes(System::Linux, true), None);
    }
}
