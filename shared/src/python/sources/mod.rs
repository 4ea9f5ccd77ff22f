//! Which files of a project go into an image when its source does.
//!
//! All of them, or those that `include` matches, without what `exclude` or an ignore file takes
//! away, and without what never belongs there: secrets, repositories, environments, caches, outputs.
//! What is asked for in so many words goes in although it is ignored; a secret only by its full
//! path. The result depends on the files alone, not on the machine or its settings.

mod content;
mod docker;
mod ignored;
mod names;
mod rules;
mod select;
#[cfg(all(test, unix))]
mod tests;

use std::fs::{DirEntry, FileType};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::docker::DockerIgnore;
use self::ignored::{Ignored, Ignores};
pub(crate) use self::rules::{is_secret_member, is_tagged_cache};
use self::select::{Asked, Modes, Selection};
use crate::error::{Context, Error, Result};
use crate::event::few;
use crate::interrupt;
use crate::system::{System, executables, places};

/// Files of this size or more are worth a word, in bytes.
pub const LARGE: u64 = 100 << 20;

/// What of the source is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceOptions {
    /// Globs and paths, relative to the project; empty for everything.
    pub include: Vec<String>,
    /// Globs that take away; with `!` in front, ones that give back what they or ignore files took.
    pub exclude: Vec<String>,
    /// Globs of files that may be run; with `!` in front, of ones that may not.
    pub executable: Vec<String>,
    /// Files and folders that this call writes, absolute: they never go in.
    pub outputs: Vec<PathBuf>,
}

/// The files that go in, and what was left out although nobody said so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceSet {
    /// Ordered by the bytes of their places.
    pub files: Vec<SourceFile>,
    /// Files and whole folders, in the same order. What the user's own ignore files name is not
    /// among them.
    pub left_out: Vec<LeftOut>,
}

/// A file or link of the source that goes into the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it is, absolute.
    pub from: PathBuf,
    /// Its place relative to the project, with `/`.
    pub to: String,
    /// Whether its owner may run it; nothing else of its mode counts.
    pub executable: bool,
    /// A file or a link.
    pub kind: SourceKind,
}

/// What an entry of the source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// A regular file.
    File {
        /// Its size in bytes.
        size: u64,
    },
    /// A symbolic link that stays within the project.
    Link {
        /// Its target as it is written: relative.
        target: String,
    },
}

/// Something that was left out by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Relative to the project, with `/`.
    pub path: String,
    /// Why.
    pub reason: Reason,
}

/// Why something is left out by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It holds keys or passwords, or looks like it.
    Secret,
    /// It is a link to somewhere outside the project.
    LinkOutside,
    /// It is neither file, folder nor link.
    Special,
    /// It is the result of a build.
    Output,
    /// It is a virtual environment.
    Environment,
    /// It is a tool's cache.
    Cache,
    /// The system or its file manager left it there.
    Leaving,
    /// It is a version control system's.
    Repository,
}

impl Reason {
    /// What such things are called.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::LinkOutside => "links out of the project",
            Self::Special => "neither files nor folders",
            Self::Output => "outputs of builds",
            Self::Environment => "virtual environments",
            Self::Cache => "caches",
            Self::Leaving => "files left by file managers",
            Self::Repository => "version control",
        }
    }
}

impl SourceSet {
    /// One sentence for each reason for which something was left out, the weightiest first, and one for names that
    /// not all systems can tell apart.
    pub fn words(&self) -> Vec<String> {
        let clash = places::clash(self.files.iter().map(|file| file.to.as_str()));
        let clash = clash.map(|(one, other)| {
            format!("{one} and {other} are the same file on Windows and macOS, so an image made there has only one of them")
        });
        words(&self.left_out, "left out").into_iter().chain(clash).collect()
    }

    /// Files of [`LARGE`] size.
    pub fn large(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter().filter(|file| matches!(file.kind, SourceKind::File { size } if size >= LARGE))
    }
}

/// One sentence for each reason for which something was left out, the weightiest first; `said` begins it.
pub fn words(left_out: &[LeftOut], said: &str) -> Vec<String> {
    let mut reasons: Vec<Reason> = left_out.iter().map(|left| left.reason).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let sentence = |reason: Reason| {
        let of_it = left_out.iter().filter(|left| left.reason == reason);
        let paths: Vec<&str> = of_it.map(|left| left.path.as_str()).collect();
        few(&format!("{said}, {}", reason.as_str()), &paths)
    };
    reasons.into_iter().filter_map(sentence).collect()
}

/// Whether `include` names a file of a wheel: by its path in the wheel, or by that in the source, which may
/// have folders in front.
pub fn is_named(include: &[String], member: &str) -> bool {
    let trimmed = |text: &str| text.trim().trim_start_matches("./").trim_matches('/').to_owned();
    include.iter().map(|text| trimmed(text)).any(|text| {
        text.strip_suffix(member).is_some_and(|before| before.is_empty() || before.ends_with('/'))
    })
}

/// Finds the files of the project in `root`, an absolute folder.
///
/// # Errors
/// Usage, for a pattern that is none or a name that is not Unicode; build, for a folder that cannot
/// be read.
pub fn sources(root: &Path, options: &SourceOptions) -> Result<SourceSet> {
    sources_on(System::HERE, root, options)
}

fn sources_on(system: System, root: &Path, options: &SourceOptions) -> Result<SourceSet> {
    let mut walk = Walk {
        system,
        outputs: &options.outputs,
        selection: Selection::new(&options.include, &options.exclude)?,
        modes: Modes::new(&options.executable)?,
        docker: ignored::dockers(root)?,
        set: SourceSet::default(),
    };
    walk.folder(root, "", &Ignores::above(root), None)?;
    let mut set = walk.set;
    set.files.sort_by(|a, b| a.to.as_bytes().cmp(b.to.as_bytes()));
    set.left_out.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    Ok(set)
}

struct Walk<'a> {
    system: System,
    outputs: &'a [PathBuf],
    selection: Selection,
    modes: Modes,
    docker: DockerIgnore,
    set: SourceSet,
}

/// Why an entry does not go in, and neither does what is in it, unless something lifts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Out {
    /// The user's `exclude`.
    Excluded,
    /// An ignore file.
    Ignored,
    /// By itself.
    Because(Reason),
}

impl Walk<'_> {
    /// Walks through the folder at `path`, which is `folder` in the image: the same name may be written otherwise there.
    fn folder(&mut self, path: &Path, folder: &str, ignores: &Ignores, out: Option<Out>) -> Result<()> {
        let failed = || format!("cannot read {}", path.display());
        let listing = std::fs::read_dir(path).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        let mut entries =
            listing.map_err(|e| Error::build(failed()).because(e).hint("exclude it, or make it readable"))?;
        entries.sort_by_key(DirEntry::file_name);
        let ignores = ignores.and_in(path);
        for entry in entries {
            interrupt::check()?;
            let kind = entry.file_type().context(failed)?;
            self.entry(folder, &entry, kind, &ignores, out)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        folder: &str,
        entry: &DirEntry,
        kind: FileType,
        ignores: &Ignores,
        above: Option<Out>,
    ) -> Result<()> {
        let path = entry.path();
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            // What is left out anyway may have any name.
            let unnamed = Error::usage(format!("the name {} is not valid Unicode", path.display()));
            return if above.is_some() {
                Ok(())
            } else {
                Err(unnamed.hint("rename it, or exclude its folder"))
            };
        };
        let placed = self.system.name(name.to_owned());
        let to = if folder.is_empty() { placed } else { format!("{folder}/{placed}") };
        let out = self.judge(&to, name, &path, kind, ignores, above);
        if let Some(Out::Because(reason)) = out
            && above != out
        {
            self.set.left_out.push(LeftOut { path: to.clone(), reason });
        }
        if kind.is_dir() {
            return if self.looks_into(&to, out) { self.folder(&path, &to, ignores, out) } else { Ok(()) };
        }
        if out.is_none() && self.selection.includes(&to) {
            self.take(path, to, kind)?;
        }
        Ok(())
    }

    /// Whether the folder has to be read: it goes in, or something in it may although it does not.
    fn looks_into(&self, folder: &str, out: Option<Out>) -> bool {
        match out {
            None => true,
            Some(Out::Because(Reason::Repository | Reason::Environment)) => false,
            Some(Out::Ignored) if self.docker.may_except_inside(folder) => true,
            Some(_) => self.selection.reaches_into(folder),
        }
    }

    /// Why the entry does not go in; `above` is why its folder does not.
    fn judge(
        &self,
        to: &str,
        name: &str,
        path: &Path,
        kind: FileType,
        ignores: &Ignores,
        above: Option<Out>,
    ) -> Option<Out> {
        let asked = self.selection.asked(to);
        if self.outputs.iter().any(|output| output == path) {
            return Some(Out::Because(Reason::Output));
        }
        if (above == Some(Out::Excluded) || self.selection.excludes(to)) && !self.selection.keeps(to) {
            return Some(Out::Excluded);
        }
        let word = ignored::together(self.docker.verdict(to), ignores.verdict(path, kind.is_dir()));
        let ignored = word == Ignored::Yes || (above == Some(Out::Ignored) && word != Ignored::No);
        if (ignored || rules::is_lock(to)) && asked == Asked::Not {
            return Some(Out::Ignored);
        }
        let own = rules::judge(name, path, kind.is_dir(), !to.contains('/'));
        let inherited = match above {
            Some(Out::Because(reason)) => Some(reason),
            _ => None,
        };
        // The nearer reason is the stronger one: a key in a cache is a secret.
        own.or(inherited).filter(|reason| !lifted(*reason, asked)).map(Out::Because)
    }

    fn take(&mut self, from: PathBuf, to: String, kind: FileType) -> Result<()> {
        let failed = || format!("cannot read {}", from.display());
        let kind_and_bit = if kind.is_symlink() {
            let target = std::fs::read_link(&from).context(failed)?;
            let target = target.to_str().and_then(|target| self.system.link_target(target));
            let inside = target.filter(|target| stays_inside(&to, target));
            inside.map(|target| (SourceKind::Link { target }, false)).ok_or(Reason::LinkOutside)
        } else if kind.is_file() {
            let metadata = std::fs::symlink_metadata(&from).context(failed)?;
            let asked = self.modes.executable(&to);
            let executable = asked.unwrap_or_else(|| executables::is_executable(&from, &metadata));
            Ok((SourceKind::File { size: metadata.len() }, executable))
        } else {
            Err(Reason::Special)
        };
        match kind_and_bit {
            Ok((kind, executable)) => self.set.files.push(SourceFile { from, to, executable, kind }),
            Err(reason) => self.set.left_out.push(LeftOut { path: to, reason }),
        }
        Ok(())
    }
}

/// Whether being asked for is enough against this reason.
fn lifted(reason: Reason, asked: Asked) -> bool {
    match reason {
        Reason::Repository | Reason::Environment | Reason::LinkOutside | Reason::Special => false,
        Reason::Secret => asked == Asked::ByName,
        Reason::Output | Reason::Cache | Reason::Leaving => asked != Asked::Not,
    }
}

/// Whether a link at `place` with this target ends within the project.
fn stays_inside(place: &str, target: &str) -> bool {
    let mut depth = place.matches('/').count();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            _ => depth += 1,
        }
    }
    !target.is_empty() && !target.starts_with('/')
}
