//! How the value of a key is laid over the one of a lower place.

use std::collections::BTreeMap;

use super::attest::Sign;
use super::origin::{Origin, Origins};
use super::value::Debian;

/// The higher value wins.
pub(super) fn replace<T>(
    key: &str,
    low: &mut Option<T>,
    high: Option<T>,
    origin: &Origin,
    origins: &mut Origins,
) {
    if high.is_some() {
        *low = high;
        origins.set(key.into(), origin);
    }
}

/// The higher values come after the lower ones.
pub(super) fn append<T>(
    key: &str,
    low: &mut Option<Vec<T>>,
    high: Option<Vec<T>>,
    origin: &Origin,
    origins: &mut Origins,
) {
    if let Some(high) = high {
        origins.add(key.into(), origin);
        let low = low.get_or_insert_default();
        for value in high {
            origins.set(format!("{key}.{}", low.len()), origin);
            low.push(value);
        }
    }
}

/// Each of the value's own keys is replaced by itself.
pub(super) fn by_key<V>(
    key: &str,
    low: &mut Option<BTreeMap<String, V>>,
    high: Option<BTreeMap<String, V>>,
    origin: &Origin,
    origins: &mut Origins,
) {
    for (name, value) in high.into_iter().flatten() {
        origins.set(format!("{key}.{name}"), origin);
        low.get_or_insert_default().insert(name, value);
    }
}

/// Packages come after those of the lower value; the rest is replaced where it is given.
pub(super) fn debian(
    key: &str,
    low: &mut Option<Debian>,
    high: Option<Debian>,
    origin: &Origin,
    origins: &mut Origins,
) {
    let Some(high) = high else { return };
    origins.add(key.into(), origin);
    let low = low.get_or_insert_default();
    for package in high.packages {
        if !low.packages.contains(&package) {
            origins.set(format!("{key}.packages.{}", low.packages.len()), origin);
            low.packages.push(package);
        }
    }
    let part = |name: &str| format!("{key}.{name}");
    replace(&part("mirror"), &mut low.mirror, high.mirror, origin, origins);
    replace(&part("suite"), &mut low.suite, high.suite, origin, origins);
    replace(&part("snapshot"), &mut low.snapshot, high.snapshot, origin, origins);
    replace(&part("keyring"), &mut low.keyring, high.keyring, origin, origins);
    replace(&part("docs"), &mut low.docs, high.docs, origin, origins);
}

/// The higher value wins, but the word alone keeps the services that a lower place names for it.
pub(super) fn sign(
    key: &str,
    low: &mut Option<Sign>,
    high: Option<Sign>,
    origin: &Origin,
    origins: &mut Origins,
) {
    let is_kept = high == Some(Sign::keyless()) && low.as_ref().is_some_and(|low| low.keyless);
    if !is_kept {
        replace(key, low, high, origin, origins);
    }
}
