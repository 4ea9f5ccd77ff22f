//! The digests of their input that `poetry.lock` and `pdm.lock` carry: SHA-256 of parts of
//! `pyproject.toml` as the JSON that Python writes, keys sorted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pep440_rs::Version;
use sha2::{Digest, Sha256};
use toml::{Table, Value};

use super::poetry::Poetry;
use super::selection::at;
use crate::python::Name;

/// A value of JSON, as far as these digests need it.
#[derive(Debug, Clone)]
enum Json<'a> {
    Null,
    Text(&'a str),
    Toml(&'a Value),
    List(Vec<Json<'a>>),
    Object(BTreeMap<String, Json<'a>>),
}

/// Whether a `poetry.lock` was made for this `pyproject.toml`.
pub(super) fn poetry_is_fresh(lock: &Poetry, pyproject: &Table) -> bool {
    let Some(recorded) = &lock.content_hash else { return false };
    if digest(&poetry_content(pyproject, true)) == *recorded {
        return true;
    }
    // Until Poetry 2.3, dependency groups outside of [tool.poetry] did not count.
    let older = lock.written_by.as_ref().is_some_and(|version| *version < Version::new([2, 3]));
    older && digest(&poetry_content(pyproject, false)) == *recorded
        || lock.written_by.as_ref().is_some_and(|version| *version < Version::new([2]))
            && digest(&legacy_content(pyproject)) == *recorded
}

const LEGACY_KEYS: [&str; 4] = ["dependencies", "source", "extras", "dev-dependencies"];

/// What Poetry 1 counts: four keys, `null` where there is none, and the groups.
fn legacy_content(pyproject: &Table) -> Json<'_> {
    Json::Object(poetry_table(pyproject, true))
}

fn poetry_table(pyproject: &Table, with_null: bool) -> BTreeMap<String, Json<'_>> {
    let poetry = at(pyproject, "tool.poetry").and_then(Value::as_table);
    let value = |key: &str| poetry.and_then(|table| table.get(key)).map(Json::Toml);
    let mut content = BTreeMap::new();
    for key in LEGACY_KEYS {
        if let Some(value) = value(key).or_else(|| with_null.then_some(Json::Null)) {
            content.insert(key.to_owned(), value);
        }
    }
    if let Some(group) = value("group") {
        content.insert("group".into(), group);
    }
    content
}

/// What Poetry 2 counts: also `[project]` and `[dependency-groups]`; without them as Poetry 1.
fn poetry_content(pyproject: &Table, with_groups: bool) -> Json<'_> {
    let project = at(pyproject, "project").and_then(Value::as_table);
    let keys = ["requires-python", "dependencies", "optional-dependencies"];
    let project: BTreeMap<String, Json<'_>> =
        keys.iter().filter_map(|key| Some(((*key).to_owned(), Json::Toml(project?.get(*key)?)))).collect();
    let groups = pyproject
        .get("dependency-groups")
        .filter(|groups| with_groups && groups.as_table().is_some_and(|table| !table.is_empty()));
    if project.is_empty() && groups.is_none() {
        return legacy_content(pyproject);
    }
    let poetry = Json::Object(poetry_table(pyproject, false));
    let tool = BTreeMap::from([("poetry".to_owned(), poetry)]);
    let mut content = BTreeMap::from([("tool".to_owned(), Json::Object(tool))]);
    if !project.is_empty() {
        content.insert("project".into(), Json::Object(project));
    }
    if let Some(groups) = groups {
        content.insert("dependency-groups".into(), Json::Toml(groups));
    }
    Json::Object(content)
}

/// The digest that PDM makes of a `pyproject.toml`.
pub(super) fn pdm_digest(pyproject: &Table) -> String {
    digest(&pdm_content(pyproject))
}

fn pdm_content(pyproject: &Table) -> Json<'_> {
    let value = |path: &str| at(pyproject, path).map(Json::Toml);
    let none = || Json::List(Vec::new());
    let empty = || Json::Object(BTreeMap::new());
    let content = [
        ("sources", value("tool.pdm.source").unwrap_or_else(none)),
        ("dependencies", value("project.dependencies").unwrap_or_else(none)),
        ("dev-dependencies", Json::Object(pdm_groups(pyproject))),
        ("optional-dependencies", value("project.optional-dependencies").unwrap_or_else(empty)),
        ("requires-python", value("project.requires-python").unwrap_or(Json::Text(""))),
        ("resolution", value("tool.pdm.resolution").unwrap_or_else(empty)),
    ];
    Json::Object(content.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// The groups under their normalised names, those of `[tool.pdm]` after those of the standard.
fn pdm_groups(pyproject: &Table) -> BTreeMap<String, Json<'_>> {
    let mut groups: BTreeMap<String, Vec<Json<'_>>> = BTreeMap::new();
    for path in ["dependency-groups", "tool.pdm.dev-dependencies"] {
        let table = at(pyproject, path).and_then(Value::as_table);
        for (group, list) in table.into_iter().flatten() {
            let name = group.parse::<Name>().map_or_else(|_| group.clone(), |name| name.to_string());
            let list = list.as_array().into_iter().flatten().map(Json::Toml);
            groups.entry(name).or_default().extend(list);
        }
    }
    groups.into_iter().map(|(name, list)| (name, Json::List(list))).collect()
}

fn digest(value: &Json<'_>) -> String {
    let mut text = String::new();
    write_json(&mut text, value);
    hex(&Sha256::digest(text.as_bytes()))
}

/// Bytes as people write them.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in bytes {
        _ = write!(hex, "{byte:02x}");
    }
    hex
}

fn write_json(out: &mut String, value: &Json<'_>) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Text(text) => write_text(out, text),
        Json::Toml(value) => write_toml(out, value),
        Json::List(list) => write_list(out, list.iter(), write_json),
        Json::Object(object) => write_object(out, object.iter(), write_json),
    }
}

fn write_toml(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => write_text(out, text),
        Value::Integer(number) => _ = write!(out, "{number}"),
        Value::Float(number) => _ = write!(out, "{number:?}"),
        Value::Boolean(truth) => _ = write!(out, "{truth}"),
        // Poetry and PDM fail on dates, so no digest has any.
        Value::Datetime(date) => write_text(out, &date.to_string()),
        Value::Array(list) => write_list(out, list.iter(), write_toml),
        Value::Table(table) => {
            let sorted: BTreeMap<&String, &Value> = table.iter().collect();
            write_object(out, sorted.into_iter(), write_toml);
        }
    }
}

fn write_list<T>(out: &mut String, values: impl Iterator<Item = T>, write: impl Fn(&mut String, T)) {
    out.push('[');
    for (n, value) in values.enumerate() {
        out.push_str(if n == 0 { "" } else { ", " });
        write(out, value);
    }
    out.push(']');
}

fn write_object<'a, T>(
    out: &mut String,
    values: impl Iterator<Item = (&'a String, T)>,
    write: impl Fn(&mut String, T),
) {
    out.push('{');
    for (n, (key, value)) in values.enumerate() {
        out.push_str(if n == 0 { "" } else { ", " });
        write_text(out, key);
        out.push_str(": ");
        write(out, value);
    }
    out.push('}');
}

/// Python writes all that is not printable ASCII as `\uXXXX`, in UTF-16.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_written_as_python_writes_it() {
        let table: Table =
            toml::from_str("b = [1, true, 1.5]\na = \"ä\\\"\\\\\\U0001F600\\u007f\\tx\"\n[c]\nz=1\ny={}")
                .expect("a table");
        let mut text = String::new();
        write_toml(&mut text, &Value::Table(table));
        assert_eq!(
            text,
            r#"{"a": "\u00e4\"\\\ud83d\ude00\u007f\tx", "b": [1, true, 1.5], "c": {"y": {}, "z": 1}}"#
        );
    }
}
