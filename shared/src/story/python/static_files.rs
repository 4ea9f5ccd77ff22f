//! Static files of Django, which somebody has to collect.

use std::collections::BTreeSet;

use super::draft::Draft;
use crate::config::{Command, ExtraLayer, Settings};
use crate::error::Result;
use crate::python::Name;

/// The command of `manage.py`.
const COLLECT: &str = "collectstatic";
/// What storages with a manifest write when they collect.
const MANIFEST: &str = "staticfiles.json";

/// What is to be said where WhiteNoise serves static files and, as far as can be seen, nobody collects them.
///
/// # Errors
/// When the source cannot be read.
pub(super) fn uncollected(
    draft: &Draft,
    settings: &Settings,
    installed: &BTreeSet<Name>,
) -> Result<Option<String>> {
    let has = |distribution: &str| installed.iter().any(|name| name.as_str() == distribution);
    if !has("django") || !has("whitenoise") {
        return Ok(None);
    }
    let of_layer = settings.layers.iter().any(|layer| match layer {
        ExtraLayer::Command { command, .. } => names_it(command),
        ExtraLayer::Folder(_) => false,
    });
    let of_hook = draft.hooks.iter().flat_map(|(_, hooks)| &hooks.pre).any(names_it);
    let is_manifest = |path: &str| path.rsplit('/').next() == Some(MANIFEST);
    if of_layer || of_hook || draft.source(settings)?.files.iter().any(|file| is_manifest(&file.to)) {
        return Ok(None);
    }
    Ok(Some(format!(
        "no command of `layers` or `hooks` runs `manage.py {COLLECT}`, and WhiteNoise serves what that collects; \"Django\" in the documentation of Python projects has the line to add"
    )))
}

fn names_it(command: &Command) -> bool {
    match command {
        Command::Line(line) => line.contains(COLLECT),
        Command::Words(words) => words.iter().any(|word| word.contains(COLLECT)),
    }
}
