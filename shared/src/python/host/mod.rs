//! What Python tools this machine has: uv, git and interpreters.
//!
//! Everything is found with the environment that is given, and nothing is run before somebody asks:
//! starting an interpreter takes longer than most of what a build without changes does.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use super::{Libc, PythonVersion};
use crate::process::Program;
use crate::system::{Folders, System, programs};

/// How long an interpreter may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(30);
/// The oldest minor version of Python 3 that builders of today run with.
const OLDEST: u32 = 7;

/// Asks an interpreter what it is. `-I` keeps the folder that we are in and the user's
/// modules out of it.
const QUESTION: &str = "\
import json, platform, sys, sysconfig
try:
    from importlib.metadata import version
except ImportError:
    version = None
def found(name):
    try:
        return version(name)
    except Exception:
        return None
print(json.dumps({'implementation': sys.implementation.name, 'version': list(sys.version_info[:3]),
    'platform': sysconfig.get_platform(), 'libc': list(platform.libc_ver()),
    'pip': found('pip'), 'build': found('build')}))";

/// The tools of a machine, as an environment and a project see them. Clones share what they
/// have found out.
#[derive(Debug, Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    variables: BTreeMap<String, String>,
    dir: PathBuf,
    /// The folders of `PATH`, without those that are relative to wherever we are.
    path: Vec<PathBuf>,
    uv: Option<PathBuf>,
    git: Option<PathBuf>,
    asked: Mutex<BTreeMap<PathBuf, Option<Python>>>,
    /// What is asked first.
    preferred: Mutex<Vec<PathBuf>>,
}

impl std::fmt::Debug for Inner {
    /// Without the values of variables, which may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("path", &self.path).field("uv", &self.uv).finish_non_exhaustive()
    }
}

/// An interpreter of this machine that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Python {
    /// The program.
    pub path: PathBuf,
    /// Its full version.
    pub version: PythonVersion,
    /// `cpython` or another.
    pub implementation: String,
    /// What it builds for, as `linux-x86_64` or `macosx-14.0-arm64`.
    pub platform: String,
    /// The C library that it runs on, if it knows.
    pub libc: Option<Libc>,
    /// The version of its pip.
    pub pip: Option<String>,
    /// The version of its `build`.
    pub build: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    implementation: String,
    version: (u32, u32, u32),
    platform: String,
    libc: (String, String),
    pip: Option<String>,
    build: Option<String>,
}

impl Python {
    /// The machine in the words of Linux, as `x86_64`; `None` on other systems.
    pub fn machine(&self) -> Option<String> {
        Some(self.platform.strip_prefix("linux-")?.replace(['-', '.'], "_"))
    }

    fn from_answer(path: &Path, answer: Answer) -> Self {
        let (libc, libc_version) = answer.libc;
        let numbers = libc_version.parse::<PythonVersion>().ok();
        let libc = numbers.and_then(|PythonVersion { major, minor, .. }| match libc.as_str() {
            "glibc" => Some(Libc::Glibc { major, minor }),
            "musl" => Some(Libc::Musl { major, minor }),
            _ => None,
        });
        Self {
            path: path.to_owned(),
            version: answer.version.into(),
            implementation: answer.implementation,
            platform: answer.platform,
            libc,
            pip: answer.pip,
            build: answer.build,
        }
    }
}

impl Host {
    /// Looks for programs on the `PATH` of `variables`, for interpreters also in the virtual
    /// environments that are active or in `dir` (absolute, the project's folder), and where pyenv
    /// and uv keep theirs.
    pub fn find(variables: &BTreeMap<String, String>, dir: &Path) -> Self {
        let path = programs::folders(OsStr::new(variables.get("PATH").map_or("", String::as_str)));
        let uv = programs::find("uv", &path);
        let git = programs::find("git", &path);
        let (variables, dir) = (variables.clone(), dir.to_owned());
        Self(Arc::new(Inner {
            variables,
            dir,
            path,
            uv,
            git,
            asked: Mutex::default(),
            preferred: Mutex::default(),
        }))
    }

    /// The program uv.
    pub fn uv(&self) -> Option<&Path> {
        self.0.uv.as_deref()
    }

    /// The program git.
    pub fn git(&self) -> Option<&Path> {
        self.0.git.as_deref()
    }

    /// The environment that it was made with.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.0.variables
    }

    /// Looks at this interpreter before all others.
    pub fn prefer(&self, python: &Path) {
        self.0.preferred.lock().unwrap_or_else(PoisonError::into_inner).push(python.to_owned());
    }

    /// A CPython of the minor of `version`. Runs programs until it is found, so it may take a while.
    pub fn python(&self, version: PythonVersion) -> Option<Python> {
        self.python_where(version, |_| true)
    }

    /// As [`Host::python`], the first one that `wanted` likes.
    pub fn python_where(&self, version: PythonVersion, wanted: impl Fn(&Python) -> bool) -> Option<Python> {
        let fits = |path: &PathBuf| named_version(path).is_none_or(|named| named.is_minor_of(version));
        let is_it = |python: &Python| {
            python.implementation == "cpython" && python.version.is_minor_of(version) && wanted(python)
        };
        self.candidates().iter().filter(|path| fits(path)).filter_map(|path| self.ask(path)).find(is_it)
    }

    /// The first CPython that builders run with and that `wanted` likes. Runs programs until
    /// it is found, so it may take a while.
    pub fn any_python(&self, wanted: impl Fn(&Python) -> bool) -> Option<Python> {
        let good = |python: &Python| {
            let version = python.version;
            python.implementation == "cpython" && version.major == 3 && version.minor >= OLDEST
        };
        self.candidates()
            .iter()
            .filter_map(|path| self.ask(path))
            .find(|python| good(python) && wanted(python))
    }

    /// What may be an interpreter, the likeliest first.
    fn candidates(&self) -> Vec<PathBuf> {
        let variable =
            |name: &str| self.0.variables.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let mut found = self.0.preferred.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let environments = [variable("VIRTUAL_ENV"), Some(".venv".into()), Some("venv".into())];
        for environment in environments.into_iter().flatten() {
            let folder = self.0.dir.join(environment);
            let inside = if System::HERE.is_windows() { "Scripts" } else { "bin" };
            found.push(folder.join(inside).join(System::HERE.executable("python")));
        }
        for folder in &self.0.path {
            found.extend(["python3", "python"].map(|name| folder.join(System::HERE.executable(name))));
            found.extend(versioned(folder));
        }
        for folder in self.folders_of_installers() {
            for version in sorted(&folder) {
                if System::HERE.is_windows() {
                    found.push(version.join(System::HERE.executable("python")));
                } else {
                    found.extend(versioned(&version.join("bin")));
                }
            }
        }
        found.retain(|path| path.is_file());
        found
    }

    /// Where uv, pyenv and the installers of Windows keep interpreters, a folder for each version.
    fn folders_of_installers(&self) -> Vec<PathBuf> {
        let variable = |name: &str| self.0.variables.get(name).map(PathBuf::from);
        let set = |name: &str| variable(name).filter(|path| !path.as_os_str().is_empty());
        let folders = Folders::here(&variable);
        let uv = set("UV_PYTHON_INSTALL_DIR").or_else(|| Some(folders.data()?.join("uv").join("python")));
        let windows = System::HERE.is_windows();
        let usual = if windows { ".pyenv/pyenv-win" } else { ".pyenv" };
        let pyenv = set("PYENV_ROOT").or_else(|| Some(folders.home()?.join(usual)));
        let pyenv = pyenv.map(|root| root.join("versions"));
        let installer =
            folders.local().filter(|_| windows).map(|local| local.join("Programs").join("Python"));
        [uv, pyenv, installer].into_iter().flatten().collect()
    }

    /// What `path` says that it is; `None` when it does not work, as pyenv's stand-ins for
    /// versions that are not chosen.
    fn ask(&self, path: &Path) -> Option<Python> {
        let asked = |asked: &Mutex<BTreeMap<_, _>>| {
            asked.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
        };
        if let Some(known) = asked(&self.0.asked) {
            return known;
        }
        let found = match answer(path, &self.0.variables, &self.0.dir) {
            Ok(found) => Some(Python::from_answer(path, found)),
            Err(why) => {
                tracing::debug!(path = %path.display(), why, "is not a working interpreter");
                None
            }
        };
        let mut asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(path.to_owned(), found.clone());
        found
    }
}

/// What is in a folder, the newest version first as far as names tell.
fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries.map(|entry| entry.path()).collect();
    let numbers = |path: &PathBuf| -> Vec<u64> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
    };
    found.sort_by(|a, b| numbers(b).cmp(&numbers(a)).then_with(|| a.cmp(b)));
    found
}

/// The programs `python3.X` of a folder, the highest first.
fn versioned(folder: &Path) -> Vec<PathBuf> {
    sorted(folder).into_iter().filter(|path| named_version(path).is_some()).collect()
}

/// The version that a program's name tells: `python3.13`.
fn named_version(path: &Path) -> Option<PythonVersion> {
    let name = System::HERE.program_name(path.file_name()?.to_str()?);
    let (major, minor) = name.strip_prefix("python")?.split_once('.')?;
    Some(PythonVersion { major: major.parse().ok()?, minor: minor.parse().ok()?, micro: 0 })
}

fn answer(path: &Path, variables: &BTreeMap<String, String>, dir: &Path) -> Result<Answer, String> {
    let mut command = Command::new(path);
    command.args(["-I", "-c", QUESTION]).env_clear().envs(variables).current_dir(dir);
    let text = Program::new(command).answer(PATIENCE)?;
    // What a site's own start-up files print comes before.
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    serde_json::from_str(line).map_err(|error| error.to_string())
}

#[cfg(all(test, unix))]
mod tests;
