//! A virtual environment as layers: wheels, and what makes a folder an environment.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::compiler::Compiler;
use super::ready::ReadyWheel;
use crate::error::Result;
use crate::facts::tree::Tree;
use crate::layer::{Content, Entry, EntryKind, Head, Layer, Press, Spec};
use crate::oci::{Digest, Mode, Owner};
use crate::plan::{Item, PREFIX, share_out};
use crate::python::{Interpreter, Name};
use crate::story::ingredients::{Distribution, Ingredients};
use crate::story::layers::{Made, Maker, Parts, Site};
use crate::story::parallel::in_parallel;
use crate::wheel;

/// What was made for one platform's image.
pub(super) struct PythonParts<'a> {
    /// How wheels are installed.
    pub(super) target: wheel::Venv,
    /// By name.
    pub(super) wheels: Vec<ReadyWheel>,
    /// What compiles bytecode, where that is asked for.
    pub(super) compiler: Option<Compiler<'a>>,
    /// The interpreter, where the base has none.
    pub(super) interpreter: Vec<Entry>,
    /// What makes a folder an environment.
    pub(super) skeleton: Vec<Entry>,
    /// The project itself.
    pub(super) project: Vec<Entry>,
    /// All distributions, the project's own included.
    pub(super) distributions: Vec<Distribution>,
    /// The lock that they are from.
    pub(super) lock: Option<PathBuf>,
}

/// The environment that is made for `interpreter`, of files that belong to `owner`.
pub(super) fn target(interpreter: &Interpreter, owner: Owner) -> wheel::Venv {
    wheel::Venv {
        prefix: PREFIX.trim_start_matches('/').to_owned(),
        python: interpreter.version,
        owner,
        interpreter: format!("{PREFIX}/bin/python"),
    }
}

/// What makes a folder a virtual environment (PEP 405): its configuration, and the interpreter's
/// names.
pub(in crate::story) fn skeleton(interpreter: &Interpreter, owner: Owner) -> Vec<Entry> {
    let prefix = PREFIX.trim_start_matches('/');
    let home = interpreter.path.rsplit_once('/').map_or("/", |(home, _)| home);
    let settings = format!(
        "home = {home}\nimplementation = CPython\nversion_info = {}\ninclude-system-site-packages = false\n",
        interpreter.version
    );
    let settings = Content::Bytes(settings.into());
    vec![
        Entry::file(format!("{prefix}/pyvenv.cfg"), settings, Mode(0o644), owner),
        Entry::symlink(format!("{prefix}/bin/python"), &interpreter.path, owner),
        Entry::symlink(format!("{prefix}/bin/python3"), "python", owner),
        Entry::symlink(format!("{prefix}/bin/python{}", interpreter.version.short()), "python", owner),
    ]
}

impl Parts for &PythonParts<'_> {
    fn made(&self, item: &Item, maker: &Maker<'_>, site: &Site<'_>) -> Result<Option<Made>> {
        let sent = |layers: Vec<Layer>| {
            layers.iter().for_each(|layer| maker.send(layer));
            Made::Layers(layers)
        };
        Ok(Some(match item {
            // On top of the base, whatever else was added: so a wheel's layer is the same in every image.
            Item::Wheels => Made::Layers(self.wheel_layers(maker, site.base, site.room)?),
            Item::Bytecode => sent(vec![self.bytecode_layer(maker, site.base)?]),
            Item::ProjectBytecode => {
                sent(self.project_bytecode_layer(maker, site.below, site.title)?.into_iter().collect())
            }
            Item::Interpreter => Made::Entries(self.interpreter.clone()),
            Item::Skeleton => Made::Entries(self.skeleton.clone()),
            Item::Project => Made::Entries(self.project.clone()),
            _ => return Ok(None),
        }))
    }

    fn made_of(&self) -> Ingredients {
        let mut distributions = self.distributions.clone();
        distributions.sort_by(|a, b| a.name.cmp(&b.name));
        let (python, lock) = (Some(self.target.python), self.lock.clone());
        Ingredients { distributions, python, lock, ..Ingredients::default() }
    }
}

impl PythonParts<'_> {
    /// The layers of the wheels on top of `base`, at most `budget`.
    ///
    /// # Errors
    /// When a wheel is not sound, or two large ones contradict each other.
    fn wheel_layers(&self, maker: &Maker<'_>, base: &Tree, budget: usize) -> Result<Vec<Layer>> {
        let sizes: Vec<u64> = self.wheels.iter().map(|wheel| wheel.size).collect();
        let below = below(base, &self.target.prefix);
        let groups: Vec<Vec<&ReadyWheel>> = share_out(&sizes, budget.max(1))
            .into_iter()
            .map(|group| group.into_iter().map(|i| &self.wheels[i]).collect())
            .collect();
        let workers = maker.press.jobs.min(groups.len()).max(1);
        // With a second thread a layer is examined as it is made, and need not be read again.
        let jobs = (maker.press.jobs / workers).max(maker.press.jobs.min(2)).max(1);
        in_parallel(workers, &groups, |group| {
            let layer = self.layer(maker, group, base, &below, jobs)?;
            maker.send(&layer);
            Ok(layer)
        })
    }

    fn layer(
        &self,
        maker: &Maker<'_>,
        wheels: &[&ReadyWheel],
        base: &Tree,
        below: &str,
        jobs: usize,
    ) -> Result<Layer> {
        let title = match wheels {
            [one] => one.filename.trim_end_matches(".whl").to_owned(),
            several => format!("{} wheels", several.len()),
        };
        let head = Head {
            key: self.key(wheels, below),
            title,
            compression: maker.compression,
            format: maker.format,
        };
        let spec = || {
            Ok(Spec {
                title: head.title.clone(),
                entries: self.merged(wheels, maker)?,
                owner: self.target.owner,
                compression: head.compression,
                format: head.format,
            })
        };
        Press { jobs, ..maker.press }.write_keyed(&head, spec, base)
    }

    /// Everything that the bytes of the layer depend on.
    pub(super) fn key(&self, wheels: &[&ReadyWheel], below: &str) -> String {
        let wheel::Venv { prefix, python, owner, interpreter } = &self.target;
        let owner = (owner.uid, owner.gid);
        let mut key = format!("wheels {prefix} {} {owner:?} {interpreter} {below}", python.short());
        for wheel in wheels {
            let origin = wheel.origin.as_ref().map(|origin| serde_json::json!(origin).to_string());
            key.push_str(&format!(" {}", wheel.digest));
            key.extend(origin.into_iter().map(|origin| format!(" {origin}")));
        }
        key
    }

    /// The entries of several wheels. Where two have the same file, the one whose name comes later
    /// wins, as it would when they are installed one after the other.
    fn merged(&self, wheels: &[&ReadyWheel], maker: &Maker<'_>) -> Result<Vec<Entry>> {
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
            maker.press.events.warn(match paths.as_slice() {
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
