//! How compiled code in wheels is made: the user's own variables, and flags that keep debug
//! information and the place of the build out of it.
//!
//! Build backends read compilers' flags from different variables, and a variable that is set takes
//! the place of a default in some of them: `configure` scripts forget `-O2` when `CFLAGS` is there.
//! So the flags go into `CPPFLAGS`, which has no default and which distutils, setuptools, meson and
//! `configure` read; only CMake knows but `CFLAGS`, and adds its optimization by itself.

use std::collections::BTreeMap;
use std::path::Path;

use crate::oci::Digest;
use crate::read;

/// Variables of the user's environment that change what compilers make.
const READ: &[&str] = &[
    "AR",
    "ARCHFLAGS",
    "CC",
    "CFLAGS",
    "CMAKE_ARGS",
    "CMAKE_PREFIX_PATH",
    "CPATH",
    "CPPFLAGS",
    "CXX",
    "CXXFLAGS",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "FC",
    "FFLAGS",
    "LDFLAGS",
    "LDSHARED",
    "LIBRARY_PATH",
    "PKG_CONFIG_PATH",
    "RUSTFLAGS",
];

/// How compiled code is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compile {
    /// Variables for build backends, over those of the environment.
    pub variables: BTreeMap<String, String>,
    /// What is left out of it.
    pub strip: Strip,
}

/// What is left out of compiled code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strip {
    /// Nothing: the project's own build decides.
    Nothing,
    /// Debug information.
    Debug,
    /// Debug information and the names of what is not exported.
    #[default]
    Symbols,
}

impl Strip {
    const fn linker_flag(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Debug => Some("-Wl,-S"),
            Self::Symbols => Some("-Wl,-s"),
        }
    }

    /// The word that cargo uses.
    const fn of_cargo(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Debug => Some("debuginfo"),
            Self::Symbols => Some("symbols"),
        }
    }
}

impl Compile {
    /// Names all that what compilers make depends on beside the source, in an environment with
    /// these variables of the user.
    pub(super) fn key(&self, user: &BTreeMap<String, String>) -> String {
        let read = user.iter().filter(|(name, _)| READ.contains(&name.as_str()));
        let mut all: BTreeMap<_, _> = read.collect();
        all.extend(&self.variables);
        match (all.is_empty(), self.strip) {
            (true, Strip::Symbols) => String::new(),
            _ => Digest::of(format!("{all:?} {:?}", self.strip).as_bytes()).hex(),
        }
    }

    /// Adds to the variables for a build of `project` below the folder `work`.
    pub(super) fn apply(&self, variables: &mut BTreeMap<String, String>, project: &Path, work: &Path) {
        variables.extend(self.variables.clone());
        // Other linkers and systems have other words, and images are for Linux.
        let Some(linker) = self.strip.linker_flag().filter(|_| cfg!(target_os = "linux")) else { return };
        let mut compiler = vec!["-g0".to_owned()];
        for folder in [work, project] {
            let text = folder.display().to_string();
            // The last one that fits counts. Backends split their flags at blanks.
            if !text.contains(char::is_whitespace) {
                compiler.push(format!("-ffile-prefix-map={text}=."));
            }
        }
        let compiler = compiler.join(" ");
        let mut add = |name: &str, flags: &str| {
            let value = variables.entry(name.to_owned()).or_default();
            *value = if value.is_empty() { flags.to_owned() } else { format!("{value} {flags}") };
        };
        add("CPPFLAGS", &compiler);
        add("LDFLAGS", linker);
        if uses_cmake(project) {
            add("CFLAGS", &compiler);
            add("CXXFLAGS", &compiler);
        }
        if let Some(word) = self.strip.of_cargo() {
            variables.entry("CARGO_PROFILE_RELEASE_STRIP".into()).or_insert_with(|| word.into());
        }
    }
}

/// Whether the project is compiled by CMake, as its backends' names tell.
fn uses_cmake(project: &Path) -> bool {
    let text = read::text(&project.join("pyproject.toml"), read::DOCUMENT).unwrap_or_default();
    let table: toml::Table = text.parse().unwrap_or_default();
    let system = table.get("build-system");
    let requires = system.and_then(|system| system.get("requires")?.as_array());
    let names = requires.into_iter().flatten().filter_map(toml::Value::as_str);
    names.into_iter().any(|name| name.starts_with("scikit-build") || name.starts_with("cmake"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[cfg(target_os = "linux")]
    fn applied(compile: &Compile, user: &[(&str, &str)], pyproject: &str) -> BTreeMap<String, String> {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("pyproject.toml"), pyproject).expect("file");
        let mut variables = map(user);
        compile.apply(&mut variables, folder.path(), Path::new("/w"));
        variables
            .values_mut()
            .for_each(|value| *value = value.replace(folder.path().to_str().expect("path"), "P"));
        variables
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn flags_are_added_to_those_of_the_user_and_leave_defaults_alone() {
        let user = [("LDFLAGS", "-L/x"), ("CARGO_PROFILE_RELEASE_STRIP", "none")];
        let found = applied(&Compile::default(), &user, "");
        let flags = "-g0 -ffile-prefix-map=/w=. -ffile-prefix-map=P=.";
        let expected =
            [("CPPFLAGS", flags), ("LDFLAGS", "-L/x -Wl,-s"), ("CARGO_PROFILE_RELEASE_STRIP", "none")];
        assert_eq!(found, map(&expected));
        let cmake = "[build-system]\nrequires = ['scikit-build-core>=0.9']";
        assert_eq!(applied(&Compile::default(), &[], cmake)["CFLAGS"], flags);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_users_own_word_counts() {
        let variables = map(&[("CFLAGS", "-O1"), ("LDFLAGS", "-L/own")]);
        let own = Compile { variables: variables.clone(), strip: Strip::Nothing };
        assert_eq!(applied(&own, &[("CFLAGS", "-O3")], ""), variables);
        let debug = Compile { strip: Strip::Debug, ..Compile::default() };
        assert_eq!(applied(&debug, &[], "")["LDFLAGS"], "-Wl,-S");
    }

    #[test]
    fn the_key_is_empty_until_something_is_set() {
        let plain = Compile::default();
        assert_eq!(plain.key(&map(&[("HOME", "/root")])), "");
        let keys = [
            plain.key(&map(&[("CFLAGS", "-O1")])),
            Compile { variables: map(&[("CFLAGS", "-O2")]), ..Compile::default() }.key(&map(&[])),
            Compile { strip: Strip::Nothing, ..Compile::default() }.key(&map(&[])),
        ];
        assert!(keys.iter().all(|key| key.len() == 64));
        assert!(keys[0] != keys[1] && keys[1] != keys[2]);
    }
}
