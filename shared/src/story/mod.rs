//! The story of a build, on one screen: what the project says, what is planned, what is built,
//! packed, put together and delivered.

mod about;
mod attempt;
mod attest;
mod bill;
mod brought;
mod called;
mod debian;
mod deliver;
mod early;
mod hang;
mod hooks;
mod ingredients;
mod inspect;
mod language;
mod layers;
mod lock;
mod merge;
mod moved;
mod native;
mod outcome;
mod pack;
mod parallel;
mod permission;
mod places;
mod policy;
mod preflight;
mod provenance;
mod publish;
mod python;
mod rebase;
mod rebuild;
mod recipe;
mod remote;
mod request;
mod revision;
mod rust;
mod sign;
mod signed;
mod stated;
mod supply;
mod upload;
mod user;
mod verify;
mod vouched;
mod workshop;

pub use attest::{Attested, NamedFile, VerifiedFiles, attest, verify_files};
pub use language::{Language, project_in};
pub use lock::lock;
pub use merge::merge;
pub use moved::{Moved, MovedBase, MovedPackages, MovedPlatform, PackageChange, VersionChange};
pub use outcome::{Delivered, Loaded, Locked, Outcome, Pinning, PlatformResult};
pub use policy::{Judge, Judged};
pub use preflight::{Checked, Examiner};
pub use publish::{Published, publish};
pub use rebase::{
    Broken, Fact, Fleet, FleetImage, Judgement, PlatformRebased, Rebased, Rebaser, rebase, rebase_all,
};
pub use rebuild::{
    Bytes, Cause, Change, Difference, Entry, Field, Input, LayerDifference, OnlyIn, Place, Rebuilder,
    Rebuilt, Side, SourcePlace, Within,
};
pub use request::{GroupChanges, Login, Repeat, Request, RustCall};
pub use signed::Attestation;
pub use verify::{Verified, Verifier};

use self::policy::gate::{Gates, Refusal};
use crate::base::lock::{BaseLock, FILE};
use crate::base::spec::BaseSpec;
use crate::error::Result;
use crate::event::Events;
use crate::registry::Client;
use crate::store::Store;
use attempt::Progress;
use permission::Permission;
use recipe::{Purpose, Recipe};
use remote::RemoteCache;
use sign::{Desk, Signers};
use workshop::Workshop;

/// Plans, builds, packs and delivers the images that `request` means.
///
/// # Errors
/// With the kind that the program's exit code shows. Nothing is delivered by halves: names in
/// registries and layouts change only when all that they lead to is there.
pub async fn run(request: Request, events: &Events) -> Result<Outcome> {
    let language = language::of(&request)?;
    let outcome = match language {
        Language::Rust => tell::<rust::Crates>(&request, events).await,
        Language::Python => tell::<python::Projects>(&request, events).await,
    };
    outcome.map_err(|error| language::with_way_out(error, language, &request))
}

/// Builds an image again from the inputs that its provenance records, and compares the two bit for bit.
///
/// # Errors
/// Integrity: what it takes is not recorded. Usage: the source is another one. Others when it cannot be built.
pub async fn rebuild(rebuilder: Rebuilder<'_>, image: &BaseSpec) -> Result<Rebuilt> {
    rebuilder.rebuild(image, async |request| Box::pin(run(request, rebuilder.events)).await).await
}

/// The story, whatever kind of project it is about.
async fn tell<R: Recipe>(request: &Request, events: &Events) -> Result<Outcome> {
    let mut store = Store::open(&request.cache_dir)?.telling(events);
    if request.repeats.is_some() {
        store = store.believing_nothing();
    }
    let recipe = R::read(request, &store, events, Purpose::Images).await?;
    let hooks = recipe.hooks();
    early::check(request, &recipe.early(), &hooks, &recipe.results())?;
    let early = recipe.early();
    let signing = early.iter().map(|image| &image.settings.attest);
    let signing = signing.filter(|_| hang::signs(request));
    let gates = &policy::gate::check(request, recipe.dir(), early.iter().map(|image| image.settings))?;
    let credentials = deliver::credentials(request, &recipe.references(), &recipe.wishes()?)?;
    let client = Client::new(request.registry.clone(), credentials, events.clone())?;
    let signers = Signers::of(request, recipe.dir(), signing, client.http())?;
    let (mut lock, dir) = (BaseLock::read(&recipe.dir().join(FILE))?, recipe.dir());
    for (reference, platform, digest) in request.repeats.iter().flat_map(|repeat| &repeat.bases) {
        lock.pin(reference, platform, *digest);
    }
    let remote =
        &RemoteCache::of(request, dir, early.iter().map(|image| image.settings), &recipe.references())?;
    let (store, client, lock, signers) = (&store, &client, &lock, &signers);
    if let Ok(signer) = signers.only() {
        remote.borrow(Desk { request, dir, store, client, events }, signer).await;
    }
    let permission = &match request.dry_run || remote.is_found() {
        true => Permission::default(),
        false => Permission::ask(request, client, store, &recipe.references()),
    };
    let workshop = Workshop { request, store, client, lock, signers, remote, permission, dir, events };
    let told = permission.beside(async {
        if !request.dry_run {
            early::check_engines(request, store)?;
        }
        let once = async |progress: &Progress| build(&recipe, (&hooks, gates), &workshop, progress).await;
        attempt::with_loan(&workshop, &recipe.references(), once).await
    });
    let told = told.await?;
    let is_wanted = request.repeats.is_none() && !request.is_trial;
    if let (Outcome::Built(delivered), true) = (&told, is_wanted) {
        hooks::after(&hooks, delivered, |hooks, image| recipe.concerns(hooks, image), events)?;
    }
    Ok(told)
}

/// Builds what was read. The commands before it are run once.
async fn build<R: Recipe>(
    recipe: &R,
    (hooks, gates): (&hooks::Planned, &Gates),
    workshop: &Workshop<'_>,
    progress: &Progress,
) -> Result<Outcome> {
    let events = workshop.events;
    let decided = recipe.decide(workshop).await?;
    if workshop.request.dry_run {
        recipe.tell_more(&decided, workshop)?;
        return Ok(Outcome::Planned(R::plan(&decided).clone()));
    }
    R::plan(&decided).images.iter().for_each(|image| events.step("Planned", image.summary()));
    if hooks::are_before(hooks) {
        workshop.permission.given().await?;
    }
    progress.once(|| hooks::before(hooks, events))?;
    let decided = recipe.settle(decided, workshop).await?;
    let make = async || {
        progress.note_commands(true);
        let made = recipe.make(&decided, workshop).await?;
        progress.note_commands(false);
        let judged = policy::gate::judge(gates, workshop, R::plan(&decided), &made).await;
        judged.map_err(|Refusal { error, is_settled }| {
            if is_settled {
                progress.settle();
            }
            error
        })?;
        Ok(made)
    };
    let delivered = deliver::finish(workshop, R::plan(&decided), &recipe.default_output(), make).await?;
    Ok(Outcome::Built(delivered))
}
