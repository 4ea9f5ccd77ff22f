//! Checking out one commit of a repository, by git and with git's own credentials.

use std::collections::BTreeMap;
use std::path::Path;

use super::run::Call;
use crate::error::{Error, Result};
use crate::python::host::Host;
use crate::redact::clean;
use crate::vcs::OF_HOOKS;

/// Checks out `commit` of the repository at `url` in `folder`, which must not exist, with its
/// history (versions may be counted from it) and its submodules.
///
/// # Errors
/// When there is no git, or it fails: its own words are the cause.
pub(super) async fn check_out(host: &Host, url: &str, commit: &str, folder: &Path, log: &Path) -> Result<()> {
    let shown = clean(url).into_owned();
    let git = host.git().ok_or_else(|| {
        Error::build(format!("cannot fetch {shown}: there is no git on the search path")).hint("install git")
    })?;
    let is_hash = matches!(commit.len(), 40 | 64) && commit.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_hash {
        return Err(Error::usage(format!("{commit:?} is not the full hash of a commit of {shown}"))
            .hint("lock again; the lock must pin the commit"));
    }
    let parent = folder.parent().unwrap_or(folder);
    let variables = variables(host.variables());
    let call = |within: &Path, words: &[&str]| Call {
        program: git.to_owned(),
        arguments: words.iter().map(|&word| word.to_owned()).collect(),
        variables: variables.clone(),
        folder: within.to_owned(),
    };
    let target = folder.to_string_lossy();
    // Content that no file of the commit has is not fetched, where the server can leave it out.
    let clone = ["clone", "--quiet", "--no-checkout", "--filter=blob:none", "--", url, &target];
    call(parent, &clone).run(log, || format!("cannot clone {shown}")).await?;
    let missing = || format!("{shown} has no commit {commit}");
    let check_out = ["-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", commit];
    if call(folder, &check_out).run(log, missing).await.is_err() {
        // One that no branch or tag leads to, such as that of a merge request.
        call(folder, &["fetch", "--quiet", "origin", commit]).run(log, missing).await?;
        call(folder, &check_out).run(log, missing).await?;
    }
    if folder.join(".gitmodules").is_file() {
        let submodules = ["submodule", "--quiet", "update", "--init", "--recursive"];
        call(folder, &submodules).run(log, || format!("cannot fetch the submodules of {shown}")).await?;
    }
    Ok(())
}

/// The user's, without what makes git ask somebody or mean another repository.
fn variables(user: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let mut variables = user.clone();
    variables.retain(|name, _| !OF_HOOKS.contains(&name.as_str()));
    variables.insert("GIT_TERMINAL_PROMPT".into(), "0".into());
    variables.insert("LC_ALL".into(), "C".into());
    if !variables.contains_key("GIT_SSH") {
        variables.entry("GIT_SSH_COMMAND".into()).or_insert_with(|| "ssh -oBatchMode=yes".into());
    }
    variables.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use std::process::Command;

    /// A repository with two commits, of which no branch has the first one any more.
    fn repository() -> (tempfile::TempDir, Vec<String>) {
        let folder = tempfile::tempdir().expect("folder");
        let git = |words: &[&str]| {
            let mut command = Command::new("git");
            command.arg("-C").arg(folder.path()).args(["-c", "user.name=a", "-c", "user.email=a@b"]);
            let output = command.args(words).output().expect("git");
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).expect("text").trim().to_owned()
        };
        git(&["init", "--quiet"]);
        git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
        let mut commits = Vec::new();
        for text in ["one", "two"] {
            std::fs::write(folder.path().join("file"), text).expect("file");
            git(&["add", "file"]);
            git(&["commit", "--quiet", "--amend", "--allow-empty", "-m", text]
                .map(|w| if w == "--amend" && commits.is_empty() { "--quiet" } else { w }));
            commits.push(git(&["rev-parse", "HEAD"]));
        }
        (folder, commits)
    }

    fn host() -> Host {
        let path = ("PATH".to_owned(), std::env::var("PATH").expect("a search path"));
        let hook = ("GIT_DIR".to_owned(), "/elsewhere".to_owned());
        Host::find(&BTreeMap::from([path, hook]), Path::new("/"))
    }

    async fn get(commit: &str, url: &str) -> Result<String> {
        let folder = tempfile::tempdir().expect("folder");
        let (target, log) = (folder.path().join("x"), folder.path().join("log"));
        check_out(&host(), url, commit, &target, &log).await?;
        Ok(std::fs::read_to_string(target.join("file")).expect("file"))
    }

    #[tokio::test]
    async fn exactly_the_commit_is_checked_out() {
        let (repository, commits) = repository();
        let url = url::Url::from_file_path(repository.path()).expect("a URL").to_string();
        assert_eq!(get(&commits[1], &url).await.expect("the last"), "two");
        assert_eq!(get(&commits[0], &url).await.expect("one that no branch has"), "one");
        let none = "0".repeat(40);
        let error = get(&none, &url).await.expect_err("no such commit");
        assert!(error.to_string().ends_with(&format!("has no commit {none}")), "{error}");
    }

    #[tokio::test]
    async fn what_could_be_an_option_or_a_branch_is_no_commit() {
        for commit in ["main", "--upload-pack=x", "abc123", ""] {
            let error = get(commit, "file:///x").await.expect_err("refused");
            assert_eq!(error.kind(), Kind::Usage, "{commit}");
        }
        let error = get(&"a".repeat(40), "--upload-pack=touch x").await.expect_err("refused");
        assert!(error.causes().concat().contains("does not exist"), "it is a path: {error:?}");
    }

    #[tokio::test]
    async fn logins_are_not_shown_and_nobody_is_asked() {
        let url = "http://me:secret@127.0.0.1:9/x";
        let error = get(&"a".repeat(40), url).await.expect_err("refused");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        let variables = variables(&BTreeMap::new());
        assert!(variables.contains(&("GIT_TERMINAL_PROMPT".into(), "0".into())));
    }

    #[tokio::test]
    async fn without_git_there_is_a_hint() {
        let host = Host::find(&BTreeMap::new(), Path::new("/"));
        let error = check_out(&host, "https://u:p@h/x", "", Path::new("/x"), Path::new("/l")).await;
        let error = error.expect_err("no git");
        assert_eq!(error.to_string(), "cannot fetch https://h/x: there is no git on the search path");
        assert_eq!(error.hint_text(), Some("install git"));
    }
}
