//! The same inputs give the same bytes, and a change changes what it must and nothing else.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;

use containerize_tests::fixture::manifest;
use containerize_tests::layout::Layout;
use containerize_tests::program::{Project, can_build};

const FILES: [(&str, &str); 5] = [
    ("src/main.rs", "mod shout;\nfn main() { shout::shout(&std::env::args().collect::<Vec<_>>()) }"),
    ("src/shout.rs", "pub fn shout(words: &[String]) { println!(\"{}\", words[3]) }"),
    ("conf/b.toml", "b = 1"),
    ("conf/a/deep.toml", "a = 1"),
    ("conf/z", "z"),
];

fn table() -> String {
    manifest(
        "app",
        "[package.metadata.containerize]\nfiles = [{ from = 'conf', to = '/etc/app' }]\nvolumes = ['/data']\n\
         env = { B = '1', A = '2' }\n",
    )
}

#[test]
fn neither_place_nor_time_nor_user_shows() {
    if !can_build() {
        return;
    }
    let manifest = table();
    let one = Project::new(&[&[("Cargo.toml", manifest.as_str())], &FILES[..]].concat());
    let first = one.call(["-o", "oci:out", "--jobs", "1"]).env("TZ", "UTC").succeed();

    let reversed: Vec<_> = FILES.into_iter().rev().chain([("Cargo.toml", manifest.as_str())]).collect();
    let two = Project::new(&reversed);
    #[cfg(unix)]
    for (path, _) in FILES {
        fs::set_permissions(two.at(path), fs::Permissions::from_mode(0o600)).expect("chmod");
    }
    #[cfg(unix)]
    fs::set_permissions(two.at("conf/a"), fs::Permissions::from_mode(0o700)).expect("chmod");
    let second = two.call(["-o", "oci:out", "--jobs", "3"]).umask("077").env("CARGO_HOME", two.at("home"));
    let second =
        second.env("TZ", "Asia/Kathmandu").env("LC_ALL", "C.UTF-8").env("LANG", "tr_TR.UTF-8").succeed();
    assert_eq!(first.digest(), second.digest());
    Layout::read(&two.at("out"));
}

#[test]
fn a_second_build_is_the_same_with_and_without_the_cache() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    let digest = project.call(["--quiet"]).succeed().digest();
    assert_eq!(project.call(["--quiet"]).succeed().digest(), digest);
    assert_eq!(project.call(["--quiet", "--no-cache"]).succeed().digest(), digest);
    fs::remove_dir_all(project.at("target")).expect("removed");
    assert_eq!(project.call(["--quiet"]).succeed().digest(), digest);
}

fn layers(project: &Project) -> Vec<String> {
    project.call(["--quiet", "-o", "oci:out"]).succeed();
    let image = Layout::read(&project.at("out")).only();
    image.layer_digests().into_iter().map(str::to_owned).collect()
}

#[test]
fn a_change_changes_its_own_layer_only() {
    if !can_build() {
        return;
    }
    let project = Project::new(&[&[("Cargo.toml", table().as_str())], &FILES[..]].concat());
    let before = layers(&project);
    assert_eq!(before.len(), 3, "the base, the files, the program");
    project.write(&[("conf/b.toml", "b = 2")]);
    let other_file = layers(&project);
    assert_eq!((&other_file[0], &other_file[2]), (&before[0], &before[2]));
    assert_ne!(other_file[1], before[1]);
    project.write(&[("src/shout.rs", "pub fn shout(words: &[String]) { println!(\"{}!\", words[7]) }")]);
    let other_source = layers(&project);
    assert_eq!(other_source[..2], other_file[..2]);
    assert_ne!(other_source[2], other_file[2]);
    project.write(&[FILES[1], FILES[2]]);
    assert_eq!(layers(&project), before, "back to what it was");
}

#[test]
fn an_image_does_not_depend_on_what_is_built_beside_it() {
    if !can_build() {
        return;
    }
    let depends =
        |name, on: &str| manifest(name, &format!("[dependencies]\ncommon = {{ path = '../common'{on} }}\n"));
    let main = "fn main() { println!(\"{}\", common::f()) }";
    let project = Project::new(&[
        ("Cargo.toml", "[workspace]\nresolver = '2'\nmembers = ['a', 'b', 'common']\n"),
        ("a/Cargo.toml", &depends("a", ", features = ['f']")),
        ("a/src/main.rs", main),
        ("b/Cargo.toml", &depends("b", "")),
        ("b/src/main.rs", main),
        ("common/Cargo.toml", &manifest("common", "[features]\nf = []\n")),
        ("common/src/lib.rs", "pub fn f() -> bool { cfg!(feature = \"f\") }"),
    ]);
    let together = project.call(["--quiet", "--workspace", "-o", "oci:out"]).succeed();
    let alone = project.call(["--quiet", "-p", "b", "-o", "oci:alone"]).succeed().digest();
    assert!(together.stdout().contains(&alone), "{} and {alone}", together.stdout());
}

#[test]
fn a_package_beside_the_project_leaves_no_trace_of_its_place() {
    if !can_build() {
        return;
    }
    let digest = |place: &str| {
        let project = Project::new(&[
            (&format!("{place}/lib/Cargo.toml"), &manifest("lib", "")),
            (&format!("{place}/lib/src/lib.rs"), "pub fn f() -> &'static str { file!() }"),
            (
                &format!("{place}/app/Cargo.toml"),
                &manifest("app", "[dependencies]\nlib = { path = '../lib' }\n[workspace]\n"),
            ),
            (&format!("{place}/app/src/main.rs"), "fn main() { println!(\"{}\", lib::f()) }"),
        ]);
        let done = project.call(["--quiet", "-C", &format!("{place}/app")]).succeed();
        assert!(!done.stderr().contains("paths of this machine"), "{}", done.stderr());
        done.digest()
    };
    assert_eq!(digest("one"), digest("quite another"));
}

/// Runs git as somebody.
fn git(project: &Project, arguments: &[&str]) {
    let mut git = std::process::Command::new("git");
    git.arg("-C").arg(project.path()).args(["-c", "user.name=u", "-c", "user.email=u@example.com"]);
    assert!(git.args(arguments).status().expect("git").success(), "{arguments:?}");
}

#[test]
fn what_calls_leave_behind_does_not_change_the_next_image() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    git(&project, &["init", "-q"]);
    git(&project, &["add", "."]);
    git(&project, &["commit", "-q", "-m", "x"]);
    let digest = |output: &str| project.call(["--quiet", "-o", output]).succeed().digest();
    let first = digest("docker-archive:image.tar");
    for output in ["oci-archive:out/image.tar", "oci:layout", "oci:target/x"] {
        assert_eq!(digest(output), first, "{output}");
    }
    project.write(&[("new.rs", "")]);
    assert_ne!(digest("oci:layout"), first, "a new file of the source");
}

#[test]
fn a_lock_that_cargo_must_change_makes_the_revision_dirty_at_once() {
    if !can_build() {
        return;
    }
    let project = Project::app("");
    project.write(&[
        ("Cargo.toml", &manifest("app", "").replace("1.0.0", "1.0.1")),
        (".gitignore", "/target\n"),
    ]);
    git(&project, &["init", "-q"]);
    git(&project, &["add", "."]);
    git(&project, &["commit", "-q", "-m", "x"]);
    let digest = || project.call(["--quiet"]).succeed().digest();
    assert_eq!(digest(), digest());
}
