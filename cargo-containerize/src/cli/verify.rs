//! The flags of `verify`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use containerize_core::oci::Reference;

use super::{SayArgs, TransferArgs};

/// The flags of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Image in a registry: a reference, best with its digest
    #[arg(value_name = "IMAGE")]
    pub(crate) image: Reference,
    /// Public key of whoever must have signed it, in PEM
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) say: SayArgs,

    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
}
