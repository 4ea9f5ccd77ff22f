//! What Python would find in a folder: packages and modules, by their names on disk.

use std::path::Path;

use super::{Layout, ModuleFile, PackageDir};
use crate::python::Name;

/// How deep namespaces may nest.
const DEEPEST: usize = 4;

/// Folders that are about the project, not of it.
const ABOUT: &[&str] = &[
    "benchmark",
    "benchmarks",
    "build",
    "ci",
    "debian",
    "dist",
    "doc",
    "docs",
    "documentation",
    "example",
    "examples",
    "htmlcov",
    "manpages",
    "newsfragments",
    "node_modules",
    "site_scons",
    "test",
    "tests",
    "unit_test",
    "unit_tests",
];

/// Modules that belong to tools.
const TOOLS: &[&str] = &[
    "conanfile",
    "conftest",
    "dodo",
    "fabfile",
    "noxfile",
    "pavement",
    "setup",
    "test",
    "tests",
    "toxfile",
    "versioneer",
];

/// The project's folder, whose paths are relative and have `/`.
#[derive(Clone, Copy)]
pub(super) struct Tree<'a>(pub(super) &'a Path);

/// A package or a module.
pub(super) enum Importable {
    Package(PackageDir),
    Module(ModuleFile),
}

impl Tree<'_> {
    /// The package or module with the project's name in the first of `roots` that has it.
    pub(super) fn named(self, name: &Name, roots: &[&str]) -> Layout {
        self.dotted(&name.escaped(), roots)
    }

    /// The package or module `module`, which may be within another, in the first of `roots` that has it.
    pub(super) fn dotted(self, module: &str, roots: &[&str]) -> Layout {
        let mut layout = Layout::default();
        layout.add(roots.iter().find_map(|root| self.find(root, module)));
        layout
    }

    /// Whether the folder exists.
    pub(super) fn is_dir(self, path: &str) -> bool {
        self.0.join(path).is_dir()
    }

    pub(super) fn is_file(self, path: &str) -> bool {
        self.0.join(path).is_file()
    }

    /// The package in the folder `path`, which is imported as `name`.
    pub(super) fn package(self, path: &str, name: &str) -> Option<PackageDir> {
        let has = |file: &str| self.is_file(&join(path, file));
        self.is_dir(path).then(|| PackageDir {
            name: name.to_owned(),
            path: path.to_owned(),
            has_init: has("__init__.py") || has("__init__.pyi"),
            has_main: has("__main__.py"),
            typed: has("py.typed"),
        })
    }

    /// The module in the file `path`.
    pub(super) fn module(self, path: &str) -> Option<ModuleFile> {
        let name = path.rsplit('/').next()?.strip_suffix(".py")?;
        self.is_file(path).then(|| ModuleFile { name: name.to_owned(), path: path.to_owned() })
    }

    /// The packages below `root`: folders with modules, also in namespaces when `deep`. At the top
    /// of a project the folders that are about it are passed over.
    pub(super) fn packages_in(self, root: &str, deep: bool) -> Vec<PackageDir> {
        let mut found = Vec::new();
        self.collect(root, "", if deep { DEEPEST } else { 1 }, &mut found);
        found
    }

    fn collect(self, folder: &str, namespace: &str, depth: usize, found: &mut Vec<PackageDir>) {
        for entry in self.names(folder).into_iter().filter(|name| is_identifier(name)) {
            let path = join(folder, &entry);
            let about = namespace.is_empty() && folder.is_empty() && ABOUT.contains(&entry.as_str());
            if about || !self.is_dir(&path) || self.is_file(&join(&path, "pyvenv.cfg")) {
                continue;
            }
            let name = if namespace.is_empty() { entry } else { format!("{namespace}.{entry}") };
            let inside = self.names(&path);
            if inside.iter().any(|file| file.ends_with(".py") || file.ends_with(".pyi")) {
                found.extend(self.package(&path, &name));
            } else if depth > 1 {
                self.collect(&path, &name, depth - 1, found);
            }
        }
    }

    /// The modules directly in `root`, without those of tools.
    pub(super) fn modules_in(self, root: &str) -> Vec<ModuleFile> {
        let product =
            |stem: &str| is_identifier(stem) && !TOOLS.contains(&stem) && !stem.starts_with("test_");
        let names = self.names(root).into_iter();
        let files = names.filter(|name| name.strip_suffix(".py").is_some_and(product));
        files.filter_map(|name| self.module(&join(root, &name))).collect()
    }

    /// The package or module `dotted` below `root`, in whatever case the disk has it.
    pub(super) fn find(self, root: &str, dotted: &str) -> Option<Importable> {
        let mut path = root.to_owned();
        let mut names = Vec::new();
        let mut parts = dotted.split('.').peekable();
        while let Some(part) = parts.next() {
            let is = |name: &str| name.eq_ignore_ascii_case(part) && self.is_dir(&join(&path, name));
            match self.names(&path).into_iter().find(|name| is(name)) {
                Some(name) => {
                    path = join(&path, &name);
                    names.push(name);
                }
                None if parts.peek().is_none() => {
                    let file = format!("{part}.py");
                    let name = self.names(&path).into_iter().find(|name| name.eq_ignore_ascii_case(&file))?;
                    return self.module(&join(&path, &name)).map(Importable::Module);
                }
                None => return None,
            }
        }
        let python = self.names(&path).iter().any(|name| name.ends_with(".py") || name.ends_with(".so"));
        self.package(&path, &names.join(".")).filter(|_| python).map(Importable::Package)
    }

    /// The names in a folder, sorted; none where it cannot be read.
    fn names(self, folder: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.0.join(folder)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}

/// `a/b`, or one of them where the other is empty.
pub(super) fn join(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("", name) => name.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, name) => format!("{folder}/{name}"),
    }
}

/// A relative path as this module writes them; `None` where it leaves the project.
pub(super) fn clean(path: &str) -> Option<String> {
    let path = path.replace('\\', "/");
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    (!path.starts_with('/') && !parts.contains(&"..")).then(|| parts.join("/"))
}

fn is_identifier(name: &str) -> bool {
    let start = |c: char| c.is_alphabetic() || c == '_';
    name.chars().next().is_some_and(start)
        && name.chars().all(|c| start(c) || c.is_numeric())
        && name != "__pycache__"
}
