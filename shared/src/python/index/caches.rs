//! Files that other tools have fetched already. Only caches that hold whole files are read, and
//! nothing is taken from them that does not have the hash that it must have; so a layout that
//! changes one day costs a download and no more.
//!
//! * pip keeps the answers of indexes under `http-v2`, by the SHA-224 of the URL; the body is a
//!   file of its own, exactly as it came.
//! * Poetry keeps files under their names in `cache/artifacts` and `artifacts`, in folders that
//!   hashes of links name. They are found by their names.
//! * uv unpacks wheels and keeps no file of them: there is nothing to take.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha224};

use super::check::hex;
use super::filename::is_usable;
use crate::http::Url;

/// Below the artifacts folder: three levels of folders named by digits, one by the rest.
const POETRY_DEPTH: usize = 5;

/// The body that pip would have kept for a URL.
pub(super) fn pip_body(cache: &Path, url: &Url) -> Option<PathBuf> {
    let mut url = url.clone();
    url.set_fragment(None);
    let key = hex(&Sha224::digest(url.as_str()));
    let folder = key.chars().take(5).fold(cache.join("http-v2"), |path, c| path.join(c.to_string()));
    Some(folder.join(format!("{key}.body"))).filter(|path| path.is_file())
}

/// All that Poetry keeps, by name. Takes the time of listing some thousand folders.
pub(super) fn poetry_files(cache: &Path) -> HashMap<String, Vec<PathBuf>> {
    let mut found: HashMap<String, Vec<PathBuf>> = HashMap::new();
    for folder in ["artifacts", "cache/artifacts"] {
        let files = walkdir::WalkDir::new(cache.join(folder)).max_depth(POETRY_DEPTH).sort_by_file_name();
        for file in files.into_iter().flatten().filter(|entry| entry.file_type().is_file()) {
            if let Some(name) = file.file_name().to_str().filter(|name| is_usable(name)) {
                found.entry(name.to_owned()).or_default().push(file.path().to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn bodies_are_found_where_pip_puts_them() {
        let cache = tempfile::tempdir().expect("folder");
        let url: Url = "https://files.example/a-1.zip#sha256=00".parse().expect("url");
        assert_eq!(pip_body(cache.path(), &url), None);
        let key = hex(&Sha224::digest("https://files.example/a-1.zip"));
        let folder: PathBuf = key.chars().take(5).map(String::from).collect();
        let folder = cache.path().join("http-v2").join(folder);
        fs::create_dir_all(&folder).expect("folders");
        let body = folder.join(format!("{key}.body"));
        fs::write(&body, "x").expect("body");
        assert_eq!(pip_body(cache.path(), &url), Some(body));
    }

    #[test]
    fn files_are_found_where_poetry_puts_them() {
        let cache = tempfile::tempdir().expect("folder");
        let folder = cache.path().join("artifacts/01/23/45/6789");
        fs::create_dir_all(&folder).expect("folders");
        for name in ["a-1-py3-none-any.whl", "notes.txt"] {
            fs::write(folder.join(name), "x").expect("file");
        }
        let found = poetry_files(cache.path());
        assert_eq!(found.len(), 1);
        assert_eq!(found["a-1-py3-none-any.whl"], [folder.join("a-1-py3-none-any.whl")]);
        assert!(poetry_files(&cache.path().join("none")).is_empty());
    }
}
