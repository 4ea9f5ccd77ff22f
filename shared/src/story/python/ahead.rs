//! Wheels that are fetched while the base is still read. Its interpreter decides which they are, and mostly its name tells
//! enough of that.

use std::collections::BTreeMap;

use tokio::task::JoinHandle;

use super::draft::{Draft, DraftImage};
use super::form::Form;
use super::interpreter::SLIM;
use super::resolve::{Resolved, form};
use super::wanted::of_base;
use crate::error::Result;
use crate::oci::{Digest, Platform};
use crate::plan::base_for;
use crate::python::{DistFile, Interpreter, Libc, Package, PythonVersion, Tags, lock};
use crate::story::supply::known_size;
use crate::story::workshop::Workshop;

/// The C library of Python's images on Alpine.
const ALPINE: Libc = Libc::Musl { major: 1, minor: 2 };

/// Downloads that have begun. Dropping it ends them.
pub(super) struct Ahead {
    tasks: BTreeMap<Digest, JoinHandle<()>>,
}

impl Ahead {
    /// Begins to fetch the wheels that the images of a project will probably hold. A guess that is wrong, or a file that
    /// cannot be had, is no error: whoever needs a wheel asks for it again.
    pub(super) fn begin(draft: &Draft, workshop: &Workshop<'_>) -> Self {
        let mut wanted: BTreeMap<Digest, (Package, DistFile)> = BTreeMap::new();
        if !workshop.request.dry_run && !workshop.request.locking.is_offline() {
            for image in &draft.images {
                for platform in &image.settings.platforms {
                    let found = guess(draft, image, platform).ok().flatten().unwrap_or_default();
                    let with_digest =
                        |(package, file): (Package, DistFile)| Some((file.sha256()?, (package, file)));
                    wanted.extend(found.into_iter().filter_map(with_digest));
                }
            }
        }
        // Where the layer is known nobody asks for the wheel.
        wanted.retain(|digest, _| known_size(workshop.store, digest).is_none());
        let begin = |(digest, (package, file)): (Digest, (Package, DistFile))| {
            let downloads = draft.tools.downloads.clone();
            let fetch = async move {
                if let Err(error) = downloads.fetch(&package, &file).await {
                    tracing::debug!(%error, file = file.filename, "not fetched ahead");
                }
            };
            (digest, tokio::spawn(fetch))
        };
        Self { tasks: wanted.into_iter().map(begin).collect() }
    }

    /// Ends what turned out not to be needed.
    pub(super) fn keep(&mut self, resolved: &Resolved) {
        let needed = resolved.environments.iter().flatten().filter_map(|chosen| match &chosen.form {
            Form::Wheel(file) => file.sha256(),
            Form::Archive(_) | Form::Source => None,
        });
        let needed: Vec<Digest> = needed.collect();
        self.tasks.retain(|digest, task| {
            let is_needed = needed.contains(digest);
            if !is_needed {
                task.abort();
            }
            is_needed
        });
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.tasks.values().for_each(JoinHandle::abort);
    }
}

/// The wheels of an image, if its interpreter is what the base's name says.
fn guess(draft: &Draft, image: &DraftImage, platform: &Platform) -> Result<Option<Vec<(Package, DistFile)>>> {
    let settings = &image.settings;
    let name = base_for(settings, platform)?;
    let (Some(lock), Some(version)) = (&draft.lock, of_base(name)) else { return Ok(None) };
    if draft.bundled(settings)?.is_some() {
        return Ok(None);
    }
    let interpreter = Interpreter {
        path: "/usr/local/bin/python3".into(),
        version: PythonVersion { micro: 99, ..version },
        libc: if name.contains("alpine") { ALPINE } else { SLIM },
        platform: platform.clone(),
    };
    let (tags, policy) = (Tags::of(&interpreter), draft.policy(settings)?);
    let mut found = Vec::new();
    for package in lock::select(lock, &draft.selection(settings)?, &interpreter)? {
        // A lock without names of files leaves them to the index, which is asked later.
        let is_named = package.files.iter().any(|file| !file.filename.is_empty());
        if is_named && let Form::Wheel(file) = form(&package, &package.files, &tags, &policy, &interpreter)? {
            found.push((package, file));
        }
    }
    Ok(Some(found))
}
