use super::*;
use crate::python::build::fakes::Machine;

fn version(minor: u32) -> PythonVersion {
    PythonVersion { major: 3, minor, micro: 0 }
}

fn find(machine: &Machine) -> Host {
    Host::find(&machine.variables(), machine.project())
}

#[test]
fn a_stand_in_that_does_not_work_is_passed_over() {
    let machine = Machine::new();
    machine.program("python3.13", "exit 127");
    machine.program("python3", "echo no answer");
    assert_eq!(find(&machine).python(version(13)), None);
    assert_eq!(find(&machine).any_python(|_| true), None);
    machine.python("python", "3.13.2", "linux-x86_64");
    let found = find(&machine).python(version(13)).expect("the one that works");
    assert_eq!(found.path, machine.bin().join("python"));
    assert_eq!(found.version.to_string(), "3.13.2");
    assert_eq!(found.libc, Some(Libc::Glibc { major: 2, minor: 36 }));
    assert_eq!(found.machine().as_deref(), Some("x86_64"));
}

#[test]
fn names_of_other_versions_are_not_even_asked() {
    let machine = Machine::new();
    machine.python("python3.11", "3.11.1", "linux-x86_64");
    machine.python("python3.12", "3.12.1", "linux-x86_64");
    let host = find(&machine);
    assert_eq!(host.python(version(11)).expect("found").version.minor, 11);
    assert_eq!(host.python(version(11)).expect("remembered").version.minor, 11);
    assert_eq!(machine.calls(), ["python3.11 -I -c"]);
}

#[test]
fn the_projects_environment_comes_first_and_the_highest_version_next() {
    let machine = Machine::new();
    for minor in [9, 12, 11] {
        machine.python(&format!("python3.{minor}"), &format!("3.{minor}.0"), "linux-x86_64");
    }
    assert_eq!(find(&machine).any_python(|_| true).expect("found").version.minor, 12);
    machine.python_at(&machine.project().join(".venv/bin"), "python", "3.10.4", "linux-x86_64");
    assert_eq!(find(&machine).any_python(|_| true).expect("found").version.minor, 10);
    let modern = |python: &Python| python.version.minor > 10;
    assert_eq!(find(&machine).any_python(modern).expect("found").version.minor, 12);
}

#[test]
fn pyenv_and_uv_keep_theirs_elsewhere() {
    let machine = Machine::new();
    let home = machine.home();
    machine.python_at(&home.join(".pyenv/versions/3.9.1/bin"), "python3.9", "3.9.1", "linux-aarch64");
    machine.python_at(&home.join(".local/share/uv/python/cpython-3.14.0/bin"), "python3.14", "3.14.0", "x");
    let host = find(&machine);
    assert_eq!(host.python(version(9)).expect("pyenv").machine().as_deref(), Some("aarch64"));
    assert_eq!(host.python(version(14)).expect("uv").machine(), None);
}

#[test]
fn too_old_ones_and_other_implementations_build_nothing() {
    let machine = Machine::new();
    machine.python("python3.6", "3.6.15", "linux-x86_64");
    machine.program(
        "python3",
        "echo '{\"implementation\": \"pypy\", \"version\": [3, 11, 1], \"platform\": \
         \"linux-x86_64\", \"libc\": [\"\", \"\"], \"pip\": null, \"build\": null}'",
    );
    assert_eq!(find(&machine).any_python(|_| true), None);
    assert_eq!(find(&machine).python(version(11)), None);
}

#[test]
fn folders_relative_to_here_are_not_searched() {
    let variables = BTreeMap::from([("PATH".to_owned(), "bin:.:".to_owned())]);
    let host = Host::find(&variables, Path::new("/"));
    assert_eq!((host.uv(), host.git(), host.any_python(|_| true)), (None, None, None));
}
