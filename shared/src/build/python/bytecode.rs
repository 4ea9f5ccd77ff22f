//! Compiled bytecode of the distributions, in a layer of its own: its bytes depend on the CPython
//! that compiles, and all others must not.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::environment::{Environment, below};
use crate::base::tree::Tree;
use crate::build::layers::Maker;
use crate::error::{Context, Error, Result};
use crate::layer::{self, EntryKind, Head, Layer, Spec};
use crate::process::Program;
use crate::store::scratch;

/// The end of the name of what is compiled.
const MODULE: &str = ".py";

/// Compiles all modules below a folder, by so many processes. Not `-m compileall`, which ends alike when a
/// module does not compile and when its processes are gone.
const COMPILE: &str = "\
import compileall, py_compile, sys
compileall.compile_dir(sys.argv[1], quiet=2, force=True, workers=int(sys.argv[2]), stripdir=sys.argv[1],
    prependdir='/', invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)";

/// What would lead the compiler to other modules, or to other bytecode.
const NOT_FOR_COMPILING: [&str; 6] =
    ["PYTHONPATH", "PYTHONHOME", "PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONINSPECT", "PYTHONPLATLIBDIR"];

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
        let root = scratch::folder()?;
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
        let failed = || format!("cannot compile bytecode with {}", self.program.display());
        let mut command = Command::new(&self.program);
        // Instead of `-I`, which would ignore the seed as well.
        for name in NOT_FOR_COMPILING {
            command.env_remove(name);
        }
        // The order of sets is the order of hashes.
        command.env("PYTHONHASHSEED", "0").current_dir(root);
        command.args(["-s", "-c", COMPILE]).arg(root).arg(jobs.to_string());
        let done = Program::new(command).output().context(failed)?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr);
        let why = said.lines().last().map_or_else(|| format!("it ended with {}", done.status), str::to_owned);
        Err(Error::build(failed()).because(why))
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {

    use containerize_tests::fixture::script as write_script;

    use super::*;

    fn compiler(folder: &Path, script: &str) -> Compiler {
        let program = folder.join("python3.13");
        write_script(&program, &format!("#!/bin/sh\n{script}\n"));
        Compiler { program, version: "3.13.5".into() }
    }

    #[test]
    fn a_compiler_that_ends_early_is_an_error_with_its_last_words() {
        let folder = tempfile::tempdir().expect("folder");
        let broken = compiler(folder.path(), "echo Traceback >&2; echo 'A process was killed' >&2; exit 1");
        let error = broken.compile(folder.path(), 2).expect_err("refused");
        assert_eq!(error.kind(), crate::error::Kind::Build);
        assert!(error.to_string().starts_with("cannot compile bytecode with /"), "{error}");
        assert!(format!("{error:?}").contains("A process was killed"), "{error:?}");
        let silent = compiler(folder.path(), "exit 9").compile(folder.path(), 2).expect_err("refused");
        assert!(format!("{silent:?}").contains("9"), "{silent:?}");
    }

    #[test]
    fn the_seed_of_hashes_is_fixed_and_the_users_settings_do_not_count() {
        let folder = tempfile::tempdir().expect("folder");
        let asks =
            compiler(folder.path(), "test \"$PYTHONHASHSEED $PYTHONPATH$1 $5\" = '0 -s 3' && test $PWD = $4");
        asks.compile(&folder.path().canonicalize().expect("path"), 3).expect("as it is to be");
    }
}
