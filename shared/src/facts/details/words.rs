//! Words that are looked for in each module of Python: prepared once, as there are many modules.

use memchr::memmem::Finder;

/// Some words.
pub(super) struct Words(Vec<Finder<'static>>);

impl Words {
    /// These.
    pub(super) fn new(words: &[&'static str]) -> Self {
        Self(words.iter().copied().map(Finder::new).collect())
    }

    /// Whether one of them is in the text.
    pub(super) fn is_any_in(&self, text: &str) -> bool {
        self.0.iter().any(|word| word.find(text.as_bytes()).is_some())
    }
}
