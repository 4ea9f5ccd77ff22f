//! What `cargo metadata` says about a project.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use cargo_metadata::{Metadata, MetadataCommand, TargetKind};
use serde_json::Value;

use super::{Cargo, Locking};
use crate::error::{Error, Result};
use crate::process::Program;

/// A cargo workspace, which may be a single package.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder with the workspace's Cargo.toml, absolute.
    pub workspace_root: PathBuf,
    /// Where build results go, absolute.
    pub target_directory: PathBuf,
    /// Where intermediate results go, absolute; mostly the same folder.
    pub build_directory: PathBuf,
    /// `[workspace.metadata.containerize]`.
    pub workspace_settings: Option<Value>,
    /// The workspace's members, in cargo's order.
    pub packages: Vec<Package>,
    /// Cargo's own words, for those who need more.
    pub metadata: Metadata,
}

/// A member of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Cargo's package id, as it stands in build messages.
    pub id: String,
    /// As it stands in the manifest, and in `-p` or `--bin`.
    pub name: String,
    /// As it stands in the manifest, inherited ones resolved: `1.2.0`.
    pub version: String,
    /// One paragraph of the manifest.
    pub description: Option<String>,
    /// The licence as an SPDX expression.
    pub license: Option<String>,
    /// The file with the licence, absolute, where it is not a common one.
    pub license_file: Option<PathBuf>,
    /// The URL of the source.
    pub repository: Option<String>,
    /// The URL of the home page.
    pub homepage: Option<String>,
    /// The URL of the documentation.
    pub documentation: Option<String>,
    /// The authors, each as `Name <mail>`.
    pub authors: Vec<String>,
    /// The package's Cargo.toml, absolute.
    pub manifest_path: PathBuf,
    /// `[package.metadata.containerize]`.
    pub settings: Option<Value>,
    /// The binaries, ordered by name.
    pub bins: Vec<BinTarget>,
    /// The names of the packages that it needs itself to build and run.
    pub needs: Vec<String>,
    /// The features, with what each switches on.
    pub features: BTreeMap<String, Vec<String>>,
    /// Whether there is a library.
    pub has_lib: bool,
    /// The binary that `cargo run` means.
    pub default_run: Option<String>,
    /// Whether cargo builds it when nothing is named.
    pub is_default: bool,
}

impl Package {
    /// A package of this name that has nothing.
    #[cfg(test)]
    pub(crate) fn of_name(name: &str) -> Self {
        Self {
            id: name.into(),
            name: name.into(),
            version: "1.0.0".into(),
            description: None,
            license: None,
            license_file: None,
            repository: None,
            homepage: None,
            documentation: None,
            authors: Vec::new(),
            manifest_path: "/w/Cargo.toml".into(),
            settings: None,
            bins: Vec::new(),
            needs: Vec::new(),
            features: BTreeMap::new(),
            has_lib: false,
            default_run: None,
            is_default: true,
        }
    }

    /// The folder with its Cargo.toml, absolute.
    pub fn dir(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

/// A binary of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinTarget {
    /// As it stands in the manifest, and in `-p` or `--bin`.
    pub name: String,
    /// The features without which cargo does not build it.
    pub required_features: Vec<String>,
    /// Those of them that are off, as far as is known: see [`Project::choose_features`].
    pub lacks: Vec<String>,
}

impl Project {
    /// Reads the project whose Cargo.toml is `manifest_path` (relative to cargo's folder), else
    /// the one in cargo's folder or above. Dependencies are not looked at, so this is fast.
    ///
    /// # Errors
    /// When there is no Cargo.toml, when it is broken, or when cargo cannot be run.
    pub fn read(cargo: &Cargo, manifest_path: Option<&Path>, locking: Locking) -> Result<Self> {
        let mut command = MetadataCommand::new();
        command.cargo_path(cargo.program()).no_deps();
        let mut options: Vec<String> = locking.flags().map(str::to_owned).collect();
        options.extend(cargo.overrides().iter().flat_map(|text| ["--config".to_owned(), text.clone()]));
        options.extend(cargo.unstable().iter().flat_map(|text| ["-Z".to_owned(), text.clone()]));
        command.other_options(options);
        if let Some(path) = manifest_path {
            command.manifest_path(path);
        }
        let mut command = command.cargo_command();
        command.current_dir(cargo.dir()).env_clear().envs(cargo.environment().iter());
        command.args(["--color", "never"]);
        let output = Program::new(command).output().map_err(|e| not_runnable(cargo, e))?;
        if !output.status.success() {
            return Err(refused(cargo, manifest_path, &output));
        }
        let metadata = MetadataCommand::parse(String::from_utf8_lossy(&output.stdout))
            .map_err(|e| Error::build("cannot understand the output of cargo metadata").because(e))?;
        Ok(Self::from_metadata(metadata))
    }

    pub(super) fn from_metadata(mut metadata: Metadata) -> Self {
        if metadata.workspace_default_members.is_missing() {
            // Cargo before 1.71; reading the list would panic.
            let all = serde_json::to_value(&metadata.workspace_members).and_then(serde_json::from_value);
            metadata.workspace_default_members = all.unwrap_or_default();
        }
        let packages = metadata.workspace_packages().into_iter().map(|p| package(p, &metadata)).collect();
        let target_directory = metadata.target_directory.clone().into_std_path_buf();
        Self {
            workspace_root: metadata.workspace_root.clone().into_std_path_buf(),
            build_directory: metadata
                .build_directory
                .clone()
                .map_or_else(|| target_directory.clone(), Into::into),
            target_directory,
            workspace_settings: settings(&metadata.workspace_metadata),
            packages,
            metadata,
        }
    }

    /// The workspace's Cargo.toml.
    pub fn root_manifest(&self) -> PathBuf {
        self.workspace_root.join("Cargo.toml")
    }

    /// The member with this name.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }
}

fn package(package: &cargo_metadata::Package, metadata: &Metadata) -> Package {
    let bin = |target: &&cargo_metadata::Target| target.is_kind(TargetKind::Bin);
    let mut bins: Vec<BinTarget> = package
        .targets
        .iter()
        .filter(bin)
        .map(|t| BinTarget {
            name: t.name.clone(),
            required_features: t.required_features.clone(),
            lacks: Vec::new(),
        })
        .collect();
    bins.sort_by(|a, b| a.name.cmp(&b.name));
    Package {
        id: package.id.repr.clone(),
        name: package.name.to_string(),
        version: package.version.to_string(),
        description: package.description.clone(),
        license: package.license.clone(),
        license_file: package.license_file().map(Into::into),
        repository: package.repository.clone(),
        homepage: package.homepage.clone(),
        documentation: package.documentation.clone(),
        authors: package.authors.clone(),
        manifest_path: package.manifest_path.clone().into(),
        settings: settings(&package.metadata),
        bins,
        needs: package
            .dependencies
            .iter()
            .filter(|needed| needed.kind != cargo_metadata::DependencyKind::Development)
            .map(|needed| needed.name.clone())
            .collect(),
        features: package.features.clone().into_iter().collect(),
        has_lib: package.targets.iter().any(|t| {
            use TargetKind as K;
            [K::Lib, K::RLib, K::DyLib, K::CDyLib, K::StaticLib, K::ProcMacro]
                .into_iter()
                .any(|k| t.is_kind(k))
        }),
        default_run: package.default_run.clone(),
        is_default: metadata.workspace_default_members.contains(&package.id),
    }
}

fn settings(metadata: &Value) -> Option<Value> {
    metadata.get("containerize").cloned()
}

/// What to say when cargo itself does not start.
pub(super) fn not_runnable(cargo: &Cargo, error: std::io::Error) -> Error {
    if !cargo.dir().is_dir() {
        return Error::usage(format!("the folder {} does not exist", cargo.dir().display())).because(error);
    }
    Error::build(format!("cannot run {}", cargo.program().display()))
        .because(error)
        .hint("install Rust from https://rustup.rs, or set the variable CARGO to your cargo")
}

fn refused(cargo: &Cargo, manifest_path: Option<&Path>, output: &Output) -> Error {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let message = own_words(&stderr);
    if let Some(path) = manifest_path.filter(|path| !cargo.dir().join(path).is_file()) {
        return Error::usage(format!("the file {} does not exist", path.display()))
            .hint("give a Cargo.toml with --manifest-path");
    }
    if message.starts_with("could not find `Cargo.toml` in") {
        return Error::usage(format!(
            "there is no Cargo.toml in {} or any parent folder",
            cargo.dir().display()
        ))
        .hint("run this in a Rust project, or give its Cargo.toml with --manifest-path");
    }
    let what = manifest_path.unwrap_or_else(|| cargo.dir());
    Error::usage(format!("cargo cannot read the project in {}", what.display())).because(message)
}

/// The error in what cargo wrote: no warnings before it, no `error:`.
fn own_words(stderr: &str) -> String {
    let start = stderr.match_indices("error: ").find(|(at, _)| *at == 0 || stderr[..*at].ends_with('\n'));
    let message = start.map_or(stderr, |(at, prefix)| &stderr[at + prefix.len()..]);
    let message = message.trim();
    if message.is_empty() { "cargo gave no reason".into() } else { message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_before_cargos_error_are_left_out() {
        let stderr = "warning: unused key\n  error: not this one\nerror: failed to parse manifest\n\nCaused by:\n  x\n";
        assert_eq!(own_words(stderr), "failed to parse manifest\n\nCaused by:\n  x");
        assert_eq!(own_words("thread panicked\n"), "thread panicked");
        assert_eq!(own_words(""), "cargo gave no reason");
    }

    #[test]
    fn a_cargo_that_is_not_there_is_said_so() {
        let folder = tempfile::tempdir().expect("folder");
        let environment = [("CARGO", "/nonexistent/cargo")].into_iter().collect();
        let error = Project::read(&Cargo::new(folder.path(), environment), None, Locking::default())
            .expect_err("no cargo");
        assert_eq!(error.to_string(), "cannot run /nonexistent/cargo");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("rustup.rs")));
    }

    #[test]
    fn old_cargos_without_default_members_mean_all() {
        let json = r#"{"packages":[{"name":"a","version":"1.0.0","id":"a 1.0.0 (path+file:///w)","dependencies":[],
            "targets":[{"name":"a","kind":["bin"],"crate_types":["bin"],"src_path":"/w/src/main.rs","edition":"2021"}],
            "features":{},"manifest_path":"/w/Cargo.toml","metadata":{"containerize":{"user":"1"}}}],
            "workspace_members":["a 1.0.0 (path+file:///w)"],"target_directory":"/w/target","version":1,
            "workspace_root":"/w"}"#;
        let project = Project::from_metadata(MetadataCommand::parse(json).expect("metadata"));
        assert!(project.packages[0].is_default);
        assert_eq!(project.packages[0].settings, Some(serde_json::json!({"user": "1"})));
        assert_eq!(project.build_directory, project.target_directory);
    }
}
