//! What each kind of project does its own way: reading what a call means, deciding what its images hold, and making
//! that. All else is the story, and the same for all of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::early::Early;
use super::hooks::{Planned, Set};
use super::ingredients::Packed;
use super::request::Request;
use super::workshop::{BaseWish, Workshop};
use crate::error::Result;
use crate::event::Events;
use crate::oci::Reference;
use crate::plan::Plan;
use crate::store::Store;

/// What a project is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Images, which say their version.
    Images,
    /// Pinning what they are made of. Nobody asks for a version then, and it may take a build to tell it.
    Lock,
    /// Telling what that would pin, without writing anything.
    Compare,
}

/// A kind of project, read for one call.
pub(super) trait Recipe: Sized {
    /// What was decided, with what it takes to make it.
    type Decided;

    /// What is said when nothing can be pinned, where that was not said before.
    const NOTHING_TO_PIN: Option<&'static str>;

    /// Reads the project, its settings, and what the call wants of it; for [`Purpose::Lock`], its own lock is made first.
    /// Nothing of an image is fetched.
    ///
    /// # Errors
    /// What is missing, wrong or stale in the project.
    async fn read(request: &Request, store: &Store, events: &Events, purpose: Purpose) -> Result<Self>;

    /// What is known of the images now.
    fn early(&self) -> Vec<Early<'_>>;

    /// Folders that the build itself fills.
    fn results(&self) -> Vec<PathBuf>;

    /// The commands around the build.
    fn hooks(&self) -> Planned;

    /// Whether the commands are told of this image.
    fn concerns(&self, hooks: &Set, image: &str) -> bool;

    /// All references that are pushed.
    fn references(&self) -> Vec<&Reference>;

    /// The bases that the images need.
    ///
    /// # Errors
    /// A base is missing for a platform.
    fn wishes(&self) -> Result<Vec<BaseWish>>;

    /// The names of those bases that nobody has chosen.
    ///
    /// # Errors
    /// As [`Recipe::wishes`].
    fn unnamed_bases(&self) -> Result<BTreeSet<String>>;

    /// The folder that paths of bases are relative to, and that holds their lock.
    fn dir(&self) -> &Path;

    /// Where images go when the call names no place.
    fn default_output(&self) -> PathBuf;

    /// Decides what the images hold. Bases are opened where that depends on them.
    ///
    /// # Errors
    /// When it cannot be had.
    async fn decide(&self, workshop: &Workshop<'_>) -> Result<Self::Decided>;

    /// The plan of all images.
    fn plan(decided: &Self::Decided) -> &Plan;

    /// Notes what only a plan that is not carried out has to say.
    ///
    /// # Errors
    /// When a file cannot be read.
    fn tell_more(&self, decided: &Self::Decided, workshop: &Workshop<'_>) -> Result<()>;

    /// Decides again what commands before the build have changed.
    ///
    /// # Errors
    /// As [`Recipe::decide`].
    async fn settle(&self, decided: Self::Decided, workshop: &Workshop<'_>) -> Result<Self::Decided>;

    /// Makes all images of the plan, in its order.
    ///
    /// # Errors
    /// When something cannot be built, fetched or read.
    async fn make(&self, decided: &Self::Decided, workshop: &Workshop<'_>) -> Result<Vec<Packed>>;
}
