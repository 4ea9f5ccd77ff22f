//! Programs that say which crates they were built from. What cargo has made stays as it is: cargo would
//! take a changed program for its own.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::cargo::audit;
use crate::cargo::build::Executable;
use crate::cargo::crates::Crate;
use crate::error::{Context, Result};
use crate::store::scratch;

/// Programs with the list of their crates, in a folder that goes with it.
pub(super) struct Audited {
    folder: TempDir,
    count: usize,
}

impl Audited {
    /// None yet.
    ///
    /// # Errors
    /// When there is no room for them.
    pub(super) fn new() -> Result<Self> {
        Ok(Self { folder: scratch::folder()?, count: 0 })
    }

    /// The program with its list; `None` where it has one already, or cannot have one.
    ///
    /// # Errors
    /// When it cannot be read, or written.
    pub(super) fn add(&mut self, program: &Executable, crates: &[Crate]) -> Result<Option<PathBuf>> {
        let content = audit::content(crates)?;
        let folder = self.folder.path().join(self.count.to_string());
        self.count += 1;
        std::fs::create_dir(&folder).context(scratch::failed)?;
        let name = program.path.file_name().unwrap_or(Path::new("program").as_os_str());
        let to = folder.join(name);
        Ok(audit::add(&program.path, &to, &content)?.then_some(to))
    }
}
