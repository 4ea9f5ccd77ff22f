//! Poetry's sources and the logins for them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::{Surroundings, from, read_toml};
use crate::error::Result;
use crate::http::Secret;
use crate::python::index::login::Login;
use crate::python::index::options::{Index, Kind, Options, Role};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pyproject {
    tool: Tool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tool {
    poetry: Settings,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    source: Vec<Source>,
}

#[derive(Deserialize)]
struct Source {
    name: String,
    /// Missing for PyPI.
    url: Option<String>,
    priority: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct AuthFile {
    http_basic: BTreeMap<String, Basic>,
}

#[derive(Deserialize)]
struct Basic {
    username: String,
    password: Option<String>,
}

/// Adds the project's sources.
pub(super) fn read(options: &mut Options, around: &Surroundings<'_>) -> Result<()> {
    let path = around.project.join("pyproject.toml");
    let pyproject: Option<Pyproject> = read_toml(&path)?;
    let sources = pyproject.unwrap_or_default().tool.poetry.source;
    if sources.is_empty() {
        return Ok(());
    }
    let auth = match auth_file(around) {
        Some(path) => read_toml::<AuthFile>(&path)?.unwrap_or_default(),
        None => AuthFile::default(),
    };
    for source in sources {
        let Some(url) = &source.url else { continue };
        let explicit = source.priority.as_deref().is_some_and(|text| text.eq_ignore_ascii_case("explicit"));
        // A package without a source in the lock is from PyPI: none of these takes its place.
        let role = if explicit { Role::Explicit } else { Role::Extra };
        let index = Index::new(url, Kind::Simple, role, around.project);
        let (mut index, login) = index.map_err(|error| from(path.display(), error))?;
        let known = login_of(&source.name, &auth, around);
        index.name = Some(source.name);
        options.add((index, known.or(login)));
    }
    Ok(())
}

fn auth_file(around: &Surroundings<'_>) -> Option<PathBuf> {
    let named = around.variable("POETRY_CONFIG_DIR").map(PathBuf::from);
    let usual = || Some(around.folders(|folders| folders.settings())?.join("pypoetry"));
    Some(named.or_else(usual)?.join("auth.toml"))
}

fn login_of(name: &str, auth: &AuthFile, around: &Surroundings<'_>) -> Option<Login> {
    let word = name.to_ascii_uppercase().replace(['-', '.'], "_");
    if let Some(username) = around.variable(&format!("POETRY_HTTP_BASIC_{word}_USERNAME")) {
        let password = around.variable(&format!("POETRY_HTTP_BASIC_{word}_PASSWORD"));
        return Some(Login { username: username.to_owned(), password: password.map(Secret::new) });
    }
    let basic = auth.http_basic.get(name)?;
    let password = basic.password.as_deref().map(Secret::new);
    Some(Login { username: basic.username.clone(), password })
}
