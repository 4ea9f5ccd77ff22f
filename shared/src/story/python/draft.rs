//! What is known of the images before their bases are open.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::builds::{Sources, Tools};
use super::bundled;
use super::interpreter::{self, Locked};
use super::locks::{self, Locks};
use super::version;
use super::wanted::{self, Group, Wanted};
use crate::config::{BaseChoice, Origin, Partial, Place, Settings, StaleLock};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::oci::{Platform, Reference};
use crate::plan::{About, Additions, Call, Facts, Names, Naming, base_for};
use crate::python::lock::{Lock, LockKind, Selection};
use crate::python::{BundledPython, Name, Project, SourceOptions, SourceSet, WheelPolicy, sources};
use crate::store::Store;
use crate::story::about::{branch, created, detected, image_names, revision_text};
use crate::story::called::called;
use crate::story::early::Early;
use crate::story::places::{Own, Places, Siblings};
use crate::story::recipe::Purpose;
use crate::story::request::Request;
use crate::story::workshop::BaseWish;
use crate::story::{hooks, revision};
use crate::vcs::{Question, Revision};
use crate::words;
use crate::words::Command;

/// A project, its lock, and the images that a call means.
pub(super) struct Draft {
    pub(super) project: Project,
    pub(super) lock: Option<Arc<Lock>>,
    /// Whether the settings name it.
    pub(super) lock_is_named: bool,
    /// In which form the project's own tools would take distributions.
    policy: WheelPolicy,
    pub(super) tools: Tools,
    pub(super) images: Vec<DraftImage>,
    pub(super) hooks: hooks::Planned,
    /// Interpreters of this machine that go into images, by their folder.
    bundled: BTreeMap<String, BundledPython>,
    /// What this call writes, which is no source.
    outputs: Vec<PathBuf>,
    /// The source that was found last, and what was asked.
    walked: Mutex<Option<(SourceOptions, Arc<SourceSet>)>>,
}

/// An image before its base is open.
pub(super) struct DraftImage {
    pub(super) name: String,
    /// How its table is called, and the process that it starts.
    pub(super) table: String,
    pub(super) settings: Settings,
    pub(super) names: Names,
    pub(super) facts: Facts,
    /// What the call says of it.
    pub(super) call: Call,
}

/// What reading the projects of a call works with.
pub(super) struct Reading<'a> {
    pub(super) store: &'a Store,
    pub(super) events: &'a Events,
    pub(super) purpose: Purpose,
    pub(super) locks: Locks,
    pub(super) sources: Sources,
}

impl Draft {
    /// Reads the project, its lock and its settings.
    ///
    /// # Errors
    /// Usage: what of them is missing, wrong or stale.
    pub(super) async fn read(
        request: &Request,
        project: Project,
        places: &Places,
        group: &Group,
        reading: &Reading<'_>,
    ) -> Result<Self> {
        let Reading { store, events, purpose, .. } = *reading;
        // Git takes about as long as it takes to read a lock.
        let described = project.dir.join(project.described_by);
        let described = if described.is_file() { &described } else { &project.dir };
        let revision = Question::ask(described);
        let (lock, stale) = reading.locks.of(&project, group, &request.variables, events)?;
        let policy = WheelPolicy::read(project.lock_dir(), lock.as_deref().map(|lock| &lock.indexes))?;
        let tools = Tools::of(request, &project, lock.as_deref(), &reading.sources, store, events)?;
        let table = project.settings.clone();
        let dir = project.dir.clone();
        let own = Own { table: table.as_ref(), dir: &dir };
        let fold = |name: &String| Ok(places.fold(own, Vec::new(), name)?.values);
        let all = group.names.keys().map(fold).collect::<Result<Vec<_>>>()?;
        let tolerates = match all.iter().all(|values| values.stale_lock == Some(StaleLock::Warn)) {
            true => StaleLock::Warn,
            false => StaleLock::Error,
        };
        let needs_version = all.iter().any(|values| values.version.is_none());
        let early = all.into_iter().next().unwrap_or_default();
        let other = match lock.as_deref().filter(|lock| lock.made.is_some()) {
            Some(lock) => Wanted::of(places, own, &group.names)?.check(lock).err(),
            None => None,
        };
        for stale in stale.into_iter().chain(other) {
            let stale = if group.lock.is_some() { renamed(stale, lock.as_deref()) } else { stale };
            tolerate(stale, tolerates, events)?;
        }
        let hooks = places.hooks(&[own], project.root_dir())?;
        let (outputs, walked) = (outputs(request, &project.dir, group), Mutex::default());
        let (images, bundled) = (Vec::new(), BTreeMap::new());
        let lock_is_named = group.lock.is_some();
        let mut draft =
            Self { project, lock, lock_is_named, policy, tools, images, hooks, bundled, outputs, walked };
        let revision = revision::answer(revision, request, &[], events);
        let version = match purpose {
            Purpose::Images if needs_version => {
                version::of(&draft.project, &draft.tools, request, &early, events).await?
            }
            _ => version::UNKNOWN_VERSION.into(),
        };
        draft.images = draft.images(request, places, own, group, (revision, version), events)?;
        for prefix in draft.images.iter().filter_map(|image| image.settings.python.prefix.clone()) {
            let bundled = bundled::ask(&draft.project, &prefix, request)?;
            draft.tools.prefer(&bundled.executable);
            draft.bundled.insert(prefix, bundled);
        }
        Ok(draft)
    }

    fn images(
        &self,
        request: &Request,
        places: &Places,
        own: Own<'_>,
        group: &Group,
        (revision, version): (Option<Revision>, String),
        events: &Events,
    ) -> Result<Vec<DraftImage>> {
        let project = &self.project;
        let (created, told_by) = created(&request.variables, revision.as_ref())?;
        let project_facts = Facts { version, revision: revision.as_ref().map(revision_text), created };
        let several = wanted::names(places, own, project)?.len() > 1;
        // Names do not hang on how many projects a call means.
        let is_member = project.workspace.as_ref().is_some_and(|workspace| workspace.members.len() > 1);
        let in_project = several || is_member;
        let siblings = Siblings { in_package: several, in_project };
        let mut images = Vec::new();
        for (table, name) in group.names.clone() {
            let about = About { name: name.clone(), ..about(project, &project_facts.version) };
            let detected = detected(&about, project.described_by, revision.is_some(), told_by.clone());
            let settings = self.settings(places, own, detected, &table)?;
            let mut facts = project_facts.clone();
            settings.version.iter().for_each(|said| facts.version.clone_from(said));
            let branch = branch(&settings, request, &project.dir);
            let naming = Naming {
                name: &name,
                facts: &facts,
                branch: branch.as_deref(),
                shares_repository: places.shares_repository(&settings, siblings),
                has_siblings: in_project,
                is_one_of_several: group.is_one_of_several,
            };
            let names = image_names(request, &settings, &naming, events)?;
            let call = called(request, places, own, &table, &project.dir)?;
            images.push(DraftImage { name, table, settings, names, facts, call });
        }
        Ok(images)
    }

    /// The settings of one image; where none of the places names a base, Python's own image of
    /// the version that fits best.
    fn settings(
        &self,
        places: &Places,
        own: Own<'_>,
        mut detected: Vec<Place>,
        name: &str,
    ) -> Result<Settings> {
        let folded = places.fold(own, detected.clone(), name)?;
        if folded.values.base.is_none() {
            let settings = Settings::new(folded)?;
            let (base, reason) = match settings.python.prefix {
                Some(_) => (interpreter::BARE.to_owned(), "default base for a bundled Python"),
                None => {
                    let (version, reason) = self.python_for(&settings)?;
                    (format!("python:{version}-slim"), reason)
                }
            };
            let base = BaseChoice::One(base);
            let values = Partial { base: Some(base), ..Partial::default() };
            detected.push(Place { origin: Origin::Detected(reason), values });
        }
        Settings::new(places.fold(own, detected, name)?)
    }

    /// The version of Python for a default base, and why.
    fn python_for(&self, settings: &Settings) -> Result<(String, &'static str)> {
        let (policy, selection) = (self.policy(settings)?, self.selection(settings)?);
        let locked = self.lock.as_deref().map(|lock| Locked { lock, policy, selection });
        interpreter::choose(&self.project, locked.as_ref(), settings)
    }

    /// The folder that the bases' paths are relative to, and that their lock is in.
    pub(super) fn root(&self) -> &Path {
        self.project.root_dir()
    }

    /// What is known of the images before anything is fetched.
    pub(super) fn early(&self) -> Vec<Early<'_>> {
        self.images.iter().map(|image| Early { settings: &image.settings, dir: &self.project.dir }).collect()
    }

    /// All references that are pushed.
    pub(super) fn references(&self) -> impl Iterator<Item = &Reference> {
        self.images.iter().flat_map(|image| &image.names.references)
    }

    /// The bases that the images need.
    pub(super) fn wishes(&self) -> Result<Vec<BaseWish>> {
        let mut wishes = Vec::new();
        for image in &self.images {
            let additions = Additions::of(&image.settings);
            for platform in &image.settings.platforms {
                wishes.push(wish(base_for(&image.settings, platform)?, platform, &additions));
            }
        }
        Ok(wishes)
    }

    /// The bases that nobody has named.
    ///
    /// # Errors
    /// A base is missing for a platform.
    pub(super) fn unnamed_bases(&self) -> Result<BTreeSet<String>> {
        let settings = self.images.iter().map(|image| &image.settings);
        let unnamed = settings.filter(|settings| !settings.origins.is_chosen("base"));
        let bases = |settings: &'_ Settings| -> Result<Vec<String>> {
            settings
                .platforms
                .iter()
                .map(|platform| base_for(settings, platform).map(str::to_owned))
                .collect()
        };
        Ok(unnamed.map(bases).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// In which form distributions may be taken.
    ///
    /// # Errors
    /// Usage: a name is none.
    pub(super) fn policy(&self, settings: &Settings) -> Result<WheelPolicy> {
        self.policy.with_no_binary(&settings.python.no_binary)
    }

    /// The interpreter of this machine that goes into the image.
    ///
    /// # Errors
    /// A bug when it was not looked for.
    pub(super) fn bundled(&self, settings: &Settings) -> Result<Option<&BundledPython>> {
        let Some(prefix) = &settings.python.prefix else { return Ok(None) };
        let lost = || Error::bug(format!("the Python in {prefix} was not looked for"));
        self.bundled.get(prefix).ok_or_else(lost).map(Some)
    }

    /// The source that an image with `install = "source"` has. It is looked for once, unless hooks
    /// may change it in between.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn source(&self, settings: &Settings) -> Result<Arc<SourceSet>> {
        let options = SourceOptions {
            include: settings.python.include.clone(),
            exclude: settings.python.exclude.clone(),
            executable: settings.python.executable.clone(),
            outputs: self.outputs.clone(),
        };
        let known = self.walked.lock().ok().and_then(|walked| walked.clone());
        let unchanged = self.hooks.iter().all(|(_, hooks)| hooks.pre.is_empty());
        if let Some((_, set)) = known.filter(|(asked, _)| unchanged && *asked == options) {
            return Ok(set);
        }
        let set = Arc::new(sources(&self.project.dir, &options)?);
        if let Ok(mut walked) = self.walked.lock() {
            *walked = Some((options, Arc::clone(&set)));
        }
        Ok(set)
    }

    /// What of the lock an image needs.
    pub(super) fn selection(&self, settings: &Settings) -> Result<Selection<'_>> {
        let names = |texts: &[String]| texts.iter().map(|text| text.parse::<Name>()).collect::<Result<_>>();
        Ok(Selection {
            groups: names(&settings.python.groups)?,
            extras: names(&settings.python.extras)?,
            project: locks::facts(&self.project),
        })
    }
}

/// The base `name` for a platform, with what is added to it, and a name for the user.
pub(super) fn wish(name: &str, platform: &Platform, additions: &Additions) -> BaseWish {
    BaseWish { names_user: true, ..BaseWish::of(name, platform, additions) }
}

/// What a call writes, which is no source.
fn outputs(request: &Request, project: &Path, group: &Group) -> Vec<PathBuf> {
    let names: Vec<&str> = group.names.values().map(String::as_str).collect();
    let mut written = request.written(&names);
    written.push(project.join("dist/image"));
    written
}

/// The project that the call is about.
///
/// # Errors
/// Usage: there is none, or it cannot be understood.
pub(super) fn project(request: &Request) -> Result<Project> {
    let dir = request.dir.as_path();
    Project::read(dir)?.ok_or_else(|| {
        Error::usage(format!("there is no Python project in {} or any parent folder", dir.display()))
            .hint("give its folder with -C: one with a pyproject.toml or a requirements.txt")
    })
}

/// `containerize lock` passes over a lock that the settings name: it would not help.
fn renamed(stale: Error, lock: Option<&Lock>) -> Error {
    let Some(lock) = lock.filter(|lock| lock.kind == LockKind::Pylock) else { return stale };
    let name = lock.path.file_name().unwrap_or_default().to_string_lossy();
    stale.hint(words!(
        "remove the key `lock` and run `{lock}`; then rename the new pylock.toml to {name}",
        lock = Command::LOCK
    ))
}

/// Lets a stale lock pass with a word, where that is wanted.
///
/// # Errors
/// The one that is given, where it is not.
pub(super) fn tolerate(stale: Error, mode: StaleLock, events: &Events) -> Result<()> {
    if mode == StaleLock::Error {
        return Err(stale);
    }
    let hint = stale.hint_text().map(|hint| format!(" ({hint})")).unwrap_or_default();
    events.warn(format!("{stale}{hint}; using what it pins"));
    Ok(())
}

fn about(project: &Project, version: &str) -> About {
    About {
        name: project.name.clone(),
        version: version.to_owned(),
        description: project.description.clone(),
        licenses: project.license.expression.clone(),
        homepage: project.homepage.clone(),
        repository: project.repository.clone(),
        documentation: project.documentation.clone(),
        authors: project.authors.clone(),
    }
}
