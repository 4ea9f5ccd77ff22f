//! What a call says: the beginning of the story.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::language::Language;
use crate::cargo::{self, Cargo, Locking};
use crate::config::{Partial, Place};
use crate::http;
use crate::oci::{Digest, Platform, Reference};
use crate::registry::{self, Credentials};
use crate::sink::{Local, Output, Stream};

/// Stands for the image's name in the name of a file.
pub(super) const NAME: &str = "{name}";

/// Everything that a call says. The library reads neither flags nor the environment itself.
#[derive(Clone)]
pub struct Request {
    /// The kind of project, where the call says it.
    pub language: Option<Language>,
    /// The folder of the call.
    pub dir: PathBuf,
    /// What only projects of Rust ask for.
    pub rust: RustCall,
    /// `-p`, `--workspace`, `--exclude`, `--bins`.
    pub scope: cargo::select::Scope,
    /// `--locked`, `--offline`, `--frozen`.
    pub locking: Locking,
    /// `--config`: a TOML file.
    pub config_file: Option<PathBuf>,
    /// The environment's variables that are Unicode.
    pub variables: BTreeMap<String, String>,
    /// Keys that a program sets which builds by way of this one. Only flags are stronger.
    pub told: Option<Place>,
    /// The keys that flags set.
    pub flags: Partial,
    /// What is changed of the dependency groups that the settings name.
    pub groups: GroupChanges,
    /// `--output`; empty for the default, unless the image goes elsewhere.
    pub outputs: Vec<Output>,
    /// `--sbom-output`: files that get a bill of materials.
    pub sbom_outputs: Vec<PathBuf>,
    /// `--identity-token`: a file with the token that says who signs.
    pub identity_token: Option<PathBuf>,
    /// What an output named `-` goes to; `None` where only a terminal would show it.
    pub stream: Option<Stream>,
    /// `--push`; also that of `attest`: what is made is for others, so it is signed.
    pub push: bool,
    /// `--load`.
    pub load: Vec<Local>,
    /// Whether the image is run when it is loaded: then there must be one.
    pub runs: bool,
    /// `--dry-run`: plan and stop.
    pub dry_run: bool,
    /// Whether the images are only made to be looked at, so that the commands after a build are not run.
    pub is_trial: bool,
    /// Whether layers made before may be taken from the cache.
    pub use_cache: bool,
    /// The build that this one repeats, where it does.
    pub repeats: Option<Repeat>,
    /// The folder of the cache, made where it is missing.
    pub cache_dir: PathBuf,
    /// The size in bytes that the cache is cut down to after a build.
    pub cache_size: u64,
    /// `--jobs`, for cargo and for compressing.
    pub jobs: Option<usize>,
    /// How registries are spoken to.
    pub registry: registry::Options,
    /// Who we are to registries.
    pub credentials: Credentials,
    /// `--username` or `CONTAINERIZE_USERNAME` and its password, for the one registry that the call speaks to.
    pub login: Option<Login>,
}

impl Request {
    /// The files and folders that the call itself writes, and that are not part of the source; `names` are the names
    /// of its images.
    pub(super) fn written(&self, names: &[&str]) -> Vec<PathBuf> {
        let outputs = self.outputs.iter().map(|output| self.dir.join(output.path()));
        let bill = |file: &PathBuf| {
            let places = names.iter().map(|name| named(file, name)).chain([file.clone()]);
            places.map(|file| self.dir.join(file)).collect::<Vec<_>>()
        };
        outputs.chain(self.sbom_outputs.iter().flat_map(bill)).collect()
    }
}

/// The file of one image.
pub(super) fn named(file: &Path, image: &str) -> PathBuf {
    match file.to_str() {
        Some(text) => text.replace(NAME, image).into(),
        None => file.to_owned(),
    }
}

/// A build that is made again to be compared with. So nothing is believed that was found out before, its bases count
/// whatever their names lead to now, and the commands after a build are not run: they are for images that are wanted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Repeat {
    /// The manifests of its bases, by reference and platform.
    pub bases: Vec<(Reference, Platform, Digest)>,
    /// Whether somebody who was named has signed what is repeated. Anyone may have written what nobody has signed.
    pub is_signed: bool,
}

impl Repeat {
    /// Whether a signer says that this base was built on, for this platform.
    pub(super) fn vouches_for(&self, reference: &Reference, platform: &Platform) -> bool {
        self.is_signed && self.bases.iter().any(|(base, on, _)| (base, on) == (reference, platform))
    }
}

/// What a call says to cargo.
#[derive(Clone)]
pub struct RustCall {
    /// The cargo to use, with the folder and environment of the call.
    pub cargo: Cargo,
    /// `--manifest-path`.
    pub manifest_path: Option<PathBuf>,
    /// `--target-dir`.
    pub target_dir: Option<PathBuf>,
    /// Whether cargo is told to be quiet.
    pub quiet: bool,
}

/// What a call changes of the dependency groups that the settings name, in Poetry's terms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupChanges {
    /// `--with`: groups that are added.
    pub with: Vec<String>,
    /// `--without`: groups that are left out.
    pub without: Vec<String>,
    /// `--only`: the groups that are taken instead, with `main` for the main dependencies.
    pub only: Option<Vec<String>>,
}

/// A name and a password given in the call.
#[derive(Clone)]
pub struct Login {
    /// The user name at the registry.
    pub username: String,
    /// A password, or a token in its place.
    pub password: http::Secret,
    /// What said so: `--username`, or the name of a variable.
    pub source: &'static str,
}
