//! From a wheel on disk to the entries that an installer would write, without unpacking it.
//!
//! [`Wheel::open`] reads the archive's headers and the few files that describe the
//! distribution, and refuses what is not sound: what it lets through means the same to every
//! reader, names no place outside of the environment, and is listed in RECORD to the last file.
//! [`install`] then says what goes where, as [`crate::layer`] entries whose content stays in
//! the archive. It reads nothing: the same wheel, environment and origin give the same entries.
//!
//! The rules are those of the PyPA specifications "Binary distribution format", "Recording installed
//! projects", "Entry points" and "Direct URL origin". Where they leave a choice, it is made as
//! uv and pip make it in a virtual environment.

mod direct_url;
mod entry_points;
mod filename;
mod install;
mod metadata;
mod names;
mod open;
mod papers;
mod record;
mod trim;
mod venv;
mod zip;

use std::path::PathBuf;

use bytes::Bytes;
use pep440_rs::Version;

pub use direct_url::DirectUrl;
pub use entry_points::Script;
pub use filename::version_of;
pub use install::{Vouched, install};
pub use papers::Papers;
pub use trim::{MOST_MODULE, TRIM_RULES, Tests, Used};
pub use venv::Venv;

use crate::layer::ZipMethod;
use crate::oci::Digest;
use crate::python::Name;

/// A wheel that was opened and found sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wheel {
    /// The distribution's normalised name.
    pub name: Name,
    /// The distribution's version, normalised.
    pub version: Version,
    /// Whether it holds no code for a machine, as it says itself.
    pub root_is_purelib: bool,
    /// The tags that it says it is for.
    pub tags: Vec<String>,
    /// The commands that it brings, sorted by name.
    pub scripts: Vec<Script>,
    /// What it requires, as METADATA spells it.
    pub requires_dist: Vec<String>,
    /// The versions of Python that it runs with, as METADATA spells them.
    pub requires_python: Option<String>,
    /// What it installs, in the order of the archive; RECORD and what installers write aside.
    pub files: Vec<WheelFile>,
    /// The wheel itself, which content is taken from when layers are written.
    pub archive: PathBuf,
    /// The digest of the archive, as the caller vouched for.
    pub digest: Digest,
    /// The folder `NAME-VERSION.dist-info`, as the wheel spells it.
    pub dist_info: String,
}

impl Wheel {
    /// Takes away what is not to be installed: files by their names in the archive. RECORD will not
    /// list them.
    pub fn leave_out(&mut self, names: &[String]) {
        self.files.retain(|file| !names.contains(&file.name));
    }
}

/// A file of a wheel that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelFile {
    /// Its name in the archive.
    pub name: String,
    /// The folder that it goes to.
    pub place: Place,
    /// Its path below that folder.
    pub path: String,
    /// Whether its owner may run it.
    pub executable: bool,
    /// Where its content is.
    pub content: FileContent,
    /// What RECORD says that its content hashes to.
    hash: record::FileHash,
}

/// The folders that files of a wheel can go to (binary distribution format, "The .data
/// directory"). In a virtual environment, `purelib` and `platlib` are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Where modules are found.
    SitePackages,
    /// Where commands are found.
    Scripts,
    /// Where C headers of the distribution are found.
    Headers,
    /// The environment itself.
    Prefix,
}

/// The content of a wheel's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// As it is in the archive.
    Zipped {
        /// Where the data are in the archive.
        offset: u64,
        /// How they are stored.
        method: ZipMethod,
        /// Bytes of the data.
        compressed: u64,
        /// Bytes of the content.
        size: u64,
        /// The content's CRC-32.
        crc32: u32,
    },
    /// A script for whichever interpreter it is installed for; this is what follows the
    /// interpreter's name in its first line.
    Script(Bytes),
}

#[cfg(test)]
mod tests;
