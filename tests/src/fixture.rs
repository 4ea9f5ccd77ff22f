//! Little projects in temporary folders.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A temporary folder with these files: each a relative path and its text.
///
/// # Panics
/// When they cannot be written.
pub fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), files);
    folder
}

/// Writes files below `root`, with the folders that they need.
///
/// # Panics
/// When they cannot be written.
pub fn write(root: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
}

/// Writes a program that is a shell script, or anything else with `#!`.
///
/// Another process writes it: what this one has open for writing may be inherited for a moment by a
/// child that another thread starts, and the system runs no file that anybody has open for writing.
///
/// # Panics
/// When it cannot be written.
pub fn script(path: &Path, text: &str) {
    let mut writer = Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("sh");
    writer.stdin.take().expect("its input").write_all(text.as_bytes()).expect("a script");
    assert!(writer.wait().expect("an end").success(), "{} cannot be written", path.display());
}

/// A Cargo.toml of a package `name` 1.0.0, followed by `rest`.
pub fn manifest(name: &str, rest: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2021\"\n{rest}")
}

/// A package `hello` with a program that does nothing.
pub fn hello() -> TempDir {
    folder(&[("Cargo.toml", &manifest("hello", "")), ("src/main.rs", "fn main() {}")])
}

/// Whether Rust's standard library for [`musl`] is here; says so if not.
pub fn has_musl() -> bool {
    let found = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", &musl()])
        .output()
        .is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir());
    if !found {
        crate::skip("Rust's standard library for musl is not installed");
    }
    found
}

/// The triple that rustc runs on.
///
/// # Panics
/// When rustc does not run.
pub fn host() -> String {
    let version = Command::new("rustc").arg("-vV").output().expect("rustc");
    let text = String::from_utf8(version.stdout).expect("text");
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host").to_owned()
}

/// The musl triple of this machine's architecture.
pub fn musl() -> String {
    format!("{}-unknown-linux-musl", std::env::consts::ARCH)
}
