//! What git says of real repositories, hostile ones among them.

use std::fs;
use std::process::Command;

use super::*;

fn git(dir: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args(["-c", "user.name=u", "-c", "user.email=u@example.com"]);
    command.args(["-c", "protocol.file.allow=always"]);
    command.env("GIT_COMMITTER_DATE", "1700000000 +0100").env("GIT_CONFIG_GLOBAL", "/dev/null");
    assert!(command.args(arguments).output().expect("git").status.success(), "{arguments:?}");
}

fn commit(dir: &Path) {
    git(dir, &["add", "."]);
    git(dir, &["commit", "-q", "-m", "x"]);
}

fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    git(folder.path(), &["init", "-q"]);
    fs::create_dir(folder.path().join("sub")).expect("mkdir");
    fs::write(folder.path().join("sub/file"), "1").expect("write");
    fs::write(folder.path().join(".gitignore"), "ignored\n").expect("write");
    commit(folder.path());
    folder
}

fn answer(project: &Path) -> Answer {
    Question::ask(project).answer(&|_| false)
}

fn revision(project: &Path) -> Revision {
    answer(project).revision.expect("a revision")
}

fn warning(answer: Answer) -> String {
    match answer {
        Answer { revision: None, remark: Some(Remark::Warning(words)) } => words,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_clean_tree_tells_its_commit_and_time() {
    let folder = repository();
    fs::write(folder.path().join("ignored"), "").expect("write");
    for project in ["sub", "sub/file"] {
        let found = revision(&folder.path().join(project));
        assert_eq!(
            (found.commit.len(), found.committed.as_second(), found.dirty),
            (40, 1_700_000_000, false)
        );
    }
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
fn what_programs_made_is_no_change() {
    let folder = repository();
    fs::create_dir_all(folder.path().join("out/deep")).expect("mkdir");
    fs::create_dir_all(folder.path().join("cache/x")).expect("mkdir");
    fs::write(folder.path().join("out/deep/image.tar"), "").expect("write");
    fs::write(folder.path().join("cache/x/y"), "").expect("write");
    fs::write(folder.path().join("cache/CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n")
        .expect("write");
    let made = |path: &Path| path.ends_with("image.tar");
    let dirty = || Question::ask(folder.path()).answer(&made).revision.expect("a revision").dirty;
    assert!(!dirty(), "an image and a cache");
    fs::write(folder.path().join("out/notes"), "").expect("write");
    assert!(dirty(), "something else beside the image");
}

#[test]
fn a_commit_without_the_project_is_not_its_revision() {
    let folder = repository();
    for place in ["ignored/p", "new"] {
        let project = folder.path().join(place);
        fs::create_dir_all(&project).expect("mkdir");
        fs::write(project.join("Cargo.toml"), "").expect("write");
        for path in [project.clone(), project.join("Cargo.toml")] {
            let Answer { revision: None, remark: Some(Remark::Note(words)) } = answer(&path) else {
                panic!("{place} has a revision");
            };
            assert!(words.contains(place) && words.contains("no revision"), "{words}");
        }
    }
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
    assert_eq!(answer(folder.path()), Answer::default());
    let no_git = || Question::ask_with(Path::new("/nonexistent/git"), folder.path()).answer(&|_| false);
    assert_eq!(no_git(), Answer::default());
    git(folder.path(), &["init", "-q"]);
    assert_eq!(answer(folder.path()), Answer::default(), "no commit");
    assert!(matches!(no_git().remark, Some(Remark::Note(_))), "a repository, and no git");
}

#[test]
fn a_repository_that_git_does_not_read_is_a_warning() {
    let folder = repository();
    fs::write(folder.path().join(".git/config"), "[core\n").expect("write");
    let words = warning(answer(folder.path()));
    assert!(words.contains("no revision is recorded: bad config"), "{words}");
}

#[test]
fn a_repository_of_another_user_is_a_warning_with_the_way_out() {
    let words =
        unreadable(Path::new("/w/p"), "fatal: detected dubious ownership in repository at '/w'\nmore\n");
    assert!(words.contains("another user") && words.contains("safe.directory"), "{words}");
}

/// A program that leaves a trace when it is run.
fn trap(folder: &Path) -> (String, PathBuf) {
    let trace = folder.join("trace");
    (format!("touch '{}'; cat", trace.display()), trace)
}

/// Makes git look into a file: its time is not the index's any more.
fn touch(file: &Path) {
    let file = fs::File::options().append(true).open(file).expect("open");
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("time");
}

#[test]
fn nothing_of_the_repositorys_configuration_is_run() {
    let outside = tempfile::tempdir().expect("folder");
    let (run, trace) = trap(outside.path());
    let folder = repository();
    fs::write(folder.path().join(".gitattributes"), "file filter=evil\n").expect("write");
    commit(folder.path());
    fs::write(outside.path().join("included"), format!("[filter \"evil\"]\n\tprocess = {run}\n"))
        .expect("write");
    let included = outside.path().join("included").display().to_string();
    for (key, value) in [
        ("core.fsmonitor", run.as_str()),
        ("filter.evil.clean", &run),
        ("filter.evil.required", "true"),
        ("include.path", &included),
        ("core.sshCommand", &run),
        ("core.pager", &run),
    ] {
        git(folder.path(), &["config", key, value]);
    }
    let hooks = folder.path().join(".git/hooks");
    fs::create_dir_all(&hooks).expect("mkdir");
    containerize_tests::fixture::script(&hooks.join("post-index-change"), &format!("#!/bin/sh\n{run}\n"));
    touch(&folder.path().join("sub/file"));
    assert!(!revision(folder.path()).dirty);
    assert!(!trace.exists(), "something was run");
    // The trap works.
    git(folder.path(), &["config", "--unset", "core.fsmonitor"]);
    let _ = Command::new("git").arg("-C").arg(folder.path()).args(["status"]).output();
    assert!(trace.exists());
}

#[test]
fn a_configuration_is_plain_only_where_it_can_name_no_filter() {
    let is_plain = |change: &[&str]| {
        let folder = repository();
        if !change.is_empty() {
            git(folder.path(), change);
        }
        call::is_plain(&folder.path().join("sub"))
    };
    assert!(is_plain(&[]));
    assert!(is_plain(&["config", "core.fsmonitor", "true"]), "that is switched off in any case");
    for (key, value) in [
        ("FILTER.evil.clean", "x"),
        ("include.path", "elsewhere"),
        ("includeIf.gitdir:/.path", "elsewhere"),
        ("extensions.worktreeConfig", "true"),
        ("lfs.extension.x.clean", "x"),
    ] {
        assert!(!is_plain(&["config", key, value]), "{key}");
    }
    let (main, other) = (repository(), tempfile::tempdir().expect("folder"));
    let tree = other.path().join("tree");
    git(main.path(), &["worktree", "add", "-q", &tree.display().to_string()]);
    assert!(!call::is_plain(&tree), "its configuration is elsewhere");
    assert!(!call::is_plain(other.path()), "there is none");
}

#[test]
fn the_repository_that_git_takes_is_the_one_whose_filters_are_switched_off() {
    let outside = tempfile::tempdir().expect("folder");
    let (run, trace) = trap(outside.path());
    // A `.git` without a repository hides the one around it.
    let outer = repository();
    fs::write(outer.path().join(".gitattributes"), "file filter=evil\n").expect("write");
    commit(outer.path());
    git(outer.path(), &["config", "filter.evil.clean", &run]);
    fs::create_dir(outer.path().join("sub/.git")).expect("mkdir");
    fs::write(outer.path().join("sub/.git/config"), "[core]\n").expect("write");
    touch(&outer.path().join("sub/file"));
    assert!(!call::is_plain(&outer.path().join("sub")));
    let _ = answer(&outer.path().join("sub"));
    assert!(!trace.exists(), "something was run");

    // A folder may be a repository itself.
    let inner = repository();
    let bare = inner.path().join("sub");
    git(&bare, &["init", "-q", "--bare", "."]);
    git(&bare, &["config", "filter.evil.clean", &run]);
    assert!(!call::is_plain(&bare));
}

#[test]
fn a_filter_that_cannot_be_switched_off_leaves_no_revision() {
    let folder = repository();
    git(folder.path(), &["config", "filter.a=b.clean", "true"]);
    assert!(warning(answer(folder.path())).contains("filter"));
}

#[test]
fn submodules_are_looked_into_without_running_their_filters() {
    let outside = tempfile::tempdir().expect("folder");
    let (run, trace) = trap(outside.path());
    let (inner, folder) = (repository(), repository());
    fs::write(inner.path().join(".gitattributes"), "file filter=evil\n").expect("write");
    commit(inner.path());
    git(folder.path(), &["submodule", "add", "-q", &inner.path().display().to_string(), "in"]);
    commit(folder.path());
    let submodule = folder.path().join("in");
    git(&submodule, &["config", "filter.evil.clean", &run]);
    touch(&submodule.join("sub/file"));
    assert!(!revision(folder.path()).dirty);
    fs::write(submodule.join("sub/file"), "2").expect("write");
    assert!(revision(folder.path()).dirty);
    assert!(!trace.exists(), "something was run");
}

/// A repository with another one as a submodule; both.
fn with_submodule() -> (tempfile::TempDir, tempfile::TempDir) {
    let (inner, outer) = (repository(), repository());
    git(outer.path(), &["submodule", "add", "-q", &inner.path().display().to_string(), "in"]);
    commit(outer.path());
    // A later commit of it is not the recorded one.
    fs::write(inner.path().join("sub/file"), "2").expect("write");
    commit(inner.path());
    (inner, outer)
}

#[test]
fn submodules_are_cloned_at_the_commits_that_are_recorded() {
    let ((_inner, outer), into) = (with_submodule(), tempfile::tempdir().expect("folder"));
    let (address, root) = (outer.path().display().to_string(), into.path().join("source"));
    let commit = revision(outer.path()).commit;
    clone(&address, &commit, &root).expect("cloned");
    assert!(!root.join("in/sub/file").exists());
    clone_submodules(&address, &root).expect("cloned, too");
    assert_eq!(fs::read_to_string(root.join("in/sub/file")).expect("there"), "1");
    assert!(!revision(&root).dirty);
    let plain = repository();
    clone_submodules("https://example.com/x", plain.path()).expect("there are none");
}

#[test]
fn a_repository_from_elsewhere_gets_nothing_of_this_machine() {
    let ((_inner, outer), into) = (with_submodule(), tempfile::tempdir().expect("folder"));
    let (address, root) = (outer.path().display().to_string(), into.path().join("source"));
    clone(&address, &revision(outer.path()).commit, &root).expect("cloned");
    for elsewhere in ["https://example.com/x", "ssh://git@example.com/x", "git@example.com:x"] {
        let error = clone_submodules(elsewhere, &root).expect_err(elsewhere);
        assert_eq!(error.kind(), crate::error::Kind::Network);
        assert!(error.causes()[0].contains("transport 'file' not allowed"), "{error:?}");
        assert!(!root.join("in/sub/file").exists(), "{elsewhere}");
    }
}
