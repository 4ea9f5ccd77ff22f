//! What to do about common failures of builds, known by what compilers and tools say.

use crate::system::System;
use crate::versions::gone_since;
use crate::words;
use crate::words::{Words, flag};

/// Advice on a failure on `system`, from what was said.
pub(super) fn on(said: &str, system: System) -> Option<Words> {
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if let Some(missing) = Missing::of(said) {
        return Some(missing.advice(system).into());
    }
    if let Some(header) = missing_header(said) {
        let from = match system {
            System::Linux => "install the -dev package that has it",
            System::Mac => "install it with brew, and name its folder in CPATH",
            System::Windows => "install it, and name its folder in INCLUDE",
        };
        return Some(format!("the C header {header} is missing: {from}").into());
    }
    if has(&[
        "can't find Rust compiler",
        "cargo, the Rust package manager, is not installed",
        "cargo: not found",
    ]) {
        return Some("it needs Rust: install it from https://rustup.rs".into());
    }
    if has(&["network was disabled", "--offline", "(from versions: none)"]) {
        return Some(words!(
            "the requirements of the build are not available: run once without {offline}, or configure your index",
            offline = flag("offline")
        ));
    }
    if let Some(variable) = version_variable(said) {
        return Some(words!(
            "its version comes from the history of a repository, which is not here: set {variable}"
        ));
    }
    if has(&["is not a workspace member"]) {
        return Some(
            "the members of its uv workspace are not here: set UV_NO_SOURCES=1 to take them from the index"
                .into(),
        );
    }
    if has(&["requires a different Python", "does not satisfy Python", "not supported by this Python"]) {
        return Some(words!(
            "it requires another version of Python: choose one with {python}",
            python = flag("python")
        ));
    }
    missing_module(said).map(|module| {
        if let Some(since) = gone_since(module.split('.').next().unwrap_or(module)) {
            return words!(
                "its build imports {module}, and Python has had no {module} since 3.{since}: use a newer version of what is built, or a base with Python 3.{}",
                since - 1
            );
        }
        words!("its build needs {module} but does not declare it: add it to build-system.requires, or use a newer version")
    })
}

/// What a machine has not, and each system gets in its own way.
#[derive(Debug, Clone, Copy)]
enum Missing {
    PythonHeaders,
    Compiler,
    PkgConfig,
    Postgres,
    Library,
}

impl Missing {
    /// What each is known by.
    const WORDS: [(Self, &'static [&'static str]); 5] = [
        (
            Self::PythonHeaders,
            &["Python.h: No such file", "Python.h' file not found", "Cannot open include file: 'Python.h'"],
        ),
        (
            Self::Compiler,
            &[
                "command 'gcc' failed: No such file",
                "command 'cc' failed: No such file",
                "command 'clang' failed: No such file",
                "gcc: not found",
                "cc: not found",
                "gcc: command not found",
                "error: command 'x86_64-linux-gnu-gcc' failed: No such file",
                "error: command 'g++' failed: No such file",
                "unable to find a compiler",
                "Unknown compiler(s)",
                "No CMAKE_C_COMPILER could be found",
                "No CMAKE_CXX_COMPILER could be found",
                "xcrun: error: invalid active developer path",
                "Microsoft Visual C++ 14.0 or greater is required",
            ],
        ),
        (
            Self::PkgConfig,
            &["pkg-config: not found", "pkg-config: command not found", "Did not find pkg-config"],
        ),
        (Self::Postgres, &["pg_config executable not found"]),
        (
            Self::Library,
            &["cannot find -l", "ld: library not found for -l", "LNK1181: cannot open input file"],
        ),
    ];

    fn of(said: &str) -> Option<Self> {
        let known = |(_, words): &&(Self, &[&str])| words.iter().any(|word| said.contains(word));
        Self::WORDS.iter().find(known).map(|(missing, _)| *missing)
    }

    fn advice(self, system: System) -> String {
        let what = match self {
            Self::PythonHeaders => "the headers of Python are missing",
            Self::Compiler => "a C compiler is missing",
            Self::PkgConfig => "pkg-config is missing",
            Self::Postgres => "PostgreSQL's headers are missing",
            Self::Library => "a library to link with is missing",
        };
        let how = match (self, system) {
            (Self::PythonHeaders, System::Linux) => {
                "apt-get install python3-dev, or use an own Python (uv python install)"
            }
            (Self::PythonHeaders, System::Mac) => "brew install python, or uv python install",
            (Self::PythonHeaders, System::Windows) => {
                "winget install Python.Python.3.13, or uv python install"
            }
            (Self::Compiler, System::Linux) => "apt-get install build-essential",
            (Self::Compiler, System::Mac) => "xcode-select --install",
            (Self::Compiler, System::Windows) => "winget install Microsoft.VisualStudio.2022.BuildTools",
            (Self::PkgConfig, System::Linux) => "apt-get install pkg-config",
            (Self::PkgConfig, System::Mac) => "brew install pkgconf",
            (Self::PkgConfig, System::Windows) => "install it so that it is on the Path",
            (Self::Postgres, System::Linux) => "apt-get install libpq-dev, or depend on psycopg2-binary",
            (Self::Postgres, System::Mac) => "brew install libpq, or depend on psycopg2-binary",
            (Self::Postgres, System::Windows) => "depend on psycopg2-binary",
            (Self::Library, System::Linux) => "install the -dev package that has it",
            (Self::Library, System::Mac) => "brew install what has it, and name its folder in LIBRARY_PATH",
            (Self::Library, System::Windows) => "install what has it, and name its folder in LIB",
        };
        format!("{what}: {how}")
    }
}

/// The variable that tells the version where a tool has found no history.
fn version_variable(said: &str) -> Option<&'static str> {
    [
        (
            "setuptools-scm was unable to detect version",
            "SETUPTOOLS_SCM_PRETEND_VERSION=1.2.3 (or SETUPTOOLS_SCM_PRETEND_VERSION_FOR_NAME, for one project alone)",
        ),
        ("Error getting the version from source `uv-dynamic-versioning`", "UV_DYNAMIC_VERSIONING_BYPASS=1.2.3"),
        ("poetry-dynamic-versioning", "POETRY_DYNAMIC_VERSIONING_BYPASS=1.2.3"),
        ("Cannot find the version from SCM", "PDM_BUILD_SCM_VERSION=1.2.3"),
        ("Versioning for this project requires either an sdist tarball", "PBR_VERSION=1.2.3"),
    ]
    .into_iter()
    .find_map(|(words, variable)| said.contains(words).then_some(variable))
}

/// Whether the network is to blame, so that trying again may help.
pub(super) fn is_network(said: &str) -> bool {
    [
        "error sending request",
        "Failed to establish a new connection",
        "Temporary failure in name resolution",
        "Could not resolve host",
        "Connection timed out",
        "connection closed before message completed",
        "Read timed out",
        "operation timed out",
    ]
    .iter()
    .any(|words| said.contains(words))
}

/// `X.h` of a compiler's `fatal error: X.h: No such file or directory`.
fn missing_header(said: &str) -> Option<&str> {
    if let Some(rest) = said.split("Cannot open include file: '").nth(1) {
        return rest.split_once('\'').map(|(name, _)| name);
    }
    let rest = said.split("fatal error: ").nth(1)?;
    let line = rest.lines().next()?;
    let gcc = line.strip_suffix(": No such file or directory");
    gcc.or_else(|| line.strip_suffix(" file not found")).map(|name| name.trim_matches('\''))
}

fn missing_module(said: &str) -> Option<&str> {
    let rest = said.rsplit("ModuleNotFoundError: No module named '").next()?;
    let (module, _) = rest.split_once('\'')?;
    let is_name = module.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    (is_name && rest.len() < said.len()).then_some(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_failures_are_explained() {
        for (said, wanted) in [
            ("x.c:1:10: fatal error: Python.h: No such file or directory", "python3-dev"),
            ("x.c:1:10: fatal error: ffi.h: No such file or directory\n", "the C header ffi.h"),
            ("x.c:1:10: fatal error: 'openssl/ssl.h' file not found", "the C header openssl/ssl.h"),
            ("error: command 'gcc' failed: No such file or directory", "build-essential"),
            ("error: can't find Rust compiler", "rustup.rs"),
            ("Error: pg_config executable not found.", "libpq-dev"),
            ("/usr/bin/ld: cannot find -lgmp", "library to link with"),
            ("ModuleNotFoundError: No module named 'numpy'\nerror", "needs numpy"),
            ("ModuleNotFoundError: No module named 'imp'\nerror", "or a base with Python 3.11"),
            (
                "LookupError: Error getting the version from source `vcs`: setuptools-scm was unable to detect version for /x.",
                "set SETUPTOOLS_SCM_PRETEND_VERSION=1.2.3",
            ),
            (
                "RuntimeError: Error getting the version from source `uv-dynamic-versioning`: This does not appear",
                "set UV_DYNAMIC_VERSIONING_BYPASS=1.2.3",
            ),
            ("ERROR: Package 'a' requires a different Python: 3.9 not in '>=3.12'", "--python"),
            ("Packages were unavailable because the network was disabled", "without --offline"),
        ] {
            let advice = on(said, System::Linux).unwrap_or_default();
            assert!(advice.contains(wanted), "{said}: {advice}");
        }
        let apart = "error: Failed to parse entry: `b`\n  cause: `b` references a workspace in `tool.uv.sources`, but is not a workspace member";
        assert!(
            on(apart, System::Linux).is_some_and(|advice| advice.to_string().contains("UV_NO_SOURCES=1"))
        );
        assert_eq!(on("SyntaxError: invalid syntax", System::Linux), None);
    }

    #[test]
    fn each_system_gets_what_it_misses_in_its_own_way() {
        let all = [
            "fatal error C1083: Cannot open include file: 'Python.h': No such file or directory",
            "error: Microsoft Visual C++ 14.0 or greater is required. Get it with",
            "fatal error: ffi.h: No such file or directory",
            "fatal error C1083: Cannot open include file: 'ffi.h': No such file or directory",
            "Did not find pkg-config by name 'pkg-config'",
            "Error: pg_config executable not found.",
            "ld: library not found for -lssl",
            "LINK : fatal error LNK1181: cannot open input file 'ssl.lib'",
        ];
        for said in all {
            for (system, others) in [
                (System::Linux, &["brew", "winget"][..]),
                (System::Mac, &["apt", "-dev", "winget"]),
                (System::Windows, &["apt", "-dev", "brew"]),
            ] {
                let advice = on(said, system).expect(said);
                assert!(!others.iter().any(|word| advice.contains(word)), "{system:?}: {advice}");
            }
        }
        let header = on(all[3], System::Windows).unwrap_or_default();
        assert!(header.contains("the C header ffi.h is missing") && header.contains("INCLUDE"), "{header}");
    }

    #[test]
    fn only_failures_of_the_network_are_worth_a_retry() {
        assert!(is_network("error sending request for url (https://pypi.org/simple/x/)"));
        assert!(is_network("fatal: Could not resolve host: git.example"));
        assert!(!is_network("error: No such file or directory"));
    }
}
