//! Names in a layer that are not Unicode, as text.
//!
//! Linux's names are bytes, and paths are text everywhere else. A byte that belongs to no character
//! stands as one of the last 256 characters of Unicode, which are for private use; so does each byte of
//! such a character itself. Every name has one text, and every text one name.

use std::borrow::Cow;

/// The character of the byte 0.
const FIRST: u32 = 0x10_ff00;

/// The text for the bytes of a name.
#[cfg(unix)]
pub(super) fn text_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let stand_in = |byte: &u8| char::from_u32(FIRST + u32::from(*byte));
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            if is_stand_in(char) {
                text.extend(char.encode_utf8(&mut [0; 4]).as_bytes().iter().filter_map(stand_in));
            } else {
                text.push(char);
            }
        }
        text.extend(chunk.invalid().iter().filter_map(stand_in));
    }
    text
}

/// The bytes that a text stands for.
pub(super) fn bytes_of(text: &str) -> Cow<'_, [u8]> {
    if !text.chars().any(is_stand_in) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for char in text.chars() {
        if is_stand_in(char) {
            bytes.push((u32::from(char) - FIRST) as u8);
        } else {
            bytes.extend(char.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Cow::Owned(bytes)
}

fn is_stand_in(char: char) -> bool {
    u32::from(char) >= FIRST
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_back_and_the_usual_ones_are_as_they_are() {
        for name in
            [&b"plain"[..], "stra\u{df}e".as_bytes(), b"bad\xff\xfename", b"\xc3", "\u{10ff41}".as_bytes()]
        {
            assert_eq!(&*bytes_of(&text_of(name)), name, "{name:?}");
        }
        assert_eq!(text_of("stra\u{df}e".as_bytes()), "stra\u{df}e");
        assert_ne!(text_of(b"A"), text_of("\u{10ff41}".as_bytes()));
    }
}
