//! The version: written down, or where the build backend would look, read without running it.

use std::path::Path;

use serde::Serialize;
use toml::Value;

use super::Inputs;
use super::layout::Layout;
use super::table::{View, peek, peek_text, peek_texts, text_of};
use super::tool::Backend;
use crate::error::Result;

/// A project's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProjectVersion {
    /// It is known.
    Known {
        /// As it is written there.
        text: String,
        /// Where: a key, or a file.
        origin: String,
    },
    /// Only the build backend can tell.
    Dynamic {
        /// What the backend looks at, in a few words.
        how: String,
    },
    /// The project says none.
    Unknown,
}

impl ProjectVersion {
    /// The text, if it is known.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Known { text, .. } => Some(text),
            Self::Dynamic { .. } | Self::Unknown => None,
        }
    }

    /// Whether the build backend has to be asked for the metadata.
    pub fn needs_backend(&self) -> bool {
        matches!(self, Self::Dynamic { .. })
    }

    fn known(text: &str, origin: impl Into<String>) -> Self {
        Self::Known { text: text.trim().to_owned(), origin: origin.into() }
    }

    fn dynamic(how: impl Into<String>) -> Self {
        Self::Dynamic { how: how.into() }
    }
}

/// Finds the version. `backend` is who builds the project, `dynamic` what it leaves to it.
pub(super) fn find(
    inputs: &Inputs,
    root: Option<&View<'_>>,
    backend: Option<Backend>,
    layout: &Layout,
) -> Result<ProjectVersion> {
    let found = match root.map_or_else(|| Ok(in_cfg(inputs)), |root| written(root, inputs))? {
        Some(version) => Some(version),
        None => left_to_backend(inputs, backend, layout)?.or_else(|| listed(inputs)),
    };
    // In a source distribution the answer is written down already.
    let answered = inputs.pkg_info.as_ref().and_then(|info| info.get("Version"));
    Ok(match (found, answered) {
        (None | Some(ProjectVersion::Dynamic { .. }), Some(text)) => ProjectVersion::known(text, "PKG-INFO"),
        (Some(version), _) => version,
        (None, None) if inputs.has_setup_py => ProjectVersion::dynamic("setup.py"),
        (None, None) => ProjectVersion::Unknown,
    })
}

fn written(root: &View<'_>, inputs: &Inputs) -> Result<Option<ProjectVersion>> {
    let project = root.table("project")?;
    if let Some(text) = project.as_ref().map(|p| p.text("version")).transpose()?.flatten() {
        return Ok(Some(ProjectVersion::known(text, "project.version")));
    }
    let plugin = peek(root.raw(), &["tool", "poetry-dynamic-versioning"]).and_then(Value::as_table);
    if plugin.is_some_and(|plugin| plugin.get("enable").and_then(Value::as_bool) == Some(true)) {
        return Ok(Some(ProjectVersion::dynamic("the repository's tags, by poetry-dynamic-versioning")));
    }
    // Before PEP 621 a table here meant where to look.
    let tools = [["tool", "poetry", "version"], ["tool", "pdm", "version"]];
    for key in tools {
        if let Some(text) = peek_text(root.raw(), &key) {
            return Ok(Some(ProjectVersion::known(text, key.join("."))));
        }
    }
    Ok(in_cfg(inputs).filter(|_| project.is_none()))
}

/// The version that setup.cfg or setup.py has.
fn in_cfg(inputs: &Inputs) -> Option<ProjectVersion> {
    let is_static = |value: &&str| !value.starts_with("attr:") && !value.starts_with("file:");
    let text = inputs.setup_cfg.as_ref()?.get("metadata", "version").filter(is_static)?;
    Some(ProjectVersion::known(text, if inputs.has_setup_py { "setup.py" } else { "setup.cfg" }))
}

fn left_to_backend(
    inputs: &Inputs,
    backend: Option<Backend>,
    layout: &Layout,
) -> Result<Option<ProjectVersion>> {
    let empty = toml::Table::new();
    let table = inputs.pyproject.as_ref().map_or(&empty, |document| &document.table);
    if let Some(plugin) = from_tags(inputs) {
        return Ok(Some(ProjectVersion::dynamic(format!("the repository's tags, by {plugin}"))));
    }
    match backend {
        Some(Backend::Hatchling) => hatchling(table, &inputs.dir),
        Some(Backend::Setuptools) => setuptools(table, inputs),
        Some(Backend::Pdm) => pdm(table, &inputs.dir),
        Some(Backend::Flit) => flit(inputs, layout),
        Some(Backend::Maturin) => maturin(table, &inputs.dir),
        Some(Backend::Poetry | Backend::Uv | Backend::ScikitBuild | Backend::Other) | None => Ok(None),
    }
}

/// Whatever the backend, and whichever plugin of it: a version that is listed as dynamic is its to tell.
fn listed(inputs: &Inputs) -> Option<ProjectVersion> {
    let table = inputs.pyproject.as_ref().map(|document| &document.table)?;
    let listed = peek_texts(table, &["project", "dynamic"]).iter().any(|key| key == "version");
    listed.then(|| ProjectVersion::dynamic("the build backend"))
}

/// The plugin that asks git, if the project has one.
fn from_tags(inputs: &Inputs) -> Option<&'static str> {
    let table = inputs.pyproject.as_ref().map(|document| &document.table)?;
    let requires = peek_texts(table, &["build-system", "requires"]);
    let required = |name: &str| {
        requires.iter().any(|requirement| {
            let end = requirement.find(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.'));
            let own = requirement.get(..end.unwrap_or(requirement.len())).unwrap_or_default();
            own.to_ascii_lowercase().replace(['_', '.'], "-") == name
        })
    };
    let is_set = |keys: &[&str]| peek(table, keys).is_some();
    if peek_text(table, &["tool", "hatch", "version", "source"]) == Some("vcs") {
        Some("hatch-vcs")
    } else if is_set(&["tool", "setuptools_scm"]) || is_set(&["tool", "setuptools-scm"]) {
        Some("setuptools-scm")
    } else if is_set(&["tool", "versioneer"]) {
        Some("versioneer")
    } else if is_set(&["tool", "versioningit"]) {
        Some("versioningit")
    } else if peek_text(table, &["tool", "pdm", "version", "source"]) == Some("scm") {
        Some("pdm-backend")
    } else if required("setuptools-scm")
        && peek(table, &["tool", "setuptools", "dynamic", "version"]).is_none()
    {
        // From version 8.1 on it acts without a table, but only where nothing else is said.
        let dynamic = peek_texts(table, &["project", "dynamic"]);
        dynamic.iter().any(|key| key == "version").then_some("setuptools-scm")
    } else {
        None
    }
}

fn hatchling(table: &toml::Table, dir: &Path) -> Result<Option<ProjectVersion>> {
    let setting = |key| peek_text(table, &["tool", "hatch", "version", key]);
    let Some(path) = setting("path") else {
        let listed = peek(table, &["tool", "hatch", "version"]).is_some();
        return Ok(listed.then(|| ProjectVersion::dynamic("tool.hatch.version")));
    };
    // Own patterns and expressions are programs of the backend's language.
    let own = setting("pattern").is_some() || setting("expression").is_some();
    let known = matches!(setting("source"), None | Some("regex" | "code"));
    if own || !known {
        return Ok(Some(ProjectVersion::dynamic(path)));
    }
    in_file(dir, path, &["__version__", "VERSION"]).map(Some)
}

fn pdm(table: &toml::Table, dir: &Path) -> Result<Option<ProjectVersion>> {
    let setting = |key| peek_text(table, &["tool", "pdm", "version", key]);
    match (setting("source"), setting("path")) {
        (Some("file") | None, Some(path)) => in_file(dir, path, &["__version__"]).map(Some),
        (Some(source), _) => Ok(Some(ProjectVersion::dynamic(format!("tool.pdm.version, source {source}")))),
        (None, None) => Ok(None),
    }
}

fn setuptools(table: &toml::Table, inputs: &Inputs) -> Result<Option<ProjectVersion>> {
    let dynamic = ["tool", "setuptools", "dynamic", "version"];
    let key = |key| [&dynamic[..], &[key]].concat();
    let cfg = inputs.setup_cfg.as_ref().and_then(|ini| ini.get("metadata", "version"));
    let cfg = |prefix: &str| Some(cfg?.strip_prefix(prefix)?.trim().to_owned());
    let attr = peek_text(table, &key("attr")).map(str::to_owned).or_else(|| cfg("attr:"));
    if let Some(attr) = attr {
        return of_attribute(table, inputs, &attr).map(Some);
    }
    let file = peek_texts(table, &key("file")).into_iter().next().or_else(|| cfg("file:"));
    if let Some(file) = file {
        let text = text_of(&inputs.dir.join(&file))?.filter(|text| text.trim().lines().count() == 1);
        return Ok(Some(text.map_or_else(
            || ProjectVersion::dynamic(file.as_str()),
            |text| ProjectVersion::known(&text, file.as_str()),
        )));
    }
    Ok(None)
}

fn of_attribute(table: &toml::Table, inputs: &Inputs, attr: &str) -> Result<ProjectVersion> {
    let (module, name) = attr.rsplit_once('.').unwrap_or(("__init__", attr));
    let module = module.replace('.', "/");
    let told = peek_text(table, &["tool", "setuptools", "package-dir", ""]).map(str::to_owned);
    let told = told.or_else(|| inputs.setup_cfg.as_ref()?.pairs("options", "package_dir").remove(""));
    let roots = told.into_iter().chain([".".to_owned(), "src".to_owned()]);
    for root in roots {
        for file in [format!("{root}/{module}.py"), format!("{root}/{module}/__init__.py")] {
            let file = file.trim_start_matches("./");
            if let version @ ProjectVersion::Known { .. } = in_file(&inputs.dir, file, &[name])? {
                return Ok(version);
            }
        }
    }
    Ok(ProjectVersion::dynamic(attr))
}

fn flit(inputs: &Inputs, layout: &Layout) -> Result<Option<ProjectVersion>> {
    let packages = layout.packages.iter().map(|package| format!("{}/__init__.py", package.path));
    match packages.chain(layout.modules.iter().map(|module| module.path.clone())).next() {
        Some(file) => in_file(&inputs.dir, &file, &["__version__"]).map(Some),
        None => Ok(Some(ProjectVersion::dynamic("the module's __version__"))),
    }
}

fn maturin(table: &toml::Table, dir: &Path) -> Result<Option<ProjectVersion>> {
    let manifest = peek_text(table, &["tool", "maturin", "manifest-path"]).unwrap_or("Cargo.toml");
    let cargo = text_of(&dir.join(manifest))?.and_then(|text| toml::from_str::<toml::Table>(&text).ok());
    let text = cargo.as_ref().and_then(|cargo| peek_text(cargo, &["package", "version"]));
    // Pre-releases are spelled differently by cargo and Python.
    let plain = text.filter(|text| !text.contains(['-', '+']));
    Ok(Some(
        plain.map_or_else(|| ProjectVersion::dynamic(manifest), |text| ProjectVersion::known(text, manifest)),
    ))
}

/// The version that a Python file assigns to one of `names`.
fn in_file(dir: &Path, file: &str, names: &[&str]) -> Result<ProjectVersion> {
    let text = text_of(&dir.join(file))?;
    let found = text.as_deref().and_then(|text| assigned(text, names));
    Ok(found.map_or_else(|| ProjectVersion::dynamic(file), |text| ProjectVersion::known(&text, file)))
}

/// The string that a top-level statement assigns to one of `names`: `NAME = "..."`, with an
/// annotation or in a chain of assignments. The last one counts, as when it is run; one whose
/// value is not a plain string makes the answer unknown.
pub(super) fn assigned(text: &str, names: &[&str]) -> Option<String> {
    let mut found = None;
    let mut quote: Option<&str> = None;
    for line in text.lines() {
        if quote.is_none()
            && let Some(value) = value_of(line, names)
        {
            found = plain_string(value);
        }
        quote = open_quote(line, quote);
    }
    found
        .map(|text| text.strip_prefix('v').map(str::to_owned).unwrap_or(text))
        .filter(|text| !text.is_empty())
}

/// What is on the right of `NAME =` in `line`.
fn value_of<'a>(line: &'a str, names: &[&str]) -> Option<&'a str> {
    let mut rest = line;
    let mut named = false;
    loop {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
        let (word, after) = rest.split_at_checked(end)?;
        let is_name = word.starts_with(|c: char| c.is_alphabetic() || c == '_');
        let after = after.trim_start();
        let after = match after.strip_prefix(':') {
            Some(annotation) => annotation.get(annotation.find('=')?..)?,
            None => after,
        };
        match after.strip_prefix('=').filter(|value| is_name && !value.starts_with('=')) {
            Some(value) => {
                named |= names.contains(&word);
                rest = value.trim_start();
            }
            None => return named.then_some(rest),
        }
        if rest.starts_with(['"', '\'']) {
            return named.then_some(rest);
        }
    }
}

fn plain_string(value: &str) -> Option<String> {
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (text, after) = value.get(1..)?.split_once(quote)?;
    let after = after.trim_start();
    let ends = after.is_empty() || after.starts_with(['#', ';']);
    (ends && !text.contains('\\')).then(|| text.to_owned())
}

/// The triple quote that is still open after `line`, when `quote` was before it.
fn open_quote(line: &str, quote: Option<&'static str>) -> Option<&'static str> {
    let mut open = quote;
    let mut rest = line;
    loop {
        if let Some(mark) = open.take() {
            match rest.split_once(mark) {
                Some((_, after)) => rest = after,
                None => return Some(mark),
            }
        }
        let marks = ["\"\"\"", "'''"].into_iter().filter_map(|mark| Some((rest.find(mark)?, mark)));
        let (at, mark) = marks.min()?;
        // What is behind a comment sign is no quote.
        if rest.get(..at)?.contains('#') {
            return None;
        }
        open = Some(mark);
        rest = rest.get(at + mark.len()..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Option<String> {
        assigned(text, &["__version__", "VERSION"])
    }

    #[test]
    fn assignments_of_plain_strings_are_read() {
        for text in [
            "__version__ = '1.2'",
            "__version__=\"1.2\"  # comment",
            "__version__: str = \"1.2\"",
            "__version__: Final[str] = '1.2'",
            "VERSION = 'v1.2'",
            "__version__ = version = '1.2'",
            "version = __version__ = '1.2'",
            "\"\"\"\n__version__ = '9'\n\"\"\"\n__version__ = '1.2'\n",
            "'''one line'''\n__version__ = '1.2'\n",
            "# it's \"\"\" quoted\n__version__ = '1.2'\n",
            "__version__ = '1.0'\n__version__ = '1.2'",
        ] {
            assert_eq!(version(text).as_deref(), Some("1.2"), "{text}");
        }
    }

    #[test]
    fn what_must_be_run_is_not_guessed() {
        for text in [
            "",
            "__version__ = get_version()",
            "__version__ = '1' + '.2'",
            "__version__ = f'1.2'",
            "__version__ == '1.2'",
            "    __version__ = '1.2'",
            "__version__ = ''",
            "__version__ = '1.2",
            "other = '1.2'",
            "from x import __version__",
            "__version__ = '1.2'\n__version__ = of(1)",
        ] {
            assert_eq!(version(text), None, "{text}");
        }
    }
}
