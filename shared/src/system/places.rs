//! Paths of this machine as places in an image: parts with `/` between them, whatever the system writes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Component, Path};

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::System;

/// A path below some folder with `/` between its parts; `None` when it is not Unicode.
pub fn below(path: &Path) -> Option<String> {
    let parts = path.components().map(|part| match part {
        Component::Normal(name) => name.to_str(),
        Component::ParentDir => Some(".."),
        Component::CurDir => Some("."),
        Component::Prefix(_) | Component::RootDir => None,
    });
    Some(parts.collect::<Option<Vec<_>>>()?.join("/"))
}

impl System {
    /// The name of a file as it goes into an image. File systems of macOS know a name in any of Unicode's forms, and
    /// some give it back in another one than it was given; git and other systems have the composed one.
    pub fn name(self, name: String) -> String {
        if self != Self::Mac || is_nfc_quick(name.chars()) == IsNormalized::Yes {
            name
        } else {
            name.nfc().collect()
        }
    }

    /// A path that a person wrote, with `/` between its parts.
    pub fn slashes(self, text: &str) -> Cow<'_, str> {
        if self.is_windows() && text.contains('\\') { text.replace('\\', "/").into() } else { text.into() }
    }

    /// The path in `file://PATH`: before a drive of Windows stands a `/` there.
    pub fn path_in_url(self, path: &str) -> &str {
        let drive = path.strip_prefix('/').filter(|rest| self.is_windows() && rest.get(1..2) == Some(":"));
        drive.unwrap_or(path)
    }

    /// What a symbolic link says, as Linux would write it; `None` for one that names a drive or its root, which no
    /// image has. Junctions are such.
    pub fn link_target(self, text: &str) -> Option<String> {
        if !self.is_windows() {
            return Some(self.name(text.to_owned()));
        }
        let text = self.slashes(text).into_owned();
        (!text.starts_with('/') && text.get(1..2) != Some(":")).then_some(text)
    }

    /// Where the path in `PATH:REST` ends: not at the colon of a drive.
    pub fn path_end(self, text: &str) -> Option<usize> {
        let verbatim = if text.starts_with(r"\\?\") || text.starts_with(r"\\.\") { 4 } else { 0 };
        let rest = text.get(verbatim..).unwrap_or_default().as_bytes();
        let is_drive =
            |rest: &[u8]| matches!(rest, [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
        let start = if self.is_windows() && is_drive(rest) { verbatim + 2 } else { 0 };
        Some(start + text.get(start..)?.find(':')?)
    }
}

/// Two of these paths that systems without a difference of case take for one, if there are any.
pub fn clash<'a>(paths: impl IntoIterator<Item = &'a str>) -> Option<(&'a str, &'a str)> {
    let folded = |path: &str| path.nfc().flat_map(char::to_lowercase).collect::<String>();
    let mut seen: HashMap<String, &str> = HashMap::new();
    paths.into_iter().find_map(|path| seen.insert(folded(path), path).map(|other| (other, path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_slashes() {
        assert_eq!(below(&Path::new("a").join("b").join("ü")).as_deref(), Some("a/b/ü"));
        assert_eq!(below(Path::new("")).as_deref(), Some(""));
        assert_eq!(below(Path::new("/etc")), None);
        assert_eq!(System::Windows.slashes(r"..\a/b"), "../a/b");
        assert_eq!(System::Linux.slashes(r"..\a/b"), r"..\a/b");
        for (path, linux, windows) in [("/C:/x", "/C:/x", "C:/x"), ("/x", "/x", "/x"), ("x", "x", "x")] {
            assert_eq!(
                (System::Linux.path_in_url(path), System::Windows.path_in_url(path)),
                (linux, windows)
            );
        }
    }

    #[test]
    fn names_are_composed_where_a_file_system_may_take_them_apart() {
        for (found, composed) in
            [("e\u{301}.py", "é.py"), ("A\u{30a}", "Å"), ("é.py", "é.py"), ("plain", "plain")]
        {
            assert_eq!(System::Mac.name(found.to_owned()), composed);
            for other in [System::Linux, System::Windows] {
                assert_eq!(other.name(found.to_owned()), found, "the disk's own name");
            }
        }
        assert_eq!(System::Mac.link_target("../e\u{301}").as_deref(), Some("../é"));
    }

    #[test]
    fn names_that_other_systems_take_for_one_are_found() {
        assert_eq!(clash(["a/x.py", "b/x.py", "a/X.py"]), Some(("a/x.py", "a/X.py")));
        assert_eq!(clash(["é", "e\u{301}"]), Some(("é", "e\u{301}")));
        assert_eq!(clash(["a", "b", "a/b"]), None);
    }

    #[test]
    fn links_say_the_same_on_all_systems_or_lead_out() {
        for (text, windows) in [
            (r"..\x", Some("../x")),
            ("a/b", Some("a/b")),
            (r"C:\x", None),
            (r"\\?\C:\x", None),
            (r"\x", None),
            ("C:x", None),
        ] {
            assert_eq!(System::Windows.link_target(text).as_deref(), windows, "{text}");
            assert_eq!(System::Linux.link_target(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn the_colon_of_a_drive_ends_no_path() {
        for (text, linux, windows) in [
            ("dir:tag", Some("dir"), Some("dir")),
            ("dir", None, None),
            (r"C:\x:tag", Some("C"), Some(r"C:\x")),
            (r"C:\x", Some("C"), None),
            ("C:/x:/y", Some("C"), Some("C:/x")),
            (r"\\?\C:\x:tag", Some(r"\\?\C"), Some(r"\\?\C:\x")),
            ("a:b:c", Some("a"), Some("a")),
            ("x", None, None),
        ] {
            let path = |system: System| system.path_end(text).map(|end| &text[..end]);
            assert_eq!((path(System::Linux), path(System::Windows)), (linux, windows), "{text}");
        }
    }
}
