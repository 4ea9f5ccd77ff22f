//! Layers of wheels on top of a base: what names them, and what is in them.

use std::collections::BTreeMap;

use super::ready::ReadyWheel;
use crate::error::Result;
use crate::event::Events;
use crate::facts::tree::Tree;
use crate::layer::{Entry, EntryKind, Head, Layer, Press, Spec};
use crate::oci::media_type::{Compression, Format};
use crate::oci::{Digest, Owner};
use crate::plan::PREFIX;
use crate::python::{Interpreter, Name};
use crate::wheel;

/// Layers by what names them ([`WheelLayers::name`]).
pub(super) type Pressed = BTreeMap<String, Layer>;

/// The environment that is made for `interpreter`, of files that belong to `owner`.
pub(super) fn target(interpreter: &Interpreter, owner: Owner) -> wheel::Venv {
    wheel::Venv {
        prefix: PREFIX.trim_start_matches('/').to_owned(),
        python: interpreter.version,
        owner,
        interpreter: format!("{PREFIX}/bin/python"),
    }
}

/// Makes the layers of one environment's wheels.
pub(super) struct WheelLayers<'a> {
    target: wheel::Venv,
    base: &'a Tree,
    below: String,
    compression: Compression,
    format: Format,
}

impl<'a> WheelLayers<'a> {
    /// Layers for the environment `target`. They stand on `base` alone, whatever else is added to it, so that a wheel's
    /// layer is the same in every image.
    pub(super) fn of(target: &wheel::Venv, base: &'a Tree, shape: (Compression, Format)) -> Self {
        let (below, (compression, format)) = (below(base, &target.prefix), shape);
        Self { target: target.clone(), base, below, compression, format }
    }

    /// What names their layer among those of all environments.
    pub(super) fn name(&self, wheels: &[&ReadyWheel]) -> String {
        format!("{} {:?} {}", self.compression.as_str(), self.format, self.key(wheels))
    }

    /// Everything that the bytes of their layer depend on, but for how it is compressed.
    pub(super) fn key(&self, wheels: &[&ReadyWheel]) -> String {
        let Self { target: wheel::Venv { prefix, python, owner, interpreter }, below, .. } = self;
        let owner = (owner.uid, owner.gid);
        let mut key = format!("wheels {prefix} {} {owner:?} {interpreter} {below}", python.short());
        for wheel in wheels {
            let origin = wheel.origin.as_ref().map(|origin| serde_json::json!(origin).to_string());
            key.push_str(&format!(" {}", wheel.digest));
            key.extend(origin.into_iter().map(|origin| format!(" {origin}")));
            key.extend(wheel.trim.iter().map(|trimmed| format!(" {}", trimmed.key())));
        }
        key
    }

    /// Makes their layer, unless it is known.
    ///
    /// # Errors
    /// When a wheel cannot be had or is not sound, or the disk is full.
    pub(super) fn make(&self, wheels: &[&ReadyWheel], press: Press<'_>) -> Result<Layer> {
        let title = match wheels {
            [one] => one.filename.trim_end_matches(".whl").to_owned(),
            several => format!("{} wheels", several.len()),
        };
        let (key, compression, format) = (self.key(wheels), self.compression, self.format);
        let head = Head { key, title: title.clone(), compression, format };
        let spec = || {
            let (entries, owner) = (self.merged(wheels, press.events)?, self.target.owner);
            Ok(Spec { title, entries, owner, compression, format })
        };
        press.write_keyed(&head, spec, self.base)
    }

    /// The entries of several wheels. Where two have the same file, the one whose name comes later
    /// wins, as it would when they are installed one after the other.
    fn merged(&self, wheels: &[&ReadyWheel], events: &Events) -> Result<Vec<Entry>> {
        let mut merged: BTreeMap<String, (Entry, &Name)> = BTreeMap::new();
        let mut twofold: BTreeMap<(&Name, &Name), Vec<String>> = BTreeMap::new();
        for wheel in wheels {
            for entry in wheel.entries(&self.target)? {
                let twice = merged.insert(entry.path.clone(), (entry, &wheel.name));
                if let Some((entry, name)) = twice
                    && !matches!(&entry.kind, EntryKind::File(content) if content.size() == 0)
                {
                    twofold.entry((name, &wheel.name)).or_default().push(entry.path);
                }
            }
        }
        for ((name, later), paths) in twofold {
            events.warn(match paths.as_slice() {
                [path] => format!("{name} and {later} both have {path}; using the latter's"),
                paths => format!(
                    "{name} and {later} share {} files, such as {}; using the latter's",
                    paths.len(),
                    paths[0]
                ),
            });
        }
        Ok(merged.into_values().map(|(entry, _)| entry).collect())
    }
}

/// What of the base a layer of wheels depends on: its directories on the way to the environment,
/// and what is in it already.
pub(super) fn below(base: &Tree, prefix: &str) -> String {
    let top = prefix.split('/').next().unwrap_or(prefix);
    let within = |path: &str| path == top || path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'));
    let nodes: Vec<_> = base.iter().filter(|(path, _)| within(path)).collect();
    if nodes.is_empty() { "new".into() } else { Digest::of(format!("{nodes:?}").as_bytes()).to_string() }
}
