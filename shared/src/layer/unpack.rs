//! Entries as files of a folder, for programs that need to see them.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::unzip::Unzipper;
use super::{Content, Entry, EntryKind};
use crate::error::{Context, Result};
use crate::event::{Events, Motion, Outcome};
use crate::read;
use crate::store::scratch::{self, Written};

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// Writes the files among `entries` below the folder `root`, which stands for the image's root.
/// Their paths are taken as they are: they must be ones that a layer may have. Modes, owners and
/// links do not count.
///
/// # Errors
/// When one cannot be read or written, or is not what it should be.
pub fn unpack<'a>(entries: impl IntoIterator<Item = &'a Entry>, root: &Path) -> Result<()> {
    let mut unzipper = Unzipper::new(CHUNK)?;
    let task = Events::silent().start(Motion::Layer, "unpack", None);
    for entry in entries {
        let EntryKind::File(content) = &entry.kind else { continue };
        let path = root.join(&entry.path);
        let failed = || format!("cannot write {}", path.display());
        std::fs::create_dir_all(path.parent().unwrap_or(root)).map_err(scratch::refused)?;
        let mut file = Written::new(File::create(&path).map_err(scratch::refused)?);
        let copied = match content {
            Content::Bytes(bytes) => file.write_all(bytes).context(failed),
            Content::File { path: from, .. } => copy(from, &mut file).context(failed),
            Content::Later(later) => copy(&(later.make)()?, &mut file).context(failed),
            Content::Zipped(zipped) => unzipper.copy(zipped, &entry.path, &mut file, &task),
        };
        copied.map_err(|error| file.failure().unwrap_or(error))?;
    }
    task.end(Outcome::Done);
    Ok(())
}

fn copy(from: &Path, to: &mut impl Write) -> std::io::Result<()> {
    std::io::copy(&mut read::file(from)?, to).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Mode, Owner};

    #[test]
    fn files_are_written_where_they_are_in_the_image() {
        let root = tempfile::tempdir().expect("folder");
        std::fs::write(root.path().join("x"), "on disk").expect("a file");
        let entries = [
            Entry::directory("empty", Mode(0o755), Owner::ROOT),
            Entry::file("a/b/c", Content::Bytes("in memory".into()), Mode(0o644), Owner::ROOT),
            Entry::file(
                "a/d",
                Content::of_file(&root.path().join("x")).expect("content"),
                Mode(0o600),
                Owner { uid: 1, gid: 1 },
            ),
            Entry::symlink("a/link", "d", Owner::ROOT),
        ];
        let to = root.path().join("to");
        unpack(&entries, &to).expect("unpacked");
        let read = |path: &str| std::fs::read_to_string(to.join(path)).expect(path);
        assert_eq!((read("a/b/c"), read("a/d")), ("in memory".into(), "on disk".into()));
        assert!(!to.join("a/link").exists() && !to.join("empty").exists());
    }
}
