//! Which tool builds, with which Python, and how it is called.

use std::path::{Path, PathBuf};

use super::run::Call;
use crate::error::{Error, Result};
use crate::oci::Platform;
use crate::python::host::{Host, Python};
use crate::python::marker::machine;
use crate::python::{Interpreter, PythonVersion};
use crate::system::Folders;

/// A way to build a wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attempt {
    /// With uv.
    Uv { program: PathBuf, python: Wish },
    /// With a Python that has pip.
    Pip(Python),
    /// With a Python that has `build`.
    Build(Python),
}

/// Which Python uv is to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// This one.
    Found(Python),
    /// Whichever uv finds.
    Any,
    /// One of this minor version, which uv may have to download.
    Get(PythonVersion),
}

/// How a source is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// The user's own folder, whose settings count.
    Own,
    /// A repository that stands for itself: its settings for tools do not count, its sources do.
    Repository,
    /// An archive, whose sources were meant for another place.
    Archive,
}

/// The ways to build for `target`, the best first; those after the first are for when the first
/// one gives nothing that fits. Runs interpreters, so it may take a while.
///
/// # Errors
/// When there is no tool.
pub(super) fn attempts(host: &Host, target: Option<&Interpreter>, offline: bool) -> Result<Vec<Attempt>> {
    let version = target.map(|target| target.version);
    if let Some(uv) = host.uv() {
        let with = |python| Attempt::Uv { program: uv.to_owned(), python };
        let exact = version.and_then(|version| host.python(version));
        if let Some(python) = exact {
            return Ok(vec![with(Wish::Found(python))]);
        }
        let forbidden = host.variables().get("UV_PYTHON_DOWNLOADS").is_some_and(|value| value != "automatic");
        let get = version.filter(|_| !offline && !forbidden).map(|version| with(Wish::Get(version)));
        let Some(any) = host.any_python(|_| true) else {
            // uv may know more than we do, and would have to get one in any case.
            return Ok(vec![get.unwrap_or_else(|| with(Wish::Any))]);
        };
        // For another machine only what is the same everywhere will do, whichever Python made it.
        let native = target.is_some_and(|target| is_for(&any, &target.platform));
        let mut attempts = vec![with(Wish::Found(any))];
        attempts.extend(get.filter(|_| native));
        return Ok(attempts);
    }
    let builds = |python: &Python| python.pip.is_some() || python.build.is_some();
    let exact = version.and_then(|version| host.python_where(version, builds));
    match exact.or_else(|| host.any_python(builds)) {
        Some(python) if python.pip.is_some() => Ok(vec![Attempt::Pip(python)]),
        Some(python) => Ok(vec![Attempt::Build(python)]),
        None => Err(Error::build("found no tool to build wheels: neither uv nor a Python with pip")
            .hint("install uv, for example with: pip install uv")),
    }
}

fn is_for(python: &Python, platform: &Platform) -> bool {
    python.machine().is_some_and(|has| has == machine(platform))
}

impl Attempt {
    /// For people.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Uv { .. } => "uv",
            Self::Pip(_) => "pip",
            Self::Build(_) => "build",
        }
    }

    /// The Python, as far as it matters for the result.
    pub(super) fn python(&self) -> String {
        match self {
            Self::Uv { python: Wish::Found(python), .. } | Self::Pip(python) | Self::Build(python) => {
                let libc = python.libc.map(|libc| libc.to_string()).unwrap_or_default();
                format!("{} {} {libc}", python.version.short(), python.platform)
            }
            Self::Uv { python: Wish::Any, .. } => "any".into(),
            Self::Uv { python: Wish::Get(version), .. } => version.short(),
        }
    }

    /// The call that builds a wheel of the project in `source` into `out`.
    pub(super) fn call(
        &self,
        source: &Path,
        out: &Path,
        trust: Trust,
        offline: bool,
        variables: Vec<(String, String)>,
    ) -> Call {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let (program, mut arguments) = match self {
            Self::Uv { program, python } => {
                let mut arguments = words(&["build", "--wheel", "--no-progress", "--out-dir", &text(out)]);
                match python {
                    Wish::Found(python) => arguments.extend(["--python".into(), text(&python.path)]),
                    Wish::Get(version) => arguments.extend(["--python".into(), version.short()]),
                    Wish::Any => {}
                }
                arguments.extend(offline.then(|| "--offline".into()));
                arguments.extend((trust == Trust::Archive).then(|| "--no-sources".into()));
                if trust != Trust::Own {
                    arguments.extend(uv_settings(&variables));
                }
                (program.clone(), arguments)
            }
            Self::Pip(python) => {
                let quiet = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"];
                let mut arguments = words(&["-m", "pip", "wheel", "--no-deps", "--use-pep517"]);
                arguments.extend(words(&quiet));
                arguments.extend(["--wheel-dir".into(), text(out)]);
                (python.path.clone(), arguments)
            }
            Self::Build(python) => {
                (python.path.clone(), words(&["-m", "build", "--wheel", "--outdir", &text(out)]))
            }
        };
        arguments.push(text(source));
        // Not in the source: a folder `build` there would come before the module.
        let folder = out.parent().unwrap_or(out).to_owned();
        Call { program, arguments, variables, folder }
    }
}

/// Keeps uv from taking a foreign project's settings for the user's, whose own file it still
/// reads.
fn uv_settings(variables: &[(String, String)]) -> Vec<String> {
    let variable = |wanted: &str| {
        let found = variables.iter().find(|(name, value)| name == wanted && !value.is_empty());
        found.map(|(_, value)| PathBuf::from(value))
    };
    if variable("UV_CONFIG_FILE").or_else(|| variable("UV_NO_CONFIG")).is_some() {
        return Vec::new();
    }
    let own = Folders::here(&variable).config();
    match own.map(|folder| folder.join("uv").join("uv.toml")).filter(|path| path.is_file()) {
        Some(path) => vec!["--config-file".into(), path.to_string_lossy().into_owned()],
        None => vec!["--no-config".into()],
    }
}
