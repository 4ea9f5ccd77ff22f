//! How the application is started: asked of its source, unless the settings say it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::draft::{Draft, DraftImage};
use super::optional;
use crate::config::{Install, Settings};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::plan::{APP, Start};
use crate::python::{
    Answer, Layout, Name, Project, Question, SourceFile, SourceKind, SourceOptions, SourceSet, detect,
    sources,
};
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
    /// What else is to be known of it.
    pub(super) notes: Vec<String>,
}

/// What starts the application, and how the project gets in: as `install` says, unless its source has to be there and
/// may be. Nothing is found where the settings say it. `installed` are the distributions of the environment, and
/// `has_shell` is whether every base has a shell.
///
/// # Errors
/// Usage: nothing or too much was found, or what was found is not in the wheel that was asked for.
pub(super) fn find(
    draft: &Draft,
    image: &DraftImage,
    install: Install,
    installed: &BTreeSet<Name>,
    has_shell: bool,
    events: &Events,
) -> Result<(Install, Option<Found>)> {
    let settings = &image.settings;
    if settings.entrypoint.is_some() {
        return Ok((install, None));
    }
    let found = |install| ask(draft, image, install, installed, has_shell);
    let (answer, files) = found(install)?;
    let Some(place) = place_in_source(&answer, &files).filter(|_| install == Install::Wheel) else {
        return Ok((install, Some(settle(answer, &files, settings))));
    };
    let project = &draft.project;
    let name = &project.name;
    let compiles = project.build_system.as_ref().is_some_and(|system| system.compiles());
    if compiles || settings.python.install.is_some() {
        let otherwise = if compiles { "" } else { "use install = \"source\", or " };
        return Err(Error::usage(format!("{name} is started from {place}, where its wheel has nothing"))
            .hint(format!(
                "{otherwise}set entrypoint to what starts it when the wheel is installed somewhere else"
            )));
    }
    events.note(format!("{name} is started from {place}; using its source as it is, and no wheel of it"));
    let (answer, files) = found(Install::Source)?;
    Ok((Install::Source, Some(settle(answer, &files, settings))))
}

/// What the source says, and the files of the source.
fn ask(
    draft: &Draft,
    image: &DraftImage,
    install: Install,
    installed: &BTreeSet<Name>,
    has_shell: bool,
) -> Result<(Answer, BTreeSet<String>)> {
    let (project, settings) = (&draft.project, &image.settings);
    let source = source(draft, settings, install)?;
    let modules = modules(&project.layout, &source, install);
    let mut installed = installed.clone();
    installed.insert(project.normalized.clone());
    let procfile = procfile(&project.dir)?;
    let optional = optional::of(draft);
    let answer = detect(&Question {
        name: &project.name,
        scripts: &project.scripts,
        files: &modules,
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
    let programs = source.files.iter().filter(|file| is_python(file)).map(|file| file.to.clone());
    Ok((answer, programs.collect()))
}

/// A file or folder of the source that the answer names by its place.
fn place_in_source<'a>(answer: &'a Answer, files: &BTreeSet<String>) -> Option<&'a str> {
    let file = answer.command.iter().find(|word| files.contains(*word));
    file.or_else(|| answer.env.get("PYTHONPATH")).map(String::as_str)
}

/// Places of the source become places in the image.
fn settle(answer: Answer, files: &BTreeSet<String>, settings: &Settings) -> Found {
    let Answer { mut command, mut env, port, stop_signal, mut reason, also, notes } = answer;
    if let Some(signal) = stop_signal.filter(|_| settings.stop_signal.is_none()) {
        reason.push_str(&format!("; stopped by {signal}, since Python as process 1 ignores SIGTERM"));
    }
    // Paths of the source hold whatever the working directory is.
    for word in &mut command {
        if files.contains(word) {
            *word = format!("{APP}/{word}");
        }
    }
    if let Some(path) = env.get_mut("PYTHONPATH") {
        *path = format!("{APP}/{path}");
    }
    let stop_signal = stop_signal.map(str::to_owned);
    Found { start: Start { command, env, port, stop_signal }, reason, also, notes }
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

/// The source: what of it will be in the image, or all that a wheel may be made of.
///
/// # Errors
/// As [`sources`].
pub(super) fn source(draft: &Draft, settings: &Settings, install: Install) -> Result<Arc<SourceSet>> {
    match install {
        Install::Source => draft.source(settings),
        Install::Wheel => Ok(Arc::new(sources(&draft.project.dir, &SourceOptions::default())?)),
    }
}

/// The modules that will be in the image: all of the source, or what the wheel will hold.
fn modules(layout: &Layout, source: &SourceSet, install: Install) -> Vec<(String, PathBuf)> {
    let is_in = |file: &&SourceFile| install == Install::Source || is_packaged(layout, &file.to);
    let modules = source.files.iter().filter(|file| is_python(file)).filter(is_in);
    modules.map(|file| (file.to.clone(), file.from.clone())).collect()
}

fn is_python(file: &SourceFile) -> bool {
    file.to.ends_with(".py") && matches!(file.kind, SourceKind::File { .. })
}

/// Whether the project's wheel will hold this file.
fn is_packaged(layout: &Layout, path: &str) -> bool {
    let below = |dir: &str| path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'));
    layout.packages.iter().any(|package| below(&package.path))
        || layout.modules.iter().any(|module| module.path == path)
}
