//! The flags of `rebase`.

use clap::Args;
use containerize_core::oci::{Reference, Repository};
use containerize_core::{Error, Result};

use super::attest::SignerArgs;
use super::{SayArgs, SignatoryArgs, TransferArgs};

/// The flags of `rebase`.
#[derive(Debug, Args)]
pub(crate) struct RebaseArgs {
    /// Image in a registry that containerize has built
    #[arg(value_name = "IMAGE", required_unless_present = "all")]
    image: Option<Reference>,
    /// Base in a registry that the image is to stand on
    ///
    /// With --all, the default is what the name of each image's own base leads to now.
    #[arg(long, value_name = "IMAGE", required_unless_present = "all")]
    pub(crate) base: Option<Reference>,
    /// Tag to set in the image's repository; can be repeated [default: none, the digest is printed]
    #[arg(short = 't', long = "to", value_name = "TAG", conflicts_with = "all")]
    pub(crate) tags: Vec<String>,
    /// Only judge whether the image can stand on the base; push nothing
    #[arg(long, conflicts_with = "tags")]
    pub(crate) check: bool,
    /// Rebase all images that tags of REPOSITORY lead to, and move these tags
    #[arg(long, value_name = "REPOSITORY", conflicts_with = "image")]
    all: Option<Repository>,
    #[command(flatten)]
    pub(crate) say: SayArgs,

    #[command(flatten)]
    pub(crate) signatory: SignatoryArgs,
    #[command(flatten)]
    pub(crate) signer: SignerArgs,
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
}

/// What is to be rebased.
#[derive(Debug)]
pub(crate) enum Which<'a> {
    /// An image, onto a base.
    One(&'a Reference, &'a Reference),
    /// All images of a repository.
    All(&'a Repository),
}

impl RebaseArgs {
    /// One image or a repository of them.
    ///
    /// # Errors
    /// A bug where the definition of the flags lets neither through.
    pub(crate) fn which(&self) -> Result<Which<'_>> {
        match (&self.all, &self.image, &self.base) {
            (Some(repository), ..) => Ok(Which::All(repository)),
            (None, Some(image), Some(base)) => Ok(Which::One(image, base)),
            _ => Err(Error::bug("a rebase without an image or a base")),
        }
    }
}
