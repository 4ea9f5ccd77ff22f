//! Where things of the project are in a stage: what a path of the image was in the project.

use std::collections::BTreeSet;

use crate::dockerfile::{Copied, Dockerfile, From, Step, What, absolute};

use super::paths::{below, joined, relative};
use super::project::{Kind, Project};
use super::runs::scripts;
use super::shell;

/// Something that is in a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// A file or folder of the project, by its relative path; empty for the project itself.
    Project(String),
    /// A program that cargo builds.
    Binary(String),
}

/// What is where in a stage, later ones over earlier ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    entries: Vec<(String, Origin)>,
    /// Folders that are there without anything of the project in them.
    folders: BTreeSet<String>,
}

/// Folders that every base has.
const OF_BASES: &[&str] =
    &["/", "/bin", "/etc", "/home", "/opt", "/root", "/srv", "/tmp", "/usr/bin", "/usr/local/bin", "/var"];

/// More is not followed: copies of copies could double it at each stage.
const MOST: usize = 500;
/// More folders are not known: each stage has those of the one below it.
const MOST_FOLDERS: usize = 2000;

impl Places {
    /// What is in each stage of a Dockerfile when it is done.
    pub(super) fn of_all(file: &Dockerfile, project: &Project) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for stage in 0..file.stages.len() {
            // A stage begins with what the one below it ends with.
            let chain = file.chain(stage);
            let mut places =
                chain.iter().rev().nth(1).map_or_else(Self::default, |below| all[*below].clone());
            for step in &file.stages[stage].steps {
                places.after(step, &all, project);
            }
            all.push(places);
        }
        all
    }

    /// Adds what a step brings; `all` are the stages before its own.
    pub(super) fn after(&mut self, step: &Step, all: &[Self], project: &Project) {
        self.folders.insert(step.workdir.clone());
        match &step.what {
            What::Copy(copied) if self.entries.len() < MOST => {
                let arrivals = self.arrivals(copied, other(copied, all), project);
                self.entries.extend(arrivals);
                self.entries.truncate(MOST);
            }
            What::Run(run) => {
                for words in scripts(run).iter().flat_map(|script| shell::commands(script)) {
                    self.moved(&words, &step.workdir, project);
                }
            }
            _ => {}
        }
    }

    /// What is there, and what is in another stage.
    pub(super) fn and(mut self, other: &Self) -> Self {
        self.entries.extend(other.entries.iter().cloned());
        self.folders.extend(other.folders.iter().cloned());
        self
    }

    /// What `cp`, `mv` and `install` do, with what is known.
    fn moved(&mut self, words: &[String], workdir: &str, project: &Project) {
        let verb = words.first().map(String::as_str);
        let paths: Vec<&String> = words.iter().skip(1).filter(|word| !word.starts_with('-')).collect();
        if verb == Some("mkdir") {
            let room = MOST_FOLDERS.saturating_sub(self.folders.len());
            self.folders.extend(paths.iter().take(room).map(|path| absolute(workdir, path)));
        }
        let is_copy = matches!(verb, Some("cp" | "mv" | "install"));
        let [from @ .., to] = &paths[..] else { return };
        if !is_copy || from.is_empty() {
            return;
        }
        for source in from {
            let source = absolute(workdir, source);
            let Some(origin) = self.origin(&source, project) else { continue };
            let name = source.rsplit('/').next().unwrap_or_default();
            let place = absolute(workdir, to);
            let is_folder = to.ends_with('/') || from.len() > 1 || self.is_folder(&place);
            let place = if is_folder { absolute(&place, name) } else { place };
            if self.entries.len() < MOST {
                self.entries.push((place, origin));
            }
        }
    }

    fn is_folder(&self, place: &str) -> bool {
        let start = format!("{}/", place.trim_end_matches('/'));
        OF_BASES.contains(&place)
            || self.folders.contains(place)
            || self.folders.range(start.clone()..).next().is_some_and(|path| path.starts_with(&start))
            || self.entries.iter().any(|(path, _)| path.starts_with(&start))
    }

    /// What a path of the stage was.
    pub(super) fn origin(&self, path: &str, project: &Project) -> Option<Origin> {
        let known = self.entries.iter().rev().find_map(|(place, origin)| {
            let rest = below(path, place)?;
            match origin {
                Origin::Binary(_) => rest.is_empty().then(|| origin.clone()),
                Origin::Project(from) => {
                    let path = joined(from, rest);
                    (path.is_empty() || project.has(&path)).then_some(Origin::Project(path))
                }
            }
        });
        known.or_else(|| built(path, project).map(Origin::Binary))
    }

    /// The path in the project that would be there, if it were in the project.
    pub(super) fn missing(&self, path: &str) -> Option<String> {
        self.of_project().find_map(|(place, from)| Some(joined(from, below(path, place)?)))
    }

    /// All that is at a path or below it, each with the way from there.
    pub(super) fn within(&self, path: &str) -> Vec<(String, Origin)> {
        let entries = self.entries.iter();
        let inner =
            entries.filter_map(|(place, origin)| Some((below(place, path)?.to_owned(), origin.clone())));
        inner.filter(|(rest, _)| !rest.is_empty()).collect()
    }

    /// Where the project's files and folders are, in the order of the steps.
    pub(super) fn of_project(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().filter_map(|(place, origin)| match origin {
            Origin::Project(path) => Some((place.as_str(), path.as_str())),
            Origin::Binary(_) => None,
        })
    }

    /// Where the programs are.
    pub(super) fn binaries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().filter_map(|(place, origin)| match origin {
            Origin::Binary(name) => Some((place.as_str(), name.as_str())),
            Origin::Project(_) => None,
        })
    }

    /// What a copy brings, as places. Sources that are not known are left out.
    pub(super) fn arrivals(
        &self,
        copied: &Copied,
        other: Option<&Self>,
        project: &Project,
    ) -> Vec<(String, Origin)> {
        let place = absolute("/", &copied.to);
        let to_folder = copied.sources.len() > 1 || copied.to.ends_with('/') || self.is_folder(&place);
        let mut found = Vec::new();
        for source in &copied.sources {
            match (&copied.from, other) {
                (From::Context, _) => {
                    let (path, deeper) = project.path_of(&relative(source));
                    let place = if deeper.is_empty() { place.clone() } else { absolute(&place, &deeper) };
                    let matching = if path.is_empty() { vec![path] } else { project.matching(&path) };
                    let to_folder = to_folder || matching.len() > 1;
                    let origins = matching.into_iter().map(Origin::Project);
                    found.extend(origins.map(|origin| arrival(&place, to_folder, origin, None, project)));
                }
                (From::Stage(_), Some(other)) => {
                    let source = absolute("/", source);
                    let name = source.rsplit('/').next();
                    match other.origin(&source, project) {
                        Some(origin) => found.push(arrival(&place, to_folder, origin, name, project)),
                        None => {
                            let built = all_built(&source, project);
                            found.extend(built.map(|bin| (absolute(&place, &bin), Origin::Binary(bin))));
                        }
                    }
                    let inner = other.within(&source).into_iter().take(MOST);
                    found.extend(inner.map(|(rest, origin)| (absolute(&place, &rest), origin)));
                }
                _ => {}
            }
        }
        found
    }
}

/// The stage that is copied from.
pub(super) fn other<'p>(copied: &Copied, all: &'p [Places]) -> Option<&'p Places> {
    match copied.from {
        From::Stage(stage) => all.get(stage),
        From::Context | From::Image(_) => None,
    }
}

/// Where something is that is copied to a place: of a folder, the content is copied; a file keeps its name in a folder.
fn arrival(
    place: &str,
    to_folder: bool,
    origin: Origin,
    name: Option<&str>,
    project: &Project,
) -> (String, Origin) {
    let name = match &origin {
        Origin::Project(path) if path.is_empty() || project.has_folder(path) => {
            return (place.to_owned(), origin);
        }
        Origin::Project(path) => name.or(path.rsplit('/').next()),
        Origin::Binary(bin) => name.or(Some(bin)),
    };
    let place = if to_folder { absolute(place, name.unwrap_or_default()) } else { place.to_owned() };
    (place, origin)
}

/// The program that cargo puts there: below a folder `release` or the like, or where `cargo install` does.
fn built(path: &str, project: &Project) -> Option<String> {
    let Kind::Rust(rust) = &project.kind else { return None };
    let (folder, name) = path.rsplit_once('/')?;
    let is_there = is_of_cargo(folder) || folder.ends_with("/bin");
    let is_bin = rust.bins.values().flatten().any(|bin| bin == name);
    (is_there && is_bin).then(|| name.to_owned())
}

/// The programs below a folder of cargo that is copied whole.
fn all_built<'p>(folder: &str, project: &'p Project) -> impl Iterator<Item = String> + use<'p> {
    let is_of_cargo = is_of_cargo(folder);
    let rust = match &project.kind {
        Kind::Rust(rust) if is_of_cargo => Some(rust),
        _ => None,
    };
    rust.into_iter().flat_map(|rust| rust.bins.values().flatten().cloned())
}

fn is_of_cargo(folder: &str) -> bool {
    let parts: Vec<&str> = folder.split('/').collect();
    parts.contains(&"target") && parts.last().is_some_and(|last| *last != "target")
}
