//! From the project and all places that configure to the plan.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::Request;
use crate::cargo::{self, Package, Project};
use crate::config::{self, Hooks, Layer, Origin, Partial, Settings};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::oci::Platform;
use crate::plan::{About, Facts, ImagePlan, Plan, RustImage, names, plan_rust, standard_labels};
use crate::vcs::Revision;

/// Variables of this program that are no configuration keys.
const RESERVED: &[&str] = &[
    "CONTAINERIZE_AUTH_",
    "CONTAINERIZE_CACHE_DIR",
    "CONTAINERIZE_CERT_DIR",
    "CONTAINERIZE_CHUNK_SIZE",
    "CONTAINERIZE_CACHE_SIZE",
    "CONTAINERIZE_LOG",
    "CONTAINERIZE_MIRRORS",
    "CONTAINERIZE_PASSWORD",
    "CONTAINERIZE_USERNAME",
    // Set for the commands of hooks and layers, which may call this program again.
    "CONTAINERIZE_NAME",
    "CONTAINERIZE_VERSION",
    "CONTAINERIZE_DIGEST",
    "CONTAINERIZE_REFERENCES",
    "CONTAINERIZE_PLATFORM",
    "CONTAINERIZE_LAYER",
];

const PACKAGE_TABLE: &str = "package.metadata.containerize";
const WORKSPACE_TABLE: &str = "workspace.metadata.containerize";

/// The places that configure all packages alike.
pub(super) struct Places {
    defaults: Layer,
    workspace: Option<Layer>,
    file: Option<Layer>,
    environment: Layer,
    flags: Layer,
}

/// One image to be: its name, and whose binary.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    name: String,
    package: String,
    bin: String,
}

impl Places {
    /// Reads the places.
    ///
    /// # Errors
    /// Usage: an unknown key or a wrong value in one of them.
    pub(super) fn read(request: &Request, project: &Project, events: &Events) -> Result<Self> {
        let layer = |origin: Origin, values| Layer { origin, values };
        let table = |value: &serde_json::Value, name: &str| {
            let origin = Origin::Table(name.into());
            config::from_table(value, &origin).map(|values| layer(origin, values))
        };
        let file = match &request.config_file {
            None => None,
            Some(path) => {
                let origin = Origin::File(path.display().to_string());
                let text = std::fs::read_to_string(path).map_err(|e| {
                    Error::usage(format!("cannot read {}", path.display())).because(e).hint("check --config")
                })?;
                Some(layer(origin.clone(), config::from_toml(&text, &origin)?))
            }
        };
        let (environment, warnings) = config::from_environment(&request.variables, RESERVED)?;
        warnings.into_iter().for_each(|warning| events.warn(warning));
        Ok(Self {
            defaults: layer(Origin::Default, defaults()?),
            workspace: project.workspace_settings.as_ref().map(|v| table(v, WORKSPACE_TABLE)).transpose()?,
            file,
            environment: layer(Origin::Environment, environment),
            flags: layer(Origin::Flag, request.flags.clone()),
        })
    }

    /// All places for one package, the lowest precedence first.
    fn stack(&self, package: Option<&Package>, detected: Vec<Layer>) -> Result<Vec<Layer>> {
        let mut stack = vec![self.defaults.clone()];
        stack.extend(detected);
        stack.extend(self.workspace.clone());
        if let Some(value) = package.and_then(|package| package.settings.as_ref()) {
            let origin = Origin::Table(PACKAGE_TABLE.into());
            stack.push(Layer { values: config::from_table(value, &origin)?, origin });
        }
        stack.extend(self.file.clone());
        stack.extend([self.environment.clone(), self.flags.clone()]);
        Ok(stack)
    }

    /// The hooks of the planned packages, each with the folder that it runs in: the package's
    /// for hooks of its own table, the workspace's for others. What several packages share
    /// runs once.
    pub(super) fn hooks(&self, project: &Project, plan: &Plan) -> Result<Vec<(PathBuf, Hooks)>> {
        let own = Origin::Table(PACKAGE_TABLE.into());
        let mut found = Vec::new();
        for package in plan.images.iter().filter_map(|image| project.package(&image.binary.package)) {
            let folded = config::fold(&self.stack(Some(package), Vec::new())?, "");
            let Some(hooks) = folded.values.hooks else { continue };
            let is_own = folded.origins.is_from("hooks", &own);
            let dir = if is_own { package.dir() } else { &project.workspace_root };
            let hooks = (dir.to_owned(), hooks);
            if !found.contains(&hooks) {
                found.push(hooks);
            }
        }
        Ok(found)
    }
}

fn defaults() -> Result<Partial> {
    let host = Platform::from_rust_arch(std::env::consts::ARCH).ok_or_else(|| {
        Error::usage(format!("images for {} are not known", std::env::consts::ARCH))
            .hint("name a platform with --platform")
    })?;
    Ok(Partial {
        platforms: Some(vec![host.to_string()]),
        user: Some("65532:65532".into()),
        workdir: Some("/".into()),
        ..Partial::default()
    })
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
        let folded = config::fold(&places.stack(Some(package), Vec::new())?, "").values;
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
        let stack = places.stack(Some(package), Vec::new())?;
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
            .hint(format!("add bin = \"...\" to [{PACKAGE_TABLE}.image.{image}]"))
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
    let detected = detected(&about, revision.is_some(), told_by);
    let folded = config::fold(&places.stack(Some(package), detected)?, &wanted.name);
    let settings = Settings::new(folded)?;
    let names = names(&settings, &wanted.name, &package.version, several)?;
    if request.push && names.references.is_empty() {
        return Err(Error::usage(format!("--push does not know where the image {} goes", wanted.name)).hint(
            format!(
                "write --push --repository ghcr.io/you/{0} or --push --tag ghcr.io/you/{0}:{1}",
                wanted.name, names.tag
            ),
        ));
    }
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

/// What the project itself says, in the place below all that users configure. `told_by` says
/// where the time of creation is from.
fn detected(about: &About, with_revision: bool, told_by: Origin) -> Vec<Layer> {
    let mut layers = [Origin::Detected("Cargo.toml"), Origin::Detected("git"), told_by]
        .map(|origin| Layer { origin, values: Partial::default() });
    for (name, value) in standard_labels(about, with_revision) {
        let place = match name.rsplit('.').next() {
            Some("revision") => 1,
            Some("created") => 2,
            _ => 0,
        };
        layers[place].values.labels.get_or_insert_default().insert(name, value);
    }
    layers.into()
}

fn revision_text(revision: &Revision) -> String {
    format!("{}{}", revision.commit, if revision.dirty { "-dirty" } else { "" })
}

/// `SOURCE_DATE_EPOCH`, else the last commit's time when the tree is clean, else 1970; and which
/// of them it was.
fn created(variables: &BTreeMap<String, String>, revision: Option<&Revision>) -> Result<(String, Origin)> {
    let (time, origin) = match variables.get("SOURCE_DATE_EPOCH").map(|text| text.trim()) {
        Some(text) if !text.is_empty() => {
            let time = text.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
            let time = time.ok_or_else(|| {
                Error::usage(format!("SOURCE_DATE_EPOCH is {text:?}"))
                    .hint("set it to seconds since 1970, or unset it")
            })?;
            (time, Origin::Detected("SOURCE_DATE_EPOCH"))
        }
        _ => match revision.filter(|revision| !revision.dirty) {
            Some(revision) => (revision.committed, Origin::Detected("git")),
            None => (Timestamp::UNIX_EPOCH, Origin::Default),
        },
    };
    Ok((time.to_string(), origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(dirty: bool) -> Revision {
        let committed = jiff::Timestamp::from_second(1_700_000_000).expect("a time");
        Revision { commit: "c0ffee".into(), committed, dirty }
    }

    #[test]
    fn the_time_is_told_by_the_environment_then_by_a_clean_tree() {
        let told = |epoch: Option<&str>, revision: Option<bool>| {
            let variables = epoch.map(|text| ("SOURCE_DATE_EPOCH".to_owned(), text.to_owned()));
            created(&variables.into_iter().collect(), revision.map(self::revision).as_ref())
                .map(|(time, origin)| format!("{time} {}", origin.describe("")))
        };
        let shown = |epoch, revision| told(epoch, revision).expect("a time");
        assert_eq!(shown(Some("86400"), Some(false)), "1970-01-02T00:00:00Z from SOURCE_DATE_EPOCH");
        assert_eq!(shown(None, Some(false)), "2023-11-14T22:13:20Z from git");
        assert_eq!(shown(None, Some(true)), "1970-01-01T00:00:00Z default");
        assert_eq!(shown(Some(" "), None), "1970-01-01T00:00:00Z default");
        for wrong in ["yesterday", "99999999999999999"] {
            assert_eq!(told(Some(wrong), None).expect_err("refused").kind(), crate::Kind::Usage);
        }
    }

    #[test]
    fn an_unclean_tree_says_so_in_its_revision() {
        assert_eq!(revision_text(&revision(false)), "c0ffee");
        assert_eq!(revision_text(&revision(true)), "c0ffee-dirty");
    }
}
