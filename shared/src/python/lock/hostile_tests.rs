//! Locks that no tool would write. Each is refused with its reason; none does anything else.

use super::tests::{chosen, folder};
use super::*;
use crate::error::Kind;
use crate::system::System;

const GOOD: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn poetry(body: &str) -> (&'static str, String) {
    ("poetry.lock", format!("{}\n[metadata]\nlock-version = '2.1'\n", body.replace("GOOD", GOOD)))
}

fn poetry_file(file: &str, hash: &str) -> (&'static str, String) {
    poetry(&format!(
        "[[package]]\nname = 'a'\nversion = '1'\ngroups = ['main']\nfiles = [{{file = '{file}', hash = '{hash}'}}]"
    ))
}

fn poetry_package(words: &str) -> (&'static str, String) {
    poetry(&format!(
        "[[package]]\ngroups = ['main']\nfiles = [{{file = 'a-1.tar.gz', hash = 'GOOD'}}]\n{words}"
    ))
}

fn uv(body: &str) -> (&'static str, String) {
    let root = "[[package]]\nname = 'app'\nversion = '1'\nsource = { virtual = '.' }\n";
    ("uv.lock", format!("version = 1\n{root}{}", body.replace("GOOD", GOOD)))
}

fn pylock(body: &str) -> (&'static str, String) {
    ("pylock.toml", format!("lock-version = '1.0'\n{}", body.replace("GOOD", GOOD)))
}

fn pdm(body: &str) -> (&'static str, String) {
    let head = "[metadata]\nlock_version = '4.5.0'\nstrategy = ['inherit_metadata']\ngroups = ['default']\n";
    ("pdm.lock", format!("{head}{}", body.replace("GOOD", GOOD)))
}

fn requirements(body: &str) -> (&'static str, String) {
    ("requirements.txt", body.replace("GOOD", GOOD))
}

/// What is refused, and a part of the reason.
type Cases = Vec<((&'static str, String), &'static str)>;

fn broken_texts() -> Cases {
    let deep = format!("x = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = format!("[[package]]\nname = '{}'\nversion = '1'\ngroups = []", "a".repeat(9000));
    let parentheses = format!("{}os_name == 'x'{}", "(".repeat(5000), ")".repeat(5000));
    let many = format!("1{}", ".99999999999999999999".repeat(40));
    vec![
        (("poetry.lock", deep.clone()), "its structure is invalid"),
        (("uv.lock", deep.clone()), "its structure is invalid"),
        (("pylock.toml", deep), "its structure is invalid"),
        (("poetry.lock", "\0\u{1}".into()), "its structure is invalid"),
        (("poetry.lock", String::new()), "missing field `metadata`"),
        (poetry(&long), "a name has 9000 characters"),
        (poetry_package("name = '../../etc'\nversion = '1'"), "no valid name"),
        (poetry_package("name = 'a/b'\nversion = '1'"), "no valid name"),
        (poetry_package("name = ''\nversion = '1'"), "no valid name"),
        (poetry_package("name = 'a'\nversion = 'latest'"), "\"latest\" is not a valid version"),
        (poetry_package(&format!("name = 'a'\nversion = '{many}'")), "is not a valid version"),
        (poetry_package("name = 'a'\nversion = '1'\nmarkers = 'os_nam == 1'"), "its marker cannot be read"),
        (
            poetry_package(&format!("name = 'a'\nversion = '1'\nmarkers = \"{parentheses}\"")),
            "marker cannot be read",
        ),
        (
            poetry_package("name = 'a'\nversion = '1'\npython-versions = '>>3'"),
            "its constraint on the version of Python",
        ),
        (poetry_package("name = 'a'\nversion = 1"), "its structure is invalid"),
    ]
}

fn files_of_poetry() -> Cases {
    vec![
        (poetry_file("../a-1.tar.gz", GOOD), "is not a valid file name"),
        (poetry_file("/etc/passwd", GOOD), "is not a valid file name"),
        (poetry_file("..", GOOD), "is not a valid file name"),
        (poetry_file("x\\\\y-1.tar.gz", GOOD), "is not a valid file name"),
        (poetry_file("evil-1-py3-none-any.whl", GOOD), "belongs to another package"),
        (poetry_file("a-1.tar.gz", "md5:d41d8cd98f00b204e9800998ecf8427e"), "is not a strong digest"),
        (poetry_file("a-1.tar.gz", "sha256:xyz"), "is not a strong digest"),
        (
            poetry_file("a-1.tar.gz", "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            "is not a strong digest",
        ),
        (
            poetry("[[package]]\nname = 'a'\nversion = '1'\ngroups = ['main']\nfiles = []"),
            "no files to choose from",
        ),
        (
            poetry_package("name = 'a'\nversion = '1'\n[package.source]\ntype = 'ftp'\nurl = 'x'"),
            "unknown kind \"ftp\"",
        ),
        (
            poetry_package(
                "name = 'a'\nversion = '1'\n[package.source]\ntype = 'url'\nurl = 'file:///etc/shadow'",
            ),
            "not an address that can be fetched from",
        ),
        (
            poetry_package(
                "name = 'a'\nversion = '1'\n[package.source]\ntype = 'legacy'\nurl = 'gopher://h/'",
            ),
            "not an address that can be fetched from",
        ),
        (
            poetry_package(
                "name = 'a'\nversion = '1'\n[package.source]\ntype = 'git'\nurl = 'https://h/x'\nresolved_reference = 'main'",
            ),
            "not a full commit",
        ),
        (
            poetry_package(
                "name = 'a'\nversion = '1'\n[package.source]\ntype = 'git'\nurl = 'ext::sh -c id'\n\
                 resolved_reference = '9e7cbd756e61c92cd19f507ccc4bfc8f6814fa1b'",
            ),
            "not the address of a git repository",
        ),
        (
            poetry_package(
                "name = 'a'\nversion = '1'\n[package.source]\ntype = 'git'\nurl = '--upload-pack=x'\n\
                 resolved_reference = '9e7cbd756e61c92cd19f507ccc4bfc8f6814fa1b'",
            ),
            "not the address of a git repository",
        ),
        (
            poetry_package(
                "name = 'a'\nversion = '1'\n[package.source]\ntype = 'url'\nurl = 'https://h/a-1.zip'\nsubdirectory = '../x'",
            ),
            "leads out",
        ),
        (
            poetry(
                "[[package]]\nname = 'a'\nversion = '1'\ngroups = ['main']\nfiles = [{file = 'a-1.zip', hash = 'GOOD'}]\n\
                 [[package]]\nname = 'A'\nversion = '2'\ngroups = ['main']\nfiles = [{file = 'a-2.zip', hash = 'GOOD'}]",
            ),
            "the target would have it twice",
        ),
        (
            ("poetry.lock", "[metadata]\nlock-version = '1.1'".into()),
            "its format version is 1.1 without the hashes of files, but only 1.0",
        ),
        (("poetry.lock", "[metadata]\nlock-version = '3.0'".into()), "its format version is 3.0"),
        (("uv.lock", "version = 7".into()), "its format version is 7, but only 1"),
        (("uv.lock", "revision = 1".into()), "its format version is none"),
        (("pylock.toml", "lock-version = '2.0'".into()), "its format version is 2.0, but only 1.0"),
        (
            ("pdm.lock", "[metadata]\nlock_version = '2'".into()),
            "its format version is 2, but only 4.4 and 4.5",
        ),
        (("pdm.lock", "[metadata]\nlock_version = '4.5.0'".into()), "do not say which groups"),
    ]
}

fn packages_of_uv() -> Cases {
    vec![
        (uv("dependencies = [{ name = 'gone' }]"), "package gone: it is needed, but not in the lock"),
        (uv("[[package]]\nname = 'a'\nversion = '1'\nsource = { carrier-pigeon = 'x' }"), "unknown kind"),
        (
            uv("[[package]]\nname = 'a'\nversion = '1'\nsource = { registry = 'https://i/' }"),
            "no files to choose from",
        ),
        (
            uv("[[package]]\nname = 'a'\nversion = '1'\nsource = { registry = 'https://i/' }\n\
                sdist = { url = 'file:///etc/a-1.tar.gz', hash = 'GOOD' }"),
            "not an address that can be fetched from",
        ),
        (
            uv("[[package]]\nname = 'a'\nversion = '1'\nsource = { registry = 'https://i/' }\n\
                sdist = { url = 'https://i/%2e%2e%2fx.tar.gz', hash = 'GOOD' }"),
            "is not a valid file name",
        ),
        (
            uv("dependencies = [{ name = 'a' }]\n\
                [[package]]\nname = 'a'\nversion = '1'\nsource = { editable = 'x' }\n\
                [[package]]\nname = 'a'\nversion = '1'\nsource = { editable = 'x' }"),
            "the lock has several",
        ),
    ]
}

fn packages_of_pylock_and_pdm() -> Cases {
    vec![
        (pylock("[[packages]]\nname = 'a'\nversion = '1'"), "no files to choose from"),
        (
            pylock("[[packages]]\nname = 'a'\nsdist = { url = 'https://h/a-1.tar.gz', hashes = {} }"),
            "has no digest",
        ),
        (
            pylock(
                "[[packages]]\nname = 'a'\nsdist = { url = 'https://h/a-1.tar.gz', hashes = { md5 = 'd41d8cd98f00b204e9800998ecf8427e' } }",
            ),
            "not a strong digest",
        ),
        (pylock("[[packages]]\nname = 'a'\nsdist = { hashes = { sha256 = 'aa' } }"), "neither name nor URL"),
        (
            pylock(
                "[[packages]]\nname = 'a'\ndirectory = { path = 'x' }\narchive = { path = 'a.zip', hashes = {} }",
            ),
            "from several places at once",
        ),
        (
            pylock("[[packages]]\nname = 'a'\nvcs = { type = 'hg', url = 'https://h', commit-id = 'x' }"),
            "repository of the kind \"hg\"",
        ),
        (pylock("environments = [\"sys_platform == 'win32'\"]"), "was made for sys_platform == 'win32'"),
        (
            pylock("[[packages]]\nname = 'a'\nrequires-python = '<3.9'\ndirectory = { path = 'x' }"),
            "it needs Python <3.9, but the image has Python 3.13.5",
        ),
        (pdm("[[package]]\nname = 'a'\nversion = '1'\nhg = 'https://h'"), "repository that is not git"),
        (
            pdm("[[package]]\nname = 'a'\nversion = '1'\nfiles = [{file = 'a-1.zip', hash = 'md5:00'}]"),
            "not a strong digest",
        ),
        (pdm("[[metadata.targets]]\nrequires_python = '>=3.8,<3.10'"), "is for Python >=3.8,<3.10, not for"),
        (
            pdm("[[metadata.targets]]\nrequires_python = '>=3.8'\nplatform = 'windows_amd64'"),
            "on windows_amd64, not for",
        ),
    ]
}

fn lines_of_requirements() -> Cases {
    vec![
        (requirements("flask"), "line 1: flask has no exact version"),
        (requirements("a==1\nflask>=3,<4"), "line 2: flask has no exact version"),
        (requirements("flask==3.*"), "flask has no exact version"),
        (requirements("flask==3.0 --hash=md5:d41d8cd98f00b204e9800998ecf8427e"), "not a strong digest"),
        (requirements("a==1 --hash=GOOD\nb==2"), "line 2: it has no digest, but others have one"),
        (requirements("a==1\nA==2"), "a 1 is not what a==2 allows"),
        (requirements("-r requirements.txt"), "which includes this file"),
        (requirements("-r https://h/x.txt"), "which is not on this machine"),
        (requirements("-r gone.txt"), "which cannot be read"),
        (requirements("a @ git+https://h/x@main"), "line 1 cannot be read"),
        (requirements("https://h/x.whl?y"), "line 1 cannot be read"),
        (requirements("a==1 --frobnicate"), "line 1 cannot be read"),
        (requirements("--index-url file:///etc"), "not the address of an index"),
        (
            requirements("--extra-index-url https://${TOKEN}@h/simple"),
            "uses the variable TOKEN, which is not set",
        ),
        (requirements("a==${VERSION}"), "uses the variable VERSION, which is not set"),
        (requirements("a==1 ; os_nam == 'x'"), "line 1 cannot be read"),
        (requirements("a==1\n-c limits.txt"), "which cannot be read"),
        (requirements("./nameless"), "has no name"),
    ]
}

#[test]
fn each_hostile_lock_is_refused_with_its_reason() {
    let mut wrong = Vec::new();
    let cases = [
        broken_texts(),
        files_of_poetry(),
        packages_of_uv(),
        packages_of_pylock_and_pdm(),
        lines_of_requirements(),
    ]
    .concat();
    assert!(cases.len() >= 60, "{}", cases.len());
    for ((file, text), reason) in cases {
        let dir = folder(&[(file, &text)]);
        match chosen(dir.path(), file, &[]) {
            Ok(_) => wrong.push(format!("{reason:?} was taken")),
            Err(error) => {
                let mut said = error.to_string();
                said.extend(error.causes());
                if !said.contains(reason) || !matches!(error.kind(), Kind::Usage | Kind::Integrity) {
                    wrong.push(format!("{reason:?}: {error:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn circles_end() {
    let package = |name: &str, to: &str| {
        format!(
            "[[package]]\nname = '{name}'\nversion = '1'\nsource = {{ editable = '{name}' }}\n\
             dependencies = [{{ name = '{to}', extra = ['x'] }}]\n\
             [package.optional-dependencies]\nx = [{{ name = '{to}', extra = ['y'] }}]\ny = [{{ name = '{name}', extra = ['x'] }}]\n"
        )
    };
    let (file, text) = uv("dependencies = [{ name = 'a' }]\n");
    let text = format!("{text}{}{}", package("a", "b"), package("b", "a"));
    let dir = folder(&[(file, &text)]);
    assert_eq!(chosen(dir.path(), file, &[]).expect("a selection").len(), 2);

    let package = |name: &str, to: &str| {
        format!(
            "[[package]]\nname = '{name}'\nversion = '1'\nfiles = [{{file = '{name}-1.zip', hash = '{GOOD}'}}]\n\
             [package.dependencies]\n{to} = {{version = '*', extras = ['x', 'y'], optional = true, markers = \"extra == 'x' or extra == 'y'\"}}\n\
             [package.extras]\nx = ['{to}[y]']\ny = ['{to} (>=1)']\n"
        )
    };
    let text = format!("{}{}[metadata]\nlock-version = '2.0'\n", package("a", "b"), package("b", "a"));
    let project = "[tool.poetry.dependencies]\na = {version = '*', extras = ['x']}";
    let dir = folder(&[("poetry.lock", &text), ("pyproject.toml", project)]);
    assert_eq!(chosen(dir.path(), "poetry.lock", &[]).expect("a selection").len(), 2);
}

#[test]
fn a_walk_names_what_an_old_poetry_lock_lacks() {
    let text = format!(
        "[[package]]\nname = 'a'\nversion = '1'\nfiles = [{{file = 'a-1.zip', hash = '{GOOD}'}}]\n\
         [package.dependencies]\ngone = '>=2'\n[metadata]\nlock-version = '2.0'\n"
    );
    for (project, reason) in [
        ("a = '*'", "package gone: it is needed as >=2, but not in the lock"),
        ("b = '^1'", "package b: it is needed as ^1, but not in the lock"),
        ("a = 1", "is not a dependency"),
        ("a = '>>1'", "is not a dependency"),
        ("a = {version = '*', markers = 'x'}", "its marker cannot be read"),
    ] {
        let project = format!("[tool.poetry.dependencies]\npython = '^3.11'\n{project}");
        let dir = folder(&[("poetry.lock", &text), ("pyproject.toml", &project)]);
        let error = chosen(dir.path(), "poetry.lock", &[]).expect_err(reason).to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn weak_digests_beside_a_strong_one_do_no_harm() {
    let hex = GOOD.trim_start_matches("sha256:");
    let (file, text) = pylock(&format!(
        "[[packages]]\nname = 'a'\nsdist = {{ url = 'https://h/a-1.tar.gz', hashes = {{ md5 = 'x', sha256 = '{hex}' }} }}"
    ));
    let dir = folder(&[(file, &text)]);
    let found = chosen(dir.path(), file, &[]).expect("a selection");
    assert_eq!(found[0].files[0].hashes.len(), 1);
    assert_eq!(found[0].files[0].filename, "a-1.tar.gz");
}

#[test]
fn what_lies_outside_of_the_project_is_never_quoted() {
    let (outside, dir) = (folder(&[("token", "hunter2\n"), ("shadow", "root:*:hunter2\n")]), folder(&[]));
    // With slashes: pip, too, reads a backslash there as a quote.
    let place = |name: &str| {
        let path = outside.path().join(name).display().to_string();
        System::HERE.slashes(&path).into_owned()
    };
    let included = |line: &str| {
        let text = format!("{line} {}", place("shadow"));
        std::fs::write(dir.path().join("requirements.txt"), text).expect("file");
        read(&dir.path().join("requirements.txt"), LockKind::Requirements).expect_err("no requirements")
    };
    let shown = format!("{:?}", included("-r"));
    assert!(shown.contains("shadow line 1 cannot be read") && !shown.contains("hunter2"), "{shown}");
    let token = format!("-r {}", place("token"));
    std::fs::write(dir.path().join("requirements.txt"), token).expect("file");
    let error = read(&dir.path().join("requirements.txt"), LockKind::Requirements).expect_err("not pinned");
    assert_eq!(error.to_string(), "token line 1: the requirement has no exact version");
    for kind in [LockKind::Uv, LockKind::Poetry, LockKind::Pdm, LockKind::Pylock, LockKind::Requirements] {
        let lock = dir.path().join("linked.lock");
        let _ = std::fs::remove_file(&lock);
        #[cfg(unix)]
        std::os::unix::fs::symlink(outside.path().join("shadow"), &lock).expect("link");
        let shown = format!("{:?}", read(&lock, kind).expect_err("no lock"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn a_file_that_is_no_text_or_not_there_is_an_error() {
    let dir = folder(&[]);
    let path = dir.path().join("uv.lock");
    assert!(read(&path, LockKind::Uv).is_err());
    std::fs::write(&path, [0xff, 0xfe, 0x00]).expect("a file");
    let error = format!("{:?}", read(&path, LockKind::Uv).expect_err("no text"));
    assert!(error.contains("is not text in UTF-8"), "{error}");
}
