//! Programs that will not end when they are asked to: process 1 of a container gets no signal that it has no handler
//! for, so that `docker stop` waits ten seconds and kills.

use std::path::Path;

use crate::cargo::Package;
use crate::config::Settings;
use crate::read;
use crate::words;
use crate::words::{Words, flag};

/// Crates by which Rust programs handle signals: those that programs name, and what is below them.
const HANDLERS: [&str; 6] =
    ["signal-hook", "signal-hook-registry", "ctrlc", "nix", "async-signal", "mio-signals"];

/// Crates with which a package may handle them by its own `unsafe` code.
const RAW: [&str; 3] = ["libc", "rustix", "linux-raw-sys"];

/// Crates that only programs have which serve, or do work that never ends, until they are stopped.
const SERVERS: [&str; 18] = [
    "actix-http",
    "apalis-core",
    "axum",
    "clokwerk",
    "kube-runtime",
    "poem",
    "rocket",
    "rouille",
    "salvo",
    "serenity",
    "teloxide",
    "tide",
    "tiny_http",
    "tokio-cron-scheduler",
    "tonic",
    "trillium-http",
    "twilight-gateway",
    "warp",
];

/// A note, where the program seems to serve until it is stopped and nothing in it can handle SIGTERM. Cargo.lock
/// holds what any member needs with any feature, so what is not in it is not in the program.
pub(super) fn note(image: &str, package: &Package, settings: &Settings, lock: &Path) -> Option<Words> {
    let is_told = settings.init || settings.entrypoint.is_some() || settings.origins.is_chosen("init");
    if is_told || package.needs.iter().any(|name| RAW.contains(&name.as_str())) {
        return None;
    }
    let lock = read::text(lock, read::DOCUMENT).ok()?;
    let has = |name: &&str| lock.contains(&format!("\nname = \"{name}\"\n"));
    let serves = !settings.ports.is_empty() || settings.healthcheck.is_some() || SERVERS.iter().any(has);
    if !serves || HANDLERS.iter().any(has) {
        return None;
    }
    Some(words!(
        "{image} does not seem to handle SIGTERM, so as the first process of a container it stops only when it is killed; run it under an init with {init}, or handle the signal (tokio::signal, ctrlc, signal-hook); init = false silences this warning",
        init = flag("init")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Origin, Place, fold, from_toml};

    fn said(text: &str, needs: &[&str], locked: &[&str]) -> bool {
        let folder = tempfile::tempdir().expect("folder");
        let lock = folder.path().join("Cargo.lock");
        let packages: Vec<String> = locked
            .iter()
            .map(|name| format!("[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\n"))
            .collect();
        std::fs::write(&lock, format!("version = 4\n\n{}", packages.join("\n"))).expect("lock");
        let values = from_toml(&format!("platforms = ['linux/amd64']\n{text}"), &Origin::Flag).expect(text);
        let settings = Settings::new(fold(&[Place { origin: Origin::Flag, values }], "")).expect(text);
        let needs = needs.iter().map(|&name| name.to_owned()).collect();
        let package = Package { needs, ..Package::of_name("app") };
        note("app", &package, &settings, &lock).is_some()
    }

    #[test]
    fn a_server_that_cannot_handle_signals_is_named() {
        assert!(said("ports = [80]", &[], &["app"]));
        assert!(said("", &["axum"], &["app", "axum", "tokio"]));
        assert!(said("", &["apalis"], &["app", "apalis", "apalis-core"]), "a worker has no port");
    }

    #[test]
    fn nothing_is_said_without_reason() {
        assert!(!said("", &[], &["app", "clap"]), "a tool that ends by itself");
        assert!(!said("", &["axum"], &["axum", "tokio", "signal-hook-registry"]));
        assert!(!said("ports = [80]", &["ctrlc"], &["app", "ctrlc"]));
        assert!(!said("ports = [80]", &["libc"], &["app", "libc"]), "it may do it by itself");
        assert!(said("ports = [80]", &[], &["app", "libc"]), "a dependency's libc says nothing");
        for text in ["init = true", "init = false", "entrypoint = ['/bin/tini', '/app']"] {
            assert!(!said(&format!("ports = [80]\n{text}"), &[], &["app"]), "{text}");
        }
    }
}
