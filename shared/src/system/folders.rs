//! Where users and systems keep settings, caches and toolchains.

use std::path::PathBuf;

use super::System;

/// The folders of one environment on one system.
#[derive(Clone, Copy)]
pub struct Folders<'a> {
    system: System,
    variable: &'a dyn Fn(&str) -> Option<PathBuf>,
}

impl<'a> Folders<'a> {
    /// Those of this system, with the variables of `variable`, for which empty ones are absent.
    pub fn here(variable: &'a dyn Fn(&str) -> Option<PathBuf>) -> Self {
        Self::of(System::HERE, variable)
    }

    /// Those of any system.
    pub fn of(system: System, variable: &'a dyn Fn(&str) -> Option<PathBuf>) -> Self {
        Self { system, variable }
    }

    fn named(&self, name: &str) -> Option<PathBuf> {
        (self.variable)(name).filter(|path| !path.as_os_str().is_empty())
    }

    /// The user's own folder. On Windows what `HOME` says, which Git Bash sets, is the second choice: cargo,
    /// rustup and Python ask for the profile.
    pub fn home(&self) -> Option<PathBuf> {
        let profile = || self.named("USERPROFILE").filter(|_| self.system.is_windows());
        profile().or_else(|| self.named("HOME"))
    }

    fn below_home(&self, path: &str) -> Option<PathBuf> {
        Some(self.home()?.join(path))
    }

    /// Settings of programs that do the same on macOS as on Linux: `XDG_CONFIG_HOME`, else `~/.config`; on
    /// Windows `%APPDATA%`.
    pub fn config(&self) -> Option<PathBuf> {
        match self.system {
            System::Windows => self.roaming(),
            _ => self.named("XDG_CONFIG_HOME").or_else(|| self.below_home(".config")),
        }
    }

    /// Settings of programs that follow each system's own custom, which on macOS is `~/Library`.
    pub fn settings(&self) -> Option<PathBuf> {
        match self.system {
            System::Mac => self.below_home("Library/Application Support"),
            _ => self.config(),
        }
    }

    /// Caches by each system's own custom.
    pub fn cache(&self) -> Option<PathBuf> {
        match self.system {
            System::Windows => self.local(),
            System::Mac => self.below_home("Library/Caches"),
            System::Linux => self.named("XDG_CACHE_HOME").or_else(|| self.below_home(".cache")),
        }
    }

    /// Data of programs that do the same on macOS as on Linux.
    pub fn data(&self) -> Option<PathBuf> {
        match self.system {
            System::Windows => self.roaming(),
            _ => self.named("XDG_DATA_HOME").or_else(|| self.below_home(".local/share")),
        }
    }

    /// What belongs to the user on this machine alone: `%LOCALAPPDATA%`.
    pub fn local(&self) -> Option<PathBuf> {
        self.named("LOCALAPPDATA").or_else(|| self.below_home("AppData/Local"))
    }

    fn roaming(&self) -> Option<PathBuf> {
        self.named("APPDATA").or_else(|| self.below_home("AppData/Roaming"))
    }

    /// What all users of a Windows share: `%ProgramData%`.
    pub fn shared(&self) -> Option<PathBuf> {
        let named = || self.named("PROGRAMDATA").or_else(|| self.named("ALLUSERSPROFILE"));
        let usual = || PathBuf::from(r"C:\ProgramData");
        self.system.is_windows().then(|| named().unwrap_or_else(usual))
    }

    /// Cargo's home: `CARGO_HOME`, else `~/.cargo`.
    pub fn cargo(&self) -> Option<PathBuf> {
        self.named("CARGO_HOME").or_else(|| self.below_home(".cargo"))
    }

    /// Rustup's home: `RUSTUP_HOME`, else `~/.rustup`.
    pub fn rustup(&self) -> Option<PathBuf> {
        self.named("RUSTUP_HOME").or_else(|| self.below_home(".rustup"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The folders that `read` names, on all three systems.
    fn on_all(
        variables: &[(&str, &str)],
        read: impl Fn(Folders<'_>) -> Option<PathBuf>,
    ) -> [Option<String>; 3] {
        let variable = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value))
        };
        let text = |path: PathBuf| path.display().to_string().replace('\\', "/");
        [System::Linux, System::Mac, System::Windows].map(|on| read(Folders::of(on, &variable)).map(text))
    }

    fn some<const N: usize>(texts: [&str; N]) -> [Option<String>; N] {
        texts.map(|text| Some(text.to_owned()))
    }

    const HOMES: &[(&str, &str)] =
        &[("HOME", "/h"), ("USERPROFILE", "/u"), ("APPDATA", ""), ("CARGO_HOME", "")];

    #[test]
    fn each_system_has_its_own_customs() {
        assert_eq!(on_all(HOMES, |f| f.home()), some(["/h", "/h", "/u"]));
        assert_eq!(on_all(&[("HOME", "/h")], |f| f.home()), some(["/h", "/h", "/h"]));
        assert_eq!(on_all(&[("USERPROFILE", "/u")], |f| f.home()), [None, None, Some("/u".into())]);
        assert_eq!(on_all(HOMES, |f| f.config()), some(["/h/.config", "/h/.config", "/u/AppData/Roaming"]));
        let library = "/h/Library/Application Support";
        assert_eq!(on_all(HOMES, |f| f.settings()), some(["/h/.config", library, "/u/AppData/Roaming"]));
        assert_eq!(
            on_all(HOMES, |f| f.cache()),
            some(["/h/.cache", "/h/Library/Caches", "/u/AppData/Local"])
        );
        assert_eq!(on_all(HOMES, |f| f.cargo()), some(["/h/.cargo", "/h/.cargo", "/u/.cargo"]));
        assert_eq!(on_all(HOMES, |f| f.rustup()), some(["/h/.rustup", "/h/.rustup", "/u/.rustup"]));
        assert_eq!(on_all(HOMES, |f| f.shared()), [None, None, Some("C:/ProgramData".into())]);
    }

    #[test]
    fn what_a_system_does_not_know_does_not_count_there() {
        let variables = [
            ("HOME", "/h"),
            ("XDG_CONFIG_HOME", "/x"),
            ("XDG_CACHE_HOME", "/c"),
            ("APPDATA", "/a"),
            ("LOCALAPPDATA", "/l"),
        ];
        assert_eq!(on_all(&variables, |f| f.config()), some(["/x", "/x", "/a"]));
        assert_eq!(on_all(&variables, |f| f.cache()), some(["/c", "/h/Library/Caches", "/l"]));
        assert_eq!(on_all(&[], |f| f.cargo()), [None, None, None]);
    }
}
