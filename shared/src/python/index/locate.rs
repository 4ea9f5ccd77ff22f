//! Where a file is, and which files there are.

use std::path::Path;

use pep440_rs::Version;

use super::check::{agree, mismatch, same};
use super::filename::{is_usable, version};
use super::import::may_be;
use super::options::{Index, Kind as IndexKind, Role, is_pypi};
use super::page::Listed;
use super::transfer::{Wanted, wrong_hash};
use super::{Downloader, Fetched};
use crate::error::{Error, Kind, Result};
use crate::event::Task;
use crate::http::{Url, shown};
use crate::python::{DistFile, Package, Source};
use crate::redact::Address;

/// A place to look for a file.
enum Place {
    /// A URL that the lock gives.
    Direct(Url),
    /// Whatever the index lists under the name.
    Listed(Index),
}

impl Downloader {
    /// The files that the index of a package has for its version, withdrawn ones marked. If the
    /// lock has hashes without names, only the files that they are of.
    ///
    /// # Errors
    /// Kind network when no index can be read or none has the version; kind usage with
    /// `--offline` when nothing is remembered.
    pub async fn files(&self, package: &Package) -> Result<Vec<DistFile>> {
        let (Source::Index { url }, Some(wanted)) = (&package.source, &package.version) else {
            return Ok(package.files.clone());
        };
        let hashed = package.files.iter().any(|file| !file.hashes.is_empty());
        let nameless = package.files.iter().filter(|file| file.filename.is_empty()).cloned();
        let mut found: Vec<Listed> = Vec::new();
        let mut asked = Vec::new();
        let mut failures = Vec::new();
        for index in self.indexes(url.as_ref(), hashed)? {
            // Links add to what the first index has that knows the version.
            let links = index.kind == IndexKind::Links;
            match self.page(&index, &package.name, |_| false, true).await {
                Ok(listed) => {
                    let matching = of_version(listed.unwrap_or_default(), package, wanted);
                    let any = !matching.is_empty();
                    for file in matching {
                        if !found.iter().any(|known| known.filename == file.filename) {
                            found.push(file);
                        }
                    }
                    if any && !links {
                        break;
                    }
                }
                Err(error) => failures.push(error),
            }
            asked.push(index.to_string());
        }
        if found.is_empty() {
            let what = format!("{} {wanted}", package.name);
            return Err(nothing(&what, &asked, failures));
        }
        // Where nothing but its content tells which file one is, the lock's hashes go along.
        let untold = hashed && found.iter().any(|file| file.hashes().is_empty());
        let files = found.into_iter().map(Listed::into_file);
        Ok(files.chain(nameless.filter(|_| untold)).collect())
    }

    /// Brings a file from a folder or the network into the store.
    pub(super) async fn locate(&self, package: &Package, file: &DistFile, task: &Task) -> Result<Fetched> {
        if !is_usable(&file.filename) {
            return Err(Error::usage(format!(
                "{:?} cannot be the name of a file of {}",
                file.filename, package.name
            ))
            .hint("the lock is damaged; lock again"));
        }
        if let Source::File { path } = &package.source {
            let fetched = self.import(path, &file.hashes).await?;
            self.0.unhashed.note(package, file, &file.hashes);
            return Ok(fetched);
        }
        let mut asked = Vec::new();
        let mut failures = Vec::new();
        for place in self.places(package, file)? {
            let name = match &place {
                Place::Direct(url) => shown(url),
                Place::Listed(index) => index.to_string(),
            };
            let fetched = match place {
                Place::Direct(url) => self.direct(package, file, &url, task).await.map(Some),
                Place::Listed(index) => self.listed(package, file, &index, task).await,
            };
            match fetched {
                Ok(Some(fetched)) => return Ok(fetched),
                Ok(None) => {}
                // Another place may have the right one, which its hash will tell.
                Err(error) if matches!(error.kind(), Kind::Network | Kind::Integrity) => failures.push(error),
                Err(error) if error.kind() == Kind::Usage && self.is_offline() => failures.push(error),
                Err(error) => return Err(error),
            }
            asked.push(name);
        }
        let mut what = file.filename.clone();
        if !file.hashes.is_empty() {
            what.push_str(" with the hash of the lock");
        }
        Err(nothing(&what, &asked, failures))
    }

    /// Whether a file can be had without the network, where no hash tells that it is in the store.
    pub(super) async fn is_local(&self, package: &Package, file: &DistFile) -> bool {
        if let Source::File { path } = &package.source {
            return path.is_file();
        }
        let wanted = Wanted { filename: &file.filename, hashes: &file.hashes, size: file.size };
        for place in self.places(package, file).unwrap_or_default() {
            let urls = match place {
                Place::Direct(url) => vec![url],
                Place::Listed(index) => {
                    let page = self.page(&index, &package.name, |_| true, true).await;
                    let listed = page.ok().flatten().unwrap_or_default();
                    let right = listed.into_iter().filter(|listed| may_be(listed, wanted));
                    right.filter_map(|listed| listed.url.parse().ok()).collect()
                }
            };
            for url in urls {
                let on_disk = url.scheme() == "file" && url.to_file_path().is_ok_and(|path| path.is_file());
                if on_disk || self.kept_by_pip(&url, wanted).await.is_some() {
                    return true;
                }
            }
        }
        false
    }

    /// Where to look for a file, in order.
    fn places(&self, package: &Package, file: &DistFile) -> Result<Vec<Place>> {
        let parse = |address: &Address| {
            let url = Url::parse(address.expose())
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https" | "file"));
            url.ok_or_else(|| {
                Error::usage(format!("the lock has no usable URL for {}", file.filename))
                    .hint("the lock is damaged; lock again")
            })
        };
        let direct = file.url.as_ref().map(parse).transpose()?;
        match &package.source {
            Source::Url { url, .. } => Ok(vec![Place::Direct(match direct {
                Some(direct) => direct,
                None => parse(url)?,
            })]),
            Source::Index { url } => {
                let listed = self.indexes(url.as_ref(), true)?.into_iter().map(Place::Listed);
                let avoided = direct.as_ref().is_some_and(is_pypi) && self.0.options.replaces_pypi();
                let direct = direct.map(Place::Direct);
                Ok(if avoided {
                    listed.chain(direct).collect()
                } else {
                    direct.into_iter().chain(listed).collect()
                })
            }
            Source::Git { .. } | Source::Directory { .. } | Source::File { .. } => {
                Err(Error::bug(format!("{} is not from an index", package.name)))
            }
        }
    }

    /// The indexes to ask for a package that the lock says to be from the index at `url`. Links
    /// come first.
    pub(super) fn indexes(&self, url: Option<&Address>, hashed: bool) -> Result<Vec<Index>> {
        let options = &self.0.options;
        let of_lock =
            url.map(|url| Index::new(url.expose(), IndexKind::Simple, Role::Explicit, Path::new("/")));
        let of_lock = of_lock.transpose()?.map(|(index, _)| index);
        let usable = |index: &&Index| index.kind == IndexKind::Links || !options.no_index;
        let mut indexes: Vec<Index> = match of_lock.filter(|index| !is_pypi(&index.url)) {
            Some(index) => {
                let known = options.indexes.iter().find(|known| known.is_at(&index.url));
                let known = known.cloned().unwrap_or(index);
                let links = options.indexes.iter().filter(|index| index.kind == IndexKind::Links);
                links.filter(|index| index.role == Role::Extra).cloned().chain([known]).collect()
            }
            None => {
                let extra = options.indexes.iter().filter(|index| index.role == Role::Extra).filter(usable);
                let mut indexes: Vec<_> = extra.cloned().collect();
                let place = if hashed { 0 } else { indexes.len() };
                if let Some(default) = options.default_index() {
                    indexes.insert(place, default);
                }
                indexes
            }
        };
        indexes.sort_by_key(|index| index.kind != IndexKind::Links);
        indexes.dedup();
        Ok(indexes)
    }

    /// Fetches a file from its URL.
    async fn direct(&self, package: &Package, file: &DistFile, url: &Url, task: &Task) -> Result<Fetched> {
        let wanted = Wanted { filename: &file.filename, hashes: &file.hashes, size: file.size };
        let fetched = self.obtain(url, wanted, task).await?;
        self.0.unhashed.note(package, file, wanted.hashes);
        Ok(fetched)
    }

    /// Fetches a file that an index lists; `None` when it does not.
    async fn listed(
        &self,
        package: &Package,
        file: &DistFile,
        index: &Index,
        task: &Task,
    ) -> Result<Option<Fetched>> {
        let wanted = Wanted { filename: &file.filename, hashes: &file.hashes, size: file.size };
        let enough = |listed: &[Listed]| {
            let right =
                |listed: &Listed| listed.filename == file.filename && same(&listed.hashes(), &file.hashes);
            listed.iter().any(right)
        };
        let accept_fresh = file.hashes.is_empty();
        let page = self.page(index, &package.name, enough, accept_fresh).await?.unwrap_or_default();
        let named = || page.iter().filter(|listed| listed.filename == file.filename);
        let Some(listed) = named().find(|listed| agree(&listed.hashes(), &file.hashes)) else {
            let conflict = named().find_map(|listed| mismatch(&file.hashes, &listed.hashes()));
            let conflict = conflict.map(|found| wrong_hash(&file.filename, &index.to_string(), &found));
            return conflict.map_or(Ok(None), Err);
        };
        let url = Url::parse(&listed.url).map_err(|error| {
            Error::network(format!("{index} has no usable URL for {}", file.filename)).because(error)
        })?;
        let of_index = listed.hashes();
        let hashes = if file.hashes.is_empty() { &of_index } else { &file.hashes };
        if file.hashes.is_empty()
            && let Some(found) = self.stored(hashes).await
        {
            self.0.unhashed.note(package, file, hashes);
            return Ok(Some(found));
        }
        let wanted = Wanted { hashes, size: wanted.size.or(listed.size), ..wanted };
        // In a folder of links nothing but the content tells which file it is.
        if url.scheme() == "file" && listed.hashes.is_empty() && !file.hashes.is_empty() {
            let path = path_of(&url)?;
            return Ok(self.import_if_right(&path, wanted).await);
        }
        let fetched = self.obtain(&url, wanted, task).await?;
        self.0.unhashed.note(package, file, hashes);
        Ok(Some(fetched))
    }

    /// Brings what is at a URL into the store.
    async fn obtain(&self, url: &Url, wanted: Wanted<'_>, task: &Task) -> Result<Fetched> {
        if url.scheme() == "file" {
            return self.import(&path_of(url)?, wanted.hashes).await;
        }
        if let Some(found) = self.kept_by_pip(url, wanted).await {
            return Ok(found);
        }
        self.refuse_offline(|| wanted.filename.to_owned())?;
        self.download(url, wanted, task).await
    }
}

fn path_of(url: &Url) -> Result<std::path::PathBuf> {
    url.to_file_path().map_err(|()| Error::usage(format!("{url} is not a path on this machine")))
}

/// The files of a version. A version without a local part means those with one where there are
/// no others (PEP 440), of which the highest counts. If the lock has hashes, only the files that
/// they are of, and those of which the index does not tell any.
fn of_version(listed: Vec<Listed>, package: &Package, wanted: &Version) -> Vec<Listed> {
    let wanted_hashes: Vec<_> = package.files.iter().flat_map(|file| &file.hashes).cloned().collect();
    let is_locked = |file: &Listed| {
        let hashes = file.hashes();
        wanted_hashes.is_empty()
            || hashes.is_empty()
            || hashes.iter().any(|hash| wanted_hashes.contains(hash))
    };
    let versions =
        listed.into_iter().filter_map(|file| Some((version(&file.filename, &package.name)?, file)));
    let mut matching: Vec<_> = versions
        .filter(|(found, _)| {
            found == wanted || (!wanted.is_local() && found.clone().without_local() == *wanted)
        })
        .filter(|(_, file)| is_locked(file))
        .collect();
    let exact = matching.iter().any(|(found, _)| found == wanted);
    let best =
        if exact { Some(wanted.clone()) } else { matching.iter().map(|(found, _)| found.clone()).max() };
    matching.retain(|(found, _)| Some(found) == best.as_ref());
    matching.into_iter().map(|(_, file)| file).collect()
}

/// The error for what is nowhere.
fn nothing(what: &str, asked: &[String], mut failures: Vec<Error>) -> Error {
    let wrong = failures.iter().position(|error| error.kind() == Kind::Integrity);
    let only = (failures.len() == 1 && asked.len() <= 1).then_some(0);
    if let Some(place) = wrong.or(only) {
        return failures.remove(place);
    }
    let places = if asked.is_empty() { "no index is configured".to_owned() } else { asked.join(", ") };
    let kind = failures.first().map_or(Kind::Network, Error::kind);
    let error = Error::new(kind, format!("cannot find {what}: {places}"));
    match failures.into_iter().next() {
        Some(first) => error.because(first),
        None => error.hint("set the index that has it in the project or in PIP_EXTRA_INDEX_URL"),
    }
}
