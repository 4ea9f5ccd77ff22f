//! uv's variables, `uv.toml` files and `[tool.uv]`.
//!
//! In the project's folder `uv.toml` hides `[tool.uv]`. The user's file and the system's add
//! their indexes after the project's.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Surroundings, from, read_toml};
use crate::error::Result;
use crate::http::Secret;
use crate::python::index::login::Login;
use crate::python::index::options::{Index, Kind, Options, Role};

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Settings {
    index: Vec<Entry>,
    index_url: Option<String>,
    extra_index_url: Vec<String>,
    find_links: Vec<String>,
    no_index: bool,
    keyring_provider: Option<String>,
    allow_insecure_host: Vec<String>,
}

#[derive(Deserialize)]
struct Entry {
    name: Option<String>,
    url: String,
    #[serde(default)]
    explicit: bool,
    #[serde(default)]
    default: bool,
    format: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pyproject {
    tool: Tool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tool {
    uv: Settings,
}

/// Adds what uv is set up with.
pub(super) fn read(options: &mut Options, around: &Surroundings<'_>) -> Result<()> {
    of_variables(options, around)?;
    for (path, folder, settings) in configurations(around)? {
        apply(options, settings, &folder, around).map_err(|error| from(path.display(), error))?;
    }
    Ok(())
}

fn of_variables(options: &mut Options, around: &Surroundings<'_>) -> Result<()> {
    let mut add = |variable: &str, kind, role| -> Result<()> {
        let text = around.variable(variable).unwrap_or_default();
        let separated = |c: char| c.is_whitespace() || (kind == Kind::Links && c == ',');
        for text in text.split(separated).filter(|text| !text.is_empty()) {
            let (name, location) = named(text);
            let index = Index::new(location, kind, role, around.project);
            let index = index.map_err(|error| from(variable, error))?;
            add_named(options, name, index, around);
        }
        Ok(())
    };
    add("UV_FIND_LINKS", Kind::Links, Role::Extra)?;
    add("UV_INDEX", Kind::Simple, Role::Extra)?;
    add("UV_EXTRA_INDEX_URL", Kind::Simple, Role::Extra)?;
    add("UV_DEFAULT_INDEX", Kind::Simple, Role::Default)?;
    add("UV_INDEX_URL", Kind::Simple, Role::Default)?;
    options.no_index |= around.is_set("UV_NO_INDEX");
    let insecure = around.variable("UV_INSECURE_HOST").unwrap_or_default();
    options.trusted_hosts.extend(insecure.split_whitespace().map(|host| host_of(host).to_owned()));
    ask_keyring(options, around.variable("UV_KEYRING_PROVIDER"), around);
    Ok(())
}

/// `name=url`, or a URL alone.
fn named(text: &str) -> (Option<String>, &str) {
    let is_name =
        |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    match text.split_once('=') {
        Some((name, url)) if !name.is_empty() && is_name(name) => (Some(name.to_owned()), url),
        _ => (None, text),
    }
}

fn host_of(text: &str) -> &str {
    text.split_once("://").map_or(text, |(_, host)| host).trim_end_matches('/')
}

fn ask_keyring(options: &mut Options, provider: Option<&str>, around: &Surroundings<'_>) {
    if provider == Some("subprocess") {
        options.credentials.keyring_path = around.variable("PATH").map(str::to_owned);
    }
}

fn configurations(around: &Surroundings<'_>) -> Result<Vec<(PathBuf, PathBuf, Settings)>> {
    let with_folder = |path: PathBuf, settings: Settings| {
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        (path, folder, settings)
    };
    if let Some(named) = around.variable("UV_CONFIG_FILE") {
        let path = around.project.join(named);
        return Ok(read_toml(&path)?.map(|settings| with_folder(path, settings)).into_iter().collect());
    }
    let mut found = Vec::new();
    if around.is_set("UV_NO_CONFIG") {
        return Ok(found);
    }
    let own = around.project.join("uv.toml");
    match read_toml(&own)? {
        Some(settings) => found.push(with_folder(own, settings)),
        None => {
            let path = around.project.join("pyproject.toml");
            let pyproject: Option<Pyproject> = read_toml(&path)?;
            found.extend(pyproject.map(|pyproject| with_folder(path, pyproject.tool.uv)));
        }
    }
    let mut others: Vec<_> = around.folders(|folders| folders.config()).into_iter().collect();
    others.extend(around.system_config());
    if !around.host.is_windows() {
        others.push(around.system.join("etc"));
    }
    for path in others.into_iter().map(|folder| folder.join("uv").join("uv.toml")) {
        found.extend(read_toml(&path)?.map(|settings| with_folder(path, settings)));
    }
    Ok(found)
}

fn apply(options: &mut Options, said: Settings, folder: &Path, around: &Surroundings<'_>) -> Result<()> {
    for links in &said.find_links {
        options.add(Index::new(links, Kind::Links, Role::Extra, folder)?);
    }
    for entry in said.index {
        let kind = if entry.format.as_deref() == Some("flat") { Kind::Links } else { Kind::Simple };
        let role = match (entry.default, entry.explicit) {
            (_, true) => Role::Explicit,
            (true, _) => Role::Default,
            _ => Role::Extra,
        };
        let index = Index::new(&entry.url, kind, role, folder)?;
        add_named(options, entry.name, index, around);
    }
    for url in &said.extra_index_url {
        options.add(Index::new(url, Kind::Simple, Role::Extra, folder)?);
    }
    if let Some(url) = &said.index_url {
        options.add(Index::new(url, Kind::Simple, Role::Default, folder)?);
    }
    options.no_index |= said.no_index;
    options.trusted_hosts.extend(said.allow_insecure_host.iter().map(|host| host_of(host).to_owned()));
    ask_keyring(options, said.keyring_provider.as_deref(), around);
    Ok(())
}

/// Adds an index with the login that the environment has for its name, which wins over the one
/// in its URL.
fn add_named(
    options: &mut Options,
    name: Option<String>,
    (mut index, login): (Index, Option<Login>),
    around: &Surroundings<'_>,
) {
    let of_name = name.as_deref().and_then(|name| login_of(name, around));
    index.name = name;
    options.add((index, of_name.or(login)));
}

fn login_of(name: &str, around: &Surroundings<'_>) -> Option<Login> {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = name.chars().map(word).collect();
    let username = around.variable(&format!("UV_INDEX_{name}_USERNAME"));
    let password = around.variable(&format!("UV_INDEX_{name}_PASSWORD"));
    (username.is_some() || password.is_some()).then(|| Login {
        username: username.unwrap_or_default().to_owned(),
        password: password.map(Secret::new),
    })
}
