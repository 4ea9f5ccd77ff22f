//! URLs in requirements: archives and git repositories.

use std::collections::BTreeSet;

use super::place::{GitRest, Place, decoded, short};
use crate::error::{Error, Result};
use crate::python::{DistFile, Hash, Name, Package, Source};

/// A distribution that is not from an index.
#[derive(Debug, Clone)]
pub(super) struct Elsewhere {
    pub name: Name,
    pub source: Source,
    /// The digest in the URL.
    pub hash: Option<Hash>,
}

impl Elsewhere {
    /// As what is to be installed.
    pub(super) fn package(&self, place: &Place, hashes: &[Hash]) -> Result<Package> {
        let files = match &self.source {
            // One file, and maybe several digests of which one must be right: these have entries without a name.
            Source::Url { url, .. } => {
                let filename = place.name_in_url(&self.name, url.expose())?;
                let file = |filename: &str, url, hashes| DistFile {
                    filename: filename.to_owned(),
                    url,
                    size: None,
                    hashes,
                    yanked: false,
                };
                let hashes: BTreeSet<&Hash> = hashes.iter().chain(&self.hash).collect();
                let one = |hash: &Hash| vec![hash.clone()];
                match hashes.len() {
                    0 => vec![file(&filename, Some(url.clone()), Vec::new())],
                    1 => vec![file(&filename, Some(url.clone()), hashes.into_iter().flat_map(one).collect())],
                    _ => {
                        let all = hashes.into_iter().map(|hash| file("", None, one(hash)));
                        [file(&filename, Some(url.clone()), Vec::new())].into_iter().chain(all).collect()
                    }
                }
            }
            _ => Vec::new(),
        };
        Ok(Package {
            name: self.name.clone(),
            version: None,
            source: self.source.clone(),
            files,
            identities: Vec::new(),
        })
    }
}

/// Reads `https://host/x-1.0.whl#sha256=...` and `git+https://host/x@COMMIT#egg=x`.
pub(super) fn from_url(place: &Place, name: Option<Name>, text: &str) -> Result<Elsewhere> {
    let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
    let part = |key: &str| {
        let parts = fragment.split('&').filter_map(|part| part.split_once('='));
        parts.clone().find(|(found, _)| *found == key).map(|(_, value)| decoded(value))
    };
    let egg = part("egg").map(|egg| egg.split('[').next().unwrap_or_default().to_owned());
    let egg = egg.and_then(|egg| egg.parse::<Name>().ok());
    let last = address.split('?').next().and_then(|path| path.rsplit('/').next()).map(decoded);
    let from_file = || last.as_deref().and_then(name_of_archive);
    let Some(name) = name.or(egg).or_else(from_file) else {
        return Err(Error::usage(format!("{} does not say which distribution it is", short(text)))
            .hint("write it as name @ URL"));
    };
    let subdirectory = part("subdirectory");
    if let Some(kind) = ["hg+", "svn+", "bzr+"].iter().find(|kind| text.starts_with(**kind)) {
        let error = place.wrong_package(&name, format!("it is in a repository of the kind {kind}"));
        return Err(error.hint("only git repositories can be read"));
    }
    let source = match address.strip_prefix("git+") {
        Some(repository) => git(place, &name, repository, subdirectory.as_deref())?,
        None => Source::Url {
            url: place.url(&name, address)?,
            subdirectory: subdirectory.map(|folder| place.inner_folder(&name, &folder)).transpose()?,
        },
    };
    let hash = hash_in(place, Some(&name), text)?;
    Ok(Elsewhere { name, source, hash })
}

/// The digest in the fragment of a URL.
pub(super) fn hash_in(place: &Place, name: Option<&Name>, url: &str) -> Result<Option<Hash>> {
    let fragment = url.split_once('#').map_or("", |(_, fragment)| fragment);
    let strong = ["sha256", "sha384", "sha512"];
    let found =
        fragment.split('&').filter_map(|part| part.split_once('=')).find(|(key, _)| strong.contains(key));
    let Some((algorithm, hex)) = found else { return Ok(None) };
    let text = format!("{algorithm}:{}", decoded(hex));
    match name {
        Some(name) => place.hash(name, &text).map(Some),
        None => Ok(Hash::parse(&text)),
    }
}

/// The commit is after the last `@` of the path; an `@` before a host belongs to a user.
fn git(place: &Place, name: &Name, text: &str, subdirectory: Option<&str>) -> Result<Source> {
    let (repository, commit) = match text.rsplit_once('@') {
        Some((repository, commit)) if repository.contains("://") && !commit.contains('/') => {
            (repository, commit)
        }
        _ => (text, ""),
    };
    place.git(name, repository, commit, GitRest { requested: None, subdirectory })
}

/// The distribution in `name-1.0-py3-none-any.whl` or `name-1.0.tar.gz`.
pub(super) fn name_of_archive(filename: &str) -> Option<Name> {
    if let Some(wheel) = filename.strip_suffix(".whl") {
        let mut parts = wheel.split('-');
        let name = parts.next()?.parse().ok();
        // A version, and tags of three parts; perhaps a build number.
        return name.filter(|_| matches!(parts.count(), 4 | 5));
    }
    let stem = [".tar.gz", ".zip", ".tgz", ".tar.bz2"].iter().find_map(|end| filename.strip_suffix(end))?;
    let (name, version) = stem.rsplit_once('-')?;
    version.parse::<pep440_rs::Version>().ok()?;
    name.parse().ok()
}
