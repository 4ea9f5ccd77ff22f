//! The flags of `cache`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::PrintFormat;

/// The flags of `cache`.
#[derive(Debug, Args)]
pub(crate) struct CacheArgs {
    /// Folder of the cache
    #[arg(long, value_name = "DIR", env = "CONTAINERIZE_CACHE_DIR", value_hint = ValueHint::DirPath, global = true)]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Output format
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, global = true)]
    pub(crate) format: PrintFormat,
    /// Show its usage, prune it or print its folder.
    #[command(subcommand)]
    pub(crate) verb: CacheVerb,
}

/// What to do with the cache.
#[derive(Debug, Clone, Copy, Subcommand)]
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
}
