//! Debian packages: from names to verified files and what they put into a layer.
//!
//! The chain of trust is apt's: a key signs the release of a suite, the release has the hashes of
//! the indexes, and these have those of the packages. Which packages are missing is found as apt
//! finds it; nothing of a package is ever run.

mod archive;
mod control;
mod entries;
mod fetch;
mod index;
mod keyring;
mod linker;
mod package;
mod relation;
mod release;
mod resolve;
mod scripts;
mod sources;
mod version;

use std::path::PathBuf;
use std::time::SystemTime;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

pub use entries::{Database, Unpacked, database};
pub use keyring::Keyring;
pub use linker::{libraries_in, list_of, with_libraries};
pub use resolve::Installed;
pub use sources::{Base, Source, Wanted, is_time, sources};
pub use version::compare;

use crate::error::{Error, Result};
use crate::event::Events;
use crate::http;
use crate::oci::{Digest, Platform};
use crate::store::Store;
use crate::words;
use crate::words::Command;
use fetch::Fetcher;
use index::Indexes;

/// So many files are fetched at once.
const DOWNLOADS: usize = 6;

/// A Debian package that was chosen: what it is, and where its file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The name of the binary package: `libpq5`.
    pub name: String,
    /// Its version with epoch and revision: `1:2.0-3+deb13u1`.
    pub version: String,
    /// Its architecture, or `all`.
    pub architecture: String,
    /// Where its file is.
    pub url: String,
    /// Bytes of its file.
    pub size: u64,
    /// The digest of its file.
    pub digest: Digest,
}

/// Archives of packages, and whose signatures count there.
#[derive(Clone)]
pub struct Archives {
    fetcher: Fetcher,
    keyring: Keyring,
}

impl Archives {
    /// Archives that nobody was asked of yet.
    ///
    /// # Errors
    /// As [`http::Client::new`].
    pub fn new(http: http::Options, store: Store, events: Events, keyring: Keyring) -> Result<Self> {
        let http = http::Client::new(http::Options { events: events.clone(), ..http })?;
        Ok(Self { fetcher: Fetcher { http, store, events }, keyring })
    }

    /// Which packages must be added to a base that has `installed`, so that `wanted` (`NAME` or
    /// `NAME=VERSION`) and all that they depend on are there; by name.
    ///
    /// # Errors
    /// Usage when there is no such package, or it cannot be added; integrity when what the archives
    /// say is not vouched for at `now`; network when they cannot be asked.
    pub async fn resolve(
        &self,
        sources: &[Source],
        architecture: &str,
        installed: Vec<Installed>,
        wanted: &[String],
        now: SystemTime,
    ) -> Result<Vec<Package>> {
        let asked = sources
            .iter()
            .map(|source| archive::indexes(&self.fetcher, source, architecture, &self.keyring, now));
        let fetched = futures_util::future::try_join_all(asked).await?;
        let wanted = wanted.to_vec();
        let resolved = tokio::task::spawn_blocking(move || -> Result<Vec<Package>> {
            let mut indexes = Indexes::default();
            for index in fetched.iter().flatten() {
                indexes.add(&index.path, &index.url, index.not_automatic)?;
            }
            let found = resolve::resolve(&mut indexes, &installed, &wanted)?;
            let package = |record: &index::Record| Package {
                name: record.name.clone(),
                version: record.version.clone(),
                architecture: record.architecture.clone(),
                url: record.url.clone(),
                size: record.size,
                digest: record.digest,
            };
            Ok(found.packages.iter().map(|record| package(record)).collect())
        });
        resolved.await.map_err(|e| Error::bug("choosing packages failed").because(e))?
    }

    /// The files of packages, in their order.
    ///
    /// # Errors
    /// Network when one cannot be had; integrity when it is another one.
    pub async fn fetch(&self, packages: &[Package]) -> Result<Vec<PathBuf>> {
        // Collected first: as a lazy iterator its closure would not do for all lifetimes.
        let fetches: Vec<_> = packages.iter().map(|package| self.fetch_one(package)).collect();
        stream::iter(fetches).buffered(DOWNLOADS).try_collect().await
    }

    async fn fetch_one(&self, package: &Package) -> Result<PathBuf> {
        let label = format!("{}_{}", package.name, package.version);
        let wanted = fetch::Wanted { label: &label, digest: &package.digest, size: package.size };
        let fetched = self.fetcher.file(std::slice::from_ref(&package.url), wanted).await;
        fetched.map_err(|e| match e.hint_text() {
            Some(_) => e,
            None => e.hint(words!(
                "the mirror may have only a newer version: run `{lock}`, or set a snapshot",
                lock = Command::LOCK
            )),
        })
    }
}

/// Debian's word for a platform's architecture.
pub fn architecture(platform: &Platform) -> Option<&'static str> {
    Some(match (platform.architecture.as_str(), platform.variant.as_deref()) {
        ("amd64", _) => "amd64",
        ("arm64", _) => "arm64",
        ("386", _) => "i386",
        ("arm", Some("v5" | "v6")) => "armel",
        ("arm", _) => "armhf",
        ("ppc64le", _) => "ppc64el",
        ("s390x", _) => "s390x",
        ("riscv64", _) => "riscv64",
        ("mips64le", _) => "mips64el",
        _ => return None,
    })
}

#[cfg(test)]
mod fakes;
#[cfg(test)]
mod tests;
