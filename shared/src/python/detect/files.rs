//! Which module a file is, and which files are worth a look.

use std::path::Path;

use super::Question;
use crate::read;

/// Files of more bytes than this are data.
const MOST_BYTES: u64 = 2 * 1024 * 1024;
/// So many files are looked at, the shallowest first.
const MOST_FILES: usize = 20_000;

/// Folders whose programs are not the application.
const ASIDE: &[&str] = &[
    "tests",
    "test",
    "testing",
    "examples",
    "example",
    "docs",
    "doc",
    "samples",
    "sample",
    "benchmarks",
    "benchmark",
    "migrations",
    "alembic",
    "node_modules",
    "site-packages",
];
/// Files that tools read.
const TOOLS: &[&str] =
    &["setup.py", "conftest.py", "noxfile.py", "fabfile.py", "dodo.py", "manage.py", "gunicorn.conf.py"];

/// Files that often hold applications.
const USUAL: &[&str] = &[
    "main.py",
    "app.py",
    "asgi.py",
    "wsgi.py",
    "__init__.py",
    "server.py",
    "api.py",
    "application.py",
    "factory.py",
    "streamlit_app.py",
    "home.py",
];

/// A file of the project that may say how it starts.
#[derive(Debug, Clone)]
pub(super) struct Source<'a> {
    /// Relative to the project.
    pub(super) path: &'a str,
    /// Where it is.
    pub(super) place: &'a Path,
    /// Its dotted name.
    pub(super) module: String,
    /// The folder its dotted name starts from, where Python has to be told.
    pub(super) search: Option<String>,
    /// How many folders below that it is.
    pub(super) depth: usize,
}

impl Source<'_> {
    /// Its name without folders.
    pub(super) fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    /// The folder it is in, relative to the project; empty for the project's own.
    pub(super) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Whether it is the `__init__` of a package.
    pub(super) fn is_package(&self) -> bool {
        self.file_name() == "__init__.py"
    }

    /// Whether its name is one that applications are often in.
    pub(super) fn is_usual(&self) -> bool {
        USUAL.contains(&self.file_name().to_ascii_lowercase().as_str())
    }

    /// Its text; `None` if it is too large, cannot be read or is no UTF-8.
    pub(super) fn text(&self) -> Option<String> {
        read::text(self.place, MOST_BYTES).ok()
    }
}

/// The files that may say how the project starts, the shallowest first.
pub(super) fn sources<'a>(question: &Question<'a>) -> Vec<Source<'a>> {
    let own = question.module_name();
    let files = question.files.iter().filter(|(path, _)| path.ends_with(".py") && !is_aside(path, &own));
    let mut sources: Vec<_> =
        files.filter_map(|(path, place)| source(path, place, question.source_roots)).collect();
    sources.sort_by(|a, b| (a.depth, a.path).cmp(&(b.depth, b.path)));
    sources.truncate(MOST_FILES);
    sources
}

/// The file of a module, also where it is a tool's.
pub(super) fn named<'a>(question: &Question<'a>, module: &str) -> Option<Source<'a>> {
    let files = question.files.iter().filter(|(path, _)| path.ends_with(".py"));
    let mut sources = files.filter_map(|(path, place)| source(path, place, question.source_roots));
    sources.find(|source| source.module == module)
}

fn is_aside(path: &str, own: &str) -> bool {
    let (folders, file) = path.rsplit_once('/').unwrap_or(("", path));
    let aside = |folder: &str| folder.starts_with('.') || (ASIDE.contains(&folder) && folder != own);
    let test = file.starts_with("test_") || file.ends_with("_test.py");
    test || TOOLS.contains(&file) || folders.split('/').any(aside)
}

fn source<'a>(path: &'a str, place: &'a Path, roots: &[String]) -> Option<Source<'a>> {
    let below = |root: &&String| path.strip_prefix(root.as_str()).is_some_and(|rest| rest.starts_with('/'));
    let root = roots.iter().filter(|root| !root.is_empty()).filter(below).max_by_key(|root| root.len());
    let mut start = root.map_or(0, |root| root.len() + 1);
    let mut search = None;
    let stem = path.strip_suffix(".py")?;
    // A folder that cannot be a package is where names start.
    let mut at = start;
    for part in stem.get(start..)?.split('/') {
        let next = at + part.len() + 1;
        if !is_identifier(part) {
            start = next;
            search = Some(path.get(..at + part.len())?.to_owned());
        }
        at = next;
    }
    let dotted = stem.get(start..)?.replace('/', ".");
    let module = dotted.strip_suffix(".__init__").unwrap_or(&dotted).to_owned();
    let depth = path.matches('/').count() - root.map_or(0, |root| root.matches('/').count() + 1);
    (!module.is_empty()).then_some(Source { path, place, module, search, depth })
}

fn is_identifier(part: &str) -> bool {
    !part.starts_with(|c: char| c.is_ascii_digit()) && part.chars().all(|c| c == '_' || c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_named_from_the_nearest_root() {
        let roots = ["src".to_owned(), "lib/py".to_owned(), String::new()];
        let name = |path: &str| {
            source(path, Path::new("x"), &roots).map(|source| (source.module, source.search, source.depth))
        };
        let of =
            |module: &str, search: Option<&str>, depth| Some((module.into(), search.map(Into::into), depth));
        assert_eq!(name("main.py"), of("main", None, 0));
        assert_eq!(name("src/web/__init__.py"), of("web", None, 1));
        assert_eq!(name("lib/py/a/b.py"), of("a.b", None, 1));
        assert_eq!(name("srcs/a.py"), of("srcs.a", None, 1));
        assert_eq!(name("my-app/main.py"), of("main", Some("my-app"), 1));
        assert_eq!(name("src/a-b/c/d.py"), of("c.d", Some("src/a-b"), 2));
        assert_eq!(name("my-script.py"), None);
        assert_eq!(name("1/a.py"), of("a", Some("1"), 1));
    }

    #[test]
    fn tests_and_tools_are_aside_but_not_the_project_itself() {
        for path in ["tests/app.py", "a/docs/conf.py", "test_app.py", "setup.py", ".venv/a.py", "a/b_test.py"]
        {
            assert!(is_aside(path, "web"), "{path}");
        }
        for path in ["app.py", "example/app.py", "contest/app.py"] {
            assert!(!is_aside(path, "example"), "{path}");
        }
    }
}
