//! Which file of each locked distribution goes into which image, and the plan that comes of it.

use std::collections::BTreeSet;

use super::draft::{Draft, DraftImage};
use super::form::{Chosen, Form, install_of};
use super::{attested, fitting, interpreter, start, static_files, trimmed};
use crate::error::{Context, Error, Result};
use crate::event::Events;
use crate::plan::{
    self, Additions, Application, Distribution, EnvironmentPlan, ImagePlan, Plan, PlatformPlan, PythonImage,
    PythonPlatform, base_for, plan_python,
};
use crate::python::{BundledPython, DistFile, Interpreter, Name, Package, Source, Tags, WheelPolicy, lock};
use crate::redact::Address;
use crate::story::workshop::Bases;

/// What each platform of each image holds, in the order of the plan.
pub(super) struct Resolved {
    pub(super) environments: Vec<Vec<Chosen>>,
}

impl Resolved {
    /// The place of a platform's environment.
    ///
    /// # Errors
    /// A bug when the plan is another one.
    pub(super) fn index(&self, plan: &Plan, image: &ImagePlan, platform: &PlatformPlan) -> Result<usize> {
        plan.each()
            .position(|(i, p)| i.name == image.name && p.platform == platform.platform)
            .filter(|index| *index < self.environments.len())
            .ok_or_else(|| Error::bug(format!("the environment of {} is lost", image.name)))
    }
}

/// Plans all images of a draft.
///
/// # Errors
/// Usage: something that is locked cannot be had for a base; nothing tells how to start.
pub(super) async fn plan(
    draft: &Draft,
    bases: &Bases,
    push: bool,
    events: &Events,
) -> Result<(Plan, Resolved)> {
    let mut plan = Plan { push, images: Vec::new() };
    let mut resolved = Resolved { environments: Vec::new() };
    for image in &draft.images {
        let (planned, environments) = plan_image(draft, image, bases, events).await?;
        plan.images.push(planned);
        resolved.environments.extend(environments);
    }
    Ok((plan, resolved))
}

async fn plan_image(
    draft: &Draft,
    image: &DraftImage,
    bases: &Bases,
    events: &Events,
) -> Result<(ImagePlan, Vec<Vec<Chosen>>)> {
    let settings = &image.settings;
    let (install, why_source) = install_of(&draft.project, settings.python.install);
    why_source.into_iter().for_each(|why| events.note(why));
    let mut environments: Vec<Vec<Chosen>> = Vec::new();
    let mut platforms = Vec::new();
    let mut has_shell = true;
    let additions = Additions::of(settings);
    for platform in &settings.platforms {
        let name = base_for(settings, platform)?;
        let base = bases.get(name, platform, &additions)?;
        let interpreter =
            interpreter::of_base(&draft.project, draft.bundled(settings)?, settings, name, base, platform)?;
        has_shell &= base.contents.follow("bin/sh").is_some();
        let chosen = choose(draft, image, &interpreter, events).await?;
        let path = base.image.config.config.env.iter().find_map(|line| line.strip_prefix("PATH="));
        platforms.push(PythonPlatform {
            platform: platform.clone(),
            base: name.to_owned(),
            debian: base
                .debian
                .iter()
                .map(|package| format!("{} {}", package.name, package.version))
                .collect(),
            path: path.map(str::to_owned),
            environment: environment_plan(&interpreter, draft.bundled(settings)?, &chosen),
        });
        environments.push(chosen);
    }
    attested::check(draft, image, &environments)?;
    let names: BTreeSet<Name> =
        environments.iter().flatten().map(|chosen| chosen.package.name.clone()).collect();
    trimmed::in_vain(&settings.python.trim, &names)?.into_iter().for_each(|words| events.warn(words));
    let (install, found) = start::find(draft, image, install, &names, has_shell, events)?;
    static_files::uncollected(draft, settings, &names)?.into_iter().for_each(|note| events.note(note));
    let application = Application {
        install,
        reason: found.as_ref().map(|found| found.reason.clone()),
        lock: draft.lock.as_ref().map(|lock| {
            let path = lock.path.strip_prefix(&draft.project.dir).unwrap_or(&lock.path);
            path.display().to_string()
        }),
        groups: settings.python.groups.clone(),
        extras: settings.python.extras.clone(),
        bytecode: settings.python.bytecode,
    };
    if let (false, Some(first)) = (settings.origins.is_chosen("base"), settings.platforms.first()) {
        let why = settings.origins.describe("base");
        events.step("Detected", format!("base {} ({why})", base_for(settings, first)?));
    }
    if let Some(found) = &found {
        events.step("Detected", found.reason.clone());
        found.also.iter().for_each(|also| events.note(format!("also found: {also}")));
        found.notes.iter().for_each(|note| events.note(note.clone()));
    }
    let (mut planned, notes) = plan_python(PythonImage {
        name: image.name.clone(),
        settings,
        names: image.names.clone(),
        facts: image.facts.clone(),
        application,
        start: found.map(|found| found.start),
        platforms,
    })?;
    planned.call = image.call.clone();
    notes.into_iter().for_each(|note| events.note(note));
    Ok((planned, environments))
}

/// The file of each selected distribution for one interpreter, by name.
async fn choose(
    draft: &Draft,
    image: &DraftImage,
    interpreter: &Interpreter,
    events: &Events,
) -> Result<Vec<Chosen>> {
    let Some(lock) = &draft.lock else { return Ok(Vec::new()) };
    let selection = draft.selection(&image.settings)?;
    let mut packages = lock::select(lock, &selection, interpreter)?;
    if let Err(stale) = lock::check_folders_fresh(lock, &selection, interpreter) {
        super::draft::tolerate(stale, image.settings.python.stale_lock, events)?;
    }
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    let listed = packages.iter().map(|package| async move {
        // Some locks name no files, and leave that to the index.
        let unknown = package.files.iter().all(|file| file.filename.is_empty());
        match &package.source {
            Source::Index { .. } if unknown => draft.tools.downloads.files(package).await,
            _ => Ok(package.files.clone()),
        }
    });
    let lists = futures_util::future::try_join_all(listed).await?;
    let tags = Tags::of(interpreter);
    let policy = draft.policy(&image.settings)?;
    packages
        .into_iter()
        .zip(lists)
        .map(|(package, files)| {
            let form = form(&package, &files, &tags, &policy, interpreter)?;
            Ok(Chosen { package: Package { files, ..package }, form })
        })
        .collect()
}

/// The form in which a package goes into an environment.
///
/// # Errors
/// Usage: none of its files fits.
pub(super) fn form(
    package: &Package,
    files: &[DistFile],
    tags: &Tags,
    policy: &WheelPolicy,
    interpreter: &Interpreter,
) -> Result<Form> {
    if files.is_empty() && !matches!(package.source, Source::Index { .. }) {
        return Ok(Form::Source);
    }
    let version = package.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let wheel = tags.best(files);
    let archive = files.iter().find(|file| file.is_sdist());
    if !policy.allows_wheel(&package.name) {
        return archive.map(|archive| Form::Archive(archive.clone())).ok_or_else(|| {
            Error::usage(format!("{}{version} has to be built, but has no source distribution", package.name))
                .hint("remove it from no-binary")
        });
    }
    if let Some(wheel) = wheel {
        return Ok(Form::Wheel(wheel.clone()));
    }
    if let Some(archive) = archive.filter(|_| policy.allows_build(&package.name)) {
        return Ok(Form::Archive(archive.clone()));
    }
    Err(Error::usage(format!("{}{version} has no wheel for {}", package.name, interpreter.platform)))
        .context(|| tags.why_not(files))
        .map_err(|e| e.hint(fitting::hint(&package.name, files, interpreter)))
}

fn environment_plan(
    interpreter: &Interpreter,
    bundled: Option<&BundledPython>,
    chosen: &[Chosen],
) -> EnvironmentPlan {
    let distribution = |chosen: &Chosen| {
        let (file, built) = match &chosen.form {
            Form::Wheel(file) => (file.filename.clone(), false),
            Form::Archive(file) => (file.filename.clone(), true),
            Form::Source => (source_text(&chosen.package.source), true),
        };
        let version = chosen.package.version.as_ref().map(ToString::to_string);
        Distribution { name: chosen.package.name.clone(), version, file, built }
    };
    EnvironmentPlan {
        interpreter: interpreter.clone(),
        bundled: bundled.map(|bundled| plan::BundledPlan {
            prefix: bundled.prefix.display().to_string(),
            library: !bundled.libraries.is_empty(),
        }),
        distributions: chosen.iter().map(distribution).collect(),
    }
}

fn source_text(source: &Source) -> String {
    match source {
        Source::Index { url } => url.as_ref().map(Address::to_string).unwrap_or_default(),
        Source::Url { url, .. } => url.to_string(),
        Source::Git { url, commit, .. } => format!("{url}@{commit}"),
        Source::Directory { path, .. } | Source::File { path } => path.display().to_string(),
    }
}
