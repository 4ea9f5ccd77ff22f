//! pip's variables and configuration files.
//!
//! A value in a later file replaces one in an earlier file: the system's, the user's, the one
//! named by `PIP_CONFIG_FILE`, and then the variables. Inside a file `[install]` wins over
//! `[global]`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Surroundings, from, is_true, read_file};
use crate::error::Result;
use crate::python::index::options::{Index, Kind, Options, Role};
use crate::system::System;

/// A value and where it was said.
type Values = BTreeMap<String, (String, String)>;

/// Adds what pip is set up with.
pub(super) fn read(options: &mut Options, around: &Surroundings<'_>) -> Result<()> {
    let mut values = Values::new();
    for path in files(around) {
        if let Some(text) = read_file(&path)? {
            for (key, value) in parse(&text) {
                values.insert(key, (value, path.display().to_string()));
            }
        }
    }
    for (name, value) in around.variables.iter().filter(|(_, value)| !value.is_empty()) {
        if let Some(key) = name.strip_prefix("PIP_") {
            values.insert(key.to_ascii_lowercase().replace('_', "-"), (value.clone(), name.clone()));
        }
    }
    apply(options, &values, around)
}

fn files(around: &Surroundings<'_>) -> Vec<PathBuf> {
    let named = around.variable("PIP_CONFIG_FILE");
    if named.is_some_and(|named| is_nothing(named, around.host)) {
        return Vec::new();
    }
    let (name, old) = if around.host.is_windows() { ("pip.ini", "pip") } else { ("pip.conf", ".pip") };
    let mut files = of_system(around, name);
    let named = named.map(PathBuf::from);
    if !named.as_ref().is_some_and(|path| path.exists()) {
        files.extend(around.home().map(|home| home.join(old).join(name)));
        files.extend(users_folder(around).map(|folder| folder.join("pip").join(name)));
    }
    files.extend(around.variable("VIRTUAL_ENV").map(|folder| Path::new(folder).join(name)));
    files.extend(named);
    files
}

/// Whether a file of this name is none: Python's `os.devnull`.
fn is_nothing(name: &str, host: System) -> bool {
    if host.is_windows() { name.eq_ignore_ascii_case("nul") } else { name == "/dev/null" }
}

/// The files for all users, the weakest first.
fn of_system(around: &Surroundings<'_>, name: &str) -> Vec<PathBuf> {
    if around.host == System::Mac {
        return vec![around.system.join("Library/Application Support/pip").join(name)];
    }
    let in_folder = |folder: PathBuf| folder.join("pip").join(name);
    let mut files: Vec<_> = around.system_config().into_iter().rev().map(in_folder).collect();
    if !around.host.is_windows() {
        files.push(around.system.join("etc").join(name));
    }
    files
}

/// The folder with the folder of a user's settings. On macOS pip takes that of the system's custom where it has one.
fn users_folder(around: &Surroundings<'_>) -> Option<PathBuf> {
    let custom = around.folders(|folders| folders.settings()).filter(|folder| folder.join("pip").is_dir());
    custom.or_else(|| match around.host {
        // It does not look at XDG_CONFIG_HOME there.
        System::Mac => Some(around.home()?.join(".config")),
        _ => around.folders(|folders| folders.config()),
    })
}

fn apply(options: &mut Options, values: &Values, around: &Surroundings<'_>) -> Result<()> {
    let said = |key: &str| values.get(key).map(|(value, place)| (value.as_str(), place.as_str()));
    let mut add = |key: &str, kind, role| -> Result<()> {
        let Some((value, place)) = said(key) else { return Ok(()) };
        for text in value.split_whitespace() {
            let index = Index::new(&at_home(text, around), kind, role, around.project);
            options.add(index.map_err(|error| from(place, error))?);
        }
        Ok(())
    };
    add("find-links", Kind::Links, Role::Extra)?;
    add("extra-index-url", Kind::Simple, Role::Extra)?;
    add("index-url", Kind::Simple, Role::Default)?;
    options.no_index |= said("no-index").is_some_and(|(value, _)| is_true(value));
    let trusted = said("trusted-host").map(|(value, _)| value.split_whitespace().map(str::to_owned));
    options.trusted_hosts.extend(trusted.into_iter().flatten());
    options.certificates.extend(said("cert").map(|(value, _)| PathBuf::from(at_home(value.trim(), around))));
    if said("keyring-provider").is_some_and(|(value, _)| value.trim() == "subprocess") {
        options.credentials.keyring_path = around.variable("PATH").map(str::to_owned);
    }
    Ok(())
}

/// `~` at the beginning is the user's folder.
fn at_home(text: &str, around: &Surroundings<'_>) -> String {
    let below =
        text.strip_prefix("~/").or_else(|| text.strip_prefix("~\\").filter(|_| around.host.is_windows()));
    match (below, around.home()) {
        (Some(rest), Some(home)) => home.join(rest).display().to_string(),
        _ => text.to_owned(),
    }
}

/// The values of an INI file that count for pip; lines that go on are joined by spaces.
fn parse(text: &str) -> Vec<(String, String)> {
    let mut of_section: BTreeMap<&str, Vec<(String, String)>> = BTreeMap::new();
    let mut section = "";
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        let values = of_section.entry(section).or_default();
        if line.starts_with([' ', '\t'])
            && let Some((_, value)) = values.last_mut()
        {
            value.push(' ');
            value.push_str(trimmed);
        } else if let Some(name) = trimmed.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            section = name;
        } else if let Some((key, value)) = trimmed.split_once(['=', ':']) {
            let key = key.trim().to_ascii_lowercase().replace('_', "-");
            values.push((key, value.trim().to_owned()));
        }
    }
    ["global", "install"].iter().filter_map(|name| of_section.remove(name)).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_have_many_lines_and_install_wins_over_global() {
        let text = "# c\n[install]\nno_index = yes\n[global]\nIndex-URL: https://a/simple\nextra-index-url =\n    https://b\n    # c\n    https://c\nno-index=no\n[list]\nindex-url = x\n";
        let pairs = parse(text);
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| (key.as_str(), value.trim())).collect();
        let expected = [
            ("index-url", "https://a/simple"),
            ("extra-index-url", "https://b https://c"),
            ("no-index", "no"),
            ("no-index", "yes"),
        ];
        assert_eq!(pairs, expected);
    }
}
