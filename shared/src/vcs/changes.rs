//! What in a working tree differs from its commit.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use super::call::Git;
use crate::read;
use crate::system::repository_of;

/// More new files and folders than these are not looked at one by one.
const MOST: usize = 1000;
/// So deep submodules may hold others.
const DEPTH: u8 = 8;
/// How a folder says that it is a cache, <https://bford.info/cachedir/>.
const CACHE_TAG: &str = "CACHEDIR.TAG";
const CACHE_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// What differs.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Whether anything differs that git knows, or too much to tell.
    pub(super) known: bool,
    /// New files, and folders of new files only, that are not ignored.
    pub(super) new: Vec<PathBuf>,
}

impl Changes {
    /// Asks git. `Err` holds its words.
    pub(super) fn of(git: Git) -> Result<Self, String> {
        let mut found = Self::default();
        found.add(git, DEPTH)?;
        Ok(found)
    }

    /// Whether there is a change that `made` does not know as something that programs made.
    pub(super) fn are_real(&self, made: &dyn Fn(&Path) -> bool) -> bool {
        let mut left = MOST;
        self.known || self.new.iter().any(|path| !is_made(path, made, &mut left))
    }

    fn add(&mut self, git: Git, depth: u8) -> Result<(), String> {
        let root = repository_of(git.dir()).unwrap_or(git.dir()).to_owned();
        let git = git.without_own_filters().ok_or("it names a filter with = in its name")?;
        // Submodules have filters of their own, so git does not look into them by itself.
        let status = ["status", "--porcelain", "-z", "--no-renames", "--untracked-files=normal"];
        let mut running = git
            .call(&[&status[..], &["--ignore-submodules=dirty"]].concat())
            .spawn()
            .map_err(|error| error.to_string())?;
        if let Some(stdout) = running.child.stdout.take() {
            self.read(BufReader::new(stdout), &root);
        }
        if self.known {
            // The rest does not matter.
            running.end();
            return Ok(());
        }
        let output = running.wait_with_output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        for folder in submodules(&git, &root) {
            if let Some(depth) = depth.checked_sub(1) {
                self.add(git.within(&folder), depth)?;
            }
        }
        Ok(())
    }

    /// Reads `XY PATH` until something is told that settles it.
    fn read(&mut self, mut status: impl BufRead, root: &Path) {
        let mut entry = Vec::new();
        while status.read_until(0, &mut entry).is_ok_and(|length| length > 0) {
            let text = entry.strip_suffix(&[0]).unwrap_or(&entry);
            match text.strip_prefix(b"?? ") {
                Some(path) if self.new.len() < MOST => self.new.push(root.join(path_of(path))),
                _ => {
                    self.known = true;
                    return;
                }
            }
            entry.clear();
        }
    }
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(bytes)).to_owned()
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> PathBuf {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// The folders of submodules that are checked out.
fn submodules(git: &Git, root: &Path) -> Vec<PathBuf> {
    let list = root.join(".gitmodules");
    if !list.is_file() {
        return Vec::new();
    }
    let list = list.display().to_string();
    let asked = ["config", "-z", "-f", &list, "--get-regexp", r"^submodule\..*\.path$"];
    let text = git.call(&asked).output().map(|output| output.stdout).unwrap_or_default();
    let paths = text.split(|byte| *byte == 0).filter_map(|entry| {
        let at = entry.iter().position(|byte| *byte == b'\n')?;
        Some(path_of(&entry[at + 1..]))
    });
    let inside = |path: &PathBuf| path.components().all(|part| matches!(part, Component::Normal(_)));
    paths.filter(inside).map(|path| root.join(path)).filter(|path| path.join(".git").exists()).collect()
}

/// Whether all of a new file or folder was made by programs, and so is not part of the source.
fn is_made(path: &Path, made: &dyn Fn(&Path) -> bool, left: &mut usize) -> bool {
    let Some(fewer) = left.checked_sub(1) else { return false };
    *left = fewer;
    if made(path) {
        return true;
    }
    let is_folder = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    if !is_folder {
        return false;
    }
    is_cache(path)
        || fs::read_dir(path).is_ok_and(|mut entries| {
            entries.all(|entry| entry.is_ok_and(|entry| is_made(&entry.path(), made, left)))
        })
}

/// Whether a folder says of itself that it is a cache.
fn is_cache(folder: &Path) -> bool {
    let mut start = [0; CACHE_SIGNATURE.len()];
    let tag = folder.join(CACHE_TAG);
    read::file(&tag).is_ok_and(|mut file| file.read_exact(&mut start).is_ok()) && start == *CACHE_SIGNATURE
}
