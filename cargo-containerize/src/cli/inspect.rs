//! The flags of `inspect`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use containerize_core::base::spec::BaseSpec;
use containerize_core::oci::Platform;

use super::values::image;
use super::{SayArgs, TransferArgs};

/// The flags of `inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Image to look into: a reference, oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE,
    /// docker-daemon:IMAGE or containers-storage:IMAGE
    #[arg(value_name = "IMAGE", value_parser = image)]
    pub(crate) image: BaseSpec,
    /// Look only into these platforms [default: all of the image's]
    #[arg(long = "platform", value_name = "PLATFORM", value_delimiter = ',')]
    pub(crate) platforms: Vec<Platform>,
    /// Write a page with a map of layers, packages and files to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) html: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) say: SayArgs,

    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
}
