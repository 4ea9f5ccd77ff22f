//! How the application is started: asked of its source, unless the settings say it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::draft::{Draft, DraftImage};
use super::optional;
use crate::config::{Install, Settings};
use crate::error::{Error, Result};
use crate::plan::{APP, Start};
use crate::python::{Answer, Layout, Name, Project, Question, SourceKind, SourceOptions, detect, sources};
use crate::read;

/// A `Procfile` has a line for each process.
const MOST_PROCFILE: u64 = 64 * 1024;

/// What starts the application.
pub(super) struct Found {
    /// Its command and what belongs to it.
    pub(super) start: Start,
    /// Why it is that one.
    pub(super) reason: String,
    /// What else was found, each with the setting that would choose it.
    pub(super) also: Vec<String>,
}

/// What starts the application; `None` where the settings say it. `installed` are the
/// distributions of the environment, and `has_shell` is whether every base has a shell.
///
/// # Errors
/// Usage: nothing or too much was found.
pub(super) fn find(
    draft: &Draft,
    image: &DraftImage,
    install: Install,
    installed: &BTreeSet<Name>,
    has_shell: bool,
) -> Result<Option<Found>> {
    let settings = &image.settings;
    if settings.entrypoint.is_some() {
        return Ok(None);
    }
    let project = &draft.project;
    let files = modules(draft, settings, install)?;
    let mut installed = installed.clone();
    installed.insert(project.normalized.clone());
    let procfile = procfile(&project.dir)?;
    let optional = optional::of(draft);
    let answer = detect(&Question {
        name: &project.name,
        scripts: &project.scripts,
        files: &files,
        source_roots: &project.layout.python_paths(),
        installed: &installed,
        optional: &optional,
        image: (draft.images.len() > 1).then_some(image.table.as_str()),
        procfile: procfile.as_deref(),
        fastapi: fastapi(project),
        has_shell,
        server: settings.python.server.as_deref(),
        port: settings.ports.first().map(crate::config::Port::number),
    })?;
    let is_source = |word: &&String| files.iter().any(|(path, _)| path == *word);
    if install == Install::Wheel
        && let Some(file) = answer.command.iter().find(is_source)
    {
        return Err(Error::usage(format!(
            "{file} is run as a script, but the wheel of {} does not contain it",
            project.name
        ))
        .hint("use install = \"source\", or set entrypoint"));
    }
    let Answer { mut command, mut env, port, stop_signal, mut reason, also } = answer;
    if let Some(signal) = stop_signal.filter(|_| settings.stop_signal.is_none()) {
        reason.push_str(&format!("; stopped by {signal}, since Python as process 1 ignores SIGTERM"));
    }
    // Paths of the source hold whatever the working directory is.
    for word in &mut command {
        if is_source(&&*word) {
            *word = format!("{APP}/{word}");
        }
    }
    if let Some(path) = env.get_mut("PYTHONPATH") {
        *path = format!("{APP}/{path}");
    }
    let stop_signal = stop_signal.map(str::to_owned);
    Ok(Some(Found { start: Start { command, env, port, stop_signal }, reason, also }))
}

/// The text of the project's `Procfile`.
fn procfile(dir: &Path) -> Result<Option<String>> {
    let path = dir.join("Procfile");
    match read::text(&path, MOST_PROCFILE) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::usage(format!("cannot read {}", path.display())).because(error)),
    }
}

/// What `[tool.fastapi]` names.
fn fastapi(project: &Project) -> Option<&str> {
    project.pyproject.as_ref()?.get("tool")?.get("fastapi")?.get("entrypoint")?.as_str()
}

/// The modules that will be in the image: all of the source, or what the wheel will hold.
fn modules(draft: &Draft, settings: &Settings, install: Install) -> Result<Vec<(String, PathBuf)>> {
    let layout = &draft.project.layout;
    let set = match install {
        Install::Source => draft.source(settings)?,
        Install::Wheel => Arc::new(sources(&draft.project.dir, &SourceOptions::default())?),
    };
    let modules = set.files.iter().filter(|file| {
        let python = file.to.ends_with(".py") && matches!(file.kind, SourceKind::File { .. });
        python && (install == Install::Source || is_packaged(layout, &file.to))
    });
    Ok(modules.map(|file| (file.to.clone(), file.from.clone())).collect())
}

/// Whether the project's wheel will hold this file.
fn is_packaged(layout: &Layout, path: &str) -> bool {
    let below = |dir: &str| path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'));
    layout.packages.iter().any(|package| below(&package.path))
        || layout.modules.iter().any(|module| module.path == path)
}
