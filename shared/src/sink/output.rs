//! What `--output` says.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::base::spec::split_path;
use crate::error::Error;
use crate::oci::{Reference, is_tag};

/// A place for the image outside registries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A folder in OCI layout.
    Layout {
        /// The folder, made where it is missing, or a layout that gets another image.
        dir: PathBuf,
        /// The image's name in the index; the first tag by default.
        name: Option<String>,
    },
    /// A tar of an OCI layout.
    OciArchive {
        /// The archive, which is replaced as a whole.
        file: PathBuf,
    },
    /// A tar that every Docker and Podman loads.
    DockerArchive {
        /// The archive, which is replaced as a whole.
        file: PathBuf,
        /// The name it is loaded under.
        name: Option<Reference>,
    },
}

impl Output {
    /// Whether it is streamed to standard output, as `-` says.
    pub fn is_stream(&self) -> bool {
        !matches!(self, Self::Layout { .. }) && self.path() == Path::new("-")
    }

    /// The folder or file that is written.
    pub fn path(&self) -> &Path {
        match self {
            Self::Layout { dir, .. } => dir,
            Self::OciArchive { file } | Self::DockerArchive { file, .. } => file,
        }
    }
}

impl FromStr for Output {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let forms =
            "use oci:FOLDER[:TAG], oci-archive:FILE or docker-archive:FILE[:NAME:TAG]; - is standard output";
        let wrong = |why: &str| Error::usage(format!("the output {text:?} {why}")).hint(forms);
        let (kind, rest) = text.split_once(':').ok_or_else(|| wrong("has no type"))?;
        let (path, name) = split_path(rest);
        if path.as_os_str().is_empty() {
            return Err(wrong("has no path"));
        }
        match (kind, name) {
            ("oci", _) if path == Path::new("-") => {
                Err(wrong("is a folder, which cannot go to standard output"))
            }
            ("oci", None) => Ok(Self::Layout { dir: path, name: None }),
            ("oci", Some(name)) if is_tag(&name) || name.parse::<Reference>().is_ok() => {
                Ok(Self::Layout { dir: path, name: Some(name) })
            }
            ("oci", Some(_)) => Err(wrong("has an invalid tag")),
            ("oci-archive", None) => Ok(Self::OciArchive { file: path }),
            ("oci-archive", Some(_)) => Err(wrong("has a tag, but an oci-archive gets its tags from --tag")),
            ("docker-archive", None) => Ok(Self::DockerArchive { file: path, name: None }),
            ("docker-archive", Some(name)) => {
                let name = name.parse().map_err(|e: Error| wrong("has an invalid name").because(e))?;
                Ok(Self::DockerArchive { file: path, name: Some(name) })
            }
            _ => Err(wrong("has an unknown type")),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout { dir, name: None } => write!(f, "oci:{}", dir.display()),
            Self::Layout { dir, name: Some(name) } => write!(f, "oci:{}:{name}", dir.display()),
            Self::OciArchive { file } => write!(f, "oci-archive:{}", file.display()),
            Self::DockerArchive { file, name: None } => write!(f, "docker-archive:{}", file.display()),
            Self::DockerArchive { file, name: Some(name) } => {
                write!(f, "docker-archive:{}:{name}", file.display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_read_as_skopeo_writes_them() {
        for (text, shown) in [
            ("oci:target/x", "oci:target/x"),
            ("oci:x:1.0", "oci:x:1.0"),
            ("oci-archive:x.tar", "oci-archive:x.tar"),
            ("docker-archive:x.tar", "docker-archive:x.tar"),
            ("docker-archive:x.tar:web:1", "docker-archive:x.tar:docker.io/library/web:1"),
        ] {
            assert_eq!(text.parse::<Output>().expect(text).to_string(), shown);
        }
        let is_stream = |text: &str| text.parse::<Output>().expect(text).is_stream();
        assert!(is_stream("oci-archive:-") && is_stream("docker-archive:-:web:1"));
        assert!(!is_stream("oci-archive:./-"));
    }

    #[test]
    fn what_is_no_output_is_refused_with_the_forms() {
        for text in
            ["x", "dir:x", "oci:", "oci:-", "oci:x:a b", "oci-archive:x.tar:1", "docker-archive:x:A", ""]
        {
            let error = text.parse::<Output>().expect_err(text);
            assert!(error.hint_text().is_some_and(|hint| hint.contains("oci:FOLDER")), "{text}");
        }
    }
}
