//! The version of a project that only its build backend knows: from the metadata that it prepares, which
//! takes no compiler; from a whole wheel where that does not work.

use std::path::{Path, PathBuf};

use pep440_rs::Version;

use super::run::Call;
use super::tool::{Attempt, Trust, Wish};
use super::workspace::Workspace;
use super::{Builder, Origin, blocking};
use crate::error::{Error, Result};
use crate::python::{Interpreter, WheelName};
use crate::read;
use crate::store::Table;

/// Asks a backend for metadata (PEP 517), in an environment that has what its build needs. Says on the last
/// line what else is needed, or the folder with the metadata.
const DRIVER: &str = r#"
import importlib, json, os, sys
project, out, backend, given, *paths = sys.argv[1:]
os.chdir(project)
sys.path[:0] = [os.path.join(project, path) for path in paths]
module, _, inner = backend.partition(':')
found = importlib.import_module(module)
for part in filter(None, inner.split('.')):
    found = getattr(found, part)
needs = getattr(found, 'get_requires_for_build_wheel', lambda *_: [])(None)
if [need for need in needs if need not in json.loads(given)]:
    print(json.dumps({'needs': list(needs)}))
else:
    print(json.dumps({'folder': found.prepare_metadata_for_build_wheel(out)}))
"#;

impl Builder {
    /// The version of the project in `folder`, where only a build tells; `target` is the interpreter that
    /// the image will have, if that is known.
    ///
    /// # Errors
    /// As [`Builder::wheel`].
    pub async fn version(&self, folder: &Path, target: Option<&Interpreter>) -> Result<Version> {
        let origin = Origin::Directory(folder);
        let source = self.source_key(origin).await?;
        let _turn = self.turn(&source).await?;
        let attempts = self.attempts(target).await?;
        let attempt = attempts.first().ok_or_else(|| Error::bug("there was no way to build a wheel"))?;
        let here = format!("{source} {} {}", attempt.name(), attempt.python());
        if let Some(text) = self.store.recall::<String>(Table::Versions, &here)
            && let Ok(version) = text.parse()
        {
            return Ok(version);
        }
        let shown = folder.display().to_string();
        // A wheel that is there tells it at once.
        let everywhere = format!("{source} {}", attempt.name());
        let known = [&everywhere, &here].into_iter().find_map(|key| self.store.recall(Table::Wheels, key));
        let known = known.filter(|record| self.find(record).is_some());
        let version = match known {
            Some(record) => WheelName::parse(&record.filename)?.version,
            None => match self.prepared(folder, &shown, &source, attempt).await {
                Ok(Some(version)) => version,
                other => {
                    tracing::debug!(?other, "the metadata alone is not available");
                    let record = self.record(&shown, origin, &source, attempt).await??;
                    WheelName::parse(&record.filename)?.version
                }
            },
        };
        self.store.remember(Table::Versions, &here, &version.to_string());
        Ok(version)
    }

    /// The version in the metadata that the backend prepares; `None` where there is no way to ask for them.
    async fn prepared(
        &self,
        folder: &Path,
        shown: &str,
        source: &str,
        attempt: &Attempt,
    ) -> Result<Option<Version>> {
        let work = Workspace::make(&self.store, shown, source, &format!("metadata {source}"))?;
        let out = work.folder("out")?;
        self.events.step("Asking", format!("the build backend for the version of {shown}"));
        let what = || format!("{} cannot prepare the metadata of {shown}", attempt.name());
        let variables = self.build_variables(&work, folder, Trust::Own)?;
        let call = |program: &Path, arguments: Vec<String>| Call {
            program: program.to_owned(),
            arguments,
            variables: variables.clone(),
            folder: work.path(""),
        };
        let version = match attempt {
            Attempt::Pip(python) => {
                let report = out.join("report.json");
                let words =
                    ["-m", "pip", "install", "--dry-run", "--no-deps", "--ignore-installed", "--use-pep517"];
                let quiet =
                    ["--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--report"];
                let paths = [report.display().to_string(), folder.display().to_string()];
                let arguments = words.iter().chain(&quiet).map(|&word| word.to_owned()).chain(paths);
                call(&python.path, arguments.collect()).run(work.log(), what).await?;
                in_report(&report)
            }
            Attempt::Uv { program, python } => {
                let backend = Backend::of(folder);
                let mut needs: Vec<String> = Vec::new();
                let mut version = None;
                // Once for what the build needs always, once more for what the backend adds.
                for _ in 0..2 {
                    let start = std::fs::metadata(work.log()).map_or(0, |about| about.len());
                    let arguments = backend.arguments(folder, &out, python, &needs, self.offline);
                    call(program, arguments).run(work.log(), what).await?;
                    let said = read::end(work.log(), start, read::DOCUMENT).unwrap_or_default();
                    match Answer::read(&String::from_utf8_lossy(&said)) {
                        Some(Answer::Needs(more)) => needs = more,
                        Some(Answer::Folder(folder)) => {
                            version = in_metadata(&out.join(folder).join("METADATA"));
                            break;
                        }
                        None => break,
                    }
                }
                version
            }
            Attempt::Build(_) => None,
        };
        work.done();
        blocking(move || Ok(version)).await
    }
}

/// What builds a project.
struct Backend {
    requires: Vec<String>,
    name: String,
    paths: Vec<String>,
}

impl Backend {
    /// What `[build-system]` says, and what it means where it says nothing.
    fn of(folder: &Path) -> Self {
        let text = read::text(&folder.join("pyproject.toml"), read::DOCUMENT).unwrap_or_default();
        let table: toml::Table = text.parse().unwrap_or_default();
        let system = table.get("build-system");
        let texts = |key: &str| -> Option<Vec<String>> {
            let list = system?.get(key)?.as_array()?;
            Some(list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect())
        };
        let name = system.and_then(|system| system.get("build-backend")?.as_str());
        Self {
            requires: texts("requires").unwrap_or_else(|| vec!["setuptools>=40.8.0".into()]),
            name: name.unwrap_or("setuptools.build_meta:__legacy__").to_owned(),
            paths: texts("backend-path").unwrap_or_default(),
        }
    }

    fn arguments(
        &self,
        folder: &Path,
        out: &Path,
        python: &Wish,
        needs: &[String],
        offline: bool,
    ) -> Vec<String> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut words: Vec<String> =
            ["run", "--no-project", "--isolated", "--no-progress", "-q"].map(str::to_owned).into();
        match python {
            Wish::Found(python) => words.extend(["--python".into(), text(&python.path)]),
            Wish::Get(version) => words.extend(["--python".into(), version.short()]),
            Wish::Any => {}
        }
        words.extend(offline.then(|| "--offline".into()));
        for need in self.requires.iter().chain(needs) {
            words.extend(["--with".into(), need.clone()]);
        }
        let given = serde_json::to_string(needs).unwrap_or_else(|_| "[]".into());
        words.extend(["--", "python", "-B", "-c", DRIVER].map(str::to_owned));
        words.extend([text(folder), text(out), self.name.clone(), given]);
        words.extend(self.paths.iter().cloned());
        words
    }
}

/// What the driver says.
enum Answer {
    Needs(Vec<String>),
    Folder(PathBuf),
}

impl Answer {
    /// Its last line: a backend may print more before.
    fn read(said: &str) -> Option<Self> {
        let line = said.lines().rev().find(|line| line.starts_with("{\""))?;
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        if let Some(folder) = value.get("folder").and_then(serde_json::Value::as_str) {
            return Some(Self::Folder(folder.into()));
        }
        let needs = value.get("needs")?.as_array()?;
        Some(Self::Needs(needs.iter().filter_map(|need| need.as_str().map(str::to_owned)).collect()))
    }
}

fn in_metadata(path: &Path) -> Option<Version> {
    let text = read::text(path, read::DOCUMENT).ok()?;
    let head = text.lines().take_while(|line| !line.is_empty());
    head.filter_map(|line| line.strip_prefix("Version:")).find_map(|version| version.trim().parse().ok())
}

fn in_report(path: &Path) -> Option<Version> {
    let report: serde_json::Value = serde_json::from_str(&read::text(path, read::LOCK).ok()?).ok()?;
    report.pointer("/install/0/metadata/version")?.as_str()?.parse().ok()
}
