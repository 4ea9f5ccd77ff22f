//! `resolve`, `apply` and `delete`: files for a cluster, in which images of projects are named by what was pushed.

mod files;
mod kubectl;
mod projects;

use containerize_core::deployment::{Deployment, Named, SCHEME, stream};
use containerize_core::event::Events;
use containerize_core::words::flag;
use containerize_core::{Error, Result, words};

use crate::cli::{BuildArgs, FileArgs, PrintFormat};
use crate::front_end::FrontEnd;
pub(crate) use kubectl::Kubectl;
use projects::{Projects, is_same};

/// Builds what the files name, and gives their text with the digests.
///
/// # Errors
/// Usage: a file cannot be read, names nothing that is built here, or an image that its project does not make; then nothing
/// was built. Others as for a build: what was pushed before a failure stays, and nothing names it.
pub(crate) async fn run(
    files: &FileArgs,
    build: BuildArgs,
    front_end: &FrontEnd,
    events: &Events,
) -> Result<String> {
    refuse_other_results(&build)?;
    let deployments = files::read(files)?;
    let mut projects = Projects::below(build, front_end)?;
    for (place, named) in deployments.iter().flat_map(Deployment::images) {
        if let Named::Project { folder, image } = named {
            projects.want(&place, folder, image.as_deref())?;
        }
    }
    if projects.is_empty() {
        want_the_one_here(&mut projects, &deployments).await?;
    }
    projects.plan().await?;
    let built = projects.build(events).await?;
    let name_of = |named: &Named| match named {
        Named::Project { folder, image } => built.in_folder(folder, image.as_deref()),
        Named::Image(reference) => built.pushed_as(reference),
    };
    let texts: Vec<String> = deployments.iter().map(|deployment| deployment.with(name_of)).collect();
    Ok(stream(texts.iter().map(String::as_str)))
}

/// The files as they are: what is deleted is known by its own name, whatever its images.
///
/// # Errors
/// Usage: a file cannot be read.
pub(crate) fn as_they_are(files: &FileArgs) -> Result<String> {
    Ok(stream(files::read(files)?.iter().map(Deployment::text)))
}

/// Where files name no project, they may name what the one here makes.
async fn want_the_one_here(projects: &mut Projects<'_>, deployments: &[Deployment]) -> Result<()> {
    let nothing = |example: &str| {
        Error::usage("the files name no image that is built here")
            .hint(format!("write `image: {SCHEME}FOLDER` for the project in a folder{example}"))
    };
    let named = deployments.iter().flat_map(Deployment::images).filter_map(|(_, named)| match named {
        Named::Image(reference) => Some(reference),
        Named::Project { .. } => None,
    });
    let named: Vec<_> = named.collect();
    if named.is_empty() {
        return Err(nothing(""));
    }
    projects.want("the call", ".", None)?;
    projects.plan().await?;
    let pushed = projects.references();
    if named.iter().any(|wanted| pushed.iter().any(|pushed| is_same(wanted, pushed))) {
        return Ok(());
    }
    Err(nothing(&pushed.first().map_or_else(String::new, |one| format!(", or {}", one.repository))))
}

fn refuse_other_results(build: &BuildArgs) -> Result<()> {
    if build.dry_run {
        return Err(Error::usage("digests are known only after a build")
            .hint(words!("use {} with a build alone", flag("dry-run"))));
    }
    if build.say.format == PrintFormat::Json || build.target.output.iter().any(|output| output.is_stream()) {
        return Err(Error::usage("standard output is for the resolved files").hint(words!(
            "use {} and {} with a build alone",
            flag("format"),
            flag("output")
        )));
    }
    Ok(())
}
