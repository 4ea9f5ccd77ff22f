//! Everything that knows cargo: what a project says about itself, which of its binaries are
//! wanted, how they are built for a platform, and whether the result is what was asked for.
//!
//! The way through it: [`Project::read`] → [`select::binaries`] → [`target::triple`] →
//! [`build::build`] → [`linkage::examine`]. All of it works on a [`Cargo`], which holds what the
//! program was started with: a folder and an environment. Nothing here reads the process's own.

pub mod audit;
pub mod build;
pub mod crates;
pub mod features;
pub mod inputs;
pub mod linkage;
pub mod local;
mod locked;
pub mod lockfile;
mod messages;
mod project;
pub mod remap;
pub mod rustc;
pub mod rustflags;
pub mod select;
pub mod settings;
pub mod target;
mod toolchain;
pub mod traces;
mod trouble;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::system::{self, Folders, System, programs};

pub use project::{BinTarget, Package, Project};
pub use select::Binary;

/// Environment variables, as cargo, rustc and build scripts are to see them.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<OsString, OsString>);

impl Variables {
    /// The value of a variable, if it is set and Unicode.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.to_str()
    }

    /// The value of a variable, if it is set and not empty.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// The value of a variable, if it is set.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(&System::HERE.variable(name.into())).map(OsString::as_os_str)
    }

    /// One of the folders that these variables lead to.
    pub fn folders(&self, read: impl FnOnce(Folders<'_>) -> Option<PathBuf>) -> Option<PathBuf> {
        read(Folders::here(&|name| self.path(name)))
    }

    /// The names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(system::variables(variables).collect())
    }
}

impl std::fmt::Debug for Variables {
    /// Names alone: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// Which of cargo's promises about Cargo.lock and the network are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Locking {
    /// `--locked`: Cargo.lock must not change.
    pub locked: bool,
    /// `--offline`: no network.
    pub offline: bool,
    /// `--frozen`: both.
    pub frozen: bool,
}

impl Locking {
    /// Whether nothing that a lock file pins may move.
    pub fn is_locked(self) -> bool {
        self.locked || self.frozen
    }

    /// Whether the network is out of bounds.
    pub fn is_offline(self) -> bool {
        self.offline || self.frozen
    }

    /// The flags for cargo.
    pub fn flags(self) -> impl Iterator<Item = &'static str> {
        [(self.locked, "--locked"), (self.offline, "--offline"), (self.frozen, "--frozen")]
            .into_iter()
            .filter_map(|(asked, flag)| asked.then_some(flag))
    }
}

/// The cargo to use: the program, the folder it is called from, its environment, and the
/// configuration that the user gave it.
#[derive(Debug, Clone)]
pub struct Cargo {
    dir: PathBuf,
    environment: Variables,
    overrides: Vec<String>,
    unstable: Vec<String>,
    build_flags: Vec<String>,
    is_elsewhere: bool,
}

impl Cargo {
    /// The cargo that a call from `dir` (absolute) with `environment` means. A subcommand finds
    /// its own cargo in the variable `CARGO`; using it passes rustup's proxies by.
    pub fn new(dir: impl Into<PathBuf>, environment: Variables) -> Self {
        // Without a trailing slash, as it is shown to people.
        let dir = dir.into().components().collect();
        Self {
            dir,
            environment,
            overrides: Vec::new(),
            unstable: Vec::new(),
            build_flags: Vec::new(),
            is_elsewhere: false,
        }
    }

    /// Says in which folder the call was made. Where it is another one than the project's, the
    /// toolchain that rustup chose there does not count: the project's folder decides, as if the
    /// call had been made in it. What the user chose (`RUSTUP_TOOLCHAIN`, `cargo +nightly`) stays.
    #[must_use]
    pub fn called_from(mut self, folder: &Path) -> Self {
        self.is_elsewhere = folder.components().ne(self.dir.components());
        if self.is_elsewhere && toolchain::was_chosen_by_folder(&self.environment, folder, &self.dir) {
            for name in ["CARGO", "RUSTUP_TOOLCHAIN", toolchain::SOURCE] {
                self.environment.0.remove(OsStr::new(name));
            }
        }
        self
    }

    /// Whether the call was made in another folder than the project's.
    pub fn is_elsewhere(&self) -> bool {
        self.is_elsewhere
    }

    /// Gives it cargo's `--config`, each a `KEY=VALUE` in TOML or a file.
    #[must_use]
    pub fn with_config(mut self, overrides: Vec<String>) -> Self {
        self.overrides = overrides;
        self
    }

    /// Gives it the values of `-Z`, for all that is asked of it, and flags for building alone.
    #[must_use]
    pub fn with_flags(mut self, unstable: Vec<String>, build_flags: Vec<String>) -> Self {
        (self.unstable, self.build_flags) = (unstable, build_flags);
        self
    }

    /// The values of `-Z`.
    pub fn unstable(&self) -> &[String] {
        &self.unstable
    }

    /// Flags that are for building alone.
    pub fn build_flags(&self) -> &[String] {
        &self.build_flags
    }

    /// The values of `--config`.
    pub fn overrides(&self) -> &[String] {
        &self.overrides
    }

    /// The folder that cargo is called from.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The environment that cargo gets.
    pub fn environment(&self) -> &Variables {
        &self.environment
    }

    /// The program: what `CARGO` names, else `cargo` on the search path.
    pub fn program(&self) -> PathBuf {
        self.environment.path("CARGO").unwrap_or_else(|| "cargo".into())
    }

    /// Cargo's home, absolute: `CARGO_HOME`, else `~/.cargo`. `None` where there is no home.
    pub fn home(&self) -> Option<PathBuf> {
        Some(self.dir.join(self.environment.folders(|folders| folders.cargo())?))
    }

    /// A command that runs `program` in the folder with exactly this environment.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.dir).env_clear().envs(self.environment.iter());
        command
    }

    /// Where a program is: on the search path, or relative to the folder if it names a place.
    pub fn find_program(&self, name: &str) -> Option<PathBuf> {
        if System::HERE.is_place(name) {
            return programs::at(&self.dir.join(name));
        }
        let folders = std::env::split_paths(self.environment.get("PATH")?);
        programs::find(name, folders.map(|folder| self.dir.join(folder)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_never_shows_its_values() {
        let environment: Variables = [("TOKEN", "hunter2")].into_iter().collect();
        let shown = format!("{environment:?}");
        assert!(shown.contains("TOKEN") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn names_of_variables_are_found_as_the_system_has_them() {
        let environment: Variables = [("CC_x86_64-unknown-linux-musl", "cc")].into_iter().collect();
        assert_eq!(environment.text("CC_x86_64-unknown-linux-musl"), Some("cc"));
        let other = environment.text("CC_X86_64-unknown-linux-musl");
        assert_eq!(other.is_some(), System::HERE.is_windows());
    }

    #[test]
    fn cargos_home_is_absolute_and_defaults_to_the_users() {
        let home = |variables: &[(&str, &str)]| {
            Cargo::new("/projects", variables.iter().copied().collect())
                .home()
                .map(|p| System::HERE.slashes(&p.display().to_string()).into_owned())
        };
        assert_eq!(home(&[("HOME", "/home/u")]).as_deref(), Some("/home/u/.cargo"));
        assert_eq!(
            home(&[("HOME", "/home/u"), ("CARGO_HOME", "ci/cargo")]).as_deref(),
            Some("/projects/ci/cargo")
        );
        assert_eq!(home(&[]), None);
    }

    #[test]
    fn programs_are_found_on_the_given_search_path_only() {
        let folder = tempfile::tempdir().expect("folder");
        let tool = System::HERE.executable("tool");
        std::fs::write(folder.path().join(&tool), "").expect("write");
        let path: Variables = [("PATH", folder.path())].into_iter().collect();
        let cargo = Cargo::new(folder.path(), path);
        assert_eq!(cargo.find_program("tool"), Some(folder.path().join(&tool)));
        assert_eq!(cargo.find_program("./tool"), Some(folder.path().join(".").join(&tool)));
        assert_eq!(cargo.find_program("sh"), None);
    }
}
