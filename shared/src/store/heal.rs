//! Finding what is damaged.

use std::path::Path;
use std::sync::PoisonError;

use super::Store;
use crate::oci::Digest;
use crate::read;

impl Store {
    /// Reads all blobs that this process has used and removes those that are not what their
    /// names say, so that they are made or fetched anew. Returns how many there were.
    ///
    /// It reads a lot: it is for when something was found to be wrong.
    pub fn remove_damaged(&self) -> usize {
        let blobs: Vec<_> = self.places().map(|place| place.join("blobs")).collect();
        let mut used = self.run.used.lock().unwrap_or_else(PoisonError::into_inner);
        let is_blob = |path: &Path| blobs.iter().any(|blobs| path.starts_with(blobs));
        let damaged: Vec<_> = used.iter().filter(|path| is_blob(path) && is_damaged(path)).cloned().collect();
        for path in &damaged {
            used.remove(path);
            tracing::info!(path = %path.display(), "removed a damaged blob");
            self.remove_blob(path);
        }
        damaged.len()
    }
}

/// Whether a blob is not what its name says; one that is gone is no better.
fn is_damaged(path: &Path) -> bool {
    let digest = || read::file(path).and_then(Digest::of_stream).map(|(digest, _)| digest);
    let name = path.file_name().and_then(|name| name.to_str());
    !digest().is_ok_and(|digest| name == Some(&digest.hex()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    #[test]
    fn only_what_is_damaged_and_was_used_is_removed() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        let mut paths = Vec::new();
        for text in ["one", "two", "three"] {
            let mut writer = store.writer().expect("writer");
            writer.write_all(text.as_bytes()).expect("write");
            paths.push(writer.commit(None).expect("commit").0);
        }
        assert_eq!(store.remove_damaged(), 0);
        fs::write(&paths[1], "owt").expect("damaged");
        fs::remove_file(&paths[2]).expect("gone");
        let other = Store::open(folder.path()).expect("store");
        assert_eq!(other.remove_damaged(), 0, "it has used nothing");
        assert_eq!(store.remove_damaged(), 2);
        assert!(paths[0].exists() && !paths[1].exists());
        assert_eq!(store.remove_damaged(), 0);
    }
}
