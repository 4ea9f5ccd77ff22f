//! Which CPython compiles bytecode: one of exactly the image's version, the base's own where it runs here.

use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;

use super::builds::Tools;
use super::lent::{Lender, Lent};
use crate::error::{Context, Error, Kind, Result};
use crate::facts::python::find_python;
use crate::process::Program;
use crate::python::PythonVersion;
use crate::store::scratch;
use crate::story::native::this_machine;
use crate::story::parallel::in_parallel;
use crate::story::workshop::{Base, BaseWish, Workshop};

/// Compiles the modules below a folder whose names come on standard input, as `py_compile` does. What does not
/// compile (templates, syntax of other versions) is left as it is, as installers do. Not `compileall`, whose
/// processes the base's interpreter could not start: its loader has to.
///
/// What a module compiles to depends on which of its names the interpreter has interned, for what it has loaded
/// or compiled before: whether functions share a constant set, and how qualified names are written. So each is compiled
/// a second time, while what the first time made keeps all of them interned.
const COMPILE: &str = "\
import sys
sys.path[:] = filter(None, sys.path)
import importlib.util, marshal, os

def compiled(source, name):
    return compile(source, '/' + name, 'exec', dont_inherit=True, optimize=-1)

unchecked = importlib.util.MAGIC_NUMBER + bytes([1, 0, 0, 0])
for name in map(os.fsdecode, sys.stdin.buffer.read().split(bytes(1))):
    try:
        path = os.path.join(sys.argv[1], name)
        with open(path, 'rb') as file:
            source = file.read()
        first = compiled(source, name)
        code = compiled(source, name)
        bytecode = unchecked + importlib.util.source_hash(source) + marshal.dumps(code)
    except Exception:
        continue
    cache = importlib.util.cache_from_source(path)
    os.makedirs(os.path.dirname(cache), exist_ok=True)
    with open(cache, 'wb') as file:
        file.write(bytecode)";

/// What would lead the compiler to other modules, or to other bytecode.
const NOT_FOR_COMPILING: [&str; 6] =
    ["PYTHONPATH", "PYTHONHOME", "PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONINSPECT", "PYTHONPLATLIBDIR"];

/// What compiles for an image; it is looked for when something is to be compiled.
pub(in crate::story) struct Compiler<'a> {
    pub(super) workshop: Workshop<'a>,
    pub(super) runtime: Handle,
    pub(super) tools: &'a Tools,
    /// The image's base.
    pub(super) base: &'a Base,
    pub(super) wish: BaseWish,
    /// Where the image's interpreter is.
    pub(super) path: &'a str,
    /// Its full version, which the bytecode depends on.
    pub(super) version: PythonVersion,
    /// The Python of this machine that is the image's.
    pub(super) bundled: Option<&'a Path>,
    pub(super) found: Mutex<Option<Arc<Interpreter>>>,
}

/// A CPython that compiles.
pub(super) enum Interpreter {
    /// A base's.
    Lent(Lent),
    /// A program of this machine.
    Here(PathBuf),
}

impl Compiler<'_> {
    /// Compiles the `modules` below `root`, which stands for the image's root, by so many processes.
    ///
    /// # Errors
    /// Usage: nothing that may compile runs on this machine. Build: it failed.
    pub(super) fn compile(&self, root: &Path, modules: &[&str], jobs: usize) -> Result<()> {
        let interpreter = self.interpreter()?;
        interpreter.compile(root, modules, jobs)
    }

    fn interpreter(&self) -> Result<Arc<Interpreter>> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = &*found {
            return Ok(Arc::clone(found));
        }
        let new = Arc::new(self.find()?);
        *found = Some(Arc::clone(&new));
        Ok(new)
    }

    fn find(&self) -> Result<Interpreter> {
        if let Some(bundled) = self.bundled {
            return Ok(Interpreter::Here(bundled.to_owned()));
        }
        let why = match self.lent() {
            Ok(lent) => return Ok(Interpreter::Lent(lent)),
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => error,
        };
        tracing::debug!(?why, "the base's interpreter is not used");
        let version = self.version;
        self.tools.exactly(version).map(Interpreter::Here).ok_or_else(|| {
            let error = Error::usage(format!(
                "bytecode for Python {version} needs the interpreter of the base, or a CPython {version} on this machine"
            ));
            let error = error.because(why);
            error.hint(format!("install it (`uv python install {version}`), or leave out bytecode"))
        })
    }

    /// The interpreter of the base, or of the same base for this machine: bytecode does not depend on the platform.
    fn lent(&self) -> Result<Lent> {
        let machine = this_machine().filter(|_| cfg!(target_os = "linux"));
        let machine = machine.ok_or_else(|| Error::build("Linux programs do not run on this machine"))?;
        let Self { workshop, runtime, base, path, version, .. } = self;
        let (workshop, version) = (*workshop, *version);
        if self.wish.platform.architecture == machine.architecture {
            let Base { image, contents, .. } = base;
            return Lender { workshop, runtime, image, contents, path, version }.lend();
        }
        let name = &self.wish.name;
        let wish = BaseWish { platform: machine, ..self.wish.clone() };
        let open = async { workshop.with_packages(workshop.base(&wish).await?, &wish).await };
        let opened = runtime.block_on(open);
        let base =
            opened.context(|| format!("the interpreter of {name} for {} is not there", wish.platform))?;
        let found = find_python(&base.contents, &base.image.config);
        let found = found
            .filter(|found| found.version == version)
            .ok_or_else(|| Error::build(format!("{name} for {} has no Python {version}", wish.platform)))?;
        let Base { image, contents, .. } = &base;
        Lender { workshop, runtime, image, contents, path: &found.path, version }.lend()
    }
}

impl Interpreter {
    fn compile(&self, root: &Path, modules: &[&str], jobs: usize) -> Result<()> {
        let shares = jobs.clamp(1, modules.len().max(1));
        // What a module compiles to does not depend on its share.
        let shares: Vec<Vec<&str>> =
            (0..shares).map(|first| modules.iter().copied().skip(first).step_by(shares).collect()).collect();
        in_parallel(shares.len(), &shares, |share| self.run(root, share)).map(drop)
    }

    fn run(&self, root: &Path, modules: &[&str]) -> Result<()> {
        let failed = || format!("cannot compile bytecode with {}", self.shown());
        let mut list = tempfile::tempfile().map_err(scratch::refused)?;
        let written = list.write_all(modules.join("\0").as_bytes()).and_then(|()| list.rewind());
        written.map_err(scratch::refused)?;
        let mut command = match self {
            Self::Lent(lent) => lent.command(),
            Self::Here(program) => {
                let mut command = Command::new(program);
                // Instead of `-I`, which would ignore the seed as well.
                for name in NOT_FOR_COMPILING {
                    command.env_remove(name);
                }
                command
            }
        };
        // The order of sets is the order of hashes.
        command.env("PYTHONHASHSEED", "0").current_dir(root);
        command.args(["-s", "-S", "-B", "-c", COMPILE]).arg(root);
        let done = Program::new(command).stdin(Stdio::from(list)).output().context(failed)?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr);
        let why =
            said.lines().last().map_or_else(|| format!("it failed with {}", done.status), str::to_owned);
        Err(Error::build(failed()).because(why))
    }

    fn shown(&self) -> String {
        match self {
            Self::Lent(_) => "the base's interpreter".to_owned(),
            Self::Here(program) => program.display().to_string(),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use containerize_tests::fixture::script as write_script;

    use super::*;

    fn here(folder: &Path, script: &str) -> Interpreter {
        let program = folder.join("python3.13");
        write_script(&program, &format!("#!/bin/sh\n{script}\n"));
        Interpreter::Here(program)
    }

    #[test]
    fn a_compiler_that_ends_early_is_an_error_with_its_last_words() {
        let folder = tempfile::tempdir().expect("folder");
        let broken = here(folder.path(), "echo Traceback >&2; echo 'A process was killed' >&2; exit 1");
        let error = broken.compile(folder.path(), &["a.py"], 2).expect_err("refused");
        assert_eq!(error.kind(), Kind::Build);
        assert!(error.to_string().starts_with("cannot compile bytecode with /"), "{error}");
        assert!(format!("{error:?}").contains("A process was killed"), "{error:?}");
        let silent = here(folder.path(), "exit 9").compile(folder.path(), &["a.py"], 2).expect_err("refused");
        assert!(format!("{silent:?}").contains("9"), "{silent:?}");
    }

    #[test]
    fn the_seed_of_hashes_is_fixed_and_the_users_settings_do_not_count() {
        let folder = tempfile::tempdir().expect("folder");
        let asks = here(
            folder.path(),
            "test \"$PYTHONHASHSEED $PYTHONPATH$1 $2 $3 $(tr '\\0' '|')\" = '0 -s -S -B a.py|b.py' && test $PWD = $6",
        );
        let root = folder.path().canonicalize().expect("path");
        asks.compile(&root, &["a.py", "b.py"], 1).expect("as it is to be");
    }

    #[test]
    fn bytecode_does_not_depend_on_what_was_compiled_before() {
        let Some(python) =
            ["/usr/bin/python3", "/usr/local/bin/python3"].iter().find(|p| Path::new(p).is_file())
        else {
            return;
        };
        let folder = tempfile::tempdir().expect("folder");
        let root = folder.path().canonicalize().expect("path");
        let sets = "def f(x):\n    return x in {'one', 'two'}\ndef g(x):\n    return x in {'one', 'two'}\n";
        let names = "x = {'one': 1}\ndef one(): pass\ndef two(): pass\n";
        for (name, text) in [("sets.py", sets), ("names.py", names), ("broken.py", "def (\n")] {
            std::fs::write(root.join(name), text).expect("written");
        }
        let compiled = |modules: &[&str]| {
            Interpreter::Here(python.into()).compile(&root, modules, 1).expect("compiled");
            let made = std::fs::read_dir(root.join("__pycache__")).expect("a folder").flatten();
            let of = made.map(|entry| entry.path()).find(|p| p.display().to_string().contains("sets."));
            std::fs::read(of.expect("bytecode")).expect("bytes")
        };
        let alone = compiled(&["sets.py"]);
        assert_eq!(alone[4..8], [1, 0, 0, 0], "by hash, and believed");
        assert_eq!(alone, compiled(&["broken.py", "names.py", "sets.py"]));
    }

    #[test]
    fn each_module_is_in_one_share() {
        let folder = tempfile::tempdir().expect("folder");
        let root = folder.path().canonicalize().expect("path");
        let tells = here(&root, "printf '%s\\n' \"$(tr '\\0' '\\n')\" >> seen");
        let names: Vec<String> = (0..7).map(|number| format!("m{number}.py")).collect();
        let modules: Vec<&str> = names.iter().map(String::as_str).collect();
        tells.compile(&root, &modules, 3).expect("compiled");
        let seen = std::fs::read_to_string(root.join("seen")).expect("told");
        let mut seen: Vec<&str> = seen.lines().collect();
        seen.sort_unstable();
        assert_eq!(seen, modules);
    }
}
