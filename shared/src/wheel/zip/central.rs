//! The directory of a zip archive (APPNOTE 4.3.12).

use std::collections::HashSet;
use std::io::{Read, Seek, SeekFrom};

use super::Member;
use super::end::Directory;
use super::fields::{Fields, exactly, lossy, wide, zip64};
use crate::error::{Context, Error, Result};
use crate::layer::ZipMethod;
use crate::wheel::names;

const SIGNATURE: u32 = 0x0201_4b50;
const LENGTH: usize = 46;

/// Encrypted, patched, strongly encrypted, masked header: APPNOTE 4.4.4.
const UNREADABLE: u16 = 1 | 1 << 5 | 1 << 6 | 1 << 13;
const UTF8: u16 = 1 << 11;

/// The most that one wheel may unpack to, in bytes: about three times the largest that exists (machine
/// learning libraries with their GPU kernels), and little enough for a disk.
const MOST_CONTENT: u64 = 16 * 1024 * 1024 * 1024;

/// DEFLATE cannot do better than 1032 to 1: two bits for 258 bytes (RFC 1951, 3.2.5).
const BEST_RATIO: u64 = 1032;

/// Reads and checks all entries, in the order of the directory. Offsets of data are still open.
pub(super) fn read(file: &mut (impl Read + Seek), directory: &Directory) -> Result<Vec<Member>> {
    file.seek(SeekFrom::Start(directory.offset)).context(|| "cannot read the archive".into())?;
    let mut bytes = file.take(directory.size);
    let mut members = Vec::new();
    let mut names = HashSet::new();
    let mut content = 0u64;
    while bytes.limit() > 0 {
        let member = entry(&mut bytes)?;
        content = content.saturating_add(member.size);
        if !names.insert(member.name.clone()) {
            return Err(Error::integrity(format!("{} is in the archive twice", member.name)));
        }
        members.push(member);
    }
    if members.len() as u64 != directory.entries {
        return Err(Error::integrity(format!(
            "the archive claims {} entries, but has {}",
            directory.entries,
            members.len()
        )));
    }
    if content > MOST_CONTENT {
        return Err(Error::usage(format!("it would unpack to {content} bytes; the limit is {MOST_CONTENT}")));
    }
    Ok(members)
}

fn entry(from: &mut impl Read) -> Result<Member> {
    let fixed = exactly(from, LENGTH)?;
    let mut fields = Fields(&fixed);
    fields.signature(SIGNATURE, "entry of the directory")?;
    let made_by = fields.u16()?;
    fields.bytes(2)?;
    let (flags, method_number) = (fields.u16()?, fields.u16()?);
    fields.bytes(4)?;
    let (crc32, compressed, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let lengths = [fields.u16()?, fields.u16()?, fields.u16()?].map(usize::from);
    let disk = fields.u16()?;
    fields.bytes(2)?;
    let (attributes, header) = (fields.u32()?, fields.u32()?);

    let name = exactly(from, lengths[0])?;
    let extra = exactly(from, lengths[1])?;
    exactly(from, lengths[2])?;
    let mut wider = zip64(&extra, &name)?;
    let size = wide(size, &mut wider)?;
    let compressed = wide(compressed, &mut wider)?;
    let header = wide(header, &mut wider)?;
    if wider.is_some_and(|fields| !fields.0.is_empty()) {
        return Err(Error::integrity(format!("{} has two sizes or places", lossy(&name))));
    }
    if disk != 0 {
        return Err(Error::usage("the archive is split over several disks"));
    }
    let (name, directory) = named(&name, flags)?;
    let method = method(method_number, flags, &name)?;
    let executable = attributes_of(&name, made_by, attributes, directory)?;
    let member = Member {
        name,
        directory,
        executable,
        method,
        crc32,
        compressed,
        size,
        flags,
        method_number,
        header,
        offset: 0,
    };
    possible(&member)?;
    Ok(member)
}

/// The name and whether it is a folder's.
fn named(raw: &[u8], flags: u16) -> Result<(String, bool)> {
    let unclear =
        || Error::integrity(format!("the name {} is not valid UTF-8, or not marked as UTF-8", lossy(raw)));
    if flags & UTF8 == 0 && !raw.is_ascii() {
        // Code page 437 by the standard, the maker's code page in practice.
        return Err(unclear());
    }
    let name = std::str::from_utf8(raw).map_err(|_| unclear())?;
    let (name, directory) = name.strip_suffix('/').map_or((name, false), |name| (name, true));
    names::check(name)?;
    Ok((name.to_owned(), directory))
}

fn method(number: u16, flags: u16, name: &str) -> Result<ZipMethod> {
    if flags & UNREADABLE != 0 {
        return Err(Error::usage(format!("{name} is encrypted or a patch, which no wheel may be")));
    }
    match number {
        0 => Ok(ZipMethod::Stored),
        8 => Ok(ZipMethod::Deflated),
        _ => Err(Error::usage(format!("{name} is compressed with method {number}, which wheels cannot use"))),
    }
}

/// Whether a file is executable; what is neither file nor folder is refused.
fn attributes_of(name: &str, made_by: u16, attributes: u32, directory: bool) -> Result<bool> {
    const UNIX: u16 = 3;
    const MACOS: u16 = 19;
    const TYPE: u32 = 0o170_000;
    const FOLDER: u32 = 0o040_000;
    const FILE: u32 = 0o100_000;
    if !matches!(made_by >> 8, UNIX | MACOS) {
        return Ok(false);
    }
    let mode = attributes >> 16;
    let fits = match mode & TYPE {
        0 => true,
        FOLDER => directory,
        FILE => !directory,
        _ => false,
    };
    if !fits {
        return Err(Error::integrity(format!("{name} is a link or a device, which no wheel may hold")));
    }
    Ok(mode & 0o100 != 0)
}

/// Refuses sizes that cannot be true.
fn possible(member: &Member) -> Result<()> {
    let Member { name, compressed, size, .. } = member;
    let good = match member.method {
        _ if member.directory => *size == 0,
        ZipMethod::Stored => compressed == size,
        ZipMethod::Deflated => *size <= compressed.saturating_mul(BEST_RATIO),
    };
    if good {
        return Ok(());
    }
    Err(Error::integrity(format!("{name} cannot have {size} bytes, being {compressed} bytes of the archive")))
}
