//! What the settings of all images of a project ask of its lock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::bundled;
use super::interpreter::{AskedBy, check_minor};
use super::tables::{TABLES, places};
use crate::config::{BaseChoice, Folded, Origin, PythonChoice};
use crate::error::Result;
use crate::event::Events;
use crate::python::lock::{self, Lock};
use crate::python::{Name, Project, PythonVersion};
use crate::story::places::{Own, Places};
use crate::story::request::Request;
use crate::words::{Command, Flag, flag};

/// What a lock is to have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Extras of the project.
    pub(super) extras: Vec<String>,
    /// Dependency groups.
    pub(super) groups: Vec<String>,
    /// Whether images differ in extras or groups.
    pub(super) differ: bool,
    /// The oldest version of Python that an image has, as far as the settings tell.
    pub(super) python: Option<PythonVersion>,
    /// The interpreter of this machine that an image has.
    pub(super) interpreter: Option<PathBuf>,
    /// What the call itself adds to `containerize lock`, as ` --extra prod`.
    flags: Vec<Flag>,
}

impl Wanted {
    /// What all places together ask for; `None` where every image names its lock.
    ///
    /// # Errors
    /// Usage: a place has an unknown key or a wrong value; a Python that is to be bundled does not work, or is none
    /// that the project allows.
    pub(super) fn of_call(request: &Request, project: &Project) -> Result<Option<Self>> {
        // What is to be said of the places is said when the images are planned.
        let places = places(request, project, &Events::silent())?;
        let own = Own { table: project.settings.as_ref(), dir: &project.dir };
        let Some(unnamed) = groups(&places, project)?.into_iter().find(|group| group.lock.is_none()) else {
            return Ok(None);
        };
        let mut found = Self::of(&places, own, &unnamed.names)?;
        found.look_for_python(request, &places, own, project)?;
        Ok(Some(found))
    }

    /// The extras and groups that the places ask for.
    ///
    /// # Errors
    /// As [`of_call`](Self::of_call).
    pub(super) fn of(places: &Places, own: Own<'_>, images: &BTreeMap<String, String>) -> Result<Self> {
        let mut found = Self::default();
        let mut first = None;
        for name in images.keys() {
            let Folded { values, origins } = places.fold(own, Vec::new(), name)?;
            let asked =
                (values.extras.clone().unwrap_or_default(), values.groups.clone().unwrap_or_default());
            found.differ |= first.get_or_insert_with(|| asked.clone()) != &asked;
            for (key, asked_by, new, all) in [
                ("extras", "extra", values.extras, &mut found.extras),
                ("groups", "group", values.groups, &mut found.groups),
            ] {
                for name in new.into_iter().flatten() {
                    let said: Option<Flag> = match origins.of(key) {
                        Some(Origin::Flag) => Some(flag(asked_by).of(name.clone())),
                        Some(Origin::File(file)) => Some(flag("config").of(file.clone())),
                        _ => None,
                    };
                    found.flags.extend(said.filter(|flag| !found.flags.contains(flag)));
                    if !all.contains(&name) {
                        all.push(name);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Refuses a lock that was made with others.
    ///
    /// # Errors
    /// Usage: in which way it is another one.
    pub(super) fn check(&self, lock: &Lock) -> Result<()> {
        let names = |texts: &[String]| -> Result<BTreeSet<Name>> {
            let is_main = |text: &&String| matches!(text.as_str(), "main" | "default");
            texts.iter().filter(|text| !is_main(text)).map(|text| text.parse::<Name>()).collect()
        };
        let command = Command::LOCK.with(self.flags.iter().cloned());
        lock::check_made_with(lock, &names(&self.extras)?, &names(&self.groups)?, &command)
    }
}

impl Wanted {
    /// The oldest version that an image has by its settings: `python`, the Python that is bundled, or the name of
    /// the base; else what `.python-version` says.
    ///
    /// # Errors
    /// Usage: the project does not allow one of them.
    fn look_for_python(
        &mut self,
        request: &Request,
        places: &Places,
        own: Own<'_>,
        project: &Project,
    ) -> Result<()> {
        for name in names(places, own, project)? {
            let values = places.fold(own, Vec::new(), &name)?.values;
            let mut asked = AskedBy::Base;
            let said: Vec<PythonVersion> = match &values.python {
                Some(PythonChoice::Version(text)) if !text.is_empty() => {
                    asked = AskedBy::Setting;
                    vec![text.parse()?]
                }
                Some(PythonChoice::Bundled { prefix }) => {
                    let bundled = bundled::ask(project, prefix, request)?;
                    self.interpreter.get_or_insert(bundled.executable);
                    asked = AskedBy::Bundled;
                    vec![bundled.version]
                }
                _ => bases(values.base.as_ref()).filter_map(of_base).collect(),
            };
            said.iter().try_for_each(|version| check_minor(project, *version, asked))?;
            self.python = said.into_iter().chain(self.python).min();
        }
        if let (None, Some(text)) = (self.python, &project.python_version_file) {
            let version = text.parse()?;
            check_minor(project, version, AskedBy::File)?;
            self.python = Some(version);
        }
        Ok(())
    }
}

/// The names of all images: those in tables `image.NAME`, else the project's. A table of a workspace's root speaks
/// of images that members have, and makes none.
pub(super) fn names(places: &Places, own: Own<'_>, project: &Project) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let of_workspace = Origin::Table(TABLES.workspace.into());
    for layer in places.stack(own, Vec::new())? {
        if layer.origin != of_workspace {
            names.extend(layer.values.image.into_keys());
        }
    }
    if names.is_empty() {
        names.insert(project.normalized.to_string());
    }
    Ok(names)
}

/// Images of a project that are made from one lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Group {
    /// The lock, absolute, where the settings name one.
    pub(super) lock: Option<PathBuf>,
    /// The images: how their tables are called, and how they are.
    pub(super) names: BTreeMap<String, String>,
    /// Whether the call means other images, too.
    pub(super) is_one_of_several: bool,
}

/// The images of a project by their locks.
///
/// # Errors
/// Usage: a place has an unknown key or a wrong value.
pub(super) fn groups(places: &Places, project: &Project) -> Result<Vec<Group>> {
    let own = Own { table: project.settings.as_ref(), dir: &project.dir };
    let of_workspace = Origin::Table(TABLES.workspace.into());
    let mut groups: Vec<Group> = Vec::new();
    for name in names(places, own, project)? {
        let Folded { values, origins } = places.fold(own, Vec::new(), &name)?;
        let beside =
            if origins.is_from("lock", &of_workspace) { project.root_dir() } else { project.dir.as_path() };
        let lock = values.lock.map(|path| beside.join(path));
        let called = values.name.unwrap_or_else(|| name.clone());
        match groups.iter_mut().find(|group| group.lock == lock) {
            Some(group) => _ = group.names.insert(name, called),
            None => groups.push(Group { lock, names: [(name, called)].into(), is_one_of_several: false }),
        }
    }
    Ok(groups)
}

fn bases(choice: Option<&BaseChoice>) -> impl Iterator<Item = &str> {
    let (one, each) = match choice {
        Some(BaseChoice::One(name)) => (Some(name.as_str()), None),
        Some(BaseChoice::ByPlatform(names)) => (None, Some(names.values().map(String::as_str))),
        None => (None, None),
    };
    one.into_iter().chain(each.into_iter().flatten())
}

/// The version of Python that the name of a base tells: Python's own images, and Google's.
pub(super) fn of_base(name: &str) -> Option<PythonVersion> {
    const DEBIANS: [(&str, u32); 4] = [("debian10", 7), ("debian11", 9), ("debian12", 11), ("debian13", 13)];
    let of_tag = || {
        let rest = name.rsplit_once("python:3.")?.1;
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    };
    let of_debian = || {
        let rest = name.rsplit_once("/python3-")?.1;
        DEBIANS.iter().find(|(release, _)| rest.starts_with(release)).map(|(_, minor)| *minor)
    };
    let minor = of_tag().or_else(of_debian)?;
    Some(PythonVersion { major: 3, minor, micro: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_base_may_tell_its_python() {
        for (name, minor) in [
            ("python:3.9-slim", Some(9)),
            ("ghcr.io/you/python:3.13.5-slim-bookworm@sha256:0", Some(13)),
            ("oci:images:python:3.12-alpine", Some(12)),
            ("gcr.io/distroless/python3-debian12:nonroot", Some(11)),
            ("debian:bookworm-slim", None),
            ("python:latest", None),
            ("python:3", None),
        ] {
            assert_eq!(of_base(name).map(|version| version.minor), minor, "{name}");
        }
    }
}
