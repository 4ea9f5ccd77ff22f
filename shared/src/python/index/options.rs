//! Which indexes there are, and how they are used: total, made once.

use std::path::{Path, PathBuf};

use super::credentials::Credentials;
use super::login::Login;
use crate::error::{Error, Result};
use crate::http::{Secret, Url, shown};

/// The simple API of the index that is meant where nobody says otherwise.
pub(super) const PYPI: &str = "https://pypi.org/simple/";

/// The hosts of PyPI: its index and its files.
const PYPI_HOSTS: &[&str] = &["pypi.org", "pypi.python.org", "files.pythonhosted.org"];

/// Where distributions come from.
#[derive(Debug, Clone)]
pub struct Options {
    /// The indexes, in the order in which they are asked.
    pub indexes: Vec<Index>,
    /// Whether only lists of links are looked at, and no index (`PIP_NO_INDEX`).
    pub no_index: bool,
    /// Who we are to them.
    pub credentials: Credentials,
    /// Hosts (`HOST` or `HOST:PORT`) that may be spoken to without TLS.
    pub trusted_hosts: Vec<String>,
    /// PEM files with certificates to trust beside the usual ones (`PIP_CERT`).
    pub certificates: Vec<PathBuf>,
    /// Caches of other tools that may have a file.
    pub caches: Caches,
    /// How many files are fetched at the same time.
    pub concurrency: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            indexes: Vec::new(),
            no_index: false,
            credentials: Credentials::default(),
            trusted_hosts: Vec::new(),
            certificates: Vec::new(),
            caches: Caches::default(),
            concurrency: 12,
        }
    }
}

/// The folders of other tools' caches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caches {
    /// pip's, as `~/.cache/pip`.
    pub pip: Option<PathBuf>,
    /// Poetry's, as `~/.cache/pypoetry`.
    pub poetry: Option<PathBuf>,
}

/// A package index or a list of links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The name that a project gives it.
    pub name: Option<String>,
    /// Its URL, without user and password; a folder's is a `file:` URL.
    pub url: Url,
    /// What is there.
    pub kind: Kind,
    /// When it is asked.
    pub role: Role,
}

/// What an [`Index`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The simple API: a page for each project.
    Simple,
    /// One page, or a folder, with the files of any projects (`find-links`, uv's `format = "flat"`).
    Links,
}

/// When an [`Index`] is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// In PyPI's place.
    Default,
    /// Beside the default one.
    Extra,
    /// Only for packages that a lock says to be from it.
    Explicit,
}

impl Index {
    /// An index at `location`: a URL, which may hold user and password, or a path relative to
    /// `folder`. The login that was in the URL comes back beside it.
    ///
    /// # Errors
    /// Kind usage when the location is neither.
    pub fn new(location: &str, kind: Kind, role: Role, folder: &Path) -> Result<(Self, Option<Login>)> {
        let location = location.trim();
        let (url, login) = match Url::parse(location) {
            Ok(url) if matches!(url.scheme(), "http" | "https" | "file") => take_login(url),
            Ok(url) if location.contains("://") => {
                return Err(Error::usage(format!("an index cannot be reached through {}", url.scheme()))
                    .hint("write its URL with https://"));
            }
            _ if location.is_empty() || location.contains("://") => {
                return Err(
                    Error::usage("the URL of an index is invalid").hint("it looks like https://host/simple/")
                );
            }
            _ => (folder_url(&folder.join(location))?, None),
        };
        // A folder is listed, and has no pages for projects unless it was made to.
        let kind = if url.scheme() == "file" { Kind::Links } else { kind };
        let url = if kind == Kind::Simple { with_slash(url) } else { url };
        Ok((Self { name: None, url, kind, role }, login))
    }

    /// The URL of the page with a package's files.
    pub(super) fn page(&self, package: &crate::python::Name) -> Result<Url> {
        match self.kind {
            Kind::Links => Ok(self.url.clone()),
            Kind::Simple => self.url.join(&format!("{package}/")).map_err(|error| {
                Error::usage(format!("{self} cannot be the URL of an index")).because(error)
            }),
        }
    }

    /// Whether a lock that names `url` means this one.
    pub(super) fn is_at(&self, url: &Url) -> bool {
        let plain = |url: &Url| shown(&take_login(url.clone()).0).trim_end_matches('/').to_owned();
        plain(&self.url) == plain(url)
    }
}

impl std::fmt::Display for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.url.to_file_path() {
            Ok(path) if self.url.scheme() == "file" => write!(f, "{}", path.display()),
            _ => f.write_str(&shown(&self.url)),
        }
    }
}

impl Options {
    /// Adds an index, and its login to the credentials.
    pub fn add(&mut self, (index, login): (Index, Option<Login>)) {
        if let Some(login) = login {
            self.credentials.add(index.url.clone(), login);
        }
        if !self.indexes.contains(&index) {
            self.indexes.push(index);
        }
    }

    /// The index in PyPI's place, which may be PyPI itself; `None` when there is to be none.
    pub(super) fn default_index(&self) -> Option<Index> {
        if self.no_index {
            return None;
        }
        let named = self.indexes.iter().find(|index| index.role == Role::Default).cloned();
        named.or_else(|| {
            Index::new(PYPI, Kind::Simple, Role::Default, Path::new("")).ok().map(|(index, _)| index)
        })
    }

    /// Whether the user wants another index in PyPI's place.
    pub(super) fn replaces_pypi(&self) -> bool {
        self.no_index || self.default_index().is_some_and(|index| !is_pypi(&index.url))
    }
}

/// Whether this is PyPI's index or a file of it.
pub(super) fn is_pypi(url: &Url) -> bool {
    url.host_str().is_some_and(|host| PYPI_HOSTS.contains(&host))
}

/// The URL without user and password, and these.
pub(super) fn take_login(mut url: Url) -> (Url, Option<Login>) {
    let decode = |text: &str| super::filename::percent_decode(text).unwrap_or_else(|| text.to_owned());
    let username = decode(url.username());
    let password = url.password().map(|password| Secret::new(decode(password)));
    // Both fail only for URLs that cannot have a user at all.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let login = (!username.is_empty() || password.is_some()).then_some(Login { username, password });
    (url, login)
}

fn with_slash(mut url: Url) -> Url {
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    url
}

fn folder_url(path: &Path) -> Result<Url> {
    Url::from_file_path(path)
        .map_err(|()| Error::usage(format!("{} is not an absolute path of an index", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::System;

    fn index(location: &str) -> (Index, Option<Login>) {
        Index::new(location, Kind::Simple, Role::Extra, &System::HERE.absolute("/projects")).expect(location)
    }

    #[test]
    fn user_and_password_are_taken_out_of_the_url() {
        let (index, login) = index("https://me%40x:p%3Aw@i.example/simple?x=1");
        assert_eq!(index.url.as_str(), "https://i.example/simple/?x=1");
        let login = login.expect("login");
        assert_eq!((login.username.as_str(), login.password.expect("password").expose()), ("me@x", "p:w"));
        assert!(!format!("{index} {index:?}").contains("p%3A"));
    }

    #[test]
    fn paths_are_folders_of_links() {
        let of = |path: &str| Url::from_file_path(System::HERE.absolute(path)).expect(path).to_string();
        for (text, url) in
            [("wheels", of("/projects/wheels")), ("/a b", of("/a b")), ("file:///x", "file:///x".into())]
        {
            let (index, login) = index(text);
            assert_eq!((index.url.as_str(), index.kind, login), (url.as_str(), Kind::Links, None));
        }
        for text in ["", "ftp://x/y", "https://", "git+ssh://x/y"] {
            let error = Index::new(text, Kind::Simple, Role::Extra, Path::new("/projects")).expect_err(text);
            assert_eq!(error.kind(), crate::Kind::Usage, "{error}");
        }
    }

    #[test]
    fn a_lock_may_spell_an_index_in_other_ways() {
        let (index, _) = index("https://me:pw@i.example/simple/");
        for text in ["https://i.example/simple", "https://you@i.example:443/simple/"] {
            assert!(index.is_at(&text.parse().expect("url")), "{text}");
        }
        assert!(!index.is_at(&"https://i.example/other".parse().expect("url")));
    }

    #[test]
    fn pypi_is_the_default_until_another_is_named() {
        let mut options = Options::default();
        assert_eq!(options.default_index().expect("PyPI").url.as_str(), PYPI);
        assert!(!options.replaces_pypi());
        options.add(
            Index::new("https://m.example/pypi", Kind::Simple, Role::Default, Path::new("/")).expect("index"),
        );
        assert!(options.replaces_pypi());
        options.no_index = true;
        assert_eq!(options.default_index(), None);
    }
}
