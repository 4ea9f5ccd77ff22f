//! The list that the dynamic linker looks libraries up in (`/etc/ld.so.cache`, glibc's
//! `sysdeps/generic/dl-cache.h`), which ldconfig would write anew.
//!
//! Debian's glibc looks into the folders of Debian's libraries by itself, so programs start without
//! it. But `ldconfig -p` prints the list, and Python's `ctypes.util.find_library` asks that.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::entries::is_library_folder;
use crate::facts::tree::{NodeKind, Tree};

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
/// Bytes of the header, and of an entry.
const HEADER: usize = 48;
const ENTRY: usize = 24;
/// Where in the header the byte order is: 2 for little-endian.
const ORDER: usize = 28;
const LITTLE_ENDIAN: u8 = 2;

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    flags: u32,
    name: Vec<u8>,
    path: Vec<u8>,
    version: u32,
    capabilities: u64,
}

impl Line {
    fn of(flags: u32, name: &str, path: &str) -> Self {
        Self { flags, name: name.into(), path: path.into(), version: 0, capabilities: 0 }
    }
}

/// The list with these libraries (name and path) in it; `None` when it is not of the only form that
/// is known here, or has them already.
pub fn with_libraries(cache: &[u8], libraries: &[(String, String)]) -> Option<Vec<u8>> {
    let mut lines = parse(cache)?;
    // What kind of library it is depends on the architecture; the base has one that is known.
    let flags = lines.iter().find(|line| line.name == b"libc.so.6")?.flags;
    let there: BTreeSet<Vec<u8>> = lines.iter().map(|line| line.name.clone()).collect();
    let before = lines.len();
    for (name, path) in libraries.iter().filter(|(name, _)| !there.contains(name.as_bytes())) {
        lines.push(Line::of(flags, name, path));
    }
    if lines.len() == before {
        return None;
    }
    lines.sort_by(|a, b| compare(&b.name, &a.name));
    lines.dedup();
    write(&lines, *cache.get(ORDER)?)
}

/// A list of these libraries (name and path), for a base that has none; of two with one name the
/// first. `None` where it is not known how the architecture's libraries are marked.
pub fn list_of(libraries: &[(String, String)], architecture: &str) -> Option<Vec<u8>> {
    // `FLAG_ELF_LIBC6` and the architecture's own (`sysdeps/generic/ldconfig.h`).
    let flags = match architecture {
        "amd64" => 0x0303,
        "arm64" => 0x0a03,
        _ => return None,
    };
    let mut places: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, path) in libraries {
        places.entry(name).or_insert(path);
    }
    let mut lines: Vec<Line> = places.into_iter().map(|(name, path)| Line::of(flags, name, path)).collect();
    lines.sort_by(|a, b| compare(&b.name, &a.name));
    write(&lines, LITTLE_ENDIAN)
}

/// The shared libraries of a base in folders that the linker looks into by itself: the names that
/// programs ask for, as its links tell them, and where they are.
pub fn libraries_in(base: &Tree) -> Vec<(String, String)> {
    let in_folders = || {
        base.iter().filter_map(|(path, node)| {
            let (folder, name) = path.rsplit_once('/')?;
            let fits = is_library_folder(folder) && name.contains(".so.");
            fits.then_some((folder, name, &node.kind))
        })
    };
    let mut aliases: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (folder, name, kind) in in_folders() {
        if let NodeKind::Symlink(target) = kind {
            aliases.entry((folder, target)).or_default().push(name);
        }
    }
    let mut found = Vec::new();
    for (folder, file, _) in in_folders().filter(|(_, _, kind)| matches!(kind, NodeKind::File)) {
        let names = aliases.remove(&(folder, file)).unwrap_or_else(|| vec![file]);
        found.extend(names.into_iter().map(|name| (name.to_owned(), format!("/{folder}/{file}"))));
    }
    found
}

fn parse(cache: &[u8]) -> Option<Vec<Line>> {
    if !cache.starts_with(MAGIC) || !matches!(cache.get(ORDER)?, 0 | 2) {
        return None;
    }
    let number = |at: usize| Some(u32::from_le_bytes(cache.get(at..at.checked_add(4)?)?.try_into().ok()?));
    // Every text is in the file once; entries without number may mean the same long one.
    let left = Cell::new(cache.len().saturating_mul(4));
    let text = |at: u32| {
        let rest = cache.get(usize::try_from(at).ok()?..)?;
        let rest = rest.get(..left.get()).unwrap_or(rest);
        let text = rest.get(..rest.iter().position(|b| *b == 0)?)?;
        left.set(left.get().checked_sub(text.len())?);
        Some(text.to_vec())
    };
    let count = usize::try_from(number(20)?).ok()?;
    if count > cache.len() / ENTRY {
        return None;
    }
    (0..count)
        .map(|i| {
            let at = HEADER + i * ENTRY;
            let capabilities = cache.get(at + 16..at + 24)?.try_into().ok()?;
            Some(Line {
                flags: number(at)?,
                name: text(number(at + 4)?)?,
                path: text(number(at + 8)?)?,
                version: number(at + 12)?,
                capabilities: u64::from_le_bytes(capabilities),
            })
        })
        // Capabilities by name are described in a part that is not read here.
        .map(|line| line.filter(|line| line.capabilities >> 62 == 0))
        .collect()
}

fn write(lines: &[Line], order: u8) -> Option<Vec<u8>> {
    let strings_at = HEADER + lines.len() * ENTRY;
    let mut strings: Vec<u8> = Vec::new();
    let mut entries = Vec::with_capacity(lines.len() * ENTRY);
    for line in lines {
        let mut put = |text: &[u8]| {
            let at = u32::try_from(strings_at + strings.len()).ok()?;
            strings.extend_from_slice(text);
            strings.push(0);
            Some(at)
        };
        let (name, path) = (put(&line.name)?, put(&line.path)?);
        for number in [line.flags, name, path, line.version] {
            entries.extend(number.to_le_bytes());
        }
        entries.extend(line.capabilities.to_le_bytes());
    }
    let mut cache = MAGIC.to_vec();
    cache.extend(u32::try_from(lines.len()).ok()?.to_le_bytes());
    cache.extend(u32::try_from(strings.len()).ok()?.to_le_bytes());
    cache.push(order);
    cache.resize(HEADER, 0);
    cache.extend(entries);
    cache.extend(strings);
    Some(cache)
}

/// The order that the linker searches by: numbers in names count as such (`_dl_cache_libcmp`).
fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        match (a.first(), b.first()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => match (x.is_ascii_digit(), y.is_ascii_digit()) {
                (true, true) => {
                    let (one, rest_a) = digits(a);
                    let (other, rest_b) = digits(b);
                    let order = one.len().cmp(&other.len()).then_with(|| one.cmp(other));
                    if order != Ordering::Equal {
                        return order;
                    }
                    (a, b) = (rest_a, rest_b);
                }
                // A digit comes behind everything else.
                (true, false) => return Ordering::Greater,
                (false, true) => return Ordering::Less,
                _ if x != y => return x.cmp(y),
                _ => (a, b) = (a.get(1..).unwrap_or_default(), b.get(1..).unwrap_or_default()),
            },
        }
    }
}

/// The number that a text begins with, without its leading zeros, and the rest.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let zeros = number.iter().position(|b| *b != b'0').unwrap_or(number.len());
    (number.get(zeros..).unwrap_or_default(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::tree::Node;

    fn line(name: &str) -> Line {
        let path = format!("/lib/{name}").into_bytes();
        Line { flags: 0x303, name: name.into(), path, version: 0, capabilities: 0 }
    }

    fn names(cache: &[u8]) -> Vec<String> {
        let lines = parse(cache).expect("a list");
        lines.iter().map(|line| String::from_utf8_lossy(&line.name).into_owned()).collect()
    }

    #[test]
    fn libraries_are_put_in_their_place() {
        let cache = write(&[line("libz.so.1"), line("libc.so.6"), line("liba.so")], 2).expect("written");
        let wanted =
            [("libpq.so.5".to_owned(), "/usr/lib/libpq.so.5".to_owned()), ("libz.so.1".into(), "/x".into())];
        let new = with_libraries(&cache, &wanted).expect("changed");
        assert_eq!(names(&new), ["libz.so.1", "libpq.so.5", "libc.so.6", "liba.so"]);
        let added = &parse(&new).expect("a list")[1];
        assert_eq!((added.flags, added.path.as_slice()), (0x303, &b"/usr/lib/libpq.so.5"[..]));
        assert_eq!(with_libraries(&new, &wanted), None, "nothing to add");
    }

    #[test]
    fn a_base_without_a_list_gets_one() {
        let node = |kind| Node { kind, mode: 0o755, uid: 0, gid: 0 };
        let mut base = Tree::default();
        for path in [
            "lib/x86_64-linux-gnu/libc.so.6",
            "usr/lib/x86_64-linux-gnu/libffi.so.8.1.2",
            "usr/lib/x86_64-linux-gnu/libdev.so",
            "usr/lib/python3/libown.so.1",
        ] {
            base.insert(path, node(NodeKind::File));
        }
        base.insert(
            "usr/lib/x86_64-linux-gnu/libffi.so.8",
            node(NodeKind::Symlink("libffi.so.8.1.2".into())),
        );
        let found = libraries_in(&base);
        let own = |(name, path): (&str, &str)| (name.to_owned(), path.to_owned());
        let expected = [
            ("libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6"),
            ("libffi.so.8", "/usr/lib/x86_64-linux-gnu/libffi.so.8.1.2"),
        ];
        assert_eq!(found, expected.map(own));

        let added = [own(("libc.so.6", "/new/libc.so.6")), own(("libpq.so.5", "/usr/lib/libpq.so.5.15"))];
        let list = list_of(&[&added[..], &found].concat(), "arm64").expect("known");
        assert_eq!(names(&list), ["libpq.so.5", "libffi.so.8", "libc.so.6"]);
        let lines = parse(&list).expect("a list");
        assert!(lines.iter().all(|line| line.flags == 0x0a03));
        assert_eq!(lines[2].path, b"/new/libc.so.6", "the first of one name counts");
        assert_eq!(list_of(&found, "mips64el"), None);
    }

    #[test]
    fn numbers_in_names_count() {
        assert_eq!(compare(b"libx.so.10", b"libx.so.9"), Ordering::Greater);
        assert_eq!(compare(b"libx.so.1", b"libx.so"), Ordering::Greater);
        assert_eq!(compare(b"libx1.so", b"libxa.so"), Ordering::Greater);
        assert_eq!(compare(b"libx.so.01", b"libx.so.1"), Ordering::Equal);
        assert_eq!(compare(b"liba", b"libb"), Ordering::Less);
    }

    #[test]
    fn what_is_not_known_is_left_alone() {
        let cache = write(&[line("libc.so.6")], 2).expect("written");
        let wanted = [("libx.so.1".to_owned(), "/x".to_owned())];
        assert!(with_libraries(b"ld.so-1.7.0", &wanted).is_none());
        assert!(with_libraries(&write(&[line("liba.so")], 2).expect("written"), &wanted).is_none());
        for end in 0..cache.len() {
            assert!(with_libraries(&cache[..end], &wanted).is_none(), "cut at {end}");
        }
        let mut endless = cache.clone();
        endless[20..24].fill(0xff);
        assert!(with_libraries(&endless, &wanted).is_none());
    }

    #[test]
    fn the_order_is_that_of_this_machines_own_list() {
        let Ok(cache) = std::fs::read("/etc/ld.so.cache") else { return };
        let Some(lines) = parse(&cache) else { return };
        let mut sorted = lines.clone();
        sorted.sort_by(|a, b| compare(&b.name, &a.name));
        assert_eq!(lines, sorted);
    }
}
