//! The flags of `diff`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use containerize_core::base::spec::BaseSpec;
use containerize_core::oci::Platform;

pub(crate) use super::values::Limit;
use super::values::image;
use super::{ShowArgs, TransferArgs};

/// The flags of `diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// Older image: a reference, oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE,
    /// docker-daemon:IMAGE or containers-storage:IMAGE [default: where the project here would be pushed]
    #[arg(value_name = "FROM", value_parser = image)]
    pub(crate) from: Option<BaseSpec>,
    /// Newer image, from the same places [default: the project here, built and not pushed]
    #[arg(value_name = "TO", value_parser = image)]
    pub(crate) to: Option<BaseSpec>,
    /// Flags of `build`, for the project
    ///
    /// Outputs of these have no effect, nor have --dry-run, --format, --progress, -q and -v. With them, flags for
    /// registries and the cache that stand before the -- are for reading the images alone.
    #[arg(last = true, value_name = "FLAGS", conflicts_with = "to")]
    pub(crate) build: Vec<OsString>,
    /// Compare only these platforms [default: all that both images have]
    #[arg(long = "platform", value_name = "PLATFORM", value_delimiter = ',')]
    pub(crate) platforms: Vec<Platform>,
    /// Exit with 4 if an image has grown by more than this: 5% or 10MB
    ///
    /// Stored bytes count, which are the ones that are pulled. Each platform is held to the limit.
    #[arg(long, value_name = "LIMIT")]
    pub(crate) fail_on_growth: Option<Limit>,
    /// Write a page with all of it to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) html: Option<PathBuf>,
    /// Output format
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: DiffFormat,
    #[command(flatten)]
    pub(crate) show: ShowArgs,

    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
}

/// How a diff is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub(crate) enum DiffFormat {
    /// Human-readable
    #[default]
    Text,
    /// A single JSON document
    Json,
    /// A table for a pull request, with details to unfold
    Markdown,
}
