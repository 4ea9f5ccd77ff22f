//! What the systems that this program runs on do differently: each rule in one place.
//!
//! Rules are values' matter as far as they can be: they take the [`System`] as an argument, so that those for
//! Windows and macOS are tested on Linux too.

pub mod executables;
pub mod folders;
pub mod globs;
pub mod leavings;
pub mod limits;
pub(crate) mod os_release;
pub mod places;
pub mod programs;
mod repository;

pub use folders::Folders;
pub use repository::repository_of;

use std::ffi::OsString;

/// A kind of system that the program runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Linux, and whatever does as it does.
    Linux,
    /// macOS.
    Mac,
    /// Windows.
    Windows,
}

impl System {
    /// The one that this program was made for.
    pub const HERE: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::Mac
    } else {
        Self::Linux
    };

    /// Whether this is Windows.
    pub const fn is_windows(self) -> bool {
        matches!(self, Self::Windows)
    }

    /// An absolute path of this system, for tests that need one: on Windows it has a drive.
    #[cfg(test)]
    pub(crate) fn absolute(self, path: &str) -> std::path::PathBuf {
        if self.is_windows() { format!("C:{path}").into() } else { path.into() }
    }

    /// The name under which a variable is looked up. On Windows the case of names does not matter: `cmd` has
    /// `Path` and Git Bash `PATH`.
    pub fn variable(self, name: OsString) -> OsString {
        if self.is_windows() { name.to_ascii_uppercase() } else { name }
    }
}

/// The environment of a call, with the names under which variables are looked up here.
pub fn variables(
    found: impl IntoIterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (OsString, OsString)> {
    found.into_iter().map(|(name, value)| (System::HERE.variable(name), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_windows_makes_no_difference_between_path_and_its_other_spelling() {
        assert_eq!(System::Windows.variable("Path".into()), "PATH");
        for system in [System::Linux, System::Mac] {
            assert_eq!(system.variable("Path".into()), "Path");
        }
    }
}
