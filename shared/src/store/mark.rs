//! Marks that keep a cache out of version control and backups.

use std::fs;
use std::path::Path;

/// The file that tells git what not to look at.
pub(crate) const IGNORE_FILE: &str = ".gitignore";
/// Its text where that is everything beside it, the file itself included.
pub(crate) const IGNORE_ALL: &[u8] = b"*\n";

/// How backups and others know a cache, <https://bford.info/cachedir/>.
const TAG_FILE: &str = "CACHEDIR.TAG";
const TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n\
                     # This folder is a cache of containerize. It may be deleted at any time.\n";
/// What is in a cache folder that holds nothing else.
const OWN: &[&str] = &["blobs", "memo", "runs", "tmp", "lock", IGNORE_FILE, TAG_FILE];

/// Marks the cache in `root`, if it is not yet and the folder holds nothing else. What cannot be
/// written does no harm.
pub(super) fn mark(root: &Path) {
    if root.join(TAG_FILE).exists() {
        return;
    }
    let is_own = |name: &std::ffi::OsStr| OWN.iter().any(|own| name == *own);
    let only_own = fs::read_dir(root)
        .is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(|entry| is_own(&entry.file_name()))));
    if only_own {
        let written = fs::write(root.join(IGNORE_FILE), IGNORE_ALL);
        if let Err(error) = written.and_then(|()| fs::write(root.join(TAG_FILE), TAG)) {
            tracing::debug!(%error, "cannot mark the cache folder");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;

    #[test]
    fn a_cache_is_marked_and_a_folder_with_other_things_is_not() {
        let folder = tempfile::tempdir().expect("folder");
        Store::open(folder.path().join("own")).expect("store");
        assert_eq!(fs::read(folder.path().join("own/.gitignore")).expect("file"), b"*\n");
        assert!(folder.path().join("own/CACHEDIR.TAG").is_file());
        fs::create_dir(folder.path().join("project")).expect("mkdir");
        fs::write(folder.path().join("project/main.rs"), "").expect("write");
        Store::open(folder.path().join("project")).expect("store");
        assert!(!folder.path().join("project/.gitignore").exists());
    }
}
