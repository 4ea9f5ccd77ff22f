//! The extended headers of POSIX.1-2001 ("pax"), judged as container engines judge them.
//!
//! The crate `tar` passes over records that it cannot read, so that a file would have another name or
//! length here than in the engine. Go's reader refuses the archive, and with it every engine.

use tar::{EntryType, Header};

use crate::error::{Error, Result};

const BLOCK: usize = 512;
/// Keys whose values become names of the file system or of accounts.
const NO_NUL: [&str; 4] = ["path", "linkpath", "uname", "gname"];

/// Judges the pax headers among the bytes that stand before the content of an entry.
///
/// # Errors
/// When a record is none: `LENGTH KEY=VALUE\n`, of exactly that length, with values of the type that POSIX
/// gives their key.
pub(super) fn check(headers: &[u8]) -> Result<()> {
    let mut rest = headers;
    while let Some((block, after)) = rest.split_first_chunk::<BLOCK>() {
        let header = Header::from_byte_slice(block);
        let kind = header.entry_type();
        if !matches!(kind, EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink) {
            // The entry itself; what may follow are its sparse blocks. Zeros end the archive.
            return Ok(());
        }
        let size = header.entry_size().ok().and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX);
        let Some(content) = after.get(..size) else { return Ok(()) };
        if kind == EntryType::XHeader {
            records(content)?;
        }
        rest = after.get(size.next_multiple_of(BLOCK)..).unwrap_or_default();
    }
    Ok(())
}

/// Judges records that follow each other: all that a PAX header holds.
///
/// # Errors
/// As [`check`].
pub(super) fn records(mut rest: &[u8]) -> Result<()> {
    while !rest.is_empty() {
        let record = next(rest).ok_or_else(|| malformed(rest))?;
        let (length, key, value) = record;
        if !fits(key, value) {
            return Err(malformed(rest));
        }
        rest = &rest[length..];
    }
    Ok(())
}

/// The length of the first record, its key and its value.
fn next(rest: &[u8]) -> Option<(usize, &str, &[u8])> {
    let space = rest.iter().position(|&byte| byte == b' ')?;
    let digits = rest[..space].iter().all(u8::is_ascii_digit);
    let length: usize = std::str::from_utf8(&rest[..space]).ok()?.parse().ok().filter(|_| digits)?;
    let record = rest.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    let key = std::str::from_utf8(&record[..equals]).ok().filter(|key| !key.is_empty())?;
    Some((length, key, &record[equals + 1..]))
}

/// Whether the value is of its key's type. An empty one takes the key's meaning away.
fn fits(key: &str, value: &[u8]) -> bool {
    let text = std::str::from_utf8(value).ok();
    match key {
        _ if value.is_empty() => true,
        "size" => text.is_some_and(|text| text.parse::<i64>().is_ok_and(|size| size >= 0)),
        "uid" | "gid" => text.is_some_and(|text| text.parse::<i64>().is_ok()),
        "mtime" | "atime" | "ctime" => text.is_some_and(is_time),
        _ if NO_NUL.contains(&key) => !value.contains(&0),
        _ => !key.contains('\0'),
    }
}

/// Seconds since 1970 with a sign and a fraction, if any.
fn is_time(text: &str) -> bool {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    seconds.parse::<i64>().is_ok() && fraction.bytes().all(|byte| byte.is_ascii_digit())
}

fn malformed(record: &[u8]) -> Error {
    let shown: String = String::from_utf8_lossy(record).chars().take(60).collect();
    Error::integrity(format!("the layer has a malformed PAX record: {shown:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::scan::scan;
    use crate::facts::tests::{Tar, refusal};

    fn judged(body: &[u8]) -> Result<()> {
        let tar =
            Tar::new().content("before", &[b'x'; 700]).record(EntryType::XHeader, body).file("a").bytes();
        scan(&tar[..]).map(drop)
    }

    /// The record, with its length in front, which counts itself.
    fn record(content: &[u8]) -> Vec<u8> {
        let rest = content.len() + 2;
        let length = (1..).map(|digits| rest + digits).find(|n| n.to_string().len() + rest == *n);
        [length.expect("a length").to_string().as_bytes(), b" ", content, b"\n"].concat()
    }

    #[test]
    fn records_as_they_are_written_are_taken() {
        let contents: [&[u8]; 7] = [
            b"path=abc",
            b"path=",
            b"mtime=1350244992.0239605",
            b"mtime=-1.25",
            // A value may hold line ends, as binary attributes do.
            b"SCHILY.xattr.security.x=a\n\n=\0b",
            b"size=0",
            b"path=a\xffbc",
        ];
        let all: Vec<u8> = contents.iter().flat_map(|content| record(content)).collect();
        judged(&all).expect("well formed");
        judged(b"").expect("nothing");
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let values: [&[u8]; 7] =
            [b"path=\0b", b"size=-1", b"size=99999999999999999999", b"uid=me", b"mtime=now", b"=xy", b"abc"];
        let forms: [&[u8]; 6] = [
            b"999999999999 path=x\n",
            b"-5 path=x\n",
            b"+9 path=x\n",
            b"path=x\n",
            b"9 path=x",
            b"8 path=x\n",
        ];
        let values = values.into_iter().map(record);
        for body in values.chain(forms.into_iter().map(<[u8]>::to_vec)) {
            let shown = String::from_utf8_lossy(&body).into_owned();
            let error = judged(&body).map_or_else(|error| error.to_string(), |()| "taken".to_owned());
            assert!(error.contains("malformed PAX record"), "{shown:?}: {error}");
        }
        let global = Tar::new().record(EntryType::XGlobalHeader, b"3 x\n").file("a").bytes();
        assert!(refusal(scan(&global[..])).contains("malformed PAX record"));
    }
}
