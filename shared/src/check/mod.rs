//! Whether an image will start, told from its file system as facts: nothing is run.
//!
//! The program that the image starts is followed through links, `#!` lines and loaders to the
//! libraries that it needs, by the rules that the kernel and the loaders follow. Extension
//! modules of Python are loaded in the same way into their interpreter. What rules alone cannot
//! tell is left alone, and said.
//!
//! The reasons are in `docs/design/check.md`.

mod access;
mod distributions;
mod fixes;
mod follow;
mod gone;
mod imports;
mod loader;
mod loads;
mod modules;
mod named;
mod opened;
mod process;
mod python;
mod start;

use std::collections::BTreeMap;

pub use loads::{Loads, loads};
use serde::{Deserialize, Serialize};

use crate::facts::details::{Detail, FileSystem};
use crate::oci::{History, ImageConfig, MOST_LAYERS};
use crate::words::Words;

/// The version of the rules. What was remembered under another one is forgotten: verdicts, and
/// which libraries of the building machine an image needs.
pub const RULES: u32 = 8;

/// How sure it is that something fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The image fails in this way whenever it is used.
    Error,
    /// A part of it fails, which may never be used.
    Warning,
}

/// What sort of defect it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// What the image starts is not there.
    NoProgram,
    /// It may not be executed, or read, by the user.
    NotAllowed,
    /// It is neither an ELF file nor a script.
    NotExecutable,
    /// The user or group is not in `/etc/passwd` or `/etc/group`.
    NoUser,
    /// The interpreter of a script, or the loader of a program, is not there.
    NoInterpreter,
    /// It is made for another machine.
    WrongMachine,
    /// A library is not found.
    MissingLibrary,
    /// A library lacks a version of its symbols.
    MissingVersion,
    /// A program or module for one C library runs on another.
    WrongLibc,
    /// An extension module is for another interpreter.
    WrongPython,
    /// A Python module that is started cannot be found.
    MissingModule,
    /// A Python distribution needs another one that is not there, or only in a version that does not fit.
    MissingDistribution,
    /// There are more layers than Docker takes.
    TooManyLayers,
    /// A Python distribution opens a library, or runs a program, that is not there.
    OpenedByName,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::NoProgram,
        Self::NotAllowed,
        Self::NotExecutable,
        Self::NoUser,
        Self::NoInterpreter,
        Self::WrongMachine,
        Self::MissingLibrary,
        Self::MissingVersion,
        Self::WrongLibc,
        Self::WrongPython,
        Self::MissingModule,
        Self::MissingDistribution,
        Self::TooManyLayers,
        Self::OpenedByName,
    ];

    /// Its name in results.
    pub const fn as_str(self) -> &'static str {
        self.words().0
    }

    /// What it means, in a sentence.
    pub const fn explained(self) -> &'static str {
        self.words().1
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NoProgram => ("no-program", "The program that the image starts is not there."),
            Self::NotAllowed => {
                ("not-allowed", "The user of the image may not execute or read what is needed.")
            }
            Self::NotExecutable => {
                ("not-executable", "The program that is started is neither an ELF file nor a script.")
            }
            Self::NoUser => ("no-user", "The image's user or group is not in /etc/passwd or /etc/group."),
            Self::NoInterpreter => {
                ("no-interpreter", "The interpreter of a script, or the loader of a program, is not there.")
            }
            Self::WrongMachine => ("wrong-machine", "A file is built for another architecture."),
            Self::MissingLibrary => ("missing-library", "The loader finds no library of that name."),
            Self::MissingVersion => ("missing-version", "A library lacks a version of its symbols."),
            Self::WrongLibc => ("wrong-libc", "A file for one C library is loaded by another."),
            Self::WrongPython => ("wrong-python", "An extension module is for another Python or machine."),
            Self::MissingModule => ("missing-module", "A Python module that is started cannot be found."),
            Self::MissingDistribution => (
                "missing-distribution",
                "A Python distribution requires another one that is not there or does not fit.",
            ),
            Self::TooManyLayers => ("too-many-layers", "There are more layers than Docker takes."),
            Self::OpenedByName => (
                "opened-by-name",
                "A Python distribution opens a library, or runs a program, that is not there.",
            ),
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// How sure it is that it fails.
    pub severity: Severity,
    /// What sort of defect it is.
    pub kind: Kind,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// The library that is nowhere in the image, where that is what is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
    /// The way from what is started to what is wrong.
    pub through: Vec<String>,
    /// What can be done about it.
    pub fix: Option<Words>,
}

/// What an examination found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// What is wrong, errors first.
    pub findings: Vec<Finding>,
    /// What was examined, in words.
    pub checked: Vec<String>,
    /// What could not be told, in words.
    pub not_checked: Vec<String>,
}

impl Report {
    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error).count()
    }

    fn add(&mut self, finding: Finding) {
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn cannot_tell(&mut self, words: impl Into<String>) {
        let words = words.into();
        if !self.not_checked.contains(&words) {
            self.not_checked.push(words);
        }
    }
}

/// Examines the image that `config` describes. Which layers are its own and not its base's is in
/// `fs`; where none is, all are.
pub fn examine(fs: &FileSystem, config: &ImageConfig) -> Report {
    let mut report = Report::default();
    let user = access::User::of(config, fs, &mut report);
    let image = Image {
        fs,
        config,
        machine: &config.architecture,
        user,
        libraries: libraries(fs, &config.architecture),
        all_own: !fs.details().any(|(_, _, own)| own),
    };
    count_layers(config, &mut report);
    let started = start::examine(&image, &mut report);
    modules::examine(&image, &started, &mut report);
    named::examine(&image, &mut report);
    opened::examine(&image, &mut report);
    distributions::examine(&image, &started, &mut report);
    report.findings.sort_by(|a, b| (a.severity, a.kind, &a.message).cmp(&(b.severity, b.kind, &b.message)));
    report
}

/// Docker refuses an image of too many layers when it pulls or loads it; Podman does not.
fn count_layers(config: &ImageConfig, report: &mut Report) {
    let layers = config.rootfs.diff_ids.len();
    if layers <= MOST_LAYERS {
        return;
    }
    let own = own_layers(config).into_iter().filter(|own| *own).count();
    report.add(Finding {
        severity: Severity::Error,
        kind: Kind::TooManyLayers,
        message: format!("the image has {layers} layers, but Docker accepts at most {MOST_LAYERS}"),
        library: None,
        through: Vec::new(),
        fix: Some(match own {
            0 | 1 => "choose a base with fewer layers, or squash it".into(),
            own => format!("choose a base with fewer layers, or put the image's own {own} into fewer").into(),
        }),
    });
}

/// Which layers of an image are its own: those that the history says this program made. The
/// bases that it makes are bases all the same.
pub fn own_layers(config: &ImageConfig) -> Vec<bool> {
    let lines = config.history.iter().filter(|line| line.makes_layer());
    let mut found: Vec<bool> = lines.map(History::is_ours).collect();
    found.resize(config.rootfs.diff_ids.len(), false);
    found
}

/// What is examined.
struct Image<'a> {
    fs: &'a FileSystem,
    config: &'a ImageConfig,
    machine: &'a str,
    user: Option<access::User>,
    /// Where files with the name of a library are, whether a loader looks there or not.
    libraries: BTreeMap<&'a str, Vec<&'a str>>,
    /// Whether nothing says what is the image's and what its base's.
    all_own: bool,
}

/// All libraries for the machine, by the name of the file and the one within.
fn libraries<'a>(fs: &'a FileSystem, machine: &str) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut add = |name: &'a str, path: &'a str| {
        let paths = found.entry(name).or_default();
        if !paths.contains(&path) {
            paths.push(path);
        }
    };
    for (path, detail, _) in fs.details() {
        let Detail::Elf(facts) = detail else { continue };
        if facts.runs && facts.machine == machine {
            add(path.rsplit_once('/').map_or(path, |(_, name)| name), path);
            if let Some(soname) = &facts.soname {
                add(soname, path);
            }
        }
    }
    found
}

impl Image<'_> {
    /// The value of a variable that the image sets; the last one counts.
    fn variable(&self, name: &str) -> Option<&str> {
        let set = self.config.config.env.iter().rev();
        set.filter_map(|line| line.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The folders of a variable such as `PATH`.
    fn folders(&self, name: &str) -> Vec<String> {
        let value = self.variable(name).unwrap_or_default();
        value.split(':').filter(|dir| !dir.is_empty()).map(str::to_owned).collect()
    }

    /// An absolute path for one that is relative to the working directory.
    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') {
            return path.to_owned();
        }
        let dir = self.config.config.working_dir.as_deref().unwrap_or("/").trim_end_matches('/');
        format!("{dir}/{}", path.trim_start_matches("./"))
    }

    /// Whether there is anything at the path, links followed.
    fn exists(&self, path: &str) -> bool {
        self.fs.contents.follow(path).is_some()
    }
}

#[cfg(test)]
mod tests;
