use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A project of empty files; a name with `=` has content.
fn project(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    for file in files {
        let (name, text) = file.split_once('=').unwrap_or((file, ""));
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

fn options(include: &[&str], exclude: &[&str]) -> SourceOptions {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    SourceOptions { include: owned(include), exclude: owned(exclude), ..SourceOptions::default() }
}

fn found(folder: &tempfile::TempDir, include: &[&str], exclude: &[&str]) -> SourceSet {
    sources(folder.path(), &options(include, exclude)).expect("sources")
}

fn places(set: &SourceSet) -> Vec<&str> {
    set.files.iter().map(|file| file.to.as_str()).collect()
}

fn left(set: &SourceSet) -> Vec<(&str, Reason)> {
    set.left_out.iter().map(|left| (left.path.as_str(), left.reason)).collect()
}

#[test]
fn everything_goes_in_but_what_never_belongs_there() {
    let folder = project(&[
        "pyproject.toml",
        "app/__init__.py",
        "app/__pycache__/x.pyc",
        "app/static/site.css",
        "tests/test_app.py",
        ".git/config",
        ".venv/pyvenv.cfg",
        ".venv/lib/x.py",
        ".env",
        ".env.example",
        "deploy/tls.key",
        "dist/app-1.tar.gz",
        "out/oci-layout",
        "out/index.json",
    ]);
    let set = found(&folder, &[], &[]);
    assert_eq!(
        places(&set),
        [".env.example", "app/__init__.py", "app/static/site.css", "pyproject.toml", "tests/test_app.py"]
    );
    assert_eq!(
        left(&set),
        [
            (".env", Reason::Secret),
            (".git", Reason::Repository),
            (".venv", Reason::Environment),
            ("app/__pycache__", Reason::Cache),
            ("deploy/tls.key", Reason::Secret),
            ("dist", Reason::Output),
            ("out", Reason::Output),
        ]
    );
    assert_eq!(set.words()[0], "left out, secrets: .env, deploy/tls.key");
    assert_eq!(set.words().len(), 5);
}

#[test]
fn lock_files_of_the_project_go_in_where_they_are_asked_for() {
    let folder = project(&[
        "uv.lock",
        "pylock.api.toml",
        "pylock.toml",
        "containerize.lock",
        "sub/uv.lock",
        "a.lock",
        "pylock.py",
    ]);
    assert_eq!(places(&found(&folder, &[], &[])), ["a.lock", "pylock.py", "sub/uv.lock"]);
    assert!(found(&folder, &[], &[]).left_out.is_empty(), "nobody misses them");
    assert_eq!(places(&found(&folder, &["uv.lock", "*.py"], &[])), ["pylock.py", "uv.lock"]);
    assert!(places(&found(&folder, &[], &["!uv.lock"])).contains(&"uv.lock"), "given back");
}

#[test]
fn places_are_ordered_by_bytes_not_by_folders() {
    let folder = project(&["a/b", "a.b", "a-b", "B"]);
    assert_eq!(places(&found(&folder, &[], &[])), ["B", "a-b", "a.b", "a/b"]);
}

#[test]
fn git_ignores_count_with_and_without_a_repository() {
    let folder = project(&[
        ".gitignore=*.log\n/local\n!keep.log\n",
        "a.log",
        "keep.log",
        "local/x",
        "sub/local/x",
        "sub/.gitignore=!b.log\nsecretless\n",
        "sub/b.log",
        "sub/c.log",
        "sub/secretless/x",
        ".ignore=ripgrep\n",
        "ripgrep",
    ]);
    let expected = [".gitignore", ".ignore", "keep.log", "sub/.gitignore", "sub/b.log", "sub/local/x"];
    assert_eq!(places(&found(&folder, &[], &[])), expected);
    assert!(found(&folder, &[], &[]).left_out.is_empty(), "the user knows what is ignored");
    fs::create_dir(folder.path().join(".git")).expect("made");
    assert_eq!(places(&found(&folder, &[], &[])), expected);
}

#[test]
fn ignore_files_above_count_up_to_the_repositorys_root() {
    let folder = project(&[
        ".gitignore=*.top\n",
        "repo/.git/HEAD",
        "repo/.gitignore=*.tmp\n/services/api/generated\n",
        "repo/services/api/main.py",
        "repo/services/api/x.tmp",
        "repo/services/api/x.top",
        "repo/services/api/generated/y",
    ]);
    let set = sources(&folder.path().join("repo/services/api"), &SourceOptions::default()).expect("sources");
    assert_eq!(places(&set), ["main.py", "x.top"]);
}

#[test]
fn what_git_ignores_on_this_machine_alone_does_not_count() {
    let folder = project(&[".git/info/exclude=*.py\n", "a.py"]);
    assert_eq!(places(&found(&folder, &[], &[])), ["a.py"]);
}

#[test]
fn dockers_file_has_dockers_rules_and_outweighs_git() {
    let folder = project(&[
        ".dockerignore=*.md\n!keep.md\ndocs\n!docs/api/*.txt\n!web/built\n",
        ".gitignore=built/\n",
        "README.md",
        "keep.md",
        "sub/OTHER.md",
        "docs/x.txt",
        "docs/api/y.txt",
        "web/built/app.js",
        "other/built/app.js",
    ]);
    let expected =
        [".dockerignore", ".gitignore", "docs/api/y.txt", "keep.md", "sub/OTHER.md", "web/built/app.js"];
    assert_eq!(places(&found(&folder, &[], &[])), expected);
    fs::write(folder.path().join(".containerignore"), "*\n!keep.md\n").expect("written");
    assert_eq!(places(&found(&folder, &[], &[])), ["keep.md"], "it counts alone");
}

#[test]
fn includes_choose_sub_trees() {
    let folder =
        project(&["services/api/main.py", "services/web/main.py", "libs/common/x.py", "pyproject.toml"]);
    let set = found(&folder, &["services/api", "libs/*/*.py"], &[]);
    assert_eq!(places(&set), ["libs/common/x.py", "services/api/main.py"]);
}

#[test]
fn what_is_asked_for_goes_in_although_it_is_ignored() {
    let folder =
        project(&[".gitignore=gen\n*.bin\n", "gen/a.py", "gen/b.txt", "x.bin", "y.bin", "node_modules/m.js"]);
    assert_eq!(places(&found(&folder, &["gen/*.py", "x.bin"], &[])), ["gen/a.py", "x.bin"]);
    assert_eq!(places(&found(&folder, &["gen"], &[])), ["gen/a.py", "gen/b.txt"]);
    assert_eq!(places(&found(&folder, &[], &["!y.bin"])), [".gitignore", "y.bin"]);
    assert_eq!(places(&found(&folder, &["node_modules/m.js"], &[])), ["node_modules/m.js"]);
}

#[test]
fn a_secret_goes_in_only_by_its_name() {
    let folder = project(&["conf/.env", "conf/app.toml", "tls.key"]);
    assert_eq!(places(&found(&folder, &["conf", "*.key", "conf/*", "conf/.env*"], &[])), ["conf/app.toml"]);
    let set = found(&folder, &["conf/.env", "tls.key"], &[]);
    assert_eq!(places(&set), ["conf/.env", "tls.key"]);
    assert!(set.left_out.is_empty());
}

#[test]
fn repositories_and_environments_cannot_be_asked_for() {
    let folder = project(&[".git/HEAD", "env/pyvenv.cfg", "env/x.py"]);
    assert!(found(&folder, &[".git/HEAD", "env/x.py", "env"], &[]).files.is_empty());
}

#[test]
fn exclusions_outweigh_inclusions_but_not_their_own_exceptions() {
    let folder = project(&["src/a.py", "src/tests/b.py", "src/tests/data.json", "other"]);
    assert_eq!(places(&found(&folder, &["src"], &["tests"])), ["src/a.py"]);
    let set = found(&folder, &["src"], &["tests", "!src/tests/data.json"]);
    assert_eq!(places(&set), ["src/a.py", "src/tests/data.json"]);
}

#[test]
fn links_within_the_project_stay_links() {
    let folder = project(&["a/file", "b/x"]);
    let root = folder.path();
    symlink("../a/file", root.join("b/inside")).expect("link");
    symlink("a", root.join("folder")).expect("link");
    symlink("missing", root.join("broken")).expect("link");
    symlink("../../outside", root.join("b/outside")).expect("link");
    symlink("/etc/passwd", root.join("absolute")).expect("link");
    let set = found(&folder, &[], &[]);
    assert_eq!(places(&set), ["a/file", "b/inside", "b/x", "broken", "folder"]);
    assert_eq!(set.files[1].kind, SourceKind::Link { target: "../a/file".into() });
    assert_eq!(left(&set), [("absolute", Reason::LinkOutside), ("b/outside", Reason::LinkOutside)]);
}

#[test]
fn only_the_owners_bit_makes_a_file_executable() {
    let folder = project(&["run", "data", "odd"]);
    for (name, mode) in [("run", 0o700), ("data", 0o666), ("odd", 0o611)] {
        fs::set_permissions(folder.path().join(name), PermissionsExt::from_mode(mode)).expect("mode");
    }
    let bits: Vec<_> = found(&folder, &[], &[]).files.iter().map(|f| (f.to.clone(), f.executable)).collect();
    assert_eq!(bits, [("data".into(), false), ("odd".into(), false), ("run".into(), true)]);
}

#[test]
fn sockets_are_left_out_and_told() {
    let folder = project(&["app.py"]);
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("app.sock")).expect("socket");
    let set = found(&folder, &[], &[]);
    assert_eq!((places(&set), left(&set)), (vec!["app.py"], vec![("app.sock", Reason::Special)]));
}

#[test]
fn what_this_call_writes_is_no_source() {
    let folder = project(&["app.py", "image.tar", "images/x/blob"]);
    let outputs = vec![folder.path().join("image.tar"), folder.path().join("images/x")];
    let set =
        sources(folder.path(), &SourceOptions { outputs, ..SourceOptions::default() }).expect("sources");
    assert_eq!(places(&set), ["app.py"]);
}

#[test]
fn large_files_are_known() {
    let folder = project(&["small"]);
    fs::File::create(folder.path().join("model.bin")).expect("made").set_len(LARGE).expect("sized");
    let set = found(&folder, &[], &[]);
    assert_eq!(set.large().map(|file| file.to.as_str()).collect::<Vec<_>>(), ["model.bin"]);
}

#[test]
fn names_that_are_not_unicode_are_refused_unless_left_out() {
    use std::os::unix::ffi::OsStrExt;
    let folder = project(&["app.py", "node_modules/x"]);
    let odd = std::ffi::OsStr::from_bytes(b"\xff");
    fs::write(folder.path().join("node_modules").join(odd), "").expect("written");
    assert_eq!(places(&found(&folder, &[], &[])), ["app.py"]);
    fs::write(folder.path().join(odd), "").expect("written");
    let error = sources(folder.path(), &SourceOptions::default()).expect_err("refused");
    assert!(error.to_string().contains("is not valid Unicode"), "{error}");
}

#[test]
fn many_things_of_one_kind_are_counted() {
    let left_out = (0..9).map(|n| LeftOut { path: format!("{n}.key"), reason: Reason::Secret }).collect();
    let set = SourceSet { left_out, ..SourceSet::default() };
    assert_eq!(set.words(), ["left out, secrets: 0.key, 1.key, 2.key, 3.key and 5 more (listed with -v)"]);
}

/// Prints what is left out of the projects below the folder that `CONTAINERIZE_TEST_PROJECTS` names, to look
/// for false alarms.
#[test]
#[ignore = "wants a folder with real projects"]
fn what_real_projects_lose() {
    let folder = std::env::var_os("CONTAINERIZE_TEST_PROJECTS").expect("a folder with projects");
    let mut entries: Vec<_> = fs::read_dir(folder).expect("projects").flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for project in entries {
        let set = sources(&project.path(), &SourceOptions::default()).expect("sources");
        println!("{}: {} files", project.file_name().display(), set.files.len());
        for left in set.left_out {
            println!("    {} {}", left.reason.as_str(), left.path);
        }
    }
}

/// A folder as a Mac leaves it: names taken apart, what its file manager and its archives put beside, and two names
/// that only other systems tell apart.
#[test]
fn a_tree_of_macos_makes_the_image_of_linux() {
    let mac = project(&[
        "pyproject.toml",
        "cafe\u{301}/menu\u{308}.py=x",
        "cafe\u{301}/._menu\u{308}.py",
        "main.py",
        "._main.py",
        ".DS_Store",
        "cafe\u{301}/.DS_Store",
        "__MACOSX/._main.py",
        ".fseventsd/0",
        "Icons/a.png",
        "icons/a.png",
    ]);
    symlink("cafe\u{301}/menu\u{308}.py", mac.path().join("link.py")).expect("link");
    let linux =
        project(&["pyproject.toml", "caf\u{e9}/men\u{fc}.py=x", "main.py", "Icons/a.png", "icons/a.png"]);
    symlink("caf\u{e9}/men\u{fc}.py", linux.path().join("link.py")).expect("link");
    let told = |set: &SourceSet| {
        let files = set.files.iter().map(|file| (file.to.clone(), file.executable, file.kind.clone()));
        files.collect::<Vec<_>>()
    };
    let on_mac = sources_on(System::Mac, mac.path(), &SourceOptions::default()).expect("sources");
    assert_eq!(told(&on_mac), told(&found(&linux, &[], &[])));
    assert!(on_mac.left_out.iter().all(|left| left.reason == Reason::Leaving), "{:?}", on_mac.left_out);
    let clash = "Icons/a.png and icons/a.png are the same file on Windows and macOS";
    assert!(on_mac.words().iter().any(|word| word.contains(clash)), "{:?}", on_mac.words());
}
