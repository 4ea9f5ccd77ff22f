//! Tar headers: ustar, with PAX records only where ustar cannot say it (POSIX.1-2017, pax,
//! "ustar Interchange Format" and "pax Extended Header").

use std::borrow::Cow;
use std::collections::BTreeMap;

use tar::{EntryType, Header};

use super::name::bytes_of;
use super::{Entry, EntryKind, MTIME};
use crate::error::{Context, Result};
use crate::oci::Mode;

/// The largest size that eleven octal digits say.
const MAX_SIZE: u64 = 0o77_777_777_777;
/// The largest id that seven octal digits say.
const MAX_ID: u64 = 0o7_777_777;
/// The length of the fields for names and link targets.
const NAME: usize = 100;
/// The extended attribute of a file that holds its capabilities.
#[cfg(target_os = "linux")]
pub(super) const CAPABILITY: &str = "security.capability";
/// How tar archives say it, and all container engines read it.
const CAPABILITY_RECORD: &str = "SCHILY.xattr.security.capability";
/// A tar block.
pub(super) const BLOCK: usize = 512;

/// The header blocks of an entry: perhaps a PAX header with its records, then the entry's own.
pub(super) fn header(entry: &Entry) -> Result<Vec<u8>> {
    let mut records: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    let slash = if entry.is_directory() { "/" } else { "" };
    let path = format!("{}{slash}", entry.path);
    let (kind, size, link) = match &entry.kind {
        EntryKind::Directory | EntryKind::ImpliedDirectory => (EntryType::Directory, 0, None),
        EntryKind::File(content) => (EntryType::Regular, content.size(), None),
        EntryKind::Symlink(target) => (EntryType::Symlink, 0, Some(target)),
        EntryKind::Hardlink(target) => (EntryType::Link, 0, Some(target)),
    };
    let mut header = blank(kind, entry.mode);
    if !path.is_ascii() || header.set_path(&path).is_err() {
        record_name(&mut records, "path", &path);
        set_name(&mut header, &path);
    }
    if let Some(target) = link {
        if target.len() > NAME || !target.is_ascii() {
            record_name(&mut records, "linkpath", target);
        }
        let bytes = ascii(target, NAME);
        if let Some(ustar) = header.as_ustar_mut() {
            ustar.linkname[..bytes.len()].copy_from_slice(&bytes);
        }
    }
    for (name, value, limit) in
        [("size", size, MAX_SIZE), ("uid", entry.owner.uid, MAX_ID), ("gid", entry.owner.gid, MAX_ID)]
    {
        let fits = value <= limit;
        if !fits {
            records.insert(name, value.to_string().into_bytes());
        }
        // Where the field is too small it says nothing; readers take the record.
        let value = if fits { value } else { 0 };
        match name {
            "size" => header.set_size(value),
            "uid" => header.set_uid(value),
            _ => header.set_gid(value),
        }
    }
    if let Some(capabilities) = entry.capabilities {
        records.insert(CAPABILITY_RECORD, capabilities.to_vec());
    }
    header.set_cksum();
    let mut blocks = if records.is_empty() { Vec::new() } else { extended(&path, &records)? };
    blocks.extend_from_slice(header.as_bytes());
    Ok(blocks)
}

/// Records a name; one that is not Unicode with a word that it is bytes.
fn record_name(records: &mut BTreeMap<&str, Vec<u8>>, key: &'static str, name: &str) {
    let bytes = bytes_of(name);
    if matches!(bytes, Cow::Owned(_)) {
        records.insert("hdrcharset", b"BINARY".to_vec());
    }
    records.insert(key, bytes.into_owned());
}

fn blank(kind: EntryType, mode: Mode) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode.0);
    header.set_mtime(MTIME);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// A name for readers that know no PAX: ASCII, cut to the field.
fn set_name(header: &mut Header, path: &str) {
    let bytes = ascii(path, NAME);
    if let Some(ustar) = header.as_ustar_mut() {
        ustar.name = [0; NAME];
        ustar.prefix = [0; 155];
        ustar.name[..bytes.len()].copy_from_slice(&bytes);
    }
}

fn ascii(text: &str, most: usize) -> Vec<u8> {
    text.chars().map(|c| if c.is_ascii() { c as u8 } else { b'_' }).take(most).collect()
}

/// The blocks of a PAX header: its own header, the records, padding.
fn extended(path: &str, records: &BTreeMap<&str, Vec<u8>>) -> Result<Vec<u8>> {
    let body: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
    let mut header = blank(EntryType::XHeader, Mode(0o644));
    set_name(&mut header, &format!("PaxHeaders/{path}"));
    header.set_size(body.len() as u64);
    header.set_cksum();
    let mut blocks = header.as_bytes().to_vec();
    blocks.extend_from_slice(&body);
    blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
    // Reading it back is cheap, and a header that cannot be read must not get out.
    tar::Archive::new(&blocks[..]).entries().context(|| format!("cannot describe /{path}"))?;
    Ok(blocks)
}

/// `LENGTH KEY=VALUE\n`, where LENGTH counts itself.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
    let mut length = rest.len() + 1;
    while length.to_string().len() + rest.len() != length {
        length = length.to_string().len() + rest.len();
    }
    [length.to_string().as_bytes(), &rest].concat()
}

#[cfg(test)]
mod tests {
    use super::super::Content;
    use super::*;
    use crate::oci::Owner;

    #[test]
    fn a_records_length_counts_itself() {
        assert_eq!(record("a", b"b"), b"6 a=b\n");
        for n in [80, 90, 91, 92, 93, 94, 95, 990, 991, 992, 993, 994] {
            let record = record("path", "x".repeat(n).as_bytes());
            let text = String::from_utf8(record.clone()).expect("text");
            let length: usize = text.split(' ').next().expect("a length").parse().expect("a number");
            assert_eq!(length, record.len());
        }
    }

    #[test]
    fn ustar_is_enough_for_the_usual() {
        let path = format!("{}/{}", "d".repeat(120), "f".repeat(90));
        let entry =
            Entry::file(path, Content::Bytes("x".into()), Mode(0o644), Owner { uid: 65532, gid: 65532 });
        assert_eq!(header(&entry).expect("header").len(), BLOCK);
    }

    #[test]
    fn pax_says_what_ustar_cannot() {
        let plain = |path: &str| Entry::file(path, Content::Bytes("".into()), Mode(0o644), Owner::ROOT);
        let long = "x".repeat(101);
        for entry in [
            plain(&long),
            plain("käse"),
            Entry { owner: Owner { uid: MAX_ID + 1, gid: 0 }, ..plain("a") },
            Entry::symlink("a", long.clone(), Owner::ROOT),
        ] {
            let blocks = header(&entry).expect("header");
            assert_eq!(blocks.len(), 3 * BLOCK, "{}", entry.path);
            let mut tar = tar::Archive::new(&blocks[..]);
            let mut read = tar.entries().expect("entries").next().expect("one").expect("readable");
            assert_eq!(read.path().expect("path").to_str(), Some(entry.path.as_str()));
            if let EntryKind::Symlink(target) = &entry.kind {
                assert_eq!(read.link_name().expect("link").expect("a link").to_str(), Some(target.as_str()));
            }
            assert!(read.pax_extensions().expect("records").is_some());
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_bytes_and_capabilities_are_said_as_tar_readers_know_it() {
        let name = b"srv/bad\xff\xfename";
        let text = super::super::name::text_of(name);
        let entry = Entry::file(text, Content::Bytes("x".into()), Mode(0o755), Owner::ROOT);
        let capabilities: [u8; 20] = std::array::from_fn(|i| i as u8 * 13);
        let blocks = header(&Entry { capabilities: Some(capabilities), ..entry }).expect("header");
        let mut tar = tar::Archive::new(&blocks[..]);
        let mut read = tar.entries().expect("entries").next().expect("one").expect("readable");
        assert_eq!(&*read.path_bytes(), name);
        let records: Vec<(String, Vec<u8>)> = read
            .pax_extensions()
            .expect("records")
            .expect("some")
            .map(|record| record.expect("a record"))
            .map(|record| (record.key().expect("a key").to_owned(), record.value_bytes().to_vec()))
            .collect();
        assert_eq!(records[0], (CAPABILITY_RECORD.to_owned(), capabilities.to_vec()));
        assert_eq!(records[1], ("hdrcharset".to_owned(), b"BINARY".to_vec()));
        assert_eq!(records[2], ("path".to_owned(), name.to_vec()));
    }
}
