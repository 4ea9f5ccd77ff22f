//! Whether what a project requires still comes from where `uv.lock` has it: `[tool.uv.sources]` of
//! the project, or of the root of its workspace.

use toml::{Table, Value};

use super::selection::at;
use super::uv::{RawPackageMetadata, RawRequirement};
use crate::python::{Name, Requirement};

/// Where something comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Index,
    Git,
    Url,
    Here,
}

/// The first requirement that comes from elsewhere now. `above` is the root of the workspace, for
/// its members; where that is not known, only what the project itself says counts.
pub(super) fn moved(metadata: &RawPackageMetadata, pyproject: &Table, above: Option<&Table>) -> Option<Name> {
    let ignored = |table: &Table| at(table, "tool.uv.no-sources").is_some();
    if ignored(pyproject) || above.is_some_and(ignored) {
        return None;
    }
    metadata.requires_dist.iter().find_map(|raw| {
        let name: Name = raw.name.parse().ok()?;
        let source = source(pyproject, &name).or_else(|| source(above?, &name));
        let same = match source {
            Some(Value::Table(source)) => is_same(raw, source),
            // Several, each for some place.
            Some(_) => true,
            None => above.is_none() || kind(raw) == Kind::Index || names_url(pyproject, &name),
        };
        (!same).then_some(name)
    })
}

fn source<'a>(pyproject: &'a Table, name: &Name) -> Option<&'a Value> {
    let sources = at(pyproject, "tool.uv.sources")?.as_table()?;
    sources.iter().find(|(key, _)| key.parse().is_ok_and(|key: Name| key == *name)).map(|(_, value)| value)
}

fn kind(raw: &RawRequirement) -> Kind {
    let here = [&raw.path, &raw.directory, &raw.editable, &raw.r#virtual];
    match (&raw.git, &raw.url) {
        (Some(_), _) => Kind::Git,
        (None, Some(_)) => Kind::Url,
        (None, None) if here.iter().any(|place| place.is_some()) => Kind::Here,
        (None, None) => Kind::Index,
    }
}

fn is_same(raw: &RawRequirement, source: &Table) -> bool {
    let has = |key: &str| source.contains_key(key);
    if has("marker") || has("extra") || has("group") {
        return true;
    }
    let wanted = match () {
        () if has("git") => Kind::Git,
        () if has("url") => Kind::Url,
        () if has("path") || has("workspace") => Kind::Here,
        () if has("index") => Kind::Index,
        () => return true,
    };
    let plain = |text: &&str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let same_commit = ["tag", "branch", "rev"].iter().all(|key| {
        let asked = source.get(*key).and_then(Value::as_str).filter(plain);
        let git = raw.git.as_deref().unwrap_or_default();
        asked.is_none_or(|asked| git.split(['?', '&', '#']).any(|part| part == format!("{key}={asked}")))
    });
    kind(raw) == wanted && (wanted != Kind::Git || same_commit)
}

/// Whether the project requires it by a URL, for which no source is needed.
fn names_url(pyproject: &Table, name: &Name) -> bool {
    let extras = at(pyproject, "project.optional-dependencies").and_then(Value::as_table);
    let lists = at(pyproject, "project.dependencies").into_iter();
    let lists = lists.chain(extras.into_iter().flatten().map(|(_, list)| list)).filter_map(Value::as_array);
    let mut texts = lists.flatten().filter_map(Value::as_str);
    texts.any(|text| text.parse().is_ok_and(|r: Requirement| r.name == *name && r.url.is_some()))
}
