//! What the readers of all locks share: words, names, URLs and digests of a file that nobody
//! has to trust, each checked before anything is done with it.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use pep440_rs::Version;
use url::Url;

use super::LockKind;
use crate::error::{Error, Kind, Result};
use crate::python::{Constraint, DistFile, Hash, Marker, Name, Source};
use crate::read;
use crate::redact::{self, Address};

/// The lock that is being read, for messages and relative paths.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The lock file, whose folder paths in it are relative to.
    pub path: PathBuf,
    /// The folder that it is in, absolute.
    pub dir: PathBuf,
    pub kind: LockKind,
}

/// Names of distributions are short; longer ones are somebody's attempt.
const LONGEST_NAME: usize = 255;

impl Place {
    pub(super) fn new(path: &Path, kind: LockKind) -> Result<Self> {
        let path = std::path::absolute(path)
            .map_err(|e| Error::usage(format!("{} is not a valid path", path.display())).because(e))?;
        let dir = path.parent().unwrap_or(&path).to_owned();
        Ok(Self { path, dir, kind })
    }

    /// Reads the text as TOML.
    pub(super) fn toml<T: serde::de::DeserializeOwned>(&self, text: &str) -> Result<T> {
        toml::from_str(text)
            .map_err(|e| self.wrong("its structure is invalid").because(read::toml_words(&self.path, &e)))
    }

    /// The file's name, for sentences.
    pub(super) fn shown(&self) -> String {
        self.path.file_name().map_or_else(|| self.path.display().to_string(), |n| n.to_string_lossy().into())
    }

    /// The lock is not what a tool would have written.
    pub(super) fn wrong(&self, what: impl fmt::Display) -> Error {
        Error::usage(format!("{}: {what}", self.shown())).hint(self.kind.remake_hint())
    }

    /// The same about one of its packages.
    pub(super) fn wrong_package(&self, name: &Name, what: impl fmt::Display) -> Error {
        self.wrong(format!("package {name}: {what}"))
    }

    pub(super) fn name(&self, text: &str) -> Result<Name> {
        if text.len() > LONGEST_NAME {
            return Err(self.wrong(format!("a name has {} characters", text.len())));
        }
        text.parse().map_err(|e: Error| self.wrong("a package has no valid name").because(e))
    }

    pub(super) fn version(&self, name: &Name, text: &str) -> Result<Version> {
        let parsed = text.parse().ok().filter(|_| text.len() <= LONGEST_NAME);
        parsed.ok_or_else(|| self.wrong_package(name, format!("{:?} is not a valid version", short(text))))
    }

    pub(super) fn marker(&self, name: &Name, text: &str) -> Result<Marker> {
        Marker::parse(text).map_err(|e| self.wrong_package(name, "its marker cannot be read").because(e))
    }

    pub(super) fn constraint(&self, text: &str) -> Result<Constraint> {
        Constraint::parse(text)
            .map_err(|e| self.wrong("its constraint on the version of Python cannot be read").because(e))
    }

    /// A file name, which is a file name and nothing else; a wheel's must be the package's.
    pub(super) fn file_name(&self, name: &Name, text: &str) -> Result<String> {
        let bad = |c: char| matches!(c, '/' | '\\' | ':') || c.is_control();
        if text.is_empty() || text.starts_with('.') || text.len() > LONGEST_NAME || text.contains(bad) {
            return Err(self.wrong_package(name, format!("{:?} is not a valid file name", short(text))));
        }
        if let Some(wheel) = text.strip_suffix(".whl") {
            let owner = wheel.split('-').next().and_then(|owner| owner.parse::<Name>().ok());
            if owner.as_ref() != Some(name) {
                return Err(self.wrong_package(name, format!("the wheel {text} belongs to another package")));
            }
        }
        Ok(text.to_owned())
    }

    /// An address that can be fetched from, without its fragment.
    pub(super) fn url(&self, name: &Name, text: &str) -> Result<Address> {
        let url = self.parse_url(name, text)?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            let what = format!("{:?} is not an address that can be fetched from", short(text));
            return Err(self.wrong_package(name, what).hint("only https:// and http:// are supported"));
        }
        Ok(without_fragment(text))
    }

    fn parse_url(&self, name: &Name, text: &str) -> Result<Url> {
        Url::parse(text)
            .map_err(|e| self.wrong_package(name, format!("{:?} is not a valid URL", short(text))).because(e))
    }

    /// The last part of a URL's path, decoded.
    pub(super) fn name_in_url(&self, name: &Name, text: &str) -> Result<String> {
        let url = self.parse_url(name, text)?;
        let last =
            url.path_segments().and_then(|mut parts| parts.next_back().map(decoded)).unwrap_or_default();
        self.file_name(name, &last)
    }

    /// A digest that proves something.
    pub(super) fn hash(&self, name: &Name, text: &str) -> Result<Hash> {
        Hash::parse(text).ok_or_else(|| {
            let what = format!("{}: package {name}: {:?} is not a strong digest", self.shown(), short(text));
            Error::new(Kind::Integrity, what).hint("use sha256, sha384 or sha512")
        })
    }

    /// A git repository at a commit, where `url` may have `?tag=`, `?rev=`, `?branch=`,
    /// `?subdirectory=` and a `#commit`, as uv writes it.
    pub(super) fn git(&self, name: &Name, url: &str, commit: &str, rest: GitRest<'_>) -> Result<Source> {
        let full = matches!(commit.len(), 40 | 64) && commit.bytes().all(|b| b.is_ascii_hexdigit());
        if !full {
            let what = format!("{:?} is not a full commit, so the repository is not pinned", short(commit));
            return Err(self.wrong_package(name, what));
        }
        Ok(Source::Git {
            url: self.repository(name, url)?,
            commit: commit.to_ascii_lowercase(),
            requested: rest.requested.map(str::to_owned),
            subdirectory: rest.subdirectory.map(|folder| self.inner_folder(name, folder)).transpose()?,
        })
    }

    /// The address of a repository, which git will get as an argument.
    fn repository(&self, name: &Name, text: &str) -> Result<Address> {
        let text = text.strip_prefix("git+").unwrap_or(text);
        // Poetry 2.5 writes the absent host of a local repository as "None".
        let text = text.replace("file://None/", "file:///");
        let known =
            ["https://", "http://", "ssh://", "git://", "file:///"].iter().any(|s| text.starts_with(s));
        let scp = !text.contains("::")
            && text.split_once(':').is_some_and(|(host, _)| host.contains('@') && !host.contains('/'));
        if text.starts_with('-') || text.contains(char::is_control) || !(known || scp) {
            return Err(self
                .wrong_package(name, format!("{:?} is not the address of a git repository", short(&text))));
        }
        Ok(text.into())
    }

    /// A folder inside a repository or an archive.
    pub(super) fn inner_folder(&self, name: &Name, text: &str) -> Result<String> {
        let inside =
            Path::new(text).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside || text.contains(['\\', '\0']) {
            return Err(self.wrong_package(name, format!("the subdirectory {:?} leads out", short(text))));
        }
        Ok(text.to_owned())
    }

    /// A path of the lock, absolute. It may lead out of the project: a sibling is a usual
    /// dependency.
    pub(super) fn folder(&self, name: &Name, text: &str) -> Result<PathBuf> {
        if text.contains('\0') {
            return Err(self.wrong_package(name, format!("{:?} is not a valid path", short(text))));
        }
        Ok(joined(&self.dir, text))
    }

    /// A file on this machine as a URL.
    pub(super) fn file_url(&self, name: &Name, path: &Path) -> Result<Address> {
        let url = Url::from_file_path(path);
        url.map(|url| Address::new(url.as_str()))
            .map_err(|()| self.wrong_package(name, format!("{} is not a valid path", path.display())))
    }

    /// A file from its words: a name or none, a URL or none, a digest or none.
    pub(super) fn dist_file(&self, package: &Name, words: FileWords<'_>) -> Result<DistFile> {
        let plain = words.url.and_then(plain_path);
        let url = match plain {
            Some(_) => words.url.map(without_fragment),
            None => words.url.map(|url| self.url(package, url)).transpose()?,
        };
        let filename = match (words.filename.or_else(|| plain.and_then(plain_name)), &url) {
            (Some(filename), _) => self.file_name(package, filename)?,
            (None, Some(url)) => self.name_in_url(package, url.expose())?,
            (None, None) => return Err(self.wrong_package(package, "a file has neither name nor URL")),
        };
        let hashes = words.hash.map(|hash| self.hash(package, hash)).transpose()?;
        let hashes = hashes.into_iter().collect();
        Ok(DistFile { filename, url, size: words.size, hashes, yanked: false })
    }
}

/// What a lock says of a repository beside its address and commit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GitRest<'a> {
    pub requested: Option<&'a str>,
    pub subdirectory: Option<&'a str>,
}

/// What a lock says of a file.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FileWords<'a> {
    pub filename: Option<&'a str>,
    pub url: Option<&'a str>,
    pub hash: Option<&'a str>,
    pub size: Option<u64>,
}

fn without_fragment(url: &str) -> Address {
    Address::new(url.split('#').next().unwrap_or(url))
}

/// The last part of a path in which nothing is encoded.
fn plain_name(path: &str) -> Option<&str> {
    path.rsplit('/').next().filter(|name| !name.contains('%'))
}

/// The path of a URL in which nothing is unusual, so that it is one without being parsed: a lock
/// has some for each of thousands of files.
fn plain_path(text: &str) -> Option<&str> {
    let (host, path) = text.strip_prefix("https://")?.split_once('/')?;
    let is_host = host.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'));
    // One that ends in a number would be an address.
    let ends_well =
        host.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_lowercase()));
    let plain = |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'A'..=b'Z' | b'-'..=b'/' | b'_' | b'~' | b'+' | b'%' | b'=' | b'!' | b',' | b'@' | b':' | b'#');
    let path_ends = path.find('#').unwrap_or(path.len());
    (is_host && ends_well && path.bytes().all(plain)).then_some(path.get(..path_ends)?)
}

/// `text` below `dir`, without `.` and `..`, and without asking the disk.
pub(super) fn joined(dir: &Path, text: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for part in dir.join(text).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = path.pop(),
            other => path.push(other),
        }
    }
    path
}

/// Whether a path names a wheel or a source archive rather than a folder.
pub(super) fn is_archive(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    [".whl", ".tar.gz", ".zip", ".tgz", ".tar.bz2"].iter().any(|end| name.ends_with(end))
}

/// Text with `%41` as `A`; what is no such thing stays.
pub(super) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        let escaped = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) if *byte == b'%' => {
                out.push(value);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// As much of a text as a message can hold.
pub(super) fn short(text: &str) -> String {
    redact::excerpt(text, 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_surely_a_url_is_not_parsed() {
        for (text, path) in [
            (
                "https://files.pythonhosted.org/packages/a/b-1.0-py3-none-any.whl",
                Some("packages/a/b-1.0-py3-none-any.whl"),
            ),
            ("https://h.example/a%2Bb.whl#sha256=00", Some("a%2Bb.whl")),
            ("https://h.example/", Some("")),
            ("https://h.example", None),
            ("https://user@h.example/a", None),
            ("https://h.example:8443/a", None),
            ("https://127.0.0.1/a", None),
            ("https://1.2.3.999/a", None),
            ("https:///a", None),
            ("https://h.example/a b", None),
            ("https://h.example/a?b", None),
            ("http://h.example/a", None),
            ("https://H.example/a", None),
        ] {
            assert_eq!(plain_path(text), path, "{text}");
            // What is taken without parsing is a URL with a host indeed.
            assert!(path.is_none() || Url::parse(text).expect(text).has_host());
        }
    }
}
