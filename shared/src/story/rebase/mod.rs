//! `containerize rebase`: an image is laid on another base in the registry, without being built. It is what a build on
//! that base would give, bit for bit, or it is refused.

mod account;
mod bill;
mod bills;
mod case;
mod crates;
mod environment;
mod files;
mod fleet;
mod interpreter;
mod judge;
mod moved;
mod outcome;
mod paths;
mod standing;
mod statement;
mod work;

use crate::error::Result;
use crate::oci::{Reference, Repository};
pub use case::{Broken, Fact};
pub use fleet::{Fleet, FleetImage};
pub use outcome::{Judgement, PlatformRebased, Rebased};
use work::Moves;
pub use work::Rebaser;

/// Lays `image` on the base `onto`, and pushes it to its repository under `tags`; without tags by its digest alone.
///
/// # Errors
/// Integrity: what it takes is not recorded, or not true. Others when the image or a base cannot be had, or the registry
/// refuses. Facts that are broken are in the result.
pub async fn rebase(
    rebaser: &Rebaser<'_>,
    image: &Reference,
    onto: &Reference,
    tags: &[String],
) -> Result<Rebased> {
    rebaser.work(async |work| work.rebase(image, Some(onto), Moves::Any(tags)).await).await
}

/// Lays every image that a tag of the repository leads to on the base `onto`, or on what the name of its own base leads
/// to now, and moves these tags. One that fails stops no other.
///
/// # Errors
/// When the tags cannot be listed. What fails later is in the result of the image.
pub async fn rebase_all(
    rebaser: &Rebaser<'_>,
    repository: &Repository,
    onto: Option<&Reference>,
) -> Result<Fleet> {
    rebaser.work(async |work| fleet::rebase(work, repository, onto).await).await
}
