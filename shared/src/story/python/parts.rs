//! A virtual environment as layers: wheels, and what makes a folder an environment.

use std::path::PathBuf;

use super::compiler::Compiler;
use super::ready::ReadyWheel;
use super::wheel_layers::{Pressed, WheelLayers};
use crate::error::Result;
use crate::facts::tree::Tree;
use crate::layer::{Content, Entry, Layer, Press};
use crate::oci::{Mode, Owner};
use crate::plan::{Item, PREFIX, share_out};
use crate::python::Interpreter;
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
    /// Layers of theirs that were made while others came.
    pub(super) pressed: Pressed,
    /// Layers that were made before the base was open, of whatever environment.
    pub(super) ahead: &'a Pressed,
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
        let making = WheelLayers::of(&self.target, base, (maker.compression, maker.format));
        let groups: Vec<Vec<&ReadyWheel>> = share_out(&sizes, budget.max(1))
            .into_iter()
            .map(|group| group.into_iter().map(|i| &self.wheels[i]).collect())
            .collect();
        let workers = maker.press.jobs.min(groups.len()).max(1);
        // With a second thread a layer is examined as it is made, and need not be read again.
        let jobs = (maker.press.jobs / workers).max(maker.press.jobs.min(2)).max(1);
        in_parallel(workers, &groups, |group| {
            let name = making.name(group);
            if let Some(layer) = self.pressed.get(&name).or_else(|| self.ahead.get(&name)) {
                maker.send(layer);
                return Ok(layer.clone());
            }
            let layer = making.make(group, Press { jobs, ..maker.press })?;
            maker.send(&layer);
            Ok(layer)
        })
    }
}
