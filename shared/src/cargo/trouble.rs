//! What to do when cargo could not build a crate that needs something from outside of Rust.
//!
//! Cargo's own words have been shown. Its messages tell whose build script did not end well, and
//! which libraries the others want linked; for those that are known there is a way that works.

use super::Cargo;
use std::path::Path;

use super::messages::Messages;
use super::target::is_musl;
use crate::read;
use crate::system::{System, os_release};

/// A crate that links a library of the system.
struct Known {
    name: &'static str,
    /// What it links, as the linker calls it.
    links: &'static [&'static str],
    /// The library, for people.
    library: &'static str,
    /// The crates and features with which it is built into the program.
    built_in: &'static [(&'static str, &'static str)],
    /// What else does the same.
    instead: Option<&'static str>,
    /// Debian's packages: to compile with, and to run.
    debian: Option<(&'static str, &'static str)>,
}

const OPENSSL: (&str, &str) = ("openssl-sys", "vendored");

const KNOWN: &[Known] = &[
    Known {
        name: "openssl-sys",
        links: &["ssl", "crypto"],
        library: "OpenSSL",
        built_in: &[OPENSSL],
        instead: Some("use rustls (many crates have a feature for it)"),
        debian: Some(("libssl-dev", "libssl3")),
    },
    Known {
        name: "pq-sys",
        links: &["pq"],
        library: "libpq",
        built_in: &[("pq-sys", "bundled"), OPENSSL],
        instead: None,
        debian: Some(("libpq-dev", "libpq5")),
    },
    Known {
        name: "libsqlite3-sys",
        links: &["sqlite3"],
        library: "SQLite",
        built_in: &[("libsqlite3-sys", "bundled")],
        instead: None,
        debian: Some(("libsqlite3-dev", "libsqlite3-0")),
    },
    Known {
        name: "mysqlclient-sys",
        links: &["mysqlclient", "mariadb"],
        library: "the client library of MySQL",
        built_in: &[],
        instead: Some("use a client in Rust (crates mysql and sqlx)"),
        debian: Some(("libmariadb-dev", "libmariadb3")),
    },
    Known {
        name: "curl-sys",
        links: &["curl"],
        library: "libcurl",
        built_in: &[("curl-sys", "static-curl"), OPENSSL],
        instead: None,
        debian: Some(("libcurl4-openssl-dev", "libcurl4")),
    },
    Known {
        name: "libz-sys",
        links: &["z"],
        library: "zlib",
        built_in: &[("libz-sys", "static")],
        instead: None,
        debian: Some(("zlib1g-dev", "zlib1g")),
    },
    Known {
        name: "libssh2-sys",
        links: &["ssh2"],
        library: "libssh2",
        built_in: &[("libssh2-sys", "vendored-openssl")],
        instead: None,
        debian: Some(("libssh2-1-dev", "libssh2-1")),
    },
    Known {
        name: "libgit2-sys",
        links: &["git2"],
        library: "libgit2",
        built_in: &[("libgit2-sys", "vendored")],
        instead: None,
        debian: None,
    },
    Known {
        name: "rdkafka-sys",
        links: &["rdkafka"],
        library: "librdkafka",
        built_in: &[("rdkafka-sys", "cmake-build")],
        instead: None,
        debian: Some(("librdkafka-dev", "librdkafka1")),
    },
];

/// Programs that build scripts call, by the crates that call them, and Debian's package of each.
const TOOLS: &[(&[&str], &str, &str)] = &[
    (&["prost-build", "tonic-build", "protobuf-codegen"], "protoc", "protobuf-compiler"),
    (&["cmake"], "cmake", "cmake"),
    (&["pkg-config"], "pkg-config", "pkg-config"),
];

/// What to do after the build for `triple` that `messages` tells of has failed.
pub(super) fn advice(cargo: &Cargo, messages: &Messages, triple: &str) -> Option<String> {
    advice_on(System::HERE, cargo, messages, triple)
}

fn advice_on(system: System, cargo: &Cargo, messages: &Messages, triple: &str) -> Option<String> {
    let known = |name: &str| KNOWN.iter().find(|known| known.name == name);
    let failed = messages.unfinished().find_map(|(name, version)| Some((known(name)?, version)));
    if let Some((known, version)) = failed {
        return Some(format!(
            "{} looks for {}: {}",
            known.name,
            known.library,
            ways(system, known, version, triple)
        ));
    }
    if messages.unfinished().next().is_some() {
        return tool(system, cargo, messages);
    }
    let linked = messages.linked().find_map(|(name, version, library)| {
        let known = known(name).filter(|known| known.links.contains(&library))?;
        Some((known, version))
    });
    linked.map(|(known, version)| {
        let (library, ways) = (known.library, ways(system, known, version, triple));
        format!("if linking failed: {} links {library} of this machine; {ways}", known.name)
    })
}

/// How the library gets into the image.
fn ways(system: System, known: &Known, version: &str, triple: &str) -> String {
    let mut ways = Vec::new();
    let adds = known.built_in.iter().map(|(name, feature)| {
        let version = if *name == known.name { format!("@{}", compatible(version)) } else { String::new() };
        format!("cargo add {name}{version} --features {feature}")
    });
    let adds: Vec<String> = adds.collect();
    if !adds.is_empty() {
        ways.push(format!("build it into the program, with {}", adds.join(" and ")));
    }
    ways.extend(known.instead.map(str::to_owned));
    // Other systems do not have Debian's headers and libraries to link with.
    if let Some((headers, package)) = known.debian.filter(|_| system == System::Linux) {
        let from = if is_musl(triple) { "use Debian's instead of musl" } else { "use Debian's" };
        ways.push(format!("{from}: apt install {headers}, and {}", on_debian(triple, package)));
    }
    ways.join("; or ")
}

/// The flags with which a program is linked to Debian's libraries and `package` goes with it.
fn on_debian(triple: &str, package: &str) -> String {
    let gnu = triple.replace("musl", "gnu");
    format!("--target {gnu} --base deb:{} --debian {package}", suite())
}

/// The Debian that programs of this machine run on: its own, if it is one.
fn suite() -> String {
    let text = read::text(Path::new("/etc/os-release"), read::DOCUMENT).unwrap_or_default();
    let is_debian = os_release::value(&text, "ID") == Some("debian");
    os_release::value(&text, "VERSION_CODENAME").filter(|_| is_debian).unwrap_or("trixie").to_owned()
}

/// The part of a version that all compatible ones share.
fn compatible(version: &str) -> String {
    let numbers: Vec<&str> = version.split(['.', '+', '-']).collect();
    match numbers[..] {
        ["0", minor, ..] => format!("0.{minor}"),
        [major, ..] => major.to_owned(),
        [] => String::new(),
    }
}

/// A tool that some build script needs, and that is not there.
fn tool(system: System, cargo: &Cargo, messages: &Messages) -> Option<String> {
    let compiled = |names: &[&str]| names.iter().any(|name| messages.compiled.contains(*name));
    let missing =
        TOOLS.iter().find(|(crates, program, _)| compiled(crates) && cargo.find_program(program).is_none());
    if let Some((_, program, package)) = missing {
        let how = match system {
            System::Linux => format!("apt install {package}"),
            System::Mac => format!("brew install {program}, or the formula that has it"),
            System::Windows => format!("install it so that {program} is on the Path"),
        };
        return Some(format!("{program} was not found, which a build script may need: {how}"));
    }
    let bindgen = compiled(&["bindgen", "clang-sys"]) && cargo.environment().get("LIBCLANG_PATH").is_none();
    let how = match system {
        System::Linux => "apt install libclang-dev",
        System::Mac => "brew install llvm",
        System::Windows => "winget install LLVM.LLVM",
    };
    bindgen.then(|| format!("if bindgen could not find libclang: {how}"))
}

/// What to do about C++, for which musl has no library here: a guess, where nothing better is known.
pub(super) fn cpp(cargo: &Cargo, messages: &Messages, triple: &str) -> Option<String> {
    messages.unfinished().next()?;
    let compiles = ["cc", "cmake", "cxx-build"].iter().any(|name| messages.compiled.contains(*name));
    let variables =
        [format!("CXX_{triple}"), format!("CXX_{}", triple.replace('-', "_")), "TARGET_CXX".into()];
    let configured = variables.iter().any(|name| cargo.environment().get(name).is_some());
    (compiles && is_musl(triple) && !configured).then(|| {
        let flags = on_debian(triple, "libstdc++6");
        format!("if a crate with C++ code failed: no C++ compiler for {triple} was found; link with glibc: {flags}")
    })
}

#[cfg(test)]
mod tests {
    use super::super::messages::Messages;
    use super::*;

    const MUSL: &str = "x86_64-unknown-linux-musl";

    fn script(id: &str) -> String {
        format!(
            "{{\"reason\":\"compiler-artifact\",\"package_id\":\"registry+https://github.com/rust-lang/crates.io-index#{id}\",\
             \"manifest_path\":\"/x\",\"target\":{{\"kind\":[\"custom-build\"],\"crate_types\":[\"bin\"],\"name\":\
             \"build-script-build\"}},\"features\":[],\"filenames\":[],\"executable\":null,\"fresh\":false}}\n"
        )
    }

    fn compiled(id: &str) -> String {
        script(id).replace("custom-build", "lib")
    }

    fn executed(id: &str, libraries: &str) -> String {
        format!(
            "{{\"reason\":\"build-script-executed\",\"package_id\":\"registry+https://github.com/rust-lang/crates.io-index#{id}\",\
             \"linked_libs\":[{libraries}],\"linked_paths\":[],\"cfgs\":[],\"env\":[],\"out_dir\":\"/x\"}}\n"
        )
    }

    /// The advice where the machine has the programs `there`.
    async fn advice_for(lines: &[String], there: &[&str], triple: &str) -> Option<String> {
        advice_of(System::Linux, lines, there, triple).await
    }

    async fn advice_of(system: System, lines: &[String], there: &[&str], triple: &str) -> Option<String> {
        let folder = tempfile::tempdir().expect("folder");
        let file = |name: &&str| folder.path().join(System::HERE.executable(name));
        there.iter().for_each(|name| std::fs::write(file(name), "").expect("write"));
        let cargo = Cargo::new(folder.path(), [("PATH", folder.path())].into_iter().collect());
        let messages = Messages::read(lines.concat().as_bytes()).await.expect("messages");
        advice_on(system, &cargo, &messages, triple).or_else(|| cpp(&cargo, &messages, triple))
    }

    #[tokio::test]
    async fn other_systems_hear_nothing_of_debians_packages() {
        for (system, way) in [(System::Mac, "brew install llvm"), (System::Windows, "winget install LLVM")] {
            let bindgen = [compiled("bindgen@0.71.1"), script("app@0.1.0")];
            assert!(advice_of(system, &bindgen, &[], MUSL).await.is_some_and(|text| text.contains(way)));
            let sqlite = [script("libsqlite3-sys@0.30.1")];
            let advice = advice_of(system, &sqlite, &[], MUSL).await.expect("advice");
            assert!(advice.contains("--features bundled") && !advice.contains("apt"), "{advice}");
        }
    }

    #[tokio::test]
    async fn a_failed_script_is_told_by_what_it_has_not_said() {
        let lines = [
            script("libc@0.2.177"),
            executed("libc@0.2.177", ""),
            compiled("pkg-config@0.3.32"),
            script("openssl-sys@0.9.118"),
        ];
        let musl = advice_for(&lines, &["pkg-config"], MUSL).await.expect("advice");
        assert!(musl.contains("cargo add openssl-sys@0.9 --features vendored"), "{musl}");
        assert!(musl.contains("--target x86_64-unknown-linux-gnu --base deb:"), "{musl}");
        assert!(musl.contains("--debian libssl3"), "{musl}");
        let gnu = advice_for(&lines, &["pkg-config"], "aarch64-unknown-linux-gnu").await.expect("advice");
        assert!(gnu.contains("apt install libssl-dev") && gnu.contains("aarch64-unknown-linux-gnu"), "{gnu}");
    }

    #[tokio::test]
    async fn what_the_linker_may_have_missed_is_named() {
        let lines = [script("pq-sys@0.7.8"), executed("pq-sys@0.7.8", "\"pq\",\"pq\"")];
        let advice = advice_for(&lines, &[], MUSL).await.expect("advice");
        assert!(advice.starts_with("if linking failed: pq-sys links libpq"), "{advice}");
        assert!(
            advice.contains("pq-sys@0.7 --features bundled and cargo add openssl-sys --features vendored")
        );
        let built_in = [script("libz-sys@1.1.31"), executed("libz-sys@1.1.31", "\"static=z\"")];
        assert_eq!(advice_for(&built_in, &[], MUSL).await, None);
        let shared =
            [script("libsqlite3-sys@0.30.1"), executed("libsqlite3-sys@0.30.1", "\"dylib=sqlite3\"")];
        assert!(advice_for(&shared, &[], MUSL).await.is_some_and(|text| text.contains("SQLite")));
    }

    #[tokio::test]
    async fn missing_tools_of_build_scripts_are_named() {
        let own = script("app@0.1.0");
        let protoc = [compiled("prost-build@0.13.5"), own.clone()];
        let advice = advice_for(&protoc, &[], MUSL).await.expect("advice");
        assert!(advice.contains("protoc was not found") && advice.contains("protobuf-compiler"), "{advice}");
        assert_eq!(advice_for(&protoc, &["protoc"], MUSL).await, None);
        let bindgen = [compiled("bindgen@0.71.1"), own.clone()];
        assert!(advice_for(&bindgen, &[], MUSL).await.is_some_and(|text| text.contains("libclang-dev")));
        let cpp = [compiled("cc@1.2.41"), own];
        let advice = advice_for(&cpp, &[], MUSL).await.expect("advice");
        assert!(advice.contains("C++") && advice.contains("libstdc++6"), "{advice}");
        assert_eq!(advice_for(&cpp, &[], "x86_64-unknown-linux-gnu").await, None);
    }

    #[test]
    fn compatible_versions_share_their_first_number_that_is_not_0() {
        assert_eq!(compatible("0.9.118"), "0.9");
        assert_eq!(compatible("1.1.31"), "1");
        assert_eq!(compatible("0.18.8+1.9.7"), "0.18");
    }
}
