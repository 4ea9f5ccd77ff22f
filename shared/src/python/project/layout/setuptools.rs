//! What setuptools is told, in pyproject.toml or setup.cfg, and its own discovery.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::tree::{Tree, clean, join};
use super::{Inputs, Layout, PackageDir};
use crate::python::Name;
use crate::python::project::table::{peek, peek_texts};
use crate::system::globs::{self, Star};

/// Both files' settings in one form.
#[derive(Default)]
struct Told {
    /// Packages by name.
    packages: Vec<String>,
    modules: Vec<String>,
    /// Folders by package; the one for the empty name holds all others.
    folders: BTreeMap<String, String>,
    find: Option<Find>,
}

/// `packages.find`.
struct Find {
    roots: Vec<String>,
    include: Vec<String>,
    exclude: Vec<String>,
    namespaces: bool,
}

pub(super) fn layout(inputs: &Inputs, table: &Table, name: &Name, tree: Tree<'_>) -> Layout {
    let told = if peek(table, &["tool", "setuptools"]).is_some() { of_toml(table) } else { of_cfg(inputs) };
    let mut layout = Layout::default();
    for package in &told.packages {
        let path = told.folder_of(package);
        layout.packages.extend(clean(&path).and_then(|path| tree.package(&path, package)));
    }
    let top = told.folders.get("").and_then(|root| clean(root)).unwrap_or_default();
    for module in &told.modules {
        let path = join(&top, &format!("{}.py", module.replace('.', "/")));
        layout.modules.extend(tree.module(&path));
    }
    if let Some(find) = &told.find {
        for root in find.roots.iter().filter_map(|root| clean(root)) {
            layout.packages.extend(tree.packages_in(&root, true).into_iter().filter(|p| find.takes(p)));
        }
    }
    if layout.is_empty() && !top.is_empty() {
        layout.packages = tree.packages_in(&top, true);
        layout.modules = tree.modules_in(&top);
    }
    if layout.is_empty() && !tree.is_dir("src") { tree.named(name, &[""]) } else { layout }
}

fn of_toml(table: &Table) -> Told {
    let key = |key: &'static str| ["tool", "setuptools", key];
    let texts = |keys: &[&str]| peek_texts(table, keys);
    let find = peek(table, &["tool", "setuptools", "packages", "find"]).and_then(Value::as_table);
    let folders = peek(table, &key("package-dir")).and_then(Value::as_table);
    let folder = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    Told {
        packages: texts(&key("packages")),
        modules: texts(&key("py-modules")),
        folders: folders.into_iter().flatten().filter_map(folder).collect(),
        find: find.map(|find| Find {
            roots: or_here(peek_texts(find, &["where"])),
            include: peek_texts(find, &["include"]),
            exclude: peek_texts(find, &["exclude"]),
            namespaces: peek(find, &["namespaces"]).and_then(Value::as_bool).unwrap_or(true),
        }),
    }
}

fn of_cfg(inputs: &Inputs) -> Told {
    let Some(ini) = &inputs.setup_cfg else { return Told::default() };
    let packages = ini.list("options", "packages");
    let how = packages.first().map(|first| first.replace(' ', ""));
    let list = |key| ini.list("options.packages.find", key);
    let find = |namespaces| Find {
        roots: or_here(list("where")),
        include: list("include"),
        exclude: list("exclude"),
        namespaces,
    };
    let mut told = Told {
        modules: ini.list("options", "py_modules"),
        folders: ini.pairs("options", "package_dir"),
        ..Told::default()
    };
    match how.as_deref() {
        Some("find:") => told.find = Some(find(false)),
        Some("find_namespace:") => told.find = Some(find(true)),
        _ => told.packages = packages,
    }
    told
}

fn or_here(roots: Vec<String>) -> Vec<String> {
    if roots.is_empty() { vec![String::new()] } else { roots }
}

impl Told {
    /// The folder of a package: its own, its nearest parent's with the rest, else below the top.
    fn folder_of(&self, package: &str) -> String {
        let mut parent = package;
        let mut rest = Vec::new();
        loop {
            if let Some(folder) = self.folders.get(parent) {
                rest.push(folder.clone());
                break;
            }
            match parent.rsplit_once('.') {
                Some((before, last)) => {
                    rest.push(last.to_owned());
                    parent = before;
                }
                None => {
                    rest.push(parent.to_owned());
                    rest.extend(self.folders.get("").cloned());
                    break;
                }
            }
        }
        rest.reverse();
        rest.join("/")
    }
}

impl Find {
    fn takes(&self, package: &PackageDir) -> bool {
        let matches = |pattern: &str| {
            // `*` crosses dots here.
            globs::one(pattern, Star::Anywhere).is_ok_and(|glob| glob.is_match(&package.name))
        };
        // `pkg.*` in includes is written for what is in pkg, hence for pkg.
        let included = |pattern: &String| matches(pattern) || pattern.strip_suffix(".*").is_some_and(matches);
        (self.namespaces || package.has_init)
            && (self.include.is_empty() || self.include.iter().any(included))
            && !self.exclude.iter().any(|pattern| matches(pattern))
    }
}
