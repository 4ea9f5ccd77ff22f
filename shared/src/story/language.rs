//! What kind of project a call is about.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::request::Request;
pub use crate::config::Language;
use crate::config::Origin;
use crate::error::{Error, Kind, Result};
use crate::read;
use crate::system::globs::{self, Star};
use crate::words;
use crate::words::flag;

/// The kind of project that `request` means: what the call says, or flags that only one kind has;
/// else what is in the nearest folder, upwards from the call's, that holds a project.
///
/// # Errors
/// Usage: there is no project, or a flag is for the other kind.
pub(super) fn of(request: &Request) -> Result<Language> {
    let language = meant(request)?;
    check_flags(request, language).map_err(|error| with_way_out(error, language, request))?;
    Ok(language)
}

fn meant(request: &Request) -> Result<Language> {
    if let Some(language) = request.language {
        return Ok(language);
    }
    // Cargo says best what is wrong with what it was given.
    if request.rust.manifest_path.is_some() {
        return Ok(Language::Rust);
    }
    let (folder, found) = project_in(&request.dir)?;
    let holds_other = match found {
        Language::Python => holds_cargo(folder),
        Language::Rust => is_python(folder),
    };
    let for_other = holds_other && flag_of(request, found.other()).is_some();
    Ok(if for_other { found.other() } else { found })
}

/// The nearest folder, upwards, that holds a project, and its kind.
///
/// # Errors
/// Usage: there is none.
pub fn project_in(dir: &Path) -> Result<(&Path, Language)> {
    dir.ancestors().find_map(|dir| Some((dir, language_of(dir)?))).ok_or_else(|| {
        Error::usage(format!("there is no project in {} or any parent folder", dir.display()))
            .hint(way_to_a_project(dir))
    })
}

/// What to do where no project is.
fn way_to_a_project(dir: &Path) -> &'static str {
    let is_python = |path: PathBuf| path.extension().is_some_and(|extension| extension == "py");
    let programs = || fs::read_dir(dir).into_iter().flatten().flatten().any(|entry| is_python(entry.path()));
    if dir.join("Pipfile.lock").is_file() {
        "make a requirements.txt of the Pipfile.lock: pipenv requirements --hash > requirements.txt"
    } else if programs() {
        "for Python files that need nothing else, add an empty requirements.txt; else list there what they need"
    } else {
        "give its folder with -C: one with a Cargo.toml, a pyproject.toml or a requirements.txt"
    }
}

/// A flag of the call that only projects of this kind understand.
fn flag_of(request: &Request, language: Language) -> Option<String> {
    let key = language.key_of_its_own(&request.flags);
    let of_key = key.map(|key| match &*key {
        "profile" if request.flags.profile.as_deref() == Some("release") => "--release".to_owned(),
        key => Origin::Flag.describe(key),
    });
    let cargo = &request.rust.cargo;
    // What colour cargo's words have is asked for together with that of ours.
    let build_flag = cargo.build_flags().iter().find(|flag| !flag.starts_with("--color"));
    let groups = &request.groups;
    let others = match language {
        Language::Rust => vec![
            (request.rust.target_dir.is_some(), "--target-dir"),
            (request.scope.bins, "--bins"),
            (!cargo.unstable().is_empty(), "-Z"),
            (!cargo.overrides().is_empty(), "--config KEY=VALUE"),
            (build_flag.is_some(), build_flag.map_or("", |flag| flag.split('=').next().unwrap_or(flag))),
        ],
        Language::Python => vec![
            (!groups.with.is_empty(), "--with"),
            (!groups.without.is_empty(), "--without"),
            (groups.only.is_some(), "--only"),
        ],
    };
    of_key.or_else(|| others.into_iter().find_map(|(given, flag)| given.then(|| flag.to_owned())))
}

/// Refuses flags that only projects of the other kind understand.
fn check_flags(request: &Request, language: Language) -> Result<()> {
    let Some(flag) = flag_of(request, language.other()) else { return Ok(()) };
    let other = match language {
        Language::Python => "remove it, or give the Cargo.toml of a Rust project with --manifest-path",
        Language::Rust => "remove it, or give the folder of a Python project with -C",
    };
    let (is_for, this) = (language.other(), language);
    Err(Error::usage(format!("{flag} is for {is_for} projects, but this is a {this} project")).hint(other))
}

/// Adds to a refusal how the other kind of project is meant, in a folder that is both.
pub(super) fn with_way_out(error: Error, language: Language, request: &Request) -> Error {
    let dir = request.dir.as_path();
    let folder = dir.ancestors().find(|dir| language_of(dir).is_some()).unwrap_or(dir);
    let manifest = read::text(&folder.join("Cargo.toml"), read::DOCUMENT).unwrap_or_default();
    let manifest = manifest.parse::<Table>().unwrap_or_default();
    let both = is_python(folder) && has_program(folder, &manifest, WORKSPACE_DEPTH);
    if !both
        || request.language.is_some()
        || request.rust.manifest_path.is_some()
        || error.kind() != Kind::Usage
    {
        return error;
    }
    let other = match language {
        Language::Python => {
            words!("for the Rust program beside it: {}", flag("manifest-path").of("Cargo.toml"))
        }
        Language::Rust => {
            "for the Python project beside it: write [tool.containerize] in pyproject.toml".into()
        }
    };
    let hint = error.advice().map_or_else(|| other.clone(), |hint| words!("{hint}; {other}"));
    error.hint(hint)
}

/// Whether a folder holds a cargo package or workspace.
fn holds_cargo(dir: &Path) -> bool {
    dir.join("Cargo.toml").is_file()
}

fn language_of(dir: &Path) -> Option<Language> {
    let has = |name: &str| dir.join(name).is_file();
    match (is_python(dir), has("Cargo.toml")) {
        (true, true) if ships_rust(dir) => Some(Language::Rust),
        (true, _) => Some(Language::Python),
        (false, true) => Some(Language::Rust),
        (false, false) => {
            let python = ["pyproject.toml", "requirements.txt", "pylock.toml"].into_iter().any(has);
            python.then_some(Language::Python)
        }
    }
}

/// Whether a folder says that it is a Python project, and more than a list of requirements.
fn is_python(dir: &Path) -> bool {
    let has = |name: &&str| dir.join(name).is_file();
    ["pyproject.toml", "setup.py", "setup.cfg"].iter().any(has) && !is_tool_settings(dir)
}

/// Of a folder that is both: whether its Rust program is what ships. A table of this program's in
/// one of the two decides. Without one it is Python when a build backend compiles the Rust code for
/// a wheel, and Rust when there is a program beside some Python.
fn ships_rust(dir: &Path) -> bool {
    let text = |name: &str| read::text(&dir.join(name), read::DOCUMENT).unwrap_or_default();
    let table = |name: &str| text(name).parse::<Table>().unwrap_or_default();
    let (cargo, python) = (table("Cargo.toml"), table("pyproject.toml"));
    let configured = |table: &Table, keys: &[&str]| peek(table, keys).is_some();
    let for_rust = configured(&cargo, &["package", "metadata", "containerize"])
        || configured(&cargo, &["workspace", "metadata", "containerize"]);
    let for_python = configured(&python, &["tool", "containerize"])
        || configured(&python, &["tool", "hatch", "build", "targets", "containerize"]);
    if for_rust != for_python {
        return for_rust;
    }
    let system = peek(&python, &["build-system"]).map(ToString::to_string).unwrap_or_default();
    let compiles = |text: &str| BACKENDS.iter().any(|name| text.contains(name));
    let compiled = compiles(&system) || compiles(&text("setup.py")) || compiles(&text("setup.cfg"));
    !compiled && has_program(dir, &cargo, WORKSPACE_DEPTH)
}

/// What compiles Rust code for wheels, as it is required or imported.
const BACKENDS: &[&str] =
    &["maturin", "setuptools-rust", "setuptools_rust", "hatch-rust", "hatch-cargo", "puccinialin"];

/// Members of a workspace are looked at, and nothing below them.
const WORKSPACE_DEPTH: u8 = 1;

/// Whether a package has a binary, or a member of a workspace.
fn has_program(dir: &Path, manifest: &Table, depth: u8) -> bool {
    let bins = manifest.get("bin").and_then(Value::as_array).is_some_and(|bins| !bins.is_empty());
    let package = manifest.contains_key("package");
    if package && (bins || dir.join("src/main.rs").is_file() || dir.join("src/bin").is_dir()) {
        return true;
    }
    let members = peek(manifest, &["workspace", "members"]).and_then(Value::as_array);
    let Some(depth) = depth.checked_sub(1) else { return false };
    members.into_iter().flatten().filter_map(Value::as_str).any(|pattern| {
        matching(dir, pattern).iter().any(|member| {
            let text = read::text(&member.join("Cargo.toml"), read::DOCUMENT).unwrap_or_default();
            text.parse().is_ok_and(|manifest| has_program(member, &manifest, depth))
        })
    })
}

/// The folders that a member's pattern names.
fn matching(dir: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let is_glob = part.contains(['*', '?', '[']);
        let glob = globs::one(part, Star::Anywhere);
        found = match glob {
            Ok(glob) if is_glob => {
                let entries = found.iter().filter_map(|folder| fs::read_dir(folder).ok());
                let paths = entries.flatten().flatten().map(|entry| entry.path());
                paths.filter(|path| path.file_name().is_some_and(|name| glob.is_match(name))).collect()
            }
            _ => found.iter().map(|folder| folder.join(part)).collect(),
        };
    }
    found
}

fn peek<'a>(table: &'a Table, keys: &[&str]) -> Option<&'a Value> {
    let (last, parents) = keys.split_last()?;
    parents.iter().try_fold(table, |table, key| table.get(*key)?.as_table())?.get(*last)
}

/// Whether `pyproject.toml` only holds settings of tools, as it may in a Rust project.
fn is_tool_settings(dir: &Path) -> bool {
    let Ok(text) = read::text(&dir.join("pyproject.toml"), read::DOCUMENT) else { return false };
    let Ok(table) = text.parse::<Table>() else { return false };
    let poetry = table.get("tool").and_then(|tool| tool.get("poetry")).is_some();
    !table.contains_key("project") && !table.contains_key("build-system") && !poetry
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(files: &[(&str, &str)]) -> Option<Language> {
        let folder = tempfile::tempdir().expect("folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, text).expect("a file");
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
    #[test]
    fn a_program_beside_some_python_is_rust_unless_the_python_side_ships() {
        let package = ("Cargo.toml", "[package]\nname = 'x'");
        let main = ("src/main.rs", "fn main() {}");
        let helper = ("pyproject.toml", "[project]\nname = 'x-scripts'\ndependencies = ['matplotlib']");
        assert_eq!(language(&[package, main, helper]), Some(Language::Rust));
        assert_eq!(language(&[package, ("src/lib.rs", ""), helper]), Some(Language::Python), "a library");
        let workspace = ("Cargo.toml", "[workspace]\nmembers = ['crates/*', 'tool']");
        let member = [("crates/a/Cargo.toml", "[package]"), ("crates/a/src/lib.rs", "")];
        let program = [("crates/b/Cargo.toml", "[package]"), ("crates/b/src/bin/b.rs", "")];
        let files = [&[workspace, helper], &member[..]].concat();
        assert_eq!(language(&files), Some(Language::Python), "a workspace of libraries");
        assert_eq!(language(&[&files[..], &program[..]].concat()), Some(Language::Rust));
        for backend in ["requires = ['maturin>=1']", "requires = ['setuptools', 'setuptools-rust']"] {
            let text = format!("[project]\nname = 'x'\n[build-system]\n{backend}");
            assert_eq!(
                language(&[package, main, ("pyproject.toml", &text)]),
                Some(Language::Python),
                "{backend}"
            );
        }
        let setup = ("setup.py", "from setuptools_rust import RustExtension");
        assert_eq!(language(&[package, main, setup]), Some(Language::Python));
    }

    #[test]
    fn a_table_of_this_program_decides() {
        let main = ("src/main.rs", "fn main() {}");
        let package = ("Cargo.toml", "[package]\nname = 'x'");
        let told = ("pyproject.toml", "[project]\nname = 'x'\n[tool.containerize]\nports = [80]");
        assert_eq!(language(&[package, main, told]), Some(Language::Python));
        let told = ("Cargo.toml", "[package]\nname = 'x'\n[package.metadata.containerize]");
        let maturin = ("pyproject.toml", "[project]\nname = 'x'\n[build-system]\nrequires = ['maturin']");
        assert_eq!(language(&[told, main, maturin]), Some(Language::Rust));
    }
}
