//! What a program that builds must not find in its environment.

use std::ffi::{OsStr, OsString};
use std::process::Command;

use crate::system::System;

/// Variables of this prefix hold `user:password` for one registry each.
pub(crate) const AUTH_PREFIX: &str = "CONTAINERIZE_AUTH_";

/// Other variables in which this program finds credentials for registries, passwords of keys, and what says who signs.
const NAMES: [&str; 10] = [
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "CONTAINERIZE_USERNAME",
    "CONTAINERIZE_PASSWORD",
    "CONTAINERIZE_SIGN_PASSWORD",
    "COSIGN_PASSWORD",
    "DOCKER_AUTH_CONFIG",
    "DOCKER_CONFIG",
    "GITHUB_TOKEN",
    "REGISTRY_AUTH_FILE",
    "SIGSTORE_ID_TOKEN",
];

/// Those in which GitLab gives passwords of registries. Others of its variables, such as `CI_JOB_TOKEN`, fetch
/// dependencies too.
const OF_GITLAB: [&str; 4] =
    ["CI_DEPENDENCY_PROXY_PASSWORD", "CI_DEPLOY_PASSWORD", "CI_REGISTRY_PASSWORD", "CI_REGISTRY_USER"];

fn is_secret(name: &OsStr) -> bool {
    let name = System::HERE.variable(name.to_owned());
    let Some(name) = name.to_str() else { return false };
    NAMES.into_iter().chain(OF_GITLAB).any(|secret| secret == name)
        || name.get(..AUTH_PREFIX.len()).is_some_and(|start| start == AUTH_PREFIX)
}

/// Takes the credentials for registries from what the program will find in its environment, whether it
/// was given or is inherited.
pub(super) fn withhold(command: &mut Command) {
    let given = command.get_envs().filter_map(|(name, value)| value.map(|_| name.to_owned()));
    let inherited = std::env::vars_os().map(|(name, _)| name);
    let secret: Vec<OsString> = given.chain(inherited).filter(|name| is_secret(name)).collect();
    for name in secret {
        command.env_remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_registries_are_withheld_and_nothing_else() {
        let given = [
            ("CONTAINERIZE_USERNAME", false),
            ("CONTAINERIZE_PASSWORD", false),
            ("CONTAINERIZE_AUTH_GHCR_IO", false),
            ("DOCKER_AUTH_CONFIG", false),
            ("DOCKER_CONFIG", false),
            ("REGISTRY_AUTH_FILE", false),
            ("GITHUB_TOKEN", false),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", false),
            ("SIGSTORE_ID_TOKEN", false),
            ("CI_REGISTRY_PASSWORD", false),
            ("CI_DEPLOY_PASSWORD", false),
            ("CI_DEPENDENCY_PROXY_PASSWORD", false),
            ("CI_REGISTRY", true),
            ("CI_JOB_TOKEN", true),
            ("AWS_SECRET_ACCESS_KEY", true),
            ("GOOGLE_APPLICATION_CREDENTIALS", true),
            ("CONTAINERIZE_BASE", true),
            ("CARGO_REGISTRIES_MINE_TOKEN", true),
            ("UV_INDEX_MINE_PASSWORD", true),
            ("PIP_INDEX_URL", true),
            ("GH_TOKEN", true),
        ];
        let mut command = Command::new("x");
        command.env_clear().envs(given.map(|(name, _)| (name, "value")));
        withhold(&mut command);
        for (name, stays) in given {
            let there = command.get_envs().any(|(found, value)| found == name && value.is_some());
            assert_eq!(there, stays, "{name}");
        }
    }
}
