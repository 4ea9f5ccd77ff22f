//! Where a registry already has a blob: repositories that it was pushed to or read from.
//!
//! The memory may be wrong: a registry that cannot mount takes an upload.

use super::{Client, mirror};
use crate::oci::{Digest, Repository};
use crate::store::{Store, Table};

/// A repository of the same registry that has a blob: the large wheels of one image are those of
/// the next, and a base is where it came from.
pub fn home(store: &Store, repository: &Repository, digest: &Digest) -> Option<Repository> {
    let name = store.recall::<String>(Table::Homes, &key(repository, digest))?;
    Some(Repository { name, ..repository.clone() }).filter(|home| home != repository)
}

/// Remembers that a repository has a blob, if nothing is known of its registry.
pub fn remember_home(store: &Store, repository: &Repository, digest: &Digest) {
    let key = key(repository, digest);
    if store.recall::<String>(Table::Homes, &key).is_none() {
        store.remember(Table::Homes, &key, &repository.name);
    }
}

fn key(repository: &Repository, digest: &Digest) -> String {
    format!("{} {digest}", repository.registry)
}

impl Client {
    /// Remembers that a repository, and its places in mirrors, have a blob.
    pub fn remember_homes(&self, store: &Store, repository: &Repository, digest: &Digest) {
        let places = mirror::places(&self.0.mirrors, repository);
        places.iter().chain([repository]).for_each(|place| remember_home(store, place, digest));
    }
}
