//! A CPython of this machine that is to be bundled into an image: where its parts are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use super::PythonVersion;
use crate::error::{Error, Result};
use crate::process::Program;

/// How long an interpreter may take to say where its parts are.
const PATIENCE: Duration = Duration::from_secs(30);

/// The library is the one that is really loaded: some builds ship one that nothing needs.
const QUESTION: &str = "\
import json, os, sys, sysconfig
base = {'base': sys.base_prefix, 'platbase': sys.base_exec_prefix}
folders = {sysconfig.get_path(name, vars=base) for name in ('stdlib', 'platstdlib')}
with open('/proc/self/maps') as maps:
    loaded = {line.split(None, 5)[5].strip() for line in maps if 'libpython' in line}
print(json.dumps({'implementation': sys.implementation.name, 'version': list(sys.version_info[:3]),
    'flags': sys.abiflags, 'platform': sysconfig.get_platform(), 'prefix': os.path.realpath(sys.base_prefix),
    'executable': os.path.realpath(sys.executable), 'folders': sorted(map(os.path.realpath, folders)),
    'libraries': sorted(loaded)}))";

/// The parts of a CPython of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundledPython {
    /// Its full version.
    pub version: PythonVersion,
    /// The machine in the words of Linux, as `x86_64`.
    pub machine: String,
    /// Where it is installed: all parts but the executable are below it.
    pub prefix: PathBuf,
    /// The program itself.
    pub executable: PathBuf,
    /// The folders of the standard library, as they are below `prefix`: `lib/python3.13`.
    pub folders: Vec<PathBuf>,
    /// The shared libraries of Python that the program loads.
    pub libraries: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Answer {
    implementation: String,
    version: (u32, u32, u32),
    flags: String,
    platform: String,
    prefix: PathBuf,
    executable: PathBuf,
    folders: Vec<PathBuf>,
    libraries: Vec<PathBuf>,
}

impl BundledPython {
    /// Asks the interpreter below `prefix` (absolute) for its parts. `bin/python3` is run there, in an
    /// environment of these variables.
    ///
    /// # Errors
    /// Usage: there is none, it does not work, or it is none that wheels are made for.
    pub fn ask(prefix: &Path, variables: &BTreeMap<String, String>) -> Result<Self> {
        let program = prefix.join("bin/python3");
        let wrong = |why: String| {
            Error::usage(format!("{} has no Python to bundle", prefix.display())).because(why).hint(
                "give the folder that has bin/python3, for example python = { prefix = \"/usr/local\" }",
            )
        };
        if !program.is_file() {
            return Err(wrong(format!("{} does not exist", program.display())));
        }
        let mut command = Command::new(&program);
        command.args(["-I", "-c", QUESTION]).env_clear().envs(variables);
        let text = Program::new(command).answer(PATIENCE).map_err(wrong)?;
        let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let answer: Answer = serde_json::from_str(line)
            .map_err(|error| wrong(format!("cannot identify {}: {error}", program.display())))?;
        Self::from_answer(answer).map_err(|why| wrong(format!("{} {why}", program.display())))
    }

    fn from_answer(answer: Answer) -> Result<Self, String> {
        let Answer { implementation, version, flags, platform, prefix, executable, folders, libraries } =
            answer;
        if implementation != "cpython" {
            return Err(format!("is {implementation}, but wheels are chosen for CPython"));
        }
        if flags.contains('t') {
            return Err("is free-threaded, but wheels are chosen for the ordinary CPython".into());
        }
        let machine = platform
            .strip_prefix("linux-")
            .ok_or_else(|| format!("is for {platform}, but images are for Linux"))?;
        let below = |folder: PathBuf| match folder.strip_prefix(&prefix) {
            Ok(relative) => Ok(relative.to_owned()),
            Err(_) => Err(format!("has its library in {}, outside {}", folder.display(), prefix.display())),
        };
        Ok(Self {
            version: version.into(),
            machine: machine.replace(['-', '.'], "_"),
            folders: folders.into_iter().map(below).collect::<Result<_, _>>()?,
            prefix,
            executable,
            libraries,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(change: impl Fn(&mut serde_json::Value)) -> Result<BundledPython, String> {
        let mut value = serde_json::json!({
            "implementation": "cpython", "version": [3, 12, 1], "flags": "", "platform": "linux-x86_64",
            "prefix": "/opt/py", "executable": "/opt/py/bin/python3.12", "folders": ["/opt/py/lib/python3.12"],
            "libraries": ["/opt/py/lib/libpython3.12.so.1.0"],
        });
        change(&mut value);
        BundledPython::from_answer(serde_json::from_value(value).expect("an answer"))
    }

    #[test]
    fn folders_are_told_below_the_prefix() {
        let found = answer(|_| ()).expect("fine");
        assert_eq!(found.folders, [PathBuf::from("lib/python3.12")]);
        assert_eq!((found.machine.as_str(), found.version.short().as_str()), ("x86_64", "3.12"));
    }

    #[test]
    fn what_wheels_do_not_fit_is_refused() {
        for (key, value, words) in [
            ("implementation", "pypy", "is pypy"),
            ("flags", "t", "free-threaded"),
            ("platform", "macosx-14.0-arm64", "images are for Linux"),
            ("prefix", "/usr", "outside /usr"),
        ] {
            let error = answer(|answer| answer[key] = value.into()).expect_err("refused");
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_folder_without_an_interpreter_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let error = BundledPython::ask(folder.path(), &BTreeMap::new()).expect_err("refused");
        assert!(error.to_string().contains("has no Python to bundle"), "{error}");
        assert!(error.causes().concat().contains("bin/python3"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_interpreter_of_this_machine_tells_its_parts() {
        let found = ["/usr/local", "/usr"]
            .iter()
            .find_map(|prefix| BundledPython::ask(Path::new(prefix), &BTreeMap::new()).ok());
        let Some(found) = found else { return };
        assert!(found.executable.is_file());
        assert!(found.folders.iter().any(|folder| found.prefix.join(folder).join("os.py").is_file()));
    }
}
