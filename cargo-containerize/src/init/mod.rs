//! `containerize init`: looks at a project, asks what only people know, and writes the smallest table that works.

mod ask;
mod text;

use std::path::{Path, PathBuf};

use containerize_core::config::{Bins, Partial};
use containerize_core::dockerfile::{self, Dockerfile};
use containerize_core::event::Events;
use containerize_core::init::{
    Draft, Kind, Project, RustProject, Taken, Wishes, Workflow, named, repository, taken, written,
};
use containerize_core::story::Language;
use containerize_core::words::flag;
use containerize_core::{Error, Result, read, story, words};

use crate::cli::{InitArgs, WorkflowName};
use crate::front_end::{FrontEnd, VERSION};
use crate::request;

/// Names that are looked for, the first before.
const DOCKERFILES: [&str; 3] = ["Dockerfile", "Containerfile", "dockerfile"];

/// Writes the configuration; what is to be printed.
///
/// # Errors
/// Usage: there is no project, or a table or file exists already that would be replaced.
pub(crate) fn run(arguments: &InitArgs, front_end: &FrontEnd, events: &Events) -> Result<String> {
    let here = request::here()?;
    let given = arguments.project.as_ref().or(front_end.project.as_ref());
    let start = given
        .map_or_else(|| Ok(here.clone()), |dir| request::named_folder(dir).and_then(|dir| plain(&dir)))?;
    let asked = arguments.from_dockerfile.as_ref();
    let file = asked.map(|file| found(file.as_deref(), &here, &start)).transpose()?;
    let dockerfile = file.as_deref().map(read_file).transpose()?;
    let (dir, language) = project_of(&start, dockerfile.as_ref())?;
    let (dir, language) = (dir.as_path(), if front_end.for_cargo { Language::Rust } else { language });
    let project = Project::look(dir, language, &request::cargo_in(dir))?;
    let project = project.within(dir.strip_prefix(&start).map_or_else(|_| String::new(), way));
    let taken = dockerfile.map_or_else(Taken::default, |file| taken(&file, &project));
    let mut settings = taken.settings;
    let guess = written(&project).or_else(|| repository(dir));
    settings.repository = arguments.repository.clone().or_else(|| guess.clone());
    let bins = bins(&project, &settings);
    if ask::may(arguments.yes) {
        settings.repository = ask::repository(arguments.repository.as_deref(), guess.as_deref())?;
        settings.bin = ask::bin(&bins)?.or(settings.bin);
    } else if settings.bin.is_none() && bins.len() > 1 {
        settings.bin = Some(Bins(bins));
    }
    if let Some(repository) = &settings.repository {
        named(repository)?;
    }
    let wishes = Wishes {
        force: arguments.force,
        requirements: taken.requirements.as_deref(),
        workflow: arguments.workflow.map(|name| match name {
            WorkflowName::Github => Workflow::Github,
            WorkflowName::Gitlab => Workflow::Gitlab,
        }),
        version: VERSION,
    };
    let draft = Draft::new(&project, &settings, &wishes)?;
    if !arguments.dry_run {
        draft.write(&project)?;
        for file in draft.files() {
            events.step("Written", shown(dir, &file.name, &here));
        }
    }
    let name = file.map(|file| file.strip_prefix(dir).unwrap_or(&file).display().to_string());
    let drafted = if arguments.dry_run { text::drafted(&draft) } else { String::new() };
    let needs_lock = needs_lock(&project, taken.requirements.is_some());
    // Nothing was written that a build could use.
    let next = if arguments.dry_run { String::new() } else { text::next(needs_lock, front_end) };
    Ok(drafted + &text::differences(name.as_deref(), &taken.remarks) + &next)
}

/// The folder without links and `..`, so that its parents are those of the disk.
fn plain(dir: &Path) -> Result<PathBuf> {
    // Windows' own form of such paths is not for other programs.
    let found = if cfg!(windows) { std::path::absolute(dir) } else { dir.canonicalize() };
    found.map_err(|error| Error::usage(format!("cannot open {}", dir.display())).because(error))
}

/// The path as it is seen from where the call was made.
fn shown(dir: &Path, name: &str, here: &Path) -> String {
    let path = dir.join(name);
    path.strip_prefix(here).unwrap_or(&path).display().to_string()
}

/// The Dockerfile that the call means.
fn found(given: Option<&Path>, here: &Path, dir: &Path) -> Result<PathBuf> {
    if let Some(file) = given {
        return Ok(here.join(file));
    }
    let known = DOCKERFILES.iter().map(|name| dir.join(name)).find(|path| path.is_file());
    known.ok_or_else(|| {
        Error::usage(format!("there is no Dockerfile in {}", dir.display()))
            .hint(words!("give it with {}", flag("from-dockerfile").of("FILE")))
    })
}

fn read_file(file: &Path) -> Result<Dockerfile> {
    let text = read::given(file, dockerfile::MOST)
        .map_err(|error| Error::usage(format!("cannot read {}", file.display())).because(error))?;
    Dockerfile::read(&text)
}

/// The project that the call is about. A Dockerfile may stand above it, or install what no other file names.
fn project_of(start: &Path, dockerfile: Option<&Dockerfile>) -> Result<(PathBuf, Language)> {
    let here = story::project_in(start).map(|(dir, language)| (dir.to_owned(), language));
    let (Some(file), true) = (dockerfile, here.as_ref().map_or(true, |(dir, _)| dir != start)) else {
        return here;
    };
    let copied = file.copied_folders();
    // A link may lead out of the project, where nothing is to be written.
    let root = start.canonicalize().unwrap_or_else(|_| start.to_owned());
    let is_inside = |folder: &PathBuf| folder.canonicalize().is_ok_and(|real| real.starts_with(&root));
    let below = copied.iter().map(|folder| start.join(folder)).filter(|folder| folder.is_dir());
    let below = below.filter(is_inside);
    let inner = below.filter_map(|folder| {
        let (dir, language) = story::project_in(&folder).ok()?;
        (dir == folder).then(|| (dir.to_owned(), language))
    });
    match inner.into_iter().next() {
        Some(inner) => Ok(inner),
        None if has_python(start) => Ok((start.to_owned(), Language::Python)),
        None => here,
    }
}

/// Whether the folder has Python files.
fn has_python(dir: &Path) -> bool {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| path.extension().is_some_and(|extension| extension == "py"))
}

/// A relative path with `/`.
fn way(path: &Path) -> String {
    let parts = path.components().map(|part| part.as_os_str().to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
}

/// The binaries of which one has to be chosen.
fn bins(project: &Project, settings: &Partial) -> Vec<String> {
    match &project.kind {
        Kind::Rust(RustProject { bins, default_bin: None, .. })
            if bins.len() == 1 && settings.bin.is_none() =>
        {
            bins.values().flatten().cloned().collect()
        }
        _ => Vec::new(),
    }
}

/// Whether nothing locks the project yet, as far as is seen.
fn needs_lock(project: &Project, has_input: bool) -> bool {
    match &project.kind {
        Kind::Rust(_) => false,
        Kind::Python(python) => has_input || !python.lock.as_ref().is_some_and(|(_, by_tool)| *by_tool),
    }
}
