//! The plan: what will be in the images, as plain data, before anything is built.
//!
//! Nothing here touches disk, network, environment or clock.

mod labels;
mod names;
mod python;
mod rust;
mod shared;

pub use shared::base_for;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use labels::{About, Facts, PREFIX as LABEL_PREFIX, expand, standard_labels};
pub use names::{Names, Naming, names};
pub use python::{
    APP, Application, BundledPlan, Distribution, EnvironmentPlan, PREFIX, PYTHON_PREFIX, PythonImage,
    PythonPlatform, Start, is_large, plan_python, search_path, share_out, surely_alone,
};
pub use rust::{RustImage, plan_rust};

use crate::config::{
    Attest, BaseVerify, CheckMode, Debian, ExtraLayer, FileRule, Mode, Native, Owner, Settings, Shown, Strip,
};
use crate::oci::media_type::{Compression, Format};
use crate::oci::{Healthcheck, Platform, Reference};

/// Where an image's init is.
pub const INIT: &str = "/usr/local/sbin/tini";

/// What one call will make.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Whether they are pushed to their references.
    pub push: bool,
    /// One for each binary or application.
    pub images: Vec<ImagePlan>,
}

impl Plan {
    /// All platforms of all images.
    pub fn each(&self) -> impl Iterator<Item = (&ImagePlan, &PlatformPlan)> {
        self.images.iter().flat_map(|image| image.platforms.iter().map(move |platform| (image, platform)))
    }

    /// All references that are pushed.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.images.iter().flat_map(|image| &image.references)
    }
}

/// One image, for one or several platforms.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImagePlan {
    /// The image's name: that of a binary, a project, or a table.
    pub name: String,
    /// The project's version.
    pub version: String,
    /// Tags for outputs that know no repositories: bare ones first.
    pub tags: Vec<String>,
    /// Whether the project has other images: a layout then knows it by its name too.
    #[serde(skip)]
    pub has_siblings: bool,
    /// Where it is pushed, if it is, and what engines know it by.
    #[serde(serialize_with = "crate::oci::as_texts")]
    pub references: Vec<Reference>,
    /// The commit of the source, with `-dirty` where it has uncommitted changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The family of media types: OCI's, or Docker's schema 2.
    pub format: Format,
    /// How our layers are compressed.
    pub compression: Compression,
    /// Time of creation, RFC 3339.
    pub created: String,
    /// What is built from source.
    #[serde(flatten)]
    pub project: ProjectPlan,
    /// Each platform's share.
    pub platforms: Vec<PlatformPlan>,
    /// What is added to the bases.
    pub additions: Additions,
    /// Owner of what our layers hold.
    #[serde(serialize_with = "crate::oci::as_text")]
    pub owner: Owner,
    /// What becomes of libraries that nothing in the image has.
    pub native: Native,
    /// What happens when the finished image is found to fail.
    pub check: CheckMode,
    /// What is attested about the image when it is pushed.
    pub attest: Attest,
    /// A file with rules that it must keep before anybody gets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Every value of the configuration that is set, with its origin.
    pub configuration: Vec<Shown>,
    /// What the call says beside the project.
    #[serde(skip)]
    pub call: Call,
}

/// What a call says of an image beside what the project says, for whoever makes the call again elsewhere.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Call {
    /// The folder that it was made in, seen from the root of its repository; `None` outside of one.
    pub folder: Option<String>,
    /// The Cargo.toml that it named, seen from there too.
    pub manifest: Option<String>,
    /// The cargo package that the image is of.
    pub package: Option<String>,
    /// Whether it asked for all binaries.
    pub bins: bool,
    /// The keys that count in the image, of the file of `--config`, variables and flags.
    pub settings: Vec<Shown>,
    /// `--config KEY=VALUE` for cargo.
    pub cargo_config: Vec<String>,
    /// `-Z` for cargo.
    pub cargo_unstable: Vec<String>,
    /// Variables that change what the compiler makes.
    pub variables: BTreeMap<String, String>,
}

/// What is added to a base before our layers, and whom images on it run as.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Additions {
    /// Who must have signed the base itself.
    #[serde(skip)]
    pub base_verify: BaseVerify,
    /// Debian packages, and where they are from.
    pub debian: Debian,
    /// Whether an init is added.
    pub init: bool,
    /// Whom images run as; empty keeps the base's.
    pub user: String,
    /// How what is added is compressed.
    pub compression: Compression,
    /// At most so many layers of ours, these included.
    pub max_layers: usize,
}

impl Additions {
    /// What the settings add.
    pub fn of(settings: &Settings) -> Self {
        Self {
            base_verify: settings.base_verify.clone(),
            debian: settings.debian.clone(),
            init: settings.init,
            user: settings.user.clone(),
            compression: settings.compression,
            max_layers: settings.max_layers,
        }
    }
}

impl ImagePlan {
    /// The annotations that all platforms have alike.
    pub fn shared_annotations(&self) -> BTreeMap<String, String> {
        Runtime::shared_annotations(self.platforms.iter().map(|platform| &platform.runtime))
    }

    /// The binary, if it is a Rust image.
    pub fn rust(&self) -> Option<&Binary> {
        match &self.project {
            ProjectPlan::Binary(binary) => Some(binary),
            ProjectPlan::Python(_) => None,
        }
    }

    /// The application, if it is a Python image.
    pub fn python(&self) -> Option<&Application> {
        match &self.project {
            ProjectPlan::Binary(_) => None,
            ProjectPlan::Python(application) => Some(application),
        }
    }

    /// Whether the settings name this variable of the image.
    pub fn sets_variable(&self, name: &str) -> bool {
        self.configuration.iter().filter(|row| row.key == "env").any(|row| match &row.name {
            Some(own) => own == name,
            None => row.value.get(name).is_some(),
        })
    }

    /// Where the value of a key came from, in words.
    pub fn origin_of(&self, key: &str) -> String {
        let mut origins: Vec<&str> = Vec::new();
        for row in self.configuration.iter().filter(|row| row.key == key) {
            if !origins.contains(&row.origin.as_str()) {
                origins.push(&row.origin);
            }
        }
        if origins.is_empty() { "default".into() } else { origins.join(" + ") }
    }

    /// Where a Debian package came from, in words; `None` for one that nobody asked for by its name.
    pub fn origin_of_package(&self, package: &str) -> Option<String> {
        let name = |text: &str| text.split(['=', ' ', ':']).next().map(str::to_owned);
        let is_it = |row: &&Shown| {
            row.key == "debian"
                && row.value.as_str().and_then(name) == name(package)
                && row.name.as_deref() == Some("packages")
        };
        self.configuration.iter().find(is_it).map(|row| row.origin.clone())
    }

    /// The plan in one line, for people.
    pub fn summary(&self) -> String {
        let platforms: Vec<String> = self
            .platforms
            .iter()
            .map(|platform| format!("{} on {}", platform.platform, platform.base))
            .collect();
        let runtime = &self.platforms[0].runtime;
        let mut parts = vec![format!("{} {} for {}", self.name, self.version, platforms.join(", "))];
        if !runtime.user.is_empty() {
            parts.push(format!("as {}", runtime.user));
        }
        if !runtime.ports.is_empty() {
            parts.push(format!("on {}", runtime.ports.join(" ")));
        }
        parts.join(", ")
    }
}

/// What is built from source.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProjectPlan {
    /// A program of a cargo package.
    Binary(Binary),
    /// A Python application.
    Python(Application),
}

/// A program of a cargo package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Binary {
    /// The cargo package.
    pub package: String,
    /// The binary's name.
    pub name: String,
    /// Cargo's profile.
    pub profile: String,
    /// What is stripped.
    pub strip: Strip,
    /// Whether it says which crates it was built from.
    pub auditable: bool,
    /// Whether it is built only when something has changed that it is built from.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub if_changed: bool,
    /// The features that it is built with.
    #[serde(flatten)]
    pub features: Features,
}

/// Which of a package's features are on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Features {
    /// Those that are named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// Whether all are on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all_features: bool,
    /// Whether the default ones stay off.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_default_features: bool,
}

impl Features {
    /// Those that the settings switch on.
    pub fn of(settings: &Settings) -> Self {
        Self {
            features: settings.features.clone(),
            all_features: settings.all_features,
            no_default_features: settings.no_default_features,
        }
    }
}

/// One image for one platform.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlatformPlan {
    /// What this image runs on.
    #[serde(serialize_with = "crate::oci::as_text")]
    pub platform: Platform,
    /// The base, as it was named.
    pub base: String,
    /// Debian packages that are added to the base: those that were asked for, or all of them where
    /// that is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub debian: Vec<String>,
    /// What it is made for.
    #[serde(flatten)]
    pub target: TargetPlan,
    /// Our layers, the lowest first.
    pub layers: Vec<LayerPlan>,
    /// What changes in the base's configuration.
    pub runtime: Runtime,
}

/// What a platform's image is made for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum TargetPlan {
    /// What cargo builds for.
    Rust {
        /// The target triple.
        target: String,
        /// How the program must be linked.
        linkage: Linkage,
    },
    /// What Python runs it, and with what.
    Python(EnvironmentPlan),
}

/// How a program must be linked to run on its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Linkage {
    /// Without any shared library: the base has none.
    Static,
    /// Static, on a libc whose default is dynamic (`+crt-static`).
    CrtStatic,
    /// As the linker makes it; the base has a C library.
    Any,
}

/// One layer of ours.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerPlan {
    /// A name for people and for the history.
    pub title: String,
    /// What goes into it: files and folders, or what a step of the build makes.
    pub items: Vec<Item>,
}

/// Something that goes into a layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Item {
    /// The distributions of the environment: one layer for each large wheel, and one for the rest.
    Wheels,
    /// Compiled bytecode of the distributions.
    Bytecode,
    /// Compiled bytecode of the project.
    ProjectBytecode,
    /// An interpreter of this machine.
    Interpreter,
    /// What makes a folder a virtual environment.
    Skeleton,
    /// The project itself.
    Project,
    /// The program that is built.
    Program {
        /// Absolute path in the image.
        path: String,
        /// Whom it belongs to in the image.
        owner: Owner,
    },
    /// An empty directory.
    Directory {
        /// Absolute path in the image.
        path: String,
        /// Permission bits.
        mode: Mode,
        /// Whom it belongs to in the image.
        owner: Owner,
    },
    /// A file or tree of the project.
    Files {
        /// What goes where.
        rule: FileRule,
        /// The owner where the rule names none.
        owner: Owner,
    },
    /// A layer that is made outside.
    Outside {
        /// By whom.
        layer: ExtraLayer,
        /// The owner of its files.
        owner: Owner,
    },
}

/// What the image's configuration says beyond the base's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Runtime {
    /// Whom the program runs as; empty keeps the base's.
    pub user: String,
    /// `None` keeps the base's.
    pub workdir: Option<String>,
    /// What comes before the entrypoint, whoever says that: an init, which starts it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub init: Vec<String>,
    /// Empty clears; `None` keeps the base's.
    pub entrypoint: Option<Vec<String>>,
    /// Empty clears; `None` keeps the base's.
    pub cmd: Option<Vec<String>>,
    /// Variables to set.
    #[serde(serialize_with = "crate::redact::variables")]
    pub env: BTreeMap<String, String>,
    /// Variables to remove.
    pub unset_env: Vec<String>,
    /// As `8080/tcp`.
    pub ports: Vec<String>,
    /// Absolute paths.
    pub volumes: Vec<String>,
    /// Placeholders expanded.
    pub labels: BTreeMap<String, String>,
    /// Placeholders expanded.
    pub annotations: BTreeMap<String, String>,
    /// `None` keeps the base's.
    pub stop_signal: Option<String>,
    /// `None` keeps the base's.
    pub healthcheck: Option<Healthcheck>,
}

impl Runtime {
    /// The annotations that all of them have alike: those of an index.
    pub fn shared_annotations<'r>(
        mut all: impl Iterator<Item = &'r Self> + Clone,
    ) -> BTreeMap<String, String> {
        let others = all.clone();
        let Some(first) = all.next() else { return BTreeMap::new() };
        let is_shared = |(name, value): &(&String, &String)| {
            others.clone().all(|other| other.annotations.get(*name) == Some(value))
        };
        let shared = first.annotations.iter().filter(is_shared);
        shared.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}
