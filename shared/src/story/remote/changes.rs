//! What was found out since the pages of the remote cache were written.
//!
//! One changed line of a project is a few entries, while the pages tell of all of its wheels. So whoever has little to
//! add leaves the pages as they are. What he adds is compressed with the first page as a dictionary, since the bills of
//! two states of a project hardly differ, and travels within the manifest, so that reading it costs no request.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::CHANGES;
use super::page::{self, Known, Page};
use crate::error::{Error, Result};
use crate::oci::{Descriptor, Digest, to_json};
use crate::store::Blob;

/// What is larger than this, in bytes as it is compressed, becomes part of the pages: registries need not take
/// manifests of more than 4 MiB, and each build reads all of it.
pub(super) const MOST_PACKED: usize = 48 << 10;

/// No more is written or read as JSON, in bytes.
const MOST_TEXT: usize = 8 << 20;

/// So many bytes of the first page serve as the dictionary, the newest words: at its level zstd searches no more.
const MOST_DICTIONARY: usize = 4 << 20;

/// So far back may what is written refer, as a power of two: over all of the text to all of the dictionary.
const WINDOW: u32 = 24;

/// The level of its compression: with a dictionary of megabytes higher ones take long, and gain little.
const LEVEL: i32 = 6;

/// How the manifest names the bytes of a layer that are in it (image-spec `descriptor.md`, "Embedded content").
const DATA: &str = "data";

/// What was found out later, as the pages that it would be in.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Changes {
    pub(super) first: Page,
    pub(super) rest: Page,
}

impl Changes {
    /// What `told` adds to what is known, with what was added before. Too much where it has become so, or where not all is
    /// known: then the pages are to be written anew.
    ///
    /// # Errors
    /// Only if it cannot be compressed.
    pub(super) fn since(told: &[Page; 2], known: Known<'_>, dictionary: &[u8]) -> Result<Added> {
        if known.pages.iter().any(Option::is_none) {
            return Ok(Added::TooMuch);
        }
        let mut added = told.each_ref().map(|page| page.without(known.newest_first()));
        if added.iter().all(Page::is_empty) {
            return Ok(Added::Nothing);
        }
        for (page, before) in added.iter_mut().zip(known.later) {
            before.into_iter().for_each(|before| page.append(before));
        }
        let [first, rest] = added;
        let text = to_json(&Self { first, rest })?;
        if text.len() > MOST_TEXT {
            return Ok(Added::TooMuch);
        }
        let packed = pack(&text, dictionary)
            .map_err(|error| Error::build("cannot write the remote cache").because(error))?;
        Ok(if packed.len() > MOST_PACKED {
            Added::TooMuch
        } else {
            Added::Something(Box::new(layer(packed)))
        })
    }

    /// Reads them.
    ///
    /// # Errors
    /// Integrity: they are damaged, or larger than any that are written.
    pub(super) fn unpacked(packed: &[u8], dictionary: &[u8]) -> Result<Self> {
        let damaged = |error: std::io::Error| {
            Error::integrity("the changes of the remote cache are damaged").because(error)
        };
        let decoder = zstd::stream::read::Decoder::with_dictionary(packed, dictionary).map_err(damaged)?;
        let mut text = Vec::new();
        decoder.take(MOST_TEXT as u64 + 1).read_to_end(&mut text).map_err(damaged)?;
        if text.len() > MOST_TEXT {
            return Err(page::too_large());
        }
        serde_json::from_slice(&text).map_err(|error| {
            Error::integrity("the changes of the remote cache cannot be read").because(error)
        })
    }
}

/// What a call adds.
pub(super) enum Added {
    /// All of it was known.
    Nothing,
    /// So little that it becomes a layer beside the pages.
    Something(Box<Blob>),
    /// The pages are to be written anew.
    TooMuch,
}

fn pack(text: &[u8], dictionary: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = zstd::stream::write::Encoder::with_dictionary(Vec::new(), LEVEL, dictionary)?;
    encoder.window_log(WINDOW)?;
    // Bytes that are unpacked with another dictionary must not pass for something else.
    encoder.include_checksum(true)?;
    encoder.write_all(text)?;
    encoder.finish()
}

/// The layer, whose bytes are in its descriptor too.
fn layer(packed: Vec<u8>) -> Blob {
    let data = Value::String(BASE64.encode(&packed));
    let mut blob = Blob::of(CHANGES, packed);
    blob.descriptor.extra.insert(DATA.to_owned(), data);
    blob
}

/// The bytes that are in a descriptor, if they are those that it is about.
pub(super) fn embedded(descriptor: &Descriptor) -> Option<Vec<u8>> {
    if descriptor.size > MOST_PACKED as u64 {
        return None;
    }
    let text = descriptor.extra.get(DATA)?.as_str()?;
    let bytes = BASE64.decode(text).ok()?;
    let is_it = bytes.len() as u64 == descriptor.size && Digest::of(&bytes) == descriptor.digest;
    is_it.then_some(bytes)
}

/// Leaves of the first page's text what changes are compressed with.
pub(super) fn shorten(dictionary: &mut Vec<u8>) {
    dictionary.truncate(MOST_DICTIONARY);
    dictionary.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(entries: &[(&str, String)]) -> Page {
        let entries: Vec<Value> = entries
            .iter()
            .map(|(key, value)| {
                serde_json::json!({"table": "users-v1", "key": Digest::of(key.as_bytes()), "value": value})
            })
            .collect();
        serde_json::from_value(serde_json::json!({"entries": entries})).expect("a page")
    }

    fn added(told: Page, known: Known<'_>, dictionary: &[u8]) -> Added {
        Changes::since(&[told, Page::default()], known, dictionary).expect("changes")
    }

    /// So long that it cannot be made short.
    fn noise(bytes: usize) -> String {
        (0..bytes / 64).map(|n| Digest::of(&n.to_le_bytes()).hex()).collect()
    }

    #[test]
    fn what_hardly_differs_takes_no_room_and_comes_back() {
        let (first, rest) = (page(&[("a", noise(200_000))]), Page::default());
        let dictionary = to_json(&first).expect("JSON");
        let known = Known { pages: [Some(&first), Some(&rest)], ..Known::default() };
        let told = page(&[("b", format!("{} changed", noise(200_000)))]);
        let Added::Something(blob) = added(told.clone(), known, &dictionary) else { panic!("it is new") };
        assert!(blob.descriptor.size < 1000, "{} bytes", blob.descriptor.size);
        let bytes = embedded(&blob.descriptor).expect("bytes");
        let read = Changes::unpacked(&bytes, &dictionary).expect("changes");
        assert!(told.without([&read.first].into_iter()).is_empty());
        assert!(Changes::unpacked(&bytes, b"{}").is_err(), "with another dictionary it cannot be read");

        let known = Known { later: [Some(&read.first), None], ..known };
        assert!(matches!(added(told, known, &dictionary), Added::Nothing));
        let Added::Something(blob) = added(page(&[("c", "3".into())]), known, &dictionary) else {
            panic!("it is new")
        };
        let bytes = embedded(&blob.descriptor).expect("bytes");
        let read = Changes::unpacked(&bytes, &dictionary).expect("changes");
        assert!(
            page(&[("b", format!("{} changed", noise(200_000)))])
                .without([&read.first].into_iter())
                .is_empty()
        );
    }

    #[test]
    fn of_a_large_page_the_newest_words_are_searched() {
        let like = noise(200_000);
        let older = ["b", "c", "d", "e"].map(|key| (key, noise(3 << 20)));
        let entries: Vec<_> = [("a", like.clone())].into_iter().chain(older).collect();
        let (first, rest) = (page(&entries), Page::default());
        let mut dictionary = to_json(&first).expect("JSON");
        shorten(&mut dictionary);
        let known = Known { pages: [Some(&first), Some(&rest)], ..Known::default() };
        let Added::Something(blob) = added(page(&[("f", like)]), known, &dictionary) else {
            panic!("it is new")
        };
        assert!(blob.descriptor.size < 1000, "{} bytes", blob.descriptor.size);
        let bytes = embedded(&blob.descriptor).expect("bytes");
        Changes::unpacked(&bytes, &dictionary).expect("changes");
    }

    #[test]
    fn what_is_much_becomes_part_of_the_pages() {
        let (first, rest) = (page(&[]), Page::default());
        let known = Known { pages: [Some(&first), Some(&rest)], ..Known::default() };
        assert!(matches!(added(page(&[("a", noise(200_000))]), known, b"{}"), Added::TooMuch));
        assert!(matches!(added(page(&[("a", "x".repeat(MOST_TEXT))]), known, b"{}"), Added::TooMuch));
        assert!(matches!(added(page(&[("a", "1".into())]), known, b"{}"), Added::Something(_)));
        let without_rest = Known { pages: [Some(&first), None], ..Known::default() };
        assert!(matches!(added(page(&[("a", "1".into())]), without_rest, b"{}"), Added::TooMuch));
    }

    #[test]
    fn what_unpacks_to_too_much_is_refused_and_foreign_bytes_are_none() {
        let bomb = pack(&vec![b' '; MOST_TEXT + 1], b"{}").expect("packed");
        assert!(Changes::unpacked(&bomb, b"{}").is_err());
        let blob = layer(b"bytes".to_vec());
        assert_eq!(embedded(&blob.descriptor).as_deref(), Some(&b"bytes"[..]));
        for data in
            [Value::Null, 5.into(), "%".into(), BASE64.encode("other").into(), "Ynl0ZXM=Ynl0ZXM=".into()]
        {
            let mut lie = blob.descriptor.clone();
            lie.extra.insert(DATA.to_owned(), data);
            assert_eq!(embedded(&lie), None);
        }
    }
}
