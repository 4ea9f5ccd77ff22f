//! What the commands of a build say that holds for the image: packages, users, folders, requirements.

use std::collections::{BTreeMap, BTreeSet};

use crate::dockerfile::{Command, Run};

/// Something with the line that says it.
pub(super) type At<T> = (usize, T);

/// What all commands of some steps say.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// Debian's packages, as they are named.
    pub(super) debian: Vec<At<String>>,
    /// Requirements files, by their places in the stage.
    pub(super) requirements: Vec<At<String>>,
    /// Requirements that are installed by themselves.
    pub(super) distributions: Vec<At<String>>,
    /// Extras and groups of the project.
    pub(super) extras: BTreeSet<String>,
    pub(super) groups: BTreeSet<String>,
    /// Numbers of users and groups that are made, by name; none where none is given.
    pub(super) users: BTreeMap<String, Option<String>>,
    pub(super) user_groups: BTreeMap<String, Option<String>>,
    /// Folders that are made.
    pub(super) folders: Vec<String>,
    /// Paths whose owner becomes another one.
    pub(super) owned: Vec<String>,
    /// Paths that become executable.
    pub(super) executable: Vec<String>,
    /// How cargo builds.
    pub(super) cargo: CargoFlags,
    /// Commands that nothing here stands for.
    pub(super) unknown: Vec<At<Unknown>>,
}

/// A command that is not taken over, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    pub(super) command: String,
    pub(super) why: &'static str,
    pub(super) instead: String,
}

/// Flags of `cargo build`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CargoFlags {
    pub(super) bins: BTreeSet<String>,
    pub(super) packages: BTreeSet<String>,
    pub(super) features: BTreeSet<String>,
    pub(super) all_features: bool,
    pub(super) no_default_features: bool,
    pub(super) profile: Option<String>,
}

/// The scripts of a command: its line, and here-documents that a shell runs.
pub(super) fn scripts(run: &Run) -> Vec<String> {
    let line = match &run.command {
        Command::Shell(line) => line.clone(),
        Command::Exec(words) => match &words[..] {
            [shell, flag, script] if shell.ends_with("sh") && flag.starts_with('-') => script.clone(),
            words => shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default(),
        },
    };
    // `<<EOF` alone, or behind the name of a shell: the document is the script.
    let is_script = line.split_whitespace().all(|word| word.starts_with("<<") || word.ends_with("sh"));
    match is_script && !run.documents.is_empty() {
        true => run.documents.iter().map(|document| document.text.clone()).collect(),
        false => vec![line],
    }
}
