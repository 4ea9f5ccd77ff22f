//! Which images a call means, among those that the project has.

use std::collections::BTreeSet;

use super::tables::{TABLES, own};
use crate::cargo::select::{self, suggestion};
use crate::cargo::{Package, Project};
use crate::config::{self, Origin, Place};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::story::places::{Places, Siblings};
use crate::story::request::Request;

/// One image to be: its name, and whose binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) package: String,
    pub(super) bin: String,
}

/// The images that the project has, whatever a call makes of them.
pub(super) struct Family {
    /// Those that `image` tables declare.
    declared: Vec<Wanted>,
    /// Whether tables that several packages share declare some of them: then there are no others.
    is_closed: bool,
    /// All of them.
    all: Vec<Wanted>,
}

impl Family {
    /// Reads which images there are.
    ///
    /// # Errors
    /// Usage: a table declares an image of a binary that is not there.
    pub(super) fn of(project: &Project, places: &Places) -> Result<Self> {
        let (declared, is_closed) = declared(project, places)?;
        let mut all = declared.clone();
        let others = project
            .packages
            .iter()
            .filter(|package| !is_closed && !declared.iter().any(|image| image.package == package.name));
        for package in others {
            let stack = places.of_project(own(package))?;
            let configured = config::fold(&stack, "").values.bin.map(|bins| bins.0).unwrap_or_default();
            let bins: Vec<&str> = match select::default_bin(package) {
                _ if !configured.is_empty() => configured.iter().map(String::as_str).collect(),
                Some(bin) => vec![&bin.name],
                None => select::candidates(package).map(|bin| bin.name.as_str()).collect(),
            };
            let own = bins.into_iter().filter(|name| package.bins.iter().any(|bin| bin.name == *name));
            all.extend(own.map(|bin| image(package, bin)));
        }
        Ok(Self { declared, is_closed, all })
    }

    /// Who shares what with this image.
    pub(super) fn siblings(&self, wanted: &Wanted) -> Siblings {
        let mut others = self.all.iter().filter(|other| *other != wanted);
        Siblings {
            in_package: others.clone().any(|other| other.package == wanted.package),
            in_project: others.next().is_some(),
        }
    }

    /// The images that the call means: those of `--bin` or `--bins`, else those that `image` tables declare,
    /// else one for each selected package.
    ///
    /// # Errors
    /// Usage: no such binary, or nothing says which of several is meant.
    pub(super) fn wanted(
        &self,
        request: &Request,
        project: &Project,
        places: &Places,
        events: &Events,
    ) -> Result<Vec<Wanted>> {
        let chosen = config::fold(&places.of_call(), "").values.bin.map(|bins| bins.0).unwrap_or_default();
        let scope = &places.scope(&request.scope);
        let mut wanted = Vec::new();
        let mut packages = select::packages(project, scope)?;
        if chosen.is_empty() && !scope.bins {
            wanted = self.declared.clone();
            wanted.retain(|image| packages.iter().any(|package| package.name == image.package));
            packages.retain(|package| !wanted.iter().any(|image| image.package == package.name));
        }
        if !wanted.is_empty() && (self.is_closed || !scope.is_named()) {
            let left_out = packages.iter().filter(|package| !self.is_closed && !package.bins.is_empty());
            left_out.for_each(|package| {
                events.note(format!(
                    "package {} gets no image: other packages have a table for theirs, and it has none; build it with -p {}",
                    package.name, package.name
                ));
            });
        } else if wanted.is_empty() || packages.iter().any(|package| !package.bins.is_empty()) {
            let selection = match chosen.is_empty() {
                true => of_tables(project, scope, &packages, places)?,
                false => select::binaries_of(project, scope, &packages, &chosen)?,
            };
            selection.notes.into_iter().for_each(|note| events.note(note));
            let image = |binary: select::Binary| Wanted {
                name: binary.name.clone(),
                package: binary.package,
                bin: binary.name,
            };
            wanted.extend(selection.binaries.into_iter().map(image));
        }
        let mut names = BTreeSet::new();
        match wanted.iter().find(|image| !names.insert(&image.name)) {
            Some(twice) => Err(Error::usage(format!("two packages have a binary {}", twice.name))
                .hint("choose one package with -p")),
            None => Ok(wanted),
        }
    }
}

fn image(package: &Package, bin: &str) -> Wanted {
    Wanted { name: bin.to_owned(), package: package.name.clone(), bin: bin.to_owned() }
}

/// What the key `bin` says in the project's tables and in the file of `--config`. In a package's own table it is about
/// that package alone: others have their images beside, where the call names them.
fn of_tables(
    project: &Project,
    scope: &select::Scope,
    packages: &[&Package],
    places: &Places,
) -> Result<select::Selection> {
    let table = Origin::Table(TABLES.own.into());
    let (mut found, mut rest, mut shared) = (select::Selection::default(), Vec::new(), Vec::<String>::new());
    for package in packages {
        let folded = config::fold(&places.of_project(own(package))?, "");
        let bins = folded.values.bin.map(|bins| bins.0).unwrap_or_default();
        if bins.is_empty() || !folded.origins.is_from("bin", &table) {
            rest.push(*package);
            shared.extend(bins.into_iter().filter(|bin| !shared.contains(bin)).collect::<Vec<_>>());
            continue;
        }
        let known: Vec<&str> = package.bins.iter().map(|bin| bin.name.as_str()).collect();
        let is_unknown = |bin: &&String| !known.contains(&bin.as_str()) && !bin.contains(['*', '?', '[']);
        if let Some(bin) = bins.iter().find(is_unknown) {
            let text = format!("bin ({table}): the package {} has no binary {bin}", package.name);
            return Err(Error::usage(text).hint(suggestion("the binary", bin, &known)));
        }
        found.binaries.extend(select::binaries_of(project, scope, &[package], &bins)?.binaries);
    }
    let has_more = rest.iter().any(|package| !package.bins.is_empty());
    if found.binaries.is_empty() || (scope.is_named() && has_more) {
        let others = select::binaries_of(project, scope, &rest, &shared)?;
        found.binaries.extend(others.binaries);
        found.notes.extend(others.notes);
    }
    found.binaries.sort_by_key(|binary| packages.iter().position(|package| package.id == binary.package_id));
    Ok(found)
}

/// The images that `[...containerize.image.NAME]` tables declare, and whether any of these tables is shared by
/// the packages.
fn declared(project: &Project, places: &Places) -> Result<(Vec<Wanted>, bool)> {
    let mut found: Vec<Wanted> = Vec::new();
    let mut homeless: Vec<(String, Option<String>, Origin)> = Vec::new();
    let mut is_closed = false;
    for package in &project.packages {
        let stack = places.of_project(own(package))?;
        for (place, name) in stack.iter().flat_map(|place| place.values.image.keys().map(move |n| (place, n)))
        {
            if found.iter().any(|image| image.name == *name && image.package == package.name) {
                continue;
            }
            let own = place.origin == Origin::Table(TABLES.own.into());
            is_closed |= !own;
            let bin = bin_of(&stack, name)?;
            let bin = if own && bin.is_none() { Some(own_bin(package, name)?) } else { bin };
            let known = bin.as_deref().unwrap_or(name);
            if package.bins.iter().any(|target| target.name == known) {
                found.push(Wanted {
                    bin: known.to_owned(),
                    name: name.clone(),
                    package: package.name.clone(),
                });
            } else if own {
                return Err(no_such(name, known, &place.origin, &[package]));
            } else {
                homeless.push((name.clone(), bin, place.origin.clone()));
            }
        }
    }
    let mut bins =
        project.packages.iter().flat_map(|package| package.bins.iter().map(move |bin| (package, bin)));
    let only = bins.next().filter(|_| bins.next().is_none());
    for (name, bin, origin) in homeless {
        if found.iter().any(|image| image.name == name) {
            continue;
        }
        match only {
            Some((package, only)) if bin.is_none() => {
                found.push(Wanted { name, package: package.name.clone(), bin: only.name.clone() });
            }
            _ => {
                let all: Vec<&Package> = project.packages.iter().collect();
                return Err(no_such(&name, bin.as_deref().unwrap_or(&name), &origin, &all));
            }
        }
    }
    Ok((found, is_closed))
}

/// The binary that the tables name for an image.
fn bin_of(stack: &[Place], image: &str) -> Result<Option<String>> {
    match &config::fold(stack, image).values.bin.map(|bins| bins.0).unwrap_or_default()[..] {
        [] => Ok(None),
        [bin] => Ok(Some(bin.clone())),
        _ => Err(Error::usage(format!("the image {image} names several binaries"))
            .hint("give each its own table, [package.metadata.containerize.image.NAME]")),
    }
}

/// The binary of an image that names none: the one of its name, else the only one of the package.
fn own_bin(package: &Package, image: &str) -> Result<String> {
    let named = package.bins.iter().find(|bin| bin.name == image);
    let only = || if let [only] = &package.bins[..] { Some(only) } else { None };
    named.or_else(only).map(|bin| bin.name.clone()).ok_or_else(|| {
        Error::usage(format!("the image {image} names no binary of package {}", package.name))
            .hint(format!("add bin = \"...\" to [{}.image.{image}]", TABLES.own))
    })
}

fn no_such(image: &str, bin: &str, origin: &Origin, packages: &[&Package]) -> Error {
    let table = Origin::Image { place: Box::new(origin.clone()), image: image.to_owned() };
    let known: Vec<&str> = packages.iter().flat_map(|p| &p.bins).map(|bin| bin.name.as_str()).collect();
    Error::usage(format!("{table} is for the binary {bin}, which does not exist")).hint(suggestion(
        "the binary",
        bin,
        &known,
    ))
}
