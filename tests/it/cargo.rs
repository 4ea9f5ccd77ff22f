//! Real projects, read and built by the real cargo.

use std::path::Path;
#[cfg(target_os = "linux")]
use std::path::PathBuf;
use std::process::Command;

use containerize_core::cargo::build::{self, Executable, Features, Request};
use containerize_core::cargo::rustc::Facts;
use containerize_core::cargo::select::{self, Scope};
use containerize_core::cargo::settings::Settings;
use containerize_core::cargo::{Cargo, Locking, Project, Variables, linkage, target};
use containerize_core::event::Events;
use containerize_core::oci::Platform;
use containerize_core::{Error, Kind, Result};
#[cfg(target_os = "linux")]
use containerize_tests::fixture::script;
use containerize_tests::fixture::{self, folder, host, manifest, musl};
use containerize_tests::skip;
use sha2::{Digest, Sha256};

const HELLO: &str = "fn main() { println!(\"hello\") }";

/// The test's own environment without what would change a build, and with `more`.
fn environment(more: &[(&str, &str)]) -> Variables {
    let inherited = std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        !(name.contains("RUSTFLAGS") || name.starts_with("CARGO_TARGET_") || name.starts_with("CARGO_BUILD_"))
    });
    inherited.chain(more.iter().map(|(name, value)| (name.into(), value.into()))).collect()
}

fn cargo(dir: &Path) -> Cargo {
    Cargo::new(dir, environment(&[]))
}

fn read(dir: &Path) -> Project {
    Project::read(&cargo(dir), None, Locking::default()).expect("a project")
}

/// A quick build for the host of what `bins` mean in `cargo`'s folder.
fn request(cargo: &Cargo, bins: &[&str]) -> (Project, Request) {
    let project = Project::read(cargo, None, Locking::default()).expect("a project");
    let bins: Vec<String> = bins.iter().map(|&bin| bin.into()).collect();
    let selection = select::binaries(&project, &Scope::default(), &bins).expect("binaries");
    let mut request = Request::new(selection.binaries, host());
    request.crt_static = false;
    request.quiet = true;
    (project, request)
}

async fn run(cargo: &Cargo, project: &Project, request: &Request) -> Result<Vec<Executable>> {
    build::build(cargo, project, std::slice::from_ref(request), None, &Events::silent()).await
}

async fn built(cargo: &Cargo) -> Executable {
    let (project, request) = request(cargo, &[]);
    run(cargo, &project, &request).await.expect("a build").remove(0)
}

fn output(program: &Path) -> String {
    let output = Command::new(program).output().expect("it runs");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// Whether std for `triple` is here; says so if not.
fn has_std(triple: &str) -> bool {
    let cargo = cargo(Path::new("/"));
    let found = Facts::read(&cargo, &Settings::read(&cargo), triple, None).is_ok_and(|facts| facts.has_std());
    if !found {
        skip(&format!("Rust's standard library for {triple} is not installed"));
    }
    found
}

fn failure<T: std::fmt::Debug>(result: Result<T>) -> Error {
    result.expect_err("an error")
}

/// A virtual workspace: a service that depends on a library by path, a tool, the library.
fn workspace() -> tempfile::TempDir {
    folder(&[
        (
            "Cargo.toml",
            "[workspace]\nresolver = '2'\nmembers = ['svc', 'tool', 'lib']\ndefault-members = ['svc', 'lib']\n\
             [workspace.metadata.containerize]\nuser = '7'\n[profile.small]\ninherits = 'release'\nopt-level = 's'\n",
        ),
        (
            "svc/Cargo.toml",
            &manifest(
                "svc",
                "description = 'A service'\nlicense = 'MIT'\nauthors = ['A <a@b>']\n[dependencies]\nlib = {path = '../lib'}\n\
                 [package.metadata.containerize]\nports = [80]\n[features]\nloud = []\n[[bin]]\nname = 'serve'\npath = 'src/main.rs'\n",
            ),
        ),
        ("svc/src/main.rs", "fn main() { println!(\"{} {}\", lib::hello(), cfg!(feature = \"loud\")) }"),
        ("tool/Cargo.toml", &manifest("tool", "default-run = 'b'\n")),
        ("tool/src/bin/a.rs", HELLO),
        ("tool/src/bin/b.rs", HELLO),
        ("lib/Cargo.toml", &manifest("lib", "")),
        ("lib/src/lib.rs", "pub fn hello() -> &'static str { \"from the library\" }"),
    ])
}

#[test]
fn a_project_is_read_as_it_describes_itself() {
    let folder = workspace();
    let project = read(folder.path());
    let svc = project.package("svc").expect("svc");
    assert_eq!(svc.description.as_deref(), Some("A service"));
    assert_eq!(svc.authors, ["A <a@b>"]);
    assert_eq!(svc.settings.as_ref().expect("settings")["ports"][0], 80);
    assert_eq!(project.workspace_settings.as_ref().expect("settings")["user"], "7");
    assert_eq!(project.package("tool").expect("tool").default_run.as_deref(), Some("b"));
    let lib = project.package("lib").expect("lib");
    assert!(lib.has_lib && lib.bins.is_empty());
    assert_eq!(project.workspace_root.canonicalize().ok(), folder.path().canonicalize().ok());
}

#[test]
fn what_is_selected_by_default_depends_on_the_folder() {
    let folder = workspace();
    let selected = |dir: &str| {
        let selection = select::binaries(&read(&folder.path().join(dir)), &Scope::default(), &[]);
        selection.map(|s| s.binaries.iter().map(|b| b.name.clone()).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(selected("").expect("the only one of the default members"), "serve");
    assert_eq!(selected("tool/src").expect("its default-run"), "b");
    let error = failure(selected("lib"));
    assert_eq!(error.to_string(), "package lib is a library: it has no binary to put in an image");
    assert_eq!(error.hint_text(), Some("choose a package that has one: -p svc, -p tool"));
}

#[test]
fn a_folder_without_a_project_says_what_is_missing() {
    let folder = folder(&[("broken/Cargo.toml", "[package]\nname = \n")]);
    let read = |dir: &str, manifest: Option<&str>| {
        let cargo = cargo(&folder.path().join(dir));
        failure(Project::read(&cargo, manifest.map(Path::new), Locking::default()))
    };
    let missing = read("", None);
    assert_eq!(
        missing.to_string(),
        format!("there is no Cargo.toml in {} or any parent folder", folder.path().display())
    );
    assert_eq!((missing.kind(), missing.causes().len()), (Kind::Usage, 0));
    assert_eq!(read("", Some("no/Cargo.toml")).to_string(), "the file no/Cargo.toml does not exist");
    let broken = read("broken", None);
    let cause = broken.causes().join("\n");
    assert!(cause.contains("name = ") && !cause.contains("error: failed"), "{broken:?}");
    assert!(read("nowhere", None).to_string().ends_with("does not exist"));
}

#[tokio::test]
async fn executables_are_found_whatever_the_profile_and_target_folder() {
    let folder = workspace();
    let cargo = cargo(folder.path());
    let (project, mut request) = request(&cargo, &[]);
    request.profile = "small".into();
    request.target_dir = Some("elsewhere".into());
    request.features = Features { features: vec!["svc/loud".into()], ..Features::default() };
    let built = run(&cargo, &project, &request).await.expect("a build");
    assert_eq!((built[0].package.as_str(), built[0].bin.as_str()), ("svc", "serve"));
    assert!(built[0].path.starts_with(folder.path().join("elsewhere")), "{built:?}");
    assert_eq!(output(&built[0].path), "from the library true");
    assert!(linkage::examine(&built[0].path).expect("a program").stripped);
}

#[tokio::test]
async fn several_binaries_are_built_in_one_call_and_keep_their_symbols_if_asked() {
    let folder = workspace();
    let cargo = Cargo::new(folder.path().join("tool"), environment(&[]));
    let (project, mut request) = request(&cargo, &["b", "a"]);
    request.strip = None;
    let built = run(&cargo, &project, &request).await.expect("a build");
    assert_eq!(built.iter().map(|e| e.bin.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    assert!(!linkage::examine(&built[0].path).expect("a program").stripped);
}

#[tokio::test]
async fn a_build_that_fails_is_a_build_error() {
    let folder = folder(&[("Cargo.toml", &manifest("app", "")), ("src/main.rs", "fn main() { nonsense }")]);
    let cargo = cargo(folder.path());
    let (project, request) = request(&cargo, &[]);
    let error = failure(run(&cargo, &project, &request).await);
    assert_eq!(error.to_string(), format!("cargo could not build app for {}", host()));
    assert_eq!(error.kind(), Kind::Build);
}

#[tokio::test]
async fn a_target_without_std_says_what_to_install() {
    let folder = folder(&[("Cargo.toml", &manifest("app", "")), ("src/main.rs", HELLO)]);
    let cargo = cargo(folder.path());
    let (project, mut request) = request(&cargo, &[]);
    request.triple = "s390x-unknown-linux-gnu".into();
    let error = failure(run(&cargo, &project, &request).await);
    let hint = error.hint_text().unwrap_or_default();
    assert!(hint.contains("rustup target add s390x-unknown-linux-gnu"), "{hint}");
}

/// Prints whether it was compiled with `--cfg mine` and `--cfg other`.
const SHOW_CFG: &str =
    "#![allow(unexpected_cfgs)]\nfn main() { println!(\"{} {}\", cfg!(mine), cfg!(other)) }";

#[tokio::test]
async fn the_users_rustflags_stay_in_force_wherever_they_are() {
    let build = "[build]\nrustflags = ['--cfg', 'mine']\n".to_owned();
    let text = "[build]\nrustflags = '--cfg mine'\n".to_owned();
    let target =
        format!("[target.{}]\nrustflags = '--cfg mine'\n[build]\nrustflags = '--cfg other'\n", host());
    let cfg = "[target.'cfg(unix)']\nrustflags = ['--cfg', 'mine']\n".to_owned();
    let other = "[build]\nrustflags = ['--cfg', 'other']\n".to_owned();
    let cases: [(&str, &[(&str, &str)]); 7] = [
        (&build, &[]),
        (&text, &[]),
        (&target, &[]),
        (&cfg, &[]),
        (&other, &[("RUSTFLAGS", "--cfg mine")]),
        (&other, &[("CARGO_ENCODED_RUSTFLAGS", "--cfg=mine"), ("RUSTFLAGS", "--cfg other")]),
        ("", &[("CARGO_BUILD_RUSTFLAGS", "--cfg mine")]),
    ];
    let folder = folder(&[("Cargo.toml", &manifest("app", "")), ("src/main.rs", SHOW_CFG)]);
    for (config, variables) in cases {
        fixture::write(folder.path(), &[(".cargo/config.toml", config)]);
        let cargo = Cargo::new(folder.path(), environment(variables));
        let plain =
            cargo.command(cargo.program()).args(["run", "-q", "--target", &host()]).output().expect("cargo");
        assert_eq!(String::from_utf8_lossy(&plain.stdout).trim(), "true false", "cargo itself: {config}");
        assert_eq!(output(&built(&cargo).await.path), "true false", "{config} {variables:?}");
    }
}

#[tokio::test]
async fn flags_of_cargos_config_option_count_too() {
    let folder = folder(&[("Cargo.toml", &manifest("app", "")), ("src/main.rs", SHOW_CFG)]);
    let cargo = cargo(folder.path()).with_config(vec!["build.rustflags=['--cfg','mine']".into()]);
    assert_eq!(output(&built(&cargo).await.path), "true false");
}

#[tokio::test]
async fn glibc_is_linked_in_only_where_asked() {
    let folder = folder(&[("Cargo.toml", &manifest("app", "")), ("src/main.rs", HELLO)]);
    let cargo = cargo(folder.path());
    let (project, mut request) = request(&cargo, &[]);
    let platform = target::platform(&host()).expect("a platform");
    let dynamic = run(&cargo, &project, &request).await.expect("a build").remove(0);
    let found = linkage::examine(&dynamic.path).expect("a program");
    assert!(found.needed.iter().any(|name| name == "libc.so.6"), "{found:?}");
    found.verify("app", &platform, false).expect("fine on a base with glibc");
    assert!(failure(found.verify("app", &platform, true)).to_string().contains("libc.so.6"));
    request.crt_static = true;
    let program = run(&cargo, &project, &request).await.expect("a build").remove(0);
    let found = linkage::examine(&program.path).expect("a program");
    found.verify("app", &platform, true).expect("static");
    assert_eq!(output(&program.path), "hello");
}

#[tokio::test]
async fn musl_programs_are_static_even_against_the_users_flags() {
    if !has_std(&musl()) {
        return;
    }
    let folder = folder(&[
        ("Cargo.toml", &manifest("app", "")),
        ("src/main.rs", HELLO),
        (".cargo/config.toml", "[build]\nrustflags = ['-C', 'target-feature=-crt-static']"),
    ]);
    let cargo = cargo(folder.path());
    let (project, mut request) = request(&cargo, &[]);
    let platform = Platform::from_rust_arch(std::env::consts::ARCH).expect("a platform");
    request.triple = target::triple(&platform, None).expect("a triple");
    request.crt_static = true;
    let program = run(&cargo, &project, &request).await.expect("a build").remove(0);
    let found = linkage::examine(&program.path).expect("a program");
    found.verify("app", &platform, true).expect("static");
    assert!(found.stripped);
    assert_eq!(output(&program.path), "hello");
}

#[tokio::test]
async fn another_architecture_needs_nothing_but_its_std() {
    let arch = if std::env::consts::ARCH == "x86_64" { "aarch64" } else { "x86_64" };
    let triple = format!("{arch}-unknown-linux-musl");
    if !has_std(&triple) {
        return;
    }
    let folder = folder(&[("Cargo.toml", &manifest("app", "")), ("src/main.rs", HELLO)]);
    let cargo = cargo(folder.path());
    let (project, mut request) = request(&cargo, &[]);
    request.triple = triple;
    request.crt_static = true;
    let program = run(&cargo, &project, &request).await.expect("a build").remove(0);
    let platform = Platform::from_rust_arch(arch).expect("a platform");
    linkage::examine(&program.path)
        .expect("a program")
        .verify("app", &platform, true)
        .expect("right and static");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn giving_up_ends_cargo() {
    let folder = folder(&[("Cargo.toml", &manifest("app", "")), ("src/main.rs", HELLO)]);
    let slow = folder.path().join("cargo");
    script(&slow, "#!/bin/sh\necho $$ > pid.new; mv pid.new pid; exec sleep 600\n");
    let (project, request) = request(&cargo(folder.path()), &[]);
    let slow = Cargo::new(folder.path(), environment(&[("CARGO", &slow.display().to_string())]));
    let pid = folder.path().join("pid");
    let started = async {
        while !pid.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        result = run(&slow, &project, &request) => panic!("it ended by itself: {result:?}"),
        () = started => {}
    }
    let stat = PathBuf::from(format!("/proc/{}/stat", std::fs::read_to_string(pid).expect("pid").trim()));
    // Gone, or dead and not yet waited for; the test's own time limit is the limit.
    while std::fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z ")) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Writes `files` as a project in a folder and with a cargo home of its own, builds it for
/// `triple`, and gives the program's SHA-256.
async fn digest_in(place: &str, files: &[(&str, &str)], triple: &str) -> String {
    let folder = tempfile::Builder::new().prefix(place).tempdir().expect("folder");
    fixture::write(folder.path(), files);
    let home = folder.path().join(place).display().to_string();
    let cargo = Cargo::new(folder.path(), environment(&[("CARGO_HOME", &home)]));
    let (project, mut request) = request(&cargo, &[]);
    request.triple = triple.into();
    request.crt_static = target::is_musl(triple);
    let program = run(&cargo, &project, &request).await.expect("a build").remove(0);
    let bytes = std::fs::read(&program.path).expect("the program");
    let place = folder.path().to_str().expect("text").as_bytes();
    let leaks = bytes.windows(place.len()).any(|window| window == place);
    assert!(!leaks, "{} is in the program", folder.path().display());
    Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Panics in generated code, so that its path is in the program.
const GENERATOR: &str = r#"fn main() {
    let out = std::env::var("OUT_DIR").unwrap();
    std::fs::write(format!("{out}/x.rs"), "pub fn pick(n: usize) -> u8 { [1u8, 2, 3][n] }").unwrap();
}"#;

#[tokio::test]
async fn the_folder_and_cargos_home_leave_no_trace_in_the_program() {
    let files = [
        ("Cargo.toml", manifest("app", "[dependencies]\nmade = {path = 'made'}\n[workspace]\n")),
        ("src/main.rs", "fn main() { println!(\"{}\", made::pick(std::env::args().count())) }".into()),
        ("made/Cargo.toml", manifest("made", "")),
        ("made/build.rs", GENERATOR.into()),
        ("made/src/lib.rs", "include!(concat!(env!(\"OUT_DIR\"), \"/x.rs\"));".into()),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let one = digest_in("one", &files, &host()).await;
    assert_eq!(one, digest_in("quite another with spaces", &files, &host()).await);
}

#[tokio::test]
#[ignore = "downloads crates and compiles C"]
async fn crates_with_c_code_leave_no_trace_either() {
    let triple = musl();
    if !has_std(&triple) {
        return;
    }
    let manifest = manifest(
        "app",
        "[dependencies]\nring = '=0.17.14'\nzstd-sys = '2'\nrustls = {version = '0.23', default-features = false, \
         features = ['ring', 'std']}\n[build-dependencies]\ncc = '1'\n",
    );
    let files = [
        ("Cargo.toml", manifest.as_str()),
        (
            "build.rs",
            "fn main() {\n let out = std::env::var(\"OUT_DIR\").unwrap();\n std::fs::write(format!(\"{out}/file.c\"), \
             \"const char *here(void) { return __FILE__; }\").unwrap();\n \
             cc::Build::new().file(format!(\"{out}/file.c\")).compile(\"here\");\n}",
        ),
        (
            "src/main.rs",
            "extern \"C\" { fn here() -> *const std::ffi::c_char; }\nfn main() {\n \
             println!(\"{:?}\", ring::digest::digest(&ring::digest::SHA256, b\"x\"));\n \
             println!(\"{} {:?}\", unsafe { zstd_sys::ZSTD_versionNumber() }, unsafe { std::ffi::CStr::from_ptr(here()) });\n \
             println!(\"{:?}\", rustls::ClientConfig::builder().with_root_certificates(rustls::RootCertStore::empty())\
             .with_no_client_auth());\n}",
        ),
    ];
    let one = digest_in("one", &files, &triple).await;
    assert_eq!(one, digest_in("quite-another", &files, &triple).await);
}
