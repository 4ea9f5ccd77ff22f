//! Which revision of the source this is, by git.

mod call;
mod changes;
mod clone;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::JoinHandle;

use jiff::Timestamp;

use crate::system::repository_of;
use call::Git;
pub use call::OF_HOOKS;
use changes::Changes;
pub use clone::{clone, clone_submodules};

/// The commit that is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its full hash.
    pub commit: String,
    /// When it was committed.
    pub committed: Timestamp,
    /// Whether anything in the repository differs from it, new files that are not ignored
    /// included, but for what programs made.
    pub dirty: bool,
}

/// What is known of the revision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The revision; `None` where there is no git, no repository, no commit yet, where the commit
    /// does not hold the project, or where git does not read the repository.
    pub revision: Option<Revision>,
    /// Why there is none, where that may surprise.
    pub remark: Option<Remark>,
}

/// Words for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// Something worth knowing.
    Note(String),
    /// Something that is probably not wanted.
    Warning(String),
}

/// The branch that is checked out where `dir` is. `None` where there is no git, no repository, or a commit alone
/// is checked out.
pub fn branch(dir: &Path) -> Option<String> {
    let asked = Git::new(Path::new("git"), dir).call(&["symbolic-ref", "--quiet", "--short", "HEAD"]);
    let answer = asked.output().ok().filter(|answer| answer.status.success())?;
    let name = String::from_utf8(answer.stdout).ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// A question for the revision, which git looks into while the program does something else.
#[derive(Debug)]
pub struct Question {
    project: PathBuf,
    asked: JoinHandle<Told>,
}

/// What git says.
enum Told {
    Nothing,
    NotInstalled,
    Unreadable(String),
    NotHeld,
    Commit { commit: String, committed: Timestamp, changes: Changes },
}

impl Question {
    /// Asks for the revision of the repository that `project` is in: the file that describes the
    /// project, or its folder. Only a commit that holds it counts.
    pub fn ask(project: &Path) -> Self {
        Self::ask_with(Path::new("git"), project)
    }

    fn ask_with(program: &Path, project: &Path) -> Self {
        let (program, path) = (program.to_owned(), project.to_owned());
        let asked = std::thread::spawn(move || look(&program, &path).unwrap_or_else(Told::Unreadable));
        Self { project: project.to_owned(), asked }
    }

    /// The answer. `made` says of a new file or folder whether a program made it, so that it is
    /// not part of the source; folders that are marked as caches need no such word.
    pub fn answer(self, made: &dyn Fn(&Path) -> bool) -> Answer {
        let Self { project, asked } = self;
        let told = asked.join().unwrap_or_else(|_| Told::Unreadable("asking it panicked".into()));
        let without = |remark| Answer { revision: None, remark };
        match told {
            Told::Nothing => Answer::default(),
            Told::NotInstalled => {
                without(Some(Remark::Note("git is not installed, so no revision is recorded".into())))
            }
            Told::NotHeld => without(Some(Remark::Note(format!(
                "{} is not committed to the git repository around it, so no revision is recorded",
                project.display()
            )))),
            Told::Unreadable(why) => without(Some(Remark::Warning(unreadable(&project, &why)))),
            Told::Commit { commit, committed, changes } => {
                let dirty = changes.are_real(made);
                Answer { revision: Some(Revision { commit, committed, dirty }), remark: None }
            }
        }
    }
}

/// Asks git; `Err` holds its words when it does not read the repository.
fn look(program: &Path, project: &Path) -> Result<Told, String> {
    let (dir, name) = match project.file_name() {
        Some(name) if !project.is_dir() => (project.parent().unwrap_or(project), name.to_string_lossy()),
        _ => (project, "".into()),
    };
    if call::top(dir).is_none() {
        return Ok(Told::Nothing);
    }
    let git = Git::new(program, dir);
    // The commit as it is stored: nothing shows, verifies or converts it.
    let asked = git.call(&["cat-file", "--batch"]).stdin(Stdio::piped()).spawn();
    let Ok(mut asked) = asked else { return Ok(Told::NotInstalled) };
    if let Some(mut input) = asked.child.stdin.take() {
        // It may have ended with an error already, which it says below.
        let _ = write!(input, "HEAD\nHEAD:./{name}\n");
    }
    let changes = Changes::of(git);
    let answer = asked.wait_with_output().map_err(|error| error.to_string())?;
    if !answer.status.success() {
        let words = String::from_utf8_lossy(&answer.stderr).into_owned();
        return if words.contains("not a git repository") { Ok(Told::Nothing) } else { Err(words) };
    }
    let Some((commit, content, rest)) = object(&answer.stdout) else { return Ok(Told::Nothing) };
    if object(rest).is_none() {
        return Ok(Told::NotHeld);
    }
    let committed = committed(content).ok_or("its commit has no time")?;
    Ok(Told::Commit { commit: commit.into(), committed, changes: changes? })
}

/// An object that `git cat-file --batch` writes: its name, its content, and what follows.
fn object(text: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let (head, rest) = (std::str::from_utf8(&text[..end]).ok()?, &text[end + 1..]);
    let [name, _, size] = head.split(' ').collect::<Vec<_>>()[..] else { return None };
    let (content, rest) = rest.split_at_checked(size.parse().ok()?)?;
    Some((name, content, rest.strip_prefix(b"\n").unwrap_or(rest)))
}

/// When a commit was made, from its header.
fn committed(commit: &[u8]) -> Option<Timestamp> {
    let lines = commit.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    let line = lines.into_iter().find_map(|line| line.strip_prefix(b"committer "))?;
    let line = String::from_utf8_lossy(line);
    Timestamp::from_second(line.rsplit(' ').nth(1)?.parse().ok()?).ok()
}

fn unreadable(project: &Path, words: &str) -> String {
    let first = words.lines().next().unwrap_or_default().trim_start_matches("fatal: ");
    let place = project.display();
    if words.contains("dubious ownership") {
        let root = repository_of(project).unwrap_or(project);
        return format!(
            "git does not read the repository of {place}, which belongs to another user, so no revision is recorded; allow it with `git config --global --add safe.directory {}`",
            root.display()
        );
    }
    format!("git cannot read the repository of {place}, so no revision is recorded: {first}")
}

#[cfg(all(test, unix))]
mod tests;
