//! How a base is named: `static`, `scratch`, a release of Debian, a layout, an archive, a local engine's or a registry's.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::bare_debian::Suite;
use super::engine::Daemon;
use crate::error::Error;
use crate::oci::Reference;
use crate::system::System;

/// The name of a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseSpec {
    /// The base that this program holds itself.
    Static,
    /// Nothing.
    Scratch,
    /// A release of Debian without any package: `deb:trixie`.
    Debian(Suite),
    /// An OCI layout folder and the name of an image in it.
    Layout {
        /// The folder that has `oci-layout`, relative to the project.
        dir: PathBuf,
        /// The image's `org.opencontainers.image.ref.name`; may be missing where there is one.
        name: Option<String>,
    },
    /// A tar of an OCI layout.
    OciArchive {
        /// The archive, relative to the project.
        file: PathBuf,
        /// As for a layout.
        name: Option<String>,
    },
    /// What `docker save` writes.
    DockerArchive {
        /// The archive, relative to the project.
        file: PathBuf,
        /// One of its `RepoTags`; may be missing where there is one image.
        name: Option<String>,
    },
    /// An image that a local engine has, in skopeo's spelling: `docker-daemon:NAME` and
    /// `containers-storage:NAME`.
    Local {
        /// Docker or Podman.
        daemon: Daemon,
        /// The image's name or id, as the engine itself reads it.
        name: String,
    },
    /// An image in a registry.
    Registry(Reference),
}

impl BaseSpec {
    /// Whether the base has no C library, so that only static programs run on it.
    pub fn is_bare(&self) -> bool {
        matches!(self, Self::Static | Self::Scratch)
    }
}

/// Splits `PATH[:NAME]` at the first colon that is not a Windows drive's.
pub fn split_path(text: &str) -> (PathBuf, Option<String>) {
    match System::HERE.path_end(text) {
        Some(end) => (text[..end].into(), Some(text[end + 1..].to_owned())),
        None => (text.into(), None),
    }
}

/// The image `name` in a local engine. What it may look like is the engine's matter, but an option
/// of its program it must not be.
fn local(daemon: Daemon, name: &str, text: &str) -> Result<BaseSpec, Error> {
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && !name.contains(char::is_whitespace) {
        return Ok(BaseSpec::Local { daemon, name: name.to_owned() });
    }
    Err(Error::usage(format!("the base {text:?} does not name an image"))
        .hint("use docker-daemon:NAME:TAG or containers-storage:NAME:TAG"))
}

impl FromStr for BaseSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let place = |rest: &str, what: &str| {
            let (path, name) = split_path(rest);
            if path.as_os_str().is_empty() || name.as_deref() == Some("") {
                return Err(Error::usage(format!("the base {text:?} does not name a {what}"))
                    .hint("use oci:FOLDER:TAG, oci-archive:FILE:TAG or docker-archive:FILE:NAME"));
            }
            Ok((path, name))
        };
        Ok(match text {
            "static" => Self::Static,
            "scratch" => Self::Scratch,
            _ => match text.split_once(':') {
                Some(("oci", rest)) => {
                    let (dir, name) = place(rest, "folder")?;
                    Self::Layout { dir, name }
                }
                Some(("oci-archive", rest)) => {
                    let (file, name) = place(rest, "file")?;
                    Self::OciArchive { file, name }
                }
                Some(("docker-archive", rest)) => {
                    let (file, name) = place(rest, "file")?;
                    Self::DockerArchive { file, name }
                }
                None if [".tar", ".tar.gz", ".tgz", ".tar.zst"].iter().any(|end| text.ends_with(end)) => {
                    return Err(Error::usage(format!("{text:?} does not say what kind of archive it is"))
                        .hint(format!("use oci-archive:{text} or docker-archive:{text}")));
                }
                _ if text.starts_with(['.', '/', '~']) => {
                    return Err(Error::usage(format!("{text:?} does not say what kind of base it is")).hint(format!(
                        "use oci:{text} for a layout, oci-archive:{text} or docker-archive:{text} for an archive"
                    )));
                }
                Some(("deb", rest)) => Self::Debian(Suite::parse(rest)?),
                Some(("docker-daemon", rest)) => local(Daemon::Docker, rest, text)?,
                Some(("containers-storage", rest)) => local(Daemon::Podman, rest, text)?,
                _ => Self::Registry(text.strip_prefix("docker://").unwrap_or(text).parse().map_err(
                    |e: Error| {
                        let hint = e.hint_text().unwrap_or_default().to_owned();
                        Error::usage(format!("invalid base {text:?}"))
                            .because(e)
                            .hint(format!("{hint}; or use static, scratch or oci:FOLDER:TAG"))
                    },
                )?),
            },
        })
    }
}

impl fmt::Display for BaseSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, path, name) = match self {
            Self::Static => return f.write_str("static"),
            Self::Scratch => return f.write_str("scratch"),
            Self::Debian(suite) => return write!(f, "deb:{}", suite.name()),
            Self::Registry(reference) => return reference.fmt(f),
            Self::Local { daemon: Daemon::Docker, name } => return write!(f, "docker-daemon:{name}"),
            Self::Local { daemon: Daemon::Podman, name } => return write!(f, "containers-storage:{name}"),
            Self::Layout { dir, name } => ("oci", dir, name),
            Self::OciArchive { file, name } => ("oci-archive", file, name),
            Self::DockerArchive { file, name } => ("docker-archive", file, name),
        };
        write!(f, "{kind}:{}", path.display())?;
        name.as_ref().map_or(Ok(()), |name| write!(f, ":{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        for (text, shown) in [
            ("static", "static"),
            ("scratch", "scratch"),
            ("oci:../bases:python:3.13", "oci:../bases:python:3.13"),
            ("oci-archive:x.tar", "oci-archive:x.tar"),
            ("docker-archive:x.tar:a/b:1", "docker-archive:x.tar:a/b:1"),
            ("docker-daemon:web:1", "docker-daemon:web:1"),
            ("containers-storage:localhost/a/web", "containers-storage:localhost/a/web"),
            ("deb:trixie", "deb:trixie"),
            ("debian:bookworm-slim", "docker.io/library/debian:bookworm-slim"),
            ("docker://ghcr.io/a/b", "ghcr.io/a/b"),
        ] {
            assert_eq!(text.parse::<BaseSpec>().expect(text).to_string(), shown);
        }
    }

    #[test]
    fn a_base_that_names_nothing_is_refused() {
        let local = [
            "docker-daemon:",
            "docker-daemon:--help",
            "containers-storage:[overlay@/x]y",
            "docker-daemon:a b",
        ];
        let paths = ["a/image.tar", "s.tar.gz", "s.tgz", "./layout", "../x:1", "/abs"];
        for text in ["oci:", "oci:dir:", "docker-archive:", "", "Debian"].iter().chain(&paths).chain(&local) {
            let error = text.parse::<BaseSpec>().expect_err(text);
            assert!(error.hint_text().is_some(), "{text}");
        }
    }
}
