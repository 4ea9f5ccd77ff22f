//! The flags of `build`.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum, ValueHint};
use containerize_core::config::{
    BaseChoice, Bins, CheckMode, Command, Debian, FileRule, Healthcheck, Install, LabelValue, Native, Owner,
    Partial, Port, PythonChoice, StaleLock, Strip,
};
use containerize_core::oci::media_type::{Compression, Format};
use containerize_core::sink::{Daemon, Output};

use super::values::{Mirrors, command, daemon, output, pair};

/// The form of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub(crate) enum PrintFormat {
    /// Words; results one a line
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// Bars on a terminal, lines elsewhere
    #[default]
    Auto,
    /// Lines
    Plain,
    /// An event a line in JSON, on standard error
    Json,
}

/// Whether colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// The word for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

/// The flags of `build`.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The project's folder
    #[arg(short = 'C', long = "project", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) project: Option<PathBuf>,
    /// A TOML file with further configuration; KEY=VALUE is for cargo
    #[arg(long, value_name = "FILE|KEY=VALUE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Vec<String>,
    /// Print the plan with the origin of each value, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) say: SayArgs,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) image: ImageArgs,
    #[command(flatten)]
    pub(crate) cargo: CargoArgs,
    #[command(flatten)]
    pub(crate) python: PythonArgs,
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
}

/// What is said, and how.
#[derive(Debug, Args)]
pub(crate) struct SayArgs {
    /// The form of what is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: PrintFormat,
    /// How progress is shown
    #[arg(long, value_name = "FORM", value_enum, default_value_t, hide_default_value = true)]
    pub(crate) progress: Progress,
    /// Whether colours are used [default: on a terminal]
    #[arg(long, value_name = "WHEN", value_enum)]
    pub(crate) color: Option<Color>,
    /// Say more; twice for everything
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Say only the result, warnings and errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
}

/// Where the image goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where it goes")]
pub(crate) struct TargetArgs {
    /// Push to the repository or the full references
    #[arg(long)]
    pub(crate) push: bool,
    /// The repository that is pushed to, without a tag; may hold {name}
    #[arg(long, value_name = "REPOSITORY")]
    repository: Option<String>,
    /// A tag, or a full reference [default: the version]
    #[arg(short, long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// oci:DIR[:TAG], oci-archive:FILE or docker-archive:FILE[:NAME] [default: oci:target/containerize; Python: oci:dist/image]
    #[arg(short, long, value_name = "OUTPUT", value_parser = output)]
    pub(crate) output: Vec<Output>,
    /// Load into a local engine: docker or podman
    #[arg(long, value_name = "ENGINE", value_parser = daemon)]
    pub(crate) load: Vec<Daemon>,
}

/// What the image is like.
#[derive(Debug, Args)]
#[command(next_help_heading = "What the image is like")]
pub(crate) struct ImageArgs {
    /// The platforms, as linux/amd64,linux/arm64 [default: this machine's]
    #[arg(long = "platform", value_name = "PLATFORM", value_delimiter = ',')]
    platforms: Vec<String>,
    /// The base: static, scratch, deb:SUITE, a reference, oci:DIR, oci-archive:FILE, docker-archive:FILE,
    /// docker-daemon:IMAGE or containers-storage:IMAGE [default: static; Python: python:X.Y-slim]
    #[arg(long)]
    base: Option<String>,
    /// oci or docker [default: oci]
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    image_format: Option<Format>,
    /// Set a variable
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// Remove a variable of the base
    #[arg(long, value_name = "NAME")]
    unset_env: Vec<String>,
    /// Set a label; {version}, {revision}, {created} and {platform} are filled in
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// Set an annotation of the manifest
    #[arg(long = "annotation", value_name = "NAME=VALUE", value_parser = pair)]
    annotations: Vec<(String, String)>,
    /// A port that the program listens on, as 8080 or 53/udp
    #[arg(long = "port", value_name = "PORT")]
    ports: Vec<Port>,
    /// A volume, which USER can write
    #[arg(long = "volume", value_name = "PATH")]
    volumes: Vec<String>,
    /// An extra file or folder
    #[arg(long = "file", value_name = "FROM:TO")]
    files: Vec<FileRule>,
    /// The owner of our files, as uid:gid [default: 0:0]
    #[arg(long, value_name = "UID:GID")]
    owner: Option<Owner>,
    /// Whom the program runs as [default: 65532:65532]
    #[arg(long, value_name = "UID:GID")]
    user: Option<String>,
    /// The working directory [default: /; Python: /app]
    #[arg(long, value_name = "PATH")]
    workdir: Option<String>,
    /// The signal that asks the program to stop
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
    /// The program and its fixed arguments; "" clears
    #[arg(long, value_name = "COMMAND", value_parser = command)]
    entrypoint: Option<Command>,
    /// Put a small init before the program, which forwards signals and reaps orphans
    #[arg(long)]
    init: bool,
    /// The default arguments; "" clears
    #[arg(long, value_name = "ARGUMENTS", value_parser = command, allow_hyphen_values = true)]
    cmd: Option<Command>,
    /// Docker's health check; "" switches the base's off
    #[arg(long, value_name = "COMMAND", value_parser = command)]
    healthcheck: Option<Command>,
    /// What happens when the finished image would fail: error, warn or off [default: error]
    #[arg(long, value_name = "HOW")]
    check: Option<CheckMode>,
    /// Libraries that nothing in the image has: error, or bundle to take them from this machine [default: error]
    #[arg(long, value_name = "HOW")]
    native: Option<Native>,
    /// gzip, zstd or none [default: gzip]
    #[arg(long, value_name = "HOW", value_parser = compression)]
    compression: Option<Compression>,
    /// A Debian package that is added to the base
    #[arg(long, value_name = "PACKAGE")]
    debian: Vec<String>,
    /// At most so many layers of ours [default: 60]
    #[arg(long, value_name = "N")]
    max_layers: Option<u32>,
}

/// How cargo builds it.
#[derive(Debug, Args)]
#[command(next_help_heading = "How cargo builds it")]
pub(crate) struct CargoArgs {
    #[command(flatten)]
    pub(crate) manifest: clap_cargo::Manifest,
    #[command(flatten)]
    pub(crate) workspace: clap_cargo::Workspace,
    #[command(flatten)]
    features: clap_cargo::Features,
    /// The binary; several make several images
    #[arg(long, value_name = "NAME")]
    pub(crate) bin: Vec<String>,
    /// All binaries of the packages, an image of each
    #[arg(long, conflicts_with = "bin")]
    pub(crate) bins: bool,
    /// The profile [default: release]
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// The release profile, as by default
    #[arg(short, long, conflicts_with = "profile")]
    release: bool,
    /// The target triple: its libc and linkage are taken for each platform's architecture
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// What is stripped: symbols, debuginfo or none [default: symbols]
    #[arg(long, value_name = "WHAT")]
    strip: Option<Strip>,
    /// Folder for cargo's artifacts
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) target_dir: Option<PathBuf>,
    /// Build with a compiler older than the project asks for
    #[arg(long)]
    ignore_rust_version: bool,
    /// Go on with what can be built when something fails
    #[arg(long)]
    keep_going: bool,
    /// Let cargo report how long each crate took
    #[arg(long, value_name = "FORMATS", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    timings: Option<String>,
    /// An unstable flag of cargo's
    #[arg(short = 'Z', value_name = "FLAG")]
    pub(crate) unstable: Vec<String>,
    /// Nothing that a lock file pins may move
    #[arg(long)]
    pub(crate) locked: bool,
    /// Without the network
    #[arg(long)]
    pub(crate) offline: bool,
    /// Both --locked and --offline
    #[arg(long)]
    pub(crate) frozen: bool,
}

/// What a Python project's image holds.
#[derive(Debug, Args)]
#[command(next_help_heading = "What a Python project's image holds")]
pub(crate) struct PythonArgs {
    /// A dependency group beside the main dependencies
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// An extra of the project
    #[arg(long = "extra", value_name = "EXTRA")]
    extras: Vec<String>,
    /// The version of Python, which chooses the default base; or the folder of one of this machine to carry along
    #[arg(long, value_name = "X.Y|DIR")]
    python: Option<PythonChoice>,
    /// A distribution that is built from source though there is a wheel; :all: means each
    #[arg(long, value_name = "NAME")]
    no_binary: Vec<String>,
    /// The server for a web application: uvicorn, gunicorn, ... [default: the best that is in the lock]
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Add a layer with compiled bytecode
    #[arg(long)]
    bytecode: bool,
    /// How the project gets in: source or wheel [default: wheel where it has a build system]
    #[arg(long, value_name = "HOW")]
    install: Option<Install>,
    /// What happens when the lock does not fit the project any more: error or warn [default: error]
    #[arg(long, value_name = "HOW")]
    stale_lock: Option<StaleLock>,
    /// Source that goes in, as globs, also where it would be left out; --exclude leaves out more
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
}

/// How it is made and moved.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cache, network and registries")]
pub(crate) struct TransferArgs {
    /// Number of jobs in parallel [default: the number of processors]
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<std::num::NonZeroUsize>,
    /// Make the layers anew
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// The folder of the cache
    #[arg(long, value_name = "DIR", env = "CONTAINERIZE_CACHE_DIR", value_hint = ValueHint::DirPath)]
    pub(crate) cache_dir: Option<PathBuf>,
    /// How often a transfer is tried again
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) retries: u32,
    /// Seconds without progress after which a transfer is tried again
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) timeout: u64,
    /// A registry that may speak plain HTTP
    #[arg(long, value_name = "REGISTRY")]
    pub(crate) insecure: Vec<String>,
    /// Send blobs in chunks of so many bytes, which go on where a connection broke
    #[arg(long, value_name = "BYTES", env = "CONTAINERIZE_CHUNK_SIZE")]
    pub(crate) chunk_size: Option<std::num::NonZeroU64>,
    /// A folder with certificates for single registries: HOST:PORT/ca.crt, client.cert, client.key
    /// [default: certs.d of Podman and Docker]
    #[arg(long, value_name = "DIR", env = "CONTAINERIZE_CERT_DIR", value_hint = ValueHint::DirPath)]
    pub(crate) cert_dir: Option<PathBuf>,
    /// A place that is asked first for what is read from a registry
    #[arg(long = "mirror", value_name = "REGISTRY=LOCATION", env = "CONTAINERIZE_MIRRORS")]
    pub(crate) mirrors: Vec<Mirrors>,
    /// The user name for the registry; CONTAINERIZE_USERNAME with CONTAINERIZE_PASSWORD does it too
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Read the password from standard input
    #[arg(long, requires = "username")]
    pub(crate) password_stdin: bool,
    /// Read the password from a file
    #[arg(long, value_name = "FILE", requires = "username", conflicts_with = "password_stdin")]
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) password_file: Option<PathBuf>,
}

impl BuildArgs {
    /// The file of `--config`, and what of it is for cargo: `KEY=VALUE`, as long as there is no such file.
    pub(crate) fn config(&self) -> Result<(Option<PathBuf>, Vec<String>), containerize_core::Error> {
        let is_file = |text: &&String| !text.contains('=') || std::path::Path::new(text).is_file();
        let (files, for_cargo): (Vec<&String>, Vec<&String>) = self.config.iter().partition(is_file);
        match files[..] {
            [] | [_] => Ok((files.first().map(PathBuf::from), for_cargo.into_iter().cloned().collect())),
            [..] => Err(containerize_core::Error::usage("--config names several files").hint("name one")),
        }
    }

    /// Cargo's flags that change what a build says and does, not what it makes.
    pub(crate) fn cargo_flags(&self) -> Vec<String> {
        let cargo = &self.cargo;
        let mut flags = Vec::new();
        for (is_given, flag) in
            [(cargo.ignore_rust_version, "--ignore-rust-version"), (cargo.keep_going, "--keep-going")]
        {
            flags.extend(is_given.then(|| flag.to_owned()));
        }
        flags.extend(cargo.timings.as_deref().map(|formats| match formats {
            "" => "--timings".to_owned(),
            formats => format!("--timings={formats}"),
        }));
        flags.extend(self.say.color.map(|color| format!("--color={}", color.as_str())));
        flags
    }
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "oci" => Ok(Format::Oci),
        "docker" => Ok(Format::Docker),
        _ => Err("write oci or docker".into()),
    }
}

fn compression(text: &str) -> Result<Compression, String> {
    match text {
        "gzip" => Ok(Compression::Gzip),
        "zstd" => Ok(Compression::Zstd),
        "none" => Ok(Compression::None),
        _ => Err("write gzip, zstd or none".into()),
    }
}

impl BuildArgs {
    /// The keys that the flags set.
    pub(crate) fn settings(&self) -> Partial {
        let image = &self.image;
        let release = self.cargo.release.then(|| "release".to_owned());
        Partial {
            repository: self.target.repository.clone(),
            tags: given(&self.target.tags),
            platforms: given(&image.platforms),
            base: image.base.clone().map(BaseChoice::One),
            debian: given(&image.debian).map(Debian::of),
            image_format: image.image_format,
            env: given(&image.env).map(|pairs| pairs.into_iter().collect()),
            unset_env: given(&image.unset_env),
            labels: labels(&image.labels),
            annotations: labels(&image.annotations),
            ports: given(&image.ports),
            volumes: given(&image.volumes),
            files: given(&image.files),
            owner: image.owner,
            user: image.user.clone(),
            workdir: image.workdir.clone(),
            stop_signal: image.stop_signal.clone(),
            entrypoint: image.entrypoint.clone(),
            init: image.init.then_some(true),
            cmd: image.cmd.clone(),
            healthcheck: image
                .healthcheck
                .clone()
                .map(|command| Healthcheck { command: Some(command), ..Healthcheck::default() }),
            check: image.check,
            native: image.native,
            compression: image.compression,
            max_layers: image.max_layers,
            bin: given(&self.cargo.bin).map(Bins),
            features: given(&self.cargo.features.features),
            all_features: self.cargo.features.all_features.then_some(true),
            no_default_features: self.cargo.features.no_default_features.then_some(true),
            profile: self.cargo.profile.clone().or(release),
            target: self.cargo.target.clone(),
            strip: self.cargo.strip,
            groups: given(&self.python.groups),
            extras: given(&self.python.extras),
            python: self.python.python.clone(),
            no_binary: given(&self.python.no_binary),
            server: self.python.server.clone(),
            bytecode: self.python.bytecode.then_some(true),
            install: self.python.install,
            stale_lock: self.python.stale_lock,
            include: given(&self.python.include),
            ..Partial::default()
        }
    }
}

/// A repeated flag that was given at least once.
fn given<T: Clone>(values: &[T]) -> Option<Vec<T>> {
    (!values.is_empty()).then(|| values.to_vec())
}

fn labels(pairs: &[(String, String)]) -> Option<containerize_core::config::Labels> {
    given(pairs).map(|pairs| pairs.into_iter().map(|(name, text)| (name, LabelValue::Text(text))).collect())
}
