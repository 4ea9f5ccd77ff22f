//! Wheels that are fetched while the base is still read, and become layers meanwhile. Its interpreter decides which they are,
//! and mostly its name tells enough of that.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};

use super::draft::Draft;
use super::foreseen::{Foreseen, press};
use super::form::Form;
use super::resolve::Resolved;
use super::wheel_layers::Pressed;
use crate::error::Result;
use crate::layer::Press;
use crate::oci::Digest;
use crate::python::index::{Downloader, Fetched};
use crate::python::{DistFile, Package};
use crate::story::supply::known_size;
use crate::story::workshop::{Bases, Workshop};

/// Bases that are known are open sooner.
const SOON: Duration = Duration::from_millis(50);

/// So many wheels are fetched at once.
const AT_ONCE: usize = 16;

/// Downloads that have begun, and layers that were made. Dropping it ends the downloads.
#[derive(Default)]
pub(super) struct Ahead {
    tasks: BTreeMap<Digest, JoinHandle<()>>,
    layers: Pressed,
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
                let (mut ahead, making) = tokio::task::block_in_place(|| Self::begin(drafts, workshop));
                let bases = opening.await?;
                ahead.layers = making.end().await;
                Ok((bases, ahead))
            }
        }
    }

    fn begin(drafts: &[Draft], workshop: &Workshop<'_>) -> (Self, Making) {
        let request = workshop.request;
        // What was found tells the layers of most wheels.
        if request.dry_run || request.locking.is_offline() || workshop.remote.has_any() {
            return Default::default();
        }
        let mut environments = Vec::new();
        let mut wanted: BTreeMap<Digest, (Downloader, Package, DistFile)> = BTreeMap::new();
        for draft in drafts {
            let images = draft.images.iter();
            let each = images.flat_map(|image| image.settings.platforms.iter().map(move |p| (image, p)));
            for (image, platform) in each {
                let Some(environment) = Foreseen::of(draft, image, platform).ok().flatten() else { continue };
                let downloads = &draft.tools.downloads;
                wanted.extend(environment.wheels().filter_map(|(package, file)| {
                    Some((file.sha256()?, (downloads.clone(), package.clone(), file.clone())))
                }));
                environments.push(environment);
            }
        }
        // Where the layer is known nobody asks for the wheel.
        wanted.retain(|digest, _| known_size(workshop.store, digest).is_none());
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let (tell, arrivals) = mpsc::channel();
        let begin = |(digest, (downloads, package, file)): (Digest, (Downloader, Package, DistFile))| {
            let (permits, tell) = (permits.clone(), tell.clone());
            let fetch = async move {
                let _permit = permits.acquire().await;
                match downloads.fetch(&package, &file).await {
                    // Nobody may be there to hear it.
                    Ok(fetched) => drop(tell.send(fetched)),
                    Err(error) => tracing::debug!(%error, file = file.filename, "not fetched ahead"),
                }
            };
            (digest, tokio::spawn(fetch))
        };
        let mut wanted: Vec<_> = wanted.into_iter().collect();
        wanted.sort_by_key(|(_, (_, _, file))| std::cmp::Reverse(file.size));
        let tasks = wanted.into_iter().map(begin).collect();
        let making = match workshop.believes_layers() {
            true => Making::begin(environments, arrivals, workshop),
            false => Making::default(),
        };
        (Self { tasks, layers: Pressed::new() }, making)
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

    /// Layers that were made, of whatever environment.
    pub(super) fn layers(&self) -> &Pressed {
        &self.layers
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.tasks.values().for_each(JoinHandle::abort);
    }
}

/// A thread that makes layers. Once this is dropped it begins no further one.
#[derive(Default)]
struct Making {
    is_open: Arc<AtomicBool>,
    thread: Option<JoinHandle<Pressed>>,
}

impl Making {
    fn begin(environments: Vec<Foreseen>, arrivals: Receiver<Fetched>, workshop: &Workshop<'_>) -> Self {
        let is_open = Arc::new(AtomicBool::new(false));
        let (store, events) = (workshop.store.clone(), workshop.events.clone());
        let Press { jobs, use_memo, .. } = workshop.press();
        let seen = is_open.clone();
        let thread = spawn_blocking(move || {
            let with = Press { store: &store, jobs, use_memo, events: &events };
            press(&environments, &arrivals, &seen, with)
        });
        Self { is_open, thread: Some(thread) }
    }

    /// The layers that were made, once the one that is being made is.
    async fn end(mut self) -> Pressed {
        self.is_open.store(true, Ordering::Relaxed);
        match self.thread.take() {
            Some(thread) => thread.await.unwrap_or_default(),
            None => Pressed::new(),
        }
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        self.is_open.store(true, Ordering::Relaxed);
    }
}
