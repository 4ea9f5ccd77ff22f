//! The virtual environment that wheels are installed into, as places.

use super::Place;
use crate::error::{Error, Result};
use crate::oci::Owner;
use crate::python::{Name, PythonVersion};

/// The longest first line of a script that every Linux takes whole, in bytes (`BINPRM_BUF_SIZE` before 5.1).
const LONGEST_SHEBANG: usize = 127;

/// A virtual environment in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Venv {
    /// Its folder, as `app/.venv`: parts joined by `/`, without a slash at either end.
    pub prefix: String,
    /// Its Python; only major and minor matter.
    pub python: PythonVersion,
    /// Who owns what is installed: uid and gid.
    pub owner: Owner,
    /// The interpreter that scripts name, as `/app/.venv/bin/python`.
    pub interpreter: String,
}

impl Venv {
    /// Whether it is one that wheels can be installed into.
    ///
    /// # Errors
    /// Usage: the interpreter's path does not fit into the first line of scripts. Bug: other
    /// places that are none.
    pub(super) fn check(&self) -> Result<()> {
        let plain = |path: &str| {
            !path.split('/').any(|part| matches!(part, "" | "." | "..")) && !path.contains(char::is_control)
        };
        if !plain(&self.prefix) || !self.interpreter.strip_prefix('/').is_some_and(plain) {
            return Err(Error::bug(format!(
                "{:?} with {:?} is not a virtual environment",
                self.prefix, self.interpreter
            )));
        }
        if self.interpreter.contains(char::is_whitespace) {
            return Err(Error::usage(format!("scripts cannot name the interpreter {:?}", self.interpreter))
                .hint("choose a folder without spaces for the environment"));
        }
        self.check_line(&self.interpreter)
    }

    /// Refuses a first line that is cut by some Linux. The customary way around it needs a shell,
    /// which not all images have.
    pub(super) fn check_line(&self, line: &str) -> Result<()> {
        if line.len() + "#!".len() <= LONGEST_SHEBANG {
            return Ok(());
        }
        Err(Error::usage(format!("{line} is too long for the first line of a script"))
            .hint("choose a folder with a shorter name for the environment"))
    }

    /// Where modules go.
    pub fn site_packages(&self) -> String {
        format!("{}/lib/python{}/site-packages", self.prefix, self.python.short())
    }

    /// Where a file of the distribution `name` goes.
    pub(super) fn path(&self, place: Place, name: &Name, path: &str) -> String {
        let Self { prefix, python, .. } = self;
        match place {
            Place::SitePackages => format!("{}/{path}", self.site_packages()),
            Place::Scripts => format!("{prefix}/bin/{path}"),
            Place::Headers => format!("{prefix}/include/site/python{}/{name}/{path}", python.short()),
            Place::Prefix => format!("{prefix}/{path}"),
        }
    }

    /// Refuses files that would take the place of the environment's own.
    pub(super) fn check_own(&self, path: &str) -> Result<()> {
        let Some(within) = path.strip_prefix(&self.prefix).and_then(|path| path.strip_prefix('/')) else {
            return Err(Error::bug(format!("/{path} is outside of /{}", self.prefix)));
        };
        let own = match within.strip_prefix("bin/") {
            Some(command) => {
                let version = command.split('/').next().and_then(|command| command.strip_prefix("python"));
                version.is_some_and(|version| {
                    version == "w" || version.chars().all(|c| c.is_ascii_digit() || c == '.')
                })
            }
            // `lib64` is a link to `lib` in environments that Python makes.
            None => within == "bin" || matches!(within.split('/').next(), Some("pyvenv.cfg" | "lib64")),
        };
        if own {
            return Err(Error::integrity(format!(
                "/{path} would overwrite a file of the virtual environment"
            )));
        }
        Ok(())
    }

    /// The path of an installed file as RECORD writes it: relative to the modules' folder.
    pub(super) fn relative(&self, path: &str) -> String {
        let from = self.site_packages();
        let shared = from.split('/').zip(path.split('/')).take_while(|(a, b)| a == b).count();
        let up = from.split('/').skip(shared).map(|_| "..");
        up.chain(path.split('/').skip(shared)).collect::<Vec<_>>().join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::venv;
    use super::*;

    #[test]
    fn record_paths_start_at_the_modules() {
        for (path, relative) in [
            ("lib/python3.13/site-packages/a/b.py", "a/b.py"),
            ("bin/a", "../../../bin/a"),
            ("lib/python3.13/x", "../x"),
            ("lib/python3.13/site-packages2/x", "../site-packages2/x"),
        ] {
            assert_eq!(venv().relative(&format!("app/.venv/{path}")), relative);
        }
    }

    #[test]
    fn files_of_the_environment_are_its_own() {
        for path in [
            "bin/python",
            "bin/python3",
            "bin/python3.13",
            "bin/pythonw",
            "pyvenv.cfg",
            "lib64/x",
            "bin/python/x",
        ] {
            assert!(venv().check_own(&format!("app/.venv/{path}")).is_err(), "{path}");
        }
        for path in ["bin/python-argcomplete", "bin/pythonx", "share/pyvenv.cfg", "lib/x"] {
            assert!(venv().check_own(&format!("app/.venv/{path}")).is_ok(), "{path}");
        }
        assert!(venv().check_own("app/.venvx/a").is_err());
    }

    #[test]
    fn interpreters_that_scripts_cannot_name_are_refused() {
        assert!(venv().check().is_ok());
        let long = format!("/{}", "x".repeat(125));
        for interpreter in ["/a b/python", &long, "bin/python", "/a/../python", "/a\n/python", "/"] {
            let venv = Venv { interpreter: interpreter.to_owned(), ..venv() };
            assert!(venv.check().is_err(), "{interpreter}");
        }
        for prefix in ["/app", "app/", "", "app//x", "app/.."] {
            let venv = Venv { prefix: prefix.to_owned(), ..venv() };
            assert!(venv.check().is_err(), "{prefix}");
        }
    }
}
