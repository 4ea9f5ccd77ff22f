//! Wheels that are fetched while the base is still read. Its interpreter decides which they are, and mostly its name tells
//! enough of that.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::draft::{Draft, DraftImage};
use super::form::Form;
use super::interpreter::SLIM;
use super::resolve::{Resolved, form};
use super::wanted::of_base;
use crate::error::Result;
use crate::oci::{Digest, Platform};
use crate::plan::base_for;
use crate::python::index::Downloader;
use crate::python::{DistFile, Interpreter, Libc, Package, PythonVersion, Tags, lock};
use crate::story::supply::known_size;
use crate::story::workshop::{Bases, Workshop};

/// The C library of Python's images on Alpine.
const ALPINE: Libc = Libc::Musl { major: 1, minor: 2 };

/// Bases that are known are open sooner.
const SOON: Duration = Duration::from_millis(50);

/// So many wheels are fetched at once.
const AT_ONCE: usize = 16;

/// Downloads that have begun. Dropping it ends them.
#[derive(Default)]
pub(super) struct Ahead {
    tasks: BTreeMap<Digest, JoinHandle<()>>,
}

impl Ahead {
    /// Opens bases, and where that takes its time begins to fetch the wheels that the images will probably hold. A wrong
    /// guess, or a file that cannot be fetched, is not an error: whoever needs a wheel asks for it again.
    ///
    /// # Errors
    /// Those of `opening`.
    pub(super) async fn while_opening(
        drafts: &[Draft],
        workshop: &Workshop<'_>,
        opening: impl Future<Output = Result<Bases>>,
    ) -> Result<(Bases, Self)> {
        let mut opening = pin!(opening);
        let is_known = tokio::time::timeout(SOON, &mut opening).await;
        match is_known {
            Ok(bases) => Ok((bases?, Self::default())),
            Err(_) => {
                let ahead = tokio::task::block_in_place(|| Self::begin(drafts, workshop));
                Ok((opening.await?, ahead))
            }
        }
    }

    fn begin(drafts: &[Draft], workshop: &Workshop<'_>) -> Self {
        let request = workshop.request;
        // What was found tells the layers of most wheels.
        if request.dry_run || request.locking.is_offline() || workshop.remote.has_any() {
            return Self::default();
        }
        let mut wanted: BTreeMap<Digest, (Downloader, Package, DistFile)> = BTreeMap::new();
        for draft in drafts {
            let images = draft.images.iter();
            let each = images.flat_map(|image| image.settings.platforms.iter().map(move |p| (image, p)));
            for (image, platform) in each {
                let found = guess(draft, image, platform).ok().flatten().unwrap_or_default();
                let downloads = &draft.tools.downloads;
                wanted.extend(found.into_iter().filter_map(|(package, file)| {
                    Some((file.sha256()?, (downloads.clone(), package, file)))
                }));
            }
        }
        // Where the layer is known nobody asks for the wheel.
        wanted.retain(|digest, _| known_size(workshop.store, digest).is_none());
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let begin = |(digest, (downloads, package, file)): (Digest, (Downloader, Package, DistFile))| {
            let permits = permits.clone();
            let fetch = async move {
                let _permit = permits.acquire().await;
                if let Err(error) = downloads.fetch(&package, &file).await {
                    tracing::debug!(%error, file = file.filename, "not fetched ahead");
                }
            };
            (digest, tokio::spawn(fetch))
        };
        let mut wanted: Vec<_> = wanted.into_iter().collect();
        wanted.sort_by_key(|(_, (_, _, file))| std::cmp::Reverse(file.size));
        Self { tasks: wanted.into_iter().map(begin).collect() }
    }

    /// Ends what turned out not to be needed.
    pub(super) fn keep<'r>(&mut self, resolved: impl Iterator<Item = &'r Resolved>) {
        let chosen = resolved.flat_map(|resolved| resolved.environments.iter().flatten());
        let needed: BTreeSet<Digest> = chosen
            .filter_map(|chosen| match &chosen.form {
                Form::Wheel(file) => file.sha256(),
                Form::Archive(_) | Form::Source => None,
            })
            .collect();
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
