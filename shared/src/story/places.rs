//! The places that configure a build, from defaults to flags.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::request::{GroupChanges, Request};
use crate::cargo::select::Scope;
use crate::config::{self, Folded, Hooks, Language, Origin, Partial, Place, Settings, Shown};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::oci::Platform;
use crate::read;
use crate::words;
use crate::words::flag;

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

/// How the tables of a kind of project are called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tables {
    /// The kind of project.
    pub(super) language: Language,
    /// The project's or package's own table.
    pub(super) own: &'static str,
    /// The workspace's table.
    pub(super) workspace: &'static str,
}

/// Which other images there are beside one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Siblings {
    /// Whether its own package makes others.
    pub(super) in_package: bool,
    /// Whether any package of the project makes others.
    pub(super) in_project: bool,
}

/// A package with a table of its own, or without.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own<'a> {
    /// Its table, as the manifest has it.
    pub(super) table: Option<&'a Value>,
    /// The folder of its manifest, which paths in the table are relative to.
    pub(super) dir: &'a Path,
}

/// The places that configure all packages of a project alike.
pub(super) struct Places {
    tables: Tables,
    /// The workspace's folder, which paths in its table are relative to.
    root: PathBuf,
    defaults: Place,
    workspace: Option<Place>,
    file: Option<Place>,
    environment: Place,
    told: Option<Place>,
    flags: Place,
    groups: GroupChanges,
    tool: Option<Place>,
}

impl Places {
    /// Reads the places; `flags` are the call's, as the kind of project understands them, `workspace` is the value
    /// of the workspace's table, and `root` its folder.
    ///
    /// # Errors
    /// Usage: an unknown key or a wrong value in one of them.
    pub(super) fn read(
        request: &Request,
        tables: Tables,
        (defaults, flags): (Partial, Partial),
        workspace: Option<&Value>,
        root: &Path,
        events: &Events,
    ) -> Result<Self> {
        let place = |origin: Origin, values| Place { origin, values };
        let (file, environment) = (of_file(request)?, of_environment(request, events)?);
        Ok(Self {
            tables,
            root: root.to_owned(),
            defaults: place(Origin::Default, defaults),
            workspace: workspace.map(|value| table(value, tables.language, tables.workspace)).transpose()?,
            file,
            environment,
            told: request.told.clone(),
            flags: place(Origin::Flag, flags),
            groups: request.groups.clone(),
            tool: None,
        })
    }

    /// Adds the table that another tool keeps for this program; it is stronger than the project's own.
    ///
    /// # Errors
    /// Usage: an unknown key or a wrong value.
    pub(super) fn with_tool(mut self, value: Option<&Value>, name: &str) -> Result<Self> {
        self.tool = value.map(|value| table(value, self.tables.language, name)).transpose()?;
        Ok(self)
    }

    /// All places for one image of one package, folded, with what the call changes of the groups.
    pub(super) fn fold(&self, own: Own<'_>, detected: Vec<Place>, image: &str) -> Result<Folded> {
        let mut stack = self.stack(own, detected)?;
        if self.groups != GroupChanges::default() {
            let groups = config::fold(&stack, image).values.groups.unwrap_or_default();
            let groups = Some(changed(groups, &self.groups)?);
            stack.push(Place { origin: Origin::Flag, values: Partial { groups, ..Partial::default() } });
        }
        Ok(config::fold(&stack, image))
    }

    /// All places for one package, the lowest precedence first.
    pub(super) fn stack(&self, own: Own<'_>, detected: Vec<Place>) -> Result<Vec<Place>> {
        let mut stack = vec![self.defaults.clone()];
        stack.extend(detected);
        stack.extend(self.of_project(own)?);
        stack.extend(self.of_call());
        Ok(stack)
    }

    /// The places of the project itself: its tables, and the file of `--config`.
    pub(super) fn of_project(&self, own: Own<'_>) -> Result<Vec<Place>> {
        let mut stack = Vec::new();
        let way = way_up(own.dir, &self.root);
        stack.extend(
            self.workspace.clone().map(|place| Place { values: place.values.seen_from(&way), ..place }),
        );
        let own = own.table.map(|value| table(value, self.tables.language, self.tables.own));
        stack.extend(own.transpose()?);
        stack.extend(self.tool.clone());
        stack.extend(self.file.clone());
        Ok(stack)
    }

    /// The places of the call alone.
    pub(super) fn of_call(&self) -> Vec<Place> {
        let mut stack = vec![self.environment.clone()];
        stack.extend(self.told.clone());
        stack.push(self.flags.clone());
        stack
    }

    /// What the file of `--config`, variables and flags say of an image, with the groups as the call changes them.
    ///
    /// # Errors
    /// As [`Places::fold`].
    pub(super) fn said_by_call(&self, own: Own<'_>, image: &str) -> Result<Vec<Shown>> {
        let mut stack: Vec<Place> = self.file.iter().cloned().chain(self.of_call()).collect();
        if self.groups != GroupChanges::default() {
            let groups = self.fold(own, Vec::new(), image)?.values.groups;
            stack.push(Place { origin: Origin::Flag, values: Partial { groups, ..Partial::default() } });
        }
        let Folded { values, origins } = config::fold(&stack, image);
        Ok(values.shown(&origins))
    }

    /// The packages that the call means: those of its flags, else those of the key `packages`.
    pub(super) fn scope(&self, flags: &Scope) -> Scope {
        let shared =
            self.workspace.iter().chain(&self.file).cloned().chain(self.of_call()).collect::<Vec<_>>();
        let configured = config::fold(&shared, "").values.packages.unwrap_or_default();
        if flags.is_named() { flags.clone() } else { Scope { packages: configured, ..flags.clone() } }
    }

    /// Whether the image's repository is that of other images too, by the place that names it.
    pub(super) fn shares_repository(&self, settings: &Settings, siblings: Siblings) -> bool {
        match settings.origins.of("repository") {
            Some(Origin::Image { .. }) => false,
            Some(Origin::Table(table)) if table == self.tables.workspace => true,
            Some(origin) if *origin == Origin::Table(self.tables.own.into()) => siblings.in_package,
            _ => siblings.in_project,
        }
    }

    /// The hooks of packages, given by their own tables and folders. Each runs in the package's
    /// folder if it is of the package's own table, else in `root`. What several share runs once.
    pub(super) fn hooks(&self, packages: &[Own<'_>], root: &Path) -> Result<Vec<(PathBuf, Hooks)>> {
        let own = Origin::Table(self.tables.own.into());
        let mut found = Vec::new();
        for package in packages {
            let folded = config::fold(&self.stack(*package, Vec::new())?, "");
            let Some(hooks) = folded.values.hooks else { continue };
            let dir = if folded.origins.is_from("hooks", &own) { package.dir } else { root };
            let hooks = (dir.to_owned(), hooks);
            if !found.contains(&hooks) {
                found.push(hooks);
            }
        }
        Ok(found)
    }
}

/// What counts for a call that is about no project: the file of `--config`, the environment and the flags.
///
/// # Errors
/// Usage: an unknown key or a wrong value in one of them.
pub(super) fn without_project(request: &Request, events: &Events) -> Result<Partial> {
    let flags = Place { origin: Origin::Flag, values: request.flags.clone() };
    let places = of_file(request)?.into_iter().chain([of_environment(request, events)?, flags]);
    Ok(config::fold(&places.collect::<Vec<_>>(), "").values)
}

/// The keys that variables of the call set.
///
/// # Errors
/// Usage: a wrong value in one of them.
pub(super) fn given(request: &Request, events: &Events) -> Result<Partial> {
    of_environment(request, events).map(|place| place.values)
}

/// The file of `--config`.
fn of_file(request: &Request) -> Result<Option<Place>> {
    let Some(path) = &request.config_file else { return Ok(None) };
    let origin = Origin::File(path.display().to_string());
    let text = read::given(path, read::DOCUMENT).map_err(|e| {
        Error::usage(format!("cannot read {}", path.display()))
            .because(e)
            .hint(words!("check {config}", config = flag("config")))
    })?;
    let values = config::from_toml(&text, &origin)?;
    Ok(Some(Place { origin, values }))
}

fn of_environment(request: &Request, events: &Events) -> Result<Place> {
    let (values, warnings) = config::from_environment(&request.variables, RESERVED)?;
    warnings.into_iter().for_each(|warning| events.warn(warning));
    Ok(Place { origin: Origin::Environment, values })
}

/// The way from a folder to one above it; empty where they are the same.
fn way_up(dir: &Path, root: &Path) -> String {
    match dir.strip_prefix(root) {
        Ok(below) => "../".repeat(below.components().count()),
        Err(_) => format!("{}/", root.display()),
    }
}

/// A table of a project's own. Other places may be shared by projects of both languages, and hold keys of both.
fn table(value: &Value, language: Language, name: &str) -> Result<Place> {
    let origin = Origin::Table(name.into());
    let values = config::from_table(value, &origin)?;
    let other = language.other();
    match other.key_of_its_own(&values) {
        Some(key) => Err(Error::usage(format!(
            "`{key}` in {origin} is for {other} projects, but this is a {language} project"
        ))
        .hint("remove it")),
        None => Ok(Place { origin, values }),
    }
}

/// The groups after the changes. The main dependencies are no group here, and always there.
fn changed(configured: Vec<String>, changes: &GroupChanges) -> Result<Vec<String>> {
    let is_main = |group: &String| group == "main";
    let (without, only) = (&changes.without, changes.only.as_ref());
    if without.iter().any(is_main) || only.is_some_and(|only| !only.iter().any(is_main)) {
        return Err(Error::usage("an image always has the main dependencies").hint(words!(
            "remove main from {without}, and include it in {only}, for example {}",
            flag("only").of("main,worker"),
            without = flag("without"),
            only = flag("only")
        )));
    }
    let mut groups = only.cloned().unwrap_or(configured);
    groups.extend(changes.with.iter().cloned());
    groups.retain(|group| !is_main(group) && !without.contains(group));
    let mut seen = std::collections::BTreeSet::new();
    groups.retain(|group| seen.insert(group.clone()));
    Ok(groups)
}

/// What is so for images of any kind.
pub(super) fn defaults() -> Result<Partial> {
    let host = Platform::from_rust_arch(std::env::consts::ARCH).ok_or_else(|| {
        Error::usage(format!("unsupported host architecture {}", std::env::consts::ARCH))
            .hint(words!("choose a platform with {platform}", platform = flag("platform")))
    })?;
    Ok(Partial {
        platforms: Some(vec![host.to_string()]),
        user: Some("65532:65532".into()),
        ..Partial::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn after(configured: &str, with: &str, without: &str, only: Option<&str>) -> Result<String> {
        let changes = GroupChanges { with: words(with), without: words(without), only: only.map(words) };
        changed(words(configured), &changes).map(|groups| groups.join(" "))
    }

    #[test]
    fn the_way_to_the_workspace_is_relative_where_it_can_be() {
        let way = |dir: &str| way_up(Path::new(dir), Path::new("/w"));
        assert_eq!((way("/w").as_str(), way("/w/a/b").as_str(), way("/x").as_str()), ("", "../../", "/w/"));
    }

    #[test]
    fn groups_are_changed_as_poetry_does_it() {
        assert_eq!(after("a b", "c a", "b", None).expect("groups"), "a c");
        assert_eq!(after("a b", "", "dev", None).expect("groups"), "a b");
        assert_eq!(after("a b", "", "", Some("main c")).expect("groups"), "c");
        assert_eq!(after("a b", "main", "", Some("main")).expect("groups"), "");
    }

    #[test]
    fn the_main_dependencies_are_always_there() {
        for (without, only) in [("main", None), ("", Some("worker"))] {
            let error = after("", "", without, only).expect_err("refused");
            assert!(error.hint_text().is_some_and(|hint| hint.contains("--only main,")), "{error:?}");
        }
    }
}
