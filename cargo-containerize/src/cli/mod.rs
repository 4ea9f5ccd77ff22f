//! The command line: what can be typed, and nothing of what it does.

mod attest;
mod build;
mod cache;
mod check;
mod diff;
mod examples;
mod index;
mod init;
mod inspect;
mod lock;
mod rebase;
mod resolve;
mod run;
mod values;
mod verify;

use std::path::PathBuf;

use anstyle::AnsiColor;
use clap::builder::Styles;
use clap::{Args, FromArgMatches, Parser, Subcommand, ValueEnum};
use containerize_core::story::GroupChanges;

use crate::front_end::FrontEnd;

/// Cargo's own colours.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::BrightGreen.on_default().bold())
    .usage(AnsiColor::BrightGreen.on_default().bold())
    .literal(AnsiColor::BrightCyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default())
    .error(AnsiColor::BrightRed.on_default().bold())
    .valid(AnsiColor::BrightCyan.on_default().bold())
    .invalid(AnsiColor::Yellow.on_default().bold());

pub(crate) use attest::AttestArgs;
pub(crate) use build::{BuildArgs, Color, PrintFormat, Progress, SayArgs, ShowArgs, TransferArgs};
pub(crate) use cache::{CacheArgs, CacheVerb, PublishArgs};
pub(crate) use check::{CheckArgs, CheckFormat};
pub(crate) use diff::{DiffArgs, DiffFormat, Limit};
pub(crate) use index::IndexArgs;
pub(crate) use init::{InitArgs, WorkflowName};
pub(crate) use inspect::InspectArgs;
pub(crate) use lock::PinArgs;
pub(crate) use rebase::{RebaseArgs, Which};
pub(crate) use resolve::{ApplyArgs, DeleteArgs, FileArgs, ResolveArgs};
pub(crate) use run::RunArgs;
pub(crate) use verify::{SignatoryArgs, Subject, VerifyArgs};

/// Turn a Rust or Python project into an OCI image and push it: no Docker, no Dockerfile, no root
#[derive(Debug, Parser)]
#[command(name = "containerize", version, args_conflicts_with_subcommands = true, max_term_width = 100)]
#[command(styles = STYLES)]
pub(crate) struct Cli {
    /// Without one, images are built.
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
    /// The caller.
    #[arg(skip)]
    pub(crate) front_end: FrontEnd,
}

// How Poetry names dependency groups; known only where Poetry calls. A documenting comment would become the
// text of the whole command.
#[allow(missing_docs, reason = "see above")]
#[derive(Debug, Args)]
#[command(next_help_heading = "Dependency groups")]
struct GroupFlags {
    /// Include these groups, besides those in the configuration
    #[arg(long, value_name = "GROUPS", value_delimiter = ',')]
    with: Vec<String>,
    /// Leave out these groups of the configuration
    #[arg(long, value_name = "GROUPS", value_delimiter = ',')]
    without: Vec<String>,
    /// Include only these groups; `main` must be one of them
    #[arg(long, value_name = "GROUPS", value_delimiter = ',')]
    only: Option<Vec<String>>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Build images and deliver them (the default)
    Build(Box<BuildArgs>),
    /// Write the configuration that a project needs, also from its Dockerfile
    ///
    /// The table goes into Cargo.toml or pyproject.toml, whose rest stays as it is. What of a Dockerfile cannot be taken
    /// over is listed with its line. On a terminal, questions are asked if there are several answers.
    Init(Box<InitArgs>),
    /// Build an image, load it into Docker or Podman, and run it
    ///
    /// The engine takes the place of this program: signals, the terminal and the exit code are the container's, which is
    /// removed when it ends. What follows `--` goes to the program in the image.
    Run(Box<RunArgs>),
    /// Build and push what files for Kubernetes name, and print them with digests
    ///
    /// `image: containerize://FOLDER` stands for the image of the project in FOLDER, and containerize://FOLDER#NAME for one of
    /// several. Files that name no folder may name where the project here is pushed. All else stays as it is written.
    Resolve(Box<ResolveArgs>),
    /// Build and push what files for Kubernetes name, and apply them with kubectl
    Apply(Box<ApplyArgs>),
    /// Delete with kubectl what the files describe, without building it
    Delete(DeleteArgs),
    /// Pin the digests of registry bases in containerize.lock
    ///
    /// If a Python project has no lock file, or incomplete requirements, a pylock.toml is made first.
    Lock(Box<PinArgs>),
    /// Check whether an image will start, without running it
    Check(Box<CheckArgs>),
    /// Show what an image is made of: layers, packages, sizes, and what could be smaller
    ///
    /// Any image will do. What is attached to it (SBOM, provenance, signatures) is listed, and not verified.
    Inspect(Box<InspectArgs>),
    /// Show what two images differ in: packages, files, configuration, base, sizes
    ///
    /// Any images will do. The first is the older one, so whatever only the second has is added. Without the second, the
    /// project here is built for it, and not pushed.
    Diff(Box<DiffArgs>),
    /// Verify who has signed an image or files, or that its source gives the same image
    Verify(Box<VerifyArgs>),
    /// Lay an image in a registry on another base, without building it
    ///
    /// The result is what a build on that base gives, bit for bit. If the image relies on something that the new base
    /// does not have, it is refused, with what that is.
    Rebase(Box<RebaseArgs>),
    /// Make a signed statement of where files were built
    ///
    /// It is an in-toto statement with SLSA provenance about the SHA-256 of each file, in a Sigstore bundle. It names
    /// the builder and the source revision. Which inputs the files were made from is not in it.
    Attest(Box<AttestArgs>),
    /// Merge images that were pushed for single platforms into one index
    Index(Box<IndexArgs>),
    /// Inspect or prune the cache, or publish what is known of bases
    Cache(CacheArgs),
    /// Print the JSON Schema of the configuration, or of events
    Schema {
        /// Document whose schema is printed
        #[arg(value_enum, default_value_t)]
        of: SchemaOf,
    },
    /// Print shell completions
    Completions {
        /// Shell to complete for
        shell: clap_complete::Shell,
    },
    /// Write the manual pages of all commands to a folder
    #[command(hide = true)]
    Man {
        /// Folder, made if it is missing
        folder: PathBuf,
    },
}

/// What there is a schema of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub(crate) enum SchemaOf {
    /// Tables and files of settings
    #[default]
    Configuration,
    /// Lines of --progress json
    Events,
}

impl Cli {
    /// Reads the words of the call. `cargo containerize` passes `containerize` as its first one.
    pub(crate) fn read(
        words: impl IntoIterator<Item = std::ffi::OsString>,
        mut front_end: FrontEnd,
    ) -> Result<Self, clap::Error> {
        let mut words: Vec<_> = words.into_iter().collect();
        let program = words.first().map(std::path::PathBuf::from).unwrap_or_default();
        let stem = program.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        front_end.for_cargo = stem == "cargo-containerize";
        if front_end.for_cargo && words.get(1).is_some_and(|word| word == "containerize") {
            words.remove(1);
            front_end.command = Some("cargo containerize".into());
        }
        let mut command = Self::command_for(&front_end);
        let matches = command.try_get_matches_from_mut(words)?;
        if front_end.group_flags {
            front_end.groups = groups(&matches).map_err(|e| e.format(&mut command))?;
        }
        let cli = Self::from_arg_matches(&matches);
        cli.map(|cli| Self { front_end, ..cli }).map_err(|e| e.format(&mut command))
    }

    /// The command in the words of the front end, such as `cargo containerize`.
    pub(crate) fn command_for(front_end: &FrontEnd) -> clap::Command {
        let mut command = <Self as clap::CommandFactory>::command().mut_subcommand("lock", lock::with_check);
        if front_end.group_flags {
            command = GroupFlags::augment_args(command);
            for verb in VERBS_WITH_GROUPS {
                command = command.mut_subcommand(verb, GroupFlags::augment_args);
            }
        }
        let command = without_empty_variables(command);
        let command = match (&front_end.command, &front_end.option) {
            // There nobody types flags.
            (_, Some(_)) => command,
            (words, None) => examples::with_examples(command, words.as_deref().unwrap_or("containerize")),
        };
        let command = match &front_end.command {
            Some(words) => command.name(words.replace(' ', "-")).bin_name(words.clone()),
            None => command,
        };
        match (&front_end.command, &front_end.option) {
            (Some(words), Some(option)) => {
                command.override_usage(format!("{words} [{option} OPTION[=VALUE]]..."))
            }
            _ => with_plain_usage(command),
        }
    }
}

/// Reads flags of `build` that stand behind those of another verb.
pub(crate) fn build_flags(words: &[std::ffi::OsString]) -> Result<BuildArgs, clap::Error> {
    let command = BuildArgs::augment_args(clap::Command::new("build").no_binary_name(true));
    BuildArgs::from_arg_matches(&without_empty_variables(command).try_get_matches_from(words)?)
}

/// CI systems leave variables empty that nobody has set: they count as not set.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &clap::Arg| {
        arg.get_env()
            .and_then(std::env::var_os)
            .is_some_and(|value| value.to_string_lossy().trim().is_empty())
    };
    let command = command.mut_args(|arg| if is_empty(&arg) { arg.env(None) } else { arg });
    command.mut_subcommands(without_empty_variables)
}

/// Where an argument is missing, clap's own line of usage shows flags that variables set as if they were needed.
fn with_plain_usage(mut command: clap::Command) -> clap::Command {
    let plain = |command: &mut clap::Command| {
        let usage = command.render_usage().to_string();
        let plain = usage.trim_start_matches("Usage: ").to_owned();
        *command = std::mem::take(command).override_usage(plain);
    };
    command.build();
    command.get_subcommands_mut().filter(|verb| verb.get_name() != "help").for_each(plain);
    plain(&mut command);
    command
}

const VERBS_WITH_GROUPS: [&str; 5] = ["apply", "build", "lock", "resolve", "run"];

/// The groups that flags of Poetry's kind name.
fn groups(matches: &clap::ArgMatches) -> Result<GroupChanges, clap::Error> {
    let flags = match matches.subcommand() {
        None => matches,
        Some((verb, matches)) if VERBS_WITH_GROUPS.contains(&verb) => matches,
        Some(_) => return Ok(GroupChanges::default()),
    };
    let GroupFlags { with, without, only } = GroupFlags::from_arg_matches(flags)?;
    Ok(GroupChanges { with, without, only })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Cli, clap::Error> {
        Cli::read(line.split_whitespace().map(Into::into), FrontEnd::default())
    }

    fn poetry() -> FrontEnd {
        FrontEnd { command: Some("poetry containerize".into()), group_flags: true, ..FrontEnd::default() }
    }

    fn by_poetry(line: &str) -> Result<Cli, clap::Error> {
        Cli::read(line.split_whitespace().map(Into::into), poetry())
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command_for(&FrontEnd::default()).debug_assert();
        Cli::command_for(&poetry()).debug_assert();
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
        let help = by_poetry("containerize --help").expect_err("help").to_string();
        assert!(
            help.contains("Usage: poetry containerize [OPTIONS]") && help.contains("--without"),
            "{help}"
        );
    }

    #[test]
    fn groups_are_named_as_poetry_does_where_poetry_calls() {
        for line in ["containerize --with a,b --without c", "containerize lock --with a --with b --without c"]
        {
            let groups = by_poetry(line).expect(line).front_end.groups;
            assert_eq!(
                (groups.with, groups.without),
                (vec!["a".into(), "b".into()], vec!["c".into()]),
                "{line}"
            );
            assert_eq!(groups.only, None);
        }
        let only = by_poetry("containerize build --only main").expect("only").front_end.groups.only;
        assert_eq!(only, Some(vec!["main".into()]));
        assert!(by_poetry("containerize cache dir").is_ok());
        assert!(read("containerize --with a").is_err(), "nobody else knows them");
    }
}
