//! The flags of `init`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::ShowArgs;

/// The flags of `init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Use what a Dockerfile means for the image [default: the project's Dockerfile or Containerfile]
    #[arg(long, value_name = "FILE", num_args = 0..=1, value_hint = ValueHint::FilePath)]
    pub(crate) from_dockerfile: Option<Option<PathBuf>>,
    /// Repository to push to, without a tag
    #[arg(long, value_name = "REPOSITORY")]
    pub(crate) repository: Option<String>,
    /// Write a workflow that pushes the image, too
    #[arg(long, value_name = "SERVICE", value_enum)]
    pub(crate) workflow: Option<WorkflowName>,
    /// Ask nothing
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Print what would be written, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Replace the table and the files that are there
    #[arg(long)]
    pub(crate) force: bool,
    /// Folder of the project [default: the current folder]
    #[arg(short = 'C', long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) project: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
}

/// Whose workflow is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WorkflowName {
    /// .github/workflows/image.yml
    Github,
    /// .gitlab-ci.yml
    Gitlab,
}
