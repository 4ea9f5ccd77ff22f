//! Memo tables: small facts under keys that name all they depend on.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::replace::{self, Over};
use super::{Store, Table, lru};
use crate::oci::Digest;
use crate::read;

/// The value's checksum in hexadecimal digits comes first: facts have no digest to be held to.
const SUM: usize = 64;
/// More than any fact takes, in bytes.
const MOST: u64 = 1 << 30;

impl Store {
    /// The value remembered under `key` in `table`, here or by who has lent it. Anything damaged counts as forgotten.
    pub fn recall<T: DeserializeOwned>(&self, table: Table, key: &str) -> Option<T> {
        let key = Digest::of(key.as_bytes());
        let value = serde_json::from_slice(&self.value(table, &key)?).ok()?;
        self.tell(table, &key);
        Some(value)
    }

    /// The same as it was written, by the digest of its key.
    pub(super) fn value(&self, table: Table, key: &Digest) -> Option<Vec<u8>> {
        self.own(table, key).or_else(|| self.lent(table, key))
    }

    fn own(&self, table: Table, key: &Digest) -> Option<Vec<u8>> {
        if self.believes_nothing && !self.has_remembered(table, key) {
            return None;
        }
        let at = |place| read::bytes(&memo_path(place, table, key), MOST).ok().map(|bytes| (place, bytes));
        let (place, mut bytes) = self.places().find_map(at)?;
        let path = memo_path(place, table, key);
        let (sum, value) = bytes.split_at_checked(SUM)?;
        if sum != Digest::of(value).hex().as_bytes() {
            return None;
        }
        if let Ok(metadata) = fs::metadata(&path) {
            lru::touch(&self.root, &path, &metadata);
        }
        self.note_use(&path);
        Some(bytes.split_off(SUM))
    }

    /// Whether this run has remembered it, whatever was there before.
    fn has_remembered(&self, table: Table, key: &Digest) -> bool {
        self.run.remembered.lock().unwrap_or_else(PoisonError::into_inner).contains(&(table, *key))
    }

    /// Remembers `value` under `key`. The key must name everything that the value depends on.
    /// A full or read-only disk is no error: forgetting only costs time.
    pub fn remember<T: Serialize>(&self, table: Table, key: &str, value: &T) {
        self.keep(table, key, value, table.is_concluded());
    }

    /// Remembers what follows from other values: not for longer than they where one of them may be lent, whatever the
    /// table holds otherwise.
    pub fn conclude<T: Serialize>(&self, table: Table, key: &str, value: &T) {
        self.keep(table, key, value, true);
    }

    fn keep<T: Serialize>(&self, table: Table, key: &str, value: &T, is_concluded: bool) {
        let key = Digest::of(key.as_bytes());
        let write = || -> std::io::Result<()> {
            let value = serde_json::to_vec(value)?;
            self.tell(table, &key);
            if is_concluded && self.keep_in_loan(table, &key, &value) {
                return Ok(());
            }
            let mut file = self.temporary_file().map_err(std::io::Error::other)?;
            let path = memo_path(self.home(), table, &key);
            fs::create_dir_all(self.home().join("memo").join(table.name()))?;
            file.write_all(Digest::of(&value).hex().as_bytes())?;
            file.write_all(&value)?;
            replace::persist(file, &path, Over::Anything).map_err(|(error, _)| error)?;
            self.run.remembered.lock().unwrap_or_else(PoisonError::into_inner).insert((table, key));
            self.note_new(&path);
            Ok(())
        };
        if let Err(error) = write() {
            tracing::debug!(%error, ?table, "cannot remember");
        }
    }
}

fn memo_path(place: &Path, table: Table, key: &Digest) -> PathBuf {
    place.join("memo").join(table.name()).join(key.hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_recalled_by_table_and_key() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        store.remember(Table::Layers, "key", &vec![1, 2]);
        assert_eq!(store.recall::<Vec<u8>>(Table::Layers, "key"), Some(vec![1, 2]));
        assert_eq!(store.recall::<Vec<u8>>(Table::Layers, "other"), None);
        assert_eq!(store.recall::<Vec<u8>>(Table::Facts, "key"), None);
        assert_eq!(store.recall::<String>(Table::Layers, "key"), None, "another type is forgotten");
    }

    #[test]
    fn a_store_that_believes_nothing_recalls_what_it_remembers_itself() {
        let folder = tempfile::tempdir().expect("folder");
        let open = || Store::open(folder.path()).expect("store");
        open().remember(Table::Layers, "key", &1);
        let strict = open().believing_nothing();
        assert_eq!(strict.recall::<u32>(Table::Layers, "key"), None);
        strict.remember(Table::Layers, "key", &2);
        assert_eq!(strict.recall(Table::Layers, "key"), Some(2));
        assert_eq!(open().recall(Table::Layers, "key"), Some(2), "others believe it");
    }

    #[test]
    fn one_changed_digit_is_noticed() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        store.remember(Table::Facts, "key", &1234);
        let path = memo_path(folder.path(), Table::Facts, &Digest::of(b"key"));
        let text = fs::read_to_string(&path).expect("memo");
        for broken in [text.replace("1234", "1235"), text[..60].to_owned(), String::new()] {
            fs::write(&path, broken).expect("damaged");
            assert_eq!(store.recall::<u32>(Table::Facts, "key"), None);
        }
        fs::write(&path, text).expect("repaired");
        assert_eq!(store.recall(Table::Facts, "key"), Some(1234));
    }
}
