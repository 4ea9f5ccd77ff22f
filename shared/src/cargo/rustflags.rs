//! The user's own rustflags, as cargo would find them.
//!
//! Cargo takes them from one of four places, and the first that has any silences the others:
//! `CARGO_ENCODED_RUSTFLAGS`, `RUSTFLAGS`, the target's own (`target.TRIPLE.rustflags` together
//! with each matching `target.'cfg(..)'.rustflags`), `build.rustflags`. Flags added at one place
//! could therefore take away those of another, and cargo refuses to add a list to a string. So
//! all are read here and handed to cargo together with ours in `CARGO_ENCODED_RUSTFLAGS`, the
//! only form that also survives spaces in paths, and the one that cargo-zigbuild adds to.

use super::Cargo;
use super::rustc::Facts;
use super::settings::Settings;
use super::target::{matching_cfgs, variable};

/// What separates flags in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: char = '\x1f';

/// The flags that cargo would give the compiler for `triple`.
pub fn in_force(cargo: &Cargo, settings: &Settings, facts: &Facts, triple: &str) -> Vec<String> {
    let environment = cargo.environment();
    if let Some(encoded) = environment.text("CARGO_ENCODED_RUSTFLAGS") {
        return encoded.split(SEPARATOR).filter(|flag| !flag.is_empty()).map(str::to_owned).collect();
    }
    // Set but empty silences the files too.
    if let Some(flags) = environment.text("RUSTFLAGS") {
        return words(flags);
    }
    let with_variable = |keys: &[&str], name: &str| {
        let mut flags = settings.words(keys);
        flags.extend(environment.text(name).map(words).unwrap_or_default());
        flags
    };
    let mut flags = with_variable(&["target", triple, "rustflags"], &variable(triple, "RUSTFLAGS"));
    for key in matching_cfgs(settings, facts, triple) {
        flags.extend(settings.words(&["target", key, "rustflags"]));
    }
    if flags.is_empty() {
        flags = with_variable(&["build", "rustflags"], "CARGO_BUILD_RUSTFLAGS");
    }
    flags
}

/// The flags as the value of `CARGO_ENCODED_RUSTFLAGS`.
pub fn encode(flags: &[String]) -> String {
    flags.join(&SEPARATOR.to_string())
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIPLE: &str = "x86_64-unknown-linux-musl";
    const FILE: &str = "build.rustflags = ['build']";
    const TARGET: &str = "target.x86_64-unknown-linux-musl.rustflags = 'target'";
    const CFG: &str = "target.'cfg(unix)'.rustflags = ['cfg']";

    fn flags(variables: &[(&str, &str)], config: &[&str]) -> String {
        let folder = tempfile::tempdir().expect("folder");
        let config = config.iter().map(|&text| text.into()).collect();
        let cargo = Cargo::new(folder.path(), variables.iter().copied().collect()).with_config(config);
        let settings = Settings::read(&cargo);
        let facts = Facts {
            host: String::new(),
            release: String::new(),
            commit: None,
            sysroot: "".into(),
            target_libdir: "".into(),
            cfg: vec!["unix".into()],
        };
        in_force(&cargo, &settings, &facts, TRIPLE).join(" ")
    }

    #[test]
    fn the_first_place_that_has_flags_silences_the_others() {
        let both = [("RUSTFLAGS", "env  flags"), ("CARGO_ENCODED_RUSTFLAGS", "a b\x1fc")];
        assert_eq!(flags(&both, &[FILE, TARGET]), "a b c");
        assert_eq!(flags(&both[..1], &[FILE, TARGET]), "env flags");
        assert_eq!(flags(&[], &[FILE, TARGET, CFG]), "target cfg");
        assert_eq!(flags(&[], &[FILE, CFG]), "cfg");
        assert_eq!(flags(&[], &[FILE]), "build");
        assert_eq!(flags(&[], &[FILE, "target.'cfg(windows)'.rustflags = ['cfg']"]), "build");
    }

    #[test]
    fn an_empty_variable_silences_the_files() {
        assert_eq!(flags(&[("RUSTFLAGS", "")], &[FILE, TARGET]), "");
        assert_eq!(flags(&[("CARGO_ENCODED_RUSTFLAGS", "")], &[FILE, TARGET]), "");
    }

    #[test]
    fn variables_of_a_key_add_to_its_files() {
        assert_eq!(flags(&[("CARGO_BUILD_RUSTFLAGS", "more")], &[FILE]), "build more");
        let variable = [("CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS", "more")];
        assert_eq!(flags(&variable, &[FILE, TARGET]), "target more");
        assert_eq!(flags(&variable, &[FILE]), "more");
    }
}
