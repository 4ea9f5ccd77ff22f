//! `containerize lock` for a project that nothing locks, or not whole.

use std::path::{Path, PathBuf};

use super::builds::indexes;
use super::interpreter::oldest;
use super::wanted::Wanted;
use crate::error::Result;
use crate::event::Events;
use crate::python::Project;
use crate::python::build::{LockRequest, make_lock};
use crate::python::host::Host;
use crate::python::lock::{self, Lock, LockKind};
use crate::story::request::Request;

/// The file that a `pylock.toml` may complete.
const REQUIREMENTS: &str = "requirements.txt";

/// What there is to lock of a project.
enum Unlocked {
    /// Nothing: this file does.
    Locked(PathBuf),
    /// Nothing is needed.
    Nothing,
    /// What it needs, with what a requirements file pins of that.
    Open(Option<Box<Lock>>),
}

fn unlocked(request: &Request, project: &Project) -> Result<Unlocked> {
    let found = lock::find(&project.dir, project.pyproject.as_ref())?;
    let pins = |path: &Path| lock::read_with(path, LockKind::Requirements, &request.variables);
    Ok(match found {
        None if !project.needs_lock() => Unlocked::Nothing,
        None => Unlocked::Open(None),
        Some(found) if found.kind == LockKind::Requirements => match pins(&found.path) {
            Ok(lock) if lock.resolved => Unlocked::Locked(found.path),
            // It may pin what the project names, and not what that needs.
            Ok(lock) => Unlocked::Open(Some(Box::new(lock))),
            Err(_) => Unlocked::Open(None),
        },
        // One that `containerize lock` made is made again from the same files; another tool's is kept.
        Some(found) if found.kind == LockKind::Pylock => {
            let (made, resolved) = match lock::read(&found.path, found.kind) {
                Ok(lock) => (lock.made, lock.resolved),
                Err(_) => (None, false),
            };
            if made.is_none() && resolved {
                return Ok(Unlocked::Locked(found.path));
            }
            let completes = made.is_some_and(|made| made.from.iter().any(|file| file == REQUIREMENTS));
            let pins = completes.then(|| pins(&project.dir.join(REQUIREMENTS)).ok()).flatten();
            Unlocked::Open(pins.map(Box::new))
        }
        Some(found) => Unlocked::Locked(found.path),
    })
}

/// Makes a `pylock.toml` where the project has nothing that pins all that it needs.
///
/// # Errors
/// As [`make_lock`].
pub(super) async fn lock_if_needed(
    request: &Request,
    project: &Project,
    wanted: &Wanted,
    events: &Events,
) -> Result<()> {
    let stays = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        events.note(format!("{name} already locks {}, and stays as it is", project.name));
    };
    let pins = match unlocked(request, project)? {
        Unlocked::Nothing => return Ok(()),
        Unlocked::Locked(path) => {
            stays(&path);
            return Ok(());
        }
        Unlocked::Open(pins) => pins,
    };
    if wanted.differ {
        events.note("a pylock.toml cannot tell the images' extras and groups apart, so each image gets all of them; uv.lock can");
    }
    let options = indexes(request, project, pins.as_deref())?;
    let asked = LockRequest {
        dir: &project.dir,
        extras: &wanted.extras,
        groups: &wanted.groups,
        pins: pins.as_deref(),
        python: wanted.python,
        interpreter: wanted.interpreter.as_deref(),
        oldest: oldest(project),
        indexes: &options,
        offline: request.locking.is_offline(),
    };
    match make_lock(&Host::find(&request.variables, &project.dir), asked, events).await? {
        Some(locked) => {
            events
                .step("Locked", format!("{} packages in pylock.toml, with {}", locked.packages, locked.tool));
        }
        None => pins.iter().for_each(|lock| stays(&lock.path)),
    }
    Ok(())
}
