//! The flags of `build`.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum, ValueHint};
use containerize_core::config::{
    Attestations, BaseChoice, Bins, CheckMode, Command, Debian, FileRule, Healthcheck, Install, LabelValue,
    Native, Owner, Partial, Port, PythonChoice, RemoteCache, Sbom, SignatureFormat, StaleLock, Strip,
    TrimRule,
};
use containerize_core::oci::media_type::{Compression, Format};
use containerize_core::sink::{Local, Output};

use super::attest::sign;
use super::values::{Mirrors, command, output, pair, place};

/// Output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub(crate) enum PrintFormat {
    /// Human-readable, one result per line
    #[default]
    Text,
    /// A single JSON document
    Json,
}

/// How to show progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// Progress bars on a terminal, plain lines elsewhere
    #[default]
    Auto,
    /// Plain lines
    Plain,
    /// One JSON event per line, on standard error
    Json,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal only
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
    /// Folder of the project [default: the current folder]
    #[arg(short = 'C', long = "project", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) project: Option<PathBuf>,
    /// Read configuration from a TOML file; KEY=VALUE goes to cargo
    #[arg(long, value_name = "FILE|KEY=VALUE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Vec<String>,
    /// Print the plan and the origin of each value, without building
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
    pub(crate) lock: LockArgs,
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
}

/// What may change, and be fetched.
#[derive(Debug, Args)]
#[command(next_help_heading = "Build, cache and network options")]
pub(crate) struct LockArgs {
    /// Require all lock files to be up to date
    #[arg(long)]
    pub(crate) locked: bool,
    /// Run without accessing the network
    #[arg(long)]
    pub(crate) offline: bool,
    /// Same as --locked and --offline together
    #[arg(long)]
    pub(crate) frozen: bool,
}

/// What is printed, and how.
#[derive(Debug, Args)]
pub(crate) struct SayArgs {
    /// Output format
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: PrintFormat,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
}

/// How much is shown beside the result, and how.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// How to show progress
    #[arg(
        long,
        value_name = "FORM",
        value_enum,
        default_value_t,
        hide_default_value = true,
        hide_short_help = true
    )]
    pub(crate) progress: Progress,
    /// When to use colours
    #[arg(long, value_name = "WHEN", value_enum, hide_short_help = true)]
    pub(crate) color: Option<Color>,
    /// Verbose output (-vv for debug output)
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Print only the result, warnings and errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
}

/// Where to put the image.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output options")]
pub(crate) struct TargetArgs {
    /// Push to the repository, or to tags that are full references
    #[arg(long)]
    pub(crate) push: bool,
    /// Repository to push to, without a tag; may contain {name}
    #[arg(long, value_name = "REPOSITORY")]
    repository: Option<String>,
    /// Tag, or a full reference [default: the version]
    #[arg(short, long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Write to oci:DIR, oci-archive:FILE or docker-archive:FILE
    ///
    /// One of oci:DIR[:TAG], oci-archive:FILE and docker-archive:FILE[:NAME]. A FILE of - is standard output.
    /// [default: oci:target/containerize; Python: oci:dist/image]
    #[arg(short, long, value_name = "OUTPUT", value_parser = output)]
    pub(crate) output: Vec<Output>,
    /// Load into docker, podman, or a local cluster such as kind:CLUSTER
    ///
    /// One of docker, podman, kind:CLUSTER, k3d:CLUSTER, minikube:PROFILE and ctr:NAMESPACE (containerd). Without a name, the tool's
    /// own default is meant.
    #[arg(long, value_name = "PLACE", value_parser = place)]
    pub(crate) load: Vec<Local>,
    /// SBOM to attach when pushing: auto, spdx, cyclonedx, both or none
    ///
    /// auto is SPDX, where the registry lists what is attached to an image. [default: auto]
    #[arg(long, value_name = "FORMAT")]
    sbom: Option<Sbom>,
    /// Write the SBOM to a file: CycloneDX if it ends in .cdx.json, else SPDX
    ///
    /// For several images, {name} in the file's name stands for the image's.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub(crate) sbom_output: Vec<PathBuf>,
    /// Attestations (SBOM, provenance): auto, referrers, index or none
    ///
    /// auto attaches them where the registry lists what is attached to an image, and elsewhere, with a tag, what was
    /// asked for by name. referrers attaches them to every platform, also in layouts. index puts them into the image's
    /// index, like Docker's BuildKit. [default: auto]
    #[arg(long, value_name = "HOW", hide_short_help = true)]
    attestations: Option<Attestations>,
    /// How to sign what is pushed: keyless
    ///
    /// keyless signs with a certificate for the job's identity on GitHub, GitLab and Google, or for that of
    /// --identity-token. To sign with a key, use --sign-key.
    #[arg(long, value_name = "HOW", value_parser = ["keyless"], conflicts_with = "sign_key")]
    #[arg(hide_short_help = true)]
    sign: Option<String>,
    /// File with the identity token for --sign keyless
    ///
    /// [default: the job's own]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub(crate) identity_token: Option<PathBuf>,
    /// Sign what is pushed with the private key in FILE
    ///
    /// CONTAINERIZE_SIGN_PASSWORD or COSIGN_PASSWORD is its password. The key `sign` also takes a command.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true)]
    sign_key: Option<String>,
    /// Form of signatures: bundle, legacy or both
    ///
    /// bundle is what cosign 3 writes. legacy adds a tag beside each image instead, which Podman, Skopeo and CRI-O
    /// read. [default: bundle]
    #[arg(long, value_name = "FORM", hide_short_help = true)]
    signature_format: Option<SignatureFormat>,
    /// File with rules that the images must keep before anybody gets them; docs/policy.md has all of them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true)]
    policy: Option<String>,
    /// Keep in the repository what was found out, for machines with an empty cache
    ///
    /// A push leaves it under the tag `containerize-cache`, and the next build begins with it: without the base's
    /// layers, and without the wheels whose layers are there. [default: where the variable CI is set]
    #[arg(long, value_name = "REPOSITORY", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(overrides_with = "no_remote_cache", hide_short_help = true)]
    remote_cache: Option<RemoteCache>,
    /// Neither use nor write the remote cache, nor use that of bases
    #[arg(long, hide_short_help = true)]
    no_remote_cache: bool,
}

/// What the image looks like.
#[derive(Debug, Args)]
#[command(next_help_heading = "Image options")]
pub(crate) struct ImageArgs {
    /// Platforms, e.g. linux/amd64,linux/arm64 [default: this machine's]
    #[arg(long = "platform", value_name = "PLATFORM", value_delimiter = ',')]
    platforms: Vec<String>,
    /// Base image [default: static; Python: python:X.Y-slim]
    ///
    /// One of static, scratch, deb:SUITE, an image reference, oci:DIR, oci-archive:FILE, docker-archive:FILE,
    /// docker-daemon:IMAGE and containers-storage:IMAGE.
    #[arg(long)]
    base: Option<String>,
    /// Image format: oci or docker [default: oci]
    #[arg(long, value_name = "FORMAT", value_parser = format, hide_short_help = true)]
    image_format: Option<Format>,
    /// Set an environment variable
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// Remove an environment variable of the base
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    unset_env: Vec<String>,
    /// Set a label
    ///
    /// {version}, {revision}, {created} and {platform} are replaced by their values.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// Set an annotation on the manifest
    #[arg(long = "annotation", value_name = "NAME=VALUE", value_parser = pair, hide_short_help = true)]
    annotations: Vec<(String, String)>,
    /// Port that the program listens on, for example 8080 or 53/udp
    #[arg(long = "port", value_name = "PORT")]
    ports: Vec<Port>,
    /// Declare a volume, writable by --user
    #[arg(long = "volume", value_name = "PATH")]
    volumes: Vec<String>,
    /// Add a file or folder
    #[arg(long = "file", value_name = "FROM:TO")]
    files: Vec<FileRule>,
    /// Owner of the files that containerize adds [default: 0:0]
    #[arg(long, value_name = "UID:GID", hide_short_help = true)]
    owner: Option<Owner>,
    /// User that the container runs as [default: 65532:65532]
    #[arg(long, value_name = "UID:GID")]
    user: Option<String>,
    /// Working directory [default: /; Python: /app]
    #[arg(long, value_name = "PATH", hide_short_help = true)]
    workdir: Option<String>,
    /// Signal that stops the container
    #[arg(long, value_name = "SIGNAL", hide_short_help = true)]
    stop_signal: Option<String>,
    /// Entrypoint: the program and its fixed arguments; "" clears it
    #[arg(long, value_name = "COMMAND", value_parser = command)]
    entrypoint: Option<Command>,
    /// Run the program under an init that forwards signals and reaps orphans
    #[arg(long)]
    init: bool,
    /// Default arguments; "" clears them
    #[arg(long, value_name = "ARGUMENTS", value_parser = command, allow_hyphen_values = true)]
    cmd: Option<Command>,
    /// Health check, for Docker; "" disables the base's
    #[arg(long, value_name = "COMMAND", value_parser = command, hide_short_help = true)]
    healthcheck: Option<Command>,
    /// If the image would not start: error, warn or off [default: error]
    // Only `lock` lets it stand alone.
    #[arg(long, value_name = "HOW", num_args = 1)]
    check: Option<Option<CheckMode>>,
    /// If libraries are missing: error or bundle local ones [default: error]
    #[arg(long, value_name = "HOW")]
    native: Option<Native>,
    /// Compression of layers: gzip, zstd or none [default: gzip]
    #[arg(long, value_name = "HOW", value_parser = compression, hide_short_help = true)]
    compression: Option<Compression>,
    /// Add a Debian package to the base
    #[arg(long, value_name = "PACKAGE")]
    debian: Vec<String>,
    /// Maximum number of layers to add to the base [default: 60]
    #[arg(long, value_name = "N", hide_short_help = true)]
    max_layers: Option<u32>,
}

/// How cargo builds the program.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cargo options")]
pub(crate) struct CargoArgs {
    #[command(flatten)]
    pub(crate) manifest: clap_cargo::Manifest,
    #[command(flatten)]
    pub(crate) workspace: clap_cargo::Workspace,
    #[command(flatten)]
    features: clap_cargo::Features,
    /// Binary to build; several make several images
    #[arg(long, value_name = "NAME")]
    pub(crate) bin: Vec<String>,
    /// Build all binaries of the packages, one image each
    #[arg(long, conflicts_with = "bin")]
    pub(crate) bins: bool,
    /// Build profile [default: release]
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Build with the release profile (the default)
    #[arg(short, long, conflicts_with = "profile", hide_short_help = true)]
    release: bool,
    /// Target triple, for example x86_64-unknown-linux-gnu
    ///
    /// Its libc and linkage are used for every platform, with the platform's architecture.
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// Strip symbols, debuginfo or none [default: symbols]
    #[arg(long, value_name = "WHAT", hide_short_help = true)]
    strip: Option<Strip>,
    /// Compile only when something has changed that the program is built from
    ///
    /// Without it cargo decides. With it cargo is not asked while all that a program is built from is the same:
    /// sources, Cargo.lock, toolchain, profile, features, and what build scripts name. `--dry-run` says what counts.
    #[arg(long)]
    if_changed: bool,
    /// Folder for cargo's artifacts
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, hide_short_help = true)]
    pub(crate) target_dir: Option<PathBuf>,
    /// Ignore the `rust-version` of packages
    #[arg(long, hide_short_help = true)]
    ignore_rust_version: bool,
    /// Build as much as possible, even if something fails
    #[arg(long, hide_short_help = true)]
    keep_going: bool,
    /// Make cargo report how long each crate took
    #[arg(long, value_name = "FORMATS", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    #[arg(hide_short_help = true)]
    timings: Option<String>,
    /// Unstable flag of cargo
    #[arg(short = 'Z', value_name = "FLAG", hide_short_help = true)]
    pub(crate) unstable: Vec<String>,
}

/// What goes into the image of a Python project.
#[derive(Debug, Args)]
#[command(next_help_heading = "Python options")]
pub(crate) struct PythonArgs {
    /// Include a dependency group
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Include an extra of the project
    #[arg(long = "extra", value_name = "EXTRA")]
    extras: Vec<String>,
    /// Version of Python, or the prefix of a local one to bundle
    ///
    /// A version chooses the default base, for example 3.13. A prefix, for example /usr/local, is a CPython
    /// of this machine that is bundled into the image.
    #[arg(long, value_name = "X.Y|DIR")]
    python: Option<PythonChoice>,
    /// Build a distribution from source even if it has a wheel; :all: means every one
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    no_binary: Vec<String>,
    /// Server for a web application: uvicorn, gunicorn, ... [default: the best in the lock]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    server: Option<String>,
    /// Add layers with compiled bytecode
    #[arg(long, hide_short_help = true)]
    bytecode: bool,
    /// Leave out of distributions: tests, typing, headers, static-libs; !NAME leaves one as it is
    #[arg(long, value_name = "WHAT", value_delimiter = ',', hide_short_help = true)]
    trim: Vec<TrimRule>,
    /// How to install the project: source or wheel [default: wheel if it has a build system]
    #[arg(long, value_name = "HOW", hide_short_help = true)]
    install: Option<Install>,
    /// If the lock file does not match the project: error or warn [default: error]
    #[arg(long, value_name = "HOW", hide_short_help = true)]
    stale_lock: Option<StaleLock>,
    /// Include source that would be left out; --exclude leaves out more
    #[arg(long, value_name = "GLOB", hide_short_help = true)]
    include: Vec<String>,
}

/// How images are built and transferred.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Build, cache and network options")]
pub(crate) struct TransferArgs {
    /// Number of parallel jobs [default: the number of processors]
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<std::num::NonZeroUsize>,
    /// Rebuild all layers instead of taking them from the cache
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Folder of the cache
    #[arg(long, value_name = "DIR", env = "CONTAINERIZE_CACHE_DIR", value_hint = ValueHint::DirPath)]
    #[arg(hide_short_help = true)]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Number of retries for a failed transfer
    #[arg(long, value_name = "N", default_value_t = 5, hide_short_help = true)]
    pub(crate) retries: u32,
    /// Seconds without progress before a transfer is retried
    #[arg(long, value_name = "SECONDS", default_value_t = 60, hide_short_help = true)]
    pub(crate) timeout: u64,
    /// Allow plain HTTP for this registry
    #[arg(long, value_name = "REGISTRY")]
    pub(crate) insecure: Vec<String>,
    /// Upload blobs in resumable chunks of this size
    #[arg(long, value_name = "BYTES", env = "CONTAINERIZE_CHUNK_SIZE", hide_short_help = true)]
    pub(crate) chunk_size: Option<std::num::NonZeroU64>,
    /// Folder with certificates for individual registries
    ///
    /// Its files are HOST:PORT/ca.crt, HOST:PORT/client.cert and HOST:PORT/client.key.
    /// [default: certs.d of Podman and Docker]
    #[arg(long, value_name = "DIR", env = "CONTAINERIZE_CERT_DIR", value_hint = ValueHint::DirPath)]
    #[arg(hide_short_help = true)]
    pub(crate) cert_dir: Option<PathBuf>,
    /// Mirror to try first when reading from a registry
    #[arg(
        long = "mirror",
        value_name = "REGISTRY=LOCATION",
        env = "CONTAINERIZE_MIRRORS",
        hide_short_help = true
    )]
    pub(crate) mirrors: Vec<Mirrors>,
    /// User name for the registry
    ///
    /// Can also be set with CONTAINERIZE_USERNAME and CONTAINERIZE_PASSWORD.
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Read the password from standard input
    #[arg(long, requires = "username")]
    pub(crate) password_stdin: bool,
    /// Read the password from a file
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "FILE", requires = "username", conflicts_with = "password_stdin")]
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) password_file: Option<PathBuf>,
}

impl TransferArgs {
    /// How many threads may work.
    pub(crate) fn workers(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.jobs.map_or_else(processors, std::num::NonZero::get)
    }
}

impl ImageArgs {
    /// Whether `--check` stands alone.
    pub(super) fn is_bare_check(&self) -> bool {
        self.check == Some(None)
    }
}

impl BuildArgs {
    /// The file of `--config`, and the part of it for cargo: `KEY=VALUE`, unless there is such a file.
    pub(crate) fn config(&self) -> Result<(Option<PathBuf>, Vec<String>), containerize_core::Error> {
        let is_file = |text: &&String| !text.contains('=') || std::path::Path::new(text).is_file();
        let (files, for_cargo): (Vec<&String>, Vec<&String>) = self.config.iter().partition(is_file);
        match files[..] {
            [] | [_] => Ok((files.first().map(PathBuf::from), for_cargo.into_iter().cloned().collect())),
            [..] => {
                Err(containerize_core::Error::usage("--config was given several files").hint("give only one"))
            }
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
        flags.extend(self.say.show.color.map(|color| format!("--color={}", color.as_str())));
        flags
    }
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "oci" => Ok(Format::Oci),
        "docker" => Ok(Format::Docker),
        _ => Err("expected oci or docker".into()),
    }
}

fn compression(text: &str) -> Result<Compression, String> {
    match text {
        "gzip" => Ok(Compression::Gzip),
        "zstd" => Ok(Compression::Zstd),
        "none" => Ok(Compression::None),
        _ => Err("expected gzip, zstd or none".into()),
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
            check: image.check.flatten(),
            sbom: self.target.sbom,
            attestations: self.target.attestations,
            sign: sign(self.target.sign_key.as_ref(), self.target.sign.as_ref()),
            signature_format: self.target.signature_format,
            policy: self.target.policy.clone(),
            remote_cache: match self.target.no_remote_cache {
                true => Some(RemoteCache::On(false)),
                false => self.target.remote_cache.clone(),
            },
            base_cache: self.target.no_remote_cache.then(String::new),
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
            if_changed: self.cargo.if_changed.then_some(true),
            groups: given(&self.python.groups),
            extras: given(&self.python.extras),
            python: self.python.python.clone(),
            no_binary: given(&self.python.no_binary),
            server: self.python.server.clone(),
            bytecode: self.python.bytecode.then_some(true),
            trim: given(&self.python.trim),
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
