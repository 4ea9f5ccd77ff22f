//! The flags of `run`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::BuildArgs;

/// What is built, and how the engine runs it.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Arguments for the program, in the place of the image's default arguments
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub(crate) arguments: Vec<std::ffi::OsString>,

    /// Publish a port of the container [default: each declared port, on 127.0.0.1]
    #[arg(long, value_name = "[[IP:]PORT:]PORT", help_heading = "Run options")]
    pub(crate) publish: Vec<String>,
    /// Read environment variables for the container from a file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Run options")]
    pub(crate) env_file: Vec<PathBuf>,
    /// Let the container write to its volumes only
    #[arg(long, help_heading = "Run options")]
    pub(crate) read_only: bool,
    /// Argument for the engine's own `run`, such as --engine-arg=--network=host
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true, help_heading = "Run options")]
    pub(crate) engine_arg: Vec<std::ffi::OsString>,

    #[command(flatten)]
    pub(crate) build: BuildArgs,
}
