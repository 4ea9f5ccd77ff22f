//! A wheel that is here.

use super::trimmed::Trimmed;
use crate::error::Result;
use crate::layer::Entry;
use crate::oci::Digest;
use crate::python::closed::Present;
use crate::python::{DistFile, LeftOut, Name, Package, Reason, words};
use crate::story::ingredients::{Distribution, Lineage};
use crate::story::supply::Supply;
use crate::wheel::{self, DirectUrl, Vouched, Wheel};

/// A wheel that is here, or will be when it is needed.
#[derive(Debug)]
pub(super) struct Supplied {
    pub(super) supply: Supply,
    pub(super) digest: Digest,
    /// In bytes.
    pub(super) size: u64,
}

/// A wheel that is here, and that goes into the environment.
#[derive(Debug, Clone)]
pub(super) struct ReadyWheel {
    pub(super) name: Name,
    /// Its file name, which says what it is.
    pub(super) filename: String,
    /// Where it comes from when it is needed.
    pub(super) supply: Supply,
    pub(super) digest: Digest,
    /// In bytes.
    pub(super) size: u64,
    /// Where it came from, for what did not come from an index.
    pub(super) origin: Option<DirectUrl>,
    /// What of it is not installed, by the names of files in it; only for what is built of folders here.
    pub(super) left_out: Vec<LeftOut>,
    /// Sorts of files that are not installed; never of the project's own wheels.
    pub(super) trim: Option<Trimmed>,
    /// Where it came from, for those who ask what an image is made of.
    pub(super) lineage: Lineage,
}

impl ReadyWheel {
    /// The wheel `file` of a package, as it is.
    pub(super) fn of(package: &Package, file: &DistFile, supplied: Supplied, lineage: Lineage) -> Self {
        let Supplied { supply, digest, size } = supplied;
        Self {
            name: package.name.clone(),
            filename: file.filename.clone(),
            supply,
            digest,
            size,
            origin: DirectUrl::of(&package.source, &file.hashes),
            left_out: Vec::new(),
            trim: None,
            lineage,
        }
    }

    /// What it is, for those who ask what an image is made of.
    pub(super) fn ingredient(&self) -> Distribution {
        Distribution {
            name: self.name.clone(),
            file: self.filename.clone(),
            supply: self.supply.clone(),
            digest: self.digest,
            lineage: self.lineage.clone(),
        }
    }

    /// What an installer would write for it.
    pub(super) fn entries(&self, target: &wheel::Venv) -> Result<Vec<Entry>> {
        let mut wheel = self.open()?;
        self.trim.as_ref().map_or(Ok(()), |trimmed| trimmed.apply(&mut wheel))?;
        self.install(&wheel, target)
    }

    /// The wheel, without files that nobody should have packed.
    pub(super) fn open(&self) -> Result<Wheel> {
        let mut wheel = Wheel::open(&self.supply.path()?, &self.filename, self.digest)?;
        wheel.leave_out(&self.left_out.iter().map(|left| left.path.clone()).collect::<Vec<_>>());
        Ok(wheel)
    }

    /// What an installer would write for the wheel that was opened.
    pub(super) fn install(&self, wheel: &Wheel, target: &wheel::Venv) -> Result<Vec<Entry>> {
        wheel::install(wheel, target, self.origin.as_ref(), Vouched::ByArchive)
    }

    /// What is said of what is not installed.
    pub(super) fn words(&self) -> Vec<String> {
        let mut said = words(&self.left_out, &format!("left out of the wheel of {}", self.name));
        // The build backend packed it, so the program may well read it.
        let secret = self.left_out.iter().find(|left| left.reason == Reason::Secret);
        said.extend(secret.map(|left| {
            format!("if {} reads {} when it runs, set include = [{:?}]", self.name, left.path, left.path)
        }));
        said
    }
}

/// What a wheel says of itself.
pub(super) fn present(wheel: Wheel) -> Present {
    let Wheel { name, version, requires_dist, .. } = wheel;
    Present::of(name, Some(version), requires_dist.iter().map(String::as_str))
}
