//! Names of files that may go into an image.

use crate::error::{Error, Result};

/// What Linux file systems take, in bytes.
const LONGEST_PART: usize = 255;

/// Less than `PATH_MAX`, since the name goes below a folder.
const LONGEST: usize = 3072;

/// Whether `name` is a relative path of plain parts: nothing that leads elsewhere on any
/// system, is read in two ways, or hides in a terminal.
///
/// # Errors
/// Integrity, with the reason.
pub(super) fn check(name: &str) -> Result<()> {
    match fault(name) {
        None => Ok(()),
        // A whiteout (image-spec layer.md) would remove a file of the base.
        Some(fault @ "marks a deletion in images") => Err(Error::usage(format!("the name {name:?} {fault}"))),
        Some(fault) => Err(Error::integrity(format!("the name {name:?} {fault}"))),
    }
}

fn fault(name: &str) -> Option<&'static str> {
    let drive = |part: &str| matches!(part.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    let mut parts = name.split('/');
    let fault = match () {
        () if name.is_empty() => "is empty",
        () if name.starts_with('/') => "is absolute",
        () if name.contains('\\') => "has a backslash",
        () if name.chars().any(char::is_control) => "has control characters",
        () if drive(name) => "names a drive",
        () if name.len() > LONGEST || name.split('/').any(|part| part.len() > LONGEST_PART) => "is too long",
        () if parts.clone().any(|part| part == "..") => "leads out of its folder",
        () if parts.clone().any(|part| matches!(part, "" | ".")) => "has empty parts",
        () if parts.any(|part| part.starts_with(".wh.")) => "marks a deletion in images",
        () => return None,
    };
    Some(fault)
}
