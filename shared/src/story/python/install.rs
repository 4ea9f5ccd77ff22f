//! From chosen distributions to environments: fetched, built, and the project itself.

use std::sync::Mutex;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;

use super::attested::{self, Publishers};
use super::bundled;
use super::compiler::Compiler;
use super::complete::{self, Laid};
use super::draft::{Draft, wish};
use super::form::{Chosen, Form};
use super::parts::{PythonParts, skeleton};
use super::pressing::{self, Site};
use super::ready::{ReadyWheel, Supplied, present};
use super::resolve::Resolved;
use super::wheel_layers::{Pressed, target};
use super::{start, trim, unpacked};
use crate::config::{Install, Settings};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::layer::{Content, Entry};
use crate::oci::Mode;
use crate::plan::{APP, Additions, EnvironmentPlan, Plan, PlatformPlan, TargetPlan};
use crate::python::closed::Present;
use crate::python::{BundledPython, Interpreter, Source, SourceKind, is_command_line};
use crate::story::workshop::{Bases, Workshop};
use crate::wheel::{self, Script, Tests, Wheel};

/// Makes what the images of a plan hold, in the plan's order. `ahead` are layers that were made before the bases were open.
///
/// # Errors
/// When something cannot be fetched or built, or is not what the lock says.
pub(super) async fn environments<'a>(
    workshop: &'a Workshop<'a>,
    draft: &'a Draft,
    plan: &'a Plan,
    (resolved, ahead): (&'a Resolved, &'a Pressed),
    bases: &'a Bases,
) -> Result<Vec<PythonParts<'a>>> {
    let mut made = Vec::new();
    // The same for each platform, and told once.
    let mut left_out = Vec::new();
    let mut unmet = Vec::new();
    let images = plan.images.iter().zip(&draft.images);
    let each =
        images.flat_map(|(image, of)| image.platforms.iter().map(move |platform| (image, of, platform)));
    let sites = each.zip(&resolved.environments).map(|((image, of, platform), chosen)| {
        let TargetPlan::Python(EnvironmentPlan { interpreter, .. }) = &platform.target else {
            return Err(Error::bug(format!("{} is not a Python image", image.name)));
        };
        Ok(Site { image, platform, settings: &of.settings, interpreter, chosen })
    });
    let sites = sites.collect::<Result<Vec<Site<'_>>>>()?;
    let publishers = &attested::publishers(workshop, draft, &sites).await?;
    // All platforms at once: what several share is fetched once.
    let (supplied, pressed) = pressing::supply(workshop, draft, &sites, bases)?;
    let mut supplied = supplied.into_iter();
    for (site, pressed) in sites.iter().zip(pressed) {
        let Site { image, platform, settings, interpreter, chosen } = *site;
        let install = image.python().map_or(Install::Source, |application| application.install);
        let bundled = draft.bundled(settings)?;
        let maker = EnvironmentMaker { workshop, draft, settings, interpreter, bundled, ahead, publishers };
        let (mut environment, local) = maker.make(chosen, &mut supplied, install, &mut left_out).await?;
        environment.pressed = pressed;
        if image.python().is_some_and(|application| application.bytecode) {
            environment.compiler = Some(maker.compiler(&image.additions, platform, bases)?);
        }
        let laid = Laid { wheels: &environment.wheels, local, project_is_laid: install == Install::Wheel };
        unmet.extend(complete::unmet(workshop, draft, settings, interpreter, &laid)?);
        made.push(environment);
    }
    complete::judge(draft, unmet, workshop.events)?;
    left_out.into_iter().for_each(|words| workshop.events.note(words));
    Ok(made)
}

struct EnvironmentMaker<'a, 'b> {
    workshop: &'a Workshop<'a>,
    draft: &'a Draft,
    settings: &'a Settings,
    interpreter: &'a Interpreter,
    bundled: Option<&'a BundledPython>,
    ahead: &'a Pressed,
    publishers: &'b Publishers,
}

impl<'a> EnvironmentMaker<'a, '_> {
    /// What compiles for the image, should something have to be compiled.
    fn compiler(
        &self,
        additions: &Additions,
        platform: &PlatformPlan,
        bases: &'a Bases,
    ) -> Result<Compiler<'a>> {
        let Self { workshop, draft, interpreter, bundled, .. } = *self;
        Ok(Compiler {
            workshop: *workshop,
            runtime: Handle::current(),
            tools: &draft.tools,
            base: bases.get(&platform.base, &platform.platform, additions)?,
            wish: wish(&platform.base, &platform.platform, additions),
            path: &interpreter.path,
            version: interpreter.version,
            bundled: bundled.map(|bundled| bundled.executable.as_path()),
            found: Mutex::default(),
        })
    }

    async fn make(
        &self,
        chosen: &[Chosen],
        files: &mut impl Iterator<Item = Supplied>,
        install: Install,
        left_out: &mut Vec<String>,
    ) -> Result<(PythonParts<'a>, Vec<Present>)> {
        let owner = self.settings.owner;
        let target = target(self.interpreter, owner);
        let mut wheels = Vec::new();
        // Folders beside the project change as often as it does, and go where it goes.
        let mut own = Vec::new();
        let mut builds = Vec::new();
        for chosen in chosen {
            match &chosen.form {
                Form::Wheel(file) => {
                    let fetched = files.next().ok_or_else(|| Error::bug("a wheel was not fetched"))?;
                    let mut lineage = self.draft.tools.lineage(&chosen.package, &chosen.form);
                    lineage.publishers = self.publishers.of(chosen);
                    let ready = ReadyWheel::of(&chosen.package, file, fetched, lineage);
                    wheels.push(ready.trimmed(&self.settings.python.trim)?);
                }
                Form::Archive(_) | Form::Source => builds.push(chosen),
            }
        }
        if !builds.is_empty() {
            // It may take minutes, and then be refused.
            let (settings, interpreter) = (self.settings, self.interpreter);
            let pending = builds.iter().map(|chosen| complete::pending(&chosen.package)).collect();
            let laid = Laid { wheels: &wheels, local: pending, project_is_laid: false };
            complete::refuse_early(self.workshop, self.draft, settings, interpreter, &laid)?;
        }
        let jobs = self.workshop.jobs().max(1);
        let building =
            builds.iter().map(|chosen| self.draft.tools.build(chosen, self.settings, self.interpreter));
        // Boxed, as the compiler cannot see otherwise that these futures may move between threads.
        let building: Vec<BoxFuture<'_, Result<ReadyWheel>>> =
            building.map(|build| Box::pin(build) as _).collect();
        let built: Vec<ReadyWheel> = stream::iter(building).buffered(jobs).try_collect().await?;
        for (chosen, mut wheel) in builds.iter().zip(built) {
            wheel.lineage.publishers = self.publishers.of(chosen);
            let local = matches!(chosen.package.source, Source::Directory { .. });
            match local {
                true => own.push(wheel),
                false => wheels.push(wheel.trimmed(&self.settings.python.trim)?),
            }
        }
        wheels.sort_by(|a, b| a.name.cmp(&b.name));
        if install == Install::Wheel {
            let (tools, settings) = (&self.draft.tools, self.settings);
            let ready = tools.project(&self.draft.project, settings, self.interpreter).await?;
            say_once(self.unpacked(&ready)?.into_iter().collect(), left_out);
            own.push(ready);
        }
        let kept = || trim::keep_what_is_used(self.workshop, &mut wheels, || self.own_tests(&own, install));
        say_once(tokio::task::block_in_place(kept)?.into_iter().collect(), left_out);
        let mut project = Vec::new();
        let mut local = Vec::new();
        let distributions = wheels.iter().chain(&own).map(ReadyWheel::ingredient).collect();
        for ready in &own {
            say_once(ready.words(), left_out);
            let wheel = ready.open()?;
            project.extend(ready.install(&wheel, &target)?);
            local.push(present(wheel));
        }
        if install == Install::Source {
            project.extend(self.source(&target, left_out)?);
        }
        let interpreter = match self.bundled {
            Some(bundled) => bundled::entries(bundled, owner)?,
            None => Vec::new(),
        };
        let skeleton = skeleton(self.interpreter, owner);
        let lock = self.draft.lock.as_ref().map(|lock| lock.path.clone());
        Ok((
            PythonParts {
                compiler: None,
                pressed: Pressed::new(),
                ahead: self.ahead,
                interpreter,
                skeleton,
                project,
                target,
                wheels,
                distributions,
                lock,
            },
            local,
        ))
    }

    /// Which tests the project's own code uses, and what starts it.
    fn own_tests(&self, own: &[ReadyWheel], install: Install) -> Result<Vec<Tests>> {
        let of = |ready: &ReadyWheel| Ok(ready.open()?.tests()?.whole());
        let mut tests = own.iter().map(of).collect::<Result<Vec<_>>>()?;
        tests.push(trim::of_command(self.settings));
        if install == Install::Source {
            tests.push(trim::of_source(&self.draft.project, &*self.draft.source(self.settings)?)?);
        }
        Ok(tests)
    }

    /// What the wheel of the project lacks of what its packages hold in the source.
    fn unpacked(&self, ready: &ReadyWheel) -> Result<Option<String>> {
        let project = &self.draft.project;
        let source = start::source(self.draft, self.settings, Install::Wheel)?;
        let wheel = Wheel::open(&ready.supply.path()?, &ready.filename, ready.digest)?;
        let members = wheel.files.iter().map(|file| file.name.as_str()).collect();
        let paths = source.files.iter().map(|file| file.to.as_str());
        Ok(unpacked::note(&project.name, &project.layout, paths, &members))
    }

    /// What the project's source adds; what of it stays out is told in `left_out`.
    fn source(&self, target: &wheel::Venv, left_out: &mut Vec<String>) -> Result<Vec<Entry>> {
        let mut entries = source_entries(self.draft, self.settings, left_out)?;
        let project = &self.draft.project;
        let paths = project.layout.python_paths();
        let lines: String = paths.iter().map(|path| format!("{}\n", within_app(path))).collect();
        let pth = format!("{}/{}.pth", target.site_packages(), project.normalized.escaped());
        entries.push(Entry::file(pth, Content::Bytes(lines.into()), Mode(0o644), target.owner));
        for (name, object) in &project.scripts {
            if is_command_line(object) {
                let words = format!(
                    "the script {name} = {object:?} is a command line and not a Python object; no program of that name is made"
                );
                say_once(vec![words], left_out);
                continue;
            }
            let script = Script::of(name, object)?;
            let program = script.program(&target.interpreter).into_bytes();
            let path = format!("{}/bin/{name}", target.prefix);
            entries.push(Entry::file(path, Content::Bytes(program.into()), Mode(0o755), target.owner));
        }
        Ok(entries)
    }
}

fn say_once(words: Vec<String>, said: &mut Vec<String>) {
    for words in words {
        if !said.contains(&words) {
            said.push(words);
        }
    }
}

fn within_app(path: &str) -> String {
    if path.is_empty() { APP.to_owned() } else { format!("{APP}/{path}") }
}

/// Says what of the source stays out of the images of a plan that is not carried out. What stays out of a wheel is
/// known only when it is built.
pub(super) fn tell_left_out(draft: &Draft, plan: &Plan, events: &Events) -> Result<()> {
    let mut said = Vec::new();
    for (image, of) in plan.images.iter().zip(&draft.images) {
        if image.python().is_some_and(|application| application.install == Install::Source) {
            say_once(draft.source(&of.settings)?.words(), &mut said);
        }
    }
    said.into_iter().for_each(|words| events.note(words));
    Ok(())
}

fn source_entries(draft: &Draft, settings: &Settings, left_out: &mut Vec<String>) -> Result<Vec<Entry>> {
    let set = draft.source(settings)?;
    say_once(set.words(), left_out);
    let owner = settings.owner;
    let app = APP.trim_start_matches('/');
    set.files
        .iter()
        .map(|file| {
            let path = format!("{app}/{}", file.to);
            Ok(match &file.kind {
                SourceKind::Link { target } => Entry::symlink(path, target, owner),
                SourceKind::File { .. } => {
                    let mode = if file.executable { Mode(0o755) } else { Mode(0o644) };
                    Entry::file(path, Content::of_file(&file.from)?, mode, owner)
                }
            })
        })
        .collect()
}
