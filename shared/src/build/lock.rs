//! `containerize lock`: looking up what the names of the bases mean now, and keeping it.

use std::collections::BTreeMap;

use super::make::{Maker, each};
use super::{Outcome, Request, deliver, prepare};
use crate::base::lock::{BaseLock, FILE};
use crate::base::spec::BaseSpec;
use crate::error::{Error, Result};
use crate::event::Events;
use crate::oci::{Digest, Reference};
use crate::plan::Plan;
use crate::registry::Client;
use crate::store::Store;

/// Pins the bases of all images that `request` means, and which are in registries and named
/// without a digest, to what their names mean now. Other bases in the file stay pinned: other
/// calls may mean them.
///
/// # Errors
/// When a base is not there or has no image for a planned platform; the file is then as before.
pub async fn lock(request: Request, events: &Events) -> Result<Outcome> {
    if request.locking.is_locked() {
        return Err(Error::usage("--locked forbids what `lock` is for").hint("leave --locked out"));
    }
    let (project, _, plan) = prepare(&request, events)?;
    if request.dry_run {
        return Ok(Outcome::Planned(plan));
    }
    let path = project.workspace_root.join(FILE);
    let store = Store::open(&request.cache_dir)?;
    let credentials = deliver::credentials(&request, &plan)?;
    let client = Client::new(request.registry.clone(), credentials, events.clone())?;
    let mut lock = BaseLock::read(&path)?;
    let mut found = BTreeMap::<Reference, Digest>::new();
    for reference in names(&plan)? {
        events.step("Locking", reference.to_string());
        let digest = crate::base::look_up(&client, &store, &reference).await?.digest;
        lock.insert(&reference, digest);
        found.insert(reference, digest);
    }
    let maker =
        Maker { request: &request, project: &project, store: &store, client: &client, lock: &lock, events };
    for (image, platform) in each(&plan) {
        let spec: BaseSpec = platform.base.parse()?;
        if matches!(spec, BaseSpec::Registry(_)) {
            maker.opener(image).open(&spec, &platform.platform).await?;
        }
    }
    if found.is_empty() {
        events.note("no base is in a registry and named without a digest: there is nothing to lock");
    } else {
        lock.write(&path)?;
    }
    store.evict(request.cache_size);
    Ok(Outcome::Locked(found.into_iter().map(|(name, digest)| (name.to_string(), digest)).collect()))
}

/// The bases of the plan that can be pinned, each once.
fn names(plan: &Plan) -> Result<Vec<Reference>> {
    let mut names = Vec::new();
    for (_, platform) in each(plan) {
        if let BaseSpec::Registry(reference) = platform.base.parse()?
            && reference.digest.is_none()
            && !names.contains(&reference)
        {
            names.push(reference);
        }
    }
    Ok(names)
}
