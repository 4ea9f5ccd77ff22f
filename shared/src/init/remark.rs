//! What of a Dockerfile becomes something else, or nothing.

/// A line of a Dockerfile with which the image differs from the Dockerfile's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The line, from 1.
    pub line: usize,
    /// What stands there, on one line.
    pub text: String,
    /// Why it was not taken over, or what was done in its place.
    pub why: String,
    /// What to do. `None` where nothing has to be done.
    pub instead: Option<String>,
}

/// As much is shown of an instruction, in characters.
const SHOWN: usize = 72;

impl Remark {
    /// Something that a person has to look at.
    pub(super) fn left(line: usize, text: &str, why: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { line, text: shortened(text), why: why.into(), instead: Some(instead.into()) }
    }

    /// Something that was done in another way.
    pub(super) fn otherwise(line: usize, text: &str, why: impl Into<String>) -> Self {
        Self { line, text: shortened(text), why: why.into(), instead: None }
    }
}

fn shortened(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match clean.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", clean[..end].trim_end()),
        None => clean,
    }
}
