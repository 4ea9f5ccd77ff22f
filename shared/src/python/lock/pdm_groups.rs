//! The dependency groups of a project that PDM locks, as its `pyproject.toml` has them: the main
//! dependencies are the group `default`, and extras are groups like the others.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use toml::{Table, Value};

use super::selection::at;
use crate::error::Result;
use crate::python::{Name, Requirement};

/// The lists of all groups.
pub(super) struct PdmGroups<'a> {
    project: Option<Name>,
    lists: BTreeMap<Name, Vec<&'a Value>>,
}

impl<'a> PdmGroups<'a> {
    pub(super) fn of(pyproject: &'a Table) -> Self {
        let mut lists: BTreeMap<Name, Vec<&Value>> = BTreeMap::new();
        for path in ["dependency-groups", "tool.pdm.dev-dependencies"] {
            for (name, list) in named(pyproject, path) {
                lists.entry(name).or_default().extend(list);
            }
        }
        // An extra hides a group of its name.
        lists.extend(named(pyproject, "project.optional-dependencies"));
        let main = at(pyproject, "project.dependencies").and_then(Value::as_array);
        if let Ok(default) = "default".parse() {
            lists.insert(default, main.into_iter().flatten().collect());
        }
        let project = at(pyproject, "project.name").and_then(|name| name.as_str()?.parse().ok());
        Self { project, lists }
    }

    /// The names of all groups.
    pub(super) fn names(&self) -> BTreeSet<Name> {
        self.lists.keys().cloned().collect()
    }

    /// What a group and those that it includes require.
    ///
    /// # Errors
    /// When something of it is no requirement.
    pub(super) fn required(&self, group: &Name) -> Result<Vec<Requirement>> {
        let mut required = Vec::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![group.clone()];
        while let Some(group) = open.pop() {
            if !seen.insert(group.clone()) {
                continue;
            }
            for value in self.lists.get(&group).into_iter().flatten() {
                match value {
                    Value::String(text) => {
                        let requirement = parsed(text)?;
                        // A project that requires its own extras means what is in them.
                        match self.project.as_ref() == Some(&requirement.name) {
                            true => open.extend(requirement.extras),
                            false => required.push(requirement),
                        }
                    }
                    Value::Table(table) => {
                        let included = table.get("include-group").and_then(Value::as_str);
                        open.extend(included.and_then(|name| name.parse().ok()));
                    }
                    _ => {}
                }
            }
        }
        Ok(required)
    }
}

fn named<'a>(pyproject: &'a Table, path: &str) -> Vec<(Name, Vec<&'a Value>)> {
    let table = at(pyproject, path).and_then(Value::as_table).into_iter().flatten();
    let list = |value: &'a Value| value.as_array().into_iter().flatten().collect();
    table.filter_map(|(name, value)| Some((name.parse().ok()?, list(value)))).collect()
}

/// A requirement as PDM writes them: also `-e file:///${PROJECT_ROOT}/near#egg=near`.
pub(super) fn parsed(text: &str) -> Result<Requirement> {
    let editable = text.strip_prefix("-e ").or_else(|| text.strip_prefix("--editable "));
    match editable.and_then(|url| url.split_once("#egg=")) {
        Some((url, name)) => {
            let requirement: Requirement = name.split('&').next().unwrap_or(name).parse()?;
            Ok(Requirement { url: Some(url.trim().to_owned()), ..requirement })
        }
        None => text.parse(),
    }
}
