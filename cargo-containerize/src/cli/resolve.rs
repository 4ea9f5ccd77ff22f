//! The flags of `resolve`, `apply` and `delete`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::BuildArgs;

/// Which files say what runs in the cluster, as kubectl takes them.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// YAML or JSON file, folder of such files, or - for standard input
    #[arg(short = 'f', long, value_name = "FILE", required = true)]
    #[arg(value_delimiter = ',', value_hint = ValueHint::AnyPath, help_heading = "Deployment options")]
    pub(crate) filename: Vec<PathBuf>,
    /// Read folders within the folders too
    #[arg(short = 'R', long, help_heading = "Deployment options")]
    pub(crate) recursive: bool,
}

/// What is built, and where it is named.
#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    #[command(flatten)]
    pub(crate) deployment: FileArgs,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
}

/// The same, and what kubectl is told.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// Arguments for `kubectl apply`
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub(crate) kubectl: Vec<OsString>,
    #[command(flatten)]
    pub(crate) resolve: ResolveArgs,
}

/// What is deleted, and what kubectl is told.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Arguments for `kubectl delete`
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub(crate) kubectl: Vec<OsString>,
    #[command(flatten)]
    pub(crate) deployment: FileArgs,
}
