//! Targets: an OCI layout, archives, a registry, a local daemon.

mod archive;
mod attach;
mod cluster;
mod daemon;
mod layout;
mod output;
mod registry;
mod signatures;
mod stream;

use std::io::{self, Read, Write};
use std::path::Path;

use tempfile::NamedTempFile;

pub use archive::{docker_archive, oci_archive, write_file};
pub use cluster::{Cluster, Local};
pub(crate) use daemon::has_loaded;
pub use daemon::{Daemon, Loader};
pub(crate) use layout::check_folder;
pub use layout::write_layout;
pub use output::Output;
pub(crate) use registry::has_taken;
pub use registry::{Asked, ask, localize, push};
pub use stream::Stream;

use crate::error::{Context, Error, Result};
use crate::interrupt;
use crate::oci::HashingReader;
use crate::store::replace::{self, Over};
use crate::store::{Blob, Source, make_readable};

/// The annotation that names an image in a layout (image-spec `annotations.md`).
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Gives a complete temporary file its name and usual permissions.
fn persist(file: NamedTempFile, path: &Path, over: Over) -> io::Result<()> {
    file.as_file().sync_all()?;
    interrupt::check_io()?;
    make_readable(&file)?;
    replace::persist(file, path, over).map_err(|(error, _)| error)
}

/// Copies a blob's bytes to `to`, checking digest and size in passing.
fn copy_blob(blob: &Blob, to: &mut impl Write) -> Result<()> {
    let expected = &blob.descriptor;
    let mut reader = HashingReader::new(blob.open()?);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = reader.read(&mut buffer).context(|| format!("cannot read {}", expected.digest))?;
        if n == 0 {
            break;
        }
        to.write_all(&buffer[..n]).map_err(|e| Error::build("cannot write the image").because(e))?;
    }
    let (digest, size) = reader.finish();
    if digest != expected.digest || size != expected.size {
        return Err(Error::integrity(format!("expected {}, read {digest} ({size} bytes)", expected.digest))
            .hint(match &blob.source {
                Source::File(path) => format!("{} is damaged; make or fetch it again", path.display()),
                _ => "run again".into(),
            }));
    }
    Ok(())
}
