//! Who chose the toolchain that rustup named in the environment.
//!
//! Rustup's proxy `cargo` chooses by the folder that it is started in, and tells all that it starts
//! (`RUSTUP_TOOLCHAIN`); cargo tells its subcommands where it is itself (`CARGO`).

use std::path::{Path, PathBuf};

use super::Variables;

/// Where rustup (since 1.29) says what made it choose.
pub(super) const SOURCE: &str = "RUSTUP_TOOLCHAIN_SOURCE";

/// Whether the toolchain was chosen for the folder `outer` and not by the user, so that another one
/// may be right for `inner`.
pub(super) fn was_chosen_by_folder(environment: &Variables, outer: &Path, inner: &Path) -> bool {
    let told = environment.get("RUSTUP_TOOLCHAIN").is_some() && environment.get("CARGO").is_some();
    if !told {
        return false;
    }
    match environment.text(SOURCE) {
        Some(source) => !["cli", "env"].contains(&source),
        // An older rustup does not say it. The user's own choice looks the same, so a file of the
        // inner folder must speak for the other one.
        None => nearest_file(inner).is_some_and(|file| nearest_file(outer) != Some(file)),
    }
}

/// The file that chooses the toolchain for a folder.
fn nearest_file(folder: &Path) -> Option<PathBuf> {
    let names = ["rust-toolchain", "rust-toolchain.toml"];
    let files = folder.ancestors().flat_map(|dir| names.map(|name| dir.join(name)));
    files.into_iter().find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::Cargo;

    /// The toolchain for a call in the outer folder about the inner one.
    fn toolchain(variables: &[(&str, &str)], inner_has_file: bool) -> Option<String> {
        let folder = tempfile::tempdir().expect("folder");
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).expect("mkdir");
        if inner_has_file {
            std::fs::write(inner.join("rust-toolchain.toml"), "").expect("write");
        }
        let cargo = Cargo::new(&inner, variables.iter().copied().collect()).called_from(folder.path());
        assert_eq!(
            cargo.environment().get("CARGO").is_some(),
            cargo.environment().get("RUSTUP_TOOLCHAIN").is_some() && variables[0].0 == "CARGO"
        );
        cargo.environment().text("RUSTUP_TOOLCHAIN").map(str::to_owned)
    }

    const PROXY: [(&str, &str); 2] = [("CARGO", "/t/bin/cargo"), ("RUSTUP_TOOLCHAIN", "outer")];

    #[test]
    fn what_rustup_chose_for_another_folder_does_not_count() {
        for source in ["default", "toolchain-file", "path-override"] {
            assert_eq!(toolchain(&[&PROXY[..], &[(SOURCE, source)]].concat(), false), None, "{source}");
        }
        assert_eq!(toolchain(&PROXY, true), None, "an older rustup");
    }

    #[test]
    fn what_the_user_chose_stays() {
        for source in ["cli", "env"] {
            let chosen = toolchain(&[&PROXY[..], &[(SOURCE, source)]].concat(), true);
            assert_eq!(chosen.as_deref(), Some("outer"), "{source}");
        }
        assert_eq!(toolchain(&PROXY, false).as_deref(), Some("outer"), "nothing speaks for another one");
        assert_eq!(toolchain(&PROXY[1..], true).as_deref(), Some("outer"), "the variable alone");
    }

    #[test]
    fn in_the_same_folder_nothing_changes() {
        let variables = [&PROXY[..], &[(SOURCE, "default")]].concat();
        let cargo = Cargo::new("/w/", variables.into_iter().collect()).called_from(Path::new("/w"));
        assert_eq!(cargo.environment().text("RUSTUP_TOOLCHAIN"), Some("outer"));
        assert!(!cargo.is_elsewhere());
    }
}
