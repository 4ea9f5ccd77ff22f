//! Files that were added, removed or changed.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Serialize;

use super::super::shown;
use super::super::stack::File;
use super::cause::{Cause, FileCause, Sort};
use super::sides::{Change, Counts, Sides};
use crate::facts::tree::NodeKind;
use crate::inspect::laid::Laid;

/// No more files are listed.
const MOST_FILES: usize = 1000;
/// No more packages and folders are told apart; the others are one.
const MOST_CAUSES: usize = 200;

/// What differs in the files that a container sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileChanges {
    /// All of them.
    #[serde(flatten)]
    pub counts: Counts,
    /// The same by package or folder, those with the most bytes first.
    pub causes: Vec<FileSum>,
    /// The largest files, as many as are kept.
    pub list: Vec<FileChange>,
}

/// What differs in one package or folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileSum {
    /// What the files belong to.
    #[serde(flatten)]
    pub cause: Cause,
    /// How many differ.
    #[serde(flatten)]
    pub counts: Counts,
    /// Bytes of those in both images.
    #[serde(flatten)]
    pub sizes: Sides<u64>,
}

/// The same of no cause yet.
#[derive(Clone, Copy, Default)]
struct Sum {
    counts: Counts,
    sizes: Sides<u64>,
}

impl Sum {
    fn of(files: &Sides<Option<&File>>) -> Self {
        let counts = Counts::from_iter([files.change()]);
        Self { counts, sizes: files.map(|file| file.map_or(0, |file| file.size)) }
    }

    fn add(&mut self, other: Self) {
        self.counts.added += other.counts.added;
        self.counts.removed += other.counts.removed;
        self.counts.changed += other.counts.changed;
        self.sizes.from += other.sizes.from;
        self.sizes.to += other.sizes.to;
    }
}

/// A file that differs, or a folder, a link or the like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileChange {
    /// Where it is.
    pub path: String,
    /// How it differs.
    pub change: Change,
    /// In what, where both images have it: `type`, `content`, `target`, `mode`, `owner`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs_in: Vec<&'static str>,
    /// What there is in each image.
    #[serde(flatten)]
    pub states: Sides<Option<FileState>>,
}

impl FileChange {
    /// Bytes of it in each image.
    pub fn sizes(&self) -> Sides<u64> {
        self.states.as_ref().map(|state| state.as_ref().map_or(0, |state| state.size))
    }
}

/// What there is at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileState {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: FileKind,
    /// Bytes of it. A hard link has as many as what it leads to, and in sums none.
    pub size: u64,
    /// In octal.
    pub mode: String,
    /// The numbers of the user and the group: `0:0`.
    pub owner: String,
    /// Where a link leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The layer that brings it, from 1.
    pub layer: usize,
}

/// What may be at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, a FIFO or the like.
    Other,
}

impl FileKind {
    /// In words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Other => "special file",
        }
    }
}

/// A path that is not the same in both, with what is there.
type Found<'l> = (&'l str, Sides<Option<&'l File>>);

pub(super) fn changes(sides: Sides<&Laid>) -> FileChanges {
    let mut found = differing(sides);
    let counts = found.iter().map(|(_, files)| files.change()).collect();
    let causes = causes(sides, &found);
    found.sort_by_key(|(path, files)| (std::cmp::Reverse(size(files)), *path));
    FileChanges { counts, causes, list: found.into_iter().take(MOST_FILES).map(told).collect() }
}

/// Bytes of the larger one.
fn size(files: &Sides<Option<&File>>) -> u64 {
    let sizes = files.map(|file| file.map_or(0, File::shown_size));
    sizes.from.max(sizes.to)
}

/// All paths that differ. A folder that came or went counts only if it is empty: else what is in it does.
fn differing<'l>(sides: Sides<&'l Laid>) -> Vec<Found<'l>> {
    let counts = |laid: &Laid, path: &str, file: &File| {
        file.node.kind != NodeKind::Directory || !laid.stack.tree.has_below(path)
    };
    let mut found = Vec::new();
    let mut here = sides.map(|laid| laid.stack.tree.iter().peekable());
    loop {
        let order = match (here.from.peek(), here.to.peek()) {
            (Some((from, _)), Some((to, _))) => from.cmp(to),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return found,
        };
        let from = here.from.next_if(|_| order.is_le());
        let to = here.to.next_if(|_| order.is_ge());
        let Some((path, _)) = to.or(from) else { return found };
        let differs = match (from, to) {
            (Some((_, from)), Some((_, to))) => aspects(from, to).next().is_some(),
            (Some((_, file)), None) => counts(sides.from, path, file),
            (_, to) => to.is_some_and(|(_, file)| counts(sides.to, path, file)),
        };
        if differs {
            found.push((path, Sides { from, to }.map(|one| one.map(|(_, file)| file))));
        }
    }
}

/// What differs between two that are at the same path. The mode of a link means nothing.
fn aspects(from: &File, to: &File) -> impl Iterator<Item = &'static str> {
    use NodeKind::Symlink;
    let (is_file, is_link) = (from.node.kind == NodeKind::File, matches!(from.node.kind, Symlink(_)));
    let is_same_kind = kind(from) == kind(to);
    let target = match (&from.node.kind, &to.node.kind) {
        (Symlink(from), Symlink(to)) => from != to,
        _ => false,
    };
    let content = match (from.content, to.content) {
        (Some(from), Some(to)) => from != to,
        _ => from.shown_size() != to.shown_size(),
    };
    let owner = (from.node.uid, from.node.gid) != (to.node.uid, to.node.gid);
    let all = [
        ("type", !is_same_kind),
        ("content", is_same_kind && is_file && content),
        ("target", target),
        ("mode", !(is_same_kind && is_link) && from.node.mode != to.node.mode),
        ("owner", owner),
    ];
    all.into_iter().filter(|(_, differs)| *differs).map(|(aspect, _)| aspect)
}

const fn kind(file: &File) -> FileKind {
    match file.node.kind {
        NodeKind::Directory => FileKind::Directory,
        NodeKind::File => FileKind::File,
        NodeKind::Symlink(_) => FileKind::Symlink,
        NodeKind::Other => FileKind::Other,
    }
}

/// How much differs in each package and folder. What a file belongs to in the second image counts, if it is there.
fn causes(sides: Sides<&Laid>, found: &[Found<'_>]) -> Vec<FileSum> {
    let mut by_side: Sides<BTreeMap<FileCause<'_>, Sum>> = Sides::default();
    for (path, files) in found {
        let sum = match (files.from, files.to) {
            (_, Some(file)) => by_side.to.entry(FileCause::of(sides.to, path, file)),
            (Some(file), None) => by_side.from.entry(FileCause::of(sides.from, path, file)),
            (None, None) => continue,
        };
        sum.or_default().add(Sum::of(files));
    }
    let mut all: BTreeMap<Cause, Sum> = BTreeMap::new();
    for (laid, sums) in [(sides.from, by_side.from), (sides.to, by_side.to)] {
        for (cause, sum) in sums {
            all.entry(cause.told(laid)).or_default().add(sum);
        }
    }
    let told = all.into_iter().map(|(cause, Sum { counts, sizes })| FileSum { cause, counts, sizes });
    largest(told.collect())
}

/// The largest, and all others as one.
fn largest(mut sums: Vec<FileSum>) -> Vec<FileSum> {
    let by = |sum: &FileSum| std::cmp::Reverse((sum.sizes.from.max(sum.sizes.to), sum.counts.all()));
    sums.sort_by(|a, b| (by(a), &a.cause).cmp(&(by(b), &b.cause)));
    if sums.len() > MOST_CAUSES {
        let rest = sums.split_off(MOST_CAUSES - 1);
        let mut all = Sum::default();
        rest.iter().for_each(|one| all.add(Sum { counts: one.counts, sizes: one.sizes }));
        let (cause, Sum { counts, sizes }) = (Cause::of(Sort::Rest, format!("{} more", rest.len())), all);
        sums.push(FileSum { cause, counts, sizes });
    }
    sums
}

fn told((path, files): Found<'_>) -> FileChange {
    let differs_in = match (files.from, files.to) {
        (Some(from), Some(to)) => aspects(from, to).collect(),
        _ => Vec::new(),
    };
    let path = format!("/{}", shown(path));
    FileChange { path, change: files.change(), differs_in, states: files.map(|file| file.map(state)) }
}

fn state(file: &File) -> FileState {
    let target = match &file.node.kind {
        NodeKind::Symlink(target) => Some(shown(target)),
        _ => None,
    };
    FileState {
        kind: kind(file),
        size: file.shown_size(),
        mode: format!("{:04o}", file.node.mode),
        owner: format!("{}:{}", file.node.uid, file.node.gid),
        target,
        layer: file.layer + 1,
    }
}
