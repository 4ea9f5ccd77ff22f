//! What each build backend is told about packages, and what it finds when it is told nothing.

use toml::{Table, Value};

use super::tree::{Tree, clean, join};
use super::{Inputs, Layout, setuptools};
use crate::python::Name;
use crate::python::project::table::{peek, peek_text, peek_texts};
use crate::python::project::tool::Backend;

/// The layout as `backend` sees it; empty where it says nothing that is there.
pub(super) fn layout(backend: Backend, inputs: &Inputs, name: &Name, tree: Tree<'_>) -> Layout {
    let empty = Table::new();
    let table = inputs.pyproject.as_ref().map_or(&empty, |document| &document.table);
    match backend {
        Backend::Poetry => poetry(table, name, tree),
        Backend::Hatchling => hatchling(table, name, tree),
        Backend::Setuptools => setuptools::layout(inputs, table, name, tree),
        Backend::Flit => flit(table, name, tree),
        Backend::Pdm => pdm(table, tree),
        Backend::Uv => uv(table, name, tree),
        Backend::Maturin => maturin(table, name, tree),
        Backend::ScikitBuild => scikit_build(table, name, tree),
        Backend::Other => tree.named(name, &["src", ""]),
    }
}

/// Whether `backend` surely refuses to build where [`layout`] finds nothing: it looks for a package of the project's
/// name, and nothing tells it otherwise.
pub(super) fn gives_up(backend: Backend, inputs: &Inputs) -> bool {
    let is_told = |keys: &[&str]| {
        inputs.pyproject.as_ref().is_some_and(|document| peek(&document.table, keys).is_some())
    };
    match backend {
        Backend::Flit => true,
        Backend::Hatchling => !is_told(&["tool", "hatch", "build"]),
        Backend::Uv => !is_told(&["tool", "uv", "build-backend"]),
        _ => false,
    }
}

/// Adds what a path or glob names below `root`: a folder as package, a file as module, and with a
/// wildcard in its first part all that is there.
pub(super) fn add_pattern(layout: &mut Layout, root: &str, pattern: &str, tree: Tree<'_>) {
    let Some(pattern) = clean(pattern) else { return };
    let wild = |part: &&str| part.contains(['*', '?', '[']);
    let fixed: Vec<&str> = pattern.split('/').take_while(|part| !wild(part)).collect();
    let path = join(root, &fixed.join("/"));
    if fixed.is_empty() {
        layout.packages.extend(tree.packages_in(root, true));
        let all = pattern.split('/').next_back().is_some_and(|last| matches!(last, "*" | "**" | "*.py"));
        layout.modules.extend(if all { tree.modules_in(root) } else { Vec::new() });
    } else if path.ends_with(".py") {
        // A file in a package means that package.
        match fixed.split_last() {
            Some((_, [])) | None => layout.modules.extend(tree.module(&path)),
            Some((_, folders)) => {
                layout.packages.extend(tree.package(&join(root, &folders.join("/")), &folders.join(".")));
            }
        }
    } else {
        layout.packages.extend(tree.package(&path, &fixed.join(".")));
    }
}

fn poetry(table: &Table, name: &Name, tree: Tree<'_>) -> Layout {
    let mut layout = Layout::default();
    let packages = peek(table, &["tool", "poetry", "packages"]).and_then(Value::as_array);
    for package in packages.into_iter().flatten() {
        let (include, from) = match package {
            Value::String(include) => (Some(include.as_str()), None),
            Value::Table(entry) if in_wheels(entry) => {
                (peek_text(entry, &["include"]), peek_text(entry, &["from"]))
            }
            _ => (None, None),
        };
        if let (Some(include), Some(from)) = (include, clean(from.unwrap_or_default())) {
            add_pattern(&mut layout, &from, include, tree);
        }
    }
    if layout.is_empty() { tree.named(name, &["", "src"]) } else { layout }
}

fn in_wheels(entry: &Table) -> bool {
    let formats = peek_texts(entry, &["format"]);
    formats.is_empty() || formats.iter().any(|format| format == "wheel")
}

fn hatchling(table: &Table, name: &Name, tree: Tree<'_>) -> Layout {
    let wheel = ["tool", "hatch", "build", "targets", "wheel"];
    let setting = |key: &'static str| {
        let for_wheels = peek(table, &[&wheel[..], &[key]].concat());
        for_wheels.or_else(|| peek(table, &["tool", "hatch", "build", key]))
    };
    let texts = |key| match setting(key) {
        Some(Value::Array(list)) => list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        _ => Vec::<String>::new(),
    };
    let mut layout = Layout::default();
    for path in texts("packages").iter().filter_map(|path| clean(path)) {
        // Only the last part of the path is shipped.
        let (root, last) = path.rsplit_once('/').unwrap_or(("", &path));
        layout.add(tree.find(root, last));
    }
    let sources = match setting("sources") {
        Some(Value::Table(map)) => map.keys().cloned().collect(),
        _ => texts("sources"),
    };
    let sources: Vec<String> = sources.iter().filter_map(|source| clean(source)).collect();
    let mut included = texts("only-include");
    if layout.is_empty() && included.is_empty() {
        // Patterns as in ignore files: those for the root begin with a slash.
        let patterns = texts("include");
        included.extend(patterns.iter().map(|pattern| pattern.trim_start_matches('/').to_owned()));
    }
    for path in included.iter().filter_map(|path| clean(path)) {
        let source =
            sources.iter().find(|source| path == **source || path.starts_with(&format!("{source}/")));
        let root = source.map_or("", String::as_str);
        let rest = path.get(root.len()..).unwrap_or_default().trim_start_matches('/');
        add_pattern(&mut layout, root, if rest.is_empty() { "*" } else { rest }, tree);
    }
    if layout.is_empty() {
        layout = tree.named(name, &["src", ""]);
    }
    if layout.is_empty() {
        let single = |packages: Vec<_>| if packages.len() == 1 { packages } else { Vec::new() };
        let escaped = name.escaped();
        let ours = |package: &super::PackageDir| package.name.ends_with(&format!(".{escaped}"));
        layout.packages = single(tree.packages_in("", true).into_iter().filter(ours).collect());
    }
    if layout.is_empty() {
        sources.iter().for_each(|source| layout.packages.extend(tree.packages_in(source, true)));
    }
    layout
}

fn flit(table: &Table, name: &Name, tree: Tree<'_>) -> Layout {
    let module = peek_text(table, &["tool", "flit", "module", "name"])
        .or_else(|| peek_text(table, &["tool", "flit", "metadata", "module"]))
        .or_else(|| peek_text(table, &["project", "name"]));
    let module = module.map_or_else(|| name.escaped(), |module| module.replace('-', "_"));
    tree.dotted(&module, &["", "src"])
}

fn pdm(table: &Table, tree: Tree<'_>) -> Layout {
    let build = |key| peek_texts(table, &["tool", "pdm", "build", key]);
    let told = build("package-dir").first().and_then(|root| clean(root));
    let src = tree.is_dir("src") && !tree.is_file("src/__init__.py");
    let root = told.unwrap_or_else(|| if src { "src".into() } else { String::new() });
    let mut layout = Layout::default();
    for pattern in build("includes").iter().filter_map(|pattern| clean(pattern)) {
        let inside = if root.is_empty() { Some(pattern.as_str()) } else { pattern.strip_prefix(&root) };
        if let Some(inside) = inside {
            add_pattern(&mut layout, &root, if inside.is_empty() { "*" } else { inside }, tree);
        }
    }
    if layout.is_empty() {
        layout.packages = tree.packages_in(&root, false);
    }
    if layout.is_empty() {
        layout.modules = tree.modules_in(&root);
    }
    layout
}

fn uv(table: &Table, name: &Name, tree: Tree<'_>) -> Layout {
    let settings = |key| ["tool", "uv", "build-backend", key];
    let root = peek_text(table, &settings("module-root")).map_or(Some("src".into()), clean);
    let mut modules = peek_texts(table, &settings("module-name"));
    if modules.is_empty() {
        modules.push(name.escaped());
    }
    let mut layout = Layout::default();
    for (root, module) in root.iter().flat_map(|root| modules.iter().map(move |module| (root, module))) {
        layout.add(tree.find(root, module));
    }
    layout
}

fn maturin(table: &Table, name: &Name, tree: Tree<'_>) -> Layout {
    let module =
        peek_text(table, &["tool", "maturin", "module-name"]).and_then(|name| name.split('.').next());
    let module = module.map_or_else(|| name.escaped(), str::to_owned);
    let source = peek_text(table, &["tool", "maturin", "python-source"]).and_then(clean);
    match source {
        Some(root) => tree.dotted(&module, &[&root]),
        None => tree.dotted(&module, &["", "python"]),
    }
}

fn scikit_build(table: &Table, name: &Name, tree: Tree<'_>) -> Layout {
    let mut layout = Layout::default();
    let told = peek_texts(table, &["tool", "scikit-build", "wheel", "packages"]);
    for path in told.iter().filter_map(|path| clean(path)) {
        let (root, last) = path.rsplit_once('/').unwrap_or(("", &path));
        layout.add(tree.find(root, last));
    }
    if layout.is_empty() { tree.named(name, &["src", "python", ""]) } else { layout }
}
