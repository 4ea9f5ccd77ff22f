//! The keys: their names, types, and how values from several places merge.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fold::{Origin, Origins, append, by_key, debian, replace};
use super::value::{
    BaseChoice, Bins, CheckMode, Command, Debian, Directory, ExtraLayer, FileRule, Healthcheck, Hooks,
    Install, Labels, Native, Owner, Port, PythonChoice, Strip,
};
use crate::oci::media_type::{Compression, Format};

/// How the value of a key is written in an environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// As it is; a list or a table in TOML where the key takes one.
    Text,
    /// A TOML list, or one bare value.
    List,
    /// In TOML.
    Toml,
}

/// One key of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name, in kebab case.
    pub name: &'static str,
    /// How it is written in an environment variable.
    pub kind: KeyKind,
}

impl Key {
    /// The name of its environment variable.
    pub fn variable(&self) -> String {
        format!("CONTAINERIZE_{}", self.name.to_uppercase().replace('-', "_"))
    }
}

macro_rules! keys {
    ($($(#[$doc:meta])* $field:ident ($name:literal): $type:ty, $merge:ident, $kind:ident;)*) => {
        /// Configuration as one place gives it: every key may be missing.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub struct Partial {
            $($(#[$doc])*
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub $field: Option<$type>,)*
            /// Images by name, when the project has several: each overrides what stands above.
            #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
            pub image: BTreeMap<String, Partial>,
        }

        /// All keys, in the order of the documentation.
        pub const KEYS: &[Key] = &[$(Key { name: $name, kind: KeyKind::$kind }),*];

        impl Partial {
            /// Lays `higher` over this; `origins` learns where each value is from. `image` is
            /// not merged: it is resolved before.
            pub(super) fn lay_over(&mut self, higher: Self, origin: &Origin, origins: &mut Origins) {
                $($merge($name, &mut self.$field, higher.$field, origin, origins);)*
            }
        }
    };
}

keys! {
    /// Where `--push` goes, without a tag; may hold `{name}`.
    repository("repository"): String, replace, Text;
    /// Tags for `repository`, or full references. The version by default.
    tags("tags"): Vec<String>, replace, List;
    /// Platforms, as `linux/arm64`; several make an index. The host's by default.
    platforms("platforms"): Vec<String>, replace, List;
    /// The base image: a reference, `oci:DIR`, `oci-archive:FILE`, `docker-archive:FILE`, `docker-daemon:IMAGE`,
    /// `containers-storage:IMAGE`, `deb:SUITE`, `static` or `scratch`.
    base("base"): BaseChoice, replace, Text;
    /// Debian packages that are added to the base: their names, or a table.
    debian("debian"): Debian, debian, List;
    /// The image format.
    image_format("image-format"): Format, replace, Text;
    /// Environment variables; an empty value is set empty.
    env("env"): BTreeMap<String, String>, by_key, Toml;
    /// Variables of the base that are removed.
    unset_env("unset-env"): Vec<String>, append, List;
    /// Labels; values may hold `{version}`, `{revision}`, `{created}`, `{platform}`.
    labels("labels"): Labels, by_key, Toml;
    /// Annotations of the manifest; the same placeholders.
    annotations("annotations"): Labels, by_key, Toml;
    /// Ports that the program listens on.
    ports("ports"): Vec<Port>, append, List;
    /// Volumes: declared, and created as directories that `user` can write.
    volumes("volumes"): Vec<String>, append, List;
    /// Empty directories.
    dirs("dirs"): Vec<Directory>, append, Toml;
    /// Extra files and trees.
    files("files"): Vec<FileRule>, append, Toml;
    /// The owner of our files.
    owner("owner"): Owner, replace, Text;
    /// Whom the program runs as: `uid:gid`, or names that the base knows.
    user("user"): String, replace, Text;
    /// The working directory.
    workdir("workdir"): String, replace, Text;
    /// The signal that asks the program to stop.
    stop_signal("stop-signal"): String, replace, Text;
    /// The program and its fixed arguments; `[]` clears the base's.
    entrypoint("entrypoint"): Command, replace, Text;
    /// The default arguments; `[]` clears the base's.
    cmd("cmd"): Command, replace, Text;
    /// Docker's health check.
    healthcheck("healthcheck"): Healthcheck, replace, Toml;
    /// How our layers are compressed.
    compression("compression"): Compression, replace, Text;
    /// At most so many layers of ours.
    max_layers("max-layers"): u32, replace, Toml;
    /// What happens when the finished image is found to fail: `error` stops, `warn` says it and goes on, `off` does
    /// not look.
    check("check"): CheckMode, replace, Text;
    /// Libraries that the image needs and nothing in it has: `error` names them, `bundle` carries this machine's along.
    native("native"): Native, replace, Text;
    /// Commands around the build.
    hooks("hooks"): Hooks, replace, Toml;
    /// Layers made outside: folders, or commands that fill one.
    layers("layers"): Vec<ExtraLayer>, append, Toml;
    /// Rust: the binary, or several.
    bin("bin"): Bins, replace, List;
    /// Rust: the members of a workspace that a call means which names none: names or globs.
    packages("packages"): Vec<String>, replace, List;
    /// Rust: features that are switched on.
    features("features"): Vec<String>, replace, List;
    /// Rust: whether all features are switched on.
    all_features("all-features"): bool, replace, Toml;
    /// Rust: whether the default features stay off.
    no_default_features("no-default-features"): bool, replace, Toml;
    /// Rust: cargo's profile; `release` by default.
    profile("profile"): String, replace, Text;
    /// Rust: the target triple, which gives libc and linkage for each platform.
    target("target"): String, replace, Text;
    /// What is stripped from compiled code: a Rust binary, or extension modules that are built.
    strip("strip"): Strip, replace, Text;
    /// Python: dependency groups beside the main dependencies.
    groups("groups"): Vec<String>, replace, List;
    /// Python: extras of the project.
    extras("extras"): Vec<String>, replace, List;
    /// Python: the interpreter's version, as `3.13`, which chooses the default base; or the folder of one
    /// of this machine that is carried along, as `{ prefix = "/usr/local" }`.
    python("python"): PythonChoice, replace, Text;
    /// Python: what is built from source though there is a wheel: names, or `:all:`.
    no_binary("no-binary"): Vec<String>, append, List;
    /// Python: environment variables for building wheels, as `CFLAGS`.
    build_env("build-env"): BTreeMap<String, String>, by_key, Toml;
    /// Python: the server for a detected web application, as `uvicorn`.
    server("server"): String, replace, Text;
    /// Python: whether a layer with compiled bytecode is added.
    bytecode("bytecode"): bool, replace, Toml;
    /// Python: how the project itself gets in: its `source` as it is, or its `wheel` installed.
    install("install"): Install, replace, Text;
    /// Python: globs of the source that goes in, also where it would be left out otherwise.
    include("include"): Vec<String>, append, List;
    /// Python: globs of the source that stays out.
    exclude("exclude"): Vec<String>, append, List;
}

/// The JSON Schema of the configuration.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Partial).to_value();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("title".into(), "containerize".into());
        schema.insert(
            "description".into(),
            "[package.metadata.containerize] and [workspace.metadata.containerize] in Cargo.toml, [tool.containerize] in pyproject.toml, or the file of --config"
                .into(),
        );
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_names_are_the_names_that_serde_reads() {
        let schema = schema();
        let properties = schema["properties"].as_object().expect("properties");
        let mut expected: Vec<&str> = KEYS.iter().map(|key| key.name).chain(["image"]).collect();
        let mut found: Vec<&str> = properties.keys().map(String::as_str).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(expected, found);
    }

    #[test]
    fn variables_are_upper_case_with_underscores() {
        let key = KEYS.iter().find(|key| key.name == "stop-signal").expect("the key");
        assert_eq!(key.variable(), "CONTAINERIZE_STOP_SIGNAL");
    }
}
