//! A table in a manifest that others keep: the rest of the file stays as it is, byte for byte.

use toml::Table;

use super::project::{Kind, Project};
use crate::error::{Error, Result};

/// The manifest that has the table of a project, and where in it.
pub(super) fn table_of(project: &Project) -> (&'static str, &'static [&'static str]) {
    match &project.kind {
        Kind::Rust(rust) if rust.is_workspace => ("Cargo.toml", &["workspace", "metadata", "containerize"]),
        Kind::Rust(_) => ("Cargo.toml", &["package", "metadata", "containerize"]),
        Kind::Python(_) => ("pyproject.toml", &["tool", "containerize"]),
    }
}

/// Adds a table at the end of a manifest. `path` is where it belongs, and `name` the file's name.
///
/// # Errors
/// Usage: the manifest is not TOML, or has one of the parents in a form that cannot be extended.
pub(super) fn with_table(name: &str, text: &str, path: &[&str], table: &str) -> Result<String> {
    let before = parsed(name, text)?;
    let line_end = line_end(text);
    let mut after = text.to_owned();
    if !text.is_empty() {
        after.push_str(if text.ends_with('\n') { "" } else { line_end });
        after.push_str(line_end);
    }
    after.push_str(&table.replace('\n', line_end));
    let is_right = after.parse::<Table>().is_ok_and(|table| without(table, path) == without(before, path));
    if !is_right {
        return Err(Error::usage(format!(
            "{name} has [{}] in a form that no table can be added to",
            path[..path.len() - 1].join(".")
        ))
        .hint("write it as a table under a header of its own, and run the command again"));
    }
    Ok(after)
}

/// The manifest without the table and all that is in it.
///
/// # Errors
/// Usage: the manifest is not TOML, or the table is not written under a header of its own.
pub(super) fn without_table(name: &str, text: &str, path: &[&str]) -> Result<String> {
    let before = parsed(name, text)?;
    let mut kept = String::new();
    let mut is_cut = false;
    // Comments and blank lines at the end of what is cut belong to what follows.
    let mut held: Vec<&str> = Vec::new();
    for line in text.split_inclusive('\n') {
        if let Some(header) = header(line) {
            is_cut = header.len() >= path.len() && header.iter().zip(path).all(|(one, other)| one == other);
        }
        let may_be_of_next = line.trim().is_empty() || line.trim_start().starts_with('#');
        match (is_cut, may_be_of_next) {
            (true, true) => held.push(line),
            (true, false) => held.clear(),
            (false, _) => {
                release(&mut held, &mut kept);
                kept.push_str(line);
            }
        }
    }
    release(&mut held, &mut kept);
    let is_right = kept
        .parse::<Table>()
        .is_ok_and(|table| !has(&table, path) && without(table, path) == without(before, path));
    if !is_right {
        return Err(Error::usage(format!(
            "{name} has [{}] in a form that cannot be replaced",
            path.join(".")
        ))
        .hint("remove it, and run the command again"));
    }
    let end = if kept.trim().is_empty() { "" } else { line_end(text) };
    Ok(kept.trim_end_matches(['\n', '\r']).to_owned() + end)
}

/// Keeps lines after what was cut; a blank line before it does for the first of them.
fn release(held: &mut Vec<&str>, kept: &mut String) {
    let is_blank = |line: &&str| line.trim().is_empty();
    let has_blank = kept.lines().next_back().is_none_or(|line| is_blank(&line));
    let held = held.drain(..).skip_while(|line| has_blank && is_blank(line));
    kept.extend(held.collect::<Vec<_>>());
}

/// How the lines of a text end.
fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// The keys of a header, if the line is one.
fn header(line: &str) -> Option<Vec<String>> {
    let line = line.trim_start();
    let inner = line.strip_prefix("[[").or_else(|| line.strip_prefix('['))?;
    let (inner, _) = inner.split_once(']')?;
    Some(inner.split('.').map(|key| key.trim().trim_matches(['"', '\'']).to_owned()).collect())
}

fn parsed(name: &str, text: &str) -> Result<Table> {
    text.parse::<Table>().map_err(|error| {
        Error::usage(format!("{name} is not valid TOML")).because(error.to_string().trim_end())
    })
}

/// Whether there is something at a path.
pub(super) fn has(table: &Table, path: &[&str]) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    let parent = parents.iter().try_fold(table, |table, key| table.get(*key)?.as_table());
    parent.is_some_and(|parent| parent.contains_key(*last))
}

/// The table without what is at the path, and without parents that are empty then.
fn without(mut table: Table, path: &[&str]) -> Table {
    if let Some((first, rest)) = path.split_first() {
        match table.remove(*first) {
            Some(toml::Value::Table(inner)) if !rest.is_empty() => {
                let inner = without(inner, rest);
                if !inner.is_empty() {
                    table.insert((*first).to_owned(), toml::Value::Table(inner));
                }
            }
            Some(other) if !rest.is_empty() => _ = table.insert((*first).to_owned(), other),
            _ => {}
        }
    }
    table
}
