//! Layers: ordered entries, written as tar, compressed, and kept in the store under their digest.
//!
//! This is the only place that writes layers. What their bytes look like is a contract
//! (`ARCHITECTURE.md`, "The contract"): the same entries give the same digest anywhere.
//!
//! The reasons are in `docs/design/contract.md`.

mod collect;
mod compress;
mod content;
mod entry;
mod gzip;
mod header;
#[expect(unsafe_code, reason = "zlib's C interface, the only one that tells bit positions")]
mod inflate;
mod keyed;
mod name;
mod press;
mod resolve;
mod splice;
mod unpack;
mod unzip;
mod write;

pub(crate) use collect::check_globs;
pub use collect::{collect, has_capability};
pub use entry::{Content, Entry, EntryKind, Later, ZipMethod, Zipped};
pub use keyed::Head;
pub use press::Press;
pub use resolve::tree_after;
pub use unpack::unpack;

use crate::oci::media_type::{Compression, Format};
use crate::oci::{Digest, Owner};
use crate::store::Blob;

/// The version of the contract. A change of what any layer looks like is a new version, and
/// goes into the changelog.
pub const CONTRACT: u32 = 1;

/// The time of everything in a layer: 1980-01-01T00:00:00Z, the earliest that zip files know.
pub const MTIME: u64 = 315_532_800;

/// What a layer is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// A name for people.
    pub title: String,
    /// The entries, in any order.
    pub entries: Vec<Entry>,
    /// Owner of parent directories that are not stated and not in the base: uid and gid.
    pub owner: Owner,
    /// How it is compressed.
    pub compression: Compression,
    /// The family of its media type.
    pub format: Format,
}

/// A finished layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// The compressed bytes, in the store.
    pub blob: Blob,
    /// The digest of the uncompressed bytes.
    pub diff_id: Digest,
    /// A name for people.
    pub title: String,
    /// Whether it was written now, and not found in the store.
    pub fresh: bool,
}

impl Layer {
    /// Whether both have the same bytes, wherever these are.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.diff_id, self.blob.descriptor.digest) == (other.diff_id, other.blob.descriptor.digest)
    }
}
