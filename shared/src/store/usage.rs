//! What is in the store, and how much of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use super::Store;

/// A number of files and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// How many files.
    pub files: u64,
    /// Their sizes together, in bytes.
    pub bytes: u64,
}

/// What a store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Layers, manifests and configurations.
    pub blobs: Count,
    /// What is remembered, by table.
    pub memo: BTreeMap<String, Count>,
    /// What is being written, or was left by a process that died.
    pub temporary: Count,
}

impl Count {
    pub(super) fn count(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

impl std::ops::Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { files: self.files + other.files, bytes: self.bytes + other.bytes }
    }
}

impl Usage {
    /// Blobs, memos and what is unfinished together.
    pub fn total(&self) -> Count {
        let parts = self.memo.values().chain([&self.blobs, &self.temporary]);
        parts.fold(Count::default(), |sum, part| sum + *part)
    }
}

/// A file of the store.
pub(super) struct Stored {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) used: SystemTime,
}

impl Store {
    /// Counts what is there. What cannot be read counts as nothing.
    pub fn usage(&self) -> Usage {
        let count = |files: Vec<Stored>| {
            let mut count = Count::default();
            files.iter().for_each(|file| count.count(file.size));
            count
        };
        let memo = self.tables().into_iter().map(|table| {
            let name = table.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, count(files(&table)))
        });
        Usage {
            blobs: count(self.blobs()),
            memo: memo.collect(),
            temporary: count(files(&self.root.join("tmp"))),
        }
    }

    pub(super) fn blobs(&self) -> Vec<Stored> {
        files(&self.root.join("blobs/sha256"))
    }

    pub(super) fn tables(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.root.join("memo")).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    }
}

/// The files in a folder, in no order.
pub(super) fn files(folder: &Path) -> Vec<Stored> {
    let stored = |entry: fs::DirEntry| {
        let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        Some(Stored { path: entry.path(), size: metadata.len(), used: metadata.modified().ok()? })
    };
    fs::read_dir(folder).into_iter().flatten().flatten().filter_map(stored).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Table;
    use std::io::Write;

    #[test]
    fn everything_is_counted_by_kind() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        assert_eq!(store.usage(), Usage::default());
        let mut writer = store.writer().expect("writer");
        writer.write_all(b"hello").expect("write");
        assert_eq!(store.usage().temporary, Count { files: 1, bytes: 5 });
        writer.commit(None).expect("commit");
        store.remember(Table::Facts, "a", &1);
        store.remember(Table::Facts, "b", &2);
        store.remember(Table::Layers, "a", &3);
        let usage = store.usage();
        assert_eq!(usage.blobs, Count { files: 1, bytes: 5 });
        assert_eq!(usage.memo[Table::Facts.name()], Count { files: 2, bytes: 130 });
        assert_eq!(usage.total(), Count { files: 4, bytes: 200 });
    }
}
