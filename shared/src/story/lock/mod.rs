//! `containerize lock`: looking up what the names of the bases mean now, and which Debian packages
//! go on top of them, and keeping it.

mod compare;

use std::collections::BTreeMap;
use std::path::Path;

use super::language::{self, Language};
use super::outcome::{Locked, Outcome, Pinning};
use super::permission::Permission;
use super::recipe::{Purpose, Recipe};
use super::remote::RemoteCache;
use super::request::Request;
use super::sign::Signers;
use super::workshop::{BaseWish, Workshop};
use super::{deliver, python, rust};
use crate::base::lock::{BaseLock, FILE, LockedPackages};
use crate::base::spec::BaseSpec;
use crate::error::{Error, Kind, Result};
use crate::event::Events;
use crate::interrupt;
use crate::oci::{Digest, Reference};
use crate::registry::Client;
use crate::store::{LockFile, Store};
use crate::words;
use crate::words::flag;

/// Pins the bases of all images that `request` means, and which are in registries and named
/// without a digest, to what their names mean now. Other bases in the file stay pinned: other
/// calls may mean them.
///
/// # Errors
/// When a base is not there or has no image for a planned platform; the file is then as before.
pub async fn lock(request: Request, pinning: Pinning, events: &Events) -> Result<Outcome> {
    if request.locking.is_locked() {
        return Err(Error::usage(words!("`lock` cannot be combined with {locked}", locked = flag("locked")))
            .hint(words!("remove {locked}", locked = flag("locked"))));
    }
    if request.dry_run {
        return super::run(request, events).await;
    }
    match language::of(&request)? {
        Language::Rust => pin::<rust::Crates>(&request, pinning, events).await,
        Language::Python => pin::<python::Projects>(&request, pinning, events).await,
    }
}

async fn pin<R: Recipe>(request: &Request, pinning: Pinning, events: &Events) -> Result<Outcome> {
    let store = Store::open(&request.cache_dir)?.telling(events);
    let purpose = if pinning == Pinning::Check { Purpose::Compare } else { Purpose::Lock };
    let recipe = R::read(request, &store, events, purpose).await?;
    let (dir, mut wishes, unnamed) = (recipe.dir(), recipe.wishes()?, recipe.unnamed_bases()?);
    let path = dir.join(FILE);
    let credentials = deliver::credentials(request, &[], &wishes)?;
    let client = Client::new(request.registry.clone(), credentials, events.clone())?;
    let before = BaseLock::read(&path)?;
    let mut lock = before.clone();
    let mut found = BTreeMap::<Reference, Digest>::new();
    for reference in names(&wishes)? {
        events.step("Locking", reference.to_string());
        let digest = match crate::base::look_up(&client, &store, &reference).await {
            Ok(found) => found.digest,
            // Nobody may mean it: the settings that name another one are not always at hand.
            Err(error)
                if error.kind() == Kind::Network && unnamed.iter().any(|name| means(name, &reference)) =>
            {
                events.warn(format!("the default base {reference} is not pinned: {}", why(&error)));
                wishes.retain(|wish| !means(&wish.name, &reference));
                continue;
            }
            Err(error) => return Err(error),
        };
        lock.insert(&reference, digest);
        found.insert(reference, digest);
    }
    let signers = &Signers::default();
    let (remote, permission) = (&RemoteCache::default(), &Permission::default());
    let (store, client) = (&store, &client);
    let workshop = Workshop { request, store, client, lock: &lock, signers, remote, permission, dir, events };
    let mut packages = Vec::new();
    for wish in &wishes {
        let spec: BaseSpec = wish.name.parse()?;
        if !wish.additions.debian.packages.is_empty() {
            let base = workshop.base(wish).await?;
            events.step("Locking", format!("Debian packages on {} ({})", wish.name, wish.platform));
            packages.push(workshop.chosen_packages(&base, wish).await?);
        } else if matches!(spec, BaseSpec::Registry(_)) {
            workshop.open(&spec, wish).await?;
        }
    }
    for wish in wishes.iter().filter(|wish| wish.additions.init) {
        events.step("Locking", format!("the init ({})", wish.platform));
        packages.push(workshop.chosen_init(wish).await?);
    }
    if found.is_empty() && packages.is_empty() {
        R::NOTHING_TO_PIN.into_iter().for_each(|note| events.note(note));
    }
    let moved = match pinning {
        Pinning::Quiet => None,
        Pinning::Update | Pinning::Check => {
            Some(compare::moved(&workshop, &before, (&found, &packages), &wishes).await?)
        }
    };
    if pinning != Pinning::Check && !(found.is_empty() && packages.is_empty()) {
        keep(&path, store, &found, packages)?;
    }
    store.evict(request.cache_size);
    let bases = found.into_iter().map(|(name, digest)| (name.to_string(), digest)).collect();
    Ok(Outcome::Locked(Locked { bases, moved, is_kept: pinning != Pinning::Check }))
}

/// What failed and why, in one line.
fn why(error: &Error) -> String {
    let said = std::iter::once(error.to_string()).chain(error.causes().into_iter().take(1));
    said.collect::<Vec<_>>().join(": ")
}

/// Whether the name of a base is this reference.
fn means(name: &str, reference: &Reference) -> bool {
    matches!(name.parse(), Ok(BaseSpec::Registry(named)) if named == *reference)
}

/// Writes what was found beside what the file pins now: another call may have changed it since it was
/// read, which took a while.
fn keep(
    path: &Path,
    store: &Store,
    found: &BTreeMap<Reference, Digest>,
    packages: Vec<LockedPackages>,
) -> Result<()> {
    let name = format!("lock-{}", Digest::of(path.as_os_str().as_encoded_bytes()).hex());
    let turn = LockFile::take(&store.root().join("tmp").join(name));
    interrupt::check()?;
    if let Err(error) = &turn {
        tracing::debug!(%error, "cannot create a lock in the cache folder");
    }
    let mut lock = BaseLock::read(path)?;
    found.iter().for_each(|(reference, digest)| lock.insert(reference, *digest));
    packages.into_iter().for_each(|set| lock.insert_packages(set));
    lock.write(path)
}

/// The bases that can be pinned, each once.
fn names(wishes: &[BaseWish]) -> Result<Vec<Reference>> {
    let mut names = Vec::new();
    for wish in wishes {
        if let BaseSpec::Registry(reference) = wish.name.parse()?
            && reference.digest.is_none()
            && !names.contains(&reference)
        {
            names.push(reference);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_calls_pin_at_once_is_all_kept() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path().join("cache")).expect("store");
        let path = folder.path().join(FILE);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (store, path) = (store.clone(), path.clone());
                scope.spawn(move || {
                    let reference: Reference = format!("debian:{number}").parse().expect("reference");
                    let found = [(reference, Digest::of(b"x"))].into();
                    keep(&path, &store, &found, Vec::new()).expect("kept");
                });
            }
        });
        let lock = BaseLock::read(&path).expect("lock");
        let pinned =
            (0..8).filter(|n| lock.get(&format!("debian:{n}").parse().expect("reference")).is_some());
        assert_eq!(pinned.count(), 8);
    }
}
