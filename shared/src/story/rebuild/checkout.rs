//! The source that an image was built from: checked out already, or cloned for the occasion.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::inputs::Source;
use crate::error::{Error, Result};
use crate::event::Events;
use crate::store::scratch;
use crate::story::request::Request;
use crate::story::revision;
use crate::system::repository_of;
use crate::vcs::{self, Question, Revision};
use crate::words;
use crate::words::flag;

/// Where the source is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the folder of the call.
    Here,
    /// In this folder.
    Folder(PathBuf),
    /// Where the provenance says, as somebody has signed it.
    Recorded,
    /// In the repository with this address.
    Repository(String),
}

/// The source, checked out.
pub(super) struct Checkout {
    /// The root of its repository; without one the project's folder.
    pub(super) root: PathBuf,
    pub(super) revision: Option<Revision>,
    /// Where it was cloned to.
    _clone: Option<TempDir>,
}

/// Finds the source of the image `shown`, or clones it.
///
/// # Errors
/// Usage: it is another revision, or has changes. Integrity: the provenance does not say where it is. Build, when it
/// cannot be cloned.
pub(super) fn checkout(
    source: &Source,
    place: &Place,
    shown: &str,
    request: &Request,
    events: &Events,
) -> Result<Checkout> {
    let Some(commit) = &source.commit else { return without_commit(place, shown, request, events) };
    match place {
        Place::Here => at(&request.dir, commit, shown, request, events),
        Place::Folder(dir) => at(&request.dir.join(dir), commit, shown, request, events),
        Place::Repository(address) => clone(address, commit, events),
        Place::Recorded => match &source.address {
            Some(address) => clone(address, commit, events),
            None => {
                Err(Error::integrity(format!("the provenance of {shown} does not record its repository"))
                    .hint(words!("give the address with {}", flag("fetch").of("URL"))))
            }
        },
    }
}

/// A project outside of any repository: whoever names a folder says that it is the one.
fn without_commit(place: &Place, shown: &str, request: &Request, events: &Events) -> Result<Checkout> {
    let Place::Folder(dir) = place else {
        return Err(Error::integrity(format!("the provenance of {shown} does not record a commit")).hint(
            words!(
                "to compare it with the project in a folder, give that with {}",
                flag("project").of("DIR")
            ),
        ));
    };
    events.note(format!(
        "the commit that {shown} was built from is not recorded; comparing it with {}",
        dir.display()
    ));
    Ok(Checkout { root: request.dir.join(dir), revision: None, _clone: None })
}

fn at(dir: &Path, commit: &str, shown: &str, request: &Request, events: &Events) -> Result<Checkout> {
    let here = dir.display();
    let how = || {
        words!(
            "check out {commit} and give its folder with {}, or let it be cloned with {}",
            flag("project").of("DIR"),
            flag("fetch")
        )
    };
    let root = dir.canonicalize().ok().and_then(|dir| repository_of(&dir).map(Path::to_owned));
    let root = root.ok_or_else(|| {
        Error::usage(format!("{here} is not in a git repository, but {shown} was built from commit {commit}"))
            .hint(how())
    })?;
    let found = revision::answer(Question::ask(&root), request, &[], events);
    let found = found
        .ok_or_else(|| Error::usage(format!("git cannot tell which commit {here} is at")).hint(how()))?;
    if found.commit != commit {
        let text = format!("{here} is at commit {}, but {shown} was built from {commit}", found.commit);
        return Err(Error::usage(text).hint(how()));
    }
    if found.dirty {
        let text = format!("{here} has uncommitted changes, but {shown} was built from commit {commit}");
        let hint =
            format!("`git worktree add DIR {commit}` makes a folder without them; give it with -C DIR");
        return Err(Error::usage(text).hint(hint));
    }
    Ok(Checkout { root, revision: Some(found), _clone: None })
}

fn clone(address: &str, commit: &str, events: &Events) -> Result<Checkout> {
    let folder = scratch::folder()?;
    let root = folder.path().join("source");
    events.step("Cloning", address.to_owned());
    vcs::clone(address, commit, &root)?;
    // Not every build needs them; one that does says what is missing.
    if let Err(error) = vcs::clone_submodules(address, &root) {
        events.warn(error.in_a_line());
    }
    let revision = Question::ask(&root).answer(&|_| false).revision;
    Ok(Checkout { root, revision, _clone: Some(folder) })
}
