//! What no hash of a lock has verified, told once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::import::nameless_hashes;
use crate::event::Events;
use crate::python::{DistFile, Hash, Package};

/// The most names that a message lists.
const MOST_NAMES: usize = 5;

#[derive(Default)]
pub(super) struct Unhashed(Mutex<State>);

#[derive(Default)]
struct State {
    by_index: BTreeSet<String>,
    by_nobody: BTreeSet<String>,
    told: BTreeSet<String>,
}

impl Unhashed {
    /// A file was verified by these hashes. They are the lock's when the package lists them.
    pub(super) fn note(&self, package: &Package, file: &DistFile, verified_by: &[Hash]) {
        let locked = package.files.iter().flat_map(|locked| &locked.hashes);
        // With hashes of which the lock does not say the file, the content is compared in the end.
        let by_content = verified_by.is_empty() && !nameless_hashes(package).is_empty();
        let of_lock =
            by_content || verified_by.iter().any(|hash| locked.clone().any(|locked| locked == hash));
        if of_lock {
            return;
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.told.insert(file.filename.clone()) {
            let kind = if verified_by.is_empty() { &mut state.by_nobody } else { &mut state.by_index };
            kind.insert(file.filename.clone());
        }
    }

    /// Tells what is new since the last time.
    pub(super) fn tell(&self, events: &Events) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let by_index = std::mem::take(&mut state.by_index);
        if !by_index.is_empty() {
            events.note(format!("{}; using the index's", without_hash(&by_index, "in the lock")));
        }
        let by_nobody = std::mem::take(&mut state.by_nobody);
        if !by_nobody.is_empty() {
            events.warn(format!("{}; used without a check", without_hash(&by_nobody, "anywhere")));
        }
    }
}

fn without_hash(names: &BTreeSet<String>, place: &str) -> String {
    let mut listed = names.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > MOST_NAMES {
        listed.push_str(", ...");
    }
    let (files, have) = if names.len() == 1 { ("file", "has") } else { ("files", "have") };
    format!("{} {files} {have} no hash {place} ({listed})", names.len())
}
