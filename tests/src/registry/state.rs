//! What the registry holds and what it has seen.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sha2::Digest as _;

use super::fault::{Injection, Phase};
use super::{Fault, Options};

/// One request, as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What it was about.
    pub phase: Phase,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query, decoded.
    pub query: Vec<(String, String)>,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Seen {
    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a name in the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The registry.
pub(super) struct State {
    pub(super) options: Options,
    pub(super) url: String,
    inner: Mutex<Inner>,
}

/// What changes; blobs and manifests by repository and digest (or tag).
#[derive(Default)]
pub(super) struct Inner {
    pub(super) blobs: HashMap<(String, String), Bytes>,
    pub(super) manifests: HashMap<(String, String), (String, Bytes)>,
    pub(super) storage: HashMap<String, Bytes>,
    /// Open uploads: the repository of each, and what has come.
    pub(super) uploads: HashMap<String, (String, Vec<u8>)>,
    /// Tokens that are good, with their scopes.
    pub(super) tokens: HashMap<String, Vec<String>>,
    pub(super) faults: Vec<Injection>,
    pub(super) seen: Vec<Seen>,
    /// How many requests stand still on purpose.
    pub(super) stalled: usize,
    counter: u64,
}

impl State {
    pub(super) fn new(options: Options, url: String) -> Self {
        Self { options, url, inner: Mutex::default() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the request and gives the fault that is due.
    pub(super) fn note(&self, seen: Seen) -> Option<Fault> {
        let mut inner = self.lock();
        let phase = seen.phase;
        inner.seen.push(seen);
        super::fault::due(&mut inner.faults, phase)
    }
}

impl Inner {
    /// A number not given before.
    pub(super) fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub(super) fn keep_manifest(
        &mut self,
        repository: &str,
        tag: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> String {
        let digest = digest_of(&bytes);
        for reference in [tag.to_owned(), digest.clone()] {
            self.manifests.insert((repository.to_owned(), reference), (media_type.to_owned(), bytes.clone()));
        }
        digest
    }
}

pub(super) fn digest_of(bytes: &[u8]) -> String {
    let hex = |text: String, byte: u8| format!("{text}{byte:02x}");
    sha2::Sha256::digest(bytes).into_iter().fold("sha256:".to_owned(), hex)
}
