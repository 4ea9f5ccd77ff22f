//! The interpreter that an image will run with, as data. It is found in the base, not guessed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::oci::Platform;

/// A CPython in a base image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Interpreter {
    /// Its absolute path in the image, as `/usr/local/bin/python3.13`.
    pub path: String,
    /// Its full version.
    pub version: PythonVersion,
    /// The C library that it runs on.
    pub libc: Libc,
    /// The platform of the image.
    #[serde(skip)]
    pub platform: Platform,
}

/// A version of CPython, such as `3.13.5`. Its minor decides which wheels fit; the micro is 0 where only a minor is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct PythonVersion {
    pub major: u32,
    pub minor: u32,
    pub micro: u32,
}

/// A C library and its version, such as glibc 2.36 or musl 1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Libc {
    Glibc { major: u32, minor: u32 },
    Musl { major: u32, minor: u32 },
}

impl PythonVersion {
    /// `3.13`.
    pub fn short(&self) -> String {
        format!("{}.{}", self.major, self.minor)
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
