//! What an image was made of, as those know who made it. Nothing of this is guessed from files.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::supply::Supply;
use crate::cargo::build::Compiler;
use crate::cargo::crates::Crate;
use crate::debian;
use crate::error::Result;
use crate::facts::notes;
use crate::image::ImageSet;
use crate::oci::Digest;
use crate::plan::Runtime;
use crate::python::{Name, PythonVersion};
use crate::store::Store;
use crate::wheel::Papers;

/// What was put on a base for one platform's image.
#[derive(Debug, Clone, Default)]
pub(super) struct Ingredients {
    /// The distributions of Python, by name.
    pub(super) distributions: Vec<Distribution>,
    /// The Python that runs them.
    pub(super) python: Option<PythonVersion>,
    /// The crates of the program.
    pub(super) crates: Vec<Crate>,
    /// What compiled the program.
    pub(super) compiler: Option<Compiler>,
    /// The lock file that says what goes in.
    pub(super) lock: Option<PathBuf>,
}

/// A distribution of Python.
#[derive(Debug, Clone)]
pub(super) struct Distribution {
    pub(super) name: Name,
    /// The wheel's file name.
    pub(super) file: String,
    /// Where the wheel comes from when it is needed.
    pub(super) supply: Supply,
    /// Of the wheel.
    pub(super) digest: Digest,
    pub(super) lineage: Lineage,
}

impl Distribution {
    /// What its wheel says of itself.
    ///
    /// # Errors
    /// When it cannot be fetched or read.
    pub(super) fn papers(&self, store: &Store) -> Result<Papers> {
        self.supply.papers(store, &self.digest, &self.file)
    }
}

/// Where a distribution came from, in words that mean the same on other machines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lineage {
    /// The address of the file, of its index, or of the repository, without a login.
    pub(super) address: Option<String>,
    /// The source archive that the wheel was built from: its file name, and its digest where the lock says it.
    pub(super) archive: Option<(String, Option<Digest>)>,
    /// Whether it is the project's own: itself, or a folder beside it.
    pub(super) is_own: bool,
    /// Who has published it, where somebody must have.
    pub(super) publishers: Vec<Value>,
}

/// Everything that one platform's image was made of.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) parts: Ingredients,
    /// The folder that its added files are relative to.
    pub(super) dir: PathBuf,
    /// What its configuration says beyond the base's: what is planned, and where libraries of this machine are.
    pub(super) runtime: Runtime,
    /// The base's reference and digest, where it is from a registry.
    pub(super) base: Option<(String, Digest)>,
    /// Who has signed the base, as far as somebody must have.
    pub(super) base_signers: Vec<Value>,
    /// The layers of the base, and what was added to it before anything else.
    pub(super) below: BTreeSet<Digest>,
    /// Whether the base is the one that this program makes.
    pub(super) is_embedded: bool,
    /// The packages of the distribution, those that were added included.
    pub(super) packages: Vec<notes::Package>,
    /// What os-release says.
    pub(super) os_release: Option<String>,
    /// The Debian packages that were added: where their files are.
    pub(super) debian: Vec<debian::Package>,
    /// Libraries of this machine: their file names, digests and packages.
    pub(super) libraries: Vec<(String, Digest, Option<String>)>,
}

impl Origin {
    /// The same, without where things are on this machine.
    pub(super) fn anywhere(&self) -> Self {
        let parts = Ingredients { lock: None, ..self.parts.clone() };
        Self { parts, dir: PathBuf::new(), ..self.clone() }
    }
}

/// The images of one name, and what each of them was made of.
pub(super) struct Packed {
    pub(super) set: ImageSet,
    /// In the order of the images.
    pub(super) origins: Vec<Origin>,
}
