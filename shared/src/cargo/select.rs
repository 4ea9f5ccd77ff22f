//! Which binaries are meant: by `--bin`, by `-p` or `--workspace`, or by nothing at all.

use super::{BinTarget, Package, Project};
use crate::error::{Error, Result};
use crate::system::globs::{self, Star};

/// Which packages of the workspace are selected, in cargo's flags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// `-p`: names, `name@version` or globs.
    pub packages: Vec<String>,
    /// `--workspace`: all members.
    pub workspace: bool,
    /// `--exclude`: all members but these; names or globs.
    pub exclude: Vec<String>,
    /// `--bins`: all binaries of these packages.
    pub bins: bool,
}

impl Scope {
    /// Whether the call says which packages it means.
    pub fn is_named(&self) -> bool {
        self.workspace || !self.packages.is_empty()
    }
}

/// A binary that goes into an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// The id of its package, as it stands in cargo's messages.
    pub package_id: String,
    /// The name of its package.
    pub package: String,
    /// The name of the binary.
    pub name: String,
}

/// What was selected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The binaries, at least one, in the workspace's order.
    pub binaries: Vec<Binary>,
    /// What the user may want to know about how they were selected.
    pub notes: Vec<String>,
}

/// The binaries that `scope` and `bins` (`--bin`) mean.
///
/// Without `bins` it is the only binary of each package, else its `default-run`. Where nothing
/// was named and several default members have a binary, nothing is guessed.
///
/// # Errors
/// When a name is unknown, when a package has several binaries and none is named, or when
/// there is none.
pub fn binaries(project: &Project, scope: &Scope, bins: &[String]) -> Result<Selection> {
    let (packages, notes) = selected(project, scope)?;
    let mut selection = binaries_of(project, scope, &packages, bins)?;
    selection.notes.splice(0..0, notes);
    Ok(selection)
}

/// As [`binaries`], of these packages among the selected ones.
///
/// # Errors
/// Those of [`binaries`].
pub fn binaries_of(
    project: &Project,
    scope: &Scope,
    packages: &[&Package],
    bins: &[String],
) -> Result<Selection> {
    let mut selection = Selection::default();
    if bins.is_empty() {
        by_package(project, scope, packages, &mut selection)?;
    } else {
        for name in bins {
            for name in named(packages, name)? {
                let binary = by_name(project, packages, &name)?;
                if !selection.binaries.contains(&binary) {
                    selection.binaries.push(binary);
                }
            }
        }
    }
    Ok(selection)
}

/// The packages that `scope` means, in the workspace's order.
///
/// # Errors
/// When a name is unknown.
pub fn packages<'a>(project: &'a Project, scope: &Scope) -> Result<Vec<&'a Package>> {
    selected(project, scope).map(|(packages, _)| packages)
}

fn selected<'a>(project: &'a Project, scope: &Scope) -> Result<(Vec<&'a Package>, Vec<String>)> {
    let mut notes = Vec::new();
    let all = || project.packages.iter();
    if !scope.workspace && !scope.exclude.is_empty() {
        return Err(Error::usage("--exclude requires --workspace").hint("add --workspace"));
    }
    if scope.workspace {
        let excluded = scope.exclude.iter().map(|spec| Spec::new(spec)).collect::<Result<Vec<_>>>()?;
        for (spec, text) in excluded.iter().zip(&scope.exclude) {
            if !all().any(|package| spec.matches(package)) {
                notes.push(format!("--exclude {text} matches no package"));
            }
        }
        let kept = all().filter(|package| !excluded.iter().any(|spec| spec.matches(package)));
        return Ok((kept.collect(), notes));
    }
    if scope.packages.is_empty() {
        return Ok((all().filter(|package| package.is_default).collect(), notes));
    }
    let specs = scope.packages.iter().map(|spec| Spec::new(spec)).collect::<Result<Vec<_>>>()?;
    for (spec, text) in specs.iter().zip(&scope.packages) {
        if !all().any(|package| spec.matches(package)) {
            let names: Vec<&str> = all().map(|package| package.name.as_str()).collect();
            return Err(Error::usage(format!("there is no package {text} in this workspace"))
                .hint(suggestion("-p", text, &names)));
        }
    }
    Ok((all().filter(|package| specs.iter().any(|spec| spec.matches(package))).collect(), notes))
}

/// What `-p` takes.
struct Spec<'a> {
    name: globset::GlobSet,
    version: Option<&'a str>,
}

impl<'a> Spec<'a> {
    fn new(text: &'a str) -> Result<Self> {
        let (name, version) = text.split_once('@').map_or((text, None), |(n, v)| (n, Some(v)));
        let name = globs::one(name, Star::Anywhere)
            .map_err(|e| Error::usage(format!("{text:?} is not a valid package name or glob")).because(e))?;
        Ok(Self { name, version })
    }

    fn matches(&self, package: &Package) -> bool {
        self.name.is_match(&package.name) && self.version.is_none_or(|version| package.version == version)
    }
}

/// The binaries that a name or a glob means, as cargo takes both; a name that means none stays as it is.
fn named(packages: &[&Package], text: &str) -> Result<Vec<String>> {
    if !text.contains(['*', '?', '[']) {
        return Ok(vec![text.to_owned()]);
    }
    let glob = globs::one(text, Star::Anywhere)
        .map_err(|e| Error::usage(format!("{text:?} is not a valid binary name or glob")).because(e))?;
    let names = packages.iter().flat_map(|package| candidates(package)).map(|bin| bin.name.clone());
    let found: Vec<String> = names.filter(|name| glob.is_match(name)).collect();
    Ok(if found.is_empty() { vec![text.to_owned()] } else { found })
}

fn by_name(project: &Project, packages: &[&Package], name: &str) -> Result<Binary> {
    let has = |package: &&Package| package.bins.iter().any(|bin| bin.name == name);
    let owners: Vec<&Package> = packages.iter().copied().filter(has).collect();
    match owners[..] {
        [owner] => Ok(binary(owner, name)),
        [] => Err(unknown_bin(project, packages, name)),
        [first, ..] => {
            let names: Vec<&str> = owners.iter().map(|package| package.name.as_str()).collect();
            Err(Error::usage(format!("several packages have a binary {name}: {}", names.join(", ")))
                .hint(format!("choose the package too, for example with -p {}", first.name)))
        }
    }
}

fn unknown_bin(project: &Project, packages: &[&Package], name: &str) -> Error {
    let elsewhere = project.packages.iter().find(|package| package.bins.iter().any(|bin| bin.name == name));
    if let Some(package) = elsewhere {
        return Error::usage(format!("binary {name} is in package {}, which is not selected", package.name))
            .hint(format!("add -p {}", package.name));
    }
    let names: Vec<&str> = packages.iter().flat_map(|p| &p.bins).map(|bin| bin.name.as_str()).collect();
    Error::usage(format!("there is no binary {name}")).hint(suggestion("--bin", name, &names))
}

fn by_package(
    project: &Project,
    scope: &Scope,
    packages: &[&Package],
    selection: &mut Selection,
) -> Result<()> {
    for package in packages {
        let chosen = if scope.bins { candidates(package).collect() } else { the_one(package, scope)? };
        if chosen.is_empty() && packages.len() > 1 {
            selection.notes.push(match &package.bins[..] {
                [] => format!("package {} has no binary and gets no image", package.name),
                [gated, ..] => format!(
                    "package {} gets no image: {} needs {}",
                    package.name,
                    gated.name,
                    features(&gated.lacks)
                ),
            });
        }
        selection.binaries.extend(chosen.into_iter().map(|bin| binary(package, &bin.name)));
    }
    let named = scope.is_named() || scope.bins;
    match &selection.binaries[..] {
        [] => Err(no_binary(project, packages)),
        [_] => Ok(()),
        [first, ..] if !named => {
            let names: Vec<String> =
                selection.binaries.iter().map(|b| format!("{} (package {})", b.name, b.package)).collect();
            Err(Error::usage(format!("this workspace has several binaries: {}", names.join(", "))).hint(
                format!(
                    "choose a package, for example with -p {}, or make an image of each with --workspace",
                    first.package
                ),
            ))
        }
        _ => Ok(()),
    }
}

/// The binaries that cargo would build: all whose features are on.
pub fn candidates(package: &Package) -> impl Iterator<Item = &BinTarget> {
    package.bins.iter().filter(|bin| bin.lacks.is_empty())
}

/// The binary that a package's own words mean, if they mean one.
pub fn default_bin(package: &Package) -> Option<&BinTarget> {
    package.bins.iter().find(|bin| package.default_run.as_ref() == Some(&bin.name))
}

/// The binary that is meant where none is named.
fn the_one<'a>(package: &'a Package, scope: &Scope) -> Result<Vec<&'a BinTarget>> {
    if let Some(default) = default_bin(package) {
        return Ok(vec![default]);
    }
    match &candidates(package).collect::<Vec<_>>()[..] {
        [] => Ok(Vec::new()),
        [only] => Ok(vec![only]),
        several @ [first, ..] => {
            let names: Vec<&str> = several.iter().map(|bin| bin.name.as_str()).collect();
            let scope = if scope.workspace { "--workspace --bins" } else { "--bins" };
            Err(Error::usage(format!("package {} has several binaries: {}", package.name, names.join(", ")))
                .hint(format!(
                    "choose one, for example with --bin {}; make an image of each with {scope}; or set default-run in the [package] of its Cargo.toml",
                    first.name
                )))
        }
    }
}

/// Features for people: `feature a`, `features a, b`.
pub(crate) fn features(names: &[String]) -> String {
    format!("{} {}", if names.len() == 1 { "the feature" } else { "the features" }, names.join(", "))
}

fn no_binary(project: &Project, packages: &[&Package]) -> Error {
    let what = match packages {
        [] => "no package is selected".to_owned(),
        [package] if package.has_lib && package.bins.is_empty() => {
            format!("package {} is a library: it has no binary to put in an image", package.name)
        }
        [package] => match &package.bins[..] {
            [] => format!("package {} has no binary", package.name),
            [gated, ..] => return lacks_features(gated),
        },
        _ => "none of the selected packages has a binary".to_owned(),
    };
    let others: Vec<String> = project
        .packages
        .iter()
        .filter(|other| !other.bins.is_empty())
        .map(|other| format!("-p {}", other.name))
        .collect();
    let hint = if others.is_empty() {
        "add a src/main.rs, or run this in a project that has one".to_owned()
    } else {
        format!("choose a package that has one: {}", others.join(", "))
    };
    Error::usage(what).hint(hint)
}

/// Refuses a binary whose features are off.
pub fn lacks_features(bin: &BinTarget) -> Error {
    Error::usage(format!("the binary {} needs {}", bin.name, features(&bin.lacks))).hint(format!(
        "add --features {}, or features = {:?} to the project's table",
        bin.lacks.join(","),
        bin.lacks
    ))
}

fn binary(package: &Package, name: &str) -> Binary {
    Binary { package_id: package.id.clone(), package: package.name.clone(), name: name.to_owned() }
}

/// The nearest of `known` to what was typed, else all of them.
pub(crate) fn suggestion(flag: &str, typed: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .rev() // of equals, the first
        .map(|name| (strsim::jaro_winkler(typed, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, name)) => format!("did you mean {flag} {name}?"),
        None if known.is_empty() => "there is nothing to choose from".into(),
        None => format!("there are: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(members: &[(&str, &[&str], Option<&str>, bool)]) -> Project {
        let package = |(name, bins, default_run, is_default): &(&str, &[&str], Option<&str>, bool)| {
            let targets: Vec<_> = bins
                .iter()
                .map(|bin| serde_json::json!({"name": bin, "kind": ["bin"], "crate_types": ["bin"], "src_path": "/x", "edition": "2021"}))
                .chain(bins.is_empty().then(
                    || serde_json::json!({"name": name, "kind": ["lib"], "crate_types": ["lib"], "src_path": "/x", "edition": "2021"}),
                ))
                .collect();
            let package = serde_json::json!({"name": name, "version": "1.0.0", "id": name, "dependencies": [],
                "targets": targets, "features": {}, "manifest_path": "/w/Cargo.toml", "default_run": default_run});
            (package, *is_default)
        };
        let packages: Vec<_> = members.iter().map(package).collect();
        let names = |only_default: bool| -> Vec<_> {
            packages.iter().filter(|p| p.1 || !only_default).map(|p| p.0["name"].clone()).collect()
        };
        let metadata = serde_json::json!({"workspace_members": names(false), "workspace_default_members": names(true),
            "packages": packages.iter().map(|p| &p.0).collect::<Vec<_>>(), "target_directory": "/w/target",
            "version": 1, "workspace_root": "/w"});
        let metadata = cargo_metadata::MetadataCommand::parse(metadata.to_string()).expect("metadata");
        Project::from_metadata(metadata)
    }

    fn names(selection: Result<Selection>) -> Vec<String> {
        let selection = selection.expect("a selection");
        selection.binaries.iter().map(|b| format!("{}:{}", b.package, b.name)).collect()
    }

    fn failure(selection: Result<Selection>) -> (String, String) {
        let error = selection.expect_err("an error");
        (error.to_string(), error.hint_text().unwrap_or_default().to_owned())
    }

    fn only(packages: &[&str]) -> Scope {
        Scope { packages: packages.iter().map(|&p| p.into()).collect(), ..Scope::default() }
    }

    fn all() -> Scope {
        Scope { workspace: true, ..Scope::default() }
    }

    #[test]
    fn the_only_binary_needs_no_name() {
        let project = project(&[("app", &["serve"], None, true)]);
        assert_eq!(names(binaries(&project, &Scope::default(), &[])), ["app:serve"]);
    }

    #[test]
    fn default_run_decides_between_several() {
        let project = project(&[("app", &["a", "b"], Some("b"), true)]);
        assert_eq!(names(binaries(&project, &Scope::default(), &[])), ["app:b"]);
        assert_eq!(names(binaries(&project, &Scope::default(), &["a".into()])), ["app:a"]);
    }

    #[test]
    fn binaries_are_named_by_globs_as_for_cargo() {
        let project = project(&[("app", &["serve", "send", "run"], None, true)]);
        let named = |bin: &str| binaries(&project, &Scope::default(), &[bin.into()]);
        assert_eq!(names(named("se*")), ["app:send", "app:serve"]);
        assert_eq!(names(named("r?n")), ["app:run"]);
        assert_eq!(failure(named("x*")).0, "there is no binary x*");
        assert_eq!(failure(named("[")).0, "\"[\" is not a valid binary name or glob");
    }

    #[test]
    fn two_candidates_are_listed_and_none_is_guessed() {
        let project = project(&[("app", &["a", "b"], None, true)]);
        let (message, hint) = failure(binaries(&project, &Scope::default(), &[]));
        assert_eq!(message, "package app has several binaries: a, b");
        assert!(hint.contains("--bin a"), "{hint}");
        let both = binaries(&project, &Scope::default(), &["b".into(), "a".into(), "b".into()]);
        assert_eq!(names(both), ["app:b", "app:a"]);
    }

    #[test]
    fn a_mistyped_binary_is_answered_with_the_nearest() {
        let project = project(&[("app", &["server", "worker"], None, true), ("x", &["tool"], None, false)]);
        let try_bin = |bin: &str| failure(binaries(&project, &Scope::default(), &[bin.into()]));
        assert_eq!(
            try_bin("sever"),
            ("there is no binary sever".into(), "did you mean --bin server?".into())
        );
        assert_eq!(try_bin("zzz").1, "there are: server, worker");
        assert_eq!(try_bin("tool").1, "add -p x");
    }

    #[test]
    fn a_library_points_to_the_members_that_have_binaries() {
        let project = project(&[("lib", &[], None, true), ("app", &["app"], None, false)]);
        let (message, hint) = failure(binaries(&project, &Scope::default(), &[]));
        assert_eq!(message, "package lib is a library: it has no binary to put in an image");
        assert_eq!(hint, "choose a package that has one: -p app");
        assert_eq!(names(binaries(&project, &only(&["app"]), &[])), ["app:app"]);
    }

    #[test]
    fn a_workspace_gives_an_image_of_each_and_notes_the_libraries() {
        let project =
            project(&[("a", &["a"], None, true), ("lib", &[], None, true), ("b", &["b"], None, true)]);
        let selection = binaries(&project, &all(), &[]).expect("selection");
        assert_eq!(selection.notes, ["package lib has no binary and gets no image"]);
        assert_eq!(names(Ok(selection)), ["a:a", "b:b"]);
        let without = Scope { exclude: vec!["a".into(), "zzz".into()], ..all() };
        let selection = binaries(&project, &without, &[]).expect("selection");
        assert!(selection.notes.contains(&"--exclude zzz matches no package".to_owned()));
        assert_eq!(names(Ok(selection)), ["b:b"]);
        let (message, hint) = failure(binaries(&project, &Scope::default(), &[]));
        assert_eq!(message, "this workspace has several binaries: a (package a), b (package b)");
        assert!(hint.contains("-p a") && hint.contains("--workspace"), "{hint}");
    }

    #[test]
    fn the_only_binary_of_a_virtual_workspace_needs_no_package() {
        let project = project(&[("lib", &[], None, true), ("app", &["serve"], None, true)]);
        assert_eq!(names(binaries(&project, &Scope::default(), &[])), ["app:serve"]);
    }

    #[test]
    fn packages_are_named_as_for_cargo() {
        let project = project(&[("svc-a", &["a"], None, true), ("svc-b", &["a"], None, true)]);
        assert_eq!(names(binaries(&project, &only(&["svc-*"]), &[])), ["svc-a:a", "svc-b:a"]);
        assert_eq!(names(binaries(&project, &only(&["svc-b@1.0.0"]), &[])), ["svc-b:a"]);
        assert_eq!(failure(binaries(&project, &only(&["svc-c"]), &[])).1, "did you mean -p svc-a?");
        assert_eq!(
            failure(binaries(&project, &all(), &["a".into()])).1,
            "choose the package too, for example with -p svc-a"
        );
        let exclude = Scope { exclude: vec!["svc-a".into()], ..Scope::default() };
        assert_eq!(failure(binaries(&project, &exclude, &[])).1, "add --workspace");
    }
}
