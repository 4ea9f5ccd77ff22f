//! Whether a file may be run.
//!
//! Unix keeps that with the file. Windows does not, so it is told as who checks the project out on Linux would
//! see it: by git's index; of files that git does not know, by how they begin.

use std::fs::Metadata;
use std::path::Path;

/// Whether the owner of a file may run it, wherever the image is made.
#[cfg(unix)]
pub fn is_executable(_: &Path, metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

/// Whether the owner of a file may run it, wherever the image is made.
#[cfg(not(unix))]
pub fn is_executable(path: &Path, _: &Metadata) -> bool {
    told::is_executable(path)
}

#[cfg(any(test, not(unix)))]
mod told {
    use std::collections::HashMap;
    use std::io::Read;
    use std::path::{Path, PathBuf};
    use std::sync::{Arc, Mutex, PoisonError};

    use crate::read;

    /// Files by their places below the repository's top, with whether they may be run.
    type Index = HashMap<String, bool>;

    /// More than any index is long, in bytes.
    const MOST: u64 = 1 << 30;
    /// The fields of an entry that stand before its object's name, and how long a name is.
    const FIELDS: usize = 40;
    /// What stands for the length of a path that is longer.
    const LONGEST: u16 = 0xfff;
    const SHA1: usize = 20;
    const SHA256: usize = 32;

    pub(super) fn is_executable(path: &Path) -> bool {
        in_index(path).unwrap_or_else(|| begins_as_program(path))
    }

    /// What the index of the repository says that the file is in; `None` when it does not know the file.
    fn in_index(path: &Path) -> Option<bool> {
        let top = crate::system::repository_of(path.parent()?)?;
        let place = super::super::places::below(path.strip_prefix(top).ok()?)?;
        index_of(top)?.get(&place).copied()
    }

    /// The index of a repository, read once.
    fn index_of(top: &Path) -> Option<Arc<Index>> {
        static KNOWN: Mutex<Vec<(PathBuf, Option<Arc<Index>>)>> = Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, index)) = known.iter().find(|(other, _)| other == top) {
            return index.clone();
        }
        let index = read_index(top).map(Arc::new);
        known.push((top.to_owned(), index.clone()));
        index
    }

    fn read_index(top: &Path) -> Option<Index> {
        let git = top.join(".git");
        // Of a work tree or a submodule, it is a file that names the folder.
        let folder = match read::text(&git, read::DOCUMENT) {
            Ok(text) => top.join(text.strip_prefix("gitdir:")?.trim()),
            Err(_) => git,
        };
        let bytes = read::bytes(&folder.join("index"), MOST).ok()?;
        parse(&bytes, SHA1).or_else(|| parse(&bytes, SHA256))
    }

    /// Takes an index apart, `gitformat-index(5)`; `None` when it is none, or its names are of another length.
    pub(super) fn parse(bytes: &[u8], name_length: usize) -> Option<Index> {
        let number = |at: usize| {
            let four = bytes.get(at..at + 4)?;
            Some(u32::from_be_bytes(four.try_into().ok()?))
        };
        let version = number(4).filter(|version| (2..=4).contains(version))?;
        if bytes.get(..4)? != b"DIRC" {
            return None;
        }
        let mut index = Index::new();
        let (mut at, mut before) = (12, Vec::new());
        for _ in 0..number(8)? {
            let mode = number(at + 24)?;
            let flags = at + FIELDS + name_length;
            let is_extended = version > 2 && bytes.get(flags)? & 0x40 != 0;
            let mut start = flags + if is_extended { 4 } else { 2 };
            let mut path = Vec::new();
            if version == 4 {
                let (dropped, behind) = variable_length(bytes, start)?;
                path.extend_from_slice(before.get(..before.len().checked_sub(dropped)?)?);
                start = behind;
            }
            let end = start + bytes.get(start..)?.iter().position(|byte| *byte == 0)?;
            path.extend_from_slice(bytes.get(start..end)?);
            // Else the names of objects are of another length.
            let length =
                usize::from(u16::from_be_bytes([*bytes.get(flags)?, *bytes.get(flags + 1)?]) & LONGEST);
            if length != path.len().min(usize::from(LONGEST)) {
                return None;
            }
            // Zeros fill the entry up to eight bytes, one at least.
            at = if version == 4 { end + 1 } else { at + (end - at + 8) / 8 * 8 };
            before.clone_from(&path);
            index.insert(String::from_utf8(path).ok()?, mode & 0o170_100 == 0o100_100);
        }
        Some(index)
    }

    /// A number in the form of offsets in packs, and where it ends.
    fn variable_length(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
        let mut byte = *bytes.get(at)?;
        let mut value = usize::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            at += 1;
            byte = *bytes.get(at)?;
            value = value.checked_add(1)?.checked_mul(128)?.checked_add(usize::from(byte & 0x7f))?;
        }
        Some((value, at + 1))
    }

    /// Whether a file begins as scripts or Linux's programs do.
    pub(super) fn begins_as_program(path: &Path) -> bool {
        let mut start = [0; 4];
        let length = read::file(path).and_then(|mut file| file.read(&mut start)).unwrap_or(0);
        start.get(..length).is_some_and(|start| start.starts_with(b"#!") || start == b"\x7fELF")
    }
}

#[cfg(test)]
mod tests {
    use super::told;
    #[cfg(unix)]
    use std::path::Path;
    #[cfg(unix)]
    use std::process::Command;

    #[cfg(unix)]
    fn git(dir: &Path, words: &[&str]) {
        let mut command = Command::new("git");
        command
            .args(words)
            .current_dir(dir)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        let output = command.output().expect("git");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn files_that_begin_as_programs_are_some() {
        let folder = tempfile::tempdir().expect("folder");
        for (name, content, expected) in [
            ("run", &b"#!/bin/sh\n"[..], true),
            ("elf", b"\x7fELF\x02", true),
            ("py", b"import os", false),
            ("empty", b"", false),
            ("short", b"#", false),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, content).expect("file");
            assert_eq!(told::is_executable(&path), expected, "{name}");
        }
        assert!(!told::is_executable(&folder.path().join("none")));
    }

    /// Git itself writes what is read, in all its forms.
    #[test]
    #[cfg(unix)]
    fn gits_index_tells_in_each_of_its_versions() {
        for (version, format) in
            [("2", "sha1"), ("3", "sha1"), ("4", "sha1"), ("4", "sha256"), ("2", "sha256")]
        {
            let folder = tempfile::tempdir().expect("folder");
            let top = folder.path();
            git(top, &["init", "-q", &format!("--object-format={format}")]);
            std::fs::create_dir_all(top.join("deep/er")).expect("folders");
            let names = ["run.sh", "deep/er/run-it.sh", "deep/er/run-it-not.py", "deep/b", "ünï"];
            for name in names {
                std::fs::write(top.join(name), "#!/bin/sh\n").expect("file");
            }
            git(top, &["add", "."]);
            for name in ["run.sh", "deep/er/run-it.sh", "ünï"] {
                git(top, &["update-index", "--chmod=+x", name]);
            }
            if version == "3" {
                std::fs::write(top.join("new"), "").expect("file");
                git(top, &["add", "--intent-to-add", "new"]);
            } else {
                git(top, &["update-index", "--index-version", version]);
            }
            let told = names.map(|name| told::is_executable(&top.join(name)));
            assert_eq!(told, [true, true, false, false, true], "version {version}, {format}");
            std::fs::write(top.join("deep/unknown"), "#!/bin/sh\n").expect("file");
            assert!(told::is_executable(&top.join("deep/unknown")), "git does not know it");
        }
    }

    #[test]
    fn what_is_no_index_tells_nothing() {
        for bytes in [
            &b""[..],
            b"DIRC",
            b"DIRC\0\0\0\x09\0\0\0\0",
            b"DIRC\0\0\0\x02\xff\xff\xff\xff",
            b"DIRC\0\0\0\x04\0\0\0\x01",
        ] {
            assert_eq!(told::parse(bytes, 20), None, "{bytes:?}");
        }
    }
}
