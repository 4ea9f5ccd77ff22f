//! Handing files over to kubectl, which takes the place of this program.

use std::ffi::OsString;
use std::io::{Seek as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use containerize_core::store::scratch;
use containerize_core::{Error, Result};

use crate::handover;

/// A call of kubectl, known before anything is built for it.
pub(crate) struct Kubectl {
    program: PathBuf,
    verb: &'static str,
    arguments: Vec<OsString>,
}

impl Kubectl {
    /// One that does this with files.
    ///
    /// # Errors
    /// Usage: it is not there.
    pub(crate) fn to(verb: &'static str, arguments: &[OsString]) -> Result<Self> {
        let program = handover::find("kubectl").ok_or_else(|| {
            Error::usage("kubectl is not on PATH")
                .hint("install kubectl, or use `containerize resolve` and take its output elsewhere")
        })?;
        Ok(Self { program, verb, arguments: arguments.to_vec() })
    }

    /// Gives it the files, and ends as it does.
    ///
    /// # Errors
    /// When it cannot be started, or the files cannot be kept for it.
    pub(crate) fn run(&self, files: &str) -> Result<ExitCode> {
        // Seen by nobody else, and gone when it has been read.
        let mut input = tempfile::tempfile().map_err(scratch::refused)?;
        input.write_all(files.as_bytes()).and_then(|()| input.rewind()).map_err(scratch::refused)?;
        let mut kubectl = Command::new(&self.program);
        kubectl.arg(self.verb).args(&self.arguments).args(["-f", "-"]).stdin(input);
        handover::to(&mut kubectl).map_err(|error| {
            Error::usage(format!("{} cannot be started", self.program.display())).because(error)
        })
    }
}
