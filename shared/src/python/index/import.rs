//! Files that are on this machine already: in the store, in caches of other tools, in folders.

use std::io::{Read, Write};
use std::path::Path;

use super::check::{Check, Mismatch, agree, sha256};
use super::options::take_login;
use super::transfer::{Wanted, wrong_hash};
use super::{Downloader, Fetched, caches};
use crate::error::{Context, Error, Result};
use crate::http::Url;
use crate::oci::Digest;
use crate::python::{DistFile, Hash, Package};
use crate::read;
use crate::store::{Store, Table};

/// How much is read at once.
const PIECE: usize = 256 * 1024;

impl Downloader {
    /// Brings a file from this machine into the store, verified by all of `hashes`.
    ///
    /// # Errors
    /// Kind build when it cannot be read or kept; kind integrity when it is another one.
    pub async fn import(&self, path: &Path, hashes: &[Hash]) -> Result<Fetched> {
        let (store, path, hashes) = (self.0.store.clone(), path.to_owned(), hashes.to_vec());
        let imported = tokio::task::spawn_blocking(move || copy(&store, &path, &hashes)).await;
        imported.map_err(|error| Error::bug("copying a file failed").because(error))?
    }

    /// The file in the store that has all these hashes.
    pub(super) async fn stored(&self, hashes: &[Hash]) -> Option<Fetched> {
        let recalled = || {
            let digest = |hash: &Hash| self.0.store.recall::<Digest>(Table::PythonFiles, &hash.to_string());
            hashes.iter().find_map(digest)
        };
        let digest = sha256(hashes).or_else(recalled)?;
        let size = std::fs::metadata(self.0.store.path(&digest)).ok()?.len();
        let path = self.0.store.find(&digest, size)?;
        let others = hashes.iter().filter(|hash| sha256(std::slice::from_ref(*hash)) != Some(digest));
        let known = |hash: &Hash| self.0.store.recall(Table::PythonFiles, &hash.to_string()) == Some(digest);
        let fetched = Fetched { path, digest, size };
        if others.clone().all(known) {
            return Some(fetched);
        }
        let (path, wanted) = (fetched.path.clone(), hashes.to_vec());
        let verified = tokio::task::spawn_blocking(move || {
            let mut check = Check::new(&wanted);
            read(&path, |bytes| {
                check.update(bytes);
                Ok(())
            })?;
            Ok::<_, Error>(check.finish(&digest).is_ok())
        });
        let verified = matches!(verified.await, Ok(Ok(true)));
        verified.then(|| {
            self.remember_hashes(hashes, &fetched);
            fetched
        })
    }

    /// A lock may have hashes without saying which file each is of, and an index files without hashes:
    /// then the content must have one of them.
    pub(super) async fn check_one_of(
        &self,
        package: &Package,
        file: &DistFile,
        fetched: &Fetched,
    ) -> Result<()> {
        let wanted = nameless_hashes(package);
        if !file.hashes.is_empty() || wanted.is_empty() {
            return Ok(());
        }
        let (path, digest, hashes) = (fetched.path.clone(), fetched.digest, wanted.clone());
        let found = tokio::task::spawn_blocking(move || {
            let mut check = Check::new(&hashes);
            read(&path, |bytes| {
                check.update(bytes);
                Ok(())
            })?;
            let is_it = |hash: &&Hash| check.clone().of(hash, &digest) == **hash;
            Ok::<_, Error>(
                hashes.iter().find(is_it).or(hashes.first()).map(|hash| check.clone().of(hash, &digest)),
            )
        });
        let found = found.await.map_err(|error| Error::bug("hashing a file failed").because(error))??;
        let Some(found) = found else { return Ok(()) };
        match wanted.iter().find(|hash| **hash != found).filter(|_| !wanted.contains(&found)) {
            None => Ok(()),
            Some(expected) => {
                let mismatch = Mismatch { expected: expected.clone(), found };
                Err(wrong_hash(&file.filename, "the index", &mismatch))
            }
        }
    }

    /// Remembers which file the hashes other than SHA-256 are of.
    pub(super) fn remember_hashes(&self, hashes: &[Hash], fetched: &Fetched) {
        for hash in hashes.iter().filter(|hash| sha256(std::slice::from_ref(*hash)).is_none()) {
            self.0.store.remember(Table::PythonFiles, &hash.to_string(), &fetched.digest);
        }
    }

    /// A file that has its hash, from Poetry's cache.
    pub(super) async fn in_caches(&self, wanted: Wanted<'_>) -> Option<Fetched> {
        if wanted.hashes.is_empty() {
            return None;
        }
        let poetry = self.0.options.caches.poetry.as_ref()?;
        let listed = match self.0.poetry.get() {
            Some(listed) => listed,
            None => {
                let cache = poetry.clone();
                let listed = tokio::task::spawn_blocking(move || caches::poetry_files(&cache)).await.ok()?;
                self.0.poetry.get_or_init(|| listed)
            }
        };
        for path in listed.get(wanted.filename).into_iter().flatten() {
            if let Some(found) = self.import_if_right(path, wanted).await {
                return Some(found);
            }
        }
        None
    }

    /// What pip has kept of a URL, if it is the file.
    pub(super) async fn kept_by_pip(&self, url: &Url, wanted: Wanted<'_>) -> Option<Fetched> {
        let cache = self.0.options.caches.pip.as_ref().filter(|_| !wanted.hashes.is_empty())?;
        let body = caches::pip_body(cache, &take_login(url.clone()).0)?;
        self.import_if_right(&body, wanted).await
    }

    /// In a cache another file is no error.
    pub(super) async fn import_if_right(&self, path: &Path, wanted: Wanted<'_>) -> Option<Fetched> {
        let right_size = |size| path.metadata().is_ok_and(|metadata| metadata.len() == size);
        if wanted.size.is_some_and(|size| !right_size(size)) {
            return None;
        }
        match self.import(path, wanted.hashes).await {
            Ok(found) => {
                tracing::debug!(path = %path.display(), "taken from a cache");
                Some(found)
            }
            Err(error) => {
                tracing::debug!(?error, path = %path.display(), "not taken from a cache");
                None
            }
        }
    }
}

/// The hashes of a lock that does not say which file each is of.
pub(super) fn nameless_hashes(package: &Package) -> Vec<Hash> {
    let nameless = package.files.iter().filter(|file| file.filename.is_empty());
    nameless.flat_map(|file| file.hashes.clone()).collect()
}

fn copy(store: &Store, path: &Path, hashes: &[Hash]) -> Result<Fetched> {
    let mut check = Check::new(hashes);
    let mut writer = store.writer()?;
    let mut digest = crate::oci::Sha256::new();
    read(path, |bytes| {
        check.update(bytes);
        digest.update(bytes);
        writer.write_all(bytes).context(|| "cannot write to the cache folder".into())
    })?;
    let filename = path.file_name().unwrap_or_default().to_string_lossy();
    let place = path.parent().unwrap_or(path).display().to_string();
    let digest = digest.finish();
    check.finish(&digest).map_err(|mismatch| wrong_hash(&filename, &place, &mismatch))?;
    let (path, digest, size) = writer.commit(None)?;
    Ok(Fetched { path, digest, size })
}

fn read(path: &Path, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let failed = || format!("cannot read {}", path.display());
    let mut file = read::file(path).context(failed)?;
    let mut piece = vec![0; PIECE];
    loop {
        let n = file.read(&mut piece).context(failed)?;
        match piece.get(..n) {
            Some([]) | None => return Ok(()),
            Some(bytes) => take(bytes)?,
        }
    }
}

/// Whether a listed file may be the one that is wanted.
pub(super) fn may_be(listed: &super::page::Listed, wanted: Wanted<'_>) -> bool {
    listed.filename == wanted.filename && agree(&listed.hashes(), wanted.hashes)
}
