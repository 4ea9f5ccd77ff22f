//! What can be in a layer.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Context, Result};
use crate::oci::{Digest, Mode, Owner};
use crate::read;

/// One path of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Parts joined by `/`, none empty, without a slash at either end.
    pub path: String,
    /// Directory, file or link, with its content or target.
    pub kind: EntryKind,
    /// Who may do what with it.
    pub mode: Mode,
    /// Whom it belongs to.
    pub owner: Owner,
    /// What a file may do, as the kernel keeps it (`struct vfs_cap_data`, revision 2).
    pub capabilities: Option<[u8; 20]>,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory with this mode and owner, whatever the base has there.
    Directory,
    /// A directory that is only made where the base has none.
    ImpliedDirectory,
    /// A regular file.
    File(Content),
    /// A symbolic link and its target.
    Symlink(String),
    /// A hard link to a file of the same layer that comes before it.
    Hardlink(String),
}

/// The content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// In memory; only for what is small.
    Bytes(Bytes),
    /// On disk. It is hashed again when it is packed, so that a change in between is noticed.
    File {
        /// Where.
        path: PathBuf,
        /// In bytes.
        size: u64,
        /// Of the content.
        digest: Digest,
    },
    /// On disk once somebody needs it.
    Later(Later),
    /// In a zip archive, as a wheel is one. It is checked against its CRC, size and digest when it
    /// is packed.
    Zipped(Arc<Zipped>),
}

/// The content of a file that is made when its bytes are needed: mostly nobody needs them, since a layer with it is
/// known.
#[derive(Clone)]
pub struct Later {
    /// In bytes.
    pub size: u64,
    /// Of the content.
    pub digest: Digest,
    /// Makes it, and says where it is. What is there is held to size and digest.
    pub make: Arc<dyn Fn() -> Result<PathBuf> + Send + Sync>,
}

impl PartialEq for Later {
    fn eq(&self, other: &Self) -> bool {
        (self.size, self.digest) == (other.size, other.digest)
    }
}

impl Eq for Later {}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later").field("size", &self.size).field("digest", &self.digest).finish()
    }
}

/// A file within a zip archive, whose compressed bytes a layer can take as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zipped {
    /// The zip file, which stays where it is until the layer is written.
    pub archive: PathBuf,
    /// The digest of the whole archive: with the offset, it stands for the content.
    pub archive_digest: Digest,
    /// Where the file's data begin in the archive, in bytes: behind the local header.
    pub offset: u64,
    /// How the data are stored.
    pub method: ZipMethod,
    /// Bytes of the data in the archive.
    pub compressed: u64,
    /// Bytes of the content.
    pub size: u64,
    /// The content's CRC-32, as the archive says.
    pub crc32: u32,
    /// The content's digest where something vouches for it (a wheel's RECORD).
    pub digest: Option<Digest>,
}

/// How a zip archive stores a file. Other methods are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZipMethod {
    /// As it is.
    Stored,
    /// One DEFLATE stream (RFC 1951).
    Deflated,
}

impl Content {
    /// The content of a file on disk, hashed now.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of_file(path: &Path) -> Result<Self> {
        let failed = || format!("cannot read {}", path.display());
        let (digest, size) = Digest::of_stream(read::file(path).context(failed)?).context(failed)?;
        Ok(Self::File { path: path.to_owned(), size, digest })
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { size, .. } | Self::Later(Later { size, .. }) => *size,
            Self::Zipped(zipped) => zipped.size,
        }
    }

    /// The digest, where that is known without reading an archive.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Self::Bytes(bytes) => Some(Digest::of(bytes)),
            Self::File { digest, .. } | Self::Later(Later { digest, .. }) => Some(*digest),
            Self::Zipped(_) => None,
        }
    }

    /// What names the content and nothing else: its digest, or where it is in an archive with a
    /// digest.
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::Bytes(bytes) => Digest::of(bytes).hex(),
            Self::File { digest, .. } | Self::Later(Later { digest, .. }) => digest.hex(),
            Self::Zipped(zipped) => format!("{}+{}", zipped.archive_digest.hex(), zipped.offset),
        }
    }
}

impl Entry {
    /// A directory that is stated, whatever the base has there.
    pub fn directory(path: impl Into<String>, mode: Mode, owner: Owner) -> Self {
        Self { path: path.into(), kind: EntryKind::Directory, mode, owner, capabilities: None }
    }

    /// A regular file without capabilities.
    pub fn file(path: impl Into<String>, content: Content, mode: Mode, owner: Owner) -> Self {
        Self { path: path.into(), kind: EntryKind::File(content), mode, owner, capabilities: None }
    }

    /// A symbolic link.
    pub fn symlink(path: impl Into<String>, target: impl Into<String>, owner: Owner) -> Self {
        Self {
            path: path.into(),
            kind: EntryKind::Symlink(target.into()),
            mode: Mode(0o777),
            owner,
            capabilities: None,
        }
    }

    /// Whether it is a directory of either sort.
    pub(super) fn is_directory(&self) -> bool {
        matches!(self.kind, EntryKind::Directory | EntryKind::ImpliedDirectory)
    }
}
