//! The flags of `rebase`.

use clap::Args;
use containerize_core::oci::Reference;

use super::attest::SignerArgs;
use super::{SayArgs, SignatoryArgs, TransferArgs};

/// The flags of `rebase`.
#[derive(Debug, Args)]
pub(crate) struct RebaseArgs {
    /// Image in a registry that containerize has built
    #[arg(value_name = "IMAGE")]
    pub(crate) image: Reference,
    /// Base in a registry that the image is to stand on
    #[arg(long, value_name = "IMAGE")]
    pub(crate) base: Reference,
    /// Tag to set in the image's repository; can be repeated [default: none, the digest is printed]
    #[arg(short = 't', long = "to", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// Only judge whether the image can stand on the base; push nothing
    #[arg(long, conflicts_with = "tags")]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) say: SayArgs,

    #[command(flatten)]
    pub(crate) signatory: SignatoryArgs,
    #[command(flatten)]
    pub(crate) signer: SignerArgs,
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
}
