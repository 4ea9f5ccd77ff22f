//! Programs as they go into images, where that is not what cargo has left. What cargo has made stays as it is: it would
//! take a changed program for its own.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::cargo::audit;
use crate::cargo::crates::Crate;
use crate::error::{Context, Result};
use crate::store::scratch;

/// Copies of programs, in a folder that goes with it.
pub(super) struct Copies {
    folder: TempDir,
    count: usize,
}

impl Copies {
    /// None yet.
    ///
    /// # Errors
    /// When there is no room for them.
    pub(super) fn new() -> Result<Self> {
        Ok(Self { folder: scratch::folder()?, count: 0 })
    }

    /// The program with the list of its crates; `None` where it has one already, or cannot have one.
    ///
    /// # Errors
    /// When it cannot be read, or written.
    pub(super) fn add(&mut self, program: &Path, crates: &[Crate]) -> Result<Option<PathBuf>> {
        let content = audit::content(crates)?;
        let to = self.place(program)?;
        Ok(audit::add(program, &to, &content)?.then_some(to))
    }

    /// The program as it is, in a place where nothing changes it.
    ///
    /// # Errors
    /// When it cannot be read, or written.
    pub(super) fn copy(&mut self, program: &Path) -> Result<PathBuf> {
        let to = self.place(program)?;
        std::fs::copy(program, &to).context(|| format!("cannot copy {}", program.display()))?;
        Ok(to)
    }

    fn place(&mut self, program: &Path) -> Result<PathBuf> {
        let folder = self.folder.path().join(self.count.to_string());
        self.count += 1;
        std::fs::create_dir(&folder).context(scratch::failed)?;
        Ok(folder.join(program.file_name().unwrap_or(Path::new("program").as_os_str())))
    }
}
