//! RECORD: the list of a distribution's files with their hashes and sizes (recording installed
//! projects; binary distribution format, "The .dist-info directory").

use std::collections::HashMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::error::{Error, Result};
use crate::oci::Digest;

/// A hash as RECORD writes it. Only functions that prove something are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileHash {
    /// SHA-256.
    Sha256(Digest),
    /// SHA-384 or SHA-512, as text.
    Other(String),
}

/// One row of RECORD: a path, its hash and its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) path: String,
    /// RECORD itself and its signatures have none.
    pub(super) hash: Option<FileHash>,
    pub(super) size: Option<u64>,
}

impl FileHash {
    /// Of this content.
    pub(super) fn of(content: &[u8]) -> Self {
        Self::Sha256(Digest::of(content))
    }

    /// Whether `content` has this hash; `None` for functions that are not computed here.
    pub(super) fn fits(&self, content: &[u8]) -> Option<bool> {
        match self {
            Self::Sha256(digest) => Some(*digest == Digest::of(content)),
            Self::Other(_) => None,
        }
    }

    fn parse(text: &str, path: &str) -> Result<Self> {
        let wrong = || Error::integrity(format!("RECORD gives an invalid hash {text:?} for {path}"));
        let (algorithm, value) = text.split_once('=').ok_or_else(wrong)?;
        let bytes = match algorithm.to_ascii_lowercase().as_str() {
            "sha256" => 32,
            "sha384" => 48,
            "sha512" => 64,
            "md5" | "sha1" | "sha224" => {
                return Err(Error::integrity(format!(
                    "RECORD lists {path} with {algorithm} only, which is not secure"
                )));
            }
            _ => return Err(wrong()),
        };
        let value = value.trim_end_matches('=');
        // Old packers used the other alphabet, or padding.
        let decoded = URL_SAFE_NO_PAD.decode(value).or_else(|_| STANDARD_NO_PAD.decode(value));
        let decoded = decoded.map_err(|e| wrong().because(e))?;
        if decoded.len() != bytes {
            return Err(wrong());
        }
        if bytes != 32 {
            let value = URL_SAFE_NO_PAD.encode(&decoded);
            return Ok(Self::Other(format!("{}={value}", algorithm.to_ascii_lowercase())));
        }
        <[u8; 32]>::try_from(decoded)
            .map(|bytes| Self::Sha256(Digest::from_bytes(bytes)))
            .map_err(|_| wrong())
    }

    fn text(&self) -> String {
        match self {
            Self::Other(text) => text.clone(),
            Self::Sha256(digest) => format!("sha256={}", URL_SAFE_NO_PAD.encode(digest.as_bytes())),
        }
    }
}

/// Reads a RECORD, by path.
///
/// # Errors
/// Integrity: it is no table of three columns, states a file twice in different ways, or has a
/// hash or size that is none.
pub(super) fn parse(text: &[u8]) -> Result<HashMap<String, Row>> {
    let text = std::str::from_utf8(text).map_err(|e| Error::integrity("RECORD is not UTF-8").because(e))?;
    let mut rows: HashMap<String, Row> = HashMap::new();
    for fields in table(text)? {
        let row = row(&fields)?;
        match rows.get(&row.path) {
            Some(other) if *other != row => {
                return Err(Error::integrity(format!("RECORD has two different rows for {}", row.path)));
            }
            _ => drop(rows.insert(row.path.clone(), row)),
        }
    }
    Ok(rows)
}

fn row(fields: &[String]) -> Result<Row> {
    let [path, hash, size] = fields else {
        return Err(Error::integrity(format!(
            "RECORD has a row of {} columns for {:?}, not three",
            fields.len(),
            fields.first().map_or("", String::as_str)
        )));
    };
    let hash = if hash.is_empty() { None } else { Some(FileHash::parse(hash, path)?) };
    let wrong = || Error::integrity(format!("RECORD gives an invalid size {size:?} for {path}"));
    let size = if size.is_empty() { None } else { Some(size.parse().map_err(|_| wrong())?) };
    Ok(Row { path: path.clone(), hash, size })
}

/// The fields of comma-separated values as Python writes them: quotes where needed, doubled
/// within.
fn table(text: &str) -> Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    let (mut row, mut field) = (Vec::new(), String::new());
    let (mut quoted, mut started) = (false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if quoted => quoted = false,
            _ if quoted => field.push(c),
            '"' if field.is_empty() && !started => (quoted, started) = (true, true),
            ',' => {
                row.push(std::mem::take(&mut field));
                started = false;
            }
            '\n' | '\r' => {
                if !row.is_empty() || !field.is_empty() {
                    row.push(std::mem::take(&mut field));
                    rows.push(std::mem::take(&mut row));
                }
                started = false;
            }
            _ => field.push(c),
        }
    }
    if quoted {
        return Err(Error::integrity("RECORD ends inside a quotation"));
    }
    if !row.is_empty() || !field.is_empty() {
        row.push(field);
        rows.push(row);
    }
    Ok(rows)
}

/// Writes a RECORD: sorted by path, one line each.
pub(super) fn write(mut rows: Vec<Row>) -> String {
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    let mut text = String::new();
    for Row { path, hash, size } in rows {
        let path =
            if path.contains([',', '"']) { format!("\"{}\"", path.replace('"', "\"\"")) } else { path };
        let hash = hash.as_ref().map(FileHash::text).unwrap_or_default();
        let size = size.map(|size| size.to_string()).unwrap_or_default();
        let _ = writeln!(text, "{path},{hash},{size}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";

    #[test]
    fn what_is_written_is_read_again() {
        let row = |path: &str, size| Row { path: path.into(), hash: Some(FileHash::of(b"")), size };
        let rows = vec![row("b", Some(0)), row("a,\"b\"", Some(7)), row("ä b", None)];
        let text = write(rows.clone());
        assert_eq!(text, format!("\"a,\"\"b\"\"\",{EMPTY},7\nb,{EMPTY},0\nä b,{EMPTY},\n"));
        let read = parse(text.as_bytes()).expect("rows");
        assert_eq!(read.len(), 3);
        assert!(rows.iter().all(|row| read[&row.path] == *row));
    }

    #[test]
    fn rows_of_other_packers_are_read() {
        let padded = EMPTY.replace('-', "+").replace('_', "/") + "=";
        let long = format!("sha512={}", URL_SAFE_NO_PAD.encode([1; 64]));
        let text = format!("\r\na,{padded},0\r\n\"b\",{long},\r\na,{EMPTY},0\r\nx/RECORD,,");
        let rows = parse(text.as_bytes()).expect("rows");
        assert_eq!(rows.len(), 3);
        assert_eq!(rows["a"].hash, Some(FileHash::of(b"")));
        assert_eq!(rows["b"].hash, Some(FileHash::Other(long)));
        assert_eq!(rows["x/RECORD"], Row { path: "x/RECORD".into(), hash: None, size: None });
    }

    #[test]
    fn broken_rows_are_refused() {
        let md5 = format!("a,md5={},0", URL_SAFE_NO_PAD.encode([0; 16]));
        for (text, reason) in [
            ("a,sha256=abc,0", "invalid"),
            ("a,sha256,0", "invalid"),
            ("a,crc32=aaaaaa,0", "invalid"),
            (&md5, "not secure"),
            (&format!("a,{EMPTY},-1"), "for a"),
            (&format!("a,{EMPTY},0\na,{EMPTY},1"), "two different rows"),
            ("a", "columns"),
            ("a,,,", "columns"),
            ("\"a,,", "quotation"),
        ] {
            let error = parse(text.as_bytes()).expect_err(text);
            assert!(error.to_string().contains(reason), "{error}");
        }
        assert!(parse(b"\xff,,").is_err());
    }
}
