//! The first byte in which two streams differ, and what stands around it.

use std::io::{self, Read};

use serde::{Serialize, Serializer};

use super::marks::Mark;

/// As many bytes are compared at a time.
const CHUNK: usize = 64 * 1024;
/// As many bytes are kept on each side of the place.
const AROUND: usize = 160;
/// As many bytes are shown.
const SHOWN: usize = 16;

/// Where two files differ first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Bytes {
    /// The place of the byte, from the beginning.
    pub offset: u64,
    /// The bytes from there on in the image; none where its file ends.
    #[serde(serialize_with = "hex")]
    pub image: Vec<u8>,
    /// The same in what was rebuilt.
    #[serde(serialize_with = "hex")]
    pub rebuilt: Vec<u8>,
    /// The bytes before the place, which are the same in both.
    #[serde(skip)]
    before: Vec<u8>,
    /// Where or when the two were made, if they say so.
    #[serde(skip)]
    pub(super) mark: Option<Mark>,
}

fn hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&shown(bytes))
}

/// The first of the bytes in hexadecimal digits.
pub(super) fn shown(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
    digits.join(" ")
}

impl Bytes {
    /// The text that the place is in, in the image and in what was rebuilt; nothing where it is in no text.
    pub fn text(&self) -> Option<(String, String)> {
        let is_text = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
        let start = self.before.iter().rposition(|byte| !is_text(byte)).map_or(0, |at| at + 1);
        let from = |bytes: &[u8]| {
            let end = bytes.iter().position(|byte| !is_text(byte)).unwrap_or(bytes.len());
            let text = [&self.before[start..], &bytes[..end]].concat();
            String::from_utf8_lossy(&text).into_owned()
        };
        let texts = (from(&self.image), from(&self.rebuilt));
        (texts.0.len() > 3 || texts.1.len() > 3).then_some(texts)
    }
}

/// Where the streams differ first, if they do. Neither is held whole.
///
/// # Errors
/// When one cannot be read.
pub(super) fn first_difference(mut image: impl Read, mut rebuilt: impl Read) -> io::Result<Option<Bytes>> {
    let (mut ours, mut theirs) = (vec![0; CHUNK], vec![0; CHUNK]);
    let (mut before, mut offset) = (Vec::new(), 0u64);
    loop {
        let (a, b) = (fill(&mut image, &mut ours)?, fill(&mut rebuilt, &mut theirs)?);
        let (one, other) = (&ours[..a], &theirs[..b]);
        if one == other {
            if a == 0 {
                return Ok(None);
            }
            before = last(&[&before[..], one].concat(), AROUND).to_vec();
            offset += a as u64;
            continue;
        }
        let at = one.iter().zip(other).position(|(a, b)| a != b).unwrap_or_else(|| a.min(b));
        let before = last(&[&before[..], &one[..at]].concat(), AROUND).to_vec();
        let image = after(&one[at..], image)?;
        let rebuilt = after(&other[at..], rebuilt)?;
        return Ok(Some(Bytes { offset: offset + at as u64, image, rebuilt, before, mark: None }));
    }
}

/// As many bytes as the buffer takes, fewer at the end.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn last(bytes: &[u8], most: usize) -> &[u8] {
    &bytes[bytes.len().saturating_sub(most)..]
}

/// The beginning of what is left: of what was read, then of what was not.
fn after(read: &[u8], rest: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = read[..read.len().min(AROUND)].to_vec();
    let missing = (AROUND - bytes.len()) as u64;
    rest.take(missing).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(one: &[u8], other: &[u8]) -> Option<Bytes> {
        first_difference(one, other).expect("readable")
    }

    #[test]
    fn the_first_byte_counts_wherever_it_is() {
        assert_eq!(found(b"same", b"same"), None);
        let long: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        for at in [0, 1, CHUNK - 1, CHUNK, CHUNK + 7, 3 * CHUNK + 1, long.len() - 1] {
            let mut other = long.clone();
            other[at] ^= 0xff;
            let bytes = found(&long, &other).expect("different");
            assert_eq!(bytes.offset, at as u64);
            assert_eq!((bytes.image[0], bytes.rebuilt[0]), (long[at], other[at]));
        }
        let shorter = found(&long, &long[..CHUNK]).expect("different");
        assert_eq!((shorter.offset, shorter.rebuilt.len()), (CHUNK as u64, 0));
        assert_eq!(shown(&found(b"ab", b"a").expect("different").image), "62");
    }

    #[test]
    fn the_text_around_the_place_is_told() {
        let bytes = found(b"\0/home/ann/src/a.c\0x", b"\0/home/bob/src/a.c\0x").expect("different");
        assert_eq!(bytes.text(), Some(("/home/ann/src/a.c".into(), "/home/bob/src/a.c".into())));
        assert_eq!(found(b"\x01\x02\x03", b"\x01\x03\x03").expect("different").text(), None);
    }
}
