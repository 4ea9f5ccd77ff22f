//! The flags of `lock`.

use clap::Args;
use containerize_core::story::Pinning;
use containerize_core::words::flag;
use containerize_core::{Error, Result, words};

use super::BuildArgs;

/// The flags of `lock`: those of `build`, and its own.
#[derive(Debug, Args)]
pub(crate) struct PinArgs {
    /// List what moved: digests, versions and packages of bases, and added Debian packages
    ///
    /// The images that were pinned before are read for it, too.
    #[arg(long, conflicts_with = "dry_run")]
    update: bool,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
}

impl PinArgs {
    /// # Errors
    /// Usage: `--check` without what it is about.
    pub(crate) fn pinning(&self) -> Result<Pinning> {
        match (self.update, self.build.image.is_bare_check()) {
            (true, true) => Ok(Pinning::Check),
            (true, false) => Ok(Pinning::Update),
            (false, false) => Ok(Pinning::Quiet),
            (false, true) => Err(Error::usage(words!(
                "{check} without a value needs {update}",
                check = flag("check"),
                update = flag("update")
            ))
            .hint(words!("give both, {} and {}", flag("update"), flag("check")))),
        }
    }
}

/// Lets `--check` stand without a value: nobody needs to know of a lock whether an image starts. With one it stays
/// what it is for `build`, whose flags may be given to `lock` as they are.
pub(super) fn with_check(lock: clap::Command) -> clap::Command {
    lock.mut_arg("check", |check| {
        let help = "With --update: write nothing, and exit with 4 if something moved";
        let long = format!("{help}\n\nWith a value it is the flag of `build`, which `lock` has no use for.");
        check.num_args(0..=1).help(help).long_help(long)
    })
}
