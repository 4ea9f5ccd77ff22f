use super::*;
use crate::oci::Platform;
use crate::python::Libc;

fn target(version: &str, platform: &str) -> Markers {
    Markers::of(&Interpreter {
        path: "/usr/local/bin/python3".into(),
        version: version.parse().expect("a version"),
        libc: Libc::Glibc { major: 2, minor: 36 },
        platform: platform.parse::<Platform>().expect("a platform"),
    })
}

fn names(words: &[&str]) -> Vec<Name> {
    words.iter().map(|word| word.parse().expect("a name")).collect()
}

fn holds(marker: &str) -> bool {
    asked(marker, &[], &[])
}

fn asked(marker: &str, extras: &[&str], groups: &[&str]) -> bool {
    let marker = Marker::parse(marker).expect(marker);
    marker.holds(&target("3.13.5", "linux/amd64"), &names(extras), &names(groups))
}

#[test]
fn the_target_answers_and_not_the_host() {
    let marker =
        Marker::parse("platform_machine == 'aarch64' and python_version < '3.10'").expect("a marker");
    assert!(marker.holds(&target("3.9.1", "linux/arm64/v8"), &[], &[]));
    assert!(!marker.holds(&target("3.13.5", "linux/arm64/v8"), &[], &[]));
    assert!(!marker.holds(&target("3.9.1", "linux/amd64"), &[], &[]));
    for (platform, machine) in [
        ("linux/386", "i686"),
        ("linux/arm/v7", "armv7l"),
        ("linux/arm/v6", "armv6l"),
        ("linux/ppc64le", "ppc64le"),
        ("linux/riscv64", "riscv64"),
    ] {
        assert_eq!(target("3.13.0", platform).platform_machine, machine);
    }
}

#[test]
fn versions_are_compared_as_versions() {
    assert!(holds("python_version >= '3.9'"), "as a text, 3.13 is less");
    assert!(holds("'3.9' < python_full_version") && !holds("python_full_version < '3.9'"));
    assert!(holds("python_full_version == '3.13.*'"));
    assert!(holds("implementation_version ~= '3.8'"));
    assert!(holds("python_version === '3.13'"));
}

#[test]
fn and_binds_tighter_than_or() {
    let (yes, no) = ("os_name == 'posix'", "os_name == 'nt'");
    assert!(holds(&format!("{yes} or {no} and {no}")));
    assert!(!holds(&format!("({yes} or {no}) and {no}")));
    assert!(holds(&format!("(({yes})or({no}))and({yes})")));
}

#[test]
fn older_names_and_both_quotes_are_read() {
    assert!(holds("os.name == \"posix\" and sys.platform == 'linux'"));
    assert!(holds("python_implementation == 'CPython' and platform.python_implementation == 'CPython'"));
    assert!(holds("platform.machine == 'x86_64' and platform.version == ''"));
    assert!(holds("\"it's\" != os_name"));
}

#[test]
fn extras_are_a_set() {
    assert!(asked("extra == 'Foo_Bar'", &["foo-bar", "other"], &[]));
    assert!(asked("extra == 'a' and extra == 'b'", &["a", "b"], &[]));
    assert!(!asked("extra != 'a'", &["a", "b"], &[]));
    assert!(holds("extra != 'a'"));
    assert!(!holds("extra == 'a'"));
    assert!(asked("'A.B' in extras and 'x' not in extras", &["a-b"], &[]));
    assert!(asked("'dev' in dependency_groups", &["x"], &["dev"]));
    assert!(!asked("'dev' in dependency_groups", &["dev"], &[]));
}

#[test]
fn what_the_container_will_run_on_is_not_known() {
    assert!(!holds("platform_release >= '5'"));
    assert!(!holds("platform_release != '5'"));
    assert!(!holds("platform_release < '5'"));
    assert!(!holds("'Ubuntu' in platform_version"));
    assert!(holds("'Ubuntu' not in platform_version"));
}

#[test]
fn what_has_no_value_anywhere_is_refused() {
    for text in [
        "sys_platform ~= 'linux'",
        "os_name === 'posix'",
        "python_version ~= '3'",
        "'a' == 'b'",
        "os_name == sys_platform",
        "extras == 'a'",
        "'a' == extras",
        "extra ~= '1.0'",
    ] {
        let error = Marker::parse(text).expect_err(text);
        assert!(error.to_string().contains("cannot be compared"), "{error}");
    }
}

#[test]
fn mistakes_are_shown_where_they_are() {
    for (text, cause) in [
        ("", "expected a variable or a quoted text, but it ends"),
        ("os_name == 'a", "expected the closing quote, but it goes on with \"'a\""),
        (
            "os_name = 'a'",
            "expected one of <=, <, !=, ==, >=, >, ~=, ===, in, not in, but it goes on with \"= 'a'\"",
        ),
        ("(os_name == 'a'", "expected \")\", but it ends"),
        ("os_name == 'a' 'b'", "expected \"and\", \"or\" or the end, but it goes on with \"'b'\""),
        (
            "os_name notin 'a'",
            "expected one of <=, <, !=, ==, >=, >, ~=, ===, in, not in, but it goes on with \"notin 'a'\"",
        ),
        (
            "os_name == 'a\\'",
            "expected a text without backslashes and line breaks, but it goes on with \"'a\\\\'\"",
        ),
    ] {
        assert_eq!(Marker::parse(text).expect_err(text).causes(), [cause]);
    }
}

#[test]
fn deep_nesting_is_refused_and_long_rows_are_not() {
    let nested = |n: usize| format!("{}os_name == 'posix'{}", "(".repeat(n), ")".repeat(n));
    assert!(holds(&nested(64)));
    let error = Marker::parse(&nested(100_000)).expect_err("too deep");
    assert!(error.to_string().contains("nested"), "{error}");
    assert!(holds(&vec!["os_name == 'posix'"; 10_000].join(" and ")));
}

#[test]
fn comparisons_of_versions_with_what_is_none_are_passed_over_as_by_uv() {
    let left = |text: &str| {
        let marker = Marker::parse(text).expect("a marker").of_versions();
        marker.map(|marker| marker.holds(&target("3.13.5", "linux/amd64"), &[], &[]))
    };
    assert_eq!(left("python_version < '<3.10'"), None);
    assert_eq!(left("'x' >= python_full_version"), None);
    assert_eq!(left("python_version < 'x' and sys_platform == 'win32'"), Some(false));
    assert_eq!(left("python_version < 'x' or sys_platform == 'linux'"), Some(true));
    for whole in
        ["python_version < '3.10'", "python_version in 'x'", "os_name == 'x'", "'3.9' < python_version"]
    {
        assert!(left(whole).is_some(), "{whole}");
    }
}
