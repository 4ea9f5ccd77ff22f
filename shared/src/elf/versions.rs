//! The chains of structures that symbol versions are written in (LSB, "Symbol Versioning").

use object::{Endian, Endianness};

/// Versions of one file; no library has nearly as many.
const MOST: usize = 10_000;

/// The version is only a name for the file itself (`VER_FLG_BASE`).
const BASE: u16 = 1;

/// Without the version the loader only warns (`VER_FLG_WEAK`).
const WEAK: u16 = 2;

pub(super) struct Versions<'a> {
    pub(super) endian: Endianness,
    /// The text at an offset of the table of strings.
    pub(super) string: &'a dyn Fn(u64) -> Option<String>,
}

impl Versions<'_> {
    /// Reads a chain of `Elf_Verneed`: libraries, and the versions that must be in each.
    pub(super) fn wanted(&self, bytes: &[u8]) -> Vec<(String, Vec<String>)> {
        let mut found = Vec::new();
        let mut count = 0;
        self.walk(bytes, 0, 12, |at| {
            let mut versions = Vec::new();
            let aux = at.checked_add(self.long(bytes, at.checked_add(8)?)?)?;
            let mut left = self.short(bytes, at.checked_add(2)?)?;
            self.walk(bytes, aux, 12, |aux| {
                left = left.checked_sub(1)?;
                count += 1;
                let weak = self.short(bytes, aux.checked_add(4)?)? & WEAK != 0;
                let name = self.name(self.long(bytes, aux.checked_add(8)?)?)?;
                if !weak {
                    versions.push(name);
                }
                (count < MOST).then_some(())
            });
            found.push((self.name(self.long(bytes, at.checked_add(4)?)?)?, versions));
            (count < MOST).then_some(())
        });
        found
    }

    /// Reads a chain of `Elf_Verdef`: the versions that are there.
    pub(super) fn defined(&self, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        self.walk(bytes, 0, 16, |at| {
            // The first name is the version's own; others are those that it goes on from.
            let aux = at.checked_add(self.long(bytes, at.checked_add(12)?)?)?;
            let base = self.short(bytes, at.checked_add(2)?)? & BASE != 0;
            let name = self.name(self.long(bytes, aux)?)?;
            if !base {
                found.push(name);
            }
            (found.len() < MOST).then_some(())
        });
        found
    }

    /// Visits the structures of a chain, whose distance to the next is at `next`; 0 ends it.
    fn walk(&self, bytes: &[u8], start: usize, next: usize, mut visit: impl FnMut(usize) -> Option<()>) {
        let mut at = start;
        for _ in 0..MOST {
            if visit(at).is_none() {
                return;
            }
            match at.checked_add(next).and_then(|field| self.long(bytes, field)) {
                Some(distance) if distance > 0 => at = at.saturating_add(distance),
                _ => return,
            }
        }
    }

    fn name(&self, offset: usize) -> Option<String> {
        (self.string)(u64::try_from(offset).ok()?)
    }

    fn short(&self, bytes: &[u8], at: usize) -> Option<u16> {
        let field = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.endian.is_big_endian() { u16::from_be_bytes(field) } else { u16::from_le_bytes(field) })
    }

    fn long(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let field = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        let value =
            if self.endian.is_big_endian() { u32::from_be_bytes(field) } else { u32::from_le_bytes(field) };
        usize::try_from(value).ok()
    }
}
