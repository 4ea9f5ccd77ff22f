//! A repository from elsewhere, at one commit.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::call::OF_HOOKS;
use crate::error::{Error, Result};
use crate::process::Program;

/// Transports that bring bytes and run nothing.
const TRANSPORTS: &str = "https:http:ssh:file";
/// Those of them that read nothing of this machine.
const OF_NETWORKS: &str = "https:http:ssh";
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
        .map_err(|why| Error::integrity(format!("{address} does not contain commit {commit}")).because(why))
}

/// Clones what the repository at `root`, which was cloned from `address`, has as submodules, at the commits that it
/// records; nothing where it has none. No address that it names leads to this machine, unless its own does: files of
/// others would become part of the source.
///
/// # Errors
/// Network: one cannot be cloned.
pub fn clone_submodules(address: &str, root: &Path) -> Result<()> {
    let is_listed = std::fs::symlink_metadata(root.join(".gitmodules")).is_ok_and(|file| file.is_file());
    if !is_listed {
        return Ok(());
    }
    // Not by a command that the list may name.
    let update = ["submodule", "--quiet", "update", "--init", "--recursive", "--checkout"];
    let transports = if is_here(address) { TRANSPORTS } else { OF_NETWORKS };
    let done = git_by(transports, |git| git.arg("-C").arg(root).args(update));
    done.map_err(|why| Error::network(format!("cannot clone the submodules of {address}")).because(why))
}

/// Whether a repository is on this machine.
fn is_here(address: &str) -> bool {
    address.starts_with("file:") || address.starts_with('.') || Path::new(address).is_absolute()
}

fn git(arguments: impl FnOnce(&mut Command) -> &mut Command) -> Result<(), String> {
    git_by(TRANSPORTS, arguments)
}

fn git_by(transports: &str, arguments: impl FnOnce(&mut Command) -> &mut Command) -> Result<(), String> {
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
    command.stdin(Stdio::null());
    let said = Program::new(command).exchange(&[], LONGEST).map_err(|silence| silence.to_string())?;
    if said.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    let line = words.lines().find(|line| line.starts_with("fatal:")).or_else(|| words.lines().last());
    Err(line.unwrap_or("git failed").trim_start_matches("fatal: ").to_owned())
}
