//! Values of the configuration that differ.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::super::configuration::{Row, further_rows, rows};
use super::super::shown;
use super::sides::{Change, Counts, Sides};
use crate::oci::ImageConfig;
use crate::redact::excerpt;

/// No more of them are listed.
const MOST_SETTINGS: usize = 500;
/// No more of a value is kept, in characters.
const LONGEST_VALUE: usize = 1000;

/// What differs in the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SettingChanges {
    /// All of them.
    #[serde(flatten)]
    pub counts: Counts,
    /// By their keys and names, as many as are kept.
    pub list: Vec<SettingChange>,
}

/// A value that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SettingChange {
    /// In this program's word for it: `env`, `entrypoint`; `other` for what it has none for.
    pub key: &'static str,
    /// The name of a variable or label, a port or a path; or what else the key is divided into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How it differs.
    pub change: Change,
    /// The values. Of variables whose names speak of secrets, both are blank.
    #[serde(flatten)]
    pub values: Sides<Option<String>>,
}

impl SettingChange {
    /// The name, where it is not the value itself.
    pub fn own_name(&self) -> Option<&str> {
        self.name.as_deref().filter(|_| !is_list(self.key))
    }
}

/// Whether a key has a list, whose values are their own names.
fn is_list(key: &str) -> bool {
    matches!(key, "ports" | "volumes")
}

pub(super) fn changes(configs: Sides<&ImageConfig>) -> SettingChanges {
    let Sides { from, to } = configs.map(by_name);
    let mut all = SettingChanges::default();
    let gone = from.keys().filter(|key| !to.contains_key(*key));
    let keys: std::collections::BTreeSet<_> = to.keys().chain(gone).collect();
    for key in keys {
        let rows = Sides { from: from.get(key), to: to.get(key) };
        // Compared as they are: what is shown of two may be the same.
        if rows.from.map(|row| &row.value) == rows.to.map(|row| &row.value) {
            continue;
        }
        let change = rows.change();
        all.counts.add(change);
        if all.list.len() < MOST_SETTINGS {
            let values = rows.map(|row| row.map(|row| excerpt(&shown(&row.visible()), LONGEST_VALUE)));
            let (key, name) = (key.0, key.1.as_deref().map(shown));
            all.list.push(SettingChange { key, name, change, values });
        }
    }
    all
}

/// The rows by what names them: of lists, that is the value itself. The last of several counts.
fn by_name(config: &ImageConfig) -> BTreeMap<(&'static str, Option<Cow<'_, str>>), Row<'_>> {
    let all = rows(config).into_iter().chain(further_rows(config));
    let named = all.map(|row| {
        let name = if is_list(row.key) { Some(row.value.clone()) } else { row.name.map(Cow::Borrowed) };
        ((row.key, name), row)
    });
    named.collect()
}
