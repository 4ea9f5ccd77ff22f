//! Package indexes, and the files that they have: from a lock's word to a verified file in the
//! store.
//!
//! A file is what its hashes say, wherever it comes from; so it is looked for where it costs
//! least: in the store, in folders of links, in the caches of other tools, and then in the
//! network. There the lock may name its URL (uv.lock, pylock.toml), or only its name and hash
//! (poetry.lock), or nothing but the version (requirements files); the pages of the simple API
//! (PEP 503, PEP 691) give the rest.
//!
//! Where a lock names PyPI and the user has set up another index in its place, that one is asked
//! first, for a file of the same name and hash, although the lock has a URL: who names a mirror
//! often cannot reach PyPI at all, and a lock is made by others, elsewhere. The hash makes both
//! equally good.
//!
//! Where hashes decide, the order of the indexes does not matter, and the default one is asked
//! first since it mostly has the file. Where there are none, the extra indexes come first and the
//! first one that has the version counts, so that nobody can put a file of the same name on PyPI in
//! place of a private one.

mod caches;
mod check;
mod credentials;
mod filename;
mod html;
mod import;
mod locate;
mod login;
mod netrc;
mod options;
mod page;
mod pages;
mod parts;
mod provenance;
mod ranges;
mod send;
mod settings;
mod transfer;
mod turns;
mod unhashed;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::{Mutex, Semaphore};

pub use credentials::Credentials;
pub use filename::is_same_file;
pub use login::Login;
pub use netrc::Netrc;
pub use options::{Caches, Index, Kind, Options, Role};
pub use provenance::Offer;
pub use settings::{Requirements, Surroundings};

use super::{DistFile, Package};
use crate::error::{Error, Result};
use crate::event::{Events, Motion, Outcome};
use crate::http;
use crate::oci::Digest;
use crate::read;
use crate::redact::{Address, clean};
use crate::store::Store;
use crate::words;
use crate::words::flag;
use transfer::Wanted;
use turns::{LargestFirst, Turns};
use unhashed::Unhashed;

/// How many lists are fetched and read at the same time: each is held in memory as a whole.
const PAGES_AT_ONCE: usize = 4;

/// Fetches lists and files. Cheap to clone; clones share connections and what they know.
#[derive(Clone)]
pub struct Downloader(Arc<Inner>);

struct Inner {
    http: http::Client,
    store: Store,
    events: Events,
    options: Options,
    page_permits: Semaphore,
    turns: Turns,
    /// For files that come in parts.
    large: LargestFirst,
    /// The origins that give none.
    whole_only: Mutex<HashSet<String>>,
    keyring: Mutex<HashMap<String, Option<Login>>>,
    poetry: OnceLock<HashMap<String, Vec<PathBuf>>>,
    unhashed: Unhashed,
}

/// A file in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where it is. The name of the file on disk is its digest, not its own.
    pub path: PathBuf,
    /// Its SHA-256.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl Downloader {
    /// The address of the index in PyPI's place, without a login; `None` when there is to be none.
    pub fn default_index(&self) -> Option<String> {
        self.0.options.default_index().map(|index| clean(index.url.as_str()).into_owned())
    }

    /// A downloader that has spoken to nobody yet. `http` says how HTTP is spoken; the hosts
    /// that `options` trust and their certificates are added to it.
    ///
    /// # Errors
    /// Kind usage when one of the certificates cannot be read.
    pub fn new(mut http: http::Options, store: Store, events: Events, options: Options) -> Result<Self> {
        http.insecure.extend(options.trusted_hosts.iter().cloned());
        for path in &options.certificates {
            let pem = read::bytes(path, read::DOCUMENT).map_err(|error| {
                Error::usage(format!("cannot read the certificates in {}", path.display()))
                    .because(error)
                    .hint("PIP_CERT or cert in pip.conf names this file")
            })?;
            http.extra_roots.push(pem);
        }
        Ok(Self(Arc::new(Inner {
            http: http::Client::new(http::Options { events: events.clone(), ..http })?,
            store,
            events,
            options,
            page_permits: Semaphore::new(PAGES_AT_ONCE),
            turns: Turns::default(),
            large: LargestFirst::of(parts::FILES_AT_ONCE),
            whole_only: Mutex::default(),
            keyring: Mutex::default(),
            poetry: OnceLock::new(),
            unhashed: Unhashed::default(),
        })))
    }

    /// Brings a file of a package into the store, unless it is there, verified by all its
    /// hashes; where it has none, by those that its index lists.
    ///
    /// # Errors
    /// Kind network when it cannot be had; kind integrity when what came is another file; kind
    /// usage when it is not at hand and nothing may be fetched; kind build when the disk refuses.
    pub async fn fetch(&self, package: &Package, file: &DistFile) -> Result<Fetched> {
        let mut fetched = self.fetch_all(&[(package, file)]).await?;
        fetched.pop().ok_or_else(|| Error::bug("a file was fetched and is not there"))
    }

    /// Brings files into the store, several at the same time, and gives them in the same order.
    /// Tells once which of them no hash of the lock has verified.
    ///
    /// # Errors
    /// As [`Downloader::fetch`], for the first one that fails. With `--offline` the error names
    /// all that are missing.
    pub async fn fetch_all(&self, wanted: &[(&Package, &DistFile)]) -> Result<Vec<Fetched>> {
        self.fetch_telling(wanted, |_, _| ()).await
    }

    /// As [`Downloader::fetch_all`]; `arrived` is called for each file that has come, with its place in `wanted`.
    ///
    /// # Errors
    /// As [`Downloader::fetch_all`].
    pub async fn fetch_telling(
        &self,
        wanted: &[(&Package, &DistFile)],
        arrived: impl Fn(usize, &Fetched) + Sync,
    ) -> Result<Vec<Fetched>> {
        if self.is_offline() {
            self.refuse_missing(wanted).await?;
        }
        let arrived = &arrived;
        let mut wanted: Vec<_> = wanted.iter().enumerate().collect();
        // The largest takes longest, and so does the work that its arrival brings.
        wanted.sort_by_key(|(_, (_, file))| std::cmp::Reverse(file.size));
        let fetches = wanted.into_iter().map(|(place, (package, file))| async move {
            let fetched = self.fetch_one(package, file).await?;
            arrived(place, &fetched);
            Ok::<_, Error>((place, fetched))
        });
        let at_once = self.0.options.concurrency.max(1);
        // Collected first: as a lazy iterator its closure would not do for all lifetimes.
        let fetches: Vec<_> = fetches.collect();
        let done = stream::iter(fetches).buffer_unordered(at_once).try_collect::<Vec<_>>().await;
        let mut done = done?;
        done.sort_by_key(|(place, _)| *place);
        self.0.unhashed.tell(&self.0.events);
        Ok(done.into_iter().map(|(_, fetched)| fetched).collect())
    }

    async fn fetch_one(&self, package: &Package, file: &DistFile) -> Result<Fetched> {
        let key = match file.hashes.first() {
            Some(hash) => hash.to_string(),
            None => {
                let url = file.url.as_ref().map_or("", Address::expose);
                format!("{} {} {url}", package.name, file.filename)
            }
        };
        let _turn = self.0.turns.take(&key).await;
        let task = self.0.events.start(Motion::Download, &file.filename, file.size);
        if let Some(found) = self.stored(&file.hashes).await {
            task.end(Outcome::Exists);
            self.0.unhashed.note(package, file, &file.hashes);
            return Ok(found);
        }
        let wanted = Wanted { filename: &file.filename, hashes: &file.hashes, size: file.size };
        let fetched = match self.in_caches(wanted).await {
            Some(found) => Ok(found),
            None => self.locate(package, file, &task).await,
        };
        let outcome = if fetched.is_ok() { Outcome::Done } else { Outcome::Failed };
        task.end(outcome);
        let fetched = fetched?;
        self.check_one_of(package, file, &fetched).await?;
        self.remember_hashes(&file.hashes, &fetched);
        Ok(fetched)
    }

    fn is_offline(&self) -> bool {
        self.0.http.options().offline
    }

    /// Nothing is fetched with `offline`.
    fn refuse_offline(&self, what: impl FnOnce() -> String) -> Result<()> {
        if !self.is_offline() {
            return Ok(());
        }
        Err(Error::usage(words!(
            "{} is not in the cache, and cannot be fetched with {offline}",
            what(),
            offline = flag("offline")
        ))
        .hint(words!("run once without {offline}", offline = flag("offline"))))
    }

    /// Names at once all files that can only come from the network.
    async fn refuse_missing(&self, wanted: &[(&Package, &DistFile)]) -> Result<()> {
        let mut missing = Vec::new();
        for (package, file) in wanted {
            let wanted = Wanted { filename: &file.filename, hashes: &file.hashes, size: file.size };
            let at_hand = self.stored(&file.hashes).await.is_some()
                || self.in_caches(wanted).await.is_some()
                || self.is_local(package, file).await;
            if !at_hand {
                missing.push(file.filename.as_str());
            }
        }
        match missing.as_slice() {
            [] => Ok(()),
            [one] => self.refuse_offline(|| (*one).to_owned()),
            several => Err(Error::usage(words!(
                "{} files are not in the cache, and cannot be fetched with {offline}: {}",
                several.len(),
                several.join(", "),
                offline = flag("offline")
            ))
            .hint(words!("run once without {offline}", offline = flag("offline")))),
        }
    }
}

impl std::fmt::Debug for Downloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("index::Downloader")
    }
}

#[cfg(test)]
mod fakes;
#[cfg(test)]
mod tests;
