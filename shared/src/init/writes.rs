//! Whether a program writes to its own folder, as far as its source tells.

use super::project::{Kind, Project};
use crate::python::{SourceKind, SourceOptions, sources};
use crate::read;

/// What programs in Python write with.
const WRITING: &[&str] = &[
    "sqlite",
    "makedirs(",
    ".mkdir(",
    "FileHandler(",
    "\"w\"",
    "'w'",
    "\"wb\"",
    "'wb'",
    "\"a\"",
    "'a'",
    "write_text(",
    "write_bytes(",
    "shelve.",
    "diskcache",
    "UPLOAD_FOLDER",
    "MEDIA_ROOT",
];
/// Crates that keep a database in a file.
const CRATES: &[&str] = &["libsqlite3-sys", "sled", "redb", "rocksdb", "heed", "fjall"];
/// As much source is looked at, in bytes.
const MOST: u64 = 32 << 20;

/// Whether something in the source, or in the lock, writes files.
pub(super) fn writes(project: &Project) -> bool {
    if matches!(project.kind, Kind::Rust(_)) {
        let lock = project.text("Cargo.lock").unwrap_or_default();
        return CRATES.iter().any(|name| lock.contains(&format!("\nname = \"{name}\"\n")));
    }
    let files = sources(&project.dir, &SourceOptions::default()).map(|set| set.files).unwrap_or_default();
    let mut rest = MOST;
    files.into_iter().filter(|file| file.to.ends_with(".py")).any(|file| {
        let SourceKind::File { size } = file.kind else { return false };
        let Some(left) = rest.checked_sub(size) else { return false };
        rest = left;
        let text = read::text(&file.from, read::DOCUMENT).unwrap_or_default();
        WRITING.iter().any(|word| text.contains(word))
    })
}
