//! Several projects that belong together: uv's workspaces, which have one lock, and folders that this program's
//! own table names, each with a lock of its own.

use std::path::{Path, PathBuf};

use globset::GlobSet;
use serde_json::Value;

use super::table::Document;
use super::{MARKERS, settings};
use crate::error::{Error, Result};
use crate::system::globs::{self, Star};

/// A workspace that the project is a member or the root of.
#[derive(Debug, Clone, PartialEq)]
pub struct Workspace {
    /// The folder with the workspace's pyproject.toml, absolute.
    pub root: PathBuf,
    /// Whether it is uv's, with one lock for all.
    pub has_lock: bool,
    /// The folders of its members without the root, absolute, sorted.
    pub members: Vec<PathBuf>,
    /// `[tool.containerize]` of the root; `None` where the root is the project itself, whose settings
    /// these are.
    pub settings: Option<Value>,
}

/// Folders of a workspace are not looked for deeper than this.
const DEEPEST: usize = 8;

/// The workspace that the project in `dir` belongs to.
pub(super) fn find(dir: &Path, own: Option<&Document>) -> Result<Option<Workspace>> {
    if let Some(globs) = own.map(globs).transpose()?.flatten() {
        let (root, has_lock, members) = (dir.to_owned(), globs.has_lock, globs.members(dir));
        return Ok(Some(Workspace { root, has_lock, members, settings: None }));
    }
    for root in dir.ancestors().skip(1) {
        let Some(document) = Document::read(&root.join("pyproject.toml"))? else { continue };
        let Some(globs) = globs(&document)? else { continue };
        // The nearest workspace decides, also when it does not want the project.
        let is_member = dir.strip_prefix(root).is_ok_and(|relative| globs.take(relative));
        if !is_member {
            return Ok(None);
        }
        let settings = settings(&document.root())?;
        let (has_lock, members) = (globs.has_lock, globs.members(root));
        return Ok(Some(Workspace { root: root.to_owned(), has_lock, members, settings }));
    }
    Ok(None)
}

/// The same for a folder whose workspace `other` may be: one that a member of it has found. Then its members are not looked
/// for again.
pub(super) fn find_again(dir: &Path, own: Option<&Document>, other: &Workspace) -> Result<Option<Workspace>> {
    let is_member = other.members.binary_search_by(|member| member.as_path().cmp(dir)).is_ok();
    let between = dir.ancestors().skip(1).take_while(|above| *above != other.root);
    let is_nearest = between.into_iter().all(|above| !above.join("pyproject.toml").is_file());
    match is_member && is_nearest && own.map(globs).transpose()?.flatten().is_none() {
        true => Ok(Some(other.clone())),
        false => find(dir, own),
    }
}

struct Globs {
    members: GlobSet,
    exclude: GlobSet,
    has_lock: bool,
}

fn globs(document: &Document) -> Result<Option<Globs>> {
    let uv = document.root().below(&["tool", "uv", "workspace"])?;
    let has_lock = uv.is_some();
    let own = || document.root().below(&["tool", "containerize"]);
    let Some(workspace) = uv.map_or_else(own, |uv| Ok(Some(uv)))? else { return Ok(None) };
    if !has_lock && workspace.texts("packages")?.is_empty() {
        return Ok(None);
    }
    let set = |key: &str| -> Result<GlobSet> {
        let patterns = workspace.texts(key)?;
        let patterns = patterns.iter().map(|text| text.trim_start_matches("./").trim_end_matches('/'));
        globs::set(patterns, Star::WithinFolder).map_err(|e| {
            let file = document.file.display();
            Error::usage(format!("{} in {file} has an invalid glob", workspace.path_of(key))).because(e)
        })
    };
    if !has_lock {
        return Ok(Some(Globs { members: set("packages")?, exclude: GlobSet::empty(), has_lock }));
    }
    Ok(Some(Globs { members: set("members")?, exclude: set("exclude")?, has_lock }))
}

impl Globs {
    fn take(&self, relative: &Path) -> bool {
        self.members.is_match(relative) && !self.exclude.is_match(relative)
    }

    fn members(&self, root: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let hidden = |entry: &walkdir::DirEntry| {
            let name = entry.file_name().to_string_lossy();
            entry.depth() > 0 && (name.starts_with('.') || name == "node_modules" || name == "__pycache__")
        };
        let folders = walkdir::WalkDir::new(root).max_depth(DEEPEST).min_depth(1).into_iter();
        for entry in folders.filter_entry(|entry| entry.file_type().is_dir() && !hidden(entry)).flatten() {
            let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
            let is_project = match self.has_lock {
                true => entry.path().join("pyproject.toml").is_file(),
                false => MARKERS.iter().any(|file| entry.path().join(file).is_file()),
            };
            if self.take(relative) && is_project {
                found.push(entry.path().to_owned());
            }
        }
        found.sort();
        found
    }
}
