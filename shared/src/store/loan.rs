//! What other runs have found out, lent to this one; and what this one has found out, for others.
//!
//! What is lent is not the store's own: it is believed for this run, by whoever decided to borrow it, and nothing of it
//! is written to the disk. What is concluded from it would be as little worth later, so that stays in memory too.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{MutexGuard, PoisonError};

use super::{Store, Table};
use crate::oci::{Digest, Repository};

/// One value of a memo table, under the digest of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it was remembered.
    pub table: Table,
    /// The digest of its key.
    pub key: Digest,
    /// The value, as JSON.
    pub value: Vec<u8>,
}

/// What is found out by one run, for others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Values of memo tables.
    pub entries: Vec<Entry>,
    /// Small blobs, such as the manifests of bases.
    pub blobs: Vec<Vec<u8>>,
}

/// What a run borrows and tells.
#[derive(Debug, Default)]
pub(super) struct Loan {
    entries: HashMap<(Table, Digest), Vec<u8>>,
    blobs: HashMap<Digest, Vec<u8>>,
    homes: HashMap<Digest, Repository>,
    /// Whether anything of it was used.
    is_used: bool,
    /// What this run has asked or found out.
    told: BTreeSet<(Table, Digest)>,
    told_blobs: BTreeSet<Digest>,
    /// What it has concluded from what it had borrowed.
    concluded: BTreeMap<(Table, Digest), Vec<u8>>,
}

impl Store {
    /// Lends findings to this run, and the repositories that have blobs which are not here.
    pub fn lend(&self, findings: Findings, homes: Vec<(Digest, Repository)>) {
        let mut loan = self.loan();
        for Entry { table, key, value } in findings.entries.into_iter().filter(|entry| entry.table.travels())
        {
            loan.entries.insert((table, key), value);
        }
        for blob in findings.blobs {
            loan.blobs.insert(Digest::of(&blob), blob);
        }
        loan.homes.extend(homes);
    }

    /// The same store for what is run on this machine: nothing that is lent counts there, and nothing is told of it.
    #[must_use]
    pub fn alone(&self) -> Self {
        Self { is_alone: true, ..self.clone() }
    }

    /// The repository that is said to have a blob which is not here.
    pub fn lent_home(&self, digest: &Digest) -> Option<Repository> {
        let mut loan = self.borrowed()?;
        let home = loan.homes.get(digest).cloned();
        loan.is_used |= home.is_some();
        home
    }

    /// Whether anything that is lent was used.
    pub fn has_used_loan(&self) -> bool {
        self.loan().is_used
    }

    /// Gives back all that was lent, and forgets what was concluded from it. Whether any of it was used.
    pub fn return_loan(&self) -> bool {
        let mut loan = self.loan();
        let Loan { is_used, told, told_blobs, .. } = std::mem::take(&mut *loan);
        *loan = Loan { told, told_blobs, ..Loan::default() };
        is_used
    }

    /// Where everything stands that this run has asked or found out and that means the same on other machines.
    pub fn told(&self) -> BTreeSet<(Table, Digest)> {
        self.loan().told.clone()
    }

    /// What is known there, no more than `most` bytes, and the small blobs that this run has told.
    pub fn findings(&self, told: impl IntoIterator<Item = (Table, Digest)>, most: usize) -> Findings {
        let blobs = self.loan().told_blobs.clone();
        let (mut entries, mut room) = (Vec::new(), most);
        for (table, key) in told {
            let Some(value) = self.value(table, &key).filter(|value| value.len() <= room) else { continue };
            room -= value.len();
            entries.push(Entry { table, key, value });
        }
        Findings { entries, blobs: blobs.iter().filter_map(|digest| self.read(digest)).collect() }
    }

    /// Notes that this run needs a small blob that has come from elsewhere.
    pub fn tell_blob(&self, digest: &Digest) {
        self.loan().told_blobs.insert(*digest);
    }

    /// A small blob that is lent: its digest was computed.
    pub(super) fn lent_blob(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.borrowed()?.blobs.get(digest).cloned()
    }

    /// A value that is lent, or that was concluded from what is.
    pub(super) fn lent(&self, table: Table, key: &Digest) -> Option<Vec<u8>> {
        let mut loan = self.borrowed()?;
        let place = (table, *key);
        if let Some(value) = loan.concluded.get(&place) {
            return Some(value.clone());
        }
        let value = loan.entries.get(&place).cloned();
        loan.is_used |= value.is_some();
        value
    }

    /// Notes that this run has asked for a value, and got it.
    pub(super) fn tell(&self, table: Table, key: &Digest) {
        if table.travels() && !self.is_alone {
            self.loan().told.insert((table, *key));
        }
    }

    /// Keeps in memory a value that was concluded, if that was from what is lent. Whether it was.
    pub(super) fn keep_in_loan(&self, table: Table, key: &Digest, value: &[u8]) -> bool {
        let mut loan = self.loan();
        let is_from_loan = loan.is_used && !self.is_alone;
        if is_from_loan {
            loan.concluded.insert((table, *key), value.to_vec());
        }
        is_from_loan
    }

    /// The loan, for those that it is meant for.
    fn borrowed(&self) -> Option<MutexGuard<'_, Loan>> {
        (!self.is_alone).then(|| self.loan())
    }

    fn loan(&self) -> MutexGuard<'_, Loan> {
        self.run.loan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(table: Table, key: &str, value: &str) -> Entry {
        Entry { table, key: Digest::of(key.as_bytes()), value: value.into() }
    }

    fn entries(entries: Vec<Entry>) -> Findings {
        Findings { entries, blobs: Vec::new() }
    }

    fn store(folder: &tempfile::TempDir) -> Store {
        Store::open(folder.path()).expect("store")
    }

    #[test]
    fn what_is_lent_is_recalled_and_not_kept() {
        let folder = tempfile::tempdir().expect("folder");
        let borrower = store(&folder);
        let both = vec![entry(Table::Facts, "a", "1"), entry(Table::Verdicts, "b", "2")];
        borrower.lend(entries(both), vec![]);
        assert_eq!(borrower.recall::<u32>(Table::Facts, "a"), Some(1));
        assert_eq!(borrower.recall::<String>(Table::Verdicts, "b"), None, "another type is forgotten");
        assert_eq!(store(&folder).recall::<u32>(Table::Facts, "a"), None);
        assert!(borrower.return_loan());
        assert_eq!(borrower.recall::<u32>(Table::Facts, "a"), None);
        assert!(!borrower.return_loan(), "nothing is lent any more");
    }

    #[test]
    fn what_means_something_here_alone_is_not_lent() {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(&folder);
        let both = vec![entry(Table::PushedTo, "a", "true"), entry(Table::Bundles, "b", "1")];
        store.lend(entries(both), vec![]);
        assert_eq!(store.recall::<bool>(Table::PushedTo, "a"), None);
        assert_eq!(store.recall::<u32>(Table::Bundles, "b"), None);
    }

    #[test]
    fn the_own_word_counts_more_and_conclusions_from_a_loan_stay_in_memory() {
        let folder = tempfile::tempdir().expect("folder");
        let borrower = store(&folder);
        borrower.remember(Table::Facts, "a", &1);
        let both = vec![entry(Table::Facts, "a", "7"), entry(Table::Facts, "b", "2")];
        borrower.lend(entries(both), vec![]);
        assert_eq!(borrower.recall::<u32>(Table::Facts, "a"), Some(1));
        borrower.remember(Table::Verdicts, "before", &3);
        assert_eq!(borrower.recall::<u32>(Table::Facts, "b"), Some(2));
        borrower.remember(Table::Verdicts, "after", &4);
        borrower.remember(Table::KeyedLayers, "after", &6);
        borrower.alone().remember(Table::KeyedLayers, "alone", &7);
        borrower.remember(Table::Facts, "c", &5);
        borrower.conclude(Table::Facts, "d", &8);
        assert_eq!(borrower.recall::<u32>(Table::Verdicts, "after"), Some(4));
        let later = store(&folder);
        assert_eq!(later.recall::<u32>(Table::Verdicts, "before"), Some(3));
        assert_eq!(later.recall::<u32>(Table::Verdicts, "after"), None);
        assert_eq!(later.recall::<u32>(Table::KeyedLayers, "after"), None, "it may be made of what was lent");
        assert_eq!(later.recall::<u32>(Table::KeyedLayers, "alone"), Some(7));
        assert_eq!(later.recall::<u32>(Table::Facts, "c"), Some(5), "it is what bytes say that were here");
        assert_eq!(
            later.recall::<u32>(Table::Facts, "d"),
            None,
            "something that was lent was taken for true"
        );
        borrower.return_loan();
        assert_eq!(borrower.recall::<u32>(Table::Verdicts, "after"), None);
    }

    #[test]
    fn a_run_tells_what_it_has_asked_and_found_out() {
        let folder = tempfile::tempdir().expect("folder");
        store(&folder).remember(Table::Layers, "not asked", &0);
        store(&folder).remember(Table::Layers, "asked", &1);
        let run = store(&folder);
        let both = vec![entry(Table::Facts, "lent", "2"), entry(Table::Facts, "never asked", "3")];
        run.lend(entries(both), vec![]);
        run.recall::<u32>(Table::Layers, "asked");
        run.recall::<u32>(Table::Facts, "lent");
        run.recall::<u32>(Table::Facts, "unknown");
        run.remember(Table::Users, "new", &4);
        run.remember(Table::PushedTo, "here", &true);
        let told: BTreeSet<_> = run
            .findings(run.told(), 1 << 20)
            .entries
            .into_iter()
            .map(|entry| (entry.table.name(), entry.value))
            .collect();
        assert_eq!(run.findings(run.told(), 2).entries.len(), 2, "there is room for so many");
        let expected = [("layers", "1"), ("facts-v3", "2"), (Table::Users.name(), "4")];
        assert_eq!(told, expected.map(|(table, value)| (table, value.as_bytes().to_vec())).into());
    }

    #[test]
    fn who_runs_what_is_recalled_believes_nobody() {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(&folder);
        store.lend(entries(vec![entry(Table::KeyedLayers, "interpreter", "1")]), vec![]);
        assert_eq!(store.alone().recall::<u32>(Table::KeyedLayers, "interpreter"), None);
        assert!(store.told().is_empty(), "nobody has asked");
        assert_eq!(store.recall::<u32>(Table::KeyedLayers, "interpreter"), Some(1));
    }

    #[test]
    fn a_small_blob_is_lent_under_its_own_digest() {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(&folder);
        store.lend(Findings { blobs: vec![b"manifest".to_vec()], ..Findings::default() }, vec![]);
        assert!(store.findings([], 1 << 20).blobs.is_empty());
        assert_eq!(store.read(&Digest::of(b"manifest")).as_deref(), Some(&b"manifest"[..]));
        assert_eq!(store.read(&Digest::of(b"other")), None);
        store.tell_blob(&Digest::of(b"manifest"));
        assert_eq!(store.findings([], 1 << 20).blobs, [b"manifest"]);
    }

    #[test]
    fn what_nobody_has_asked_may_be_told_too() {
        let folder = tempfile::tempdir().expect("folder");
        store(&folder).remember(Table::Details, "known", &1);
        let run = store(&folder);
        let asked = ["known", "unknown"].map(|key| (Table::Details, Digest::of(key.as_bytes())));
        assert_eq!(run.findings(asked, 1 << 20).entries, [entry(Table::Details, "known", "1")]);
    }

    #[test]
    fn homes_are_lent_too() {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(&folder);
        let digest = Digest::of(b"layer");
        let home: Repository = "registry.example/app".parse().expect("a repository");
        store.lend(Findings::default(), vec![(digest, home.clone())]);
        assert_eq!(store.lent_home(&digest), Some(home));
        assert_eq!(store.lent_home(&Digest::of(b"other")), None);
        assert!(store.return_loan());
        assert_eq!(store.lent_home(&digest), None);
    }
}
