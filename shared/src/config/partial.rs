//! The keys: their names, types, and how values from several places merge.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attest::{Attestations, Sbom, Sign, SignatureFormat};
use super::attested::WheelVerify;
use super::merge::{append, by_key, debian, replace, sign};
use super::natural;
use super::origin::{Origin, Origins};
use super::remote::RemoteCache;
use super::shown::{Shown, rows};
use super::trim::TrimRule;
use super::trust::TrustedSigner;
use super::value::{
    BaseChoice, Bins, CheckMode, Command, Debian, Directory, ExtraLayer, FileRule, Healthcheck, Hooks,
    Install, Labels, Native, Port, PythonChoice, StaleLock, Strip,
};
use super::vouching::BaseVerify;
use crate::oci::Owner;
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
    /// Not at all: hooks are given a variable of that name.
    NoVariable,
}

/// One key of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name, in kebab case.
    pub name: &'static str,
    /// How it is written in an environment variable.
    pub kind: KeyKind,
    /// A value, as it is written in TOML.
    pub example: &'static str,
}

impl Key {
    /// The name of its environment variable, if it has one.
    pub fn variable(&self) -> Option<String> {
        let name = || format!("CONTAINERIZE_{}", self.name.to_uppercase().replace('-', "_"));
        (self.kind != KeyKind::NoVariable).then(name)
    }
}

macro_rules! keys {
    ($($(#[$doc:meta])* $field:ident ($name:literal): $type:ty, $merge:ident, $kind:ident, $example:literal;)*) => {
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
        pub const KEYS: &[Key] = &[$(Key { name: $name, kind: KeyKind::$kind, example: $example }),*];

        impl Partial {
            /// Lays `higher` over this; `origins` learns where each value is from. `image` is
            /// not merged: it is resolved before.
            pub(super) fn lay_over(&mut self, higher: Self, origin: &Origin, origins: &mut Origins) {
                $($merge($name, &mut self.$field, higher.$field, origin, origins);)*
            }

            /// Every key that is set, with its value and where that came from.
            pub fn shown(&self, origins: &Origins) -> Vec<Shown> {
                let mut shown = Vec::new();
                $(shown.extend(self.$field.iter().flat_map(|value| rows($name, value, origins)));)*
                shown
            }
        }
    };
}

keys! {
    /// The image's name, if it is not that of the project, the binary or its table.
    name("name"): String, replace, NoVariable, r#""worker""#;
    /// The image's version, if it is not the project's.
    version("version"): String, replace, NoVariable, r#""1.2.0""#;
    /// Repository that `--push` pushes to, without a tag; may contain `{name}`.
    repository("repository"): String, replace, Text, r#""ghcr.io/you/app""#;
    /// Tags for `repository`, or full references. The version by default.
    tags("tags"): Vec<String>, replace, List, r#"["{version}", "latest"]"#;
    /// Platforms, such as `linux/arm64`; several make an index. The host's by default.
    platforms("platforms"): Vec<String>, replace, List, r#"["linux/amd64", "linux/arm64"]"#;
    /// The base image: a reference, `oci:DIR`, `oci-archive:FILE`, `docker-archive:FILE`, `docker-daemon:IMAGE`,
    /// `containers-storage:IMAGE`, `deb:SUITE`, `static` or `scratch`.
    base("base"): BaseChoice, replace, Text, r#""gcr.io/distroless/cc-debian13""#;
    /// Who must have signed a base that is in a registry: a public key, or whom a certificate names; a list, of whom one
    /// must have; or a table of these by globs of the bases' names.
    base_verify("base-verify"): BaseVerify, replace, Toml, r#"{ key = "base.pub" }"#;
    /// Debian packages to add to the base: their names, or a table.
    debian("debian"): Debian, debian, List, r#"["libpq5"]"#;
    /// The family of media types: OCI's, or Docker's schema 2.
    image_format("image-format"): Format, replace, Text, r#""docker""#;
    /// Environment variables; an empty value sets an empty variable.
    env("env"): BTreeMap<String, String>, by_key, Toml, r#"{ PORT = "8080" }"#;
    /// Environment variables of the base to remove.
    unset_env("unset-env"): Vec<String>, append, List, r#"["LANG"]"#;
    /// Labels; values may contain `{version}`, `{revision}`, `{created}`, `{platform}`.
    labels("labels"): Labels, by_key, Toml, r#"{ "com.example.team" = "web" }"#;
    /// Annotations of the manifest; the same placeholders.
    annotations("annotations"): Labels, by_key, Toml, r#"{ "com.example.team" = "web" }"#;
    /// Ports that the program listens on.
    ports("ports"): Vec<Port>, append, List, r#"[8080, "53/udp"]"#;
    /// Volumes: declared, and created as directories that `user` can write to.
    volumes("volumes"): Vec<String>, append, List, r#"["/data"]"#;
    /// Empty directories.
    dirs("dirs"): Vec<Directory>, append, Toml, r#"[{ path = "/var/cache/app", mode = "0750" }]"#;
    /// Extra files and trees.
    files("files"): Vec<FileRule>, append, Toml, r#"[{ from = "static", to = "/srv/www" }]"#;
    /// Owner of the files that containerize adds.
    owner("owner"): Owner, replace, Text, r#""65532:65532""#;
    /// User that the container runs as: `uid:gid`, or names that the base has.
    user("user"): String, replace, Text, r#""1000:1000""#;
    /// Working directory.
    workdir("workdir"): String, replace, Text, r#""/srv""#;
    /// Signal that stops the container.
    stop_signal("stop-signal"): String, replace, Text, r#""SIGINT""#;
    /// The program and its fixed arguments; `[]` clears the base's.
    entrypoint("entrypoint"): Command, replace, Text, r#"["/usr/local/bin/app", "serve"]"#;
    /// Whether to run the program under a small init, which forwards signals and reaps orphans.
    init("init"): bool, replace, Toml, r#"true"#;
    /// Default arguments; `[]` clears the base's.
    cmd("cmd"): Command, replace, Text, r#"["--verbose"]"#;
    /// Docker's health check.
    healthcheck("healthcheck"): Healthcheck, replace, Toml, r#"{ command = ["/usr/local/bin/app", "--check"], interval = "30s" }"#;
    /// Compression of the layers that containerize adds.
    compression("compression"): Compression, replace, Text, r#""zstd""#;
    /// Maximum number of layers to add to the base.
    max_layers("max-layers"): u32, replace, Toml, r#"20"#;
    /// What to do if the finished image would not start: `error` stops, `warn` warns and continues, `off` skips the
    /// check.
    check("check"): CheckMode, replace, Text, r#""warn""#;
    /// Bills of materials that a push attaches: `auto`, `spdx`, `cyclonedx`, `both` or `none`.
    sbom("sbom"): Sbom, replace, Text, r#""spdx""#;
    /// Where what is attested about an image goes: `auto`, `referrers`, `index` or `none`.
    attestations("attestations"): Attestations, replace, Text, r#""referrers""#;
    /// Who signs what is pushed: a key of this machine, a command that has one, or with `keyless` whoever a certificate
    /// names.
    sign("sign"): Sign, sign, Text, r#"{ key = "cosign.key" }"#;
    /// The form of signatures: `bundle` (cosign 3), `legacy` (a tag beside each image, for Podman and others) or `both`.
    signature_format("signature-format"): SignatureFormat, replace, Text, r#""both""#;
    /// A file with rules that the images must keep, else nothing is delivered.
    policy("policy"): String, replace, Text, r#""policy.toml""#;
    /// Whether a push keeps in the repository what was found out, under the tag `containerize-cache`, and begins with
    /// what is there: `true`, `false` or another repository; by default where the variable `CI` is set.
    remote_cache("remote-cache"): RemoteCache, replace, Text, r#"true"#;
    /// A repository of any registry where `containerize cache publish` has kept what is in the layers of bases; empty for
    /// none.
    base_cache("base-cache"): String, replace, Text, r#""ghcr.io/you/bases""#;
    /// Other signers whose remote caches a call that signs believes: public keys, or whom certificates name.
    cache_trust("cache-trust"): Vec<TrustedSigner>, append, Toml, r#"[{ key = "cosign.pub" }]"#;
    /// Libraries that the image needs and nothing in it has: `error` names them, `bundle` bundles this machine's.
    native("native"): Native, replace, Text, r#""bundle""#;
    /// Commands before and after the build.
    hooks("hooks"): Hooks, replace, Toml, r#"{ pre = ["make assets"] }"#;
    /// External layers: folders, or commands that fill one.
    layers("layers"): Vec<ExtraLayer>, append, Toml, r#"["extra", { command = "make layer" }]"#;
    /// Rust: the binary, or several.
    bin("bin"): Bins, replace, List, r#""server""#;
    /// Members of a workspace to build if a call names none: names or globs; Python: also folders.
    packages("packages"): Vec<String>, replace, List, r#"["api", "cli"]"#;
    /// Rust: features to enable.
    features("features"): Vec<String>, replace, List, r#"["server"]"#;
    /// Rust: whether to enable all features.
    all_features("all-features"): bool, replace, Toml, r#"true"#;
    /// Rust: whether to disable the default features.
    no_default_features("no-default-features"): bool, replace, Toml, r#"true"#;
    /// Rust: cargo's profile; `release` by default.
    profile("profile"): String, replace, Text, r#""release""#;
    /// Rust: the target triple, which sets libc and linkage for each platform.
    target("target"): String, replace, Text, r#""x86_64-unknown-linux-gnu""#;
    /// What to strip from compiled code: a Rust binary, or extension modules that are built.
    strip("strip"): Strip, replace, Text, r#""debuginfo""#;
    /// Rust: whether the program lists the crates it was built from, in the format of cargo-auditable.
    auditable("auditable"): bool, replace, Toml, r#"false"#;
    /// Rust: whether cargo is asked only when something has changed that the program is built from.
    if_changed("if-changed"): bool, replace, Toml, r#"true"#;
    /// Python: dependency groups to include, besides the main dependencies.
    groups("groups"): Vec<String>, replace, List, r#"["prod"]"#;
    /// Python: extras of the project.
    extras("extras"): Vec<String>, replace, List, r#"["postgres"]"#;
    /// Python: the lock or requirements file, if it is not the one that is found; several images of a folder
    /// may each have their own.
    lock("lock"): String, replace, Text, r#""requirements.api.txt""#;
    /// Python: the interpreter's version, such as `3.13`, which chooses the default base; or the prefix of one of this
    /// machine to bundle: `{ prefix = "/usr/local" }`.
    python("python"): PythonChoice, replace, Text, r#""3.13""#;
    /// Python: distributions to build from source even if there is a wheel: names, or `:all:`.
    no_binary("no-binary"): Vec<String>, append, List, r#"["lxml"]"#;
    /// Python: distributions that must be attested on their index (PEP 740): names or globs, or a table that says by whom:
    /// `true`, a publisher such as `{ repository = "owner/name", workflow = "release.yml" }`, a list of them, or `false`.
    wheel_verify("wheel-verify"): WheelVerify, replace, Toml, r#"{ cryptography = { repository = "pyca/cryptography" } }"#;
    /// Python: distributions that others need and that may be missing, or be there in another version.
    missing("missing"): Vec<String>, append, List, r#"["colorama"]"#;
    /// Python: environment variables for building wheels, such as `CFLAGS`.
    build_env("build-env"): BTreeMap<String, String>, by_key, Toml, r#"{ CFLAGS = "-O2" }"#;
    /// Python: the server for a detected web application, such as `uvicorn`.
    server("server"): String, replace, Text, r#""uvicorn""#;
    /// Python: whether to add layers with compiled bytecode.
    bytecode("bytecode"): bool, replace, Toml, r#"true"#;
    /// Python: files of distributions to leave out: `tests`, `typing` (type stubs), `headers`, `static-libs`; `!NAME` leaves
    /// a distribution as it is.
    trim("trim"): Vec<TrimRule>, replace, List, r#"["tests", "typing", "!torch"]"#;
    /// Python: how to install the project itself: its `source` as it is, or its `wheel`.
    install("install"): Install, replace, Text, r#""wheel""#;
    /// Python: what to do if the lock file does not match the project: `error` stops, `warn` warns and uses what it
    /// pins.
    stale_lock("stale-lock"): StaleLock, replace, Text, r#""warn""#;
    /// Python: globs of source to include even if it would be left out.
    include("include"): Vec<String>, append, List, r#"["templates/**"]"#;
    /// Python: globs of source to leave out.
    exclude("exclude"): Vec<String>, append, List, r#"["tests/**"]"#;
    /// Python: globs of the source's files that may be run in the image, whatever this machine says of them; with
    /// `!` in front, ones that may not.
    executable("executable"): Vec<String>, append, List, r#"["bin/*", "!bin/*.txt"]"#;
}

impl Partial {
    /// With the paths of this machine as they are seen from another folder, from which `way` leads to the one that
    /// they are relative to. Bases and keyrings are relative to the workspace anyway.
    pub fn seen_from(mut self, way: &str) -> Self {
        if way.is_empty() {
            return self;
        }
        let moved = |path: &mut String| {
            // On Windows `/x` has a root, and is absolute only with a drive.
            if !std::path::Path::new(path.as_str()).has_root() {
                *path = format!("{way}{path}");
            }
        };
        self.files.iter_mut().flatten().for_each(|rule| moved(&mut rule.from));
        for layer in self.layers.iter_mut().flatten() {
            match layer {
                ExtraLayer::Folder(path) | ExtraLayer::Command { dir: path, .. } => moved(path),
            }
        }
        self.image = self.image.into_iter().map(|(name, image)| (name, image.seen_from(way))).collect();
        self
    }
}

/// The JSON Schema of the configuration.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Partial).to_value();
    if let Some(schema) = schema.as_object_mut() {
        natural::describe(schema);
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
    fn paths_are_seen_from_another_folder() {
        let text = "files = [{ from = 'a', to = '/a' }, { from = '/b', to = '/b' }]\nlayers = ['c', { command = 'x' }]\n\
                    [image.i]\nlayers = ['d']";
        let moved =
            crate::config::from_toml(text, &crate::config::Origin::Flag).expect("valid").seen_from("../");
        let files: Vec<String> = moved.files.into_iter().flatten().map(|rule| rule.from).collect();
        assert_eq!(files, ["../a", "/b"]);
        let place = |layer: ExtraLayer| match layer {
            ExtraLayer::Folder(path) | ExtraLayer::Command { dir: path, .. } => path,
        };
        assert_eq!(moved.layers.into_iter().flatten().map(place).collect::<Vec<_>>(), ["../c", "../"]);
        let image = moved.image.into_values().next().expect("the image");
        assert_eq!(image.layers.into_iter().flatten().map(place).collect::<Vec<_>>(), ["../d"]);
    }

    #[test]
    fn variables_are_upper_case_with_underscores() {
        let key = KEYS.iter().find(|key| key.name == "stop-signal").expect("the key");
        assert_eq!(key.variable().as_deref(), Some("CONTAINERIZE_STOP_SIGNAL"));
    }
}
