//! No file of the library imports another in a circle: what is at the bottom can be read without what is above.
//! A file may name what the file of its own folder (`mod.rs`) defines, as Rust's nesting means it.

use std::collections::{BTreeMap, BTreeSet};

use super::architecture::{Source, items, library};

pub(crate) type Module = Vec<String>;

/// The module that a file holds, by its path below `src`.
fn module_of(path: &str) -> Module {
    let path = path.trim_end_matches(".rs");
    let mut parts: Module = path.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// All paths of a `use`, its groups taken apart.
fn expand(text: &str) -> Vec<String> {
    let text = text.trim();
    let Some((before, group)) = text.split_once('{') else {
        return vec![text.split(" as ").next().unwrap_or(text).trim().to_owned()];
    };
    let parts = items(group).filter(|item| !item.trim().is_empty());
    parts.flat_map(expand).map(|item| format!("{}{item}", before.trim())).collect()
}

struct House {
    files: BTreeMap<Module, String>,
    /// What `pub use` in a module leads to, by its last name.
    passed_on: BTreeMap<(Module, String), Module>,
}

impl House {
    /// A path as seen from a module, from the root on; `None` where it leads out of the library.
    fn absolute(&self, module: &Module, path: &str) -> Option<Module> {
        let mut parts: Vec<&str> = path.split("::").filter(|part| !part.is_empty()).collect();
        let mut from = module.clone();
        match *parts.first()? {
            "crate" => from.clear(),
            "self" => {}
            "super" => {
                while parts.first() == Some(&"super") {
                    from.pop();
                    parts.remove(0);
                }
                parts.insert(0, "");
            }
            first => {
                let child = [&from[..], &[first.to_owned()]].concat();
                return self.files.contains_key(&child).then(|| [from, owned(&parts)].concat());
            }
        }
        Some([from, owned(&parts[1..])].concat())
    }

    /// The file that defines what is at a path.
    fn home(&self, path: &Module, depth: usize) -> Option<Module> {
        let length = (0..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
        let module = path[..length].to_vec();
        let next = path.get(length).and_then(|name| self.passed_on.get(&(module.clone(), name.clone())));
        match next.filter(|next| depth < 6 && next[..] != path[..=length]) {
            Some(next) => self.home(&[next, &path[length + 1..]].concat(), depth + 1),
            None => Some(module),
        }
    }
}

fn owned(parts: &[&str]) -> Module {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

/// Every `use` of the text, and whether it passes on what it names.
fn uses(code: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let start = code[..at].rfind('\n').map_or(0, |line| line + 1);
        let before = code[start..at].trim();
        if !(before.is_empty() || before.starts_with("pub")) {
            continue;
        }
        let text = code[at + 4..].split(';').next().unwrap_or_default();
        found.extend(expand(text).into_iter().map(|path| (path, !before.is_empty())));
    }
    found
}

/// Paths in the code itself, as `super::layer::write(...)`.
fn paths(code: &str) -> BTreeSet<String> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.split(|c| !is_path(c)).filter(|word| word.contains("::")).map(str::to_owned).collect()
}

/// Which file imports which.
pub(crate) fn imports(sources: &[Source]) -> BTreeMap<Module, BTreeSet<Module>> {
    let files = sources.iter().map(|source| (module_of(&source.path), source.code.clone())).collect();
    let mut house = House { files, passed_on: BTreeMap::new() };
    let all: Vec<(Module, String)> = house.files.clone().into_iter().collect();
    for (module, code) in &all {
        for (path, _) in uses(code).iter().filter(|(_, passed_on)| *passed_on) {
            if let (Some(to), Some(name)) = (house.absolute(module, path), path.rsplit("::").next()) {
                house.passed_on.insert((module.clone(), name.to_owned()), to);
            }
        }
    }
    let mut imports = BTreeMap::new();
    for (module, code) in &all {
        let named = uses(code).into_iter().map(|(path, _)| path).chain(paths(code));
        let homes = named.filter_map(|path| house.home(&house.absolute(module, &path)?, 0));
        let others: BTreeSet<Module> = homes.filter(|home| !module.starts_with(home)).collect();
        imports.insert(module.clone(), others);
    }
    imports
}

/// What can be reached from a module.
fn reach(imports: &BTreeMap<Module, BTreeSet<Module>>, from: &Module) -> BTreeSet<Module> {
    let mut reached = BTreeSet::new();
    let mut left: Vec<&Module> = imports.get(from).into_iter().flatten().collect();
    while let Some(next) = left.pop() {
        if reached.insert(next.clone()) {
            left.extend(imports.get(next).into_iter().flatten());
        }
    }
    reached
}

/// Groups of modules of which each reaches each.
fn circles(imports: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<BTreeSet<Module>> {
    let reached: BTreeMap<&Module, BTreeSet<Module>> =
        imports.keys().map(|module| (module, reach(imports, module))).collect();
    let group = |module: &Module| -> BTreeSet<Module> {
        let others = &reached[module];
        others.iter().filter(|other| reached[*other].contains(module)).cloned().collect()
    };
    imports.keys().map(group).filter(|group| group.len() > 1).collect()
}

#[test]
fn no_file_imports_another_in_a_circle() {
    let sources: Vec<Source> = library();
    let paths: BTreeMap<Module, String> =
        sources.iter().map(|source| (module_of(&source.path), source.path.clone())).collect();
    let mut wrong = Vec::new();
    for circle in circles(&imports(&sources)) {
        let files: Vec<&str> = circle.iter().map(|module| paths[module].as_str()).collect();
        wrong.push(files.join(" <-> "));
    }
    assert!(wrong.is_empty(), "{}\nMove what both need into a file below them.", wrong.join("\n"));
}

#[test]
fn circles_are_found_through_names_that_are_passed_on() {
    let source = |path: &str, code: &str| Source { path: path.into(), code: code.into() };
    let sources = [
        source("a/mod.rs", "mod b;\nmod c;\npub use b::B;"),
        source("a/b.rs", "use super::c::{C, D as E};"),
        source("a/c.rs", "use super::B;\nuse crate::d;"),
        source("d.rs", "fn x() { crate::e::y() }"),
        source("e.rs", "use std::fmt;"),
    ];
    let found = circles(&imports(&sources));
    let one: BTreeSet<Module> = [owned(&["a", "b"]), owned(&["a", "c"])].into();
    assert_eq!(found, [one].into());
}
