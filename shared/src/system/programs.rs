//! How programs are called, and where they are found.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::System;

/// What Windows takes for a program, the likeliest first.
const ENDINGS: [&str; 3] = ["exe", "cmd", "bat"];

impl System {
    /// The file name of a compiled program.
    pub fn executable(self, name: &str) -> String {
        if self.is_windows() { format!("{name}.exe") } else { name.to_owned() }
    }

    /// The name of a program without the ending that its file has here.
    pub fn program_name(self, file: &str) -> &str {
        let ending = file.rsplit_once('.').filter(|(_, ending)| self.is_windows() && is_ending(ending));
        ending.map_or(file, |(name, _)| name)
    }

    /// The file names that a program of this name may have.
    pub fn file_names(self, name: &str) -> Vec<String> {
        let whole = name.rsplit_once('.').is_some_and(|(_, ending)| is_ending(ending));
        if !self.is_windows() || whole {
            return vec![name.to_owned()];
        }
        ENDINGS.map(|ending| format!("{name}.{ending}")).into()
    }

    /// Whether a text names a place and not only a program: it has a separator of folders.
    pub fn is_place(self, text: &str) -> bool {
        text.contains('/') || (self.is_windows() && (text.contains('\\') || text.get(1..2) == Some(":")))
    }
}

fn is_ending(text: &str) -> bool {
    ENDINGS.iter().any(|ending| text.eq_ignore_ascii_case(ending))
}

/// The folders of a search path, without those that are relative to wherever we are.
pub fn folders(path: &OsStr) -> Vec<PathBuf> {
    std::env::split_paths(path).filter(|folder| folder.is_absolute()).collect()
}

/// The program's file in the first of the folders that has it.
pub fn find<P: AsRef<Path>>(name: &str, folders: impl IntoIterator<Item = P>) -> Option<PathBuf> {
    let names = System::HERE.file_names(name);
    let inside = |folder: P| names.iter().map(|name| folder.as_ref().join(name)).find(|file| file.is_file());
    folders.into_iter().find_map(inside)
}

/// The file of a program that is named by its place.
pub fn at(place: &Path) -> Option<PathBuf> {
    let folder = place.parent()?;
    match place.file_name()?.to_str() {
        Some(name) if !place.is_file() => find(name, [folder]),
        _ => place.is_file().then(|| place.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_have_the_endings_of_their_system() {
        assert_eq!(System::Linux.file_names("uv"), ["uv"]);
        assert_eq!(System::Windows.file_names("uv"), ["uv.exe", "uv.cmd", "uv.bat"]);
        assert_eq!(System::Windows.file_names("az.CMD"), ["az.CMD"]);
        assert_eq!(System::Windows.file_names("python3.13")[0], "python3.13.exe");
        assert_eq!(System::Windows.executable("rust-lld"), "rust-lld.exe");
        assert_eq!(System::Windows.program_name("python3.13.exe"), "python3.13");
        assert_eq!(System::Windows.program_name("python3.13"), "python3.13");
        assert_eq!(System::Linux.program_name("x.exe"), "x.exe");
    }

    #[test]
    fn places_are_told_from_names() {
        for (text, linux, windows) in [
            ("ld", false, false),
            ("tools/ld", true, true),
            (r"tools\ld.exe", false, true),
            ("C:ld.exe", false, true),
        ] {
            assert_eq!(
                (System::Linux.is_place(text), System::Windows.is_place(text)),
                (linux, windows),
                "{text}"
            );
        }
    }

    #[test]
    fn the_first_folder_that_has_it_wins_and_relative_ones_do_not_count() {
        let (one, two) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
        let file = System::HERE.executable("tool");
        std::fs::create_dir(one.path().join(&file)).expect("a folder is no program");
        std::fs::write(two.path().join(&file), "").expect("file");
        assert_eq!(find("tool", [one.path(), two.path()]), Some(two.path().join(&file)));
        assert_eq!(at(&two.path().join("tool")), Some(two.path().join(&file)));
        assert_eq!(at(&two.path().join("other")), None);
        let path = std::env::join_paths([Path::new("bin"), two.path()]).expect("path");
        assert_eq!(folders(&path), [two.path()]);
    }
}
