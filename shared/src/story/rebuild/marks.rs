//! What a file says of where and when it was made: paths of a machine and times, wherever they stand in it.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::LazyLock;

use regex::bytes::Regex;

/// As many bytes are looked at in one go.
const WINDOW: usize = 64 * 1024;
/// No path or time that counts is longer, in bytes.
const LONGEST: usize = 1024;
/// No more of them are kept of one file.
const MOST: usize = 20_000;

/// An absolute path of two names or more.
static PATH: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"/[\w.+@-]+(/[\w.+@-]+)+").ok());
/// A date with or without a time of day, a time of day, or seconds since 1970.
static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?-u)(19|20)\d\d-[01]\d-[0-3]\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?",
        r"|\b[0-2]\d:[0-5]\d:[0-5]\d\b|\b1[5-9]\d{8}(\.\d+)?\b"
    ))
    .ok()
});

/// The paths and times in a file.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pub(super) paths: BTreeSet<String>,
    pub(super) times: BTreeSet<String>,
}

/// Looks for them. The file is not held whole, and of what is found only so much is kept.
///
/// # Errors
/// When it cannot be read.
pub(super) fn marks(mut file: impl Read) -> io::Result<Marks> {
    let (mut found, mut window, mut is_first) = (Marks::default(), Vec::new(), true);
    loop {
        let read = file.by_ref().take(WINDOW as u64).read_to_end(&mut window)?;
        let is_last = read < WINDOW;
        // What begins near an end may be cut in two there; in the window beside this one it is whole.
        let first = if is_first { 0 } else { LONGEST };
        let end = if is_last { window.len() } else { window.len() - LONGEST };
        for (pattern, set) in [(&*PATH, &mut found.paths), (&*TIME, &mut found.times)] {
            for one in pattern.iter().flat_map(|pattern| pattern.find_iter(&window)) {
                let is_part = one.start() > 0 && matches!(window[one.start() - 1], b'/' | b':');
                if (first..end).contains(&one.start()) && !is_part && set.len() < MOST {
                    set.insert(String::from_utf8_lossy(one.as_bytes()).into_owned());
                }
            }
        }
        if is_last {
            return Ok(found);
        }
        window.drain(..window.len() - 2 * LONGEST);
        is_first = false;
    }
}

/// What each of the two has and the other has not, the first of them: a pair for paths, or else for times.
pub(super) fn that_differ(image: &Marks, rebuilt: &Marks) -> Option<Mark> {
    let first = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
        let (then, now) = (one.difference(other).next()?, other.difference(one).next()?);
        Some((then.clone(), now.clone()))
    };
    let path = first(&image.paths, &rebuilt.paths).map(|(image, rebuilt)| Mark::Path { image, rebuilt });
    path.or_else(|| first(&image.times, &rebuilt.times).map(|(image, rebuilt)| Mark::Time { image, rebuilt }))
}

/// Where or when a file was made, by what stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mark {
    /// The path where it was built.
    Path {
        /// In the image.
        image: String,
        /// Here.
        rebuilt: String,
    },
    /// The time when it was built.
    Time {
        /// In the image.
        image: String,
        /// Here.
        rebuilt: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
        let Marks { paths, times } = marks(bytes).expect("readable");
        (paths.into_iter().collect(), times.into_iter().collect())
    }

    #[test]
    fn paths_and_times_are_found_wherever_they_stand() {
        let (paths, times) =
            found(b"\x7fELF\0x=/home/ann/app/a.c\0https://example.org/a/b/c /usr at 2026-11-28T10:00:01.5Z");
        assert_eq!(paths, ["/home/ann/app/a.c"]);
        assert_eq!(times, ["2026-11-28T10:00:01.5"]);
        for text in ["10:00:01", "1764324000.25", "2026-11-28"] {
            assert_eq!(found(text.as_bytes()).1, [text]);
        }
        assert_eq!(found(b"version 1.2.3 of 20261128 and 17643240001").1, Vec::<String>::new());
        let ends = [WINDOW - 2 * LONGEST, WINDOW - LONGEST, WINDOW, 2 * WINDOW - LONGEST, 2 * WINDOW];
        for at in ends.into_iter().flat_map(|end| end - 20..end + 2) {
            let mut bytes = vec![0; at];
            bytes.extend(b"/one/two/three/four");
            bytes.extend(vec![0; WINDOW]);
            assert_eq!(found(&bytes).0, ["/one/two/three/four"], "{at}");
        }
    }

    #[test]
    fn only_what_both_have_of_their_own_counts() {
        let of = |text: &str| marks(text.as_bytes()).expect("readable");
        let mark = that_differ(&of("/a/b/c /x/y/z 10:00:00"), &of("/a/b/d /x/y/z 10:00:01"));
        assert_eq!(mark, Some(Mark::Path { image: "/a/b/c".into(), rebuilt: "/a/b/d".into() }));
        let mark = that_differ(&of("/x/y/z 10:00:00"), &of("/x/y/z 10:00:01"));
        assert_eq!(mark, Some(Mark::Time { image: "10:00:00".into(), rebuilt: "10:00:01".into() }));
        assert_eq!(that_differ(&of("/a/b/c"), &of("")), None);
    }
}
