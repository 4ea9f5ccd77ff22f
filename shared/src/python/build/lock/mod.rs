//! Making a `pylock.toml` (PEP 751) for a project that has no lock, with the resolver at hand.
//!
//! uv resolves for all platforms at once (`uv pip compile --universal`), so its lock serves every
//! image. pip (25.1 or newer) resolves for its own Python and platform only, which is said. Both
//! write locks without the default or named groups of PEP 751: what is installed is all that the
//! lock has. So it is made of the main dependencies, and those extras and groups that are asked for, and says
//! so itself ([`Made`]).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::blocking;
use super::made_lock;
use super::run::Call;
use super::variables;
use crate::error::{Context, Error, Result};
use crate::event::Events;
use crate::interrupt;
use crate::python::host::{Host, Python};
use crate::python::lock::{Lock, Made};
use crate::python::{PythonVersion, index};
use crate::read;
use crate::store::replace::{self, Over};
use crate::store::scratch;

/// The oldest pip that makes locks.
const PIP_THAT_LOCKS: (u32, u32) = (25, 1);

/// What is to be locked.
#[derive(Debug, Clone, Copy)]
pub struct LockRequest<'a> {
    /// The project's folder.
    pub dir: &'a Path,
    /// Extras of the project that the lock is to have.
    pub extras: &'a [String],
    /// Dependency groups that the lock is to have.
    pub groups: &'a [String],
    /// Requirements with exact versions, which may not be all that is needed: they are what it completes.
    pub pins: Option<&'a Lock>,
    /// The version of Python that was asked for. The lock is for it and newer ones.
    pub python: Option<PythonVersion>,
    /// The interpreter of this machine that images will have. What must be built to tell its metadata is built
    /// with it.
    pub interpreter: Option<&'a Path>,
    /// The oldest version that the lock is for, where none was asked for and the tool can lock for
    /// other versions than its own.
    pub oldest: Option<PythonVersion>,
    /// Where packages come from.
    pub indexes: &'a index::Options,
    /// Whether the network is out of bounds.
    pub offline: bool,
}

/// A lock that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// The file `pylock.toml`.
    pub path: PathBuf,
    /// How many packages it has.
    pub packages: usize,
    /// What made it: `uv` or `pip`.
    pub tool: &'static str,
}

/// What says what a project needs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Input {
    Pyproject,
    Requirements(String),
    Setup(&'static str),
}

impl Input {
    fn file(&self) -> &str {
        match self {
            Self::Pyproject => "pyproject.toml",
            Self::Requirements(file) => file,
            Self::Setup(file) => file,
        }
    }
}

/// Makes `pylock.toml` in the project's folder, or replaces it. It is put there when it is whole. `None` where
/// there is none and the pins are all that is needed.
///
/// # Errors
/// Kind usage when the project names no dependencies in a way that we know; kind build when there is
/// no tool, it fails, or its lock has no hashes; kind network when it could not reach an index.
pub async fn make_lock(host: &Host, request: LockRequest<'_>, events: &Events) -> Result<Option<Locked>> {
    let inputs = inputs(request)?;
    let (call, tool, new) = match host.uv() {
        Some(uv) => with_uv(uv, host, &inputs, request).await?,
        None => match with_pip(host, &inputs, request, events).await {
            Ok(found) => found,
            Err(error) if request.pins.is_some() => return pins_stay(&error, events),
            Err(error) => return Err(error),
        },
    };
    let files: Vec<&str> = inputs.iter().map(Input::file).collect();
    let shown: Vec<String> = files.iter().map(|file| request.dir.join(file).display().to_string()).collect();
    events.step("Locking", format!("{} with {tool}", shown.join(" and ")));
    let log = tempfile::Builder::new().prefix("containerize-lock-").suffix(".log").tempfile();
    let log = log.map_err(scratch::refused)?;
    // Beside its place, since paths in a lock are relative to it.
    let new = Remove(request.dir.join(new));
    let what = || format!("{tool} cannot lock {}", request.dir.display());
    let mut made = call.run(log.path(), what).await;
    if made.as_ref().is_err_and(is_about_building) && call.variables.contains(&never_get()) {
        // Another Python may build what this machine's cannot.
        let variables = call.variables.into_iter().filter(|variable| *variable != never_get()).collect();
        made = Call { variables, ..call }.run(log.path(), what).await;
    }
    if made.is_err() {
        // The error names the log.
        let _ = log.keep();
    }
    made?;
    let path = request.dir.join("pylock.toml");
    let refused = || format!("the lock that {tool} made is unusable");
    let packages = made_lock::check(&new.0, request.pins).context(refused)?;
    let version = request.python.or(request.oldest);
    if !path.exists()
        && let (Some(pins), Some(version)) = (request.pins, version)
        && made_lock::adds_nothing(&new.0, request.dir, pins, version).context(refused)?
    {
        return Ok(None);
    }
    let python = version.map(|version| version.short());
    let made = Made::now(request.dir, &files, request.extras, request.groups, python)?;
    made_lock::sign(&new.0, &made)?;
    interrupt::check()?;
    replace::rename(&new.0, &path, Over::Anything).context(|| format!("cannot write {}", path.display()))?;
    Ok(Some(Locked { path, packages, tool }))
}

/// Without a tool nobody can tell whether pins are all that is needed; a build does.
fn pins_stay(error: &Error, events: &Events) -> Result<Option<Locked>> {
    events.note(format!("could not check whether the requirements are complete: {error}"));
    Ok(None)
}

/// A file that is removed in the end, if it is still there.
struct Remove(PathBuf);

impl Drop for Remove {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Which files say what the project needs.
fn inputs(request: LockRequest<'_>) -> Result<Vec<Input>> {
    let Some(pins) = request.pins else { return Ok(vec![input(request.dir)?]) };
    let file = pins.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut inputs = vec![Input::Requirements(file)];
    // The project's own words count beside them: an image has what both ask for.
    if let Ok(Input::Pyproject) = input(request.dir) {
        inputs.insert(0, Input::Pyproject);
    }
    Ok(inputs)
}

/// Which file says what the project in `dir` needs.
fn input(dir: &Path) -> Result<Input> {
    let has = |file: &str| dir.join(file).is_file();
    let requirements = ["requirements.in", "requirements.txt"].into_iter().find(|file| has(file));
    if has("pyproject.toml") {
        let path = dir.join("pyproject.toml");
        let text = read::text(&path, read::DOCUMENT).context(|| format!("cannot read {}", path.display()))?;
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            Error::usage(format!("{} is not a valid TOML file", path.display()))
                .because(read::toml_words(&path, &error))
        })?;
        let names = says_dependencies(&table);
        // A file that only sets up tools, or names the project alone, has nothing to lock.
        if names
            || (requirements.is_none()
                && (table.contains_key("project") || table.contains_key("build-system")))
        {
            return Ok(Input::Pyproject);
        }
    }
    if let Some(file) = requirements {
        return Ok(Input::Requirements(file.to_owned()));
    }
    ["setup.py", "setup.cfg"].into_iter().find(|file| has(file)).map(Input::Setup).ok_or_else(|| {
        Error::usage(format!("{} has nothing to lock", dir.display()))
            .because("there is no [project] in pyproject.toml, no requirements.txt and no setup.py")
            .hint("list what it needs in `dependencies` of [project] in pyproject.toml")
    })
}

fn says_dependencies(pyproject: &Table) -> bool {
    let Some(project) = pyproject.get("project").and_then(Value::as_table) else {
        // Only the backend can tell.
        let poetry = pyproject.get("tool").and_then(|tool| tool.get("poetry")?.get("dependencies"));
        return poetry.is_some();
    };
    let dynamic = project.get("dynamic").and_then(Value::as_array);
    let is_dynamic =
        dynamic.is_some_and(|names| names.iter().any(|name| name.as_str() == Some("dependencies")));
    is_dynamic || project.contains_key("dependencies")
}

/// With this uv gets no Python from the network.
fn never_get() -> (String, String) {
    ("UV_PYTHON_DOWNLOADS".to_owned(), "never".to_owned())
}

/// Whether a failure is that of a distribution whose metadata only a build tells.
fn is_about_building(error: &Error) -> bool {
    let causes = error.causes().concat();
    causes.contains("Failed to build") || causes.contains("failed to build")
}

async fn with_uv(
    uv: &Path,
    host: &Host,
    inputs: &[Input],
    request: LockRequest<'_>,
) -> Result<(Call, &'static str, String)> {
    let new = "pylock.containerize-new.toml".to_owned();
    let words = ["--universal", "--format", "pylock.toml", "--no-progress", "--quiet"];
    let mut arguments: Vec<String> = vec!["pip".into(), "compile".into()];
    arguments.extend(inputs.iter().map(|input| input.file().to_owned()));
    arguments.extend(words.map(str::to_owned));
    arguments.extend(["--custom-compile-command".into(), "containerize lock".into()]);
    arguments.extend(["--output-file".into(), new.clone()]);
    for extra in request.extras {
        arguments.extend(["--extra".into(), extra.clone()]);
    }
    for group in request.groups {
        arguments.extend(["--group".into(), group.clone()]);
    }
    // Else it would be this machine's.
    if let Some(oldest) = request.python.or(request.oldest) {
        arguments.extend(["--python-version".into(), oldest.short()]);
    }
    arguments.extend(request.offline.then(|| "--offline".into()));
    // uv would get a Python of exactly that version, which resolving does not need.
    let (tools, here) = (host.clone(), request.interpreter.is_some());
    let here = blocking(move || Ok(here || tools.any_python(|_| true).is_some())).await?;
    let mut variables = variables(host, request);
    if here && !variables.iter().any(|(name, _)| *name == never_get().0) {
        variables.push(never_get());
    }
    if let Some(python) = request.interpreter {
        arguments.extend(["--python".into(), python.display().to_string()]);
    }
    let call = Call { program: uv.to_owned(), arguments, variables, folder: request.dir.to_owned() };
    Ok((call, "uv", new))
}

async fn with_pip(
    host: &Host,
    inputs: &[Input],
    request: LockRequest<'_>,
    events: &Events,
) -> Result<(Call, &'static str, String)> {
    let (tools, wanted) = (host.clone(), request.python);
    let python = blocking(move || {
        let exact = wanted.and_then(|wanted| tools.python_where(wanted, locks));
        Ok(exact.or_else(|| tools.any_python(locks)))
    })
    .await?
    .ok_or_else(|| {
        Error::build("found no tool to make a lock: neither uv nor a Python with pip 25.1 or newer")
            .hint("install uv, for example with: pip install uv")
    })?;
    events.note(format!(
        "pip locks for Python {} on {} only; a lock made by uv works for all platforms",
        python.version.short(),
        python.platform
    ));
    let new = "pylock.containerize-new.toml".to_owned();
    let words = [
        "-m",
        "pip",
        "lock",
        "--no-input",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
        "--output",
    ];
    let mut arguments: Vec<String> = words.map(str::to_owned).into();
    arguments.push(new.clone());
    for group in request.groups {
        arguments.extend(["--group".into(), group.clone()]);
    }
    for input in inputs {
        match input {
            Input::Requirements(file) => arguments.extend(["--requirement".into(), file.clone()]),
            Input::Pyproject | Input::Setup(_) if request.extras.is_empty() => arguments.push(".".into()),
            Input::Pyproject | Input::Setup(_) => arguments.push(format!(".[{}]", request.extras.join(","))),
        }
    }
    let folder = request.dir.to_owned();
    let call = Call { program: python.path, arguments, variables: variables(host, request), folder };
    Ok((call, "pip", new))
}

fn locks(python: &Python) -> bool {
    let version = python.pip.as_deref().unwrap_or_default();
    let mut numbers = version.split('.').map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= PIP_THAT_LOCKS
}

fn variables(host: &Host, request: LockRequest<'_>) -> Vec<(String, String)> {
    let mut variables: BTreeMap<_, _> = variables::base(host.variables(), request.indexes, request.offline);
    // Versions of today are what a lock is made for.
    variables.remove("SOURCE_DATE_EPOCH");
    variables.into_iter().collect()
}

#[cfg(all(test, unix))]
mod tests;
