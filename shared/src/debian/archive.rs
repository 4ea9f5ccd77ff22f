//! An archive of packages: releases that are verified, and the indexes that they vouch for.

use std::io::{self, Read};
use std::path::PathBuf;
use std::time::SystemTime;

use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;

use super::fetch::{Fetcher, Wanted};
use super::keyring::{Keyring, at};
use super::release::{Index, IndexCompression, Release, SKEW, shown};
use super::sources::Source;
use crate::error::{Context, Error, Result};
use crate::store::{Store, Table};

/// What unpacking XZ may take, in KiB. Debian's own files take some 9 MiB; the highest preset
/// takes 65.
pub(super) const XZ_MEMORY: u32 = 128 * 1024;

/// An index on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) path: PathBuf,
    pub(super) url: String,
    pub(super) not_automatic: bool,
}

/// Fetches and verifies the indexes of `source` for `architecture`.
///
/// # Errors
/// Integrity when a release is signed by nobody who is trusted, is that of another suite, is no
/// longer valid, was made in the future, or is older than one that was seen; and when an index is not what it says.
pub(super) async fn indexes(
    fetcher: &Fetcher,
    source: &Source,
    architecture: &str,
    keyring: &Keyring,
    now: SystemTime,
) -> Result<Vec<Fetched>> {
    let folder = format!("{}/dists/{}", source.url, source.suite);
    let url = format!("{folder}/InRelease");
    let message = fetcher.text(&url).await.map_err(|e| match e.hint_text() {
        Some(_) => e,
        None => e.hint("set another mirror with debian.mirror, or suites that it has with debian.suite"),
    })?;
    let release = verified(&message, source, keyring, now, &fetcher.store)
        .context(|| format!("the release {url} cannot be trusted"))?;
    let mut found = Vec::new();
    for component in &source.components {
        let Some(index) = release.packages(component, architecture) else {
            if release.components.iter().any(|c| c.rsplit('/').next() == Some(component.as_str())) {
                let words = format!("{} {} has no packages for {architecture}", source.url, source.suite);
                return Err(Error::usage(words).hint("choose another platform or suite"));
            }
            return Err(Error::usage(format!("{} {} has no {component}", source.url, source.suite)));
        };
        let path = plain(fetcher, &folder, &release, index).await?;
        found.push(Fetched { path, url: source.url.clone(), not_automatic: release.not_automatic });
    }
    Ok(found)
}

fn verified(
    message: &str,
    source: &Source,
    keyring: &Keyring,
    now: SystemTime,
    store: &Store,
) -> Result<Release> {
    // A snapshot is as old as it says, and so are the keys that signed it.
    let signed_at = if source.is_snapshot() { unsigned_date(message).unwrap_or(now) } else { now };
    let release = Release::parse(&keyring.verified(message, signed_at)?)?;
    release.check_suite(&source.suite)?;
    release.check_made(now)?;
    if !source.is_snapshot() {
        release.check_time(now)?;
    }
    let key = format!("{} {}", source.url, source.suite);
    // One from the future was believed by a clock that was wrong.
    let before = store.recall::<i64>(Table::DebianReleases, &key).filter(|before| at(*before) <= now + SKEW);
    match before {
        Some(before) if before > release.date => {
            let (made, before) = (shown(release.date), shown(before));
            return Err(Error::integrity(format!(
                "it was made {made}, but one made {before} was seen before"
            ))
            .hint("the mirror is out of date, or someone is withholding updates; use another mirror"));
        }
        Some(before) if before == release.date => {}
        _ => store.remember(Table::DebianReleases, &key, &release.date),
    }
    Ok(release)
}

/// The date that a message gives itself. It only chooses the time at which keys must be valid, and
/// counts for nothing unless they have signed it.
fn unsigned_date(message: &str) -> Option<SystemTime> {
    let start = message.find("\n\n").or_else(|| message.find("\r\n\r\n"))?;
    Release::parse(message.get(start..)?.trim_start()).ok().map(|release| at(release.date))
}

/// The index as it is read, in the store.
async fn plain(fetcher: &Fetcher, folder: &str, release: &Release, index: Index<'_>) -> Result<PathBuf> {
    let Index { plain, fetched, compression } = index;
    if let Some(path) = fetcher.store.find(&plain.digest, plain.size) {
        return Ok(path);
    }
    let mut urls = Vec::new();
    if release.by_hash {
        let parent = fetched.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        urls.push(format!("{folder}/{parent}/by-hash/SHA256/{}", fetched.digest.hex()));
    }
    urls.push(format!("{folder}/{}", fetched.path));
    let label = format!("{} of {}", fetched.path, folder.rsplit('/').next().unwrap_or_default());
    let wanted = Wanted { label: &label, digest: &fetched.digest, size: fetched.size };
    let path = fetcher.file(&urls, wanted).await?;
    if compression == IndexCompression::None {
        return Ok(path);
    }
    let (store, digest, size) = (fetcher.store.clone(), plain.digest, plain.size);
    let unpacked = tokio::task::spawn_blocking(move || -> Result<PathBuf> {
        let file = Store::open_file(&path)?;
        let reader: Box<dyn Read> = match compression {
            IndexCompression::Xz => {
                Box::new(XzReader::new_mem_limit(io::BufReader::new(file), true, XZ_MEMORY))
            }
            _ => Box::new(MultiGzDecoder::new(file)),
        };
        let mut writer = store.writer()?;
        // One byte more than promised is enough to notice that there are more.
        io::copy(&mut reader.take(size.saturating_add(1)), &mut writer)
            .map_err(|e| Error::integrity("the index cannot be unpacked").because(e))?;
        Ok(writer.commit(Some(&digest))?.0)
    });
    unpacked
        .await
        .map_err(|e| Error::bug("unpacking an index failed").because(e))?
        .context(|| format!("the index {label} is not what was signed"))
}
