//! Whether a file may be run.
//!
//! Unix keeps that with the file. Windows does not, and neither do its file systems below WSL, of which git notes
//! that bits mean nothing there. Then it is told as who checks the project out on Linux would see it: by git's
//! index; of files that git does not know, by how they begin.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::Path;

use super::System;

/// Whether the owner of a file may run it, wherever the image is made.
#[cfg(unix)]
pub fn is_executable(path: &Path, metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    if told::bits_count(path) {
        metadata.permissions().mode() & 0o100 != 0
    } else {
        told::is_executable(path)
    }
}

/// Whether the owner of a file may run it, wherever the image is made.
#[cfg(not(unix))]
pub fn is_executable(path: &Path, _: &Metadata) -> bool {
    told::is_executable(path)
}

/// Notes who may be run of what was unpacked into `top` from an archive, by places in it. Where the file system has
/// nothing of it, the archive's word is as good as that of git.
pub fn tell(top: &Path, files: HashMap<String, bool>) {
    if System::HERE.is_windows() {
        told::note(top, files);
    }
}

mod told {
    use std::collections::HashMap;
    use std::io::Read;
    use std::path::{Path, PathBuf};
    use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

    use crate::read;

    /// Files by their places below the repository's top, with whether they may be run.
    pub(super) type Index = HashMap<String, bool>;

    /// More than any index is long, in bytes.
    const MOST: u64 = 1 << 30;
    /// The fields of an entry that stand before its object's name, and how long a name is.
    const FIELDS: usize = 40;
    /// What stands for the length of a path that is longer.
    const LONGEST: u16 = 0xfff;
    const SHA1: usize = 20;
    const SHA256: usize = 32;

    /// A repository that files are in.
    struct Repository {
        top: PathBuf,
        /// Where its index and its configuration are.
        git: PathBuf,
        /// Whether what the file system says of files counts.
        #[cfg_attr(not(unix), expect(dead_code, reason = "nothing to check"))]
        has_bits: bool,
        index: OnceLock<Option<Index>>,
    }

    pub(super) fn is_executable(path: &Path) -> bool {
        in_index(path).unwrap_or_else(|| begins_as_program(path))
    }

    /// Whether the file system that the file is on keeps who may run it, as far as git noted it.
    #[cfg(unix)]
    pub(super) fn bits_count(path: &Path) -> bool {
        path.parent().and_then(repository_of).is_none_or(|repository| repository.has_bits)
    }

    /// What the index of the repository says that the file is in; `None` when it does not know the file.
    fn in_index(path: &Path) -> Option<bool> {
        let repository = repository_of(path.parent()?)?;
        let place = super::super::places::below(path.strip_prefix(&repository.top).ok()?)?;
        let index = repository.index.get_or_init(|| read_index(&repository.git));
        index.as_ref()?.get(&place).copied()
    }

    /// Folders, and the repository that each is in.
    type Known = HashMap<PathBuf, Option<Arc<Repository>>>;

    fn known() -> MutexGuard<'static, Option<Known>> {
        static KNOWN: Mutex<Option<Known>> = Mutex::new(None);
        KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the folder for the top of a repository with this index.
    pub(super) fn note(top: &Path, index: Index) {
        let (top, git) = (top.to_owned(), PathBuf::new());
        let repository = Repository { top: top.clone(), git, has_bits: true, index: Some(index).into() };
        known().get_or_insert_default().insert(top, Some(Arc::new(repository)));
    }

    /// The repository that a folder is in, looked for once.
    fn repository_of(folder: &Path) -> Option<Arc<Repository>> {
        if let Some(found) = known().get_or_insert_default().get(folder) {
            return found.clone();
        }
        let found = match git_of(folder) {
            Some(git) => Some(Arc::new(Repository {
                top: folder.to_owned(),
                has_bits: has_bits(&git),
                git,
                index: OnceLock::new(),
            })),
            None => folder.parent().and_then(repository_of),
        };
        known().get_or_insert_default().insert(folder.to_owned(), found.clone());
        found
    }

    /// Where git keeps what belongs to the work tree whose top this is, if it is one.
    fn git_of(top: &Path) -> Option<PathBuf> {
        let git = top.join(".git");
        if git.is_dir() {
            return Some(git);
        }
        // Of a work tree or a submodule, it is a file that names the folder.
        let text = read::text(&git, read::DOCUMENT).ok()?;
        Some(top.join(text.strip_prefix("gitdir:")?.trim()))
    }

    /// What `core.fileMode` says, which git sets by a trial when it makes a repository.
    fn has_bits(git: &Path) -> bool {
        // Further work trees share the configuration of the first one.
        let common = read::text(&git.join("commondir"), read::DOCUMENT);
        let common = common.map_or_else(|_| git.to_owned(), |path| git.join(path.trim()));
        read::text(&common.join("config"), read::DOCUMENT).map_or(true, |text| file_mode(&text))
    }

    /// The last word of a configuration, `git-config(1)`, on `core.fileMode`.
    pub(super) fn file_mode(config: &str) -> bool {
        let (mut in_core, mut value) = (false, true);
        for line in config.lines() {
            let mut line = line.trim();
            if let Some((section, behind)) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
                in_core = section.trim().eq_ignore_ascii_case("core");
                line = behind.trim();
            }
            if let Some((key, said)) = line.split_once('=')
                && in_core
                && key.trim().eq_ignore_ascii_case("filemode")
            {
                let said = said.split(['#', ';']).next().unwrap_or_default().trim().trim_matches('"');
                value = !["false", "no", "off", "0", ""].contains(&said.to_ascii_lowercase().as_str());
            }
        }
        value
    }

    fn read_index(git: &Path) -> Option<Index> {
        let bytes = read::bytes(&git.join("index"), MOST).ok()?;
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
    fn an_archive_tells_of_what_was_unpacked() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::create_dir(folder.path().join("p")).expect("folder");
        let path = |name: &str| folder.path().join("p").join(name);
        for name in ["run", "part.sh", "new"] {
            std::fs::write(path(name), "#!/bin/sh").expect("file");
        }
        let said = [("p/run", true), ("p/part.sh", false)];
        told::note(folder.path(), said.map(|(name, may)| (name.to_owned(), may)).into());
        let told = ["run", "part.sh", "new"].map(|name| told::is_executable(&path(name)));
        assert_eq!(told, [true, false, true], "a file that a build made is told by how it begins");
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
    fn the_last_word_on_bits_counts() {
        for (config, expected) in [
            ("", true),
            ("[core]\n\tfilemode = true\n", true),
            ("[core]\n\trepositoryformatversion = 0\n\tfileMode = false ; of WSL\n", false),
            ("[CORE] filemode=0\r\n", false),
            ("[core]\nfilemode = \"false\"\n[core]\nfilemode = yes\n", true),
            ("[other]\nfilemode = false\n", true),
        ] {
            assert_eq!(told::file_mode(config), expected, "{config}");
        }
    }

    /// As below `/mnt/c` in WSL: every file may be run.
    #[test]
    #[cfg(unix)]
    fn bits_that_mean_nothing_are_not_taken() {
        use std::os::unix::fs::PermissionsExt;
        for work_tree in [false, true] {
            let folder = tempfile::tempdir().expect("folder");
            let mut top = folder.path().join("first");
            std::fs::create_dir(&top).expect("folder");
            git(&top, &["init", "-q"]);
            for name in ["main.py", "run", "script"] {
                std::fs::write(top.join(name), if name == "script" { "#!/bin/sh\n" } else { "x" })
                    .expect("file");
            }
            git(&top, &["add", "main.py", "run"]);
            git(&top, &["update-index", "--chmod=+x", "run"]);
            git(&top, &["config", "core.fileMode", "false"]);
            if work_tree {
                git(&top, &["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "m"]);
                git(&top, &["worktree", "add", "-q", "../second"]);
                std::fs::copy(top.join("script"), folder.path().join("second/script")).expect("copied");
                top = folder.path().join("second");
            }
            let told = ["main.py", "run", "script"].map(|name| {
                let path = top.join(name);
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).expect("mode");
                super::is_executable(&path, &path.metadata().expect("file"))
            });
            assert_eq!(told, [false, true, true], "work tree: {work_tree}");
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
