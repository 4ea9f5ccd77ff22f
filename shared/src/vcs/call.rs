//! Calling git so that nothing of the repository's own configuration is executed.
//!
//! A folder that came from elsewhere may bring its `.git` along. Git would run what that names: a
//! monitor of the file system, hooks, filters of file contents, and the transports that fetch
//! what a partial clone lacks. The user's own configuration stays in force.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::Program;
use crate::read;
use crate::system::repository_of;

/// Variables with which a hook of git makes git speak of another repository.
pub const OF_HOOKS: &[&str] =
    &["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"];

/// What `git lfs install` writes: the machine's own program, which the user installed. Without it
/// every large file would look changed.
const OF_LFS: &[&str] = &["git-lfs clean -- %f", "git-lfs smudge -- %f", "git-lfs filter-process", "true"];

/// Git, for questions about the repository that a folder is in.
#[derive(Debug, Clone)]
pub(super) struct Git {
    program: PathBuf,
    dir: PathBuf,
    /// What is set for each call, by `-c`.
    set: Vec<String>,
}

impl Git {
    pub(super) fn new(program: &Path, dir: &Path) -> Self {
        let set = ["core.fsmonitor=false", "core.hooksPath=/dev/null"].map(str::to_owned).to_vec();
        Self { program: program.to_owned(), dir: dir.to_owned(), set }
    }

    /// The same for another folder, whose repository has filters of its own.
    pub(super) fn within(&self, dir: &Path) -> Self {
        Self::new(&self.program, dir)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A call that can neither write the index nor fetch.
    pub(super) fn call<A: AsRef<std::ffi::OsStr>>(&self, arguments: &[A]) -> Program {
        let mut command = Command::new(&self.program);
        command.arg("-C").arg(&self.dir);
        command.args(self.set.iter().flat_map(|text| [OsString::from("-c"), text.into()]));
        command.args(arguments);
        OF_HOOKS.iter().for_each(|name| _ = command.env_remove(name));
        command
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_ALLOW_PROTOCOL", "none");
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Program::new(command)
    }

    /// Switches off the filters that the repository itself brings: `git status` gives them the
    /// content of files that may have changed. `None` when one cannot be switched off.
    pub(super) fn without_own_filters(mut self) -> Option<Self> {
        if is_plain(&self.dir) {
            return Some(self);
        }
        let mut own = self.configured("--local");
        if own.iter().any(|(key, value)| key == "extensions.worktreeconfig" && value != "false") {
            own.extend(self.configured("--worktree"));
        }
        let lfs_runs_more = own.iter().any(|(key, _)| key.starts_with("lfs.extension."));
        for (key, value) in &own {
            let Some((driver, what)) = key.strip_prefix("filter.").and_then(|rest| rest.rsplit_once('.'))
            else {
                continue;
            };
            if driver == "lfs" && !lfs_runs_more && OF_LFS.contains(&value.as_str()) {
                continue;
            }
            if driver.contains('=') {
                return None;
            }
            let value = if what == "required" { "false" } else { "" };
            self.set.push(format!("filter.{driver}.{what}={value}"));
        }
        Some(self)
    }

    /// What one of the repository's own configuration files, with those that it includes, says of
    /// programs that `git status` would run.
    fn configured(&self, scope: &str) -> Vec<(String, String)> {
        let asked = r"^(filter\..*|lfs\.extension\..*|extensions\.worktreeconfig)$";
        let output = self.call(&["config", "-z", scope, "--includes", "--get-regexp", asked]).output();
        let text = output.map(|output| output.stdout).unwrap_or_default();
        let entries = text.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
        entries
            .map(|entry| {
                let entry = String::from_utf8_lossy(entry);
                let (key, value) = entry.split_once('\n').unwrap_or((&entry, ""));
                (key.to_owned(), value.to_owned())
            })
            .collect()
    }
}

/// The folder with the `.git` of the repository that `dir` is in, as git looks for it.
pub(super) fn top(dir: &Path) -> Option<PathBuf> {
    repository_of(&dir.canonicalize().ok()?).map(Path::to_owned)
}

/// Whether the configuration of the repository around `dir` is one file without a word on filters, nor on other
/// files that may have one. Most are, and looking is much cheaper than asking git.
pub(super) fn is_plain(dir: &Path) -> bool {
    let (Some(top), Ok(real)) = (top(dir), dir.canonicalize()) else { return false };
    let git = top.join(".git");
    // Git passes over a `.git` that is no repository, and takes a folder that is one itself.
    let mut between = real.ancestors().take_while(|dir| dir.starts_with(&top));
    if !is_repository(&git) || between.any(is_repository) || git.join("commondir").exists() {
        return false;
    }
    let Ok(text) = read::text(&git.join("config"), read::DOCUMENT) else { return false };
    let text = text.to_ascii_lowercase();
    !["filter", "include", "worktreeconfig", "lfs"].iter().any(|word| text.contains(word))
}

/// Whether git would take the folder itself for a repository.
fn is_repository(dir: &Path) -> bool {
    dir.join("HEAD").symlink_metadata().is_ok() && dir.join("objects").is_dir() && dir.join("refs").is_dir()
}
