//! From the project and all places that configure to the plan.

use std::collections::BTreeSet;

use super::building::flags_of;
use super::tables::own;
use super::wanted::{Family, Wanted};
use super::{signals, targets};
use crate::cargo::{self, BinTarget, Package, Project};
use crate::config::{self, Settings};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::plan::{About, Facts, Features, ImagePlan, Naming, Plan, RustImage, plan_rust};
use crate::story::about::{branch, created, detected, image_names, revision_text};
use crate::story::called::called_for_cargo;
use crate::story::hooks;
use crate::story::places::{Places, Siblings};
use crate::story::request::Request;
use crate::vcs::Revision;

/// The hooks of the planned packages, each with the folder that it runs in.
pub(super) fn hooks(places: &Places, project: &Project, plan: &Plan) -> Result<hooks::Planned> {
    let packages = plan.images.iter().filter_map(|image| project.package(&image.rust()?.package));
    let packages: Vec<_> = packages.map(own).collect();
    places.hooks(&packages, &project.workspace_root)
}

/// The features that a package is built with, where no table of an image says otherwise.
pub(super) fn package_features(places: &Places, package: &Package) -> Result<cargo::build::Features> {
    let values = config::fold(&places.stack(own(package), Vec::new())?, "").values;
    Ok(cargo::build::Features {
        features: values.features.unwrap_or_default(),
        all: values.all_features.unwrap_or_default(),
        no_default: values.no_default_features.unwrap_or_default(),
    })
}

/// Refuses a binary whose features are off.
fn check_features(package: &Package, bin: &str, settings: &Settings) -> Result<()> {
    let Some(target) = package.bins.iter().find(|target| target.name == bin) else { return Ok(()) };
    let on = cargo::features::enabled(package, &flags_of(&Features::of(settings)));
    let lacks = cargo::features::lacking(&target.required_features, &on);
    match lacks.is_empty() {
        true => Ok(()),
        false => Err(cargo::select::lacks_features(&BinTarget { lacks, ..target.clone() })),
    }
}

/// Plans all images that the call means. Returns their settings beside the plan.
///
/// # Errors
/// Usage: no such binary, contradicting settings, nowhere to push.
pub(super) fn plan(
    request: &Request,
    project: &Project,
    places: &Places,
    revision: Option<&Revision>,
    events: &Events,
) -> Result<(Plan, Vec<Settings>)> {
    let family = Family::of(project, places)?;
    let wanted = family.wanted(request, project, places, events)?;
    let shared = Shared { request, project, places, revision, events, is_one_of_several: wanted.len() > 1 };
    let images = wanted.iter().map(|image| plan_image(image, family.siblings(image), &shared));
    let (images, settings): (Vec<_>, Vec<_>) = images.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let mut names = BTreeSet::new();
    match images.iter().find(|image| !names.insert(&image.name)) {
        Some(twice) => Err(Error::usage(format!("two images are named {}", twice.name))
            .hint("give each its own name with the key `name` in its table `image.NAME`")),
        None => Ok((Plan { push: request.push, images }, settings)),
    }
}

/// What the plans of all images are made from.
struct Shared<'a> {
    request: &'a Request,
    project: &'a Project,
    places: &'a Places,
    revision: Option<&'a Revision>,
    events: &'a Events,
    is_one_of_several: bool,
}

fn plan_image(wanted: &Wanted, siblings: Siblings, shared: &Shared<'_>) -> Result<(ImagePlan, Settings)> {
    let Shared { request, project, places, revision, events, is_one_of_several } = *shared;
    let package = project
        .package(&wanted.package)
        .ok_or_else(|| Error::bug(format!("the package {} is lost", wanted.package)))?;
    let (created, told_by) = created(&request.variables, revision)?;
    let said = places.fold(own(package), Vec::new(), &wanted.name)?.values;
    let name = said.name.unwrap_or_else(|| wanted.name.clone());
    let version = said.version.unwrap_or_else(|| package.version.clone());
    let facts = Facts { version, revision: revision.map(revision_text), created };
    let about = About { name: name.clone(), ..about(package) };
    let detected = detected(&about, "Cargo.toml", revision.is_some(), told_by);
    let stack = places.stack(own(package), detected)?;
    let folded = targets::with_platform(stack, &wanted.name)?;
    let settings = Settings::new(folded)?;
    check_features(package, &wanted.bin, &settings)?;
    let branch = branch(&settings, request, package.dir());
    let naming = Naming {
        name: &name,
        facts: &facts,
        branch: branch.as_deref(),
        shares_repository: places.shares_repository(&settings, siblings),
        has_siblings: siblings.in_project,
        is_one_of_several,
    };
    let names = image_names(request, &settings, &naming, events)?;
    let (package_name, bin) = (wanted.package.clone(), wanted.bin.clone());
    let image = RustImage { name, package: package_name, bin, settings: &settings, names, facts };
    let (mut plan, notes) = plan_rust(image, cargo::target::triple)?;
    plan.call = called_for_cargo(request, places, own(package), &wanted.name, &wanted.package)?;
    let lock = project.workspace_root.join("Cargo.lock");
    let signals = signals::note(&wanted.name, package, &settings, &lock);
    for note in notes.into_iter().chain(targets::unused(&request.rust.cargo, &plan, &settings)) {
        events.note(note);
    }
    signals.into_iter().for_each(|note| events.note(note));
    Ok((plan, settings))
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
