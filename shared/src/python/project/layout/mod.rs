//! Where a project's own packages and modules are: what its build backend is told, what that
//! backend would find by itself, else what is there.

mod backends;
mod setuptools;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeSet;

use serde::Serialize;

use self::tree::{Importable, Tree};
use super::Inputs;
use super::tool::Backend;
use crate::python::Name;

/// The packages and modules of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// Import packages that are not inside one another, by name.
    pub packages: Vec<PackageDir>,
    /// Modules outside packages, by name.
    pub modules: Vec<ModuleFile>,
    /// The one folder that holds them all where it is not the project's own: `src`.
    pub src_root: Option<String>,
    /// Whether the build backend would find none of it, and so has nothing to build.
    #[serde(skip)]
    pub is_unknown_to_backend: bool,
}

/// An import package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PackageDir {
    /// As it is imported; dotted inside a namespace.
    pub name: String,
    /// Its folder relative to the project, with `/`.
    pub path: String,
    /// Whether it has an `__init__`; a namespace has none.
    pub has_init: bool,
    /// Whether `python -m` can run it.
    pub has_main: bool,
    /// Whether it is marked as typed (PEP 561).
    pub typed: bool,
}

/// A module that is in no package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ModuleFile {
    /// As it is imported.
    pub name: String,
    /// Its file relative to the project, with `/`.
    pub path: String,
}

impl Layout {
    /// The folders that must be on Python's path for the packages and modules to be found, relative
    /// to the project; the project's own is the empty string. Never empty.
    pub fn python_paths(&self) -> Vec<String> {
        let packages = self.packages.iter().filter_map(PackageDir::root);
        let roots: BTreeSet<&str> = packages.chain(self.modules.iter().map(ModuleFile::root)).collect();
        if roots.is_empty() {
            return vec![String::new()];
        }
        roots.into_iter().map(str::to_owned).collect()
    }

    /// Whether any package is marked as typed (PEP 561).
    pub fn is_typed(&self) -> bool {
        self.packages.iter().any(|package| package.typed)
    }

    fn finished(mut self) -> Self {
        self.packages.sort();
        // The same package may be named by several patterns, and a part of another is no own one.
        let names: Vec<String> = self.packages.iter().map(|package| package.name.clone()).collect();
        let inside = |name: &str| {
            names.iter().any(|outer| name.strip_prefix(outer.as_str()).is_some_and(|r| r.starts_with('.')))
        };
        self.packages.retain(|package| !inside(&package.name));
        self.packages.dedup();
        self.modules.sort();
        self.modules.dedup();
        self.src_root = match self.python_paths().as_slice() {
            [root] if !root.is_empty() => Some(root.clone()),
            _ => None,
        };
        self
    }

    fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.modules.is_empty()
    }

    fn add(&mut self, found: Option<Importable>) {
        match found {
            Some(Importable::Package(package)) => self.packages.push(package),
            Some(Importable::Module(module)) => self.modules.push(module),
            None => {}
        }
    }
}

impl PackageDir {
    /// The folder that has to be on Python's path. `None` where the package has another name than its
    /// folder, so that no path makes it importable without being built.
    pub fn root(&self) -> Option<&str> {
        let own = self.name.replace('.', "/");
        let root = self.path.strip_suffix(&own)?;
        root.is_empty().then_some("").or_else(|| root.strip_suffix('/'))
    }
}

impl ModuleFile {
    /// The folder that has to be on Python's path.
    pub fn root(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(root, _)| root)
    }
}

/// Finds the packages and modules of the project `name`.
pub(super) fn discover(inputs: &Inputs, name: &Name, backend: Option<Backend>) -> Layout {
    let tree = Tree(&inputs.dir);
    let found = backend.map_or_else(Layout::default, |b| backends::layout(b, inputs, name, tree));
    if !found.is_empty() {
        return found.finished();
    }
    let is_unknown_to_backend = backend.is_some_and(|backend| backends::gives_up(backend, inputs));
    Layout { is_unknown_to_backend, ..what_is_there(tree, backend.is_some()).finished() }
}

fn what_is_there(tree: Tree<'_>, is_built: bool) -> Layout {
    let mut layout = Layout::default();
    // With an `__init__`, src is what people import.
    if !tree.is_file("src/__init__.py") {
        layout.packages = tree.packages_in("src", true);
        layout.modules = tree.modules_in("src");
    }
    if layout.is_empty() {
        layout.packages = tree.packages_in("", is_built);
        layout.modules = tree.modules_in("");
    } else if !is_built {
        // Programs beside src, run from the project's folder.
        layout.modules.extend(tree.modules_in(""));
    }
    layout
}
