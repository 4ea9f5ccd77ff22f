//! The Python of this machine in an image whose base has none: what of it goes in, and where.

use std::path::Path;

use crate::error::{Error, Result};
use crate::facts::python::{find_c_library, find_python};
use crate::layer::{Content, Entry, collect};
use crate::oci::{Mode, Owner, Platform};
use crate::plan::PYTHON_PREFIX;
use crate::python::{BundledPython, Interpreter, Project, machine};
use crate::story::request::Request;
use crate::story::workshop::Base;
use crate::system::places;

/// What runs nothing in an image: tests, static libraries, what earlier runs left, what other
/// installers added, and graphical tools, whose libraries no server has.
const LEFT_OUT: &[&str] = &[
    "site-packages",
    "dist-packages",
    "__pycache__",
    "*.pyc",
    "*.a",
    "*.o",
    "EXTERNALLY-MANAGED",
    "sitecustomize.py",
    "test",
    "tests",
    "idle_test",
    "idlelib",
    "tkinter",
    "turtledemo",
    "turtle.py",
    "_tkinter.*",
    "_test*.so",
    "_ctypes_test.*",
    "xxlimited*.so",
    "xxsubtype.*",
];

/// The Python of this machine that the settings of a project name by its folder.
///
/// # Errors
/// As [`BundledPython::ask`].
pub(super) fn ask(project: &Project, prefix: &str, request: &Request) -> Result<BundledPython> {
    BundledPython::ask(&project.dir.join(prefix), &request.variables)
}

/// Where the bundled interpreter will be, on this base.
///
/// # Errors
/// Usage: it is for another machine, or the base has a Python in its place, or no C library.
pub(super) fn interpreter(
    bundled: &BundledPython,
    name: &str,
    base: &Base,
    platform: &Platform,
) -> Result<Interpreter> {
    let prefix = bundled.prefix.display();
    if bundled.machine != machine(platform) {
        return Err(Error::usage(format!(
            "the Python in {prefix} is for {}, not for {platform}",
            bundled.machine
        ))
        .hint("leave out that platform, or remove python.prefix and use a base that has Python"));
    }
    if let Some(found) = find_python(&base.contents, &base.image.config)
        && found.path.starts_with(PYTHON_PREFIX)
    {
        return Err(Error::usage(format!("the base {name} already has a Python, {}", found.path))
            .hint("remove python.prefix, or use a base without Python, such as debian:trixie-slim"));
    }
    let Some(libc) = find_c_library(&base.contents) else {
        return Err(Error::usage(format!(
            "the base {name} has no C library, which the Python in {prefix} needs"
        ))
        .hint("use a base that has one, such as debian:trixie-slim or gcr.io/distroless/cc-debian13"));
    };
    Ok(Interpreter {
        path: format!("{PYTHON_PREFIX}/bin/python{}", bundled.version.short()),
        version: bundled.version,
        libc,
        platform: platform.clone(),
    })
}

/// Its files, as they are below the image's own prefix.
///
/// # Errors
/// When something of it cannot be read.
pub(super) fn entries(bundled: &BundledPython, owner: Owner) -> Result<Vec<Entry>> {
    let to = |relative: &Path| -> Result<String> {
        let place = places::below(relative).ok_or_else(|| {
            Error::usage(format!("{} cannot be used as a path in an image", relative.display()))
                .hint("rename it")
        })?;
        Ok(format!("{PYTHON_PREFIX}/{place}"))
    };
    let left_out: Vec<String> = LEFT_OUT.iter().map(|&glob| glob.to_owned()).collect();
    let program = format!("python{}", bundled.version.short());
    let bin = |name: &str| format!("{PYTHON_PREFIX}/bin/{name}").trim_start_matches('/').to_owned();
    let mut entries = vec![
        Entry::file(bin(&program), Content::of_file(&bundled.executable)?, Mode(0o755), owner),
        Entry::symlink(bin("python3"), &program, owner),
        Entry::symlink(bin("python"), "python3", owner),
    ];
    for folder in &bundled.folders {
        entries.extend(collect(&bundled.prefix.join(folder), &to(folder)?, None, owner, &left_out)?);
    }
    for library in &bundled.libraries {
        entries.extend(collect(library, &format!("{PYTHON_PREFIX}/lib/"), Some(Mode(0o755)), owner, &[])?);
    }
    Ok(entries)
}
