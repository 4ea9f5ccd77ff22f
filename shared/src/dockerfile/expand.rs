//! Variables: what `$NAME` and `${NAME:-else}` stand for, and quotation marks, as BuildKit's shell lexer has it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::error::Error;

/// What is known of variables at an instruction. `None` is one that the Dockerfile declares without a value.
pub(super) type Variables = BTreeMap<String, Option<String>>;

/// Longer values are refused: each may hold others twice, and so grow without an end. In bytes.
const MOST: usize = 64 * 1024;
/// As much do all values of a Dockerfile hold together: few lines can copy a long value often. In bytes.
const MOST_IN_ALL: usize = 8 << 20;
/// Defaults of defaults go no deeper.
const DEEPEST: usize = 16;

/// Why a text has no value that is known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unknown {
    /// Given with `--build-arg`, or not at all.
    #[error("ARG {0} has no default")]
    NoDefault(String),
    /// Of the base, or of the machine.
    #[error("the Dockerfile does not set ${0}")]
    NotSet(String),
    #[error("${{{0}}} is a pattern, which is only known in the builder")]
    Pattern(String),
    #[error("its variables expand to more than 64 KiB")]
    TooLong,
}

/// What the values of a Dockerfile may still hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget(Rc<Cell<usize>>);

impl Budget {
    pub(super) fn spend(&self, bytes: usize) {
        self.0.set(self.0.get().saturating_add(bytes));
    }

    pub(super) fn is_spent(&self) -> bool {
        self.0.get() > MOST_IN_ALL
    }

    /// # Errors
    /// Usage: the values have become too many, or too long.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.is_spent() {
            true => Err(Error::usage(format!(
                "the Dockerfile's variables expand to more than {} MiB in all",
                MOST_IN_ALL >> 20
            ))
            .hint("make the values of its variables shorter")),
            false => Ok(()),
        }
    }
}

/// The text with its variables replaced and without its quotation marks.
pub(super) fn expand(text: &str, variables: &Variables, escape: char) -> Result<String, Unknown> {
    Expander { variables, escape, depth: 0 }.text(text)
}

struct Expander<'a> {
    variables: &'a Variables,
    escape: char,
    depth: usize,
}

impl Expander<'_> {
    fn text(&self, text: &str) -> Result<String, Unknown> {
        let (mut out, mut quote, mut rest) = (String::new(), None, text);
        // Behind a brace that is not closed, looking for the end of others would take the square of the length.
        let mut is_open = false;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match (quote, c) {
                (Some('\''), '\'') | (Some('"'), '"') => quote = None,
                (Some('\''), _) => out.push(c),
                (None, '\'' | '"') => quote = Some(c),
                (_, c) if c == self.escape => {
                    let next = rest.chars().next();
                    // Within quotation marks, others keep the escape.
                    if quote.is_some() && !next.is_some_and(|n| n == '"' || n == '$' || n == self.escape) {
                        out.push(c);
                    }
                    out.extend(next);
                    rest = &rest[next.map_or(0, char::len_utf8)..];
                }
                (_, '$') => rest = self.variable(rest, &mut out, &mut is_open)?,
                _ => out.push(c),
            }
            if out.len() > MOST {
                return Err(Unknown::TooLong);
            }
        }
        Ok(out)
    }

    /// The value of what stands behind `$`; gives back the rest.
    fn variable<'t>(&self, rest: &'t str, out: &mut String, is_open: &mut bool) -> Result<&'t str, Unknown> {
        if let Some(inner) = rest.strip_prefix('{') {
            let Some(end) = (!*is_open).then(|| closing(inner)).flatten() else {
                *is_open = true;
                out.push('$');
                return Ok(rest);
            };
            out.push_str(&self.braced(&inner[..end])?);
            return Ok(&inner[end + 1..]);
        }
        let end = name_end(rest);
        if end == 0 {
            out.push('$');
            return Ok(rest);
        }
        out.push_str(self.value(&rest[..end])?);
        Ok(&rest[end..])
    }

    fn braced(&self, inner: &str) -> Result<String, Unknown> {
        if self.depth == DEEPEST {
            return Err(Unknown::TooLong);
        }
        let (name, operation) = inner.split_at(name_end(inner));
        let deeper = Expander { depth: self.depth + 1, ..*self };
        let set = self.variables.get(name).and_then(Option::as_deref);
        let filled = set.filter(|value| !value.is_empty());
        let (value, word, is_default) = match operation {
            "" => return self.value(name).map(str::to_owned),
            op if op.starts_with(":-") => (filled, &op[2..], true),
            op if op.starts_with(":+") => (filled, &op[2..], false),
            op if op.starts_with(":?") || op.starts_with('?') => {
                return self.value(name).map(str::to_owned);
            }
            op if op.starts_with('-') => (set, &op[1..], true),
            op if op.starts_with('+') => (set, &op[1..], false),
            _ => return Err(Unknown::Pattern(inner.chars().take(40).collect())),
        };
        match (value, is_default) {
            (Some(value), true) => Ok(value.to_owned()),
            (None, true) | (Some(_), false) => deeper.text(word),
            (None, false) => Ok(String::new()),
        }
    }

    fn value(&self, name: &str) -> Result<&str, Unknown> {
        match self.variables.get(name) {
            Some(Some(value)) => Ok(value),
            Some(None) => Err(Unknown::NoDefault(name.to_owned())),
            None => Err(Unknown::NotSet(name.to_owned())),
        }
    }
}

fn name_end(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Where the brace is closed that was opened before the text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The same for what a shell will read: what is not known stays, and so do quotation marks.
pub(super) fn expand_known(text: &str, variables: &Variables) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (name, tail) = match after.strip_prefix('{').map(|inner| inner.split_at(name_end(inner))) {
            Some((name, tail)) if tail.starts_with('}') => (name, &tail[1..]),
            Some(_) => ("", after),
            None => after.split_at(name_end(after)),
        };
        rest = match variables.get(name).and_then(Option::as_deref) {
            Some(value) if out.len() < MOST => {
                out.push_str(value);
                tail
            }
            _ => {
                out.push('$');
                after
            }
        };
    }
    out.push_str(rest);
    out
}
