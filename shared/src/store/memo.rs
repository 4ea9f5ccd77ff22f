//! Memo tables: small facts under keys that name all they depend on.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Store;
use crate::oci::Digest;

impl Store {
    /// The value remembered under `key` in `table`. Anything unreadable counts as forgotten.
    pub fn recall<T: DeserializeOwned>(&self, table: &str, key: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.memo_path(table, key)).ok()?).ok()
    }

    /// Remembers `value` under `key`. The key must name everything that the value depends on.
    /// A full or read-only disk is no error: forgetting only costs time.
    pub fn remember<T: Serialize>(&self, table: &str, key: &str, value: &T) {
        let write = || -> std::io::Result<()> {
            let path = self.memo_path(table, key);
            fs::create_dir_all(self.root.join("memo").join(table))?;
            let mut file = tempfile::NamedTempFile::new_in(self.root.join("tmp"))?;
            file.write_all(&serde_json::to_vec(value)?)?;
            file.persist(path).map_err(|e| e.error)?;
            Ok(())
        };
        if let Err(error) = write() {
            tracing::debug!(%error, table, "cannot remember");
        }
    }

    fn memo_path(&self, table: &str, key: &str) -> PathBuf {
        self.root.join("memo").join(table).join(Digest::of(key.as_bytes()).hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_recalled_by_table_and_key() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        store.remember("layers", "key", &vec![1, 2]);
        assert_eq!(store.recall::<Vec<u8>>("layers", "key"), Some(vec![1, 2]));
        assert_eq!(store.recall::<Vec<u8>>("layers", "other"), None);
        assert_eq!(store.recall::<Vec<u8>>("facts", "key"), None);
        assert_eq!(store.recall::<String>("layers", "key"), None, "another type is forgotten");
    }
}
