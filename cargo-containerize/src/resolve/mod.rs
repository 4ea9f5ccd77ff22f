//! `resolve`, `apply` and `delete`: files for a cluster, in which images of projects are named by what was pushed.

mod files;
mod kubectl;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use containerize_core::deployment::{Deployment, Named, SCHEME, stream};
use containerize_core::event::Events;
use containerize_core::oci::Reference;
use containerize_core::story::{self, Delivered, Outcome, Request};
use containerize_core::words::flag;
use containerize_core::{Error, Result, words};

use crate::cli::{BuildArgs, FileArgs, PrintFormat};
use crate::front_end::FrontEnd;
use crate::request;
pub(crate) use kubectl::Kubectl;

/// The images of each folder that is named, by the folder as it is written.
type Built = BTreeMap<String, Vec<Delivered>>;

/// Builds what the files name, and gives their text with the digests.
///
/// # Errors
/// Usage: a file cannot be read, names nothing that is built here, or names an image that its project does not make. Others
/// as for a build. What was pushed before a failure stays, and nothing names it.
pub(crate) async fn run(
    deployment: &FileArgs,
    build: BuildArgs,
    front_end: &FrontEnd,
    events: &Events,
) -> Result<String> {
    refuse_other_results(&build)?;
    let deployments = files::read(deployment)?;
    let mut folders: Vec<(&str, &str)> = Vec::new();
    for deployment in &deployments {
        for named in deployment.images() {
            if let Named::Project { folder, .. } = named
                && !folders.iter().any(|(known, _)| known == folder)
            {
                folders.push((folder, deployment.name()));
            }
        }
    }
    let built = match folders.as_slice() {
        [] => the_project(&deployments, build, front_end, events).await?,
        folders => projects(folders, build, front_end, events).await?,
    };
    let mut texts = Vec::with_capacity(deployments.len());
    for deployment in &deployments {
        for named in deployment.images() {
            if let Named::Project { folder, image } = named {
                chosen(&built, deployment.name(), folder, image.as_deref())?;
            }
        }
        texts.push(deployment.with(|named| match named {
            Named::Project { folder, image } => {
                chosen(&built, deployment.name(), folder, image.as_deref()).ok().map(name)
            }
            Named::Image(reference) => pushed_as(&built, reference).map(name),
        }));
    }
    Ok(stream(texts))
}

/// The files as they are: what is deleted is known by its own name, whatever its images.
///
/// # Errors
/// Usage: a file cannot be read.
pub(crate) fn as_they_are(deployment: &FileArgs) -> Result<String> {
    Ok(stream(files::read(deployment)?.iter().map(|deployment| deployment.with(|_| None))))
}

fn refuse_other_results(build: &BuildArgs) -> Result<()> {
    let refused = |what: &str, hint| Err(Error::usage(what).hint(hint));
    if build.dry_run {
        return refused(
            "without a build there are no digests to name",
            words!("use {} with a build alone", flag("dry-run")),
        );
    }
    if build.say.format == PrintFormat::Json || build.target.output.iter().any(|output| output.is_stream()) {
        return refused(
            "standard output is for the resolved files",
            words!("use {} and {} with a build alone", flag("format"), flag("output")),
        );
    }
    Ok(())
}

/// Builds the projects in these folders, each with the file that names it first.
async fn projects(
    folders: &[(&str, &str)],
    mut build: BuildArgs,
    front_end: &FrontEnd,
    events: &Events,
) -> Result<Built> {
    let root = build.project.take().or_else(|| front_end.project.clone()).unwrap_or_default();
    let mut places: BTreeMap<Reference, &str> = BTreeMap::new();
    let mut built = Built::new();
    for (folder, file) in folders {
        let project = within(&root, folder).filter(|project| project.is_dir()).ok_or_else(|| {
            Error::usage(format!("{file} names {SCHEME}{folder}, which is not a folder here")).hint(words!(
                "write a folder as seen from the current one, or from that of {}",
                flag("project")
            ))
        })?;
        build.project = Some(project);
        let images = images(wish(&build, front_end)?, events).await?;
        for reference in images.iter().flat_map(|image| &image.references) {
            if let Some(other) = places.insert(reference.clone(), folder) {
                return Err(Error::usage(format!("{other} and {folder} were both pushed as {reference}"))
                    .hint("give each project its own `repository`, or one with {name}"));
            }
        }
        built.insert((*folder).to_owned(), images);
    }
    Ok(built)
}

/// Builds the project here, if the files name where it is pushed.
async fn the_project(
    deployments: &[Deployment],
    build: BuildArgs,
    front_end: &FrontEnd,
    events: &Events,
) -> Result<Built> {
    let request = wish(&build, front_end)?;
    let planned = Request { dry_run: true, ..request.clone() };
    let Outcome::Planned(plan) = Box::pin(story::run(planned, &Events::silent())).await? else {
        return Err(Error::bug("a plan was carried out"));
    };
    let references: Vec<&Reference> = plan.images.iter().flat_map(|image| &image.references).collect();
    let mut named = deployments.iter().flat_map(Deployment::images);
    let is_named = named.any(|named| match named {
        Named::Image(wanted) => references.iter().any(|pushed| is_same(wanted, pushed)),
        Named::Project { .. } => true,
    });
    if !is_named {
        let example = references.first().map_or_else(String::new, |one| format!(", or {}", one.repository));
        return Err(Error::usage("the files name no image that is built here")
            .hint(format!("write `image: {SCHEME}FOLDER` for the project in a folder{example}")));
    }
    Ok([(".".to_owned(), images(request, events).await?)].into())
}

/// A build that pushes, unless its image goes into an engine.
fn wish(build: &BuildArgs, front_end: &FrontEnd) -> Result<Request> {
    let request = request::from_arguments(build, front_end)?;
    let push = request.push || request.load.is_empty();
    Ok(Request { push, ..request })
}

async fn images(request: Request, events: &Events) -> Result<Vec<Delivered>> {
    match Box::pin(story::run(request, events)).await? {
        Outcome::Built(images) => Ok(images),
        _ => Err(Error::bug("a build was only planned")),
    }
}

/// A folder as it is named, seen from another one; `None` where it is named from the root.
fn within(root: &Path, folder: &str) -> Option<PathBuf> {
    let folder = Path::new(folder);
    (!folder.has_root() && folder.components().all(|part| !matches!(part, std::path::Component::Prefix(_))))
        .then(|| root.join(folder))
}

/// The image that a file means.
///
/// # Errors
/// Usage: its project makes no such image, or several.
fn chosen<'b>(built: &'b Built, file: &str, folder: &str, image: Option<&str>) -> Result<&'b Delivered> {
    let images = built.get(folder).map(Vec::as_slice).unwrap_or_default();
    let names = || images.iter().map(|image| &*image.name).collect::<Vec<_>>().join(", ");
    match (image, images) {
        (None, [only]) => Ok(only),
        (None, _) => Err(Error::usage(format!("{file} names {SCHEME}{folder}, which makes several images"))
            .hint(format!("add the name of one after a #: {}", names()))),
        (Some(wanted), images) => images.iter().find(|image| image.name == wanted).ok_or_else(|| {
            Error::usage(format!("{file} names {SCHEME}{folder}#{wanted}, which {folder} does not make"))
                .hint(format!("use one of its images: {}", names()))
        }),
    }
}

/// The image that was pushed as what a file names.
fn pushed_as<'b>(built: &'b Built, wanted: &Reference) -> Option<&'b Delivered> {
    built.values().flatten().find(|image| image.references.iter().any(|pushed| is_same(wanted, pushed)))
}

/// Whether a name in a file, with a tag or without, means what is pushed.
fn is_same(wanted: &Reference, pushed: &Reference) -> bool {
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
