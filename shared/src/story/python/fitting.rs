//! Which Pythons the wheels of a distribution are built for, where none of them fits the image.

use crate::error::{Error, Kind};
use crate::python::{DistFile, Interpreter, Name, Package, Tags};

/// The minor versions of Python 3 that are worth a try.
const MINORS: std::ops::RangeInclusive<u32> = 6..=15;

/// What to do where no wheel fits.
pub(super) fn hint(name: &Name, files: &[DistFile], interpreter: &Interpreter) -> String {
    match pythons(files, interpreter).as_str() {
        "" => "choose another base, or another version in the lock".into(),
        fitting => format!(
            "choose a base with Python {fitting}, or lock a version of {name} that has a wheel for Python {}",
            interpreter.version.short()
        ),
    }
}

/// What is said where a distribution of these files could not be built. If there are wheels and none fits, that comes
/// before whatever a compiler said.
pub(super) fn explain(
    error: Error,
    package: &Package,
    files: &[DistFile],
    interpreter: &Interpreter,
) -> Error {
    let name = &package.name;
    let tags = Tags::of(interpreter);
    let has_wheels = files.iter().any(|file| file.filename.ends_with(".whl"));
    if !has_wheels || tags.best(files).is_some() || error.kind() != Kind::Build {
        return error;
    }
    let version = package.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let hint = hint(name, files, interpreter);
    let hint = match error.hint_text() {
        Some(own) => format!("{hint}; or, to build it: {own}"),
        None => hint,
    };
    let why = tags.why_not(files);
    Error::build(format!("no wheel of {name}{version} fits, and it cannot be built: {why}"))
        .because(error)
        .hint(hint)
}

/// The versions of Python that a wheel fits on this platform, as `3.9 to 3.12`; nothing where there are none.
fn pythons(files: &[DistFile], interpreter: &Interpreter) -> String {
    let fits = |minor: &u32| {
        let mut other = interpreter.clone();
        other.version.minor = *minor;
        Tags::of(&other).best(files).is_some()
    };
    let minors: Vec<u32> = MINORS.filter(fits).collect();
    let runs = minors.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [first, .., last] => format!("3.{first} to 3.{last}"),
        _ => run.iter().map(|minor| format!("3.{minor}")).collect(),
    });
    runs.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Platform;
    use crate::python::{Libc, PythonVersion, Source};

    fn interpreter() -> Interpreter {
        Interpreter {
            path: "usr/bin/python3".into(),
            version: PythonVersion { major: 3, minor: 13, micro: 0 },
            libc: Libc::Glibc { major: 2, minor: 36 },
            platform: "linux/amd64".parse::<Platform>().expect("a platform"),
        }
    }

    fn package(files: &[&str]) -> Package {
        let file = |name: &&str| DistFile {
            filename: (*name).into(),
            url: None,
            size: None,
            hashes: vec![],
            yanked: false,
        };
        Package {
            name: "greenlet".parse().expect("a name"),
            version: "3.0.1".parse().ok(),
            source: Source::Index { url: None },
            files: files.iter().map(file).collect(),
            identities: Vec::new(),
        }
    }

    fn told(error: Error, files: &[&str]) -> Error {
        let package = package(files);
        explain(error, &package, &package.files, &interpreter())
    }

    const OLD: [&str; 4] = [
        "greenlet-3.0.1-cp310-cp310-manylinux_2_24_x86_64.whl",
        "greenlet-3.0.1-cp312-cp312-manylinux_2_24_x86_64.whl",
        "greenlet-3.0.1-cp311-cp311-manylinux_2_24_x86_64.whl",
        "greenlet-3.0.1.tar.gz",
    ];

    #[test]
    fn that_no_wheel_fits_comes_before_what_the_compiler_said() {
        let failed =
            || Error::build("uv cannot build a wheel of greenlet").because("error: ...").hint("look");
        let said = told(failed(), &OLD);
        assert_eq!(
            said.to_string(),
            "no wheel of greenlet 3.0.1 fits, and it cannot be built: they are built for CPython 3.10, CPython 3.11 and \
             CPython 3.12, but the base has CPython 3.13"
        );
        assert_eq!(said.causes(), ["uv cannot build a wheel of greenlet", "error: ..."]);
        assert_eq!(
            said.hint_text(),
            Some(
                "choose a base with Python 3.10 to 3.12, or lock a version of greenlet that has a wheel for Python 3.13; or, to build it: look"
            )
        );
    }

    #[test]
    fn nothing_is_said_of_wheels_where_they_are_not_why() {
        let failed = || Error::build("it fails");
        let fits = ["greenlet-3.0.1-cp313-cp313-manylinux_2_24_x86_64.whl", "greenlet-3.0.1.tar.gz"];
        for files in [&fits[..], &["greenlet-3.0.1.tar.gz"]] {
            assert_eq!(told(failed(), files).to_string(), "it fails", "{files:?}");
        }
        let network = told(Error::network("no line"), &OLD);
        assert_eq!(network.to_string(), "no line");
    }

    #[test]
    fn where_no_python_would_help_another_base_may() {
        let windows = package(&["greenlet-3.0.1-cp313-cp313-win_amd64.whl"]);
        let said = hint(&windows.name, &windows.files, &interpreter());
        assert_eq!(said, "choose another base, or another version in the lock");
    }
}
