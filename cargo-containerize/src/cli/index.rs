//! The flags of `index`.

use clap::Args;
use containerize_core::oci::Reference;

use super::{SayArgs, TransferArgs};

/// The flags of `index`.
#[derive(Debug, Args)]
pub(crate) struct IndexArgs {
    /// Name of the index, with a tag
    #[arg(value_name = "REF")]
    pub(crate) target: Reference,
    /// Images to merge, in the same registry: manifests or indexes
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<Reference>,
    #[command(flatten)]
    pub(crate) say: SayArgs,

    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
}
