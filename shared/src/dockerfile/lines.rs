//! Lines of a Dockerfile as its instructions: continued ones joined, comments left out, here-documents beside them.

use super::heredoc::{self, Document};
use crate::error::{Error, Result};

/// An instruction as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The number of its first line, from 1.
    pub(super) number: usize,
    pub(super) text: String,
    pub(super) documents: Vec<Document>,
}

/// What a line's end is escaped with, unless a directive says otherwise.
const ESCAPE: char = '\\';

/// The character that continues lines, and the instructions.
///
/// # Errors
/// Usage: it is not text, or a here-document has no end.
pub(super) fn read(text: &str) -> Result<(char, Vec<Line>)> {
    if let Some(at) = text.find('\0') {
        let number = text[..at].matches('\n').count() + 1;
        return Err(Error::usage(format!(
            "line {number} of the Dockerfile has a NUL byte, so it is not text"
        )));
    }
    let escape = escape_of(text)?;
    let mut lines = (1..).zip(text.lines());
    let mut found = Vec::new();
    while let Some((number, first)) = lines.next() {
        if is_blank(first) {
            continue;
        }
        let mut text = String::new();
        let mut part = first.trim_start();
        loop {
            let Some(kept) = continued(part, escape) else {
                text.push_str(part);
                break;
            };
            text.push_str(kept);
            // Comments and empty lines within an instruction do not end it.
            match lines.find(|(_, line)| !is_blank(line)) {
                Some((_, next)) => part = next,
                None => break,
            }
        }
        let text = text.trim_end().to_owned();
        let mut documents = Vec::new();
        for opening in heredoc::openings(&text) {
            documents.push(opening.read(number, &mut lines)?);
        }
        found.push(Line { number, text, documents });
    }
    Ok((escape, found))
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// The line without the escape at its end, if the next one continues it.
fn continued(line: &str, escape: char) -> Option<&str> {
    let kept = line.trim_end().strip_suffix(escape)?;
    (!kept.ends_with(escape)).then_some(kept)
}

/// What the directives at the top say of the escape.
fn escape_of(text: &str) -> Result<char> {
    for line in text.lines() {
        let Some((key, value)) = line.trim().strip_prefix('#').and_then(|rest| rest.split_once('=')) else {
            break;
        };
        let (key, value) = (key.trim(), value.trim());
        if key.eq_ignore_ascii_case("escape") {
            return match value {
                "\\" => Ok('\\'),
                "`" => Ok('`'),
                _ => Err(Error::usage(format!("the Dockerfile's directive escape cannot be {value:?}"))
                    .hint("use \\ or `")),
            };
        }
        if !key.chars().all(|c| c.is_ascii_alphanumeric()) {
            break;
        }
    }
    Ok(ESCAPE)
}
