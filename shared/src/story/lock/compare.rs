//! What of the bases moved since they were pinned.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::lock::{BaseLock, LockedPackages};
use crate::error::Result;
use crate::oci::{Digest, Platform, Reference};
use crate::story::moved::{self, Moved, MovedBase, MovedPlatform, VersionChange};
use crate::story::workshop::{Base, BaseWish, Workshop};

/// Tells what is pinned differently from `before`. `workshop` has the new pins.
///
/// # Errors
/// When what the names of bases lead to now cannot be read.
pub(super) async fn moved(
    workshop: &Workshop<'_>,
    before: &BaseLock,
    (found, packages): (&BTreeMap<Reference, Digest>, &[LockedPackages]),
    wishes: &[BaseWish],
) -> Result<Moved> {
    let mut moved = Moved::default();
    for (reference, &to) in found {
        let from = before.get(reference);
        if from == Some(to) {
            continue;
        }
        let mut platforms = Vec::new();
        if from.is_some() {
            let mut seen = BTreeSet::new();
            for wish in wishes.iter().filter(|wish| super::means(&wish.name, reference)) {
                if seen.insert(wish.platform.to_string()) {
                    platforms.push(image(workshop, before, wish).await?);
                }
            }
        }
        moved.bases.push(MovedBase { name: reference.to_string(), from, to, platforms });
    }
    let pinned =
        |set: &LockedPackages| moved::repinned(before.packages(&set.base, &set.platform, &set.wanted), set);
    moved.debian.extend(packages.iter().filter_map(pinned));
    Ok(moved)
}

/// What changed in the image of a base for one platform.
async fn image(workshop: &Workshop<'_>, before: &BaseLock, wish: &BaseWish) -> Result<MovedPlatform> {
    let now = workshop.base(wish).await?;
    // Registries drop what no tag leads to any more, and whoever only wants to know what moved can live without it.
    let past = Workshop { lock: before, ..*workshop }.base(wish).await;
    Ok(match past {
        Ok(past) => compared(&wish.platform, &past, &now),
        Err(error) => MovedPlatform { unknown: Some(super::why(&error)), ..unchanged(&wish.platform) },
    })
}

fn unchanged(platform: &Platform) -> MovedPlatform {
    let platform = platform.clone();
    MovedPlatform { platform, same: false, version: None, packages: None, unknown: None }
}

fn compared(platform: &Platform, past: &Base, now: &Base) -> MovedPlatform {
    fn listed(base: &Base) -> Vec<(&str, &str)> {
        let packages = base.contents.packages().into_iter();
        packages.map(|package| (&*package.name, &*package.version)).collect()
    }
    let (old, new) = (listed(past), listed(now));
    let has_packages = !(old.is_empty() && new.is_empty());
    MovedPlatform {
        same: past.image.digest == now.image.digest,
        version: VersionChange::between(past.image.version.clone(), now.image.version.clone()),
        packages: has_packages.then(|| moved::changes(old, new)),
        ..unchanged(platform)
    }
}
