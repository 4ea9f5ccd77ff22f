//! The files that were not parsed yet, and those of them that are worth it.

use std::mem;

use aho_corasick::AhoCorasick;

use super::files::Source;
use crate::python::syntax::{Outline, outline};

/// So many bytes of texts are held, so that they are not read again; those of other files are.
const MOST_HELD: usize = 64 << 20;

/// A file of the project, read.
#[derive(Debug)]
pub(super) struct Module<'a> {
    /// The file.
    pub(super) source: Source<'a>,
    pub(super) outline: Outline,
}

/// The files that were not parsed yet.
pub(super) struct Shelf<'a> {
    files: Vec<(Source<'a>, Option<String>)>,
    held: usize,
}

impl<'a> Shelf<'a> {
    /// All files, unread.
    pub(super) fn new(sources: Vec<Source<'a>>) -> Self {
        Self { files: sources.into_iter().map(|source| (source, None)).collect(), held: 0 }
    }

    /// Leaves only some files.
    pub(super) fn retain(&mut self, wanted: impl Fn(&Source) -> bool) {
        self.files.retain(|(source, _)| wanted(source));
    }

    /// Takes and parses the files that hold one of the `needles`, or are `wanted` anyway.
    pub(super) fn take<'n>(
        &mut self,
        needles: impl Iterator<Item = &'n str>,
        wanted: impl Fn(&Source) -> bool,
    ) -> Vec<Module<'a>> {
        let mut modules = Vec::new();
        let needles: Vec<&str> = needles.collect();
        if needles.is_empty() {
            return modules;
        }
        let Ok(search) = AhoCorasick::new(needles) else { return modules };
        for (source, text) in mem::take(&mut self.files) {
            let is_held = text.is_some();
            let Some(text) = text.or_else(|| source.text()) else { continue };
            if wanted(&source) || search.is_match(&text) {
                let outline = outline(&text, &source.module, source.is_package());
                modules.extend(outline.map(|outline| Module { source, outline }));
            } else if is_held || self.held + text.len() <= MOST_HELD {
                self.held += if is_held { 0 } else { text.len() };
                self.files.push((source, Some(text)));
            } else {
                self.files.push((source, None));
            }
        }
        modules
    }
}
