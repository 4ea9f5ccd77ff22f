//! The image configuration: what runs, as whom, where, on which layers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Digest, Extra, Platform, null_as_default};

/// An image configuration (image-spec `config.md`; Docker's is a superset). Field order is
/// the order in which it is written.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ImageConfig {
    /// GOARCH.
    #[serde(default)]
    pub architecture: String,
    /// GOOS.
    #[serde(default)]
    pub os: String,
    /// The architecture's variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Whatever else a base's configuration holds.
    #[serde(flatten)]
    pub extra: Extra,
    /// What runs.
    #[serde(default, deserialize_with = "null_as_default")]
    pub config: Execution,
    /// The layers, by the digests of their uncompressed bytes.
    #[serde(default)]
    pub rootfs: Rootfs,
    /// Where each layer came from.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub history: Vec<History>,
}

impl ImageConfig {
    /// The platform that it is for.
    pub fn platform(&self) -> Platform {
        let mut platform = Platform::linux(&self.architecture);
        platform.os.clone_from(&self.os);
        platform.variant.clone_from(&self.variant);
        platform
    }
}

/// The part of the configuration that a runtime acts on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Execution {
    /// `user[:group]`, names or numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The ports that the program listens on, as `8080/tcp`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub exposed_ports: BTreeMap<String, Empty>,
    /// `NAME=value`, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub env: Vec<String>,
    /// The program and its fixed arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The default arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Directories whose content outlives the container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub volumes: BTreeMap<String, Empty>,
    /// Where the program starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Labels by name; they are not annotations, which stand in the manifest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub labels: BTreeMap<String, String>,
    /// What asks the program to stop, as `SIGTERM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Docker's health check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Docker's `Shell`, `OnBuild`, `StopTimeout` and the like.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Docker's health check; durations in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `["CMD", program, arguments...]`, `["CMD-SHELL", line]` or `["NONE"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Time between two checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<u64>,
    /// Time after which a check counts as failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Time in which failures do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_period: Option<u64>,
    /// Failures in a row after which the container is unhealthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// `StartInterval` and what comes after it.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The `{}` of Go's `map[string]struct{}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Empty {}

/// The stack of layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rootfs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Digests of the uncompressed layers, the lowest first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub diff_ids: Vec<Digest>,
}

impl Rootfs {
    /// What names the file system that the layers make: a digest of their digests.
    pub fn identity(&self) -> Digest {
        let diff_ids: Vec<String> = self.diff_ids.iter().map(Digest::to_string).collect();
        Digest::of(diff_ids.join(" ").as_bytes())
    }
}

impl Default for Rootfs {
    fn default() -> Self {
        Self { kind: "layers".into(), diff_ids: Vec::new() }
    }
}

/// One line of history.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct History {
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// What made the layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether the step made no layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_layer: Option<bool>,
    /// `author` and the like.
    #[serde(flatten)]
    pub extra: Extra,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_adds_survives() {
        let text = r#"{"architecture":"amd64","os":"linux","docker_version":"20","config":{"Env":["A=1"],"Healthcheck":{"Test":["NONE"],"StartInterval":5},"OnBuild":["RUN x"],"Shell":["/bin/bash"]},"rootfs":{"type":"layers","diff_ids":[]}}"#;
        let config: ImageConfig = serde_json::from_str(text).expect("parsed");
        assert_eq!(serde_json::to_string(&config).expect("json"), text);
    }

    #[test]
    fn nulls_are_read_as_nothing() {
        let text = r#"{"architecture":"a","os":"o","config":{"Env":null,"Volumes":null,"Labels":null,"Entrypoint":null},"rootfs":{"type":"layers","diff_ids":null},"history":null}"#;
        let config: ImageConfig = serde_json::from_str(text).expect("parsed");
        assert!(config.rootfs.diff_ids.is_empty() && config.config.env.is_empty());
    }
}
