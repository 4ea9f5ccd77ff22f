//! What a Python project says about itself, in whichever of the usual files.
//!
//! Nothing is run: a version or a script that only the build backend can tell is marked so.
//! Tables are read leniently, since tools extend them freely; what is there and has the wrong
//! type is an error that names its key.

mod hatch;
mod ini;
mod layout;
mod metadata;
mod scripts;
mod setup_py;
mod table;
#[cfg(test)]
mod tests;
mod tool;
mod version;
mod workspace;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::Value;

pub use self::layout::{Layout, ModuleFile, PackageDir};
pub use self::metadata::License;
pub use self::tool::{BuildSystem, Tool};
pub use self::version::ProjectVersion;
pub use self::workspace::Workspace;

use self::ini::Ini;
use self::metadata::PkgInfo;
use self::table::{Document, View, text_of};
use self::tool::Backend;
use super::syntax::setup_omits;
use super::{Constraint, Name};
use crate::error::{Context, Error, Result};

/// A Python project.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its folder, absolute.
    pub dir: PathBuf,
    /// What says what it is: a file's name, or that it is the folder.
    pub described_by: &'static str,
    /// Its name as it is written; the folder's where none is.
    pub name: String,
    /// Its name as indexes and locks spell it.
    pub normalized: Name,
    /// Its version, or who has to be asked for it.
    pub version: ProjectVersion,
    /// What it is, in a sentence.
    pub description: Option<String>,
    /// Its authors, each as `Name <mail>`.
    pub authors: Vec<String>,
    /// Its licence.
    pub license: License,
    /// The URL of its home page.
    pub homepage: Option<String>,
    /// The URL of its source.
    pub repository: Option<String>,
    /// The URL of its documentation.
    pub documentation: Option<String>,
    /// The versions of Python that it runs on.
    pub requires_python: Option<Constraint>,
    /// Its direct dependencies (`project.dependencies`) as they are written. Poetry's own table is
    /// not among them.
    pub dependencies: Vec<String>,
    /// Whether `setup.py` and `setup.cfg` are what describes it, and say that it needs nothing.
    pub needs_nothing: bool,
    /// Fields that are left to the build backend (`project.dynamic`).
    pub dynamic: Vec<String>,
    /// Programs on the command line, by name, with the object that each calls.
    pub scripts: BTreeMap<String, String>,
    /// Programs with windows.
    pub gui_scripts: BTreeMap<String, String>,
    /// Programs that are files of the project, by name, with the file's relative path (Poetry).
    pub file_scripts: BTreeMap<String, String>,
    /// How it is built. `None` where nothing says that it is.
    pub build_system: Option<BuildSystem>,
    /// Whether it wants to be installed; not so with `package-mode = false` and its like.
    pub package_mode: bool,
    /// The program that keeps it.
    pub tool: Tool,
    /// `[tool.containerize]`.
    pub settings: Option<Value>,
    /// `[tool.hatch.build.targets.containerize]`, or what `hatch.toml` says in its place, without the keys that are
    /// Hatch's own.
    pub hatch_settings: Option<Value>,
    /// The uv workspace that it is in.
    pub workspace: Option<Workspace>,
    /// The version in `.python-version`, as `3.13` or `3.13.1`.
    pub python_version_file: Option<String>,
    /// Its packages and modules.
    pub layout: Layout,
    /// The whole pyproject.toml, for those who need more.
    pub pyproject: Option<toml::Table>,
}

/// The files that make a folder a project.
const MARKERS: &[&str] =
    &["pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "poetry.lock", "uv.lock", "pylock.toml"];

/// What was read from a project's folder.
pub(super) struct Inputs {
    dir: PathBuf,
    pyproject: Option<Document>,
    /// What setup.cfg says, and over it the literals of setup.py, as setuptools has it.
    setup_cfg: Option<Ini>,
    has_setup_py: bool,
    /// Whether setup.py speaks of extension modules.
    setup_compiles: bool,
    /// Whether `setup.py`, if there is one, leaves no dependencies to be told by running it.
    needs_nothing: bool,
    pkg_info: Option<PkgInfo>,
}

impl Project {
    /// Reads the project in `dir` or the nearest folder above that is one. `None` where none is.
    ///
    /// # Errors
    /// When a file cannot be read or understood, or when a known key holds what it cannot.
    pub fn read(dir: &Path) -> Result<Option<Self>> {
        Self::read_with(dir, workspace::find)
    }

    /// The same for a folder that may be in the workspace of another project, a member and not the root of it.
    ///
    /// # Errors
    /// As [`Project::read`].
    pub fn read_beside(dir: &Path, other: &Workspace) -> Result<Option<Self>> {
        Self::read_with(dir, |dir, own| workspace::find_again(dir, own, other))
    }

    fn read_with(
        dir: &Path,
        workspace: impl Fn(&Path, Option<&Document>) -> Result<Option<Workspace>>,
    ) -> Result<Option<Self>> {
        let dir = std::path::absolute(dir).context(|| format!("cannot find {}", dir.display()))?;
        if !dir.is_dir() {
            return Err(Error::usage(format!("the folder {} does not exist", dir.display())));
        }
        let is_project = |dir: &&Path| MARKERS.iter().any(|file| dir.join(file).is_file());
        let read = |dir| {
            let inputs = Inputs::read(dir)?;
            let workspace = workspace(&inputs.dir, inputs.pyproject.as_ref())?;
            Self::of(&inputs, workspace)
        };
        dir.ancestors().find(is_project).map(read).transpose()
    }

    fn of(inputs: &Inputs, workspace: Option<Workspace>) -> Result<Self> {
        let root = inputs.pyproject.as_ref().map(Document::root);
        let root = root.as_ref();
        let project = root.map(|root| root.table("project")).transpose()?.flatten();
        let package_mode = tool::package_mode(root)?;
        let name = name(inputs, root, package_mode)?;
        let normalized = Name::from_str(&name)?;
        let build_system = tool::build_system(inputs, root)?;
        let backend = backend(inputs, build_system.as_ref());
        let layout = layout::discover(inputs, &normalized, backend);
        let description = metadata::describe(inputs, root)?;
        let scripts = scripts::read(inputs, root)?;
        let texts = |key| project.as_ref().map_or(Ok(Vec::new()), |project| project.texts(key));
        Ok(Self {
            version: version::find(inputs, root, backend, &layout)?,
            description: description.description,
            authors: description.authors,
            license: description.license,
            homepage: description.homepage,
            repository: description.repository,
            documentation: description.documentation,
            requires_python: requires_python(inputs, root)?,
            dependencies: texts("dependencies")?,
            needs_nothing: inputs.needs_nothing(),
            dynamic: texts("dynamic")?,
            scripts: scripts.console,
            gui_scripts: scripts.gui,
            file_scripts: scripts.files,
            tool: tool::tool(inputs, backend),
            settings: root.map(settings).transpose()?.flatten(),
            hatch_settings: hatch::settings(inputs)?,
            python_version_file: python_version(&inputs.dir, workspace.as_ref())?,
            pyproject: inputs.pyproject.as_ref().map(|document| document.table.clone()),
            dir: inputs.dir.clone(),
            described_by: inputs.described_by(),
            name,
            normalized,
            build_system,
            package_mode,
            workspace,
            layout,
        })
    }

    /// Where the lock of uv is: the workspace's root, else the project's folder.
    pub fn lock_dir(&self) -> &Path {
        let workspace = self.workspace.as_ref().filter(|workspace| workspace.has_lock);
        workspace.map_or(&self.dir, |workspace| &workspace.root)
    }

    /// What the paths of the workspace's table are relative to, and where the bases of all are pinned: the
    /// workspace's root, else the project's folder.
    pub fn root_dir(&self) -> &Path {
        self.workspace.as_ref().map_or(&self.dir, |workspace| &workspace.root)
    }

    /// Whether the folder is a project, and not only the root of others.
    pub fn is_real(&self) -> bool {
        let table = self.pyproject.as_ref();
        let poetry = table.and_then(|table| table.get("tool")?.get("poetry"));
        let is_root = self.workspace.as_ref().is_some_and(|workspace| workspace.root == self.dir);
        !is_root || table.is_none_or(|table| table.contains_key("project")) || poetry.is_some()
    }

    /// Whether the project has dependencies, which only a lock pins.
    pub fn needs_lock(&self) -> bool {
        let table = self.pyproject.as_ref();
        let poetry =
            table.and_then(|table| table.get("tool")?.get("poetry")?.get("dependencies")?.as_table());
        let of_poetry = poetry.is_some_and(|table| table.keys().any(|name| name != "python"));
        let dynamic = self.dynamic.iter().any(|key| key == "dependencies");
        let unknown = table.is_none_or(|table| !table.contains_key("project")) && poetry.is_none();
        !self.dependencies.is_empty() || of_poetry || dynamic || (unknown && !self.needs_nothing)
    }

    /// Whether the project is built and installed as a package when nothing else is said.
    pub fn is_package(&self) -> bool {
        self.package_mode && self.build_system.is_some()
    }

    /// Whether the build backend has to be asked for a part of what an image says.
    pub fn needs_backend(&self) -> bool {
        self.version.needs_backend()
            || self
                .dynamic
                .iter()
                .any(|key| matches!(key.as_str(), "scripts" | "entry-points") && self.scripts.is_empty())
    }
}

impl Inputs {
    fn read(dir: &Path) -> Result<Self> {
        let setup_py = text_of(&dir.join("setup.py"))?;
        let mut setup_cfg = text_of(&dir.join("setup.cfg"))?.map(|text| Ini::parse(&text));
        if let Some(told) = setup_py.as_deref().and_then(setup_py::as_ini) {
            setup_cfg.get_or_insert_default().lay_over(told);
        }
        Ok(Self {
            pyproject: Document::read(&dir.join("pyproject.toml"))?,
            setup_cfg,
            has_setup_py: setup_py.is_some(),
            setup_compiles: setup_py.as_deref().is_some_and(setup_py::compiles),
            needs_nothing: setup_py.as_deref().is_none_or(|text| setup_omits(text, "install_requires")),
            pkg_info: text_of(&dir.join("PKG-INFO"))?.and_then(|text| PkgInfo::parse(&text)),
            dir: dir.to_owned(),
        })
    }
}

impl Inputs {
    /// Whether the files of setuptools are there, and name no dependencies.
    fn needs_nothing(&self) -> bool {
        let told = self.setup_cfg.as_ref().and_then(|ini| ini.get("options", "install_requires"));
        let elsewhere = |document: &Document| {
            document.table.contains_key("project")
                || table::peek(&document.table, &["tool", "poetry", "dependencies"]).is_some()
        };
        (self.has_setup_py || self.setup_cfg.is_some())
            && self.needs_nothing
            && told.is_none_or(|text| text.trim().is_empty())
            && !self.pyproject.as_ref().is_some_and(elsewhere)
    }

    fn described_by(&self) -> &'static str {
        match (&self.pyproject, self.has_setup_py, &self.setup_cfg) {
            (Some(_), ..) => "pyproject.toml",
            (None, true, _) => "setup.py",
            (None, false, Some(_)) => "setup.cfg",
            (None, false, None) => "the project's folder",
        }
    }
}

/// The backend whose settings say where packages are, also for a project that is never built.
fn backend(inputs: &Inputs, build_system: Option<&BuildSystem>) -> Option<Backend> {
    let has = |keys: &[&str]| {
        inputs.pyproject.as_ref().is_some_and(|document| table::peek(&document.table, keys).is_some())
    };
    let of_poetry = || has(&["tool", "poetry", "packages"]).then_some(Backend::Poetry);
    build_system.map(BuildSystem::known_backend).or_else(of_poetry)
}

fn name(inputs: &Inputs, root: Option<&View<'_>>, package_mode: bool) -> Result<String> {
    if let Some(root) = root {
        let text = |keys: &[&str], key: &str| -> Result<Option<String>> {
            let view = root.below(keys)?;
            let text = view.map(|view| view.text(key)).transpose()?.flatten();
            Ok(text.map(str::to_owned))
        };
        let flit = ["tool", "flit", "metadata"];
        let of_flit = || Ok(text(&flit, "dist-name")?.or(text(&flit, "module")?));
        let of_poetry = || text(&["tool", "poetry"], "name");
        let lookups: [&dyn Fn() -> Result<Option<String>>; 3] =
            [&|| text(&["project"], "name"), &of_poetry, &of_flit];
        for lookup in lookups {
            if let Some(name) = lookup()? {
                return checked(name, root);
            }
        }
        if root.has("project") && package_mode {
            let document = root.document();
            return Err(document
                .wrong(format!("project.name is missing in {}", document.file.display()))
                .hint("add name = \"...\" to [project]"));
        }
    }
    let cfg = inputs.setup_cfg.as_ref().and_then(|ini| ini.get("metadata", "name"));
    let written = cfg.or_else(|| inputs.pkg_info.as_ref()?.get("Name"));
    let written = written.filter(|name| Name::from_str(name).is_ok());
    Ok(written.map_or_else(|| folder_name(&inputs.dir), str::to_owned))
}

fn checked(name: String, root: &View<'_>) -> Result<String> {
    let file = root.document().file.display();
    match Name::from_str(&name) {
        Ok(_) => Ok(name),
        Err(e) => Err(Error::usage(format!("the project's name in {file} is invalid")).because(e)),
    }
}

/// A name for a project that says none: its folder's, with what names cannot hold replaced.
fn folder_name(dir: &Path) -> String {
    let folder = dir.file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = folder.chars().map(plain).collect();
    let name = name.trim_matches(['-', '_', '.']);
    if name.is_empty() { "app".to_owned() } else { name.to_owned() }
}

fn requires_python(inputs: &Inputs, root: Option<&View<'_>>) -> Result<Option<Constraint>> {
    if let Some(root) = root {
        for keys in [&["project"][..], &["tool", "flit", "metadata"]] {
            let Some(view) = root.below(keys)? else { continue };
            if let Some(text) = view.text("requires-python")? {
                return specifiers(text, root, &view.path_of("requires-python")).map(Some);
            }
        }
        let poetry = table::peek_text(root.raw(), &["tool", "poetry", "dependencies", "python"]);
        if let Some(found) = poetry.and_then(of_poetry) {
            return Ok(Some(found));
        }
    }
    let cfg = inputs.setup_cfg.as_ref().and_then(|ini| ini.get("options", "python_requires"));
    let written = cfg.or_else(|| inputs.pkg_info.as_ref()?.get("Requires-Python"));
    Ok(written.and_then(|text| Constraint::parse(text).ok()))
}

/// What Poetry's own table says. A bare `3.11` is meant as the series: nobody asks for 3.11.0 alone.
fn of_poetry(text: &str) -> Option<Constraint> {
    let bare = text.split('.').count() == 2 && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let text = if bare { format!("{text}.*") } else { text.to_owned() };
    Constraint::parse(&text).ok().filter(|_| !matches!(text.trim(), "" | "*"))
}

fn specifiers(text: &str, root: &View<'_>, key: &str) -> Result<Constraint> {
    Constraint::parse(text).map_err(|e| {
        let file = root.document().file.display();
        Error::usage(format!("{key} in {file} is {text:?}, which is not a version constraint"))
            .because(e)
            .hint("write it as >=3.11")
    })
}

/// `[tool.containerize]` as the rest of the library reads settings.
fn settings(root: &View<'_>) -> Result<Option<Value>> {
    let Some(view) = root.below(&["tool", "containerize"])? else { return Ok(None) };
    serde_json::to_value(view.raw()).map(Some).map_err(|e| Error::bug("TOML does not fit JSON").because(e))
}

/// The version that `.python-version` pins, in the project's folder or above it in its workspace.
fn python_version(dir: &Path, workspace: Option<&Workspace>) -> Result<Option<String>> {
    let root = workspace.map_or(dir, |workspace| &workspace.root);
    for folder in dir.ancestors().take_while(|folder| folder.starts_with(root)) {
        let Some(text) = text_of(&folder.join(".python-version"))? else { continue };
        let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        let prefixes = ["cpython-", "cpython@", "python-", "python"];
        let version = line.map(|line| prefixes.iter().find_map(|p| line.strip_prefix(p)).unwrap_or(line));
        // Other words name interpreters of the machine: "system", "pypy3.10".
        let is_version = |text: &&str| {
            text.contains('.')
                && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
        };
        return Ok(version.filter(is_version).map(str::to_owned));
    }
    Ok(None)
}
