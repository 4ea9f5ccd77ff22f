//! What systems and their file managers leave in folders, and nobody put there.

/// By whole name, in lower case.
const NAMES: &[&str] = &[
    // macOS
    ".ds_store",
    ".appledouble",
    ".lsoverride",
    ".documentrevisions-v100",
    ".fseventsd",
    ".spotlight-v100",
    ".temporaryitems",
    ".trashes",
    ".volumeicon.icns",
    "__macosx",
    // Windows
    "desktop.ini",
    "ehthumbs.db",
    "thumbs.db",
    "$recycle.bin",
    "system volume information",
    // Linux
    ".directory",
];

/// Whether a file or folder of this name is one. Names of Windows have no case; `._x` is what macOS keeps beside
/// `x` where a file system has no place for it.
pub fn is_leaving(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    NAMES.contains(&lower.as_str()) || lower.strip_prefix("._").is_some_and(|of| !of.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_put_there_is_known_by_its_name() {
        for name in
            [".DS_Store", "._main.py", "Thumbs.db", "Desktop.ini", ".fseventsd", "$RECYCLE.BIN", "__MACOSX"]
        {
            assert!(is_leaving(name), "{name}");
        }
        for name in ["._", "_main.py", ".env", "thumbs.dbx", "main.py", ".directory.py", "..x"] {
            assert!(!is_leaving(name), "{name}");
        }
    }
}
