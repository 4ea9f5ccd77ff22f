//! Compiled bytecode of the distributions, in a layer of its own: its bytes depend on the CPython
//! that compiles, and all others must not.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::environment::{Environment, below};
use crate::base::tree::Tree;
use crate::build::layers::Maker;
use crate::error::{Context, Error, Result};
use crate::layer::{self, EntryKind, Head, Layer, Spec};

/// The end of the name of what is compiled.
const MODULE: &str = ".py";

/// A CPython of this machine that compiles.
#[derive(Debug, Clone)]
pub(in crate::build) struct Compiler {
    /// The program.
    pub(super) program: PathBuf,
    /// Its full version, which its bytecode depends on.
    pub(super) version: String,
}

impl Environment {
    /// The layer with the bytecode of all wheels on top of `base`.
    ///
    /// # Errors
    /// When the compiler cannot be run.
    pub(in crate::build) fn bytecode_layer(&self, maker: &Maker<'_>, base: &Tree) -> Result<Layer> {
        let compiler = self.compiler.as_ref().ok_or_else(|| Error::bug("there is no compiler"))?;
        let wheels: Vec<_> = self.wheels.iter().collect();
        let head = Head {
            key: format!(
                "bytecode {} {}",
                compiler.version,
                self.key(&wheels, &below(base, &self.target.prefix))
            ),
            title: format!("bytecode by CPython {}", compiler.version),
            compression: maker.compression,
            format: maker.format,
        };
        // Lives as long as the layer is read from it.
        let root = tempfile::tempdir().context(|| "cannot make a temporary folder".into())?;
        let spec = || {
            for wheel in &wheels {
                let entries = wheel.entries(&self.target)?;
                let modules = entries.iter().filter(|entry| entry.path.ends_with(MODULE));
                layer::unpack(modules, root.path())?;
            }
            compiler.compile(root.path(), maker.jobs)?;
            let mut entries =
                layer::collect(root.path(), "/", Some(0o644), self.target.owner, &["**/*.py".into()])?;
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
        layer::write_keyed(&head, spec, base, maker.store, maker.use_memo, maker.jobs, maker.events)
    }
}

impl Compiler {
    /// Compiles all modules below `root`, which stands for the image's root. What does not compile
    /// (templates, syntax of other versions) is left as it is, as installers do.
    fn compile(&self, root: &Path, jobs: usize) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(["-I", "-m", "compileall", "-q", "-q", "-f", "--invalidation-mode", "unchecked-hash"]);
        command.arg("-j").arg(jobs.to_string()).arg("-s").arg(root).args(["-p", "/"]).arg(root);
        // The order of sets is the order of hashes.
        command.env("PYTHONHASHSEED", "0").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let failed = || format!("cannot compile bytecode with {}", self.program.display());
        command.status().context(failed).map(|_| ())
    }
}
