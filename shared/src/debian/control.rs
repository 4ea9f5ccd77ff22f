//! Paragraphs of fields (deb822(5)): what package indexes, releases and packages are written in.

use std::io::{BufRead, Read};

use crate::error::{Context, Error, Result};

/// Bytes of one paragraph. The longest of Debian's indexes have some ten thousand; a release file
/// is one paragraph, and has some hundred thousand.
const MOST: usize = 16 << 20;

/// Fields and their values, in their order. Lines that go on a value are kept, without their
/// leading space.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Paragraph(Vec<(String, String)>);

impl Paragraph {
    /// Reads the first paragraph of `text`.
    pub(super) fn parse(text: &str) -> Self {
        Self::all(text).next().unwrap_or_default()
    }

    /// Reads all paragraphs of `text`.
    pub(super) fn all(text: &str) -> impl Iterator<Item = Self> + '_ {
        let mut lines = text.lines();
        std::iter::from_fn(move || {
            let mut fields: Vec<(String, String)> = Vec::new();
            for line in lines.by_ref() {
                if line.trim().is_empty() {
                    if fields.is_empty() {
                        continue;
                    }
                    break;
                }
                if line.starts_with('#') {
                    continue;
                }
                if line.starts_with([' ', '\t']) {
                    if let Some((_, value)) = fields.last_mut() {
                        value.push('\n');
                        value.push_str(line.trim());
                    }
                } else if let Some((name, value)) = line.split_once(':') {
                    fields.push((name.trim().to_owned(), value.trim().to_owned()));
                }
            }
            Some(Self(fields)).filter(|paragraph| !paragraph.0.is_empty())
        })
    }

    /// The value of a field; names do not differ by case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The value of a field that must be there.
    ///
    /// # Errors
    /// Integrity, naming the field.
    pub(super) fn need(&self, name: &str) -> Result<&str> {
        self.get(name).ok_or_else(|| Error::integrity(format!("the field {name} is missing")))
    }
}

/// Calls `take` with each paragraph's offset and text of a file that is never held as a whole.
///
/// # Errors
/// Those of the reader; integrity when a paragraph is too long to be one.
pub(super) fn scan(reader: impl Read, mut take: impl FnMut(u64, &str) -> Result<()>) -> Result<()> {
    let mut reader = std::io::BufReader::with_capacity(256 * 1024, reader);
    let (mut offset, mut begin) = (0, 0);
    let mut paragraph = String::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let most = u64::try_from(MOST).unwrap_or(u64::MAX);
        let read = reader.by_ref().take(most).read_until(b'\n', &mut line);
        let read = read.context(|| "cannot read an index of packages".into())?;
        if line.iter().all(u8::is_ascii_whitespace) {
            if !paragraph.is_empty() {
                take(begin, &paragraph)?;
                paragraph.clear();
            }
            if read == 0 {
                return Ok(());
            }
            offset += read as u64;
            begin = offset;
            continue;
        }
        if paragraph.len().saturating_add(line.len()) > MOST {
            return Err(Error::integrity("an index of packages has a paragraph without end"));
        }
        paragraph.push_str(&String::from_utf8_lossy(&line));
        offset += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "\n\nPackage: a\n# no field\nDepends: b,\n c\nDescription: one\n two\n .\n\n\nPackage: b\nX: é\n";

    #[test]
    fn values_go_on_in_indented_lines() {
        let all: Vec<_> = Paragraph::all(TEXT).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].get("package"), Some("a"));
        assert_eq!(all[0].get("Depends"), Some("b,\nc"));
        assert_eq!(all[0].get("Description"), Some("one\ntwo\n."));
        assert_eq!(all[0].get("Version"), None);
        assert_eq!(all[0].need("Version").expect_err("missing").kind(), crate::Kind::Integrity);
        assert_eq!(Paragraph::parse("").get("x"), None);
    }

    #[test]
    fn paragraphs_are_found_again_by_their_place() {
        let mut found = Vec::new();
        scan(TEXT.as_bytes(), |at, text| {
            found.push((usize::try_from(at).expect("small"), text.to_owned()));
            Ok(())
        })
        .expect("read");
        assert_eq!(found.len(), 2);
        for (at, text) in found {
            assert_eq!(&TEXT[at..at + text.len()], text);
        }
    }

    #[test]
    fn a_paragraph_without_end_is_refused() {
        let endless = std::io::repeat(b'x');
        let error = scan(endless, |_, _| Ok(())).expect_err("refused");
        assert_eq!(error.kind(), crate::Kind::Integrity);
    }
}
