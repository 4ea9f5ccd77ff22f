//! Who keeps the project, and who builds it.

use serde::Serialize;

use super::Inputs;
use super::table::{View, peek};
use crate::error::Result;

/// The program that people of this project type, which hints and commands name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    /// Poetry.
    Poetry,
    /// uv.
    Uv,
    /// PDM.
    Pdm,
    /// Hatch.
    Hatch,
    /// Setuptools, with pip.
    Setuptools,
    /// Flit.
    Flit,
    /// Pip and requirements files, or nothing known.
    Pip,
}

/// A build backend whose settings are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backend {
    Poetry,
    Hatchling,
    Setuptools,
    Flit,
    Pdm,
    Uv,
    Maturin,
    ScikitBuild,
    Other,
}

/// How the project is built (PEP 517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuildSystem {
    /// What the backend needs to run, as requirements.
    pub requires: Vec<String>,
    /// The backend's object, as `hatchling.build`.
    pub backend: String,
    /// Folders of the project that hold the backend itself, relative.
    pub backend_path: Vec<String>,
    /// Whether setuptools is told of extension modules.
    pub extensions: bool,
}

/// What PEP 517 says where no backend is named.
const LEGACY: &str = "setuptools.build_meta:__legacy__";

impl Tool {
    /// The name as its users write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poetry => "Poetry",
            Self::Uv => "uv",
            Self::Pdm => "PDM",
            Self::Hatch => "Hatch",
            Self::Setuptools => "setuptools",
            Self::Flit => "Flit",
            Self::Pip => "pip",
        }
    }
}

impl BuildSystem {
    /// Whether it is a backend that makes extension modules of sources in other languages: its
    /// project is a package without a line of Python.
    pub fn compiles(&self) -> bool {
        self.extensions
            || matches!(self.known_backend(), Backend::Maturin | Backend::ScikitBuild)
            || ["mesonpy", "setuptools_rust", "sipbuild"]
                .iter()
                .any(|module| self.backend.starts_with(module))
    }

    pub(super) fn known_backend(&self) -> Backend {
        let object = self.backend.as_str();
        let is = |module: &str| {
            object.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ':']))
        };
        let known: [(&[&str], Backend); 8] = [
            (&["poetry.core", "poetry.masonry", "poetry_dynamic_versioning"], Backend::Poetry),
            (&["hatchling"], Backend::Hatchling),
            (&["setuptools"], Backend::Setuptools),
            (&["flit_core", "flit"], Backend::Flit),
            (&["pdm.backend", "pdm.pep517"], Backend::Pdm),
            (&["uv_build", "uv"], Backend::Uv),
            (&["maturin"], Backend::Maturin),
            (&["scikit_build_core"], Backend::ScikitBuild),
        ];
        let found = known.iter().find(|(modules, _)| modules.iter().any(|module| is(module)));
        found.map_or(Backend::Other, |(_, backend)| *backend)
    }
}

/// The build system that the project declares, or setuptools where there is a setup.py, a
/// setup.cfg with a name, the metadata of a source distribution, or uv's word that this is a
/// package. `None` for a project that is not to be built.
pub(super) fn build_system(inputs: &Inputs, root: Option<&View<'_>>) -> Result<Option<BuildSystem>> {
    let extensions = declares_extensions(inputs);
    let system = |requires, backend: String, backend_path| {
        let mut system = BuildSystem { requires, backend, backend_path, extensions: false };
        system.extensions = extensions && system.known_backend() == Backend::Setuptools;
        system
    };
    let legacy = |requires: Vec<String>, backend_path| system(requires, LEGACY.into(), backend_path);
    if let Some(view) = root.map(|root| root.table("build-system")).transpose()?.flatten() {
        let requires = view.texts("requires")?;
        let backend_path = view.texts("backend-path")?;
        return Ok(Some(match view.text("build-backend")? {
            Some(backend) => system(requires, backend.into(), backend_path),
            None => {
                legacy(if requires.is_empty() { vec!["setuptools".into()] } else { requires }, backend_path)
            }
        }));
    }
    let named = inputs.setup_cfg.as_ref().is_some_and(|ini| ini.get("metadata", "name").is_some());
    let uv = root.map(|root| root.below(&["tool", "uv"])).transpose()?.flatten();
    let declared = uv.map(|view| view.flag("package")).transpose()?.flatten() == Some(true);
    let distributed = inputs.pkg_info.is_some();
    let is_package = inputs.has_setup_py || named || declared || distributed;
    Ok(is_package.then(|| legacy(vec!["setuptools".into()], Vec::new())))
}

/// Whether setuptools is told of extension modules, which can be all of a package.
fn declares_extensions(inputs: &Inputs) -> bool {
    let table = inputs.pyproject.as_ref().map(|document| &document.table);
    let declared = table.and_then(|table| peek(table, &["tool", "setuptools", "ext-modules"]));
    let declared = declared.and_then(toml::Value::as_array).is_some_and(|modules| !modules.is_empty());
    declared || inputs.setup_compiles
}

/// Who keeps the project: whose lock there is, else whose settings, else whose backend.
pub(super) fn tool(inputs: &Inputs, backend: Option<Backend>) -> Tool {
    let has = |file: &str| inputs.dir.join(file).is_file();
    let table = inputs.pyproject.as_ref().map(|document| &document.table);
    let settings = |keys: &[&str]| table.is_some_and(|table| peek(table, keys).is_some());
    // A table with only other keys configures one of the tool's commands, not the project.
    let poetry =
        ["name", "dependencies", "package-mode", "group"].iter().any(|k| settings(&["tool", "poetry", k]));
    if poetry || has("poetry.lock") {
        Tool::Poetry
    } else if has("uv.lock") {
        Tool::Uv
    } else if has("pdm.lock") || backend == Some(Backend::Pdm) {
        Tool::Pdm
    } else if settings(&["tool", "hatch", "envs"]) {
        Tool::Hatch
    } else if backend == Some(Backend::Uv) || settings(&["tool", "uv"]) {
        Tool::Uv
    } else if settings(&["tool", "pdm"]) {
        Tool::Pdm
    } else {
        match backend {
            Some(Backend::Poetry) => Tool::Poetry,
            Some(Backend::Hatchling) => Tool::Hatch,
            Some(Backend::Setuptools) => Tool::Setuptools,
            Some(Backend::Flit) => Tool::Flit,
            _ => Tool::Pip,
        }
    }
}

/// Whether the project is a package to be built and installed, and not only a place for
/// dependencies and programs.
pub(super) fn package_mode(root: Option<&View<'_>>) -> Result<bool> {
    let Some(root) = root else { return Ok(true) };
    let says = |keys: &[&str], key: &str| -> Result<Option<bool>> {
        root.below(keys)?.map(|view| view.flag(key)).transpose().map(Option::flatten)
    };
    let poetry = says(&["tool", "poetry"], "package-mode")?;
    let uv = says(&["tool", "uv"], "package")?;
    let pdm = says(&["tool", "pdm"], "distribution")?;
    Ok(poetry != Some(false) && uv != Some(false) && pdm != Some(false))
}
