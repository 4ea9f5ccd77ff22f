//! The content of a file, on its way into a layer.

use std::io::{Read, Write};
use std::path::Path;

use super::Content;
use super::unzip::{Unzipper, cannot_write};
use crate::error::{Context, Error, Result};
use crate::event::Task;
use crate::oci::{Digest, Sha256};
use crate::read;

/// How much of a file is read at once.
const CHUNK: usize = 256 * 1024;

/// Writes the content of a file, checked. `name` is for messages.
pub(super) fn content(
    content: &Content,
    name: &str,
    to: &mut dyn Write,
    unzipper: &mut Unzipper,
    task: &Task,
) -> Result<()> {
    match content {
        Content::Bytes(bytes) => to.write_all(bytes).context(cannot_write),
        Content::File { path, size, digest } => copy(path, *size, digest, to, task),
        Content::Later(later) => copy(&(later.make)()?, later.size, &later.digest, to, task),
        Content::Zipped(zipped) => unzipper.copy(zipped, name, to, task),
    }
}

/// Copies a file that must still be what it was when it was hashed.
fn copy(path: &Path, size: u64, digest: &Digest, to: &mut dyn Write, task: &Task) -> Result<()> {
    let failed = || format!("cannot read {}", path.display());
    let changed = || {
        Error::build(format!("{} changed while it was read", path.display()))
            .hint("run again when it is complete")
    };
    let mut file = read::file(path).context(failed)?;
    let mut buffer = vec![0; CHUNK];
    let mut hash = Sha256::new();
    let mut left = size;
    loop {
        let n = file.read(&mut buffer).context(failed)?;
        if n == 0 {
            break;
        }
        left = left.checked_sub(n as u64).ok_or_else(changed)?;
        hash.update(&buffer[..n]);
        to.write_all(&buffer[..n]).context(cannot_write)?;
        task.advance(n as u64);
    }
    if left > 0 || hash.finish() != *digest { Err(changed()) } else { Ok(()) }
}
