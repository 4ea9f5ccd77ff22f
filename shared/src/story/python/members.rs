//! Which projects of a repository a call means.

use std::collections::BTreeSet;
use std::path::Path;

use super::optional::name_of;
use crate::config::{Origin, from_table};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::python::{Name, Project, Workspace};
use crate::story::request::Request;
use crate::system::globs::{self, Star};
use crate::words;
use crate::words::flag;

/// The projects that the call means, in the order of their folders: those that `--package` names, all with
/// `--workspace`, else the one of the folder. A folder that is the root of others and no project itself means those
/// that its key `packages` names, else its only member.
///
/// # Errors
/// Usage: a name means none, or none is named where there are several.
pub(super) fn selected(request: &Request, events: &Events) -> Result<Vec<Project>> {
    let here = super::draft::project(request)?;
    let scope = &request.scope;
    let Some(workspace) = here.workspace.clone() else {
        let unknown = scope.packages.iter().find(|name| !is_named(&here, &here.dir, name));
        return match unknown {
            None if !scope.workspace => Ok(vec![here]),
            None => Err(Error::usage(format!("{} is not in a workspace", here.name)).hint(HOW)),
            Some(name) => {
                Err(Error::usage(format!("there is no project {name}: {} is not in a workspace", here.name))
                    .hint(HOW))
            }
        };
    };
    if !scope.packages.is_empty() {
        return named(&all(&here, &workspace)?, &workspace.root, &scope.packages);
    }
    if !scope.workspace && here.is_real() {
        return Ok(vec![here]);
    }
    let (all, wanted) = (all(&here, &workspace)?, wanted(&here)?);
    if scope.workspace || (wanted.is_empty() && !workspace.has_lock) {
        let found = without_libraries(all.clone(), events);
        if found.is_empty() {
            return Err(Error::usage(format!(
                "no member of {} has anything to start",
                workspace.root.display()
            ))
            .hint(words!("choose one of {} with {}", list(&all), flag("package"))));
        }
        return Ok(found);
    }
    if !wanted.is_empty() {
        return named(&all, &workspace.root, &wanted);
    }
    match without_libraries(all.clone(), &Events::silent()).as_slice() {
        [only] => Ok(vec![only.clone()]),
        several => Err(Error::usage(format!(
            "{} is the root of several projects, but not a project itself",
            here.dir.display()
        ))
        .because(format!("its members are {}", list(if several.is_empty() { &all } else { several })))
        .hint(words!(
            "choose one with {} or all with {}, or list the ones you want in the key `packages`",
            flag("package"),
            flag("workspace")
        ))),
    }
}

/// How several projects become one repository's.
const HOW: &str =
    "members are those of [tool.uv.workspace], or the folders listed by `packages` in [tool.containerize]";

/// The members, and the root where it is a project.
fn all(here: &Project, workspace: &Workspace) -> Result<Vec<Project>> {
    let root = if here.dir == workspace.root { Some(here.clone()) } else { Project::read(&workspace.root)? };
    let mut found: Vec<Project> = root.filter(Project::is_real).into_iter().collect();
    let mut seen: Option<Workspace> = None;
    for dir in &workspace.members {
        let read = match &seen {
            Some(workspace) => Project::read_beside(dir, workspace)?,
            None => Project::read(dir)?,
        };
        let of_member = read.as_ref().and_then(|project| project.workspace.as_ref());
        if let (None, Some(other)) = (&seen, of_member.filter(|other| other.root == workspace.root)) {
            seen = Some(other.clone());
        }
        found.extend(read);
    }
    Ok(found)
}

/// What `packages` in the root's own table names, where uv has the workspace: which of its members are meant. Where
/// it has not, the key names the members themselves.
fn wanted(root: &Project) -> Result<Vec<String>> {
    let Some(table) = &root.settings else { return Ok(Vec::new()) };
    let origin = Origin::Table("tool.containerize".into());
    let of_uv = root.workspace.as_ref().is_some_and(|workspace| workspace.has_lock);
    Ok(from_table(table, &origin)?.packages.filter(|_| of_uv).unwrap_or_default())
}

fn named(all: &[Project], root: &Path, names: &[String]) -> Result<Vec<Project>> {
    let found = |name: &String| all.iter().any(|project| is_named(project, root, name));
    if let Some(unknown) = names.iter().find(|name| !found(name)) {
        return Err(Error::usage(format!("there is no project {unknown} in {}", root.display()))
            .hint(format!("there are {}", list(all))));
    }
    let is_wanted = |project: &&Project| names.iter().any(|name| is_named(project, root, name));
    Ok(all.iter().filter(is_wanted).cloned().collect())
}

/// Whether this is the project's name, or its folder seen from the root; either may be a glob.
fn is_named(project: &Project, root: &Path, name: &str) -> bool {
    let folder = project.dir.strip_prefix(root).unwrap_or(&project.dir);
    let text = name.trim_start_matches("./").trim_end_matches('/');
    if text.parse().is_ok_and(|name: Name| name == project.normalized) || folder == Path::new(text) {
        return true;
    }
    globs::one(text, Star::WithinFolder)
        .is_ok_and(|glob| glob.is_match(folder) || glob.is_match(project.normalized.to_string()))
}

/// Without those that others need and that start nothing.
fn without_libraries(all: Vec<Project>, events: &Events) -> Vec<Project> {
    let needs =
        |project: &Project| project.dependencies.iter().filter_map(|text| name_of(text)).collect::<Vec<_>>();
    let needed: BTreeSet<Name> = all.iter().flat_map(needs).collect();
    let is_library = |project: &Project| {
        let starts = !project.scripts.is_empty() || !project.file_scripts.is_empty();
        !starts && project.settings.is_none() && needed.contains(&project.normalized)
    };
    let (libraries, rest): (Vec<Project>, Vec<Project>) = all.into_iter().partition(is_library);
    if !libraries.is_empty() {
        events.note(format!(
            "skipping projects that others depend on and that have nothing to start: {}",
            list(&libraries)
        ));
    }
    rest
}

fn list(projects: &[Project]) -> String {
    let names: Vec<&str> = projects.iter().map(|project| project.name.as_str()).collect();
    names.join(", ")
}
