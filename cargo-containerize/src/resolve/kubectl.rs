//! Handing files over to kubectl.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, ExitCode, Stdio};

use containerize_core::system::programs;
use containerize_core::{Error, Result};

/// Where kubectl is, known before anything is built for it.
pub(crate) struct Kubectl {
    verb: &'static str,
    arguments: Vec<OsString>,
}

impl Kubectl {
    /// One that does this with files.
    ///
    /// # Errors
    /// Usage: it is not there.
    pub(crate) fn to(verb: &'static str, arguments: &[OsString]) -> Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        if programs::find("kubectl", programs::folders(&path)).is_none() {
            return Err(Error::usage("kubectl is not on PATH")
                .hint("install kubectl, or use `containerize resolve` and take its output elsewhere"));
        }
        Ok(Self { verb, arguments: arguments.to_vec() })
    }

    /// Gives it the files, and ends as it does.
    ///
    /// # Errors
    /// When it cannot be started, or does not read.
    pub(crate) fn run(&self, files: &str) -> Result<ExitCode> {
        let failed = |error| Error::build(format!("cannot run kubectl {}", self.verb)).because(error);
        let mut kubectl = Command::new("kubectl")
            .arg(self.verb)
            .args(&self.arguments)
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut stdin) = kubectl.stdin.take() {
            // It may end before it has read all: then its exit code says why.
            let _ = stdin.write_all(files.as_bytes());
        }
        let code = kubectl.wait().map_err(failed)?.code().and_then(|code| u8::try_from(code).ok());
        Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
    }
}
