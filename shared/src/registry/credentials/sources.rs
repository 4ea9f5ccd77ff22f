//! The part of the environment that leads to credentials, as a value.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::http::Secret;
use crate::system::{self, Folders};

pub(super) use crate::process::AUTH_PREFIX as PREFIX;

/// What the environment says about credentials. Empty variables count as absent.
#[derive(Debug, Clone, Default)]
pub struct AuthSources {
    /// `DOCKER_CONFIG`: the folder of Docker's `config.json`.
    pub docker_config: Option<PathBuf>,
    /// `DOCKER_AUTH_CONFIG`: the text of such a file.
    pub docker_auth_config: Option<Secret>,
    /// `REGISTRY_AUTH_FILE`: Podman's file, wherever it is.
    pub registry_auth_file: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`.
    pub xdg_config_home: Option<PathBuf>,
    /// The user's own folder.
    pub home: Option<PathBuf>,
    /// `GITHUB_TOKEN`.
    pub github_token: Option<Secret>,
    /// `GITHUB_ACTOR`.
    pub github_actor: Option<String>,
    /// `PATH`: where the programs of clouds are; without it none is run.
    pub path: Option<OsString>,
    /// All `CONTAINERIZE_AUTH_<REGISTRY>`, by their full names.
    pub registries: BTreeMap<String, Secret>,
}

impl AuthSources {
    /// The environment of this process. For the program's entry point; all else gets the value.
    pub fn from_process() -> Self {
        Self::from_variables(std::env::vars_os())
    }

    /// The environment made of these variables.
    pub fn from_variables(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let variables: BTreeMap<OsString, OsString> =
            system::variables(variables).filter(|(_, value)| !value.is_empty()).collect();
        let path = |name: &str| variables.get(OsStr::new(name)).map(PathBuf::from);
        let text = |name: &str| variables.get(OsStr::new(name))?.to_str().map(str::to_owned);
        let registries = variables
            .iter()
            .filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .map(|(name, value)| (name.to_owned(), Secret::new(value)))
            .collect();
        Self {
            docker_config: path("DOCKER_CONFIG"),
            docker_auth_config: text("DOCKER_AUTH_CONFIG").map(Secret::new),
            registry_auth_file: path("REGISTRY_AUTH_FILE"),
            xdg_runtime_dir: path("XDG_RUNTIME_DIR"),
            xdg_config_home: path("XDG_CONFIG_HOME"),
            home: Folders::here(&path).home(),
            github_token: text("GITHUB_TOKEN").map(Secret::new),
            github_actor: text("GITHUB_ACTOR"),
            path: variables.get(OsStr::new("PATH")).cloned(),
            registries,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_a_value_that_hides_what_is_secret() {
        let sources = AuthSources::from_variables(
            [
                ("DOCKER_CONFIG", ""),
                ("HOME", "/home/me"),
                ("GITHUB_TOKEN", "hunter2"),
                ("CONTAINERIZE_AUTH_GHCR_IO", "me:hunter2"),
                ("CONTAINERIZE_REPOSITORY", "ghcr.io/x"),
            ]
            .map(|(name, value)| (name.into(), value.into())),
        );
        assert_eq!(sources.docker_config, None, "empty is absent");
        assert_eq!(sources.home, Some("/home/me".into()));
        assert_eq!(sources.registries.keys().collect::<Vec<_>>(), ["CONTAINERIZE_AUTH_GHCR_IO"]);
        assert!(!format!("{sources:?}").contains("hunter2"));
    }
}
