//! Standard output, or whatever else an archive is streamed to.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Context, Result};

/// Takes one archive, piece by piece. Clones write to the same.
#[derive(Clone)]
pub struct Stream(Arc<Mutex<dyn Write + Send>>);

impl Stream {
    /// A stream that ends in `to`.
    pub fn new(to: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(to)))
    }

    /// Lets `write` write all of an archive.
    ///
    /// # Errors
    /// Those of `write`, and when nobody reads on.
    pub fn write(&self, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let mut to = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffered = io::BufWriter::with_capacity(1 << 20, &mut *to);
        write(&mut buffered)?;
        buffered.flush().context(|| "cannot write the archive to standard output".into())
    }
}
