//! The command line: what can be typed, and nothing of what it does.

mod build;
mod cache;
mod index;
mod values;

use clap::{Parser, Subcommand};

pub(crate) use build::{BuildArgs, PrintFormat, SayArgs, TransferArgs};
pub(crate) use cache::{CacheArgs, CacheVerb};
pub(crate) use index::IndexArgs;

/// Turns a Rust or Python project into an OCI image and pushes it: no Docker, no Dockerfile, no root.
#[derive(Debug, Parser)]
#[command(name = "containerize", version, args_conflicts_with_subcommands = true, max_term_width = 100)]
#[command(
    after_help = "Without a command, `build` is meant. Documentation: https://github.com/containerize/containerize"
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
    /// Whether it is the program that cargo calls, which is for Rust projects.
    #[arg(skip)]
    pub(crate) for_cargo: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Build images and deliver them (the default)
    Build(Box<BuildArgs>),
    /// Pin the digests of the registry bases in containerize.lock; in a Python project without a lock, make
    /// a pylock.toml first
    Lock(Box<BuildArgs>),
    /// Merge images that were pushed for single platforms into one index
    Index(Box<IndexArgs>),
    /// Look at the cache, or make it smaller
    Cache(CacheArgs),
    /// Print the JSON Schema of the configuration
    Schema,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Cli {
    /// Reads the words of the call. `cargo containerize` passes `containerize` as its first one.
    pub(crate) fn read(words: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Self, clap::Error> {
        let mut words: Vec<_> = words.into_iter().collect();
        let program = words.first().map(std::path::PathBuf::from).unwrap_or_default();
        let stem = program.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let for_cargo = stem == "cargo-containerize";
        let by_cargo = for_cargo && words.get(1).is_some_and(|word| word == "containerize");
        if by_cargo {
            words.remove(1);
        }
        let mut command = Self::command_for(by_cargo);
        let matches = command.try_get_matches_from_mut(words)?;
        let cli = <Self as clap::FromArgMatches>::from_arg_matches(&matches);
        cli.map(|cli| Self { for_cargo, ..cli }).map_err(|e| e.format(&mut command))
    }

    /// The command in the words of the front end: `cargo containerize` or `containerize`.
    pub(crate) fn command_for(by_cargo: bool) -> clap::Command {
        let command = <Self as clap::CommandFactory>::command();
        if by_cargo { command.name("cargo-containerize").bin_name("cargo containerize") } else { command }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Cli, clap::Error> {
        Cli::read(line.split_whitespace().map(Into::into))
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command_for(false).debug_assert();
        Cli::command_for(true).debug_assert();
    }

    #[test]
    fn build_is_the_default_verb_under_both_names() {
        for line in [
            "containerize --push -t x:1",
            "containerize build --push -t x:1",
            "cargo-containerize containerize --push -t x:1",
            "cargo-containerize --push -t x:1",
            "/usr/bin/cargo-containerize containerize build --push -t x:1",
        ] {
            let cli = read(line).expect(line);
            let build = match cli.verb {
                Some(Verb::Build(build)) => *build,
                None => cli.build,
                other => panic!("{other:?}"),
            };
            assert!(build.target.push, "{line}");
        }
    }

    #[test]
    fn a_folder_is_not_mistaken_for_a_verb() {
        assert!(read("containerize some-folder").is_err());
    }

    #[test]
    fn usage_speaks_of_the_front_end() {
        let error = read("cargo-containerize containerize --nonsense").expect_err("refused").to_string();
        assert!(error.contains("cargo containerize"), "{error}");
    }
}
