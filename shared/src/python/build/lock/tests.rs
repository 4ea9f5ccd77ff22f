use super::*;
use crate::error::Kind;
use crate::python::build::fakes::Machine;

const HASHES: &str = "hashes = {sha256 = \"00\"}";

fn package(name: &str, hashes: &str) -> String {
    format!("[[packages]]\nname = \"{name}\"\nversion = \"1\"\n[[packages.wheels]]\nurl = \"u\"\n{hashes}\n")
}

/// Writes the text as the lock, wherever the tool was told to.
fn writes(text: &str) -> String {
    format!(
        "while [ $# -gt 0 ]; do case $1 in --output*) out=$2;; esac; shift; done\ncat > $out <<'X'\n{text}\nX"
    )
}

async fn make(machine: &Machine, extras: &[&str], groups: &[&str]) -> Result<Locked> {
    make_for(machine, extras, groups, Some("3.12".parse().expect("version"))).await
}

async fn make_for(
    machine: &Machine,
    extras: &[&str],
    groups: &[&str],
    python: Option<PythonVersion>,
) -> Result<Locked> {
    let strings = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let (extras, groups, indexes) = (strings(extras), strings(groups), index::Options::default());
    let host = Host::find(&machine.variables(), machine.project());
    let request = LockRequest {
        dir: machine.project(),
        extras: &extras,
        groups: &groups,
        pins: None,
        python,
        interpreter: None,
        oldest: Some("3.10".parse().expect("version")),
        indexes: &indexes,
        offline: false,
    };
    Ok(make_lock(&host, request, &Events::silent()).await?.expect("a lock"))
}

/// The lock without what it says of how it was made, and that.
fn split_record(path: &Path) -> (String, Made) {
    let text = fs::read_to_string(path).expect("lock");
    let (lock, _) = text.split_once("[tool.containerize]").expect("a record");
    let table: Table = text.parse().expect("TOML");
    let made = table["tool"]["containerize"].clone().try_into().expect("a record");
    (lock.to_owned(), made)
}

fn left(machine: &Machine) -> Vec<String> {
    let entries = fs::read_dir(machine.project()).expect("project").flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn uv_locks_for_all_platforms_and_only_what_is_asked_for() {
    let machine = Machine::new();
    machine.file("pyproject.toml", "[project]\nname = 'a'\ndependencies = ['b']");
    let lock = format!("lock-version = \"1.0\"\n{}", package("b", HASHES));
    machine.program("uv", &writes(&lock));
    let made = make(&machine, &["web"], &["prod"]).await.expect("locked");
    assert_eq!(made, Locked { path: machine.project().join("pylock.toml"), packages: 1, tool: "uv" });
    let (as_uv_wrote_it, record) = split_record(&made.path);
    assert_eq!(as_uv_wrote_it.trim(), lock.trim());
    assert_eq!((record.from, record.python.as_deref()), (vec!["pyproject.toml".to_owned()], Some("3.12")));
    assert_eq!((record.extras, record.groups), (["web".to_owned()].into(), ["prod".to_owned()].into()));
    assert_eq!(left(&machine), ["pylock.toml", "pyproject.toml"]);
    let call = machine.calls().remove(0);
    for words in
        ["uv pip compile pyproject.toml --universal", "--extra web --group prod --python-version 3.12"]
    {
        assert!(call.contains(words), "{call}");
    }
}

#[tokio::test]
async fn the_python_of_this_machine_does_not_limit_the_lock_of_uv() {
    let machine = Machine::new();
    machine.file("requirements.txt", "b");
    machine.program("uv", &writes(&format!("lock-version = \"1.0\"\n{}", package("b", HASHES))));
    make_for(&machine, &[], &[], None).await.expect("locked");
    let call = machine.calls().remove(0);
    assert!(call.ends_with("--python-version 3.10"), "{call}");
}

#[tokio::test]
async fn a_lock_that_is_of_no_use_replaces_nothing() {
    for (lock, why) in [
        (format!("lock-version = \"1.0\"\n{}", package("b", "")), "a file of b has no hash in it"),
        ("lock-version = \"2.0\"".to_owned(), "its lock-version is \"2.0\", not 1.0"),
        ("packages = []".to_owned(), "its lock-version is \"\", not 1.0"),
        ("lock-version = \"1.0\"\npackages = 1".to_owned(), "its packages are not a list"),
        ("no toml".to_owned(), "TOML parse error"),
    ] {
        let machine = Machine::new();
        machine.file("requirements.txt", "b");
        machine.file("pylock.toml", "old");
        machine.program("uv", &writes(&lock));
        let error = make(&machine, &[], &[]).await.expect_err("refused");
        assert_eq!(error.to_string(), "the lock that uv made is unusable");
        assert!(error.causes().concat().contains(why), "{error:?}");
        assert_eq!(left(&machine), ["pylock.toml", "requirements.txt"]);
        assert_eq!(fs::read_to_string(machine.project().join("pylock.toml")).expect("lock"), "old");
    }
}

#[tokio::test]
async fn a_failure_shows_what_the_resolver_said() {
    let machine = Machine::new();
    machine.file("setup.py", "");
    machine.program("uv", "echo 'No solution found' >&2; exit 1");
    let error = make(&machine, &[], &[]).await.expect_err("fails");
    assert_eq!((error.kind(), error.causes().remove(0).as_str()), (Kind::Build, "No solution found"));
    assert!(machine.calls().remove(0).contains("uv pip compile setup.py"));
    let log = error.hint_text().and_then(|hint| hint.rsplit(' ').next()).expect("the log").to_owned();
    assert_eq!(fs::read_to_string(&log).expect("the log is kept"), "No solution found\n");
    fs::remove_file(log).expect("removed");
}

#[tokio::test]
async fn pip_locks_for_itself_and_without_the_project() {
    let machine = Machine::new();
    machine.file("pyproject.toml", "[project]\nname = 'a'\ndependencies = ['b']");
    let itself = "[[packages]]\nname = \"a\"\n[packages.directory]\npath = \".\"\n";
    let lock = format!("lock-version = \"1.0\"\n{itself}{}", package("b", HASHES));
    machine.python_with("python3", "3.12.1", "linux-x86_64", &writes(&lock), "25.1");
    let made = make(&machine, &["web", "db"], &[]).await.expect("locked");
    assert_eq!((made.packages, made.tool), (1, "pip"));
    let lock = fs::read_to_string(&made.path).expect("lock");
    assert!(lock.contains("name = \"b\"") && !lock.contains("directory"), "{lock}");
    let call = machine.calls().pop().expect("a call");
    assert!(call.starts_with("python3 -m pip lock") && call.ends_with(" .[web,db]"), "{call}");
}

#[tokio::test]
async fn an_old_pip_is_no_tool() {
    let machine = Machine::new();
    machine.file("requirements.txt", "b");
    machine.python_with("python3", "3.12.1", "linux-x86_64", "exit 1", "25.0.1");
    let error = make(&machine, &[], &[]).await.expect_err("refused");
    assert!(error.to_string().starts_with("found no tool to make a lock"), "{error}");
    assert_eq!(error.hint_text(), Some("install uv, for example with: pip install uv"));
}

#[test]
fn the_file_that_names_dependencies_is_the_one() {
    let project = "[project]\nname = 'a'";
    let dynamic = "[project]\nname = 'a'\ndynamic = ['dependencies']";
    for (files, expected) in [
        (&[("pyproject.toml", project)][..], Ok("pyproject.toml")),
        (&[("pyproject.toml", project), ("requirements.txt", "")], Ok("requirements.txt")),
        (&[("pyproject.toml", dynamic), ("requirements.txt", "")], Ok("pyproject.toml")),
        (
            &[("pyproject.toml", "[tool.poetry.dependencies]\nb = '1'"), ("setup.py", "")],
            Ok("pyproject.toml"),
        ),
        (&[("pyproject.toml", "[tool.ruff]"), ("setup.py", "")], Ok("setup.py")),
        (&[("requirements.txt", ""), ("requirements.in", "")], Ok("requirements.in")),
        (&[("setup.cfg", "")], Ok("setup.cfg")),
        (&[("pyproject.toml", "[tool.ruff]")], Err(Kind::Usage)),
        (&[("pyproject.toml", "[")], Err(Kind::Usage)),
        (&[], Err(Kind::Usage)),
    ] {
        let folder = tempfile::tempdir().expect("folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("file");
        }
        let found = input(folder.path()).map(|input| input.file().to_owned()).map_err(|error| error.kind());
        assert_eq!(found.as_deref(), expected.as_ref().copied(), "{files:?}");
    }
}

/// Completes the pins in `requirements.txt` with what uv says.
async fn complete(machine: &Machine, lock: &str) -> Result<Option<Locked>> {
    machine.program("uv", &writes(&format!("lock-version = \"1.0\"\ncreated-by = \"uv\"\n{lock}")));
    let path = machine.project().join("requirements.txt");
    let pins = crate::python::lock::read(&path, crate::python::lock::LockKind::Requirements).expect("pins");
    let host = Host::find(&machine.variables(), machine.project());
    let request = LockRequest {
        dir: machine.project(),
        extras: &[],
        groups: &[],
        pins: Some(&pins),
        python: None,
        interpreter: None,
        oldest: Some("3.10".parse().expect("version")),
        indexes: &index::Options::default(),
        offline: false,
    };
    make_lock(&host, request, &Events::silent()).await
}

fn hashed(name: &str, digits: &[&str]) -> String {
    let wheel = |digit: &&str| {
        let (file, hash) = (format!("{name}-1-py3-none-{digit}.whl"), digit.repeat(64));
        format!("{{ name = \"{file}\", url = \"https://i/{file}\", hashes = {{ sha256 = \"{hash}\" }} }}")
    };
    let wheels: Vec<String> = digits.iter().map(wheel).collect();
    format!("[[packages]]\nname = \"{name}\"\nversion = \"1\"\nwheels = [{}]\n", wheels.join(", "))
}

#[tokio::test]
async fn pins_are_completed_and_what_is_complete_stays() {
    let machine = Machine::new();
    machine.file("requirements.txt", "b==1\n");
    let (b, c) = (hashed("b", &["1"]), hashed("c", &["2"]));
    assert_eq!(complete(&machine, &b).await.expect("looked at"), None);
    let elsewhere = c.replace("version", "marker = \"sys_platform == 'win32'\"\nversion");
    assert_eq!(complete(&machine, &format!("{b}{elsewhere}")).await.expect("looked at"), None);
    assert_eq!(left(&machine), ["requirements.txt"]);
    let made = complete(&machine, &format!("{b}{c}")).await.expect("locked").expect("a lock");
    assert_eq!(made.packages, 2);
    assert_eq!(split_record(&made.path).1.from, ["requirements.txt"]);
    assert!(machine.calls().pop().expect("a call").contains("pip compile requirements.txt --universal"));
    assert!(complete(&machine, &b).await.expect("locked").is_some(), "one that is there is made anew");
}

#[tokio::test]
async fn what_the_project_says_itself_counts_beside_its_pins() {
    let machine = Machine::new();
    machine.file("requirements.txt", "b==1\n");
    machine.file("pyproject.toml", "[project]\nname = 'a'\ndependencies = ['c']");
    complete(&machine, &hashed("c", &["1"])).await.expect("locked").expect("a lock");
    let call = machine.calls().pop().expect("a call");
    assert!(call.contains("pip compile pyproject.toml requirements.txt --universal"), "{call}");
}

#[tokio::test]
async fn digests_that_were_pinned_stay_pinned() {
    let machine = Machine::new();
    let pin = |digit: &str| format!("b==1 --hash=sha256:{}\n", digit.repeat(64));
    machine.file("requirements.txt", &pin("2"));
    let lock = format!("{}{}", hashed("b", &["1", "2", "3"]), hashed("c", &["1"]));
    let made = complete(&machine, &lock).await.expect("locked").expect("a lock");
    let text = fs::read_to_string(&made.path).expect("lock");
    let digits = ["1", "2", "3"].map(|digit| text.contains(&format!("b-1-py3-none-{digit}.whl")));
    assert_eq!(digits, [false, true, false]);
    machine.file("requirements.txt", &pin("4"));
    let error = complete(&machine, &lock).await.expect_err("refused");
    assert!(
        error.causes().concat().contains("no file of b has a digest that the requirements pin"),
        "{error:?}"
    );
}

#[tokio::test]
async fn without_a_tool_pins_are_left_to_the_build() {
    let machine = Machine::new();
    machine.file("requirements.txt", "b==1\n");
    let pins = crate::python::lock::read(
        &machine.project().join("requirements.txt"),
        crate::python::lock::LockKind::Requirements,
    );
    let pins = pins.expect("pins");
    let host = Host::find(&machine.variables(), machine.project());
    let request = LockRequest {
        dir: machine.project(),
        extras: &[],
        groups: &[],
        pins: Some(&pins),
        python: None,
        interpreter: None,
        oldest: None,
        indexes: &index::Options::default(),
        offline: false,
    };
    assert_eq!(make_lock(&host, request, &Events::silent()).await.expect("stays"), None);
}

#[tokio::test]
async fn files_of_this_machine_are_named_by_their_paths() {
    let machine = Machine::new();
    machine.file("requirements.in", "b");
    let project = machine.project().canonicalize().expect("there");
    let wheel = |dir: &str| hashed("b", &["1"]).replace("https://i/", &format!("file://{dir}/"));
    for (dir, path) in [(project.join("wheels").display().to_string(), "wheels/"), ("/else".into(), "/else/")]
    {
        machine.program("uv", &writes(&format!("lock-version = \"1.0\"\n{}", wheel(&dir))));
        let made = make(&machine, &[], &[]).await.expect("locked");
        let lock = fs::read_to_string(&made.path).expect("lock");
        assert!(lock.contains(&format!("path = \"{path}b-1-")) && !lock.contains("file:"), "{lock}");
    }
}

#[tokio::test]
async fn uv_resolves_with_a_python_that_is_here_and_gets_another_only_where_one_must_build() {
    let machine = Machine::new();
    machine.file("requirements.in", "b");
    machine.python("python3", "3.12.1", "linux-x86_64");
    let lock = writes(&format!("lock-version = \"1.0\"\n{}", hashed("b", &["1"])));
    machine.program("uv", &format!("test \"$UV_PYTHON_DOWNLOADS\" = never || exit 1\n{lock}"));
    make(&machine, &[], &[]).await.expect("locked");
    machine.program(
        "uv",
        &format!("test -z \"$UV_PYTHON_DOWNLOADS\" || {{ echo 'Failed to build c'; exit 1; }}\n{lock}"),
    );
    make(&machine, &[], &[]).await.expect("locked at the second attempt");
    machine.program("uv", "test -z \"$UV_PYTHON_DOWNLOADS\" && exit 3; echo 'No solution'; exit 1");
    let error = make(&machine, &[], &[]).await.expect_err("fails");
    assert_eq!(error.causes(), ["No solution"]);
}
