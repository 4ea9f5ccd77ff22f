//! What somebody could do to this machine with a provenance that nobody has signed: a build runs what it is told.

use std::path::{Component, Path};

use serde_json::Value;

use super::inputs::Call;
use crate::base::spec::BaseSpec;
use crate::sink::Daemon;

/// Keys that change nothing but what is in the image, whatever their values are. Others are looked at, or need trust.
const HARMLESS: &[&str] = &[
    "name",
    "version",
    "platforms",
    "image-format",
    "env",
    "unset-env",
    "labels",
    "annotations",
    "ports",
    "volumes",
    "dirs",
    "owner",
    "user",
    "workdir",
    "stop-signal",
    "entrypoint",
    "init",
    "cmd",
    "healthcheck",
    "compression",
    "max-layers",
    "check",
    "native",
    "bin",
    "features",
    "all-features",
    "no-default-features",
    "profile",
    "strip",
    "auditable",
    "if-changed",
    "groups",
    "extras",
    "no-binary",
    "missing",
    "server",
    "bytecode",
    "trim",
    "install",
    "stale-lock",
    "include",
    "exclude",
    "executable",
];

/// What in the call could run programs that are not the project's, or read files beside it: keys, flags and variables.
pub(super) fn of(call: &Call) -> Vec<String> {
    let keys =
        call.settings.iter().filter(|(key, value)| !is_harmless(key, value)).map(|(key, _)| key.clone());
    let flags = [("--config", &call.cargo_config), ("-Z", &call.cargo_unstable)];
    let flags = flags.into_iter().filter(|(_, values)| !values.is_empty()).map(|(flag, _)| flag.to_owned());
    // They can name a linker.
    let variables = call.variables.keys().filter(|name| name.ends_with("RUSTFLAGS")).cloned();
    keys.chain(flags).chain(variables).collect()
}

fn is_harmless(key: &str, value: &Value) -> bool {
    match key {
        // The interpreter of a base is run where it makes bytecode.
        "base" => texts(value).iter().all(|base| is_own_base(base)),
        "lock" | "layers" => texts(value).iter().all(|path| is_within(path)) && !has_tables(value),
        "files" => list(value).iter().all(|rule| rule["from"].as_str().is_some_and(is_within)),
        "python" => value.is_string(),
        "target" => value.as_str().is_some_and(|triple| !triple.ends_with(".json")),
        "debian" => value.as_object().is_none_or(|table| table.keys().all(|name| name == "packages")),
        _ => HARMLESS.contains(&key),
    }
}

/// Whether the base comes with this program or with the project.
fn is_own_base(base: &str) -> bool {
    match base.parse() {
        Ok(BaseSpec::Static | BaseSpec::Scratch | BaseSpec::Debian(_)) => true,
        Ok(BaseSpec::Layout { dir: path, .. })
        | Ok(BaseSpec::OciArchive { file: path, .. } | BaseSpec::DockerArchive { file: path, .. }) => {
            path.to_str().is_some_and(is_within)
        }
        Ok(BaseSpec::Registry(_) | BaseSpec::Local { daemon: Daemon::Docker | Daemon::Podman, .. })
        | Err(_) => false,
    }
}

fn is_within(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) && !path.contains('\\')
}

fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(table) => table.values().collect(),
        value => vec![value],
    }
}

fn texts(value: &Value) -> Vec<&str> {
    list(value).into_iter().filter_map(Value::as_str).collect()
}

fn has_tables(value: &Value) -> bool {
    list(value).into_iter().any(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KEYS;
    use serde_json::json;

    fn found(call: Value) -> Vec<String> {
        of(&serde_json::from_value(call).expect("a call"))
    }

    #[test]
    fn what_runs_programs_or_reads_beside_the_project_needs_trust() {
        let settings = |settings: Value| found(json!({ "settings": settings }));
        for (key, value) in [
            ("hooks", json!({"pre": ["x"]})),
            ("layers", json!([{"command": "x"}])),
            ("layers", json!(["../x"])),
            ("files", json!([{"from": "/etc/shadow", "to": "/x"}])),
            ("files", json!([{"from": "../../x", "to": "/x"}])),
            ("base", json!("evil.example.org/python:3.13")),
            ("base", json!({"linux/amd64": "docker-daemon:x"})),
            ("base", json!("oci:../x")),
            ("python", json!({"prefix": "/tmp/x"})),
            ("build-env", json!({"CC": "x"})),
            ("target", json!("x.json")),
            ("debian", json!({"packages": [], "keyring": "x"})),
            ("lock", json!("/x")),
            ("sign", json!({"command": "x"})),
            ("unheard-of", json!(1)),
        ] {
            assert_eq!(settings(json!({ key: value })), [key], "{value}");
        }
        assert_eq!(found(json!({"cargo-config": ["build.rustc-wrapper='x'"]})), ["--config"]);
        assert_eq!(found(json!({"cargo-unstable": ["x"]})), ["-Z"]);
        assert_eq!(
            found(json!({"variables": {"RUSTFLAGS": "-C linker=x", "CARGO_PROFILE_DEV_LTO": "x"}})),
            ["RUSTFLAGS"]
        );
    }

    #[test]
    fn what_is_only_in_the_image_needs_none() {
        let settings = json!({
            "base": "oci:base:py", "files": [{"from": "a/b", "to": "/x"}], "layers": ["extra"], "python": "3.13",
            "debian": {"packages": ["libpq5"]}, "lock": "requirements.api.txt", "env": {"A": "/etc/shadow"},
        });
        assert_eq!(found(json!({ "settings": settings })), Vec::<String>::new());
        let is_known = |key: &&str| KEYS.iter().any(|known| known.name == *key);
        assert!(HARMLESS.iter().all(is_known), "all of them are keys");
    }
}
