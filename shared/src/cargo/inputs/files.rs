//! The files of packages on this machine, as cargo sees them: all that version control does not ignore, but for
//! packages within the package.

use std::path::{Component, Path, PathBuf};

use ignore::{DirEntry, WalkBuilder};

use crate::cargo::local::plain;
use crate::oci::{Digest, to_json};
use crate::read;
use crate::system::System;
use crate::territory::is_version_control;

/// Files below a folder by their paths, and the digests of what is in them.
pub(super) type Tree = Vec<(PathBuf, Digest)>;

/// The files of the package in `folder`. What lies in one of the folders `made` was made by a build, and OCI layouts were
/// made of what it made.
///
/// # Errors
/// A file or folder cannot be read.
pub(super) fn of_package(folder: &Path, made: &[PathBuf]) -> std::io::Result<Tree> {
    let (own, made) = (folder.to_owned(), made.to_vec());
    let is_own = move |entry: &DirEntry| {
        let path = entry.path();
        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        let has = |name: &str| path.join(name).exists();
        let is_other = is_folder
            && path != own
            && (has("Cargo.toml")
                || has("oci-layout")
                || is_version_control(&entry.file_name().to_string_lossy()));
        !is_other && !made.iter().any(|made| made == path)
    };
    let mut walk = WalkBuilder::new(folder);
    // What one machine alone ignores would be another list on the next.
    walk.hidden(false)
        .ignore(false)
        .git_global(false)
        .git_exclude(false)
        .follow_links(true)
        .filter_entry(is_own);
    read_all(walk.build())
}

/// All files below `folder`, whatever ignores them.
///
/// # Errors
/// A file or folder cannot be read.
pub(super) fn of_folder(folder: &Path) -> std::io::Result<Tree> {
    read_all(WalkBuilder::new(folder).standard_filters(false).follow_links(true).build())
}

fn read_all(walk: ignore::Walk) -> std::io::Result<Tree> {
    let mut found = Tree::new();
    for entry in walk {
        let path = match entry {
            Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_dir()) => continue,
            Ok(entry) => entry.into_path(),
            Err(error) => link_of(&error).ok_or_else(|| std::io::Error::other(error))?,
        };
        let digest = digest(&path)?;
        found.push((path, digest));
    }
    found.sort();
    Ok(found)
}

/// The link that cannot be followed: it leads nowhere, or to a folder around it.
fn link_of(error: &ignore::Error) -> Option<PathBuf> {
    match error {
        ignore::Error::WithDepth { err, .. } => link_of(err),
        ignore::Error::WithPath { path, .. } => Some(path.clone()).filter(|path| path.is_symlink()),
        ignore::Error::Loop { child, .. } => Some(child.clone()),
        _ => None,
    }
}

/// The digest of what a file holds, or of where a link leads that leads to no file. Of a Cargo.toml, what is said of
/// images does not count; what is for other tools does, since build scripts may read it.
pub(super) fn digest(path: &Path) -> std::io::Result<Digest> {
    match read::file(path) {
        Ok(_) if path.ends_with("Cargo.toml") => manifest(path),
        Ok(file) => Ok(Digest::of_stream(file)?.0),
        Err(error) => {
            let leads_to = path.read_link().map_err(|_| error)?;
            Ok(Digest::of(leads_to.as_os_str().as_encoded_bytes()))
        }
    }
}

fn manifest(path: &Path) -> std::io::Result<Digest> {
    let text = read::text(path, read::DOCUMENT)?;
    let Ok(mut table) = text.parse::<toml::Table>() else { return Ok(Digest::of(text.as_bytes())) };
    for key in ["package", "workspace"] {
        let Some(table) = table.get_mut(key).and_then(toml::Value::as_table_mut) else { continue };
        let metadata = table.get_mut("metadata").and_then(toml::Value::as_table_mut);
        let is_left = metadata.is_some_and(|metadata| {
            metadata.remove("containerize");
            !metadata.is_empty()
        });
        if !is_left {
            table.remove("metadata");
        }
    }
    Ok(Digest::of(&to_json(&table).map_err(std::io::Error::other)?))
}

/// The same place without `..`, where that is the same: behind a link it may be another one.
pub(super) fn without_detours(path: &Path) -> PathBuf {
    let plain = plain(path);
    match plain.canonicalize().ok() == path.canonicalize().ok() {
        true => plain,
        false => path.to_owned(),
    }
}

/// `path` as seen from the folder `root`, both absolute, with `/` between its parts.
pub(in crate::cargo) fn seen_from(root: &Path, path: &Path) -> String {
    let (root, path): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (root.components().collect(), path.components().collect());
    let same = root.iter().zip(&path).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", root.len() - same).map(PathBuf::from);
    let way: PathBuf = up.chain(path[same..].iter().map(PathBuf::from)).collect();
    System::HERE.slashes(&way.to_string_lossy()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().expect("folder")).expect("folder");
        fs::write(path, text).expect("file");
    }

    #[test]
    fn a_package_has_what_version_control_does_not_ignore_and_no_other_packages() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |path: &str| folder.path().join(path);
        for file in
            ["Cargo.toml", "src/main.rs", ".cargo/x", "inner/Cargo.toml", "inner/src/lib.rs", ".git/HEAD"]
        {
            write(&at(file), "");
        }
        write(&at(".gitignore"), "/ignored\n");
        write(&at("ignored/x"), "");
        write(&at("out/oci-layout"), "");
        write(&at("target/debug/x"), "");
        let names = |made: &[PathBuf]| {
            let tree = of_package(folder.path(), made).expect("files");
            tree.iter().map(|(path, _)| seen_from(folder.path(), path)).collect::<Vec<_>>()
        };
        assert_eq!(names(&[at("target")]), [".cargo/x", ".gitignore", "Cargo.toml", "src/main.rs"]);
    }

    #[test]
    fn what_is_said_of_images_does_not_count() {
        let folder = tempfile::tempdir().expect("folder");
        let digest = |text: &str| {
            write(&folder.path().join("Cargo.toml"), text);
            digest(&folder.path().join("Cargo.toml")).expect("digest")
        };
        let plain = digest("[package]\nname = 'a'");
        assert_eq!(plain, digest("[package]\nname = 'a'\n[package.metadata.containerize]\nports = [1]"));
        assert_ne!(plain, digest("[package]\nname = 'a'\n[package.metadata.other]\nx = [1]"));
        assert_ne!(plain, digest("[package]\nname = 'b'"));
        assert_ne!(digest("[package\n"), digest("[package \n"), "a broken file is its bytes");
    }

    #[test]
    fn paths_are_seen_from_a_folder() {
        let seen = |path: &str| seen_from(Path::new("/w/app"), Path::new(path));
        assert_eq!((seen("/w/app/src/a.rs"), seen("/w/lib/b")), ("src/a.rs".into(), "../lib/b".into()));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_what_it_leads_to() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |path: &str| folder.path().join(path);
        write(&at("a"), "text");
        std::os::unix::fs::symlink("a", at("link")).expect("link");
        std::os::unix::fs::symlink("nowhere", at("lost")).expect("link");
        write(&at("folder/x"), "x");
        std::os::unix::fs::symlink("folder", at("other")).expect("link");
        std::os::unix::fs::symlink("..", at("folder/around")).expect("link");
        let tree = of_package(folder.path(), &[]).expect("files");
        let names: Vec<_> = tree.iter().map(|(path, _)| seen_from(folder.path(), path)).collect();
        let expected = ["a", "folder/around", "folder/x", "link", "lost", "other/around", "other/x"];
        assert_eq!(names, expected);
        assert_eq!(digest(&at("link")).expect("read"), digest(&at("a")).expect("read"));
        assert_eq!(digest(&at("lost")).expect("read"), Digest::of(b"nowhere"));
    }
}
