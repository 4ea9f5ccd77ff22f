//! What a build has read, as compilers and build scripts have said it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::files::without_detours;
use crate::cargo::messages::{Messages, Unit};
use crate::read;

/// The beginning of rustc's line about a variable (`rustc --emit dep-info`).
const VARIABLE: &str = "# env-dep:";

/// What a build script says that it depends on, in both forms (the Cargo book, "Build Scripts").
const SCRIPT_VARIABLE: [&str; 2] = ["cargo:rerun-if-env-changed=", "cargo::rerun-if-env-changed="];

/// What one program's build has read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// Files and folders, absolute: of packages on this machine alone.
    pub(super) files: BTreeSet<PathBuf>,
    /// Names of variables.
    pub(super) variables: BTreeSet<String>,
}

impl Reads {
    /// What two builds have read.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.files.extend(other.files);
        self.variables.extend(other.variables);
        self
    }

    /// What the build has read that made `program`, which is below the first of the `folders` that cargo fills. `None`
    /// where it left no account of that.
    pub(in crate::cargo) fn of(program: &Path, folders: &[&Path; 2], messages: &Messages) -> Option<Self> {
        let below = program.parent()?.strip_prefix(folders[0]).ok()?;
        let places = folders.map(|folder| folder.join(below).join("deps"));
        let mut reads = Self::default();
        let account = read::text(&program.with_extension("d"), read::LOCK).ok()?;
        reads.files = prerequisites(&account).iter().map(|file| without_detours(file)).collect();
        if reads.files.is_empty() || reads.files.iter().any(|file| !file.is_absolute()) {
            return None;
        }
        for unit in &messages.units {
            for account in accounts(unit, &places)? {
                reads.variables.extend(variables(&read::text(&account, read::LOCK).ok()?));
            }
        }
        for folder in &messages.out_dirs {
            let said = read::text(&folder.with_file_name("output"), read::LOCK).ok()?;
            reads.variables.extend(declared(&said));
        }
        Some(reads)
    }
}

/// The files in which rustc gives an account of a unit, beside what it made. Of a program's own only the name without
/// cargo's hash is known, so all of that name count.
fn accounts(unit: &Unit, places: &[PathBuf]) -> Option<Vec<PathBuf>> {
    let of_library = |file: &PathBuf| {
        let stem = file.file_stem()?.to_str()?;
        let account = file.with_file_name(format!("{}.d", stem.strip_prefix("lib").unwrap_or(stem)));
        account.is_file().then_some(account)
    };
    if let Some(account) = unit.filenames.iter().find_map(of_library).filter(|_| !unit.target.is("bin")) {
        return Some(vec![account]);
    }
    if unit.target.is("custom-build") {
        // Its folder holds nothing else.
        let folder = unit.filenames.first()?.parent()?;
        let entries = folder.read_dir().ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        let found: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|end| end == "d")).collect();
        return (!found.is_empty()).then_some(found);
    }
    let beginning = format!("{}-", unit.target.name.replace('-', "_"));
    let is_own = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let hash = name.strip_prefix(&beginning).and_then(|rest| rest.strip_suffix(".d"));
        hash.is_some_and(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let entries = places.iter().filter_map(|folder| folder.read_dir().ok()).flatten();
    let found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_own).collect();
    (!found.is_empty()).then_some(found)
}

/// The prerequisites of a Makefile's first rule, in which `\` stands before spaces.
fn prerequisites(account: &str) -> BTreeSet<PathBuf> {
    let Some((_, files)) = account.lines().next().and_then(|rule| rule.split_once(": ")) else {
        return BTreeSet::new();
    };
    let (mut found, mut word) = (BTreeSet::new(), String::new());
    let mut letters = files.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.peek() == Some(&' ') => word.extend(letters.next()),
            ' ' => _ = found.insert(std::mem::take(&mut word).into()),
            letter => word.push(letter),
        }
    }
    found.insert(word.into());
    found.remove(Path::new(""));
    found
}

fn variables(account: &str) -> impl Iterator<Item = String> {
    let named = account.lines().filter_map(|line| line.strip_prefix(VARIABLE));
    named.map(|line| line.split('=').next().unwrap_or(line).to_owned()).filter(|name| !is_cargos(name))
}

fn declared(output: &str) -> impl Iterator<Item = String> {
    let said = |line: &str| {
        SCRIPT_VARIABLE.iter().find_map(|begin| Some(line.strip_prefix(begin)?.trim().to_owned()))
    };
    output.lines().filter_map(said).filter(|name| !is_cargos(name) && !is_cargos_for_scripts(name))
}

/// Whether cargo sets the variable for the compiler, whatever it was before (the Cargo book, "Environment Variables").
fn is_cargos(name: &str) -> bool {
    let prefixes = ["CARGO_PKG_", "CARGO_BIN_", "CARGO_MANIFEST_"];
    let names = [
        "CARGO",
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_RUSTC_CURRENT_DIR",
        "CARGO_TARGET_TMPDIR",
        "OUT_DIR",
    ];
    names.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether cargo sets the variable for build scripts that run, but not for the compiler.
fn is_cargos_for_scripts(name: &str) -> bool {
    let prefixes = ["CARGO_CFG_", "CARGO_FEATURE_", "DEP_"];
    let names = [
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_MAKEFLAGS",
        "DEBUG",
        "HOST",
        "NUM_JOBS",
        "OPT_LEVEL",
        "PROFILE",
        "RUSTC",
        "RUSTC_LINKER",
        "RUSTDOC",
        "TARGET",
    ];
    names.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_files_with_spaces_too() {
        let rule = "/t/app: /w/a\\ b/main.rs /w/back\\slash.rs /w/c.rs\n\n/w/c.rs:\n";
        let files: Vec<_> = prerequisites(rule).into_iter().map(|path| path.display().to_string()).collect();
        assert_eq!(files, ["/w/a b/main.rs", "/w/back\\slash.rs", "/w/c.rs"]);
        assert!(prerequisites("").is_empty() && prerequisites("/t/app: ").is_empty());
    }

    #[test]
    fn variables_of_code_and_scripts_are_named_but_for_those_that_cargo_sets() {
        let account =
            "/t/x.d: /w/x.rs\n# env-dep:GREETING=hello\n# env-dep:CARGO_PKG_NAME=x\n# env-dep:DEBUG\n";
        assert_eq!(
            variables(account).collect::<Vec<_>>(),
            ["GREETING", "DEBUG"],
            "DEBUG is the user's in code"
        );
        let output = "cargo:rerun-if-env-changed=CC\ncargo::rerun-if-env-changed=OPT_LEVEL\nnoise\n\
                      cargo::rerun-if-env-changed=CFLAGS \n";
        assert_eq!(declared(output).collect::<Vec<_>>(), ["CC", "CFLAGS"]);
    }
}
