//! Two layers side by side, as the entries of their archives. Neither is held whole.

use std::io::{self, Read};

use tar::{Archive, Entries, EntryType};

use super::bytes::first_difference;
use super::difference::{Entry, Field, OnlyIn, Side, Within};
use super::marks::{Marks, marks, that_differ};
use crate::error::{Context, Error, Result};
use crate::facts;
use crate::oci::media_type::Compression;
use crate::redact::tame;
use crate::store::Blob;

/// The end of the path of a file that lists the digests of others, which tell better what differs.
const LIST: &[u8] = b".dist-info/RECORD";

/// Where two layers differ first.
///
/// # Errors
/// When one cannot be read, or says what would take memory without bounds.
pub(super) fn compare(image: &Blob, rebuilt: &Blob) -> Result<Within> {
    // Whoever made the image may have written anything.
    facts::read_layer(facts::plain(image)?, Compression::None)?;
    let (mut one, mut other) = (Archive::new(facts::plain(image)?), Archive::new(facts::plain(rebuilt)?));
    let found = entries(one.entries().map_err(unreadable)?, other.entries().map_err(unreadable)?)?;
    if let Some(mut found) = found {
        if let Within::Content(Entry { path, about }) = &mut found {
            about.mark = that_differ(&marks_in(image, path)?, &marks_in(rebuilt, path)?);
        }
        return Ok(found);
    }
    let (one, other) = (facts::plain(image)?, facts::plain(rebuilt)?);
    if first_difference(one, other).map_err(unreadable)?.is_some() {
        return Ok(Within::Archive);
    }
    let compressed = first_difference(image.open()?, rebuilt.open()?).map_err(unreadable)?;
    compressed.map(Within::Compression).ok_or_else(|| Error::bug("two equal layers have different digests"))
}

fn unreadable(error: io::Error) -> Error {
    Error::integrity("the layer cannot be read").because(error)
}

/// The marks in a file of a layer.
fn marks_in(layer: &Blob, wanted: &str) -> Result<Marks> {
    let mut archive = Archive::new(facts::plain(layer)?);
    for entry in archive.entries().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if shown(&path(&entry)) == wanted {
            return marks(entry).map_err(unreadable);
        }
    }
    Ok(Marks::default())
}

/// Entries are in the order of their paths, so whichever comes first is missing from the other.
fn entries<A: Read, B: Read>(
    mut image: Entries<'_, A>,
    mut rebuilt: Entries<'_, B>,
) -> Result<Option<Within>> {
    let mut list = None;
    loop {
        let one = image.next().transpose().map_err(unreadable)?;
        let other = rebuilt.next().transpose().map_err(unreadable)?;
        let (mut one, mut other) = match (one, other) {
            (None, None) => return Ok(list),
            (Some(one), None) => return Ok(Some(only_in(Side::Image, &path(&one)))),
            (None, Some(other)) => return Ok(Some(only_in(Side::Rebuilt, &path(&other)))),
            (Some(one), Some(other)) => (one, other),
        };
        let (at, beside) = (path(&one), path(&other));
        match at.cmp(&beside) {
            std::cmp::Ordering::Less => return Ok(Some(only_in(Side::Image, &at))),
            std::cmp::Ordering::Greater => return Ok(Some(only_in(Side::Rebuilt, &beside))),
            std::cmp::Ordering::Equal => {}
        }
        if let Some(about) = property(&one, &other) {
            return Ok(Some(Within::Property(Entry { path: shown(&at), about })));
        }
        if let Some(about) =
            first_difference(&mut one, &mut other).context(|| format!("cannot read {}", shown(&at)))?
        {
            let is_list = at.ends_with(LIST);
            let found = Some(Within::Content(Entry { path: shown(&at), about }));
            if !is_list {
                return Ok(found);
            }
            list = list.or(found);
        }
    }
}

fn only_in(side: Side, path: &[u8]) -> Within {
    Within::Entry(Entry { path: shown(path), about: OnlyIn { side } })
}

fn path<R: Read>(entry: &tar::Entry<'_, R>) -> Vec<u8> {
    let path = entry.path_bytes();
    path.strip_suffix(b"/").unwrap_or(&path).to_vec()
}

fn shown(path: &[u8]) -> String {
    tame(&String::from_utf8_lossy(path))
}

/// The first property in which two entries of a path differ. Sizes are left out: contents are compared.
fn property<A: Read, B: Read>(one: &tar::Entry<'_, A>, other: &tar::Entry<'_, B>) -> Option<Field> {
    let (one, other) = (properties(one), properties(other));
    let differs = one.into_iter().zip(other).find(|(one, other)| one != other);
    differs.map(|((name, image), (_, rebuilt))| Field { field: name.to_owned(), image, rebuilt })
}

fn properties<R: Read>(entry: &tar::Entry<'_, R>) -> Vec<(&'static str, String)> {
    let header = entry.header();
    let number =
        |value: io::Result<u64>| value.map_or_else(|_| "unreadable".to_owned(), |value| value.to_string());
    let mode = header.mode().map_or_else(|_| "unreadable".to_owned(), |mode| format!("{mode:04o}"));
    let target = entry.link_name_bytes().map(|name| shown(&name));
    vec![
        ("type", kind(header.entry_type())),
        ("mode", mode),
        ("owner", format!("{}:{}", number(header.uid()), number(header.gid()))),
        ("time", number(header.mtime())),
        ("target", target.unwrap_or_default()),
    ]
}

fn kind(of: EntryType) -> String {
    match of {
        EntryType::Regular => "file".into(),
        EntryType::Directory => "directory".into(),
        EntryType::Symlink => "symbolic link".into(),
        EntryType::Link => "hard link".into(),
        other => format!("{other:?}"),
    }
}
