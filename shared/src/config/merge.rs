//! How the value of a key is laid over the one of a lower place.

use std::collections::BTreeMap;

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
    let fresh: Vec<String> = high.packages.into_iter().filter(|name| !low.packages.contains(name)).collect();
    low.packages.extend(fresh);
    low.mirror = high.mirror.or(low.mirror.take());
    low.suite = high.suite.or(low.suite.take());
    low.snapshot = high.snapshot.or(low.snapshot.take());
    low.keyring = high.keyring.or(low.keyring.take());
    low.docs = high.docs.or(low.docs);
}
