//! Paths of this machine in a finished program.
//!
//! Remapping reaches what compilers write. What the source itself makes of its folder
//! (`env!("CARGO_MANIFEST_DIR")`, a build script that writes paths into code, configuration of C
//! libraries) stays, and makes another program in another folder.

use std::io::Read;
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::read;
use crate::store::{Store, Table};

/// So much is read at once, in bytes.
const CHUNK: usize = 1 << 16;
/// So many bytes of a path are shown.
const SHOWN: usize = 100;
/// So many different paths are shown.
const MOST: usize = 3;
/// The first paths in `program` that lie in one of `folders`, which are absolute. A program that was
/// looked through before is known by its place, size and time.
pub fn find(program: &Path, folders: &[String], store: &Store) -> Vec<String> {
    let key = key(program, folders);
    if let Some(found) = key.as_ref().and_then(|key| store.recall(Table::Traces, key)) {
        return found;
    }
    // What cannot be read is said when it is packed.
    let Ok(found) = read::file(program).and_then(|file| search(file, folders)) else { return Vec::new() };
    if let Some(key) = key {
        store.remember(Table::Traces, &key, &found);
    }
    found
}

fn key(program: &Path, folders: &[String]) -> Option<String> {
    let metadata = program.metadata().ok()?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
    Some(format!("1 {} {} {modified} {}", program.display(), metadata.len(), folders.join("\n")))
}

/// Reads all of it, a part at a time, each with the end of the one before.
fn search(mut program: impl Read, folders: &[String]) -> std::io::Result<Vec<String>> {
    let keep = folders.iter().map(String::len).max().unwrap_or(0) + SHOWN;
    let mut window = Vec::with_capacity(CHUNK + keep);
    let mut found: Vec<String> = Vec::new();
    loop {
        let length = program.by_ref().take(CHUNK as u64).read_to_end(&mut window)?;
        let is_last = length < CHUNK;
        let end = if is_last { window.len() } else { window.len().saturating_sub(keep) };
        for at in (0..end).filter(|&at| window[at] == b'/') {
            if let Some(path) = path_at(&window, at, folders).filter(|path| !found.contains(path)) {
                found.push(path);
            }
        }
        if is_last || found.len() >= MOST {
            found.truncate(MOST);
            return Ok(found);
        }
        window.drain(..end);
    }
}

/// The path that begins at `at`, if it is one of the folders or in one.
fn path_at(bytes: &[u8], at: usize, folders: &[String]) -> Option<String> {
    let rest = &bytes[at..];
    let folder = folders.iter().find(|folder| {
        let behind = rest.strip_prefix(folder.as_bytes()).map(<[u8]>::first);
        behind.is_some_and(|next| {
            next.is_none_or(|byte| !(byte.is_ascii_alphanumeric() || b"-_.".contains(byte)))
        })
    })?;
    let is_path = |byte: &&u8| byte.is_ascii_alphanumeric() || b"/-_.+@~ =".contains(byte);
    let tail = rest[folder.len()..].iter().take_while(is_path).take(SHOWN).count();
    Some(format!("{folder}{}", String::from_utf8_lossy(&rest[folder.len()..folder.len() + tail])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders() -> Vec<String> {
        vec!["/home/me/work".into(), "/home/me".into()]
    }

    fn found(bytes: &[u8]) -> Vec<String> {
        search(bytes, &folders()).expect("read")
    }

    #[test]
    fn paths_are_found_wherever_they_lie() {
        assert_eq!(found(b"\0/home/me/work/a.txt\0/home/me\0"), ["/home/me/work/a.txt", "/home/me"]);
        assert!(found(b"/home/meter/home/met /src/home/melt").is_empty(), "names that only begin so");
        let text = b"/home/me/work/x";
        for place in [0, 1, CHUNK - 115, CHUNK - 5, CHUNK - 1, CHUNK, 2 * CHUNK - 3, 3 * CHUNK + 7] {
            let mut bytes = vec![0; place];
            bytes.extend_from_slice(text);
            assert_eq!(found(&bytes), ["/home/me/work/x"], "at the end, at {place}");
            bytes.extend(vec![0; 3 * CHUNK]);
            assert_eq!(found(&bytes), ["/home/me/work/x"], "at {place}");
        }
    }

    #[test]
    fn no_more_is_kept_than_is_shown() {
        let many: Vec<u8> = (0..100).flat_map(|n| format!("/home/me/{n}\0").into_bytes()).collect();
        assert_eq!(found(&many), ["/home/me/0", "/home/me/1", "/home/me/2"]);
        let long = [b"/home/me/".to_vec(), vec![b'a'; 5000]].concat();
        assert_eq!(found(&long)[0].len(), "/home/me".len() + SHOWN);
    }

    #[test]
    fn a_program_is_looked_through_once() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path().join("store")).expect("store");
        let program = folder.path().join("app");
        std::fs::write(&program, "/home/me/x").expect("write");
        let time = program.metadata().expect("metadata").modified().expect("time");
        assert_eq!(find(&program, &folders(), &store), ["/home/me/x"]);
        std::fs::write(&program, "/home/me/y").expect("write");
        let file = std::fs::File::options().append(true).open(&program).expect("open");
        file.set_modified(time).expect("time");
        assert_eq!(find(&program, &folders(), &store), ["/home/me/x"], "known by size and time");
        assert!(find(&folder.path().join("none"), &folders(), &store).is_empty());
    }
}
