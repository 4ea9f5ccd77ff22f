//! What the project's dependency groups and extras would bring that no image asked for.

use toml::{Table, Value};

use super::draft::Draft;
use crate::python::lock::LockKind;
use crate::python::{Name, Optional};
use crate::words;
use crate::words::{Command, flag};

/// The distributions that groups and extras of the project name.
pub(super) fn of(draft: &Draft) -> Vec<Optional> {
    let Some(pyproject) = &draft.project.pyproject else { return Vec::new() };
    // These locks have only what they were made with.
    let kind = draft.lock.as_ref().map(|lock| lock.kind);
    let way = |key: &str, asked_by: &str, name: &str| match kind {
        None | Some(LockKind::Pylock) => {
            words!("set {key} = [\"{name}\"], and run `{lock}`", lock = Command::LOCK)
        }
        Some(LockKind::Requirements) => "add it to the requirements".into(),
        Some(_) => words!("give {}", flag(asked_by).of(name)),
    };
    let mut found = Vec::new();
    for (group, names) in groups(pyproject) {
        let make = |distribution| Optional {
            distribution,
            within: format!("the group {group}"),
            way: way("groups", "group", group),
        };
        found.extend(names.into_iter().map(make));
    }
    for (extra, names) in extras(pyproject) {
        let make = |distribution| Optional {
            distribution,
            within: format!("the extra {extra}"),
            way: way("extras", "extra", extra),
        };
        found.extend(names.into_iter().map(make));
    }
    found
}

fn at<'t>(table: &'t Table, path: &[&str]) -> Option<&'t Table> {
    path.iter().try_fold(table, |table, key| table.get(*key)?.as_table())
}

/// Tables that list requirements by the name of a group.
fn listed(table: Option<&Table>) -> impl Iterator<Item = (&str, Vec<Name>)> {
    let of_list = |list: &Value| {
        let texts = list.as_array().into_iter().flatten().filter_map(Value::as_str);
        texts.filter_map(name_of).collect::<Vec<Name>>()
    };
    table.into_iter().flatten().map(move |(group, list)| (group.as_str(), of_list(list)))
}

fn groups(pyproject: &Table) -> Vec<(&str, Vec<Name>)> {
    let mut found: Vec<(&str, Vec<Name>)> = listed(at(pyproject, &["dependency-groups"])).collect();
    found.extend(listed(at(pyproject, &["tool", "pdm", "dev-dependencies"])));
    for (group, table) in at(pyproject, &["tool", "poetry", "group"]).into_iter().flatten() {
        let names = table.get("dependencies").and_then(Value::as_table).into_iter().flatten();
        found.push((group, names.filter_map(|(name, _)| name.parse().ok()).collect()));
    }
    found
}

fn extras(pyproject: &Table) -> Vec<(&str, Vec<Name>)> {
    let standard = listed(at(pyproject, &["project", "optional-dependencies"]));
    standard.chain(listed(at(pyproject, &["tool", "poetry", "extras"]))).collect()
}

/// The distribution that a requirement is about.
pub(super) fn name_of(requirement: &str) -> Option<Name> {
    let end = requirement.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'));
    requirement.get(..end.unwrap_or(requirement.len()))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_extras_of_all_tools_are_read() {
        let text = "[dependency-groups]\nprod = ['gunicorn>=23', { include-group = 'x' }]\n\
            [tool.poetry.group.web.dependencies]\nuvicorn = '^0.30'\n[tool.pdm.dev-dependencies]\nd = ['granian']\n\
            [project.optional-dependencies]\nmain = ['Waitress[x] ; python_version > \"3\"']\n\
            [tool.poetry.extras]\nserver = ['hypercorn']";
        let table: Table = text.parse().expect("TOML");
        let told = |found: Vec<(&str, Vec<Name>)>| {
            found
                .iter()
                .flat_map(|(group, names)| names.iter().map(move |name| format!("{group} {name}")))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(groups(&table)), ["prod gunicorn", "d granian", "web uvicorn"]);
        assert_eq!(told(extras(&table)), ["main waitress", "server hypercorn"]);
    }
}
