//! The end of a zip archive, which says where its directory is (APPNOTE 4.3.14 to 4.3.16).

use std::io::{Read, Seek, SeekFrom};

use super::fields::{Fields, exactly};
use crate::error::{Context, Error, Result};

const SIGNATURE: &[u8; 4] = b"PK\x05\x06";
const LENGTH: u64 = 22;
const LOCATOR_SIGNATURE: u32 = 0x0706_4b50;
const LOCATOR_LENGTH: u64 = 20;
const RECORD_SIGNATURE: u32 = 0x0606_4b50;
const RECORD_LENGTH: u64 = 56;

/// The largest directory that is read, in bytes, and the most entries: five times what the largest
/// wheels have.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
const MOST_ENTRIES: u64 = 250_000;

/// Where the central directory is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Directory {
    /// Of its first byte.
    pub(super) offset: u64,
    /// In bytes.
    pub(super) size: u64,
    /// Its number of entries.
    pub(super) entries: u64,
}

/// Finds the directory of an archive of `length` bytes.
pub(super) fn find(file: &mut (impl Read + Seek), length: u64) -> Result<Directory> {
    let at = end_record(file, length)?;
    let record = bytes_at(file, at, LENGTH)?;
    let mut fields = Fields(&record[4..]);
    let disks = [fields.u16()?, fields.u16()?];
    let entries = [fields.u16()?, fields.u16()?];
    let (size, offset) = (fields.u32()?, fields.u32()?);
    let narrow = Directory { offset: offset.into(), size: size.into(), entries: entries[1].into() };
    let (directory, end) = match locator(file, at)? {
        Some(record_at) => (wide(file, record_at, at, &narrow)?, record_at),
        None => (narrow, at),
    };
    if disks != [0, 0] && disks != [u16::MAX, u16::MAX] || entries[0] != entries[1] {
        return Err(Error::usage("the archive is split over several disks"));
    }
    if directory.offset.checked_add(directory.size) != Some(end) {
        return Err(Error::integrity("the archive's directory does not end where it should"));
    }
    if directory.size > MOST_BYTES || directory.entries > MOST_ENTRIES {
        return Err(Error::usage(format!(
            "the archive has {} entries in {} bytes of directory; the limits are {MOST_ENTRIES} and {MOST_BYTES}",
            directory.entries, directory.size
        )));
    }
    Ok(directory)
}

/// Where the end record is: the last signature of the file, with nothing but its own comment
/// behind it.
fn end_record(file: &mut (impl Read + Seek), length: u64) -> Result<u64> {
    let none = || Error::integrity("it is not a zip archive, or its end is missing");
    let tail_length = length.min(LENGTH + u64::from(u16::MAX));
    let start = length - tail_length;
    let tail = bytes_at(file, start, tail_length)?;
    let at = tail.windows(SIGNATURE.len()).rposition(|window| window == SIGNATURE).ok_or_else(none)?;
    let mut record = Fields(&tail[at..]);
    record.bytes(20).map_err(|_| none())?;
    let comment = usize::from(record.u16().map_err(|_| none())?);
    // Another end within the comment would be the one that other readers find.
    if record.0.len() != comment {
        return Err(Error::integrity("the archive does not end where its end record says"));
    }
    Ok(start + at as u64)
}

/// Where the zip64 end record is, if there is one.
fn locator(file: &mut (impl Read + Seek), end: u64) -> Result<Option<u64>> {
    let Some(at) = end.checked_sub(LOCATOR_LENGTH) else { return Ok(None) };
    let locator = bytes_at(file, at, LOCATOR_LENGTH)?;
    let mut fields = Fields(&locator);
    if fields.u32()? != LOCATOR_SIGNATURE {
        return Ok(None);
    }
    let (disk, record_at, disks) = (fields.u32()?, fields.u64()?, fields.u32()?);
    if disk != 0 || disks > 1 {
        return Err(Error::usage("the archive is split over several disks"));
    }
    if record_at.checked_add(RECORD_LENGTH) != Some(at) {
        return Err(Error::integrity("the archive's 64-bit end record is not where it says"));
    }
    Ok(Some(record_at))
}

/// The directory as the zip64 end record says, which must not contradict the narrow one.
fn wide(file: &mut (impl Read + Seek), at: u64, end: u64, narrow: &Directory) -> Result<Directory> {
    let record = bytes_at(file, at, RECORD_LENGTH)?;
    let mut fields = Fields(&record);
    fields.signature(RECORD_SIGNATURE, "64-bit end record")?;
    let length = fields.u64()?;
    fields.bytes(4)?;
    let disks = [fields.u32()?, fields.u32()?];
    let entries = [fields.u64()?, fields.u64()?];
    let directory = Directory { entries: entries[1], size: fields.u64()?, offset: fields.u64()? };
    let agree = |narrow: u64, mask: u64, wide: u64| narrow == mask || narrow == wide;
    let good = length == RECORD_LENGTH - 12
        && at < end
        && disks == [0, 0]
        && entries[0] == entries[1]
        && agree(narrow.entries, u16::MAX.into(), directory.entries)
        && agree(narrow.size, u32::MAX.into(), directory.size)
        && agree(narrow.offset, u32::MAX.into(), directory.offset);
    if good {
        Ok(directory)
    } else {
        Err(Error::integrity("the archive's two end records contradict each other"))
    }
}

/// `count` bytes from `at` on. Only called for small counts.
fn bytes_at(file: &mut (impl Read + Seek), at: u64, count: u64) -> Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at)).context(|| "cannot read the archive".into())?;
    exactly(file, usize::try_from(count).unwrap_or(usize::MAX))
}
