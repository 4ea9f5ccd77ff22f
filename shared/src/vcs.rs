//! Which revision of the source this is, by git.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use jiff::Timestamp;

use crate::error::{Context, Error, Result};
use crate::process::{Program, Running};

/// The commit that is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its full hash.
    pub commit: String,
    /// When it was committed.
    pub committed: Timestamp,
    /// Whether anything in the repository differs from it, new files that are not ignored
    /// included.
    pub dirty: bool,
}

/// The revision of the repository that `dir` is in. `None` where there is no git, no repository
/// or no commit yet.
///
/// # Errors
/// When git refuses the repository, for example because it belongs to another user.
pub fn describe(dir: &Path) -> Result<Option<Revision>> {
    Question::ask(dir).answer()
}

/// The branch that is checked out where `dir` is. `None` where there is no git, no repository, or a commit alone
/// is checked out.
pub fn branch(dir: &Path) -> Option<String> {
    let mut command = git_command(Path::new("git"), dir);
    command.args(["symbolic-ref", "--quiet", "--short", "HEAD"]);
    let answer = Program::new(command).output().ok().filter(|answer| answer.status.success())?;
    let name = String::from_utf8(answer.stdout).ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// A question for the revision, which git looks into while the program does something else.
#[derive(Debug)]
pub struct Question {
    dir: PathBuf,
    /// What differs, and which commit it is; nothing where there is no git.
    asked: Option<(Running<Child>, Running<Child>)>,
}

impl Question {
    /// Asks for the revision of the repository that `dir` is in.
    pub fn ask(dir: &Path) -> Self {
        Self::ask_with(Path::new("git"), dir)
    }

    fn ask_with(git: &Path, dir: &Path) -> Self {
        let spawn = |arguments: &[&str]| {
            let mut command = git_command(git, dir);
            command.args(arguments);
            Program::new(command).spawn().ok()
        };
        // Both questions at once: looking for changes is what takes time.
        let status = spawn(&["status", "--porcelain", "--untracked-files=normal"]);
        let asked = status.and_then(|status| {
            Some((status, spawn(&["log", "-1", "--no-show-signature", "--format=%H %ct"])?))
        });
        Self { dir: dir.to_owned(), asked }
    }

    /// What [`describe`] says.
    ///
    /// # Errors
    /// Those of [`describe`].
    pub fn answer(self) -> Result<Option<Revision>> {
        let Some((status, commit)) = self.asked else { return Ok(None) };
        let status = status.wait_with_output().context(|| "cannot wait for git".into())?;
        let commit = commit.wait_with_output().context(|| "cannot wait for git".into())?;
        understand(&self.dir, &status, &commit)
    }
}

fn understand(dir: &Path, status: &Output, commit: &Output) -> Result<Option<Revision>> {
    if !commit.status.success() {
        return no_commit(dir, commit);
    }
    if !status.status.success() {
        return no_commit(dir, status);
    }
    let text = String::from_utf8_lossy(&commit.stdout);
    let (commit, seconds) = text.trim().split_once(' ').unwrap_or_default();
    let committed = seconds.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let committed =
        committed.ok_or_else(|| Error::build(format!("cannot understand what git says: {text}")))?;
    Ok(Some(Revision { commit: commit.into(), committed, dirty: !status.stdout.is_empty() }))
}

fn git_command(git: &Path, dir: &Path) -> Command {
    let mut command = Command::new(git);
    command.arg("-C").arg(dir).env("GIT_OPTIONAL_LOCKS", "0").env("LC_ALL", "C");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn no_commit(dir: &Path, output: &Output) -> Result<Option<Revision>> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    if stderr.contains("not a git repository") || stderr.contains("does not have any commits yet") {
        return Ok(None);
    }
    let error = Error::build(format!("git cannot read the repository of {}", dir.display()))
        .because(stderr.trim().trim_start_matches("fatal: ").to_owned());
    Err(if stderr.contains("dubious ownership") {
        error.hint(format!("git config --global --add safe.directory {}", dir.display()))
    } else {
        error
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn git(dir: &Path, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.arg("-C").arg(dir).args(["-c", "user.name=u", "-c", "user.email=u@example.com"]);
        command.env("GIT_COMMITTER_DATE", "1700000000 +0100").env("GIT_CONFIG_GLOBAL", "/dev/null");
        assert!(command.args(arguments).output().expect("git").status.success(), "{arguments:?}");
    }

    fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("folder");
        git(folder.path(), &["init", "-q"]);
        fs::create_dir(folder.path().join("sub")).expect("mkdir");
        fs::write(folder.path().join("sub/file"), "1").expect("write");
        fs::write(folder.path().join(".gitignore"), "ignored\n").expect("write");
        git(folder.path(), &["add", "."]);
        git(folder.path(), &["commit", "-q", "-m", "x"]);
        folder
    }

    fn revision(dir: &Path) -> Revision {
        describe(dir).expect("git").expect("a revision")
    }

    #[test]
    fn a_clean_tree_tells_its_commit_and_time() {
        let folder = repository();
        fs::write(folder.path().join("ignored"), "").expect("write");
        let found = revision(&folder.path().join("sub"));
        assert_eq!(
            (found.commit.len(), found.committed.as_second(), found.dirty),
            (40, 1_700_000_000, false)
        );
    }

    #[test]
    fn changed_and_new_files_anywhere_make_it_dirty() {
        let folder = repository();
        fs::write(folder.path().join("new"), "").expect("write");
        assert!(revision(&folder.path().join("sub")).dirty);
        fs::remove_file(folder.path().join("new")).expect("remove");
        fs::write(folder.path().join("sub/file"), "2!").expect("write");
        assert!(revision(folder.path()).dirty);
    }

    #[test]
    fn a_branch_is_told_unless_a_commit_alone_is_checked_out() {
        let folder = repository();
        git(folder.path(), &["checkout", "-q", "-b", "feature/x"]);
        assert_eq!(branch(&folder.path().join("sub")).as_deref(), Some("feature/x"));
        git(folder.path(), &["checkout", "-q", "--detach"]);
        assert_eq!(branch(folder.path()), None);
        assert_eq!(branch(tempfile::tempdir().expect("folder").path()), None);
    }

    #[test]
    fn where_there_is_nothing_to_tell_nothing_is_told() {
        let folder = tempfile::tempdir().expect("folder");
        assert_eq!(describe(folder.path()).expect("no repository"), None);
        git(folder.path(), &["init", "-q"]);
        assert_eq!(describe(folder.path()).expect("no commit"), None);
        assert_eq!(
            Question::ask_with(Path::new("/nonexistent/git"), folder.path()).answer().expect("no git"),
            None
        );
    }

    #[test]
    fn a_repository_that_git_cannot_read_is_an_error() {
        let folder = repository();
        fs::write(folder.path().join(".git/config"), "[core\n").expect("write");
        let error = describe(folder.path()).expect_err("broken");
        assert!(error.causes()[0].contains("bad config"), "{error:?}");
    }
}
