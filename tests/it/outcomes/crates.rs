//! What a Rust program says about the crates that it was built from.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};

use containerize_core::elf;
use containerize_tests::layout::Layout;
use containerize_tests::program::{Project, can_build, has_std};
use serde_json::{Value, json};

const SECTION: &str = ".dep-v0";

/// A program with what it is built from: a library behind a feature that is on, one behind a feature that is
/// off, one for another system, one of its build script, a procedural macro with a library of its own, and one
/// for its tests.
fn project(rest: &str) -> Project {
    let package = |name: &str, rest: &str| {
        format!("[package]\nname = '{name}'\nversion = '1.0.0'\nedition = '2021'\n{rest}")
    };
    let app = package(
        "app",
        &format!(
            "[workspace]\nexclude = ['lib']\n[features]\ndefault = ['on']\non = ['dep:used']\noff = ['dep:unused']\n\
             [dependencies]\nused = {{ path = 'lib/used', optional = true }}\n\
             unused = {{ path = 'lib/unused', optional = true }}\nderive = {{ path = 'lib/derive' }}\n\
             [target.'cfg(windows)'.dependencies]\nelsewhere = {{ path = 'lib/elsewhere' }}\n\
             [build-dependencies]\nmaker = {{ path = 'lib/maker' }}\n\
             [dev-dependencies]\ntester = {{ path = 'lib/tester' }}\n{rest}"
        ),
    );
    let derive =
        package("derive", "[lib]\nproc-macro = true\n[dependencies]\nshared = { path = '../shared' }\n");
    let used = package("used", "[dependencies]\nshared = { path = '../shared' }\n");
    let plain = ["unused", "elsewhere", "maker", "tester", "shared"]
        .map(|name| (format!("lib/{name}/Cargo.toml"), package(name, ""), format!("lib/{name}/src/lib.rs")));
    let mut files = vec![
        ("Cargo.toml", app.as_str()),
        ("build.rs", "fn main() { maker::f() }"),
        ("src/main.rs", "derive::nothing!(); fn main() { used::f(); println!(\"hello\") }"),
        ("lib/derive/Cargo.toml", &derive),
        (
            "lib/derive/src/lib.rs",
            "#[proc_macro] pub fn nothing(_: proc_macro::TokenStream) -> proc_macro::TokenStream \
             { shared::f(); proc_macro::TokenStream::new() }",
        ),
        ("lib/used/Cargo.toml", &used),
        ("lib/used/src/lib.rs", "pub fn f() { shared::f() }"),
    ];
    for (manifest, text, code) in &plain {
        files.push((manifest, text));
        files.push((code, "pub fn f() {}"));
    }
    Project::new(&files)
}

/// The program in the only image of the project's layout.
fn program(project: &Project, arguments: &[&str]) -> Vec<u8> {
    project.call([&["--quiet", "-o", "oci:out"], arguments].concat()).succeed();
    Layout::read(&project.at("out")).only().entry("usr/local/bin/app").bytes.clone()
}

fn said(program: &[u8]) -> Option<Value> {
    let bytes = elf::section(&mut Cursor::new(program), SECTION, 1 << 20).expect("memory")?;
    let mut text = String::new();
    flate2::read::ZlibDecoder::new(&bytes[..]).read_to_string(&mut text).expect("zlib");
    Some(serde_json::from_str(&text).expect("JSON"))
}

#[test]
fn exactly_what_it_was_built_from_is_in_the_program() {
    if !can_build() {
        return;
    }
    let project = project("");
    let program = program(&project, &[]);
    let said = said(&program).expect("the section");
    let packages = said["packages"].as_array().expect("packages");
    let of = |package: &Value| {
        let needs = package["dependencies"].as_array().into_iter().flatten();
        let needs: Vec<&str> = needs
            .map(|at| packages[at.as_u64().expect("a place") as usize]["name"].as_str().expect("name"))
            .collect();
        (package["name"].as_str().expect("name").to_owned(), json!([package["kind"], needs]))
    };
    let expected = json!({
        "app": [null, ["derive", "maker", "used"]],
        "derive": ["build", ["shared"]],
        "maker": ["build", []],
        "shared": [null, []],
        "used": [null, ["shared"]],
    });
    let found: BTreeMap<String, Value> = packages.iter().map(of).collect();
    assert_eq!(serde_json::to_value(found).expect("JSON"), expected);
    assert_eq!((&packages[0]["root"], &packages[0]["source"]), (&json!(true), &json!("local")));

    // It still does what it did.
    let path = project.at("program");
    fs::write(&path, &program).expect("written");
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
        let output = std::process::Command::new(&path).output().expect("it runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n");
    }
}

#[test]
fn it_can_be_left_out_and_cargos_own_program_is_never_touched() {
    if !can_build() {
        return;
    }
    let project = project("[package.metadata.containerize]\nauditable = false\n");
    let plain = program(&project, &[]);
    assert_eq!(said(&plain), None);
    let triple = if cfg!(target_arch = "aarch64") { "aarch64" } else { "x86_64" };
    let built = project.at(&format!("target/{triple}-unknown-linux-musl/release/app"));
    assert_eq!(fs::read(&built).expect("cargo's"), plain);
    project.write(&[(
        "Cargo.toml",
        &fs::read_to_string(project.at("Cargo.toml")).expect("manifest").replace("auditable = false", ""),
    )]);
    let with = program(&project, &[]);
    assert!(said(&with).is_some() && with.len() < plain.len() + 4096);
    assert_eq!(fs::read(&built).expect("cargo's"), plain, "cargo would take another one for its own");
}

#[test]
fn each_platforms_program_has_its_own() {
    if !has_std("x86_64-unknown-linux-musl") || !has_std("aarch64-unknown-linux-musl") {
        return;
    }
    let project = project("");
    project.call(["--quiet", "-o", "oci:out", "--platform", "linux/amd64,linux/arm64"]).succeed();
    let layout = Layout::read(&project.at("out"));
    let all: Vec<Value> = layout
        .images
        .iter()
        .map(|image| said(&image.entry("usr/local/bin/app").bytes).expect("said"))
        .collect();
    assert_eq!(all.len(), 2);
    assert_eq!(all[0], all[1], "both need the same");
}
