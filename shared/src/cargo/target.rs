//! Target triples: which one a platform means, and with what it can be linked here.

use std::path::{Path, PathBuf};

use super::Cargo;
use super::rustc::Facts;
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::oci::Platform;
use crate::system::programs;

/// What links, and compiles C, for a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Linking {
    /// What cargo does by itself: the host's own `cc`, or what the user configured.
    Cargo,
    /// This linker.
    With(PathBuf),
    /// `cargo zigbuild` in place of `cargo build`.
    Zigbuild,
}

/// The triple to build for `platform`. `wanted` is the user's `--target`: it gives the libc for
/// each platform's architecture; without it that is musl, whose programs need nothing else.
///
/// # Errors
/// When the platform or `wanted` is not Linux, or Rust has no name for the architecture.
pub fn triple(platform: &Platform, wanted: Option<&str>) -> Result<String> {
    let arch = platform.rust_arch().filter(|_| platform.os == "linux").ok_or_else(|| {
        Error::usage(format!("cannot build Rust programs for {platform}")).hint(
            "images of Rust programs are for linux, on amd64, arm64, 386, arm, riscv64, ppc64le or s390x",
        )
    })?;
    let (vendor, libc, glibc) = match wanted {
        None => ("unknown", "musl", ""),
        Some(wanted) => {
            let (found, vendor, libc) = parts(wanted)?;
            if Platform::from_rust_arch(found).is_some_and(|of| of.serves(platform)) {
                return Ok(wanted.to_owned());
            }
            (vendor, libc, &wanted[bare(wanted).len()..])
        }
    };
    let abi = match (arch, platform.variant.as_deref()) {
        ("arm", Some("v5")) => "eabi",
        ("arm" | "armv7", _) => "eabihf",
        _ => "",
    };
    Ok(format!("{arch}-{vendor}-linux-{libc}{abi}{glibc}"))
}

/// The triple without the glibc version (`.2.17`) that cargo-zigbuild takes behind it.
pub fn bare(triple: &str) -> &str {
    match triple.rsplit_once("-gnu").and_then(|(_, abi)| abi.split_once('.')) {
        Some((_, version)) if is_version(version) => &triple[..triple.len() - version.len() - 1],
        _ => triple,
    }
}

fn is_version(text: &str) -> bool {
    !text.is_empty() && text.split('.').all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// The platform that a triple is for, if images can be made for it.
pub fn platform(triple: &str) -> Option<Platform> {
    Platform::from_rust_arch(parts(triple).ok()?.0)
}

/// Whether programs for this triple use musl.
pub fn is_musl(triple: &str) -> bool {
    parts(triple).is_ok_and(|(_, _, libc)| libc == "musl")
}

/// Architecture, vendor and libc of a Linux triple.
fn parts(triple: &str) -> Result<(&str, &str, &'static str)> {
    let words: Vec<&str> = bare(triple).split('-').collect();
    let [arch, vendor, "linux", env] = words[..] else {
        return Err(Error::usage(format!("{triple} is not a target for Linux")).hint(EXAMPLES));
    };
    let env = env.trim_end_matches("eabihf").trim_end_matches("eabi");
    match env {
        "musl" => Ok((arch, vendor, "musl")),
        "gnu" => Ok((arch, vendor, "gnu")),
        _ => Err(Error::usage(format!("{triple} uses neither musl nor glibc")).hint(EXAMPLES)),
    }
}

const EXAMPLES: &str = "for example --target x86_64-unknown-linux-musl or --target x86_64-unknown-linux-gnu";

/// Refuses a target whose standard library is not installed.
///
/// # Errors
/// When it is not, and the user does not build it with `-Z build-std`.
pub fn require_std(cargo: &Cargo, settings: &Settings, facts: &Facts, triple: &str) -> Result<()> {
    let builds_std = settings.has(&["unstable", "build-std"])
        || cargo.environment().get("CARGO_UNSTABLE_BUILD_STD").is_some();
    if facts.has_std() || builds_std {
        return Ok(());
    }
    Err(Error::build(format!("Rust's standard library for {triple} is not installed"))
        .hint(how_to_install(cargo, facts, triple)))
}

/// How the toolchain gets the standard library of one more target.
fn how_to_install(cargo: &Cargo, facts: &Facts, triple: &str) -> String {
    let home = cargo.environment().folders(|folders| folders.rustup());
    let toolchains = home.and_then(|home| home.join("toolchains").canonicalize().ok());
    let sysroot = facts.sysroot.canonicalize().unwrap_or_else(|_| facts.sysroot.clone());
    let name = toolchains.as_ref().and_then(|toolchains| sysroot.strip_prefix(toolchains).ok());
    match name.and_then(Path::to_str) {
        // What rustup takes in the project's folder need not be what it takes where the call was made.
        Some(name) if cargo.is_elsewhere() => format!("rustup target add --toolchain {name} {triple}"),
        Some(_) => format!("rustup target add {triple}"),
        None => format!(
            "with a rustup toolchain, run `rustup target add {triple}`; for the one in {}, install it from where the toolchain came from",
            facts.sysroot.display()
        ),
    }
}

/// With what programs for `triple` are linked here: what cargo is configured with, else for the
/// host's own architecture cargo's default, else cargo-zigbuild if it is installed, else for
/// musl the linker that comes with Rust (its musl targets carry all else that is needed), else
/// for glibc the cross compiler by its usual name. A version of glibc behind the triple is for cargo-zigbuild.
///
/// # Errors
/// When there is nothing.
pub fn linking(cargo: &Cargo, settings: &Settings, facts: &Facts, triple: &str) -> Result<Linking> {
    if bare(triple) != triple {
        return has_zigbuild(cargo).then_some(Linking::Zigbuild).ok_or_else(|| {
            let without = bare(triple);
            let install = install_zigbuild(&facts.host);
            Error::build(format!("only cargo-zigbuild builds for {triple}, and it is not installed"))
                .hint(format!("{install}, or --target {without}, for the glibc of this machine"))
        });
    }
    if configured_linker(cargo, settings, facts, triple).is_some() || !is_foreign(&facts.host, triple) {
        return Ok(Linking::Cargo);
    }
    // It compiles C too, so whoever has it wants it.
    if has_zigbuild(cargo) {
        return Ok(Linking::Zigbuild);
    }
    let found = if is_musl(triple) {
        facts.rust_lld().map(|_| PathBuf::from("rust-lld"))
    } else {
        gcc_name(triple).filter(|name| cargo.find_program(name).is_some()).map(PathBuf::from)
    };
    found.map(Linking::With).ok_or_else(|| {
        let mut ways = vec![install_zigbuild(&facts.host).to_owned()];
        ways.extend(install_gcc(&facts.host, triple));
        ways.push(format!("set {} to a linker that you have", variable(triple, "LINKER")));
        Error::build(format!("no linker for {triple} was found")).hint(ways.join(", or "))
    })
}

/// The linker that the user's configuration names for `triple`.
pub fn configured_linker(cargo: &Cargo, settings: &Settings, facts: &Facts, triple: &str) -> Option<PathBuf> {
    cargo
        .environment()
        .path(&variable(triple, "LINKER"))
        .or_else(|| settings.program(&["target", triple, "linker"]))
        .or_else(|| {
            matching_cfgs(settings, facts, triple).find_map(|k| settings.program(&["target", k, "linker"]))
        })
}

/// The keys `cfg(...)` of `[target]` that hold for `triple`.
pub(super) fn matching_cfgs<'a>(
    settings: &'a Settings,
    facts: &Facts,
    triple: &'a str,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let cfgs: Vec<cargo_platform::Cfg> = facts.cfg.iter().filter_map(|line| line.parse().ok()).collect();
    settings.target_cfgs().into_iter().filter(move |key| {
        key.parse::<cargo_platform::Platform>().is_ok_and(|platform| platform.matches(triple, &cfgs))
    })
}

/// The variable that stands for `[target.TRIPLE] key`: `CARGO_TARGET_<TRIPLE>_<KEY>`.
pub(super) fn variable(triple: &str, key: &str) -> String {
    format!("CARGO_TARGET_{}_{key}", triple.replace(['-', '.'], "_").to_uppercase())
}

/// Whether the host's own linker cannot be expected to know `triple`.
pub(super) fn is_foreign(host: &str, triple: &str) -> bool {
    let arch = |triple: &str| triple.split('-').next().unwrap_or_default().to_owned();
    !host.contains("-linux-") || arch(host) != arch(triple)
}

fn has_zigbuild(cargo: &Cargo) -> bool {
    let name = "cargo-zigbuild";
    let installed = |home: PathBuf| programs::find(name, [home.join("bin")]).is_some();
    cargo.find_program(name).is_some() || cargo.home().is_some_and(installed)
}

/// GNU's name for the architecture and libc: `aarch64-linux-gnu`.
fn gnu_triple(triple: &str) -> Option<String> {
    let (arch, _, _) = parts(triple).ok()?;
    let arch = match arch {
        "armv7" => "arm",
        "riscv64gc" => "riscv64",
        other => other,
    };
    Some(format!("{arch}-linux-{}", triple.rsplit('-').next()?))
}

fn gcc_name(triple: &str) -> Option<String> {
    Some(format!("{}-gcc", gnu_triple(triple)?))
}

/// How cargo-zigbuild, and zig with it, come to a host.
fn install_zigbuild(host: &str) -> &'static str {
    if host.contains("-windows") {
        "cargo install cargo-zigbuild and winget install zig.zig"
    } else if host.contains("-apple-") {
        "cargo install cargo-zigbuild and brew install zig"
    } else {
        "cargo install cargo-zigbuild (and install zig)"
    }
}

/// How a cross compiler comes to a host that has packages of it.
fn install_gcc(host: &str, triple: &str) -> Option<String> {
    let package = gcc_package(triple).filter(|_| host.contains("-linux-"))?;
    Some(format!("apt install {package}"))
}

/// Debian's package with a cross compiler for `triple`; there is none for musl.
fn gcc_package(triple: &str) -> Option<String> {
    (!is_musl(triple)).then(|| gnu_triple(triple)).flatten().map(|name| format!("gcc-{name}"))
}

/// What to say after a failed build, judged by what is missing here: cargo's own words have been
/// shown already.
pub(super) fn advice(cargo: &Cargo, settings: &Settings, facts: &Facts, triple: &str) -> Option<String> {
    let configured = configured_linker(cargo, settings, facts, triple);
    let foreign = is_foreign(&facts.host, triple);
    let linker = configured.clone().unwrap_or_else(|| "cc".into());
    let bundled = linker == Path::new("rust-lld") || (foreign && configured.is_none());
    if !bundled && linker.to_str().is_none_or(|name| cargo.find_program(name).is_none()) {
        return Some(match configured {
            Some(linker) => format!("the configured linker {} was not found", linker.display()),
            None => "the linker cc was not found: apt install gcc, or your system's equivalent".into(),
        });
    }
    if c_compiler(cargo, facts, triple).is_none() && (foreign || is_musl(triple)) {
        let mut ways = vec![format!("set CC_{} to one", triple.replace('-', "_"))];
        if foreign {
            ways.insert(0, install_zigbuild(&facts.host).into());
            ways.extend(install_gcc(&facts.host, triple));
        } else {
            ways.insert(0, "apt install musl-tools".into());
        }
        return Some(format!(
            "if a crate with C code failed: no C compiler for {triple} was found; {}",
            ways.join(", or ")
        ));
    }
    None
}

/// Where crates with C code would find their compiler.
fn c_compiler(cargo: &Cargo, facts: &Facts, triple: &str) -> Option<String> {
    let variables =
        [format!("CC_{triple}"), format!("CC_{}", triple.replace('-', "_")), "TARGET_CC".into(), "CC".into()];
    if let Some(name) = variables.iter().find_map(|name| cargo.environment().text(name)) {
        return Some(name.to_owned());
    }
    let usual = [gcc_name(triple)?, "musl-gcc".to_owned()];
    // It is the host's own compiler with another libc.
    let for_musl = is_musl(triple) && !is_foreign(&facts.host, triple);
    usual.into_iter().find(|name| (name != "musl-gcc" || for_musl) && cargo.find_program(name).is_some())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::system::System;

    fn triple_for(platform: &str, wanted: Option<&str>) -> Result<String> {
        triple(&platform.parse().expect("platform"), wanted)
    }

    fn facts(folder: &Path) -> Facts {
        Facts {
            host: "x86_64-unknown-linux-gnu".into(),
            release: "1.95.0".into(),
            commit: None,
            sysroot: folder.join("sysroot"),
            target_libdir: folder.join("lib"),
            cfg: vec!["unix".into(), "target_env=\"musl\"".into()],
        }
    }

    const ARM: &str = "aarch64-unknown-linux-musl";

    #[test]
    fn platforms_mean_musl_unless_told_otherwise() {
        let musl = |platform| triple_for(platform, None).expect("triple");
        assert_eq!(musl("linux/amd64"), "x86_64-unknown-linux-musl");
        assert_eq!(musl("linux/arm64"), ARM);
        assert_eq!(musl("linux/arm/v7"), "armv7-unknown-linux-musleabihf");
        assert_eq!(musl("linux/arm/v6"), "arm-unknown-linux-musleabihf");
        assert_eq!(musl("linux/riscv64"), "riscv64gc-unknown-linux-musl");
    }

    #[test]
    fn a_target_gives_the_libc_for_every_architecture() {
        let gnu = |platform| triple_for(platform, Some("x86_64-unknown-linux-gnu")).expect("triple");
        assert_eq!(gnu("linux/amd64"), "x86_64-unknown-linux-gnu");
        assert_eq!(gnu("linux/arm64"), "aarch64-unknown-linux-gnu");
        assert_eq!(gnu("linux/arm/v7"), "armv7-unknown-linux-gnueabihf");
        let soft = triple_for("linux/arm/v7", Some("armv7-unknown-linux-gnueabi")).expect("triple");
        assert_eq!(soft, "armv7-unknown-linux-gnueabi", "what fits is taken as it is");
        let back = triple_for("linux/amd64", Some("armv7-unknown-linux-musleabihf")).expect("triple");
        assert_eq!(back, "x86_64-unknown-linux-musl");
    }

    #[test]
    fn what_is_not_linux_is_refused() {
        for wanted in ["x86_64-apple-darwin", "wasm32-wasip1", "x86_64-unknown-linux-ohos", "nonsense"] {
            let error = triple_for("linux/amd64", Some(wanted)).expect_err(wanted);
            assert!(error.to_string().contains(wanted), "{error}");
        }
        assert!(triple_for("windows/amd64", None).is_err());
        assert!(triple_for("linux/mips", None).is_err());
    }

    #[test]
    fn a_triple_tells_its_platform() {
        assert_eq!(platform(ARM), Some(Platform::linux("arm64")));
        assert_eq!(platform("x86_64-pc-windows-gnu"), None);
    }

    #[test]
    fn a_missing_standard_library_says_what_to_type() {
        let folder = tempfile::tempdir().expect("folder");
        let home = folder.path().display().to_string();
        let facts = facts(&folder.path().join("toolchains/mine"));
        std::fs::create_dir_all(&facts.sysroot).expect("mkdir");
        let facts = Facts { sysroot: folder.path().join("toolchains/mine"), ..facts };
        let environment = || [("RUSTUP_HOME", home.as_str())].into_iter().collect();
        let cargo = Cargo::new(folder.path(), environment());
        let check = |cargo: &Cargo| require_std(cargo, &Settings::default(), &facts, ARM);
        let error = check(&cargo).expect_err("an error");
        assert_eq!(error.hint_text(), Some("rustup target add aarch64-unknown-linux-musl"));
        let elsewhere = check(&Cargo::new(folder.path(), environment()).called_from(Path::new("/")));
        assert_eq!(
            elsewhere.expect_err("an error").hint_text(),
            Some("rustup target add --toolchain mine aarch64-unknown-linux-musl")
        );
        let other = check(&Cargo::new(folder.path(), Default::default())).expect_err("an error");
        assert!(
            other.hint_text().is_some_and(|hint| hint.contains("where the toolchain came from")),
            "{other:?}"
        );
        let own_std = [("CARGO_UNSTABLE_BUILD_STD", "std")].into_iter().collect();
        check(&Cargo::new(folder.path(), own_std)).expect("built by the user");
    }

    #[test]
    fn the_hosts_own_architecture_is_left_to_cargo() {
        let folder = tempfile::tempdir().expect("folder");
        let cargo = Cargo::new(folder.path(), Default::default());
        let with = linking(&cargo, &Settings::default(), &facts(folder.path()), "x86_64-unknown-linux-musl");
        assert_eq!(with.expect("linking"), Linking::Cargo);
    }

    #[test]
    fn foreign_musl_is_linked_with_what_there_is() {
        let folder = tempfile::tempdir().expect("folder");
        let facts = facts(folder.path());
        let path: super::super::Variables = [("PATH", folder.path())].into_iter().collect();
        let cargo = Cargo::new(folder.path(), path);
        let linking = |cargo: &Cargo| super::linking(cargo, &Settings::default(), &facts, ARM);
        let error = linking(&cargo).expect_err("nothing is there");
        assert_eq!(error.to_string(), "no linker for aarch64-unknown-linux-musl was found");
        assert!(
            error
                .hint_text()
                .is_some_and(|hint| hint.contains("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER"))
        );

        let bin = facts.sysroot.join("lib/rustlib/x86_64-unknown-linux-gnu/bin");
        fs::create_dir_all(&bin).expect("mkdir");
        fs::write(bin.join(System::HERE.executable("rust-lld")), "").expect("write");
        assert_eq!(linking(&cargo).expect("linking"), Linking::With("rust-lld".into()));

        fs::write(folder.path().join(System::HERE.executable("cargo-zigbuild")), "").expect("write");
        assert_eq!(linking(&cargo).expect("linking"), Linking::Zigbuild);

        let configured = [("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", "mine")].into_iter().collect();
        let configured = Cargo::new(folder.path(), configured);
        assert_eq!(linking(&configured).expect("linking"), Linking::Cargo);
    }

    #[test]
    fn a_version_of_glibc_is_for_zigbuild() {
        let folder = tempfile::tempdir().expect("folder");
        let facts = facts(folder.path());
        let cargo = Cargo::new(folder.path(), [("PATH", folder.path())].into_iter().collect());
        let wanted = "x86_64-unknown-linux-gnu.2.17";
        assert_eq!(bare(wanted), "x86_64-unknown-linux-gnu");
        for other in ["x86_64-unknown-linux-gnu.", "x86_64-unknown-linux-gnu.new", "my-gnu.json", ARM] {
            assert_eq!(bare(other), other);
        }
        assert_eq!(triple_for("linux/amd64", Some(wanted)).expect("triple"), wanted);
        let foreign = triple_for("linux/arm64", Some(wanted)).expect("triple");
        assert_eq!(foreign, "aarch64-unknown-linux-gnu.2.17");
        assert_eq!(platform(wanted), Some(Platform::linux("amd64")));
        let linking = || linking(&cargo, &Settings::default(), &facts, wanted);
        let error = linking().expect_err("nothing is there");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("--target x86_64-unknown-linux-gnu,")));
        fs::write(folder.path().join(System::HERE.executable("cargo-zigbuild")), "").expect("write");
        assert_eq!(linking().expect("linking"), Linking::Zigbuild);
    }

    #[test]
    fn foreign_glibc_is_linked_by_the_cross_compiler_or_says_which_to_install() {
        let folder = tempfile::tempdir().expect("folder");
        let facts = facts(folder.path());
        let cargo = Cargo::new(folder.path(), [("PATH", folder.path())].into_iter().collect());
        let linking = || linking(&cargo, &Settings::default(), &facts, "aarch64-unknown-linux-gnu");
        let error = linking().expect_err("nothing is there");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("apt install gcc-aarch64-linux-gnu")));
        for (host, way) in
            [("x86_64-pc-windows-msvc", "winget install zig"), ("aarch64-apple-darwin", "brew install zig")]
        {
            let facts = Facts { host: host.into(), ..facts.clone() };
            let error = super::linking(&cargo, &Settings::default(), &facts, "aarch64-unknown-linux-gnu");
            let hint = error.expect_err("nothing is there").hint_text().unwrap_or_default().to_owned();
            assert!(hint.contains(way) && !hint.contains("apt"), "{hint}");
        }
        fs::write(folder.path().join(System::HERE.executable("aarch64-linux-gnu-gcc")), "").expect("write");
        assert_eq!(linking().expect("linking"), Linking::With("aarch64-linux-gnu-gcc".into()));
    }

    #[test]
    fn linkers_in_cargos_files_count_also_by_cfg() {
        let folder = tempfile::tempdir().expect("folder");
        let linker = |text: &str| {
            let cargo = Cargo::new(folder.path(), Default::default()).with_config(vec![text.to_owned()]);
            configured_linker(&cargo, &Settings::read(&cargo), &facts(folder.path()), ARM)
        };
        assert_eq!(linker("target.aarch64-unknown-linux-musl.linker = 'a'"), Some("a".into()));
        assert_eq!(linker("target.'cfg(target_env = \"musl\")'.linker = 'b'"), Some("b".into()));
        assert_eq!(linker("target.'cfg(windows)'.linker = 'c'"), None);
    }

    #[test]
    fn advice_after_a_failure_names_what_is_missing() {
        let folder = tempfile::tempdir().expect("folder");
        let facts = facts(folder.path());
        let cargo = Cargo::new(folder.path(), [("PATH", folder.path())].into_iter().collect());
        let advice = |triple: &str| advice(&cargo, &Settings::default(), &facts, triple).unwrap_or_default();
        assert!(advice("x86_64-unknown-linux-gnu").contains("the linker cc was not found"));
        fs::write(folder.path().join(System::HERE.executable("cc")), "").expect("write");
        assert_eq!(advice("x86_64-unknown-linux-gnu"), "");
        assert!(advice("x86_64-unknown-linux-musl").contains("apt install musl-tools"));
        assert!(advice(ARM).contains("cargo-zigbuild"));
    }
}
