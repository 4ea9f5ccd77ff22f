//! The headers before the files (APPNOTE 4.3.7 to 4.3.9), held against the directory.

use std::io::{Read, Seek, SeekFrom};

use super::Member;
use super::fields::{Fields, exactly, wide, zip64};
use crate::error::{Context, Error, Result};

const SIGNATURE: u32 = 0x0403_4b50;
const LENGTH: usize = 30;
const DESCRIPTOR_SIGNATURE: u32 = 0x0807_4b50;

/// Sizes and CRC follow the data.
const DESCRIPTOR: u16 = 1 << 3;

/// Only hints for how hard the packer tried (APPNOTE 4.4.4).
const EFFORT: u16 = 1 << 1 | 1 << 2;

/// Checks that the members, in the order of their headers, fill the archive up to its directory,
/// and that each local header says what the directory says. Finds where their data begin.
pub(super) fn check(file: &mut (impl Read + Seek), members: &mut [Member], end: u64) -> Result<()> {
    let mut at = 0;
    let nexts: Vec<u64> = members.iter().skip(1).map(|member| member.header).chain([end]).collect();
    for (member, next) in members.iter_mut().zip(nexts) {
        follows(&member.name, at, member.header)?;
        file.seek(SeekFrom::Start(at)).context(|| "cannot read the archive".into())?;
        let header_length = header(file, member)?;
        member.offset = at.saturating_add(header_length);
        at = member.offset.saturating_add(member.compressed);
        if at > next {
            return Err(overlap(&member.name));
        }
        if member.flags & DESCRIPTOR != 0 {
            file.seek(SeekFrom::Start(at)).context(|| "cannot read the archive".into())?;
            descriptor(file, member, next - at)?;
            at = next;
        }
    }
    follows("the directory", at, end)
}

fn overlap(name: &str) -> Error {
    Error::integrity(format!("{name} overlaps with what follows it in the archive"))
}

fn follows(name: &str, at: u64, start: u64) -> Result<()> {
    match start.checked_sub(at) {
        Some(0) => Ok(()),
        Some(gap) => {
            Err(Error::integrity(format!("{gap} bytes before {name} belong to no file of the archive")))
        }
        None => Err(Error::integrity(format!("{name} overlaps with what is before it in the archive"))),
    }
}

/// Reads the local header here, and gives its length.
fn header(file: &mut impl Read, member: &Member) -> Result<u64> {
    let fixed = exactly(file, LENGTH)?;
    let mut fields = Fields(&fixed);
    fields.signature(SIGNATURE, "header of a file")?;
    fields.bytes(2)?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.bytes(4)?;
    let (crc32, compressed, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let lengths = [fields.u16()?, fields.u16()?].map(usize::from);
    let name = exactly(file, lengths[0])?;
    let extra = exactly(file, lengths[1])?;

    let mut wider = zip64(&extra, &name)?;
    // The standard wants both 64-bit sizes here, whichever needs them (APPNOTE 4.5.3).
    let size = wide(size, &mut wider)?;
    let compressed = wide(compressed, &mut wider)?;
    let later = flags & DESCRIPTOR != 0;
    let agrees = |here: u64, there: u64| here == there || later && here == 0;
    let slash = if member.directory { "/" } else { "" };
    let differs = match () {
        () if name != format!("{}{slash}", member.name).as_bytes() => "name",
        () if (flags ^ member.flags) & !EFFORT != 0 => "set of flags",
        () if method != member.method_number => "method",
        () if !agrees(crc32.into(), member.crc32.into()) => "CRC",
        () if !agrees(compressed, member.compressed) => "packed size",
        () if !agrees(size, member.size) => "size",
        () => return Ok((LENGTH + name.len() + extra.len()) as u64),
    };
    Err(Error::integrity(format!(
        "{} has a different {differs} in its own header than in the directory",
        member.name
    )))
}

/// Reads the record between the data and what follows, which is `length` bytes long. Signature and
/// width vary with the packer.
fn descriptor(file: &mut impl Read, member: &Member, length: u64) -> Result<()> {
    let wrong =
        || Error::integrity(format!("the record behind the data of {} does not match it", member.name));
    let (signed, wide) = match length {
        12 => (false, false),
        16 => (true, false),
        20 => (false, true),
        24 => (true, true),
        _ => return Err(wrong()),
    };
    let bytes = exactly(file, usize::try_from(length).map_err(|_| wrong())?)?;
    let mut fields = Fields(&bytes);
    if signed {
        fields.signature(DESCRIPTOR_SIGNATURE, "record behind the data")?;
    }
    let crc32 = fields.u32()?;
    let mut number = || if wide { fields.u64() } else { fields.u32().map(u64::from) };
    let (compressed, size) = (number()?, number()?);
    if (crc32, compressed, size) == (member.crc32, member.compressed, member.size) {
        Ok(())
    } else {
        Err(wrong())
    }
}
