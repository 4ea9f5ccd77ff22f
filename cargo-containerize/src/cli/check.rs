//! The flags of `check`.

use clap::Args;
use containerize_core::base::spec::BaseSpec;
use containerize_core::oci::Platform;

use super::values::image;
use super::{SayArgs, TransferArgs};

/// The flags of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Image to check: a reference, oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE,
    /// docker-daemon:IMAGE or containers-storage:IMAGE
    #[arg(value_name = "IMAGE", value_parser = image)]
    pub(crate) image: BaseSpec,
    /// Check only these platforms [default: all of the image's]
    #[arg(long = "platform", value_name = "PLATFORM", value_delimiter = ',')]
    pub(crate) platforms: Vec<Platform>,
    #[command(flatten)]
    pub(crate) say: SayArgs,

    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
}
