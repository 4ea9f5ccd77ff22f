//! A repository from elsewhere, at one commit.

use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::call::OF_HOOKS;
use crate::error::{Error, Result};
use crate::process::Program;

/// Transports that bring bytes and run nothing.
const TRANSPORTS: &str = "https:http:ssh:file";
/// Those of them that read nothing of this machine.
const OF_NETWORKS: &str = "https:http:ssh";
/// Submodules have submodules, but not without end.
const DEEPEST: usize = 8;
/// Large repositories take long.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Clones the repository at `address` into the new folder `into`, and checks out `commit` there. Nothing asks for a
/// password, and no address makes git run a program but ssh.
///
/// # Errors
/// Network: it cannot be cloned. Integrity: it does not hold the commit.
pub fn clone(address: &str, commit: &str, into: &Path) -> Result<()> {
    let cloned = git(|git| git.args(["clone", "--quiet", "--no-checkout", "--", address]).arg(into));
    cloned.map_err(|why| {
        Error::network(format!("cannot clone {address}"))
            .because(why)
            .hint("check the address, and that git can read it without asking for a password")
    })?;
    let checked_out = git(|git| {
        git.arg("-C").arg(into).args(["checkout", "--quiet", "--detach", &format!("{commit}^{{commit}}")])
    });
    checked_out
        .map(drop)
        .map_err(|why| Error::integrity(format!("{address} does not contain commit {commit}")).because(why))
}

/// Clones what the repository at `root`, which was cloned from `address`, has as submodules, at the commits that it
/// records; nothing where it has none, and none that it says not to update. No address that it names is a path on this
/// machine, unless its own is: files of others would become part of the source. Gives why some could not be cloned, each
/// by itself.
pub fn clone_submodules(address: &str, root: &Path) -> Vec<Error> {
    let transports = if is_here(address) { TRANSPORTS } else { OF_NETWORKS };
    let mut failed = Vec::new();
    let mut left = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = left.pop() {
        for path in submodules(&folder) {
            let shown = folder.join(&path);
            let shown = shown.strip_prefix(root).unwrap_or(&shown).display().to_string();
            let update = ["submodule", "--quiet", "update", "--init", "--"];
            let done = git_by(transports, |git| git.arg("-C").arg(&folder).args(update).arg(&path));
            match done {
                Ok(_) if depth < DEEPEST => left.push((folder.join(&path), depth + 1)),
                Ok(_) => {}
                Err(why) => failed.push(
                    Error::network(format!("cannot clone the submodule {shown} of {address}")).because(why),
                ),
            }
        }
    }
    failed
}

/// The folders of a repository's submodules, as its list names them; none that leads out of it.
fn submodules(root: &Path) -> Vec<PathBuf> {
    let is_listed = std::fs::symlink_metadata(root.join(".gitmodules")).is_ok_and(|file| file.is_file());
    if !is_listed {
        return Vec::new();
    }
    let list = ["config", "--null", "--file", ".gitmodules", "--get-regexp", r"^submodule\..*\.path$"];
    let listed = git(|git| git.arg("-C").arg(root).args(list)).unwrap_or_default();
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let paths = listed.split('\0').filter_map(|entry| Some(PathBuf::from(entry.split_once('\n')?.1)));
    let is_below = |path: &PathBuf| {
        path.components().all(|part| matches!(part, Component::Normal(_)))
            && path.ancestors().all(|part| !root.join(part).is_symlink() || part.as_os_str().is_empty())
    };
    paths.filter(is_below).collect()
}

/// Whether a repository is on this machine: it has no scheme, and no host before a colon.
fn is_here(address: &str) -> bool {
    address.starts_with("file:") || Path::new(address).is_absolute() || !address.contains(':')
}

fn git(arguments: impl FnOnce(&mut Command) -> &mut Command) -> Result<Vec<u8>, String> {
    git_by(TRANSPORTS, arguments)
}

/// What git says on standard output.
fn git_by(transports: &str, arguments: impl FnOnce(&mut Command) -> &mut Command) -> Result<Vec<u8>, String> {
    let mut command = Command::new("git");
    command.args([
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "core.fsmonitor=false",
        "-c",
        "advice.detachedHead=false",
    ]);
    arguments(&mut command);
    OF_HOOKS.iter().for_each(|name| _ = command.env_remove(name));
    command.env("GIT_ALLOW_PROTOCOL", transports).env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
    // ssh would ask a terminal, whatever git is told: what it asks instead says no.
    command.env("SSH_ASKPASS_REQUIRE", "force").env("SSH_ASKPASS", "false");
    command.stdin(Stdio::null());
    let said = Program::new(command).exchange(&[], LONGEST).map_err(|silence| silence.to_string())?;
    if said.status.success() {
        return Ok(said.stdout);
    }
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    let line = words.lines().find(|line| line.starts_with("fatal:")).or_else(|| words.lines().last());
    Err(line.unwrap_or("git failed").trim_start_matches("fatal: ").to_owned())
}
