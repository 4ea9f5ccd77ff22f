//! The compiler: which it is, and what it says about itself and a target.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::Cargo;
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::process::Program;
use crate::store::{Store, Table};
use crate::system::System;

/// The compiler's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The triple that it runs on.
    pub host: String,
    /// Its release, such as `1.95.0`.
    pub release: String,
    /// The commit that it was built from.
    pub commit: Option<String>,
    /// The toolchain's folder.
    pub sysroot: PathBuf,
    /// Where the target's standard library is, or would be.
    pub target_libdir: PathBuf,
    /// What `cfg(...)` says for the target, one a line of `rustc --print cfg`.
    pub cfg: Vec<String>,
}

impl Facts {
    /// Asks the compiler that cargo would use about `triple`. Where rustup named the toolchain
    /// already, so that its answers hang on the compiler's file alone, they are kept in `store`.
    ///
    /// # Errors
    /// When the compiler cannot be run, or does not know the target.
    pub fn read(cargo: &Cargo, settings: &Settings, triple: &str, store: Option<&Store>) -> Result<Self> {
        let (program, key) = match configured(cargo, settings) {
            Some(program) => (program, None),
            None => match by_rustup(cargo) {
                Some(program) => (program.clone(), memo_key(&program, triple)),
                None => ("rustc".into(), None),
            },
        };
        let memo = store.zip(key);
        if let Some(facts) = memo.as_ref().and_then(|(store, key)| store.recall(Table::Rustc, key)) {
            return Ok(facts);
        }
        let facts = ask(cargo, &program, triple)?;
        if let Some((store, key)) = memo {
            store.remember(Table::Rustc, &key, &facts);
        }
        Ok(facts)
    }

    /// Whether the target's standard library is installed.
    pub fn has_std(&self) -> bool {
        let is_core = |name: &str| name.starts_with("libcore-") || name.starts_with("libstd-");
        std::fs::read_dir(&self.target_libdir).is_ok_and(|entries| {
            entries.flatten().any(|entry| entry.file_name().to_str().is_some_and(is_core))
        })
    }

    /// The linker that comes with the toolchain, if it does.
    pub fn rust_lld(&self) -> Option<PathBuf> {
        let name = System::HERE.executable("rust-lld");
        let path = self.sysroot.join("lib/rustlib").join(&self.host).join("bin").join(name);
        path.is_file().then_some(path)
    }
}

/// The compiler that the user configured.
fn configured(cargo: &Cargo, settings: &Settings) -> Option<PathBuf> {
    let variable = |name| cargo.environment().path(name);
    variable("RUSTC")
        .or_else(|| variable("CARGO_BUILD_RUSTC"))
        .or_else(|| settings.program(&["build", "rustc"]))
}

/// The compiler of the toolchain that rustup chose when it started cargo: its proxies need not
/// decide again. Cargo does the same.
fn by_rustup(cargo: &Cargo) -> Option<PathBuf> {
    let environment = cargo.environment();
    let toolchain = environment.path("RUSTUP_TOOLCHAIN")?;
    let home = environment.folders(|folders| folders.rustup())?;
    let program = home.join("toolchains").join(toolchain).join("bin").join(System::HERE.executable("rustc"));
    (program.is_absolute() && program.is_file()).then_some(program)
}

fn memo_key(program: &Path, triple: &str) -> Option<String> {
    let metadata = program.metadata().ok()?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
    Some(format!("1 {} {modified} {} {triple}", program.display(), metadata.len()))
}

fn ask(cargo: &Cargo, program: &Path, triple: &str) -> Result<Facts> {
    let run = |arguments: &[&str]| -> Result<Output> {
        let mut command = cargo.command(program);
        command.args(arguments);
        Program::new(command).output().map_err(|e| {
            Error::build(format!("cannot run {}", program.display()))
                .because(e)
                .hint("install Rust from https://rustup.rs")
        })
    };
    let version = run(&["-vV"])?;
    if !version.status.success() {
        let why = String::from_utf8_lossy(&version.stderr).trim().to_owned();
        return Err(Error::build(format!("{} does not work", program.display())).because(why));
    }
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let word = |key: &str| version.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
    let printed =
        run(&["--print", "sysroot", "--print", "target-libdir", "--print", "cfg", "--target", triple])?;
    if !printed.status.success() {
        let why = String::from_utf8_lossy(&printed.stderr).trim().trim_start_matches("error: ").to_owned();
        return Err(Error::usage(format!("{triple} is not a target that this Rust toolchain knows"))
            .because(why)
            .hint("`rustc --print target-list` lists the ones it knows"));
    }
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    let mut lines = printed.lines();
    let (Some(sysroot), Some(target_libdir), Some(host)) = (lines.next(), lines.next(), word("host: "))
    else {
        return Err(Error::build(format!("cannot understand the output of {}", program.display())));
    };
    Ok(Facts {
        host,
        release: word("release: ").unwrap_or_default(),
        commit: word("commit-hash: ").filter(|commit| commit != "unknown"),
        sysroot: sysroot.into(),
        target_libdir: target_libdir.into(),
        cfg: lines.map(str::to_owned).collect(),
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::*;

    /// A toolchain whose compiler counts its calls in `calls` beside it.
    fn toolchain(folder: &Path) -> Cargo {
        let bin = folder.join("toolchains/mine/bin");
        fs::create_dir_all(&bin).expect("mkdir");
        fs::create_dir_all(folder.join("lib")).expect("mkdir");
        let script = format!(
            "#!/bin/sh\necho x >> {0}/calls\nif [ \"$1\" = -vV ]; then echo 'release: 1.2.3'; echo 'commit-hash: abc'; \
             echo 'host: h-h'\nelse case \"$*\" in *nonsense) echo 'error: no such' >&2; exit 1;; esac\n\
             printf '%s\\n' /sys {0}/lib unix 'target_env=\"musl\"'; fi\n",
            folder.display()
        );
        containerize_tests::fixture::script(&bin.join("rustc"), &script);
        let home = folder.display().to_string();
        Cargo::new(folder, [("RUSTUP_TOOLCHAIN", "mine"), ("RUSTUP_HOME", &home)].into_iter().collect())
    }

    fn calls(folder: &Path) -> usize {
        fs::read_to_string(folder.join("calls")).map_or(0, |text| text.lines().count())
    }

    #[test]
    fn a_toolchain_is_asked_once_and_installed_std_is_seen_at_once() {
        let folder = tempfile::tempdir().expect("folder");
        let cargo = toolchain(folder.path());
        let store = Store::open(folder.path().join("store")).expect("store");
        let read = || Facts::read(&cargo, &Settings::default(), "t", Some(&store)).expect("facts");
        let facts = read();
        assert_eq!((facts.host.as_str(), facts.commit.as_deref()), ("h-h", Some("abc")));
        assert_eq!(facts.cfg, ["unix", "target_env=\"musl\""]);
        assert!(!facts.has_std());
        fs::write(folder.path().join("lib/libcore-1.rlib"), "").expect("write");
        assert!(read().has_std());
        assert_eq!(calls(folder.path()), 2, "one for its version, one for the target");
    }

    #[test]
    fn an_unknown_target_is_the_users_mistake() {
        let folder = tempfile::tempdir().expect("folder");
        let error = Facts::read(&toolchain(folder.path()), &Settings::default(), "nonsense", None)
            .expect_err("an error");
        assert_eq!(error.to_string(), "nonsense is not a target that this Rust toolchain knows");
        assert_eq!(error.causes(), ["no such"]);
    }
}
