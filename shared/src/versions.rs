//! What a program runs on, as values: CPython and the C library, with their versions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A version of CPython: `3.13.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PythonVersion {
    /// 3, unless somebody asks for another one.
    pub major: u32,
    /// The minor, which decides what wheels fit.
    pub minor: u32,
    /// The micro; 0 where only a minor is meant.
    pub micro: u32,
}

/// The minor version of Python 3 that was the first one without these modules.
const GONE: &[(u32, &[&str])] = &[
    (12, &["asynchat", "asyncore", "distutils", "imp", "smtpd"]),
    (
        13,
        &[
            "aifc",
            "audioop",
            "cgi",
            "cgitb",
            "chunk",
            "crypt",
            "imghdr",
            "lib2to3",
            "mailcap",
            "nis",
            "nntplib",
            "ossaudiodev",
            "pipes",
            "sndhdr",
            "spwd",
            "sunau",
            "telnetlib",
            "uu",
            "xdrlib",
        ],
    ),
];

/// The minor version of Python 3 that was the first one without a module that it had before.
pub fn gone_since(module: &str) -> Option<u32> {
    GONE.iter().find(|(_, names)| names.contains(&module)).map(|(minor, _)| *minor)
}

/// A C library and its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Libc {
    /// The GNU C library, as 2.36.
    Glibc {
        /// 2.
        major: u32,
        /// 36.
        minor: u32,
    },
    /// musl, as 1.2.
    Musl {
        /// 1.
        major: u32,
        /// 2.
        minor: u32,
    },
}

/// Which C library it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// The GNU C library.
    Glibc,
    /// musl.
    Musl,
}

impl Family {
    /// The one whose loader has this path.
    pub fn of(loader: &str) -> Self {
        if loader.contains("/ld-musl-") { Self::Musl } else { Self::Glibc }
    }

    /// The library of this family with a version.
    pub const fn version(self, (major, minor): (u32, u32)) -> Libc {
        match self {
            Self::Glibc => Libc::Glibc { major, minor },
            Self::Musl => Libc::Musl { major, minor },
        }
    }
}

impl Libc {
    /// The one of the two, without its version.
    pub const fn family(self) -> Family {
        match self {
            Self::Glibc { .. } => Family::Glibc,
            Self::Musl { .. } => Family::Musl,
        }
    }
}

impl From<(u32, u32, u32)> for PythonVersion {
    fn from((major, minor, micro): (u32, u32, u32)) -> Self {
        Self { major, minor, micro }
    }
}

impl PythonVersion {
    /// `3.13`.
    pub fn short(&self) -> String {
        format!("{}.{}", self.major, self.minor)
    }

    /// Whether the other one has the same minor, which decides what fits.
    pub const fn is_minor_of(self, other: Self) -> bool {
        self.major == other.major && self.minor == other.minor
    }
}

impl fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

impl FromStr for PythonVersion {
    type Err = Error;

    /// Reads `3.13` or `3.13.5`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let numbers: Option<Vec<u32>> = text.trim().split('.').map(|part| part.parse().ok()).collect();
        match numbers.as_deref() {
            Some([major, minor]) => Ok(Self { major: *major, minor: *minor, micro: 0 }),
            Some([major, minor, micro]) => Ok(Self { major: *major, minor: *minor, micro: *micro }),
            _ => Err(Error::usage(format!("{text:?} is not a version of Python")).hint("write it as 3.13")),
        }
    }
}

impl fmt::Display for Libc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Glibc { major, minor } => write!(f, "glibc {major}.{minor}"),
            Self::Musl { major, minor } => write!(f, "musl {major}.{minor}"),
        }
    }
}
