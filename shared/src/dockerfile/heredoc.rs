//! Here-documents: text between an instruction that names its end and that end.

use crate::error::{Error, Result};

/// A text that stands below its instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What ends it; for a copied file also its name.
    pub name: String,
    /// Its lines.
    pub text: String,
    /// Whether variables in it are replaced: not where the end was quoted.
    pub expands: bool,
}

/// The beginning of a here-document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opening {
    name: String,
    expands: bool,
    /// `<<-`: tabs before each line are left out.
    strips_tabs: bool,
}

/// Instructions that may have any.
const WITH_DOCUMENTS: [&str; 3] = ["RUN", "COPY", "ADD"];

/// The here-documents that an instruction opens, in their order.
pub(super) fn openings(text: &str) -> Vec<Opening> {
    let verb = text.split_whitespace().next().unwrap_or_default();
    if !WITH_DOCUMENTS.iter().any(|name| verb.eq_ignore_ascii_case(name)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let (mut quote, mut rest) = (None, text);
    while let Some(c) = rest.chars().next() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, '<') if rest.starts_with("<<<") => rest = &rest[2..],
            (None, '<') if rest.starts_with("<<") => found.extend(opening(&rest[2..])),
            _ => {}
        }
        rest = &rest[c.len_utf8()..];
    }
    found
}

/// What stands behind `<<`.
fn opening(rest: &str) -> Option<Opening> {
    let (strips_tabs, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let rest = &rest[quote.map_or(0, char::len_utf8)..];
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    let is_closed = quote.is_none_or(|quote| rest[end..].starts_with(quote));
    let is_name = rest.starts_with(|c: char| c.is_alphabetic() || c == '_');
    (is_closed && is_name).then(|| Opening {
        name: rest[..end].to_owned(),
        expands: quote.is_none(),
        strips_tabs,
    })
}

impl Opening {
    /// Reads the lines up to the end.
    ///
    /// # Errors
    /// Usage: the line that ends it is missing.
    pub(super) fn read<'t>(
        self,
        number: usize,
        lines: &mut impl Iterator<Item = (usize, &'t str)>,
    ) -> Result<Document> {
        let mut text = String::new();
        for (_, line) in lines {
            let line = if self.strips_tabs { line.trim_start_matches('\t') } else { line };
            if line == self.name {
                return Ok(Document { name: self.name, text, expands: self.expands });
            }
            text.push_str(line);
            text.push('\n');
        }
        Err(Error::usage(format!(
            "the here-document {} of line {number} of the Dockerfile has no end",
            self.name
        ))
        .hint(format!("add a line that holds {} and nothing else", self.name)))
    }
}
