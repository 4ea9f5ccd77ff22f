//! Whether a `pdm.lock` fits the project: by a digest of parts of `pyproject.toml`, or, where the
//! project asks for it (`lock_inputs`, PDM 2.28 and newer), by those parts themselves. PDM then calls
//! a lock fresh as long as the locked versions are allowed. What is not in the files is not told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use toml::{Table, Value};

use super::content_hash::{hex, pdm_digest};
use super::pdm::Pdm;
use super::pdm_groups::{PdmGroups, parsed};
use super::points::{Points, versions};
use super::selection::{ProjectFacts, at};
use crate::python::{Constraint, Marker, Name, Requirement};
use crate::read;

/// A distribution with its extras.
type Named = (Name, BTreeSet<Name>);

/// The words that begin a requirement which is known by its digest only.
const OPAQUE: &str = "url-sha256:";

pub(super) fn is_fresh(lock: &Pdm, project: &ProjectFacts<'_>, pyproject: &Table) -> bool {
    // Projects in another tool's notation are read by PDM, and not by us.
    if !pyproject.contains_key("project") {
        return true;
    }
    if let Some(inputs) = &lock.lock_inputs {
        return inputs.get("project").and_then(Value::as_table).is_none_or(|p| fits(lock, p, pyproject));
    }
    let recorded = lock.content_hash.as_deref().and_then(|text| text.strip_prefix("sha256:"));
    let plain = pdm_digest(pyproject);
    if recorded == Some(plain.as_str()) {
        return true;
    }
    if at(pyproject, "tool.pdm.workspace.members").is_none() {
        // A member of a workspace cannot be told from its file alone.
        return lock.place.dir != super::place::joined(&lock.place.dir, &project.dir.to_string_lossy());
    }
    match with_members(&lock.place.dir, pyproject, &plain) {
        Some(digest) => recorded == Some(digest.as_str()),
        None => true,
    }
}

/// The digest of a workspace: its root's, and each member's with its path. `None` where the members
/// cannot be told.
fn with_members(root: &Path, pyproject: &Table, plain: &str) -> Option<String> {
    let patterns = at(pyproject, "tool.pdm.workspace.members")?.as_array()?;
    let mut members: BTreeMap<String, PathBuf> = BTreeMap::new();
    for pattern in patterns {
        for dir in matching(root, pattern.as_str()?)? {
            let dir = dir.canonicalize().ok()?;
            let relative = dir.strip_prefix(root.canonicalize().ok()?).ok()?.to_str()?.to_owned();
            members.insert(relative, dir);
        }
    }
    let mut hasher = Sha256::new();
    hasher.update(plain);
    for (relative, dir) in &members {
        let table: Table = read::text(&dir.join("pyproject.toml"), read::DOCUMENT).ok()?.parse().ok()?;
        hasher.update(format!("\0{relative}\0{}", pdm_digest(&table)));
    }
    Some(hex(&hasher.finalize()))
}

/// The projects that a pattern means. `None` for patterns with more than a star at their end.
fn matching(root: &Path, pattern: &str) -> Option<Vec<PathBuf>> {
    let pattern = pattern.trim_end_matches('/');
    let dirs = match pattern.strip_suffix('*').filter(|rest| rest.is_empty() || rest.ends_with('/')) {
        Some(rest) if !rest.contains(['*', '?', '[']) => std::fs::read_dir(root.join(rest))
            .ok()?
            .map(|entry| Some(entry.ok()?.path()))
            .collect::<Option<_>>()?,
        None if !pattern.contains(['*', '?', '[']) => vec![root.join(pattern)],
        _ => return None,
    };
    Some(dirs.into_iter().filter(|dir| dir.join("pyproject.toml").is_file()).collect())
}

/// Whether the recorded inputs are those of today.
fn fits(lock: &Pdm, inputs: &Table, pyproject: &Table) -> bool {
    same_python(inputs, pyproject)
        && same_sources(inputs, pyproject)
        && same_resolution(inputs, pyproject)
        && same_groups(lock, inputs, pyproject)
}

fn same_python(inputs: &Table, pyproject: &Table) -> bool {
    let constraint =
        |value: Option<&Value>| Constraint::parse(value.and_then(Value::as_str).unwrap_or_default());
    let then = constraint(inputs.get("requires-python"));
    let (Ok(then), Ok(now)) = (then, constraint(at(pyproject, "project.requires-python"))) else {
        return true;
    };
    versions().all(|version| then.allows(&version) == now.allows(&version))
}

/// The addresses of the sources, of which PDM records the digests.
fn same_sources(inputs: &Table, pyproject: &Table) -> bool {
    let urls = |value: Option<&Value>| -> Vec<String> {
        let list = value.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|source| Some(source.get("url")?.as_str()?.to_owned())).collect()
    };
    let now = urls(at(pyproject, "tool.pdm.source"));
    let now: Vec<_> = now.iter().map(|url| format!("sha256:{}", hex(&Sha256::digest(url)))).collect();
    urls(inputs.get("sources")) == now
}

/// What the project says of the resolution, if that has no addresses, which PDM writes otherwise.
fn same_resolution(inputs: &Table, pyproject: &Table) -> bool {
    let table = |value: Option<&Value>| value.and_then(Value::as_table).cloned().unwrap_or_default();
    let mut now = table(at(pyproject, "tool.pdm.resolution"));
    now.remove("lock_inputs");
    let then = table(inputs.get("resolution"));
    let opaque = |table: &Table| table.to_string().contains("://") || table.to_string().contains("sha256:");
    opaque(&now) || opaque(&then) || now == then
}

/// Names, extras and markers must be as they were; versions must allow what is locked.
fn same_groups(lock: &Pdm, inputs: &Table, pyproject: &Table) -> bool {
    let Some(then) = inputs.get("groups").and_then(Value::as_table) else { return true };
    let groups = PdmGroups::of(pyproject);
    let names: BTreeSet<Name> = then.keys().filter_map(|name| name.parse().ok()).collect();
    if names != groups.names() {
        return false;
    }
    then.iter().all(|(name, list)| {
        let now = name.parse().and_then(|name| groups.required(&name));
        // What cannot be read here is PDM's to judge.
        let Ok(now) = now else { return true };
        let texts = || list.as_array().into_iter().flatten().filter_map(Value::as_str);
        let opaque = texts().filter(|text| text.starts_with(OPAQUE)).count();
        let then: Result<Vec<_>, _> = texts().filter(|text| !text.starts_with(OPAQUE)).map(parsed).collect();
        let (elsewhere, now): (Vec<_>, Vec<_>) = now.into_iter().partition(|wanted| wanted.url.is_some());
        elsewhere.len() == opaque
            && then.map_or(true, |then| same(&now, &then))
            && now.iter().all(|wanted| is_locked(lock, wanted, pyproject))
    })
}

fn same(now: &[Requirement], then: &[Requirement]) -> bool {
    let listed = |list: &[Requirement]| -> Vec<(Named, Option<Marker>)> {
        list.iter()
            .map(|wanted| ((wanted.name.clone(), wanted.extras.clone()), wanted.marker.clone()))
            .collect()
    };
    Points { python: None, extras: &BTreeSet::new() }.odd(&listed(now), &listed(then)).is_none()
}

/// Whether some locked version will do, unless the project overrides what is asked for.
fn is_locked(lock: &Pdm, wanted: &Requirement, pyproject: &Table) -> bool {
    let overrides = at(pyproject, "tool.pdm.resolution.overrides").and_then(Value::as_table);
    if overrides.is_some_and(|all| all.keys().any(|name| name.parse().is_ok_and(|n: Name| n == wanted.name)))
    {
        return true;
    }
    let mut named = lock.entries.iter().filter(|entry| entry.package.name == wanted.name).peekable();
    // Nothing is locked for other systems, and what is excluded.
    named.peek().is_none()
        || named.any(|entry| entry.package.version.as_ref().is_none_or(|version| wanted.allows(version)))
}
