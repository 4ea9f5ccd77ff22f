//! The flags of `check`.

use clap::{Args, ValueEnum};
use containerize_core::base::spec::BaseSpec;
use containerize_core::oci::Platform;

use super::values::image;
use super::{ShowArgs, TransferArgs};

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
    /// Output format
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: CheckFormat,
    #[command(flatten)]
    pub(crate) show: ShowArgs,

    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
}

/// How findings are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub(crate) enum CheckFormat {
    /// Human-readable
    #[default]
    Text,
    /// A single JSON document
    Json,
    /// SARIF 2.1.0, for code scanning services
    Sarif,
    /// Annotations of a workflow on GitHub
    Github,
}
