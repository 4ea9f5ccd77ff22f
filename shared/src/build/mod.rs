//! The story of a build, on one screen: what the project says, what is planned, what is built,
//! packed, put together and delivered.

mod deliver;
mod hooks;
mod images;
mod layers;
mod lock;
mod make;
mod merge;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use deliver::{Delivered, PlatformResult};
pub use lock::lock;
pub use merge::merge;

use crate::base::{self, lock::BaseLock};
use crate::cargo::{self, Cargo, Locking, Project};
use crate::config::Partial;
use crate::error::{Error, Kind, Result};
use crate::event::Events;
use crate::http;
use crate::oci::Digest;
use crate::plan::Plan;
use crate::registry::{self, Client, Credentials};
use crate::sink::{Daemon, Output};
use crate::store::Store;
use crate::vcs::{self, Revision};

/// Everything that a call says. The library reads neither flags nor the environment itself.
pub struct Request {
    /// The cargo to use, with the folder and environment of the call.
    pub cargo: Cargo,
    /// `--manifest-path`.
    pub manifest_path: Option<PathBuf>,
    /// `-p`, `--workspace`, `--exclude`.
    pub scope: cargo::select::Scope,
    /// `--features` and its like.
    pub features: cargo::build::Features,
    /// `--locked`, `--offline`, `--frozen`.
    pub locking: Locking,
    /// `--target-dir`.
    pub target_dir: Option<PathBuf>,
    /// `--config`: a TOML file.
    pub config_file: Option<PathBuf>,
    /// The environment's variables that are Unicode.
    pub variables: BTreeMap<String, String>,
    /// The keys that flags set.
    pub flags: Partial,
    /// `--output`; empty for the default, unless the image goes elsewhere.
    pub outputs: Vec<Output>,
    /// `--push`.
    pub push: bool,
    /// `--load`.
    pub load: Vec<Daemon>,
    /// `--dry-run`: plan and stop.
    pub dry_run: bool,
    /// Whether layers made before may be taken from the cache.
    pub use_cache: bool,
    /// The cache's folder.
    pub cache_dir: PathBuf,
    /// The size in bytes that the cache is cut down to after a build.
    pub cache_size: u64,
    /// `--jobs`, for cargo and for compressing.
    pub jobs: Option<usize>,
    /// Whether cargo is told to be quiet.
    pub quiet: bool,
    /// How registries are spoken to.
    pub registry: registry::Options,
    /// Who we are to registries.
    pub credentials: Credentials,
    /// `--username` or `CONTAINERIZE_USERNAME` and its password, for the one registry that the call speaks to.
    pub login: Option<Login>,
}

/// A name and a password given in the call.
pub struct Login {
    /// The name.
    pub username: String,
    /// The password.
    pub password: http::Secret,
    /// What said so: `--username`, or the name of a variable.
    pub source: &'static str,
}

/// What came of a call.
#[derive(Debug)]
pub enum Outcome {
    /// The plan, for `--dry-run`.
    Planned(Plan),
    /// The images, where they are now.
    Built(Vec<Delivered>),
    /// The bases that are pinned now, by name, for [`lock`].
    Locked(BTreeMap<String, Digest>),
}

/// Plans, builds, packs and delivers the images that `request` means.
///
/// # Errors
/// With the kind that the program's exit code shows. Nothing is delivered by halves: names in
/// registries and layouts change only when all that they lead to is there.
pub async fn run(request: Request, events: &Events) -> Result<Outcome> {
    let (project, places, plan) = prepare(&request, events)?;
    deliver::check(&request, &plan)?;
    if request.dry_run {
        return Ok(Outcome::Planned(plan));
    }
    let credentials = deliver::credentials(&request, &plan)?;
    let hooks = places.hooks(&project, &plan)?;
    plan.images.iter().for_each(|image| events.step("Planned", image.summary()));
    for (dir, hooks) in &hooks {
        hooks::run(&hooks.pre, dir, &hooks::variables(&[]), events)?;
    }

    let store = Store::open(&request.cache_dir)?;
    let client = Client::new(request.registry.clone(), credentials, events.clone())?;
    let lock = BaseLock::read(&project.workspace_root.join(base::lock::FILE))?;
    let maker = make::Maker {
        request: &request,
        project: &project,
        store: &store,
        client: &client,
        lock: &lock,
        events,
    };
    let mut delivered = deliver::make_and_deliver(&maker, &plan).await;
    if let Err(error) = &delivered
        && error.kind() == Kind::Integrity
        && tokio::task::block_in_place(|| store.remove_damaged()) > 0
    {
        events.note("something in the cache was damaged; it is made or fetched anew");
        delivered = deliver::make_and_deliver(&maker, &plan).await;
    }
    store.evict(request.cache_size);
    let delivered = delivered?;

    for (dir, hooks) in &hooks {
        hooks::run(&hooks.post, dir, &hooks::variables(&delivered), events)?;
    }
    Ok(Outcome::Built(delivered))
}

/// What is the same for all that is done with a project: reading it, and planning.
fn prepare(request: &Request, events: &Events) -> Result<(Project, images::Places, Plan)> {
    let (project, revision) = read(request)?;
    let places = images::Places::read(request, &project, events)?;
    let plan = images::plan(request, &project, &places, revision.as_ref(), events)?;
    Ok((project, places, plan))
}

/// Asks cargo and git at the same time: together they are most of what a build without changes
/// costs.
fn read(request: &Request) -> Result<(Project, Option<Revision>)> {
    let manifest = request.manifest_path.as_ref().map(|path| request.cargo.dir().join(path));
    let dir = manifest.as_ref().and_then(|path| path.parent()).unwrap_or(request.cargo.dir());
    std::thread::scope(|scope| {
        let revision = scope.spawn(|| if dir.is_dir() { vcs::describe(dir) } else { Ok(None) });
        // What is wrong with the project is said first.
        let project = Project::read(&request.cargo, request.manifest_path.as_deref(), request.locking)?;
        let revision = revision.join().map_err(|_| Error::bug("asking git panicked"))?;
        Ok((project, revision?))
    })
}
