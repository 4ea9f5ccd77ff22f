//! Finding versions in the bytes of programs, which say them in texts of a known form.

use std::io::{self, BufRead, BufReader, Read};

/// Bytes that are searched at once.
const CHUNK: usize = 256 << 10;

/// Longer than any text that is searched for.
const OVERLAP: usize = 512;

/// Bytes of a line that matter; what is beyond them is skipped.
const MAX_LINE: u64 = 64 << 10;

/// What `find` finds first in the stream.
pub(super) fn stream<T>(mut content: impl Read, find: impl Fn(&[u8]) -> Option<T>) -> io::Result<Option<T>> {
    let mut window = Vec::with_capacity(CHUNK + OVERLAP);
    loop {
        window.drain(..window.len().saturating_sub(OVERLAP));
        let read = content.by_ref().take(CHUNK as u64).read_to_end(&mut window)?;
        if let Some(found) = find(&window) {
            return Ok(Some(found));
        }
        if read == 0 {
            return Ok(None);
        }
    }
}

/// Calls `each` with every line, without its end.
pub(in crate::facts) fn lines(content: impl Read, mut each: impl FnMut(&str)) -> io::Result<()> {
    let mut content = BufReader::new(content);
    let mut line = Vec::new();
    loop {
        line.clear();
        content.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        match line.pop() {
            None => return Ok(()),
            Some(b'\n') => {}
            Some(last) => {
                line.push(last);
                content.skip_until(b'\n')?;
            }
        }
        each(&String::from_utf8_lossy(&line));
    }
}

/// `GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.`
pub(super) fn glibc(bytes: &[u8]) -> Option<(u32, u32)> {
    after(bytes, b"GNU C Library (").find_map(|rest| {
        let banner = rest.get(..200).unwrap_or(rest);
        let version = after(banner, b" release version ").next()?;
        let (major, rest) = number(version)?;
        let (minor, rest) = number(rest.strip_prefix(b".")?)?;
        // What ends here may go on in the next chunk.
        (!rest.is_empty()).then_some((major, minor))
    })
}

/// `1.2.5` between NUL bytes; `1.2.5_git20240512` in between releases.
pub(super) fn musl(bytes: &[u8]) -> Option<(u32, u32)> {
    after(bytes, b"\x001.").find_map(|rest| {
        let (minor, rest) = number(rest)?;
        let (_, rest) = number(rest.strip_prefix(b".")?)?;
        ends(rest).then_some((1, minor))
    })
}

/// The micro version in `3.13.5`, `3.14.0rc1` or `3.13.5+` before a NUL byte.
pub(super) fn python(bytes: &[u8], minor: u32) -> Option<u32> {
    let start = format!("3.{minor}.");
    after(bytes, start.as_bytes()).find_map(|rest| {
        let (micro, rest) = number(rest)?;
        ends(rest).then_some(micro)
    })
}

/// What follows each occurrence of `wanted`.
fn after<'a>(bytes: &'a [u8], wanted: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let places = bytes.windows(wanted.len().max(1)).enumerate();
    places
        .filter(move |(_, window)| *window == wanted)
        .filter_map(move |(at, _)| bytes.get(at + wanted.len()..))
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = bytes.split_at_checked(digits)?;
    // No version has more; this is a checksum or the like.
    if digits > 4 {
        return None;
    }
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, rest))
}

/// Whether only a short suffix comes before a NUL byte.
fn ends(bytes: &[u8]) -> bool {
    let suffix = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'_' | b'.' | b'-');
    let length = bytes.iter().take_while(suffix).count();
    length < 32 && bytes.get(length) == Some(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_wherever_chunks_end() {
        let text = b"\x003.13.5\0";
        for before in [0, 1, CHUNK - 8, CHUNK - 4, CHUNK - 1, CHUNK, 3 * CHUNK - 5] {
            let mut bytes = vec![b'x'; before];
            bytes.extend(text);
            bytes.extend(vec![b'y'; CHUNK]);
            let found = stream(&bytes[..], |bytes| python(bytes, 13)).expect("memory");
            assert_eq!(found, Some(5), "{before}");
        }
        assert_eq!(stream(&b""[..], |bytes| python(bytes, 13)).expect("memory"), None);
    }

    #[test]
    fn each_library_says_its_version_in_its_own_way() {
        let banner = b"..GNU C Library (Ubuntu GLIBC 2.39-0ubuntu8) stable release version 2.39.\nCopyright";
        assert_eq!(glibc(banner), Some((2, 39)));
        assert_eq!(glibc(b"GNU C Library (GNU libc) development release version 2.40.9000."), Some((2, 40)));
        assert_eq!(glibc(b"GNU C Library (GNU libc) stable release version 2.4"), None, "perhaps 2.40");
        assert_eq!(musl(b"x\x001.2.5\0y"), Some((1, 2)));
        assert_eq!(musl(b"x\x001.2.6_git20250613\0y"), Some((1, 2)));
        assert_eq!(musl(b"x\x001.2.5 is it\0 11.2.5\0"), None);
        assert_eq!(python(b"x\x003.14.0rc1\0", 14), Some(0));
        assert_eq!(python(b"x\x003.13.12+\0", 13), Some(12));
        assert_eq!(python(b"\x003.13\0 3.13.x\0 3.13.5 (main) 3.13.99999\0", 13), None);
    }

    #[test]
    fn lines_of_any_length_are_read() {
        let mut text = b"a\n\n".to_vec();
        text.extend(vec![b'l'; 3 * MAX_LINE as usize]);
        text.extend(b"\nb\nc");
        let mut found = Vec::new();
        lines(&text[..], |line| found.push(line.to_owned())).expect("memory");
        let long = "l".repeat(MAX_LINE as usize);
        assert_eq!(found, ["a", "", &long, "b", "c"]);
    }
}
