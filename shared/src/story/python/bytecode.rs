//! Compiled bytecode, in layers of its own: one of the distributions, one of the project.

use std::collections::BTreeSet;

use super::compiler::Compiler;
use super::parts::PythonParts;
use super::wheel_layers::{WheelLayers, below};
use crate::error::{Error, Result};
use crate::facts::tree::Tree;
use crate::layer::{self, Entry, EntryKind, Head, Layer, Spec};
use crate::oci::{Digest, Mode};
use crate::plan::APP;
use crate::store::scratch;
use crate::story::layers::Maker;

/// The end of the name of what is compiled.
const MODULE: &str = ".py";

/// A folder with what was compiled before, which is passed over.
const COMPILED: &str = "__pycache__";

impl PythonParts<'_> {
    /// The layer with the bytecode of all wheels on top of `base`.
    ///
    /// # Errors
    /// When nothing that may compile can be run.
    pub(in crate::story) fn bytecode_layer(&self, maker: &Maker<'_>, base: &Tree) -> Result<Layer> {
        let compiler = self.compiler()?;
        let wheels: Vec<_> = self.wheels.iter().collect();
        let key = WheelLayers::of(&self.target, base, (maker.compression, maker.format)).key(&wheels);
        let entries = || {
            let mut entries = Vec::new();
            for wheel in &wheels {
                entries.extend(wheel.entries(&self.target)?);
            }
            Ok(entries)
        };
        self.compiled(maker, base, "bytecode", &key, compiler, entries)
    }

    /// The layer with the bytecode of the project, above the project's own; `None` where it has no modules.
    ///
    /// # Errors
    /// As [`PythonParts::bytecode_layer`].
    pub(in crate::story) fn project_bytecode_layer(
        &self,
        maker: &Maker<'_>,
        tree: &Tree,
        title: &str,
    ) -> Result<Option<Layer>> {
        let modules: Vec<&Entry> = self.project.iter().filter(|entry| is_module(entry)).collect();
        if modules.is_empty() {
            return Ok(None);
        }
        let owner = (self.target.owner.uid, self.target.owner.gid);
        let mut key = format!("project {owner:?} {}", below(tree, APP.trim_start_matches('/')));
        for entry in &modules {
            if let EntryKind::File(content) = &entry.kind {
                key.push_str(&format!(" {:?} {}", entry.path, content.identity()));
            }
        }
        let key = Digest::of(key.as_bytes()).to_string();
        let entries = || Ok(modules.into_iter().cloned().collect());
        self.compiled(maker, tree, title, &key, self.compiler()?, entries).map(Some)
    }

    fn compiler(&self) -> Result<&Compiler<'_>> {
        self.compiler.as_ref().ok_or_else(|| Error::bug("there is no compiler"))
    }

    /// The layer with what the modules among `entries` compile to.
    fn compiled(
        &self,
        maker: &Maker<'_>,
        tree: &Tree,
        title: &str,
        key: &str,
        compiler: &Compiler<'_>,
        entries: impl FnOnce() -> Result<Vec<Entry>>,
    ) -> Result<Layer> {
        let version = compiler.version;
        let head = Head {
            key: format!("bytecode-2 {version} {key}"),
            title: format!("{title} by CPython {version}"),
            compression: maker.compression,
            format: maker.format,
        };
        // Lives as long as the layer is read from it.
        let root = scratch::folder()?;
        let spec = || {
            let entries = entries()?;
            let modules = || entries.iter().filter(|entry| is_module(entry));
            layer::unpack(modules(), root.path())?;
            let names: BTreeSet<&str> = modules().map(|entry| entry.path.as_str()).collect();
            compiler.compile(root.path(), &names.into_iter().collect::<Vec<_>>(), maker.press.jobs)?;
            let mut entries =
                layer::collect(root.path(), "/", Some(Mode(0o644)), self.target.owner, &["**/*.py".into()])?;
            // Of folders, only those that hold something.
            entries.retain(|entry| matches!(entry.kind, EntryKind::File(_)));
            Ok(Spec {
                title: head.title.clone(),
                entries,
                owner: self.target.owner,
                compression: head.compression,
                format: head.format,
            })
        };
        maker.press.write_keyed(&head, spec, tree)
    }
}

fn is_module(entry: &Entry) -> bool {
    let is_compiled = || entry.path.split('/').any(|part| part == COMPILED);
    matches!(entry.kind, EntryKind::File(_)) && entry.path.ends_with(MODULE) && !is_compiled()
}
