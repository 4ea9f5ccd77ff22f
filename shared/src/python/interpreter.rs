//! The interpreter that an image will run with, as data. It is found in the base, not guessed.

use serde::Serialize;

use super::{Libc, PythonVersion};
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
