//! The flags of `cache`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use containerize_core::base::spec::BaseSpec;
use containerize_core::oci::{Platform, Repository};

use super::attest::SignerArgs;
use super::{PrintFormat, SayArgs, TransferArgs};

/// The flags of `cache`.
#[derive(Debug, Args)]
pub(crate) struct CacheArgs {
    /// Folder of the cache
    #[arg(long, value_name = "DIR", env = "CONTAINERIZE_CACHE_DIR", value_hint = ValueHint::DirPath, global = true)]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Output format
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, global = true)]
    pub(crate) format: PrintFormat,
    /// Show its usage, prune it, print its folder, or publish what is known of bases.
    #[command(subcommand)]
    pub(crate) verb: CacheVerb,
}

/// What to do with the cache.
#[derive(Debug, Subcommand)]
pub(crate) enum CacheVerb {
    /// Print its folder, size and limit
    Info,
    /// Remove the least recently used files until it is below CONTAINERIZE_CACHE_SIZE [default: 10GiB]
    Prune {
        /// Remove everything
        #[arg(long)]
        all: bool,
    },
    /// Print its folder
    Dir,
    /// Publish what is in base images, for machines that name it with the key base-cache
    ///
    /// Builds on other machines then need not download the layers of these bases to find out what is in them. What is
    /// there of other bases stays.
    Publish(Box<PublishArgs>),
}

/// The flags of `cache publish`.
#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// Base images, for example python:3.13-slim
    #[arg(value_name = "BASE", required = true)]
    pub(crate) bases: Vec<BaseSpec>,
    /// Repository to publish to
    #[arg(long, value_name = "REPOSITORY")]
    pub(crate) to: Repository,
    /// Platforms, e.g. linux/amd64,linux/arm64 [default: this machine's]
    #[arg(long = "platform", value_name = "PLATFORM", value_delimiter = ',')]
    pub(crate) platforms: Vec<Platform>,
    #[command(flatten)]
    pub(crate) say: SayArgs,

    #[command(flatten)]
    pub(crate) signer: SignerArgs,
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
}
