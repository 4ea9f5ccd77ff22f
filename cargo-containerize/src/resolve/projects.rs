//! The projects that files name: each is planned before any is built, and built once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use containerize_core::deployment::SCHEME;
use containerize_core::event::Events;
use containerize_core::oci::Reference;
use containerize_core::plan::ImagePlan;
use containerize_core::story::{self, Delivered, Outcome, Request};
use containerize_core::words::flag;
use containerize_core::{Error, Result, words};

use crate::cli::BuildArgs;
use crate::front_end::FrontEnd;
use crate::request;

/// What is to be built, by real folders.
pub(super) struct Projects<'f> {
    build: BuildArgs,
    front_end: &'f FrontEnd,
    /// The folder that others are named from.
    root: PathBuf,
    wanted: BTreeMap<PathBuf, Project>,
    /// The real folder of each one that is written.
    folders: BTreeMap<String, PathBuf>,
}

/// A project that is named.
struct Project {
    /// As its folder is written first.
    folder: String,
    /// Each image that is named, with the place where.
    images: BTreeSet<(String, Option<String>)>,
    planned: Option<(Request, Vec<ImagePlan>)>,
}

impl<'f> Projects<'f> {
    /// None yet, to be built with these flags, in folders that are named from the one of the call.
    ///
    /// # Errors
    /// Usage: that folder does not exist.
    pub(super) fn below(mut build: BuildArgs, front_end: &'f FrontEnd) -> Result<Self> {
        let dir = build.project.take().or_else(|| front_end.project.clone()).unwrap_or_default();
        let root = request::here()?.join(dir);
        let root = std::fs::canonicalize(&root).map_err(|error| {
            Error::usage(format!("the folder {} does not exist", root.display())).because(error)
        })?;
        Ok(Self { build, front_end, root, wanted: BTreeMap::new(), folders: BTreeMap::new() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// An image is named at this place.
    ///
    /// # Errors
    /// Usage: the folder does not exist, or is not below the one of the call: files may come from others, and a build runs
    /// code.
    pub(super) fn want(&mut self, place: &str, folder: &str, image: Option<&str>) -> Result<()> {
        let real = real(&self.root, folder).ok_or_else(|| {
            Error::usage(format!("{place}: {SCHEME}{folder} is not a folder here"))
                .hint(words!("write a folder below the current one, or below that of {}", flag("project")))
        })?;
        self.folders.insert(folder.to_owned(), real.clone());
        let new = || Project { folder: folder.to_owned(), images: BTreeSet::new(), planned: None };
        let project = self.wanted.entry(real).or_insert_with(new);
        project.images.insert((place.to_owned(), image.map(str::to_owned)));
        Ok(())
    }

    /// Plans those that are not planned.
    ///
    /// # Errors
    /// Usage: a project does not make what is named; two would get the same name; the call writes files, and several
    /// projects would write the same ones. Others when one cannot be planned.
    pub(super) async fn plan(&mut self) -> Result<()> {
        self.refuse_shared_files()?;
        for (dir, project) in &mut self.wanted {
            if project.planned.is_none() {
                self.build.project = Some(dir.clone());
                let request = request::from_arguments(&self.build, self.front_end)?;
                let push = request.push || request.load.is_empty();
                let request = Request { push, ..request };
                let planned = Request { dry_run: true, ..request.clone() };
                let Outcome::Planned(plan) = Box::pin(story::run(planned, &Events::silent())).await? else {
                    return Err(Error::bug("a plan was carried out"));
                };
                project.planned = Some((request, plan.images));
            }
            project.refuse_others()?;
        }
        self.refuse_same_names()
    }

    /// Where the images go.
    pub(super) fn references(&self) -> Vec<&Reference> {
        self.wanted.values().flat_map(Project::planned).flat_map(|image| &image.references).collect()
    }

    /// Builds and delivers all of them.
    ///
    /// # Errors
    /// Those of a build.
    pub(super) async fn build(self, events: &Events) -> Result<Built> {
        let mut images = BTreeMap::new();
        for (dir, project) in self.wanted {
            let (request, plans) = project.planned.ok_or_else(|| Error::bug("a project was not planned"))?;
            let Outcome::Built(delivered) = Box::pin(story::run(request, events)).await? else {
                return Err(Error::bug("a build was only planned"));
            };
            images.insert(dir, plans.into_iter().zip(delivered).collect());
        }
        Ok(Built { folders: self.folders, images })
    }

    fn refuse_shared_files(&self) -> Result<()> {
        let target = &self.build.target;
        if self.wanted.len() > 1 && !(target.output.is_empty() && target.sbom_output.is_empty()) {
            let (output, sbom) = (flag("output"), flag("sbom-output"));
            return Err(Error::usage("several projects would write the same files")
                .hint(words!("use {output} and {sbom} with a build of each")));
        }
        Ok(())
    }

    fn refuse_same_names(&self) -> Result<()> {
        let mut known: BTreeMap<String, &str> = BTreeMap::new();
        for project in self.wanted.values() {
            for name in project.planned().flat_map(names) {
                if let Some(other) = known.insert(name.clone(), &project.folder) {
                    let this = &project.folder;
                    return Err(Error::usage(format!("{other} and {this} would both be named {name}"))
                        .hint("give each project its own `name` or `repository`, or one with {name}"));
                }
            }
        }
        Ok(())
    }
}

impl Project {
    fn planned(&self) -> impl Iterator<Item = &ImagePlan> {
        self.planned.iter().flat_map(|(_, images)| images)
    }

    /// Refuses names of images that it does not make.
    fn refuse_others(&self) -> Result<()> {
        let names: Vec<&str> = self.planned().map(|image| &*image.name).collect();
        let (folder, all) = (&self.folder, names.join(", "));
        for (place, image) in &self.images {
            match image {
                Some(wanted) if !names.contains(&wanted.as_str()) => {
                    return Err(Error::usage(format!("{place}: {folder} makes no image {wanted}"))
                        .hint(format!("use one of its images: {all}")));
                }
                None if names.len() != 1 => {
                    return Err(Error::usage(format!("{place}: {SCHEME}{folder} makes several images"))
                        .hint(format!("add the name of one after a #: {all}")));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The names that an image will have.
fn names(image: &ImagePlan) -> Vec<String> {
    match image.references.is_empty() {
        false => image.references.iter().map(ToString::to_string).collect(),
        true => image.tags.iter().map(|tag| format!("{}:{tag}", image.name)).collect(),
    }
}

/// A folder as it is named, without links, if it is in the one that it is named from.
fn real(root: &Path, folder: &str) -> Option<PathBuf> {
    let real = std::fs::canonicalize(root.join(folder)).ok()?;
    (real.is_dir() && real.starts_with(root)).then_some(real)
}

/// What was built.
pub(super) struct Built {
    folders: BTreeMap<String, PathBuf>,
    /// The images of each folder, as they were planned and as they were delivered.
    images: BTreeMap<PathBuf, Vec<(ImagePlan, Delivered)>>,
}

impl Built {
    /// The name of the image of a folder.
    pub(super) fn in_folder(&self, folder: &str, image: Option<&str>) -> Option<String> {
        let images = self.images.get(self.folders.get(folder)?)?;
        let is_meant = |(plan, _): &&(ImagePlan, Delivered)| image.is_none_or(|image| plan.name == image);
        images.iter().find(is_meant).map(|(_, delivered)| name(delivered))
    }

    /// The name of the image that is pushed as this, or would be.
    pub(super) fn pushed_as(&self, wanted: &Reference) -> Option<String> {
        let mut images = self.images.values().flatten();
        let found = images.find(|(plan, _)| plan.references.iter().any(|pushed| is_same(wanted, pushed)));
        found.map(|(_, delivered)| name(delivered))
    }
}

/// Whether a name in a file, with a tag or without, means what is pushed.
pub(super) fn is_same(wanted: &Reference, pushed: &Reference) -> bool {
    wanted.repository == pushed.repository && (wanted.tag.is_none() || wanted.tag == pushed.tag)
}

/// By which name a cluster or an engine finds an image.
fn name(image: &Delivered) -> String {
    match (image.references.first(), &image.loaded) {
        (Some(pushed), _) => format!("{}@{}", pushed.repository, image.digest),
        (None, Some(loaded)) => loaded.name.to_string(),
        (None, None) => format!("{}@{}", image.name, image.digest),
    }
}
