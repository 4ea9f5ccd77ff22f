//! Wheels byte by byte, sound ones and others.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::io::Write as _;

use crate::oci::Digest;

/// One file of an archive. What is `Some` is written instead of the truth.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    pub(super) name: Vec<u8>,
    pub(super) content: Vec<u8>,
    /// Stored otherwise.
    pub(super) deflated: bool,
    /// With a record behind the data of this many bytes.
    pub(super) descriptor: Option<usize>,
    pub(super) flags: u16,
    pub(super) made_by: Option<u16>,
    pub(super) mode: u32,
    pub(super) method: Option<u16>,
    pub(super) crc: Option<u32>,
    pub(super) compressed: Option<u32>,
    pub(super) size: Option<u32>,
    pub(super) extra: Vec<u8>,
    pub(super) disk: u16,
    /// Where its header is said to be.
    pub(super) header: Option<u32>,
    pub(super) local_name: Option<Vec<u8>>,
    pub(super) local_flags: Option<u16>,
    pub(super) local_method: Option<u16>,
    pub(super) local_crc: Option<u32>,
    pub(super) local_compressed: Option<u32>,
    pub(super) local_size: Option<u32>,
    pub(super) local_extra: Vec<u8>,
    /// Bytes before the local header.
    pub(super) before: Vec<u8>,
    /// Left out of the directory, or of the files.
    pub(super) only_local: bool,
    pub(super) only_central: bool,
}

/// The end of an archive.
#[derive(Debug, Clone, Default)]
pub(super) struct End {
    pub(super) comment: Vec<u8>,
    pub(super) disk: u16,
    pub(super) entries: Option<u16>,
    pub(super) size: Option<u32>,
    pub(super) offset: Option<u32>,
    /// Writes 64-bit records too: what they are off by, for entries, size, offset and place.
    pub(super) wide: Option<[u64; 4]>,
    /// Behind everything.
    pub(super) after: Vec<u8>,
}

pub(super) fn part(name: &str, content: impl AsRef<[u8]>) -> Part {
    let flags = if name.is_ascii() { 0 } else { 1 << 11 };
    Part { name: name.into(), content: content.as_ref().to_vec(), mode: 0o100_644, flags, ..Part::default() }
}

fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

/// The bytes of an archive.
pub(super) fn archive(parts: &[Part], end: &End) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    let mut listed = 0u16;
    for part in parts {
        bytes.extend(&part.before);
        let at = u32::try_from(bytes.len()).expect("small");
        let data = if part.deflated { deflate(&part.content) } else { part.content.clone() };
        let crc = part.crc.unwrap_or_else(|| crc32fast::hash(&part.content));
        let compressed = part.compressed.unwrap_or(data.len() as u32);
        let size = part.size.unwrap_or(part.content.len() as u32);
        let method = part.method.unwrap_or(if part.deflated { 8 } else { 0 });
        let flags = part.flags | if part.descriptor.is_some() { 1 << 3 } else { 0 };
        let later = part.descriptor.is_some();
        if !part.only_central {
            let name = part.local_name.as_ref().unwrap_or(&part.name);
            bytes.extend(b"PK\x03\x04\x14\0");
            bytes.extend(part.local_flags.unwrap_or(flags).to_le_bytes());
            bytes.extend(part.local_method.unwrap_or(method).to_le_bytes());
            bytes.extend([0, 0, 0x21, 0]);
            bytes.extend(part.local_crc.unwrap_or(if later { 0 } else { crc }).to_le_bytes());
            bytes.extend(part.local_compressed.unwrap_or(if later { 0 } else { compressed }).to_le_bytes());
            bytes.extend(part.local_size.unwrap_or(if later { 0 } else { size }).to_le_bytes());
            bytes.extend((name.len() as u16).to_le_bytes());
            bytes.extend((part.local_extra.len() as u16).to_le_bytes());
            bytes.extend(name);
            bytes.extend(&part.local_extra);
            bytes.extend(&data);
            if let Some(length) = part.descriptor {
                bytes.extend(descriptor(length, crc, compressed, size));
            }
        }
        if part.only_local {
            continue;
        }
        listed += 1;
        directory.extend(b"PK\x01\x02");
        directory.extend(part.made_by.unwrap_or(0x0314).to_le_bytes());
        directory.extend([0x14, 0]);
        directory.extend(flags.to_le_bytes());
        directory.extend(method.to_le_bytes());
        directory.extend([0, 0, 0x21, 0]);
        directory.extend(crc.to_le_bytes());
        directory.extend(compressed.to_le_bytes());
        directory.extend(size.to_le_bytes());
        directory.extend((part.name.len() as u16).to_le_bytes());
        directory.extend((part.extra.len() as u16).to_le_bytes());
        directory.extend([0, 0]);
        directory.extend(part.disk.to_le_bytes());
        directory.extend([0, 0]);
        directory.extend((part.mode << 16).to_le_bytes());
        directory.extend(part.header.unwrap_or(at).to_le_bytes());
        directory.extend(&part.name);
        directory.extend(&part.extra);
    }
    finish(bytes, &directory, listed, end)
}

fn descriptor(length: usize, crc: u32, compressed: u32, size: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    if length == 16 || length == 24 {
        bytes.extend(b"PK\x07\x08");
    }
    bytes.extend(crc.to_le_bytes());
    if length < 20 {
        bytes.extend(compressed.to_le_bytes());
        bytes.extend(size.to_le_bytes());
    } else {
        bytes.extend(u64::from(compressed).to_le_bytes());
        bytes.extend(u64::from(size).to_le_bytes());
    }
    bytes.resize(length, 0);
    bytes
}

fn finish(mut bytes: Vec<u8>, directory: &[u8], listed: u16, end: &End) -> Vec<u8> {
    let offset = bytes.len() as u64;
    bytes.extend(directory);
    if let Some([entries, size, place, record]) = end.wide {
        let at = bytes.len() as u64;
        bytes.extend(b"PK\x06\x06");
        bytes.extend(44u64.to_le_bytes());
        bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend((u64::from(listed) + entries).to_le_bytes());
        bytes.extend((u64::from(listed) + entries).to_le_bytes());
        bytes.extend((directory.len() as u64).wrapping_add(size).to_le_bytes());
        bytes.extend(offset.wrapping_add(place).to_le_bytes());
        bytes.extend(b"PK\x06\x07\0\0\0\0");
        bytes.extend(at.wrapping_add(record).to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
    }
    bytes.extend(b"PK\x05\x06");
    bytes.extend(end.disk.to_le_bytes());
    bytes.extend(end.disk.to_le_bytes());
    bytes.extend(end.entries.unwrap_or(listed).to_le_bytes());
    bytes.extend(end.entries.unwrap_or(listed).to_le_bytes());
    bytes.extend(end.size.unwrap_or(directory.len() as u32).to_le_bytes());
    bytes.extend(end.offset.unwrap_or(offset as u32).to_le_bytes());
    bytes.extend((end.comment.len() as u16).to_le_bytes());
    bytes.extend(&end.comment);
    bytes.extend(&end.after);
    bytes
}

/// A row of RECORD that tells the truth.
pub(super) fn row(name: &str, content: &[u8]) -> String {
    let hash = URL_SAFE_NO_PAD.encode(Digest::of(content).as_bytes());
    format!("{name},sha256={hash},{}\n", content.len())
}

pub(super) const INFO: &str = "demo-1.0.dist-info";
pub(super) const FILENAME: &str = "demo-1.0-py3-none-any.whl";

/// A sound wheel with these files besides the usual ones, and without RECORD.
pub(super) fn parts(more: Vec<Part>) -> Vec<Part> {
    let mut parts = vec![
        part("demo/__init__.py", "print('demo')\n"),
        part(&format!("{INFO}/METADATA"), "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"),
        part(&format!("{INFO}/WHEEL"), "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
    ];
    parts.extend(more);
    parts
}

/// Adds a RECORD that lists all files as they are.
pub(super) fn with_record(mut parts: Vec<Part>) -> Vec<Part> {
    let record = record_of(&parts);
    parts.push(part(&format!("{INFO}/RECORD"), record));
    parts
}

/// The RECORD of these files.
pub(super) fn record_of(parts: &[Part]) -> String {
    let mut record = String::new();
    for part in parts.iter().filter(|part| !part.name.ends_with(b"/")) {
        let name = String::from_utf8_lossy(&part.name);
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        record += &row(if name.contains([',', '"']) { &quoted } else { &name }, &part.content);
    }
    record + &format!("{INFO}/RECORD,,\n")
}

/// A wheel that is sound unless `more` is not.
pub(super) fn wheel(more: Vec<Part>) -> Vec<u8> {
    archive(&with_record(parts(more)), &End::default())
}
