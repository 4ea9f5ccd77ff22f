//! The cache, seen from outside: damaged, too large, in the way.

use std::fs;
use std::path::Path;

use containerize_tests::fixture::{has_musl, hello};
use containerize_tests::program::{call, fails, succeeds};
use containerize_tests::registry::TestRegistry;

/// Changes one byte in the middle of every blob.
fn damage(home: &Path) -> usize {
    let blobs = fs::read_dir(home.join("cache/blobs/sha256")).expect("blobs");
    let damaged = blobs.map(|entry| {
        let path = entry.expect("entry").path();
        let mut bytes = fs::read(&path).expect("blob");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).expect("damaged");
    });
    damaged.count()
}

#[test]
fn a_damaged_cache_is_noticed_and_made_anew_in_the_same_run() {
    if !has_musl() {
        return;
    }
    let (project, home) = (hello(), tempfile::tempdir().expect("home"));
    let registry = TestRegistry::open();
    let archive = ["-o", "oci-archive:image.tar"];
    let digest = succeeds(call(project.path(), home.path(), &archive));
    assert_eq!(damage(home.path()), 2, "the base and the program");
    assert_eq!(succeeds(call(project.path(), home.path(), &archive)), digest);

    assert_eq!(damage(home.path()), 2);
    let repository = registry.repository("hello");
    let tag = format!("{repository}:1");
    let pushed = succeeds(call(project.path(), home.path(), &["--push", "-t", &tag]));
    assert_eq!(pushed, format!("{repository}@{digest}"));
    for entry in fs::read_dir(home.path().join("cache/blobs/sha256")).expect("blobs") {
        let name = entry.expect("entry").file_name().into_string().expect("text");
        assert!(registry.blob("hello", format!("sha256:{name}")).is_some(), "{name}");
    }
}

#[test]
fn a_cache_of_no_size_still_builds() {
    if !has_musl() {
        return;
    }
    let (project, home) = (hello(), tempfile::tempdir().expect("home"));
    let build = || {
        let mut command = call(project.path(), home.path(), &[]);
        command.env("CONTAINERIZE_CACHE_SIZE", "0");
        command
    };
    assert_eq!(succeeds(build()), succeeds(build()));
    let (code, words) = fails({
        let mut command = build();
        command.env("CONTAINERIZE_CACHE_SIZE", "much");
        command
    });
    assert_eq!(code, 2);
    assert!(words.contains("CONTAINERIZE_CACHE_SIZE") && words.contains("5GiB"), "{words}");
}

#[test]
fn the_cache_can_be_looked_at_and_emptied() {
    let home = tempfile::tempdir().expect("home");
    let cache =
        |arguments: &[&str]| succeeds(call(home.path(), home.path(), &[&["cache"], arguments].concat()));
    let dir = home.path().join("cache");
    assert_eq!(cache(&["dir"]), dir.display().to_string());
    assert!(!dir.exists(), "looking makes nothing");
    cache(&["info"]);
    let blob = dir.join("blobs/sha256").join("0".repeat(64));
    fs::write(&blob, "12345").expect("blob");
    let info: serde_json::Value = serde_json::from_str(&cache(&["info", "--format", "json"])).expect("json");
    assert_eq!(
        (&info["usage"]["blobs"]["bytes"], &info["max-bytes"]),
        (&5.into(), &10_737_418_240_u64.into())
    );
    assert_eq!(cache(&["prune"]), "removed 0 files, 0 B");
    assert_eq!(cache(&["prune", "--all"]), "removed 1 files, 5 B");
    assert!(!blob.exists());
}

#[test]
fn a_cache_folder_that_cannot_be_made_is_said_to_be_so() {
    let home = tempfile::tempdir().expect("home");
    fs::write(home.path().join("cache"), "in the way").expect("file");
    let (code, words) = fails(call(home.path(), home.path(), &["cache", "info"]));
    assert_eq!(code, 1);
    assert!(words.contains("cannot make the cache folder") && words.contains("--cache-dir"), "{words}");
}
