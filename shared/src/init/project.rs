//! What is seen of a project.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::paths::below;
use crate::cargo::{self, Cargo, Locking};
use crate::config::Language;
use crate::error::{Error, Result};
use crate::python::lock::{self, LockKind};
use crate::read;
use crate::system::globs::{self, Star};

/// A project as it is before it has a table of this program.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its folder, absolute.
    pub dir: PathBuf,
    /// The way to it from the folder that a Dockerfile's paths begin in; empty where that is its own.
    pub within: String,
    /// What kind it is of.
    pub kind: Kind,
}

/// What is known of a project of one kind.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names of the languages")]
pub enum Kind {
    Rust(RustProject),
    Python(PythonProject),
}

/// A Rust project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RustProject {
    /// Whether the table is the workspace's: its Cargo.toml holds no package, or one without a binary.
    pub is_workspace: bool,
    /// The binaries of each package that has some, by its name.
    pub bins: BTreeMap<String, Vec<String>>,
    /// The binary that the only package means, if it means one.
    pub default_bin: Option<String>,
    /// Debian's packages of the C libraries that its crates are linked with.
    pub libraries: Vec<&'static str>,
}

/// A Python project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PythonProject {
    /// Whether it is built as a wheel.
    pub builds: bool,
    /// Its console scripts.
    pub scripts: BTreeSet<String>,
    /// The lock that is used where the settings name none: its name, and whether a tool made it.
    pub lock: Option<(String, bool)>,
    /// The normalised names of all that the lock pins.
    pub locked: BTreeSet<String>,
    /// Whether pyproject.toml or setup.py declares what it needs.
    pub declares: bool,
}

/// Crates that are linked with a library of the system, what brings it with the crate, and Debian's package.
const LINKED: &[(&str, &[&str], &str)] = &[
    ("openssl-sys", &["openssl-src"], "libssl3"),
    ("pq-sys", &["pq-src"], "libpq5"),
    ("mysqlclient-sys", &["mysqlclient-src"], "libmariadb3"),
];

impl Project {
    /// Looks at the project in `dir`, an absolute folder.
    ///
    /// # Errors
    /// When its files cannot be read or understood.
    pub fn look(dir: &Path, language: Language, cargo: &Cargo) -> Result<Self> {
        let kind = match language {
            Language::Rust => Kind::Rust(rust(dir, cargo)?),
            Language::Python => Kind::Python(python(dir)?),
        };
        Ok(Self { dir: dir.to_owned(), within: String::new(), kind })
    }

    /// The same, where a Dockerfile's paths begin in a folder above, by the way from there.
    #[must_use]
    pub fn within(self, way: impl Into<String>) -> Self {
        Self { within: way.into(), ..self }
    }

    /// A path of a Dockerfile as one of the project, and what follows it in its place: a folder above the project
    /// holds it further down.
    pub(super) fn path_of(&self, path: &str) -> (String, String) {
        let plain = |path: &str| (path.to_owned(), String::new());
        if self.within.is_empty() {
            return plain(path);
        }
        if let Some(rest) = below(path, &self.within) {
            return plain(rest);
        }
        match below(&self.within, path).or_else(|| path.is_empty().then_some(self.within.as_str())) {
            Some(way) => (String::new(), way.to_owned()),
            None => (format!("{}{path}", "../".repeat(self.within.split('/').count())), String::new()),
        }
    }

    /// Whether a file or folder of the project is there, by its relative path with `/`.
    pub(super) fn has(&self, path: &str) -> bool {
        self.dir.join(path).exists()
    }

    /// Whether it is a folder.
    pub(super) fn has_folder(&self, path: &str) -> bool {
        self.dir.join(path).is_dir()
    }

    /// The paths that a pattern of `COPY` names: itself where it has no wildcard.
    pub(super) fn matching(&self, pattern: &str) -> Vec<String> {
        if !pattern.contains(['*', '?', '[']) {
            return if self.has(pattern) { vec![pattern.to_owned()] } else { Vec::new() };
        }
        let (folder, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
        let Ok(glob) = globs::one(name, Star::Anywhere) else { return Vec::new() };
        let entries = std::fs::read_dir(self.dir.join(folder)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut found: Vec<String> = names.filter(|name| glob.is_match(name)).collect();
        found.sort_unstable();
        let joined = |name: String| if folder.is_empty() { name } else { format!("{folder}/{name}") };
        found.into_iter().map(joined).collect()
    }

    /// The text of a small file of the project.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        read::text(&self.dir.join(path), read::DOCUMENT).ok()
    }
}

fn rust(dir: &Path, cargo: &Cargo) -> Result<RustProject> {
    let project = cargo::Project::read(cargo, None, Locking { offline: true, ..Locking::default() })?;
    // Cargo names folders without links, and the call may not.
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let dir = real(dir);
    let here = project.packages.iter().find(|package| real(package.dir()) == dir);
    // A library at the root of a workspace leaves the image to the members.
    let is_root = real(&project.workspace_root) == dir;
    let here = here.filter(|here| !here.bins.is_empty() || !is_root);
    let packages = project.packages.iter().filter(|package| here.is_none_or(|here| here.id == package.id));
    let packages: Vec<_> = packages.filter(|package| !package.bins.is_empty()).collect();
    if packages.is_empty() {
        return Err(Error::usage("the project has no binary, so there is nothing for an image to run")
            .hint("add a src/main.rs, or give the folder of another project with -C"));
    }
    let names = |package: &&cargo::Package| {
        let bins = package.bins.iter().map(|bin| bin.name.clone()).collect();
        (package.name.clone(), bins)
    };
    let default_bin = match &packages[..] {
        [only] => cargo::select::default_bin(only).map(|bin| bin.name.clone()),
        _ => None,
    };
    Ok(RustProject {
        is_workspace: here.is_none(),
        bins: packages.iter().map(names).collect(),
        default_bin,
        libraries: libraries(&project.workspace_root),
    })
}

/// Debian's packages of the libraries that the lock's crates are linked with.
fn libraries(root: &Path) -> Vec<&'static str> {
    let text = read::text(&root.join("Cargo.lock"), read::LOCK).unwrap_or_default();
    let has = |name: &str| text.contains(&format!("\nname = \"{name}\"\n"));
    let linked = LINKED.iter().filter(|(name, bring, _)| has(name) && !bring.iter().any(|name| has(name)));
    linked.map(|(_, _, package)| *package).collect()
}

fn python(dir: &Path) -> Result<PythonProject> {
    let Some(project) = crate::python::Project::read(dir)? else { return Ok(PythonProject::default()) };
    let found = lock::find(dir, project.pyproject.as_ref())?;
    let names = found.as_ref().and_then(|found| lock::read(&found.path, found.kind).ok());
    let locked = names.map(|lock| lock.names()).unwrap_or_default();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let table = |key: &str| project.pyproject.as_ref().and_then(|table| table.get(key));
    let poetry = table("tool").and_then(|tool| tool.get("poetry")).is_some();
    Ok(PythonProject {
        builds: project.build_system.is_some() && project.package_mode,
        scripts: project.scripts.keys().chain(project.file_scripts.keys()).cloned().collect(),
        lock: found.map(|found| (name(&found.path), found.kind != LockKind::Requirements)),
        locked: locked.iter().map(|name| name.as_str().to_owned()).collect(),
        declares: poetry || table("project").is_some() || dir.join("setup.py").is_file(),
    })
}
