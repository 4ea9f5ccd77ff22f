//! The indexes and logins that the user's tools are set up with, read from where those tools
//! read them.
//!
//! Whatever tool made the lock, the settings of all of them count, since what they say is true
//! of the user's network: where files come from. In PyPI's place is the first of these: the
//! `--index-url` of a requirements file · `UV_DEFAULT_INDEX`, `UV_INDEX_URL` · the project's
//! and the user's uv configuration · `PIP_INDEX_URL` · pip's configuration files. The extra ones
//! of all are asked, in this order. Poetry's sources are asked for the packages that its lock
//! says to be from there, and as extra ones where they are not explicit.

mod pip;
mod poetry;
mod uv;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::netrc::Netrc;
use super::options::{Caches, Index, Kind, Options, Role};
use crate::error::{Error, Result};
use crate::python::requirements_text::expand;
use crate::read;
use crate::redact::Address;
use crate::system::{Folders, System};

/// What the settings are read from.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The environment.
    pub variables: &'a BTreeMap<String, String>,
    /// Whose customs decide where settings are: those of this system but in tests.
    pub host: System,
    /// Below which the system's files are, as `etc/pip.conf`: `/` but in tests.
    pub system: &'a Path,
    /// The folder of the project's `pyproject.toml`; absolute.
    pub project: &'a Path,
    /// What the project's requirements file says.
    pub requirements: Option<&'a Requirements>,
}

/// The lines of a requirements file that are about indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirements {
    /// `--index-url`.
    pub index_url: Option<Address>,
    /// `--extra-index-url`.
    pub extra_index_urls: Vec<Address>,
    /// `--find-links`: URLs, and paths relative to `folder`.
    pub find_links: Vec<Address>,
    /// `--no-index`.
    pub no_index: bool,
    /// `--trusted-host`.
    pub trusted_hosts: Vec<String>,
    /// The folder of the file; absolute.
    pub folder: PathBuf,
}

impl Options {
    /// The options that the surroundings ask for.
    ///
    /// # Errors
    /// Kind usage when a file or a variable cannot be understood; it is named.
    pub fn read(surroundings: &Surroundings<'_>) -> Result<Self> {
        let mut options = Self::default();
        if let Some(requirements) = surroundings.requirements {
            of_requirements(&mut options, requirements, surroundings)?;
        }
        uv::read(&mut options, surroundings)?;
        pip::read(&mut options, surroundings)?;
        poetry::read(&mut options, surroundings)?;
        keep_first_default(&mut options.indexes);
        options.caches = surroundings.caches();
        if let Some(text) = surroundings.netrc()? {
            options.credentials.netrc = Netrc::parse(&text);
        }
        Ok(options)
    }
}

/// Of several indexes in PyPI's place the first one counts, and the others not at all.
fn keep_first_default(indexes: &mut Vec<Index>) {
    let mut seen = false;
    indexes.retain(|index| index.role != Role::Default || !std::mem::replace(&mut seen, true));
}

fn of_requirements(options: &mut Options, said: &Requirements, around: &Surroundings<'_>) -> Result<()> {
    let mut add = |address: &Address, kind, role| {
        let text = expand(address.expose(), around.variables);
        let index = Index::new(&text, kind, role, &said.folder);
        index.map(|index| options.add(index)).map_err(|error| from("the requirements file", error))
    };
    for links in &said.find_links {
        add(links, Kind::Links, Role::Extra)?;
    }
    for url in &said.extra_index_urls {
        add(url, Kind::Simple, Role::Extra)?;
    }
    if let Some(url) = &said.index_url {
        add(url, Kind::Simple, Role::Default)?;
    }
    options.no_index |= said.no_index;
    options.trusted_hosts.extend(said.trusted_hosts.iter().cloned());
    Ok(())
}

/// The error, with the place of what is wrong.
fn from(place: impl std::fmt::Display, error: Error) -> Error {
    Error::usage(format!("cannot use an index named in {place}")).because(error)
}

/// The text of a file; `None` when there is none.
fn read_file(path: &Path) -> Result<Option<String>> {
    match read::text(path, read::DOCUMENT) {
        Ok(text) => Ok(Some(text)),
        Err(error) if read::is_absent(&error) => Ok(None),
        Err(error) => Err(Error::usage(format!("cannot read {}", path.display())).because(error)),
    }
}

/// Reads a TOML file; `None` when there is none. The parser's words are left
/// out: they quote values, which may hold passwords.
fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let Some(text) = read_file(path)? else { return Ok(None) };
    toml::from_str(&text).map(Some).map_err(|error: toml::de::Error| {
        let line = error.span().map(|span| text.get(..span.start).unwrap_or_default().lines().count().max(1));
        let place = line.map(|line| format!(", line {line}")).unwrap_or_default();
        Error::usage(format!("cannot understand {}{place}", path.display()))
    })
}

impl Surroundings<'_> {
    /// A variable; empty ones count as absent.
    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a variable says yes, as pip and uv read it.
    fn is_set(&self, name: &str) -> bool {
        self.variable(name).is_some_and(is_true)
    }

    fn folders<T>(&self, read: impl FnOnce(Folders<'_>) -> T) -> T {
        read(Folders::of(self.host, &|name| self.variable(name).map(PathBuf::from)))
    }

    fn home(&self) -> Option<PathBuf> {
        self.folders(|folders| folders.home())
    }

    /// What all users of a Windows share; of it, tests have a part.
    fn shared(&self) -> Option<PathBuf> {
        self.folders(|folders| folders.shared())
    }

    /// The folders of the system's configuration files, the most important first.
    fn system_config(&self) -> Vec<PathBuf> {
        if let Some(shared) = self.shared() {
            return vec![shared];
        }
        let folders = self.variable("XDG_CONFIG_DIRS").unwrap_or("/etc/xdg").split(':');
        let below = |folder: &str| self.system.join(folder.trim_start_matches('/'));
        folders.filter(|folder| !folder.is_empty()).map(below).collect()
    }

    fn caches(&self) -> Caches {
        // On Windows a program has a folder, and its cache is one in it.
        let of = |name: &str, folder: &str| {
            let own = || Some(self.folders(|folders| folders.cache())?.join(folder));
            let usual = || own().map(|own| if self.host.is_windows() { own.join("Cache") } else { own });
            self.variable(name).map(PathBuf::from).or_else(usual)
        };
        let pip = of("PIP_CACHE_DIR", "pip").filter(|_| !self.is_set("PIP_NO_CACHE_DIR"));
        Caches { pip, poetry: of("POETRY_CACHE_DIR", "pypoetry") }
    }

    fn netrc(&self) -> Result<Option<String>> {
        if let Some(named) = self.variable("NETRC") {
            return read_file(Path::new(named));
        }
        let Some(home) = self.home() else { return Ok(None) };
        for name in [".netrc", "_netrc"] {
            if let Some(text) = read_file(&home.join(name))? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }
}

fn is_true(text: &str) -> bool {
    matches!(text.trim().to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "y" | "t" | "on")
}

#[cfg(test)]
mod tests;
