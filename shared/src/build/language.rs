//! What kind of project a call is about.

use std::path::Path;

use super::Request;
use crate::error::{Error, Result};
use crate::read;

/// A kind of project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// A cargo package or workspace.
    Rust,
    /// A project of any of Python's tools.
    Python,
}

/// The kind of project that `request` means: what the call says; else what is in the nearest
/// folder, upwards from the call's, that holds a project. Where it is one of both kinds (a Python
/// package with a Rust extension), it is what Python's tools would install.
///
/// # Errors
/// Usage: there is no project.
pub(super) fn of(request: &Request) -> Result<Language> {
    if let Some(language) = request.language {
        return Ok(language);
    }
    // Cargo says best what is wrong with what it was given.
    if request.manifest_path.is_some() {
        return Ok(Language::Rust);
    }
    let dir = request.cargo.dir();
    dir.ancestors().find_map(language_of).ok_or_else(|| {
        Error::usage(format!("there is no project in {} or above", dir.display()))
            .hint("name its folder with -C: one with a Cargo.toml, a pyproject.toml or a requirements.txt")
    })
}

fn language_of(dir: &Path) -> Option<Language> {
    let has = |name: &str| dir.join(name).is_file();
    if ["pyproject.toml", "setup.py", "setup.cfg"].into_iter().any(has) && !is_tool_settings(dir) {
        return Some(Language::Python);
    }
    match () {
        () if has("Cargo.toml") => Some(Language::Rust),
        () if ["pyproject.toml", "requirements.txt", "pylock.toml"].into_iter().any(has) => {
            Some(Language::Python)
        }
        () => None,
    }
}

/// Whether `pyproject.toml` only holds settings of tools, as it may in a Rust project.
fn is_tool_settings(dir: &Path) -> bool {
    let Ok(text) = read::text(&dir.join("pyproject.toml"), read::DOCUMENT) else { return false };
    let Ok(table) = text.parse::<toml::Table>() else { return false };
    let poetry = table.get("tool").and_then(|tool| tool.get("poetry")).is_some();
    !table.contains_key("project") && !table.contains_key("build-system") && !poetry
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(files: &[(&str, &str)]) -> Option<Language> {
        let folder = tempfile::tempdir().expect("folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        language_of(folder.path())
    }

    #[test]
    fn files_tell_the_kind_of_project() {
        let cargo = ("Cargo.toml", "[package]");
        assert_eq!(language(&[cargo]), Some(Language::Rust));
        assert_eq!(language(&[("pyproject.toml", "[project]\nname = 'x'")]), Some(Language::Python));
        assert_eq!(language(&[("requirements.txt", "flask==3.0.0")]), Some(Language::Python));
        assert_eq!(language(&[("README.md", "")]), None);
        let tools = ("pyproject.toml", "[tool.ruff]\nline-length = 100");
        assert_eq!(language(&[cargo, tools]), Some(Language::Rust), "settings of tools make no project");
        assert_eq!(language(&[tools]), Some(Language::Python));
        let extension = ("pyproject.toml", "[build-system]\nrequires = ['maturin']\n[project]\nname = 'x'");
        assert_eq!(language(&[cargo, extension]), Some(Language::Python));
        assert_eq!(language(&[("pyproject.toml", "[project"), cargo]), Some(Language::Python), "broken");
    }
}
