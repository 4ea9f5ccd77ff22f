//! The locks of the projects that one call means, each read once: the members of a workspace share one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::wanted::Group;
use crate::error::{Error, Result};
use crate::event::Events;
use crate::python::lock::{self, Lock, LockKind, ProjectFacts};
use crate::python::{Project, Tool};
use crate::words;
use crate::words::Command;

/// What was read and found in order so far.
#[derive(Default)]
pub(super) struct Locks(Mutex<Known>);

#[derive(Default)]
struct Known {
    read: HashMap<PathBuf, Arc<Lock>>,
    /// Locks that fit all members of their workspaces.
    fresh: BTreeSet<PathBuf>,
}

impl Locks {
    /// The lock, if the project has one or needs none, and why it does not fit the project any more.
    ///
    /// # Errors
    /// Usage: it is missing, or cannot be read or understood.
    pub(super) fn of(
        &self,
        project: &Project,
        group: &Group,
        variables: &BTreeMap<String, String>,
        events: &Events,
    ) -> Result<(Option<Arc<Lock>>, Option<Error>)> {
        let lock = match &group.lock {
            Some(path) => self.named(path, variables)?,
            None => match self.found(project, variables, events)? {
                Some(lock) => lock,
                None => return Ok((None, None)),
            },
        };
        lock.notes.iter().for_each(|note| events.note(note));
        let stale = self.check(&lock, project).err();
        Ok((Some(lock), stale))
    }

    /// What the workspace as a whole asks of a lock is compared for its first member only.
    fn check(&self, lock: &Lock, project: &Project) -> Result<()> {
        let facts = facts(project);
        if self.with(|known| known.fresh.contains(&lock.path)) {
            return lock::check_member_fresh(lock, &facts);
        }
        lock::check_fresh(lock, &facts)?;
        if facts.members.is_some_and(|members| !members.is_empty()) {
            self.with(|known| known.fresh.insert(lock.path.clone()));
        }
        Ok(())
    }

    fn read(&self, path: &Path, kind: LockKind, variables: &BTreeMap<String, String>) -> Result<Arc<Lock>> {
        if let Some(lock) = self.with(|known| known.read.get(path).cloned()) {
            return Ok(lock);
        }
        let lock = Arc::new(lock::read_with(path, kind, variables)?);
        self.with(|known| known.read.insert(path.to_owned(), lock.clone()));
        Ok(lock)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Known) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The lock that the settings name.
    fn named(&self, path: &Path, variables: &BTreeMap<String, String>) -> Result<Arc<Lock>> {
        if !path.is_file() {
            return Err(Error::usage(format!("the lock file {} does not exist", path.display())).hint(
                "the key `lock` is relative to the project's folder, in the root's table to the root",
            ));
        }
        self.read(path, lock::kind_of(path)?, variables)
    }

    /// The lock that is found, if the project has one or needs none.
    fn found(
        &self,
        project: &Project,
        variables: &BTreeMap<String, String>,
        events: &Events,
    ) -> Result<Option<Arc<Lock>>> {
        let Some(mut found) = lock::find(&project.dir, project.pyproject.as_ref())? else {
            return if project.needs_lock() { Err(no_lock(project)) } else { Ok(None) };
        };
        let lock = self.read(&found.path, found.kind, variables)?;
        // A file that the lock was made from does not count as another lock.
        let is_source = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            lock.made.as_ref().is_some_and(|made| made.from.iter().any(|file| *file == name))
        };
        found.others.retain(|path| !is_source(path));
        if !found.others.is_empty() {
            let others: Vec<_> = found.others.iter().filter_map(|path| path.file_name()?.to_str()).collect();
            let name = found.path.file_name().unwrap_or_default().to_string_lossy();
            events.note(format!("using {name} ({}); ignoring {}", found.reason, others.join(", ")));
        }
        Ok(Some(lock))
    }
}

/// What locks need to know of a project.
pub(super) fn facts(project: &Project) -> ProjectFacts<'_> {
    let workspace = project.workspace.as_ref().filter(|workspace| workspace.has_lock);
    let members = workspace.map_or(&[][..], |workspace| workspace.members.as_slice());
    ProjectFacts { dir: &project.dir, pyproject: project.pyproject.as_ref(), members: Some(members) }
}

fn no_lock(project: &Project) -> Error {
    Error::usage(format!("{} has no lock file", project.name))
        .because("images are built from what a lock file pins, so that they can be reproduced")
        .hint(words!("run {}, or `{lock}` to make a pylock.toml", locker(project.tool), lock = Command::LOCK))
}

/// What is typed to make a lock, in the project's own tool where that has locks.
fn locker(tool: Tool) -> &'static str {
    match tool {
        Tool::Poetry => "`poetry lock`",
        Tool::Uv => "`uv lock`",
        Tool::Pdm => "`pdm lock`",
        _ => "`uv lock`, `poetry lock` or `pdm lock`",
    }
}
