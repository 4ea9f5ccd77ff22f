//! Two of the same kind, and how one differs from the other.

use serde::Serialize;

/// The same of both images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sides<T> {
    /// Of the first one.
    pub from: T,
    /// Of the second one.
    pub to: T,
}

impl<T> Sides<T> {
    /// Does the same to both.
    pub fn map<U>(self, mut each: impl FnMut(T) -> U) -> Sides<U> {
        Sides { from: each(self.from), to: each(self.to) }
    }

    /// Both by reference.
    pub const fn as_ref(&self) -> Sides<&T> {
        Sides { from: &self.from, to: &self.to }
    }

    /// The one of a side.
    pub fn of(&mut self, side: Side) -> &mut T {
        match side {
            Side::From => &mut self.from,
            Side::To => &mut self.to,
        }
    }
}

impl<T> Sides<Option<T>> {
    /// How the second differs from the first, where both are known to be different.
    pub(super) const fn change(&self) -> Change {
        match (&self.from, &self.to) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            _ => Change::Changed,
        }
    }
}

/// One of two images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The first.
    From,
    /// The second.
    To,
}

/// How something of the second image differs from the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Only the second has it.
    Added,
    /// Only the first has it.
    Removed,
    /// Both have it, and it is not the same.
    Changed,
}

/// How many there are, listed or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// Those that only the second image has.
    pub added: u64,
    /// Those that only the first has.
    pub removed: u64,
    /// Those that both have, and that are not the same.
    pub changed: u64,
}

impl Counts {
    /// Counts one.
    pub(super) const fn add(&mut self, change: Change) {
        match change {
            Change::Added => self.added += 1,
            Change::Removed => self.removed += 1,
            Change::Changed => self.changed += 1,
        }
    }

    /// All of them.
    pub const fn all(self) -> u64 {
        self.added + self.removed + self.changed
    }
}

impl FromIterator<Change> for Counts {
    fn from_iter<I: IntoIterator<Item = Change>>(all: I) -> Self {
        let mut counts = Self::default();
        all.into_iter().for_each(|change| counts.add(change));
        counts
    }
}
