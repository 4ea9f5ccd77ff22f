//! From the project and all places that configure to the plan.

use crate::build::about::{check_push, created, detected, revision_text};
use crate::build::places::{Places, Tables};
use crate::build::{Request, hooks};
use crate::cargo::{self, Package, Project};
use crate::config::{self, Partial, Settings};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::plan::{About, Facts, ImagePlan, Plan, RustImage, names, plan_rust};
use crate::vcs::Revision;

const TABLES: Tables =
    Tables { own: "package.metadata.containerize", workspace: "workspace.metadata.containerize" };

/// One image to be: its name, and whose binary.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    name: String,
    package: String,
    bin: String,
}

/// Reads the places that configure the project.
///
/// # Errors
/// Usage: an unknown key or a wrong value in one of them.
pub(super) fn places(request: &Request, project: &Project, events: &Events) -> Result<Places> {
    Places::read(request, TABLES, defaults()?, project.workspace_settings.as_ref(), events)
}

/// The hooks of the planned packages, each with the folder that it runs in.
pub(super) fn hooks(places: &Places, project: &Project, plan: &Plan) -> Result<hooks::Planned> {
    let packages = plan.images.iter().filter_map(|image| project.package(&image.rust()?.package));
    let packages: Vec<_> = packages.map(|package| (package.settings.as_ref(), package.dir())).collect();
    places.hooks(&packages, &project.workspace_root)
}

fn defaults() -> Result<Partial> {
    Ok(Partial { workdir: Some("/".into()), ..crate::build::places::defaults()? })
}

/// Plans all images that the call means.
///
/// # Errors
/// Usage: no such binary, contradicting settings, nowhere to push.
pub(super) fn plan(
    request: &Request,
    project: &Project,
    places: &Places,
    revision: Option<&Revision>,
    events: &Events,
) -> Result<Plan> {
    let wanted = wanted(request, project, places, events)?;
    let several = wanted.len() > 1;
    let mut images = Vec::new();
    for image in &wanted {
        images.push(plan_image(image, several, request, project, places, revision, events)?);
    }
    Ok(Plan { images })
}

/// The images that the call means: those of `--bin`, else those that `image` tables declare,
/// else one for each selected binary.
fn wanted(request: &Request, project: &Project, places: &Places, events: &Events) -> Result<Vec<Wanted>> {
    let chosen = request.flags.bin.clone().map(|bins| bins.0).unwrap_or_default();
    if chosen.is_empty() {
        let declared = declared(request, project, places)?;
        if !declared.is_empty() {
            return Ok(declared);
        }
    }
    let bins = if chosen.is_empty() { configured_bins(request, project, places)? } else { chosen };
    let selection = cargo::select::binaries(project, &request.scope, &bins)?;
    selection.notes.into_iter().for_each(|note| events.note(note));
    let wanted: Vec<Wanted> = selection
        .binaries
        .into_iter()
        .map(|binary| Wanted { name: binary.name.clone(), package: binary.package, bin: binary.name })
        .collect();
    match wanted.iter().enumerate().find(|(i, w)| wanted[..*i].iter().any(|other| other.name == w.name)) {
        Some((_, twice)) => Err(Error::usage(format!("two packages have a binary {}", twice.name))
            .hint("choose one package with -p")),
        None => Ok(wanted),
    }
}

/// The key `bin` of the places that are not flags.
fn configured_bins(request: &Request, project: &Project, places: &Places) -> Result<Vec<String>> {
    let mut bins: Vec<String> = Vec::new();
    for package in cargo::select::packages(project, &request.scope)? {
        let folded = config::fold(&places.stack(package.settings.as_ref(), Vec::new())?, "").values;
        for bin in folded.bin.map(|bins| bins.0).unwrap_or_default() {
            if !bins.contains(&bin) {
                bins.push(bin);
            }
        }
    }
    Ok(bins)
}

/// The images that `[...containerize.image.NAME]` tables of the selected packages declare.
fn declared(request: &Request, project: &Project, places: &Places) -> Result<Vec<Wanted>> {
    let mut found: Vec<Wanted> = Vec::new();
    for package in cargo::select::packages(project, &request.scope)? {
        let stack = places.stack(package.settings.as_ref(), Vec::new())?;
        for name in stack.iter().flat_map(|layer| layer.values.image.keys()) {
            if found.iter().any(|image| image.name == *name) {
                continue;
            }
            let bin = config::fold(&stack, name).values.bin.map(|bins| bins.0).unwrap_or_default();
            let bin = match &bin[..] {
                [bin] => bin.clone(),
                [] => own_bin(package, name)?,
                _ => {
                    return Err(Error::usage(format!("the image {name} names several binaries"))
                        .hint("give each its own table, [package.metadata.containerize.image.NAME]"));
                }
            };
            if package.bins.iter().any(|target| target.name == bin) {
                found.push(Wanted { name: name.clone(), package: package.name.clone(), bin });
            }
        }
    }
    Ok(found)
}

/// The binary of a declared image that names none: the one of its name, else the only one.
fn own_bin(package: &Package, image: &str) -> Result<String> {
    let named = package.bins.iter().find(|bin| bin.name == image);
    let only = || if let [only] = &package.bins[..] { Some(only) } else { None };
    named.or_else(only).map(|bin| bin.name.clone()).ok_or_else(|| {
        Error::usage(format!("the image {image} names no binary of package {}", package.name))
            .hint(format!("add bin = \"...\" to [{}.image.{image}]", TABLES.own))
    })
}

fn plan_image(
    wanted: &Wanted,
    several: bool,
    request: &Request,
    project: &Project,
    places: &Places,
    revision: Option<&Revision>,
    events: &Events,
) -> Result<ImagePlan> {
    let package = project
        .package(&wanted.package)
        .ok_or_else(|| Error::bug(format!("the package {} is lost", wanted.package)))?;
    let (created, told_by) = created(&request.variables, revision)?;
    let facts = Facts { version: package.version.clone(), revision: revision.map(revision_text), created };
    let mut about = about(package);
    about.name.clone_from(&wanted.name);
    let detected = detected(&about, "Cargo.toml", revision.is_some(), told_by);
    let folded = config::fold(&places.stack(package.settings.as_ref(), detected)?, &wanted.name);
    let settings = Settings::new(folded)?;
    let names = names(&settings, &wanted.name, &package.version, several)?;
    check_push(request, &wanted.name, &names)?;
    let image = RustImage {
        name: wanted.name.clone(),
        package: wanted.package.clone(),
        bin: wanted.bin.clone(),
        settings,
        names,
        facts,
    };
    let (plan, notes) = plan_rust(image, cargo::target::triple)?;
    notes.into_iter().for_each(|note| events.note(note));
    Ok(plan)
}

fn about(package: &Package) -> About {
    About {
        name: package.name.clone(),
        version: package.version.clone(),
        description: package.description.clone(),
        licenses: package.license.clone(),
        homepage: package.homepage.clone(),
        repository: package.repository.clone(),
        documentation: package.documentation.clone(),
        authors: package.authors.clone(),
    }
}
